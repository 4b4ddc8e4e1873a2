//! Every change that something is recorded of, with what is recorded and what receivers of alerts are told: one transaction each, whichever
//! change it is. What cannot be recorded is not changed.

use std::time::Duration;

use dcr_gateway::lifecycle::Lifecycle;
use dcr_gateway::store::{
    AuditEntry, ClientFilter, ClientRecord, Ending, Fate, FoundOut, HandingOut, Import, Intent, Page, Recording,
    RegistrationFilter, ResponseFilter, Settled, Store, StoreError, Telling, TokenId, Turn, TurnEnd,
};

use super::Handles;
use super::responses::response;
use super::together::{entry, events, notices, open};
use super::turns::turn;
use crate::samples::{
    at, by, client, create, digest, enter, enter_as, hash, id, intent, not_registered, registered_as, token, unknown,
    unlimited,
};

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    without_a_chain_nothing_is_changed(&*empty().await.one).await;
    each_change_is_made_and_recorded_once(&empty().await).await;
    what_changes_nothing_is_not_recorded(&*empty().await.one).await;
}

/// A change that something is recorded of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    TokenCreated,
    TokenRevoked,
    Finished,
    HandedOutAgain,
    Resolved,
    FoundUnfinished,
    TurnEnded,
    Imported,
    Imposed,
    ResponseEnded,
    DeliverySettled,
    GivenUp,
    ReceiverForgotten,
}

/// In an order in which each has something to change.
const ALL: [Change; 13] = [
    Change::TokenCreated,
    Change::TokenRevoked,
    Change::Finished,
    Change::HandedOutAgain,
    Change::Resolved,
    Change::FoundUnfinished,
    Change::TurnEnded,
    Change::Imported,
    Change::Imposed,
    Change::ResponseEnded,
    Change::DeliverySettled,
    Change::GivenUp,
    Change::ReceiverForgotten,
];

fn shared(name: &str) -> Intent {
    Intent { digest: Some(digest("d")), ..intent(name) }
}

/// What is there before. Nothing of it is recorded.
pub async fn prepare(store: &dyn Store) {
    create(store, "t1", 1).await;
    enter_as(store, shared("first"), client("c3")).await;
    for begun in [intent("finished"), intent("resolved"), intent("unfinished")] {
        store.begin(unlimited(begun), HandingOut::unrecorded()).await.unwrap();
    }
    store.finish(&id("resolved"), unknown(), Vec::new(), at(2_000)).await.unwrap();
    enter(store, "c0").await;
    turn(store, "c0", "holder").await;
    store.impose(response("ended", at(0), "192.0.2.7/32"), Recording::nothing()).await.unwrap();
    for receiver in ["settled", "away", "forgotten"] {
        let telling =
            |telling| Telling { receiver: receiver.to_owned(), delivery: format!("of {receiver}"), ..telling };
        store.tell(entry(receiver).told.into_iter().map(telling).collect()).await.unwrap();
    }
    let turn = Turn { holder: "holder".to_owned(), lasts: Duration::from_secs(60) };
    assert!(store.take_deliveries("settled", &turn, 1, at(1_000)).await.unwrap().is_some());
}

