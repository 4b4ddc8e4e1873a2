//! Which requests become a trace: every registration, whatever the caller's flag says; of the forwarded ones those the
//! caller traces, and a part of those about which nobody decided. What a detector found is recorded even where its request is not.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

use super::names;
use super::span::Operation;

/// The gateway's sampler.
#[derive(Debug, Clone)]
pub(super) struct RegistrationsAlways {
    forwarded: Sampler,
}

impl RegistrationsAlways {
    /// `ratio` is for requests that are none of ours and about which no caller decided.
    pub(super) fn new(ratio: f64) -> Self {
        Self { forwarded: Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))) }
    }
}

impl ShouldSample for RegistrationsAlways {
    #[allow(clippy::too_many_arguments, reason = "the SDK's trait")]
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        if !is_always_recorded(attributes) {
            return self.forwarded.should_sample(parent, trace_id, name, kind, attributes, links);
        }
        SamplingResult {
            decision: SamplingDecision::RecordAndSample,
            attributes: Vec::new(),
            trace_state: parent.map(|cx| cx.span().span_context().trace_state().clone()).unwrap_or_default(),
        }
    }
}

fn is_always_recorded(attributes: &[KeyValue]) -> bool {
    if attributes.iter().any(|attribute| attribute.key.as_str() == names::FINDINGS) {
        return true;
    }
    let operation = attributes.iter().find(|attribute| attribute.key.as_str() == names::OPERATION);
    operation.is_some_and(|operation| match &operation.value {
        Value::String(name) => Operation::ALWAYS_RECORDED.iter().any(|always| always.as_str() == name.as_str()),
        _ => false,
    })
}
