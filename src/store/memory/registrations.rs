//! The record of registrations in memory.

use std::time::Duration;

use async_trait::async_trait;

use super::super::quota::{Used, Window};
use super::super::registration::Finished;
use super::super::{
    AuditEntry, Beginning, Begun, FoundOut, HandingOut, Import, Intent, NOT_RECORDED, Outcome, OutcomeName, Page,
    Recording, RegistrationFilter, RegistrationId, RegistrationRecord, Registrations, StoreError,
};
use super::{MemoryStore, State, failure, if_true};
use crate::clock::Timestamp;

#[derive(Debug)]
pub(super) struct Registration {
    record: RegistrationRecord,
    windows: (Option<Window>, Option<Window>),
}

impl Registration {
    /// Whether this client came of it, after that moment.
    pub(super) fn is_for_after(&self, client_id: &str, moment: Timestamp) -> bool {
        self.record.client_id.as_deref() == Some(client_id) && self.record.intent.at > moment
    }
}

#[async_trait]
impl Registrations for MemoryStore {
    async fn begin(&self, beginning: Beginning, handing_out: HandingOut) -> Result<Begun, StoreError> {
        let record = handing_out.recording.clone().of_part(Begun::repeated);
        self.change(&record, |state| state.begin(beginning, &handing_out))
    }

    async fn finish(
        &self,
        id: &RegistrationId,
        outcome: Outcome,
        entries: Vec<AuditEntry>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let record = Recording::these(entries).of_part(if_true);
        self.change(&record, |state| state.finish(id, outcome, None, now)).map(drop)
    }

    async fn resolve(
        &self,
        id: &RegistrationId,
        FoundOut { outcome, by }: FoundOut<'_>,
        entries: Vec<AuditEntry>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let record = Recording::these(entries).of_part(if_true);
        self.change(&record, |state| state.finish(id, outcome, Some(by), now)).map(drop)
    }

    async fn import(&self, import: Import) -> Result<bool, StoreError> {
        let beginning = import.beginning();
        let (id, now) = (beginning.intent.id.clone(), beginning.intent.at);
        self.change(&Recording::these(import.entries).of_part(if_true), |state| {
            if state.clients.contains_key(&import.client.client_id) {
                return Ok(false);
            }
            state.begin(beginning, &HandingOut::unrecorded())?;
            state.finish(&id, Outcome::Registered(Box::new(import.client)), Some(&import.by), now)
        })
    }

    async fn find_unfinished(
        &self,
        age: Duration,
        record: Recording<Vec<RegistrationId>>,
        now: Timestamp,
    ) -> Result<Vec<RegistrationId>, StoreError> {
        self.change(&record, |state| Ok(state.find_unfinished(age, now)))
    }

    async fn registration(&self, id: &RegistrationId) -> Result<Option<RegistrationRecord>, StoreError> {
        Ok(self.state().registrations.get(id).map(|registration| registration.record.clone()))
    }

    async fn registrations(
        &self,
        filter: &RegistrationFilter,
        page: &Page,
    ) -> Result<Vec<RegistrationRecord>, StoreError> {
        let fits = |record: &RegistrationRecord| {
            filter.outcome.is_none_or(|outcome| record.outcome == Some(outcome))
                && filter.profile.as_ref().is_none_or(|profile| record.intent.profile == *profile)
                && filter.client_id.as_ref().is_none_or(|client| record.client_id.as_ref() == Some(client))
        };
        let state = self.state();
        let fitting = state.registrations.values().map(|registration| &registration.record).filter(|it| fits(it));
        Ok(page.of(fitting.map(|record| (record.intent.at, record.intent.id.0.as_str(), record))))
    }
}

/// The counts of a registration: of the registrant and of everybody, in the period and for all time.
fn keys(
    profile: &str,
    registrant: &str,
    windows: (Option<Window>, Option<Window>),
) -> impl Iterator<Item = (String, String, Window)> {
    let rows =
        [(registrant, windows.0), (registrant, Some(Window::ALL_TIME)), ("", windows.1), ("", Some(Window::ALL_TIME))];
    rows.into_iter().filter_map(move |(who, window)| Some((profile.to_owned(), who.to_owned(), window?)))
}

