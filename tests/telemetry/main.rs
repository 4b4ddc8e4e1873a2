//! Telemetry as a collector, Prometheus and an operator's terminal see it.

mod documents;
mod outage;
mod sink;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use dcr_gateway::anomaly::{Band, DetectorName, Score};
use dcr_gateway::authorization_server::client_endpoints::ClientEndpoint;
use dcr_gateway::lifecycle::State;
use dcr_gateway::policy::CertificateIdentity;
use dcr_gateway::store::ResponseAction;
use dcr_gateway::telemetry::metrics::{
    AlertOutcome, ClientCount, ConnectionCounts, FileExpiry, ReloadResult, StoreFailures, ThrottleCounts,
};
use dcr_gateway::telemetry::request::UpstreamCall;
use dcr_gateway::telemetry::settings::{LogFormat, LogSettings};
use dcr_gateway::telemetry::span::{CallFacts, Operation, RequestFacts, Scheme};
use dcr_gateway::telemetry::{
    self, Decision, Exposition, FindingEvent, ManagementEvent, RegistrationEvent, ResponseCount, ResponseEvent,
    ServerRequest, SpanReference, TelemetrySettings, metrics, propagation, span,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use sink::{Sink, attribute, listed};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
const ROUTE: &str = "/realms/acme/clients-registrations/openid-connect";

/// Telemetry is one per process: all tests of this file share it and find their own by trace id.
struct Running {
    sink: Sink,
    exposition: Exposition,
    _runtime: tokio::runtime::Runtime,
}

static RUNNING: LazyLock<Running> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (sink, exposition) = runtime.block_on(async {
        let sink = Sink::start().await;
        let settings = TelemetrySettings {
            otlp: Some(format!("http://{}", sink.address)),
            sample_forwarded: 0.0,
            log: LogSettings { format: LogFormat::Json, level: "info".to_owned() },
            ..TelemetrySettings::default()
        };
        let telemetry = telemetry::init(&settings).unwrap();
        metrics().observe_connections(|| ConnectionCounts {
            accepted: 3,
            open: 1,
            dropped: 4,
            handshakes_failed: 2,
            ..Default::default()
        });
        metrics().observe_expiry(|| {
            vec![FileExpiry { file: "server.pem".to_owned(), kind: "server_certificate", seconds_left: -5 }]
        });
        let clients = Arc::new(vec![ClientCount { profile: "mcp".to_owned(), lifecycle: "active", count: 7 }]);
        metrics().observe_clients(move || clients.clone());
        metrics().observe_alert_backlog(|| vec![("hooks.example".to_owned(), 2)]);
        metrics().observe_throttle(|| ThrottleCounts { reachable: 1, uncounted: 2, forgotten: 3 });
        metrics().observe_store(|| StoreFailures { reads: 4, writes: 0 });
        metrics().observe_responses(|| {
            let counts =
                |dry_run| ResponseAction::ALL.map(|it| ResponseCount { action: it.as_str(), dry_run, count: 2 });
            [counts(false), counts(true)].concat()
        });
        let exposition = telemetry.exposition();
        // Lives as long as the process.
        std::mem::forget(telemetry);
        (sink, exposition)
    });
    Running { sink, exposition, _runtime: runtime }
});

/// A `traceparent` of a trace of its own, and the trace's identifier.
fn caller(number: u8, flags: &str) -> (HeaderMap, String) {
    let trace_id = format!("0af7651916cd43dd8448eb211c8031{number:02x}");
    let parent = format!("00-{trace_id}-b7ad6b7169203331-{flags}");
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", HeaderValue::try_from(parent).unwrap());
    headers.insert("tracestate", HeaderValue::from_static("vendor=1"));
    headers.insert("host", HeaderValue::from_static("sso.example.com:8443"));
    headers.insert("user-agent", HeaderValue::from_static("node"));
    (headers, trace_id)
}

fn facts<'a>(operation: Operation, headers: &'a HeaderMap) -> RequestFacts<'a> {
    RequestFacts {
        operation,
        route: Some(ROUTE),
        method: &http::Method::POST,
        path: ROUTE,
        scheme: Scheme::Https,
        version: http::Version::HTTP_2,
        headers,
        peer: PEER,
        client_address: CLIENT,
        request_id: "01",
        tls: Some(("1.3", "TLS13_AES_256_GCM_SHA384")),
        certificate: None,
    }
}

fn call() -> UpstreamCall {
    UpstreamCall::begin(&CallFacts {
        method: &http::Method::POST,
        purpose: "registration",
        scheme: Scheme::Http,
        host: "keycloak",
        port: 8080,
        path: Some(ROUTE),
    })
}

