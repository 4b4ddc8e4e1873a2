//! The names of attributes, spans and metrics: the closed list that `docs/telemetry.md` explains and a test compares.
//! `http.*`, `url.*`, `network.*`, `client.*`, `server.*`, `tls.*` are OpenTelemetry's semantic conventions; `dcr.*` is ours.

/// The span of who registers, before the body is read.
pub const SPAN_ADMIT: &str = "dcr.admit";
/// The span of the rules.
pub const SPAN_POLICY: &str = "dcr.policy";
/// The span of one call of the store.
pub const SPAN_STORE: &str = "dcr.store";
/// The span of what a detector found.
pub const SPAN_FINDING: &str = "dcr.finding";
/// All spans of our own. The HTTP server span is `{method} {route}`, the client span of a call `{method} {route}` too.
pub const SPANS: [&str; 4] = [SPAN_ADMIT, SPAN_POLICY, SPAN_STORE, SPAN_FINDING];

/// What kind of request it is: decides about sampling.
pub const OPERATION: &str = "dcr.operation";
/// The store operation.
pub const STORE_OPERATION: &str = "dcr.store.operation";
/// `admit`, `refuse` or `report_only`.
pub const DECISION: &str = "dcr.decision";
/// The stable name of the reason.
pub const REASON: &str = "dcr.reason";
/// The profile that applied.
pub const PROFILE: &str = "dcr.profile";
/// Names the rules in force.
pub const POLICY_VERSION: &str = "dcr.policy.version";
/// The `client_id` the server gave.
pub const CLIENT_ID: &str = "dcr.client.id";
/// Hosts of the redirect URIs.
pub const REDIRECT_URI_HOSTS: &str = "dcr.redirect_uri.hosts";
/// `scope` as asked for.
pub const SCOPE_REQUESTED: &str = "dcr.scope.requested";
/// `scope` as sent to the server.
pub const SCOPE_GRANTED: &str = "dcr.scope.granted";
/// Scopes that were withheld.
pub const SCOPE_WITHHELD: &str = "dcr.scope.withheld";
/// Rules that were violated.
pub const VIOLATIONS: &str = "dcr.violations";
/// Names the initial access token, or its holder and issuer; says nothing about its text.
pub const TOKEN_ID: &str = "dcr.initial_access_token.id";
/// Who vouches for the software: `iss` of the verified software statement.
pub const STATEMENT_ISSUER: &str = "dcr.software_statement.issuer";
/// `software_id` of the verified software statement.
pub const SOFTWARE_ID: &str = "dcr.software.id";
/// Names the registration in the record.
pub const REGISTRATION_ID: &str = "dcr.registration.id";
/// Names the request in logs and in `X-Request-Id`.
pub const REQUEST_ID: &str = "dcr.request.id";
/// The detector that found something: one, so that its name alone is the value that is looked for.
pub const FINDINGS: &str = "dcr.findings";
/// How far over its threshold it is, between 0 and 1.
pub const ANOMALY_SCORE: &str = "dcr.anomaly.score";
/// Whom the finding is about.
pub const FINDING_SUBJECT: &str = "dcr.finding.subject";
/// What happened.
pub const FINDING_SENTENCE: &str = "dcr.finding.sentence";
/// The response that the request was refused by.
pub const RESPONSE_ID: &str = "dcr.response.id";

/// All attributes of our own.
pub const ATTRIBUTES: [&str; 22] = [
    OPERATION,
    STORE_OPERATION,
    DECISION,
    REASON,
    PROFILE,
    POLICY_VERSION,
    CLIENT_ID,
    REDIRECT_URI_HOSTS,
    SCOPE_REQUESTED,
    SCOPE_GRANTED,
    SCOPE_WITHHELD,
    VIOLATIONS,
    TOKEN_ID,
    STATEMENT_ISSUER,
    SOFTWARE_ID,
    REGISTRATION_ID,
    REQUEST_ID,
    FINDINGS,
    ANOMALY_SCORE,
    FINDING_SUBJECT,
    FINDING_SENTENCE,
    RESPONSE_ID,
];

/// Metrics whose attributes say what the configuration names, or what is asked for.
const METRICS_OF_MANY: [&str; 12] = [
    "dcr.registrations",
    "dcr.registration.duration",
    "dcr.management",
    "dcr.clients",
    "http.server.request.duration",
    "http.client.request.duration",
    "dcr.certificate.expiry",
    "dcr.throttled",
    "dcr.responses.imposed",
    "dcr.alert.deliveries",
    "dcr.alert.backlog",
    "dcr.audit.export.lost",
];

/// Metrics whose attributes are few and out of closed lists, whatever the configuration names.
pub(super) const METRICS_OF_FEW: [&str; 20] = [
    "dcr.connections",
    "dcr.connections.accepted",
    "dcr.connections.banned",
    "dcr.connections.dropped",
    "dcr.forwarded",
    "dcr.tls.handshake_failures",
    "dcr.throttle.reachable",
    "dcr.throttle.uncounted",
    "dcr.throttle.forgotten",
    "dcr.config.reloads",
    "dcr.discovery.mismatch",
    "dcr.store.errors",
    "dcr.findings",
    "dcr.findings.suppressed",
    "dcr.clients.refused",
    "dcr.observations.dropped",
    "dcr.responses",
    "dcr.alert.silenced",
    "dcr.telemetry.dropped_spans",
    "dcr.telemetry.dropped_logs",
];

/// All metrics.
pub fn metrics() -> impl Iterator<Item = &'static str> {
    METRICS_OF_MANY.into_iter().chain(METRICS_OF_FEW)
}
