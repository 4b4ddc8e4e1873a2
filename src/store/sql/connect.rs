//! Opens the database: who may read an SQLite file, how each database treats a connection, which version its tables have.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection as _, Executor as _};

use super::in_time;
use super::version::{Unfit, is_of_this_release, version};
use crate::key_file::make_directory_of;
use crate::store::StoreError;
use crate::store::settings::{PostgresUrl, StoreSettings, StoreUrl};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a write waits for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a start waits for others that start on the same file, or bring its tables up to date.
const PATIENCE: Duration = Duration::from_secs(60);
/// After so long it asks again whether it may.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How long anything waits for a connection; then the store counts as failed.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many read at once, at most. Of a file as many as there are processors: each takes half a MiB, and more of them would wait for those.
const READERS: u32 = 4;

/// What was acknowledged survives a power failure, too.
const SQLITE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";
/// Pages come together in the log (32 MiB) and in memory before they are written to their place; nothing temporary goes to disk.
const SQLITE_WRITES: &str = "PRAGMA wal_autocheckpoint = 8192; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY;";
/// How a file is opened that is only looked at.
const LOOKED_AT: &str = "?mode=ro";
const SQLITE_READS: &str = "PRAGMA query_only = ON;";
const POSTGRES_LOOKS: &str = "SET default_transaction_read_only = on;";
/// A transaction that nobody ends (the network is gone, the process hangs) lets the others go on after a while. Notices ("exists already") are not
/// sent: sqlx asks whether anybody hears one, and where nobody does, `tracing`'s filters swallow the event that comes next.
const POSTGRES: &str =
    "SET idle_in_transaction_session_timeout = '5s'; SET statement_timeout = '5s'; SET client_min_messages = warning;";

/// Every statement that writes is made for nested loops over indexes. What PostgreSQL knows about young tables tells it to read them from
/// end to end, and it keeps that plan while they grow; and to plan a statement of many rows anew costs more than to run it.
const POSTGRES_WRITES: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; \
    SET plan_cache_mode = force_generic_plan;";

/// Begins a transaction of PostgreSQL, whatever the database's default is: a snapshot from before the turn would count what others have
/// changed since.
macro_rules! postgres_begin {
    () => {
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
    };
}

/// The lock that writers of all replicas take turns at. The number is ours alone: "dcrg" in ASCII.
macro_rules! postgres_turn {
    () => {
        "SELECT pg_advisory_xact_lock(1684239975)"
    };
}

/// Which database it is: all that differs is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    /// Begins a transaction before which every other one of a writer is over: nothing that is read in it changes before its end.
    pub(super) const fn begin(self) -> &'static str {
        match self {
            // The lock is taken before anything is read, against other processes too.
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => postgres_begin!(),
        }
    }

    /// Whether a connection can be gone only with the thread that has it, which whatever is asked of it next says as well.
    pub(super) const fn is_in_this_process(self) -> bool {
        matches!(self, Self::Sqlite)
    }

    /// What `begin` leaves to do: writers of all replicas take turns. One lock, so there is no deadlock, and what is counted is exact.
    pub(super) async fn take_turn(self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite => Ok(()),
            Self::Postgres => connection.execute(postgres_turn!()).await.map(drop),
        }
    }

    /// [`Database::begin`] and [`Database::take_turn`] in one.
    pub(super) const fn begin_in_turn(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => concat!(postgres_begin!(), "; ", postgres_turn!()),
        }
    }

    /// Tables may be large, and another replica may be at it: a migration takes its time.
    const fn before_migrating(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => {
                Some("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;")
            }
        }
    }

    pub(super) const fn migrations(self) -> &'static Migrator {
        match self {
            Self::Sqlite => &SQLITE_MIGRATIONS,
            Self::Postgres => &POSTGRES_MIGRATIONS,
        }
    }

    /// How it treats this connection.
    async fn prepare(self, connection: &mut AnyConnection, purpose: Purpose) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite => {
                // First: to turn a file into one with a write-ahead log may have to wait for somebody.
                let wait = format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis());
                connection.execute(AssertSqlSafe(wait)).await?;
                let pragmas: &[&'static str] = match purpose {
                    Purpose::Writing => &[SQLITE, SQLITE_WRITES],
                    Purpose::Reading => &[SQLITE, SQLITE_READS],
                    Purpose::Looking => &[SQLITE_READS],
                };
                for pragma in pragmas {
                    connection.execute(*pragma).await?;
                }
            }
            Self::Postgres => {
                connection.execute(POSTGRES).await?;
                let more = match purpose {
                    Purpose::Writing => Some(POSTGRES_WRITES),
                    Purpose::Reading => None,
                    Purpose::Looking => Some(POSTGRES_LOOKS),
                };
                if let Some(more) = more {
                    connection.execute(more).await?;
                }
            }
        }
        Ok(())
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Writing,
    Reading,
    /// Nothing is changed by any connection: not even how the file is kept.
    Looking,
}

