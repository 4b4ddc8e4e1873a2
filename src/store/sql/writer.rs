//! Changes are written in groups: whatever waits while one commit goes to disk is committed together next.
//! So the number of registrations per second is not the number of times per second that a disk can be flushed.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::{AnyConnection, Connection as _};
use tokio::sync::{mpsc, oneshot};

use super::audit::{self, OpenChain};
use super::connect::Place;
use super::deliveries::{self, Came, DeliveryChange};
use super::finish::{self, Finishing};
use super::import::{self, Importing};
use super::responses::{self, ResponseChange, ResponseChanged};
use super::{Health, begin, clients, findings, in_time, is_refusal, quotas, registrations, requests, tokens, uses};
use crate::clock::Timestamp;
use crate::store::{
    AuditEntry, AuditRecord, Beginning, Begun, ClientRecord, FindingRecord, IssuedToken, Outcome, RegistrationId,
    RequestRecord, RequestsKept, SignedHead, StoreError, Telling, TokenHash, TokenId, Turn, TurnTaken, WriterId,
};

/// More than this many wait outside, which slows callers down rather than filling memory.
const LONGEST_QUEUE: usize = 1024;
/// A bound for how long one commit can take.
const LARGEST_GROUP: usize = 128;

/// More octets than a registration writes.
const LARGE_PROBE: usize = 64 * 1024;

/// One change. It can be applied more than once: what was rolled back is done again.
#[derive(Debug)]
pub(super) enum Change {
    /// The entries are recorded when the same client is handed out again.
    Begin(Box<Beginning>, Vec<AuditEntry>),
    /// The entries are recorded with it.
    Finish {
        id: RegistrationId,
        outcome: Outcome,
        by: Option<String>,
        entries: Vec<AuditEntry>,
        now: Timestamp,
    },
    Append(Vec<AuditEntry>),
    /// A client that was at the server before; the entries are recorded with it.
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
    EndTurn {
        client: Box<ClientRecord>,
        holder: String,
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

impl From<Other> for Change {
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
    Response(Box<ResponseChanged>),
    Deliveries(Came),
}

impl Done {
    /// A change came to what only another kind of change can come to.
    pub(super) fn unexpected(self) -> StoreError {
        StoreError(format!("a change came to {self:?}").into())
    }
}

/// The outer failure is the database's and undoes the whole group; the inner one is one change's, nothing was written for it.
pub(super) type Applied = Result<Result<Done, StoreError>, sqlx::Error>;

#[derive(Debug)]
struct Job {
    change: Change,
    answer: oneshot::Sender<Result<Done, StoreError>>,
}

/// Hands changes to the task that writes them. The task ends with the last handle.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    pub(super) fn start(group: Group) -> Self {
        let (jobs, waiting) = mpsc::channel(LONGEST_QUEUE);
        tokio::spawn(run(group, waiting));
        Self { jobs }
    }

