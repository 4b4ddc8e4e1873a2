//! The record of clients: what enters it, how it is found, what stays.

use dcr_gateway::lifecycle::{Lifecycle, State};
use dcr_gateway::store::{
    Beginning, Begun, ClientRecord, HandingOut, IfKnown, Intent, NEVER_CONFIRMED, NewClient, Outcome, QuotaName,
    QuotaReached, Quotas, Store, TokenHash, TurnEnd,
};

use super::turns::turn;
use super::{Handles, begin_at_once, finish_at_once, ready};
use crate::samples::{
    UNDER_WAY, at, by, client, digest, enter, enter_as, hash, holder, id, intent, registered_as, registrant, unlimited,
};

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    a_client_is_read_back_as_it_was_registered(&empty().await).await;
    a_client_with_the_least_that_there_can_be(&*empty().await.one).await;
    is_found_by_its_whole_access_token(&*empty().await.one).await;
    the_same_client_id_twice_is_one_client_brought_up_to_date(&*empty().await.one).await;
    a_client_id_that_comes_again_counts_once(&*empty().await.one).await;
    a_suspended_or_rejected_client_does_not_revive(&*empty().await.one).await;
    a_deleted_client_id_may_come_again(&*empty().await.one).await;
    the_latest_use_stays(&empty().await).await;
    many_uses_are_noted_at_once(&*empty().await.one).await;
    one_client_id_from_many_at_once_is_one_client(&empty().await).await;
    a_client_that_is_to_be_left_is_left(&empty().await).await;
}

async fn a_client_is_read_back_as_it_was_registered(Handles { one, other }: &Handles) {
    let given = Intent { digest: Some(digest("d")), scope_requested: Some("openid all".to_owned()), ..intent("r1") };
    let new = NewClient { lifecycle: Lifecycle::Pending { until: at(7), before_use: false }, ..client("c1") };
    one.begin(unlimited(given.clone()), HandingOut::unrecorded()).await.unwrap();
    one.finish(&id("r1"), Outcome::Registered(Box::new(new.clone())), Vec::new(), at(2_000)).await.unwrap();
    let expected = ClientRecord {
        client_id: "c1".to_owned(),
        registration: id("r1"),
        profile: given.profile,
        registrant: given.registrant,
        created_at: at(2_000),
        updated_at: at(2_000),
        version: 1,
        lifecycle: new.lifecycle,
        client_name: given.client_name,
        redirect_uris: given.redirect_uris,
        scope_requested: given.scope_requested,
        scope_granted: given.scope_granted,
        scope_withheld: given.scope_withheld,
        scope_approved: String::new(),
        metadata: new.metadata,
        digest: given.digest,
        access_token: new.access_token,
        server_access: new.server_access,
        unmanageable: false,
        confirmed_at: at(2_000),
        last_used_at: None,
        unsettled: None,
        members_behind: false,
        approved: None,
        first_approval: None,
        asked: None,
        let_through: given.let_through,
    };
    assert_eq!(other.client("c1").await.unwrap(), Some(expected.clone()));
    assert_eq!(holder(&**other, digest("d")).await, Some(expected.clone()));
    assert_eq!(other.client_by_access_token(hash("c1")).await.unwrap(), Some(expected));
    assert_eq!(other.client("c2").await.unwrap(), None);
}

async fn a_client_with_the_least_that_there_can_be(store: &dyn Store) {
    let bare = NewClient {
        client_id: "c1".to_owned(),
        lifecycle: Lifecycle::Active,
        metadata: serde_json::Map::new(),
        access_token: None,
        server_access: None,
        is_confirmed: false,
        if_known: IfKnown::Update,
    };
    enter_as(store, intent("r1"), bare.clone()).await;
    let found = enter_as(store, intent("r2"), NewClient { client_id: "c2".to_owned(), ..bare }).await;
    assert_eq!((found.digest, found.access_token, found.server_access), (None, None, None));
    assert!(found.metadata.is_empty());
    assert_eq!(found.confirmed_at, NEVER_CONFIRMED, "nobody saw it there");
}

