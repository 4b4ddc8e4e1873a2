//! `kind: rfc7591` in front of a user pool's own `/oauth2/register`: the whole gateway, before a stand-in of the pool's domain.

use std::sync::Arc;

use dcr_gateway::config;
use dcr_gateway::server::Gateway;
use dcr_gateway::store::memory::MemoryStore;
use dcr_gateway::store::{OutcomeName, Page, RegistrationFilter, Registrations as _};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::domain::{CLIENT, Domain, SECRET};

struct World {
    domain: Arc<Domain>,
    url: String,
    store: Arc<MemoryStore>,
    _stop: watch::Sender<bool>,
    _files: tempfile::TempDir,
}

async fn world() -> World {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (domain, url) = Domain::start().await;
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("cognito"), SECRET).unwrap();
    let yaml = format!(
        "
public_url: http://127.0.0.1:1
listeners: [{{ address: 127.0.0.1:0 }}]
authorization_server:
  kind: rfc7591
  issuer: http://127.0.0.1:1
  url: {url}
  registration_path: /oauth2/register
  credential:
    client_credentials: {{ client_id: {CLIENT}, client_secret_file: cognito, scope: aws.cognito/dcr/register, token_path: /oauth2/token }}
  cognito: {{ user_pool_id: eu-central-1_Ab1Cd2Ef3 }}
admin: {{ socket: off }}
profiles:
  - name: mcp
    match: {{}}
    initial_access_token: off
    redirect_uris: {{ https: [{{ host: app.example.com }}] }}
    scopes: {{ initial: [openid], allowed: [\"orders/read\"] }}
    limits: {{ rate: 50/s, burst: 50, total: {{ live_clients: 900 }} }}
"
    );
    let file = files.path().join("config.yaml");
    let config = config::from_text(&yaml, &file, &|_| None).unwrap_or_else(|problems| panic!("{problems}"));
    let store = Arc::new(MemoryStore::default());
    let gateway = Gateway::start(config, store.clone()).await.unwrap();
    let address = gateway.addresses()[0];
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(gateway.run(stopped));
    World { domain, url: format!("http://{address}"), store, _stop: stop, _files: files }
}

impl World {
    async fn register(&self, name: &str) -> (u16, Value) {
        let metadata = json!({
            "client_name": name, "redirect_uris": ["https://app.example.com/cb"], "scope": "openid orders/read admin",
        });
        let request = reqwest::Client::new().post(format!("{}/oauth2/register", self.url)).json(&metadata);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// How the last registration ended.
    async fn outcome(&self) -> Option<OutcomeName> {
        let page = Page { after: None, limit: 1 };
        self.store.registrations(&RegistrationFilter::default(), &page).await.unwrap().remove(0).outcome
    }
}

#[tokio::test]
async fn a_client_registers_with_the_gateways_own_token_which_serves_many() {
    let world = world().await;
    for number in 1..=3 {
        let (status, client) = world.register("App").await;
        assert_eq!((status, &client["client_id"]), (201, &json!(format!("dcr{number}"))), "{client}");
        assert_eq!(
            (&client["scope"], &client["client_secret"]),
            (&json!("openid orders/read"), &json!("s3cret-of-the-client"))
        );
        assert_eq!(client.get("registration_access_token"), None, "Cognito manages no clients");
    }
    assert_eq!(world.domain.given(), 1);
    let sent = world.domain.registered.lock().unwrap()[0].clone();
    assert_eq!(
        (&sent["scope"], &sent["redirect_uris"]),
        (&json!("openid orders/read"), &json!(["https://app.example.com/cb"]))
    );
}

#[tokio::test]
async fn a_token_that_is_no_longer_taken_is_got_anew_once() {
    let world = world().await;
    assert_eq!(world.register("Before").await.0, 201);
    world.domain.revoke();
    let (status, client) = world.register("After").await;
    assert_eq!((status, &client["client_id"]), (201, &json!("dcr2")), "{client}");
    assert_eq!(world.domain.given(), 3, "the first, the one that was revoked with it, and the one after that");
    // A pool that takes none is not asked for ever.
    let refused = || (401, json!({"error": "invalid_token"}));
    *world.domain.instead.lock().unwrap() = vec![refused(), refused(), refused()];
    let (status, answer) = world.register("Never").await;
    assert_eq!((status, &answer["error"]), (502, &json!("server_error")), "{answer}");
    assert_eq!(world.domain.instead.lock().unwrap().len(), 1, "twice");
    assert_eq!(world.outcome().await, Some(OutcomeName::NotRegistered));
}

#[tokio::test]
async fn an_app_client_that_is_gone_registers_nobody_and_is_not_told_of() {
    let world = world().await;
    *world.domain.is_closed.lock().unwrap() = true;
    let (status, answer) = world.register("App").await;
    assert_eq!((status, &answer["error"]), (502, &json!("server_error")), "{answer}");
    for inside in [SECRET, CLIENT, "oauth2/token"] {
        assert!(!answer.to_string().contains(inside), "{answer}");
    }
    assert_eq!(world.outcome().await, Some(OutcomeName::NotRegistered));
    *world.domain.is_closed.lock().unwrap() = false;
    assert_eq!(world.register("App").await.0, 201, "and it works again by itself");
}

#[tokio::test]
async fn what_the_pool_answers_is_told_in_the_words_of_rfc_7591() {
    let world = world().await;
    for (answered, status, error, outcome) in [
        (
            (
                400,
                json!({"error": "invalid_client_metadata", "error_description": "The scope orders/read is not allowed."}),
            ),
            400,
            "invalid_client_metadata",
            OutcomeName::NotRegistered,
        ),
        ((400, json!({"error": "invalid_redirect_uri"})), 400, "invalid_redirect_uri", OutcomeName::NotRegistered),
        ((429, json!({"error": "too_many_requests"})), 503, "temporarily_unavailable", OutcomeName::NotRegistered),
        ((404, json!({"message": "Not Found"})), 502, "server_error", OutcomeName::NotRegistered),
        ((500, json!({"error": "server_error"})), 502, "server_error", OutcomeName::Unknown),
    ] {
        world.domain.instead.lock().unwrap().push(answered.clone());
        let (told, answer) = world.register("App").await;
        assert_eq!((told, &answer["error"]), (status, &json!(error)), "{answered:?}: {answer}");
        assert_eq!(world.outcome().await, Some(outcome), "{answered:?}");
    }
}

#[tokio::test]
async fn the_metadata_are_the_gateways_and_lead_to_its_registration() {
    let world = world().await;
    let url = format!("{}/.well-known/oauth-authorization-server", world.url);
    let metadata: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(metadata["issuer"], "http://127.0.0.1:1");
    assert_eq!(metadata["registration_endpoint"], "http://127.0.0.1:1/oauth2/register");
}
