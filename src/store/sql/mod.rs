//! The store in a database: SQLite in one file (WAL mode, shared safely by several processes) or PostgreSQL (several replicas),
//! with one set of statements for both. One connection writes, a few read. Every answer that says something was written is
//! given after the commit is on disk.

mod audit;
mod begin;
mod change;
mod client_row;
mod clients;
mod connect;
mod deliveries;
mod findings;
mod finish;
mod import;
mod json_column;
mod list;
mod presence;
mod quotas;
mod registrations;
mod requests;
mod responses;
mod rows;
mod tokens;
mod told;
mod uses;
mod version;
mod writer;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::error::ErrorKind;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool};

use self::change::{Change, Done, Other, What};
use self::connect::{Login, Opening};
use self::presence::Presence;
use self::writer::Writer;
use super::settings::{StoreSettings, StoreUrl};
use super::{Failures, Recording, RegistrationId, Store, StoreError, WriterId};
use crate::clock::Timestamp;

/// Nothing is waited for longer, also when the network swallows everything; above the deadlines that the database itself keeps.
const DEADLINE: Duration = Duration::from_secs(7);

/// A store in a database. Several handles may be open on one at the same time, in one process or in several.
#[derive(Debug, Clone)]
pub struct SqlStore {
    readers: AnyPool,
    login: Option<Login>,
    writer: Writer,
    health: Health,
    /// None: the database does not tell whether a process is gone.
    presence: Option<Arc<Presence>>,
    /// Names the chain of the audit log that this process writes.
    chain: Arc<Mutex<Option<WriterId>>>,
}

impl SqlStore {
    /// Opens the database and brings its tables up to date; makes an SQLite file (mode 0600, in a directory of mode 0700) when it is not there.
    /// To be called in the runtime that will serve: the writer is one of its tasks.
    ///
    /// # Errors
    /// The database cannot be had in time, or a newer gateway has brought its tables further.
    pub async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        Self::opened(settings, Opening::Serving).await
    }

    /// As [`SqlStore::open`], to change something beside a gateway: tables of an older release are not brought up to date by this.
    ///
    /// # Errors
    /// As there; the tables are of an older release.
    pub async fn open_to_change(settings: &StoreSettings) -> Result<Self, StoreError> {
        Self::opened(settings, Opening::Changing).await
    }

    /// Opens what is there to look at it. Nothing is written, so the file may be one that nobody here may write to.
    ///
    /// # Errors
    /// As for [`SqlStore::open_to_change`]; there is nothing.
    pub async fn open_to_look(settings: &StoreSettings) -> Result<Self, StoreError> {
        Self::opened(settings, Opening::Looking).await
    }

    async fn opened(settings: &StoreSettings, opening: Opening) -> Result<Self, StoreError> {
        let connect::Opened { place, readers, writing } = connect::open(settings, opening).await?;
        let (health, login) = (Health::default(), place.login.clone());
        let writer =
            Writer::start(writer::Group { place, connection: Some(writing), health: health.clone(), chain: None });
        let presence = match &settings.url {
            StoreUrl::Sqlite(path) => Some(Arc::new(Presence::at(path))),
            // A connection that is lost says nothing about the process that had it.
            StoreUrl::Postgres(_) => None,
        };
        Ok(Self { readers, login, writer, health, presence, chain: Arc::default() })
    }

    /// What `query` finds, with a connection of a reader's.
    async fn read<T>(
        &self,
        query: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let found = async {
            let mut reader = self.reader().await?;
            let found = in_time(query(&mut reader)).await;
            if matches!(&found, Err(sqlx::Error::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut) {
                // The answer may come yet: nobody else is to take it for theirs, or to wait for it.
                drop(reader.detach());
            }
            found
        };
        Ok(self.health.note_read(found.await)?)
    }

    /// A connection to read with.
    async fn reader(&self) -> Result<PoolConnection<Any>, sqlx::Error> {
        match (self.readers.acquire().await, &self.login) {
            (Err(error), Some(login)) if login.renews(&self.readers, &error) => self.readers.acquire().await,
            (acquired, _) => acquired,
        }
    }

    /// Makes the change, and records what it came to: both in one transaction, or neither.
    async fn change(&self, what: impl Into<What>, record: Recording<Done>) -> Result<Done, StoreError> {
        if !record.is_nothing() && self.own_chain().is_none() {
            return Err(StoreError("no chain of the audit log was opened".into()));
        }
        self.writer.write(Change { what: what.into(), record }).await
    }

    /// Makes a change of which nothing is recorded.
    async fn write(&self, what: impl Into<What>) -> Result<Done, StoreError> {
        self.change(what, Recording::nothing()).await
    }

    /// Closes the connections, after what is being written.
    pub async fn close(&self) {
        self.readers.close().await;
        // Whoever closes it twice is told that it is closed.
        let _ = self.write(Other::Close).await;
        if let Some(presence) = &self.presence {
            presence.leave();
        }
    }
}

