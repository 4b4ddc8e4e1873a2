//! The record of clients in memory.

use async_trait::async_trait;
use subtle::ConstantTimeEq as _;

use super::super::{
    ClientFilter, ClientRecord, Clients, IfKnown, Intent, MetadataDigest, NewClient, Page, Recording, StoreError,
    TokenHash, Turn, TurnEnd, TurnTaken,
};
use super::{Client, MemoryStore, State, if_true};
use crate::clock::Timestamp;
use crate::lifecycle;

#[async_trait]
impl Clients for MemoryStore {
    async fn client(&self, client_id: &str) -> Result<Option<ClientRecord>, StoreError> {
        Ok(self.state().clients.get(client_id).map(|client| client.record.clone()))
    }

    async fn client_by_access_token(&self, hash: TokenHash) -> Result<Option<ClientRecord>, StoreError> {
        let state = self.state();
        let found = state.by_access_token.get_key_value(&hash.0).filter(|(known, _)| bool::from(known.ct_eq(&hash.0)));
        Ok(found.and_then(|(_, client_id)| state.clients.get(client_id)).map(|client| client.record.clone()))
    }

    async fn clients(&self, filter: &ClientFilter, page: &Page) -> Result<Vec<ClientRecord>, StoreError> {
        let fits = |record: &ClientRecord| {
            filter.state.is_none_or(|state| record.lifecycle.state() == state)
                && filter.profile.as_ref().is_none_or(|profile| record.profile == *profile)
        };
        let state = self.state();
        let fitting = state.clients.values().map(|client| &client.record).filter(|record| fits(record));
        Ok(page.of(fitting.map(|record| (record.created_at, record.client_id.as_str(), record))))
    }

    async fn count_clients(&self) -> Result<Vec<(String, lifecycle::State, u64)>, StoreError> {
        let mut counts = std::collections::BTreeMap::<(String, &str), (lifecycle::State, u64)>::new();
        for client in self.state().clients.values() {
            let state = client.record.lifecycle.state();
            counts.entry((client.record.profile.clone(), state.as_str())).or_insert((state, 0)).1 += 1;
        }
        Ok(counts.into_iter().map(|((profile, _), (state, count))| (profile, state, count)).collect())
    }

    async fn take_turn(&self, client_id: &str, turn: &Turn, now: Timestamp) -> Result<TurnTaken, StoreError> {
        let mut state = self.state();
        let Some(client) = state.clients.get_mut(client_id) else { return Ok(TurnTaken::Unknown) };
        if client.turn.as_ref().is_some_and(|(_, until)| turn.must_wait(*until, now)) {
            return Ok(TurnTaken::Busy);
        }
        let interrupted = client.turn.replace((turn.holder.clone(), now.after(turn.lasts))).is_some();
        Ok(TurnTaken::Taken { client: Box::new(client.record.clone()), interrupted })
    }

    async fn end_turn(&self, mut end: TurnEnd, now: Timestamp) -> Result<bool, StoreError> {
        let record = Recording::these(std::mem::take(&mut end.entries)).of_part(if_true);
        self.change(&record, |state| Ok(state.end_turn(end, now)))
    }

    async fn break_off_turn(&self, client_id: &str, holder: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut state = self.state();
        let turn = state.clients.get_mut(client_id).and_then(|client| client.turn.as_mut());
        if let Some((_, until)) = turn.filter(|(current, _)| current == holder) {
            *until = now;
        }
        Ok(())
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<String>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let state = self.state();
        Ok(state
            .due
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(limit)
            .map(|(_, client_id)| client_id.clone())
            .collect())
    }

    async fn note_uses(&self, uses: &[(String, Timestamp)]) -> Result<(), StoreError> {
        let mut state = self.state();
        if let (Some(watch), Some(latest)) = (&mut state.watch, uses.iter().map(|(_, at)| *at).max()) {
            watch.last_use = watch.last_use.max(Some(latest));
        }
        for (client_id, at) in uses {
            if let Some(client) = state.clients.get_mut(client_id) {
                client.record.last_used_at = client.record.last_used_at.max(Some(*at));
            }
        }
        Ok(())
    }
}

