//! The audit log: chains, in the order in which they were written, with the outcomes they belong to.

use dcr_gateway::audit::verify::{Extent, Report, Verifier};
use dcr_gateway::audit::{PublicKeys, chain};
use dcr_gateway::store::{
    AuditEntry, AuditFilter, AuditRecord, Begun, HandingOut, Head, Intent, NOTHING_BEFORE, OutcomeName, Recording,
    SignedHead, Store, WriterId,
};
use tokio::sync::mpsc;

use super::Handles;
use crate::samples::{at, digest, id, intent, not_registered, registered, unlimited};

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    records_are_linked_and_read_back_as_they_were_written(&empty().await).await;
    each_process_has_a_chain_of_its_own(&empty().await).await;
    an_outcome_and_its_record_are_written_together(&empty().await).await;
    a_client_that_is_handed_out_again_is_recorded_with_it(&*empty().await.one).await;
    a_client_that_was_not_seen_at_the_server_lately_is_not_handed_out(&*empty().await.one).await;
    records_written_at_once_make_one_chain(&empty().await).await;
    records_are_listed_newest_first_in_pages(&empty().await).await;
    what_is_recorded_is_told_in_its_order(&*empty().await.one).await;
    heads_are_kept_until_later_ones_say_the_same(&*empty().await.one).await;
    what_was_cut_off_leaves_a_chain_that_still_verifies(&empty().await).await;
    a_chain_that_was_cut_whole_goes_on_behind_its_cut(&empty().await).await;
}

fn writer(name: &str) -> WriterId {
    WriterId(name.to_owned())
}

fn entry(millis: i64, event: &str) -> AuditEntry {
    AuditEntry { at: at(millis), event: format!("{{\"event\":\"{event}\"}}"), told: Vec::new() }
}

fn head_of(record: &AuditRecord, millis: i64) -> SignedHead {
    let AuditRecord { writer, sequence, hash, .. } = record.clone();
    chain::unsigned(Head { writer, sequence, hash, at: at(millis) })
}

async fn all(store: &dyn Store, name: &str) -> Vec<AuditRecord> {
    store.records_of(&writer(name), 0, 10_000).await.unwrap()
}

/// What verification makes of all that the store has.
async fn verified(store: &dyn Store) -> Report {
    let mut verifier = Verifier::new(PublicKeys::default(), Extent::Whole);
    let chains = store.chains().await.unwrap();
    for chain in &chains {
        chain.heads.iter().for_each(|head| verifier.head(head));
        chain.cut.iter().for_each(|cut| verifier.cut(cut));
    }
    for chain in &chains {
        all(store, &chain.writer.0).await.iter().for_each(|record| verifier.record(record));
    }
    verifier.finish()
}

async fn records_are_linked_and_read_back_as_they_were_written(Handles { one, other }: &Handles) {
    assert!(one.append(vec![entry(1, "a")]).await.is_err(), "no chain was opened");
    one.open_chain(writer("w"), None).await.unwrap();
    assert_eq!(one.head(at(0)).await.unwrap(), None);
    one.append(vec![entry(1, "\u{10d} \\\" a"), entry(0, "b")]).await.unwrap();
    one.append(Vec::new()).await.unwrap();
    one.append(vec![entry(2, "c")]).await.unwrap();
    let records = all(&**other, "w").await;
    let places: Vec<_> = records.iter().map(|record| (record.sequence, record.at)).collect();
    assert_eq!(places, [(0, at(1)), (1, at(0)), (2, at(2))]);
    assert_eq!(records[0].event, entry(1, "\u{10d} \\\" a").event);
    assert_eq!((records[0].previous, records[1].previous), (NOTHING_BEFORE, records[0].hash));
    assert_eq!(records.iter().find(|record| record.hash != record.computed_hash()), None);
    let head = one.head(at(9)).await.unwrap().unwrap();
    assert_eq!((head.sequence, head.hash, head.at), (2, records[2].hash, at(9)));
    assert_eq!(other.records_of(&writer("w"), 1, 1).await.unwrap(), records[1..2]);
}

async fn each_process_has_a_chain_of_its_own(Handles { one, .. }: &Handles) {
    one.open_chain(writer("w"), None).await.unwrap();
    one.append(vec![entry(1, "a")]).await.unwrap();
    // A process that begins again begins another chain.
    one.open_chain(writer("x"), None).await.unwrap();
    one.append(vec![entry(2, "b")]).await.unwrap();
    assert_eq!((all(&**one, "w").await.len(), all(&**one, "x").await.len()), (1, 1));
    assert_eq!(all(&**one, "x").await[0].previous, NOTHING_BEFORE);
    let chains: Vec<_> = one.chains().await.unwrap().into_iter().map(|chain| chain.writer.0).collect();
    assert_eq!(chains, ["w", "x"]);
    assert!(verified(&**one).await.is_sound());
}

