//! The audit log as a store keeps it: records in chains, one chain for each process that writes, heads that were signed, and where a
//! chain was cut. A record's hash covers its place and the hash before it; what a record says is text that the store does not read.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{Cursor, StoreError, Telling};
use crate::clock::Timestamp;
use crate::hexadecimal;

/// What the hash of a record begins with: another way to hash is another name.
const RECORD: &[u8] = b"dcr-gateway audit record 1\0";

/// Names the process whose chain it is: 32 lower-case hexadecimal digits, random.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WriterId(pub String);

/// A SHA-256, written in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordHash(pub [u8; 32]);

/// What a chain that has no record yet ends with.
pub const NOTHING_BEFORE: RecordHash = RecordHash([0; 32]);

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened: one JSON object, recorded as it is written here.
    pub event: String,
    /// What receivers of alerts are told of it, entered in the same transaction.
    pub told: Vec<Telling>,
}

/// What is recorded of a change, in its transaction; made from the outcome, which only the store knows, and made again where the transaction
/// is tried again. If it cannot be recorded, the change is not made.
#[derive(Clone)]
pub struct Recording<T>(Option<Made<T>>);

type Made<T> = Arc<dyn Fn(&T) -> Vec<AuditEntry> + Send + Sync>;

impl<T> Recording<T> {
    /// Nothing is recorded of it.
    pub const fn nothing() -> Self {
        Self(None)
    }

    /// These entries, of what it came to.
    pub fn of(entries: impl Fn(&T) -> Vec<AuditEntry> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(entries)))
    }

    /// These, whatever it comes to.
    pub(super) fn these(entries: Vec<AuditEntry>) -> Self {
        if entries.is_empty() { Self::nothing() } else { Self::of(move |_| entries.clone()) }
    }

    /// The same, of that part of what a change came to; nothing where it came to no such part.
    pub(super) fn of_part<W: 'static>(self, part: fn(&W) -> Option<&T>) -> Recording<W>
    where
        T: 'static,
    {
        let Some(entries) = self.0 else { return Recording::nothing() };
        Recording::of(move |came| part(came).map(|part| entries(part)).unwrap_or_default())
    }

    /// Whether nothing is recorded, whatever it comes to.
    pub(super) const fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    /// What is recorded of this.
    pub(super) fn entries(&self, came: &T) -> Vec<AuditEntry> {
        self.0.as_ref().map(|entries| entries(came)).unwrap_or_default()
    }
}

impl<T> std::fmt::Debug for Recording<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_nothing() { "Recording(nothing)" } else { "Recording(…)" })
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Whose chain.
    pub writer: WriterId,
    /// Its place in the chain, from 0 without a gap.
    pub sequence: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The hash of the record before it.
    pub previous: RecordHash,
    /// The hash of this one.
    pub hash: RecordHash,
    /// What happened: one JSON object.
    pub event: String,
}

/// The end of a chain, or where it was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Whose chain.
    pub writer: WriterId,
    /// The place of the record.
    pub sequence: u64,
    /// Its hash.
    pub hash: RecordHash,
    /// When this was stated.
    pub at: Timestamp,
}

/// A head, and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// The head.
    #[serde(flatten)]
    pub head: Head,
    /// Names the key; none: nobody signed it.
    pub key: Option<String>,
    /// The signature (Ed25519), in base64.
    pub signature: Option<String>,
}

/// What the store knows of one chain beside its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Whose.
    pub writer: WriterId,
    /// The heads that were stated, the oldest first.
    pub heads: Vec<SignedHead>,
    /// The last record that retention took away; none: the chain is whole.
    pub cut: Option<SignedHead>,
}

/// Which records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Of this chain.
    pub writer: Option<WriterId>,
}

/// So many records of a chain are taken away at once, at most.
pub(super) const LARGEST_CUT: u16 = 10_000;

/// The audit log.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Begins the chain of this process; to be called before anything is recorded. What was recorded is also sent to `told`, in the
    /// order of the chain, after it is on disk; what `told` has no room for is left out there.
    async fn open_chain(&self, writer: WriterId, told: Option<mpsc::Sender<AuditRecord>>) -> Result<(), StoreError>;
    /// Records what goes with no change of the store, all or none, in their order.
    async fn append(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError>;
    /// Where the chain of this process ends, also when it was cut there; none: nothing was recorded.
    async fn head(&self, now: Timestamp) -> Result<Option<Head>, StoreError>;
    /// Keeps a head that was stated.
    async fn keep_head(&self, head: SignedHead) -> Result<(), StoreError>;
    /// All chains: those of processes that are gone, too.
    async fn chains(&self) -> Result<Vec<Chain>, StoreError>;
    /// Records of one chain from a place on, in their order, at most `limit`.
    async fn records_of(&self, writer: &WriterId, from: u64, limit: u32) -> Result<Vec<AuditRecord>, StoreError>;
    /// The records that fit, newest first, behind `after`, at most `limit`.
    async fn records(
        &self,
        filter: &AuditFilter,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError>;
    /// The last record of each chain that is older than `before`, and has no younger one in front of it.
    async fn expired(&self, before: Timestamp, now: Timestamp) -> Result<Vec<Head>, StoreError>;
    /// Takes away a chain's records up to the cut, and the heads that stand in front of it, and keeps the cut. False: the chain was cut there
    /// or later before, and nothing was done.
    async fn cut(&self, cut: SignedHead) -> Result<bool, StoreError>;
}

/// Where a chain ends while it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) writer: WriterId,
    /// The place of the next record.
    pub(super) next: u64,
    pub(super) hash: RecordHash,
}

