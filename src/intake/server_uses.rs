//! Which clients were used by what the server itself recorded: read from time to time, by one replica, on from where it was read the
//! last time. So uses that do not come by the gateway are known as well.

use std::time::Duration;

use super::Intake;
use super::rulebook::Rulebook;
use crate::authorization_server::{AdministrationError, RecordedUses};
use crate::clock::Timestamp;
use crate::store::StoreError;

/// How far back the first reading goes.
const FIRST_LOOK: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many times in a row to read while there is more.
const MOST_IN_A_ROW: usize = 20;

/// Why uses were not read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// The server's.
    #[error("the authorization server's events cannot be read: {0}")]
    Server(#[from] AdministrationError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Intake {
    /// How often the server's events are to be read; none: never.
    pub fn reads_events_every(&self) -> Option<Duration> {
        self.rulebook.load().reads_events_every
    }

    /// Reads what the server recorded since the last time, where the configuration says so and no other replica does; returns how many clients were
    /// seen to be used.
    ///
    /// # Errors
    /// The server's and the store's: what was not read is read the next time.
    pub async fn read_server_uses(&self) -> Result<usize, NotRead> {
        let rulebook = self.rulebook.load_full();
        let (Some(pause), Some(administration)) = (rulebook.reads_events_every, &rulebook.administration) else {
            return Ok(0);
        };
        let (store, clock) = (&self.tools.store, &self.tools.clock);
        // A little less: ticks of the same process are not exactly so far apart.
        if !store.begin_reading(pause * 9 / 10, clock.now()).await? {
            return Ok(0);
        }
        let mut seen = 0;
        for _ in 0..MOST_IN_A_ROW {
            let now = clock.now();
            let read_to = store.read_to().await?;
            let since = read_to.unwrap_or_else(|| now.before(FIRST_LOOK));
            let RecordedUses { uses, read_to: read, has_more, kept_for } =
                administration.recorded_uses(since, now).await?;
            if read_to.is_some() && kept_for.is_some_and(|kept| now.since(since) > kept) {
                // What was forgotten there before it was read, nobody knows: uses are watched anew from here on.
                tracing::warn!(%since, "the server has forgotten events that were not read: clients count as unused from now on at the earliest");
                store.stop_watching_uses().await?;
            }
            store.note_uses(&uses).await?;
            store.end_reading(read).await?;
            seen += uses.len();
            if !has_more {
                return Ok(seen);
            }
        }
        tracing::warn!("the server records more uses than are read: the last uses of clients are behind");
        Ok(seen)
    }
}

/// Whether so much was not read that a client may have been used unseen.
pub(super) fn is_behind(rulebook: &Rulebook, read_to: Option<Timestamp>, now: Timestamp) -> bool {
    // Twice: one reading may have failed, or be another replica's.
    let late = |pause: Duration| pause * 2 + Duration::from_secs(60);
    rulebook.reads_events_every.is_some_and(|pause| read_to.is_none_or(|read_to| now.since(read_to) > late(pause)))
}
