//! What the detectors of anomalies look at is told on the real path: each that can be driven within a test's time finds something at
//! the executable, and what it found reaches a collector, the metrics and the record.

use std::collections::BTreeMap;

use axum::routing::post;
use dcr_gateway::anomaly::DetectorName as Name;
use dcr_gateway::demo::authorization_server::{Settings, router};
use dcr_gateway::secret::Secret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::client::{Answer, exchange, get};
use crate::configuration::on_base;
use crate::process::{Gateway, PATIENCE};
use crate::sink::{Sink, attribute};

/// What a detector looks at, and where it is told: `Registration` by `intake::register`, `BadCredential` there and by
/// `intake::management`, `Change` by `intake::management`, `TokenRequest` by `proxy::phases` once the token endpoint was answered.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Registration,
    BadCredential,
    Change,
    TokenRequest,
    /// Token requests of hours, or of five minutes: `intake::sighting` tries these, with a clock of its own.
    TokenRequestOfTime,
}

const LOOKS_AT: [(Name, Seen); 13] = [
    (Name::RegistrationBursts, Seen::Registration),
    (Name::RedirectHostCrowds, Seen::Registration),
    (Name::FirstSights, Seen::Registration),
    (Name::LookalikeNames, Seen::Registration),
    (Name::TokenGuessing, Seen::BadCredential),
    (Name::CredentialSpread, Seen::Registration),
    (Name::Probing, Seen::Registration),
    (Name::UnusualHours, Seen::Registration),
    (Name::NeverUsed, Seen::TokenRequest),
    (Name::DormantClients, Seen::TokenRequest),
    (Name::TokenRequestRates, Seen::TokenRequestOfTime),
    (Name::TokenErrors, Seen::TokenRequestOfTime),
    (Name::Widening, Seen::Change),
];

/// Thresholds that a test can reach, where the default ones want days.
const OWN: &str = r#"
listeners: [{ address: 127.0.0.1:0, trusted_proxies: [127.0.0.0/8] }]
authorization_server:
  credential: { bearer_token_file: credential }
  client_endpoints: { token: [/token] }
store: { url: "sqlite://gateway.db", encryption_key_file: key }
admin: { listen: 127.0.0.1:0, socket: admin.sock }
telemetry: { otlp: "http://{collector}", sample_forwarded: 0, log: { format: json, level: info } }
anomalies:
  learning: 0ms
  registration_bursts: { minimum: 5, surprise: 1, times: 1 }
  redirect_host_crowds: { minimum: 3, surprise: 1, times: 1 }
  first_sights: { learning: 0ms }
  credential_spread: { minimum: 5, surprise: 1 }
  unusual_hours: { history: 0ms, minimum: 1, one_in: 1 }
  never_used: { grace: 1s, minimum: 5, surprise: 1 }
  dormant_clients: { after: 1ms, surprise: 1 }
profiles:
  - name: partners
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
  - name: everybody
    match: {}
    initial_access_token: optional
    redirect_uris: { https: [{ host: app.example.com }, { host: app.other.example }] }
"#;

struct World {
    gateway: Gateway,
    sink: Sink,
}

async fn world() -> World {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let settings = Settings { issuer: "https://sso.example.com".to_owned(), credential: Secret::new("operator") };
    let router = router(settings).route("/token", post(async || "{}"));
    tokio::spawn(axum::serve(listener, router).into_future());
    let sink = Sink::start().await;
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("credential"), "operator").unwrap();
    let configuration = on_base(OWN).replace("{collector}", &sink.address.to_string());
    World { gateway: Gateway::start_in(directory, &configuration, server), sink }
}

/// A request from somewhere, as a trusted proxy forwards it.
struct From<'a> {
    address: String,
    token: &'a str,
}

fn anybody(address: impl Into<String>) -> From<'static> {
    From { address: address.into(), token: "" }
}

impl World {
    async fn send(&self, (method, path): (&str, &str), from: &From<'_>, (media_type, body): (&str, &str)) -> Answer {
        let From { address, token } = from;
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: sso.example.com\r\nX-Forwarded-For: {address}\r\nX-Forwarded-Proto: https\r\n\
             {authorization}Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        exchange(self.gateway.address, request.as_bytes()).await.expect("an answer")
    }

    async fn register(&self, from: &From<'_>, members: &Value) -> Answer {
        self.send(("POST", "/register"), from, ("application/json", &members.to_string())).await
    }

