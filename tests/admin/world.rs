//! A gateway in this process, with a store in memory, before the demo's authorization server or another one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use dcr_gateway::config;
use dcr_gateway::demo::authorization_server::{Settings, router};
use dcr_gateway::secret::Secret;
use dcr_gateway::server::Gateway;
use dcr_gateway::store::memory::MemoryStore;
use dcr_gateway::store::{AuditFilter, AuditLog as _};
use reqwest::header::{ETAG, IF_MATCH};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than anything here can take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running gateway.
pub struct World {
    pub directory: TempDir,
    pub address: SocketAddr,
    pub admin: Option<SocketAddr>,
    pub store: Arc<MemoryStore>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub etag: Option<String>,
    pub media_type: String,
    pub body: Value,
}

/// A public client that asks for these scopes.
pub fn public(scope: &str) -> Value {
    json!({
        "redirect_uris": ["https://app.example.com/callback"], "token_endpoint_auth_method": "none", "scope": scope
    })
}

/// An entry of `admin.tokens`, for `token-of-ROLE`.
pub fn entry(role: &str) -> String {
    let digest = Sha256::digest(format!("token-of-{role}"));
    let digest: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{{ name: some {role}, role: {role}, sha256: \"{digest}\" }}")
}

/// The demo's authorization server; where it is.
pub async fn demo_server() -> SocketAddr {
    demo_server_that_is_up(Arc::new(AtomicBool::new(true))).await
}

/// The same, which answers 503 to whatever would change something whenever it is not up.
pub async fn demo_server_that_is_up(up: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings { issuer: "http://127.0.0.1:1".to_owned(), credential: Secret::new("operator") };
    let if_up = move |request: Request, next: Next| {
        let up = up.load(Ordering::SeqCst) || request.method() == axum::http::Method::GET;
        async move { if up { next.run(request).await } else { StatusCode::SERVICE_UNAVAILABLE.into_response() } }
    };
    tokio::spawn(axum::serve(listener, router(settings).layer(from_fn(if_up))).into_future());
    address
}

/// The `authorization_server` section for it.
pub fn demo_section(server: SocketAddr) -> String {
    format!(
        "{{ kind: rfc7591, issuer: \"http://127.0.0.1:1\", url: \"http://{server}\", registration_path: /register, \
         credential: {{ bearer_token_file: credential }} }}"
    )
}

/// A configuration with these two sections.
pub fn configuration(server: &str, admin: &str) -> String {
    format!(
        "public_url: http://127.0.0.1:1\n\
         listeners: [{{ address: 127.0.0.1:0 }}]\n\
         authorization_server: {server}\n\
         store: {{ url: \"sqlite://gateway.db\", encryption_key_file: key }}\n\
         admin: {admin}\n\
         telemetry: {{ log: {{ format: json, level: info }} }}\n\
         profiles:\n\
         \x20 - {{ name: partners, match: {{}}, initial_access_token: optional, redirect_uris: {{ https: [{{ host: app.example.com }}] }} }}\n\
         \x20 - {{ name: closed, match: {{ initial_access_token: false }}, initial_access_token: off }}\n"
    )
}

impl World {
    /// Before the demo's server, with the socket alone.
    pub async fn start() -> Self {
        Self::with_admin("{ socket: admin.sock }").await
    }

    /// Before the demo's server.
    pub async fn with_admin(admin: &str) -> Self {
        Self::before(&demo_section(demo_server().await), admin).await
    }

    /// Before a server.
    pub async fn before(server: &str, admin: &str) -> Self {
        Self::in_directory(TempDir::new().unwrap(), server, admin).await
    }

    /// Before a server, with these rules in the profile that fits everybody.
    pub async fn with_rules(server: &str, admin: &str, rules: &str) -> Self {
        let text = configuration(server, admin).replace("name: partners,", &format!("name: partners, {rules},"));
        Self::configured(TempDir::new().unwrap(), &text).await
    }

    pub async fn in_directory(directory: TempDir, server: &str, admin: &str) -> Self {
        Self::configured(directory, &configuration(server, admin)).await
    }

    /// With this configuration.
    pub async fn configured(directory: TempDir, configuration: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        std::fs::write(directory.path().join("credential"), "operator").unwrap();
        let file = directory.path().join("gateway.yaml");
        std::fs::write(&file, configuration).unwrap();
        let config = config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        let store = Arc::new(MemoryStore::default());
        let gateway = Gateway::start(config, store.clone()).await.unwrap();
        let (address, admin) = (gateway.addresses()[0], gateway.admin_address());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(gateway.run(stopped));
        Self { directory, address, admin, store, stop, running }
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("admin.sock")
    }

    /// Asks over the socket.
    pub async fn ask(&self, method: &str, target: &str) -> Answer {
        self.send(self.request(method, target)).await
    }

    /// Asks for a change of the version.
    pub async fn change(&self, method: &str, target: &str, version: &str) -> Answer {
        self.send(self.request(method, target).header(IF_MATCH, version)).await
    }

    /// Posts JSON.
    pub async fn post(&self, target: &str, body: &Value) -> Answer {
        self.send(self.request("POST", target).json(body)).await
    }

    pub fn request(&self, method: &str, target: &str) -> reqwest::RequestBuilder {
        let client = reqwest::Client::builder().unix_socket(self.socket()).build().unwrap();
        client.request(method.parse().unwrap(), format!("http://gateway{target}"))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        answer(request.send().await.unwrap()).await
    }

    /// Registers a confidential client; the members of the answer.
    pub async fn register(&self, name: &str) -> Value {
        let metadata = json!({"client_name": name, "redirect_uris": ["https://app.example.com/callback"]});
        let (status, members) = self.register_as(&metadata).await;
        assert_eq!(status, 201, "{members}");
        members
    }

    /// Registers whatever it is, as a client does.
    pub async fn register_as(&self, metadata: &Value) -> (u16, Value) {
        let path = self.registration_path();
        let response = reqwest::Client::new().post(format!("http://{}{path}", self.address)).json(metadata);
        let response = response.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// A client asks about itself, with its own token; the status.
    pub async fn read_itself(&self, registered: &Value) -> u16 {
        self.manage_itself("GET", registered, None).await.0
    }

    /// A client manages itself, with its own token.
    pub async fn manage_itself(&self, method: &str, registered: &Value, body: Option<&Value>) -> (u16, Value) {
        let (path, id) = (self.registration_path(), registered["client_id"].as_str().unwrap());
        let token = registered["registration_access_token"].as_str().unwrap();
        let uri = format!("http://{}{path}/{id}", self.address);
        let mut request = reqwest::Client::new().request(method.parse().unwrap(), uri).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// Waits until the client is as it should be.
    pub async fn until(&self, client_id: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        let there = async {
            loop {
                let client = self.ask("GET", &format!("/v1/clients/{client_id}")).await.body;
                if is_there(&client) {
                    return client;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.expect("the client becomes what it should")
    }

    /// Waits until something is recorded of the request.
    pub async fn recorded(&self, request_id: &str) -> Value {
        let there = async {
            loop {
                let records = self.store.records(&AuditFilter::default(), None, 100).await.unwrap();
                if let Some(record) = records.iter().find(|record| record.event.contains(request_id)) {
                    return serde_json::from_str(&record.event).unwrap();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.expect("a record")
    }

    fn registration_path(&self) -> String {
        let config = config::load(&self.directory.path().join("gateway.yaml")).unwrap();
        config.paths.registration_path().to_owned()
    }

    /// Stops it, and waits until it has.
    pub async fn stop(self) -> TempDir {
        self.stop.send(true).unwrap();
        tokio::time::timeout(PATIENCE, self.running).await.expect("an end").unwrap();
        self.directory
    }
}

pub async fn answer(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (etag, media_type) = (header(ETAG.as_str()), header("content-type").unwrap_or_default());
    assert_eq!(header("cache-control").as_deref(), Some("no-store"));
    let text = response.text().await.unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    Answer { status, etag, media_type, body }
}
