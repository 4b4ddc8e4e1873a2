//! What receivers of alerts are to be told: entered with what it tells, gathered, told once, taken by one process at a time, kept until it is delivered.

use std::time::Duration;

use dcr_gateway::clock::Timestamp;
use dcr_gateway::store::{
    AuditEntry, Backlog, Delivery, Fate, Form, Interest, MOST_NOTICES, Occasion, Recording, Settled, Store, Telling,
    Turn, WriterId,
};

use super::Handles;
use super::findings::finding;
use crate::samples::at;

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    gathers_what_belongs_together(&empty().await).await;
    adds_nothing_to_what_is_being_delivered(&empty().await).await;
    tells_the_same_thing_once(&empty().await).await;
    tells_again_what_is_another_thing(&empty().await).await;
    tells_the_end_to_whoever_was_told(&empty().await).await;
    lets_one_process_deliver_at_a_time(&empty().await).await;
    keeps_what_failed_and_repeats_what_lasts(&*empty().await.one).await;
    replaces_what_lasts(&empty().await).await;
    bounds_what_waits(&*empty().await.one).await;
    enters_what_is_told_with_what_it_tells(&empty().await).await;
}

const GATHERING: u64 = 30;

pub fn gathered(key: &str, moment: Timestamp) -> Telling {
    Telling {
        receiver: "ops".to_owned(),
        delivery: format!("of {key} at {}", moment.unix_millis()),
        key: key.to_owned(),
        form: Form::Gathered { group: "pending".to_owned(), until: moment.after(Duration::from_secs(GATHERING)) },
        occasion: Occasion::Begins { quiet_until: moment.after(Duration::from_secs(3600)) },
        at: moment,
        notice: format!("notice of {key} \u{1f50d}"),
    }
}

fn for_mail(telling: Telling) -> Telling {
    Telling { receiver: "mail".to_owned(), delivery: format!("{} for mail", telling.delivery), ..telling }
}

pub fn lasting(key: &str, moment: Timestamp, until: Timestamp) -> Telling {
    Telling { form: Form::Lasting { until }, ..gathered(key, moment) }
}

pub fn end(telling: Telling, interest: Interest) -> Telling {
    Telling { occasion: Occasion::Ends(interest), notice: format!("end of {}", telling.key), ..telling }
}

pub fn turn(holder: &str) -> Turn {
    Turn { holder: holder.to_owned(), lasts: Duration::from_secs(60) }
}

pub async fn take(store: &dyn Store, moment: Timestamp) -> Vec<Delivery> {
    store.take_deliveries("ops", &turn("a"), 10, moment).await.unwrap().expect("nobody else is at it")
}

async fn settle(store: &dyn Store, delivery: &Delivery, fate: Fate) {
    let settled = Settled { id: delivery.id.clone(), version: delivery.version, fate };
    store.settle_deliveries("ops", "a", vec![settled], Vec::new()).await.unwrap();
}

fn told(deliveries: &[Delivery]) -> Vec<&[String]> {
    deliveries.iter().map(|delivery| delivery.notices.as_slice()).collect()
}

async fn gathers_what_belongs_together(Handles { one, other }: &Handles) {
    one.tell(vec![gathered("a", at(1_000))]).await.unwrap();
    other.tell(vec![gathered("b", at(2_000))]).await.unwrap();
    one.tell(vec![for_mail(gathered("c", at(2_000)))]).await.unwrap();
    assert_eq!(other.receivers_due(at(30_999)).await.unwrap(), [""; 0]);
    assert_eq!(take(&**other, at(30_999)).await, []);
    assert_eq!(other.receivers_due(at(32_000)).await.unwrap(), ["mail", "ops"]);
    let taken = take(&**other, at(31_000)).await;
    assert_eq!(told(&taken), [["notice of a \u{1f50d}", "notice of b \u{1f50d}"]]);
    let begun = gathered("a", at(1_000)).delivery;
    assert_eq!((&taken[0].id, taken[0].created_at, taken[0].attempts), (&begun, at(1_000), 0));
    settle(&**other, &taken[0], Fate::Done).await;
    assert_eq!(one.backlog().await.unwrap(), [Backlog { receiver: "mail".to_owned(), count: 1 }]);

    let many = (0..MOST_NOTICES + 7).map(|number| gathered(&format!("many {number}"), at(40_000))).collect();
    one.tell(many).await.unwrap();
    let taken = take(&**one, at(80_000)).await;
    assert_eq!((taken[0].notices.len(), taken[0].more), (MOST_NOTICES as usize, 7));
}

async fn adds_nothing_to_what_is_being_delivered(Handles { one, other }: &Handles) {
    one.tell(vec![gathered("a", at(1_000))]).await.unwrap();
    let first = take(&**one, at(40_000)).await;
    other.tell(vec![gathered("b", at(40_500))]).await.unwrap();
    settle(&**one, &first[0], Fate::Failed { next_at: at(41_000), error: "away".to_owned() }).await;
    other.tell(vec![gathered("c", at(41_500))]).await.unwrap();
    let again = take(&**one, at(42_000)).await;
    assert_eq!(told(&again), [["notice of a \u{1f50d}"]], "a second attempt says what the first said");
    assert_eq!((&again[0].id, again[0].attempts), (&first[0].id, 1));
    settle(&**one, &again[0], Fate::Done).await;
    assert_eq!(told(&take(&**one, at(80_000)).await), [["notice of b \u{1f50d}", "notice of c \u{1f50d}"]]);
}

