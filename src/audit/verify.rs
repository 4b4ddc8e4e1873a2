//! Whether a record is what it was: every hash, every link, every signed head; and where it is not. Pure, over records in the order of their
//! chains, with memory for one record of each chain.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::chain::{PublicKeys, Purpose, Vouched};
use super::event::{Event, Kind};
use crate::clock::Timestamp;
use crate::store::{AuditRecord, NOTHING_BEFORE, RecordHash, SignedHead, WriterId};

/// So many faults are told; more are counted.
const MOST_FAULTS: usize = 100;
/// A chain that is signed goes on without a signature for no longer, at least; otherwise for so many times as long as it is signed every.
const LONGEST_UNSIGNED: Duration = Duration::from_secs(60 * 60);
const HEADS_LEFT_OUT: u32 = 10;

/// Whether all of every chain is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// From the beginning, or from a cut.
    Whole,
    /// It may begin and end anywhere: heads that stand outside of it say nothing.
    Part,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// The record does not have its hash.
    Changed,
    /// It holds another hash than the record before it has: one of the two was made anew.
    NotLinked,
    /// Records are missing in front of it.
    Missing {
        /// The first that is not there.
        from: u64,
    },
    /// It stands behind a record that it came before, or stands here twice.
    OutOfOrder {
        /// The record in front of it.
        behind: u64,
    },
    /// The chain begins here, and nobody says that it was cut here.
    BeginningMissing,
    /// A head says that the chain went up to here, and it does not.
    TailMissing {
        /// The last record that is there.
        last: Option<u64>,
    },
    /// A head vouches for another record in this place.
    NotTheHead,
    /// The cut is at another record than the chain goes on from.
    NotTheCut,
    /// A cut that nobody signed, where keys are known: whoever took the beginning away can have written it.
    CutUnsigned,
    /// A head that nobody signed, of a chain that is signed.
    HeadUnsigned,
    /// A chain that is signed goes on from here for long, or to its end in order, and no signature reaches it.
    NotSigned,
    /// A head or a cut with a signature that is none.
    Forged,
    /// A head or a cut signed with a key that is not known.
    KeyUnknown,
}

/// Where, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// In which chain.
    pub writer: WriterId,
    /// At which record.
    pub sequence: u64,
    /// What is wrong there.
    #[serde(flatten)]
    pub fault: Fault,
}

/// What one chain came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Whose.
    pub writer: WriterId,
    /// How many records are there.
    pub records: u64,
    /// The first of them.
    pub first: Option<u64>,
    /// The last of them.
    pub last: Option<u64>,
    /// Retention took away what was before, this record included.
    pub cut: Option<u64>,
    /// Up to here somebody vouches for it; what is behind could be another's.
    pub signed_up_to: Option<u64>,
}

/// What everything came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The chains.
    pub chains: Vec<ChainReport>,
    /// What is wrong, the first hundred.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub faults: u64,
    /// Signatures that nobody could check, for there was no key.
    pub unchecked_signatures: u64,
}

#[derive(Debug, Default)]
struct State {
    last: Option<(u64, RecordHash)>,
    first: Option<u64>,
    records: u64,
    cut: Option<SignedHead>,
    /// By their place: what is to be there, and whether somebody vouches for it.
    heads: BTreeMap<u64, (RecordHash, Vouched)>,
    signed_up_to: Option<u64>,
    began_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    /// Its first record names the key that its heads are signed with.
    names_a_key: bool,
    /// Its last record says that the process ended in order: a head was signed behind it.
    has_ended: bool,
    /// The first record that no head with a signature reaches.
    unsigned_from: Option<(u64, Timestamp)>,
}

/// Takes records, and says what is wrong with them.
pub struct Verifier {
    keys: PublicKeys,
    extent: Extent,
    longest_unsigned: Duration,
    are_signed: bool,
    signed_since: Option<Timestamp>,
    chains: BTreeMap<WriterId, State>,
    findings: Vec<Finding>,
    faults: u64,
    unchecked_signatures: u64,
}

impl Verifier {
    /// By these keys.
    pub fn new(keys: PublicKeys, extent: Extent) -> Self {
        let (chains, findings) = (BTreeMap::new(), Vec::new());
        let (longest_unsigned, are_signed, signed_since) = (LONGEST_UNSIGNED, false, None);
        let (faults, unchecked_signatures) = (0, 0);
        Self {
            keys,
            extent,
            longest_unsigned,
            are_signed,
            signed_since,
            chains,
            findings,
            faults,
            unchecked_signatures,
        }
    }

    /// As the gateway signs by its configuration: so often, and all chains since the first one that was signed, or only those that say so.
    #[must_use]
    pub fn signed_every(mut self, every: Duration, are_signed: bool) -> Self {
        self.longest_unsigned = LONGEST_UNSIGNED.max(every.saturating_mul(HEADS_LEFT_OUT));
        self.are_signed = are_signed;
        self
    }

