//! What becomes of clients before a server with an administration: a small one that does as Keycloak does (docs/keycloak.md).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use dcr_gateway::clock::{Clock as _, SystemClock, Timestamp};
use dcr_gateway::store::{AuditFilter, AuditLog as _, ClientRecord, Clients as _, Turn, TurnTaken, Uses as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::records;
use crate::sealed;
use crate::undone::{end_turn, turn_at};
use crate::world::{World, configuration, public};

const REGISTRATION: &str = "/realms/acme/clients-registrations/openid-connect";

#[derive(Default)]
struct Server {
    clients: Mutex<HashMap<String, Client>>,
    /// The administration answers so, whatever it is asked, before or after it did it.
    failing: Mutex<Option<Failing>>,
    /// It enables and disables nobody, and does everything else.
    refuse_to_switch: AtomicBool,
}

#[derive(Clone, Copy)]
enum Failing {
    /// With this status, having done nothing.
    Refusing(StatusCode),
    /// With nonsense, having done it.
    Confused,
}

#[derive(Clone)]
struct Client {
    metadata: Value,
    token: u32,
    enabled: bool,
}

type Shared = State<Arc<Server>>;

impl Server {
    async fn start() -> (Arc<Self>, SocketAddr) {
        let server = Arc::new(Self::default());
        let router = Router::new()
            .route(REGISTRATION, post(register))
            .route(&format!("{REGISTRATION}/{{id}}"), get(read))
            .route(
                "/token",
                post(async || Json(json!({"access_token": "t", "token_type": "Bearer", "expires_in": 600}))),
            )
            .route("/admin/realms/acme/clients", get(find))
            .route("/admin/realms/acme/client-scopes", get(async || Json(named("profile orders"))))
            .route("/admin/realms/acme/clients/{id}/default-client-scopes", get(async || Json(named("basic"))))
            .route("/admin/realms/acme/clients/{id}/optional-client-scopes", get(scopes))
            .route("/admin/realms/acme/clients/{id}/optional-client-scopes/{scope}", axum::routing::put(assign))
            .route("/admin/realms/acme/clients/{id}", axum::routing::put(switch).delete(remove))
            .route("/admin/realms/acme/clients/{id}/registration-access-token", post(new_token))
            .with_state(server.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        (server, address)
    }

    fn client(&self, id: &str) -> Option<Client> {
        self.clients.lock().unwrap().get(id).cloned()
    }

    fn fail(&self, failing: Option<Failing>) {
        *self.failing.lock().unwrap() = failing;
    }

    /// Does something to the client, unless it is made to fail.
    fn administer(&self, id: &str, act: impl FnOnce(&mut HashMap<String, Client>) -> Response) -> Response {
        let failing = *self.failing.lock().unwrap();
        if let Some(Failing::Refusing(status)) = failing {
            return status.into_response();
        }
        let mut clients = self.clients.lock().unwrap();
        let answer = if clients.contains_key(id) { act(&mut clients) } else { StatusCode::NOT_FOUND.into_response() };
        if failing.is_some() { StatusCode::INTERNAL_SERVER_ERROR.into_response() } else { answer }
    }
}

/// What Keycloak answers about a client.
fn shown(client: &Client) -> Value {
    let mut members = client.metadata.clone();
    members["registration_access_token"] = json!(format!("token-{}", client.token));
    members["registration_client_uri"] =
        json!(format!("http://kc{REGISTRATION}/{}", client.metadata["client_id"].as_str().unwrap()));
    members
}

async fn register(State(server): Shared, Json(mut metadata): Json<Value>) -> Response {
    let mut clients = server.clients.lock().unwrap();
    let id = format!("kc-{}", clients.len());
    metadata["client_id"] = json!(id);
    let client = Client { metadata, token: 1, enabled: true };
    let answer = shown(&client);
    clients.insert(id, client);
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn read(State(server): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let client = server.client(&id);
    let presented = headers.get("authorization").and_then(|line| line.to_str().ok()).unwrap_or_default();
    let is_theirs = |client: &Client| client.enabled && presented == format!("Bearer token-{}", client.token);
    match client.filter(is_theirs) {
        Some(client) => Json(shown(&client)).into_response(),
        None => (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_token"}))).into_response(),
    }
}

async fn find(State(server): Shared, uri: Uri) -> Response {
    let id = uri.query().and_then(|query| query.strip_prefix("clientId=")).unwrap();
    let found = server.client(id).map(|client| {
        let uris = client.metadata["redirect_uris"].as_array().cloned().unwrap_or_default();
        json!({"id": id, "clientId": id, "enabled": client.enabled, "redirectUris": uris})
    });
    Json(Value::from_iter(found)).into_response()
}

async fn switch(State(server): Shared, Path(id): Path<String>, Json(change): Json<Value>) -> Response {
    if server.refuse_to_switch.load(Ordering::Relaxed) {
        return StatusCode::FORBIDDEN.into_response();
    }
    server.administer(&id, |clients| {
        clients.get_mut(&id).unwrap().enabled = change["enabled"].as_bool().unwrap();
        StatusCode::NO_CONTENT.into_response()
    })
}

/// Client scopes of these names.
fn named(names: &str) -> Value {
    names.split_whitespace().map(|name| json!({"id": name, "name": name})).collect()
}

async fn scopes(State(server): Shared, Path(id): Path<String>) -> Response {
    let client = server.client(&id).unwrap();
    Json(named(client.metadata["scope"].as_str().unwrap())).into_response()
}

async fn assign(State(server): Shared, Path((id, scope)): Path<(String, String)>) -> Response {
    server.administer(&id, |clients| {
        let metadata = &mut clients.get_mut(&id).unwrap().metadata;
        metadata["scope"] = json!(format!("{} {scope}", metadata["scope"].as_str().unwrap()).trim());
        StatusCode::NO_CONTENT.into_response()
    })
}

async fn remove(State(server): Shared, Path(id): Path<String>) -> Response {
    server.administer(&id, |clients| {
        clients.remove(&id);
        StatusCode::NO_CONTENT.into_response()
    })
}

async fn new_token(State(server): Shared, Path(id): Path<String>) -> Response {
    server.administer(&id, |clients| {
        let client = clients.get_mut(&id).unwrap();
        client.token += 1;
        Json(json!({"registrationAccessToken": format!("token-{}", client.token)})).into_response()
    })
}

async fn world() -> (Arc<Server>, World) {
    world_with("client_certificate: off").await
}

async fn world_with(rules: &str) -> (Arc<Server>, World) {
    let (server, address) = Server::start().await;
    (server, World::with_rules(&section(address), "{ socket: admin.sock }", rules).await)
}

fn section(address: SocketAddr) -> String {
    format!(
        "{{ kind: keycloak, issuer: \"http://127.0.0.1:1/realms/acme\", url: \"http://{address}\", \
         credential: {{ client_credentials: {{ client_id: gw, client_secret_file: credential, token_path: /token }} }} }}"
    )
}

/// A client with an entry in the record: its id and the answer to its registration.
async fn client(world: &World) -> (String, Value) {
    let registered = world.register("Orders").await;
    (registered["client_id"].as_str().unwrap().to_owned(), registered)
}

#[tokio::test]
async fn a_suspended_client_is_disabled_there_and_a_resumed_one_enabled() {
    let (server, world) = world().await;
    let (id, registered) = client(&world).await;
    assert_eq!(world.change("POST", &format!("/v1/clients/{id}/suspend"), "*").await.status, 200);
    assert!(!server.client(&id).unwrap().enabled);
    assert_eq!(world.read_itself(&registered).await, 403);
    assert_eq!(world.change("POST", &format!("/v1/clients/{id}/resume"), "*").await.status, 200);
    assert!(server.client(&id).unwrap().enabled);
    assert_eq!(world.read_itself(&registered).await, 200);
    assert_eq!(world.change("DELETE", &format!("/v1/clients/{id}"), "*").await.status, 200);
    assert!(server.client(&id).is_none());
}

/// A call about it was broken off; its token is known to be lost by that, or not yet.
async fn be_broken_off(world: &World, id: &str, is_lost: bool) {
    if is_lost {
        let client = turn_at(world, id).await;
        return end_turn(world, &ClientRecord { unmanageable: true, ..client }).await;
    }
    let (turn, now) = (Turn { holder: "t".to_owned(), lasts: Duration::from_secs(60) }, SystemClock.now());
    assert!(matches!(world.store.take_turn(id, &turn, now).await.unwrap(), TurnTaken::Taken { .. }));
    world.store.break_off_turn(id, "t", now).await.unwrap();
}

/// Waits until the server has what was decided.
async fn settled(world: &World, id: &str) -> Value {
    world.until(id, |client| client.get("unsettled").is_none()).await
}

#[tokio::test]
async fn what_is_decided_while_the_server_refuses_is_heeded_here_at_once_and_there_when_it_can_be() {
    let (server, world) = world().await;
    let (id, registered) = client(&world).await;
    server.fail(Some(Failing::Refusing(StatusCode::FORBIDDEN)));
    let answer = world.change("POST", &format!("/v1/clients/{id}/suspend"), "*").await;
    assert_eq!((answer.status, &answer.body["state"]), (200, &json!("suspended")), "{}", answer.body);
    assert_eq!(answer.body["unsettled"]["attempts"], 1);
    assert!(answer.body["unsettled"]["last_error"].as_str().unwrap().contains("docs/keycloak.md"));
    assert!(server.client(&id).unwrap().enabled);
    assert_eq!(world.read_itself(&registered).await, 403);
    server.fail(None);
    assert_eq!(settled(&world, &id).await["state"], "suspended");
    assert!(!server.client(&id).unwrap().enabled);
}

#[tokio::test]
async fn the_last_decision_is_what_the_server_gets() {
    let (server, world) = world().await;
    let (id, registered) = client(&world).await;
    server.fail(Some(Failing::Refusing(StatusCode::SERVICE_UNAVAILABLE)));
    // What was never brought there need not be taken back.
    for (rest, attempts) in [("/suspend", json!(1)), ("/resume", Value::Null), ("/suspend", json!(1))] {
        let answer = world.change("POST", &format!("/v1/clients/{id}{rest}"), "*").await;
        assert_eq!((answer.status, &answer.body["unsettled"]["attempts"]), (200, &attempts), "{}", answer.body);
    }
    let deleted = world.change("DELETE", &format!("/v1/clients/{id}"), "*").await;
    assert_eq!((deleted.status, &deleted.body["state"]), (200, &json!("deleted")));
    assert_eq!(world.read_itself(&registered).await, 401);
    assert!(server.client(&id).unwrap().enabled, "not there yet");
    server.fail(None);
    assert_eq!(settled(&world, &id).await["state"], "deleted");
    assert!(server.client(&id).is_none());
}

#[tokio::test]
async fn what_was_done_without_a_clear_answer_is_found_done() {
    let (server, world) = world().await;
    let (id, registered) = client(&world).await;
    server.fail(Some(Failing::Confused));
    let answer = world.change("POST", &format!("/v1/clients/{id}/suspend"), "*").await;
    assert_eq!((answer.status, &answer.body["unsettled"]["attempts"]), (200, &json!(1)), "{}", answer.body);
    assert!(!server.client(&id).unwrap().enabled, "done all the same");
    server.fail(None);
    settled(&world, &id).await;
    assert_eq!(world.change("POST", &format!("/v1/clients/{id}/resume"), "*").await.status, 200);
    assert_eq!(world.read_itself(&registered).await, 200);
}

#[tokio::test]
async fn a_client_whose_token_no_key_opens_any_more_gets_a_new_one() {
    let (server, world) = world().await;
    let (id, registered) = client(&world).await;
    sealed::seal(&world, &id, sealed::unreadable()).await;
    for _ in 0..2 {
        assert_eq!(world.read_itself(&registered).await, 200);
        assert_eq!(server.client(&id).unwrap().token, 2);
    }
}

#[tokio::test]
async fn a_client_that_the_server_no_longer_has_is_found_out() {
    let (server, world) = world().await;
    let (id, _) = client(&world).await;
    server.clients.lock().unwrap().clear();
    let answer = world.change("POST", &format!("/v1/clients/{id}/suspend"), "*").await;
    assert_eq!(answer.status, 409, "{}", answer.body);
    let found = world.ask("GET", &format!("/v1/clients/{id}")).await.body;
    assert_eq!((&found["state"], &found["changed_by"]), (&json!("deleted"), &json!("gateway")));
}

#[tokio::test]
async fn a_client_that_was_deleted_there_is_gone_whatever_call_was_broken_off_before() {
    for is_lost in [false, true] {
        let (server, world) = world().await;
        let (id, registered) = client(&world).await;
        be_broken_off(&world, &id, is_lost).await;
        server.clients.lock().unwrap().clear();
        assert_eq!(world.manage_itself("GET", &registered, None).await.0, 401);
        let found = world.ask("GET", &format!("/v1/clients/{id}")).await.body;
        assert_eq!((&found["state"], &found["unmanageable"]), (&json!("deleted"), &json!(false)), "{found}");
        let records = world.store.records(&AuditFilter::default(), None, 100).await.unwrap();
        let told: Vec<Value> = records.iter().map(|record| serde_json::from_str(&record.event).unwrap()).collect();
        let of_kind = |kind: &str| told.iter().filter(|event| event["event"] == kind).count();
        assert_eq!((of_kind("client_removed"), of_kind("client_updated")), (1, 0), "{told:?}");
    }
}

#[tokio::test]
async fn a_client_that_somebody_disabled_there_is_not_taken_for_a_deleted_one() {
    let (server, world) = world().await;
    let (id, registered) = client(&world).await;
    let enable = |enabled| server.clients.lock().unwrap().get_mut(&id).unwrap().enabled = enabled;
    enable(false);
    assert_eq!(world.read_itself(&registered).await, 401);
    assert_eq!(world.ask("GET", &format!("/v1/clients/{id}")).await.body["state"], "active");
    enable(true);
    assert_eq!(world.read_itself(&registered).await, 200);
    // Nor when the administration cannot be asked.
    server.clients.lock().unwrap().get_mut(&id).unwrap().token = 99;
    server.fail(Some(Failing::Refusing(StatusCode::FORBIDDEN)));
    assert_eq!(world.read_itself(&registered).await, 401);
    server.fail(None);
    assert_eq!(world.read_itself(&registered).await, 200);
}

#[tokio::test]
async fn a_client_is_deleted_that_somebody_deleted_there() {
    let (server, world) = world().await;
    let (id, _) = client(&world).await;
    server.clients.lock().unwrap().clear();
    let answer = world.change("DELETE", &format!("/v1/clients/{id}"), "*").await;
    assert_eq!((answer.status, &answer.body["state"]), (200, &json!("deleted")));
    assert_ne!(answer.body["changed_by"], "gateway");
}

#[tokio::test]
async fn an_unknown_registration_becomes_the_client_that_is_there_if_it_is_the_one() {
    let (server, world) = world().await;
    let metadata = |uri: &str| json!({"client_name": "Lost", "redirect_uris": [uri], "scope": ""});
    for (id, uri) in [("mine", "https://app.example.com/callback"), ("other", "https://other.example.com/callback")] {
        let mut metadata = metadata(uri);
        metadata["client_id"] = json!(id);
        server.clients.lock().unwrap().insert(id.to_owned(), Client { metadata, token: 1, enabled: true });
    }
    records::unknown(&*world.store, "r1").await;
    let resolve = async |id: &str| {
        let found = json!({ "outcome": "registered", "client_id": id });
        world.post("/v1/registrations/r1/resolve", &found).await
    };
    assert_eq!(resolve("absent").await.status, 409);
    let other = resolve("other").await;
    assert_eq!(other.status, 409, "{}", other.body);
    assert_eq!(server.client("other").unwrap().token, 1, "another's token stays good");
    let mine = resolve("mine").await;
    assert_eq!((mine.status, &mine.body["client_id"]), (200, &json!("mine")), "{}", mine.body);
    let client = world.ask("GET", "/v1/clients/mine").await.body;
    assert_eq!(client["metadata"]["client_name"], "Lost");
    assert!(!client.to_string().contains("token-2"));
    // It can be administered from now on.
    assert_eq!(world.change("POST", "/v1/clients/mine/suspend", "*").await.status, 200);
    assert!(!server.client("mine").unwrap().enabled);
}

const SCOPES: &str = "scopes: { initial: [openid], allowed: [profile], by_approval: [orders, absent] }";

/// A registration whose outcome is unknown, whose client is at the server, resolved as registered; the client in the record.
async fn resolved(rules: &str, enabled: bool) -> (Arc<Server>, World, Value) {
    let (server, world) = world_with(&format!("{rules}, {SCOPES}")).await;
    let uris = ["https://app.example.com/callback"];
    let metadata = json!({"client_id": "lost", "client_name": "Lost", "redirect_uris": uris, "scope": ""});
    server.clients.lock().unwrap().insert("lost".to_owned(), Client { metadata, token: 1, enabled });
    records::unknown(&*world.store, "r1").await;
    let found = json!({ "outcome": "registered", "client_id": "lost" });
    let answer = world.post("/v1/registrations/r1/resolve", &found).await;
    assert_eq!(answer.status, 200, "{rules}: {}", answer.body);
    let client = world.ask("GET", "/v1/clients/lost").await.body;
    (server, world, client)
}

#[tokio::test]
async fn a_client_whose_answer_was_lost_needs_the_approval_of_its_profile_like_every_other() {
    for (rules, enabled_before) in [("approval: required", true), ("approval: before_use, four_eyes: true", false)] {
        let (server, world, client) = resolved(rules, true).await;
        assert_eq!(client["state"], "pending", "{rules}: {client}");
        assert!(client["pending_until"].is_string(), "{rules}: {client}");
        assert_eq!(server.client("lost").unwrap().enabled, enabled_before, "{rules}");
        assert_eq!(settled(&world, "lost").await["state"], "pending", "{rules}");
        let approved = world.change("POST", "/v1/clients/lost/approve", "*").await;
        let state = if enabled_before { "active" } else { "pending" };
        assert_eq!((approved.status, &approved.body["state"]), (200, &json!(state)), "{rules}: {}", approved.body);
        assert_eq!(server.client("lost").unwrap().enabled, enabled_before, "{rules}: one of two persons");
    }
}

#[tokio::test]
async fn a_resolved_client_that_could_not_be_disabled_at_once_is_disabled_later() {
    let (server, world) = world_with(&format!("approval: before_use, {SCOPES}")).await;
    let uris = ["https://app.example.com/callback"];
    let metadata = json!({"client_id": "lost", "client_name": "Lost", "redirect_uris": uris, "scope": ""});
    server.clients.lock().unwrap().insert("lost".to_owned(), Client { metadata, token: 1, enabled: true });
    server.refuse_to_switch.store(true, Ordering::Relaxed);
    records::unknown(&*world.store, "r1").await;
    let found = json!({ "outcome": "registered", "client_id": "lost" });
    assert_eq!(world.post("/v1/registrations/r1/resolve", &found).await.status, 200);
    let client = world.ask("GET", "/v1/clients/lost").await.body;
    assert_eq!((&client["state"], &client["unsettled"]["attempts"]), (&json!("pending"), &json!(1)), "{client}");
    server.refuse_to_switch.store(false, Ordering::Relaxed);
    settled(&world, "lost").await;
    assert!(!server.client("lost").unwrap().enabled);
}

#[tokio::test]
async fn a_client_that_somebody_disabled_before_it_is_resolved_enters_as_suspended() {
    for (rules, resumed) in [("approval: none", "active"), ("approval: required", "pending")] {
        let (server, world, client) = resolved(rules, false).await;
        assert_eq!(client["state"], "suspended", "{rules}: {client}");
        assert!(!server.client("lost").unwrap().enabled, "{rules}");
        let answer = world.change("POST", "/v1/clients/lost/resume", "*").await;
        assert_eq!((answer.status, &answer.body["state"]), (200, &json!(resumed)), "{rules}: {}", answer.body);
        assert!(server.client("lost").unwrap().enabled, "{rules}");
    }
    let (server, world, client) = resolved("approval: before_use", false).await;
    assert_eq!(client["state"], "pending", "it is what a pending one is: {client}");
    assert_eq!(world.change("POST", "/v1/clients/lost/approve", "*").await.status, 200);
    assert!(server.client("lost").unwrap().enabled);
}

#[tokio::test]
async fn an_approval_assigns_the_scopes_that_were_withheld() {
    let (server, world) = world_with(&format!("approval: required, {SCOPES}")).await;
    let (status, registered) = world.register_as(&public("openid profile orders")).await;
    let id = registered["client_id"].as_str().unwrap();
    assert_eq!((status, &registered["scope"]), (201, &json!("openid")));
    assert_eq!(server.client(id).unwrap().metadata["scope"], "");
    server.fail(Some(Failing::Refusing(StatusCode::SERVICE_UNAVAILABLE)));
    let approved = world.change("POST", &format!("/v1/clients/{id}/approve"), "*").await;
    assert_eq!((approved.status, &approved.body["state"]), (200, &json!("active")), "{}", approved.body);
    assert_eq!(approved.body["unsettled"]["attempts"], 1, "{}", approved.body);
    server.fail(None);
    assert_eq!(settled(&world, id).await["scopes"]["granted"], "openid profile orders");
    assert_eq!(server.client(id).unwrap().metadata["scope"], "profile orders");
    let again = world.register_as(&public("openid profile orders")).await.1;
    assert_eq!((&again["client_id"], &again["scope"]), (&json!(id), &json!("openid profile orders")));
}

#[tokio::test]
async fn a_scope_that_the_realm_does_not_have_is_told_of() {
    let (_server, world) = world_with(&format!("approval: required, {SCOPES}")).await;
    let registered = world.register_as(&public("absent")).await.1;
    let id = registered["client_id"].as_str().unwrap();
    let approved = world.change("POST", &format!("/v1/clients/{id}/approve"), "*").await;
    let error = approved.body["unsettled"]["last_error"].as_str().unwrap();
    assert!(error.contains("the realm has no client scope absent"), "{error}");
}

#[tokio::test]
async fn a_client_that_may_not_be_used_before_is_disabled_until_somebody_approves_it() {
    let (server, world) = world_with(&format!("approval: before_use, {SCOPES}")).await;
    let registered = world.register("Orders").await;
    let id = registered["client_id"].as_str().unwrap();
    assert!(!server.client(id).unwrap().enabled);
    assert_eq!(world.read_itself(&registered).await, 403);
    for (rest, enabled) in [("/suspend", false), ("/resume", false), ("/approve", true)] {
        assert_eq!(world.change("POST", &format!("/v1/clients/{id}{rest}"), "*").await.status, 200);
        assert_eq!(server.client(id).unwrap().enabled, enabled, "{rest}");
    }
    assert_eq!(world.read_itself(&registered).await, 200);
}

#[tokio::test]
async fn a_client_that_cannot_be_disabled_is_not_handed_out_and_removed_again() {
    let (server, world) = world_with(&format!("approval: before_use, {SCOPES}")).await;
    server.fail(Some(Failing::Refusing(StatusCode::FORBIDDEN)));
    let (status, refused) = world.register_as(&public("openid")).await;
    assert_eq!((status, &refused["error"]), (502, &json!("server_error")), "{refused}");
    server.fail(None);
    settled(&world, "kc-0").await;
    assert!(server.client("kc-0").is_none());
    assert_eq!(world.register_as(&public("openid")).await.0, 201);
}

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Before the server, where clients may be unused for ten days. Two of them have been for twenty, and are there.
async fn world_of_unused_clients() -> (Arc<Server>, World) {
    let (server, address) = Server::start().await;
    let configuration = configuration(&section(address), "{ socket: admin.sock }");
    let configuration = configuration.replace("{ name: partners,", "{ name: partners, expire_unused_after: 10d,");
    let directory = tempfile::TempDir::new().unwrap();
    let world = World::configured(directory, &configuration).await;
    // What the gateway itself looked at when it started is over when it has answered.
    world.ask("GET", "/v1/unused-clients").await;
    let now = SystemClock.now().unix_millis();
    world.store.stop_watching_uses().await.unwrap();
    world.store.watch_uses(Timestamp::from_unix_millis(now - 30 * DAY)).await.unwrap();
    for (id, age) in [("old", 20), ("used", 20), ("young", 5), ("older", 40)] {
        records::registered(&*world.store, id, now - age * DAY).await;
        let metadata = json!({ "client_id": format!("c-{id}") });
        server.clients.lock().unwrap().insert(format!("c-{id}"), Client { metadata, token: 1, enabled: true });
    }
    (server, world)
}

async fn unused(world: &World) -> Vec<String> {
    let unused = world.ask("GET", "/v1/unused-clients").await.body;
    let clients = unused["clients"].as_array().unwrap();
    clients.iter().map(|client| client["client_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_client_that_nobody_ever_used_expires_there_and_in_the_record() {
    let (server, world) = world_of_unused_clients().await;
    world.store.note_uses(&[("c-used".to_owned(), SystemClock.now())]).await.unwrap();
    assert_eq!(unused(&world).await, ["c-old"], "none that is young, or was there before anybody watched");
    let expired = world.ask("POST", "/v1/unused-clients/expire").await;
    assert_eq!((expired.status, expired.body), (200, json!({ "expired": ["c-old"] })));
    assert!(server.client("c-old").is_none());
    assert_eq!(world.ask("GET", "/v1/clients/c-old").await.body["state"], "expired");
    for id in ["c-used", "c-young", "c-older"] {
        assert!(server.client(id).is_some_and(|client| client.enabled), "{id}");
        assert_eq!(world.ask("GET", &format!("/v1/clients/{id}")).await.body["state"], "active", "{id}");
    }
    assert_eq!(world.ask("POST", "/v1/unused-clients/expire").await.body, json!({ "expired": [] }));
}

#[tokio::test]
async fn nothing_expires_while_no_client_at_all_was_seen_to_be_used() {
    let (server, world) = world_of_unused_clients().await;
    let report = world.ask("GET", "/v1/unused-clients").await.body;
    assert_eq!((&report["no_use_was_seen"], report["clients"].as_array().unwrap().len()), (&json!(true), 2));
    assert_eq!(world.ask("POST", "/v1/unused-clients/expire").await.status, 409);
    assert!(server.client("c-old").is_some());
}

#[tokio::test]
async fn where_uses_cannot_be_seen_nothing_expires() {
    let world = World::start().await;
    assert_eq!(world.ask("GET", "/v1/unused-clients").await.body["watched_since"], Value::Null);
    assert_eq!(world.ask("POST", "/v1/unused-clients/expire").await.status, 409);
}
