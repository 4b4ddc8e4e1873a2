//! Three gateways on one PostgreSQL and one Redis are one gateway, also when one of them is killed in the middle.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use dcr_gateway::clock::{Clock as _, SystemClock};
use dcr_gateway::sealing::Keys;
use dcr_gateway::store::{
    Clients as _, InitialAccessTokens as _, LARGEST_PAGE, OutcomeName, Page, Recording, Registrations as _,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Answer, Post, get, try_exchange};
use crate::configuration::on_base;
use crate::killed::{by_name, open, recorded, tokens};
use crate::postgres_server::PostgresServer;
use crate::process::Gateway;
use crate::redis_server::Server as RedisServer;
use crate::staged::{Stage, Staged, Tokens};

const OWN: &str = r#"
authorization_server:
  credential: none
  timeout: 30s
store: { url: "{store}", encryption_key_file: "{key}" }
throttle: { backend: "redis://127.0.0.1:{redis}", when_unavailable: refuse }
profiles:
  - name: single
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
    limits: { rate: 1000/s, burst: 1000 }
  - name: counted
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
    limits: { rate: 1000/s, burst: 1000, total: { registrations: 40/day } }
  - name: throttled
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
    limits: { rate: 1/day, burst: 6 }
  - name: public
    match: {}
    initial_access_token: off
    redirect_uris: { https: [{ host: app.example.com }] }
    limits: { rate: 1000/s, burst: 1000 }
"#;

const QUOTA: usize = 40;
const SINGLE: usize = 60;
const COUNTED: usize = 120;
const PUBLIC: usize = 150;
/// Registrations that the killed gateway has begun and cannot finish.
const IN_THE_MIDDLE: usize = 5;

/// One registration as it is asked for; at which gateway, with which token.
#[derive(Debug, Clone)]
struct Ask {
    gateway: usize,
    token: Option<String>,
    name: String,
}

impl Ask {
    /// None: the gateway is gone before its answer is whole.
    async fn send(self, gateways: Vec<SocketAddr>) -> (Self, Option<Answer>) {
        let mut body = json!({"client_name": self.name, "redirect_uris": ["https://app.example.com/callback"]});
        if self.token.is_none() {
            body["token_endpoint_auth_method"] = Value::from("none");
        }
        let body = body.to_string();
        let post = Post { token: self.token.as_deref(), body: body.as_bytes(), ..Post::default() };
        loop {
            match try_exchange(gateways[self.gateway], &post.bytes()).await {
                // On a busy machine Redis answers late; then nothing was begun, and the caller is told to try again.
                Some(answer) if answer.status == 503 => tokio::task::yield_now().await,
                answer => return (self, answer),
            }
        }
    }
}

fn send_all(asks: impl IntoIterator<Item = Ask>, gateways: &[SocketAddr]) -> JoinSet<(Ask, Option<Answer>)> {
    asks.into_iter().map(|ask| ask.send(gateways.to_vec())).collect()
}

fn public() -> impl Iterator<Item = Ask> {
    (0..PUBLIC).map(|number| Ask { gateway: number % 3, token: None, name: "Public".to_owned() })
}