async fn an_outcome_and_its_record_are_written_together(Handles { one, other }: &Handles) {
    one.begin(unlimited(intent("r1")), HandingOut::unrecorded()).await.unwrap();
    assert!(one.finish(&id("r1"), registered(), vec![entry(1, "a")], at(1)).await.is_err());
    assert_eq!(other.registration(&id("r1")).await.unwrap().unwrap().outcome, None, "no chain: nothing is written");
    one.open_chain(writer("w"), None).await.unwrap();
    // What cannot be finished is not recorded either.
    assert!(one.finish(&id("none"), registered(), vec![entry(1, "x")], at(1)).await.is_err());
    one.finish(&id("r1"), registered(), vec![entry(1, "a")], at(1)).await.unwrap();
    // Whoever repeats itself is recorded once.
    one.finish(&id("r1"), registered(), vec![entry(1, "a")], at(1)).await.unwrap();
    assert!(one.finish(&id("r1"), not_registered(), vec![entry(1, "x")], at(1)).await.is_err());
    assert_eq!(other.registration(&id("r1")).await.unwrap().unwrap().outcome, Some(OutcomeName::Registered));
    let events: Vec<_> = all(&**other, "w").await.into_iter().map(|record| record.event).collect();
    assert_eq!(events, [entry(1, "a").event]);
}

async fn a_client_that_is_handed_out_again_is_recorded_with_it(store: &dyn Store) {
    store.open_chain(writer("w"), None).await.unwrap();
    let shared = |name: &str| unlimited(Intent { digest: Some(digest("d")), ..intent(name) });
    let begin = async |name: &str| store.begin(shared(name), handing_out(vec![entry(1, name)])).await.unwrap();
    assert_eq!(begin("r1").await, Begun::Ready);
    assert_eq!(begin("r2").await, Begun::SameUnderWay);
    store.finish(&id("r1"), registered(), Vec::new(), at(2_000)).await.unwrap();
    assert!(matches!(begin("r3").await, Begun::Known(_)));
    let events: Vec<_> = all(store, "w").await.into_iter().map(|record| record.event).collect();
    assert_eq!(events, [entry(1, "r3").event]);
}

async fn a_client_that_was_not_seen_at_the_server_lately_is_not_handed_out(store: &dyn Store) {
    store.open_chain(writer("w"), None).await.unwrap();
    let shared = |name: &str| unlimited(Intent { digest: Some(digest("d")), ..intent(name) });
    store.begin(shared("r1"), HandingOut::unrecorded()).await.unwrap();
    store.finish(&id("r1"), registered(), Vec::new(), at(2_000)).await.unwrap();
    let begin = async |name: &str, after: i64| {
        let handing_out = HandingOut { confirmed_after: Some(at(after)), ..handing_out(vec![entry(1, name)]) };
        store.begin(shared(name), handing_out).await.unwrap()
    };
    // It was seen when it was registered.
    assert!(matches!(begin("r2", 1_999).await, Begun::Known(_)));
    assert!(matches!(begin("r3", 2_000).await, Begun::Unconfirmed(client) if client.registration == id("r1")));
    assert_eq!(store.registration(&id("r3")).await.unwrap(), None);
    let events: Vec<_> = all(store, "w").await.into_iter().map(|record| record.event).collect();
    assert_eq!(events, [entry(1, "r2").event]);
}

fn handing_out(entries: Vec<AuditEntry>) -> HandingOut {
    HandingOut { confirmed_after: None, recording: Recording::of(move |_| entries.clone()) }
}

async fn records_written_at_once_make_one_chain(Handles { one, other }: &Handles) {
    one.open_chain(writer("w"), None).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let (store, name) = (one.clone(), format!("r{number}"));
        tasks.spawn(async move {
            store.begin(unlimited(intent(&name)), HandingOut::unrecorded()).await.unwrap();
            store.finish(&id(&name), not_registered(), vec![entry(1, &name)], at(2)).await.unwrap();
            store.append(vec![entry(3, "more"), entry(4, "and more")]).await.unwrap();
        });
    }
    tasks.join_all().await;
    let report = verified(&**other).await;
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.chains[0].records, report.chains[0].last), (120, Some(119)));
}

