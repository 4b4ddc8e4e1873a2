//! Against a real Redis, where `redis-server` is on the `PATH`; `DCR_TEST_REDIS=required` makes its absence a failure. What
//! happens without one is tested on every machine.

mod server;

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::FakeRelativeClock;
use proptest::prelude::*;

use self::server::{Server, Started};
use super::*;
use crate::throttle::memory::MemoryThrottle;
use crate::throttle::settings::ThrottleSettings;
use crate::throttle::{Counts, Denied, Throttle, ThrottleFiles};

async fn connected(server: RedisServer) -> RedisThrottle {
    let throttle = RedisThrottle { answer_within: Duration::from_secs(30), ..RedisThrottle::new(server).unwrap() };
    until(&throttle, |state| matches!(state, State::Connected(_))).await;
    throttle
}

async fn until(throttle: &RedisThrottle, is_wanted: fn(&State) -> bool) {
    let mut state = throttle.keeper.known.state.subscribe();
    let waiting = state.wait_for(is_wanted);
    drop(tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the state does not come").unwrap());
}

fn limit(name: &str, rate: &str, burst: u32) -> Limit {
    Limit::new(name, rate.parse().unwrap(), NonZeroU32::new(burst).unwrap()).unwrap()
}

fn address(last: u8) -> Source {
    Source::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
}

/// What can be compared of a verdict.
fn told(verdict: Result<Allowance, LimitReached<'_>>) -> Result<u32, (String, Duration)> {
    match verdict {
        Ok(allowance) => Ok(allowance.remaining),
        Err(LimitReached { limit, too_early }) => Err((limit.name().to_owned(), too_early.retry_after)),
    }
}

/// The same arrivals for a throttle in memory and one in Redis. Time passes in Redis as it does, and by leaps: to make all keys
/// older is the same as a clock that runs ahead.
struct Both {
    redis: RedisThrottle,
    line: redis::aio::MultiplexedConnection,
    memory: MemoryThrottle<FakeRelativeClock>,
    clock: FakeRelativeClock,
    seen: Option<Duration>,
}

impl Both {
    async fn new(server: &Server) -> Self {
        let clock = FakeRelativeClock::default();
        let memory = MemoryThrottle::with_clock(NonZeroU32::new(10_000).unwrap(), clock.clone());
        Self { redis: server.throttle().await, line: server.line().await, memory, clock, seen: None }
    }

    async fn leap(&mut self, by: Duration, keys: &[String]) {
        for key in keys {
            let kept: Option<String> = redis::cmd("GET").arg(key).query_async(&mut self.line).await.unwrap();
            let Some(kept) = kept else { continue };
            let (s, n) = kept.split_once(' ').unwrap();
            let arrival = Duration::new(s.parse().unwrap(), n.parse().unwrap()) - by;
            let older = format!("{} {}", arrival.as_secs(), arrival.subsec_nanos());
            let mut set = redis::cmd("SET");
            set.arg(key).arg(older).arg("KEEPTTL").exec_async(&mut self.line).await.unwrap();
        }
        self.clock.advance(by);
    }

    async fn compare(&mut self, attempts: &[Attempt<'_>]) {
        let mut connection = self.redis.keeper.connection().await.unwrap();
        let answer = call(&mut connection, attempts).await.unwrap();
        let last_seen = self.seen.replace(answer.now).unwrap_or(answer.now);
        self.clock.advance(answer.now.saturating_sub(last_seen));
        let by_redis = answer.verdict(attempts[answer.looked_at - 1].1);
        assert_eq!(told(by_redis), told(self.memory.count(attempts)), "{attempts:?}");
    }
}

/// One attempt of the property: against which limits at once, from whom, and how long after the one before, in thousandths of
/// an interval.
#[derive(Debug, Clone)]
struct Arrival {
    limits: Vec<(usize, u8)>,
    gap: u32,
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let gap = prop_oneof![6 => Just(0), 3 => 0..3_000_u32, 1 => 0..100_000_u32];
    (prop::collection::vec((0..3_usize, 0..2_u8), 1..4), gap).prop_map(|(limits, gap)| Arrival { limits, gap })
}

fn rate() -> impl Strategy<Value = String> {
    let unit = prop::sample::select(vec!["s", "m", "h", "day"]);
    prop_oneof![
        6 => (1..5_000_u32, unit).prop_map(|(count, unit)| format!("{count}/{unit}")),
        1 => Just("1000000000/s".to_owned()),
        1 => Just("333333/s".to_owned()),
    ]
}

#[test]
fn counts_exactly_as_the_throttle_in_memory_does() {
    let Some(server) = Server::start(&[]) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let case = std::cell::Cell::new(0);
    let limits = prop::collection::vec((rate(), 1..40_u32), 3);
    let arrivals = prop::collection::vec(arrival(), 1..60);
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) }, |(limits in limits, arrivals in arrivals)| {
        case.set(case.get() + 1);
        let named = limits.iter().enumerate().map(|(index, (rate, burst))| (format!("{}/{index}", case.get()), rate, burst));
        let limits: Vec<Limit> = named.map(|(name, rate, burst)| limit(&name, rate, *burst)).collect();
        let keys: Vec<String> = limits.iter().flat_map(|limit| [0, 1].map(|last| key(&address(last), limit))).collect();
        runtime.block_on(async {
            let mut both = Both::new(&server).await;
            for arrival in &arrivals {
                let longest = limits[arrival.limits[0].0].interval();
                let gap = longest.saturating_mul(arrival.gap) / 1_000;
                if !gap.is_zero() {
                    both.leap(gap, &keys).await;
                }
                let attempts: Vec<Attempt<'_>> =
                    arrival.limits.iter().map(|(limit, last)| (address(*last), &limits[*limit])).collect();
                both.compare(&attempts).await;
            }
        });
    });
}