async fn is_found_by_its_whole_access_token(store: &dyn Store) {
    enter(store, "c1").await;
    enter(store, "c2").await;
    let found = store.client_by_access_token(hash("c2")).await.unwrap();
    assert_eq!(found.map(|client| client.client_id).as_deref(), Some("c2"));
    let mut other = hash("c2");
    other.0[31] ^= 1;
    assert_eq!(store.client_by_access_token(other).await.unwrap(), None);
    assert_eq!(store.client_by_access_token(TokenHash([0; 32])).await.unwrap(), None);
}

async fn the_same_client_id_twice_is_one_client_brought_up_to_date(store: &dyn Store) {
    let first = enter_as(store, Intent { digest: Some(digest("d")), ..intent("r1") }, client("c1")).await;
    store.note_uses(&[("c1".to_owned(), at(1_500))]).await.unwrap();
    let again = Intent {
        at: at(3_000),
        registrant: registrant("bob"),
        client_name: None,
        scope_granted: "openid email".to_owned(),
        digest: Some(digest("e")),
        ..intent("r2")
    };
    let new = NewClient { access_token: Some(hash("new")), server_access: None, ..client("c1") };
    let second = enter_as(store, again.clone(), new).await;
    let expected = ClientRecord {
        registration: id("r2"),
        registrant: again.registrant,
        updated_at: at(3_000),
        version: 2,
        client_name: None,
        scope_granted: again.scope_granted,
        digest: again.digest,
        access_token: Some(hash("new")),
        server_access: None,
        confirmed_at: at(3_000),
        last_used_at: Some(at(1_500)),
        ..first
    };
    assert_eq!(second, expected);
    assert_eq!(store.client_by_access_token(hash("c1")).await.unwrap(), None);
    assert_eq!(holder(store, digest("d")).await, None);
    assert_eq!(holder(store, digest("e")).await, Some(expected));
}

async fn a_client_id_that_comes_again_counts_once(store: &dyn Store) {
    let quotas = Quotas { live_clients: Some(2), total_live_clients: Some(2), ..Quotas::default() };
    let limited = |key, name| {
        let intent = Intent { registrant: registrant(key), ..intent(name) };
        Beginning { intent, quotas, under_way: UNDER_WAY }
    };
    for (key, name) in [("ada", "r1"), ("ada", "r2"), ("ada", "r3"), ("bob", "r4")] {
        assert_eq!(store.begin(limited(key, name), HandingOut::unrecorded()).await.unwrap(), Begun::Ready, "{name}");
        store.finish(&id(name), registered_as("c1"), Vec::new(), at(2_000)).await.unwrap();
    }
    // It is bob's now: ada has none, and the profile one.
    for name in ["r5", "r6"] {
        assert_eq!(
            store.begin(limited("ada", name), HandingOut::unrecorded()).await.unwrap(),
            if name == "r5" {
                Begun::Ready
            } else {
                let quota = QuotaName::TotalLiveClients;
                Begun::QuotaReached(QuotaReached { quota, count: 2, retry_after: None })
            }
        );
    }
}

