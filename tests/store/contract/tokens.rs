//! Initial access tokens: found, listed, revoked, and used as often as they may be.

use dcr_gateway::store::TokenUnusable::{Expired, Revoked, Spent};
use dcr_gateway::store::{Begun, Cursor, HandingOut, Intent, Page, Store, TokenHash, TokenId, TokenUse};

use super::{Handles, begin_at_once, ready};
use crate::samples::{
    LIFETIME, at, create, found, hash, id, intent, not_registered, registered, token, unknown, unlimited, with_token,
};

pub async fn hold_for(empty: &impl AsyncFn() -> Handles) {
    answers_a_ping(&*empty().await.one).await;
    finds_a_token_by_its_whole_hash_and_its_whole_name(&*empty().await.one).await;
    lists_tokens_newest_first(&*empty().await.one).await;
    refuses_a_second_token_of_the_same_name_or_text(&*empty().await.one).await;
    revokes_once_and_for_all(&empty().await).await;
    reserves_a_use_with_the_intent(&*empty().await.one).await;
    a_token_ends_at_its_last_millisecond(&*empty().await.one).await;
    gives_a_use_back_once_and_only_when_nothing_was_registered(&*empty().await.one).await;
    somebody_elses_token_is_used_once(&*empty().await.one).await;
    somebody_elses_token_comes_back_when_nothing_was_registered(&*empty().await.one).await;
    somebody_elses_token_is_forgotten_a_day_after_its_end(&*empty().await.one).await;
    a_single_use_is_used_once(&empty().await).await;
    many_uses_are_counted_exactly(&empty().await).await;
    somebody_elses_token_is_used_once_by_many(&empty().await).await;
}

async fn answers_a_ping(store: &dyn Store) {
    store.ping().await.unwrap();
    store.tidy(at(0)).await.unwrap();
}

async fn finds_a_token_by_its_whole_hash_and_its_whole_name(store: &dyn Store) {
    create(store, "t1", 3).await;
    let mut bare = token("t2", 4_000_000_000);
    (bare.label, bare.certificate_thumbprint) = (None, None);
    store.create(bare.clone(), hash("t2"), Vec::new()).await.unwrap();
    assert_eq!(store.find(hash("t1")).await.unwrap(), Some(token("t1", 3)));
    assert_eq!(store.find(hash("t2")).await.unwrap(), Some(bare.clone()));
    assert_eq!(store.token(&bare.id).await.unwrap(), Some(bare));
    assert_eq!(store.token(&TokenId("t".to_owned())).await.unwrap(), None);
    let mut other = hash("t1");
    other.0[31] ^= 1;
    assert_eq!(store.find(other).await.unwrap(), None);
    assert_eq!(store.find(TokenHash([0; 32])).await.unwrap(), None);
}

async fn lists_tokens_newest_first(store: &dyn Store) {
    for (name, made) in [("t1", 5), ("t2", 7), ("t3", 5)] {
        let mut token = token(name, 1);
        token.created_at = at(made);
        store.create(token, hash(name), Vec::new()).await.unwrap();
    }
    let names = async |page: Page| -> Vec<String> {
        store.list(&page).await.unwrap().into_iter().map(|token| token.id.0).collect()
    };
    assert_eq!(names(Page::first(10)).await, ["t2", "t3", "t1"]);
    assert_eq!(names(Page::first(1)).await, ["t2"]);
    let after = |made, id: &str| Page { after: Some(Cursor { at: at(made), id: id.to_owned() }), limit: 10 };
    assert_eq!(names(after(7, "t2")).await, ["t3", "t1"]);
    assert_eq!(names(after(5, "t3")).await, ["t1"], "those of the same moment by their names");
}

async fn refuses_a_second_token_of_the_same_name_or_text(store: &dyn Store) {
    create(store, "t1", 1).await;
    assert!(store.create(token("t1", 1), hash("t2"), Vec::new()).await.is_err());
    assert!(store.create(token("t2", 1), hash("t1"), Vec::new()).await.is_err());
    assert_eq!(store.list(&Page::first(10)).await.unwrap().len(), 1);
}

async fn revokes_once_and_for_all(Handles { one, other }: &Handles) {
    let t1 = create(&**one, "t1", 1).await;
    assert_eq!(found(&**other, &t1).await.revoked_at, None);
    assert!(one.revoke(&t1, Vec::new(), at(10)).await.unwrap());
    assert!(other.revoke(&t1, Vec::new(), at(20)).await.unwrap());
    assert_eq!(found(&**one, &t1).await.revoked_at, Some(at(10)));
    assert!(!one.revoke(&TokenId("none".to_owned()), Vec::new(), at(10)).await.unwrap());
    assert_eq!(
        other.begin(with_token("r1", &t1), HandingOut::unrecorded()).await.unwrap(),
        Begun::TokenUnusable(Revoked)
    );
}

async fn reserves_a_use_with_the_intent(store: &dyn Store) {
    let t1 = create(store, "t1", 2).await;
    for (name, begun, used) in
        [("r1", Begun::Ready, 1), ("r2", Begun::Ready, 2), ("r3", Begun::TokenUnusable(Spent), 2)]
    {
        assert_eq!(store.begin(with_token(name, &t1), HandingOut::unrecorded()).await.unwrap(), begun);
        assert_eq!(found(store, &t1).await.used, used);
    }
    assert!(store.finish(&id("r3"), registered(), Vec::new(), at(2_000)).await.is_err(), "nothing was written for it");
}

