//! The audit log in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::super::audit::{End, LARGEST_CUT, place};
use super::super::{
    AuditEntry, AuditFilter, AuditLog, AuditRecord, Chain, Cursor, Head, Recording, SignedHead, StoreError, WriterId,
};
use super::{MemoryStore, State, failure};
use crate::clock::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Log {
    chains: BTreeMap<WriterId, Kept>,
    end: Option<End>,
    told: Option<mpsc::Sender<AuditRecord>>,
}

#[derive(Debug, Default)]
struct Kept {
    records: BTreeMap<u64, AuditRecord>,
    heads: Vec<SignedHead>,
    cut: Option<SignedHead>,
}

impl Log {
    fn append(&mut self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let end = self.end.as_mut().ok_or_else(|| failure("no chain was opened".to_owned()))?;
        for entry in entries {
            let record = end.link(entry);
            if let Some(told) = &self.told {
                // What has no room is left out there.
                let _ = told.try_send(record.clone());
            }
            self.chains.entry(record.writer.clone()).or_default().records.insert(record.sequence, record);
        }
        Ok(())
    }

    pub(super) fn check_can_record<T>(&self, record: &Recording<T>) -> Result<(), StoreError> {
        let is_open = self.end.is_some() || record.is_nothing();
        is_open.then_some(()).ok_or_else(|| failure("no chain was opened".to_owned()))
    }
}

impl State {
    /// Records the entries, and enters what is told of them.
    pub(super) fn record(&mut self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        let told = entries.iter().flat_map(|entry| entry.told.clone()).collect();
        self.audit.append(entries)?;
        self.outbox.tell(told);
        Ok(())
    }
}

#[async_trait]
impl AuditLog for MemoryStore {
    async fn open_chain(&self, writer: WriterId, told: Option<mpsc::Sender<AuditRecord>>) -> Result<(), StoreError> {
        let log = &mut self.state().audit;
        log.chains.entry(writer.clone()).or_default();
        log.end = Some(End::of(writer));
        log.told = told;
        Ok(())
    }

    async fn append(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        self.state().record(entries)
    }

    async fn head(&self, now: Timestamp) -> Result<Option<Head>, StoreError> {
        Ok(self.state().audit.end.as_ref().and_then(|end| end.head(now)))
    }

    async fn keep_head(&self, head: SignedHead) -> Result<(), StoreError> {
        let mut state = self.state();
        let heads = &mut state.audit.chains.entry(head.head.writer.clone()).or_default().heads;
        heads.retain(|known| known.head.sequence != head.head.sequence);
        heads.push(head);
        heads.sort_by_key(|head| head.head.sequence);
        Ok(())
    }

    async fn chains(&self) -> Result<Vec<Chain>, StoreError> {
        let state = self.state();
        let chain = |(writer, kept): (&WriterId, &Kept)| Chain {
            writer: writer.clone(),
            heads: kept.heads.clone(),
            cut: kept.cut.clone(),
        };
        Ok(state.audit.chains.iter().map(chain).collect())
    }

    async fn records_of(&self, writer: &WriterId, from: u64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let state = self.state();
        let Some(kept) = state.audit.chains.get(writer) else { return Ok(Vec::new()) };
        let limit = usize::try_from(limit).unwrap_or_default();
        Ok(kept.records.range(from..).take(limit).map(|(_, record)| record.clone()).collect())
    }

    async fn records(
        &self,
        filter: &AuditFilter,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let after =
            after.map(|after| place(after).map(|(writer, sequence)| (after.at, writer, sequence))).transpose()?;
        let fits = |record: &&AuditRecord| {
            filter.since.is_none_or(|since| record.at >= since)
                && filter.until.is_none_or(|until| record.at < until)
                && filter.writer.as_ref().is_none_or(|writer| record.writer == *writer)
                && after.is_none_or(|after| order(record) < after)
        };
        let state = self.state();
        let all = state.audit.chains.values().flat_map(|kept| kept.records.values());
        let mut records: Vec<_> = all.filter(fits).cloned().collect();
        records.sort_by(|a, b| order(b).cmp(&order(a)));
        records.truncate(usize::try_from(limit).unwrap_or_default());
        Ok(records)
    }

    async fn expired(&self, before: Timestamp, now: Timestamp) -> Result<Vec<Head>, StoreError> {
        let state = self.state();
        let last = |kept: &Kept| {
            let old = kept.records.values().take_while(|record| record.at < before).take(LARGEST_CUT.into()).last();
            let AuditRecord { writer, sequence, hash, .. } = old?.clone();
            Some(Head { writer, sequence, hash, at: now })
        };
        Ok(state.audit.chains.values().filter_map(last).collect())
    }

    async fn cut(&self, cut: SignedHead) -> Result<bool, StoreError> {
        let mut state = self.state();
        let kept = state.audit.chains.entry(cut.head.writer.clone()).or_default();
        if kept.cut.as_ref().is_some_and(|known| known.head.sequence >= cut.head.sequence) {
            return Ok(false);
        }
        kept.records.retain(|sequence, _| *sequence > cut.head.sequence);
        kept.heads.retain(|head| head.head.sequence > cut.head.sequence);
        kept.cut = Some(cut);
        Ok(true)
    }
}

fn order(record: &AuditRecord) -> (Timestamp, &str, u64) {
    (record.at, &record.writer.0, record.sequence)
}
