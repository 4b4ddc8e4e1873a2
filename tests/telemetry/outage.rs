//! A collector that is down. Telemetry is one per process, so this runs in a child of its own.

use std::process::Command;
use std::time::{Duration, Instant};

use super::*;

const MARK: &str = "DCR_GATEWAY_TEST_DEAD_COLLECTOR";
/// More spans than the queue takes.
const REQUESTS: usize = 12_000;

#[test]
fn a_collector_that_is_down_costs_spans_and_nothing_else() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "outage::in_the_child", "--ignored", "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{log}{}", String::from_utf8_lossy(&child.stdout));
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("collector")).collect();
    // One line per signal, however many exports fail.
    assert!((1..=3).contains(&lines.len()), "{log}");
    assert!(log.lines().count() < 10, "{log}");
}

#[test]
#[ignore = "run by a_collector_that_is_down_costs_spans_and_nothing_else, in a process of its own"]
fn in_the_child() {
    assert!(std::env::var_os(MARK).is_some(), "not to be run by itself");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // A port that was free a moment ago: nobody listens.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = TelemetrySettings { otlp: Some(format!("http://{dead}")), ..TelemetrySettings::default() };
    let telemetry = runtime.block_on(async { telemetry::init(&settings).unwrap() });
    let exposition = telemetry.exposition();
    let headers = HeaderMap::new();
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    for _ in 0..REQUESTS {
        let one = Instant::now();
        let request = ServerRequest::begin(&facts(Operation::Register, &headers));
        request.span().in_scope(|| {
            span::policy_span().in_scope(|| call().finish(Ok(StatusCode::CREATED)));
        });
        request.finish(Some(StatusCode::CREATED), None);
        slowest = slowest.max(one.elapsed());
    }
    // Far below one export's deadline of five seconds: nothing waited for it.
    assert!(slowest < Duration::from_secs(2), "one request took {slowest:?} of {:?}", began.elapsed());
    // Three spans for each request, more than the queue holds: whatever the exporter has come to, some are lost by now.
    // Asked before the shutdown, which ends the metrics.
    let text = exposition.text().unwrap();
    let dropped = text.lines().find(|line| line.starts_with("dcr_telemetry_dropped_spans_total"));
    let dropped: f64 = dropped.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default();
    assert!(dropped > 0.0, "{text}");
    let stopping = Instant::now();
    runtime.block_on(telemetry.shutdown());
    assert!(stopping.elapsed() < Duration::from_secs(8), "the end took {:?}", stopping.elapsed());
}
