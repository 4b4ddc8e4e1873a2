//! Which processes serve from an SQLite file: each holds a lock beside it, which the system takes away with the process, however
//! it ends. Whoever gets it alone knows that all others are gone.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two attempts at the lock. Another process has it alone for one write at its start.
const PAUSE: Duration = Duration::from_millis(10);
/// Another process that has it alone for longer hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// The presence of one process at one file.
#[derive(Debug)]
pub(super) struct Presence {
    lock_file: PathBuf,
    held: Mutex<Option<File>>,
}

/// The lock, not yet shared with others.
pub(super) struct Entering<'p> {
    presence: &'p Presence,
    lock: File,
    /// No other process serves from the file.
    pub(super) is_alone: bool,
}

impl Presence {
    /// At this database; nobody is present before [`Entering::stay`].
    pub(super) fn at(database: &Path) -> Self {
        let mut lock_file = database.as_os_str().to_owned();
        lock_file.push(".lock");
        Self { lock_file: lock_file.into(), held: Mutex::new(None) }
    }

    /// Looks whether somebody else is present; nobody else can enter while nobody is and this lasts.
    pub(super) fn enter(&self) -> std::io::Result<Entering<'_>> {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&self.lock_file)?;
        let is_alone = match lock.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        Ok(Entering { presence: self, lock, is_alone })
    }

    /// The process no longer serves.
    pub(super) fn leave(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Entering<'_> {
    /// Present from now on, beside others.
    pub(super) async fn stay(self) -> std::io::Result<()> {
        let began = Instant::now();
        loop {
            match self.lock.try_lock_shared() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(error.into()),
            }
        }
        *self.presence.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.lock);
        Ok(())
    }
}
