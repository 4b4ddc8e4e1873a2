//! A PostgreSQL server of our own, from the binaries that Debian installs: no network, gone with the last test that uses it.
//! `DCR_TEST_POSTGRES=required` makes its absence a failure.

#![allow(dead_code, reason = "the tests use one part of it, the bench another")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use dcr_gateway::store::settings::StoreUrl;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// It is on the disk.
    Flushed,
    /// It is gone with the machine: for tests.
    NotFlushed,
}

pub struct PostgresServer {
    process: Child,
    directory: tempfile::TempDir,
    databases: AtomicU32,
}

impl PostgresServer {
    /// The server, started when no other test has done so. None: it is not installed, and nobody said that it must be.
    pub fn started() -> Option<Arc<Self>> {
        static RUNNING: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = running.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::of_its_own(Disk::NotFlushed)?);
        *running = Arc::downgrade(&server);
        Some(server)
    }

    /// A server that nobody else uses.
    pub fn of_its_own(disk: Disk) -> Option<Self> {
        let Some(binaries) = binaries() else {
            let is_required = std::env::var("DCR_TEST_POSTGRES").is_ok_and(|wish| wish == "required");
            assert!(!is_required, "DCR_TEST_POSTGRES=required, and no PostgreSQL is installed");
            eprintln!("left out: no PostgreSQL is installed");
            return None;
        };
        Some(Self::start(&binaries, disk))
    }

    fn start(binaries: &Path, disk: Disk) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let owner = owner();
        if let Some((user, group)) = owner {
            chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let command = |name: &str| {
            let mut command = Command::new(binaries.join(name));
            command.current_dir(directory.path()).arg("-D").arg(directory.path().join("data")).stdin(Stdio::null());
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command
        };
        let made = command("initdb")
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = command("postgres");
        server.arg("-k").arg(directory.path()).args(["-c", "listen_addresses="]);
        server.args(["-c", "max_connections=300", "-c", "log_min_messages=log"]);
        // A gigabyte of log beside the databases is more than a small disk has to spare.
        server.args(["-c", "min_wal_size=32MB", "-c", "max_wal_size=64MB"]);
        if disk == Disk::NotFlushed {
            server.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        let mut process = server.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        // From here on dropping it ends the process, whatever happens.
        let server = Self { process, directory, databases: AtomicU32::new(0) };
        let mut line = String::new();
        while !line.contains("ready to accept connections") {
            assert!(log.read_line(&mut line).unwrap() > 0, "the server does not start: {line}");
        }
        // A server that cannot write its log waits until it can, also with its end.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        server
    }

    /// Where clients on this machine find it.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join(".s.PGSQL.5432")
    }

    /// A database that nobody else uses.
    pub async fn new_database(&self) -> StoreUrl {
        let name = format!("gateway_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.connect("postgres").await;
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        self.url(&name).parse().unwrap()
    }

    /// A connection beside the store's.
    pub async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.url(database)).await.unwrap()
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.directory.path().display())
    }
}

impl Drop for PostgresServer {
    /// At once, but so that it cleans up after itself.
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-QUIT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// The name of the database in a URL.
pub fn database(url: &StoreUrl) -> String {
    let url = url.to_string();
    url.split(['/', '?']).nth(3).unwrap().to_owned()
}

/// Debian keeps them off the `PATH`, a directory for each version.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions.map(|version| version.unwrap().path().join("bin")).collect();
    found.sort();
    found.into_iter().rfind(|binaries| binaries.join("initdb").exists() && binaries.join("postgres").exists())
}

/// PostgreSQL does not run as root: root lets Debian's own user run it.
fn owner() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == "postgres");
    let fields = fields.expect("Debian's package makes a user for PostgreSQL");
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}
