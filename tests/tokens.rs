//! Initial access tokens of every form, through the whole gateway to an authorization server.

use std::fs;
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dcr_gateway::clock::{Clock as _, SystemClock};
use dcr_gateway::config;
use dcr_gateway::demo::authorization_server::{Settings, router};
use dcr_gateway::registrant::initial_access_token::{IssuedTokenSettings, NewToken, TokenRandomness, issue};
use dcr_gateway::secret::Secret;
use dcr_gateway::server::Gateway;
use dcr_gateway::store::InitialAccessTokens as _;
use dcr_gateway::store::memory::MemoryStore;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

const ISSUER: &str = "https://idp.example";

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

/// A gateway that trusts one issuer and one introspection endpoint, in front of the demo's authorization server.
struct Running {
    endpoint: String,
    store: Arc<MemoryStore>,
    issuer: Ed25519KeyPair,
    client: reqwest::Client,
    _stop: watch::Sender<bool>,
    _directory: tempfile::TempDir,
}

impl Running {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let document = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        let issuer = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": URL_SAFE_NO_PAD.encode(issuer.public_key().as_ref()),
        });
        fs::write(directory.path().join("keys.json"), json!({ "keys": [key] }).to_string()).unwrap();
        fs::write(directory.path().join("secret"), "s3cret").unwrap();
        fs::write(directory.path().join("credential"), "operator").unwrap();
        let settings = Settings { issuer: "http://127.0.0.1".to_owned(), credential: Secret::new("operator") };
        let server = serve(router(settings)).await;
        let introspection = serve(Router::new().route("/introspect", post(introspect))).await;
        let yaml = format!(
            r#"
public_url: http://127.0.0.1
listeners: [{{ address: "127.0.0.1:0" }}]
authorization_server: {{ kind: rfc7591, issuer: "http://127.0.0.1", url: "{server}", registration_path: /register, credential: {{ bearer_token_file: credential }} }}
store: {{ encryption_key_file: key }}
initial_access_tokens:
  jwt: [{{ issuer: "{ISSUER}", jwks_file: keys.json, audience: dcr, required_scope: dcr }}]
  introspection: {{ endpoint: "{introspection}/introspect", client_id: gateway, client_secret_file: secret, audience: dcr, required_scope: dcr, profile: partners }}
profiles:
  - {{ name: nobody, match: {{}}, initial_access_token: off }}
  - {{ name: partners, match: {{}}, redirect_uris: {{ https: [{{ host: app.example.com }}] }} }}
"#
        );
        let file = directory.path().join("gateway.yaml");
        fs::write(&file, yaml).unwrap();
        let store = Arc::new(MemoryStore::default());
        let config = config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        let gateway = Gateway::start(config, store.clone()).await.unwrap();
        let endpoint = format!("http://{}/register", gateway.addresses()[0]);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(gateway.run(stopped));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { endpoint, store, issuer, client, _stop: stop, _directory: directory }
    }

    fn sign(&self, changes: &Value) -> String {
        let now = SystemClock.now().unix_seconds();
        let mut claims = json!({
            "iss": ISSUER, "aud": "dcr", "scope": "dcr", "sub": "partner-7", "jti": "t-1", "iat": now, "exp": now + 300,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", encode(r#"{"alg":"EdDSA","kid":"k"}"#), encode(&claims.to_string()));
        let signature = self.issuer.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    async fn issued(&self, certificate_thumbprint: Option<String>) -> Secret {
        let mut randomness = TokenRandomness { text: [7; 32], id: [7; 8] };
        getrandom::fill(&mut randomness.text).unwrap();
        getrandom::fill(&mut randomness.id).unwrap();
        let wanted = NewToken {
            profile: "partners".to_owned(),
            label: None,
            lifetime: std::time::Duration::from_secs(60),
            max_uses: 1,
            certificate_thumbprint: certificate_thumbprint.map(|thumbprint| thumbprint.parse().unwrap()),
        };
        let made = issue(wanted, &IssuedTokenSettings::default(), randomness, SystemClock.now()).unwrap();
        self.store.create(made.token, made.hash, Vec::new()).await.unwrap();
        made.text
    }

    /// The status, and the sentence when it is a refusal.
    async fn register(&self, token: &str, host: &str) -> (u16, String) {
        let metadata = json!({"redirect_uris": [format!("https://{host}/callback")], "client_name": "Orders"});
        let request = self.client.post(&self.endpoint).bearer_auth(token).json(&metadata);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        (status, answer["error_description"].as_str().unwrap_or_default().to_owned())
    }
}

/// Knows one token, and breaks down at another.
async fn introspect(form: String) -> (axum::http::StatusCode, String) {
    let answer = match form.split('&').next() {
        Some("token=good") => json!({"active": true, "aud": "dcr", "scope": "dcr", "client_id": "partner-7"}),
        Some("token=broken") => return (axum::http::StatusCode::BAD_GATEWAY, String::new()),
        _ => json!({"active": false}),
    };
    (axum::http::StatusCode::OK, answer.to_string())
}

const SPENT: &str = "the initial access token has been used";

#[tokio::test]
async fn a_signed_token_registers_one_client_and_only_one() {
    let gateway = Running::start().await;
    let token = gateway.sign(&json!({}));
    let refused = gateway.register(&token, "evil.example").await;
    assert_eq!(refused.0, 400, "{}", refused.1);
    assert_eq!(gateway.register(&token, "app.example.com").await.0, 201, "a refused attempt spent the token");
    assert_eq!(gateway.register(&token, "app.example.com").await, (401, SPENT.to_owned()));
    let next = gateway.sign(&json!({"jti": "t-2"}));
    assert_eq!(gateway.register(&next, "app.example.com").await.0, 201);
}

#[tokio::test]
async fn one_signed_token_presented_many_times_at_once_registers_one_client() {
    let gateway = Running::start().await;
    let token = gateway.sign(&json!({}));
    let register = || gateway.register(&token, "app.example.com");
    let (a, b, c, d) = tokio::join!(register(), register(), register(), register());
    let mut statuses = [a.0, b.0, c.0, d.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401, 401, 401]);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_401_with_its_own_reason_and_no_other_profile_is_tried() {
    let gateway = Running::start().await;
    let foreign = gateway.sign(&json!({"iss": "https://elsewhere.example"}));
    for (token, sentence) in [
        (gateway.sign(&json!({"jti": null})), "the initial access token has no jti, so it could be used twice"),
        (gateway.sign(&json!({"aud": "account"})), "the token was not made for registering clients here"),
        (gateway.sign(&json!({"aud": "dcr", "scope": null})), "the token was not made for registering clients here"),
        (gateway.sign(&json!({"scope": "openid"})), "the token was not made for registering clients here"),
        (gateway.sign(&json!({"exp": 1})), "the initial access token has expired"),
        (format!("{}x", gateway.sign(&json!({}))), "the initial access token is not valid"),
        (foreign, "the initial access token is not valid"),
        (format!("dcrt_{}", "A".repeat(43)), "the initial access token is not known here"),
        ("unknown".to_owned(), "the initial access token is not valid"),
    ] {
        assert_eq!(gateway.register(&token, "app.example.com").await, (401, sentence.to_owned()), "{token}");
    }
}

#[tokio::test]
async fn a_token_that_the_endpoint_vouches_for_is_good_again_and_again_and_one_it_cannot_tell_about_is_503() {
    let gateway = Running::start().await;
    for _ in 0..2 {
        assert_eq!(gateway.register("good", "app.example.com").await.0, 201);
    }
    let unknown = gateway.register("broken", "app.example.com").await;
    assert_eq!(unknown, (503, "initial access tokens cannot be verified at the moment".to_owned()));
}

#[tokio::test]
async fn an_issued_token_bound_to_a_certificate_is_nothing_without_it() {
    let gateway = Running::start().await;
    let bound = gateway.issued(Some("ab".repeat(32))).await;
    let refused = gateway.register(bound.expose(), "app.example.com").await;
    assert_eq!(refused, (401, "the initial access token is bound to another client certificate".to_owned()));
    let free = gateway.issued(None).await;
    assert_eq!(gateway.register(free.expose(), "app.example.com").await.0, 201);
    assert_eq!(gateway.register(free.expose(), "app.example.com").await, (401, SPENT.to_owned()));
}
