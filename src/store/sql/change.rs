//! What can be changed: each kind with the statements that do it, and what is recorded of it in the same transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::AnyConnection;
use tokio::sync::mpsc;

use super::deliveries::{self, DeliveryChange};
use super::finish::{self, Finishing};
use super::import::{self, Importing};
use super::responses::{self, ResponseChange};
use super::rows::Batch;
use super::{audit, begin, clients, findings, quotas, registrations, requests, tokens, told, uses};
use crate::clock::Timestamp;
use crate::store::{
    AuditEntry, AuditRecord, Backlog, Beginning, Begun, ClientRecord, Delivery, FindingRecord, HandingOut, Imposed,
    IssuedToken, Outcome, Recording, RegistrationId, RequestRecord, RequestsKept, ResponseRecord, SignedHead,
    StoreError, Telling, TokenHash, TokenId, Turn, TurnEnd, TurnTaken, WriterId,
};

/// More octets than a registration writes.
const LARGE_PROBE: usize = 64 * 1024;

/// One change, and what is recorded of it in the same transaction. It can be applied more than once: what was rolled back is done again.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) what: What,
    pub(super) record: Recording<Done>,
}

/// What is changed.
#[derive(Debug)]
pub(super) enum What {
    Begin(Box<(Beginning, HandingOut)>),
    Finish {
        id: RegistrationId,
        outcome: Outcome,
        by: Option<String>,
        now: Timestamp,
    },
    /// Something is recorded, and nothing else changed.
    Record,
    EndTurn(Box<TurnEnd>, Timestamp),
    /// A client that was at the server before.
    Import(Box<Importing>),
    Other(Other),
}

/// A change that is applied by itself.
#[derive(Debug)]
pub(super) enum Other {
    CreateToken {
        token: IssuedToken,
        hash: TokenHash,
    },
    RevokeToken {
        id: TokenId,
        now: Timestamp,
    },
    FindUnfinished {
        age: Duration,
        now: Timestamp,
    },
    /// No other process is there: nobody finishes what is open.
    SettleTheDead {
        now: Timestamp,
    },
    TakeTurn {
        client_id: String,
        turn: Turn,
        now: Timestamp,
    },
    BreakOffTurn {
        client_id: String,
        holder: String,
        now: Timestamp,
    },
    NoteUses {
        uses: Vec<(String, Timestamp)>,
    },
    EnterFinding(Box<FindingRecord>, Vec<Telling>),
    Response(Box<ResponseChange>),
    KeepRequests(Vec<RequestRecord>),
    ForgetRequests(RequestsKept),
    Deliveries(DeliveryChange),
    /// From this moment on; none: not any more.
    WatchUses {
        from: Option<Timestamp>,
    },
    /// Unless somebody did within this pause.
    BeginReading(Duration, Timestamp),
    /// Up to this moment.
    EndReading(Timestamp),
    Tidy {
        now: Timestamp,
    },
    /// From here on records go to this chain.
    OpenChain {
        writer: WriterId,
        told: Option<mpsc::Sender<AuditRecord>>,
    },
    KeepHead(SignedHead),
    Cut(SignedHead),
    /// Something is written, to learn whether it works.
    Probe,
    /// The last one: the connection is closed.
    Close,
}

impl From<Other> for What {
    fn from(other: Other) -> Self {
        Self::Other(other)
    }
}

/// What a change came to.
#[derive(Debug)]
pub(super) enum Done {
    Written,
    /// Whether there was something to write.
    Found(bool),
    Begun(Begun),
    Unfinished(Vec<RegistrationId>),
    Turn(TurnTaken),
    Imposed(Box<Imposed>),
    Ended(Option<Box<ResponseRecord>>),
    Taken(Option<Vec<Delivery>>),
    Gone(Vec<Backlog>),
}

/// The parts of which something is recorded.
impl Done {
    /// Something was written that was not there already.
    pub(super) const fn anything(&self) -> Option<&()> {
        match self {
            Self::Written | Self::Found(true) => Some(&()),
            _ => None,
        }
    }

    /// A client was handed out again.
    pub(super) fn repeated(&self) -> Option<&ClientRecord> {
        match self {
            Self::Begun(begun) => begun.repeated(),
            _ => None,
        }
    }

    /// Registrations were found that nobody will finish.
    pub(super) const fn unfinished(&self) -> Option<&Vec<RegistrationId>> {
        match self {
            Self::Unfinished(found) => Some(found),
            _ => None,
        }
    }

    /// What imposing a response came to.
    pub(super) fn imposed(&self) -> Option<&Imposed> {
        match self {
            Self::Imposed(imposed) => Some(imposed),
            _ => None,
        }
    }

    /// A response was ended.
    pub(super) fn ended(&self) -> Option<&ResponseRecord> {
        match self {
            Self::Ended(ended) => ended.as_deref(),
            _ => None,
        }
    }

    /// Deliveries were given up.
    pub(super) fn gone(&self) -> Option<&Vec<Backlog>> {
        match self {
            Self::Gone(gone) => Backlog::if_any(gone),
            _ => None,
        }
    }
}

impl Done {
    /// A change came to what only another kind of change can come to.
    pub(super) fn unexpected(self) -> StoreError {
        StoreError(format!("a change came to {self:?}").into())
    }
}

/// The outer failure is the database's and undoes the whole group; the inner one is one change's, nothing was written for it.
pub(super) type Applied = Result<Result<Done, StoreError>, sqlx::Error>;

