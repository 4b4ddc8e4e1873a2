//! A receiver in force: what it is told of, and how it is reached.

use super::alertmanager::Alertmanager;
use super::failure::Failure;
use super::message::{Message, Reach, Sender};
use super::notice::{Notice, Severity, Topic};
use super::receiver_url::ReceiverUrl;
use super::settings::{Format, ReceiverSettings};
use super::signature::Signer;
use super::slack::Slack;
use super::smtp::Smtp;
use super::told::{self, News, Occasion};
use super::webhook::{Post, Webhook};
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::store::{self, Form, Telling};

/// What the files hold that a receiver's settings name.
#[derive(Debug, Default)]
pub struct Secrets {
    /// `secret_file`.
    pub signing: Option<Secret>,
    /// `bearer_token_file`.
    pub bearer: Option<Secret>,
    /// `smtp.password_file`.
    pub password: Option<Secret>,
}

/// A receiver in force.
pub struct Receiver {
    settings: ReceiverSettings,
    name: String,
    topics: Vec<Topic>,
    sender: Box<dyn Sender>,
}

/// So many alerts go to an Alertmanager at once.
const ALERTS_AT_ONCE: u32 = 64;

impl Receiver {
    /// Makes it; connects to nothing yet.
    ///
    /// # Errors
    /// A sentence about a setting.
    pub fn new(settings: &ReceiverSettings, secrets: Secrets, reach: &Reach) -> Result<Self, String> {
        let (name, topics) = (settings.called(), settings.topics());
        let failed = |reason: String| format!("alerts: {name:?}: {reason}");
        let post = |url: &ReceiverUrl, suffix: &str| {
            let target = url.target(settings.plain_http, suffix).map_err(|reason| failed(format!("{url} {reason}")))?;
            Post::new(reach.client.clone(), target, secrets.bearer.as_ref()).map_err(failed)
        };
        let sender: Box<dyn Sender> = match (&settings.webhook, &settings.alertmanager, &settings.smtp) {
            (Some(url), ..) => match (settings.format, &secrets.signing) {
                (Format::Slack, _) => Box::new(Slack { post: post(url, "")? }),
                (Format::Json, Some(secret)) => {
                    let signer = Signer::read(secret).map_err(|reason| failed(format!("secret_file {reason}")))?;
                    Box::new(Webhook { post: post(url, "")?, signer, gateway: reach.gateway.clone() })
                }
                (Format::Json, None) => return Err(failed("has no secret_file".to_owned())),
            },
            (None, Some(url), _) => {
                Box::new(Alertmanager { post: post(url, super::alertmanager::PATH)?, gateway: reach.gateway.clone() })
            }
            (None, None, Some(smtp)) => {
                let smtp = Smtp::new(smtp, secrets.password.as_ref(), reach);
                Box::new(smtp.map_err(failed)?)
            }
            (None, None, None) => return Err(failed("is no receiver".to_owned())),
        };
        Ok(Self { settings: settings.clone(), name, topics, sender })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How much goes at once.
    pub(super) const fn at_once(&self) -> u32 {
        if self.is_told_what_lasts() { ALERTS_AT_ONCE } else { 1 }
    }

    const fn is_told_what_lasts(&self) -> bool {
        self.settings.alertmanager.is_some()
    }

    /// Sends it.
    pub(super) async fn send(&self, messages: &[Message], now: Timestamp) -> Result<(), Failure> {
        self.sender.send(messages, now).await
    }

    /// Sends a notice that says that it is a test.
    ///
    /// # Errors
    /// Why the receiver does not have it.
    pub async fn test(&self, id: String, now: Timestamp) -> Result<(), Failure> {
        let notice = told::notice(told::TEST, told::TEST, now).severe(Severity::Info);
        let notice = notice.saying("A test", "Somebody tries whether alerts of dcr-gateway arrive here.");
        self.send(&[Message { id, notices: vec![notice], more: 0 }], now).await
    }

    /// What it is to be told; none: it is not interested. `delivery` names a delivery that it may begin.
    pub(super) fn telling(&self, news: &News, delivery: impl FnOnce() -> String) -> Option<Telling> {
        let News { notice, occasion, lasts } = news;
        if !self.is_interested(news) {
            return None;
        }
        let at = notice.at;
        let quiet_until = at.after(self.settings.repeat_after.0);
        // What waits for an approval is remembered as long as it waits: its end is told whoever was told of it.
        let quiet_until = match lasts {
            Some(until) if notice.topic == Topic::Pending => quiet_until.max(*until),
            _ => quiet_until,
        };
        let occasion = match occasion {
            Occasion::Begins => store::Occasion::Begins { quiet_until },
            Occasion::Changes => store::Occasion::Changes { quiet_until },
            Occasion::Ends(interest) => store::Occasion::Ends(*interest),
        };
        let form = match (self.is_told_what_lasts(), lasts) {
            (true, None) => return None,
            (true, Some(until)) => Form::Lasting { until: *until },
            (false, _) => Form::Gathered { group: group(notice), until: at.after(self.settings.group_for.0) },
        };
        let notice_text = serde_json::to_string(notice).ok()?;
        let (receiver, key) = (self.name.clone(), without_controls(&notice.key));
        Some(Telling { receiver, delivery: delivery(), key, form, occasion, at, notice: notice_text })
    }

    fn is_interested(&self, news: &News) -> bool {
        let takes = |topic| self.topics.contains(&topic);
        let notice = &news.notice;
        match notice.topic {
            Topic::Findings => takes(Topic::Findings) && notice.score.unwrap_or(1.0) >= self.settings.minimum_score,
            // The end of what it was told.
            Topic::Outcomes if self.is_told_what_lasts() => takes(Topic::Pending),
            topic => takes(topic),
        }
    }
}

/// What belongs together: the findings of one detector, otherwise what a receiver is told of.
fn group(notice: &Notice) -> String {
    match notice.topic {
        Topic::Findings => format!("findings/{}", notice.name),
        topic => topic.as_str().to_owned(),
    }
}

/// PostgreSQL takes no text with an octet of zero.
fn without_controls(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
