//! Lists and counts: filtered, newest first, page by page.

use dcr_gateway::lifecycle::{Lifecycle, State};
use dcr_gateway::store::{
    ClientFilter, Cursor, HandingOut, Intent, LARGEST_PAGE, NewClient, OutcomeName, Page, RegistrationFilter, Store,
};

use super::Handles;
use super::turns::leave;
use crate::samples::{at, client, digest, enter_as, id, intent, not_registered, unknown, unlimited};

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    lists_clients_newest_first_by_state_and_profile(&*empty().await.one).await;
    pages_neither_skip_nor_repeat(&empty().await).await;
    counts_clients_by_profile_and_state(&*empty().await.one).await;
    lists_registrations_newest_first_by_what_came_of_them(&*empty().await.one).await;
    a_page_is_never_larger_than_the_largest(&*empty().await.one).await;
}

/// Clients of two profiles and two states; of some the moments are the same.
async fn several(store: &dyn Store) {
    for (name, made, profile, is_pending) in [
        ("c1", 1_000, "partners", false),
        ("c2", 3_000, "mcp", true),
        ("c3", 2_000, "partners", true),
        ("c5", 3_000, "partners", false),
        ("c4", 3_000, "partners", false),
    ] {
        let intent = Intent { at: at(made), profile: profile.to_owned(), ..intent(&format!("r-{name}")) };
        let lifecycle =
            if is_pending { Lifecycle::Pending { until: at(9_000), before_use: false } } else { Lifecycle::Active };
        enter_as(store, intent, NewClient { lifecycle, ..client(name) }).await;
    }
}

async fn names(store: &dyn Store, filter: ClientFilter, page: Page) -> Vec<String> {
    let clients = store.clients(&filter, &page).await.unwrap();
    clients.into_iter().map(|client| client.client_id).collect()
}

async fn lists_clients_newest_first_by_state_and_profile(store: &dyn Store) {
    several(store).await;
    let list = async |state, profile: Option<&str>| {
        names(store, ClientFilter { state, profile: profile.map(str::to_owned) }, Page::first(9)).await
    };
    assert_eq!(list(None, None).await, ["c5", "c4", "c2", "c3", "c1"]);
    assert_eq!(list(Some(State::Active), None).await, ["c5", "c4", "c1"]);
    assert_eq!(list(None, Some("partners")).await, ["c5", "c4", "c3", "c1"]);
    assert_eq!(list(Some(State::Pending), Some("partners")).await, ["c3"]);
    assert!(list(Some(State::Rejected), None).await.is_empty());
    assert!(list(None, Some("nobody's")).await.is_empty());
    leave(store, "c3").await;
    assert_eq!(list(Some(State::Deleted), None).await, ["c3"]);
    let whole = store.clients(&ClientFilter::default(), &Page::first(1)).await.unwrap();
    assert_eq!(whole, [store.client("c5").await.unwrap().unwrap()]);
}

async fn pages_neither_skip_nor_repeat(Handles { one, other }: &Handles) {
    several(&**one).await;
    let mut seen = Vec::new();
    let mut page = Page::first(2);
    loop {
        let clients = other.clients(&ClientFilter::default(), &page).await.unwrap();
        let Some(last) = clients.last() else { break };
        page.after = Some(Cursor { at: last.created_at, id: last.client_id.clone() });
        seen.extend(clients.into_iter().map(|client| client.client_id));
        // What is added meanwhile is newer, and moves nothing.
        let newer = Intent { at: at(50_000), ..intent(&format!("r-new-{}", seen.len())) };
        enter_as(&**one, newer, client(&format!("new-{}", seen.len()))).await;
    }
    assert_eq!(seen, ["c5", "c4", "c2", "c3", "c1"]);
    let behind = |name: &str| Page { after: Some(Cursor { at: at(3_000), id: name.to_owned() }), limit: 9 };
    let partners = ClientFilter { state: Some(State::Active), profile: Some("partners".to_owned()) };
    assert_eq!(names(&**one, partners, behind("c5")).await, ["c4", "c1"]);
    assert_eq!(
        names(&**one, ClientFilter::default(), behind("c3")).await,
        ["c2", "c3", "c1"],
        "of nothing that exists"
    );
    assert!(names(&**one, ClientFilter::default(), Page::first(0)).await.is_empty());
}

async fn counts_clients_by_profile_and_state(store: &dyn Store) {
    assert_eq!(store.count_clients().await.unwrap(), []);
    several(store).await;
    leave(store, "c2").await;
    let counted = |profile: &str, state, count| (profile.to_owned(), state, count);
    assert_eq!(
        store.count_clients().await.unwrap(),
        [
            counted("mcp", State::Deleted, 1),
            counted("partners", State::Active, 3),
            counted("partners", State::Pending, 1),
        ]
    );
}

async fn lists_registrations_newest_first_by_what_came_of_them(store: &dyn Store) {
    let same = |name, made| Intent { at: at(made), digest: Some(digest("d")), ..intent(name) };
    enter_as(store, same("r1", 1_000), client("c1")).await;
    store.begin(unlimited(same("r2", 2_000)), HandingOut::unrecorded()).await.unwrap();
    for (name, made, profile, outcome) in [
        ("r3", 3_000, "partners", Some(unknown())),
        ("r4", 3_000, "mcp", Some(not_registered())),
        ("r5", 500, "mcp", None),
    ] {
        let intent = Intent { at: at(made), profile: profile.to_owned(), ..intent(name) };
        store.begin(unlimited(intent), HandingOut::unrecorded()).await.unwrap();
        if let Some(outcome) = outcome {
            store.finish(&id(name), outcome, Vec::new(), at(4_000)).await.unwrap();
        }
    }
    let list = async |filter: RegistrationFilter, page: Page| {
        let records = store.registrations(&filter, &page).await.unwrap();
        records.into_iter().map(|record| record.intent.id.0).collect::<Vec<_>>()
    };
    let all = RegistrationFilter::default();
    assert_eq!(list(all.clone(), Page::first(9)).await, ["r4", "r3", "r2", "r1", "r5"]);
    let of = |outcome| RegistrationFilter { outcome: Some(outcome), ..RegistrationFilter::default() };
    for (outcome, names) in [
        (OutcomeName::Registered, ["r1"]),
        (OutcomeName::Repeated, ["r2"]),
        (OutcomeName::Unknown, ["r3"]),
        (OutcomeName::NotRegistered, ["r4"]),
    ] {
        assert_eq!(list(of(outcome), Page::first(9)).await, names);
    }
    let of_client = RegistrationFilter { client_id: Some("c1".to_owned()), ..all.clone() };
    assert_eq!(list(of_client, Page::first(9)).await, ["r2", "r1"]);
    let of_profile = RegistrationFilter { profile: Some("mcp".to_owned()), ..all.clone() };
    assert_eq!(list(of_profile, Page::first(9)).await, ["r4", "r5"]);
    let behind = Page { after: Some(Cursor { at: at(3_000), id: "r4".to_owned() }), limit: 2 };
    assert_eq!(list(all, behind).await, ["r3", "r2"]);
}

async fn a_page_is_never_larger_than_the_largest(store: &dyn Store) {
    let largest = usize::try_from(LARGEST_PAGE).unwrap();
    for number in 0..=largest {
        store.begin(unlimited(intent(&format!("r{number}"))), HandingOut::unrecorded()).await.unwrap();
    }
    let records = store.registrations(&RegistrationFilter::default(), &Page::first(u32::MAX)).await.unwrap();
    assert_eq!(records.len(), largest);
}
