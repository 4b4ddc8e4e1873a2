//! The app clients that a pool has, whoever made them.

use dcr_gateway::authorization_server::{Administration as _, Origin, Registrar as _, ServerAccess};
use serde_json::{Value, json};

use crate::world::{cleared, world};

#[tokio::test]
async fn every_app_client_is_listed_as_it_is_and_without_its_secret() {
    let world = world(", requests_per_second: 1000").await;
    world.cognito.register("r1", &cleared(&json!({})), None).await.unwrap();
    world.pool.clients.lock().unwrap().insert(
        "by-hand".to_owned(),
        json!({
            "ClientId": "by-hand", "ClientName": "Old App", "UserPoolId": "eu-central-1_x", "CreationDate": 1_600_000_000,
            "CallbackURLs": ["https://old.example.com/cb"], "LogoutURLs": ["https://old.example.com/bye"],
            "AllowedOAuthFlows": ["code", "implicit"], "AllowedOAuthScopes": ["openid", "orders/read"],
        }),
    );
    let page = world.cognito.existing(None).await.unwrap();
    assert_eq!(page.next, None);
    let origins: Vec<(&str, Origin)> =
        page.clients.iter().map(|client| (client.client_id.as_str(), client.origin)).collect();
    assert_eq!(origins, [("by-hand", Origin::Unknown), ("client1", Origin::Registration)]);
    let by_hand = &page.clients[0];
    assert_eq!(by_hand.created_at.map(|at| at.unix_seconds()), Some(1_600_000_000));
    assert_eq!(by_hand.access, Some(ServerAccess::ByApi("by-hand".to_owned())));
    assert_eq!(
        Value::Object(by_hand.metadata.clone()),
        json!({
            "client_name": "Old App", "redirect_uris": ["https://old.example.com/cb"], "scope": "openid orders/read",
            "post_logout_redirect_uris": ["https://old.example.com/bye"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token", "implicit"], "response_types": ["code", "token"],
        })
    );
    let confidential = &page.clients[1].metadata;
    assert_eq!(confidential["token_endpoint_auth_method"], "client_secret_basic");
    assert!(!Value::Object(confidential.clone()).to_string().contains("s3cret"));
}

#[tokio::test]
async fn a_pool_with_many_is_listed_page_by_page_and_one_is_found_by_its_name() {
    let world = world(", requests_per_second: 1000").await;
    for number in 0..25 {
        let id = format!("c{number:02}");
        let client = json!({"ClientId": id, "ClientName": "App", "UserPoolId": "eu-central-1_x"});
        world.pool.clients.lock().unwrap().insert(id, client);
    }
    let first = world.cognito.existing(None).await.unwrap();
    let second = world.cognito.existing(first.next.as_deref()).await.unwrap();
    assert_eq!((first.clients.len(), second.clients.len(), second.next), (20, 5, None));
    let found = world.cognito.existing_client("c24").await.unwrap();
    assert_eq!(found.as_ref(), second.clients.last());
    assert_eq!(world.cognito.existing_client("absent").await.unwrap(), None);
}