    /// Returns when the change is on disk. After an error it is not, unless the connection broke at the very moment of the commit:
    /// then nobody knows. An intent that was written so is found as unfinished; an outcome may be written twice.
    pub(super) async fn write(&self, change: impl Into<Change>) -> Result<Done, StoreError> {
        let change = change.into();
        let (answer, answered) = oneshot::channel();
        let gone = || StoreError("the task that writes is gone".into());
        self.jobs.send(Job { change, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn run(mut group: Group, mut waiting: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(LARGEST_GROUP);
    while waiting.recv_many(&mut jobs, LARGEST_GROUP).await > 0 {
        gather(&mut waiting, &mut jobs).await;
        let closing: Vec<Job> = jobs.extract_if(.., |job| matches!(job.change, Change::Other(Other::Close))).collect();
        // Nobody waits for it any more, and nothing was promised.
        jobs.retain(|job| !(job.answer.is_closed() && matches!(job.change, Change::Begin(..))));
        if !jobs.is_empty() {
            group.write(&mut jobs).await;
        }
        if !closing.is_empty() {
            group.close().await;
            for job in closing {
                answer(job, Ok(Done::Written));
            }
            return;
        }
    }
    group.close().await;
}

/// Callers that the last commit answered ask again at once: they come along, rather than wait for another flush.
async fn gather(waiting: &mut mpsc::Receiver<Job>, jobs: &mut Vec<Job>) {
    loop {
        let before = jobs.len();
        tokio::task::yield_now().await;
        while jobs.len() < LARGEST_GROUP
            && let Ok(job) = waiting.try_recv()
        {
            jobs.push(job);
        }
        if jobs.len() == before || jobs.len() == LARGEST_GROUP {
            return;
        }
    }
}

/// Answers the caller. A caller that went away between asking and now has sent nothing on the strength of its intent, so the
/// intent is finished for it and the use of its token given back.
fn answer(job: Job, result: Result<Done, StoreError>) -> Option<Change> {
    let begun = match (&job.change, &result) {
        (Change::Begin(beginning, _), Ok(Done::Begun(Begun::Ready))) => {
            Some((beginning.intent.id.clone(), beginning.intent.at))
        }
        _ => None,
    };
    let is_gone = job.answer.send(result).is_err();
    let (id, now) = begun.filter(|_| is_gone)?;
    let outcome = Outcome::NotRegistered { reason: "caller_gone".to_owned() };
    Some(Change::Finish { id, outcome, by: None, entries: Vec::new(), now })
}

pub(super) struct Group {
    pub(super) place: Place,
    /// The one connection that writes; none: the last one failed.
    pub(super) connection: Option<AnyConnection>,
    pub(super) health: Health,
    /// The chain of the audit log; none: nothing can be recorded.
    pub(super) chain: Option<OpenChain>,
}

impl Group {
    /// Writes them and tells their callers; none is left.
    async fn write(&mut self, jobs: &mut Vec<Job>) {
        for job in jobs.iter() {
            if let Change::Other(Other::OpenChain { writer, told }) = &job.change {
                self.chain = Some(OpenChain::of(writer.clone(), told.clone()));
            }
        }
        let mut abandoned = Vec::new();
        match self.commit(&jobs.iter().map(|job| &job.change).collect::<Vec<_>>()).await {
            Ok(results) => {
                for (job, result) in jobs.drain(..).zip(results) {
                    abandoned.extend(answer(job, result));
                }
            }
            // One change spoilt it for all. Alone, each learns its own fate.
            Err(error) if is_refusal(&error) && jobs.len() > 1 => {
                for job in jobs.drain(..) {
                    let result = self.commit_one(&job.change).await;
                    abandoned.extend(answer(job, result));
                }
            }
            Err(error) => {
                for job in jobs.drain(..) {
                    abandoned.extend(answer(job, Err(StoreError(error.to_string().into()))));
                }
            }
        }
        for change in abandoned {
            // When this fails the intent stays without an outcome, and is found as such.
            let _ = self.commit_one(&change).await;
        }
    }

    /// All of it in one transaction, or nothing.
    async fn commit(&mut self, changes: &[&Change]) -> Result<Vec<Result<Done, StoreError>>, sqlx::Error> {
        let committed = in_time(self.try_commit(changes)).await;
        if committed.as_ref().is_err_and(|error| !is_refusal(error)) {
            // Whatever state it is in: with it goes what was not committed.
            self.connection = None;
        }
        if let Some(chain) = self.chain.as_mut().filter(|_| committed.is_err()) {
            chain.doubt();
        }
        self.health.note(committed)
    }

    async fn commit_one(&mut self, change: &Change) -> Result<Done, StoreError> {
        let mut results = self.commit(&[change]).await?;
        results.pop().unwrap_or_else(|| Err(StoreError("a change was lost".into())))
    }

    async fn try_commit(&mut self, changes: &[&Change]) -> Result<Vec<Result<Done, StoreError>>, sqlx::Error> {
        let database = self.place.database;
        self.place.is_where_it_was()?;
        let mut chain = self.chain.clone();
        let mut transaction = self.connected().await?.begin_with(database.begin()).await?;
        database.take_turn(&mut transaction).await?;
        let results = apply(&mut transaction, changes).await?;
        let mut records = Vec::new();
        let entries = to_record(changes, &results);
        if let Some(chain) = chain.as_mut().filter(|_| !entries.is_empty()) {
            for entry in &entries {
                deliveries::tell(&mut transaction, &entry.told).await?;
            }
            records = chain.record(&mut transaction, entries).await?;
        }
        transaction.commit().await?;
        if let Some(chain) = &chain {
            chain.tell(records);
        }
        self.chain = chain;
        Ok(results)
    }

    /// A connection that gives a sign of life: the one that is there, or a new one.
    async fn connected(&mut self) -> Result<&mut AnyConnection, sqlx::Error> {
        if let Some(mut connection) = self.connection.take()
            && connection.ping().await.is_ok()
        {
            return Ok(self.connection.insert(connection));
        }
        let connection = self.place.connect().await?;
        Ok(self.connection.insert(connection))
    }

    async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // It is gone either way.
            let _ = in_time(connection.close()).await;
        }
    }
}

/// What each came to. Those that come in numbers are applied together: the order is free, for nobody was told anything yet.
async fn apply(
    connection: &mut AnyConnection,
    changes: &[&Change],
) -> Result<Vec<Result<Done, StoreError>>, sqlx::Error> {
    let mut results = BTreeMap::new();
    let (mut finishing, mut beginning) = (Vec::new(), Vec::new());
    for (place, change) in changes.iter().enumerate() {
        match change {
            Change::Finish { id, outcome, by, now, .. } => {
                finishing.push((place, Finishing { id, outcome, by: by.as_deref(), now: *now }));
            }
            Change::Begin(begun, _) => beginning.push((place, &**begun)),
            // Recorded with everything else that the group records.
            Change::Append(_) => drop(results.insert(place, Ok(Done::Written))),
            Change::Import(importing) => drop(results.insert(place, import::import(connection, importing).await?)),
            Change::Other(other) => drop(results.insert(place, other.apply(connection).await?)),
        }
    }
    let (places, finishing): (Vec<_>, Vec<_>) = finishing.into_iter().unzip();
    results.extend(places.into_iter().zip(finish::finish(connection, &finishing).await?));
    let (places, beginning): (Vec<_>, Vec<_>) = beginning.into_iter().unzip();
    results.extend(places.into_iter().zip(begin::begin(connection, &beginning).await?));
    Ok(results.into_values().collect())
}

/// What is to be recorded of changes that were made, in their order.
fn to_record(changes: &[&Change], results: &[Result<Done, StoreError>]) -> Vec<AuditEntry> {
    let entries = changes.iter().zip(results).filter_map(|(change, result)| match (change, result) {
        (Change::Append(entries) | Change::Finish { entries, .. }, Ok(Done::Written)) => Some(entries),
        (Change::Begin(_, entries), Ok(Done::Begun(begun))) if begun.is_repeated() => Some(entries),
        (Change::Import(importing), Ok(Done::Found(true))) => Some(&importing.entries),
        _ => None,
    });
    entries.flatten().cloned().collect()
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
            Self::EndTurn { client, holder, now } => clients::end_turn(connection, client, holder, *now).await,
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
                deliveries::forget_told(connection, *now).await?;
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
