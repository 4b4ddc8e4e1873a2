//! kill -9 at every stage of a registration and of a change: what a caller was told is in the record, what nobody knows is known
//! to be unknown, and no token is used twice.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dcr_gateway::clock::{Clock as _, SystemClock};
use dcr_gateway::registrant::initial_access_token::{IssuedTokenSettings, NewToken, TokenRandomness, issue};
use dcr_gateway::store::settings::{KeyFile, StoreSettings, StoreUrl};
use dcr_gateway::store::sql::SqlStore;
use dcr_gateway::store::{
    Clients as _, Cursor, InitialAccessTokens as _, LARGEST_PAGE, NOT_RECORDED, OutcomeName, Page, RegistrationFilter,
    RegistrationRecord, Registrations as _,
};
use serde_json::{Value, json};
use tokio::task::{JoinSet, yield_now};

use crate::client::{Answer, Post, exchange, register};
use crate::flow;
use crate::process::Gateway;
use crate::staged::{Stage, Staged, Tokens};

const KILLS: usize = 100;
/// So many gateways are killed beside each other, each before a server of its own.
const BESIDE: usize = 4;
/// Registrations in flight at each kill.
const AT_ONCE: usize = 3;

/// When the gateway is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// All requests have stopped at the server.
    Stopped(Stage),
    /// The first caller has its answer.
    Answered,
    /// So long after the requests left.
    After(Duration),
}

/// Every stage ten times; what is left of the hundred is spread over the first moments of a registration.
fn moment(number: usize) -> Moment {
    match number % 10 {
        0 => Moment::Stopped(Stage::BeforeReading),
        1 => Moment::Stopped(Stage::BeforeWork),
        2 => Moment::Stopped(Stage::BeforeAnswering),
        3 => Moment::Stopped(Stage::BeforeTheLastByte),
        4 => Moment::Answered,
        _ => Moment::After(Duration::from_micros(u64::try_from(number * 7_919 % 40_000).unwrap())),
    }
}

fn configuration() -> String {
    flow::configuration().replace("    limits: { rate: 1/h, burst: 3 }\n", "").replace("timeout: 2s", "timeout: 20s")
}

pub async fn open(url: StoreUrl) -> SqlStore {
    let settings = StoreSettings { url, password_file: None, encryption_key_file: KeyFile(PathBuf::new()) };
    SqlStore::open(&settings).await.unwrap()
}

async fn open_file(path: &Path) -> SqlStore {
    open(StoreUrl::Sqlite(path.to_owned())).await
}

/// So many tokens for so many registrations each.
pub async fn tokens(store: &SqlStore, profile: &str, (count, uses): (usize, u32)) -> Vec<String> {
    let mut texts = Vec::new();
    for number in 0..count {
        let wanted = NewToken {
            profile: profile.to_owned(),
            label: None,
            lifetime: Duration::from_secs(3_600),
            max_uses: uses,
            certificate_thumbprint: None,
        };
        let mut randomness = TokenRandomness { text: [0; 32], id: [0; 8] };
        let number = u64::try_from(number).unwrap().to_be_bytes();
        randomness.text[..8].copy_from_slice(&number);
        randomness.text[8] = profile.as_bytes()[0];
        randomness.id = number;
        randomness.id[0] = profile.as_bytes()[0];
        let made = issue(wanted, &IssuedTokenSettings::default(), randomness, SystemClock.now()).unwrap();
        store.create(made.token, made.hash, Vec::new()).await.unwrap();
        texts.push(made.text.expose().to_owned());
    }
    texts
}

/// Every registration in the record, by the name of its client.
pub async fn recorded(store: &SqlStore) -> HashMap<String, Vec<RegistrationRecord>> {
    let mut recorded: HashMap<String, Vec<RegistrationRecord>> = HashMap::new();
    let mut page = Page::first(LARGEST_PAGE);
    loop {
        let found = store.registrations(&RegistrationFilter::default(), &page).await.unwrap();
        let Some(last) = found.last() else { return recorded };
        page.after = Some(Cursor { at: last.intent.at, id: last.intent.id.0.clone() });
        for record in found {
            recorded.entry(record.intent.client_name.clone().unwrap()).or_default().push(record);
        }
    }
}

/// The ids of the server's clients, by their names.
pub fn by_name(server: &Staged) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (client_id, client) in server.clients() {
        names.entry(client.members["client_name"].as_str().unwrap().to_owned()).or_default().push(client_id);
    }
    names
}

fn body(name: &str) -> Value {
    json!({"client_name": name, "redirect_uris": ["https://app.example.com/callback"]})
}

/// One registration; none when the gateway is gone before its answer is whole.
async fn attempt(gateway: std::net::SocketAddr, token: &str, name: &str) -> Option<Answer> {
    let body = body(name).to_string();
    let request = Post { token: Some(token), body: body.as_bytes(), ..Post::default() }.bytes();
    crate::client::try_exchange(gateway, &request).await
}

