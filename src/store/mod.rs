//! What outlives a process: initial access tokens, the record of every registration and of every client, findings and responses, the audit log. Small traits named by
//! intention; one contract test (`tests/store/`) runs on every implementation. Never holds a secret in clear.

mod audit;
pub(crate) mod client;
mod delivery;
mod finding;
pub mod memory;
mod page;
mod quota;
mod registration;
mod request;
mod response;
pub mod settings;
pub mod sql;
mod token;
mod uses;

use async_trait::async_trait;

pub use self::audit::{
    AuditEntry, AuditFilter, AuditLog, AuditRecord, Chain, Head, NOTHING_BEFORE, RecordHash, Recording, SignedHead,
    WriterId,
};
pub use self::client::{
    ClientFilter, ClientRecord, Clients, IfKnown, NEVER_CONFIRMED, NewClient, Sealed, Turn, TurnEnd, TurnTaken,
    Unsettled,
};
pub use self::delivery::{
    Backlog, Deliveries, Delivery, Fate, Form, Interest, MOST_NOTICES, Occasion, Settled, TOLD_KEPT, Telling,
};
pub use self::finding::{FINDINGS_KEPT, FindingFilter, FindingRecord, Findings};
pub use self::page::{Cursor, LARGEST_PAGE, Page};
pub use self::quota::{PerPeriod, QuotaName, QuotaReached, Quotas};
pub use self::registration::{
    Beginning, Begun, FoundOut, HandingOut, Import, Intent, MetadataDigest, NOT_RECORDED, Outcome, OutcomeName,
    RegistrantRecord, RegistrationFilter, RegistrationId, RegistrationRecord, Registrations,
};
pub use self::request::{
    RecordedRegistrant, RecordedRequest, RecordedStatement, RecordedToken, RequestRecord, Requests, RequestsKept,
};
pub use self::response::{
    Ending, Imposed, RESPONSES_KEPT, ResponseAction, ResponseFilter, ResponseRecord, Responses, ResponsesInForce,
};
pub use self::token::{InitialAccessTokens, IssuedToken, TokenHash, TokenId, TokenUnusable, TokenUse};
pub use self::uses::{Unused, Uses, Watch};
use crate::clock::Timestamp;

/// Everything the gateway asks of a store.
#[async_trait]
pub trait Store:
    InitialAccessTokens + Registrations + Clients + Uses + AuditLog + Findings + Responses + Requests + Deliveries
{
    /// Whether the store answers: for `/readyz`.
    async fn ping(&self) -> Result<(), StoreError>;
    /// To be called once, before a process serves from the store. Where the store knows that no other process does, all that a
    /// dead one left behind is settled at once: its intents become `Unknown`, are returned, the oldest first, and recorded in the
    /// same transaction; its turns at clients and receivers are broken off. Where it does not know, nothing is: age tells
    /// ([`Registrations::find_unfinished`]).
    async fn begin_to_serve(
        &self,
        record: Recording<Vec<RegistrationId>>,
        now: Timestamp,
    ) -> Result<Vec<RegistrationId>, StoreError>;
    /// How often it failed since it was opened. What was refused for its own values is no failure of the store.
    fn failures(&self) -> Failures {
        Failures::default()
    }
    /// Forgets what can no longer matter: the uses of tokens that have ended, the counts of periods long over, old findings and responses.
    async fn tidy(&self, now: Timestamp) -> Result<(), StoreError>;
}

/// How often a store failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// Calls that only read.
    pub reads: u64,
    /// Transactions that were to write, several changes in one perhaps.
    pub writes: u64,
}

/// The store did not do what it was asked. The cause is for the log, never for a client.
#[derive(Debug, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(#[from] pub Box<dyn std::error::Error + Send + Sync>);
