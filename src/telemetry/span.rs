//! The spans of one request, by OpenTelemetry's semantic conventions for HTTP (stable) and TLS.
//! No query, no header but `User-Agent`, no body ever becomes an attribute. Without a collector all of them cost next to nothing.

use std::net::IpAddr;

use http::header::{HOST, HeaderMap, USER_AGENT};
use opentelemetry::trace::{SpanBuilder, SpanKind, Status};
use opentelemetry::{Array, KeyValue, StringValue, Value};

use super::trace::Span;
use super::{names, propagation};
use crate::clock::Timestamp;
use crate::policy::CertificateIdentity;

/// The most bytes of a caller's text that an attribute holds.
const LONGEST_VALUE: usize = 256;

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The registration endpoint.
    Register,
    /// A client's management endpoint.
    Manage,
    /// A discovery document.
    Discover,
    /// Forwarded to the authorization server.
    Forward,
    /// Refused by the proxy itself.
    Refuse,
}

impl Operation {
    /// Traced whatever the caller's sampling flag says.
    pub(super) const ALWAYS_RECORDED: [Self; 2] = [Self::Register, Self::Manage];

    /// As it is written in `dcr.operation`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Manage => "manage",
            Self::Discover => "discover",
            Self::Forward => "forward",
            Self::Refuse => "refuse",
        }
    }
}

/// Whether a request came, or a call goes, over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    /// `url.scheme`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What is known of a request when its head was read.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    /// What kind of request it is.
    pub operation: Operation,
    /// The path as configured, with `{client_id}` for what varies; none for a path that is not ours.
    pub route: Option<&'a str>,
    /// The method.
    pub method: &'a http::Method,
    /// The path without the query.
    pub path: &'a str,
    /// What the client used.
    pub scheme: Scheme,
    /// The HTTP version.
    pub version: http::Version,
    /// The headers: `traceparent`, `tracestate`, `Host` and `User-Agent` are looked at.
    pub headers: &'a HeaderMap,
    /// The direct peer.
    pub peer: IpAddr,
    /// The rightmost hop that is not a trusted proxy.
    pub client_address: IpAddr,
    /// The request's name.
    pub request_id: &'a str,
    /// Protocol version (`1.3`) and cipher suite of the connection.
    pub tls: Option<(&'a str, &'a str)>,
    /// The verified client certificate.
    pub certificate: Option<&'a CertificateIdentity>,
}

/// The HTTP server span of a request, a child of the caller's span where it sent one.
pub fn request_span(facts: &RequestFacts<'_>) -> Span {
    let method = known_method(facts.method);
    let span = Span::begin(|| {
        // Said at the beginning: the sampler goes by it.
        let operation = KeyValue::new(names::OPERATION, facts.operation.as_str());
        let name = span_name(method, facts.route);
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Server).with_attributes([operation]);
        (propagation::extract(facts.headers), builder)
    });
    if let Some(recording) = span.recording() {
        recording.set_attributes(request_attributes(facts, method));
    }
    span
}

fn request_attributes(facts: &RequestFacts<'_>, method: Method) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(24);
    let mut put = |key: &'static str, value: Value| attributes.push(KeyValue::new(key, value));
    put("http.request.method", method.label.into());
    if method.label == OTHER_METHOD {
        put("http.request.method_original", shortened(facts.method.as_str()));
    }
    // The last segment of a management path names a client; the route says the same without it.
    let path = if facts.operation == Operation::Manage { facts.route.unwrap_or("/") } else { facts.path };
    put("url.path", shortened(path));
    put("url.scheme", facts.scheme.as_str().into());
    if let Some(route) = facts.route {
        put("http.route", route.to_owned().into());
    }
    put("network.protocol.name", "http".into());
    put("network.protocol.version", version(facts.version).into());
    put("network.peer.address", facts.peer.to_string().into());
    put("client.address", facts.client_address.to_string().into());
    if let Some(host) = facts.headers.get(HOST).and_then(|host| host.to_str().ok()) {
        let authority: Option<http::uri::Authority> = host.parse().ok();
        if let Some(authority) = authority {
            put("server.address", shortened(authority.host()));
            if let Some(port) = authority.port_u16() {
                put("server.port", i64::from(port).into());
            }
        }
    }
    if let Some(agent) = facts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()) {
        put("user_agent.original", shortened(agent));
    }
    if let Some((version, cipher)) = facts.tls {
        put("tls.protocol.version", version.to_owned().into());
        put("tls.cipher", cipher.to_owned().into());
    }
    if let Some(certificate) = facts.certificate {
        put("tls.client.subject", shortened(&certificate.subject));
        put("tls.client.issuer", shortened(&certificate.issuer));
        put("tls.client.hash.sha256", certificate.thumbprint.to_ascii_uppercase().into());
        let not_after = Timestamp::from_unix_millis(certificate.not_after.saturating_mul(1000));
        put("tls.client.not_after", not_after.to_string().into());
    }
    put(names::REQUEST_ID, facts.request_id.to_owned().into());
    attributes
}

/// Writes how a request ended into its span. `error` is a stable name for a failure that has no status (`client_gone`).
pub(super) fn record_answer(span: &Span, status: Option<http::StatusCode>, error: Option<&'static str>) {
    let failure = match status {
        None => Some(error.unwrap_or("_OTHER").to_owned()),
        Some(status) if status.is_server_error() => Some(error.unwrap_or(status.as_str()).to_owned()),
        Some(_) => None,
    };
    record_end(span, status, failure);
}

