//! A flood of each kind of refusal while a good client registers: who is refused costs little, and keeps nobody waiting for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::client::{Post, exchange_on};
use crate::measured;
use crate::process::PATIENCE;
use crate::world::{BAD, Setting, World, connect_from};

/// Attackers at once, each with one request after the other.
const ATTACKERS: usize = 16;

/// Statements and signed tokens are of an issuer whose keys are at hand.
const CONFIGURATION: &str = r#"
throttle: { per_address: { rate: 100000/s, burst: 100000 }, total: { rate: 100000/s, burst: 100000 } }
initial_access_tokens:
  jwt:
    - { issuer: "https://tokens.example.com", jwks_file: keys.json, audience: dcr, required_scope: register }
software_statements:
  issuers: [{ issuer: "https://tokens.example.com", jwks_file: keys.json, audience: dcr }]
profiles:
  - name: partners
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
  - name: slow
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: slow.example.com }] }
    limits: { rate: 1/h, burst: 1 }
  - name: vouched
    match: { initial_access_token: true }
    software_statement: required
    redirect_uris: { https: [{ host: app.example.com }] }
"#;

/// A public key that belongs to nobody (P-256; RFC 7515, appendix A.3.1).
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

/// A request, and what it is answered.
struct Refused {
    what: &'static str,
    request: Vec<u8>,
    status: u16,
}

async fn world() -> World {
    World::start(Setting { rest: CONFIGURATION, files: &[("keys.json", KEYS)], ..Setting::default() }).await
}

