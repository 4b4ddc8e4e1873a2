//! Sending without waiting: a bounded queue before the collector, losses counted, its state logged once per change.
//! Never reports an error to the SDK, which would log every one of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};

/// Spans that wait for the collector at most: about 700 registrations, some 4 MiB. The SDK takes the room for all of them at the start.
const QUEUE: usize = 4_096;
/// Spans, or log records, in one export. To write one takes the processor for as long as it has spans, and on a busy machine requests wait for
/// that: a quarter of the SDK's 512.
pub(super) const BATCH: usize = 128;

/// A number that only grows.
#[derive(Debug, Clone, Default)]
pub(super) struct Count(Arc<AtomicU64>);

impl Count {
    fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// The number now.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What did not reach the collector.
#[derive(Debug, Clone, Default)]
pub(super) struct Drops {
    /// Spans.
    pub(super) spans: Count,
    /// Log records.
    pub(super) logs: Count,
}

/// Whether the collector answers, as far as one signal knows.
#[derive(Debug)]
struct Link {
    signal: &'static str,
    is_down: AtomicBool,
}

impl Link {
    fn new(signal: &'static str) -> Self {
        Self { signal, is_down: AtomicBool::new(false) }
    }

    /// Logs a change; swallows the error.
    fn note(&self, result: &OTelSdkResult) {
        let was_down = self.is_down.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Err(error) if !was_down => {
                tracing::warn!(signal = self.signal, %error, "the OTLP collector cannot be reached; dropping until it can");
            }
            Ok(()) if was_down => tracing::info!(signal = self.signal, "the OTLP collector can be reached again"),
            _ => {}
        }
    }
}

/// An exporter whose failures are counted.
pub(super) struct Counted<E> {
    inner: E,
    lost: Count,
    waiting: Arc<AtomicUsize>,
    link: Link,
}

impl<E> Counted<E> {
    /// For log records and metrics; `lost` counts what is dropped.
    pub(super) fn new(inner: E, signal: &'static str, lost: Count) -> Self {
        Self { inner, lost, waiting: Arc::default(), link: Link::new(signal) }
    }
}

impl<E> fmt::Debug for Counted<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("link", &self.link).finish_non_exhaustive()
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch).await;
        self.waiting.fetch_sub(spans, Ordering::AcqRel);
        if result.is_err() {
            self.lost.add(spans);
        }
        self.link.note(&result);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Counted<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let records = batch.iter().count();
        let result = self.inner.export(batch).await;
        if result.is_err() {
            self.lost.add(records);
        }
        self.link.note(&result);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Counted<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        // Nothing is lost: the next export carries the same totals.
        let result = self.inner.export(metrics).await;
        self.link.note(&result);
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}

/// The SDK's batch processor behind a bound of our own: the SDK counts what it drops, but tells nobody.
#[derive(Debug)]
pub(super) struct BoundedQueue {
    inner: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    lost: Count,
    capacity: usize,
}

impl BoundedQueue {
    /// A queue before `exporter`; spans for which there is no room are counted in `lost`.
    pub(super) fn new<E: SpanExporter + 'static>(exporter: E, lost: Count) -> Self {
        Self::with_capacity(exporter, lost, QUEUE)
    }

    fn with_capacity<E: SpanExporter + 'static>(exporter: E, lost: Count, capacity: usize) -> Self {
        let exporter = Counted::new(exporter, "spans", lost.clone());
        let waiting = exporter.waiting.clone();
        // The SDK's own queue is never the one that is full.
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(capacity + BATCH)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(Duration::from_secs(1))
            .build();
        let inner = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        Self { inner, waiting, lost, capacity }
    }
}

impl SpanProcessor for BoundedQueue {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.capacity {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            self.lost.add(1);
            return;
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
