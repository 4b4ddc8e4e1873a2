//! Rules that only report, and requests judged by other rules afterwards: what the server gets, what an operator sees, what is kept.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Post, exchange, register};
use crate::configuration::on_base;
use crate::flow::refused;
use crate::process::{Gateway, PATIENCE};
use crate::staged::{Staged, Tokens};
use crate::upstream::Upstream;

/// `{enforcement}` and `{everybody}` stand for what a test adds.
const OWN: &str = r#"
authorization_server:
  credential: { bearer_token_file: credential }
store: { url: "sqlite://gateway.db", encryption_key_file: key }
admin: { socket: admin.sock, listen: 127.0.0.1:0 }
{enforcement}
profiles:
  - name: partners
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
  - name: everybody
    match: {}
    initial_access_token: off
    {everybody}
    redirect_uris: { https: [{ host: app.example.com }] }
    client_name: { max_length: 20 }
    scopes: { initial: [openid], allowed: [profile] }
"#;

const OURS: &str = "the-gateways-own-credential";

fn configuration(enforcement: &str, everybody: &str) -> String {
    on_base(OWN).replace("{enforcement}", enforcement).replace("{everybody}", everybody)
}

fn start(configuration: &str, upstream: std::net::SocketAddr) -> Gateway {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("credential"), OURS).unwrap();
    Gateway::start_in(directory, configuration, upstream)
}

async fn reporting() -> (Gateway, Upstream) {
    let upstream = Upstream::start().await;
    (start(&configuration("enforcement: report_only", ""), upstream.address), upstream)
}

fn evil() -> Value {
    json!({
        "client_name": "Orders",
        "redirect_uris": ["https://evil.example/callback"],
        "scope": "openid admin",
        "x_unknown": "hunter2",
        "client_secret": "hunter2",
    })
}