// Each of them waits, on a thread of its own, for its gateway to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_hundred_kills_lose_nothing_and_spend_no_token_twice() {
    let mut killing = JoinSet::new();
    for which in 0..BESIDE {
        killing.spawn(kill_and_compare(which * KILLS / BESIDE..(which + 1) * KILLS / BESIDE));
    }
    let (mut lost, mut acknowledged) = (0, 0);
    while let Some(killed) = killing.join_next().await {
        let killed = killed.unwrap();
        lost += killed.0;
        acknowledged += killed.1;
    }
    // The four stages at which a request stops lose what they stopped; those that were answered are there.
    assert!(lost >= 4 * 10 * AT_ONCE, "{lost} clients were left behind");
    assert!(acknowledged >= 10, "{acknowledged} were acknowledged");
}

/// One gateway's kills, and what its record and its server have in the end: how many clients the record does not know, and how
/// many callers were told that they were registered.
async fn kill_and_compare(kills: Range<usize>) -> (usize, usize) {
    let server = Staged::start(Tokens::Stay).await;
    let directory = tempfile::tempdir().unwrap();
    let store = open_file(&directory.path().join("gateway.db")).await;
    let tokens = tokens(&store, "partners", (kills.len() * AT_ONCE, 1)).await;
    store.close().await;
    let mut gateway = Gateway::start_in(directory, &configuration(), server.address);
    let mut acknowledged: HashMap<String, String> = HashMap::new();
    let mut unused = tokens.iter();
    for number in kills {
        let moment = moment(number);
        if let Moment::Stopped(stage) = moment {
            server.stop_at(stage);
        }
        let mine: Vec<(String, &String)> =
            (0..AT_ONCE).map(|which| format!("Client {number}-{which}")).zip(unused.by_ref()).collect();
        let mut in_flight = JoinSet::new();
        let sent = Instant::now();
        for (name, token) in mine.clone() {
            let (address, token) = (gateway.address, token.clone());
            in_flight.spawn(async move { (attempt(address, &token, &name).await, name) });
        }
        let mut answers = Vec::new();
        match moment {
            Moment::Stopped(_) => server.until_stopped(AT_ONCE).await,
            Moment::Answered => answers.push(in_flight.join_next().await.unwrap().unwrap()),
            Moment::After(pause) => {
                while sent.elapsed() < pause {
                    yield_now().await;
                }
            }
        }
        gateway.kill();
        server.finish().await;
        answers.extend(in_flight.join_all().await);
        for (answer, name) in answers {
            if let Some(answer) = answer {
                acknowledged.insert(name, answer.client_id().unwrap_or_else(|| panic!("{moment:?}: {answer:?}")));
            }
        }
        gateway.restart();
        // The same token again, whatever the caller knows: good only where nothing was begun.
        for (name, token) in mine {
            let again = register(gateway.address, Some(token), &body(&name)).await;
            match again.client_id() {
                Some(client_id) => {
                    assert_eq!(acknowledged.insert(name, client_id), None, "{moment:?}: a use came back")
                }
                None => assert_eq!(again.status, 401, "{moment:?}: {again:?}"),
            }
        }
    }

    let store = open_file(&gateway.file("gateway.db")).await;
    let (recorded, clients) = (recorded(&store).await, by_name(&server));
    for (name, client_id) in &acknowledged {
        let client = store.client(client_id).await.unwrap();
        assert_eq!(client.and_then(|client| client.client_name).as_ref(), Some(name), "acknowledged");
    }
    let mut lost = 0;
    for (name, ids) in &clients {
        let [client_id] = ids.as_slice() else { panic!("{name} was registered by one token as {ids:?}") };
        let [record] = recorded[name].as_slice() else { panic!("{name} was begun twice: {:?}", recorded[name]) };
        let is_known = store.client(client_id).await.unwrap().is_some();
        if !is_known {
            assert_eq!((record.outcome, record.reason.as_deref()), (Some(OutcomeName::Unknown), Some(NOT_RECORDED)));
            lost += 1;
        }
        assert_eq!(is_known, record.outcome == Some(OutcomeName::Registered), "{name}: {record:?}");
    }
    for (name, records) in &recorded {
        assert!(records.iter().all(|record| record.outcome.is_some()), "{name} is still open: {records:?}");
    }
    let used: u64 =
        store.list(&Page::first(LARGEST_PAGE)).await.unwrap().iter().map(|token| u64::from(token.used)).sum();
    assert_eq!(usize::try_from(used).unwrap(), recorded.len(), "each intent reserved its token's use, and keeps it");
    store.close().await;
    (lost, acknowledged.len())
}

