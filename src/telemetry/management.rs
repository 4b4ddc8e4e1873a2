//! One event per request to a client's management endpoint (RFC 7592): attributes of its span, a metric, one log line.
//! Holds no token, no secret and no body.

use std::net::IpAddr;
use std::time::Duration;

use opentelemetry::KeyValue;

use super::event::Decision;
use super::metrics::{ManagementLabels, metrics};
use super::trace::Span;
use super::{names, propagation, span};

/// What a client may do with its registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagementOperation {
    /// GET.
    Read,
    /// PUT.
    Update,
    /// DELETE.
    Delete,
    /// Another method: refused.
    Other,
}

impl ManagementOperation {
    /// As it is written in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Other => "other",
        }
    }
}

impl From<&http::Method> for ManagementOperation {
    fn from(method: &http::Method) -> Self {
        match *method {
            http::Method::GET => Self::Read,
            http::Method::PUT => Self::Update,
            http::Method::DELETE => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// Everything that was learned of one request.
#[derive(Debug, Clone)]
pub struct ManagementEvent {
    /// What was asked.
    pub operation: ManagementOperation,
    /// The stable name of the reason, from a closed list; `done` where it was done.
    pub reason: &'static str,
    /// The status of the answer.
    pub status: http::StatusCode,
    /// The request's name.
    pub request_id: String,
    /// The rightmost hop that is not a trusted proxy.
    pub client_address: IpAddr,
    /// The profile by whose rules the client is judged.
    pub profile: Option<String>,
    /// Names those rules.
    pub policy_version: Option<String>,
    /// The client, once its token was found to be good.
    pub client_id: Option<String>,
    /// What the client asks for that it did not have.
    pub growth: Option<String>,
    /// The response that it was refused by, by its name.
    pub response: Option<String>,
    /// The names of the rules that a change violates and that only report.
    pub violations: Vec<&'static str>,
    /// Why it failed, for the log only.
    pub cause: Option<String>,
}

impl ManagementEvent {
    /// Nothing is known but the request.
    pub fn new(method: &http::Method, request_id: &str, client_address: IpAddr) -> Self {
        Self {
            operation: method.into(),
            reason: "done",
            status: http::StatusCode::OK,
            request_id: request_id.to_owned(),
            client_address,
            profile: None,
            policy_version: None,
            client_id: None,
            growth: None,
            response: None,
            violations: Vec::new(),
            cause: None,
        }
    }

    /// Tells it: attributes of `server_span`, a metric, one log line.
    pub fn finish(self, server_span: &Span, took: Duration) {
        let operation = self.operation.as_str();
        metrics().managed(ManagementLabels { profile: self.profile.as_deref(), operation, reason: self.reason });
        if let Some(recording) = server_span.recording() {
            let mut attributes = vec![KeyValue::new(names::REASON, self.reason)];
            let texts = [
                (names::PROFILE, &self.profile),
                (names::CLIENT_ID, &self.client_id),
                (names::RESPONSE_ID, &self.response),
            ];
            let known = texts.into_iter().filter_map(|(key, text)| Some((key, text.as_deref()?)));
            attributes.extend(known.map(|(key, text)| KeyValue::new(key, span::shortened(text))));
            if !self.violations.is_empty() {
                attributes.push(KeyValue::new(names::DECISION, Decision::ReportOnly.as_str()));
                attributes.push(KeyValue::new(names::VIOLATIONS, span::list(&self.violations)));
            }
            recording.set_attributes(attributes);
        }
        if self.status.is_server_error() && self.response.is_none() {
            let cause = self.cause.as_deref().unwrap_or("unknown");
            tracing::warn!(request_id = self.request_id, reason = self.reason, cause, "management failed");
        }
        tracing::info!(
            request_id = self.request_id,
            trace_id = propagation::trace_id(server_span),
            operation,
            reason = self.reason,
            status = self.status.as_u16(),
            profile = self.profile,
            client_id = self.client_id,
            growth = self.growth,
            violations = (!self.violations.is_empty()).then(|| self.violations.join(" ")),
            client_address = %self.client_address,
            response = self.response,
            cause = self.cause,
            duration_ms = took.as_secs_f64() * 1000.0,
            "management"
        );
    }
}
