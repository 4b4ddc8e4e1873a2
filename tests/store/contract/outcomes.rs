//! An intent and what becomes of it.

use std::time::Duration;

use dcr_gateway::store::{
    Begun, FoundOut, HandingOut, Intent, NOT_RECORDED, Outcome, OutcomeName, Recording, Store, TokenId,
};

use super::{Handles, finish_at_once};
use crate::samples::{
    at, create, found, id, intent, not_registered, registered, registered_as, unknown, unlimited, with_token,
};

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    an_intent_is_read_back_as_it_was_written(&empty().await).await;
    begins_with_the_least_that_there_can_be(&*empty().await.one).await;
    refuses_what_cannot_begin(&*empty().await.one).await;
    a_known_outcome_is_final(&*empty().await.one).await;
    an_unknown_outcome_may_become_known(&*empty().await.one).await;
    finds_what_was_never_finished(&empty().await).await;
    one_end_told_many_times_at_once_is_one(&empty().await).await;
    of_different_ends_told_at_once_one_is_heard(&empty().await).await;
}

async fn an_intent_is_read_back_as_it_was_written(Handles { one, other }: &Handles) {
    let t1 = create(&**one, "t1", 1).await;
    let beginning = with_token("r1", &t1);
    one.begin(beginning.clone(), HandingOut::unrecorded()).await.unwrap();
    let record = other.registration(&id("r1")).await.unwrap().unwrap();
    assert_eq!(record.intent, beginning.intent);
    assert_eq!((record.outcome, record.client_id, record.reason, record.finished_at), (None, None, None, None));

    other.finish(&id("r1"), registered(), Vec::new(), at(2_000)).await.unwrap();
    let record = one.registration(&id("r1")).await.unwrap().unwrap();
    assert_eq!((record.outcome, record.client_id.as_deref()), (Some(OutcomeName::Registered), Some("c1")));
    assert_eq!((record.reason, record.finished_at), (None, Some(at(2_000))));

    one.begin(unlimited(intent("r2")), HandingOut::unrecorded()).await.unwrap();
    one.finish(&id("r2"), unknown(), Vec::new(), at(3_000)).await.unwrap();
    let record = other.registration(&id("r2")).await.unwrap().unwrap();
    assert_eq!((record.outcome, record.client_id), (Some(OutcomeName::Unknown), None));
    assert_eq!((record.reason.as_deref(), record.finished_at), (Some("upstream_timeout"), Some(at(3_000))));
    assert_eq!(one.registration(&id("r3")).await.unwrap(), None);
}

