//! One request from its head to its answer: span and duration, ended in one place and also when the request is dropped.

use std::time::Instant;

use http::StatusCode;
use opentelemetry::KeyValue;

use super::metrics::metrics;
use super::span::{self, CallFacts, RequestFacts};
use super::trace::Span;

/// A request on its way. Dropped without [`ServerRequest::finish`] it is recorded as `client_gone`.
pub struct ServerRequest {
    span: Span,
    started: Instant,
    labels: Vec<KeyValue>,
    is_finished: bool,
}

impl ServerRequest {
    /// Begins the span and the measurement.
    pub fn begin(facts: &RequestFacts<'_>) -> Self {
        let mut labels = Vec::with_capacity(6);
        labels.push(KeyValue::new("http.request.method", span::known_method(facts.method).label));
        labels.push(KeyValue::new("url.scheme", facts.scheme.as_str()));
        labels.push(KeyValue::new("network.protocol.version", span::version(facts.version)));
        if let Some(route) = facts.route {
            labels.push(KeyValue::new("http.route", route.to_owned()));
        }
        Self { span: span::request_span(facts), started: Instant::now(), labels, is_finished: false }
    }

    /// The HTTP server span: run the handler in it ([`super::InSpan`]).
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The request was answered, or, without a status, broke off for a reason with a stable name.
    pub fn finish(mut self, status: Option<StatusCode>, error: Option<&'static str>) {
        self.record(status, error);
    }

    fn record(&mut self, status: Option<StatusCode>, error: Option<&'static str>) {
        self.is_finished = true;
        span::record_answer(&self.span, status, error);
        let mut labels = std::mem::take(&mut self.labels);
        end_labels(&mut labels, status, error);
        metrics().server_request(&labels, self.started.elapsed());
    }
}

impl Drop for ServerRequest {
    fn drop(&mut self) {
        if !self.is_finished {
            self.record(None, Some("client_gone"));
        }
    }
}

/// A call to the authorization server on its way. Dropped without [`UpstreamCall::finish`] it is recorded as `given_up`.
pub struct UpstreamCall {
    span: Span,
    started: Instant,
    labels: Vec<KeyValue>,
    is_finished: bool,
}

impl UpstreamCall {
    /// Begins the span, below the present one, and the measurement.
    pub fn begin(facts: &CallFacts<'_>) -> Self {
        Self::begin_below(&Span::current(), facts)
    }

    /// The same below `parent`.
    pub fn begin_below(parent: &Span, facts: &CallFacts<'_>) -> Self {
        let labels = vec![
            KeyValue::new("http.request.method", span::known_method(facts.method).label),
            KeyValue::new("server.address", facts.host.to_owned()),
            KeyValue::new("server.port", i64::from(facts.port)),
            KeyValue::new("url.template", facts.purpose),
        ];
        Self { span: span::upstream_span(parent, facts), started: Instant::now(), labels, is_finished: false }
    }

    /// The HTTP client span: its context goes into the request's headers ([`super::propagation::inject`]).
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The server's status, or a stable name for what went wrong.
    pub fn finish(mut self, outcome: Result<StatusCode, &'static str>) {
        self.record(outcome);
    }

    fn record(&mut self, outcome: Result<StatusCode, &'static str>) {
        self.is_finished = true;
        span::record_upstream(&self.span, outcome);
        let mut labels = std::mem::take(&mut self.labels);
        end_labels(&mut labels, outcome.ok(), outcome.err());
        metrics().client_request(&labels, self.started.elapsed());
    }
}

impl Drop for UpstreamCall {
    fn drop(&mut self) {
        if !self.is_finished {
            self.record(Err("given_up"));
        }
    }
}

fn end_labels(labels: &mut Vec<KeyValue>, status: Option<StatusCode>, error: Option<&'static str>) {
    if let Some(status) = status {
        labels.push(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    }
    if let Some(error) = error {
        labels.push(KeyValue::new("error.type", error));
    }
}