/// Makes the change, and records that.
async fn make(store: &dyn Store, change: Change) -> Result<(), StoreError> {
    let entry = entry(&format!("{change:?}"));
    let entries = vec![entry.clone()];
    match change {
        Change::TokenCreated => store.create(token("t2", 1), hash("t2"), entries).await,
        Change::TokenRevoked => store.revoke(&TokenId("t1".to_owned()), entries, at(2_000)).await.map(drop),
        Change::Finished => store.finish(&id("finished"), registered_as("c1"), entries, at(2_000)).await,
        Change::HandedOutAgain => {
            let handing_out = HandingOut { confirmed_after: None, recording: recording(entry) };
            store.begin(unlimited(shared("again")), handing_out).await.map(drop)
        }
        Change::Resolved => {
            let found_out = FoundOut { outcome: not_registered(), by: "ada" };
            store.resolve(&id("resolved"), found_out, entries, at(2_000)).await
        }
        Change::FoundUnfinished => store.find_unfinished(Duration::ZERO, recording(entry), at(2_000)).await.map(drop),
        Change::TurnEnded => {
            let client = store.client("c0").await?.unwrap();
            let client = ClientRecord { lifecycle: Lifecycle::Deleted { by: by("ada") }, ..client };
            store.end_turn(TurnEnd { entries, ..TurnEnd::of(&client, "holder") }, at(3_000)).await.map(drop)
        }
        Change::Imported => {
            let (intent, client) = (intent("imported"), client("c2"));
            store.import(Import { intent, client, by: "ada".to_owned(), entries }).await.map(drop)
        }
        Change::Imposed => store.impose(response("imposed", at(0), "192.0.2.8/32"), recording(entry)).await.map(drop),
        Change::ResponseEnded => {
            let ending = Ending { at: at(2_000), by: Some("ada".to_owned()) };
            store.end_response("ended", ending, recording(entry)).await.map(drop)
        }
        Change::DeliverySettled => {
            let settled = vec![Settled { id: "of settled".to_owned(), version: 0, fate: Fate::Done }];
            store.settle_deliveries("settled", "holder", settled, entries).await
        }
        Change::GivenUp => store.give_up_oldest("away", 0, recording(entry)).await.map(drop),
        Change::ReceiverForgotten => {
            let known = ["ops", "settled", "away"].map(str::to_owned);
            store.forget_receivers(&known, at(9_000), recording(entry)).await.map(drop)
        }
    }
}

fn recording<T>(entry: AuditEntry) -> Recording<T> {
    Recording::of(move |_: &T| vec![entry.clone()])
}

/// Everything that one of the changes changes.
async fn state(store: &dyn Store) -> String {
    let page = Page::first(100);
    let tokens = store.list(&page).await.unwrap();
    let registrations = store.registrations(&RegistrationFilter::default(), &page).await.unwrap();
    let clients = store.clients(&ClientFilter::default(), &page).await.unwrap();
    let responses = store.responses(ResponseFilter::default(), &page).await.unwrap();
    let backlog = store.backlog().await.unwrap();
    format!("{tokens:?}\n{registrations:?}\n{clients:?}\n{responses:?}\n{backlog:?}")
}

/// None of the changes can be recorded, so none is made.
pub async fn nothing_is_changed(store: &dyn Store) {
    let before = state(store).await;
    for change in ALL {
        assert!(make(store, change).await.is_err(), "{change:?}");
        assert_eq!(state(store).await, before, "{change:?}");
    }
    assert!(events(store).await.is_empty());
}

/// Each of the changes is made, and recorded once.
pub async fn each_is_changed_and_recorded(store: &dyn Store) {
    let (mut before, mut recorded) = (state(store).await, events(store).await);
    for change in ALL {
        make(store, change).await.unwrap();
        recorded.push(format!("{change:?}"));
        assert_eq!(events(store).await, recorded);
        assert_eq!(notices(store).await, [format!("{change:?}")]);
        let after = state(store).await;
        assert_ne!(after, before, "{change:?}");
        before = after;
    }
}

async fn without_a_chain_nothing_is_changed(store: &dyn Store) {
    prepare(store).await;
    nothing_is_changed(store).await;
}

async fn each_change_is_made_and_recorded_once(Handles { one, other }: &Handles) {
    open(&**one).await;
    prepare(&**one).await;
    each_is_changed_and_recorded(&**one).await;
    let everything = ALL.map(|change| format!("{change:?}"));
    assert_eq!(events(&**other).await, everything);
}

async fn what_changes_nothing_is_not_recorded(store: &dyn Store) {
    open(store).await;
    prepare(store).await;
    for change in ALL {
        make(store, change).await.unwrap();
    }
    let recorded = events(store).await;
    // Whoever says the same outcome again is recorded already; the others find nothing, or another state.
    for change in ALL {
        let again = make(store, change).await;
        let is_refused = matches!(change, Change::TokenCreated | Change::HandedOutAgain);
        assert_eq!(again.is_err(), is_refused, "{change:?}: {again:?}");
    }
    assert!(!store.revoke(&TokenId("none".to_owned()), vec![entry("nobody's")], at(9_000)).await.unwrap());
    let more: Vec<String> = events(store).await.split_off(recorded.len());
    // Revoking twice is two acts of an operator; a receiver's turn ends each time; the same response stands and is told of.
    assert_eq!(more, ["TokenRevoked", "FoundUnfinished", "Imposed", "DeliverySettled"]);
}
