//! What receivers of alerts are to be told, in memory.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;

use super::super::{
    AuditEntry, Backlog, Deliveries, Delivery, Fate, Form, Interest, MOST_NOTICES, Occasion, Recording, Settled,
    StoreError, TOLD_KEPT, Telling, Turn,
};
use super::MemoryStore;
use crate::clock::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Vec<Waiting>,
    /// By receiver and key: until when it is not told again.
    told: HashMap<(String, String), Timestamp>,
    /// By receiver: who is at it, and until when.
    turns: HashMap<String, (String, Timestamp)>,
}

#[derive(Debug)]
struct Waiting {
    receiver: String,
    /// The group, or the key of what lasts.
    name: String,
    due_at: Timestamp,
    is_closed: bool,
    delivery: Delivery,
}

impl Outbox {
    pub(super) fn tell(&mut self, told: Vec<Telling>) {
        for telling in told {
            match telling.form.clone() {
                Form::Gathered { group, until } => self.gather(telling, group, until),
                Form::Lasting { until } => self.replace(telling, until),
            }
        }
    }

    /// What may be told again for so long that its end interests nobody.
    pub(super) fn forget_told(&mut self, now: Timestamp) {
        self.told.retain(|_, until| now < until.after(TOLD_KEPT));
    }

    fn gather(&mut self, telling: Telling, group: String, until: Timestamp) {
        if !self.is_news(&telling) {
            return;
        }
        let delivery = match self.open(&telling.receiver, &group) {
            Some(place) => &mut self.waiting[place].delivery,
            None => self.begin(&telling, group, until, None),
        };
        if delivery.notices.len() < MOST_NOTICES as usize {
            delivery.notices.push(telling.notice);
        } else {
            delivery.more += 1;
        }
    }

    fn is_news(&mut self, telling: &Telling) -> bool {
        let name = (telling.receiver.clone(), telling.key.clone());
        match telling.occasion {
            Occasion::Begins { quiet_until } => {
                let is_quiet = self.told.get(&name).is_some_and(|until| telling.at < *until);
                if !is_quiet {
                    self.told.insert(name, quiet_until);
                }
                !is_quiet
            }
            Occasion::Changes { quiet_until } => {
                self.told.insert(name, quiet_until);
                true
            }
            Occasion::Ends(interest) => self.told.remove(&name).is_some() || interest == Interest::All,
        }
    }

    fn replace(&mut self, telling: Telling, until: Timestamp) {
        match (self.open(&telling.receiver, &telling.key), telling.occasion) {
            (Some(place), _) => {
                let waiting = &mut self.waiting[place];
                waiting.due_at = telling.at;
                let delivery = &mut waiting.delivery;
                delivery.version += 1;
                delivery.attempts = 0;
                delivery.lasting_until = Some(until);
                delivery.notices = vec![telling.notice];
            }
            (None, Occasion::Ends(_)) => {}
            (None, Occasion::Begins { .. } | Occasion::Changes { .. }) => {
                let begun = self.begin(&telling, telling.key.clone(), telling.at, Some(until));
                begun.notices.push(telling.notice);
            }
        }
    }

    fn open(&self, receiver: &str, name: &str) -> Option<usize> {
        let fits = |waiting: &Waiting| !waiting.is_closed && waiting.receiver == receiver && waiting.name == name;
        self.waiting.iter().position(fits)
    }

    fn begin(
        &mut self,
        telling: &Telling,
        name: String,
        due_at: Timestamp,
        lasting_until: Option<Timestamp>,
    ) -> &mut Delivery {
        let delivery = Delivery {
            id: telling.delivery.clone(),
            version: 0,
            created_at: telling.at,
            attempts: 0,
            lasting_until,
            notices: Vec::new(),
            more: 0,
        };
        let receiver = telling.receiver.clone();
        &mut self.waiting.push_mut(Waiting { receiver, name, due_at, is_closed: false, delivery }).delivery
    }

    fn take(&mut self, receiver: &str, turn: &Turn, limit: u32, now: Timestamp) -> Option<Vec<Delivery>> {
        let is_due = |waiting: &&mut Waiting| waiting.receiver == receiver && waiting.due_at <= now;
        let mut due: Vec<&mut Waiting> = self.waiting.iter_mut().filter(is_due).collect();
        if due.is_empty() {
            return Some(Vec::new());
        }
        if self.turns.get(receiver).is_some_and(|(_, until)| turn.must_wait(*until, now)) {
            return None;
        }
        self.turns.insert(receiver.to_owned(), (turn.holder.clone(), now.after(turn.lasts)));
        let order = |waiting: &Waiting| (waiting.delivery.created_at, waiting.delivery.id.clone());
        due.sort_by_key(|waiting| order(waiting));
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let taken = due.into_iter().map(|waiting| {
            waiting.is_closed = waiting.delivery.lasting_until.is_none();
            waiting.delivery.clone()
        });
        Some(taken.collect())
    }

