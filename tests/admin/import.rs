//! Clients that were at the authorization server before the gateway was: listed, judged, taken into the record; and their uses, by what the server recorded.

use std::net::SocketAddr;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dcr_gateway::clock::{Clock as _, SystemClock};
use dcr_gateway::store::{AuditFilter, AuditLog as _, Clients as _, Uses as _};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqliteConnection};
use tempfile::TempDir;

use crate::process::Gateway;
use crate::realm::{REGISTERED, Realm, everything, section};
use crate::world::{Answer, World, configuration, demo_section, demo_server};

async fn world() -> (Arc<Realm>, World) {
    let (realm, address) = Realm::start().await;
    (realm, World::before(&section(address, ""), "{ socket: admin.sock }").await)
}

async fn listed(world: &World, rest: &str) -> Value {
    let answer = world.ask("GET", &format!("/v1/import{rest}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

async fn take(world: &World, client_ids: &[&str]) -> Answer {
    let body = json!({"client_ids": client_ids, "profile": "partners", "comment": "here before us"});
    world.post("/v1/import", &body).await
}

fn one(listed: &Value, client_id: &str) -> Value {
    let clients = listed["clients"].as_array().unwrap();
    clients.iter().find(|client| client["client_id"] == client_id).cloned().unwrap_or_default()
}

#[tokio::test]
async fn the_servers_clients_are_listed_with_what_the_record_and_the_rules_say_of_them() {
    let (realm, world) = world().await;
    realm.has(REGISTERED, "app.example.com");
    realm.has("made-by-hand", "elsewhere.example.com");
    realm.has("account", "app.example.com");
    realm.has("gw", "app.example.com");
    let found = listed(&world, "?profile=partners").await;
    let registered = one(&found, REGISTERED);
    assert_eq!(
        registered,
        json!({
            "client_id": REGISTERED, "client_name": format!("App {REGISTERED}"), "redirect_uris": ["https://app.example.com/cb"],
            "scope": "basic profile", "created_at": null, "enabled": true, "origin": "registration", "state": null,
        })
    );
    let by_hand = one(&found, "made-by-hand");
    assert_eq!(by_hand["origin"], "by_hand");
    assert!(by_hand["violations"][0].as_str().unwrap().contains("elsewhere.example.com"), "{by_hand}");
    for own in ["account", "gw"] {
        assert_eq!(one(&found, own)["origin"], "server", "{own}");
    }
    assert!(!found.to_string().contains("s3cret"));
    assert_eq!(one(&listed(&world, "").await, "made-by-hand").get("violations"), None, "no profile, no rules");
    assert_eq!(world.ask("GET", "/v1/import?profile=none-such").await.status, 404);
}

#[tokio::test]
async fn a_realm_with_many_clients_is_listed_page_by_page() {
    let (realm, world) = world().await;
    (0..120).for_each(|number| realm.has(&format!("c{number}"), "app.example.com"));
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = listed(&world, &next).await;
        seen.extend(page["clients"].as_array().unwrap().iter().map(|client| client["client_id"].clone()));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("?cursor={cursor}");
    }
    assert_eq!(seen, (0..120).map(|number| json!(format!("c{number}"))).collect::<Vec<_>>());
    let page = world.ask("GET", "/v1/import?cursor=nowhere").await;
    assert_eq!(page.status, 502, "{}", page.body);
}

#[tokio::test]
async fn a_client_is_taken_into_the_record_and_the_server_is_told_nothing() {
    let (realm, world) = world().await;
    realm.has(REGISTERED, "elsewhere.example.com");
    let taken = take(&world, &[REGISTERED, "absent", "gw"]).await;
    assert_eq!(taken.status, 200, "{}", taken.body);
    let results = |answer: &Answer| -> Vec<Value> {
        answer.body["clients"].as_array().unwrap().iter().map(|client| client["result"].clone()).collect()
    };
    assert_eq!(results(&taken), ["imported", "not_there", "not_there"]);
    assert!(taken.body["clients"][0]["violations"][0].as_str().unwrap().contains("elsewhere.example.com"));
    assert_eq!(realm.changes.load(Ordering::SeqCst), 0);

    let client = world.ask("GET", &format!("/v1/clients/{REGISTERED}")).await.body;
    assert_eq!(
        (&client["state"], &client["profile"], &client["registrant"]["key"], &client["has_access_token"]),
        (&json!("active"), &json!("partners"), &json!("imported"), &json!(false))
    );
    assert_eq!(client["scopes"]["granted"], "basic profile");
    assert_eq!(client["metadata"]["token_endpoint_auth_method"], "none");
    let registration = client["registration"].as_str().unwrap();
    let registration = world.ask("GET", &format!("/v1/registrations/{registration}")).await.body;
    assert_eq!(registration["outcome"], "registered");
    assert!(registration["resolved_by"].is_string(), "{registration}");

    let again = take(&world, &[REGISTERED]).await;
    assert_eq!((results(&again), &again.body["clients"][0]["state"]), (vec![json!("known")], &json!("active")));
    assert_eq!(one(&listed(&world, "").await, REGISTERED)["state"], "active");
    let events = world.store.records(&AuditFilter::default(), None, 100).await.unwrap();
    let imported: Vec<Value> = events
        .iter()
        .map(|record| serde_json::from_str::<Value>(&record.event).unwrap())
        .filter(|event| event["event"] == "client_imported")
        .collect();
    assert_eq!(imported.len(), 1, "once");
    assert_eq!(
        (&imported[0]["comment"], &imported[0]["subject"]["id"]),
        (&json!("here before us"), &json!(REGISTERED))
    );
    assert_eq!(imported[0]["actor"]["kind"], "operator");
}

#[tokio::test]
async fn an_imported_client_is_suspended_resumed_and_deleted_like_any_other() {
    let (realm, world) = world().await;
    realm.has(REGISTERED, "app.example.com");
    assert_eq!(take(&world, &[REGISTERED]).await.status, 200);
    let enabled = || realm.clients.lock().unwrap().first().map(|client| client["enabled"].clone());
    for (rest, is_enabled) in [("/suspend", json!(false)), ("/resume", json!(true))] {
        assert_eq!(world.change("POST", &format!("/v1/clients/{REGISTERED}{rest}"), "*").await.status, 200);
        assert_eq!(enabled(), Some(is_enabled));
    }
    assert_eq!(world.change("DELETE", &format!("/v1/clients/{REGISTERED}"), "*").await.status, 200);
    assert_eq!(enabled(), None);
    assert_eq!(take(&world, &[REGISTERED]).await.body["clients"][0]["state"], "deleted");
}

#[tokio::test]
async fn a_client_that_is_disabled_there_enters_as_suspended() {
    let (realm, world) = world().await;
    realm.has(REGISTERED, "app.example.com");
    realm.clients.lock().unwrap()[0]["enabled"] = json!(false);
    let taken = take(&world, &[REGISTERED]).await.body;
    assert_eq!(taken["clients"][0]["state"], "suspended", "{taken}");
    let client = world.until(REGISTERED, |client| client.get("unsettled").is_none()).await;
    assert!(client["comment"].as_str().unwrap().contains("disabled"), "{client}");
    assert_eq!(realm.changes.load(Ordering::SeqCst), 0, "it is so there already");
}

#[tokio::test]
async fn of_many_who_import_one_client_at_once_one_does() {
    let (realm, world) = world().await;
    realm.has(REGISTERED, "app.example.com");
    let once = async || take(&world, &[REGISTERED]).await;
    let answers: [Answer; 4] = tokio::join!(once(), once(), once(), once()).into();
    let imported = answers.iter().filter(|answer| answer.body["clients"][0]["result"] == "imported").count();
    let known = answers.iter().filter(|answer| answer.body["clients"][0]["result"] == "known").count();
    assert_eq!((imported, known), (1, 3));
    assert_eq!(world.ask("GET", "/v1/registrations").await.body["registrations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_without_a_list_of_clients_says_so() {
    let world = World::before(&demo_section(demo_server().await), "{ socket: admin.sock }").await;
    for answer in [world.ask("GET", "/v1/import").await, take(&world, &["c"]).await] {
        assert_eq!(answer.status, 409, "{}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains("kind rfc7591 has none"), "{}", answer.body);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_before_anything_is_done() {
    let (realm, world) = world().await;
    realm.has(REGISTERED, "app.example.com");
    for (body, status) in [
        (json!({"client_ids": [], "profile": "partners"}), 400),
        (json!({"client_ids": vec!["c"; 51], "profile": "partners"}), 400),
        (json!({"client_ids": [REGISTERED], "profile": "none-such"}), 404),
        (json!({"client_ids": [REGISTERED], "profile": "partners", "comment": "a\u{7}b"}), 400),
        (json!({"client_ids": [REGISTERED], "profile": "partners", "state": "active"}), 400),
    ] {
        let answer = world.post("/v1/import", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    assert_eq!(world.ask("GET", "/v1/clients").await.body["clients"], json!([]));
}

/// With the rule that expires the unused, and uses read from events.
async fn reading(address: SocketAddr) -> World {
    let text = configuration(&section(address, "last_use_from_events: { every: 1s },"), "{ socket: admin.sock }");
    let text = text.replace("name: partners,", "name: partners, expire_unused_after: 1h,");
    World::configured(TempDir::new().unwrap(), &text).await
}

async fn last_use(world: &World, client_id: &str) -> Value {
    world.ask("GET", &format!("/v1/clients/{client_id}")).await.body["last_used_at"].clone()
}

#[tokio::test]
async fn a_token_that_was_taken_past_the_gateway_makes_the_last_use_known() {
    let (realm, address) = Realm::start().await;
    realm.keeps(everything());
    realm.has(REGISTERED, "app.example.com");
    let world = reading(address).await;
    assert_eq!(take(&world, &[REGISTERED]).await.status, 200);
    assert_eq!(last_use(&world, REGISTERED).await, Value::Null);
    let now = SystemClock.now();
    // More than are read at once, in no order, and of clients that are nobody's here.
    (0..1_200).for_each(|number| realm.saw("others", now.unix_millis() - number));
    realm.saw(REGISTERED, now.unix_millis());
    realm.saw(REGISTERED, now.unix_millis() - 5_000);
    let client = world.until(REGISTERED, |client| client["last_used_at"].is_string()).await;
    assert_eq!(client["last_used_at"], now.to_string());
    let unused = world.ask("GET", "/v1/unused-clients").await.body;
    assert_eq!((&unused["events_are_behind"], &unused["no_use_was_seen"]), (&json!(false), &json!(false)), "{unused}");
    assert_eq!(world.post("/v1/unused-clients/expire", &json!({})).await.body, json!({"expired": []}));
}

#[tokio::test]
async fn what_was_recorded_of_a_client_before_it_is_imported_is_its_last_use() {
    let (realm, address) = Realm::start().await;
    realm.keeps(everything());
    realm.has(REGISTERED, "app.example.com");
    let long_ago = SystemClock.now().before(Duration::from_secs(90 * 24 * 60 * 60));
    realm.saw(REGISTERED, long_ago.unix_millis());
    realm.saw(REGISTERED, long_ago.unix_millis() - 1);
    let world = reading(address).await;
    assert_eq!(take(&world, &[REGISTERED]).await.status, 200);
    assert_eq!(last_use(&world, REGISTERED).await, long_ago.to_string());
}

#[tokio::test]
async fn nothing_expires_while_the_servers_events_cannot_be_read() {
    let (realm, address) = Realm::start().await;
    let world = reading(address).await;
    // A use that comes by the gateway is one all the same.
    world.store.note_uses(&[("somebody".to_owned(), SystemClock.now())]).await.unwrap();
    let refused = async || {
        world.store.watch_uses(SystemClock.now()).await.unwrap();
        world.store.note_uses(&[("somebody".to_owned(), SystemClock.now())]).await.unwrap();
        let answer = world.post("/v1/unused-clients/expire", &json!({})).await;
        (answer.status, answer.body["detail"].as_str().unwrap_or_default().to_owned())
    };
    let (status, detail) = refused().await;
    assert_eq!((status, detail.contains("events were not read")), (409, true), "{detail}");
    for kept in [
        json!({"eventsEnabled": false, "enabledEventTypes": []}),
        json!({"eventsEnabled": true, "enabledEventTypes": ["LOGIN"]}),
    ] {
        realm.keeps(kept.clone());
        assert_eq!(refused().await.0, 409, "{kept}");
    }
    realm.keeps(everything());
    let read = async { while refused().await.0 != 200 {} };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("they are read as soon as they can be");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_last_use_cannot_be_written_is_taken_all_the_same() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (realm, address) = Realm::start().await;
    realm.keeps(everything());
    realm.has(REGISTERED, "app.example.com");
    realm.saw(REGISTERED, SystemClock.now().unix_millis());
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("credential"), "operator").unwrap();
    let server = section(address, "last_use_from_events: { every: 1h },");
    let text = configuration(&server, "{ socket: admin.sock, listen: 127.0.0.1:0 }");
    let gateway = Gateway::start_in(directory, &text, address);
    let url = format!("sqlite://{}", gateway.file("gateway.db").display());
    let mut beside = SqliteConnection::connect(&url).await.unwrap();
    let full = "BEGIN SELECT raise(ABORT, 'database or disk is full'); END";
    let trigger = format!("CREATE TRIGGER full BEFORE UPDATE OF last_used_at ON clients {full}");
    beside.execute(AssertSqlSafe(trigger)).await.unwrap();
    let taken = gateway.run(&["--json", "import", "--take", REGISTERED, "--profile", "partners"]);
    let taken: Value = serde_json::from_slice(&taken.stdout).unwrap();
    assert_eq!(taken["clients"][0]["result"], "imported", "{taken}");
    gateway.told(|said| said["message"] == "the last use of an imported client is unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_lists_and_takes_and_says_what_it_left_out() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (realm, address) = Realm::start().await;
    let other = REGISTERED.replace("11111111", "22222222");
    realm.has(REGISTERED, "app.example.com");
    realm.has(&other, "elsewhere.example.com");
    realm.has("made-by-hand", "app.example.com");
    realm.has("account", "app.example.com");
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("credential"), "operator").unwrap();
    let text = configuration(&section(address, ""), "{ socket: admin.sock, listen: 127.0.0.1:0 }");
    let gateway = Gateway::start_in(directory, &text, address);
    let run = |arguments: &[&str]| gateway.run(arguments);
    let shown = |output: &Output| {
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    };

    let (table, said) = shown(&run(&["import", "--profile", "partners"]));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}{said}");
    assert!(
        lines.iter().any(|line| line.contains(&other) && line.contains("elsewhere.example.com\" is not")),
        "{table}"
    );
    assert!(said.contains("2 others"), "{said}");
    assert_eq!(shown(&run(&["import", "--every"])).0.lines().count(), 5);
    let named = run(&["--json", "import", "--client-id", "made-by-hand"]);
    let named: Value = serde_json::from_slice(&named.stdout).unwrap();
    assert_eq!(named["clients"][0]["origin"], "by_hand");
    assert!(shown(&run(&["import", "--client-id", "absent"])).1.contains("no client \"absent\""));

    for wrong in [&["import", "--take", "--profile", "partners"][..], &["import", "--take", "c"], &["import", "--all"]]
    {
        assert!(!run(wrong).status.success(), "{wrong:?}");
    }
    let taken = run(&["import", "--take", "made-by-hand", "--profile", "partners", "--comment", "known to us"]);
    assert!(shown(&taken).0.contains("in the record now"), "{taken:?}");
    let all = run(&["--json", "import", "--take", "--all", "--profile", "partners"]);
    let all: Value = serde_json::from_slice(&all.stdout).unwrap();
    assert_eq!(all["clients"].as_array().unwrap().len(), 2, "{all}");
    let again = run(&["--json", "import", "--take", "--all", "--profile", "partners"]);
    assert!(again.status.success());
    assert_eq!(serde_json::from_slice::<Value>(&again.stdout).unwrap(), json!({"clients": []}));
    let refused = run(&["import", "--take", "account", "absent", "--profile", "partners"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(shown(&refused).1.contains("2 could not be taken"), "{refused:?}");
    assert!(shown(&run(&["clients", "list"])).0.contains("imported"));
    assert_eq!(realm.changes.load(Ordering::SeqCst), 0);
}
