//! A span, and what is done within it. Without a collector there is none, and all of this costs next to nothing.
//! The SDK's own context carries it: `tracing`'s spans would be entered and left through every layer of the log.

use std::sync::OnceLock;

use opentelemetry::Context;
use opentelemetry::context::{FutureExt as _, WithContext};
use opentelemetry::trace::{SpanBuilder, SpanContext, SpanRef, TraceContextExt as _, Tracer as _};
use opentelemetry_sdk::trace::SdkTracer;

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Makes `tracer` the one of this process; false when there is one already.
pub(super) fn install(tracer: SdkTracer) -> bool {
    TRACER.set(tracer).is_ok()
}

/// A span that was begun, or none. It ends when the last of its clones is gone.
#[derive(Debug, Clone, Default)]
pub struct Span(Option<Context>);

impl Span {
    /// No span.
    pub const fn none() -> Self {
        Self(None)
    }

    /// The span that this is done in.
    pub fn current() -> Self {
        Self(Context::map_current(|context| context.has_active_span().then(|| context.clone())))
    }

    /// Begins one below a parent, where spans are collected.
    pub(super) fn begin(described: impl FnOnce() -> (Context, SpanBuilder)) -> Self {
        let Some(tracer) = TRACER.get() else { return Self::none() };
        let (parent, builder) = described();
        let span = tracer.build_with_context(builder, &parent);
        Self(Some(parent.with_span(span)))
    }

    /// Whether there is one.
    pub(super) const fn is_begun(&self) -> bool {
        self.0.is_some()
    }

    /// As a parent; the empty context where there is no span.
    pub(super) fn context(&self) -> Context {
        self.0.clone().unwrap_or_default()
    }

    /// What names it to others.
    pub(super) fn span_context(&self) -> Option<SpanContext> {
        self.0.as_ref().map(|context| context.span().span_context().clone())
    }

    /// The span, where it is one that goes to the collector.
    pub(super) fn recording(&self) -> Option<SpanRef<'_>> {
        self.0.as_ref().map(Context::span).filter(SpanRef::is_recording)
    }

    /// Does `work` in this span.
    pub fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        let _attached = self.0.clone().map(Context::attach);
        work()
    }
}

/// What runs in a span.
pub trait InSpan: Sized {
    /// Runs in this span; where there is none, in the present one.
    fn in_span(self, span: Span) -> WithContext<Self>;

    /// Runs in the present span also in a task of its own.
    fn in_current_span(self) -> WithContext<Self> {
        self.in_span(Span::none())
    }
}

impl<F: Future> InSpan for F {
    fn in_span(self, span: Span) -> WithContext<Self> {
        match span.0 {
            Some(context) => self.with_context(context),
            None => self.with_current_context(),
        }
    }
}
