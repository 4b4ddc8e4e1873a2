//! The record of registrations: the intent before a request leaves, its outcome before anybody is told.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::audit::{AuditEntry, Recording};
use super::client::{ClientRecord, NewClient};
use super::page::Page;
use super::quota::{QuotaReached, Quotas};
use super::token::{TokenUnusable, TokenUse};
use crate::clock::Timestamp;

/// Names one registration. 32 lower-case hexadecimal digits: the moment it was asked for, in milliseconds, and 80 random bits. What follows one
/// another in time lies together in the record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistrationId(pub String);

impl RegistrationId {
    /// A name for a moment, out of 10 random bytes.
    pub fn from_random(at: Timestamp, bytes: [u8; 10]) -> Self {
        let random = bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
        Self(format!("{:012x}{random:020x}", at.unix_millis().clamp(0, (1 << 48) - 1)))
    }
}

/// SHA-256 over what makes two registrations of a public client one and the same: the metadata as sent, the profile, the verified registrant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MetadataDigest(pub [u8; 32]);

/// Who asked, as far as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistrantRecord {
    /// Whom quotas count it for: one text for each certificate, token, statement or address.
    pub key: String,
    /// The address it came from.
    pub address: IpAddr,
    /// Thumbprint of the verified client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_thumbprint: Option<String>,
    /// Its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_subject: Option<String>,
    /// The verified token: its label, or what its issuer calls its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_label: Option<String>,
    /// Issuer of the verified software statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_issuer: Option<String>,
    /// `software_id` of the verified software statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
}

/// What is written before a request leaves for the authorization server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Intent {
    /// Names the registration.
    pub id: RegistrationId,
    /// When.
    pub at: Timestamp,
    /// The profile that admitted it.
    pub profile: String,
    /// Digest of the profile's rules.
    pub policy_version: String,
    /// Who asked.
    pub registrant: RegistrantRecord,
    /// The use of a token that is reserved with this intent.
    pub token: Option<TokenUse>,
    /// `client_name`, for people.
    pub client_name: Option<String>,
    /// The admitted redirect URIs.
    pub redirect_uris: Vec<String>,
    /// `scope` as asked for; none when the request named none.
    pub scope_requested: Option<String>,
    /// `scope` as sent to the server.
    pub scope_granted: String,
    /// What was withheld.
    pub scope_withheld: String,
    /// Two intents with the same digest are for the same client; none: a client of its own.
    #[serde(skip)]
    pub digest: Option<MetadataDigest>,
    /// The rules that it violates and that only report; none: the rules admitted it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub let_through: Vec<String>,
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The server registered the client: the token's use is spent, the client is in the record.
    Registered(Box<NewClient>),
    /// Surely nothing was registered (no byte sent, or a 4xx): the token's use is given back, nothing is counted.
    NotRegistered {
        /// The stable name of the reason.
        reason: String,
    },
    /// Nobody knows (a timeout, a 5xx, a broken connection): the token's use stays reserved.
    Unknown {
        /// The stable name of the reason.
        reason: String,
    },
}

/// An outcome that an operator found out.
#[derive(Debug, Clone)]
pub struct FoundOut<'a> {
    /// The outcome.
    pub outcome: Outcome,
    /// Who found it out.
    pub by: &'a str,
}

/// What [`Registrations::begin`] answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// The intent is durable, the token's use reserved, the quotas counted.
    Ready,
    /// The same client is in the record, whatever its state. Is it pending or active, then the token's use is spent and the
    /// registration written down as a repeated one; otherwise nothing was written.
    Known(Box<ClientRecord>),
    /// The same client is in the record and would be handed out again, but it was not seen at the server since the moment that was given:
    /// nothing was written.
    Unconfirmed(Box<ClientRecord>),
    /// Somebody else is registering the same client at this moment: ask again. Nothing was written.
    SameUnderWay,
    /// The token cannot be used (any more): nothing was written.
    TokenUnusable(TokenUnusable),
    /// A quota is used up: nothing was written.
    QuotaReached(QuotaReached),
}

/// An intent, what is counted for it, and how long another one of the same digest is waited for.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// What is written.
    pub intent: Intent,
    /// What it is counted against.
    pub quotas: Quotas,
    /// An intent of the same digest that is older than this is no longer under way: its process died.
    pub under_way: Duration,
}

/// How the same client is handed out again.
#[derive(Debug, Clone)]
pub struct HandingOut {
    /// Only when the server was seen to have it after this moment ([`ClientRecord::is_unconfirmed`]); none: in any case.
    pub confirmed_after: Option<Timestamp>,
    /// What is recorded of it in the same transaction.
    pub recording: Recording<ClientRecord>,
}

impl HandingOut {
    /// In any case, and nothing is recorded.
    pub const fn unrecorded() -> Self {
        Self { confirmed_after: None, recording: Recording::nothing() }
    }

    /// Whether this one, which is to be handed out, has to be looked for at the server first.
    pub(super) fn must_look_for(&self, client: &ClientRecord) -> bool {
        self.confirmed_after.is_some_and(|moment| client.is_unconfirmed(moment))
    }
}

/// A client that was at the server before, as it enters the record.
#[derive(Debug, Clone)]
pub struct Import {
    /// Stands for the registration that nobody saw: names no token and no digest.
    pub intent: Intent,
    /// The client.
    pub client: NewClient,
    /// The operator.
    pub by: String,
    /// What is recorded with it.
    pub entries: Vec<AuditEntry>,
}

impl Import {
    /// What is written first: it counts against no quota, and is counted all the same.
    pub(super) fn beginning(&self) -> Beginning {
        let intent = Intent { token: None, digest: None, ..self.intent.clone() };
        Beginning { intent, quotas: Quotas::default(), under_way: Duration::ZERO }
    }
}

