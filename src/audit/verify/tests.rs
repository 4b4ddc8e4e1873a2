//! Chains that were tampered with: what is said, and where.

use super::*;
use crate::audit::chain::{self, SigningKeys};
use crate::clock::Timestamp;
use crate::store::memory::MemoryStore;
use crate::store::{AuditEntry, AuditLog as _, Head};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

fn writer(name: &str) -> WriterId {
    WriterId(name.to_owned())
}

async fn chain(name: &str, length: usize) -> Vec<AuditRecord> {
    let store = MemoryStore::default();
    store.open_chain(writer(name), None).await.unwrap();
    let entry = |number: usize| AuditEntry {
        at: at(number as i64),
        event: format!("{{\"event\":{number}}}"),
        told: Vec::new(),
    };
    store.append((0..length).map(entry).collect()).await.unwrap();
    store.records_of(&writer(name), 0, u32::MAX).await.unwrap()
}

fn keys() -> SigningKeys {
    let directory = tempfile::tempdir().unwrap();
    SigningKeys::add(&directory.path().join("key"), &[7; 32]).unwrap()
}

fn head_of(record: &AuditRecord) -> Head {
    Head { writer: record.writer.clone(), sequence: record.sequence, hash: record.hash, at: at(0) }
}

fn verified(records: &[AuditRecord], heads: &[SignedHead], cut: Option<&SignedHead>) -> Report {
    let mut verifier = Verifier::new(keys().known().clone(), Extent::Whole);
    heads.iter().for_each(|head| verifier.head(head));
    cut.into_iter().for_each(|cut| verifier.cut(cut));
    records.iter().for_each(|record| verifier.record(record));
    verifier.finish()
}

/// The places and the faults, of a chain `w` that is vouched for up to its last record.
fn faults(records: &[AuditRecord], original: &[AuditRecord]) -> Vec<(u64, Fault)> {
    let head = keys().sign(Purpose::Head, head_of(original.last().unwrap()));
    let report = verified(records, &[head], None);
    assert_eq!(report.faults, report.findings.len() as u64);
    report.findings.into_iter().map(|finding| (finding.sequence, finding.fault)).collect()
}

#[tokio::test]
async fn a_chain_that_nobody_touched_is_sound() {
    let (one, other) = (chain("w", 10).await, chain("x", 3).await);
    let head = keys().sign(Purpose::Head, head_of(&one[6]));
    let mixed: Vec<_> = one[..5].iter().chain(&other).chain(&one[5..]).cloned().collect();
    let report = verified(&mixed, &[head], None);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.chains[0].records, report.chains[0].last, report.chains[0].signed_up_to),
        (10, Some(9), Some(6))
    );
    assert_eq!((report.chains[1].records, report.chains[1].signed_up_to), (3, None));
}

#[tokio::test]
async fn a_record_that_was_changed_is_found() {
    let original = chain("w", 10).await;
    let mut records = original.clone();
    records[4].event = "{\"event\":5}".to_owned();
    assert_eq!(faults(&records, &original), [(4, Fault::Changed)]);
    let mut records = original.clone();
    records[4].at = at(5);
    assert_eq!(faults(&records, &original), [(4, Fault::Changed)]);
    // With its hash made anew, the next one gives it away.
    records[4].hash = records[4].computed_hash();
    assert_eq!(faults(&records, &original), [(5, Fault::NotLinked)]);
    // With all hashes made anew, the head does.
    for place in 5..10 {
        records[place].previous = records[place - 1].hash;
        records[place].hash = records[place].computed_hash();
    }
    assert_eq!(faults(&records, &original), [(9, Fault::NotTheHead)]);
}

#[tokio::test]
async fn a_record_that_was_removed_is_found() {
    let original = chain("w", 10).await;
    let without = |range: std::ops::Range<usize>| {
        let mut records = original.clone();
        records.drain(range);
        faults(&records, &original)
    };
    assert_eq!(without(4..5), [(5, Fault::Missing { from: 4 })]);
    assert_eq!(without(4..7), [(7, Fault::Missing { from: 4 })]);
    assert_eq!(without(0..2), [(2, Fault::BeginningMissing)]);
    assert_eq!(without(7..10), [(9, Fault::TailMissing { last: Some(6) })]);
    assert_eq!(without(0..10), [(9, Fault::TailMissing { last: None })]);
    // Behind the last head nothing tells: that is why heads are signed often, and exported.
    let head = keys().sign(Purpose::Head, head_of(&original[5]));
    assert!(verified(&original[..7], &[head], None).is_sound());
}

#[tokio::test]
async fn a_record_that_was_moved_or_doubled_is_found() {
    let original = chain("w", 10).await;
    let mut records = original.clone();
    records.swap(4, 5);
    assert_eq!(
        faults(&records, &original)[..2],
        [(5, Fault::Missing { from: 4 }), (4, Fault::OutOfOrder { behind: 5 })]
    );
    let mut records = original.clone();
    records.insert(5, original[4].clone());
    assert_eq!(faults(&records, &original), [(4, Fault::OutOfOrder { behind: 4 })]);
    // A record of another chain does not pass for one of this.
    let mut records = original.clone();
    records[4] = AuditRecord { writer: writer("w"), ..chain("x", 5).await[4].clone() };
    assert_eq!(faults(&records, &original)[0], (4, Fault::Changed));
}