async fn a_suspended_or_rejected_client_does_not_revive(store: &dyn Store) {
    let suspended = Lifecycle::Suspended { by: by("ada"), pending_until: Some(at(7)), before_use: false };
    for (name, lifecycle) in [("c1", suspended), ("c2", Lifecycle::Rejected { by: by("ada") })] {
        enter(store, name).await;
        let mut record = turn(store, name, "a").await;
        record.lifecycle = lifecycle.clone();
        assert!(store.end_turn(TurnEnd::of(&record, "a"), at(9)).await.unwrap());
        let again = enter_as(store, intent(&format!("again-{name}")), client(name)).await;
        assert_eq!(again.lifecycle, lifecycle);
    }
    let counts = store.count_clients().await.unwrap();
    let counted = |state| ("partners".to_owned(), state, 1);
    assert_eq!(counts, [counted(State::Rejected), counted(State::Suspended)]);
    // The suspended one counts, the rejected one does not.
    let quotas = Quotas { live_clients: Some(2), total_live_clients: Some(2), ..Quotas::default() };
    let limited = |name| Beginning { intent: intent(name), quotas, under_way: UNDER_WAY };
    assert_eq!(store.begin(limited("r5"), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    assert!(matches!(store.begin(limited("r6"), HandingOut::unrecorded()).await.unwrap(), Begun::QuotaReached(_)));
}

async fn a_deleted_client_id_may_come_again(store: &dyn Store) {
    enter(store, "c1").await;
    super::turns::leave(store, "c1").await;
    let again = enter_as(store, intent("r2"), client("c1")).await;
    assert_eq!((again.lifecycle, again.version), (Lifecycle::Active, 3));
    let quotas = Quotas { live_clients: Some(1), ..Quotas::default() };
    let begun = store
        .begin(Beginning { intent: intent("r3"), quotas, under_way: UNDER_WAY }, HandingOut::unrecorded())
        .await
        .unwrap();
    assert!(matches!(begun, Begun::QuotaReached(_)), "{begun:?}");
}

async fn the_latest_use_stays(Handles { one, other }: &Handles) {
    let before = enter(&**one, "c1").await;
    for (store, used) in [(one, 5_000), (other, 9_000), (one, 7_000)] {
        store.note_uses(&[("c1".to_owned(), at(used))]).await.unwrap();
    }
    let after = other.client("c1").await.unwrap().unwrap();
    assert_eq!(after, ClientRecord { last_used_at: Some(at(9_000)), ..before }, "and nothing else changes");
    one.note_uses(&[("nobody's".to_owned(), at(5))]).await.unwrap();
    one.note_uses(&[]).await.unwrap();
}

async fn many_uses_are_noted_at_once(store: &dyn Store) {
    let name = |number: i64| format!("c{number}");
    for number in 0..5 {
        enter(store, &name(number)).await;
    }
    let uses: Vec<_> = (0..1_000).map(|number| (name(number), at(number))).collect();
    store.note_uses(&uses).await.unwrap();
    for number in 0..5 {
        assert_eq!(store.client(&name(number)).await.unwrap().unwrap().last_used_at, Some(at(number)));
    }
}

async fn a_client_that_is_to_be_left_is_left(handles: &Handles) {
    let quotas = Quotas { live_clients: Some(2), total_live_clients: Some(2), ..Quotas::default() };
    let limited = |name: &str| Beginning { intent: intent(name), quotas, under_way: UNDER_WAY };
    let names = ["r1", "r2"];
    assert_eq!(ready(&begin_at_once(handles, names.map(limited)).await), 2);
    let outcomes = names.map(|name| {
        let new = NewClient { if_known: IfKnown::Leave, access_token: Some(hash(name)), ..client("c1") };
        (id(name), Outcome::Registered(Box::new(new)))
    });
    assert!(finish_at_once(handles, outcomes).await.iter().all(Result::is_ok));
    let left = handles.one.client("c1").await.unwrap().unwrap();
    assert_eq!((left.version, left.access_token), (1, Some(hash(&left.registration.0))), "the first one's, whole");
    assert_eq!(ready(&begin_at_once(handles, ["r3", "r4"].map(limited)).await), 1, "it counts once");
}

async fn one_client_id_from_many_at_once_is_one_client(handles: &Handles) {
    let quotas = Quotas { live_clients: Some(32), total_live_clients: Some(32), ..Quotas::default() };
    let limited = |name: String| Beginning { intent: intent(&name), quotas, under_way: UNDER_WAY };
    assert_eq!(ready(&begin_at_once(handles, (0..32).map(|number| limited(format!("r{number}")))).await), 32);
    let outcomes = (0..32).map(|number| {
        let new = NewClient { access_token: Some(hash(&format!("t{number}"))), ..client("c1") };
        (id(&format!("r{number}")), Outcome::Registered(Box::new(new)))
    });
    assert!(finish_at_once(handles, outcomes).await.iter().all(Result::is_ok));
    assert_eq!(handles.one.client("c1").await.unwrap().unwrap().version, 32);
    assert_eq!(handles.other.count_clients().await.unwrap(), [("partners".to_owned(), State::Active, 1)]);
    let again = begin_at_once(handles, (0..64).map(|number| limited(format!("again-{number}")))).await;
    assert_eq!(ready(&again), 31, "it counts once");
}
