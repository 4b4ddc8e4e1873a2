//! The main flow, and each refusal on the way: tokens made on the command line, clients registered with them.

use serde_json::json;

use crate::client::{Answer, Post, exchange, get, register};
use crate::configuration::on_base;
use crate::judged;
use crate::process::Gateway;
use crate::upstream::{Mood, Upstream, http};

/// What an operator would write, with a limit that can be reached.
const OWN: &str = r#"
listeners: [{ address: 127.0.0.1:0, deadlines: { request_head: 2s, body: 2s } }]
authorization_server:
  credential: none
  timeout: 2s
profiles:
  - name: partners
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
    scopes: { initial: [openid], allowed: [profile], by_approval: ["orders:write"] }
    limits: { rate: 1/h, burst: 3 }
  - name: others
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: others.example.com }] }
"#;

pub fn configuration() -> String {
    on_base(OWN)
}

async fn start() -> (Gateway, Upstream) {
    let upstream = Upstream::start().await;
    (Gateway::start(&configuration(), upstream.address), upstream)
}

fn orders() -> serde_json::Value {
    json!({
        "client_name": "Orders",
        "redirect_uris": ["https://app.example.com/callback"],
        "scope": "openid profile orders:write admin",
        "x_unknown": {"a": 1},
    })
}

pub fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)), "{answer:?}");
    assert_eq!(judged::problem_of_refusal(answer), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_registers_with_a_token_made_on_the_command_line() {
    let (gateway, upstream) = start().await;
    let token = gateway.token("partners", 1);
    let answer = register(gateway.address, Some(&token), &orders()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let told = answer.json();
    assert_eq!(told["client_id"], "client-1");
    assert_eq!(told["scope"], "openid profile");
    assert_eq!(
        (&told["client_secret"], &told["client_secret_expires_at"]),
        (&json!("a-secret-for-the-client"), &json!(0))
    );
    assert_eq!(told.get("x_unknown"), None, "it is not registered");
    assert_eq!(judged::leaks(&answer), None);

    let [received] = upstream.take().try_into().expect("one request");
    assert_eq!((received.method(), received.target()), ("POST", "/register"));
    assert_eq!(received.json()["scope"], "openid profile");
    assert!(!received.text().contains(&token), "the gateway's token is nobody else's business");
    assert!(!gateway.log().contains(&token), "nor the log's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_its_profile_its_uses_and_until_it_is_revoked() {
    let (gateway, upstream) = start().await;
    refused(&register(gateway.address, None, &orders()).await, 401, "invalid_token");
    refused(&register(gateway.address, Some("dcrt_unknown"), &orders()).await, 401, "invalid_token");

    let once = gateway.token("partners", 1);
    assert_eq!(register(gateway.address, Some(&once), &orders()).await.status, 201);
    refused(&register(gateway.address, Some(&once), &orders()).await, 401, "invalid_token");

    let foreign = gateway.token("others", 1);
    refused(&register(gateway.address, Some(&foreign), &orders()).await, 400, "invalid_redirect_uri");

    let revoked = gateway.token("partners", 1);
    let listed = gateway.run(&["--json", "tokens", "list"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let tokens = listed.as_array().or_else(|| listed["tokens"].as_array()).expect("a list");
    assert_eq!(tokens.len(), 3);
    assert!(!listed.to_string().contains(&revoked), "a list never shows a token");
    let id = tokens.iter().find(|token| token["profile"] == "partners" && token["used"] == 0).unwrap()["id"]
        .as_str()
        .unwrap();
    assert!(gateway.run(&["tokens", "revoke", id]).status.success());
    refused(&register(gateway.address, Some(&revoked), &orders()).await, 401, "invalid_token");
    assert_eq!(upstream.take().len(), 1, "one of them was registered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_use_is_used_once_however_many_come_at_the_same_time() {
    let (gateway, upstream) = start().await;
    let token = gateway.token("others", 1);
    let body = json!({"redirect_uris": ["https://others.example.com/callback"]}).to_string();
    let request = Post { token: Some(&token), body: body.as_bytes(), ..Post::default() }.bytes();
    let mut sent = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (address, request) = (gateway.address, request.clone());
        sent.spawn(async move { exchange(address, &request).await.expect("an answer").status });
    }
    let mut statuses = sent.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 401), "{statuses:?}");
    assert_eq!(upstream.take().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registrant_that_comes_too_often_is_told_when_to_come_again() {
    let (gateway, _upstream) = start().await;
    let token = gateway.token("partners", 10);
    for _ in 0..3 {
        assert_eq!(register(gateway.address, Some(&token), &orders()).await.status, 201);
    }
    let answer = register(gateway.address, Some(&token), &orders()).await;
    refused(&answer, 429, "too_many_requests");
    assert!(
        answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_everything_that_is_wrong_and_spends_nothing() {
    let (gateway, upstream) = start().await;
    let token = gateway.token("partners", 1);
    let wrong = json!({
        "redirect_uris": ["https://app.example.com/callback", "https://evil.example/callback"],
        "grant_types": ["authorization_code", "password"],
        "client_id": "mine",
        "jwks_uri": "https://169.254.169.254/",
    });
    let answer = register(gateway.address, Some(&token), &wrong).await;
    refused(&answer, 400, "invalid_client_metadata");
    assert_eq!(answer.rules(), ["server_assigned", "redirect_uris", "grant_types", "urls"]);
    let places: Vec<_> =
        answer.json()["violations"].as_array().unwrap().iter().map(|one| one["place"].clone()).collect();
    assert_eq!(places, ["client_id", "redirect_uris[1]", "grant_types", "jwks_uri"]);
    assert!(upstream.take().is_empty());
    assert_eq!(register(gateway.address, Some(&token), &orders()).await.status, 201, "the use was not spent");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_are_found_at_a_server_that_shows_a_page_for_what_it_does_not_have() {
    let (gateway, upstream) = start().await;
    let paths = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
    let page = http("200 OK", "text/html", "<html>");
    let redirect = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n".to_vec();
    for elsewhere in [&page, &redirect, &http("401 Unauthorized", "application/json", "{}")] {
        for has in paths {
            upstream.set(Mood::MetadataAt(has, elsewhere.clone()));
            for asked in paths {
                let answer = get(gateway.address, asked).await;
                assert_eq!(answer.status, 200, "{asked}: {answer:?}");
                assert_eq!(answer.json()["registration_endpoint"], "https://sso.example.com/register");
            }
        }
    }
    upstream.set(Mood::MetadataAt("/nowhere", page));
    assert_eq!(get(gateway.address, paths[0]).await.status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_lead_to_the_gateway_and_other_paths_to_the_server() {
    let (gateway, upstream) = start().await;
    let others = ["/.well-known/oauth-authorization-server/mcp", "/mcp/.well-known/openid-configuration"];
    for path in
        ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"].into_iter().chain(others)
    {
        let answer = get(gateway.address, path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["registration_endpoint"], "https://sso.example.com/register");
        assert_eq!(answer.json()["issuer"], "https://sso.example.com");
        assert_eq!(judged::leaks(&answer), None);
    }
    let answer = get(gateway.address, "/authorize?client_id=a&x=%2F").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "forwarded"));
    let [received] = upstream.take().try_into().expect("one request");
    assert_eq!(received.target(), "/authorize?client_id=a&x=%2F");
    for health in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(get(gateway.admin, health).await.status, 200, "{health}");
        assert_ne!(
            get(gateway.address, health).await.body,
            get(gateway.admin, health).await.body,
            "{health} is for operators"
        );
    }
}