async fn a_token_ends_at_its_last_millisecond(store: &dyn Store) {
    let t1 = create(store, "t1", 9).await;
    let mut last = with_token("r1", &t1);
    last.intent.at = at(LIFETIME - 1);
    assert_eq!(store.begin(last, HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    let mut late = with_token("r2", &t1);
    late.intent.at = at(LIFETIME);
    assert_eq!(store.begin(late, HandingOut::unrecorded()).await.unwrap(), Begun::TokenUnusable(Expired));
    store.finish(&id("r1"), registered(), Vec::new(), at(LIFETIME + 5)).await.unwrap();
}

async fn gives_a_use_back_once_and_only_when_nothing_was_registered(store: &dyn Store) {
    let t1 = create(store, "t1", 3).await;
    for (name, outcome, used) in [("r1", registered(), 1), ("r2", unknown(), 2), ("r3", not_registered(), 2)] {
        store.begin(with_token(name, &t1), HandingOut::unrecorded()).await.unwrap();
        store.finish(&id(name), outcome.clone(), Vec::new(), at(2_000)).await.unwrap();
        store.finish(&id(name), outcome, Vec::new(), at(3_000)).await.unwrap();
        assert_eq!(found(store, &t1).await.used, used, "{name}");
    }
    assert_eq!(store.begin(with_token("r4", &t1), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
}

const DAY: i64 = 24 * 60 * 60 * 1000;

/// An intent with the only use of somebody else's token `jti`, which is good until the sample's end.
fn once(name: &str, issuer: &str, jti: &str) -> Intent {
    let token = TokenUse::Once { issuer: issuer.to_owned(), id: jti.to_owned(), until: at(LIFETIME) };
    Intent { token: Some(token), ..intent(name) }
}

async fn somebody_elses_token_is_used_once(store: &dyn Store) {
    let begin = async |intent: Intent| store.begin(unlimited(intent), HandingOut::unrecorded()).await.unwrap();
    assert_eq!(begin(once("r1", "https://idp.example", "j1")).await, Begun::Ready);
    assert_eq!(begin(once("r2", "https://idp.example", "j1")).await, Begun::TokenUnusable(Spent));
    assert_eq!(begin(once("r3", "https://idp.example", "j2")).await, Begun::Ready);
    assert_eq!(begin(once("r4", "https://other.example", "j1")).await, Begun::Ready);
    store.finish(&id("r1"), registered(), Vec::new(), at(2_000)).await.unwrap();
    store.finish(&id("r3"), unknown(), Vec::new(), at(2_000)).await.unwrap();
    assert_eq!(begin(once("r5", "https://idp.example", "j1")).await, Begun::TokenUnusable(Spent));
    assert_eq!(begin(once("r6", "https://idp.example", "j2")).await, Begun::TokenUnusable(Spent));
    let ended = Intent { at: at(LIFETIME), ..once("r7", "https://idp.example", "j9") };
    assert_eq!(begin(ended).await, Begun::TokenUnusable(Expired));
    let record = store.registration(&id("r1")).await.unwrap().unwrap();
    assert_eq!(record.intent, once("r1", "https://idp.example", "j1"));
}

async fn somebody_elses_token_comes_back_when_nothing_was_registered(store: &dyn Store) {
    let begin = async |name| {
        store.begin(unlimited(once(name, "https://idp.example", "j1")), HandingOut::unrecorded()).await.unwrap()
    };
    assert_eq!(begin("r1").await, Begun::Ready);
    store.finish(&id("r1"), not_registered(), Vec::new(), at(2_000)).await.unwrap();
    assert_eq!(begin("r2").await, Begun::Ready);
    store.finish(&id("r1"), not_registered(), Vec::new(), at(2_000)).await.unwrap();
    assert_eq!(begin("r3").await, Begun::TokenUnusable(Spent), "the use is r2's now, and r1 cannot give it back again");
}

async fn somebody_elses_token_is_forgotten_a_day_after_its_end(store: &dyn Store) {
    let again = |name| {
        let token = TokenUse::Once { issuer: "idp".to_owned(), id: "j1".to_owned(), until: at(2 * LIFETIME) };
        unlimited(Intent { token: Some(token), ..intent(name) })
    };
    assert_eq!(store.begin(unlimited(once("r1", "idp", "j1")), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    // A replica whose clock is behind takes it until then.
    store.tidy(at(LIFETIME + DAY - 1)).await.unwrap();
    assert_eq!(store.begin(again("r2"), HandingOut::unrecorded()).await.unwrap(), Begun::TokenUnusable(Spent));
    store.tidy(at(LIFETIME + DAY)).await.unwrap();
    assert_eq!(store.begin(again("r3"), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
}

async fn a_single_use_is_used_once(handles: &Handles) {
    let t1 = create(&*handles.one, "t1", 1).await;
    let begun = begin_at_once(handles, (0..64).map(|number| with_token(&format!("r{number}"), &t1))).await;
    assert_eq!(ready(&begun), 1);
    assert_eq!(begun.iter().filter(|begun| **begun == Begun::TokenUnusable(Spent)).count(), 63);
}

async fn many_uses_are_counted_exactly(handles: &Handles) {
    let t1 = create(&*handles.one, "t1", 40).await;
    let begun = begin_at_once(handles, (0..64).map(|number| with_token(&format!("r{number}"), &t1))).await;
    assert_eq!(ready(&begun), 40);
    assert_eq!(found(&*handles.other, &t1).await.used, 40);
}

async fn somebody_elses_token_is_used_once_by_many(handles: &Handles) {
    let intents = (0..64).map(|number| unlimited(once(&format!("r{number}"), "https://idp.example", "j1")));
    assert_eq!(ready(&begin_at_once(handles, intents).await), 1);
}