#[tokio::test]
async fn a_chain_goes_on_from_its_cut_and_from_nowhere_else() {
    let records = chain("w", 10).await;
    let cut = keys().sign(Purpose::Cut, head_of(&records[3]));
    let report = verified(&records[4..], &[], Some(&cut));
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.chains[0].first, report.chains[0].cut), (Some(4), Some(3)));
    let found = |records: &[AuditRecord], cut: &SignedHead| verified(records, &[], Some(cut)).findings.remove(0).fault;
    assert_eq!(found(&records[6..], &cut), Fault::Missing { from: 4 });
    let other = keys().sign(Purpose::Cut, Head { hash: RecordHash([1; 32]), ..head_of(&records[3]) });
    assert_eq!(found(&records[4..], &other), Fault::NotTheCut);
    let unsigned = chain::unsigned(head_of(&records[3]));
    assert_eq!(found(&records[4..], &unsigned), Fault::CutUnsigned);
    // A head is no cut.
    let head = keys().sign(Purpose::Head, head_of(&records[3]));
    assert_eq!(found(&records[4..], &head), Fault::Forged);
    // What the cut took away is not missed by an older head.
    let head = keys().sign(Purpose::Head, head_of(&records[2]));
    assert!(verified(&records[4..], std::slice::from_ref(&head), Some(&cut)).is_sound());
    let all = keys().sign(Purpose::Cut, head_of(&records[9]));
    assert!(verified(&[], &[head], Some(&all)).is_sound());
}

#[tokio::test]
async fn a_head_is_believed_by_its_signature() {
    let records = chain("w", 10).await;
    let signed = keys().sign(Purpose::Head, head_of(&records[9]));
    let first = |heads: &[SignedHead]| verified(&records, heads, None).findings.first().map(|it| it.fault.clone());
    assert_eq!(first(&[SignedHead { head: head_of(&records[8]), ..signed.clone() }]), Some(Fault::Forged));
    assert_eq!(first(&[SignedHead { key: Some("other".to_owned()), ..signed.clone() }]), Some(Fault::KeyUnknown));
    // Nobody signed it, but it stood there.
    let unsigned = chain::unsigned(Head { hash: RecordHash([1; 32]), ..head_of(&records[9]) });
    assert_eq!(first(&[unsigned]), Some(Fault::NotTheHead));
    let mut verifier = Verifier::new(PublicKeys::default(), Extent::Whole);
    verifier.head(&signed);
    records.iter().for_each(|record| verifier.record(record));
    let report = verifier.finish();
    assert_eq!((report.faults, report.unchecked_signatures, report.chains[0].signed_up_to), (0, 1, None));
}

#[tokio::test]
async fn a_head_from_outside_tells_of_a_tail_that_was_cut_off() {
    let records = chain("w", 10).await;
    let mut verifier = Verifier::new(PublicKeys::default(), Extent::Whole);
    verifier.trusted_head(&writer("w"), 9, records[9].hash);
    records[..8].iter().for_each(|record| verifier.record(record));
    let report = verifier.finish();
    assert_eq!(report.findings.len(), 1);
    let text = report.findings[0].to_string();
    assert_eq!(
        text,
        "chain w, record 9: a head says that the chain reached it, and it ends with record 7: the tail was cut off"
    );
}

#[tokio::test]
async fn a_part_may_begin_and_end_anywhere_but_is_whole_within() {
    let records = chain("w", 10).await;
    let part = |records: &[AuditRecord]| {
        let mut verifier = Verifier::new(keys().known().clone(), Extent::Part);
        verifier.head(&keys().sign(Purpose::Head, head_of(&chain_end(records, 2))));
        records.iter().for_each(|record| verifier.record(record));
        verifier.finish()
    };
    assert!(part(&records[3..7]).is_sound());
    let mut holed = records[3..7].to_vec();
    holed.remove(1);
    assert_eq!(part(&holed).findings[0].fault, Fault::Missing { from: 4 });
}

/// A record some places behind the last one, which is not there.
fn chain_end(records: &[AuditRecord], behind: u64) -> AuditRecord {
    let last = records.last().unwrap();
    AuditRecord { sequence: last.sequence + behind, ..last.clone() }
}

#[tokio::test]
async fn faults_are_told_in_bounded_numbers() {
    let mut records = chain("w", 1000).await;
    records.iter_mut().for_each(|record| record.event.push(' '));
    let report = verified(&records, &[], None);
    assert_eq!((report.faults, report.findings.len()), (1000, 100));
}

