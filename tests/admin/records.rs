//! Records put straight into a store.

use dcr_gateway::clock::Timestamp;
use dcr_gateway::lifecycle::Lifecycle;
use dcr_gateway::store::{
    Beginning, Begun, HandingOut, IfKnown, Intent, NewClient, Outcome, Quotas, RegistrantRecord, RegistrationId,
    Registrations,
};
use serde_json::{Map, json};
use std::time::Duration;

/// A registration that was begun.
pub async fn begin(store: &dyn Registrations, id: &str, at: i64) {
    assert_eq!(begin_as(store, intent(id, at)).await, Begun::Ready);
}

pub async fn begin_as(store: &dyn Registrations, intent: Intent) -> Begun {
    let beginning = Beginning { intent, quotas: Quotas::default(), under_way: Duration::from_secs(60) };
    store.begin(beginning, HandingOut::unrecorded()).await.unwrap()
}

pub fn intent(id: &str, at: i64) -> Intent {
    let registrant = RegistrantRecord {
        key: "address:192.0.2.1".to_owned(),
        address: "192.0.2.1".parse().unwrap(),
        certificate_thumbprint: None,
        certificate_subject: None,
        token_label: None,
        statement_issuer: None,
        software_id: None,
    };
    Intent {
        id: RegistrationId(id.to_owned()),
        at: Timestamp::from_unix_millis(at),
        profile: "partners".to_owned(),
        policy_version: "0".to_owned(),
        registrant,
        token: None,
        client_name: Some(format!("Client {id}")),
        redirect_uris: vec!["https://app.example.com/callback".to_owned()],
        scope_requested: None,
        scope_granted: "openid".to_owned(),
        scope_withheld: String::new(),
        digest: None,
        let_through: Vec::new(),
    }
}

/// One whose outcome is unknown.
pub async fn unknown(store: &dyn Registrations, id: &str) {
    begin(store, id, 1_700_000_000_000).await;
    let outcome = Outcome::Unknown { reason: "server_timed_out".to_owned() };
    store
        .finish(&RegistrationId(id.to_owned()), outcome, Vec::new(), Timestamp::from_unix_millis(1_700_000_001_000))
        .await
        .unwrap();
}

/// One that led to the client `c-<id>`.
pub async fn registered(store: &dyn Registrations, id: &str, at: i64) {
    registered_as(store, intent(id, at)).await;
}

pub async fn registered_as(store: &dyn Registrations, intent: Intent) {
    let (id, at) = (intent.id.clone(), intent.at);
    assert_eq!(begin_as(store, intent).await, Begun::Ready);
    let metadata: Map<_, _> = [("client_name".to_owned(), json!("Client"))].into_iter().collect();
    let client = NewClient {
        client_id: format!("c-{}", id.0),
        lifecycle: Lifecycle::Active,
        metadata,
        access_token: None,
        server_access: None,
        is_confirmed: true,
        if_known: IfKnown::Update,
    };
    let outcome = Outcome::Registered(Box::new(client));
    store.finish(&id, outcome, Vec::new(), at).await.unwrap();
}
