//! Requests that are kept: read back as they were, newest first, forgotten by age and by number.

use dcr_gateway::clock::Timestamp;
use dcr_gateway::policy::CertificateIdentity;
use dcr_gateway::policy::approval::ApprovalNeeded;
use dcr_gateway::store::{
    Cursor, Page, RecordedRegistrant, RecordedRequest, RecordedStatement, RecordedToken, RequestRecord, RequestsKept,
    Store,
};
use serde_json::json;

use super::Handles;
use crate::samples::at;

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    a_request_is_read_back_by_its_name_and_its_registrations(&empty().await).await;
    lists_requests_newest_first_from_a_moment_on(&empty().await).await;
    forgets_what_is_too_old_and_then_what_is_too_much(&*empty().await.one).await;
    refused_requests_do_not_displace_others(&*empty().await.one).await;
}

/// One with everything that one can have.
pub fn request(id: &str, asked: Timestamp, decision: &str) -> RequestRecord {
    let certificate = CertificateIdentity {
        subject: "CN=Ada".to_owned(),
        issuer: "CN=Partner CA".to_owned(),
        serial: "0a".to_owned(),
        san_dns: vec!["ada.partner.example".to_owned()],
        san_uri: vec!["spiffe://partner.example/ada".to_owned()],
        san_email: Vec::new(),
        san_ip: vec!["2001:db8::7".parse().unwrap()],
        thumbprint: "ab".repeat(32),
        not_after: 1_800_000_000,
    };
    let statement = RecordedStatement {
        issuer: "https://directory.example".to_owned(),
        software_id: Some("4NRB1".to_owned()),
        metadata: json!({"client_name": "Orders"}).as_object().unwrap().clone(),
    };
    let request = RecordedRequest {
        decision: decision.to_owned(),
        reason: "rules_violated".to_owned(),
        violations: vec!["redirect_uris".to_owned()],
        profile: Some("partners".to_owned()),
        policy_version: Some("1f".repeat(8)),
        approval: ApprovalNeeded::Required,
        registration: (decision != "refuse").then(|| format!("registration of {id}")),
        client_id: None,
        scope_granted: Some("openid".to_owned()),
        scope_withheld: None,
        registrant: RecordedRegistrant {
            key: "token:1f".to_owned(),
            address: "2001:db8::7".parse().unwrap(),
            certificate: Some(certificate),
            token: Some(RecordedToken { label: "1f".to_owned(), profile: Some("partners".to_owned()) }),
            statement: Some(statement),
        },
        metadata: json!({"client_name": "\u{0}L\u{10d}i\u{107} '\"", "default_max_age": 1, "redirect_uris": [null]})
            .as_object()
            .unwrap()
            .clone(),
    };
    RequestRecord { id: id.to_owned(), at: asked, request }
}

async fn a_request_is_read_back_by_its_name_and_its_registrations(Handles { one, other }: &Handles) {
    let (refused, admitted) = (request("r1", at(1_000), "refuse"), request("r2", at(2_000), "admit"));
    one.keep_requests(vec![refused.clone(), admitted.clone()]).await.unwrap();
    assert_eq!(other.request("r1").await.unwrap(), Some(refused));
    assert_eq!(other.request("r2").await.unwrap(), Some(admitted.clone()));
    assert_eq!(other.request("registration of r2").await.unwrap(), Some(admitted));
    assert_eq!(other.request("registration of r1").await.unwrap(), None);
    assert!(one.keep_requests(vec![request("r1", at(1_000), "refuse")]).await.is_err(), "a name is given once");
    one.keep_requests(Vec::new()).await.unwrap();
}

async fn names(store: &dyn Store, since: Option<Timestamp>, page: Page) -> Vec<String> {
    store.requests(since, &page).await.unwrap().into_iter().map(|record| record.id).collect()
}

async fn lists_requests_newest_first_from_a_moment_on(Handles { one, other }: &Handles) {
    let many = (0..20).map(|number| request(&format!("r{number:02}"), at(number * 1_000), "admit")).collect();
    one.keep_requests(many).await.unwrap();
    assert_eq!(names(&**other, None, Page::first(3)).await, ["r19", "r18", "r17"]);
    assert_eq!(names(&**other, Some(at(18_000)), Page::first(9)).await, ["r19", "r18"]);
    let behind = Page { after: Some(Cursor { at: at(18_000), id: "r18".to_owned() }), limit: 1 };
    assert_eq!(names(&**other, Some(at(17_000)), behind).await, ["r17"]);
}

async fn forgets_what_is_too_old_and_then_what_is_too_much(store: &dyn Store) {
    let many = (0..6).map(|number| request(&format!("r{number}"), at(number * 1_000), "admit")).collect();
    store.keep_requests(many).await.unwrap();
    let kept = |since, most| RequestsKept { since, most, most_refused: most };
    store.forget_requests(kept(at(1_000), 9)).await.unwrap();
    assert_eq!(names(store, None, Page::first(9)).await, ["r5", "r4", "r3", "r2", "r1"]);
    store.forget_requests(kept(at(0), 5)).await.unwrap();
    assert_eq!(names(store, None, Page::first(9)).await.len(), 5);
    store.forget_requests(kept(at(0), 2)).await.unwrap();
    assert_eq!(names(store, None, Page::first(9)).await, ["r5", "r4"]);
}

async fn refused_requests_do_not_displace_others(store: &dyn Store) {
    let admitted = (0..3).map(|number| request(&format!("a{number}"), at(number), "report_only"));
    let refused = (0..9).map(|number| request(&format!("r{number}"), at(1_000 + number), "refuse"));
    store.keep_requests(admitted.chain(refused).collect()).await.unwrap();
    store.forget_requests(RequestsKept { since: at(0), most: 6, most_refused: 3 }).await.unwrap();
    assert_eq!(names(store, None, Page::first(99)).await, ["r8", "r7", "r6", "a2", "a1", "a0"]);
}
