//! What is decided, what is recorded of it and what receivers are told of it: all of it, or none.

use std::time::Duration;

use dcr_gateway::lifecycle::Lifecycle;
use dcr_gateway::store::{
    AuditEntry, Backlog, ClientRecord, Ending, Fate, Form, Imposed, Occasion, Recording, ResponseRecord, Settled,
    Store, Telling, Turn, TurnEnd, TurnTaken, WriterId,
};

use super::Handles;
use super::responses::response;
use super::turns::turn;
use crate::samples::{at, by, enter};

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    a_turn_ends_with_its_record_and_its_notice(&empty().await).await;
    a_turn_that_is_anothers_leaves_no_record(&empty().await).await;
    a_turn_that_ends_in_doubt_tells_the_next_holder(&empty().await).await;
    a_response_is_recorded_as_what_it_came_to(&empty().await).await;
    what_is_given_up_is_recorded(&empty().await).await;
}

/// The record of an event, and what one receiver is told of it.
pub fn entry(event: &str) -> AuditEntry {
    let telling = Telling {
        receiver: "ops".to_owned(),
        delivery: format!("of {event}"),
        key: event.to_owned(),
        form: Form::Gathered { group: event.to_owned(), until: at(0) },
        occasion: Occasion::Begins { quiet_until: at(0) },
        at: at(0),
        notice: event.to_owned(),
    };
    AuditEntry { at: at(1), event: format!("{{\"event\":\"{event}\"}}"), told: vec![telling] }
}

pub async fn events(store: &dyn Store) -> Vec<String> {
    let records = store.records_of(&WriterId("w".to_owned()), 0, 1_000).await.unwrap();
    records.into_iter().map(|record| record.event.split('"').nth(3).unwrap().to_owned()).collect()
}

/// What the receiver is told, which is done with by that.
pub async fn notices(store: &dyn Store) -> Vec<String> {
    let turn = Turn { holder: "teller".to_owned(), lasts: Duration::from_secs(60) };
    let taken = store.take_deliveries("ops", &turn, 100, at(1_000_000)).await.unwrap().expect("nobody else is at it");
    let done = |id: &str| Settled { id: id.to_owned(), version: 0, fate: Fate::Done };
    let settled = taken.iter().map(|delivery| done(&delivery.id)).collect();
    store.settle_deliveries("ops", "teller", settled, Vec::new()).await.unwrap();
    taken.into_iter().flat_map(|delivery| delivery.notices).collect()
}

pub async fn open(store: &dyn Store) {
    store.open_chain(WriterId("w".to_owned()), None).await.unwrap();
}

fn deletion(client: ClientRecord, holder: &str, event: &str) -> TurnEnd {
    let client = ClientRecord { lifecycle: Lifecycle::Deleted { by: by("ada") }, ..client };
    TurnEnd { entries: vec![entry(event)], ..TurnEnd::of(&client, holder) }
}

async fn a_turn_ends_with_its_record_and_its_notice(Handles { one, other }: &Handles) {
    open(&**one).await;
    enter(&**one, "c1").await;
    let client = turn(&**one, "c1", "a").await;
    assert!(one.end_turn(deletion(client, "a", "deleted"), at(3_000)).await.unwrap());
    let found = other.client("c1").await.unwrap().unwrap();
    assert!(matches!(found.lifecycle, Lifecycle::Deleted { .. }));
    assert_eq!(events(&**other).await, ["deleted"]);
    assert_eq!(notices(&**other).await, ["deleted"]);
}

async fn a_turn_that_is_anothers_leaves_no_record(Handles { one, other }: &Handles) {
    open(&**one).await;
    enter(&**one, "c1").await;
    let client = turn(&**other, "c1", "b").await;
    assert!(!one.end_turn(deletion(client.clone(), "a", "too late"), at(3_000)).await.unwrap());
    let unknown = ClientRecord { client_id: "nobody".to_owned(), ..client };
    assert!(!one.end_turn(deletion(unknown, "b", "nobody's"), at(3_000)).await.unwrap());
    assert!(one.client("c1").await.unwrap().unwrap().lifecycle.state().is_live());
    assert!(events(&**one).await.is_empty() && notices(&**one).await.is_empty());
}

async fn a_turn_that_ends_in_doubt_tells_the_next_holder(Handles { one, other }: &Handles) {
    let before = enter(&**one, "c1").await;
    let mut client = turn(&**one, "c1", "a").await;
    client.client_name = Some("New".to_owned());
    let end = TurnEnd { is_in_doubt: true, ..TurnEnd::of(&client, "a") };
    assert!(one.end_turn(end, at(3_000)).await.unwrap());
    let next = Turn { holder: "b".to_owned(), lasts: Duration::from_secs(10) };
    match other.take_turn("c1", &next, at(3_000)).await.unwrap() {
        TurnTaken::Taken { client, interrupted: true } => {
            assert_eq!((client.client_name.as_deref(), client.version), (Some("New"), before.version + 1));
        }
        taken => panic!("{taken:?}"),
    }
    // Whoever looked is the last to be told.
    assert!(other.end_turn(TurnEnd::of(&client, "b"), at(3_001)).await.unwrap());
    turn(&**one, "c1", "c").await;
}

async fn a_response_is_recorded_as_what_it_came_to(Handles { one, other }: &Handles) {
    open(&**one).await;
    let record = || {
        Recording::of(|imposed: &Imposed| match imposed {
            Imposed::New => vec![entry("new")],
            Imposed::Prolonged(longer) => {
                vec![entry(&format!("{} until {}", longer.id, longer.expires_at.unix_millis()))]
            }
            Imposed::Stands(_) => Vec::new(),
        })
    };
    let first = response("r1", at(0), "192.0.2.7/32");
    let longer = ResponseRecord { id: "r2".to_owned(), expires_at: at(99_000), ..first.clone() };
    one.impose(first, record()).await.unwrap();
    one.impose(longer.clone(), record()).await.unwrap();
    one.impose(longer, record()).await.unwrap();
    let ended = |_: &ResponseRecord| vec![entry("ended")];
    let lifted = Ending { at: at(1_000), by: Some("ada".to_owned()) };
    for id in ["r1", "r1", "nobody's"] {
        one.end_response(id, lifted.clone(), Recording::of(ended)).await.unwrap();
    }
    let prolonged = format!("r1 until {}", at(99_000).unix_millis());
    assert_eq!(events(&**other).await, ["new", &prolonged, "ended"]);
    assert_eq!(notices(&**other).await.len(), 3);
}

async fn what_is_given_up_is_recorded(Handles { one, other }: &Handles) {
    open(&**one).await;
    let record = || {
        Recording::of(|gone: &Vec<Backlog>| {
            gone.iter().map(|gone| entry(&format!("{} of {}", gone.count, gone.receiver))).collect()
        })
    };
    for number in 0..3 {
        let told = entry(&format!("{number}")).told;
        one.tell(told.into_iter().map(|telling| Telling { receiver: "away".to_owned(), ..telling }).collect())
            .await
            .unwrap();
    }
    assert_eq!(one.give_up_oldest("away", 2, record()).await.unwrap(), 1);
    assert_eq!(one.give_up_oldest("away", 2, record()).await.unwrap(), 0);
    one.forget_receivers(&["ops".to_owned()], at(1_000), record()).await.unwrap();
    assert_eq!(events(&**other).await, ["1 of away", "2 of away"]);
    assert_eq!(notices(&**other).await.len(), 2);
    one.settle_deliveries("ops", "teller", Vec::new(), vec![entry("refused")]).await.unwrap();
    assert_eq!(events(&**other).await.last().map(String::as_str), Some("refused"));
}
