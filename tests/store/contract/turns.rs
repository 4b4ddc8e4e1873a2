//! Turns: who is at work on a client at this moment.

use std::time::Duration;

use dcr_gateway::lifecycle::{Approval, Lifecycle};
use dcr_gateway::store::{ClientRecord, Sealed, Store, Turn, TurnEnd, TurnTaken, Unsettled};

use super::Handles;
use crate::samples::{at, by, client, enter, enter_as, hash, id, intent, registrant};

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    two_take_turns(&empty().await).await;
    a_turn_whose_time_is_over_is_anothers(&empty().await).await;
    a_turn_that_is_broken_off_is_free_at_once(&empty().await).await;
    a_turn_writes_what_the_client_is_now(&*empty().await.one).await;
    a_turn_keeps_where_the_client_came_from(&*empty().await.one).await;
    a_turn_that_changed_nothing_to_be_read_makes_no_other_version(&*empty().await.one).await;
    a_use_during_a_turn_is_not_lost(&empty().await).await;
    a_registration_during_a_turn_leaves_the_turn_alone(&*empty().await.one).await;
    of_many_at_once_one_has_the_turn(&empty().await).await;
}

/// A turn of ten seconds.
fn ten_seconds(holder: &str) -> Turn {
    Turn { holder: holder.to_owned(), lasts: Duration::from_secs(10) }
}

/// Takes the turn, which is free.
pub async fn turn(store: &dyn Store, client_id: &str, holder: &str) -> ClientRecord {
    match store.take_turn(client_id, &ten_seconds(holder), at(2_000)).await.unwrap() {
        TurnTaken::Taken { client, interrupted: false } => *client,
        other => panic!("{other:?}"),
    }
}

/// Deletes the client.
pub async fn leave(store: &dyn Store, client_id: &str) {
    let mut client = turn(store, client_id, "leaving").await;
    client.lifecycle = Lifecycle::Deleted { by: by("client") };
    assert!(store.end_turn(TurnEnd::of(&client, "leaving"), at(2_500)).await.unwrap());
}

async fn two_take_turns(Handles { one, other }: &Handles) {
    assert_eq!(one.take_turn("c1", &ten_seconds("a"), at(0)).await.unwrap(), TurnTaken::Unknown);
    let before = enter(&**one, "c1").await;
    let mut client = turn(&**one, "c1", "a").await;
    assert_eq!(client, before);
    for (holder, now) in [("b", 2_000), ("a", 2_001), ("b", 11_999)] {
        assert_eq!(other.take_turn("c1", &ten_seconds(holder), at(now)).await.unwrap(), TurnTaken::Busy, "{now}");
    }
    assert_eq!(other.client("c1").await.unwrap(), Some(before), "reading needs no turn");
    client.client_name = Some("New".to_owned());
    assert!(!other.end_turn(TurnEnd::of(&client, "b"), at(3_000)).await.unwrap(), "b does not hold it");
    assert!(one.end_turn(TurnEnd::of(&client, "a"), at(3_000)).await.unwrap());
    assert!(!one.end_turn(TurnEnd::of(&client, "a"), at(3_000)).await.unwrap(), "it is over");
    let next = turn(&**other, "c1", "b").await;
    assert_eq!((next.client_name.as_deref(), next.version, next.updated_at), (Some("New"), 2, at(3_000)));
}

async fn a_turn_whose_time_is_over_is_anothers(Handles { one, other }: &Handles) {
    enter(&**one, "c1").await;
    let mut late = turn(&**one, "c1", "a").await;
    let taken = other.take_turn("c1", &ten_seconds("b"), at(12_000)).await.unwrap();
    let TurnTaken::Taken { client, interrupted: true } = taken else { panic!("{taken:?}") };
    late.client_name = Some("Late".to_owned());
    assert!(!one.end_turn(TurnEnd::of(&late, "a"), at(12_001)).await.unwrap());
    one.break_off_turn("c1", "a", at(12_001)).await.unwrap();
    assert_eq!(one.take_turn("c1", &ten_seconds("a"), at(12_002)).await.unwrap(), TurnTaken::Busy);
    assert!(other.end_turn(TurnEnd::of(&client, "b"), at(12_003)).await.unwrap());
    let after = turn(&**one, "c1", "a").await;
    assert_eq!(after.client_name, client.client_name, "nothing of a's was written");
    // Taken while a clock was ahead: nobody waits for that day.
    one.take_turn("c1", &ten_seconds("ahead"), at(86_400_000)).await.unwrap();
    let taken = other.take_turn("c1", &ten_seconds("b"), at(13_000)).await.unwrap();
    assert!(matches!(taken, TurnTaken::Taken { interrupted: true, .. }), "{taken:?}");
}

async fn a_turn_that_is_broken_off_is_free_at_once(Handles { one, other }: &Handles) {
    enter(&**one, "c1").await;
    turn(&**one, "c1", "a").await;
    other.break_off_turn("c1", "b", at(2_001)).await.unwrap();
    assert_eq!(other.take_turn("c1", &ten_seconds("b"), at(2_001)).await.unwrap(), TurnTaken::Busy);
    one.break_off_turn("c1", "a", at(2_002)).await.unwrap();
    one.break_off_turn("nobody's", "a", at(2_002)).await.unwrap();
    let taken = other.take_turn("c1", &ten_seconds("b"), at(2_002)).await.unwrap();
    let TurnTaken::Taken { client, interrupted: true } = taken else { panic!("{taken:?}") };
    assert_eq!(client.version, 1, "nothing was changed");
    assert!(other.end_turn(TurnEnd::of(&client, "b"), at(2_003)).await.unwrap());
    turn(&**one, "c1", "a").await;
}

