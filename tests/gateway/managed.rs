//! The demo's authorization server behind a gateway, which remembers what it answered: RFC 7592 from both sides.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use dcr_gateway::demo::authorization_server::{Settings, router};
use dcr_gateway::secret::Secret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::client::{Answer, exchange};
use crate::configuration::on_base;
use crate::process::Gateway;

/// Two profiles: one for holders of tokens, one for everybody. `{…}` stands for what [`Rules`] add.
const OWN: &str = r#"
authorization_server:
  credential: { bearer_token_file: "{directory}/credential" }
store: { url: "sqlite://{directory}/gateway.db", encryption_key_file: "{directory}/key" }
{telemetry}
management: { {management} }
{more}
profiles:
  - name: partners
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
    scopes: { initial: [openid], allowed: [profile], by_approval: ["orders:write"] }
    authorization_details_types: [payment_initiation]
    limits: { rate: 1000/s, burst: 1000, {limits} }
  - name: everybody
    match: {}
    initial_access_token: off
    {everybody}
    redirect_uris: { https: [{ host: app.example.com }] }
    scopes: { initial: [openid], allowed: [profile] }
    limits: { rate: 1000/s, burst: 1000 }
"#;

/// What differs between the worlds.
#[derive(Default)]
pub struct Rules<'a> {
    /// Keys of `management`.
    pub management: &'a str,
    /// More limits of `partners`.
    pub limits: &'a str,
    /// More keys of `everybody`.
    pub everybody: &'a str,
    /// More sections.
    pub more: &'a str,
    /// The section `telemetry`; empty: a log in JSON.
    pub telemetry: &'a str,
}

impl Rules<'_> {
    fn configuration(&self, directory: &TempDir) -> String {
        let own = OWN
            .replace("{management}", self.management)
            .replace("{limits}", self.limits)
            .replace("{everybody}", self.everybody)
            .replace("{more}", self.more)
            .replace("{telemetry}", self.telemetry)
            .replace("{directory}", directory.path().to_str().unwrap());
        on_base(&own)
    }
}

/// What the server was asked, and what it answered.
pub struct Exchange {
    pub method: String,
    pub answered: Value,
}

pub struct World {
    pub gateway: Gateway,
    /// The server itself, past the gateway.
    pub server: SocketAddr,
    pub directory: TempDir,
    configuration: String,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl World {
    pub async fn start() -> Self {
        Self::with(Rules::default()).await
    }

    pub async fn with(rules: Rules<'_>) -> Self {
        Self::in_directory(TempDir::new().unwrap(), rules).await
    }

    /// The same, in a directory that holds files the configuration names.
    pub async fn in_directory(directory: TempDir, rules: Rules<'_>) -> Self {
        std::fs::write(directory.path().join("credential"), "operator").unwrap();
        let exchanges = Arc::<Mutex<Vec<Exchange>>>::default();
        let kept = exchanges.clone();
        let settings = Settings { issuer: "https://sso.example.com".to_owned(), credential: Secret::new("operator") };
        let router = router(settings).layer(from_fn(move |request: Request, next: Next| {
            let kept = kept.clone();
            async move {
                let (method, is_registration) = (request.method().to_string(), request.uri().path().starts_with("/r"));
                let (head, body) = next.run(request).await.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                if is_registration {
                    let answered = serde_json::from_slice(&body).unwrap_or_default();
                    kept.lock().unwrap().push(Exchange { method, answered });
                }
                axum::response::Response::from_parts(head, Body::from(body))
            }
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        let configuration = rules.configuration(&directory);
        let gateway = Gateway::start(&configuration, server);
        Self { gateway, server, directory, configuration, exchanges }
    }

    /// Another gateway, for which this world's is the authorization server.
    pub fn gateway_before(&self, rules: Rules<'_>) -> Gateway {
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("credential"), "operator").unwrap();
        let configuration = rules.configuration(&directory);
        Gateway::start_in(directory, &configuration, self.gateway.address)
    }

    /// Ends the gateway in order and starts another on the same store.
    pub fn restart(&mut self) {
        self.gateway.signal("TERM");
        assert_eq!(self.gateway.ended(), Some(0));
        self.gateway = Gateway::start(&self.configuration, self.server);
    }

    /// Sends a request to a client's own URI; an empty token is none.
    pub async fn manage(&self, method: &str, uri: &str, token: &str, body: Option<&Value>) -> Answer {
        send(self.gateway.address, (method, uri), token, body).await
    }

    /// A confidential client of `partners`, registered with a fresh token.
    pub async fn client(&self) -> Registered {
        let token = self.gateway.token("partners", 1);
        self.registered(&token, &orders()).await
    }

    /// A client that must be registered.
    pub async fn registered(&self, token: &str, metadata: &Value) -> Registered {
        let answer = send(self.gateway.address, ("POST", "/register"), token, Some(metadata)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Registered::of(&answer)
    }

    /// A client that is registered at the server, past the gateway.
    pub async fn registered_before(&self, metadata: &Value) -> Registered {
        let answer = send(self.server, ("POST", "/register"), "operator", Some(metadata)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Registered::of(&answer)
    }

    /// How often the server was asked this since the last call.
    pub fn asked(&self, method: &str) -> usize {
        let exchanges = std::mem::take(&mut *self.exchanges.lock().unwrap());
        exchanges.iter().filter(|exchange| exchange.method == method).count()
    }

    /// All values that a member had in the server's answers.
    pub fn answered(&self, member: &str) -> Vec<String> {
        let exchanges = self.exchanges.lock().unwrap();
        let mut values: Vec<_> =
            exchanges.iter().filter_map(|exchange| exchange.answered[member].as_str().map(str::to_owned)).collect();
        values.sort();
        values.dedup();
        values
    }
}

/// A client and what it was answered.
#[derive(Debug, Clone)]
pub struct Registered {
    pub id: String,
    pub token: String,
    pub uri: String,
    pub told: Value,
}

impl Registered {
    fn of(answer: &Answer) -> Self {
        let told = answer.json();
        let text = |member: &str| told[member].as_str().unwrap_or_default().to_owned();
        let (id, token) = (text("client_id"), text("registration_access_token"));
        let uri = text("registration_client_uri").trim_start_matches("https://sso.example.com").to_owned();
        Self { id, token, uri, told }
    }

    /// A change to these members of an ordinary client, naming the client.
    pub fn change(&self, members: &Value) -> Value {
        let mut all = orders();
        all["client_id"] = self.id.as_str().into();
        for (name, value) in members.as_object().unwrap() {
            all[name] = value.clone();
        }
        all
    }
}

pub fn orders() -> Value {
    json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"], "scope": "openid profile"})
}

/// A client that has no secret.
pub fn public() -> Value {
    let mut client = orders();
    client["token_endpoint_auth_method"] = "none".into();
    client
}

/// Sends a request on a fresh connection; an empty token is none.
pub async fn send(address: SocketAddr, (method, path): (&str, &str), token: &str, body: Option<&Value>) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: sso.example.com\r\nContent-Type: application/json\r\n{authorization}Content-Length: {length}\r\n\r\n{body}"
    );
    exchange(address, request.as_bytes()).await.expect("an answer")
}
