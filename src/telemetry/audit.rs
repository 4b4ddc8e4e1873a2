//! Audit records for the collector, as log records of their own: never lines of the log on standard error.

/// The target of these records; [`super::logging`] lets it through to the collector alone.
pub(super) const TARGET: &str = "dcr_gateway::audit_record";

/// Sends a line of the audit log to the collector, where there is one.
pub fn audit_record(line: &str) {
    tracing::info!(target: TARGET, record = line, "audit");
}