async fn tells_the_same_thing_once(Handles { one, other }: &Handles) {
    one.tell(vec![gathered("a", at(1_000))]).await.unwrap();
    other.tell(vec![gathered("a", at(1_500)), gathered("a", at(3_600_999))]).await.unwrap();
    let taken = take(&**one, at(4_000_000)).await;
    assert_eq!(told(&taken), [["notice of a \u{1f50d}"]]);
    settle(&**one, &taken[0], Fate::Done).await;
    // Another receiver was not told, and its time is over for this one.
    one.tidy(at(4_000_000)).await.unwrap();
    other.tell(vec![gathered("a", at(3_601_000))]).await.unwrap();
    other.tell(vec![for_mail(gathered("a", at(3_601_000)))]).await.unwrap();
    assert_eq!(one.receivers_due(at(4_000_000)).await.unwrap(), ["mail", "ops"]);
}

async fn tells_again_what_is_another_thing(Handles { one, other }: &Handles) {
    let changed = |moment| Telling {
        occasion: Occasion::Changes { quiet_until: at(9_000_000) },
        notice: "another".to_owned(),
        ..gathered("a", moment)
    };
    one.tell(vec![gathered("a", at(1_000)), changed(at(2_000)), gathered("a", at(3_000))]).await.unwrap();
    other.tell(vec![changed(at(4_000)), gathered("a", at(8_999_999))]).await.unwrap();
    let taken = take(&**one, at(40_000)).await;
    assert_eq!(told(&taken), [["notice of a \u{1f50d}", "another", "another"]]);
    settle(&**one, &taken[0], Fate::Done).await;
    // What is told as long as it lasts is replaced in any case, or begins.
    let lasts = Form::Lasting { until: at(900_000) };
    one.tell(vec![Telling { form: lasts, ..changed(at(50_000)) }]).await.unwrap();
    assert_eq!(told(&take(&**one, at(50_000)).await), [["another"]]);
}

async fn tells_the_end_to_whoever_was_told(Handles { one, other }: &Handles) {
    one.tell(vec![end(gathered("a", at(1_000)), Interest::Told)]).await.unwrap();
    assert_eq!(one.backlog().await.unwrap(), [], "nobody was told of it");
    one.tell(vec![end(gathered("a", at(1_000)), Interest::All)]).await.unwrap();
    one.tell(vec![gathered("b", at(1_000)), gathered("b", at(1_100))]).await.unwrap();
    other.tell(vec![end(gathered("b", at(1_200)), Interest::Told)]).await.unwrap();
    one.tell(vec![end(gathered("b", at(1_300)), Interest::Told)]).await.unwrap();
    // It may begin again.
    other.tell(vec![gathered("b", at(1_400))]).await.unwrap();
    let all = ["end of a", "notice of b \u{1f50d}", "end of b", "notice of b \u{1f50d}"];
    assert_eq!(told(&take(&**one, at(40_000)).await), [all]);
}

async fn lets_one_process_deliver_at_a_time(Handles { one, other }: &Handles) {
    one.tell(vec![gathered("a", at(1_000))]).await.unwrap();
    // Taken while a clock was ahead: nobody waits for that day.
    one.take_deliveries("ops", &turn("ahead"), 10, at(86_400_000)).await.unwrap().unwrap();
    let taken = one.take_deliveries("ops", &turn("a"), 10, at(40_000)).await.unwrap().unwrap();
    assert_eq!(other.take_deliveries("ops", &turn("b"), 10, at(99_999)).await.unwrap(), None);
    assert_eq!(other.take_deliveries("mail", &turn("b"), 10, at(99_999)).await.unwrap(), Some(Vec::new()));
    // Whoever had the turn was killed: it is over after its time, and the same is delivered under the same name.
    let again = other.take_deliveries("ops", &turn("b"), 10, at(100_000)).await.unwrap().unwrap();
    assert_eq!((&again[0].id, &again[0].notices), (&taken[0].id, &taken[0].notices));
    let settled = |fate| vec![Settled { id: again[0].id.clone(), version: again[0].version, fate }];
    // It was not killed, only late: its end ends no turn but its own.
    let failed = Fate::Failed { next_at: at(100_500), error: "away".to_owned() };
    one.settle_deliveries("ops", "a", settled(failed), Vec::new()).await.unwrap();
    assert_eq!(one.take_deliveries("ops", &turn("a"), 10, at(101_000)).await.unwrap(), None);
    other.settle_deliveries("ops", "b", settled(Fate::Done), Vec::new()).await.unwrap();
    assert_eq!(one.take_deliveries("ops", &turn("a"), 10, at(102_000)).await.unwrap(), Some(Vec::new()));
}

