//! Bans and lockdown with the executable: who is turned away, where, until when; what a second gateway heeds, and how soon.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dcr_gateway::sealing::Keys;
use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Post, exchange, get, register};
use crate::configuration::on_base;
use crate::postgres_server::PostgresServer;
use crate::process::{Gateway, PATIENCE};
use crate::staged::{Staged, Tokens};
use crate::upstream::Upstream;

const OWN: &str = r#"
listeners: [{listeners}]
authorization_server:
  credential: none
store: { url: "{store}", encryption_key_file: "{key}" }
admin: { socket: admin.sock, listen: 127.0.0.1:0 }
throttle: { per_address: { rate: 1000/s, burst: 1000 }, total: { rate: 1000/s, burst: 1000 } }
anomalies: {anomalies}
profiles:
  - name: invited
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
  - name: partners
    match: { client_certificate: { san_dns: "*.partner.example" } }
    initial_access_token: off
    redirect_uris: { https: [{ host: app.example.com }] }
  - name: open
    match: {}
    initial_access_token: off
    redirect_uris: { https: [{ host: app.example.com }] }
"#;

const PLAIN: &str = "{ address: 127.0.0.1:0 }";
const TLS: &str = "{ address: 127.0.0.1:0, tls: { certificate: server.pem, private_key: server.key, \
                   client_certificates: { request: optional, trust: [ca.pem], issuers_without_list: accept } } }";
const BEHIND_A_PROXY: &str = "{ address: 127.0.0.1:0, trusted_proxies: [127.0.0.1/32] }";

/// Guesses are few, so that few have to be made.
const IN_EARNEST: &str =
    "{ token_guessing: { guesses: 4 }, responses: [{ to: [token_guessing], action: ban_address, dry_run: false }] }";
const DRY: &str = "{ token_guessing: { guesses: 4 }, responses: [{ to: [token_guessing], action: ban_address }] }";

/// Whoever guesses.
const GUESSER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
/// Another one, in another network.
const FAR_AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 1, 0, 5));
const SOMEBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));

fn configuration(listeners: &str, anomalies: &str) -> String {
    // The two profiles for certificates need a listener that asks for them.
    let text = if listeners == TLS {
        OWN.to_owned()
    } else {
        let (before, rest) = OWN.split_once("  - name: partners").unwrap();
        format!("{before}  - name: open{}", rest.split_once("  - name: open").unwrap().1)
    };
    let text = on_base(&text).replace("{listeners}", listeners).replace("{anomalies}", anomalies);
    text.replace("{store}", "sqlite://gateway.db").replace("{key}", "key")
}

/// A gateway with certificates, and its server.
async fn start(listeners: &str, anomalies: &str) -> (Gateway, Upstream) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = TempDir::new().unwrap();
    dcr_gateway::demo::certificates::write(directory.path()).unwrap();
    let upstream = Upstream::start().await;
    (Gateway::start_in(directory, &configuration(listeners, anomalies), upstream.address), upstream)
}

/// A client that connects from an address, each request on a connection of its own.
fn client_at(gateway: &Gateway, address: IpAddr, has_certificate: bool) -> Client {
    let read = |name: &str| std::fs::read(gateway.file(name)).unwrap();
    let authority = Certificate::from_pem(&read("ca.pem")).unwrap();
    let builder = Client::builder().tls_certs_only([authority]).no_proxy().local_address(address);
    let builder = builder.http1_only().pool_max_idle_per_host(0);
    let identity = || Identity::from_pem(&[read("client.pem"), read("client.key")].concat()).unwrap();
    if has_certificate { builder.identity(identity()).build() } else { builder.build() }.unwrap()
}

fn body() -> Value {
    json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"]})
}

/// The status of the answer to a registration; none: the connection was dropped.
async fn status(client: &Client, gateway: &Gateway, token: Option<&str>) -> Option<u16> {
    let url = format!("https://localhost:{}/register", gateway.address.port());
    let request = client.post(url).json(&body());
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    request.send().await.ok().map(|answer| answer.status().as_u16())
}

/// Guesses tokens until one guess is not answered at all; how many that took. Each is 401 until then, but for one that was on its way
/// when the ban came: that is 403.
async fn guesses_until_dropped(guesser: &Client, gateway: &Gateway) -> usize {
    let mut guesses = 0;
    until(async || {
        guesses += 1;
        let answered = status(guesser, gateway, Some(&format!("guess-{guesses}"))).await;
        assert!(matches!(answered, Some(401 | 403) | None), "{answered:?}");
        answered.is_none().then_some(())
    })
    .await;
    guesses
}

