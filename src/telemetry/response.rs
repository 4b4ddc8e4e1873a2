//! Responses, told: how many are in force, how many were imposed, a log line for each, and the name of the one that refused a request.

use opentelemetry::KeyValue;

use super::metrics::{Metrics, metrics};
use super::trace::Span;
use super::{names, span};

/// Who is counted as the author where an operator is.
const OPERATOR: &str = "operator";

/// How many responses of a kind are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseCount {
    /// What is done, out of a closed list.
    pub action: &'static str,
    /// Whether it is only told.
    pub dry_run: bool,
    /// How many.
    pub count: u64,
}

/// A response that began, or lasts longer.
#[derive(Debug, Clone)]
pub struct ResponseEvent<'r> {
    /// What became of it: `imposed` or `prolonged`.
    pub what: &'static str,
    /// Its name.
    pub id: &'r str,
    /// What is done, out of a closed list.
    pub action: &'static str,
    /// To whom.
    pub subject: &'r str,
    /// The detector, out of a closed list; none: an operator.
    pub detector: Option<&'r str>,
    /// The operator, or the detector.
    pub author: &'r str,
    /// Whether it is only told.
    pub dry_run: bool,
    /// Until when, for people.
    pub until: String,
}

impl ResponseEvent<'_> {
    /// Tells it.
    pub fn tell(&self) {
        metrics().imposed(self);
        tracing::warn!(
            what = self.what,
            response = self.id,
            action = self.action,
            subject = self.subject,
            author = self.author,
            dry_run = self.dry_run,
            until = self.until,
            "response"
        );
    }
}

/// As labels have it.
pub(super) fn word(is_so: bool) -> &'static str {
    if is_so { "true" } else { "false" }
}

/// Names, on the present span, the response that refuses the request.
pub fn refused_by(id: &str) {
    if let Some(recording) = Span::current().recording() {
        recording.set_attribute(KeyValue::new(names::RESPONSE_ID, span::shortened(id)));
    }
}

impl Metrics {
    /// A response was imposed; one that lasts longer is not counted again.
    pub fn imposed(&self, event: &ResponseEvent<'_>) {
        let author = KeyValue::new("author", event.detector.unwrap_or(OPERATOR).to_owned());
        let labels = [author, KeyValue::new("action", event.action), KeyValue::new("dry_run", word(event.dry_run))];
        if event.what == "imposed" {
            self.responses_imposed.add(1, &labels);
        }
    }
}
