//! Clients that nobody used, and since when that can be known.

use dcr_gateway::store::{HandingOut, Store, TurnEnd, Unused, Watch};

use super::Handles;
use super::turns::turn;
use crate::samples::{at, by, client, digest, enter_as, id, intent, unlimited};
use dcr_gateway::store::Intent;

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    uses_are_watched_from_the_first_moment_until_they_are_not(&empty().await).await;
    only_a_client_that_nobody_used_is_unused(&empty().await).await;
    a_client_that_was_handed_out_again_is_not_old(&*empty().await.one).await;
}

async fn uses_are_watched_from_the_first_moment_until_they_are_not(Handles { one, other }: &Handles) {
    assert_eq!(one.watch_uses(at(1_000)).await.unwrap(), Watch { since: at(1_000), last_use: None });
    other.note_uses(&[("nobody's".to_owned(), at(5_000))]).await.unwrap();
    one.note_uses(&[("nobody's".to_owned(), at(4_000))]).await.unwrap();
    let watch = Watch { since: at(1_000), last_use: Some(at(5_000)) };
    assert_eq!(other.watch_uses(at(9_000)).await.unwrap(), watch);
    other.stop_watching_uses().await.unwrap();
    one.stop_watching_uses().await.unwrap();
    one.note_uses(&[("nobody's".to_owned(), at(9_000))]).await.unwrap();
    assert_eq!(one.watch_uses(at(9_500)).await.unwrap(), Watch { since: at(9_500), last_use: None });
}

async fn entered(store: &dyn Store, client_id: &str, (profile, registered): (&str, i64)) {
    let intent = Intent { at: at(registered), profile: profile.to_owned(), ..intent(&format!("r-{client_id}")) };
    enter_as(store, intent, client(client_id)).await;
}

async fn unused(store: &dyn Store, limit: u32) -> Vec<String> {
    unused_and(store, false, limit).await
}

async fn unused_and(store: &dyn Store, only_manageable: bool, limit: u32) -> Vec<String> {
    unused_of(store, Unused { only_manageable, limit, ..partners() }).await
}

fn partners() -> Unused {
    let (profile, since, until) = ("partners".to_owned(), at(2_000), at(4_000));
    Unused { profile, client_id: None, since, until, only_manageable: false, limit: 10 }
}

async fn unused_of(store: &dyn Store, unused: Unused) -> Vec<String> {
    store.unused(&unused).await.unwrap().into_iter().map(|client| client.client_id).collect()
}

async fn only_a_client_that_nobody_used_is_unused(Handles { one, other }: &Handles) {
    let partners = |registered| ("partners", registered);
    for (name, of) in [
        ("before", partners(1_999)),
        ("second", partners(4_000)),
        ("first", partners(2_000)),
        ("after", partners(4_001)),
        ("others", ("others", 3_000)),
        ("used", partners(3_000)),
        ("suspended", partners(3_000)),
    ] {
        entered(&**one, name, of).await;
    }
    other.note_uses(&[("used".to_owned(), at(3_500))]).await.unwrap();
    let mut suspended = turn(&**one, "suspended", "a").await;
    suspended.lifecycle = suspended.lifecycle.suspend(by("ada")).unwrap();
    assert!(one.end_turn(TurnEnd::of(&suspended, "a"), at(5_000)).await.unwrap());
    assert_eq!(unused(&**other, 10).await, ["first", "second"]);
    assert_eq!(unused(&**other, 1).await, ["first"]);
    let mut lost = turn(&**one, "first", "a").await;
    lost.unmanageable = true;
    assert!(one.end_turn(TurnEnd::of(&lost, "a"), at(5_000)).await.unwrap());
    assert_eq!(unused(&**other, 1).await, ["first"]);
    assert_eq!(unused_and(&**other, true, 1).await, ["second"]);
    let one_alone = async |client_id: &str| {
        unused_of(&**other, Unused { client_id: Some(client_id.to_owned()), ..self::partners() }).await
    };
    assert_eq!(one_alone("second").await, ["second"]);
    for other in ["before", "after", "others", "used", "suspended", "none"] {
        assert_eq!(one_alone(other).await, [""; 0], "{other}");
    }
}

async fn a_client_that_was_handed_out_again_is_not_old(store: &dyn Store) {
    let shared = |name: &str, registered| {
        let digest = Some(digest("d"));
        Intent { at: at(registered), digest, ..intent(name) }
    };
    enter_as(store, shared("r1", 3_000), client("c1")).await;
    assert_eq!(unused(store, 10).await, ["c1"]);
    store.begin(unlimited(shared("r2", 4_001)), HandingOut::unrecorded()).await.unwrap();
    assert_eq!(store.registration(&id("r2")).await.unwrap().unwrap().client_id.as_deref(), Some("c1"));
    assert_eq!(unused(store, 10).await, [""; 0]);
}