impl State {
    fn begin(&mut self, beginning: Beginning, handing_out: &HandingOut) -> Result<Begun, StoreError> {
        let Beginning { intent, quotas, under_way } = beginning;
        if self.registrations.contains_key(&intent.id) {
            return Err(failure(format!("there is a registration {}", intent.id.0)));
        }
        if let Some(reserved) = &intent.token
            && let Some(unusable) = self.check_token(reserved, intent.at)?
        {
            return Ok(Begun::TokenUnusable(unusable));
        }
        if let Some(digest) = &intent.digest {
            let known = self.by_digest.get(digest).and_then(|client_id| self.clients.get(client_id));
            if let Some(known) = known.map(|client| client.record.clone()) {
                if known.is_handed_out() {
                    if handing_out.must_look_for(&known) {
                        return Ok(Begun::Unconfirmed(Box::new(known)));
                    }
                    self.repeat(intent, &known.client_id);
                }
                return Ok(Begun::Known(Box::new(known)));
            }
            if self.under_way.get(digest).is_some_and(|(_, since)| since.after(under_way) > intent.at) {
                return Ok(Begun::SameUnderWay);
            }
        }
        let windows = quotas.windows(intent.at);
        if let Err(reached) = quotas.check(self.used(&intent, windows), intent.at) {
            return Ok(Begun::QuotaReached(reached));
        }
        if let Some(reserved) = &intent.token {
            self.reserve(reserved);
        }
        if let Some(digest) = intent.digest {
            self.under_way.insert(digest, (intent.id.clone(), intent.at));
        }
        for key in keys(&intent.profile, &intent.registrant.key, windows) {
            *self.usage.entry(key).or_default() += 1;
        }
        let record = RegistrationRecord {
            intent,
            outcome: None,
            client_id: None,
            reason: None,
            finished_at: None,
            resolved_by: None,
        };
        self.registrations.insert(record.intent.id.clone(), Box::new(Registration { record, windows }));
        Ok(Begun::Ready)
    }

    fn find_unfinished(&mut self, age: Duration, now: Timestamp) -> Vec<RegistrationId> {
        let mut found = Vec::new();
        for registration in self.registrations.values_mut() {
            let record = &mut registration.record;
            let is_over = record.intent.at <= now.before(age) || record.intent.at > now.after(age);
            if record.outcome.is_none() && is_over {
                record.outcome = Some(OutcomeName::Unknown);
                record.reason = Some(NOT_RECORDED.to_owned());
                record.finished_at = Some(now);
                found.push(record.intent.clone());
            }
        }
        for intent in &found {
            self.no_longer_under_way(intent);
        }
        found.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.id.0.cmp(&b.id.0)));
        found.into_iter().map(|intent| intent.id).collect()
    }

    /// False when the same outcome was there already.
    fn finish(
        &mut self,
        id: &RegistrationId,
        outcome: Outcome,
        by: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let registration = self.registrations.get_mut(id).ok_or_else(|| Finished::Never.refuse(id))?;
        let record = &mut registration.record;
        match record.outcome {
            None => {}
            Some(OutcomeName::Unknown) if outcome.name() == OutcomeName::Unknown => return Ok(false),
            Some(OutcomeName::Unknown) => {}
            Some(known)
                if known == outcome.name()
                    && record.client_id.as_deref() == outcome.client_id()
                    && record.reason.as_deref() == outcome.reason() =>
            {
                return Ok(false);
            }
            Some(_) => return Err(Finished::Otherwise.refuse(id)),
        }
        record.outcome = Some(outcome.name());
        record.client_id = outcome.client_id().map(str::to_owned);
        record.reason = outcome.reason().map(str::to_owned);
        record.finished_at = Some(now);
        record.resolved_by = by.map(str::to_owned);
        let (intent, windows) = (record.intent.clone(), registration.windows);
        self.no_longer_under_way(&intent);
        match outcome {
            Outcome::Registered(client) => self.enter(intent, *client, now),
            Outcome::NotRegistered { .. } => {
                if let Some(reserved) = &intent.token {
                    self.give_back(reserved);
                }
                self.count_less(&intent.profile, &intent.registrant.key, windows);
            }
            Outcome::Unknown { .. } => {}
        }
        Ok(true)
    }

    fn no_longer_under_way(&mut self, intent: &Intent) {
        if let Some(digest) = intent.digest
            && self.under_way.get(&digest).is_some_and(|(id, _)| *id == intent.id)
        {
            self.under_way.remove(&digest);
        }
    }

    fn repeat(&mut self, intent: Intent, client_id: &str) {
        if let Some(reserved) = &intent.token {
            self.reserve(reserved);
        }
        let record = RegistrationRecord {
            outcome: Some(OutcomeName::Repeated),
            client_id: Some(client_id.to_owned()),
            reason: None,
            finished_at: Some(intent.at),
            resolved_by: None,
            intent,
        };
        let id = record.intent.id.clone();
        self.registrations.insert(id, Box::new(Registration { record, windows: (None, None) }));
    }

    fn used(&self, intent: &Intent, windows: (Option<Window>, Option<Window>)) -> Used {
        let (profile, key) = (&intent.profile, &intent.registrant.key);
        let used = |who: &str, window: Option<Window>| {
            let count = window.and_then(|window| self.usage.get(&(profile.clone(), who.to_owned(), window)));
            count.copied().unwrap_or(0)
        };
        Used {
            registrations: used(key, windows.0),
            live_clients: used(key, Some(Window::ALL_TIME)),
            total_registrations: used("", windows.1),
            total_live_clients: used("", Some(Window::ALL_TIME)),
        }
    }

    pub(super) fn count_less(&mut self, profile: &str, registrant: &str, windows: (Option<Window>, Option<Window>)) {
        for key in keys(profile, registrant, windows) {
            if let Some(count) = self.usage.get_mut(&key) {
                *count = count.saturating_sub(1);
            }
        }
    }
}
