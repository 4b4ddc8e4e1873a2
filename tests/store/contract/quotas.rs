//! Quotas: exact, whoever else is at work.

use std::time::Duration;

use dcr_gateway::store::{
    Beginning, Begun, HandingOut, Intent, PerPeriod, QuotaName, QuotaReached, Quotas, Store, TurnEnd,
};

use super::{Handles, begin_at_once, ready};
use crate::contract::turns::{leave, turn};
use crate::samples::{
    UNDER_WAY, at, by, create, found, id, intent, not_registered, registered_as, registrant, unknown, with_token,
};

const DAY: i64 = 86_400_000;

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    a_day_has_its_own_count(&*empty().await.one).await;
    each_registrant_and_profile_has_its_own_count(&*empty().await.one).await;
    what_was_not_registered_is_not_counted(&*empty().await.one).await;
    what_was_counted_yesterday_is_given_back_to_yesterday(&*empty().await.one).await;
    a_client_that_leaves_makes_room_for_another(&empty().await).await;
    a_suspended_client_makes_no_room(&*empty().await.one).await;
    room_is_kept_for_registrants_who_have_a_client(&*empty().await.one).await;
    a_quota_that_is_used_up_leaves_the_token_alone(&*empty().await.one).await;
    tidying_up_forgets_only_what_is_long_over(&*empty().await.one).await;
    quotas_are_exact_under_many_at_once(&empty().await).await;
    what_is_given_back_at_once_is_exact(&empty().await).await;
}

fn per_day(count: u64) -> Option<PerPeriod> {
    Some(PerPeriod { count, period: Duration::from_secs(86_400) })
}

fn limited(intent: Intent, quotas: Quotas) -> Beginning {
    Beginning { intent, quotas, under_way: UNDER_WAY }
}

/// Begins and registers a client of the same name at the intent's moment; the quota that was in the way.
async fn register(store: &dyn Store, intent: Intent, quotas: Quotas) -> Option<QuotaReached> {
    let (id, at) = (intent.id.clone(), intent.at);
    match store.begin(limited(intent, quotas), HandingOut::unrecorded()).await.unwrap() {
        Begun::Ready => {
            store.finish(&id, registered_as(&id.0), Vec::new(), at).await.unwrap();
            None
        }
        Begun::QuotaReached(reached) => Some(reached),
        other => panic!("{other:?}"),
    }
}

fn of(key: &str, name: &str) -> Intent {
    Intent { registrant: registrant(key), ..intent(name) }
}

async fn a_day_has_its_own_count(store: &dyn Store) {
    let quotas = Quotas { registrations: per_day(2), ..Quotas::default() };
    let today = |name| Intent { at: at(DAY - 500), ..intent(name) };
    assert_eq!(register(store, today("r1"), quotas).await, None);
    assert_eq!(register(store, today("r2"), quotas).await, None);
    let reached =
        QuotaReached { quota: QuotaName::Registrations, count: 2, retry_after: Some(Duration::from_millis(500)) };
    assert_eq!(register(store, today("r3"), quotas).await, Some(reached));
    assert_eq!(store.registration(&id("r3")).await.unwrap(), None);
    assert_eq!(register(store, Intent { at: at(DAY), ..intent("r4") }, quotas).await, None);
}

async fn each_registrant_and_profile_has_its_own_count(store: &dyn Store) {
    let quotas = Quotas { live_clients: Some(1), total_live_clients: Some(2), ..Quotas::default() };
    let quota = |reached: Option<QuotaReached>| reached.map(|reached| reached.quota);
    assert_eq!(register(store, of("ada", "r1"), quotas).await, None);
    assert_eq!(quota(register(store, of("ada", "r2"), quotas).await), Some(QuotaName::LiveClients));
    assert_eq!(register(store, of("bob", "r3"), quotas).await, None);
    assert_eq!(quota(register(store, of("eve", "r4"), quotas).await), Some(QuotaName::TotalLiveClients));
    let elsewhere = Intent { profile: "mcp".to_owned(), ..of("ada", "r5") };
    assert_eq!(register(store, elsewhere, quotas).await, None);
}

