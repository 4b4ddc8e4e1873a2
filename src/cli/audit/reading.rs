//! A chain of the store, page by page, while gateways go on writing it: what retention takes away meanwhile is not missing.

use super::super::Failure;
use super::PAGE;
use crate::store::{AuditLog, AuditRecord, Chain};

/// The first records of a chain, and the chain as it was when they were read: it may have been cut since it was listed.
pub(super) async fn begin(store: &dyn AuditLog, listed: Chain) -> Result<(Chain, Vec<AuditRecord>), Failure> {
    let mut chain = listed;
    loop {
        let records = store.records_of(&chain.writer, 0, PAGE).await.map_err(Failure::of)?;
        if records.first().is_some_and(|first| first.sequence == follows_cut(&chain)) {
            return Ok((chain, records));
        }
        match cut_since(store, &chain).await? {
            Some(now) => chain = now,
            None => return Ok((chain, records)),
        }
    }
}

/// The records behind this one; none at the end.
pub(super) async fn after(store: &dyn AuditLog, chain: &Chain, sequence: u64) -> Result<Vec<AuditRecord>, Failure> {
    let from = sequence.saturating_add(1);
    let records = store.records_of(&chain.writer, from, PAGE).await.map_err(Failure::of)?;
    let has_gap = records.first().is_some_and(|first| first.sequence != from);
    if has_gap && cut_since(store, chain).await?.is_some() {
        let writer = &chain.writer.0;
        return Err(Failure::Failed(format!("retention cut chain {writer} while it was read: try again")));
    }
    Ok(records)
}

/// The record that a chain begins with.
fn follows_cut(chain: &Chain) -> u64 {
    chain.cut.as_ref().map_or(0, |cut| cut.head.sequence.saturating_add(1))
}

/// The chain as it is now, where it was cut since.
async fn cut_since(store: &dyn AuditLog, chain: &Chain) -> Result<Option<Chain>, Failure> {
    let chains = store.chains().await.map_err(Failure::of)?;
    Ok(chains.into_iter().find(|now| now.writer == chain.writer && now.cut != chain.cut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::chain::unsigned;
    use crate::audit::verify::{Extent, Verifier};
    use crate::audit::{Actor, Event, Kind, PublicKeys};
    use crate::clock::Timestamp;
    use crate::store::memory::MemoryStore;
    use crate::store::{Head, WriterId};

    #[tokio::test]
    async fn what_retention_takes_away_between_two_readings_is_not_missing() {
        let store = MemoryStore::default();
        store.open_chain(WriterId("w".to_owned()), None).await.unwrap();
        let at = Timestamp::from_unix_millis(7);
        for _ in 0..3 {
            let entry = Event::new(Kind::ConfigurationLoaded, Actor::Gateway).at(at).unwrap();
            store.append(vec![entry]).await.unwrap();
        }
        store.keep_head(unsigned(store.head(at).await.unwrap().unwrap())).await.unwrap();
        let listed = store.chains().await.unwrap().remove(0);
        let second = store.records_of(&listed.writer, 1, 1).await.unwrap().remove(0);
        let cut = Head { writer: listed.writer.clone(), sequence: 1, hash: second.hash, at };
        store.cut(unsigned(cut)).await.unwrap();

        let (chain, records) = begin(&store, listed).await.unwrap();
        let mut verifier = Verifier::new(PublicKeys::default(), Extent::Whole);
        chain.cut.iter().for_each(|cut| verifier.cut(cut));
        chain.heads.iter().for_each(|head| verifier.head(head));
        records.iter().for_each(|record| verifier.record(record));
        let report = verifier.finish();
        assert!(report.is_sound(), "{:?}", report.findings);
        assert_eq!((report.chains[0].cut, report.chains[0].records), (Some(1), 1));
    }
}