#[tokio::test(flavor = "multi_thread")]
async fn three_gateways_are_one_also_when_one_is_killed_in_the_middle() {
    let Some(postgres) = PostgresServer::started() else { return };
    let Some(redis) = RedisServer::start(&[]) else { return };
    let url = postgres.new_database().await;
    let keys = tempfile::tempdir().unwrap();
    Keys::read_or_make(&keys.path().join("key"), &[7; 32]).unwrap();
    let configuration = on_base(OWN)
        .replace("{store}", &url.to_string())
        .replace("{key}", &keys.path().join("key").display().to_string())
        .replace("{redis}", &redis.port.to_string());
    let server = Staged::start(Tokens::Stay).await;
    let mut gateways: Vec<Gateway> = (0..3).map(|_| Gateway::start(&configuration, server.address)).collect();
    let addresses: Vec<SocketAddr> = gateways.iter().map(|gateway| gateway.address).collect();
    for gateway in &gateways {
        // Redis is reached a moment after the start.
        while get(gateway.admin, "/readyz").await.status != 200 {
            tokio::task::yield_now().await;
        }
    }
    let store = open(url).await;
    let single = tokens(&store, "single", (SINGLE, 1)).await;
    let counted = tokens(&store, "counted", (1, 1_000)).await.remove(0);

    // One registrant's attempts are counted together.
    let throttled = tokens(&store, "throttled", (1, 1_000)).await.remove(0);
    let mut admitted = 0;
    for number in 0..18 {
        let ask = Ask { gateway: number % 3, token: Some(throttled.clone()), name: format!("Throttled {number}") };
        admitted += usize::from(ask.send(addresses.clone()).await.1.is_some_and(|answer| answer.status == 201));
    }
    assert!((1..=6).contains(&admitted), "{admitted}");

    // The same public client, asked for everywhere at once.
    let mut handed_out = HashSet::new();
    for (ask, answer) in send_all(public(), &addresses).join_all().await {
        let answer = answer.unwrap_or_else(|| panic!("no answer to {ask:?}"));
        handed_out.insert(answer.client_id().unwrap_or_else(|| panic!("{ask:?}: {answer:?}")));
    }
    assert_eq!(handed_out.len(), 1, "{handed_out:?}");
    assert_eq!(by_name(&server)["Public"].len(), 1, "registered once");

    // Each single-use token everywhere at once, three times the quota, and the public client again.
    let asks = single.iter().enumerate().flat_map(|(number, token)| {
        (0..3).map(move |gateway| Ask { gateway, token: Some(token.clone()), name: format!("Single {number}") })
    });
    let count = |gateway: usize, number: usize| Ask {
        gateway,
        token: Some(counted.clone()),
        name: format!("Counted {number}"),
    };
    server.stop_at(Stage::BeforeAnswering);
    // The one that will be killed is in the middle of something for certain.
    let its_own = send_all((0..IN_THE_MIDDLE).map(|number| count(2, number)), &addresses);
    server.until_stopped(IN_THE_MIDDLE).await;
    let asks = asks.chain((IN_THE_MIDDLE..COUNTED).map(|number| count(number % 3, number)));
    let in_flight = send_all(asks.chain(public()), &addresses);
    server.until_stopped(30).await;
    gateways[2].kill();
    server.finish().await;
    let mut answers = in_flight.join_all().await;
    answers.extend(its_own.join_all().await);
    let broken_off: Vec<Ask> =
        answers.iter().filter(|(_, answer)| answer.is_none()).map(|(ask, _)| ask.clone()).collect();
    assert!(!broken_off.is_empty() && broken_off.iter().all(|ask| ask.gateway == 2), "{broken_off:?}");
    // Whoever heard nothing asks another gateway.
    let again = broken_off.into_iter().map(|ask| Ask { gateway: 0, ..ask });
    answers.extend(send_all(again, &addresses).join_all().await);

    // What the others do once the intents of the dead are old enough.
    let unfinished = store.find_unfinished(Duration::ZERO, Recording::nothing(), SystemClock.now()).await.unwrap();
    let (recorded, clients) = (recorded(&store).await, by_name(&server));
    let mut acknowledged: HashMap<&str, Vec<String>> = HashMap::new();
    for (ask, answer) in answers.iter().filter_map(|(ask, answer)| Some((ask, answer.as_ref()?))) {
        match answer.client_id() {
            Some(client_id) => acknowledged.entry(&ask.name).or_default().push(client_id),
            None => assert!([401, 429].contains(&answer.status), "{ask:?}: {answer:?}"),
        }
    }
    for (name, ids) in &acknowledged {
        for client_id in ids {
            assert!(store.client(client_id).await.unwrap().is_some(), "{name} was acknowledged as {client_id}");
        }
        assert!(*name == "Public" || ids.len() == 1, "{name}: {ids:?}");
    }
    assert!(acknowledged["Public"].iter().all(|client_id| handed_out.contains(client_id)));
    for (name, ids) in &clients {
        assert_eq!(ids.len(), 1, "{name} is at the server as {ids:?}");
        if store.client(&ids[0]).await.unwrap().is_none() {
            let [record] = recorded[name].as_slice() else { panic!("{name}: {:?}", recorded[name]) };
            assert_eq!(record.outcome, Some(OutcomeName::Unknown), "{name}");
            assert!(unfinished.contains(&record.intent.id), "{name}");
        }
    }
    let of = |what: &str| {
        let named = recorded.iter().filter(|(name, _)| name.starts_with(what));
        named.map(|(_, all)| all.len()).collect::<Vec<_>>()
    };
    assert_eq!(of("Counted").iter().sum::<usize>(), QUOTA, "the quota, exactly");
    assert_eq!(of("Single"), [1; SINGLE], "each token once");
    let issued = store.list(&Page::first(LARGEST_PAGE)).await.unwrap();
    let used = |profile: &str| {
        let of_it = issued.iter().filter(|token| token.profile == profile);
        of_it.map(|token| usize::try_from(token.used).unwrap()).sum::<usize>()
    };
    assert_eq!((used("single"), used("counted")), (SINGLE, QUOTA));
    assert!(unfinished.len() >= IN_THE_MIDDLE, "the kill came in the middle: {unfinished:?}");
    store.close().await;
}