/// What is known of a call to the authorization server before it is made.
#[derive(Debug, Clone, Copy)]
pub struct CallFacts<'a> {
    /// The method.
    pub method: &'a http::Method,
    /// What is called, a word from a closed list that names the span: `registration`, `management`, `administration`, `discovery`, `token`, `forward`.
    pub purpose: &'static str,
    /// Scheme of the server's address.
    pub scheme: Scheme,
    /// Host of the server's address.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The path without the query; none when it names a client.
    pub path: Option<&'a str>,
}

/// The HTTP client span of a call to the authorization server, below `parent`.
pub fn upstream_span(parent: &Span, facts: &CallFacts<'_>) -> Span {
    if parent.is_begun() && parent.recording().is_none() {
        // Nor would one below it be recorded: who is called is told of the parent.
        return parent.clone();
    }
    let method = known_method(facts.method);
    let span = Span::begin(|| {
        let name = span_name(method, Some(facts.purpose));
        (parent.context(), SpanBuilder::from_name(name).with_kind(SpanKind::Client))
    });
    if let Some(recording) = span.recording() {
        let path = facts.path.unwrap_or("/");
        let full = format!("{}://{}:{}{path}", facts.scheme.as_str(), facts.host, facts.port);
        recording.set_attributes([
            KeyValue::new("http.request.method", method.label),
            KeyValue::new("server.address", facts.host.to_owned()),
            KeyValue::new("server.port", i64::from(facts.port)),
            KeyValue::new("url.full", shortened(&full)),
            KeyValue::new("url.template", facts.purpose),
        ]);
    }
    span
}

/// How a call to the authorization server ended: a status, or a stable name for what went wrong.
pub fn record_upstream(span: &Span, outcome: Result<http::StatusCode, &'static str>) {
    match outcome {
        Ok(status) => {
            // Semantic conventions: for a client span 4xx is an error too.
            let is_failure = status.is_client_error() || status.is_server_error();
            record_end(span, Some(status), is_failure.then(|| status.as_str().to_owned()));
        }
        Err(error) => record_end(span, None, Some(error.to_owned())),
    }
}

/// The span of who asks: certificate, initial access token, profile and throttle, before the body is read.
pub fn admit_span() -> Span {
    below_the_current(names::SPAN_ADMIT)
}

/// The span of the rules.
pub fn policy_span() -> Span {
    below_the_current(names::SPAN_POLICY)
}

fn below_the_current(name: &'static str) -> Span {
    Span::begin(|| (Span::current().context(), SpanBuilder::from_name(name)))
}

/// The span of one call of the store; `operation` is the name of what is called (`begin`, `finish`, `client`, …).
pub fn store_span(operation: &'static str) -> Span {
    Span::begin(|| {
        let operation = KeyValue::new(names::STORE_OPERATION, operation);
        (Span::current().context(), SpanBuilder::from_name(names::SPAN_STORE).with_attributes([operation]))
    })
}

/// `failure` is what `error.type` says.
fn record_end(span: &Span, status: Option<http::StatusCode>, failure: Option<String>) {
    let Some(recording) = span.recording() else { return };
    if let Some(status) = status {
        recording.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    }
    if let Some(kind) = failure {
        recording.set_attribute(KeyValue::new("error.type", kind));
        recording.set_status(Status::error(""));
    }
}

/// A list of texts as an attribute's value.
pub(super) fn list<T: AsRef<str>>(values: &[T]) -> Value {
    let values = values.iter().map(|value| StringValue::from(cut(value.as_ref()).to_owned()));
    Value::Array(Array::String(values.collect()))
}

/// A caller's text as an attribute's value.
pub(super) fn shortened(text: &str) -> Value {
    cut(text).to_owned().into()
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_VALUE)]
}

/// A method as attributes and names write it.
#[derive(Clone, Copy)]
pub(super) struct Method {
    /// `http.request.method`.
    pub(super) label: &'static str,
    /// In a span's name.
    name: &'static str,
}

/// `http.request.method` for a method nobody registered.
const OTHER_METHOD: &str = "_OTHER";

/// Only registered methods, so that a caller cannot make labels (semantic conventions: `http.request.method`).
pub(super) fn known_method(method: &http::Method) -> Method {
    let known = match *method {
        http::Method::CONNECT => Some("CONNECT"),
        http::Method::DELETE => Some("DELETE"),
        http::Method::GET => Some("GET"),
        http::Method::HEAD => Some("HEAD"),
        http::Method::OPTIONS => Some("OPTIONS"),
        http::Method::PATCH => Some("PATCH"),
        http::Method::POST => Some("POST"),
        http::Method::PUT => Some("PUT"),
        http::Method::TRACE => Some("TRACE"),
        _ => None,
    };
    match known {
        Some(known) => Method { label: known, name: known },
        None => Method { label: OTHER_METHOD, name: "HTTP" },
    }
}

fn span_name(method: Method, route: Option<&str>) -> String {
    match route {
        Some(route) => format!("{} {route}", method.name),
        None => method.name.to_owned(),
    }
}

/// `network.protocol.version`.
pub(super) fn version(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_09 => "0.9",
        http::Version::HTTP_10 => "1.0",
        http::Version::HTTP_2 => "2",
        http::Version::HTTP_3 => "3",
        _ => "1.1",
    }
}
