//! Managing a client at an authorization server (RFC 7592), over HTTP: the demo's server, which rotates the token on every update.

use std::sync::Arc;
use std::time::Duration;

use dcr_gateway::authorization_server::credential::Credential;
use dcr_gateway::authorization_server::dialect::Dialect;
use dcr_gateway::authorization_server::endpoint::Endpoint;
use dcr_gateway::authorization_server::settings::AuthorizationServerSettings;
use dcr_gateway::authorization_server::transport::Limits;
use dcr_gateway::authorization_server::{ManageError, Managed, Registrar as _, ServerAccess, TokenAccess};
use dcr_gateway::demo::authorization_server::{Settings, router};
use dcr_gateway::policy::{self, Clearance, Profile};
use dcr_gateway::proxy::{Upstream, UpstreamSettings};
use dcr_gateway::registration::{ClientMetadata, json as strict_json};
use dcr_gateway::secret::Secret;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The server's registration endpoint as the gateway calls it. The server calls itself by another name than it is reached by.
async fn endpoint() -> Endpoint {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = Settings { issuer: "https://sso.example.com".to_owned(), credential: Secret::new("operator") };
    tokio::spawn(axum::serve(listener, router(settings)).into_future());
    let yaml =
        format!("{{ kind: rfc7591, issuer: https://sso.example.com, url: {url}, registration_path: /register }}");
    let settings: AuthorizationServerSettings = serde_yaml::from_str(&yaml).unwrap();
    let upstream = UpstreamSettings { url, public_url: "https://sso.example.com".to_owned(), trust: None };
    Endpoint {
        transport: Arc::new(Upstream::new(&upstream).unwrap()),
        path: "/register".to_owned(),
        dialect: Dialect::of(&settings),
        credential: Credential::Bearer(Secret::new("operator")),
        limits: Limits { total: Duration::from_secs(5), response_bytes: 100_000 },
    }
}

fn clearance(metadata: &Value) -> Clearance {
    let yaml = "{ name: partners, match: {}, redirect_uris: { https: [{ host: app.example.com }] } }";
    let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
    let members = strict_json::parse(&serde_json::to_vec(metadata).unwrap()).unwrap();
    policy::judge(&profile, &ClientMetadata::from_json(members)).result.unwrap()
}

fn is_gone<T>(outcome: &Result<T, ManageError>) -> bool {
    matches!(outcome, Err(ManageError::Gone(_)))
}

#[tokio::test]
async fn a_client_is_read_changed_and_deleted_with_the_tokens_the_server_gives() {
    let endpoint = endpoint().await;
    let first = clearance(&json!({"redirect_uris": ["https://app.example.com/a"], "client_name": "Orders"}));
    let registered = endpoint.register("r", &first, None).await.unwrap();
    let access = registered.access.unwrap();
    let ServerAccess::ByToken(TokenAccess { registration_client_uri, .. }) = &access else { panic!("{access:?}") };
    assert_eq!(*registration_client_uri, format!("/register/{}", registered.client_id));
    let secret = Secret::new(registered.metadata["client_secret"].as_str().unwrap());

    let read = endpoint.read(&access).await.unwrap();
    assert_eq!(read.access, None, "reading rotates nothing here");
    assert_eq!(read.client_secret.as_ref(), Some(&secret));
    assert_eq!(read.metadata["client_name"], "Orders");

    let second = clearance(&json!({"redirect_uris": ["https://app.example.com/b"]}));
    let updated = endpoint.update(&access, &registered.client_id, &second, Some(&secret)).await.unwrap();
    assert_eq!(updated.metadata["redirect_uris"], json!(["https://app.example.com/b"]));
    assert!(!updated.metadata.contains_key("client_name"), "what is not said anew is deleted");
    assert_eq!(updated.client_secret.as_ref(), Some(&secret));
    let rotated = updated.access.unwrap();
    assert!(is_gone(&endpoint.read(&access).await), "the old token is worth nothing");
    assert!(endpoint.read(&rotated).await.is_ok());

    endpoint.delete(&rotated).await.unwrap();
    assert!(is_gone(&endpoint.delete(&rotated).await));
}

#[tokio::test]
async fn a_refused_update_leaves_the_client_and_its_token_as_they_were() {
    let endpoint = endpoint().await;
    let clearance = clearance(&json!({"redirect_uris": ["https://app.example.com/a"]}));
    let registered = endpoint.register("r", &clearance, None).await.unwrap();
    let access = registered.access.unwrap();
    let update = async |client_id: &str, secret: &str| {
        endpoint.update(&access, client_id, &clearance, Some(&Secret::new(secret))).await
    };
    for refused in [update("another", "s").await, update(&registered.client_id, "another").await] {
        assert!(matches!(&refused, Err(ManageError::Refused { .. })), "{refused:?}");
        assert!(refused.unwrap_err().surely_nothing_changed());
    }
    assert!(endpoint.read(&access).await.is_ok());
}

#[tokio::test]
async fn a_client_that_becomes_public_loses_its_secret_and_gets_another_when_it_is_confidential_again() {
    let endpoint = endpoint().await;
    let uris = json!(["https://app.example.com/a"]);
    let confidential = clearance(&json!({"redirect_uris": uris}));
    let public = clearance(&json!({"redirect_uris": uris, "token_endpoint_auth_method": "none"}));
    let registered = endpoint.register("r", &confidential, None).await.unwrap();
    let id = registered.client_id;
    let Managed { client_secret, access, .. } =
        endpoint.update(&registered.access.unwrap(), &id, &public, None).await.unwrap();
    assert_eq!(client_secret, None);
    let again = endpoint.update(&access.unwrap(), &id, &confidential, None).await.unwrap();
    let secret = again.client_secret.unwrap();
    assert_ne!(secret.expose(), registered.metadata["client_secret"].as_str().unwrap());
}

#[tokio::test]
async fn a_server_that_is_not_there_changed_nothing() {
    let reached = endpoint().await;
    let registered =
        reached.register("r", &clearance(&json!({"redirect_uris": ["https://app.example.com/a"]})), None).await;
    let access: ServerAccess = registered.unwrap().access.unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings = UpstreamSettings {
        url: format!("http://{nobody}"),
        public_url: "https://sso.example.com".to_owned(),
        trust: None,
    };
    let endpoint = Endpoint { transport: Arc::new(Upstream::new(&settings).unwrap()), ..reached };
    let outcome = endpoint.delete(&access).await;
    assert!(matches!(outcome, Err(ManageError::Unreachable(_))), "{outcome:?}");
}