    /// A head that was stated; before the records.
    pub fn head(&mut self, head: &SignedHead) {
        let vouched = self.vouched(Purpose::Head, head);
        if vouched == Vouched::Signed {
            self.is_signed_since(head.head.at);
        }
        let chain = self.chains.entry(head.head.writer.clone()).or_default();
        let known = chain.heads.insert(head.head.sequence, (head.head.hash, vouched));
        if known.is_some_and(|(hash, _)| hash != head.head.hash) {
            self.fault(&head.head.writer, head.head.sequence, Fault::NotTheHead);
        }
    }

    /// A head that the caller knows to be right, whoever signed it; before the records.
    pub fn trusted_head(&mut self, writer: &WriterId, sequence: u64, hash: RecordHash) {
        self.chains.entry(writer.clone()).or_default().heads.insert(sequence, (hash, Vouched::Signed));
    }

    /// Where retention cut a chain; before the records. Of several the latest counts.
    pub fn cut(&mut self, cut: &SignedHead) {
        if self.vouched(Purpose::Cut, cut) == Vouched::Unsigned && !self.keys.is_empty() {
            self.fault(&cut.head.writer, cut.head.sequence, Fault::CutUnsigned);
        }
        let chain = self.chains.entry(cut.head.writer.clone()).or_default();
        if chain.cut.as_ref().is_none_or(|known| known.head.sequence < cut.head.sequence) {
            chain.cut = Some(cut.clone());
        }
    }

    fn is_signed_since(&mut self, at: Timestamp) {
        self.signed_since = Some(self.signed_since.map_or(at, |since| since.min(at)));
    }

    fn vouched(&mut self, purpose: Purpose, stated: &SignedHead) -> Vouched {
        let vouched = self.keys.check(purpose, stated);
        let (writer, sequence) = (&stated.head.writer, stated.head.sequence);
        match vouched {
            Vouched::KeyUnknown if self.keys.is_empty() => self.unchecked_signatures += 1,
            Vouched::KeyUnknown => self.fault(writer, sequence, Fault::KeyUnknown),
            Vouched::Forged => self.fault(writer, sequence, Fault::Forged),
            Vouched::Signed | Vouched::Unsigned => {}
        }
        vouched
    }

    /// The next record of its chain.
    pub fn record(&mut self, record: &AuditRecord) {
        let AuditRecord { writer, sequence, at, previous, hash, .. } = record;
        let mut faults = Vec::new();
        if record.computed_hash() != *hash {
            faults.push(Fault::Changed);
        }
        let extent = self.extent;
        if !self.chains.contains_key(writer) {
            self.chains.insert(writer.clone(), State::default());
        }
        let Some(chain) = self.chains.get_mut(writer) else { return };
        chain.records += 1;
        chain.note(record);
        let names_a_key = *sequence == 0 && chain.names_a_key;
        match chain.last {
            None => {
                faults.extend(chain.beginning(record, extent));
                chain.first = Some(*sequence);
            }
            Some((last, _)) if *sequence <= last => faults.push(Fault::OutOfOrder { behind: last }),
            Some((last, _)) if *sequence > last + 1 => faults.push(Fault::Missing { from: last + 1 }),
            Some((_, hash)) if *previous != hash => faults.push(Fault::NotLinked),
            Some(_) => {}
        }
        if let Some((stated, vouched)) = chain.heads.get(sequence) {
            if stated != hash {
                faults.push(Fault::NotTheHead);
            } else if *vouched == Vouched::Signed {
                chain.signed_up_to = chain.signed_up_to.max(Some(*sequence));
            }
            // A signature that is none, or by nobody who is known, is told for itself.
            if *vouched != Vouched::Unsigned {
                chain.unsigned_from = None;
            }
        }
        if chain.last.is_none_or(|(last, _)| last < *sequence) {
            chain.last = Some((*sequence, *hash));
        }
        if names_a_key {
            self.is_signed_since(*at);
        }
        for fault in faults {
            self.fault(writer, *sequence, fault);
        }
    }

    /// There are no more.
    pub fn finish(mut self) -> Report {
        for (writer, chain) in std::mem::take(&mut self.chains) {
            let last = chain.last.map(|(last, _)| last);
            let cut = chain.cut.as_ref().map(|cut| cut.head.sequence);
            // What retention took away is not missing.
            let reaches = last.max(cut);
            if self.extent == Extent::Whole
                && let Some((&sequence, _)) = chain.heads.last_key_value()
                && reaches.is_none_or(|reaches| sequence > reaches)
            {
                self.fault(&writer, sequence, Fault::TailMissing { last });
            }
            for (sequence, fault) in self.stripped(&chain) {
                self.fault(&writer, sequence, fault);
            }
            self.chains.insert(writer, chain);
        }
        let report = |(writer, chain): (WriterId, State)| ChainReport {
            writer,
            records: chain.records,
            first: chain.first,
            last: chain.last.map(|(last, _)| last),
            cut: chain.cut.map(|cut| cut.head.sequence),
            signed_up_to: chain.signed_up_to,
        };
        Report {
            chains: self.chains.into_iter().map(report).collect(),
            findings: self.findings,
            faults: self.faults,
            unchecked_signatures: self.unchecked_signatures,
        }
    }

