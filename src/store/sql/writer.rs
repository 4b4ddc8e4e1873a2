//! Changes are written in groups: whatever waits while one commit goes to disk is committed together next.
//! So the number of registrations per second is not the number of times per second that a disk can be flushed.

use sqlx::{AnyConnection, Connection as _, Executor as _};
use tokio::sync::{mpsc, oneshot};

use super::audit::OpenChain;
use super::change::{self, Change, Done, Other, What};
use super::connect::Place;
use super::{Health, in_time, is_refusal, told};
use crate::store::{Begun, Outcome, Recording, StoreError};

/// More than this many wait outside, which slows callers down rather than filling memory.
const LONGEST_QUEUE: usize = 1024;
/// A bound for how long one commit can take.
const LARGEST_GROUP: usize = 128;

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
    pub(super) async fn write(&self, change: Change) -> Result<Done, StoreError> {
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
        let closing: Vec<Job> =
            jobs.extract_if(.., |job| matches!(job.change.what, What::Other(Other::Close))).collect();
        // Nobody waits for it any more, and nothing was promised.
        jobs.retain(|job| !(job.answer.is_closed() && matches!(job.change.what, What::Begin(..))));
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
    let begun = match (&job.change.what, &result) {
        (What::Begin(begun), Ok(Done::Begun(Begun::Ready))) => Some((begun.0.intent.id.clone(), begun.0.intent.at)),
        _ => None,
    };
    let is_gone = job.answer.send(result).is_err();
    let (id, now) = begun.filter(|_| is_gone)?;
    let outcome = Outcome::NotRegistered { reason: "caller_gone".to_owned() };
    Some(Change { what: What::Finish { id, outcome, by: None, now }, record: Recording::nothing() })
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
            if let What::Other(Other::OpenChain { writer, told }) = &job.change.what {
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
        if let Err(error) = &committed
            && !(is_refusal(error) && self.roll_back().await)
        {
            // Whatever state it is in: with it goes what was not committed.
            self.connection = None;
        }
        if let Some(chain) = self.chain.as_mut().filter(|_| committed.is_err()) {
            chain.doubt();
        }
        self.health.note(committed)
    }

    async fn roll_back(&mut self) -> bool {
        match &mut self.connection {
            Some(connection) => in_time(connection.execute("ROLLBACK")).await.is_ok(),
            None => false,
        }
    }

    async fn commit_one(&mut self, change: &Change) -> Result<Done, StoreError> {
        let mut results = self.commit(&[change]).await?;
        results.pop().unwrap_or_else(|| Err(StoreError("a change was lost".into())))
    }

    async fn try_commit(&mut self, changes: &[&Change]) -> Result<Vec<Result<Done, StoreError>>, sqlx::Error> {
        let database = self.place.database;
        self.place.is_where_it_was()?;
        let mut chain = self.chain.clone();
        let connection = self.connected().await?;
        let (results, mut writes) = change::apply(connection, database.begin_in_turn(), changes).await?;
        let mut records = Vec::new();
        let entries = change::to_record(changes, &results);
        if let Some(chain) = chain.as_mut().filter(|_| !entries.is_empty()) {
            for entry in &entries {
                told::tell(connection, &entry.told).await?;
            }
            records = chain.record(connection, &mut writes, entries).await?;
        }
        writes.committing().run(connection).await?;
        if let Some(chain) = &chain {
            chain.tell(records);
        }
        self.chain = chain;
        Ok(results)
    }

    /// A connection that gives a sign of life: the one that is there, or a new one.
    async fn connected(&mut self) -> Result<&mut AnyConnection, sqlx::Error> {
        if let Some(mut connection) = self.connection.take()
            && (self.place.database.is_in_this_process() || connection.ping().await.is_ok())
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
