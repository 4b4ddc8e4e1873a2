//! The gateway's numbers. Labels come from closed lists only (profiles, reasons, routes, statuses, configured files), never from a request's text.

mod durations;
mod observed;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _};

use self::durations::Durations;
pub(super) use self::durations::{ClientLabels, End, ServerLabels};
pub use self::observed::{ClientCount, ConnectionCounts, FileExpiry, StoreFailures, ThrottleCounts};

/// Bounds of the duration histograms, in seconds (semantic conventions: `http.server.request.duration`).
const DURATION_BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What stands for a profile where none was chosen.
const NO_PROFILE: &str = "-";

static INSTALLED: OnceLock<Metrics> = OnceLock::new();
static SILENT: OnceLock<Metrics> = OnceLock::new();

/// The instruments. Before [`super::init`] they count nothing.
pub fn metrics() -> &'static Metrics {
    INSTALLED.get().unwrap_or_else(|| {
        SILENT.get_or_init(|| Metrics::new(opentelemetry::metrics::noop::NoopMeterProvider::new().meter("dcr-gateway")))
    })
}

/// Makes `metrics` the ones of this process; false when there are some already.
pub(super) fn install(metrics: Metrics) -> bool {
    INSTALLED.set(metrics).is_ok()
}

/// All instruments.
pub struct Metrics {
    pub(super) meter: Meter,
    registrations: Counter<u64>,
    registration_duration: Histogram<f64>,
    management: Counter<u64>,
    server_duration: Durations<ServerLabels>,
    client_duration: Durations<ClientLabels>,
    throttled: Counter<u64>,
    reloads: Counter<u64>,
    discovery_mismatch: Counter<u64>,
    findings: Counter<u64>,
    findings_suppressed: Counter<u64>,
    observations_dropped: Counter<u64>,
    pub(super) responses_imposed: Counter<u64>,
    clients_refused: Counter<u64>,
    alert_deliveries: Counter<u64>,
    alerts_silenced: Counter<u64>,
    audit_export_lost: Counter<u64>,
}

/// What a registration is counted by. All three come from closed lists.
#[derive(Debug, Clone, Copy)]
pub struct RegistrationLabels<'a> {
    /// The name of the profile that applied.
    pub profile: Option<&'a str>,
    /// `admit`, `refuse` or `report_only`.
    pub decision: &'static str,
    /// The stable name of the reason.
    pub reason: &'static str,
}

/// What a request to a client's management endpoint is counted by. All three come from closed lists.
#[derive(Debug, Clone, Copy)]
pub struct ManagementLabels<'a> {
    /// The name of the client's profile, once its token was found to be good.
    pub profile: Option<&'a str>,
    /// `read`, `update`, `delete` or `other`.
    pub operation: &'static str,
    /// The stable name of the reason; `done` where it was done.
    pub reason: &'static str,
}