/// How a registration ended, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Outcome")]
pub enum OutcomeName {
    /// [`Outcome::Registered`]
    Registered,
    /// The same client was there already.
    Repeated,
    /// [`Outcome::NotRegistered`]
    NotRegistered,
    /// [`Outcome::Unknown`]
    Unknown,
}

impl OutcomeName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Registered, Self::Repeated, Self::NotRegistered, Self::Unknown];

    /// As it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Repeated => "repeated",
            Self::NotRegistered => "not_registered",
            Self::Unknown => "unknown",
        }
    }
}

impl std::str::FromStr for OutcomeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no outcome; there are: {}", known()))
    }
}

impl Outcome {
    /// Its name.
    pub const fn name(&self) -> OutcomeName {
        match self {
            Self::Registered(_) => OutcomeName::Registered,
            Self::NotRegistered { .. } => OutcomeName::NotRegistered,
            Self::Unknown { .. } => OutcomeName::Unknown,
        }
    }

    /// The client that came of it.
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Self::Registered(client) => Some(&client.client_id),
            Self::NotRegistered { .. } | Self::Unknown { .. } => None,
        }
    }

    /// Why no client came of it.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Registered(_) => None,
            Self::NotRegistered { reason } | Self::Unknown { reason } => Some(reason),
        }
    }
}

impl Begun {
    /// The client that is known, and was handed out again.
    pub(super) fn repeated(&self) -> Option<&ClientRecord> {
        match self {
            Self::Known(client) if client.is_handed_out() => Some(client),
            _ => None,
        }
    }
}

/// A registration as it is in the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistrationRecord {
    /// What was written before the request left.
    #[serde(flatten)]
    pub intent: Intent,
    /// How it ended; none while it is under way.
    pub outcome: Option<OutcomeName>,
    /// The client that came of it.
    pub client_id: Option<String>,
    /// Why none came of it.
    pub reason: Option<String>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who found out how, where it was unknown.
    pub resolved_by: Option<String>,
}

/// Which registrations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistrationFilter {
    /// With this outcome.
    pub outcome: Option<OutcomeName>,
    /// Of this profile.
    pub profile: Option<String>,
    /// That led to this client.
    pub client_id: Option<String>,
}

/// The record of registrations.
#[async_trait]
pub trait Registrations: Send + Sync {
    /// In one transaction, atomically against every other process: looks for the same client, and hands it out again as it is said;
    /// reserves the use of the token, counts the quotas, and writes the intent; or writes nothing. Everything is judged at
    /// `intent.at`. A token or an id that cannot be (unknown; there already) is an error.
    async fn begin(&self, beginning: Beginning, handing_out: HandingOut) -> Result<Begun, StoreError>;
    /// In one transaction: writes the outcome (and the client), settles the reserved use and the counts, exactly once, and records the
    /// entries.
    ///
    /// A known outcome is final: the same one again changes nothing and is recorded already (so a caller may repeat itself when it
    /// does not know whether it was heard), another one is an error. Only `Unknown` can still become known, because knowledge only grows.
    async fn finish(
        &self,
        id: &RegistrationId,
        outcome: Outcome,
        entries: Vec<AuditEntry>,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// As [`Self::finish`], for an outcome that an operator found out: who did is written down with it.
    async fn resolve(
        &self,
        id: &RegistrationId,
        found_out: FoundOut<'_>,
        entries: Vec<AuditEntry>,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// Takes a client into the record that was at the server before, with the registration that stands for it and what is recorded of
    /// it, in one transaction. It is counted as a live client, whatever the quotas say. False: a client of this name is in the record
    /// already, whatever its state, and nothing was written.
    async fn import(&self, import: Import) -> Result<bool, StoreError>;
    /// Turns every intent without an outcome that is at least `age` old into `Unknown` (a process died in between); returns
    /// their names, the oldest first, and records them in the same transaction. Other processes may be at work: `age` must be longer
    /// than a registration can take. One that is further ahead was begun while a clock was wrong, and is over as well.
    async fn find_unfinished(
        &self,
        age: Duration,
        record: Recording<Vec<RegistrationId>>,
        now: Timestamp,
    ) -> Result<Vec<RegistrationId>, StoreError>;
    /// One registration.
    async fn registration(&self, id: &RegistrationId) -> Result<Option<RegistrationRecord>, StoreError>;
    /// The registrations that fit, newest first.
    async fn registrations(
        &self,
        filter: &RegistrationFilter,
        page: &Page,
    ) -> Result<Vec<RegistrationRecord>, StoreError>;
}

/// The reason of an outcome that [`Registrations::find_unfinished`] writes: the process died, or the store was away.
pub const NOT_RECORDED: &str = "outcome_not_recorded";

/// Why an outcome cannot be written: a mistake of the caller's.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum Finished {
    #[error("was never begun")]
    Never,
    #[error("has another outcome already")]
    Otherwise,
}

impl Finished {
    pub(super) fn refuse(self, id: &RegistrationId) -> StoreError {
        StoreError(format!("registration {} {self}", id.0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_later_has_a_name_that_sorts_later() {
        let id = |millis, random| RegistrationId::from_random(Timestamp::from_unix_millis(millis), random).0;
        assert_eq!(id(1_764_460_800_000, [0xa7; 10]), "019ad20f2800a7a7a7a7a7a7a7a7a7a7");
        assert!(id(1, [0xff; 10]) < id(2, [0; 10]));
        assert_eq!(
            [id(i64::MIN, [0; 10]), id(i64::MAX, [0; 10])],
            ["0".repeat(32), format!("{:0<32}", "f".repeat(12))]
        );
    }
}
