//! What the record of clients makes possible: the same client again, quotas, clients that were there before the gateway.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::client::{Answer, exchange, register};
use crate::flow::{self, refused};
use crate::managed::{Rules, World, orders, public, send};
use crate::process::Gateway;
use crate::staged::{Stage, Staged, Tokens};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_public_client_twice_is_one_client_that_nobody_owns() {
    let mut world = World::start().await;
    let first = world.registered("", &public()).await;
    for member in ["registration_access_token", "registration_client_uri", "client_secret"] {
        assert_eq!(first.told.get(member), None, "{member}");
    }
    assert_eq!(world.registered("", &public()).await.told, first.told);
    world.restart();
    assert_eq!(world.registered("", &public()).await.told, first.told);
    assert_eq!(world.asked("POST"), 1);

    let mut other = public();
    other["client_name"] = "Others".into();
    assert_ne!(world.registered("", &other).await.id, first.id);
    assert_ne!(world.registered("", &orders()).await.id, world.registered("", &orders()).await.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_public_client_a_hundred_times_at_once_is_registered_once() {
    let world = World::start().await;
    let mut sent = JoinSet::new();
    for _ in 0..100 {
        let address = world.gateway.address;
        sent.spawn(async move { register(address, None, &public()).await });
    }
    let mut clients: Vec<_> = sent.join_all().await.iter().map(Answer::client_id).collect();
    assert!(clients.iter().all(Option::is_some), "{clients:?}");
    clients.dedup();
    assert_eq!(clients.len(), 1, "{clients:?}");
    assert_eq!(world.asked("POST"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn registrants_with_different_tokens_get_different_clients() {
    let world = World::start().await;
    let (one, other) = (world.gateway.token("partners", 2), world.gateway.token("partners", 1));
    let first = world.registered(&one, &public()).await;
    assert_ne!(world.registered(&other, &public()).await.id, first.id);
    assert_ne!(world.registered("", &public()).await.id, first.id);
    assert_eq!(world.registered(&one, &public()).await.id, first.id);
    assert_eq!(first.told.get("registration_access_token"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_client_again_spends_a_use() {
    let world = World::start().await;
    let token = world.gateway.token("partners", 2);
    let first = world.registered(&token, &public()).await;
    assert_eq!(world.registered(&token, &public()).await.id, first.id);
    refused(&register(world.gateway.address, Some(&token), &public()).await, 401, "invalid_token");
    assert_eq!(world.asked("POST"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_per_day_are_counted_across_a_restart() {
    let mut world = World::with(Rules { limits: "registrations: 2/day", ..Rules::default() }).await;
    let token = world.gateway.token("partners", 10);
    let client = world.registered(&token, &orders()).await;
    world.restart();
    world.registered(&token, &orders()).await;
    assert_eq!(world.manage("DELETE", &client.uri, &client.token, None).await.status, 204);

    let answer = register(world.gateway.address, Some(&token), &orders()).await;
    refused(&answer, 429, "too_many_requests");
    let wait: u64 = answer.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
    assert!((1..=86_400).contains(&wait), "{wait}");
    assert_eq!(answer.header("ratelimit-policy"), Some(r#""partners:registrations";q=2"#));
    assert_eq!(answer.header("ratelimit"), Some(&*format!(r#""partners:registrations";r=0;t={wait}"#)));
    let told = world.gateway.told(|said| said["reason"] == "quota_reached");
    assert_eq!(told["decision"], "refuse", "the rules admitted it, and the quota does not");
    assert_eq!(told["client_name"], orders()["client_name"], "as it is, without marks of quotation of its own");

    let other = world.gateway.token("partners", 1);
    world.registered(&other, &orders()).await;
    assert_eq!(world.asked("POST"), 3, "the refused one never reached the server");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_deletes_itself_makes_room_for_another() {
    let mut world = World::with(Rules { limits: "live_clients: 1", ..Rules::default() }).await;
    let token = world.gateway.token("partners", 10);
    let client = world.registered(&token, &orders()).await;
    world.restart();
    let answer = register(world.gateway.address, Some(&token), &orders()).await;
    refused(&answer, 429, "too_many_requests");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.header("ratelimit"), Some(r#""partners:live_clients";r=0"#));

    assert_eq!(world.manage("DELETE", &client.uri, &client.token, None).await.status, 204);
    let second = world.registered(&token, &orders()).await;
    refused(&register(world.gateway.address, Some(&token), &orders()).await, 429, "too_many_requests");
    assert_eq!(world.manage("DELETE", &second.uri, &second.token, None).await.status, 204);
    refused(&world.manage("DELETE", &second.uri, &second.token, None).await, 401, "invalid_token");
    world.registered(&token, &orders()).await;
    refused(&register(world.gateway.address, Some(&token), &orders()).await, 429, "too_many_requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_get_no_more_clients_than_there_may_be() {
    let world = World::with(Rules { limits: "live_clients: 3", ..Rules::default() }).await;
    let token = world.gateway.token("partners", 100);
    let mut sent = JoinSet::new();
    for _ in 0..16 {
        let (address, token) = (world.gateway.address, token.clone());
        sent.spawn(async move { register(address, Some(&token), &orders()).await.status });
    }
    let mut statuses = sent.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![201; 3], vec![429; 13]].concat());
    assert_eq!(world.asked("POST"), 3);
}

const FORWARD: Rules<'static> =
    Rules { management: "unknown_tokens: forward", limits: "", everybody: "", more: "", telemetry: "" };

#[tokio::test(flavor = "multi_thread")]
async fn a_client_from_before_the_gateway_gets_a_token_of_ours_for_the_servers() {
    let world = World::with(FORWARD).await;
    let before = world.registered_before(&orders()).await;
    let answer = world.manage("GET", &before.uri, &before.token, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    let token = told["registration_access_token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("dcrm_"), "{told}");
    for member in ["client_id", "client_secret", "registration_client_uri", "client_name"] {
        assert_eq!(told[member], before.told[member], "{member}");
    }

    refused(&world.manage("GET", &before.uri, &before.token, None).await, 401, "invalid_token");
    let again = world.manage("GET", &before.uri, &token, None).await;
    assert_eq!((again.status, again.json()), (200, told));

    let wrong = before.change(&json!({"redirect_uris": ["https://evil.example/callback"]}));
    refused(&world.manage("PUT", &before.uri, &token, Some(&wrong)).await, 400, "invalid_redirect_uri");
    let change = before.change(&json!({"client_name": "Renamed"}));
    for _ in 0..2 {
        let changed = world.manage("PUT", &before.uri, &token, Some(&change)).await;
        assert_eq!((changed.status, &changed.json()["client_name"]), (200, &json!("Renamed")));
        assert_eq!(changed.json()["registration_access_token"], token);
    }
    assert_eq!(world.manage("DELETE", &before.uri, &token, None).await.status, 204);
    refused(&world.manage("GET", &before.uri, &token, None).await, 401, "invalid_token");
    assert_eq!(send(world.server, ("GET", &before.uri), &before.token, None).await.status, 401, "it is gone there");
}

/// A proxy in front that forwards certificates.
const BEHIND_A_PROXY: &str = r#"listeners:
  - address: 127.0.0.1:0
    trusted_proxies: [127.0.0.0/8]
    client_certificate_header: client-cert
    client_certificate_trust: { trust: ["{directory}/ca.pem"] }"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_from_before_that_presents_a_bad_certificate_is_neither_deleted_nor_taken_in() {
    let directory = TempDir::new().unwrap();
    dcr_gateway::demo::certificates::write(directory.path()).unwrap();
    let world = World::in_directory(directory, Rules { more: BEHIND_A_PROXY, ..FORWARD }).await;
    let before = world.registered_before(&orders()).await;
    for method in ["DELETE", "GET"] {
        let (uri, token) = (&before.uri, &before.token);
        let head = format!("{method} {uri} HTTP/1.1\r\nHost: sso.example.com\r\nAuthorization: Bearer {token}");
        let request = format!("{head}\r\nClient-Cert: :bm9uZQ==:\r\n\r\n");
        let answer = exchange(world.gateway.address, request.as_bytes()).await.expect("an answer");
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(world.asked(method), 0, "the server is not asked");
    }
    assert_eq!(world.manage("DELETE", &before.uri, &before.token, None).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_from_before_that_asks_eight_times_at_once_is_given_one_token_that_stays_good() {
    let world = World::with(FORWARD).await;
    let before = world.registered_before(&orders()).await;
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let (address, before) = (world.gateway.address, before.clone());
        asking.spawn(async move { send(address, ("GET", &before.uri), &before.token, None).await });
    }
    let answers = asking.join_all().await;
    let told: Vec<_> = answers.iter().filter(|answer| answer.status == 200).map(Answer::json).collect();
    let [told] = told.as_slice() else { panic!("{answers:?}") };
    assert!(answers.iter().all(|answer| [200, 401].contains(&answer.status)), "{answers:?}");
    let token = told["registration_access_token"].as_str().unwrap();
    assert_eq!(world.manage("GET", &before.uri, token, None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_gateway_behind_this_one_is_none_of_ours() {
    let inner = World::start().await;
    let client = inner.client().await;
    let outer = inner.gateway_before(FORWARD);
    let answer = send(outer.address, ("GET", &client.uri), &client.token, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.json()["registration_access_token"].as_str().unwrap().to_owned();
    assert_ne!(token, client.token);
    refused(&send(outer.address, ("GET", &client.uri), &client.token, None).await, 401, "invalid_token");
    assert_eq!(send(outer.address, ("GET", &client.uri), &token, None).await.status, 200);
    assert_eq!(inner.manage("GET", &client.uri, &client.token, None).await.status, 200, "what the outer one keeps");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_from_before_whose_first_change_is_refused_keeps_the_token_it_has() {
    let world = World::with(FORWARD).await;
    let before = world.registered_before(&orders()).await;
    let wrong = before.change(&json!({"redirect_uris": ["https://evil.example/callback"]}));
    for _ in 0..2 {
        let answer = world.manage("PUT", &before.uri, &before.token, Some(&wrong)).await;
        refused(&answer, 400, "invalid_redirect_uri");
    }
    assert_eq!(world.asked("PUT"), 0);
    let change = before.change(&json!({"client_name": "Renamed"}));
    let changed = world.manage("PUT", &before.uri, &before.token, Some(&change)).await;
    assert_eq!((changed.status, &changed.json()["client_name"]), (200, &json!("Renamed")), "{changed:?}");
    let token = changed.json()["registration_access_token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("dcrm_"), "{changed:?}");
    refused(&world.manage("GET", &before.uri, &before.token, None).await, 401, "invalid_token");
    assert_eq!(world.manage("GET", &before.uri, &token, None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_from_before_deletes_itself_with_the_servers_token() {
    let world = World::with(FORWARD).await;
    let before = world.registered_before(&orders()).await;
    refused(&world.manage("DELETE", &before.uri, "another", None).await, 401, "invalid_token");
    assert_eq!(world.manage("DELETE", &before.uri, &before.token, None).await.status, 204);
    refused(&world.manage("DELETE", &before.uri, &before.token, None).await, 401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_token_is_worth_nothing_for_a_client_of_the_gateway_or_by_default() {
    let world = World::with(FORWARD).await;
    let client = world.client().await;
    let [servers] = world.answered("registration_access_token").try_into().expect("one token");
    refused(&world.manage("GET", &client.uri, &servers, None).await, 401, "invalid_token");
    refused(&world.manage("DELETE", &client.uri, &servers, None).await, 401, "invalid_token");
    assert_eq!(world.manage("GET", &client.uri, &client.token, None).await.status, 200);

    let world = World::start().await;
    let before = world.registered_before(&orders()).await;
    refused(&world.manage("GET", &before.uri, &before.token, None).await, 401, "invalid_token");
    assert_eq!(world.asked("GET"), 0, "the server is not asked");
}

/// A directory that signs with ES256, and its keys.
fn directory() -> (impl Fn(&Value) -> String, Value) {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "1"}]});
    let sign = move |claims: &Value| {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"1"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = key.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    (sign, keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_statement_is_required_a_change_brings_one_and_it_takes_precedence() {
    let (sign, keys) = directory();
    let files = TempDir::new().unwrap();
    let file = files.path().join("jwks.json");
    std::fs::write(&file, keys.to_string()).unwrap();
    let more = format!(
        "software_statements: {{ issuers: [{{ issuer: 'https://directory.example', jwks_file: '{}' }}] }}",
        file.display()
    );
    let rules = Rules { everybody: "software_statement: required", more: &more, ..Rules::default() };
    let world = World::in_directory(files, rules).await;
    let statement =
        |name: &str| sign(&json!({"iss": "https://directory.example", "software_id": "orders", "client_name": name}));
    let mut asked = orders();
    asked["software_statement"] = statement("Signed").into();
    let client = world.registered("", &asked).await;
    assert_eq!(client.told["client_name"], "Signed");
    assert_eq!(client.told["software_statement"], asked["software_statement"]);

    let bare = world.manage("PUT", &client.uri, &client.token, Some(&client.change(&json!({})))).await;
    refused(&bare, 400, "invalid_software_statement");
    let mut forged = statement("Forged");
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    let change = client.change(&json!({"software_statement": forged}));
    refused(&world.manage("PUT", &client.uri, &client.token, Some(&change)).await, 400, "invalid_software_statement");
    assert_eq!(world.manage("GET", &client.uri, &client.token, None).await.json(), client.told);

    let again = statement("Signed anew");
    let change = client.change(&json!({"software_statement": again}));
    for method in ["PUT", "GET"] {
        let told = world.manage(method, &client.uri, &client.token, Some(&change)).await.json();
        assert_eq!((&told["client_name"], &told["software_statement"]), (&json!("Signed anew"), &json!(again)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_from_before_that_deletes_itself_and_goes_away_is_on_the_audit_log() {
    let server = Staged::start(Tokens::Stay).await;
    let configuration = format!("{}management: {{ unknown_tokens: forward }}\n", flow::configuration());
    let gateway = Gateway::start(&configuration, server.address);
    let told = register(server.address, None, &orders()).await.json();
    let (client_id, token) = (told["client_id"].as_str().unwrap(), told["registration_access_token"].as_str().unwrap());
    let request = format!(
        "DELETE /register/{client_id} HTTP/1.1\r\nHost: sso.example.com\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    server.stop_at(Stage::BeforeAnswering);
    let address = gateway.address;
    let asking = tokio::spawn(async move { exchange(address, request.as_bytes()).await });
    server.until_stopped(1).await;
    asking.abort();
    assert!(asking.await.is_err(), "it has gone away");
    // Long enough for the gateway to see that.
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.finish().await;
    assert!(server.clients().is_empty());
    let recorded = async {
        while !String::from_utf8_lossy(&gateway.run(&["audit", "export"]).stdout).contains("client_deleted") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), recorded).await.expect("it is recorded");
}