    async fn registered(&self, from: &From<'_>, name: &str) -> Value {
        let answer = self.register(from, &orders(name)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    async fn gets_tokens(&self, from: &From<'_>, client: &Value) {
        let form = format!("grant_type=refresh_token&client_id={}", client["client_id"].as_str().unwrap());
        let answer = self.send(("POST", "/token"), from, ("application/x-www-form-urlencoded", &form)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// What the record has by now: the request of each detector's last straw.
    fn findings(&self) -> BTreeMap<String, Option<String>> {
        let output = self.gateway.run(&["--json", "findings", "list"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = told["findings"].as_array().or_else(|| told.as_array()).expect("a list");
        let text = |finding: &Value, member: &str| finding[member].as_str().map(str::to_owned);
        found.iter().map(|finding| (text(finding, "detector").unwrap(), text(finding, "request_id"))).collect()
    }
}

fn orders(name: &str) -> Value {
    json!({ "client_name": name, "redirect_uris": ["https://app.example.com/callback"] })
}

/// Sixty clients that are used, and one that is registered again and again from elsewhere and never used.
async fn register_and_use(world: &World) {
    let (here, elsewhere) = (anybody("203.0.113.9"), anybody("198.51.100.9"));
    for number in 0..60 {
        let client = world.registered(&here, &format!("Orders {number}")).await;
        world.gets_tokens(&here, &client).await;
        world.registered(&elsewhere, &format!("Hoarded {number}")).await;
    }
}

/// One token from twelve networks, and twelve registrants without any.
async fn spread(world: &World) {
    let token = world.gateway.token("partners", 12);
    for network in 0..12 {
        let from = From { address: format!("192.0.{network}.9"), token: &token };
        world.registered(&from, &format!("Spread {network}")).await;
        world.registered(&anybody(format!("192.1.{network}.9")), &format!("Crowd {network}")).await;
    }
}

/// Eight different wishes, refused by different rules.
async fn probe(world: &World) {
    let prober = anybody("100.64.0.9");
    for number in 0..12 {
        let mut members = orders(&format!("Probe {number}"));
        if number % 2 == 0 {
            members["redirect_uris"] = json!([format!("https://evil-{number}.example/callback")]);
        }
        if number % 3 == 0 {
            members["grant_types"] = json!(["password"]);
        }
        if number % 4 != 0 {
            members["jwks_uri"] = json!(format!("https://10.0.0.{number}/"));
        }
        assert_eq!(world.register(&prober, &members).await.status, 400, "{members}");
    }
}

async fn guess(world: &World) {
    for number in 0..30 {
        let token = format!("guess-{number}");
        let from = From { address: "100.65.0.9".to_owned(), token: &token };
        assert_eq!(world.register(&from, &orders("Guess")).await.status, 401);
    }
}

/// A client that leads to another domain now.
async fn widen(world: &World) {
    let client = world.registered(&anybody("100.66.0.9"), "Widened").await;
    let token = client["registration_access_token"].as_str().unwrap();
    let owner = From { address: "100.66.0.9".to_owned(), token };
    let path = format!("/register/{}", client["client_id"].as_str().unwrap());
    let mut members = orders("Widened");
    members["client_id"] = client["client_id"].clone();
    members["redirect_uris"] = json!(["https://app.example.com/callback", "https://app.other.example/callback"]);
    let changed = world.send(("PUT", &path), &owner, ("application/json", &members.to_string())).await;
    assert_eq!(changed.status, 200, "{changed:?}");
}

#[test]
fn every_detector_has_a_place_where_its_observations_are_told() {
    let named = LOOKS_AT.map(|(name, _)| name);
    assert_eq!(named, Name::ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_detector_looks_at_is_told_and_what_it_finds_is_seen_everywhere() {
    let world = world().await;
    world.registered(&anybody("203.0.113.9"), "Claudle").await;
    register_and_use(&world).await;
    spread(&world).await;
    probe(&world).await;
    guess(&world).await;
    widen(&world).await;

    let within_reach = LOOKS_AT.iter().filter(|(_, seen)| *seen != Seen::TokenRequestOfTime);
    let expected: Vec<&str> = within_reach.map(|(name, _)| name.as_str()).collect();
    // A client counts as never used once its grace is over: asked until it is.
    let began = std::time::Instant::now();
    let found = loop {
        world.registered(&anybody("198.51.100.9"), "Hoarded").await;
        let found = world.findings();
        if expected.iter().all(|name| found.contains_key(*name)) || began.elapsed() > PATIENCE {
            break found;
        }
    };
    let missing: Vec<_> = expected.iter().filter(|name| !found.contains_key(**name)).collect();
    assert!(missing.is_empty(), "{missing:?} found nothing; found was {found:?}");

    let metrics = get(world.gateway.admin, "/metrics").await.body;
    for name in expected {
        let counted =
            metrics.lines().filter(|line| line.starts_with(&format!("dcr_findings_total{{detector=\"{name}\"")));
        let counted: u64 = counted.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
        assert!(counted >= 1, "{name}: {metrics}");
        assert!(found[name].is_some(), "{name}: no request was the last straw");
        world.sink.wait(name, |received| {
            let is_it = |span: &&opentelemetry_proto::tonic::trace::v1::Span| {
                span.name == "dcr.finding" && attribute(&span.attributes, "dcr.findings").as_deref() == Some(name)
            };
            let span = received.spans.iter().find(is_it)?;
            // Also of a forwarded request that is no trace itself: below its span, by whatever name that has.
            assert!(!span.parent_span_id.is_empty(), "{name}");
            attribute(&span.attributes, "dcr.request.id")
        });
    }
}