/// What each came to, and what is still to be written for them. Begins a transaction. Those that come in numbers are applied together: the
/// order is free, for nobody was told anything yet. Registrations begin, in this order, before others are finished.
pub(super) async fn apply(
    connection: &mut AnyConnection,
    begin: &'static str,
    changes: &[&Change],
) -> Result<(Vec<Result<Done, StoreError>>, Batch), sqlx::Error> {
    let mut first = Batch::beginning(begin);
    let comes_in_numbers =
        |change: &&Change| matches!(change.what, What::Begin(_) | What::Finish { .. } | What::Record);
    if !changes.iter().all(comes_in_numbers) {
        // What is read is to be what the others leave.
        std::mem::take(&mut first).run(connection).await?;
    }
    let mut results = BTreeMap::new();
    let (mut finishing, mut beginning) = (Vec::new(), Vec::new());
    for (place, change) in changes.iter().enumerate() {
        match &change.what {
            What::Finish { id, outcome, by, now } => {
                finishing.push((place, Finishing { id, outcome, by: by.as_deref(), now: *now }));
            }
            What::Begin(begun) => beginning.push((place, &**begun)),
            // Recorded with everything else that the group records.
            What::Record => drop(results.insert(place, Ok(Done::Written))),
            What::EndTurn(end, now) => drop(results.insert(place, clients::end_turn(connection, end, *now).await?)),
            What::Import(importing) => drop(results.insert(place, import::import(connection, importing).await?)),
            What::Other(other) => drop(results.insert(place, other.apply(connection).await?)),
        }
    }
    let (places_of_finishing, finishing): (Vec<_>, Vec<_>) = finishing.into_iter().unzip();
    let (places_of_beginning, beginning): (Vec<_>, Vec<_>) = beginning.into_iter().unzip();
    begin::ask(&mut first, &beginning);
    finish::end(&mut first, &finishing);
    let mut found = first.run(connection).await?;
    let mut writes = Batch::default();
    let finished = finish::finish(connection, &finishing, &mut found, &mut writes).await?;
    results.extend(places_of_finishing.into_iter().zip(finished));
    let begun = begin::begin(connection, &beginning, &mut found, &mut writes).await?;
    results.extend(places_of_beginning.into_iter().zip(begun));
    Ok((results.into_values().collect(), writes))
}

/// What is to be recorded of changes that were made, in their order.
pub(super) fn to_record(changes: &[&Change], results: &[Result<Done, StoreError>]) -> Vec<AuditEntry> {
    let made = changes.iter().zip(results).filter_map(|(change, result)| Some((change, result.as_ref().ok()?)));
    made.flat_map(|(change, done)| change.record.entries(done)).collect()
}

impl Other {
    async fn apply(&self, connection: &mut AnyConnection) -> Applied {
        match self {
            Self::CreateToken { token, hash } => tokens::create(connection, token, *hash).await,
            Self::RevokeToken { id, now } => tokens::revoke(connection, id, *now).await,
            Self::FindUnfinished { age, now } => registrations::find_unfinished(connection, *age, *now).await,
            Self::SettleTheDead { now } => {
                clients::break_off_all_turns(connection, *now).await?;
                deliveries::break_off_all_turns(connection).await?;
                registrations::find_unfinished(connection, Duration::ZERO, *now).await
            }
            Self::TakeTurn { client_id, turn, now } => clients::take_turn(connection, client_id, turn, *now).await,
            Self::BreakOffTurn { client_id, holder, now } => {
                clients::break_off_turn(connection, client_id, holder, *now).await
            }
            Self::NoteUses { uses } => uses::note_uses(connection, uses).await,
            Self::WatchUses { from } => uses::watch_uses(connection, *from).await,
            Self::BeginReading(pause, now) => uses::begin_reading(connection, *pause, *now).await,
            Self::EndReading(read_to) => uses::end_reading(connection, *read_to).await,
            Self::EnterFinding(finding, told) => findings::enter(connection, finding, told).await,
            Self::Response(change) => responses::change(connection, change).await,
            Self::KeepRequests(requests) => requests::keep(connection, requests).await,
            Self::ForgetRequests(kept) => requests::forget(connection, kept).await,
            Self::Deliveries(change) => change.apply(connection).await,
            Self::Tidy { now } => {
                findings::forget_old(connection, *now).await?;
                responses::forget_old(connection, *now).await?;
                told::forget_told(connection, *now).await?;
                tokens::forget_spent(connection, *now).await?;
                quotas::forget_ended(connection, *now).await?;
                Ok(Ok(Done::Written))
            }
            Self::OpenChain { writer, .. } => audit::open(connection, writer).await,
            Self::KeepHead(head) => audit::keep_head(connection, head).await,
            Self::Cut(cut) => audit::cut(connection, cut).await,
            // Nothing to write: see `run`.
            Self::Close => Ok(Ok(Done::Written)),
            Self::Probe => {
                // Other octets each time: the same ones would not be written.
                let query = sqlx::query(
                    "UPDATE write_probe SET count = count + 1, filler = CASE count % 2 WHEN 0 THEN $1 ELSE $2 END \
                     WHERE id = 1",
                );
                query.bind(vec![0; LARGE_PROBE]).bind(vec![1; LARGE_PROBE]).execute(connection).await?;
                Ok(Ok(Done::Written))
            }
        }
    }
}
