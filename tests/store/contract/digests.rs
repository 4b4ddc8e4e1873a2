//! The same public client twice is one client.

use std::time::Duration;

use dcr_gateway::lifecycle::{Lifecycle, State};
use dcr_gateway::store::{
    Beginning, Begun, HandingOut, Intent, NewClient, OutcomeName, PerPeriod, QuotaName, QuotaReached, Quotas,
    Recording, Store, TokenId, TokenUnusable, TurnEnd,
};

use super::turns::{leave, turn};
use super::{Handles, begin_at_once, finish_at_once, ready};
use crate::samples::{
    UNDER_WAY, at, by, client, create, digest, enter_as, found, holder, id, intent, not_registered, registered,
    registered_as, unknown, unlimited, with_token,
};

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    the_same_client_is_found_again_and_spends_a_use(&empty().await).await;
    the_same_client_counts_as_no_further_one(&*empty().await.one).await;
    a_spent_token_gets_no_known_client_either(&*empty().await.one).await;
    a_pending_client_is_given_out_again(&*empty().await.one).await;
    a_suspended_or_rejected_client_is_known_and_spends_nothing(&*empty().await.one).await;
    a_deleted_client_frees_its_digest(&*empty().await.one).await;
    one_is_waited_for_while_it_is_under_way(&empty().await).await;
    what_ended_without_a_client_is_waited_for_no_longer(&*empty().await.one).await;
    a_dead_process_is_not_waited_for(&*empty().await.one).await;
    two_that_end_late_are_both_recorded(&empty().await).await;
    many_of_one_digest_at_once_are_one(&empty().await).await;
    many_that_end_late_at_once_are_all_recorded(&empty().await).await;
}

fn same(name: &str) -> Intent {
    Intent { digest: Some(digest("d")), ..intent(name) }
}

fn same_with_token(name: &str, token: &TokenId) -> Beginning {
    let mut beginning = with_token(name, token);
    beginning.intent.digest = Some(digest("d"));
    beginning
}

async fn begin(store: &dyn Store, name: &str) -> Begun {
    store.begin(unlimited(same(name)), HandingOut::unrecorded()).await.unwrap()
}

