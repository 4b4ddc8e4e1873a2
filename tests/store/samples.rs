//! Tokens, intents and clients to test with.

#![allow(dead_code, reason = "the tests use one part of it, the bench another")]

use std::time::Duration;

use dcr_gateway::clock::Timestamp;
use dcr_gateway::lifecycle::{Action, Lifecycle, State};
use dcr_gateway::store::{
    Beginning, Begun, ClientFilter, ClientRecord, HandingOut, IfKnown, Intent, IssuedToken, LARGEST_PAGE,
    MetadataDigest, NewClient, Outcome, Page, Quotas, RegistrantRecord, RegistrationId, Sealed, Store, TokenHash,
    TokenId, TokenUse,
};
use serde_json::json;

/// The moment at which everything begins: a midnight.
pub const START: i64 = 1_699_920_000_000;
/// How long a sample token is good for, in milliseconds.
pub const LIFETIME: i64 = 60_000;
/// How long a sample intent counts as under way.
pub const UNDER_WAY: Duration = Duration::from_secs(30);

/// `millis` after the start.
pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(START + millis)
}

/// A token made at the start.
pub fn token(id: &str, max_uses: u32) -> IssuedToken {
    IssuedToken {
        id: TokenId(id.to_owned()),
        profile: "partners".to_owned(),
        label: Some("for a partner".to_owned()),
        certificate_thumbprint: Some("cd".repeat(32)),
        created_at: at(0),
        expires_at: at(LIFETIME),
        max_uses,
        used: 0,
        revoked_at: None,
    }
}

/// A hash that belongs to what has this name.
pub fn hash(name: &str) -> TokenHash {
    TokenHash(octets(name))
}

/// A digest that belongs to what has this name.
pub fn digest(name: &str) -> MetadataDigest {
    MetadataDigest(octets(name))
}

fn octets(name: &str) -> [u8; 32] {
    let mut octets = [0x5a; 32];
    octets[..name.len()].copy_from_slice(name.as_bytes());
    octets
}

/// Makes the token and returns its id.
pub async fn create(store: &dyn Store, id: &str, max_uses: u32) -> TokenId {
    store.create(token(id, max_uses), hash(id), Vec::new()).await.unwrap();
    TokenId(id.to_owned())
}

/// The token as the store has it now.
pub async fn found(store: &dyn Store, id: &TokenId) -> IssuedToken {
    store.find(hash(&id.0)).await.unwrap().unwrap()
}

/// An intent one second after the start, of the registrant `ada`.
pub fn intent(id: &str) -> Intent {
    Intent {
        id: RegistrationId(id.to_owned()),
        at: at(1_000),
        profile: "partners".to_owned(),
        policy_version: "1f".repeat(32),
        registrant: registrant("ada"),
        token: None,
        client_name: Some("L\u{10d}i\u{107} \"App\"".to_owned()),
        redirect_uris: vec!["https://app.example/cb".to_owned(), "http://127.0.0.1/cb".to_owned()],
        scope_requested: None,
        scope_granted: "openid".to_owned(),
        scope_withheld: "orders:write".to_owned(),
        digest: None,
        let_through: vec!["redirect_uris".to_owned(), "client_name".to_owned()],
    }
}

/// Somebody with everything that somebody can have.
pub fn registrant(key: &str) -> RegistrantRecord {
    RegistrantRecord {
        key: key.to_owned(),
        address: "2001:db8::7".parse().unwrap(),
        certificate_thumbprint: Some("ab".repeat(32)),
        certificate_subject: Some("CN=Ada".to_owned()),
        token_label: Some("for Ada".to_owned()),
        statement_issuer: Some("https://directory.example".to_owned()),
        software_id: Some("4NRB1".to_owned()),
    }
}

/// Counted against nothing.
pub fn unlimited(intent: Intent) -> Beginning {
    Beginning { intent, quotas: Quotas::default(), under_way: UNDER_WAY }
}

/// An intent that uses the token, counted against nothing.
pub fn with_token(id: &str, token: &TokenId) -> Beginning {
    unlimited(Intent { token: Some(TokenUse::Issued(token.clone())), ..intent(id) })
}

/// The name of a registration.
pub fn id(text: &str) -> RegistrationId {
    RegistrationId(text.to_owned())
}

/// The server registered the client `c1`.
pub fn registered() -> Outcome {
    registered_as("c1")
}

/// The server registered this client.
pub fn registered_as(client_id: &str) -> Outcome {
    Outcome::Registered(Box::new(client(client_id)))
}

/// An active client with everything that a client can have.
pub fn client(client_id: &str) -> NewClient {
    let metadata = json!({ "client_id": client_id, "grant_types": ["authorization_code"], "client_name": "\u{0}'\"" });
    NewClient {
        client_id: client_id.to_owned(),
        lifecycle: Lifecycle::Active,
        metadata: metadata.as_object().unwrap().clone(),
        access_token: Some(hash(client_id)),
        server_access: Some(Sealed(vec![0, 1, 0xff])),
        is_confirmed: true,
        if_known: IfKnown::Update,
    }
}

/// A registered client of the registration `r-` and its name, as the store has it.
pub async fn enter(store: &dyn Store, client_id: &str) -> ClientRecord {
    enter_as(store, intent(&format!("r-{client_id}")), client(client_id)).await
}

/// Registers the client for the intent, at the intent's moment.
pub async fn enter_as(store: &dyn Store, intent: Intent, client: NewClient) -> ClientRecord {
    let (id, at, client_id) = (intent.id.clone(), intent.at, client.client_id.clone());
    assert_eq!(store.begin(unlimited(intent), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    store.finish(&id, Outcome::Registered(Box::new(client)), Vec::new(), at).await.unwrap();
    store.client(&client_id).await.unwrap().unwrap()
}

/// The client that others who ask for the same get, or are refused because of: there is one at most.
pub async fn holder(store: &dyn Store, of: MetadataDigest) -> Option<ClientRecord> {
    let held = [State::Pending, State::Active, State::Suspended, State::Rejected];
    let mut clients = store.clients(&ClientFilter::default(), &Page::first(LARGEST_PAGE)).await.unwrap();
    clients.retain(|client| client.digest == Some(of) && held.contains(&client.lifecycle.state()));
    assert!(clients.len() <= 1, "{clients:?}");
    clients.pop()
}

/// Somebody did something, for a reason.
pub fn by(actor: &str) -> Action {
    Action { at: at(5), actor: actor.to_owned(), comment: Some("on the phone".to_owned()) }
}

/// Surely nothing was registered.
pub fn not_registered() -> Outcome {
    Outcome::NotRegistered { reason: "upstream_refused".to_owned() }
}

/// Nobody knows.
pub fn unknown() -> Outcome {
    Outcome::Unknown { reason: "upstream_timeout".to_owned() }
}
