//! Which clients were never used, and since when that is watched: before, nobody can tell. How far the server's events were read that tell
//! of uses.

use std::time::Duration;

use async_trait::async_trait;

use super::{ClientRecord, StoreError};
use crate::clock::Timestamp;

/// Since when uses are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// Since then, without a gap that is known of.
    pub since: Timestamp,
    /// When any client was last seen to be used; none: never since.
    pub last_use: Option<Timestamp>,
}

/// Which clients are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// Of this profile.
    pub profile: String,
    /// This one alone; none: all.
    pub client_id: Option<String>,
    /// Registered at this moment or later.
    pub since: Timestamp,
    /// Registered, and handed out the last time, at this moment or earlier.
    pub until: Timestamp,
    /// Those alone that can be managed at the server with what it gave.
    pub only_manageable: bool,
    /// How many, at most.
    pub limit: u32,
}

/// What is known of clients that were not used. Uses themselves are noted with [`super::Clients::note_uses`].
#[async_trait]
pub trait Uses: Send + Sync {
    /// Uses are watched: from `now` on, unless they are already.
    async fn watch_uses(&self, now: Timestamp) -> Result<Watch, StoreError>;
    /// Uses are not watched any more: from the next [`Uses::watch_uses`] on they are again.
    async fn stop_watching_uses(&self) -> Result<(), StoreError>;
    /// The active clients that were never used, the oldest first.
    async fn unused(&self, unused: &Unused) -> Result<Vec<ClientRecord>, StoreError>;
    /// This process reads the server's events now, unless one began to within `pause`: false.
    async fn begin_reading(&self, pause: Duration, now: Timestamp) -> Result<bool, StoreError>;
    /// They were read up to this moment. The latest stays.
    async fn end_reading(&self, read_to: Timestamp) -> Result<(), StoreError>;
    /// Up to which moment they were read; none: never yet.
    async fn read_to(&self) -> Result<Option<Timestamp>, StoreError>;
}
