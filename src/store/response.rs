//! Responses: what is done about what detectors found, or what an operator ordered; kept, so that all replicas do the same. Each has
//! an end.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::page::Page;
use super::{Recording, StoreError};
use crate::clock::Timestamp;

/// How long a response is kept after its end.
pub const RESPONSES_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseAction {
    /// Nobody from the network is served: where it is the direct peer, its connections are dropped before the TLS handshake.
    BanAddress,
    /// Nobody with the client certificate registers, or manages a client.
    BanCertificate,
    /// Nobody with the initial access token registers.
    BanToken,
    /// Registrants of the profile may try less often.
    TightenThrottle,
    /// New clients of the profile wait for an approval.
    RequireApproval,
    /// The client is suspended, unless others share it.
    SuspendClient,
    /// Nobody registers, and no client changes.
    Lockdown,
}

impl ResponseAction {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::BanAddress,
        Self::BanCertificate,
        Self::BanToken,
        Self::TightenThrottle,
        Self::RequireApproval,
        Self::SuspendClient,
        Self::Lockdown,
    ];

    /// As it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BanAddress => "ban_address",
            Self::BanCertificate => "ban_certificate",
            Self::BanToken => "ban_token",
            Self::TightenThrottle => "tighten_throttle",
            Self::RequireApproval => "require_approval",
            Self::SuspendClient => "suspend_client",
            Self::Lockdown => "lockdown",
        }
    }
}

impl std::str::FromStr for ResponseAction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|action| action.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is no response"))
    }
}

/// A response in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseRecord {
    /// Its name.
    pub id: String,
    /// What is done.
    pub action: ResponseAction,
    /// To what: a network in CIDR notation, the SHA-256 of a certificate, the name of a token, of a profile, a `client_id`; empty for
    /// a lockdown.
    pub subject: String,
    /// What the rate is divided by, where a throttle is tightened; otherwise 1.
    pub factor: u32,
    /// It is only told what would be done.
    pub dry_run: bool,
    /// The detector, or the operator, by name.
    pub author: String,
    /// The finding that called for it; none: an operator did.
    pub finding: Option<String>,
    /// What was found, or the operator's comment.
    pub reason: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// From this moment on it is over.
    pub expires_at: Timestamp,
    /// How it ended; none: nobody has ended it, and it is in force until it expires.
    pub ended: Option<Ending>,
}

impl ResponseRecord {
    /// Whether it holds at this moment.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at
    }
}

/// How a response ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When.
    pub at: Timestamp,
    /// The operator who lifted it; none: its time was over.
    pub by: Option<String>,
}

/// What imposing a response came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imposed {
    /// It is in force from now on.
    New,
    /// The same was in force, and lasts longer now, or is stricter: as it is now.
    Prolonged(ResponseRecord),
    /// The same is in force, and lasts as long or longer.
    Stands(ResponseRecord),
}

/// Responses that nobody has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponsesInForce {
    /// Changes whenever a response begins, is prolonged or ends.
    pub version: i64,
    /// All of them, also those whose time is over and that were not ended yet; newest first.
    pub responses: Vec<ResponseRecord>,
}

/// Which responses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResponseFilter {
    /// Those that nobody has ended alone.
    pub only_in_force: bool,
}

/// The record of responses. What has ended for [`RESPONSES_KEPT`] is forgotten by [`super::Store::tidy`].
#[async_trait]
pub trait Responses: Send + Sync {
    /// Enters a response. There is one at most of an action, a subject and in earnest or not that nobody has ended: the same again
    /// prolongs it, never shortens it. What it came to is recorded in the same transaction.
    async fn impose(&self, response: ResponseRecord, record: Recording<Imposed>) -> Result<Imposed, StoreError>;
    /// Ends it, and returns it as it was ended; nothing where somebody has ended it before, or there is none. Without an operator's
    /// name it is ended when its time is over, and not before. What was ended is recorded in the same transaction.
    async fn end_response(
        &self,
        id: &str,
        ending: Ending,
        record: Recording<ResponseRecord>,
    ) -> Result<Option<ResponseRecord>, StoreError>;
    /// The response of this name.
    async fn response(&self, id: &str) -> Result<Option<ResponseRecord>, StoreError>;
    /// A page of them, newest first.
    async fn responses(&self, filter: ResponseFilter, page: &Page) -> Result<Vec<ResponseRecord>, StoreError>;
    /// All that nobody has ended, unless the version is the one that is known already.
    async fn responses_in_force(&self, known: Option<i64>) -> Result<Option<ResponsesInForce>, StoreError>;
}

impl ResponseRecord {
    /// What it becomes when the same is imposed again; none: it stands.
    pub(super) fn prolonged_by(&self, again: &Self) -> Option<Self> {
        let (expires_at, factor) = (self.expires_at.max(again.expires_at), self.factor.max(again.factor));
        let is_other = (expires_at, factor) != (self.expires_at, self.factor);
        is_other.then(|| Self { expires_at, factor, ..self.clone() })
    }

    /// Whether it can be ended so.
    pub(super) fn can_end(&self, ending: &Ending) -> bool {
        self.ended.is_none() && (ending.by.is_some() || self.expires_at <= ending.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_written_as_serde_writes_it_and_read_back() {
        for action in ResponseAction::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
            assert_eq!(action.as_str().parse(), Ok(action));
        }
        assert!("ban".parse::<ResponseAction>().is_err());
    }
}