/// A request to the client's own URI.
fn management((method, client_id): (&str, &str), token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} /register/{client_id} HTTP/1.1\r\nHost: sso.example.com\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A client whose change is broken off by a kill when the server has made it; the gateway is up again.
async fn changed_and_killed(tokens: Tokens) -> (Gateway, Staged, String, String) {
    let server = Staged::start(tokens).await;
    let mut gateway = Gateway::start(&configuration(), server.address);
    let token = gateway.token("partners", 1);
    let told = register(gateway.address, Some(&token), &body("Before")).await.json();
    let text = |member: &str| told[member].as_str().unwrap().to_owned();
    let (client_id, token) = (text("client_id"), text("registration_access_token"));
    let mut change = body("After");
    change["client_id"] = json!(client_id);
    change["redirect_uris"] = json!(["https://app.example.com/after"]);
    let request = management(("PUT", &client_id), &token, &change.to_string());
    server.stop_at(Stage::BeforeAnswering);
    let address = gateway.address;
    let in_flight = tokio::spawn(async move { exchange(address, &request).await });
    server.until_stopped(1).await;
    gateway.kill();
    server.finish().await;
    assert!(in_flight.await.unwrap().is_none(), "nobody was told");
    assert_eq!(server.clients()[&client_id].members["client_name"], "After");
    gateway.restart();
    (gateway, server, client_id, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_a_kill_broke_off_is_seen_when_the_client_is_looked_at_again() {
    let (gateway, _server, client_id, token) = changed_and_killed(Tokens::Stay).await;
    let store = open_file(&gateway.file("gateway.db")).await;
    let recorded = async || {
        let client = store.client(&client_id).await.unwrap().unwrap();
        (client.client_name.unwrap(), client.redirect_uris)
    };
    let of = |name: &str, uri: &str| (name.to_owned(), vec![format!("https://app.example.com/{uri}")]);
    assert_eq!(recorded().await, of("Before", "callback"));
    let request = management(("GET", &client_id), &token, "");
    let began = Instant::now();
    let read = exchange(gateway.address, &request).await.expect("an answer");
    assert_eq!((read.status, read.json()["client_name"].as_str()), (200, Some("After")), "{read:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "nobody waits for the turn of the dead");
    assert_eq!(recorded().await, of("After", "after"), "what the server says is in the record");
    store.close().await;
    let export = String::from_utf8(gateway.run(&["audit", "export"]).stdout).unwrap();
    let found: Vec<&str> = export.lines().filter(|line| line.contains("found_at_the_server")).collect();
    assert!(matches!(found[..], [event] if event.contains("client_updated") && event.contains(&client_id)), "{export}");
    let mut change = body("Later");
    change["client_id"] = json!(client_id);
    let request = management(("PUT", &client_id), &token, &change.to_string());
    assert_eq!(exchange(gateway.address, &request).await.expect("an answer").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_rotated_token_a_kill_lost_is_unmanageable_and_not_gone() {
    let (gateway, server, client_id, token) = changed_and_killed(Tokens::Rotate).await;
    // What the gateway refuses by itself tries no token: the next one still has to find out.
    let mut change = body("Later");
    change["client_id"] = json!(client_id);
    change["client_secret"] = json!("another");
    let request = management(("PUT", &client_id), &token, &change.to_string());
    assert_eq!(exchange(gateway.address, &request).await.expect("an answer").status, 400);
    for _ in 0..2 {
        let request = management(("GET", &client_id), &token, "");
        let answer = exchange(gateway.address, &request).await.expect("an answer");
        assert!([409, 502, 503].contains(&answer.status), "{answer:?}");
    }
    let store = open_file(&gateway.file("gateway.db")).await;
    let client = store.client(&client_id).await.unwrap().unwrap();
    assert!(client.unmanageable && client.lifecycle.state().is_live(), "{client:?}");
    assert!(server.clients().contains_key(&client_id));
    store.close().await;
    let export = String::from_utf8(gateway.run(&["audit", "export"]).stdout).unwrap();
    let lost = export.lines().filter(|line| line.contains(r#""reason":"unmanageable""#) && line.contains(&client_id));
    assert_eq!(lost.count(), 1, "{export}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_with_the_client_made_leaves_an_unknown_and_a_spent_token() {
    let server = Staged::start(Tokens::Stay).await;
    let gateway = Gateway::start(&configuration(), server.address);
    let token = gateway.token("partners", 1);
    server.stop_at(Stage::Dies);
    assert_eq!(register(gateway.address, Some(&token), &body("Orders")).await.status, 502);
    server.finish().await;
    assert_eq!(register(gateway.address, Some(&token), &body("Orders")).await.status, 401);
    let store = open_file(&gateway.file("gateway.db")).await;
    let recorded = recorded(&store).await;
    assert_eq!(
        recorded["Orders"].iter().map(|record| record.outcome).collect::<Vec<_>>(),
        [Some(OutcomeName::Unknown)]
    );
    assert_eq!(server.clients().len(), 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_taken_away_is_written_to_no_more() {
    let server = Staged::start(Tokens::Stay).await;
    let gateway = Gateway::start(&configuration(), server.address);
    let token = gateway.token("partners", 2);
    assert_eq!(register(gateway.address, Some(&token), &body("First")).await.status, 201);
    let away = gateway.file("away");
    std::fs::create_dir(&away).unwrap();
    for file in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        std::fs::rename(gateway.file(file), away.join(file)).unwrap();
    }
    let refused = register(gateway.address, Some(&token), &body("Second")).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(server.clients().len(), 1, "nothing that could not be recorded was registered");
    for file in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        std::fs::rename(away.join(file), gateway.file(file)).unwrap();
    }
    assert_eq!(register(gateway.address, Some(&token), &body("Second")).await.status, 201, "it recovers by itself");
}