fn admitted() -> RegistrationEvent {
    RegistrationEvent {
        decision: Decision::Admit,
        reason: "admitted",
        status: StatusCode::CREATED,
        registration_id: Some("4bf92f3577b34da6".to_owned()),
        profile: Some("mcp".to_owned()),
        policy_version: Some("7".to_owned()),
        client_id: Some("c1".to_owned()),
        client_name: Some("Claude \u{1b}[31m".to_owned()),
        redirect_uri_hosts: vec!["claude.ai".to_owned(), "localhost".to_owned()],
        scope_requested: Some("openid admin".to_owned()),
        scope_granted: Some("openid".to_owned()),
        scope_withheld: Some("admin".to_owned()),
        client_address: Some(CLIENT),
        token_id: Some("aa11".to_owned()),
        ..RegistrationEvent::new("01")
    }
}

#[test]
fn a_registration_is_one_trace_below_the_callers_span() {
    let running = &*RUNNING;
    let (headers, trace_id) = caller(1, "01");
    let certificate = CertificateIdentity {
        subject: "CN=app".to_owned(),
        issuer: "CN=Partner CA".to_owned(),
        serial: "01".to_owned(),
        san_dns: Vec::new(),
        san_uri: Vec::new(),
        san_email: Vec::new(),
        san_ip: Vec::new(),
        thumbprint: "ab".repeat(32),
        not_after: 1_700_000_000,
    };
    let facts = RequestFacts { certificate: Some(&certificate), ..facts(Operation::Register, &headers) };
    let request = ServerRequest::begin(&facts);
    let mut outgoing = headers.clone();
    outgoing.insert("baggage", HeaderValue::from_static("secret=1"));
    request.span().in_scope(|| {
        span::admit_span().in_scope(|| {});
        span::policy_span().in_scope(|| {});
        span::store_span("begin").in_scope(|| {});
        let call = call();
        propagation::inject(call.span(), &mut outgoing);
        call.finish(Ok(StatusCode::CREATED));
    });
    admitted().finish(request.span(), Duration::from_millis(12));
    request.finish(Some(StatusCode::CREATED), None);

    let name = format!("POST {ROUTE}");
    let spans = running.sink.trace(&trace_id, &name);
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}"));
    let server = named(&name);
    assert_eq!(server.parent_span_id, [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
    assert_eq!((server.kind, server.trace_state.as_str()), (2, "vendor=1"));
    insta::assert_snapshot!("server_span", listed(&server.attributes));
    for inner in ["dcr.admit", "dcr.policy", "dcr.store"] {
        assert_eq!(named(inner).parent_span_id, server.span_id, "{inner}");
    }
    assert_eq!(attribute(&named("dcr.store").attributes, "dcr.store.operation").as_deref(), Some("begin"));
    let client = named("POST registration");
    assert_eq!((client.kind, &client.parent_span_id), (3, &server.span_id));
    insta::assert_snapshot!("client_span", listed(&client.attributes));

    let span_id: String = client.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(outgoing["traceparent"], format!("00-{trace_id}-{span_id}-01"));
    assert_eq!(outgoing["tracestate"], "vendor=1");
    assert!(!outgoing.contains_key("baggage"));
}

#[test]
fn a_registration_is_recorded_though_the_caller_does_not_trace() {
    let running = &*RUNNING;
    let (headers, trace_id) = caller(2, "00");
    ServerRequest::begin(&facts(Operation::Register, &headers)).finish(Some(StatusCode::CREATED), None);
    running.sink.trace(&trace_id, &format!("POST {ROUTE}"));
}

#[test]
fn a_forwarded_request_follows_its_caller() {
    let running = &*RUNNING;
    let (untraced, untraced_id) = caller(3, "00");
    let (traced, traced_id) = caller(4, "01");
    let request = ServerRequest::begin(&RequestFacts { route: None, ..facts(Operation::Forward, &untraced) });
    let mut outgoing = untraced.clone();
    propagation::inject(request.span(), &mut outgoing);
    let outgoing = outgoing["traceparent"].to_str().unwrap();
    assert!(outgoing.starts_with(&format!("00-{untraced_id}-")) && outgoing.ends_with("-00"), "{outgoing}");
    let mut called = untraced.clone();
    let call = request.span().in_scope(call);
    propagation::inject(call.span(), &mut called);
    call.finish(Ok(StatusCode::OK));
    // Nothing is recorded below it either: who is called is told of the request.
    assert_eq!((called["traceparent"].to_str().unwrap(), &called["tracestate"]), (outgoing, &untraced["tracestate"]));
    request.finish(Some(StatusCode::OK), None);
    ServerRequest::begin(&RequestFacts { route: None, ..facts(Operation::Forward, &traced) })
        .finish(Some(StatusCode::OK), None);
    running.sink.trace(&traced_id, "POST");
    // The queue is in order: had the first been recorded, it would be there.
    let untraced = running.sink.wait("anything", |received| {
        let of_it = |span: &&opentelemetry_proto::tonic::trace::v1::Span| {
            span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == untraced_id
        };
        Some(received.spans.iter().filter(of_it).count())
    });
    assert_eq!(untraced, 0);
}

#[test]
fn a_failure_of_ours_is_an_error_and_a_refusal_is_not() {
    let running = &*RUNNING;
    let (refused, refused_id) = caller(5, "01");
    let (failed, failed_id) = caller(6, "01");
    let (gone, gone_id) = caller(7, "01");
    ServerRequest::begin(&facts(Operation::Register, &refused)).finish(Some(StatusCode::BAD_REQUEST), None);
    ServerRequest::begin(&facts(Operation::Register, &failed)).finish(Some(StatusCode::BAD_GATEWAY), None);
    drop(ServerRequest::begin(&facts(Operation::Register, &gone)));
    let name = format!("POST {ROUTE}");
    let end = |trace_id: &str| {
        let span = running.sink.trace(trace_id, &name).remove(0);
        (span.status.unwrap_or_default().code, attribute(&span.attributes, "error.type"))
    };
    assert_eq!(end(&refused_id), (0, None));
    assert_eq!(end(&failed_id), (2, Some("502".to_owned())));
    assert_eq!(end(&gone_id), (2, Some("client_gone".to_owned())));
}

#[test]
fn what_a_caller_makes_up_becomes_neither_a_name_nor_a_path_with_a_client_in_it() {
    let running = &*RUNNING;
    let (headers, trace_id) = caller(8, "01");
    let method = http::Method::from_bytes(b"BREW").unwrap();
    let route = format!("{ROUTE}/{{client_id}}");
    let path = format!("{ROUTE}/somebody");
    ServerRequest::begin(&RequestFacts {
        method: &method,
        path: &path,
        route: Some(&route),
        ..facts(Operation::Manage, &headers)
    })
    .finish(Some(StatusCode::FORBIDDEN), None);
    let span = running.sink.trace(&trace_id, &format!("HTTP {route}")).remove(0);
    let attributes = listed(&span.attributes);
    assert!(attributes.contains("http.request.method = _OTHER\nhttp.request.method_original = BREW"), "{attributes}");
    assert!(!attributes.contains("somebody"), "{attributes}");
}

#[test]
fn a_finding_is_recorded_below_its_request_though_that_one_is_not() {
    let running = &*RUNNING;
    let (headers, trace_id) = caller(11, "00");
    let request = ServerRequest::begin(&facts(Operation::Forward, &headers));
    let origin = request.span().in_scope(SpanReference::here);
    request.finish(Some(StatusCode::OK), None);
    let event = FindingEvent {
        detector: "token_errors",
        subject: "the token endpoint",
        score: 0.75,
        is_high: true,
        sentence: "30 of 30 token requests failed",
        request_id: Some("01"),
    };
    event.tell(&origin);
    let [found] = running.sink.trace(&trace_id, "dcr.finding").try_into().expect("the finding alone");
    assert_eq!(
        listed(&found.attributes),
        "dcr.anomaly.score = 0.75\ndcr.finding.sentence = 30 of 30 token requests failed\n\
         dcr.finding.subject = the token endpoint\ndcr.findings = token_errors\ndcr.request.id = 01"
    );
    let record = running.sink.wait("the log record", |received| {
        let is_it = |record: &&opentelemetry_proto::tonic::logs::v1::LogRecord| {
            attribute(&record.attributes, "detector").as_deref() == Some("token_errors")
        };
        received.logs.iter().find(is_it).cloned()
    });
    assert_eq!((&record.trace_id, &record.span_id), (&found.trace_id, &found.span_id));
}

#[test]
fn the_log_line_reaches_the_collector_with_its_trace_and_sending_logs_nothing() {
    let running = &*RUNNING;
    let (headers, trace_id) = caller(9, "01");
    let request = ServerRequest::begin(&facts(Operation::Register, &headers));
    request.span().in_scope(|| admitted().finish(request.span(), Duration::from_millis(12)));
    request.finish(Some(StatusCode::CREATED), None);
    let record = running.sink.wait("the log record", |received| {
        let of_it = |record: &&opentelemetry_proto::tonic::logs::v1::LogRecord| {
            attribute(&record.attributes, "trace_id").as_deref() == Some(trace_id.as_str())
        };
        received.logs.iter().find(of_it).cloned()
    });
    assert_eq!(attribute(&record.attributes, "reason").as_deref(), Some("admitted"));
    assert_eq!(attribute(&record.attributes, "client_name").as_deref(), Some("Claude \u{1b}[31m"));
    let id: String = record.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(id, trace_id);
    running.sink.wait("anything", |received| {
        let strange = received
            .logs
            .iter()
            .filter(|record| attribute(&record.attributes, "detector").is_none())
            .find(|record| !record.severity_text.is_empty() && attribute(&record.attributes, "reason").is_none());
        assert!(strange.is_none(), "{strange:?}");
        Some(())
    });
}

/// An address that a detector had banned.
fn banned() -> ResponseEvent<'static> {
    ResponseEvent {
        what: "imposed",
        id: "4f1c",
        action: "ban_address",
        subject: "203.0.113.9/32",
        detector: Some("token_guessing"),
        author: "token_guessing",
        dry_run: false,
        until: String::new(),
    }
}

