//! A text for Slack, Mattermost and their like: `{"text": …}`. What others wrote cannot break out of it: Slack's three control characters
//! are escaped, so that no name becomes a link, a mention or a call of everybody.

use async_trait::async_trait;
use http::header::HeaderMap;
use serde_json::json;

use super::failure::Failure;
use super::message::{Message, Sender};
use super::text::{SHOWN, others, said, title};
use super::webhook::Post;
use crate::clock::Timestamp;

/// What Slack takes, and some less, in characters.
const LONGEST: usize = 30_000;

/// A chat.
pub(super) struct Slack {
    pub(super) post: Post,
}

#[async_trait]
impl Sender for Slack {
    async fn send(&self, messages: &[Message], _now: Timestamp) -> Result<(), Failure> {
        for message in messages {
            let body = json!({ "text": text(message), "mrkdwn": false });
            self.post.json(body.to_string().into_bytes(), HeaderMap::new()).await?;
        }
        Ok(())
    }
}

fn text(message: &Message) -> String {
    let mut lines = vec![escaped(&title(&message.notices, message.more))];
    for notice in message.notices.iter().take(SHOWN) {
        lines.push(escaped(&said(notice)));
        // Ours, and percent-encoded: the one place where the brackets stand for what they are.
        lines.extend(notice.link.as_deref().map(|link| format!("<{}>", escaped(link))));
    }
    lines.extend(others(message));
    lines.join("\n").chars().take(LONGEST).collect()
}

/// Slack: "replace the ampersand, less-than and greater-than".
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notice::{Notice, Topic};

    fn notice(sentence: &str) -> Notice {
        let at = Timestamp::from_unix_millis(0);
        let notice = Notice::new(Topic::Pending, "client_pending", "k", at).saying("A client waits", sentence);
        Notice { link: Some("https://admin.example/console/#/clients/c".to_owned()), ..notice }
    }

    #[test]
    fn nobodys_text_calls_everybody_or_becomes_a_link() {
        let hostile = "\"<!channel> & <https://evil.example|click>\u{202e}\u{7}\r\n\"";
        let text = text(&Message { id: String::new(), notices: vec![notice(hostile)], more: 0 });
        assert_eq!(
            text,
            "A client waits\n[info] \"&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;\u{fffd}\u{fffd}\u{fffd}\u{fffd}\"\n\
             <https://admin.example/console/#/clients/c>"
        );
    }

    #[test]
    fn many_are_counted() {
        let message = Message { id: String::new(), notices: vec![notice("s"); 12], more: 3 };
        assert!(text(&message).starts_with("15 times: A client waits\n") && text(&message).ends_with("\n… and 5 more"));
    }
}
