//! Whole registrations through the gateway, beside a bare Pingora that passes the same request on: one process, in turns, so that both
//! have the same machine. Real sockets on the loopback address, connections kept alive, plain and with client certificates.
//!
//! `cargo bench --bench registration` prints rates, latencies and the ratio; `-- ROUNDS SECONDS` says how long. Each proxy has one thread,
//! the load and the authorization server share another: on two cores the proxy is what is measured.
//!
//! `-- serve bare|memory --config FILE` runs one of the two alone, until it is ended: for `benches/compare/run`, which puts them beside other
//! proxies.

mod authorities;
mod cpu;
mod load;
mod proxies;
mod serve;
mod server;

use std::sync::Arc;
use std::time::Duration;

use dcr_gateway::store::Store;
use dcr_gateway::store::memory::MemoryStore;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use authorities::Files;
use load::{Load, Measured, Request};
use proxies::{Proxy, Wire};

/// The executable's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections kept open, each with one request at a time.
const CONNECTIONS: usize = 32;

/// As an MCP client sends it.
const BODY: &str = include_str!("../../tests/fixtures/clients/claude_code.json");

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Some(alone) = serve::Alone::asked_for(std::env::args().skip(1)) {
        return alone.run();
    }
    let (rounds, seconds) = arguments();
    // Lines are made as in production, and go nowhere; without a collector there are no spans.
    let events = filter_fn(|metadata| metadata.is_event()).with_max_level_hint(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer().json().with_writer(std::io::sink).with_filter(events);
    tracing_subscriber::registry().with(lines).init();

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("load")
        .enable_all()
        .build()
        .expect("a runtime");
    let files = Files::new();
    let server = runtime.block_on(server::start());
    let memory = || Arc::new(MemoryStore::default()) as Arc<dyn Store>;
    for wire in [Wire::Plain, Wire::MutualTls] {
        let proxies = [
            Proxy::bare(wire, &files, server),
            Proxy::gateway("gateway, memory", wire, &files, (server, proxies::Records::In(memory()))),
            Proxy::gateway("gateway, SQLite", wire, &files, (server, proxies::Records::InAFile)),
            Proxy::gateway("without audit", wire, &files, (server, proxies::Records::Unaudited)),
        ];
        let measured = in_turns(
            &runtime,
            &proxies,
            |proxy| Load {
                address: proxy.address,
                tls: files.client_config(wire),
                request: request(),
                connections: CONNECTIONS,
                lasting: seconds,
            },
            rounds,
        );
        report(wire, &proxies, &measured);
    }
}

fn arguments() -> (usize, Duration) {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let rounds = numbers.next().unwrap_or(7);
    let seconds = numbers.next().unwrap_or(2);
    (usize::try_from(rounds).unwrap_or(1).max(1), Duration::from_secs(seconds.max(1)))
}

fn request() -> Request {
    let head =
        "POST /register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json\r\n";
    let body = BODY.replace("/callback", &format!("{}0000000000", server::BEFORE_THE_NUMBER));
    let bytes = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let number = server::number_in(&bytes).expect("a number");
    Request { bytes, number }
}

/// Every proxy once, as often as there are rounds; before them once that does not count.
fn in_turns(
    runtime: &tokio::runtime::Runtime,
    proxies: &[Proxy],
    load: impl Fn(&Proxy) -> Load,
    rounds: usize,
) -> Vec<Vec<Measured>> {
    let mut measured: Vec<Vec<Measured>> = proxies.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for (proxy, results) in proxies.iter().zip(&mut measured) {
            let before = cpu::of_threads(proxy.threads);
            let mut result = runtime.block_on(load(proxy).run());
            result.cpu = cpu::of_threads(proxy.threads).saturating_sub(before);
            if round > 0 {
                results.push(result);
            }
        }
    }
    measured
}

fn report(wire: Wire, proxies: &[Proxy], measured: &[Vec<Measured>]) {
    println!("\n{} ({CONNECTIONS} connections)", wire.name());
    println!(
        "{:<17} {:>9} {:>8} {:>10} {:>8} {:>9} {:>9}",
        "", "per s", "ratio", "CPU µs", "ratio", "p50 ms", "p99 ms"
    );
    let bare = &measured[0];
    for (proxy, results) in proxies.iter().zip(measured) {
        let of = |read: fn(&Measured) -> f64| median(results.iter().map(read));
        // Round by round: what disturbed the machine disturbed both.
        let beside =
            |read: fn(&Measured) -> f64| median(results.iter().zip(bare).map(|(own, bare)| read(own) / read(bare)));
        println!(
            "{:<17} {:>9.0} {:>8.2} {:>10.1} {:>8.2} {:>9.2} {:>9.2}",
            proxy.name,
            of(Measured::rate),
            beside(Measured::rate),
            of(Measured::cpu_micros),
            beside(Measured::cpu_micros),
            of(|measured| measured.percentile(50)),
            of(|measured| measured.percentile(99)),
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