impl State {
    /// False when the turn was over already and another's.
    fn end_turn(&mut self, end: TurnEnd, now: Timestamp) -> bool {
        let TurnEnd { holder, client, is_in_doubt, entries: _ } = end;
        let Some(known) = self.clients.get_mut(&client.client_id) else { return false };
        if known.turn.take_if(|(current, _)| *current == holder).is_none() {
            return false;
        }
        known.turn = is_in_doubt.then_some((holder, now));
        let before = known.record.clone();
        let is_changed = !before.reads_like(&client);
        let record = ClientRecord {
            registration: before.registration.clone(),
            profile: before.profile.clone(),
            registrant: before.registrant.clone(),
            created_at: before.created_at,
            last_used_at: before.last_used_at,
            updated_at: if is_changed { now } else { before.updated_at },
            version: before.version + i64::from(is_changed),
            ..client
        };
        self.index(Some(&before), &record);
        if before.lifecycle.state().is_live() && !record.lifecycle.state().is_live() {
            self.count_less(&before.profile, &before.registrant.key, (None, None));
        }
        if let Some(known) = self.clients.get_mut(&record.client_id) {
            known.record = record;
        }
        true
    }

    /// Enters the client that came of a registration; one that is there already is brought up to date.
    pub(super) fn enter(&mut self, intent: Intent, client: NewClient, now: Timestamp) {
        let before = self.clients.get(&client.client_id).map(|client| client.record.clone());
        if before.is_some() && client.if_known == IfKnown::Leave {
            self.count_less(&intent.profile, &intent.registrant.key, (None, None));
            return;
        }
        let confirmed_at = client.confirmed_at(now);
        let mut lifecycle = client.lifecycle;
        if let Some(before) = &before {
            if before.lifecycle.state().is_live() {
                self.count_less(&before.profile, &before.registrant.key, (None, None));
            }
            if matches!(before.lifecycle.state(), lifecycle::State::Suspended | lifecycle::State::Rejected) {
                lifecycle = before.lifecycle.clone();
            }
        }
        if !lifecycle.state().is_live() {
            self.count_less(&intent.profile, &intent.registrant.key, (None, None));
        }
        let unsettled = ClientRecord::unsettled_at_first(&lifecycle, now);
        let holder = intent.digest.and_then(|digest| self.by_digest.get(&digest));
        let record = ClientRecord {
            digest: intent.digest.filter(|_| holder.is_none_or(|holder| *holder == client.client_id)),
            client_id: client.client_id,
            registration: intent.id,
            profile: intent.profile,
            registrant: intent.registrant,
            created_at: before.as_ref().map_or(now, |before| before.created_at),
            updated_at: now,
            version: before.as_ref().map_or(1, |before| before.version + 1),
            lifecycle,
            client_name: intent.client_name,
            redirect_uris: intent.redirect_uris,
            scope_requested: intent.scope_requested,
            scope_granted: intent.scope_granted,
            scope_withheld: intent.scope_withheld,
            scope_approved: String::new(),
            metadata: client.metadata,
            access_token: client.access_token,
            server_access: client.server_access,
            unmanageable: false,
            confirmed_at,
            last_used_at: before.as_ref().and_then(|before| before.last_used_at),
            unsettled,
            members_behind: false,
            approved: None,
            first_approval: None,
            asked: None,
            let_through: intent.let_through,
        };
        self.index(before.as_ref(), &record);
        let turn = self.clients.remove(&record.client_id).and_then(|client| client.turn);
        self.clients.insert(record.client_id.clone(), Box::new(Client { record, turn }));
    }

    fn index(&mut self, before: Option<&ClientRecord>, record: &ClientRecord) {
        let due = |record: &ClientRecord| Some((record.due_at()?, record.client_id.clone()));
        before.and_then(due).map(|due| self.due.remove(&due));
        self.due.extend(due(record));
        if let Some(before) = before {
            let holds = |digest: &MetadataDigest| self.by_digest.get(digest) == Some(&before.client_id);
            before.digest.filter(holds).map(|digest| self.by_digest.remove(&digest));
            before.access_token.map(|hash| self.by_access_token.remove(&hash.0));
        }
        if let Some(digest) = record.digest.filter(|_| record.lifecycle.state().holds_its_digest()) {
            self.by_digest.insert(digest, record.client_id.clone());
        }
        if let Some(hash) = record.access_token {
            self.by_access_token.insert(hash.0, record.client_id.clone());
        }
    }
}
