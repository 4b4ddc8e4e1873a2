//! Responses: one of a kind at a time, prolonged by the same again, ended once, seen by every handle, forgotten after their time.

use dcr_gateway::clock::Timestamp;
use dcr_gateway::store::{
    Cursor, Ending, Imposed, Page, RESPONSES_KEPT, Recording, ResponseAction, ResponseFilter, ResponseRecord, Store,
};

use super::Handles;
use crate::samples::at;

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    the_same_again_prolongs_and_never_shortens(&empty().await).await;
    one_of_many_at_once_is_new(&empty().await).await;
    an_ended_one_makes_room_and_ends_once(&empty().await).await;
    is_ended_by_time_when_its_time_is_over_and_not_before(&*empty().await.one).await;
    another_handle_sees_every_change_by_its_version(&empty().await).await;
    lists_responses_newest_first(&empty().await).await;
    forgets_responses_after_their_time(&*empty().await.one).await;
}

/// One that a detector imposed, for a minute.
pub fn response(id: &str, created_at: Timestamp, subject: &str) -> ResponseRecord {
    ResponseRecord {
        id: id.to_owned(),
        action: ResponseAction::BanAddress,
        subject: subject.to_owned(),
        factor: 1,
        dry_run: false,
        author: "token_guessing".to_owned(),
        finding: Some(format!("finding of {id}")),
        reason: (id != "r1").then(|| "somebody \u{1f50d} guesses".to_owned()),
        created_at,
        expires_at: Timestamp::from_unix_millis(created_at.unix_millis() + 60_000),
        ended: None,
    }
}

fn lifted(moment: Timestamp) -> Ending {
    Ending { at: moment, by: Some("ada".to_owned()) }
}

fn over(moment: Timestamp) -> Ending {
    Ending { at: moment, by: None }
}

async fn the_same_again_prolongs_and_never_shortens(Handles { one, other }: &Handles) {
    let first = response("r1", at(0), "192.0.2.7/32");
    assert_eq!(one.impose(first.clone(), Recording::nothing()).await.unwrap(), Imposed::New);
    let longer = ResponseRecord { expires_at: at(90_000), ..response("r2", at(1_000), "192.0.2.7/32") };
    let prolonged = ResponseRecord { expires_at: at(90_000), ..first.clone() };
    assert_eq!(other.impose(longer, Recording::nothing()).await.unwrap(), Imposed::Prolonged(prolonged.clone()));
    let shorter = ResponseRecord { expires_at: at(10_000), ..response("r3", at(2_000), "192.0.2.7/32") };
    assert_eq!(one.impose(shorter, Recording::nothing()).await.unwrap(), Imposed::Stands(prolonged.clone()));
    let stricter = ResponseRecord { factor: 3, ..response("r4", at(2_000), "192.0.2.7/32") };
    let strict = ResponseRecord { factor: 3, ..prolonged };
    assert_eq!(one.impose(stricter, Recording::nothing()).await.unwrap(), Imposed::Prolonged(strict.clone()));
    for beside in [
        response("r5", at(0), "192.0.2.8/32"),
        ResponseRecord { dry_run: true, ..response("r6", at(0), "192.0.2.7/32") },
        ResponseRecord { action: ResponseAction::BanToken, ..response("r7", at(0), "192.0.2.7/32") },
    ] {
        assert_eq!(other.impose(beside.clone(), Recording::nothing()).await.unwrap(), Imposed::New);
        assert_eq!(one.response(&beside.id).await.unwrap(), Some(beside));
    }
    assert_eq!(other.response("r1").await.unwrap(), Some(strict));
    assert_eq!(other.response("r2").await.unwrap(), None);
}

async fn one_of_many_at_once_is_new(handles: &Handles) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let store = if number % 2 == 0 { &handles.one } else { &handles.other }.clone();
        let same = response(&format!("r{number}"), at(0), "192.0.2.7/32");
        tasks.spawn(async move { store.impose(same, Recording::nothing()).await.unwrap() });
    }
    let imposed = tasks.join_all().await;
    assert_eq!(imposed.iter().filter(|imposed| **imposed == Imposed::New).count(), 1, "{imposed:?}");
    let in_force = handles.one.responses_in_force(None).await.unwrap().unwrap();
    assert_eq!(in_force.responses.len(), 1);
}

