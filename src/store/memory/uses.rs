//! The use of clients in memory.

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
        let Unused { profile, since, until, limit } = unused;
        let state = self.state();
        let is_handed_out_later = |client_id: &str| {
            state.registrations.values().any(|registration| registration.is_for_after(client_id, *until))
        };
        let is_unused = |client: &&ClientRecord| {
            client.profile == *profile
                && client.lifecycle == Lifecycle::Active
                && client.last_used_at.is_none()
                && (*since..=*until).contains(&client.created_at)
                && !is_handed_out_later(&client.client_id)
        };
        let clients = state.clients.values().map(|client| &client.record);
        let mut found: Vec<ClientRecord> = clients.filter(is_unused).cloned().collect();
        found.sort_by(|a, b| (a.created_at, &a.client_id).cmp(&(b.created_at, &b.client_id)));
        found.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
        Ok(found)
    }
}