/// A user whose password stands in a file: whoever rotates it changes the file, and what connects then reads it anew.
#[derive(Debug, Clone)]
pub(super) struct Login {
    url: PostgresUrl,
    password_file: PathBuf,
}

impl Login {
    fn of(settings: &StoreSettings) -> Option<Self> {
        let StoreUrl::Postgres(url) = &settings.url else { return None };
        Some(Self { url: url.clone(), password_file: settings.password_file.clone()? })
    }

    /// With the password of now; none: the file cannot be used, as while somebody writes it.
    fn options(&self) -> Option<AnyConnectOptions> {
        self.url.with_password(Some(&self.password_file)).ok()?.expose().parse().ok()
    }

    /// What `pool` connects with from now on, where it was refused for the password that it had.
    pub(super) fn renews(&self, pool: &AnyPool, refused: &sqlx::Error) -> bool {
        const NOT_THIS_PASSWORD: [&str; 2] = ["28P01", "28000"];
        let code = refused.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let options = code.filter(|code| NOT_THIS_PASSWORD.contains(&&**code)).and_then(|_| self.options());
        options.map(|options| pool.set_connect_options(options)).is_some()
    }
}

/// Where the database is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) database: Database,
    /// The SQLite file, by its name and by what it was when it was opened.
    file: Option<(PathBuf, FileId)>,
    options: AnyConnectOptions,
    /// None: what it connects with stays the same.
    pub(super) login: Option<Login>,
    /// Nobody writes to it by this.
    is_looked_at: bool,
}

impl Place {
    /// SQLite goes on writing to a file that was taken away or replaced: what it then calls written, no later process finds.
    pub(super) fn is_where_it_was(&self) -> Result<(), sqlx::Error> {
        let Some((path, opened)) = &self.file else { return Ok(()) };
        if file_id(path)? == *opened {
            return Ok(());
        }
        Err(sqlx::Error::Io(std::io::Error::other("the database is another file than the one that was opened")))
    }

    /// A connection to write with.
    pub(super) async fn connect(&self) -> Result<AnyConnection, sqlx::Error> {
        let renewed = self.login.as_ref().and_then(Login::options);
        let mut connection = AnyConnection::connect_with(renewed.as_ref().unwrap_or(&self.options)).await?;
        let purpose = if self.is_looked_at { Purpose::Looking } else { Purpose::Writing };
        self.database.prepare(&mut connection, purpose).await?;
        Ok(connection)
    }
}

pub(super) struct Opened {
    pub(super) place: Place,
    pub(super) readers: AnyPool,
    pub(super) writing: AnyConnection,
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// To serve: tables that are not there are made, and those of an older release brought up to date.
    Serving,
    /// To change something beside a gateway, or before there is one: tables of an older release are left to whoever serves.
    Changing,
    /// To look at it: nothing is written, nor could be.
    Looking,
}

pub(super) async fn open(settings: &StoreSettings, opening: Opening) -> Result<Opened, StoreError> {
    open_within(settings, opening, PATIENCE).await
}