async fn an_ended_one_makes_room_and_ends_once(Handles { one, other }: &Handles) {
    let first = response("r1", at(0), "192.0.2.7/32");
    one.impose(first.clone(), Recording::nothing()).await.unwrap();
    let ended = other.end_response("r1", lifted(at(1_000)), Recording::nothing()).await.unwrap();
    assert_eq!(ended, Some(ResponseRecord { ended: Some(lifted(at(1_000))), ..first }));
    assert_eq!(one.end_response("r1", lifted(at(2_000)), Recording::nothing()).await.unwrap(), None);
    assert_eq!(one.end_response("r1", over(at(99_000)), Recording::nothing()).await.unwrap(), None);
    assert_eq!(one.end_response("nobody's", lifted(at(2_000)), Recording::nothing()).await.unwrap(), None);
    assert_eq!(one.response("r1").await.unwrap(), ended);
    assert_eq!(
        one.impose(response("r2", at(3_000), "192.0.2.7/32"), Recording::nothing()).await.unwrap(),
        Imposed::New
    );
}

async fn is_ended_by_time_when_its_time_is_over_and_not_before(store: &dyn Store) {
    store.impose(response("r1", at(0), "192.0.2.7/32"), Recording::nothing()).await.unwrap();
    assert_eq!(store.end_response("r1", over(at(59_999)), Recording::nothing()).await.unwrap(), None);
    assert!(store.end_response("r1", over(at(60_000)), Recording::nothing()).await.unwrap().is_some());
}

async fn another_handle_sees_every_change_by_its_version(Handles { one, other }: &Handles) {
    let seen = async |known| other.responses_in_force(known).await.unwrap();
    let nothing = seen(None).await.unwrap();
    assert_eq!((nothing.responses.len(), seen(Some(nothing.version)).await), (0, None));
    let (older, younger) = (response("r1", at(0), "192.0.2.7/32"), response("r2", at(1_000), "192.0.2.8/32"));
    one.impose(older.clone(), Recording::nothing()).await.unwrap();
    one.impose(younger.clone(), Recording::nothing()).await.unwrap();
    let both = seen(Some(nothing.version)).await.unwrap();
    assert_eq!(both.responses, [younger.clone(), older.clone()]);
    // What stands is no change.
    one.impose(older.clone(), Recording::nothing()).await.unwrap();
    assert_eq!(seen(Some(both.version)).await, None);
    let longer = ResponseRecord { expires_at: at(200_000), ..older.clone() };
    one.impose(longer.clone(), Recording::nothing()).await.unwrap();
    let prolonged = seen(Some(both.version)).await.unwrap();
    assert_eq!(prolonged.responses, [younger.clone(), longer]);
    one.end_response("r1", lifted(at(2_000)), Recording::nothing()).await.unwrap();
    assert_eq!(seen(Some(prolonged.version)).await.unwrap().responses, [younger]);
}

async fn lists_responses_newest_first(Handles { one, other }: &Handles) {
    for (id, millis, subject) in [("r1", 0, "a"), ("r2", 1_000, "b"), ("r3", 1_000, "c")] {
        one.impose(response(id, at(millis), subject), Recording::nothing()).await.unwrap();
    }
    one.end_response("r2", lifted(at(2_000)), Recording::nothing()).await.unwrap();
    let list = async |only_in_force: bool, page: Page| {
        let found = other.responses(ResponseFilter { only_in_force }, &page).await.unwrap();
        found.into_iter().map(|response| response.id).collect::<Vec<_>>()
    };
    let all = ResponseFilter::default().only_in_force;
    assert_eq!(list(all, Page::first(9)).await, ["r3", "r2", "r1"]);
    assert_eq!(list(!all, Page::first(9)).await, ["r3", "r1"]);
    let behind = Page { after: Some(Cursor { at: at(1_000), id: "r3".to_owned() }), limit: 1 };
    assert_eq!(list(all, behind.clone()).await, ["r2"]);
    assert_eq!(list(!all, behind).await, ["r1"]);
}

async fn forgets_responses_after_their_time(store: &dyn Store) {
    store.impose(response("in force", at(0), "a"), Recording::nothing()).await.unwrap();
    store.impose(response("old", at(0), "b"), Recording::nothing()).await.unwrap();
    store.end_response("old", lifted(at(1_000)), Recording::nothing()).await.unwrap();
    store.tidy(at(1_000).after(RESPONSES_KEPT)).await.unwrap();
    assert!(store.response("old").await.unwrap().is_some());
    store.tidy(at(1_001).after(RESPONSES_KEPT)).await.unwrap();
    assert_eq!(store.response("old").await.unwrap(), None);
    assert!(store.response("in force").await.unwrap().is_some(), "nobody has ended it");
}
