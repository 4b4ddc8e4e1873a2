//! The console: what protects its page, who is signed in, and what its session may do to the API.

use reqwest::header::{CONTENT_SECURITY_POLICY, IF_MATCH};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::world::{World, answer, entry};

const COOKIE: &str = "__Host-dcr-console";

async fn world() -> World {
    let tokens = ["viewer", "approver", "administrator"].map(entry).join(", ");
    World::with_admin(&format!("{{ socket: admin.sock, listen: 127.0.0.1:0, tokens: [{tokens}] }}")).await
}

/// As the page asks.
fn from_the_page(world: &World, method: Method, path: &str) -> RequestBuilder {
    from_a_page(world, method, path).header("dcr-console", "1").header("sec-fetch-site", "same-origin")
}

fn from_a_page(world: &World, method: Method, path: &str) -> RequestBuilder {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    client.request(method, format!("http://{}{path}", world.admin.unwrap()))
}

async fn sign_in(world: &World, token: &str) -> Response {
    from_the_page(world, Method::POST, "/console/session").json(&json!({"token": token})).send().await.unwrap()
}

/// Signs in; the cookie that stands for it.
async fn session(world: &World, role: &str) -> String {
    let response = sign_in(world, &format!("token-of-{role}")).await;
    assert_eq!(response.status(), 200);
    let line = response.headers()["set-cookie"].to_str().unwrap();
    line.split(';').next().unwrap().to_owned()
}

async fn standing(world: &World, cookie: &str) -> Value {
    let request = from_the_page(world, Method::GET, "/console/session").header("cookie", cookie);
    answer(request.send().await.unwrap()).await.body["operator"].clone()
}

#[tokio::test]
async fn every_answer_of_the_console_says_what_a_browser_may_do_with_it() {
    let world = world().await;
    for (path, status) in [
        ("/console/", 200),
        ("/console/main.js", 200),
        ("/console/console.css", 200),
        ("/console/session", 200),
        ("/console/nowhere", 404),
        ("/console", 308),
    ] {
        let response = from_a_page(&world, Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let policy = header(CONTENT_SECURITY_POLICY.as_str());
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            assert!(policy.split("; ").any(|part| part == directive), "{path}: {directive} is not in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-frame-options"), "DENY");
    }
}

#[tokio::test]
async fn a_token_is_posted_once_and_a_cookie_stands_for_it() {
    let world = world().await;
    assert_eq!(standing(&world, "").await, Value::Null);
    let response = sign_in(&world, "token-of-approver").await;
    let line = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age=28800"] {
        assert!(line.split("; ").any(|part| part == attribute), "{line}");
    }
    assert!(line.starts_with(&format!("{COOKIE}=")) && !line.contains("Domain"), "{line}");
    assert!(!line.contains("token-of-approver"));
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["operator"]["name"], &body["operator"]["role"]), (&json!("some approver"), &json!("approver")));
    let cookie = line.split(';').next().unwrap();
    assert_eq!(standing(&world, cookie).await["name"], "some approver");
    let out = from_the_page(&world, Method::DELETE, "/console/session").header("cookie", cookie).send().await.unwrap();
    assert_eq!(out.status(), 204);
    let line = out.headers()["set-cookie"].to_str().unwrap();
    assert!(line.starts_with(&format!("{COOKIE}=;")) && line.ends_with("Max-Age=0"), "{line}");
}