#[tokio::test]
async fn gateways_that_share_a_redis_give_the_burst_once() {
    let Some(server) = Server::start(&[]) else { return };
    let replicas = [server.throttle().await, server.throttle().await, server.throttle().await].map(Arc::new);
    let limit = limit("shared", "1/h", 50);
    let mut running = tokio::task::JoinSet::new();
    for number in 0..120 {
        let (replica, limit) = (replicas[number % 3].clone(), limit.clone());
        running.spawn(async move { replica.count(&[(Source::Total, &limit)]).await.unwrap().is_ok() });
    }
    let passed = running.join_all().await.into_iter().filter(|has_passed| *has_passed).count();
    assert_eq!(passed, 50);
}

#[tokio::test]
async fn what_is_refused_is_not_counted_and_nothing_after_it_is_looked_at() {
    let Some(server) = Server::start(&[]) else { return };
    let throttle = server.throttle().await;
    let (narrow, wide) = (limit("narrow", "1/h", 1), limit("wide", "1/h", 10));
    let attempts = [(address(1), &narrow), (Source::Total, &wide)];
    assert_eq!(throttle.count(&attempts).await.unwrap().unwrap().remaining, 9);
    for _ in 0..5 {
        let reached = throttle.count(&attempts).await.unwrap().unwrap_err();
        assert_eq!(reached.limit.name(), "narrow");
        assert!(reached.too_early.retry_after <= Duration::from_secs(3_600));
    }
    assert_eq!(throttle.count(&attempts[1..]).await.unwrap().unwrap().remaining, 8);
}

