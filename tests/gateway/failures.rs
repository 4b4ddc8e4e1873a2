//! When something fails: the authorization server, the store, the configuration, the gateway's own time.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::{Answer, Post, exchange, get, register};
use crate::flow;
use crate::judged;
use crate::process::{Gateway, command};
use crate::upstream::{INSIDE, Mood, SECRET, Upstream, http};

async fn start() -> (Gateway, Upstream) {
    let upstream = Upstream::start().await;
    (Gateway::start(&without_limits(), upstream.address), upstream)
}

fn without_limits() -> String {
    flow::configuration().replace("    limits: { rate: 1/h, burst: 3 }\n", "")
}

fn orders() -> Value {
    json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"]})
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_server_answers_a_client_gets_json_of_ours() {
    let (gateway, upstream) = start().await;
    let token = gateway.token("partners", 1000);
    let inside = format!("http://{INSIDE}:9000/");
    let large = json!({"client_id": "a", "x": "x".repeat(10 * 1024 * 1024)}).to_string();
    let trace = format!("java.lang.NullPointerException at org.example.Inside(Inside.java:7) {SECRET} {inside}");
    let refusal = json!({"error": "invalid_redirect_uri", "error_description": "this host is not ours"}).to_string();
    let loud = json!({"error": "invalid_client_metadata", "error_description": trace}).to_string();
    let json = "application/json";
    let anothers = json!({"client_id": "a", "redirect_uris": ["https://app.example.com/alice"]}).to_string();
    let answers: Vec<(&str, Vec<u8>, u16)> = vec![
        ("a page", http("200 OK", "text/html", format!("<html>{inside}</html>")), 502),
        ("a page with 201", http("201 Created", "text/html", "<html></html>"), 502),
        ("no client_id", http("201 Created", json, "{}"), 502),
        ("an empty client_id", http("201 Created", json, r#"{"client_id":""}"#), 502),
        ("a client_id that is a number", http("201 Created", json, r#"{"client_id":7}"#), 502),
        ("an array", http("201 Created", json, "[]"), 502),
        ("nothing", http("201 Created", json, ""), 502),
        ("half an object", http("201 Created", json, r#"{"client_id":"a""#), 502),
        ("a member twice", http("201 Created", json, r#"{"client_id":"a","client_id":"b"}"#), 502),
        ("the client of somebody else's request", http("201 Created", json, anothers), 502),
        ("ten megabytes", http("201 Created", json, large), 502),
        ("no content", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), 502),
        ("a redirect", format!("HTTP/1.1 302 Found\r\nLocation: {inside}\r\nContent-Length: 0\r\n\r\n").into(), 502),
        (
            "a redirect that keeps the method",
            format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {inside}\r\nContent-Length: 0\r\n\r\n").into(),
            502,
        ),
        ("garbage", b"\x00\x01\x02garbage\r\n\r\n".to_vec(), 502),
        ("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), 502),
        ("nothing at all", Vec::new(), 502),
        ("half a head", b"HTTP/1.1 201 Crea".to_vec(), 502),
        (
            "half a body",
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{".to_vec(),
            502,
        ),
        ("its refusal", http("400 Bad Request", json, refusal), 400),
        ("its refusal with all its inside", http("400 Bad Request", json, loud), 400),
        ("a refusal as text", http("400 Bad Request", "text/plain", &trace), 400),
        (
            "its policy",
            http("403 Forbidden", json, format!(r#"{{"error":"insufficient_scope","error_description":"{inside}"}}"#)),
            403,
        ),
        ("that it does not know us", http("401 Unauthorized", json, "{}"), 502),
        ("that nothing is there", http("404 Not Found", "text/html", &trace), 502),
        ("that the method is wrong", http("405 Method Not Allowed", "text/plain", ""), 502),
        ("that it is too much", http("429 Too Many Requests", json, "{}"), 503),
        ("an error", http("500 Internal Server Error", "text/html", &trace), 502),
        ("that it is down", http("503 Service Unavailable", "text/html", &trace), 503),
    ];
    for (name, bytes, status) in answers {
        upstream.set(Mood::Bytes(bytes));
        let answer = register(gateway.address, Some(&token), &orders()).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert_eq!(judged::problem_of_refusal(&answer), None, "{name}");
        assert!(!answer.body.contains("Exception") && !answer.body.contains("<html"), "{name}: {}", answer.body);
    }
    upstream.set(Mood::Well);
    assert_eq!(register(gateway.address, Some(&token), &orders()).await.status, 201, "it recovers by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn redirect_uris_and_scopes_that_the_server_adds_are_on_the_record() {
    let (gateway, upstream) = start().await;
    let token = gateway.token("partners", 1);
    let uris = ["https://app.example.com/callback", "https://portal.example/try"];
    let widened = json!({"client_id": "widened", "redirect_uris": uris, "scope": "openid admin"}).to_string();
    upstream.set(Mood::Bytes(http("201 Created", "application/json", widened)));
    let answer = register(gateway.address, Some(&token), &orders()).await;
    assert_eq!((answer.status, &answer.json()["redirect_uris"]), (201, &json!(uris)), "the client sees what it has");
    assert_eq!(answer.json()["scope"], "openid admin");
    for added in ["https://portal.example/try", "admin"] {
        gateway.told(|said| said["client_id"] == "widened" && said["added"] == added);
    }
    let export = gateway.run(&["audit", "export"]);
    let export = String::from_utf8(export.stdout).unwrap();
    let admitted = export.lines().find(|line| line.contains("registration_admitted")).unwrap();
    let admitted: Value = serde_json::from_str(admitted).unwrap();
    let admitted = admitted.pointer("/event").filter(|event| event.is_object()).unwrap_or(&admitted);
    assert_eq!(
        (&admitted["reason"], &admitted["scope_granted"]),
        (&json!("redirect_uris_added, scopes_added"), &json!("openid admin")),
        "{admitted}"
    );
    let shown = gateway.run(&["clients", "show", "widened", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        (&shown["scopes"]["granted"], &shown["scopes"]["added"]),
        (&json!("openid"), &json!("admin")),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let (gateway, upstream) = start().await;
    let token = gateway.token("partners", 1);
    upstream.set(Mood::Silent);
    let answer = register(gateway.address, Some(&token), &orders()).await;
    assert_eq!(answer.status, 504, "{answer:?}");
    assert!(answer.header("retry-after").is_none());
    upstream.set(Mood::Well);
    let again = register(gateway.address, Some(&token), &orders()).await;
    assert_eq!(again.status, 401, "whether a client was registered is not known, so the use stays spent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_an_operator_found_at_the_server_is_handed_out_like_any_other() {
    let (gateway, upstream) = start().await;
    let token = gateway.token("partners", 10);
    let mut public = orders();
    public["token_endpoint_auth_method"] = "none".into();
    public["grant_types"] = json!(["authorization_code", "refresh_token"]);
    upstream.set(Mood::Silent);
    assert_eq!(register(gateway.address, Some(&token), &public).await.status, 504);
    let listed = gateway.run(&["--json", "registrations", "list", "--outcome", "unknown"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let id = listed["registrations"][0]["id"].as_str().unwrap();
    let resolve = |client_id: &str| gateway.run(&["registrations", "resolve", id, "--registered", client_id]);
    for nothing in ["", "a\nb"] {
        assert!(!resolve(nothing).status.success(), "{nothing:?}");
    }
    assert!(resolve("found").status.success());
    upstream.set(Mood::Well);
    let again = register(gateway.address, Some(&token), &public).await;
    assert_eq!((again.status, &again.json()["client_id"]), (201, &json!("found")), "{again:?}");
    assert_eq!(again.json()["grant_types"], public["grant_types"], "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_costs_no_use() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gateway = Gateway::start(&without_limits(), nobody);
    let token = gateway.token("partners", 1);
    for _ in 0..3 {
        let answer = register(gateway.address, Some(&token), &orders()).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (503, Some("temporarily_unavailable")));
        assert!(answer.header("retry-after").is_some());
        assert!(!answer.body.contains(&nobody.to_string()), "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_store_nothing_is_registered_and_the_rest_goes_on() {
    let (gateway, upstream) = start().await;
    let token = gateway.token("partners", 2);
    assert_eq!(register(gateway.address, Some(&token), &orders()).await.status, 201);
    for file in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        // In its place: cut off under a mapping of SQLite's, it would be the kernel that ends the gateway.
        if let Ok(file) = fs::OpenOptions::new().write(true).open(gateway.file(file)) {
            file.write_all_at(&[0xA5; 64 * 1024], 0).unwrap();
        }
    }
    upstream.take();
    let answer = register(gateway.address, Some(&token), &orders()).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (503, Some("temporarily_unavailable")), "{answer:?}");
    assert_eq!(judged::problem_of_refusal(&answer), None);
    assert!(upstream.take().is_empty(), "nothing that could not be recorded was registered");
    assert_eq!(get(gateway.address, "/authorize").await.body, "forwarded");
    assert_eq!(get(gateway.admin, "/readyz").await.status, 503);
    assert_eq!(get(gateway.admin, "/livez").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_what_is_whole_and_leaves_what_is_broken() {
    let (gateway, _upstream) = start().await;
    let token = gateway.token("partners", 10);
    let written = fs::read_to_string(gateway.file("gateway.yaml")).unwrap();
    let elsewhere = json!({"redirect_uris": ["https://new.example.com/callback"]});
    assert_eq!(register(gateway.address, Some(&token), &elsewhere).await.status, 400);

    for broken in [
        "profiles: [",
        "",
        &written.replace("app.example.com", "*.example.com"),
        &written.replace("profiles:", "profile:"),
    ] {
        fs::write(gateway.file("gateway.yaml"), broken).unwrap();
        gateway.signal("HUP");
        let said = gateway.told(|said| said["level"] == "ERROR");
        assert!(said["message"].as_str().is_some_and(|message| message.contains("NOT reloaded")), "{said}");
        assert_eq!(register(gateway.address, Some(&token), &orders()).await.status, 201, "the old one stays in force");
    }

    fs::write(gateway.file("gateway.yaml"), written.replace("app.example.com", "new.example.com")).unwrap();
    gateway.signal("HUP");
    gateway.told(|said| said["message"] == "configuration reloaded");
    assert_eq!(register(gateway.address, Some(&token), &elsewhere).await.status, 201);
    assert_eq!(register(gateway.address, Some(&token), &orders()).await.status, 400);

    let elsewhere = written.replace("gateway.db", "other.db");
    assert_ne!(elsewhere, written);
    fs::write(gateway.file("gateway.yaml"), elsewhere).unwrap();
    let said = gateway.told(|said| said["level"] == "WARN" && said["parts"].is_string());
    assert_eq!(said["parts"], "store", "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_for_a_file_that_was_missing_is_in_force_once_it_is_there() {
    let (gateway, _upstream) = start().await;
    let written = fs::read_to_string(gateway.file("gateway.yaml")).unwrap();
    let with_trust = written.replace("authorization_server:\n", "authorization_server:\n  trust: later.pem\n");
    assert_ne!(with_trust, written);
    fs::write(gateway.file("gateway.yaml"), with_trust).unwrap();
    gateway.told(|said| said["message"].as_str().is_some_and(|message| message.contains("NOT reloaded")));
    let certificate = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
    fs::write(gateway.file("later.pem"), certificate.cert.pem()).unwrap();
    gateway.told(|said| said["message"] == "configuration reloaded");
}

/// A registration that has reached the server, which answers when it is let go.
async fn held_there(
    gateway: &Gateway,
    upstream: &Upstream,
    token: &str,
) -> (watch::Sender<bool>, JoinHandle<Option<Answer>>) {
    let (let_go, held) = watch::channel(false);
    upstream.set(Mood::Held(held));
    let body = orders().to_string();
    let request = Post { token: Some(token), body: body.as_bytes(), ..Post::default() }.bytes();
    let address = gateway.address;
    let in_flight = tokio::spawn(async move { exchange(address, &request).await });
    upstream.until_a_registration().await;
    (let_go, in_flight)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_finished_before_the_end() {
    let (mut gateway, upstream) = start().await;
    let (token, address) = (gateway.token("partners", 1), gateway.address);
    let (let_go, in_flight) = held_there(&gateway, &upstream, &token).await;
    gateway.signal("TERM");
    gateway.told(|said| said["message"].as_str().is_some_and(|message| message.starts_with("stopping")));
    let_go.send(true).unwrap();
    let answer = in_flight.await.unwrap().expect("an answer");
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(gateway.ended(), Some(0));
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_stops_nothing() {
    let (mut gateway, upstream) = start().await;
    let token = gateway.token("partners", 1);
    let (let_go, gone) = held_there(&gateway, &upstream, &token).await;
    gone.abort();
    let_go.send(true).unwrap();
    gateway.told(|said| said["dcr.client.id"] == "client-1" || said.to_string().contains("client-1"));
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), Some(0));
    assert!(!gateway.log().contains(&token) && !gateway.log().contains(SECRET), "the log holds no secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_waits_for_the_store_ends_when_it_is_told_to() {
    let directory = TempDir::new().unwrap();
    let configuration = flow::configuration().replace("{upstream}", "127.0.0.1:9");
    std::fs::write(directory.path().join("gateway.yaml"), configuration).unwrap();
    let database = format!("sqlite://{}?mode=rwc", directory.path().join("gateway.db").display());
    let mut holder = sqlx::SqliteConnection::connect(&database).await.unwrap();
    holder.execute("CREATE TABLE held (x); BEGIN EXCLUSIVE").await.unwrap();
    let mut serving = command(&[], directory.path(), &["serve"]).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(serving.stderr.take().unwrap()).lines();
    let waits = said.map_while(Result::ok).find(|line| line.contains("waits for another process"));
    assert!(waits.is_some(), "it does not wait");
    let pid = serving.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let began = Instant::now();
    let status = serving.wait().unwrap();
    assert!(status.success() && began.elapsed() < Duration::from_secs(20), "{status:?} after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn why_the_servers_metadata_cannot_be_seen_at_the_start_stands_in_the_log() {
    let gateway = Gateway::start(&without_limits(), "127.0.0.1:9".parse().unwrap());
    let said = |log: &str| log.contains("metadata cannot be seen") && log.contains("server_unreachable");
    let until = Instant::now() + Duration::from_secs(20);
    while !said(&gateway.log()) {
        assert!(Instant::now() < until, "never said; what was:\n{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