/// `{"alg":"ES256","kid":"1"}`, claims that would do, and 64 octets that are no signature over them.
fn forged_token() -> String {
    use base64::Engine as _;
    let encoded = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let head = encoded(br#"{"alg":"ES256","kid":"1","typ":"JWT"}"#);
    let claims = json!({
        "iss": "https://tokens.example.com", "aud": "dcr", "scope": "register", "jti": "1", "sub": "a",
        "iat": 1_700_000_000, "exp": 4_000_000_000_u64,
    });
    format!("{head}.{}.{}", encoded(claims.to_string().as_bytes()), encoded(&[7; 64]))
}

fn refusals(world: &World) -> Vec<Refused> {
    let good = json!({"redirect_uris": ["https://app.example.com/callback"]}).to_string();
    let slow = world.gateway.token("slow", 1000);
    let vouched = world.gateway.token("vouched", 1000);
    let malformed = world.gateway.token("partners", 1).replace("dcrt_", "dcrt_A");
    let forged = forged_token();
    let post = |token: Option<&str>, headers: &str, body: &str| {
        Post { token, headers: headers.to_owned(), body: body.as_bytes() }.bytes()
    };
    let with_token = |headers: &str, body: &str| post(Some(&world.token), headers, body);
    let get =
        |line: &str, headers: &str| format!("{line} HTTP/1.1\r\nHost: sso.example.com\r\n{headers}\r\n").into_bytes();
    let elsewhere = json!({"redirect_uris": vec!["https://elsewhere.example/callback#x"; 50]}).to_string();
    let name =
        json!({"redirect_uris": ["https://app.example.com/callback"], "client_name": "\u{202e}Раураl"}).to_string();
    let statement =
        json!({"redirect_uris": ["https://app.example.com/callback"], "software_statement": forged}).to_string();
    let unknown = "dcrt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let refused = |what, request, status| Refused { what, request, status };
    vec![
        refused("no token", post(None, "", &good), 401),
        refused("an unknown token", post(Some(unknown), "", &good), 401),
        refused("a token that is malformed", post(Some(&malformed), "", &good), 401),
        refused("a token with a wrong signature", post(Some(&forged), "", &good), 401),
        refused(
            "a token in the address",
            with_token("", &good).replacing(b"/register ", b"/register?access_token=a "),
            401,
        ),
        refused("no JSON", with_token("", "{"), 400),
        refused("a member twice", with_token("", r#"{"a":1,"a":2}"#), 400),
        refused("many violations", with_token("", &elsewhere), 400),
        refused("a name that looks like another", with_token("", &name), 400),
        refused("a software statement with a wrong signature", post(Some(&vouched), "", &statement), 400),
        refused("no software statement", post(Some(&vouched), "", &good), 400),
        refused("another media type", with_token("Content-Type: text/plain\r\n", &good), 415),
        refused("a body too large", with_token("", &"a".repeat(70_000)), 413),
        refused(
            "more than a profile's rate",
            post(Some(&slow), "", &json!({"redirect_uris": ["https://slow.example.com/c"]}).to_string()),
            429,
        ),
        refused("a method that is not for registering", get("PUT /register", "Content-Length: 0\r\n"), 405),
        refused("a method that nobody knows", get("BREW /", ""), 501),
        refused("TRACE", get("TRACE /", ""), 405),
        refused("another spelling of the path", get("POST /REGISTER/", "Content-Length: 0\r\n"), 400),
        refused("a path that can be read in two ways", get("GET /a/../b", ""), 400),
        refused(
            "framing that can be read in two ways",
            get("POST /x", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
            400,
        ),
        refused("no host", b"GET / HTTP/1.1\r\n\r\n".to_vec(), 400),
        refused("a head too large", get("GET /", &format!("X: {}\r\n", "a".repeat(40_000))), 431),
        refused("a client that nobody knows", get("GET /register/nobody", "Authorization: Bearer dcra_x\r\n"), 401),
        refused("a client without a token", get("GET /register/nobody", ""), 401),
    ]
}

trait Replacing {
    fn replacing(self, old: &[u8], new: &[u8]) -> Self;
}

impl Replacing for Vec<u8> {
    fn replacing(self, old: &[u8], new: &[u8]) -> Self {
        let at = self.windows(old.len()).position(|window| window == old).expect("what is replaced");
        [&self[..at], new, &self[at + old.len()..]].concat()
    }
}

/// Attackers at work.
struct Flood {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    attackers: JoinSet<()>,
}

impl Flood {
    /// Begins; each asks anew as soon as it was answered.
    fn of(world: &World, refused: &Refused) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut attackers = JoinSet::new();
        for _ in 0..ATTACKERS {
            let (stop, answers, gateway) = (stop.clone(), answers.clone(), world.gateway.address);
            let (what, request, status) = (refused.what, refused.request.clone(), refused.status);
            attackers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let stream = connect_from(BAD, gateway).await.unwrap();
                    let answer = exchange_on(stream, PATIENCE, &request).await.expect("an answer in time");
                    let answer = answer.unwrap_or_else(|| panic!("{what}: closed without an answer"));
                    // The first is let in where there is a rate.
                    let is_first = status == 429 && answer.status == 201;
                    assert!(answer.status == status || is_first, "{what}: {answer:?}");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { stop, answers, attackers }
    }

    fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// How many were refused in all. Fails when one of them was answered otherwise.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.attackers.join_all().await;
        self.answers.load(Ordering::Relaxed)
    }
}

/// No starvation: every registration is answered while the flood goes on. How long it takes is measured by
/// `the_good_clients_latency_stays_within_three_times_the_quiet_one`, on a machine that does nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_good_client_registers_through_a_flood_of_every_kind_of_refusal() {
    let world = world().await;
    world.a_good_client_registers().await;
    let memory = world.memory();
    for refused in refusals(&world) {
        let flood = Flood::of(&world, &refused);
        measured::until(|| flood.answers() >= ATTACKERS).await;
        for _ in 0..3 {
            let before = flood.answers();
            world.a_good_client_registers().await;
            measured::until(|| flood.answers() > before).await;
        }
        let answers = flood.end().await;
        println!("{}: {answers} times {}", refused.what, refused.status);
    }
    memory.grew_less_than(64, "floods of refusals");
    assert!(!world.gateway.log().contains("panicked"), "{}", world.gateway.log());
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Quiet and flooded in turns, so that what else the machine does falls on both. The attackers are in this process: what they take of the
/// processors is in the ratio too.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, for a quiet machine: cargo test --release --test attacks -- --ignored --nocapture"]
async fn the_good_clients_latency_stays_within_three_times_the_quiet_one() {
    const ROUNDS: usize = 5;
    const EACH: usize = 100;
    let world = world().await;
    let timed = async || {
        let began = Instant::now();
        world.a_good_client_registers().await;
        began.elapsed()
    };
    for _ in 0..EACH {
        timed().await;
    }
    println!("| a flood of | refused per s | p99 quiet, ms | p99 in the flood, ms | ratio |\n|---|---|---|---|---|");
    let mut worst: f64 = 0.0;
    for refused in refusals(&world) {
        let (mut quiet, mut flooded, mut answers, mut flooded_for) = (Vec::new(), Vec::new(), 0, Duration::ZERO);
        for _ in 0..ROUNDS {
            for _ in 0..EACH {
                quiet.push(timed().await);
            }
            let flood = Flood::of(&world, &refused);
            measured::until(|| flood.answers() >= ATTACKERS).await;
            let began = Instant::now();
            for _ in 0..EACH {
                flooded.push(timed().await);
            }
            flooded_for += began.elapsed();
            answers += flood.end().await;
        }
        let (quiet, flooded) = (p99(quiet).as_secs_f64() * 1000.0, p99(flooded).as_secs_f64() * 1000.0);
        let rate = f64::from(u32::try_from(answers).unwrap()) / flooded_for.as_secs_f64();
        println!("| {} | {rate:.0} | {quiet:.1} | {flooded:.1} | {:.1} |", refused.what, flooded / quiet);
        worst = worst.max(flooded / quiet);
    }
    assert!(worst <= 3.0, "{worst:.1} times the quiet one");
}
