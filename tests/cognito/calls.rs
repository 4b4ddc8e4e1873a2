//! What Cognito is sent, and what becomes of its answers.

use dcr_gateway::authorization_server::{
    Administration, AdministrationError, ManageError, Named, RegisterError, Registrar, ServerAccess, TokenAccess,
};
use dcr_gateway::lifecycle::AtTheServer;
use dcr_gateway::secret::Secret;
use serde_json::json;

use crate::world::{cleared, judged, world};

const REGISTRATION: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_client_is_described_as_cognito_describes_clients() {
    let world = world(", access_token_lifetime: 15m").await;
    let registered = world.cognito.register(REGISTRATION, &cleared(&json!({})), None).await.unwrap();
    assert!(world.pool.calls.lock().unwrap().iter().all(|call| call.signed));
    let sent = world.pool.inputs("CreateUserPoolClient").remove(0);
    assert_eq!(
        sent,
        json!({
            "UserPoolId": "eu-central-1_x",
            "ClientName": format!("Orders -acme dcr-{REGISTRATION}"),
            "GenerateSecret": true,
            "CallbackURLs": ["https://app.example.com/cb", "http://localhost:33418/cb"],
            "LogoutURLs": [],
            "AllowedOAuthFlows": ["code"],
            "AllowedOAuthScopes": ["openid", "orders/read"],
            "AllowedOAuthFlowsUserPoolClient": true,
            "SupportedIdentityProviders": ["COGNITO"],
            "ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH"],
            "PreventUserExistenceErrors": "ENABLED",
            "EnableTokenRevocation": true,
            "AccessTokenValidity": 900,
            "TokenValidityUnits": {"AccessToken": "seconds"},
        })
    );
    assert_eq!(registered.client_id, "client1");
    assert_eq!(registered.access, Some(ServerAccess::ByApi("client1".to_owned())));
    let expected = json!({
        "client_id": "client1", "client_id_issued_at": 1_700_000_000, "client_secret": "s3cret", "client_secret_expires_at": 0,
        "redirect_uris": ["https://app.example.com/cb", "http://localhost:33418/cb"], "client_name": "Orders (acme)",
        "client_uri": "https://app.example.com/", "scope": "openid orders/read",
        "token_endpoint_auth_method": "client_secret_basic", "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    });
    let told: serde_json::Map<_, _> =
        registered.metadata.into_iter().filter(|(name, _)| name != "application_type").collect();
    assert_eq!(serde_json::Value::Object(told), expected);
}

#[tokio::test]
async fn a_public_client_has_no_secret() {
    let world = world("").await;
    let public = cleared(&json!({"token_endpoint_auth_method": "none"}));
    let registered = world.cognito.register("r", &public, None).await.unwrap();
    assert_eq!(world.pool.inputs("CreateUserPoolClient")[0]["GenerateSecret"], false);
    assert!(!registered.metadata.contains_key("client_secret"));
}

#[tokio::test]
async fn a_change_sends_the_whole_description_and_keeps_what_an_operator_set() {
    let world = world("").await;
    let registered = world.cognito.register(REGISTRATION, &cleared(&json!({})), None).await.unwrap();
    let access = registered.access.unwrap();
    {
        let mut clients = world.pool.clients.lock().unwrap();
        let client = clients.get_mut("client1").unwrap();
        client["ReadAttributes"] = json!(["email"]);
        client["RefreshTokenValidity"] = json!(7);
        client["TokenValidityUnits"] = json!({"RefreshToken": "days"});
        client["SupportedIdentityProviders"] = json!(["COGNITO", "Corporate"]);
    }
    let before = world.pool.clients.lock().unwrap()["client1"].clone();
    let change = cleared(&json!({
        "redirect_uris": ["https://app.example.com/new"], "client_name": "Renamed", "scope": "openid",
        "post_logout_redirect_uris": ["https://app.example.com/bye"],
    }));
    let managed = world.cognito.update(&access, "client1", &change, None).await.unwrap();
    let mut expected = before;
    expected["ClientName"] = format!("Renamed dcr-{REGISTRATION}").into();
    expected["CallbackURLs"] = json!(["https://app.example.com/new"]);
    expected["LogoutURLs"] = json!(["https://app.example.com/bye"]);
    expected["AllowedOAuthScopes"] = json!(["openid"]);
    assert_eq!(world.pool.clients.lock().unwrap()["client1"], expected, "the stand-in resets what is left out");
    assert_eq!(managed.named, Named::All);
    assert_eq!(managed.metadata["client_name"], "Renamed");
    assert_eq!(managed.metadata["client_id"], "client1");
    assert_eq!(managed.client_secret, Some(Secret::new("s3cret")));
}

#[tokio::test]
async fn a_client_with_a_secret_cannot_become_public() {
    let world = world("").await;
    let access = world.cognito.register("r", &cleared(&json!({})), None).await.unwrap().access.unwrap();
    let change = cleared(&json!({"token_endpoint_auth_method": "none"}));
    let Err(ManageError::Refused { description, .. }) = world.cognito.update(&access, "client1", &change, None).await
    else {
        panic!()
    };
    assert!(description.unwrap().starts_with("token_endpoint_auth_method: at Cognito"));
    assert!(world.pool.inputs("UpdateUserPoolClient").is_empty());
}

#[tokio::test]
async fn what_the_pool_says_of_a_client_is_what_it_has_a_place_for() {
    let world = world("").await;
    let access = world.cognito.register("r", &cleared(&json!({})), None).await.unwrap().access.unwrap();
    let read = world.cognito.read(&access).await.unwrap();
    assert_eq!(read.named, Named::Kept);
    let expected = json!({
        "client_id": "client1", "client_id_issued_at": 1_700_000_000, "scope": "openid orders/read",
        "redirect_uris": ["https://app.example.com/cb", "http://localhost:33418/cb"],
    });
    assert_eq!(serde_json::Value::Object(read.metadata), expected);
    assert_eq!(read.client_secret, Some(Secret::new("s3cret")));
}

#[tokio::test]
async fn a_deleted_client_is_gone() {
    let world = world("").await;
    let access = world.cognito.register("r", &cleared(&json!({})), None).await.unwrap().access.unwrap();
    Registrar::delete(&world.cognito, &access).await.unwrap();
    assert!(matches!(world.cognito.read(&access).await, Err(ManageError::Gone(_))));
    assert!(matches!(Registrar::delete(&world.cognito, &access).await, Err(ManageError::Gone(_))));
    assert_eq!(world.cognito.state("client1").await.unwrap(), AtTheServer::Absent);
}

#[tokio::test]
async fn a_token_that_somebody_presents_opens_no_client() {
    let world = world("").await;
    world.cognito.register("r", &cleared(&json!({})), None).await.unwrap();
    let presented = ServerAccess::ByToken(TokenAccess {
        registration_client_uri: "client1".to_owned(),
        registration_access_token: Secret::new("anything"),
    });
    assert!(matches!(world.cognito.read(&presented).await, Err(ManageError::Gone(_))));
    assert!(matches!(Registrar::delete(&world.cognito, &presented).await, Err(ManageError::Gone(_))));
    let other =
        world.cognito.update(&ServerAccess::ByApi("other".to_owned()), "client1", &cleared(&json!({})), None).await;
    assert!(matches!(other, Err(ManageError::Gone(_))));
    assert_eq!(world.pool.clients.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_administration_deletes_and_says_that_cognito_cannot_disable() {
    let world = world("").await;
    world.cognito.register("r", &cleared(&json!({})), None).await.unwrap();
    assert!(matches!(world.cognito.disable("client1").await, Err(AdministrationError::NotOffered)));
    assert!(matches!(world.cognito.enable("client1").await, Err(AdministrationError::NotOffered)));
    assert_eq!(world.cognito.state("client1").await.unwrap(), AtTheServer::Enabled);
    Administration::delete(&world.cognito, "client1").await.unwrap();
    let again = Administration::delete(&world.cognito, "client1").await;
    assert!(matches!(again, Err(AdministrationError::NotFound)));
}

#[tokio::test]
async fn scopes_are_those_of_the_pools_resource_servers() {
    let world = world("").await;
    let known = cleared(&json!({"scope": "openid orders/read https://api.example.com/v1/x"}));
    world.cognito.register("r", &known, None).await.unwrap();
    assert_eq!(world.pool.inputs("ListResourceServers").len(), 2, "two pages");
    world.cognito.register("r", &cleared(&json!({})), None).await.unwrap();
    assert_eq!(world.pool.inputs("ListResourceServers").len(), 2, "remembered");
    let unknown = cleared(&json!({"scope": "openid orders/none"}));
    let Err(RegisterError::Refused { description, .. }) = world.cognito.register("r", &unknown, None).await else {
        panic!()
    };
    assert_eq!(description.as_deref(), Some("scope: the user pool has no scope \"orders/none\""));
    assert_eq!(world.pool.inputs("CreateUserPoolClient").len(), 2);
}

#[tokio::test]
async fn a_pool_without_scopes_of_its_own_is_not_asked_for_them() {
    let world = world("").await;
    world.cognito.register("r", &cleared(&json!({"scope": "openid email"})), None).await.unwrap();
    assert!(world.pool.inputs("ListResourceServers").is_empty());
}

#[test]
fn what_aws_would_refuse_is_refused_in_our_words() {
    let long = format!("https://app.example.com/{}", "x".repeat(1024));
    for (more, sentence) in [
        (json!({"redirect_uris": [long]}), "redirect_uris[0]: is longer than the 1024 characters that Cognito takes"),
        (
            json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example.com/jwks"}),
            "token_endpoint_auth_method: Cognito knows none, client_secret_basic and client_secret_post at its token endpoint, not \"private_key_jwt\"",
        ),
        (
            json!({"grant_types": ["authorization_code", "client_credentials"], "scope": "orders/read"}),
            "grant_types: Cognito has the grant client_credentials for clients with no other grant",
        ),
        (
            json!({"grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": "openid"}),
            "scope: \"openid\" is for users; client_credentials takes scopes of resource servers",
        ),
        (
            json!({"scope": "nonsense"}),
            "scope: \"nonsense\" is none of Cognito's, and not written resource-server/name as those of a pool are",
        ),
    ] {
        let mut metadata = json!({
            "redirect_uris": ["https://app.example.com/cb"], "scope": "openid", "grant_types": ["authorization_code"],
            "token_endpoint_auth_method": "client_secret_basic",
        });
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refused = judged(&metadata).unwrap_err();
        assert_eq!(refused, [sentence], "{metadata}");
    }
}
