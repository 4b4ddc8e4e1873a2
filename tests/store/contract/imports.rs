//! Clients that were at the server before, and how far the server's events were read.

use std::sync::Arc;
use std::time::Duration;

use dcr_gateway::lifecycle::State;
use dcr_gateway::store::{
    AuditEntry, Beginning, Begun, HandingOut, Import, Intent, OutcomeName, Page, QuotaName, QuotaReached, Quotas,
    Recording, RegistrationFilter, Store, TokenId, TokenUse, WriterId,
};

use super::Handles;
use crate::samples::{UNDER_WAY, at, client, enter, id, intent, unlimited};

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    an_imported_client_is_one_with_a_registration_that_is_over(&empty().await).await;
    a_client_that_is_known_is_left_as_it_is(&*empty().await.one).await;
    of_many_imports_of_one_client_one_is_written(&empty().await).await;
    an_imported_client_counts_whatever_the_quotas_say(&*empty().await.one).await;
    events_are_read_by_one_at_a_time(&empty().await).await;
}

fn import(registration: &str, client_id: &str) -> Import {
    let entries = Vec::new();
    Import { intent: intent(registration), client: client(client_id), by: "ada".to_owned(), entries }
}

async fn an_imported_client_is_one_with_a_registration_that_is_over(Handles { one, other }: &Handles) {
    one.open_chain(WriterId("w".to_owned()), None).await.unwrap();
    let entry = AuditEntry { at: at(1_000), event: "{}".to_owned(), told: Vec::new() };
    assert!(one.import(Import { entries: vec![entry], ..import("r1", "c1") }).await.unwrap());
    let registration = other.registration(&id("r1")).await.unwrap().unwrap();
    assert_eq!((registration.outcome, registration.client_id.as_deref()), (Some(OutcomeName::Registered), Some("c1")));
    assert_eq!((registration.resolved_by.as_deref(), registration.finished_at), (Some("ada"), Some(at(1_000))));
    let found = other.client("c1").await.unwrap().unwrap();
    assert_eq!(
        (found.lifecycle.state(), found.created_at, found.profile.as_str()),
        (State::Active, at(1_000), "partners")
    );
    assert_eq!(found.digest, None);
    assert_eq!(one.records_of(&WriterId("w".to_owned()), 0, 10).await.unwrap().len(), 1);
    assert_eq!(one.find_unfinished(Duration::ZERO, Recording::nothing(), at(9_000)).await.unwrap(), []);
}

async fn a_client_that_is_known_is_left_as_it_is(store: &dyn Store) {
    store.open_chain(WriterId("w".to_owned()), None).await.unwrap();
    let before = enter(store, "c1").await;
    let entry = AuditEntry { at: at(1_000), event: "{}".to_owned(), told: Vec::new() };
    let again = Import { intent: Intent { profile: "others".to_owned(), ..intent("r9") }, ..import("r9", "c1") };
    assert!(!store.import(Import { entries: vec![entry], ..again }).await.unwrap());
    assert_eq!(store.client("c1").await.unwrap(), Some(before));
    assert_eq!(store.registration(&id("r9")).await.unwrap(), None);
    assert_eq!(store.records_of(&WriterId("w".to_owned()), 0, 10).await.unwrap(), []);
}

async fn of_many_imports_of_one_client_one_is_written(handles: &Handles) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store: Arc<dyn Store> = if number % 2 == 0 { &handles.one } else { &handles.other }.clone();
        tasks.spawn(async move { store.import(import(&format!("r{number}"), "c1")).await.unwrap() });
    }
    let written = tasks.join_all().await;
    assert_eq!(written.iter().filter(|entered| **entered).count(), 1);
    let page = Page { after: None, limit: 100 };
    assert_eq!(handles.one.registrations(&RegistrationFilter::default(), &page).await.unwrap().len(), 1);
}

async fn an_imported_client_counts_whatever_the_quotas_say(store: &dyn Store) {
    let quotas = Quotas { total_live_clients: Some(1), ..Quotas::default() };
    for number in 0..2 {
        assert!(store.import(import(&format!("r{number}"), &format!("c{number}"))).await.unwrap());
    }
    let beginning = Beginning { intent: intent("r9"), quotas, under_way: UNDER_WAY };
    let reached = QuotaReached { quota: QuotaName::TotalLiveClients, count: 1, retry_after: None };
    assert_eq!(store.begin(beginning, HandingOut::unrecorded()).await.unwrap(), Begun::QuotaReached(reached));
    // And spends no token, whatever its intent says.
    let spends = Intent { token: Some(TokenUse::Issued(TokenId("none-such".to_owned()))), ..intent("r8") };
    assert!(store.import(Import { intent: spends, ..import("r8", "c8") }).await.unwrap());
    assert_eq!(store.begin(unlimited(intent("r7")), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
}

async fn events_are_read_by_one_at_a_time(Handles { one, other }: &Handles) {
    let pause = Duration::from_secs(10);
    assert_eq!(one.read_to().await.unwrap(), None);
    assert!(one.begin_reading(pause, at(0)).await.unwrap());
    assert!(!other.begin_reading(pause, at(9_999)).await.unwrap());
    assert_eq!(other.read_to().await.unwrap(), None, "begun is not read");
    one.end_reading(at(5_000)).await.unwrap();
    other.end_reading(at(4_000)).await.unwrap();
    assert_eq!(other.read_to().await.unwrap(), Some(at(5_000)), "the latest stays");
    assert!(other.begin_reading(pause, at(10_000)).await.unwrap());
    assert!(!one.begin_reading(pause, at(10_001)).await.unwrap());
    assert_eq!(one.read_to().await.unwrap(), Some(at(5_000)), "whoever begins knows where");
    assert!(one.begin_reading(pause, at(-50_000)).await.unwrap(), "a clock that was set back stops nobody");
}
