//! What is due: clients that the server must be brought to, or that nobody approved in time.

use dcr_gateway::clock::Timestamp;
use dcr_gateway::lifecycle::Lifecycle;
use dcr_gateway::store::{ClientRecord, NewClient, Store, TurnEnd, Unsettled};

use super::Handles;
use super::turns::turn;
use crate::samples::{at, by, client, enter, enter_as, intent};

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    what_is_settled_is_never_due(&*empty().await.one).await;
    what_is_not_settled_is_due_when_it_is_tried_again(&empty().await).await;
    a_pending_client_is_due_at_its_end(&*empty().await.one).await;
    a_client_that_cannot_be_used_yet_begins_unsettled(&*empty().await.one).await;
    a_suspended_client_that_the_server_registers_again_is_unsettled(&*empty().await.one).await;
    the_longest_due_come_first(&*empty().await.one).await;
}

async fn unsettle(store: &dyn Store, client_id: &str, next_at: Timestamp) -> ClientRecord {
    let mut record = turn(store, client_id, "a").await;
    record.unsettled = Some(Unsettled { since: at(0), next_at, attempts: 2, last_error: Some("down".to_owned()) });
    assert!(store.end_turn(TurnEnd::of(&record, "a"), at(3_000)).await.unwrap());
    record
}

async fn what_is_settled_is_never_due(store: &dyn Store) {
    enter(store, "c1").await;
    assert!(store.due(at(i64::from(i32::MAX)), 9).await.unwrap().is_empty());
}

async fn what_is_not_settled_is_due_when_it_is_tried_again(Handles { one, other }: &Handles) {
    enter(&**one, "c1").await;
    unsettle(&**one, "c1", at(9_000)).await;
    assert!(other.due(at(8_999), 9).await.unwrap().is_empty());
    assert_eq!(other.due(at(9_000), 9).await.unwrap(), ["c1"]);
    let mut record = turn(&**other, "c1", "b").await;
    record.unsettled = None;
    assert!(other.end_turn(TurnEnd::of(&record, "b"), at(9_500)).await.unwrap());
    assert!(one.due(at(10_000), 9).await.unwrap().is_empty());
    assert_eq!(one.client("c1").await.unwrap().unwrap().unsettled, None);
}

async fn a_pending_client_is_due_at_its_end(store: &dyn Store) {
    let pending = Lifecycle::Pending { until: at(9_000), before_use: false };
    let entered = enter_as(store, intent("r1"), NewClient { lifecycle: pending, ..client("c1") }).await;
    assert_eq!(entered.unsettled, None);
    assert!(store.due(at(8_999), 9).await.unwrap().is_empty());
    assert_eq!(store.due(at(9_000), 9).await.unwrap(), ["c1"]);
    let mut record = turn(store, "c1", "a").await;
    record.lifecycle = Lifecycle::Active;
    assert!(store.end_turn(TurnEnd::of(&record, "a"), at(9_500)).await.unwrap());
    assert!(store.due(at(9_999), 9).await.unwrap().is_empty());
}

async fn a_client_that_cannot_be_used_yet_begins_unsettled(store: &dyn Store) {
    let pending = Lifecycle::Pending { until: at(9_000), before_use: true };
    let entered = enter_as(store, intent("r1"), NewClient { lifecycle: pending, ..client("c1") }).await;
    let expected = Unsettled { since: at(1_000), next_at: at(1_000), attempts: 0, last_error: None };
    assert_eq!(entered.unsettled, Some(expected));
    assert_eq!(store.due(at(1_000), 9).await.unwrap(), ["c1"]);
}

async fn a_suspended_client_that_the_server_registers_again_is_unsettled(store: &dyn Store) {
    enter(store, "c1").await;
    let mut record = turn(store, "c1", "a").await;
    record.lifecycle = Lifecycle::Suspended { by: by("ada"), pending_until: None, before_use: false };
    record.approved = Some(by("ada"));
    assert!(store.end_turn(TurnEnd::of(&record, "a"), at(3_000)).await.unwrap());
    let again = enter_as(store, intent("r2"), client("c1")).await;
    assert!(again.unsettled.is_some() && again.approved.is_none(), "{again:?}");
}

async fn the_longest_due_come_first(store: &dyn Store) {
    for (client_id, next_at) in [("c1", 7_000), ("c2", 5_000), ("c3", 6_000), ("c4", 60_000)] {
        enter(store, client_id).await;
        unsettle(store, client_id, at(next_at)).await;
    }
    assert_eq!(store.due(at(9_000), 9).await.unwrap(), ["c2", "c3", "c1"]);
    assert_eq!(store.due(at(9_000), 2).await.unwrap(), ["c2", "c3"]);
}
