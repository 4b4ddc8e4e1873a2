//! A user pool, the gateway's way to it, and requests that were judged.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cognitoidentityprovider::config::{Credentials, SharedCredentialsProvider};
use dcr_gateway::authorization_server::cognito::{Cognito, Reach};
use dcr_gateway::authorization_server::dialect::Dialect;
use dcr_gateway::authorization_server::judge;
use dcr_gateway::authorization_server::settings::{AuthorizationServerSettings, Kind};
use dcr_gateway::policy::{Clearance, Profile};
use dcr_gateway::registration::{ClientMetadata, json as strict_json};
use serde_json::{Value, json};

use crate::aws::{self, Pool};

pub struct World {
    pub pool: Arc<Pool>,
    pub cognito: Cognito,
}

/// The stand-in, and the gateway's way to it.
pub async fn world(more: &str) -> World {
    let (url, pool) = aws::start().await;
    let key = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    World { pool, cognito: at(&url, more, SharedCredentialsProvider::new(key)) }
}

/// The gateway's way to a pool; `more` are keys of the section.
pub fn at(url: &str, more: &str, credentials: SharedCredentialsProvider) -> Cognito {
    let yaml = format!(
        "{{ kind: cognito, issuer: https://auth.example.com, url: https://acme.auth.eu-central-1.amazoncognito.com, \
         cognito: {{ user_pool_id: eu-central-1_x, endpoint_url: \"{url}\"{more} }} }}"
    );
    let server: AuthorizationServerSettings = serde_yaml::from_str(&yaml).unwrap();
    let dialect = Dialect::of(&server);
    let settings = server.cognito.unwrap();
    let reach = Reach { settings, timeout: Duration::from_secs(2), trust: None, credentials: Some(credentials) };
    Cognito::new(reach, dialect)
}

const PROFILE: &str = "{ name: partners, match: {}, \
    redirect_uris: { https: [{ host: app.example.com }], loopback: allow, max: 100 }, \
    grant_types: [authorization_code, refresh_token, client_credentials, implicit], response_types: [code, token], \
    token_endpoint_auth_methods: [none, client_secret_basic, client_secret_post, private_key_jwt], \
    scopes: { initial: [openid], allowed: [openid, email, \"orders/read\", \"orders/none\", \"https://api.example.com/v1/x\", nonsense] } }";

pub fn judged(metadata: &Value) -> Result<Clearance, Vec<String>> {
    let profile = Profile::compile(&serde_yaml::from_str(PROFILE).unwrap()).unwrap();
    let members = strict_json::parse(&serde_json::to_vec(metadata).unwrap()).unwrap();
    let verdict = judge(Kind::Cognito, &profile, &ClientMetadata::from_json(members));
    verdict.result.map_err(|violations| violations.into_iter().map(|violation| violation.message).collect())
}

pub fn cleared(more: &Value) -> Clearance {
    let mut metadata = json!({
        "redirect_uris": ["https://app.example.com/cb", "http://localhost:33418/cb"],
        "client_name": "Orders (acme)", "client_uri": "https://app.example.com/", "scope": "openid orders/read",
        "token_endpoint_auth_method": "client_secret_basic", "grant_types": ["authorization_code", "refresh_token"],
    });
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    judged(&metadata).unwrap()
}
