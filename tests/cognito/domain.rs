//! A stand-in for a user pool's domain with dynamic client registration, as far as AWS documents it: `/oauth2/token` gives the app client of
//! the gateway an access token with the system scope `aws.cognito/dcr/register`, and `/oauth2/register` takes a registration (RFC 7591) with such
//! a token alone ("authenticated registration"). No emulator has that endpoint.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const CLIENT: &str = "1example23456789";
pub const SECRET: &str = "of-the-app-client";
const SCOPE: &str = "aws.cognito/dcr/register";

#[derive(Default)]
pub struct Domain {
    /// How many tokens were given out; the last one alone is good.
    pub tokens: Mutex<u32>,
    /// What was registered, each as it was sent.
    pub registered: Mutex<Vec<Value>>,
    /// What the next registrations are answered instead, whatever token they bring.
    pub instead: Mutex<Vec<(u16, Value)>>,
    /// The app client was deleted, or its secret changed.
    pub is_closed: Mutex<bool>,
}

impl Domain {
    pub async fn start() -> (Arc<Self>, String) {
        let domain = Arc::new(Self::default());
        let router = Router::new().route("/oauth2/token", post(token)).route("/oauth2/register", post(register));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router.with_state(domain.clone())).into_future());
        (domain, url)
    }

    /// Every token that was given out is worth nothing from now on.
    pub fn revoke(&self) {
        *self.tokens.lock().unwrap() += 1;
    }

    pub fn given(&self) -> u32 {
        *self.tokens.lock().unwrap()
    }
}

fn answer(status: u16, body: &Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(body.clone())).into_response()
}

/// RFC 6749 §4.4, the client by HTTP Basic.
async fn token(State(domain): State<Arc<Domain>>, headers: HeaderMap, body: Bytes) -> Response {
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
    if headers.get("authorization").is_none_or(|presented| *presented != *basic) || *domain.is_closed.lock().unwrap() {
        return answer(400, &json!({"error": "invalid_client"}));
    }
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let member = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if member("grant_type") != "client_credentials" {
        return answer(400, &json!({"error": "unauthorized_client"}));
    }
    if member("scope") != SCOPE {
        return answer(400, &json!({"error": "invalid_scope"}));
    }
    let mut tokens = domain.tokens.lock().unwrap();
    *tokens += 1;
    answer(200, &json!({"access_token": format!("token-{tokens}"), "expires_in": 3600, "token_type": "Bearer"}))
}

async fn register(State(domain): State<Arc<Domain>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some((status, body)) = domain.instead.lock().unwrap().pop() {
        return answer(status, &body);
    }
    let good = format!("Bearer token-{}", domain.tokens.lock().unwrap());
    if headers.get("authorization").is_none_or(|presented| *presented != *good) {
        return answer(401, &json!({"error": "invalid_token"}));
    }
    let mut registered = domain.registered.lock().unwrap();
    registered.push(body.clone());
    let mut members = body;
    members["client_id"] = json!(format!("dcr{}", registered.len()));
    members["client_id_issued_at"] = json!(1_700_000_000);
    if members["token_endpoint_auth_method"] != "none" {
        members["client_secret"] = json!("s3cret-of-the-client");
        members["client_secret_expires_at"] = json!(0);
    }
    answer(201, &members)
}