async fn a_turn_writes_what_the_client_is_now(store: &dyn Store) {
    let before = enter(store, "c1").await;
    turn(store, "c1", "a").await;
    let changed = ClientRecord {
        lifecycle: Lifecycle::Suspended { by: by("ada"), pending_until: Some(at(9)), before_use: false },
        client_name: None,
        redirect_uris: vec!["https://new.example/cb".to_owned()],
        scope_requested: Some("email".to_owned()),
        scope_granted: "email".to_owned(),
        scope_withheld: String::new(),
        scope_approved: "orders:write".to_owned(),
        metadata: serde_json::from_str(r#"{ "new": [1, null, { "a": "b" }] }"#).unwrap(),
        access_token: Some(hash("new")),
        server_access: Some(Sealed(vec![7; 300])),
        unmanageable: true,
        confirmed_at: at(2_500),
        unsettled: Some(Unsettled { since: at(1), next_at: at(2), attempts: 3, last_error: Some("down".to_owned()) }),
        members_behind: true,
        approved: Some(by("ada")),
        first_approval: Some(Approval { by: by("bob"), scopes: "a b".to_owned() }),
        asked: Some(serde_json::from_str(r#"{ "scope": "a \u0000" }"#).unwrap()),
        ..before
    };
    assert!(store.end_turn(TurnEnd::of(&changed, "a"), at(3_000)).await.unwrap());
    let expected = ClientRecord { updated_at: at(3_000), version: 2, ..changed };
    assert_eq!(store.client("c1").await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.client_by_access_token(hash("new")).await.unwrap(), Some(expected));
    assert_eq!(store.client_by_access_token(hash("c1")).await.unwrap(), None);
}

async fn a_turn_keeps_where_the_client_came_from(store: &dyn Store) {
    let before = enter(store, "c1").await;
    turn(store, "c1", "a").await;
    let forged = ClientRecord {
        registration: id("r9"),
        profile: "mcp".to_owned(),
        registrant: registrant("eve"),
        created_at: at(9),
        updated_at: at(9),
        version: 9,
        last_used_at: Some(at(9)),
        ..before.clone()
    };
    assert!(store.end_turn(TurnEnd::of(&forged, "a"), at(3_000)).await.unwrap());
    assert_eq!(store.client("c1").await.unwrap(), Some(before));
}

async fn a_turn_that_changed_nothing_to_be_read_makes_no_other_version(store: &dyn Store) {
    let before = enter(store, "c1").await;
    turn(store, "c1", "a").await;
    let confirmed = ClientRecord {
        access_token: Some(hash("new")),
        server_access: Some(Sealed(vec![7; 300])),
        confirmed_at: at(2_500),
        ..before
    };
    assert!(store.end_turn(TurnEnd::of(&confirmed, "a"), at(3_000)).await.unwrap());
    assert_eq!(store.client("c1").await.unwrap().as_ref(), Some(&confirmed), "written, at the version it was");
    turn(store, "c1", "b").await;
    let changed = ClientRecord { unmanageable: true, ..confirmed };
    assert!(store.end_turn(TurnEnd::of(&changed, "b"), at(4_000)).await.unwrap());
    let expected = ClientRecord { updated_at: at(4_000), version: 2, ..changed };
    assert_eq!(store.client("c1").await.unwrap(), Some(expected));
}

async fn a_use_during_a_turn_is_not_lost(Handles { one, other }: &Handles) {
    enter(&**one, "c1").await;
    let client = turn(&**one, "c1", "a").await;
    other.note_uses(&[("c1".to_owned(), at(5_000))]).await.unwrap();
    assert!(one.end_turn(TurnEnd::of(&client, "a"), at(6_000)).await.unwrap());
    assert_eq!(other.client("c1").await.unwrap().unwrap().last_used_at, Some(at(5_000)));
}

async fn a_registration_during_a_turn_leaves_the_turn_alone(store: &dyn Store) {
    enter(store, "c1").await;
    turn(store, "c1", "a").await;
    enter_as(store, intent("r2"), client("c1")).await;
    assert_eq!(store.take_turn("c1", &ten_seconds("b"), at(3_000)).await.unwrap(), TurnTaken::Busy);
}

async fn of_many_at_once_one_has_the_turn(Handles { one, other }: &Handles) {
    enter(&**one, "c1").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64 {
        let store = if number % 2 == 0 { one } else { other }.clone();
        tasks.spawn(async move {
            let turn = ten_seconds(&format!("holder-{number}"));
            store.take_turn("c1", &turn, at(2_000)).await.unwrap()
        });
    }
    let taken = tasks.join_all().await;
    assert_eq!(taken.iter().filter(|taken| matches!(taken, TurnTaken::Taken { .. })).count(), 1);
    assert_eq!(taken.iter().filter(|taken| **taken == TurnTaken::Busy).count(), 63);
}