async fn begins_with_the_least_that_there_can_be(store: &dyn Store) {
    let mut bare = intent("r1");
    bare.registrant.certificate_thumbprint = None;
    bare.registrant.certificate_subject = None;
    bare.registrant.token_label = None;
    bare.registrant.statement_issuer = None;
    bare.registrant.software_id = None;
    bare.registrant.address = "192.0.2.1".parse().unwrap();
    bare.client_name = None;
    bare.redirect_uris.clear();
    bare.scope_requested = Some(String::new());
    assert_eq!(store.begin(unlimited(bare.clone()), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    store.finish(&id("r1"), not_registered(), Vec::new(), at(2_000)).await.unwrap();
    assert_eq!(store.registration(&id("r1")).await.unwrap().unwrap().intent, bare);
}

async fn refuses_what_cannot_begin(store: &dyn Store) {
    let t1 = create(store, "t1", 5).await;
    assert!(store.begin(with_token("r1", &TokenId("none".to_owned())), HandingOut::unrecorded()).await.is_err());
    store.begin(with_token("r2", &t1), HandingOut::unrecorded()).await.unwrap();
    assert!(store.begin(with_token("r2", &t1), HandingOut::unrecorded()).await.is_err());
    assert_eq!(found(store, &t1).await.used, 1, "the second r2 reserved nothing");
    assert!(store.finish(&id("r1"), registered(), Vec::new(), at(2_000)).await.is_err());
    assert_eq!(store.client("c1").await.unwrap(), None);
}

async fn a_known_outcome_is_final(store: &dyn Store) {
    let t1 = create(store, "t1", 5).await;
    store.begin(with_token("r1", &t1), HandingOut::unrecorded()).await.unwrap();
    store.begin(with_token("r2", &t1), HandingOut::unrecorded()).await.unwrap();
    store.finish(&id("r1"), registered(), Vec::new(), at(2_000)).await.unwrap();
    store.finish(&id("r2"), not_registered(), Vec::new(), at(2_000)).await.unwrap();
    for other in [registered_as("c2"), not_registered(), unknown()] {
        assert!(store.finish(&id("r1"), other, Vec::new(), at(3_000)).await.is_err());
    }
    let another_reason = Outcome::NotRegistered { reason: "never_sent".to_owned() };
    for other in [registered(), another_reason, unknown()] {
        assert!(store.finish(&id("r2"), other, Vec::new(), at(3_000)).await.is_err());
    }
    assert_eq!(found(store, &t1).await.used, 1);
    assert_eq!(store.client("c2").await.unwrap(), None);
    assert_eq!(store.registration(&id("r1")).await.unwrap().unwrap().finished_at, Some(at(2_000)));
}

async fn an_unknown_outcome_may_become_known(store: &dyn Store) {
    let t1 = create(store, "t1", 5).await;
    for name in ["r1", "r2"] {
        store.begin(with_token(name, &t1), HandingOut::unrecorded()).await.unwrap();
        store.finish(&id(name), unknown(), Vec::new(), at(2_000)).await.unwrap();
        let another_reason = Outcome::Unknown { reason: "upstream_failed".to_owned() };
        store.finish(&id(name), another_reason, Vec::new(), at(2_500)).await.unwrap();
        let record = store.registration(&id(name)).await.unwrap().unwrap();
        assert_eq!((record.reason.as_deref(), record.finished_at), (Some("upstream_timeout"), Some(at(2_000))));
    }
    store.finish(&id("r1"), not_registered(), Vec::new(), at(3_000)).await.unwrap();
    store.resolve(&id("r2"), FoundOut { outcome: registered(), by: "ada" }, Vec::new(), at(3_000)).await.unwrap();
    for (name, by) in [("r1", None), ("r2", Some("ada"))] {
        let record = store.registration(&id(name)).await.unwrap().unwrap();
        assert_eq!((record.resolved_by.as_deref(), record.finished_at), (by, Some(at(3_000))), "{name}");
    }
    assert_eq!(found(store, &t1).await.used, 1);
    assert_eq!(store.client("c1").await.unwrap().unwrap().registration, id("r2"));
    assert!(store.finish(&id("r1"), registered(), Vec::new(), at(4_000)).await.is_err());
}

async fn finds_what_was_never_finished(Handles { one, other }: &Handles) {
    let t1 = create(&**one, "t1", 5).await;
    for (name, begun) in [("r1", 1_000), ("r2", 1_000), ("r3", 500), ("r0", 1_000)] {
        let beginning = with_token(name, &t1);
        one.begin(unlimited(Intent { at: at(begun), ..beginning.intent }), HandingOut::unrecorded()).await.unwrap();
    }
    one.finish(&id("r2"), registered(), Vec::new(), at(1_100)).await.unwrap();
    let age = Duration::from_millis(200);
    assert_eq!(other.find_unfinished(age, Recording::nothing(), at(1_199)).await.unwrap(), [id("r3")]);
    assert_eq!(other.find_unfinished(age, Recording::nothing(), at(1_200)).await.unwrap(), [id("r0"), id("r1")]);
    assert_eq!(one.find_unfinished(Duration::ZERO, Recording::nothing(), at(9_000)).await.unwrap(), []);
    assert_eq!(one.find_unfinished(Duration::MAX, Recording::nothing(), at(9_000)).await.unwrap(), []);
    assert_eq!(found(&**one, &t1).await.used, 4, "an unknown outcome keeps its use");
    let record = one.registration(&id("r1")).await.unwrap().unwrap();
    assert_eq!((record.outcome, record.reason.as_deref()), (Some(OutcomeName::Unknown), Some(NOT_RECORDED)));
    assert_eq!(record.finished_at, Some(at(1_200)));
    one.begin(unlimited(with_token("ahead", &t1).intent), HandingOut::unrecorded()).await.unwrap();
    assert_eq!(other.find_unfinished(age, Recording::nothing(), at(850)).await.unwrap(), [], "clocks differ a little");
    assert_eq!(other.find_unfinished(age, Recording::nothing(), at(600)).await.unwrap(), [id("ahead")]);
}

async fn one_end_told_many_times_at_once_is_one(handles: &Handles) {
    let t1 = create(&*handles.one, "t1", 5).await;
    for name in ["r1", "r2"] {
        handles.one.begin(with_token(name, &t1), HandingOut::unrecorded()).await.unwrap();
    }
    let many = (0..32).map(|_| (id("r1"), not_registered()));
    assert!(finish_at_once(handles, many).await.iter().all(Result::is_ok));
    assert_eq!(found(&*handles.other, &t1).await.used, 1, "given back once");
}

async fn of_different_ends_told_at_once_one_is_heard(handles: &Handles) {
    let t1 = create(&*handles.one, "t1", 5).await;
    handles.one.begin(with_token("r1", &t1), HandingOut::unrecorded()).await.unwrap();
    let outcomes = (0..16).map(|number| registered_as(&format!("c{number}"))).chain([not_registered(), unknown()]);
    let heard = finish_at_once(handles, outcomes.map(|outcome| (id("r1"), outcome))).await;
    let record = handles.one.registration(&id("r1")).await.unwrap().unwrap();
    let clients = handles.other.count_clients().await.unwrap();
    match record.outcome {
        Some(OutcomeName::Registered) => {
            assert_eq!(clients.iter().map(|(_, _, count)| count).sum::<u64>(), 1);
            assert_eq!(found(&*handles.one, &t1).await.used, 1);
        }
        Some(OutcomeName::NotRegistered) => {
            assert_eq!(clients, []);
            assert_eq!(found(&*handles.one, &t1).await.used, 0);
        }
        other => panic!("{other:?}"),
    }
    // `unknown` is heard when it comes first.
    let heard = heard.iter().filter(|heard| heard.is_ok()).count();
    assert!((1..=2).contains(&heard), "{heard}");
}