    fn settle(&mut self, settled: Vec<Settled>) {
        for Settled { id, version, fate } in settled {
            let is_it = |waiting: &Waiting| waiting.delivery.id == id && waiting.delivery.version == version;
            let Some(place) = self.waiting.iter().position(is_it) else { continue };
            let waiting = &mut self.waiting[place];
            match fate {
                Fate::Done => drop(self.waiting.remove(place)),
                Fate::Again(at) => {
                    waiting.due_at = at;
                    waiting.delivery.attempts = 0;
                }
                Fate::Failed { next_at, .. } => {
                    waiting.due_at = next_at;
                    waiting.delivery.attempts += 1;
                }
            }
        }
    }

    fn give_up_oldest(&mut self, receiver: &str, keep: u32) -> u64 {
        let of_it = |waiting: &&Waiting| waiting.receiver == receiver && waiting.delivery.lasting_until.is_none();
        let of_it = self.waiting.iter().filter(of_it);
        let mut all: Vec<_> = of_it.map(|of| (of.delivery.created_at, of.delivery.id.clone())).collect();
        all.sort();
        let too_many = all.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        let gone = &all[..too_many];
        self.waiting.retain(|waiting| gone.iter().all(|(_, id)| *id != waiting.delivery.id));
        too_many as u64
    }

    fn counts(&self, counts: impl Fn(&Waiting) -> bool) -> Vec<Backlog> {
        let mut found = BTreeMap::<&str, u64>::new();
        for waiting in self.waiting.iter().filter(|waiting| counts(waiting)) {
            *found.entry(&waiting.receiver).or_default() += 1;
        }
        found.into_iter().map(|(receiver, count)| Backlog { receiver: receiver.to_owned(), count }).collect()
    }
}

#[async_trait]
impl Deliveries for MemoryStore {
    async fn tell(&self, told: Vec<Telling>) -> Result<(), StoreError> {
        self.state().outbox.tell(told);
        Ok(())
    }

    async fn receivers_due(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        let due = self.state().outbox.counts(|waiting| waiting.due_at <= now);
        Ok(due.into_iter().map(|backlog| backlog.receiver).collect())
    }

    async fn take_deliveries(
        &self,
        receiver: &str,
        turn: &Turn,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<Vec<Delivery>>, StoreError> {
        Ok(self.state().outbox.take(receiver, turn, limit, now))
    }

    async fn settle_deliveries(
        &self,
        receiver: &str,
        holder: &str,
        settled: Vec<Settled>,
        entries: Vec<AuditEntry>,
    ) -> Result<(), StoreError> {
        self.change(&Recording::these(entries), |state| {
            let outbox = &mut state.outbox;
            outbox.settle(settled);
            outbox.turns.retain(|name, (known, _)| name != receiver || known != holder);
            Ok(())
        })
    }

    async fn give_up_oldest(
        &self,
        receiver: &str,
        keep: u32,
        record: Recording<Vec<Backlog>>,
    ) -> Result<u64, StoreError> {
        let gone = self.change(&record.of_part(Backlog::if_any), |state| {
            let count = state.outbox.give_up_oldest(receiver, keep);
            let gone = Backlog { receiver: receiver.to_owned(), count };
            Ok(Vec::from_iter((count > 0).then_some(gone)))
        })?;
        Ok(gone.iter().map(|gone| gone.count).sum())
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        let waits = |waiting: &Waiting| waiting.delivery.lasting_until.is_none() || waiting.delivery.attempts > 0;
        Ok(self.state().outbox.counts(waits))
    }

    async fn forget_receivers(
        &self,
        known: &[String],
        before: Timestamp,
        record: Recording<Vec<Backlog>>,
    ) -> Result<Vec<Backlog>, StoreError> {
        let is_gone = |waiting: &Waiting| {
            let is_told = waiting.delivery.lasting_until.is_some() && waiting.due_at >= before;
            waiting.delivery.created_at < before && !is_told && !known.contains(&waiting.receiver)
        };
        self.change(&record.of_part(Backlog::if_any), |state| {
            let gone = state.outbox.counts(is_gone);
            state.outbox.waiting.retain(|waiting| !is_gone(waiting));
            Ok(gone)
        })
    }
}