async fn keeps_what_failed_and_repeats_what_lasts(store: &dyn Store) {
    store.tell(vec![lasting("fire", at(1_000), at(900_000)), gathered("a", at(1_000))]).await.unwrap();
    let taken = take(store, at(1_000)).await;
    assert_eq!(told(&taken), [["notice of fire \u{1f50d}"]], "what lasts does not gather");
    settle(store, &taken[0], Fate::Again(at(61_000))).await;
    assert_eq!(store.backlog().await.unwrap(), [Backlog { receiver: "ops".to_owned(), count: 1 }]);
    let taken = take(store, at(61_000)).await;
    assert_eq!(taken.len(), 2);
    for delivery in &taken {
        settle(store, delivery, Fate::Failed { next_at: at(70_000), error: "away".to_owned() }).await;
    }
    assert_eq!(store.backlog().await.unwrap(), [Backlog { receiver: "ops".to_owned(), count: 2 }]);
    assert_eq!(take(store, at(69_999)).await, []);
    let taken = take(store, at(70_000)).await;
    assert_eq!(taken.iter().map(|delivery| delivery.attempts).collect::<Vec<_>>(), [1, 1]);
    for delivery in &taken {
        settle(store, delivery, Fate::Done).await;
    }
    assert_eq!(store.receivers_due(at(9_000_000)).await.unwrap(), [""; 0]);
}

async fn replaces_what_lasts(Handles { one, other }: &Handles) {
    one.tell(vec![end(lasting("never", at(1_000), at(1_000)), Interest::All)]).await.unwrap();
    one.tell(vec![lasting("fire", at(1_000), at(900_000))]).await.unwrap();
    let taken = take(&**one, at(1_000)).await;
    assert_eq!(told(&taken), [["notice of fire \u{1f50d}"]]);
    // Its end comes while its beginning is on the way: what became of the beginning says nothing about the end.
    other.tell(vec![end(lasting("fire", at(2_000), at(2_000)), Interest::Told)]).await.unwrap();
    settle(&**one, &taken[0], Fate::Again(at(61_000))).await;
    let ended = take(&**one, at(2_000)).await;
    assert_eq!((told(&ended), ended[0].lasting_until), (vec![["end of fire".to_owned()].as_slice()], Some(at(2_000))));
    // And it begins again while its end is on the way.
    other.tell(vec![lasting("fire", at(3_000), at(900_000))]).await.unwrap();
    settle(&**one, &ended[0], Fate::Done).await;
    assert_eq!(told(&take(&**one, at(3_000)).await), [["notice of fire \u{1f50d}"]]);
}

async fn bounds_what_waits(store: &dyn Store) {
    for number in 0..5_i64 {
        let moment = at(1_000 * number);
        let form = Form::Gathered { group: format!("group {number}"), until: moment };
        store.tell(vec![Telling { form, ..gathered(&format!("{number}"), moment) }]).await.unwrap();
    }
    store.tell(vec![for_mail(gathered("x", at(0)))]).await.unwrap();
    store.tell(vec![lasting("fire", at(0), at(900_000))]).await.unwrap();
    store.tell(vec![lasting("smoke", at(0), at(900_000))]).await.unwrap();
    store.tell(vec![lasting("smoke", at(2_001), at(900_000))]).await.unwrap();
    assert_eq!(store.give_up_oldest("ops", 3, Recording::nothing()).await.unwrap(), 2);
    assert_eq!(store.give_up_oldest("ops", 3, Recording::nothing()).await.unwrap(), 0);
    let known = ["mail".to_owned()];
    assert_eq!(store.forget_receivers(&known, at(0), Recording::nothing()).await.unwrap(), []);
    let gone = store.forget_receivers(&known, at(2_001), Recording::nothing()).await.unwrap();
    assert_eq!(
        gone,
        [Backlog { receiver: "ops".to_owned(), count: 2 }],
        "what lasts and nobody tells any more, and the oldest that is left"
    );
    assert_eq!(store.receivers_due(at(2_001)).await.unwrap(), ["ops"], "what is told still");
    let counted = store.backlog().await.unwrap();
    assert_eq!(counted.iter().map(|waiting| waiting.count).collect::<Vec<_>>(), [1, 2]);
}

async fn enters_what_is_told_with_what_it_tells(Handles { one, other }: &Handles) {
    one.enter_finding(finding("f1", at(1_000), "probing"), vec![gathered("finding", at(1_000))]).await.unwrap();
    // Whoever does not know whether it was written writes it again, and nobody is told twice.
    one.enter_finding(finding("f1", at(1_000), "probing"), vec![gathered("twice", at(1_000))]).await.unwrap();
    one.open_chain(WriterId("0".repeat(32)), None).await.unwrap();
    let entry = AuditEntry { at: at(2_000), event: "{}".to_owned(), told: vec![gathered("event", at(2_000))] };
    one.append(vec![entry]).await.unwrap();
    let all = ["notice of finding \u{1f50d}", "notice of event \u{1f50d}"];
    assert_eq!(told(&take(&**other, at(40_000)).await), [all]);
}
