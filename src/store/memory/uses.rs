//! The use of clients in memory.

use std::time::Duration;

use async_trait::async_trait;

use super::super::{ClientRecord, StoreError, Unused, Uses, Watch};
use super::MemoryStore;
use crate::clock::Timestamp;
use crate::lifecycle::Lifecycle;

#[async_trait]
impl Uses for MemoryStore {
    async fn watch_uses(&self, now: Timestamp) -> Result<Watch, StoreError> {
        Ok(*self.state().watch.get_or_insert(Watch { since: now, last_use: None }))
    }

    async fn stop_watching_uses(&self) -> Result<(), StoreError> {
        self.state().watch = None;
        Ok(())
    }

    async fn unused(&self, unused: &Unused) -> Result<Vec<ClientRecord>, StoreError> {
        let Unused { profile, client_id, since, until, only_manageable, limit } = unused;
        let state = self.state();
        let is_handed_out_later = |client_id: &str| {
            state.registrations.values().any(|registration| registration.is_for_after(client_id, *until))
        };
        let is_unused = |client: &&ClientRecord| {
            client.profile == *profile
                && client_id.as_ref().is_none_or(|client_id| client.client_id == *client_id)
                && client.lifecycle == Lifecycle::Active
                && client.last_used_at.is_none()
                && (*since..=*until).contains(&client.created_at)
                && (!only_manageable || (client.server_access.is_some() && !client.unmanageable))
                && !is_handed_out_later(&client.client_id)
        };
        let clients = state.clients.values().map(|client| &client.record);
        let mut found: Vec<ClientRecord> = clients.filter(is_unused).cloned().collect();
        found.sort_by(|a, b| (a.created_at, &a.client_id).cmp(&(b.created_at, &b.client_id)));
        found.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    async fn begin_reading(&self, pause: Duration, now: Timestamp) -> Result<bool, StoreError> {
        let reading = &mut self.state().reading;
        if reading.is_some_and(|known| known.begun_at > now.before(pause) && known.begun_at <= now) {
            return Ok(false);
        }
        *reading = Some(Reading { begun_at: now, read_to: reading.and_then(|known| known.read_to) });
        Ok(true)
    }

    async fn end_reading(&self, read_to: Timestamp) -> Result<(), StoreError> {
        if let Some(reading) = &mut self.state().reading {
            reading.read_to = reading.read_to.max(Some(read_to));
        }
        Ok(())
    }

    async fn read_to(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.state().reading.and_then(|known| known.read_to))
    }
}

/// How far the server's events were read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    begun_at: Timestamp,
    read_to: Option<Timestamp>,
}