fn json_of(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn listed(gateway: &Gateway, what: &str) -> Value {
    json_of(&gateway.run(&["--json", what, "list"]))[what][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rules_would_refuse_goes_on_without_the_gateways_credential() {
    let (gateway, upstream) = reporting().await;
    let answer = register(gateway.address, None, &evil()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(answer.json()["registration_access_token"].is_string(), "the client's own, as always");
    let [received] = upstream.take().try_into().expect("one request");
    assert!(!received.head.to_ascii_lowercase().contains("authorization:"), "{}", received.head);
    let sent = received.json();
    assert_eq!(sent["redirect_uris"], json!(["https://evil.example/callback"]));
    assert_eq!(sent["scope"], "openid", "what a rule rewrites is rewritten");
    assert!(!received.text().contains("hunter2"), "{}", received.text());

    let told = gateway.told(|said| said["message"] == "registration");
    assert_eq!((&told["decision"], &told["reason"]), (&json!("report_only"), &json!("rules_violated")));
    assert_eq!(told["violations"], "server_assigned redirect_uris");
    let rules = json!(["server_assigned", "redirect_uris"]);
    assert_eq!(listed(&gateway, "registrations")["let_through"], rules);
    assert_eq!(listed(&gateway, "clients")["let_through"], rules);
    let recorded = String::from_utf8(gateway.run(&["audit", "export"]).stdout).unwrap();
    let recorded = recorded.lines().find(|line| line.contains("registration_let_through")).expect("an event");
    assert!(recorded.contains("redirect_uris") && recorded.contains("client-1"), "{recorded}");

    let mut good = evil();
    good["redirect_uris"] = json!(["https://app.example.com/callback"]);
    good.as_object_mut().unwrap().remove("client_secret");
    assert_eq!(register(gateway.address, None, &good).await.status, 201);
    let [received] = upstream.take().try_into().expect("one request");
    assert!(received.head.contains(&format!("Bearer {OURS}")), "what breaks no rule goes as always: {}", received.head);
    assert_eq!(listed(&gateway, "clients").get("let_through"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirect_uris_that_are_none_are_in_the_record_and_told_as_they_were_sent() {
    let (gateway, _upstream) = reporting().await;
    let uris =
        ["javascript:alert(1)", "https://*.evil.example/cb", "https://u@bad.example/cb", "https://app.example.com/cb"];
    assert_eq!(register(gateway.address, None, &json!({ "redirect_uris": uris })).await.status, 201);
    assert_eq!(listed(&gateway, "clients")["redirect_uris"], json!(uris));
    assert_eq!(listed(&gateway, "registrations")["redirect_uris"], json!(uris));
    let recorded = String::from_utf8(gateway.run(&["audit", "export"]).stdout).unwrap();
    let recorded = recorded.lines().find(|line| line.contains("registration_let_through")).expect("an event");
    for host in ["javascript:", "*.evil.example", "bad.example", "app.example.com"] {
        assert!(
            recorded.contains(&format!("\\\"{host}\\\"")) || recorded.contains(&format!("\"{host}\"")),
            "{host}: {recorded}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_not_good_and_a_body_that_is_no_json_are_refused_all_the_same() {
    let (gateway, upstream) = reporting().await;
    let token = gateway.token("partners", 1);
    refused(&register(gateway.address, Some("dcrt_unknown"), &evil()).await, 401, "invalid_token");
    let twice = Post { body: br#"{"client_name": "a", "client_name": "b"}"#, ..Post::default() };
    refused(&exchange(gateway.address, &twice.bytes()).await.unwrap(), 400, "invalid_client_metadata");
    assert!(upstream.take().is_empty());

    assert_eq!(register(gateway.address, Some(&token), &evil()).await.status, 201);
    let [received] = upstream.take().try_into().expect("one request");
    assert!(!received.text().contains(&token), "a token of ours says nothing to the server: {}", received.text());
    assert!(!received.head.to_ascii_lowercase().contains("authorization:"), "{}", received.head);
    refused(&register(gateway.address, Some(&token), &evil()).await, 401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_only_reports_opens_nothing_that_another_closes() {
    let upstream = Upstream::start().await;
    let gateway = start(&configuration("", "report_only: [client_name]"), upstream.address);
    let mut asked = json!({
        "client_name": "A name that is far too long",
        "redirect_uris": ["https://evil.example/callback"],
        "scope": "openid admin",
    });
    let answer = register(gateway.address, None, &asked).await;
    refused(&answer, 400, "invalid_redirect_uri");
    assert_eq!(answer.rules(), ["redirect_uris", "client_name"]);
    asked["redirect_uris"] = json!(["https://app.example.com/callback"]);
    assert_eq!(register(gateway.address, None, &asked).await.status, 201);
    let [received] = upstream.take().try_into().expect("one request");
    let sent = received.json();
    assert_eq!((&sent["client_name"], &sent["scope"]), (&asked["client_name"], &json!("openid")));
    assert!(!received.text().contains(OURS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_let_through_as_a_registration_is() {
    let server = Staged::start(Tokens::Stay).await;
    let gateway = start(&configuration("enforcement: report_only", ""), server.address);
    let registered = register(gateway.address, None, &json!({"redirect_uris": ["https://app.example.com/cb"]})).await;
    let (client_id, token) = (registered.client_id().unwrap(), registered.json()["registration_access_token"].clone());
    let body = json!({"client_id": client_id, "redirect_uris": ["https://evil.example/cb"]}).to_string();
    let head = format!(
        "PUT /register/{client_id} HTTP/1.1\r\nHost: sso.example.com\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        token.as_str().unwrap(),
        body.len()
    );
    let answer = exchange(gateway.address, format!("{head}{body}").as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["redirect_uris"], json!(["https://evil.example/cb"]));
    assert_eq!(server.clients()[&client_id].members["redirect_uris"], json!(["https://evil.example/cb"]));
    let told = gateway.told(|said| said["message"] == "management");
    assert_eq!(told["violations"], "redirect_uris");
    assert_eq!(listed(&gateway, "clients")["let_through"], json!(["redirect_uris"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn report_only_is_never_on_without_being_told_of() {
    let (gateway, _upstream) = reporting().await;
    let checked = gateway.run(&["config", "check"]);
    assert!(checked.status.success());
    let warnings = String::from_utf8(checked.stderr).unwrap();
    assert!(warnings.contains("enforcement") && warnings.contains("goes to the authorization server"), "{warnings}");
}

/// `replay` with another configuration than the running one.
fn replay(gateway: &Gateway, tried: &str) -> (Option<i32>, Value) {
    let file: PathBuf = gateway.file("tried.yaml");
    std::fs::write(&file, tried.replace("{upstream}", "127.0.0.1:9")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dcr-gateway"));
    command.current_dir(file.parent().unwrap()).args(["--json", "replay", "--config", "tried.yaml"]);
    let output = command.args(["--running", "gateway.yaml"]).output().unwrap();
    (output.status.code(), json_of(&output))
}

/// Waits until so many are kept: they are written beside the requests.
fn until_kept(gateway: &Gateway, count: u64, tried: &str) -> (Option<i32>, Value) {
    let began = Instant::now();
    loop {
        let (code, told) = replay(gateway, tried);
        if told["summary"]["requests"] == count {
            return (code, told);
        }
        assert!(began.elapsed() < PATIENCE, "never so many: {told}");
    }
}

fn request_id(answer: &Answer) -> String {
    answer.header("x-request-id").expect("a name").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_says_what_another_configuration_would_change() {
    let upstream = Upstream::start().await;
    let running = configuration("", "");
    let gateway = start(&running, upstream.address);
    let token = gateway.token("partners", 1);
    let good = json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"]});
    let admitted = register(gateway.address, Some(&token), &good).await;
    assert_eq!(admitted.status, 201);
    assert_eq!(register(gateway.address, None, &good).await.status, 201);
    let bad = register(gateway.address, None, &evil()).await;
    assert_eq!(bad.status, 400);

    let (code, told) = until_kept(&gateway, 3, &running);
    assert_eq!((code, &told["changes"]), (Some(0), &json!([])), "{told}");
    assert_eq!(told["summary"]["as_before"], 3);

    let tried = running.replace("host: app.example.com", "host: other.example.com");
    let (code, told) = replay(&gateway, &tried);
    assert_eq!((code, &told["summary"]["refused"]), (Some(1), &json!(2)), "{told}");
    let told = told["changes"].to_string();
    assert!(told.contains("host \\\"app.example.com\\\" is not allowed by profile \\\"partners\\\""), "{told}");
    assert!(told.contains(&request_id(&admitted)), "{told}");

    let tried = configuration("enforcement: report_only", "");
    let (code, told) = replay(&gateway, &tried);
    assert_eq!((code, &told["summary"]["let_through"]), (Some(1), &json!(1)), "kept although it was refused: {told}");

    for name in [request_id(&bad), listed(&gateway, "registrations")["id"].as_str().unwrap().to_owned()] {
        let explained = json_of(&gateway.run(&["--json", "explain", &name]));
        let is_refused = name == request_id(&bad);
        assert_eq!(explained["decision"], if is_refused { "refuse" } else { "admit" }, "{explained}");
    }
    let mut files = std::fs::read(gateway.file("gateway.db")).unwrap();
    files.extend(std::fs::read(gateway.file("gateway.db-wal")).unwrap_or_default());
    let holds = |text: &str| files.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("evil.example"), "it is looked at");
    for secret in [token.as_str(), "hunter2", "a-secret-for-the-client", OURS] {
        assert!(!holds(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refused_requests_is_kept_in_bounded_number_and_displaces_nothing() {
    let upstream = Upstream::start().await;
    let running = configuration("", "");
    let gateway = start(&running, upstream.address);
    for number in 0..100 {
        let mut bad = evil();
        bad["client_name"] = format!("Flood {number}").into();
        assert_eq!(register(gateway.address, None, &bad).await.status, 400);
    }
    let good = json!({"redirect_uris": ["https://app.example.com/callback"]});
    assert_eq!(register(gateway.address, None, &good).await.status, 201);
    // The window of a minute may have ended once in between, and begun anew.
    let began = Instant::now();
    let requests = loop {
        let (_, told) = replay(&gateway, &running);
        let requests = told["summary"]["requests"].as_u64().unwrap();
        if requests >= 21 {
            break requests;
        }
        assert!(began.elapsed() < PATIENCE, "{told}");
    };
    assert!(requests <= 41, "{requests}");
}
