//! What a detector found, told once: a span of its own below the request that was the last straw, a metric, one log line.
//! An attribute of a span is what a store of traces finds it by; an event on another span would not be, everywhere.

use opentelemetry::trace::{SpanBuilder, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};

use super::metrics::metrics;
use super::trace::Span;
use super::{names, span};

/// Names a span that may have ended: what is found later is shown below it.
#[derive(Debug, Clone, Default)]
pub struct SpanReference(Context);

impl SpanReference {
    /// The present span.
    pub fn here() -> Self {
        let named = Span::current().span_context();
        named.map_or_else(Self::default, |named| Self(Context::new().with_remote_span_context(named)))
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
    /// It is more than informational.
    pub is_high: bool,
    /// What happened, for people.
    pub sentence: &'f str,
    /// The request that was the last straw.
    pub request_id: Option<&'f str>,
}

impl FindingEvent<'_> {
    /// Tells it.
    pub fn tell(&self, origin: &SpanReference) {
        metrics().found(self.detector, self.is_high);
        // Said at the beginning: the sampler takes it for what is always recorded, whatever became of the request.
        let span = Span::begin(|| {
            let found = KeyValue::new(names::FINDINGS, self.detector);
            (origin.0.clone(), SpanBuilder::from_name(names::SPAN_FINDING).with_attributes([found]))
        });
        if let Some(recording) = span.recording() {
            recording.set_attributes(self.attributes());
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
