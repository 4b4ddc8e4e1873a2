//! What detectors found: entered once, listed newest first, forgotten after its time.

use dcr_gateway::clock::Timestamp;
use dcr_gateway::store::{Cursor, FINDINGS_KEPT, FindingFilter, FindingRecord, Page, Store};

use super::Handles;
use crate::samples::at;

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    lists_findings_newest_first_by_detector(&empty().await).await;
    forgets_findings_after_their_time(&*empty().await.one).await;
}

/// One that a detector found.
pub fn finding(id: &str, found: Timestamp, detector: &str) -> FindingRecord {
    FindingRecord {
        id: id.to_owned(),
        at: found,
        detector: detector.to_owned(),
        mode: "report".to_owned(),
        subject_kind: "network".to_owned(),
        subject: "192.0.2.0/24".to_owned(),
        score: 75,
        evidence: r#"[{"name":"different requests","value":9.0}]"#.to_owned(),
        sentence: "somebody \u{1f50d} probes".to_owned(),
        request_id: (id != "f1").then(|| format!("request of {id}")),
    }
}

async fn lists_findings_newest_first_by_detector(Handles { one, other }: &Handles) {
    let all = [
        finding("f1", at(1_000), "probing"),
        finding("f2", at(3_000), "widening"),
        finding("f3", at(3_000), "probing"),
    ];
    for finding in &all {
        one.enter_finding(finding.clone(), Vec::new()).await.unwrap();
    }
    // Whoever does not know whether it was written writes it again.
    other.enter_finding(all[0].clone(), Vec::new()).await.unwrap();
    let list = async |detector: Option<&str>, page: Page| {
        other.findings(&FindingFilter { detector: detector.map(str::to_owned) }, &page).await.unwrap()
    };
    let [f1, f2, f3] = all;
    assert_eq!(list(None, Page::first(9)).await, [f3.clone(), f2.clone(), f1.clone()]);
    assert_eq!(list(Some("probing"), Page::first(9)).await, [f3.clone(), f1.clone()]);
    assert!(list(Some("nobody's"), Page::first(9)).await.is_empty());
    let behind = Page { after: Some(Cursor { at: f3.at, id: f3.id }), limit: 1 };
    assert_eq!(list(None, behind).await, [f2]);
}

async fn forgets_findings_after_their_time(store: &dyn Store) {
    store.enter_finding(finding("old", at(0), "probing"), Vec::new()).await.unwrap();
    store.enter_finding(finding("young", at(60_000), "probing"), Vec::new()).await.unwrap();
    store.tidy(at(0).after(FINDINGS_KEPT)).await.unwrap();
    assert_eq!(store.findings(&FindingFilter::default(), &Page::first(9)).await.unwrap().len(), 2);
    store.tidy(at(1_000).after(FINDINGS_KEPT)).await.unwrap();
    let kept = store.findings(&FindingFilter::default(), &Page::first(9)).await.unwrap();
    assert_eq!(kept, [finding("young", at(60_000), "probing")]);
}
