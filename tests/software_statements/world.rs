//! A directory that signs, a CA, a gateway that trusts both, and the authorization server behind it, which writes down what it is sent.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dcr_gateway::config;
use dcr_gateway::server::Gateway;
use dcr_gateway::store::memory::MemoryStore;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub const ISSUER: &str = "https://directory.example";

type Sent = Arc<Mutex<Vec<Value>>>;

pub struct World {
    address: SocketAddr,
    sent: Sent,
    directory: Directory,
    authority: CertifiedIssuer<'static, KeyPair>,
    _stop: watch::Sender<bool>,
    _files: tempfile::TempDir,
}

/// Signs statements with ES256.
pub struct Directory(EcdsaKeyPair);

impl Directory {
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap())
    }

    pub fn jwks(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "1"}]})
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"1"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What differs between the worlds.
pub struct Rules<'a> {
    /// `software_statement` of the profile.
    pub requirement: &'a str,
    /// Where the issuer's keys are; `SERVER` stands for the address of the authorization server, which publishes them too.
    pub keys: &'a str,
    /// More keys of the issuer, in YAML flow style.
    pub issuer: &'a str,
    /// More keys of the profile.
    pub profile: &'a str,
    /// More keys of the authorization server.
    pub server: &'a str,
}

pub const REQUIRED: Rules<'static> =
    Rules { requirement: "required", keys: "jwks_file: jwks.json", issuer: "", profile: "", server: "" };

impl World {
    pub async fn with(rules: Rules<'_>) -> Self {
        let files = tempfile::tempdir().unwrap();
        let directory = Directory::new();
        std::fs::write(files.path().join("jwks.json"), directory.jwks().to_string()).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(files.path().join("ca.pem"), authority.as_ref().pem()).unwrap();

        let sent = Sent::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let jwks = axum::Json(directory.jwks());
        let router = axum::Router::new()
            .route("/register", post(register))
            .route("/jwks", get(async || jwks))
            .with_state(sent.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });

        let gateway = gateway(files.path(), server, &rules).await;
        let (stop, stopped) = watch::channel(false);
        let address = gateway.addresses()[0];
        tokio::spawn(gateway.run(stopped));
        Self { address, sent, directory, authority, _stop: stop, _files: files }
    }

    /// A statement with these claims besides `iss`, unless they hold another one.
    pub fn statement(&self, claims: Value) -> String {
        let mut all = json!({ "iss": ISSUER });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.directory.sign(&all)
    }

    pub async fn register(&self, body: &Value) -> (u16, Value) {
        self.register_as(body, "192.0.2.1", None).await
    }

    /// Registers from an address, with a client certificate or none, as a trusted proxy forwards them.
    pub async fn register_as(&self, body: &Value, address: &str, certificate: Option<&str>) -> (u16, Value) {
        static PROVIDER: std::sync::Once = std::sync::Once::new();
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let request = reqwest::Client::new().post(format!("http://{}/register", self.address)).json(body);
        let mut request = request.header("x-forwarded-for", address);
        if let Some(certificate) = certificate {
            request = request.header("client-cert", certificate);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// What the authorization server was sent so far.
    pub fn sent(&self) -> Vec<Value> {
        self.sent.lock().unwrap().clone()
    }

    /// A client certificate with this common name and organisational unit, as `Client-Cert` holds it (RFC 9440).
    pub fn certificate(&self, common_name: &str, unit: &str) -> String {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        let certificate = params.signed_by(&KeyPair::generate().unwrap(), &self.authority).unwrap();
        format!(":{}:", STANDARD.encode(certificate.der()))
    }
}

async fn gateway(files: &Path, server: SocketAddr, rules: &Rules<'_>) -> Gateway {
    let Rules { requirement, keys, issuer, profile, server: more } = rules;
    let keys = keys.replace("SERVER", &server.to_string());
    let yaml = format!(
        "
public_url: http://127.0.0.1:8080
listeners:
  - address: 127.0.0.1:0
    trusted_proxies: [127.0.0.0/8]
    client_certificate_header: client-cert
    client_certificate_trust: {{ trust: [ca.pem] }}
authorization_server: {{ kind: rfc7591, issuer: 'http://{server}', url: 'http://{server}', registration_path: /register, {more} }}
software_statements: {{ issuers: [{{ issuer: '{ISSUER}', {keys}, {issuer} }}] }}
profiles:
  - name: partners
    match: {{}}
    initial_access_token: off
    software_statement: {requirement}
    redirect_uris: {{ https: [{{ host: app.example.com }}] }}
    {profile}
"
    );
    let config =
        config::from_text(&yaml, &files.join("config.yaml"), &|_| None).unwrap_or_else(|problems| panic!("{problems}"));
    Gateway::start(config, Arc::new(MemoryStore::default())).await.unwrap()
}

/// Takes everything, and answers only what a client needs to know.
async fn register(State(sent): State<Sent>, axum::Json(body): axum::Json<Value>) -> (StatusCode, axum::Json<Value>) {
    let client_id = {
        let mut sent = sent.lock().unwrap();
        sent.push(body);
        format!("c{}", sent.len())
    };
    let answer = json!({"client_id": client_id, "client_secret": "s", "client_secret_expires_at": 0});
    (StatusCode::CREATED, axum::Json(answer))
}
