//! A collector in the test's own process: OTLP over gRPC, spoken with h2 and decoded with OTLP's own messages.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// What was received so far.
#[derive(Default)]
pub struct Received {
    pub spans: Vec<Span>,
    pub logs: Vec<LogRecord>,
    pub metrics: Vec<String>,
}

/// The collector.
#[derive(Clone)]
pub struct Sink {
    pub address: SocketAddr,
    received: Arc<(Mutex<Received>, Condvar)>,
}

impl Sink {
    /// Listens on a free port, served on the present runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Self { address: listener.local_addr().unwrap(), received: Arc::default() };
        let serving = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        sink
    }

    async fn serve(self, stream: tokio::net::TcpStream) {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(self.clone().answer(request, respond));
        }
    }

    async fn answer(self, request: http::Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
        let (parts, mut body) = request.into_parts();
        let mut message = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece.unwrap();
            body.flow_control().release_capacity(piece.len()).unwrap();
            message.extend_from_slice(&piece);
        }
        // gRPC: one byte of compression, four of length, then the message.
        self.take(parts.uri.path(), &message[5..]);
        let response = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let mut stream = respond.send_response(response, false).unwrap();
        stream.send_data(Bytes::from_static(&[0; 5]), false).unwrap();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        stream.send_trailers(trailers).unwrap();
    }

    fn take(&self, path: &str, message: &[u8]) {
        let (received, changed) = &*self.received;
        let mut received = received.lock().unwrap();
        if path.ends_with("TraceService/Export") {
            let export = ExportTraceServiceRequest::decode(message).unwrap();
            let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            received.spans.extend(scopes.flat_map(|scope| scope.spans));
        } else if path.ends_with("LogsService/Export") {
            let export = ExportLogsServiceRequest::decode(message).unwrap();
            let scopes = export.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
            received.logs.extend(scopes.flat_map(|scope| scope.log_records));
        } else {
            let export = ExportMetricsServiceRequest::decode(message).unwrap();
            let scopes = export.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
            received.metrics.extend(scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name));
        }
        changed.notify_all();
    }

    /// Waits until `find` finds something in what was received.
    pub fn wait<T>(&self, what: &str, mut find: impl FnMut(&Received) -> Option<T>) -> T {
        let (received, changed) = &*self.received;
        let mut found = None;
        let patience = Duration::from_secs(60);
        let guard = received.lock().unwrap();
        let _unlocked = changed
            .wait_timeout_while(guard, patience, |received| {
                found = find(received);
                found.is_none()
            })
            .unwrap();
        found.unwrap_or_else(|| panic!("the collector did not receive {what}"))
    }

    /// The spans of a trace, once the one with this name is there.
    pub fn trace(&self, trace_id: &str, until: &str) -> Vec<Span> {
        let trace_id = unhex(trace_id);
        self.wait(until, |received| {
            let spans: Vec<Span> = received.spans.iter().filter(|span| span.trace_id == trace_id).cloned().collect();
            spans.iter().any(|span| span.name == until).then_some(spans)
        })
    }
}

/// An attribute as text.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    Some(text(value))
}

/// All attributes as lines of text, in order of their names.
pub fn listed(attributes: &[KeyValue]) -> String {
    let mut lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| Some(format!("{} = {}", attribute.key, text(attribute.value.clone()?.value?))))
        .collect();
    lines.sort();
    lines.join("\n")
}

fn text(value: Value) -> String {
    match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::BoolValue(is) => is.to_string(),
        Value::ArrayValue(array) => {
            let values = array.values.into_iter().filter_map(|value| value.value).map(text);
            values.collect::<Vec<_>>().join(",")
        }
        other => format!("{other:?}"),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap()).collect()
}