impl End {
    /// A chain without a record.
    pub(super) const fn of(writer: WriterId) -> Self {
        Self { writer, next: 0, hash: NOTHING_BEFORE }
    }

    /// The entry becomes the last record.
    pub(super) fn link(&mut self, entry: AuditEntry) -> AuditRecord {
        let AuditEntry { at, event, told: _ } = entry;
        let (writer, sequence, previous) = (self.writer.clone(), self.next, self.hash);
        let mut record = AuditRecord { writer, sequence, at, previous, hash: previous, event };
        record.hash = record.computed_hash();
        self.next += 1;
        self.hash = record.hash;
        record
    }

    /// The last record; none: there is none.
    pub(super) fn head(&self, at: Timestamp) -> Option<Head> {
        let sequence = self.next.checked_sub(1)?;
        Some(Head { writer: self.writer.clone(), sequence, hash: self.hash, at })
    }
}

impl AuditRecord {
    /// What its hash must be.
    pub fn computed_hash(&self) -> RecordHash {
        let mut hash = Sha256::new_with_prefix(RECORD);
        hash.update((self.writer.0.len() as u64).to_be_bytes());
        hash.update(&self.writer.0);
        hash.update(self.sequence.to_be_bytes());
        hash.update(self.at.unix_millis().to_be_bytes());
        hash.update(self.previous.0);
        hash.update(&self.event);
        RecordHash(hash.finalize().into())
    }

    /// Its place among all records, for pages.
    pub fn cursor(&self) -> Cursor {
        Cursor { at: self.at, id: format!("{}-{:020}", self.writer.0, self.sequence) }
    }

    /// Whether it can be the place of a record.
    pub fn is_cursor(cursor: &Cursor) -> bool {
        place(cursor).is_ok()
    }
}

/// The chain and the place that a [`Cursor`] of a record names.
pub(super) fn place(cursor: &Cursor) -> Result<(&str, u64), StoreError> {
    let place = cursor.id.split_once('-').and_then(|(writer, sequence)| Some((writer, sequence.parse().ok()?)));
    place.ok_or_else(|| StoreError(format!("{:?} is no place in the audit log", cursor.id).into()))
}

impl std::fmt::Display for RecordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hexadecimal::written(&self.0))
    }
}

impl std::fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordHash({self})")
    }
}

impl std::str::FromStr for RecordHash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The chain is over the text, so a hash is written in one way.
        let octets = hexadecimal::octets(text).filter(|_| !text.contains(|digit: char| digit.is_ascii_uppercase()));
        octets.map(Self).ok_or_else(|| format!("{text:?} is no SHA-256 in lower-case hexadecimal"))
    }
}

impl Serialize for RecordHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(event: &str) -> AuditEntry {
        AuditEntry { at: Timestamp::from_unix_millis(7), event: event.to_owned(), told: Vec::new() }
    }

    #[test]
    fn each_record_holds_the_hash_of_the_one_before_it() {
        let mut end = End::of(WriterId("w".to_owned()));
        assert_eq!(end.head(Timestamp::from_unix_millis(8)), None);
        let (first, second) = (end.link(entry("{}")), end.link(entry("{}")));
        assert_eq!((first.sequence, first.previous), (0, NOTHING_BEFORE));
        assert_eq!((second.sequence, second.previous), (1, first.hash));
        let head = end.head(Timestamp::from_unix_millis(8)).unwrap();
        assert_eq!((head.sequence, head.hash), (1, second.hash));
    }

    #[test]
    fn the_hash_covers_every_part() {
        let record = End::of(WriterId("w".to_owned())).link(entry("{}"));
        let changed = [
            AuditRecord { writer: WriterId("x".to_owned()), ..record.clone() },
            AuditRecord { sequence: 1, ..record.clone() },
            AuditRecord { at: Timestamp::from_unix_millis(8), ..record.clone() },
            AuditRecord { previous: RecordHash([1; 32]), ..record.clone() },
            AuditRecord { event: "{ }".to_owned(), ..record.clone() },
        ];
        for other in changed {
            assert_ne!(other.computed_hash(), record.hash, "{other:?}");
        }
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = RecordHash([0xa7; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for text in ["", "a7", &"A7".repeat(32), &"g0".repeat(32), &"+7".repeat(32), &format!("{hash}0")] {
            assert!(text.parse::<RecordHash>().is_err(), "{text}");
        }
    }
}