#[async_trait]
impl Store for SqlStore {
    /// Reads; and writes too when the last write failed (a full disk can still be read).
    async fn ping(&self) -> Result<(), StoreError> {
        let probe = sqlx::query("SELECT count FROM write_probe WHERE id = 1");
        self.read(async |reader| probe.fetch_one(reader).await).await?;
        if self.health.last_write_failed() {
            self.write(Other::Probe).await?;
        }
        Ok(())
    }

    async fn begin_to_serve(
        &self,
        record: Recording<Vec<RegistrationId>>,
        now: Timestamp,
    ) -> Result<Vec<RegistrationId>, StoreError> {
        let Some(presence) = &self.presence else { return Ok(Vec::new()) };
        let failed = |error: std::io::Error| StoreError(format!("the lock beside the database: {error}").into());
        let entering = presence.enter().map_err(failed)?;
        let done = match entering.is_alone {
            true => self.change(Other::SettleTheDead { now }, record.of_part(Done::unfinished)).await?,
            false => Done::Unfinished(Vec::new()),
        };
        entering.stay().await.map_err(failed)?;
        match done {
            Done::Unfinished(found) => Ok(found),
            other => Err(other.unexpected()),
        }
    }

    fn failures(&self) -> Failures {
        self.health.failures()
    }

    async fn tidy(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(Other::Tidy { now }).await.map(drop)
    }
}

/// Whether writing works, as far as the last write tells, and how often something failed.
#[derive(Debug, Clone, Default)]
struct Health(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    last_write_failed: AtomicBool,
    reads_failed: AtomicU64,
    writes_failed: AtomicU64,
}

impl Health {
    fn last_write_failed(&self) -> bool {
        self.0.last_write_failed.load(Ordering::Relaxed)
    }

    fn failures(&self) -> Failures {
        let Noted { reads_failed, writes_failed, .. } = &*self.0;
        Failures { reads: reads_failed.load(Ordering::Relaxed), writes: writes_failed.load(Ordering::Relaxed) }
    }

    /// Passes the result of a read through.
    fn note_read<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if has_failed(&result) {
            self.0.reads_failed.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// Passes the result of a write through. A constraint that refused a row is no sign of bad health.
    fn note<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        let failed = has_failed(&result);
        self.0.last_write_failed.store(failed, Ordering::Relaxed);
        self.0.writes_failed.fetch_add(u64::from(failed), Ordering::Relaxed);
        result
    }
}

fn has_failed<T>(result: &Result<T, sqlx::Error>) -> bool {
    result.as_ref().is_err_and(|error| !is_refusal(error))
}

async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {DEADLINE:?}"));
    tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(|_| Err(sqlx::Error::Io(late())))
}

/// Whether it is about the values of one change and not about the store: a constraint refused a row, PostgreSQL takes no such
/// text (an octet of zero), a row cannot be read.
fn is_refusal(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return matches!(error, sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. });
    };
    // SQLSTATE class 22 is "data exception"; SQLite's own codes are shorter.
    let is_data_exception = error.code().is_some_and(|code| code.len() == 5 && code.starts_with("22"));
    is_data_exception
        || matches!(
            error.kind(),
            ErrorKind::UniqueViolation
                | ErrorKind::ForeignKeyViolation
                | ErrorKind::NotNullViolation
                | ErrorKind::CheckViolation
        )
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_database_that_hangs_is_said_to_and_not_taken_for_a_pool_without_room() {
        let hung = in_time(std::future::pending::<Result<(), sqlx::Error>>()).await.map_err(StoreError::from);
        assert_eq!(
            hung.unwrap_err().to_string(),
            "the store failed: error communicating with database: no answer within 7s"
        );
    }
}