/// What a command says, as JSON.
fn told(gateway: &Gateway, arguments: &[&str]) -> Value {
    let output = gateway.run(&[&["--json"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn bans(gateway: &Gateway) -> Vec<Value> {
    told(gateway, &["bans", "list"])["bans"].as_array().unwrap().clone()
}

/// The one that there is: it holds at once, and is in the record a moment later.
async fn the_ban(gateway: &Gateway) -> Value {
    let [ban] = until(async || Some(bans(gateway)).filter(|bans| !bans.is_empty())).await.try_into().expect("one ban");
    ban
}

/// Waits for what comes about beside the requests.
async fn until<T>(mut there: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = there().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "it never came about");
        tokio::task::yield_now().await;
    }
}

async fn metric(gateway: &Gateway, name: &str) -> f64 {
    let metrics = get(gateway.admin, "/metrics").await.body;
    let of_it = metrics.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
    of_it.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn recorded(gateway: &Gateway) -> Vec<String> {
    let output = gateway.run(&["audit", "export", "--since", "1d"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_tokens_is_dropped_before_the_handshake_until_the_ban_is_lifted() {
    let (gateway, _upstream) = start(TLS, IN_EARNEST).await;
    let (guesser, somebody) = (client_at(&gateway, GUESSER, false), client_at(&gateway, SOMEBODY, false));
    let guesses = guesses_until_dropped(&guesser, &gateway).await;
    assert!(guesses >= 4, "{guesses}");
    assert!(metric(&gateway, "dcr_connections_banned_total").await >= 1.0);
    // The address beside it in the same network is served.
    assert_eq!(status(&somebody, &gateway, None).await, Some(201));

    let ban = the_ban(&gateway).await;
    until(async || (metric(&gateway, "dcr_responses_imposed_total").await >= 1.0).then_some(())).await;
    assert_eq!((&ban["action"], &ban["subject"]), (&json!("ban_address"), &json!("127.0.0.2/32")));
    assert_eq!((&ban["author"], &ban["state"]), (&json!("token_guessing"), &json!("in_force")));
    assert!(ban["finding"].is_string(), "{ban}");
    let id = ban["id"].as_str().unwrap();
    let lifted = told(&gateway, &["bans", "lift", id, "--comment", "it was a test"]);
    assert_eq!(lifted["state"], "lifted");
    // At once.
    assert_eq!(status(&guesser, &gateway, None).await, Some(201));
    assert!(bans(&gateway).is_empty());
    let again = gateway.run(&["bans", "lift", id]);
    assert_eq!(again.status.code(), Some(1), "it is over already");

    let record = recorded(&gateway).join("\n");
    for event in ["response_imposed", "response_lifted", "it was a test"] {
        assert!(record.contains(event), "{event} is not in {record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_documentation_bans_who_guesses_two_hundred_times() {
    let example = include_str!("../../docs/responses.md").lines().find(|line| line.contains("minimum_score: 0.6"));
    let rule = example.unwrap().trim().trim_start_matches("- ");
    let (gateway, _upstream) = start(TLS, &format!("{{ responses: [{rule}] }}")).await;
    let guesser = client_at(&gateway, GUESSER, false);
    let mut refused = 0;
    for guess in 0..200 {
        refused += usize::from(status(&guesser, &gateway, Some(&format!("guess-{guess}"))).await == Some(401));
    }
    // The ban may come before the answer to the guess that brought it.
    assert!((19..200).contains(&refused), "{refused}");
    assert_eq!(the_ban(&gateway).await["subject"], "127.0.0.2/32");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_is_told_and_does_nothing() {
    let (gateway, _upstream) = start(TLS, DRY).await;
    let guesser = client_at(&gateway, GUESSER, false);
    for guess in 0..12 {
        assert_eq!(status(&guesser, &gateway, Some(&format!("guess-{guess}"))).await, Some(401));
    }
    let ban = until(async || bans(&gateway).pop()).await;
    assert_eq!((&ban["dry_run"], &ban["subject"]), (&json!(true), &json!("127.0.0.2/32")));
    assert_eq!(status(&guesser, &gateway, None).await, Some(201));
    let record = recorded(&gateway).join("\n");
    assert!(record.contains("response_dry_run") && !record.contains("response_imposed"), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_network_is_banned_by_nobody() {
    let anomalies = IN_EARNEST.replace("{ token_guessing:", "{ known_networks: [127.0.0.2], token_guessing:");
    let (gateway, _upstream) = start(TLS, &anomalies).await;
    let refused = gateway.run(&["bans", "add", "--address", "127.0.0.0/24"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("known_networks"), "{said}");
    let guesser = client_at(&gateway, GUESSER, false);
    for guess in 0..30 {
        assert_eq!(status(&guesser, &gateway, Some(&format!("guess-{guess}"))).await, Some(401), "{guess}");
    }
    // Behind those guesses: once these are found, those were looked at.
    guesses_until_dropped(&client_at(&gateway, FAR_AWAY, false), &gateway).await;
    let ban = the_ban(&gateway).await;
    assert_eq!(ban["subject"], "127.1.0.5/32");
    assert_eq!(status(&guesser, &gateway, None).await, Some(201));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_when_its_time_is_over() {
    let (gateway, _upstream) = start(TLS, "{}").await;
    let guesser = client_at(&gateway, GUESSER, false);
    let ban = told(&gateway, &["bans", "add", "--address", "127.0.0.2", "--for", "2s", "--comment", "for a moment"]);
    assert_eq!((&ban["subject"], &ban["reason"]), (&json!("127.0.0.2/32"), &json!("for a moment")));
    assert_eq!(status(&guesser, &gateway, None).await, None);
    until(async || status(&guesser, &gateway, None).await.filter(|status| *status == 201)).await;
    let all = until(async || {
        let all = told(&gateway, &["bans", "list", "--ended"])["bans"].as_array().unwrap().clone();
        all[0]["ended_at"].is_string().then_some(all)
    })
    .await;
    assert_eq!((&all[0]["state"], &all[0]["ended_by"]), (&json!("expired"), &Value::Null));
    until(async || recorded(&gateway).iter().any(|line| line.contains("response_expired")).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_holds_while_the_store_is_away_and_is_recorded_when_it_is_back() {
    let (gateway, _upstream) = start(TLS, IN_EARNEST).await;
    let (guesser, somebody) = (client_at(&gateway, GUESSER, false), client_at(&gateway, SOMEBODY, false));
    // It can be read, by connections that are open; and is written to no more.
    assert_eq!(status(&guesser, &gateway, Some("guess")).await, Some(401));
    let away = gateway.file("away");
    std::fs::create_dir(&away).unwrap();
    for file in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        std::fs::rename(gateway.file(file), away.join(file)).unwrap();
    }
    guesses_until_dropped(&guesser, &gateway).await;
    assert_eq!(status(&somebody, &gateway, None).await, Some(503), "nothing is registered that cannot be recorded");
    gateway.told(|said| said["message"] == "a response holds here alone until the store has it");
    for file in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        std::fs::rename(away.join(file), gateway.file(file)).unwrap();
    }
    let ban = until(async || bans(&gateway).pop()).await;
    assert_eq!((&ban["subject"], &ban["author"]), (&json!("127.0.0.2/32"), &json!("token_guessing")));
    assert_eq!(status(&guesser, &gateway, None).await, None, "it goes on without a gap");
    let (response, finding) = (ban["id"].as_str().unwrap(), ban["finding"].as_str().unwrap());
    let imposed = |line: &&String| line.contains("response_imposed");
    let record = recorded(&gateway);
    let [event] = record.iter().filter(imposed).collect::<Vec<_>>().try_into().expect("recorded once");
    assert!(event.contains(response) && event.contains(finding), "{event}");
    until(async || told(&gateway, &["findings", "list"]).to_string().contains(finding).then_some(())).await;
    told(&gateway, &["bans", "lift", response]);
    assert_eq!(status(&guesser, &gateway, None).await, Some(201));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_certificate_and_a_banned_token_register_nothing() {
    let (gateway, _upstream) = start(TLS, "{}").await;
    let partner = client_at(&gateway, SOMEBODY, true);
    assert_eq!(status(&partner, &gateway, None).await, Some(201));
    let pem = std::fs::read(gateway.file("client.pem")).unwrap();
    let certificate = x509_parser::pem::parse_x509_pem(&pem).unwrap().1.contents;
    let thumbprint = <sha2::Sha256 as sha2::Digest>::digest(certificate);
    let thumbprint: String = thumbprint.iter().map(|octet| format!("{octet:02X}:")).collect();
    let ban = told(&gateway, &["bans", "add", "--certificate", thumbprint.trim_end_matches(':')]);
    let answer = refused(&partner, &gateway, None).await;
    assert_eq!(answer, (403, json!("access_denied")));
    told(&gateway, &["bans", "lift", ban["id"].as_str().unwrap()]);
    assert_eq!(status(&partner, &gateway, None).await, Some(201));

    let token = gateway.token("invited", 5);
    let tokens = told(&gateway, &["tokens", "list"]);
    let name = tokens[0]["id"].as_str().unwrap();
    let holder = client_at(&gateway, SOMEBODY, false);
    assert_eq!(status(&holder, &gateway, Some(&token)).await, Some(201));
    for unknown in ["ci", token.as_str()] {
        let output = gateway.run(&["bans", "add", "--token", unknown]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && !said.contains(&token), "{said}");
    }
    told(&gateway, &["bans", "add", "--token", name, "--for", "1h"]);
    assert_eq!(refused(&holder, &gateway, Some(&token)).await, (403, json!("access_denied")));
    assert_eq!(told(&gateway, &["tokens", "list"])[0]["used"], 1, "no use was spent");
}

async fn refused(client: &Client, gateway: &Gateway, token: Option<&str>) -> (u16, Value) {
    let url = format!("https://localhost:{}/register", gateway.address.port());
    let request = client.post(url).json(&body());
    let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["error"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_beside_the_proxys_own_takes_a_client_out_of_its_ban() {
    for (told_which, expected) in [("", 400), (", forwarding_header: x-forwarded-for", 403)] {
        let listener = format!("{{ address: 127.0.0.1:0, trusted_proxies: [127.0.0.1/32]{told_which} }}");
        let (gateway, upstream) = start(&listener, "{}").await;
        told(&gateway, &["bans", "add", "--address", "203.0.113.9"]);
        upstream.take();
        for other in ["for=198.51.100.7", "for=_", "x=y", ""] {
            for head in ["GET /login", "POST /register", "GET /.well-known/openid-configuration"] {
                let forwarded_for = format!("203.0.113.9\r\nContent-Type: application/json\r\nForwarded: {other}");
                let answer = through_a_proxy(gateway.address, &forwarded_for, head).await;
                assert_eq!(answer.status, expected, "{head} {other}: {}", answer.body);
            }
        }
        assert_eq!(upstream.take().len(), 0);
        let both = "198.51.100.7\r\nForwarded: for=198.51.100.7;proto=https";
        assert_eq!(through_a_proxy(gateway.address, both, "GET /login").await.status, 200);
    }
}

async fn through_a_proxy(gateway: SocketAddr, forwarded_for: &str, head: &str) -> Answer {
    let request = format!("{head} HTTP/1.1\r\nHost: sso.example.com\r\nX-Forwarded-For: {forwarded_for}\r\n\r\n");
    exchange(gateway, request.as_bytes()).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_the_request_is_refused_and_not_the_proxy() {
    let (gateway, upstream) = start(BEHIND_A_PROXY, "{}").await;
    told(&gateway, &["bans", "add", "--address", "203.0.113.0/24"]);
    told(&gateway, &["bans", "add", "--address", "2001:db8:1:2::9"]);
    // The proxy itself stands for everybody.
    told(&gateway, &["bans", "add", "--address", "127.0.0.1"]);
    upstream.take();
    for (address, expected) in
        [("203.0.113.9", 403), ("2001:db8:1:2:ffff::1", 403), ("198.51.100.7", 200), ("2001:db8:1:3::1", 200)]
    {
        let answer = through_a_proxy(gateway.address, address, "GET /login").await;
        assert_eq!(answer.status, expected, "{address}: {}", answer.body);
        let told = if expected == 403 { "access_denied" } else { "forwarded" };
        assert!(answer.body.contains(told), "{address}: {}", answer.body);
    }
    assert_eq!(upstream.take().len(), 2);
    let body = body().to_string();
    let headers = "X-Forwarded-For: 203.0.113.9\r\n".to_owned();
    let post = Post { headers, body: body.as_bytes(), ..Post::default() };
    let answer = exchange(gateway.address, &post.bytes()).await.expect("an answer");
    assert_eq!((answer.status, &answer.json()["error"]), (403, &json!("access_denied")));
    let line = gateway.told(|said| said["reason"] == "address_banned");
    assert!(line["response"].is_string(), "{line}");
    until(async || recorded(&gateway).iter().any(|line| line.contains("refused_by")).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_lockdown_nobody_registers_or_changes_and_everything_else_goes_on() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Staged::start(Tokens::Stay).await;
    let gateway = Gateway::start(&configuration(PLAIN, "{}"), server.address);
    let registered = register(gateway.address, None, &body()).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    let client = registered.json();
    let manage = async |method: &str, body: Option<&Value>| {
        let url = format!("http://{}/register/{}", gateway.address, client["client_id"].as_str().unwrap());
        let request = reqwest::Client::new().request(method.parse().unwrap(), url);
        let request = request.bearer_auth(client["registration_access_token"].as_str().unwrap());
        let request = if let Some(body) = body { request.json(body) } else { request };
        request.send().await.unwrap().status().as_u16()
    };
    let change = json!({"client_id": client["client_id"], "client_name": "Orders 2", "redirect_uris": ["https://app.example.com/callback"]});

    let locked = told(&gateway, &["lockdown", "on", "--for", "1h", "--comment", "incident 12"]);
    assert_eq!((&locked["locked_down"], &locked["response"]["reason"]), (&json!(true), &json!("incident 12")));
    let answer = register(gateway.address, None, &body()).await;
    assert_eq!((answer.status, &answer.json()["error"]), (503, &json!("temporarily_unavailable")));
    assert_eq!(answer.header("retry-after"), Some("300"));
    let said = gateway.told(|said| said["reason"] == "registration_locked_down");
    assert_eq!(said["message"], "registration", "nothing failed: somebody closed it");
    assert_eq!(manage("PUT", Some(&change)).await, 503);
    assert_eq!(manage("GET", None).await, 200);
    assert_eq!(told(&gateway, &["lockdown", "show"])["locked_down"], true);

    assert_eq!(told(&gateway, &["lockdown", "off"])["locked_down"], false);
    assert_eq!(told(&gateway, &["lockdown", "off"])["locked_down"], false, "what is open stays open");
    assert_eq!(register(gateway.address, None, &body()).await.status, 201);
    assert_eq!(manage("PUT", Some(&change)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_heeds_within_two_seconds_what_the_first_imposed_and_lifted() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(postgres) = PostgresServer::started() else { return };
    let url = postgres.new_database().await;
    let keys = TempDir::new().unwrap();
    Keys::read_or_make(&keys.path().join("key"), &[7; 32]).unwrap();
    let configuration = configuration(TLS, "{}").replace("sqlite://gateway.db", &url.to_string()).replace(
        "encryption_key_file: \"key\"",
        &format!("encryption_key_file: \"{}\"", keys.path().join("key").display()),
    );
    let upstream = Upstream::start().await;
    let started = || {
        let directory = TempDir::new().unwrap();
        dcr_gateway::demo::certificates::write(directory.path()).unwrap();
        Gateway::start_in(directory, &configuration, upstream.address)
    };
    let (first, second) = (started(), started());
    let at_first = client_at(&first, GUESSER, false);
    let at_second = client_at(&second, GUESSER, false);
    assert_eq!(status(&at_second, &second, None).await, Some(201));

    let ban = told(&first, &["bans", "add", "--address", "127.0.0.2"]);
    let began = Instant::now();
    assert_eq!(status(&at_first, &first, None).await, None, "at once where it was imposed");
    until(async || status(&at_second, &second, None).await.is_none().then_some(())).await;
    let heeded = began.elapsed();
    told(&second, &["bans", "lift", ban["id"].as_str().unwrap()]);
    let began = Instant::now();
    assert_eq!(status(&at_second, &second, None).await, Some(201), "at once where it was lifted");
    until(async || status(&at_first, &first, None).await.filter(|status| *status == 201)).await;
    let lifted = began.elapsed();
    // Each looks once a second, so two are enough where the machine is free; one that is busy with other tests is given more.
    assert!(heeded < Duration::from_secs(10) && lifted < Duration::from_secs(10), "{heeded:?}, {lifted:?}");
}