#[tokio::test]
async fn a_key_is_short_and_goes_when_the_burst_is_whole() {
    let Some(server) = Server::start(&[]) else { return };
    let throttle = server.throttle().await;
    let limit = limit("partners", "1/m", 5);
    let source = Source::Certificate("A".repeat(64));
    for _ in 0..2 {
        throttle.count(&[(source.clone(), &limit)]).await.unwrap().unwrap();
    }
    let mut line = server.line().await;
    let key = key(&source, &limit);
    assert_eq!(key.len(), 26);
    let left: u64 = redis::cmd("PTTL").arg(&key).query_async(&mut line).await.unwrap();
    assert!((60_000..=120_002).contains(&left), "{left}");
    let all: Vec<String> = redis::cmd("KEYS").arg("dcr:?????????*").query_async(&mut line).await.unwrap();
    assert_eq!(all, [key]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_costs_a_burst_at_most() {
    let Some(server) = Server::start(&[]) else { return };
    let throttle = server.throttle().await;
    let limit = limit("test", "1/m", 3);
    let mut line = server.line().await;
    redis::cmd("SET").arg(key(&Source::Total, &limit)).arg("99999999999 0").exec_async(&mut line).await.unwrap();
    let reached = throttle.count(&[(Source::Total, &limit)]).await.unwrap().unwrap_err();
    assert_eq!(reached.too_early.retry_after, Duration::from_secs(60));
    let kept: String = redis::cmd("GET").arg(key(&Source::Total, &limit)).query_async(&mut line).await.unwrap();
    assert!(!kept.starts_with("99999999999"), "{kept}");
}

#[tokio::test]
async fn a_redis_that_forgot_the_script_is_taught_it_again() {
    let Some(server) = Server::start(&[]) else { return };
    let throttle = server.throttle().await;
    let limit = limit("test", "1/h", 2);
    for remaining in [1, 0] {
        assert_eq!(throttle.count(&[(Source::Total, &limit)]).await.unwrap().unwrap().remaining, remaining);
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut server.line().await).await.unwrap();
    }
}

#[tokio::test]
async fn a_redis_that_comes_back_counts_again() {
    let Some(server) = Server::start(&[]) else { return };
    let throttle = server.throttle().await;
    let limit = limit("test", "1/h", 1);
    assert!(throttle.count(&[(Source::Total, &limit)]).await.unwrap().is_ok());
    let port = server.port;
    drop(server);
    assert_eq!(throttle.count(&[(Source::Total, &limit)]).await.unwrap_err(), Unavailable);
    assert!(!throttle.is_reachable());
    // Nothing is tried for its sake: it fails at once.
    assert_eq!(throttle.count(&[(Source::Total, &limit)]).await.unwrap_err(), Unavailable);
    let Started::Ready(_again) = Server::start_on(port, &[]) else { return eprintln!("skipped: the port was taken") };
    until(&throttle, |state| matches!(state, State::Connected(_))).await;
    assert!(throttle.count(&[(Source::Total, &limit)]).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_redis_that_lets_nobody_write_is_not_one_that_counts() {
    let Some(server) = Server::start(&["--min-replicas-to-write", "1"]) else { return };
    let throttle = RedisThrottle::new(server.address()).unwrap();
    until(&throttle, |state| matches!(state, State::Lost)).await;
    redis::cmd("CONFIG")
        .arg(&["SET", "min-replicas-to-write", "0"])
        .exec_async(&mut server.line().await)
        .await
        .unwrap();
    until(&throttle, |state| matches!(state, State::Connected(_))).await;
}

#[tokio::test]
async fn a_password_and_a_certificate_of_a_private_ca_are_used() {
    let files = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (certificate_file, key_file) = (files.path().join("server.pem"), files.path().join("server.key"));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let [certificate_file, key_file] = [&certificate_file, &key_file].map(|file| file.to_str().unwrap());
    let options = [
        "--tls-port",
        "PORT",
        "--requirepass",
        "hunter2",
        "--tls-cert-file",
        certificate_file,
        "--tls-key-file",
        key_file,
    ];
    let Some(server) = Server::start(&[&options[..], &["--tls-ca-cert-file", certificate_file]].concat()) else {
        return;
    };
    let trusting = RedisServer {
        url: format!("rediss://localhost:{}/1", server.port).parse().unwrap(),
        password: Some(Secret::new("hunter2")),
        trust: Some(certificate.pem().into_bytes()),
    };
    let throttle = connected(trusting.clone()).await;
    assert!(throttle.count(&[(Source::Total, &limit("test", "1/h", 1))]).await.unwrap().is_ok());
    for other in [
        RedisServer { password: Some(Secret::new("hunter3")), ..trusting.clone() },
        RedisServer { password: None, ..trusting.clone() },
        RedisServer { trust: None, ..trusting },
    ] {
        until(&RedisThrottle::new(other).unwrap(), |state| matches!(state, State::Lost)).await;
    }
}

/// Accepts connections and never says a word.
async fn silent() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn settings(url: &str, when_unavailable: &str) -> ThrottleSettings {
    let ceilings = "per_address: { rate: 1/h, burst: 2 }, total: { rate: 1/h, burst: 100 }";
    let text = format!("{{ backend: '{url}', when_unavailable: {when_unavailable}, {ceilings} }}");
    serde_yaml::from_str(&text).unwrap()
}

#[tokio::test]
async fn without_redis_the_settings_say_what_becomes_of_an_attempt() {
    let (_listener, url) = silent().await;
    let throttle = |when| Throttle::new(&settings(&url, when), ThrottleFiles::default()).unwrap();
    let from = IpAddr::V4(Ipv4Addr::LOCALHOST);

    let refusing = throttle("refuse");
    assert!(matches!(refusing.attempt_from(from).await, Err(Denied::Uncounted)));
    assert!(!refusing.standing().is_reachable);
    assert_eq!(refusing.standing().uncounted, 1);

    let counting = throttle("local");
    for _ in 0..2 {
        counting.attempt_from(from).await.unwrap();
    }
    assert!(matches!(counting.attempt_from(from).await, Err(Denied::TooEarly(_))));

    let allowing = throttle("allow");
    for _ in 0..10 {
        allowing.attempt_from(from).await.unwrap();
    }
    assert_eq!(allowing.standing().uncounted, 10);
}

#[tokio::test]
async fn an_attempt_does_not_wait_for_a_redis_that_says_nothing() {
    let (_listener, url) = silent().await;
    let server = RedisServer { url: url.parse().unwrap(), password: None, trust: None };
    let throttle = RedisThrottle::new(server).unwrap();
    let limit = limit("test", "1/h", 1);
    let attempts = [(Source::Total, &limit)];
    let waited = tokio::time::timeout(Duration::from_secs(20), throttle.count(&attempts)).await;
    assert_eq!(waited.expect("waits for ever").unwrap_err(), Unavailable);
    until(&throttle, |state| matches!(state, State::Lost)).await;
    // From now on nobody waits at all.
    let at_once = tokio::time::timeout(Duration::ZERO, throttle.count(&attempts)).await;
    assert_eq!(at_once.expect("waits although nothing is there").unwrap_err(), Unavailable);
}

fn shared(throttle: &Throttle) -> &RedisThrottle {
    match &throttle.counts {
        Counts::Redis(shared, _) => shared,
        Counts::Memory(_) => panic!("counts in memory"),
    }
}

#[tokio::test]
async fn a_reload_keeps_the_counts_and_takes_up_another_password() {
    let (_listener, url) = silent().await;
    let files = |password: &str| ThrottleFiles { password: Some(Secret::new(password)), trust: None };
    let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let before = Throttle::new(&settings(&url, "local"), files("a")).unwrap();
    for _ in 0..2 {
        before.attempt_from(from).await.unwrap();
    }
    let same = before.reloaded(&settings(&url, "local"), files("a")).unwrap();
    assert!(matches!(same.attempt_from(from).await, Err(Denied::TooEarly(_))));
    assert_eq!(same.standing().uncounted, 3);
    assert!(std::ptr::eq(shared(&same), shared(&before)));
    let other = same.reloaded(&settings(&url, "local"), files("b")).unwrap();
    assert!(!std::ptr::eq(shared(&other), shared(&before)));
    let memory =
        other.reloaded(&ThrottleSettings { backend: "memory".parse().unwrap(), ..settings(&url, "local") }, files("b"));
    assert!(matches!(memory.unwrap().attempt_from(from).await, Err(Denied::TooEarly(_))));
}

#[test]
fn no_two_sources_have_one_key() {
    let limits = [limit("a", "1/s", 1), limit("b", "1/s", 1), limit("a5", "1/s", 1)];
    let sources = [
        Source::Total,
        address(1),
        address(2),
        Source::address("2001:db8::1".parse().unwrap()),
        Source::Token("192.0.2.1".into()),
        Source::Token("a".into()),
        Source::Certificate("a".into()),
        Source::Certificate(String::new()),
    ];
    let keys: std::collections::HashSet<String> =
        limits.iter().flat_map(|limit| sources.iter().map(|source| key(source, limit))).collect();
    assert_eq!(keys.len(), limits.len() * sources.len());
    assert_eq!(key(&Source::Total, &limits[0]), key(&Source::Total, &limit("a", "7/h", 9)));
}
