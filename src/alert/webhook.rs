//! A webhook: JSON by POST, signed by Standard Webhooks. `webhook-id` is the same at each attempt, so that a receiver that was told twice
//! can know it.

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::failure::{self, Failure};
use super::message::{Message, Sender};
use super::notice::Notice;
use super::signature::Signer;
use super::text::title;
use crate::clock::Timestamp;
use crate::fetch::{self, FetchClient, FetchRequest, Target};
use crate::secret::Secret;

/// The most of an answer that is read; nobody looks at it.
const LARGEST_ANSWER: usize = 64 * 1024;

/// A URL that JSON is posted to.
pub(super) struct Post {
    client: FetchClient,
    target: Target,
    authorization: Option<HeaderValue>,
}

impl Post {
    pub(super) fn new(client: FetchClient, target: Target, bearer: Option<&Secret>) -> Result<Self, String> {
        let line = |token: &Secret| {
            fetch::bearer(token).map_err(|_| "bearer_token_file holds what cannot stand in a header".to_owned())
        };
        Ok(Self { client, target, authorization: bearer.map(line).transpose()? })
    }

    pub(super) async fn json(&self, body: Vec<u8>, headers: HeaderMap) -> Result<(), Failure> {
        let mut headers = headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(self.authorization.clone().map(|line| (AUTHORIZATION, line)));
        let request =
            FetchRequest { method: Method::POST, headers, body: Bytes::from(body), response_bytes: LARGEST_ANSWER };
        failure::heard(&self.client.fetch(&self.target, request).await?)
    }
}

/// A receiver of signed JSON.
pub(super) struct Webhook {
    pub(super) post: Post,
    pub(super) signer: Signer,
    pub(super) gateway: String,
}

#[async_trait]
impl Sender for Webhook {
    async fn send(&self, messages: &[Message], now: Timestamp) -> Result<(), Failure> {
        for message in messages {
            let body = body(message, &self.gateway).to_string().into_bytes();
            let seconds = now.unix_seconds();
            let signature = self.signer.sign(&message.id, seconds, &body);
            let mut headers = HeaderMap::new();
            for (name, value) in [
                ("webhook-id", message.id.clone()),
                ("webhook-timestamp", seconds.to_string()),
                ("webhook-signature", signature),
            ] {
                let value = HeaderValue::from_str(&value).map_err(|error| Failure::Refused(error.to_string()))?;
                headers.insert(HeaderName::from_static(name), value);
            }
            self.post.json(body, headers).await?;
        }
        Ok(())
    }
}

/// The same at each attempt.
fn body(message: &Message, gateway: &str) -> Value {
    let at = message.notices.iter().map(|notice| notice.at).max().map(|at| at.to_string());
    json!({
        "type": "dcr.alert",
        "timestamp": at,
        "data": {
            "gateway": gateway,
            "title": title(&message.notices, message.more),
            "more": message.more,
            "notices": message.notices.iter().map(told).collect::<Vec<_>>(),
        },
    })
}

/// A notice with its moments as people write them.
fn told(notice: &Notice) -> Value {
    let mut told = serde_json::to_value(notice).unwrap_or_default();
    told["at"] = notice.at.to_string().into();
    if let Some(until) = notice.until {
        told["until"] = until.to_string().into();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notice::Topic;

    #[test]
    fn the_body_is_the_same_at_each_attempt_and_says_when_in_rfc_3339() {
        let at = Timestamp::from_unix_millis(1_700_000_000_999);
        let notice = Notice::new(Topic::Pending, "client_pending", "pending/c", at).saying("t", "s");
        let message = Message { id: "1".to_owned(), notices: vec![notice], more: 2 };
        let written = body(&message, "https://sso.example.com");
        assert_eq!(written, body(&message, "https://sso.example.com"));
        assert_eq!(written["timestamp"], "2023-11-14T22:13:20Z");
        let told = &written["data"]["notices"][0];
        assert_eq!((&told["at"], &told["name"]), (&"2023-11-14T22:13:20Z".into(), &"client_pending".into()));
        assert_eq!(written["data"]["title"], "3 times: t");
    }
}