async fn records_are_listed_newest_first_in_pages(Handles { one, .. }: &Handles) {
    for name in ["w", "x"] {
        one.open_chain(writer(name), None).await.unwrap();
        one.append((0..5).map(|number| entry(number, name)).collect()).await.unwrap();
    }
    let page = async |filter: &AuditFilter, after: Option<&AuditRecord>| {
        let cursor = after.map(AuditRecord::cursor);
        one.records(filter, cursor.as_ref(), 3).await.unwrap()
    };
    let everything = AuditFilter::default();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let found = page(&everything, after.as_ref()).await;
        let Some(last) = found.last() else { break };
        after = Some(last.clone());
        seen.extend(found.into_iter().map(|record| (record.at, record.writer.0, record.sequence)));
    }
    let mut wanted = seen.clone();
    wanted.sort_by(|a, b| b.cmp(a));
    wanted.dedup();
    assert_eq!((seen.len(), &seen), (10, &wanted));
    let between = AuditFilter { since: Some(at(1)), until: Some(at(3)), writer: Some(writer("x")) };
    let found: Vec<_> = page(&between, None).await.into_iter().map(|record| record.sequence).collect();
    assert_eq!(found, [2, 1]);
}

async fn what_is_recorded_is_told_in_its_order(store: &dyn Store) {
    let (told, mut telling) = mpsc::channel(3);
    store.open_chain(writer("w"), Some(told)).await.unwrap();
    store.append(vec![entry(1, "a"), entry(2, "b")]).await.unwrap();
    let next = |telling: &mut mpsc::Receiver<AuditRecord>| telling.try_recv().ok().map(|record| record.sequence);
    assert_eq!([next(&mut telling), next(&mut telling), next(&mut telling)], [Some(0), Some(1), None]);
    // Nobody waits for whoever does not listen.
    store.append((0..10).map(|number| entry(number, "c")).collect()).await.unwrap();
    assert_eq!(store.head(at(0)).await.unwrap().unwrap().sequence, 11);
    drop(telling);
    store.append(vec![entry(1, "d")]).await.unwrap();
}

async fn heads_are_kept_until_later_ones_say_the_same(store: &dyn Store) {
    store.open_chain(writer("w"), None).await.unwrap();
    store.append(vec![entry(1, "a"), entry(2, "b")]).await.unwrap();
    let records = all(store, "w").await;
    let signed = SignedHead { key: Some("k".to_owned()), signature: Some("s".to_owned()), ..head_of(&records[0], 5) };
    store.keep_head(head_of(&records[0], 4)).await.unwrap();
    store.keep_head(signed.clone()).await.unwrap();
    store.keep_head(head_of(&records[1], 6)).await.unwrap();
    let heads = store.chains().await.unwrap().remove(0).heads;
    assert_eq!(heads, [signed, head_of(&records[1], 6)]);
}

async fn what_was_cut_off_leaves_a_chain_that_still_verifies(Handles { one, other }: &Handles) {
    one.open_chain(writer("w"), None).await.unwrap();
    // The fourth is older than the third: what stands behind a younger one stays.
    one.append([1, 2, 9, 3, 10].map(|millis| entry(millis, "a")).to_vec()).await.unwrap();
    let records = all(&**one, "w").await;
    one.keep_head(head_of(&records[0], 5)).await.unwrap();
    one.keep_head(head_of(&records[4], 5)).await.unwrap();
    assert_eq!(one.expired(at(1), at(20)).await.unwrap(), []);
    let expired = other.expired(at(9), at(20)).await.unwrap();
    assert_eq!(expired, [head_of(&records[1], 20).head]);
    assert!(other.cut(head_of(&records[1], 20)).await.unwrap());
    // A cut that takes less, or the same, is no news.
    assert!(!one.cut(head_of(&records[0], 21)).await.unwrap());
    assert!(!one.cut(head_of(&records[1], 21)).await.unwrap());
    assert_eq!(all(&**one, "w").await, records[2..]);
    let chain = one.chains().await.unwrap().remove(0);
    assert_eq!((chain.cut, chain.heads), (Some(head_of(&records[1], 20)), vec![head_of(&records[4], 5)]));
    one.append(vec![entry(11, "b")]).await.unwrap();
    let report = verified(&**one).await;
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.chains[0].first, report.chains[0].last, report.chains[0].cut), (Some(2), Some(5), Some(1)));
}

async fn a_chain_that_was_cut_whole_goes_on_behind_its_cut(Handles { one, other }: &Handles) {
    one.open_chain(writer("w"), None).await.unwrap();
    one.append(vec![entry(1, "a"), entry(2, "b")]).await.unwrap();
    let records = all(&**one, "w").await;
    assert!(other.cut(head_of(&records[1], 20)).await.unwrap());
    assert_eq!(all(&**one, "w").await, []);
    assert_eq!(one.head(at(21)).await.unwrap(), Some(head_of(&records[1], 21).head));
    one.append(vec![entry(3, "c")]).await.unwrap();
    let next = all(&**one, "w").await.remove(0);
    assert_eq!((next.sequence, next.previous), (2, records[1].hash));
    assert!(verified(&**one).await.is_sound());
}
