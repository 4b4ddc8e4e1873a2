//! What receivers are told: one thing that happened, in a sentence, with what it is about. The store keeps it as JSON.

use serde::{Deserialize, Serialize};

use crate::audit::event::Decided;
use crate::clock::Timestamp;

/// What a receiver can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// What detectors of anomalies found.
    Findings,
    /// Clients that wait for an approval.
    Pending,
    /// What became of clients: approved, given more scopes, rejected, expired, suspended, resumed, removed.
    Outcomes,
    /// Signed heads of the audit log, each time one is signed.
    AuditHeads,
    /// The gateway itself: what does not work, what will soon not work, what somebody must look into.
    Health,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Findings, Self::Pending, Self::Outcomes, Self::AuditHeads, Self::Health];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::Pending => "pending",
            Self::Outcomes => "outcomes",
            Self::AuditHeads => "audit_heads",
            Self::Health => "health",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know, or to be done some time.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must look now.
    Critical,
}

impl Severity {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Whether it is so, or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is so, or happened.
    Firing,
    /// It is over.
    Resolved,
}

/// What is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The name under which it was told.
    pub name: String,
    /// How bad it was said to be.
    pub severity: Severity,
}

/// Whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// What it is: `client`, `network`, `file`.
    pub kind: String,
    /// Which one.
    pub id: String,
}

/// One thing that happened. What is not known is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is one of.
    pub topic: Topic,
    /// What happened, by a stable name: a detector, `client_pending`, `client_approved`, `throttle_unreachable`.
    pub name: String,
    /// Names the thing: the same key is the same thing.
    pub key: String,
    /// Whether it is so, or is over.
    pub status: Status,
    /// What it is the end of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// How bad it is.
    pub severity: Severity,
    /// What happened, in a few words of ours.
    pub title: String,
    /// What happened, in a sentence. What others chose stands in it quoted and escaped.
    pub sentence: String,
    /// When.
    pub at: Timestamp,
    /// Until when it lasts, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// `client_name`, as the registrant wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Of a finding: how far over its threshold, between 0 and 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Who did it, where an operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What it was decided about: the client, or a change that it asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// Names the request in logs and in `X-Request-Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Where to see it: a page of the console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What else belongs to it: a signed head, the numbers of a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
}

impl Notice {
    /// Of this kind, with nothing else known.
    pub fn new(topic: Topic, name: impl Into<String>, key: impl Into<String>, at: Timestamp) -> Self {
        Self {
            topic,
            name: name.into(),
            key: key.into(),
            status: Status::Firing,
            ended: None,
            severity: Severity::Info,
            title: String::new(),
            sentence: String::new(),
            at,
            until: None,
            profile: None,
            about: None,
            client_name: None,
            score: None,
            actor: None,
            decided: None,
            request_id: None,
            link: None,
            data: None,
        }
    }

    /// The same, in these words.
    #[must_use]
    pub fn saying(self, title: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { title: title.into(), sentence: sentence.into(), ..self }
    }

    /// The same, so bad.
    #[must_use]
    pub fn severe(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The same, about this.
    #[must_use]
    pub fn about(self, kind: &str, id: impl Into<String>) -> Self {
        Self { about: Some(About { kind: kind.to_owned(), id: id.into() }), ..self }
    }

    /// The client that it is about.
    pub fn client_id(&self) -> Option<&str> {
        self.about.as_ref().filter(|about| about.kind == "client").map(|about| about.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_read_as_it_is_written_and_topics_are_written_as_serde_writes_them() {
        let at = Timestamp::from_unix_millis(7);
        let notice = Notice::new(Topic::Pending, "client_pending", "pending/c", at).about("client", "c");
        let text = serde_json::to_string(&notice).unwrap();
        assert_eq!(serde_json::from_str::<Notice>(&text).unwrap(), notice);
        for topic in Topic::ALL {
            assert_eq!(serde_json::to_value(topic).unwrap(), topic.as_str());
        }
    }
}