async fn the_same_client_is_found_again_and_spends_a_use(Handles { one, other }: &Handles) {
    let t1 = create(&**one, "t1", 5).await;
    assert_eq!(holder(&**other, digest("d")).await, None);
    one.begin(same_with_token("r1", &t1), HandingOut::unrecorded()).await.unwrap();
    one.finish(&id("r1"), registered(), Vec::new(), at(2_000)).await.unwrap();
    let known = one.client("c1").await.unwrap().unwrap();
    assert_eq!(known.digest, Some(digest("d")));
    assert_eq!(holder(&**other, digest("d")).await.as_ref(), Some(&known));
    assert_eq!(
        other.begin(same_with_token("r2", &t1), HandingOut::unrecorded()).await.unwrap(),
        Begun::Known(Box::new(known))
    );
    assert_eq!(found(&**one, &t1).await.used, 2);

    let record = one.registration(&id("r2")).await.unwrap().unwrap();
    assert_eq!((record.outcome, record.client_id.as_deref()), (Some(OutcomeName::Repeated), Some("c1")));
    assert_eq!(record.finished_at, Some(at(1_000)));
    for outcome in [registered(), not_registered(), unknown()] {
        assert!(one.finish(&id("r2"), outcome, Vec::new(), at(3_000)).await.is_err());
    }
    assert_eq!(
        one.begin(unlimited(intent("r3")), HandingOut::unrecorded()).await.unwrap(),
        Begun::Ready,
        "without a digest it is another one"
    );
    let another = Intent { digest: Some(digest("e")), ..intent("r4") };
    assert_eq!(one.begin(unlimited(another), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
}

async fn the_same_client_counts_as_no_further_one(store: &dyn Store) {
    let quotas = Quotas { live_clients: Some(2), total_live_clients: Some(2), ..Quotas::default() };
    let limited = |intent| Beginning { intent, quotas, under_way: UNDER_WAY };
    store.begin(limited(same("r1")), HandingOut::unrecorded()).await.unwrap();
    store.finish(&id("r1"), registered(), Vec::new(), at(2_000)).await.unwrap();
    for name in ["r2", "r3"] {
        assert!(matches!(store.begin(limited(same(name)), HandingOut::unrecorded()).await.unwrap(), Begun::Known(_)));
    }
    assert_eq!(store.begin(limited(intent("r4")), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    assert!(
        matches!(store.begin(limited(same("r5")), HandingOut::unrecorded()).await.unwrap(), Begun::Known(_)),
        "it needs no room"
    );
    let reached = QuotaReached { quota: QuotaName::LiveClients, count: 2, retry_after: None };
    assert_eq!(
        store.begin(limited(intent("r6")), HandingOut::unrecorded()).await.unwrap(),
        Begun::QuotaReached(reached)
    );
}

async fn a_spent_token_gets_no_known_client_either(store: &dyn Store) {
    let t1 = create(store, "t1", 1).await;
    enter_as(store, same("r1"), client("c1")).await;
    assert!(matches!(
        store.begin(same_with_token("r2", &t1), HandingOut::unrecorded()).await.unwrap(),
        Begun::Known(_)
    ));
    let spent = Begun::TokenUnusable(TokenUnusable::Spent);
    assert_eq!(store.begin(same_with_token("r3", &t1), HandingOut::unrecorded()).await.unwrap(), spent);
    assert_eq!(store.registration(&id("r3")).await.unwrap(), None);
}

async fn a_pending_client_is_given_out_again(store: &dyn Store) {
    let t1 = create(store, "t1", 5).await;
    let pending = NewClient { lifecycle: Lifecycle::Pending { until: at(9_000), before_use: false }, ..client("c1") };
    let known = enter_as(store, same("r1"), pending).await;
    assert_eq!(
        store.begin(same_with_token("r2", &t1), HandingOut::unrecorded()).await.unwrap(),
        Begun::Known(Box::new(known))
    );
    assert_eq!(found(store, &t1).await.used, 1);
}

async fn a_suspended_or_rejected_client_is_known_and_spends_nothing(store: &dyn Store) {
    let t1 = create(store, "t1", 5).await;
    enter_as(store, same("r1"), client("c1")).await;
    let suspended = Lifecycle::Suspended { by: by("ada"), pending_until: None, before_use: false };
    for (name, lifecycle) in [("r2", suspended), ("r3", Lifecycle::Rejected { by: by("ada") })] {
        let mut client = turn(store, "c1", "a").await;
        client.lifecycle = lifecycle.clone();
        assert!(store.end_turn(TurnEnd::of(&client, "a"), at(9)).await.unwrap());
        let Begun::Known(known) = store.begin(same_with_token(name, &t1), HandingOut::unrecorded()).await.unwrap()
        else {
            panic!("{name}")
        };
        assert_eq!(known.lifecycle, lifecycle);
        assert_eq!(store.registration(&id(name)).await.unwrap(), None);
    }
    assert_eq!(found(store, &t1).await.used, 0);
}

async fn a_deleted_client_frees_its_digest(store: &dyn Store) {
    enter_as(store, same("r1"), client("c1")).await;
    leave(store, "c1").await;
    assert_eq!(holder(store, digest("d")).await, None);
    let second = enter_as(store, same("r2"), client("c2")).await;
    assert_eq!(second.digest, Some(digest("d")));
    let first = turn(store, "c1", "a").await;
    assert!(store.end_turn(TurnEnd::of(&first, "a"), at(9_000)).await.unwrap(), "what is gone can still be worked on");
    let held = holder(store, digest("d")).await.unwrap();
    assert_eq!((held.client_id.as_str(), held.lifecycle.state()), ("c2", State::Active));
}

async fn one_is_waited_for_while_it_is_under_way(Handles { one, other }: &Handles) {
    let t1 = create(&**one, "t1", 5).await;
    assert_eq!(begin(&**one, "r1").await, Begun::Ready);
    assert_eq!(other.begin(same_with_token("r2", &t1), HandingOut::unrecorded()).await.unwrap(), Begun::SameUnderWay);
    assert_eq!(found(&**one, &t1).await.used, 0);
    assert_eq!(one.registration(&id("r2")).await.unwrap(), None);
    one.finish(&id("r1"), registered(), Vec::new(), at(2_000)).await.unwrap();
    assert!(matches!(begin(&**other, "r2").await, Begun::Known(_)));
}

async fn what_ended_without_a_client_is_waited_for_no_longer(store: &dyn Store) {
    assert_eq!(begin(store, "r1").await, Begun::Ready);
    store.finish(&id("r1"), not_registered(), Vec::new(), at(2_000)).await.unwrap();
    assert_eq!(begin(store, "r2").await, Begun::Ready);
    store.finish(&id("r2"), unknown(), Vec::new(), at(2_000)).await.unwrap();
    assert_eq!(begin(store, "r3").await, Begun::Ready);
    assert_eq!(store.find_unfinished(Duration::ZERO, Recording::nothing(), at(3_000)).await.unwrap(), [id("r3")]);
    assert_eq!(begin(store, "r4").await, Begun::Ready);
}

async fn a_dead_process_is_not_waited_for(store: &dyn Store) {
    let limit = i64::try_from(UNDER_WAY.as_millis()).unwrap();
    assert_eq!(begin(store, "r1").await, Begun::Ready);
    let just_before = Intent { at: at(1_000 + limit - 1), ..same("r2") };
    assert_eq!(store.begin(unlimited(just_before), HandingOut::unrecorded()).await.unwrap(), Begun::SameUnderWay);
    let after = Intent { at: at(1_000 + limit), ..same("r2") };
    assert_eq!(store.begin(unlimited(after), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    // The first was not dead, only slow: the second is still waited for.
    store.finish(&id("r1"), not_registered(), Vec::new(), at(1_000 + limit + 1)).await.unwrap();
    let third = Intent { at: at(1_000 + limit + 2), ..same("r3") };
    assert_eq!(store.begin(unlimited(third), HandingOut::unrecorded()).await.unwrap(), Begun::SameUnderWay);
}

async fn two_that_end_late_are_both_recorded(Handles { one, other }: &Handles) {
    let daily = Some(PerPeriod { count: 9, period: Duration::from_secs(86_400) });
    let quotas = Quotas { registrations: daily, live_clients: Some(2), ..Quotas::default() };
    for name in ["r1", "r2"] {
        let beginning = Beginning { intent: same(name), quotas, under_way: Duration::ZERO };
        assert_eq!(one.begin(beginning, HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    }
    let ids = (id("r1"), id("r2"));
    let (first, second) = tokio::join!(
        one.finish(&ids.0, registered_as("c1"), Vec::new(), at(2_000)),
        other.finish(&ids.1, registered_as("c2"), Vec::new(), at(2_000)),
    );
    first.unwrap();
    second.unwrap();
    let digests = [one.client("c1").await.unwrap().unwrap().digest, one.client("c2").await.unwrap().unwrap().digest];
    assert_eq!(digests.iter().flatten().count(), 1, "only one of them is given out again: {digests:?}");
    let given_out = holder(&**one, digest("d")).await.unwrap().client_id;
    assert_eq!(given_out, if digests[0].is_some() { "c1" } else { "c2" });
    let full = one
        .begin(Beginning { intent: intent("r3"), quotas, under_way: UNDER_WAY }, HandingOut::unrecorded())
        .await
        .unwrap();
    assert!(matches!(full, Begun::QuotaReached(_)), "both are live clients: {full:?}");
}

async fn many_of_one_digest_at_once_are_one(handles: &Handles) {
    let begun = begin_at_once(handles, (0..64).map(|number| unlimited(same(&format!("r{number}"))))).await;
    assert_eq!(ready(&begun), 1);
    assert_eq!(begun.iter().filter(|begun| **begun == Begun::SameUnderWay).count(), 63);
}

async fn many_that_end_late_at_once_are_all_recorded(handles: &Handles) {
    let names = || (0..32).map(|number| format!("r{number}"));
    for name in names() {
        let beginning = Beginning { under_way: Duration::ZERO, ..unlimited(same(&name)) };
        assert_eq!(handles.one.begin(beginning, HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    }
    let outcomes = names().map(|name| (id(&name), registered_as(&name)));
    assert!(finish_at_once(handles, outcomes).await.iter().all(Result::is_ok));
    assert_eq!(handles.one.count_clients().await.unwrap(), [("partners".to_owned(), State::Active, 32)]);
    let given_out = holder(&*handles.other, digest("d")).await.unwrap();
    let Begun::Known(known) = begin(&*handles.one, "again").await else { panic!() };
    assert_eq!(*known, given_out);
}
