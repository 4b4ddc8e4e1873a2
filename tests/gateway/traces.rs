//! Traces of the executable, as a collector gets them.

use serde_json::Value;

use crate::client::exchange;
use crate::managed::{Rules, World, orders};
use crate::sink::{Sink, attribute};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_admitted_the_rules_and_the_record_are_spans_of_one_registration() {
    let sink = Sink::start().await;
    let telemetry = format!("telemetry: {{ otlp: \"http://{}\", log: {{ format: json }} }}", sink.address);
    let world = World::with(Rules { telemetry: &telemetry, ..Rules::default() }).await;
    let (trace_id, parent) = ("0af7651916cd43dd8448eb211c803199", "b7ad6b7169203331");
    let (token, body) = (world.gateway.token("partners", 1), Value::to_string(&orders()));
    let request = format!(
        "POST /register HTTP/1.1\r\nHost: sso.example.com\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n\
         traceparent: 00-{trace_id}-{parent}-01\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(world.gateway.address, request.as_bytes()).await.expect("an answer");
    assert_eq!(answer.status, 201, "{answer:?}");

    let spans = tokio::task::block_in_place(|| sink.trace(trace_id, "POST /register"));
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:?}"));
    let (server, admit, policy) = (named("POST /register"), named("dcr.admit"), named("dcr.policy"));
    assert_eq!((&admit.parent_span_id, &policy.parent_span_id), (&server.span_id, &server.span_id));
    assert!(admit.end_time_unix_nano <= policy.start_time_unix_nano, "{admit:?} {policy:?}");
    let calls = spans.iter().filter(|span| span.name == "dcr.store" && span.parent_span_id == server.span_id);
    let calls: Vec<_> = calls.filter_map(|span| attribute(&span.attributes, "dcr.store.operation")).collect();
    assert_eq!(calls, ["begin", "finish"]);
}
