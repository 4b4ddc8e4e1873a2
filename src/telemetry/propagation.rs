//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>): read from a request, written to the next one.
//! `baggage` is neither read nor passed on: it is the caller's, and could carry anything to the authorization server.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::trace::Span;

/// Names a span and its trace.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What the systems on the way keep with a trace.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// What every receiver has to accept (Trace Context §3.3.1.5), in bytes; a longer list is the caller's mistake, and dropped.
const LONGEST_TRACESTATE: usize = 512;

/// The four fields of version 00 (Trace Context §3.2.2), in bytes.
const SHORTEST_TRACEPARENT: usize = 55;

/// The caller's span, as a parent for ours; an empty context when there is none, or none that is well-formed.
pub fn extract(headers: &HeaderMap) -> Context {
    // §3.2.1: more than one traceparent is none, and so is one with a field cut short.
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else { return Context::new() };
    if parent.len() < SHORTEST_TRACEPARENT {
        return Context::new();
    }
    let tracestate = joined_tracestate(headers);
    let carrier = Caller { headers, tracestate };
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

/// Writes the trace context of `span` into the headers of an outgoing request, in the place of what the caller sent.
/// When nothing is traced, the caller's own context stays, as if we were not there. `baggage` is removed.
pub fn inject(span: &Span, headers: &mut HeaderMap) {
    headers.remove(BAGGAGE);
    let Some(outgoing) = Outgoing::of(span) else { return };
    headers.insert(TRACEPARENT, outgoing.parent);
    match outgoing.state {
        Some(state) => headers.insert(TRACESTATE, state),
        None => headers.remove(TRACESTATE),
    };
}

/// The trace context of a span, as the next one is told of it.
pub struct Outgoing {
    /// `traceparent`.
    pub parent: HeaderValue,
    /// `tracestate`, where there is one: some receivers refuse empty header values.
    pub state: Option<HeaderValue>,
}

impl Outgoing {
    /// None: nothing is traced.
    pub fn of(span: &Span) -> Option<Self> {
        let context = span.context();
        let span = context.span();
        let span = span.span_context();
        let parent = parent(span).filter(|_| span.is_valid())?;
        let state = HeaderValue::try_from(span.trace_state().header()).ok().filter(|state| !state.is_empty());
        Some(Self { parent, state })
    }
}

/// Version 00 of `traceparent` (Trace Context §3.2.2).
fn parent(span: &SpanContext) -> Option<HeaderValue> {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    hex::encode_to_slice(span.trace_id().to_bytes(), &mut text[3..35]).ok()?;
    hex::encode_to_slice(span.span_id().to_bytes(), &mut text[36..52]).ok()?;
    if span.is_sampled() {
        text[54] = b'1';
    }
    HeaderValue::from_bytes(&text).ok()
}

/// The trace's identifier in lower-case hexadecimal, when the span belongs to one: for log lines.
pub fn trace_id(span: &Span) -> Option<String> {
    let id = span.span_context()?.trace_id();
    (id != opentelemetry::TraceId::INVALID).then(|| id.to_string())
}

/// §3.3.1: several tracestate headers are one list.
fn joined_tracestate(headers: &HeaderMap) -> Option<String> {
    let mut joined = String::new();
    for value in headers.get_all(TRACESTATE) {
        let value = value.to_str().ok()?;
        if joined.len() + value.len() >= LONGEST_TRACESTATE {
            return None;
        }
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(value);
    }
    (!joined.is_empty()).then_some(joined)
}

struct Caller<'a> {
    headers: &'a HeaderMap,
    tracestate: Option<String>,
}

impl Extractor for Caller<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.headers.get(TRACEPARENT)?.to_str().ok(),
            "tracestate" => self.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn is_found(headers: &HeaderMap) -> bool {
        extract(headers).span().span_context().is_valid()
    }

    #[test]
    fn a_parent_is_read_with_its_state() {
        let mut headers = headers(&[("traceparent", PARENT), ("tracestate", "a=1")]);
        headers.append(TRACESTATE, HeaderValue::from_static("b=2"));
        let context = extract(&headers);
        let parent = context.span().span_context().clone();
        assert_eq!(parent.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(parent.is_remote() && parent.is_sampled());
        assert_eq!(parent.trace_state().header(), "a=1,b=2");
    }

    #[test]
    fn what_is_malformed_or_doubled_is_no_parent() {
        let zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        for value in ["", "00", "garbage", zero, &PARENT.to_uppercase().replace("00-", "ff-"), &PARENT[..54]] {
            assert!(!is_found(&headers(&[("traceparent", value)])), "{value}");
        }
        let mut doubled = headers(&[("traceparent", PARENT)]);
        doubled.append(TRACEPARENT, HeaderValue::from_static(PARENT));
        assert!(!is_found(&doubled));
        assert!(!is_found(&HeaderMap::new()));
    }

    #[test]
    fn a_parent_is_written_as_it_was_read() {
        for text in [PARENT, &PARENT.replace("-01", "-00")] {
            let context = extract(&headers(&[("traceparent", text)]));
            assert_eq!(parent(context.span().span_context()).unwrap(), text);
        }
        let of_the_future = extract(&headers(&[("traceparent", &PARENT.replace("-01", "-03"))]));
        assert_eq!(parent(of_the_future.span().span_context()).unwrap(), PARENT);
    }

    #[test]
    fn a_tracestate_that_is_too_long_is_dropped_and_the_parent_stays() {
        let long = format!("a={}", "x".repeat(600));
        let context = extract(&headers(&[("traceparent", PARENT), ("tracestate", &long)]));
        assert!(context.span().span_context().is_valid());
        assert_eq!(context.span().span_context().trace_state().header(), "");
    }

    #[test]
    fn baggage_is_removed_and_without_tracing_the_callers_context_stays() {
        let mut outgoing = headers(&[("traceparent", PARENT), ("tracestate", "a=1"), ("baggage", "secret=1")]);
        inject(&Span::none(), &mut outgoing);
        assert_eq!(outgoing, headers(&[("traceparent", PARENT), ("tracestate", "a=1")]));
    }
}
