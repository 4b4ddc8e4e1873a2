//! What a detector found, told once: a span of its own below the request that was the last straw, a metric, one log line.
//! An attribute of a span is what a store of traces finds it by; an event on another span would not be, everywhere.

use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::metrics::metrics;
use super::{names, span};

/// Names a span that may have ended: what is found later is shown below it.
#[derive(Debug, Clone, Default)]
pub struct Origin(Context);

impl Origin {
    /// The present span.
    pub fn here() -> Self {
        let span = Span::current();
        if span.is_disabled() {
            return Self::default();
        }
        let context = span.context().span().span_context().clone();
        Self(Context::new().with_remote_span_context(context))
    }
}

/// One finding.
#[derive(Debug, Clone)]
pub struct FindingEvent<'f> {
    /// The detector's name, from a closed list.
    pub detector: &'static str,
    /// About whom.
    pub subject: &'f str,
    /// Between 0 and 1.
    pub score: f64,
    /// What happened, for people.
    pub sentence: &'f str,
    /// The request that was the last straw.
    pub request_id: Option<&'f str>,
}

impl FindingEvent<'_> {
    /// Tells it.
    pub fn tell(&self, origin: &Origin) {
        metrics().found(self.detector, self.score);
        // Said at the beginning: the sampler takes it for what is always recorded, whatever became of the request.
        let span =
            tracing::info_span!(target: span::TARGET, parent: None, "dcr.finding", "dcr.findings" = self.detector);
        if !span.is_disabled() {
            // It does not fail while the layer is there: the span was not entered yet.
            let _ = span.set_parent(origin.0.clone());
            span.context().span().set_attributes(self.attributes());
        }
        let trace_id = super::propagation::trace_id(&span);
        let tell = || {
            tracing::warn!(
                detector = self.detector,
                subject = self.subject,
                score = self.score,
                request_id = self.request_id,
                trace_id,
                finding = self.sentence,
                "finding"
            );
        };
        span.in_scope(tell);
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new(names::ANOMALY_SCORE, self.score),
            KeyValue::new(names::FINDING_SUBJECT, span::shortened(self.subject)),
            KeyValue::new(names::FINDING_SENTENCE, span::shortened(self.sentence)),
        ];
        attributes.extend(self.request_id.map(|id| KeyValue::new(names::REQUEST_ID, id.to_owned())));
        attributes
    }
}
