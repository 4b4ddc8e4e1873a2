//! What receivers of alerts are to be told, kept until they have it: written in the transaction of what it tells, gathered into
//! deliveries, taken by one process at a time. What a notice says is text that the store does not read.

use std::time::Duration;

use async_trait::async_trait;

use super::{AuditEntry, Recording, StoreError, Turn};
use crate::clock::Timestamp;

/// The most notices in one delivery; what comes beyond it is counted.
pub const MOST_NOTICES: u32 = 50;

/// How long is remembered whom the end of something interests, after it might be told again.
pub const TOLD_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// One thing that one receiver is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// The receiver, by its name in the configuration.
    pub receiver: String,
    /// Names the delivery that it begins, where it begins one: random.
    pub delivery: String,
    /// Names what it is about. The same key is the same thing, whichever process tells of it.
    pub key: String,
    /// Whether it goes with others.
    pub form: Form,
    /// Whether it begins or ends.
    pub occasion: Occasion,
    /// When it happened.
    pub at: Timestamp,
    /// What the receiver is told.
    pub notice: String,
}

/// How a receiver is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Once, together with what else of this group comes until then.
    Gathered {
        /// The name of the group.
        group: String,
        /// When the delivery may go.
        until: Timestamp,
    },
    /// Alone under its key, at once, and again and again until it is over.
    Lasting {
        /// When it is over, unless its end is told before.
        until: Timestamp,
    },
}

/// Whether something begins or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It begins, or happened. Whoever is told once, as [`Form::Gathered`], is not told of the same key again before this moment, unless its end was told.
    Begins {
        /// The moment.
        quiet_until: Timestamp,
    },
    /// It is not what was told under the key: whoever is told once is told again, and then not before this moment.
    Changes {
        /// The moment.
        quiet_until: Timestamp,
    },
    /// What was told under this key is over.
    Ends(Interest),
}

/// Whom the end of something interests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Everybody.
    All,
    /// Whoever was told of its beginning.
    Told,
}

/// What is on its way to a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its name, the same at each attempt.
    pub id: String,
    /// Which of the things that took one another's place under this name it is.
    pub version: i64,
    /// When it was begun.
    pub created_at: Timestamp,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// What lasts is told again until then.
    pub lasting_until: Option<Timestamp>,
    /// What the receiver is told, the oldest first.
    pub notices: Vec<String>,
    /// How many more there were.
    pub more: u32,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// [`Delivery::id`].
    pub id: String,
    /// [`Delivery::version`]: what took its place meanwhile is not touched.
    pub version: i64,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a delivery that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is done with: delivered, or given up.
    Done,
    /// It is delivered, and told again at this moment.
    Again(Timestamp),
    /// It failed, and is tried again.
    Failed {
        /// When.
        next_at: Timestamp,
        /// Why, for operators.
        error: String,
    },
}

/// What waits for one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// The receiver.
    pub receiver: String,
    /// How many deliveries that it does not have yet.
    pub count: u64,
}

impl Backlog {
    /// Where nothing was given up nothing is recorded.
    pub(super) fn if_any(gone: &Vec<Self>) -> Option<&Vec<Self>> {
        (!gone.is_empty()).then_some(gone)
    }
}

/// What receivers are to be told.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Enters what is told of nothing else that is written. Otherwise it goes with what it tells: [`super::AuditEntry::told`],
    /// [`super::Findings::enter_finding`].
    async fn tell(&self, told: Vec<Telling>) -> Result<(), StoreError>;
    /// The receivers for whom something is due.
    async fn receivers_due(&self, now: Timestamp) -> Result<Vec<String>, StoreError>;
    /// Takes a turn at a receiver, and what is due for it, the oldest first, at most `limit`: to these deliveries nothing is added any
    /// more. None: another process has the turn. Where nothing is due there is no turn to end.
    async fn take_deliveries(
        &self,
        receiver: &str,
        turn: &Turn,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<Vec<Delivery>>, StoreError>;
    /// Ends the turn, writes what became of what was taken, and records the entries in the same transaction.
    async fn settle_deliveries(
        &self,
        receiver: &str,
        holder: &str,
        settled: Vec<Settled>,
        entries: Vec<AuditEntry>,
    ) -> Result<(), StoreError>;
    /// Gives up the oldest that are not lasting, so that no more than `keep` wait; returns how many. What was given up is
    /// recorded in the same transaction.
    async fn give_up_oldest(
        &self,
        receiver: &str,
        keep: u32,
        record: Recording<Vec<Backlog>>,
    ) -> Result<u64, StoreError>;
    /// What waits, by receiver.
    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError>;
    /// Drops what was begun before this moment for receivers that are not among these, of what lasts only what was due before it as well: nobody
    /// tells it any more. Returns what was dropped, and records it in the same transaction.
    async fn forget_receivers(
        &self,
        known: &[String],
        before: Timestamp,
        record: Recording<Vec<Backlog>>,
    ) -> Result<Vec<Backlog>, StoreError>;
}
