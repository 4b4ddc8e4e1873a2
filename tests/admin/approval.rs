//! Approvals before a server that cannot disable clients: the demo's, which rotates its tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dcr_gateway::lifecycle::Lifecycle;
use dcr_gateway::store::{AuditFilter, AuditLog as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::undone::{end_turn, turn_at};
use crate::world::{Answer, World, configuration, demo_section, demo_server, demo_server_that_is_up, public};

const SCOPES: &str = "scopes: { initial: [openid], allowed: [profile], by_approval: [orders, refunds] }";

async fn world(rules: &str) -> World {
    World::with_rules(&demo_section(demo_server().await), "{ socket: admin.sock }", &format!("{rules}, {SCOPES}")).await
}

fn confidential(scope: &str) -> Value {
    json!({ "redirect_uris": ["https://app.example.com/callback"], "scope": scope })
}

fn path(client: &Value, rest: &str) -> String {
    format!("/v1/clients/{}{rest}", client["client_id"].as_str().unwrap())
}

async fn post(world: &World, client: &Value, (rest, body): (&str, Value)) -> (u16, Value) {
    let request = world.request("POST", &path(client, rest)).header("if-match", "*").json(&body);
    let answer = world.send(request).await;
    (answer.status, answer.body)
}

/// What the server has registered for it.
async fn scope_at_the_server(world: &World, client: &Value) -> Value {
    let (status, members) = world.manage_itself("GET", client, None).await;
    assert_eq!(status, 200, "{members}");
    members["scope"].clone()
}

#[tokio::test]
async fn a_pending_client_works_with_its_initial_scopes_and_gets_what_is_approved() {
    let world = world("approval: required, pending_for: 3d").await;
    let (status, client) = world.register_as(&confidential("openid profile orders refunds admin")).await;
    assert_eq!((status, &client["scope"]), (201, &json!("openid")), "{client}");
    let listed = world.ask("GET", "/v1/clients?state=pending").await.body;
    let pending = &listed["clients"][0];
    assert_eq!((&pending["scopes"]["withheld"], pending["clients"].as_str()), (&json!("profile orders refunds"), None));
    assert!(pending["pending_until"].is_string());

    let other = json!({ "scopes": "openid admin" });
    assert_eq!(post(&world, &client, ("/approve", other)).await.0, 409);
    assert_eq!(post(&world, &client, ("/approve", json!({ "scopes": "\"" }))).await.0, 400);
    let (status, refused) = post(&world, &client, ("/elevate", json!({}))).await;
    assert_eq!(status, 409, "it is pending");
    assert!(refused["detail"].as_str().unwrap().contains("clients approve"), "{refused}");
    let wish = json!({ "scopes": "orders", "comment": "known to us" });
    let (status, approved) = post(&world, &client, ("/approve", wish)).await;
    assert_eq!((status, &approved["state"]), (200, &json!("active")), "{approved}");
    assert_eq!(approved["scopes"]["granted"], "openid orders");
    assert_eq!(approved["scopes"]["withheld"], "profile refunds");
    assert_eq!((&approved["approved"]["comment"], approved.get("unsettled")), (&json!("known to us"), None));
    assert_eq!(scope_at_the_server(&world, &client).await, "openid orders");
    let (status, refused) = post(&world, &client, ("/approve", json!({}))).await;
    assert_eq!(status, 409, "once");
    assert!(refused["detail"].as_str().unwrap().contains("clients elevate"), "what is the right command: {refused}");
    assert_eq!(post(&world, &client, ("/reject", json!({}))).await.0, 409, "it was approved");
}

#[tokio::test]
async fn what_authorization_details_may_ask_for_is_for_clients_that_are_approved() {
    let world = world("approval: required, authorization_details_types: [payment_initiation]").await;
    let mut asked = confidential("openid");
    asked["authorization_details_types"] = json!(["payment_initiation", "admin"]);
    let (status, client) = world.register_as(&asked).await;
    assert_eq!((status, client.get("authorization_details_types")), (201, None), "{client}");
    asked["client_id"] = client["client_id"].clone();
    let (status, pending) = world.manage_itself("PUT", &client, Some(&asked)).await;
    assert_eq!((status, pending.get("authorization_details_types")), (200, None), "{pending}");
    assert_eq!(post(&world, &client, ("/approve", json!({}))).await.0, 200);
    let (status, active) = world.manage_itself("PUT", &client, Some(&asked)).await;
    assert_eq!((status, &active["authorization_details_types"]), (200, &json!(["payment_initiation"])), "{active}");
}

#[tokio::test]
async fn a_pending_client_that_writes_back_what_it_read_still_waits_for_what_it_asked_for() {
    let world = world("approval: required, pending_for: 3d").await;
    let (_, client) = world.register_as(&confidential("openid orders")).await;
    let (_, mut members) = world.manage_itself("GET", &client, None).await;
    assert_eq!(members["scope"], "openid");
    let body = members.as_object_mut().unwrap();
    body.retain(|name, _| {
        !name.starts_with("registration_") && !name.starts_with("client_secret_") && name != "client_id_issued_at"
    });
    body.insert("client_name".to_owned(), json!("Orders"));
    let (status, changed) = world.manage_itself("PUT", &client, Some(&members)).await;
    assert_eq!((status, &changed["scope"]), (200, &json!("openid")), "{changed}");
    let (status, approved) = post(&world, &client, ("/approve", json!({}))).await;
    assert_eq!((status, &approved["scopes"]["granted"]), (200, &json!("openid orders")), "{approved}");
}

#[tokio::test]
async fn what_was_approved_stays_through_a_change_and_more_needs_somebody() {
    let world = world("approval: required").await;
    let client = world.register_as(&confidential("openid orders")).await.1;
    post(&world, &client, ("/approve", json!({}))).await;
    let change = |scope: &str| {
        let mut members = confidential(scope);
        members["client_id"] = client["client_id"].clone();
        members
    };
    let (status, changed) = world.manage_itself("PUT", &client, Some(&change("openid orders refunds"))).await;
    assert_eq!((status, &changed["scope"]), (200, &json!("openid orders")), "{changed}");
    let seen = world.ask("GET", &path(&client, "")).await.body;
    assert_eq!(seen["scopes"]["withheld"], "refunds");
    let (status, elevated) = post(&world, &client, ("/elevate", json!({}))).await;
    assert_eq!((status, &elevated["scopes"]["granted"]), (200, &json!("openid orders refunds")), "{elevated}");
    assert_eq!(scope_at_the_server(&world, &client).await, "openid orders refunds");
    assert_eq!(post(&world, &client, ("/elevate", json!({ "scopes": "admin" }))).await.0, 409);
    assert_eq!(post(&world, &client, ("/elevate", json!({}))).await.0, 409, "nothing is withheld");
    // Less is always to be had.
    let (_, changed) = world.manage_itself("PUT", &client, Some(&change("openid"))).await;
    assert_eq!(changed["scope"], "openid");
}

#[tokio::test]
async fn a_rejected_client_is_removed_and_its_request_refused() {
    let world = world("approval: required").await;
    let (_, shared) = world.register_as(&public("openid orders")).await;
    let (status, rejected) = post(&world, &shared, ("/reject", json!({ "comment": "never heard of" }))).await;
    assert_eq!((status, &rejected["state"]), (200, &json!("rejected")), "{rejected}");
    assert_eq!(rejected.get("unsettled"), None, "removed at the server");
    let (status, refused) = world.register_as(&public("openid orders")).await;
    assert_eq!((status, &refused["error"]), (403, &json!("access_denied")));
    assert_eq!(post(&world, &shared, ("/approve", json!({}))).await.0, 409);
    assert_eq!(world.register_as(&public("openid")).await.0, 201, "another request");
    let lifted = world.change("DELETE", &path(&shared, "?comment=known+after+all"), "*").await;
    assert_eq!((lifted.status, &lifted.body["state"]), (200, &json!("deleted")), "{}", lifted.body);
    let (status, afresh) = world.register_as(&public("openid orders")).await;
    assert_eq!(status, 201, "{afresh}");
    assert_ne!(afresh["client_id"], shared["client_id"]);
}

#[tokio::test]
async fn an_expired_client_is_removed_and_may_register_afresh() {
    let world = world("approval: required, pending_for: 1ms").await;
    let (_, first) = world.register_as(&public("openid orders")).await;
    let id = first["client_id"].as_str().unwrap();
    world.until(id, |client| client["state"] == "expired" && client.get("unsettled").is_none()).await;
    let recorded = world.ask("GET", "/v1/audit").await.body.to_string();
    assert!(recorded.contains("client_expired") && recorded.contains("not_approved"), "{recorded}");
    let (status, second) = world.register_as(&public("openid orders")).await;
    assert_eq!(status, 201, "{second}");
    assert_ne!(second["client_id"], first["client_id"]);
}

#[tokio::test]
async fn of_two_approvers_at_once_one_wins_and_the_other_is_told() {
    let world = world("approval: required").await;
    let client = world.register_as(&confidential("openid orders refunds")).await.1;
    let tag = world.ask("GET", &path(&client, "")).await.etag.unwrap();
    let approve = |scopes: &str| {
        let request = world.request("POST", &path(&client, "/approve")).header("if-match", tag.clone());
        world.send(request.json(&json!({ "scopes": scopes })))
    };
    let (one, other) = tokio::join!(approve("orders"), approve("refunds"));
    let (won, told) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!((won.status, told.status), (200, 412), "{} {}", won.body, told.body);
    let seen = world.ask("GET", &path(&client, "")).await.body;
    assert_eq!(seen["scopes"]["granted"], won.body["scopes"]["granted"]);
}

/// A world in which two people approve: whoever holds the socket, and [bob](bobs).
async fn four_eyes() -> World {
    let digest = |token: &str| {
        use sha2::Digest as _;
        sha2::Sha256::digest(token).iter().map(|octet| format!("{octet:02x}")).collect::<String>()
    };
    let admin = format!(
        "{{ socket: admin.sock, listen: 127.0.0.1:0, tokens: [{{ name: bob, role: approver, sha256: \"{}\" }}] }}",
        digest("bobs")
    );
    let rules = format!("approval: required, four_eyes: true, {SCOPES}");
    World::with_rules(&demo_section(demo_server().await), &admin, &rules).await
}

async fn bobs(world: &World, client: &Value, (rest, scopes): (&str, &str)) -> Answer {
    let uri = format!("http://{}{}", world.admin.unwrap(), path(client, rest));
    let request = reqwest::Client::new().post(uri).bearer_auth("bobs").header("if-match", "*");
    world.send(request.json(&json!({ "scopes": scopes }))).await
}

#[tokio::test]
async fn four_eyes_are_two_people() {
    let world = four_eyes().await;
    let client = world.register_as(&confidential("openid profile orders refunds")).await.1;
    let (status, first) = post(&world, &client, ("/approve", json!({ "scopes": "orders refunds" }))).await;
    assert_eq!((status, &first["state"]), (200, &json!("pending")), "{first}");
    assert_eq!(first["first_approval"]["scopes"], "orders refunds");
    let (status, again) = post(&world, &client, ("/approve", json!({}))).await;
    assert_eq!(status, 409, "{again}");
    let apart = bobs(&world, &client, ("/approve", "profile")).await;
    assert_eq!(apart.status, 409, "nothing in common: {}", apart.body);
    let second = bobs(&world, &client, ("/approve", "profile refunds")).await;
    assert_eq!((second.status, &second.body["state"]), (200, &json!("active")), "{}", second.body);
    assert_eq!(second.body["scopes"]["granted"], "openid refunds", "what both of them named");
    assert_eq!((&second.body["approved"]["actor"], second.body.get("first_approval")), (&json!("bob"), None));
    // Together they name what it has.
    post(&world, &client, ("/elevate", json!({ "scopes": "openid orders" }))).await;
    let nothing = bobs(&world, &client, ("/elevate", "openid profile")).await;
    assert_eq!(nothing.status, 409, "{}", nothing.body);
    let kept = world.ask("GET", &path(&client, "")).await.body;
    assert_eq!(kept["first_approval"]["scopes"], "openid orders", "the first stays: {kept}");
    let elevated = bobs(&world, &client, ("/elevate", "orders")).await;
    assert_eq!(elevated.body["scopes"]["granted"], "openid refunds orders");
}

#[tokio::test]
async fn a_client_that_sends_the_same_again_keeps_the_first_of_two_approvals_and_one_that_changes_does_not() {
    let world = four_eyes().await;
    for (member, value, state) in [
        ("client_name", Value::Null, "active"),
        ("client_name", json!("Renamed"), "pending"),
        ("client_name#de", json!("Andere"), "pending"),
    ] {
        let mut members = confidential("openid orders");
        let client = world.register_as(&members).await.1;
        let first = post(&world, &client, ("/approve", json!({}))).await.1;
        assert_eq!(first["first_approval"]["scopes"], "orders", "{first}");
        members["client_id"] = client["client_id"].clone();
        members[member] = value;
        let (status, changed) = world.manage_itself("PUT", &client, Some(&members)).await;
        assert_eq!(status, 200, "{changed}");
        let second = bobs(&world, &client, ("/approve", "orders")).await;
        assert_eq!((second.status, &second.body["state"]), (200, &json!(state)), "{}", second.body);
    }
}

#[tokio::test]
async fn a_client_that_was_suspended_while_it_waited_waits_for_as_long_as_was_left() {
    let world = world("approval: required, pending_for: 60s").await;
    let (_, client) = world.register_as(&confidential("openid orders")).await;
    let id = client["client_id"].as_str().unwrap();
    let suspended = post(&world, &client, ("/suspend", json!({}))).await.1;
    assert_eq!((&suspended["pending_until"], &suspended["asks_for"]), (&Value::Null, &json!(["scope + orders"])));
    assert!(suspended["pending_seconds_left"].as_u64().is_some_and(|left| left <= 60), "{suspended}");
    // An hour passes.
    let mut record = turn_at(&world, id).await;
    let Lifecycle::Suspended { by, pending_until, .. } = &mut record.lifecycle else { panic!("it is suspended") };
    let hour = Duration::from_secs(3600);
    by.at = by.at.before(hour);
    *pending_until = pending_until.map(|until| until.before(hour));
    end_turn(&world, &record).await;
    let (status, resumed) = post(&world, &client, ("/resume", json!({}))).await;
    assert_eq!((status, &resumed["state"]), (200, &json!("pending")), "{resumed}");
    let (status, approved) = post(&world, &client, ("/approve", json!({}))).await;
    assert_eq!((status, &approved["state"]), (200, &json!("active")), "{approved}");
    assert_eq!(world.ask("GET", &path(&json!({ "client_id": id }), "")).await.body["state"], "active");
}

#[tokio::test]
async fn a_server_that_is_down_gets_what_was_decided_when_it_is_back() {
    let up = Arc::new(AtomicBool::new(true));
    let section = demo_section(demo_server_that_is_up(up.clone()).await);
    let rules = format!("approval: required, {SCOPES}");
    let world = World::with_rules(&section, "{ socket: admin.sock }", &rules).await;
    let (kept, removed) =
        (world.register_as(&confidential("orders")).await.1, world.register_as(&public("orders")).await.1);
    up.store(false, Ordering::SeqCst);
    for (client, rest, state) in [(&kept, "/approve", "active"), (&removed, "/reject", "rejected")] {
        let (status, decided) = post(&world, client, (rest, json!({}))).await;
        assert_eq!((status, &decided["state"]), (200, &json!(state)), "{decided}");
        assert_eq!(decided["unsettled"]["attempts"], 1, "{decided}");
        assert!(decided["unsettled"]["last_error"].is_string(), "{decided}");
    }
    assert_eq!(world.register_as(&public("orders")).await.0, 403, "heeded here from the first moment");
    assert_eq!(scope_at_the_server(&world, &kept).await, "openid", "what is in force; reading it takes nothing back");
    up.store(true, Ordering::SeqCst);
    for client in [&kept, &removed] {
        let id = client["client_id"].as_str().unwrap();
        world.until(id, |client| client.get("unsettled").is_none()).await;
    }
    assert_eq!(scope_at_the_server(&world, &kept).await, "openid orders");
}

/// A world in which changes that ask for more wait.
async fn where_growth_waits() -> World {
    let server = demo_section(demo_server().await);
    let text = configuration(&server, "{ socket: admin.sock }")
        .replace("name: partners,", &format!("name: partners, {SCOPES},"))
        .replace("profiles:", "management: { growth: approval }\nprofiles:");
    World::configured(TempDir::new().unwrap(), &text).await
}

#[tokio::test]
async fn a_scope_that_is_withheld_already_keeps_no_other_change_waiting() {
    let world = where_growth_waits().await;
    let client = world.register_as(&confidential("openid orders")).await.1;
    let mut members = confidential("openid orders");
    members["client_id"] = client["client_id"].clone();
    for name in ["Orders", "Orders", "Renamed"] {
        members["client_name"] = name.into();
        let (status, changed) = world.manage_itself("PUT", &client, Some(&members)).await;
        assert_eq!(
            (status, &changed["client_name"], &changed["scope"]),
            (200, &json!(name), &json!("openid")),
            "{changed}"
        );
        let seen = world.ask("GET", &path(&client, "")).await.body;
        assert_eq!((seen.get("asked"), &seen["scopes"]["withheld"]), (None, &json!("orders")), "{seen}");
    }
    members["scope"] = "openid orders refunds".into();
    world.manage_itself("PUT", &client, Some(&members)).await;
    let seen = world.ask("GET", &path(&client, "")).await.body;
    assert_eq!(seen["asked"]["scope"], "openid orders refunds", "another one is more: {seen}");
}

#[tokio::test]
async fn a_change_that_asks_for_more_waits_for_an_approval_and_nothing_changes_until_then() {
    let world = where_growth_waits().await;
    let client = world.register_as(&confidential("openid")).await.1;
    let change = |paths: &[&str], scope: &str| {
        let uris: Vec<String> = paths.iter().map(|path| format!("https://app.example.com{path}")).collect();
        json!({ "client_id": client["client_id"], "redirect_uris": uris, "scope": scope })
    };
    let wish = change(&["/callback", "/other"], "openid profile orders");
    for (decision, uris, scope) in [
        ("/reject", json!(["https://app.example.com/callback"]), "openid"),
        ("/approve", wish["redirect_uris"].clone(), "openid profile orders"),
    ] {
        let (status, in_force) = world.manage_itself("PUT", &client, Some(&wish)).await;
        assert_eq!((status, &in_force["scope"]), (200, &json!("openid")), "{in_force}");
        assert_eq!(in_force["redirect_uris"], json!(["https://app.example.com/callback"]));
        let seen = world.ask("GET", &path(&client, "")).await.body;
        assert_eq!(seen["asked"]["redirect_uris"], wish["redirect_uris"], "{seen}");
        let (status, decided) = post(&world, &client, (decision, json!({}))).await;
        assert_eq!((status, &decided["state"]), (200, &json!("active")), "{decided}");
        assert_eq!((decided.get("asked"), decided.get("unsettled")), (None, None), "{decided}");
        let events = world.store.records(&AuditFilter::default(), None, 5).await.unwrap();
        let event = events.iter().find(|record| record.event.contains("\"decided\"")).expect("a decision");
        assert!(event.event.contains(r#""decided":"change""#), "{}", event.event);
        let is_granted = event.event.contains(r#""scope_granted":"profile orders""#);
        assert_eq!(is_granted, decision == "/approve", "{}", event.event);
        let (_, read) = world.manage_itself("GET", &client, None).await;
        assert_eq!((&read["redirect_uris"], &read["scope"]), (&uris, &json!(scope)), "{decision}");
        assert_eq!(post(&world, &client, (decision, json!({}))).await.0, 409, "once");
    }
    // Of the scopes those that are named; scopes alone are not the change.
    let more = change(&["/callback", "/third"], "openid profile orders refunds");
    world.manage_itself("PUT", &client, Some(&more)).await;
    assert_eq!(post(&world, &client, ("/elevate", json!({ "scopes": "refunds" }))).await.0, 409, "a change waits");
    let (_, read) = world.manage_itself("GET", &client, None).await;
    assert_eq!(read["redirect_uris"], wish["redirect_uris"], "it is not made");
    post(&world, &client, ("/reject", json!({}))).await;
    let (_, fewer) = world.manage_itself("PUT", &client, Some(&change(&["/callback"], "openid"))).await;
    assert_eq!(fewer["scope"], "openid");
    world.manage_itself("PUT", &client, Some(&change(&["/callback", "/third"], "openid profile orders"))).await;
    let (status, decided) = post(&world, &client, ("/approve", json!({ "scopes": "orders" }))).await;
    assert_eq!((status, &decided["scopes"]["granted"]), (200, &json!("openid orders")), "{decided}");
    assert_eq!(decided["scopes"]["withheld"], "profile", "{decided}");
    // A scope that only an approval grants is more, too.
    let withheld = change(&["/callback", "/third"], "openid refunds");
    let (status, in_force) = world.manage_itself("PUT", &client, Some(&withheld)).await;
    assert_eq!((status, &in_force["scope"]), (200, &json!("openid orders")), "{in_force}");
    let listed = world.ask("GET", "/v1/clients?state=active").await.body;
    assert_eq!(listed["clients"][0]["asks_for"], json!(["scope + profile refunds - orders"]), "{listed}");
    let events = world.store.records(&AuditFilter::default(), None, 5).await.unwrap();
    let growth = r#""growth":"scope + refunds profile""#;
    assert!(events.iter().any(|record| record.event.contains(growth)), "{events:?}");
    assert_eq!(post(&world, &client, ("/reject", json!({}))).await.0, 200);
    // Less needs nobody.
    let (_, less) = world.manage_itself("PUT", &client, Some(&change(&["/third"], "openid"))).await;
    assert_eq!(less["redirect_uris"], json!(["https://app.example.com/third"]));
}