#[tokio::test]
async fn nobody_signs_in_with_an_unknown_token_or_from_another_site() {
    let world = world().await;
    let unknown = sign_in(&world, "token-of-nobody").await;
    assert_eq!(unknown.status(), 401);
    assert!(!unknown.headers().contains_key("set-cookie"));
    let body = json!({"token": "token-of-approver"});
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("accept", "*/*")] {
        let request = from_a_page(&world, Method::POST, "/console/session").header("dcr-console", "1");
        let response = request.header(name, value).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 403, "{name}: {value}");
        assert!(!response.headers().contains_key("set-cookie"));
    }
    let unmarked = from_a_page(&world, Method::POST, "/console/session").header("sec-fetch-site", "same-origin");
    assert_eq!(unmarked.json(&body).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_session_may_what_its_operator_may_from_the_page_alone() {
    let world = world().await;
    let client = world.register("Orders").await;
    let target = format!("/v1/clients/{}", client["client_id"].as_str().unwrap());
    let (viewer, approver) = (session(&world, "viewer").await, session(&world, "approver").await);
    let read = async |request: RequestBuilder| request.header("cookie", &viewer).send().await.unwrap().status();
    assert_eq!(read(from_the_page(&world, Method::GET, "/v1/clients")).await, 200);
    assert_eq!(read(from_a_page(&world, Method::GET, "/v1/clients")).await, 403);
    let suspend = async |cookie: &str, request: RequestBuilder| {
        answer(request.header("cookie", cookie).header(IF_MATCH, "*").send().await.unwrap()).await
    };
    let path = format!("{target}/suspend");
    assert_eq!(suspend(&viewer, from_the_page(&world, Method::POST, &path)).await.status, 403);
    let elsewhere = [
        from_a_page(&world, Method::POST, &path),
        from_a_page(&world, Method::POST, &path).header("sec-fetch-site", "same-origin"),
        from_a_page(&world, Method::POST, &path).header("dcr-console", "1"),
        from_a_page(&world, Method::POST, &path).header("dcr-console", "1").header("sec-fetch-site", "same-site"),
        from_a_page(&world, Method::POST, &path).header("dcr-console", "1").header("origin", "https://evil.example"),
    ];
    for request in elsewhere {
        let refused = suspend(&approver, request).await;
        assert_eq!((refused.status, &refused.body["title"]), (403, &json!("This operator may not do this")));
    }
    assert_eq!(world.ask("GET", &target).await.body["state"], "active");
    let done = suspend(&approver, from_the_page(&world, Method::POST, &path)).await;
    assert_eq!((done.status, &done.body["changed_by"]), (200, &json!("some approver")));
    // A token of its own counts, not the cookie beside it.
    let with_token = from_the_page(&world, Method::GET, "/v1/clients").bearer_auth("token-of-nobody");
    assert_eq!(read(with_token).await, 401);
    // An older browser names its origin.
    let origin = format!("http://{}", world.admin.unwrap());
    let request = from_a_page(&world, Method::POST, &format!("{target}/resume"));
    let request = request.header("dcr-console", "1").header("origin", origin);
    assert_eq!(suspend(&approver, request).await.status, 200);
}

#[tokio::test]
async fn a_session_that_was_changed_is_none() {
    let world = world().await;
    let cookie = session(&world, "viewer").await;
    let value = cookie.split_once('=').unwrap().1;
    let last = if value.ends_with('A') { "B" } else { "A" };
    let changed = format!("{COOKIE}={}{last}", &value[..value.len() - 1]);
    for bad in [changed, format!("{COOKIE}="), format!("{COOKIE}=x"), format!("{cookie}; {cookie}")] {
        assert_eq!(standing(&world, &bad).await, Value::Null, "{bad}");
        let request = from_the_page(&world, Method::GET, "/v1/clients").header("cookie", &bad);
        assert_eq!(request.send().await.unwrap().status(), 401, "{bad}");
    }
}

#[tokio::test]
async fn the_console_is_where_somebody_may_sign_in() {
    let world = World::with_admin("{ socket: admin.sock, listen: 127.0.0.1:0 }").await;
    let response = from_a_page(&world, Method::GET, "/console/").send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(world.request("GET", "/console/").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_review_shows_how_a_name_appears_and_who_is_like_it() {
    let world = world().await;
    let first = world.register("Orders").await;
    let second = world.register("0rders").await;
    let other = json!({"client_name": "Something else", "redirect_uris": ["https://app.example.com/other"]});
    assert_eq!(world.register_as(&other).await.0, 201);
    let review = world.ask("GET", &format!("/v1/clients/{}/review", second["client_id"].as_str().unwrap())).await;
    assert_eq!(review.status, 200, "{review:?}");
    assert_eq!(review.body["client_name"], json!([{"text": "0rders", "appearance": "plain"}]));
    assert_eq!((&review.body["compared"], &review.body["compared_with_all"]), (&json!(2), &json!(true)));
    let similar = review.body["similar"].as_array().unwrap();
    let alike = similar.iter().find(|other| other["client_id"] == first["client_id"]).unwrap();
    assert_eq!((&alike["reads_alike"], &alike["shared_hosts"]), (&json!(true), &json!(["app.example.com"])));
    let other = similar.iter().find(|other| other["client_name"] == "Something else").unwrap();
    assert_eq!((&other["reads_alike"], similar.len()), (&json!(false), 2));
    assert_eq!(world.ask("GET", "/v1/clients/none/review").await.status, 404);
}
