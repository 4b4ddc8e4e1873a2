//! One request from its head to its answer: span and duration, ended in one place and also when the request is dropped.

use std::time::Instant;

use super::metrics::{ClientLabels, End, ServerLabels, metrics};
use super::span::{self, CallFacts, RequestFacts};
use super::trace::Span;
use http::StatusCode;

/// A request on its way. Dropped without [`ServerRequest::finish`] it is recorded as `client_gone`.
pub struct ServerRequest {
    span: Span,
    started: Instant,
    labels: ServerLabels,
    is_finished: bool,
}

impl ServerRequest {
    /// Begins the span and the measurement.
    pub fn begin(facts: &RequestFacts<'_>) -> Self {
        let labels = ServerLabels {
            end: End::default(),
            method: span::known_method(facts.method).label,
            scheme: facts.scheme.as_str(),
            version: span::version(facts.version),
            route: facts.route.map(str::to_owned),
        };
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
        self.labels.end = End { status, error };
        metrics().server_request(&self.labels, self.started.elapsed());
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
    labels: ClientLabels,
    is_finished: bool,
}

impl UpstreamCall {
    /// Begins the span, below the present one, and the measurement.
    pub fn begin(facts: &CallFacts<'_>) -> Self {
        Self::begin_below(&Span::current(), facts)
    }

    /// The same below `parent`.
    pub fn begin_below(parent: &Span, facts: &CallFacts<'_>) -> Self {
        let labels = ClientLabels {
            end: End::default(),
            purpose: facts.purpose,
            method: span::known_method(facts.method).label,
            port: facts.port,
            host: facts.host.to_owned(),
        };
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
        self.labels.end = End { status: outcome.ok(), error: outcome.err() };
        metrics().client_request(&self.labels, self.started.elapsed());
    }
}

impl Drop for UpstreamCall {
    fn drop(&mut self) {
        if !self.is_finished {
            self.record(Err("given_up"));
        }
    }
}
