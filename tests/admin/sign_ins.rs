//! Who signed in to the console, out, and who was not let in: all of it is in the audit log.

use std::time::Duration;

use dcr_gateway::store::{AuditFilter, AuditLog as _};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::World;

async fn world() -> World {
    let digest: String = Sha256::digest("token-of-ada").iter().map(|octet| format!("{octet:02x}")).collect();
    let tokens = format!("[{{ name: ada, role: approver, sha256: \"{digest}\" }}]");
    World::with_admin(&format!("{{ socket: admin.sock, listen: 127.0.0.1:0, tokens: {tokens} }}")).await
}

/// As the page asks.
async fn session(world: &World, method: Method, (token, cookie): (&str, &str)) -> Response {
    let url = format!("http://{}/console/session", world.admin.unwrap());
    let request = reqwest::Client::new().request(method, url).json(&json!({"token": token}));
    let request = request.header("dcr-console", "1").header("sec-fetch-site", "same-origin").header("cookie", cookie);
    request.send().await.unwrap()
}

/// The events of the console, the oldest first, once there are so many.
async fn events(world: &World, count: usize) -> Vec<(Value, Value, Value)> {
    let about_the_console = async {
        loop {
            let records = world.store.records(&AuditFilter::default(), None, 50).await.unwrap();
            let events = records.iter().rev().map(|record| serde_json::from_str::<Value>(&record.event).unwrap());
            let found: Vec<_> = events
                .filter(|event| event["subject"]["id"] == "/console/session")
                .map(|event| (event["event"].clone(), event["actor"]["name"].clone(), event["reason"].clone()))
                .collect();
            if found.len() >= count {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), about_the_console).await.expect("so many events")
}

#[tokio::test]
async fn signing_in_and_out_and_in_vain_is_recorded_and_no_token_is() {
    let world = world().await;
    let signed_in = session(&world, Method::POST, ("token-of-ada", "")).await;
    assert_eq!(signed_in.status(), 200);
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(session(&world, Method::DELETE, ("", &cookie)).await.status(), 204);
    // Nobody is signed out who was not in.
    assert_eq!(session(&world, Method::DELETE, ("", "")).await.status(), 204);
    assert_eq!(session(&world, Method::POST, ("token-of-mallory", "")).await.status(), 401);
    let events = events(&world, 3).await;
    assert_eq!(
        events,
        [
            (json!("operator_signed_in"), json!("ada"), json!("token")),
            (json!("operator_signed_out"), json!("ada"), Value::Null),
            (json!("sign_in_refused"), json!("nobody"), json!("token_unknown")),
        ]
    );
    let all = world.store.records(&AuditFilter::default(), None, 50).await.unwrap();
    assert!(all.iter().all(|record| !record.event.contains("token-of-")));
}
