//! One wide event per registration, filled as things are learned, told once: attributes of its span, metrics, one log line.
//! Holds no token, no secret and no body; what a registrant chose freely goes into span and log, never into a metric.

use std::net::IpAddr;
use std::time::Duration;

use opentelemetry::{KeyValue, Value};

use super::metrics::{RegistrationLabels, metrics};
use super::trace::Span;
use super::{names, propagation, span};

/// What was decided about a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may pass. Whether the server took it, and what failed, is told by reason and status.
    Admit,
    /// It may not.
    Refuse,
    /// It would not, and the rules that it violates only report.
    ReportOnly,
}

impl Decision {
    /// As it is written in `dcr.decision`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Refuse => "refuse",
            Self::ReportOnly => "report_only",
        }
    }
}

/// Everything that was learned of one registration.
#[derive(Debug, Clone)]
pub struct RegistrationEvent {
    /// What was decided. Refuse until it is admitted.
    pub decision: Decision,
    /// The stable name of the reason, from a closed list.
    pub reason: &'static str,
    /// The status of the answer.
    pub status: http::StatusCode,
    /// The request's name.
    pub request_id: String,
    /// The registration's name in the record.
    pub registration_id: Option<String>,
    /// The profile that applied.
    pub profile: Option<String>,
    /// Names the rules in force.
    pub policy_version: Option<String>,
    /// The `client_id` the server gave.
    pub client_id: Option<String>,
    /// `client_name`, for the log only.
    pub client_name: Option<String>,
    /// Hosts of the redirect URIs; the scheme for those without a host.
    pub redirect_uri_hosts: Vec<String>,
    /// `scope` as asked for.
    pub scope_requested: Option<String>,
    /// `scope` as sent to the server.
    pub scope_granted: Option<String>,
    /// What was withheld.
    pub scope_withheld: Option<String>,
    /// The names of the rules that were violated.
    pub violations: Vec<&'static str>,
    /// The rightmost hop that is not a trusted proxy.
    pub client_address: Option<IpAddr>,
    /// SHA-256 of the verified client certificate.
    pub certificate_thumbprint: Option<String>,
    /// Names the initial access token.
    pub token_id: Option<String>,
    /// `iss` of the verified software statement.
    pub statement_issuer: Option<String>,
    /// `software_id` of the verified software statement.
    pub software_id: Option<String>,
    /// The response that it was refused by, by its name.
    pub response: Option<String>,
    /// SHA-256 of the body as it was received, for the audit log only.
    pub request_digest: Option<String>,
    /// Why it failed, for the log only: never shown to a client.
    pub cause: Option<String>,
}

impl RegistrationEvent {
    /// Nothing is known but the request's name.
    pub fn new(request_id: impl Into<String>) -> Self {
        Self {
            decision: Decision::Refuse,
            reason: "unknown",
            status: http::StatusCode::INTERNAL_SERVER_ERROR,
            request_id: request_id.into(),
            registration_id: None,
            profile: None,
            policy_version: None,
            client_id: None,
            client_name: None,
            redirect_uri_hosts: Vec::new(),
            scope_requested: None,
            scope_granted: None,
            scope_withheld: None,
            violations: Vec::new(),
            client_address: None,
            certificate_thumbprint: None,
            token_id: None,
            statement_issuer: None,
            software_id: None,
            response: None,
            request_digest: None,
            cause: None,
        }
    }

    /// Tells it: attributes of `server_span` (the request's HTTP server span), metrics, one log line.
    pub fn finish(self, server_span: &Span, took: Duration) {
        let labels = RegistrationLabels {
            profile: self.profile.as_deref(),
            decision: self.decision.as_str(),
            reason: self.reason,
        };
        metrics().registration(labels, took);
        if let Some(recording) = server_span.recording() {
            recording.set_attributes(self.attributes());
        }
        self.log(server_span, took);
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let texts = [
            (names::REGISTRATION_ID, &self.registration_id),
            (names::PROFILE, &self.profile),
            (names::POLICY_VERSION, &self.policy_version),
            (names::CLIENT_ID, &self.client_id),
            (names::SCOPE_REQUESTED, &self.scope_requested),
            (names::SCOPE_GRANTED, &self.scope_granted),
            (names::SCOPE_WITHHELD, &self.scope_withheld),
            (names::TOKEN_ID, &self.token_id),
            (names::STATEMENT_ISSUER, &self.statement_issuer),
            (names::SOFTWARE_ID, &self.software_id),
            (names::RESPONSE_ID, &self.response),
        ];
        let mut attributes =
            vec![KeyValue::new(names::DECISION, self.decision.as_str()), KeyValue::new(names::REASON, self.reason)];
        let mut put = |key: &'static str, value: Value| attributes.push(KeyValue::new(key, value));
        for (key, text) in texts {
            if let Some(text) = text {
                put(key, span::shortened(text));
            }
        }
        if !self.redirect_uri_hosts.is_empty() {
            put(names::REDIRECT_URI_HOSTS, span::list(&self.redirect_uri_hosts));
        }
        if !self.violations.is_empty() {
            put(names::VIOLATIONS, span::list(&self.violations));
        }
        attributes
    }

    /// A failure of ours or of the server is a warning; everything else, refusals too, is what the gateway is for. What an operator closed did not
    /// fail.
    fn log(&self, server_span: &Span, took: Duration) {
        if self.status.is_server_error() && self.response.is_none() {
            let cause = self.cause.as_deref().unwrap_or("unknown");
            tracing::warn!(request_id = self.request_id, reason = self.reason, cause, "registration failed");
        }
        tracing::info!(
            request_id = self.request_id,
            trace_id = propagation::trace_id(server_span),
            registration_id = self.registration_id,
            decision = self.decision.as_str(),
            reason = self.reason,
            status = self.status.as_u16(),
            profile = self.profile,
            policy_version = self.policy_version,
            client_id = self.client_id,
            client_name = self.client_name,
            redirect_uri_hosts = (!self.redirect_uri_hosts.is_empty()).then(|| self.redirect_uri_hosts.join(" ")),
            scope_requested = self.scope_requested,
            scope_granted = self.scope_granted,
            scope_withheld = self.scope_withheld,
            violations = (!self.violations.is_empty()).then(|| self.violations.join(" ")),
            client_address = self.client_address.map(tracing::field::display),
            certificate = self.certificate_thumbprint,
            token_id = self.token_id,
            statement_issuer = self.statement_issuer,
            software_id = self.software_id,
            response = self.response,
            cause = self.cause,
            duration_ms = took.as_secs_f64() * 1000.0,
            "registration"
        );
    }
}
