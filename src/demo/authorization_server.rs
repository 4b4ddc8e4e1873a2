//! A small authorization server: registration (RFC 7591), management (RFC 7592) and metadata (RFC 8414), kept in memory.
//! For the demo, tests and benches: nobody signs in there, and what it knows ends with its process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use crate::clock::{Clock, SystemClock};
use crate::randomness;
use crate::registration::json as strict_json;
use crate::secret::Secret;

/// Who it is, and whom it lets register.
pub struct Settings {
    /// Its issuer identifier: the address clients see.
    pub issuer: String,
    /// The bearer token that registration needs.
    pub credential: Secret,
}

struct Server {
    settings: Settings,
    clients: Mutex<HashMap<String, Client>>,
}

struct Client {
    registration_access_token: Secret,
    metadata: Map<String, Value>,
}

/// What the four codes of RFC 7591 §3.2.2 and RFC 6750 §3.1 are answered with.
struct Refused(StatusCode, &'static str, &'static str);

type Shared = State<Arc<Server>>;

/// The routes: `/register`, `/register/{client_id}`, both discovery documents.
pub fn router(settings: Settings) -> Router {
    let server = Arc::new(Server { settings, clients: Mutex::default() });
    Router::new()
        .route("/register", post(register))
        .route("/register/{client_id}", get(read).put(replace).delete(remove))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/.well-known/openid-configuration", get(metadata))
        .with_state(server)
}

async fn metadata(State(server): Shared) -> Response {
    let issuer = &server.settings.issuer;
    answer(
        StatusCode::OK,
        &json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "registration_endpoint": format!("{issuer}/register"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        }),
    )
}

async fn register(State(server): Shared, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    if bearer(&headers).is_none_or(|presented| presented != server.settings.credential) {
        return Err(Refused(StatusCode::UNAUTHORIZED, "invalid_token", "registration needs the operator's credential"));
    }
    let mut metadata = with_defaults(requested(&body)?);
    let client_id = random();
    let registration_access_token = Secret::new(random());
    metadata.insert("client_id".into(), client_id.clone().into());
    metadata.insert("client_id_issued_at".into(), SystemClock.now().unix_seconds().into());
    settle_secret(&mut metadata);
    let answered = server.information(&client_id, &metadata, &registration_access_token);
    server.clients().insert(client_id, Client { registration_access_token, metadata });
    Ok(answer(StatusCode::CREATED, &answered))
}

async fn read(State(server): Shared, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Refused> {
    let clients = server.clients();
    let client = authorized(&clients, &id, &headers)?;
    Ok(answer(StatusCode::OK, &server.information(&id, &client.metadata, &client.registration_access_token)))
}

/// RFC 7592 §2.2: the new metadata take the place of the old ones as a whole, a new token that of the presented one.
async fn replace(
    State(server): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let mut clients = server.clients();
    let client = authorized(&clients, &id, &headers)?;
    let mut metadata = requested(&body)?;
    let invalid = |sentence| Refused(StatusCode::BAD_REQUEST, "invalid_client_metadata", sentence);
    if metadata.remove("client_id").as_ref() != client.metadata.get("client_id") {
        return Err(invalid("client_id must be the client's own"));
    }
    if metadata.remove("client_secret").is_some_and(|secret| Some(&secret) != client.metadata.get("client_secret")) {
        return Err(invalid("client_secret must be the client's own"));
    }
    let not_theirs =
        ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"];
    if not_theirs.iter().any(|member| metadata.contains_key(*member)) {
        return Err(invalid("a member that only the server assigns"));
    }
    let mut metadata = with_defaults(metadata);
    for kept in ["client_id", "client_id_issued_at", "client_secret", "client_secret_expires_at"] {
        if let Some(value) = client.metadata.get(kept) {
            metadata.insert(kept.into(), value.clone());
        }
    }
    settle_secret(&mut metadata);
    let registration_access_token = Secret::new(random());
    let answered = server.information(&id, &metadata, &registration_access_token);
    clients.insert(id, Client { registration_access_token, metadata });
    Ok(answer(StatusCode::OK, &answered))
}

async fn remove(State(server): Shared, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Refused> {
    let mut clients = server.clients();
    authorized(&clients, &id, &headers)?;
    clients.remove(&id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl Server {
    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<String, Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn information(&self, client_id: &str, metadata: &Map<String, Value>, token: &Secret) -> Value {
        let mut members = metadata.clone();
        members.insert("registration_access_token".into(), token.expose().into());
        members
            .insert("registration_client_uri".into(), format!("{}/register/{client_id}", self.settings.issuer).into());
        members.into()
    }
}

/// RFC 7592 §2: an unknown client and a wrong token look the same.
fn authorized<'a>(clients: &'a HashMap<String, Client>, id: &str, headers: &HeaderMap) -> Result<&'a Client, Refused> {
    let presented = bearer(headers);
    let client = clients.get(id).filter(|client| presented.as_ref() == Some(&client.registration_access_token));
    client.ok_or(Refused(StatusCode::UNAUTHORIZED, "invalid_token", "the registration access token is not valid"))
}

fn requested(body: &[u8]) -> Result<Map<String, Value>, Refused> {
    let members = strict_json::parse(body).unwrap_or_default();
    let uris = members.get("redirect_uris").and_then(Value::as_array);
    let are_uris = |uris: &Vec<Value>| !uris.is_empty() && uris.iter().all(|uri| uri.as_str().is_some_and(is_absolute));
    if uris.is_some_and(are_uris) {
        Ok(members)
    } else {
        Err(Refused(StatusCode::BAD_REQUEST, "invalid_redirect_uri", "redirect_uris must hold absolute URIs"))
    }
}

fn is_absolute(uri: &str) -> bool {
    url::Url::parse(uri).is_ok_and(|uri| uri.fragment().is_none())
}

/// RFC 7591 §2.
fn with_defaults(mut metadata: Map<String, Value>) -> Map<String, Value> {
    metadata.entry("token_endpoint_auth_method").or_insert_with(|| "client_secret_basic".into());
    metadata.entry("grant_types").or_insert_with(|| json!(["authorization_code"]));
    metadata.entry("response_types").or_insert_with(|| json!(["code"]));
    metadata
}

/// A confidential client has a secret, and keeps the one that it has; a public one has none.
fn settle_secret(metadata: &mut Map<String, Value>) {
    if metadata["token_endpoint_auth_method"] == "none" {
        metadata.remove("client_secret");
        metadata.remove("client_secret_expires_at");
    } else {
        metadata.entry("client_secret").or_insert_with(|| random().into());
        metadata.insert("client_secret_expires_at".into(), 0.into());
    }
}

fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(Secret::new)
}

fn random() -> String {
    randomness::name(randomness::of_the_system)
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body.to_string()).into_response()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(status, error, description) = self;
        let mut response = answer(status, &json!({"error": error, "error_description": description}));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = axum::http::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
