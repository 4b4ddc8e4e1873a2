//! A realm as Keycloak's admin API shows it: its clients in pages, what it keeps of events, the events. It counts what would change it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Of a client that the provider `openid-connect` registered.
pub const REGISTERED: &str = "11111111-0b57-4f5c-8a51-3f1f3a0f2b11";

#[derive(Default)]
pub struct Realm {
    pub clients: Mutex<Vec<Value>>,
    pub events: Mutex<Vec<Value>>,
    /// What `events/config` answers; none: 403.
    pub kept: Mutex<Option<Value>>,
    /// Calls that change something.
    pub changes: AtomicUsize,
}

impl Realm {
    pub async fn start() -> (Arc<Self>, SocketAddr) {
        let realm = Arc::new(Self::default());
        let token = async || Json(json!({"access_token": "t", "token_type": "Bearer", "expires_in": 600}));
        let router = Router::new()
            .route("/token", post(token))
            .route("/admin/realms/acme/clients", get(clients))
            .route("/admin/realms/acme/clients/{id}", axum::routing::put(switch).delete(remove))
            .route("/admin/realms/acme/events/config", get(kept))
            .route("/admin/realms/acme/events", get(events))
            .layer(from_fn_with_state(realm.clone(), count))
            .with_state(realm.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        (realm, address)
    }

    /// A client that redirects to this host.
    pub fn has(&self, client_id: &str, host: &str) {
        self.clients.lock().unwrap().push(json!({
            "id": format!("id-{client_id}"), "clientId": client_id, "name": format!("App {client_id}"), "enabled": true,
            "protocol": "openid-connect", "redirectUris": [format!("https://{host}/cb")], "publicClient": true,
            "standardFlowEnabled": true, "defaultClientScopes": ["basic"], "optionalClientScopes": ["profile"],
            "secret": "s3cret", "attributes": {},
        }));
    }

    /// A client was given a token at this moment.
    pub fn saw(&self, client_id: &str, millis: i64) {
        self.events.lock().unwrap().push(json!({"type": "CODE_TO_TOKEN", "clientId": client_id, "time": millis}));
    }

    /// What the realm is told to keep.
    pub fn keeps(&self, kept: Value) {
        *self.kept.lock().unwrap() = Some(kept);
    }
}

/// What is kept where everything needed is.
pub fn everything() -> Value {
    json!({"eventsEnabled": true, "eventsExpiration": 0, "enabledEventTypes": ["CODE_TO_TOKEN", "CLIENT_LOGIN", "REFRESH_TOKEN"]})
}

/// The `authorization_server` section for it; `more` are further keys of it.
pub fn section(server: SocketAddr, more: &str) -> String {
    format!(
        "{{ kind: keycloak, issuer: \"http://127.0.0.1:1/realms/acme\", url: \"http://{server}\", {more} \
         credential: {{ client_credentials: {{ client_id: gw, client_secret_file: credential, token_path: /token }} }} }}"
    )
}

type Shared = State<Arc<Realm>>;

async fn count(State(realm): Shared, request: Request, next: Next) -> Response {
    if request.method() != Method::GET && request.uri().path() != "/token" {
        realm.changes.fetch_add(1, Ordering::SeqCst);
    }
    next.run(request).await
}

/// The members of a query, in its order.
fn members(uri: &Uri) -> Vec<(String, String)> {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

async fn clients(State(realm): Shared, uri: Uri) -> Json<Value> {
    let (clients, query) = (realm.clients.lock().unwrap().clone(), members(&uri));
    let one = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let number = |name: &str, otherwise| one(name).map_or(otherwise, |text| text.parse::<usize>().unwrap());
    let fits = |client: &Value| one("clientId").is_none_or(|wanted| client["clientId"] == *wanted);
    let page = clients.into_iter().filter(fits).skip(number("first", 0)).take(number("max", usize::MAX));
    Json(page.collect())
}

fn place(clients: &[Value], id: &str) -> Option<usize> {
    clients.iter().position(|client| client["id"] == id)
}

async fn switch(State(realm): Shared, Path(id): Path<String>, Json(change): Json<Value>) -> StatusCode {
    let mut clients = realm.clients.lock().unwrap();
    let Some(place) = place(&clients, &id) else { return StatusCode::NOT_FOUND };
    clients[place]["enabled"] = change["enabled"].clone();
    StatusCode::NO_CONTENT
}

async fn remove(State(realm): Shared, Path(id): Path<String>) -> StatusCode {
    let mut clients = realm.clients.lock().unwrap();
    let Some(place) = place(&clients, &id) else { return StatusCode::NOT_FOUND };
    clients.remove(place);
    StatusCode::NO_CONTENT
}

async fn kept(State(realm): Shared) -> Response {
    match realm.kept.lock().unwrap().clone() {
        Some(kept) => Json(kept).into_response(),
        None => (StatusCode::FORBIDDEN, Json(json!({"error": "HTTP 403 Forbidden"}))).into_response(),
    }
}

async fn events(State(realm): Shared, uri: Uri) -> Json<Value> {
    let query = members(&uri);
    let one = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap();
    assert!(query.iter().any(|(key, value)| key == "type" && value == "CODE_TO_TOKEN"));
    let mut events = realm.events.lock().unwrap().clone();
    if let Some((_, client_id)) = query.iter().find(|(key, _)| key == "client") {
        // Keycloak's own order: the newest first.
        events.retain(|event| event["clientId"] == **client_id);
        events.sort_by_key(|event| -event["time"].as_i64().unwrap());
        return Json(events.into_iter().take(one("max").parse().unwrap()).collect());
    }
    assert_eq!(one("direction"), "asc");
    let from: i64 = one("dateFrom").parse().unwrap();
    events.retain(|event| event["time"].as_i64().unwrap() >= from);
    events.sort_by_key(|event| event["time"].as_i64());
    let (first, max): (usize, usize) = (one("first").parse().unwrap(), one("max").parse().unwrap());
    Json(events.into_iter().skip(first).take(max).collect())
}