/// `cargo test --release --lib a_million -- --ignored --nocapture` prints how long it takes.
#[tokio::test]
#[ignore = "a measurement"]
async fn a_million_records_are_verified_in_seconds() {
    let records = chain("w", 1_000_000).await;
    let head = keys().sign(Purpose::Head, head_of(records.last().unwrap()));
    let lines: Vec<_> = records.iter().map(|record| crate::audit::line::record_line(record).unwrap()).collect();
    let began = std::time::Instant::now();
    assert!(verified(&records, std::slice::from_ref(&head), None).is_sound());
    println!("a million records: {:?}", began.elapsed());
    let began = std::time::Instant::now();
    let mut verifier = Verifier::new(keys().known().clone(), Extent::Whole);
    verifier.head(&head);
    for line in &lines {
        let Ok(crate::audit::line::Line::Record(record)) = crate::audit::line::Line::read(line) else {
            panic!("{line}")
        };
        verifier.record(&record);
    }
    assert!(verifier.finish().is_sound());
    println!("a million lines of an export: {:?}", began.elapsed());
}

/// A chain as a gateway writes it, a record each minute.
async fn written(name: &str, key: Option<&str>, (minutes, has_ended): (i64, bool)) -> Vec<AuditRecord> {
    let store = MemoryStore::default();
    store.open_chain(writer(name), None).await.unwrap();
    let gateway = |kind| Event::new(kind, crate::audit::Actor::Gateway);
    let started = Event { signing_key: key.map(str::to_owned), ..gateway(Kind::ProcessStarted) };
    let between = (1..minutes).map(|_| gateway(Kind::ConfigurationLoaded).because("process_stopped"));
    let ended = has_ended.then(|| gateway(Kind::ProcessStopped));
    let events = [started].into_iter().chain(between).chain(ended).enumerate();
    // Each chain begins where its name says.
    let begins = i64::from(name.as_bytes()[0]) * 1_000_000_000;
    let entries = events.map(|(minute, event)| event.at(at(begins + minute as i64 * 60_000)).unwrap());
    store.append(entries.collect()).await.unwrap();
    store.records_of(&writer(name), 0, u32::MAX).await.unwrap()
}

/// Of a verification that expects signatures where `are_signed`.
fn stripped(chains: &[&[AuditRecord]], heads: &[SignedHead], are_signed: bool) -> Vec<(String, u64, Fault)> {
    let verifier = Verifier::new(keys().known().clone(), Extent::Whole);
    let mut verifier = verifier.signed_every(Duration::from_secs(60), are_signed);
    heads.iter().for_each(|head| verifier.head(head));
    chains.iter().copied().flatten().for_each(|record| verifier.record(record));
    let findings = verifier.finish().findings;
    findings.into_iter().map(|finding| (finding.writer.0, finding.sequence, finding.fault)).collect()
}

#[tokio::test]
async fn a_chain_that_says_it_is_signed_and_has_no_signature_was_stripped() {
    let chain = written("w", Some("k"), (90, true)).await;
    let head = |record: &AuditRecord| Head { at: record.at, ..head_of(record) };
    let signed = |at: usize| keys().sign(Purpose::Head, head(&chain[at]));
    let w = |sequence, fault| ("w".to_owned(), sequence, fault);
    for (heads, expected) in [
        (vec![signed(90)], vec![]),
        (vec![], vec![w(0, Fault::NotSigned)]),
        // The last one alone: that the process ended gives it away.
        (vec![signed(60)], vec![w(61, Fault::NotSigned)]),
        (vec![chain::unsigned(head(&chain[90]))], vec![w(90, Fault::HeadUnsigned), w(0, Fault::NotSigned)]),
    ] {
        assert_eq!(stripped(&[&chain], &heads, false), expected, "{heads:?}");
    }
    // One that was killed, or goes on, may lack the signatures of a while.
    assert_eq!(stripped(&[&chain[..60]], &[], false), []);
    assert_eq!(stripped(&[&chain[..63]], &[], false), [w(0, Fault::NotSigned)]);
    assert_eq!(stripped(&[&chain[..90]], &[signed(60)], false), []);
}

#[tokio::test]
async fn where_the_configuration_says_that_heads_are_signed_a_later_chain_that_does_not_is_a_fault() {
    let before = written("b", None, (90, true)).await;
    let signed = written("s", Some("k"), (3, true)).await;
    let later = written("t", None, (3, true)).await;
    let head = keys().sign(Purpose::Head, Head { at: signed[3].at, ..head_of(&signed[3]) });
    let heads = [head, chain::unsigned(head_of(&before[90]))];
    assert_eq!(stripped(&[&before, &signed], &heads, true), [], "from before there was a key");
    let of_later = [("t".to_owned(), 0, Fault::NotSigned)];
    assert_eq!(stripped(&[&before, &signed, &later], &heads, true), of_later);
    assert_eq!(stripped(&[&before, &signed, &later], &heads, false), []);
    assert_eq!(stripped(&[&later], &[], true), of_later, "nothing is signed at all");
}