async fn open_within(settings: &StoreSettings, opening: Opening, patience: Duration) -> Result<Opened, StoreError> {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
    let (database, mut url, file) = match &settings.url {
        StoreUrl::Sqlite(path) => {
            if opening != Opening::Looking {
                make_private_file(path).map_err(|error| StoreError(format!("{}: {error}", path.display()).into()))?;
            }
            let path = std::path::absolute(path).map_err(|error| StoreError(error.into()))?;
            // For the escapes: a directory above may be named as it likes.
            let escaped = url::Url::from_file_path(&path);
            let escaped = escaped.map_err(|()| StoreError(format!("{}: no absolute path", path.display()).into()))?;
            let id = file_id(&path).map_err(|error| StoreError(error.into()))?;
            let mode = if opening == Opening::Looking { LOOKED_AT } else { "" };
            (Database::Sqlite, format!("sqlite://{}{mode}", escaped.path()), Some((path, id)))
        }
        StoreUrl::Postgres(url) => {
            let url = url.with_password(settings.password_file.as_deref()).map_err(|text| StoreError(text.into()))?;
            (Database::Postgres, url.expose().to_owned(), None)
        }
    };
    let (options, login) = (url.parse()?, Login::of(settings));
    let mut place = Place { database, file, options, login, is_looked_at: opening == Opening::Looking };
    let began = Instant::now();
    let mut is_told = false;
    loop {
        match begin(&place, opening).await {
            Ok((writing, readers)) => return Ok(Opened { place, readers, writing }),
            Err(sqlx::Error::Configuration(unfit)) if unfit.is::<Unfit>() => return Err(StoreError(unfit)),
            Err(error) if url.ends_with(LOOKED_AT) && is_all_there_is(&place, &error) => {
                url.push_str("&immutable=1");
                place.options = url.parse()?;
                continue;
            }
            Err(sqlx::Error::Migrate(error)) if let MigrateError::VersionMissing(version) = *error => {
                let newer = "a newer release of dcr-gateway has changed this store";
                return Err(StoreError(format!("{newer} (its migration {version}): run that one").into()));
            }
            Err(error) if !is_busy(&place, &error) => {
                return Err(match &place.file {
                    Some((path, _)) => StoreError(format!("{}: {error}", path.display()).into()),
                    // Without the user, and what else stands in it.
                    None => StoreError(format!("{}: {error}", settings.url).into()),
                });
            }
            Err(_) if began.elapsed() >= patience => return Err(StoreError(HELD.into())),
            Err(_) if !std::mem::replace(&mut is_told, true) => {
                tracing::warn!("the start waits for another process that holds the database's lock");
            }
            Err(_) => {}
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// What whoever starts is told in the end.
const HELD: &str = "another process holds the database's lock and does not give it back: it starts as well, or brings the tables up to date; \
    start again when it is done";

/// SQLite reads a file with a write-ahead log by companions that it may have to make. Where it may not, and nothing waits in a log, the file is
/// all there is.
fn is_all_there_is(place: &Place, error: &sqlx::Error) -> bool {
    const CANNOT_OPEN: u32 = 14;
    const READ_ONLY: u32 = 8;
    let Some((path, _)) = &place.file else { return false };
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log_waits = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
    !log_waits && sqlite_code(error).is_some_and(|code| [CANNOT_OPEN, READ_ONLY].contains(&code))
}

/// The low octet, which is the code, whatever else is said with it.
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    Some(error.as_database_error()?.code()?.parse::<u32>().ok()? & 0xff)
}

/// Connects, and brings the tables up to date, or sees whether they are.
async fn begin(place: &Place, opening: Opening) -> Result<(AnyConnection, AnyPool), sqlx::Error> {
    let mut writing = match place.database {
        // Everything that it waits for has an end of its own; beside others that start it may take longer than anything later.
        Database::Sqlite => place.connect().await?,
        Database::Postgres => in_time(place.connect()).await?,
    };
    match (opening, version(&mut writing).await?) {
        (Opening::Serving, _) | (Opening::Changing, None) => migrate(place.database, &mut writing).await?,
        (Opening::Looking, None) => return Err(Unfit::New.into()),
        (Opening::Changing | Opening::Looking, Some(version)) => is_of_this_release(place.database, version)?,
    }
    Ok((writing, readers(place).await?))
}

/// Whether somebody else had SQLite's lock for [`BUSY_TIMEOUT`], or for a moment in which SQLite does not wait.
fn is_busy(place: &Place, error: &sqlx::Error) -> bool {
    const BUSY: u32 = 5;
    // A pool says only that its first connection was not to be had in time.
    let is_busy = || matches!(error, sqlx::Error::PoolTimedOut) || sqlite_code(error) == Some(BUSY);
    place.database == Database::Sqlite && is_busy()
}

async fn readers(place: &Place) -> Result<AnyPool, sqlx::Error> {
    let database = place.database;
    let purpose = if place.is_looked_at { Purpose::Looking } else { Purpose::Reading };
    let processors =
        std::thread::available_parallelism().map_or(READERS, |count| u32::try_from(count.get()).unwrap_or(READERS));
    let most = match database {
        Database::Sqlite => READERS.min(processors),
        Database::Postgres => READERS,
    };
    let options = AnyPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| Box::pin(async move { database.prepare(connection, purpose).await }));
    let options = match database {
        // Connections of a file do not go stale: no tests before use, no recycling.
        Database::Sqlite => options.idle_timeout(None).max_lifetime(None).test_before_acquire(false),
        // The pool itself would wait without end for a sign of life of a connection that somebody gave back.
        Database::Postgres => options
            .test_before_acquire(true)
            .after_release(|connection, _| Box::pin(async move { in_time(connection.ping()).await.map(|()| true) })),
    };
    options.connect_with(place.options.clone()).await
}

/// In one transaction, so that of two processes that start on an empty database the second waits and finds it done.
async fn migrate(database: Database, writing: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let mut transaction = writing.begin_with(database.begin()).await?;
    if let Some(statement) = database.before_migrating() {
        transaction.execute(statement).await?;
    }
    database.take_turn(&mut transaction).await?;
    // `run` itself takes what cannot be sent between threads; this is all that it does.
    let migrated = database.migrations().run_direct(None, &mut *transaction, false).await;
    migrated.map_err(|error| sqlx::Error::Migrate(Box::new(error)))?;
    transaction.commit().await
}

/// What a file is, whatever its name: device and inode.
type FileId = (u64, u64);

fn file_id(path: &Path) -> std::io::Result<FileId> {
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// SQLite gives its companion files (`-wal`, `-shm`) the mode of the file. A file that is there is left as it is, and not
/// opened even: closing a descriptor of it would drop the locks of other handles in this process.
fn make_private_file(path: &Path) -> std::io::Result<()> {
    make_directory_of(path)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::settings::KeyFile;

    /// Holds the lock of a database until the connection is dropped.
    async fn held(path: &Path) -> sqlx::SqliteConnection {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        connection.execute("BEGIN EXCLUSIVE").await.unwrap();
        connection
    }

    fn settings(path: &Path) -> StoreSettings {
        let url = StoreUrl::Sqlite(path.to_owned());
        StoreSettings { url, password_file: None, encryption_key_file: KeyFile(PathBuf::new()) }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_start_waits_longer_than_a_write_for_whoever_holds_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gateway.db");
        let mut holding = held(&path).await;
        let starting = tokio::spawn({
            let settings = settings(&path);
            async move { open(&settings, Opening::Serving).await.map(drop) }
        });
        tokio::time::sleep(BUSY_TIMEOUT + Duration::from_secs(1)).await;
        assert!(!starting.is_finished());
        holding.execute("ROLLBACK").await.unwrap();
        starting.await.unwrap().unwrap();
    }

    /// Whoever may do everything (root) is not kept from making companions: what others do instead.
    #[tokio::test]
    async fn a_file_beside_which_nothing_waits_is_opened_without_its_companions() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gateway.db");
        let opened = open(&settings(&path), Opening::Serving).await.unwrap();
        let Opened { mut place, readers, writing } = opened;
        readers.close().await;
        writing.close().await.unwrap();
        let gone = format!("sqlite://{}?mode=ro", directory.path().join("gone.db").display());
        let gone: AnyConnectOptions = gone.parse().unwrap();
        let cannot_open = AnyConnection::connect_with(&gone).await.err().unwrap();
        assert!(is_all_there_is(&place, &cannot_open), "{cannot_open}");

        place.options = format!("sqlite://{}?mode=ro&immutable=1", path.display()).parse().unwrap();
        place.is_looked_at = true;
        let looking = begin(&place, Opening::Looking).await.unwrap();
        let log = directory.path().join("gateway.db-wal");
        assert!(!log.exists());
        drop(looking);
        std::fs::write(log, "waits").unwrap();
        assert!(!is_all_there_is(&place, &cannot_open));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_start_that_waited_in_vain_says_for_whom() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gateway.db");
        let _holding = held(&path).await;
        let error = open_within(&settings(&path), Opening::Serving, Duration::ZERO).await.map(drop).unwrap_err();
        assert!(error.to_string().contains("another process holds the database's lock"), "{error}");
    }
}