impl Metrics {
    pub(super) fn new(meter: Meter) -> Self {
        let duration = |name: &'static str, what: &'static str| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(what);
            histogram.with_boundaries(DURATION_BOUNDS.to_vec()).build()
        };
        let counter = |name: &'static str, unit: &'static str, what: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(what).build()
        };
        Self {
            registrations: counter(
                "dcr.registrations",
                "{registration}",
                "Requests to register, by what became of them",
            ),
            registration_duration: duration(
                "dcr.registration.duration",
                "From the head of a registration to its answer",
            ),
            management: counter(
                "dcr.management",
                "{request}",
                "Requests to read, change or delete a registered client, by what became of them",
            ),
            server_duration: Durations::of(duration(
                "http.server.request.duration",
                "Duration of HTTP server requests",
            )),
            client_duration: Durations::of(duration(
                "http.client.request.duration",
                "Duration of HTTP client requests",
            )),
            throttled: counter("dcr.throttled", "{request}", "Requests that came too often, by the limit that was hit"),
            reloads: counter("dcr.config.reloads", "{reload}", "Reloads of the configuration, by result"),
            discovery_mismatch: counter(
                "dcr.discovery.mismatch",
                "{document}",
                "Discovery documents that name another registration endpoint than the configured one",
            ),
            findings: counter("dcr.findings", "{finding}", "What detectors of anomalies found"),
            findings_suppressed: counter(
                "dcr.findings.suppressed",
                "{finding}",
                "Findings that were left out because their detector had found too many in the hour",
            ),
            observations_dropped: counter(
                "dcr.observations.dropped",
                "{observation}",
                "What detectors were not told because they were behind",
            ),
            responses_imposed: counter(
                "dcr.responses.imposed",
                "{response}",
                "What was done about findings, or by order of an operator",
            ),
            clients_refused: counter(
                "dcr.clients.refused",
                "{request}",
                "Requests of clients that are out of use, refused at a forwarded endpoint",
            ),
            alert_deliveries: counter(
                "dcr.alert.deliveries",
                "{delivery}",
                "Messages to receivers of alerts, by what became of the attempt",
            ),
            alerts_silenced: counter("dcr.alert.silenced", "{notice}", "What nobody was told because it is silenced"),
            audit_export_lost: counter(
                "dcr.audit.export.lost",
                "{record}",
                "Audit records and heads that did not get to a place of audit.export",
            ),
            meter,
        }
    }

    /// One registration was answered.
    pub fn registration(&self, labels: RegistrationLabels<'_>, took: Duration) {
        let profile = KeyValue::new("profile", labels.profile.unwrap_or(NO_PROFILE).to_owned());
        let decision = KeyValue::new("decision", labels.decision);
        self.registration_duration.record(took.as_secs_f64(), &[profile.clone(), decision.clone()]);
        self.registrations.add(1, &[profile, decision, KeyValue::new("reason", labels.reason)]);
    }

    /// A client was read, changed or deleted, or was not.
    pub fn managed(&self, labels: ManagementLabels<'_>) {
        let profile = KeyValue::new("profile", labels.profile.unwrap_or(NO_PROFILE).to_owned());
        let operation = KeyValue::new("operation", labels.operation);
        self.management.add(1, &[profile, operation, KeyValue::new("reason", labels.reason)]);
    }

    /// A limit was hit; `policy` is its name in `RateLimit-Policy`.
    pub fn throttled(&self, policy: &str) {
        self.throttled.add(1, &[KeyValue::new("policy", policy.to_owned())]);
    }

    /// The configuration was read again.
    pub fn reloaded(&self, result: ReloadResult) {
        self.reloads.add(1, &[KeyValue::new("result", result.as_str())]);
    }

    /// A discovery document names another registration endpoint than the configured one.
    pub fn discovery_mismatch(&self) {
        self.discovery_mismatch.add(1, &[]);
    }

    /// What may happen and has not is 0: Prometheus takes a number that appears for one that has not grown, and no alert would be raised.
    pub(super) fn begin_at_zero(&self) {
        self.discovery_mismatch.add(0, &[]);
        self.observations_dropped.add(0, &[]);
        self.findings_suppressed.add(0, &[]);
        self.alerts_silenced.add(0, &[]);
        for result in [ReloadResult::Applied, ReloadResult::Refused] {
            self.reloads.add(0, &[KeyValue::new("result", result.as_str())]);
        }
    }

    /// A detector looks, and has found nothing yet.
    pub fn looks(&self, detector: &'static str) {
        for score in ["high", "low"] {
            self.findings.add(0, &[KeyValue::new("detector", detector), KeyValue::new("score", score)]);
        }
    }

    /// A detector has found something, whose score is high or not.
    pub fn found(&self, detector: &'static str, is_high: bool) {
        let score = if is_high { "high" } else { "low" };
        self.findings.add(1, &[KeyValue::new("detector", detector), KeyValue::new("score", score)]);
    }

    /// Clients in this state are refused there, and none was yet.
    pub fn refuses_clients(&self, endpoint: &'static str, lifecycle: &'static str) {
        self.clients_refused.add(0, &[KeyValue::new("endpoint", endpoint), KeyValue::new("lifecycle", lifecycle)]);
    }

    /// A client that is out of use was refused where it would have used the server. Both come from closed lists.
    pub fn client_refused(&self, endpoint: &'static str, lifecycle: &'static str) {
        self.clients_refused.add(1, &[KeyValue::new("endpoint", endpoint), KeyValue::new("lifecycle", lifecycle)]);
    }

    /// Detectors had found so much more than they tell of in an hour.
    pub fn findings_suppressed(&self, count: u64) {
        self.findings_suppressed.add(count, &[]);
    }

    /// The detectors were not told of something: they were behind.
    pub fn observation_dropped(&self) {
        self.observations_dropped.add(1, &[]);
    }

    /// So many messages for a receiver of alerts came to this.
    pub fn alert_deliveries(&self, receiver: &str, outcome: AlertOutcome, count: u64) {
        let receiver = KeyValue::new("receiver", receiver.to_owned());
        self.alert_deliveries.add(count, &[receiver, KeyValue::new("outcome", outcome.as_str())]);
    }

    /// So many lines of the audit log did not get to this place of the configuration.
    pub fn audit_export_lost(&self, place: &str, count: u64) {
        self.audit_export_lost.add(count, &[KeyValue::new("place", place.to_owned())]);
    }

    /// Nobody was told of something: it is silenced.
    pub fn alert_silenced(&self) {
        self.alerts_silenced.add(1, &[]);
    }

    /// An HTTP request was answered, or given up.
    pub(super) fn server_request(&self, labels: &ServerLabels, took: Duration) {
        self.server_duration.record(labels, took);
    }

    /// A call to the authorization server ended.
    pub(super) fn client_request(&self, labels: &ClientLabels, took: Duration) {
        self.client_duration.record(labels, took);
    }
}

/// What a reload came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadResult {
    /// The new configuration is in force.
    Applied,
    /// It had problems, the old one stays.
    Refused,
}

impl ReloadResult {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }
}

/// What an attempt to tell a receiver of alerts came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertOutcome {
    /// It has the message.
    Delivered,
    /// It does not have it yet.
    Failed,
    /// It will not have it.
    GivenUp,
}

impl AlertOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}
