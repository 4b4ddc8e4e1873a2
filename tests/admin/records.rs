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
    let registrant = RegistrantRecord {
        key: "address:192.0.2.1".to_owned(),
        address: "192.0.2.1".parse().unwrap(),
        certificate_thumbprint: None,
        certificate_subject: None,
        token_label: None,
        statement_issuer: None,
        software_id: None,
    };
    let intent = Intent {
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
    };
    let beginning = Beginning { intent, quotas: Quotas::default(), under_way: Duration::from_secs(60) };
    assert_eq!(store.begin(beginning, HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
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
    begin(store, id, at).await;
    let metadata: Map<_, _> = [("client_name".to_owned(), json!("Client"))].into_iter().collect();
    let client = NewClient {
        client_id: format!("c-{id}"),
        lifecycle: Lifecycle::Active,
        metadata,
        access_token: None,
        server_access: None,
        is_confirmed: true,
        if_known: IfKnown::Update,
    };
    let outcome = Outcome::Registered(Box::new(client));
    store.finish(&RegistrationId(id.to_owned()), outcome, Vec::new(), Timestamp::from_unix_millis(at)).await.unwrap();
}