async fn what_was_not_registered_is_not_counted(store: &dyn Store) {
    let quotas = Quotas {
        registrations: per_day(1),
        live_clients: Some(1),
        total_registrations: per_day(1),
        total_live_clients: Some(1),
        reserved_for_known: 0,
    };
    for name in ["r1", "r2"] {
        assert_eq!(store.begin(limited(intent(name), quotas), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
        store.finish(&id(name), not_registered(), Vec::new(), at(2_000)).await.unwrap();
        store.finish(&id(name), not_registered(), Vec::new(), at(2_000)).await.unwrap();
    }
    assert_eq!(store.begin(limited(intent("r3"), quotas), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    store.finish(&id("r3"), unknown(), Vec::new(), at(2_000)).await.unwrap();
    assert!(register(store, intent("r4"), quotas).await.is_some(), "it may be there: it counts");
    store.finish(&id("r3"), not_registered(), Vec::new(), at(3_000)).await.unwrap();
    assert_eq!(register(store, intent("r5"), quotas).await, None);
    assert!(register(store, intent("r6"), quotas).await.is_some());
}

async fn what_was_counted_yesterday_is_given_back_to_yesterday(store: &dyn Store) {
    let quotas = Quotas { registrations: per_day(1), total_registrations: per_day(1), ..Quotas::default() };
    let yesterday = Intent { at: at(DAY - 1), ..intent("r1") };
    assert_eq!(store.begin(limited(yesterday, quotas), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    assert_eq!(register(store, Intent { at: at(DAY), ..intent("r2") }, quotas).await, None);
    store.finish(&id("r1"), not_registered(), Vec::new(), at(DAY + 1)).await.unwrap();
    assert!(register(store, Intent { at: at(DAY + 2), ..intent("r3") }, quotas).await.is_some());
    assert_eq!(register(store, Intent { at: at(DAY - 1), ..intent("r4") }, quotas).await, None);
}

async fn a_client_that_leaves_makes_room_for_another(Handles { one, other }: &Handles) {
    let quotas = Quotas { live_clients: Some(1), total_live_clients: Some(1), ..Quotas::default() };
    assert_eq!(register(&**one, intent("r1"), quotas).await, None);
    assert!(register(&**other, intent("r2"), quotas).await.is_some());
    leave(&**other, "r1").await;
    assert_eq!(register(&**one, intent("r3"), quotas).await, None);
    leave(&**one, "r1").await;
    assert!(register(&**other, intent("r4"), quotas).await.is_some(), "it can leave only once");
}

async fn a_suspended_client_makes_no_room(store: &dyn Store) {
    let quotas = Quotas { live_clients: Some(1), ..Quotas::default() };
    assert_eq!(register(store, intent("r1"), quotas).await, None);
    let mut client = turn(store, "r1", "a").await;
    client.lifecycle = client.lifecycle.suspend(by("ada")).unwrap();
    assert!(store.end_turn(TurnEnd::of(&client, "a"), at(9)).await.unwrap());
    assert!(register(store, intent("r2"), quotas).await.is_some());
}

async fn room_is_kept_for_registrants_who_have_a_client(store: &dyn Store) {
    let quotas = Quotas { total_live_clients: Some(5), reserved_for_known: 40, ..Quotas::default() };
    for (key, name) in [("ada", "r1"), ("bob", "r2"), ("bob", "r3")] {
        assert_eq!(register(store, of(key, name), quotas).await, None, "{name}");
    }
    let reached = QuotaReached { quota: QuotaName::TotalLiveClients, count: 3, retry_after: None };
    assert_eq!(register(store, of("eve", "r4"), quotas).await, Some(reached));
    for (key, name) in [("ada", "r5"), ("bob", "r6")] {
        assert_eq!(register(store, of(key, name), quotas).await, None, "{name}");
    }
    let reached = QuotaReached { count: 5, ..reached };
    assert_eq!(register(store, of("ada", "r7"), quotas).await, Some(reached));
}

async fn a_quota_that_is_used_up_leaves_the_token_alone(store: &dyn Store) {
    let t1 = create(store, "t1", 5).await;
    let quotas = Quotas { live_clients: Some(0), ..Quotas::default() };
    let begun = store.begin(Beginning { quotas, ..with_token("r1", &t1) }, HandingOut::unrecorded()).await.unwrap();
    assert!(matches!(begun, Begun::QuotaReached(_)), "{begun:?}");
    assert_eq!(found(store, &t1).await.used, 0);
}

async fn tidying_up_forgets_only_what_is_long_over(store: &dyn Store) {
    let quotas = Quotas { registrations: per_day(1), live_clients: Some(1), ..Quotas::default() };
    assert_eq!(register(store, of("ada", "r1"), quotas).await, None);
    assert_eq!(register(store, of("bob", "r2"), quotas).await, None);
    leave(store, "r2").await;
    store.tidy(at(DAY)).await.unwrap();
    let quota = |reached: Option<QuotaReached>| reached.map(|reached| reached.quota);
    assert_eq!(quota(register(store, of("bob", "r3"), quotas).await), Some(QuotaName::Registrations));
    store.tidy(at(30 * DAY)).await.unwrap();
    let later = |key, name| Intent { at: at(30 * DAY), ..of(key, name) };
    assert_eq!(quota(register(store, later("ada", "r4"), quotas).await), Some(QuotaName::LiveClients));
    assert_eq!(register(store, later("bob", "r5"), quotas).await, None);
    leave(store, "r1").await;
    assert_eq!(register(store, later("ada", "r6"), quotas).await, None);
}

async fn quotas_are_exact_under_many_at_once(handles: &Handles) {
    let quotas = Quotas {
        registrations: per_day(9),
        live_clients: Some(7),
        total_registrations: per_day(30),
        total_live_clients: Some(21),
        reserved_for_known: 0,
    };
    let many =
        (0..64).map(|number| limited(of(["ada", "bob", "eve", "joe"][number / 16], &format!("r{number}")), quotas));
    let begun = begin_at_once(handles, many).await;
    assert_eq!(ready(&begun), 21);
    let full = |name| {
        begun.iter().filter(|begun| matches!(begun, Begun::QuotaReached(reached) if reached.quota == name)).count()
    };
    assert_eq!(full(QuotaName::LiveClients) + full(QuotaName::TotalLiveClients), 43);
}

async fn what_is_given_back_at_once_is_exact(handles: &Handles) {
    let quotas = Quotas { live_clients: Some(32), total_registrations: per_day(32), ..Quotas::default() };
    let many = |round| (0..32).map(move |number| limited(intent(&format!("{round}-{number}")), quotas));
    assert_eq!(ready(&begin_at_once(handles, many("first")).await), 32);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..32 {
        let store = if number % 3 == 0 { &handles.one } else { &handles.other }.clone();
        let outcome = if number % 2 == 0 { not_registered() } else { registered_as(&format!("c{number}")) };
        tasks.spawn(async move {
            store.finish(&id(&format!("first-{number}")), outcome, Vec::new(), at(2_000)).await.unwrap()
        });
    }
    tasks.join_all().await;
    assert_eq!(ready(&begin_at_once(handles, many("second")).await), 16);
}