    /// What is missing of the signatures of a chain that is signed: it says so itself, or began when the record was signed already.
    fn stripped(&self, chain: &State) -> Vec<(u64, Fault)> {
        let is_later = || self.signed_since.is_none_or(|since| chain.began_at.is_some_and(|began| began > since));
        let is_whole = self.extent == Extent::Whole;
        if chain.began_at.is_none() || !(chain.names_a_key || (self.are_signed && is_whole && is_later())) {
            return Vec::new();
        }
        let heads = chain.heads.iter().filter(|(_, (_, vouched))| *vouched == Vouched::Unsigned);
        let mut faults: Vec<_> = heads.map(|(sequence, _)| (*sequence, Fault::HeadUnsigned)).collect();
        if let Some((sequence, at)) = chain.unsigned_from.filter(|_| is_whole) {
            let is_long = chain.last_at.is_some_and(|last| last.since(at) > self.longest_unsigned);
            if chain.has_ended || is_long {
                faults.push((sequence, Fault::NotSigned));
            }
        }
        faults
    }

    fn fault(&mut self, writer: &WriterId, sequence: u64, fault: Fault) {
        self.faults += 1;
        if self.findings.len() < MOST_FAULTS {
            self.findings.push(Finding { writer: writer.clone(), sequence, fault });
        }
    }
}

impl State {
    /// What a record says of the signatures of its chain.
    fn note(&mut self, record: &AuditRecord) {
        let event = |kind: Kind| {
            let is_named = record.event.contains(kind.as_str());
            is_named
                .then(|| serde_json::from_str::<Event>(&record.event).ok())
                .flatten()
                .filter(|event| event.event == kind)
        };
        if record.sequence == 0 {
            self.names_a_key = event(Kind::ProcessStarted).is_some_and(|event| event.signing_key.is_some());
        }
        self.has_ended = event(Kind::ProcessStopped).is_some();
        self.began_at = self.began_at.or(Some(record.at));
        self.last_at = Some(record.at);
        self.unsigned_from = self.unsigned_from.or(Some((record.sequence, record.at)));
    }

    /// A chain begins with nothing before it, or goes on from its cut.
    fn beginning(&self, record: &AuditRecord, extent: Extent) -> Option<Fault> {
        match &self.cut {
            Some(cut) if cut.head.sequence.checked_add(1) == Some(record.sequence) => {
                (cut.head.hash != record.previous).then_some(Fault::NotTheCut)
            }
            _ if record.sequence == 0 => (record.previous != NOTHING_BEFORE).then_some(Fault::NotLinked),
            _ if extent == Extent::Part => None,
            Some(cut) if cut.head.sequence < record.sequence => {
                Some(Fault::Missing { from: cut.head.sequence.saturating_add(1) })
            }
            // An export from before the cut still begins where it began.
            Some(_) | None => Some(Fault::BeginningMissing),
        }
    }
}

impl Report {
    /// Nothing is wrong.
    pub const fn is_sound(&self) -> bool {
        self.faults == 0
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { writer, sequence, fault } = self;
        write!(f, "chain {}, record {sequence}: ", writer.0)?;
        match fault {
            Fault::Changed => f.write_str("it was changed: its hash is another"),
            Fault::NotLinked => f.write_str("it does not follow the record before it: one of the two was made anew"),
            Fault::Missing { from } if from + 1 == *sequence => write!(f, "record {from} before it is missing"),
            Fault::Missing { from } => {
                write!(f, "records {from} to {} before it are missing", sequence.saturating_sub(1))
            }
            Fault::OutOfOrder { behind } => write!(f, "it stands behind record {behind}: the order was changed"),
            Fault::BeginningMissing => f.write_str("the chain begins here, and no cut says that it may"),
            Fault::TailMissing { last: Some(last) } => {
                write!(f, "a head says that the chain reached it, and it ends with record {last}: the tail was cut off")
            }
            Fault::TailMissing { last: None } => {
                f.write_str("a head says that the chain reached it, and there is no record")
            }
            Fault::NotTheHead => f.write_str("a head vouches for another record in its place"),
            Fault::NotTheCut => f.write_str("it does not follow the record at which the chain was cut"),
            Fault::CutUnsigned => f.write_str("the chain was cut here, and nobody signed that"),
            Fault::HeadUnsigned => f.write_str("a head states it that nobody signed, and the chain is signed"),
            Fault::NotSigned => f.write_str(
                "from here on no signature reaches the chain, which is signed: heads were taken away, or the process could not keep them",
            ),
            Fault::Forged => f.write_str("a head or a cut states it with a signature that is not the key's"),
            Fault::KeyUnknown => f.write_str("a head or a cut states it, signed with a key that is not known"),
        }
    }
}

#[cfg(test)]
mod tests;
