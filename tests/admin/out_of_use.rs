//! What a client that was taken out of use meets at the server's endpoints, before a server that cannot disable it.

use axum::routing::{get, post};
use dcr_gateway::demo::authorization_server::{Settings, router};
use dcr_gateway::secret::Secret;
use dcr_gateway::store::Clients as _;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::world::{World, demo_section};

/// The demo's server with endpoints that take everybody.
pub async fn world() -> World {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings { issuer: "http://127.0.0.1:1".to_owned(), credential: Secret::new("operator") };
    let router =
        router(settings).route("/token", post(|| async { "{}" })).route("/authorize", get(|| async { "hello" }));
    tokio::spawn(axum::serve(listener, router).into_future());
    let world = World::before(&demo_section(address), "{ socket: admin.sock }").await;
    // From here on the gateway knows the endpoints.
    let metadata = format!("http://{}/.well-known/oauth-authorization-server", world.address);
    assert_eq!(reqwest::get(metadata).await.unwrap().status(), 200);
    world
}

pub async fn get_tokens(world: &World, client: &Value, secret: Option<&str>) -> reqwest::Response {
    let id = client["client_id"].as_str().unwrap();
    let request = reqwest::Client::new().post(format!("http://{}/token", world.address));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = match secret {
        Some(secret) => request.basic_auth(id, Some(secret)).body("grant_type=client_credentials"),
        None => request.body(format!("grant_type=refresh_token&client_id={id}")),
    };
    request.send().await.unwrap()
}

async fn authorize(world: &World, client: &Value, accept: &str) -> reqwest::Response {
    let query = format!("response_type=code&client_id={}", client["client_id"].as_str().unwrap());
    let request = reqwest::Client::new().get(format!("http://{}/authorize?{query}", world.address));
    request.header("accept", accept).send().await.unwrap()
}

async fn change(world: &World, client: &Value, method: &str, rest: &str) {
    let target = format!("/v1/clients/{}{rest}", client["client_id"].as_str().unwrap());
    let changed = world.change(method, &target, "*").await;
    assert!(changed.status < 300, "{changed:?}");
}

#[tokio::test]
async fn a_suspended_client_gets_no_tokens_until_it_is_resumed() {
    let world = world().await;
    let client = world.register("Orders").await;
    assert_eq!(get_tokens(&world, &client, None).await.status(), 200);
    change(&world, &client, "POST", "/suspend").await;
    let refused = get_tokens(&world, &client, None).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["cache-control"], "no-store");
    let request_id = refused.headers()["x-request-id"].to_str().unwrap().to_owned();
    let event = world.recorded(&request_id).await;
    assert_eq!(
        (&event["event"], &event["reason"], &event["subject"]["id"]),
        (&"forwarded_refused".into(), &"client_out_of_use".into(), &client["client_id"]),
        "{event}"
    );
    assert!(!refused.headers().contains_key("www-authenticate"));
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "invalid_client");
    let refused = get_tokens(&world, &client, Some("whatever")).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["www-authenticate"]),
        (401, &"Basic realm=\"clients\"".parse().unwrap())
    );
    let refused_as = async |media_type: &str, body: String| {
        let request = reqwest::Client::new().post(format!("http://{}/token", world.address));
        let answer = request.header("content-type", media_type).body(body).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["error"].as_str().map(str::to_owned)
    };
    let id = client["client_id"].as_str().unwrap();
    let part = format!("--x\r\nContent-Disposition: form-data; name=\"client_id\"\r\n\r\n{id}\r\n--x--\r\n");
    let refused = refused_as("multipart/form-data; boundary=x", part).await;
    assert_eq!(refused.as_deref(), Some("invalid_request"), "a framework behind us may read it");
    let json = format!(r#"{{"grant_type":"client_credentials","client_id":"{id}"}}"#);
    assert_eq!(refused_as("application/json", json).await.as_deref(), Some("invalid_client"));
    change(&world, &client, "POST", "/resume").await;
    assert_eq!(get_tokens(&world, &client, None).await.status(), 200);
}

#[tokio::test]
async fn a_deleted_client_is_told_to_register_again_and_a_stranger_is_the_servers_business() {
    let world = world().await;
    let client = world.register("Orders").await;
    change(&world, &client, "DELETE", "").await;
    assert_eq!(get_tokens(&world, &client, None).await.status(), 401);
    let stranger = serde_json::json!({ "client_id": "registered-by-hand" });
    assert_eq!(get_tokens(&world, &stranger, None).await.status(), 200);
}

#[tokio::test]
async fn at_the_authorization_endpoint_people_get_a_page_and_nobody_is_sent_on() {
    let world = world().await;
    let client = world.register("Orders").await;
    assert_eq!(authorize(&world, &client, "text/html").await.text().await.unwrap(), "hello");
    change(&world, &client, "POST", "/suspend").await;
    let page = authorize(&world, &client, "text/html,application/xhtml+xml;q=0.9").await;
    assert_eq!(
        (page.status().as_u16(), &page.headers()["content-type"]),
        (400, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(!page.headers().contains_key("location"));
    assert!(page.text().await.unwrap().contains("cannot sign you in"));
    let json = authorize(&world, &client, "application/json").await;
    assert_eq!(json.status(), 400);
    assert_eq!(json.json::<Value>().await.unwrap()["error"], "invalid_client");
}

#[tokio::test]
async fn who_got_tokens_is_known_to_have_been_used() {
    let world = world().await;
    let (used, other) = (world.register("Orders").await, world.register("Others").await);
    assert_eq!(get_tokens(&world, &used, None).await.status(), 200);
    let store = world.store.clone();
    // The gateway writes down at its end what it has not before.
    world.stop().await;
    let last_used = async |client: &Value| {
        let record = store.client(client["client_id"].as_str().unwrap()).await.unwrap().unwrap();
        record.last_used_at.map(|used| used >= record.created_at)
    };
    assert_eq!(last_used(&used).await, Some(true));
    assert_eq!(last_used(&other).await, None);
}