#[test]
fn what_is_counted_out_of_closed_lists_is_never_more_than_there_is_room_for() {
    let running = &*RUNNING;
    DetectorName::ALL.iter().for_each(|name| metrics().looks(name.as_str()));
    for endpoint in ClientEndpoint::ALL {
        State::ALL.iter().for_each(|state| metrics().refuses_clients(endpoint.as_str(), state.as_str()));
    }
    let text = running.exposition.text().unwrap();
    assert!(!text.contains("overflow"), "{text}");
    let lines = |name: &str| text.lines().filter(|line| line.starts_with(&format!("{name}{{"))).count();
    assert_eq!(lines("dcr_findings_total"), 2 * DetectorName::ALL.len());
    assert_eq!(lines("dcr_responses"), 2 * ResponseAction::ALL.len());
    assert_eq!(lines("dcr_clients_refused_total"), ClientEndpoint::ALL.len() * State::ALL.len());
}

#[test]
fn prometheus_finds_every_metric() {
    let running = &*RUNNING;
    let (headers, _) = caller(10, "01");
    let request = ServerRequest::begin(&facts(Operation::Register, &headers));
    request.span().in_scope(|| call().finish(Err("timeout")));
    admitted().finish(request.span(), Duration::from_millis(12));
    ManagementEvent::new(&http::Method::PUT, "02", CLIENT).finish(request.span(), Duration::from_millis(3));
    request.finish(Some(StatusCode::CREATED), None);
    metrics().throttled("address");
    metrics().reloaded(ReloadResult::Refused);
    metrics().discovery_mismatch();
    metrics().found("registration_bursts", Score::of(0.5).band() >= Band::High);
    metrics().observation_dropped();
    metrics().imposed(&banned());
    metrics().client_refused("token", "suspended");
    metrics().alert_deliveries("hooks.example", AlertOutcome::Delivered, 1);
    metrics().audit_export_lost("stdout", 1);
    let text = running.exposition.text().unwrap();
    for name in telemetry::names::metrics() {
        assert!(text.contains(&format!("# TYPE {}", name.replace('.', "_"))), "{name} is missing:\n{text}");
    }
    let ended = r#"dcr_certificate_expiry_seconds{file="server.pem",kind="server_certificate"} -5"#;
    assert!(text.contains(ended), "{text}");
    assert!(text.contains(r#"dcr_clients{lifecycle="active",profile="mcp""#), "{text}");
    let managed = r#"dcr_management_total{operation="update",profile="-",reason="done""#;
    assert!(text.contains(managed), "{text}");
    let counted = r#"decision="admit",profile="mcp",reason="admitted""#;
    assert!(text.contains(&format!("dcr_registrations_total{{{counted}")), "{text}");
    for line in [
        "dcr_connections 1",
        "dcr_connections_dropped_total 4",
        "dcr_throttle_reachable 1",
        "dcr_throttle_uncounted_total 2",
        "dcr_throttle_forgotten_total 3",
        "dcr_store_errors_total{operation=\"read\"} 4",
        "dcr_store_errors_total{operation=\"write\"} 0",
        // Nobody has reloaded anything with success: 0, and not missing.
        "dcr_config_reloads_total{result=\"applied\"} 0",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} is missing:\n{text}");
    }
    assert!(!text.contains("claude.ai") && !text.contains("203.0.113.9"), "{text}");
}
