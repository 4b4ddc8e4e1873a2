//! Puts telemetry together at the start, and takes it down in bounded time at the end.

use std::time::Duration;

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{BatchConfigBuilder, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{Instrument, PeriodicReader, SdkMeterProvider, Stream};
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::Encoder as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use super::exporter::{BATCH, BoundedQueue, Count, Counted, Drops};
use super::metrics::{self, Metrics};
use super::sampler::RegistrationsAlways;
use super::settings::TelemetrySettings;
use super::{logging, names, trace};

/// How long one export may take.
const EXPORT_DEADLINE: Duration = Duration::from_secs(5);
/// How often metrics are sent.
const METRICS_INTERVAL: Duration = Duration::from_secs(30);
/// How long the end may take in all.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);
/// Sets of attributes that a metric of few has.
const FEW: usize = 64;

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Why telemetry could not be set up. Never because the collector is down.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` cannot be read.
    #[error("telemetry.log.level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// There is no thread to be had.
    #[error("telemetry: {0}")]
    Thread(#[from] std::io::Error),
    /// `otlp` is no usable address.
    #[error("telemetry.otlp: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The Prometheus registry.
    #[error("metrics: {0}")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
    /// This process has a subscriber already.
    #[error("telemetry was set up already in this process")]
    Twice,
}

/// What has to be taken down at the end.
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    logs: Option<SdkLoggerProvider>,
    meters: SdkMeterProvider,
    exposition: Exposition,
    /// Ends last.
    _sending: Option<Sending>,
}

/// What is sent to the collector is written by a thread of its own: a batch takes milliseconds, for which no request is to wait.
struct Sending(Option<tokio::runtime::Runtime>);

impl Sending {
    fn begin() -> std::io::Result<Self> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(1).thread_name("telemetry").enable_all().build().map(|runtime| Self(Some(runtime)))
    }

    fn enter(&self) -> Option<tokio::runtime::EnterGuard<'_>> {
        self.0.as_ref().map(tokio::runtime::Runtime::enter)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Not at its own drop, which would wait for its tasks, and must not within another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The metrics as Prometheus reads them. The default has none, and after [`Telemetry::shutdown`] there are none any more.
#[derive(Debug, Clone, Default)]
pub struct Exposition(prometheus::Registry);

impl Exposition {
    /// `Content-Type` of [`Exposition::text`].
    pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

    /// All metrics as they are now, in Prometheus' text format.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        prometheus::TextEncoder::new().encode(&self.0.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Sets up logging, spans and metrics for this process. Must be called within a Tokio runtime; connects to nothing yet.
///
/// # Errors
/// A setting that cannot be used, or this process has it already. A collector that is away is no error.
pub fn init(settings: &TelemetrySettings) -> Result<Telemetry, TelemetryError> {
    let resource = resource(settings);
    let drops = Drops::default();
    let mut layers: Vec<BoxedLayer> = vec![logging::lines(&settings.log, logging::levels(&settings.log)?)];

    let registry = prometheus::Registry::new();
    let pull = opentelemetry_prometheus::exporter().with_registry(registry.clone());
    // There is one scope and one service: Prometheus knows both already.
    let pull = pull.without_target_info().scope_info_enabled(false);
    let meters = SdkMeterProvider::builder().with_resource(resource.clone()).with_view(room);
    let mut meters = meters.with_reader(pull.build()?);
    let mut traces = None;
    let mut logs = None;
    let sending = settings.otlp.is_some().then(Sending::begin).transpose()?;
    if let Some(otlp) = &settings.otlp {
        // The connections to the collector are its tasks.
        let _entered = sending.as_ref().and_then(Sending::enter);
        let exporter =
            MetricExporter::builder().with_tonic().with_endpoint(otlp).with_timeout(EXPORT_DEADLINE).build()?;
        let exporter = Counted::new(exporter, "metrics", Count::default());
        meters = meters.with_reader(PeriodicReader::builder(exporter).with_interval(METRICS_INTERVAL).build());

        let exporter =
            SpanExporter::builder().with_tonic().with_endpoint(otlp).with_timeout(EXPORT_DEADLINE).build()?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_sampler(RegistrationsAlways::new(settings.sample_forwarded))
            .with_span_processor(BoundedQueue::new(exporter, drops.spans.clone()))
            .build();
        traces = Some(provider);

        let exporter = LogExporter::builder().with_tonic().with_endpoint(otlp).with_timeout(EXPORT_DEADLINE).build()?;
        let exporter = Counted::new(exporter, "logs", drops.logs.clone());
        let batches = BatchConfigBuilder::default().with_max_export_batch_size(BATCH).build();
        let provider = SdkLoggerProvider::builder()
            .with_resource(resource)
            .with_log_processor(BatchLogProcessor::builder(exporter).with_batch_config(batches).build())
            .build();
        let levels = logging::exported_levels(&settings.log)?;
        layers.push(Box::new(OpenTelemetryTracingBridge::new(&provider).with_filter(levels)));
        logs = Some(provider);
    }
    let meters = meters.build();
    let instruments = Metrics::new(meters.meter("dcr-gateway"));
    instruments.observe_drops(&drops);
    instruments.begin_at_zero();
    // `try_init` also takes in what libraries log through `log`, as Pingora does.
    tracing_subscriber::registry().with(layers).try_init().map_err(|_| TelemetryError::Twice)?;
    let is_first = traces.as_ref().is_none_or(|provider| trace::install(provider.tracer("dcr-gateway")));
    if !is_first || !metrics::install(instruments) {
        return Err(TelemetryError::Twice);
    }
    Ok(Telemetry { traces, logs, meters, exposition: Exposition(registry), _sending: sending })
}

/// The SDK takes a table for 2,000 sets of attributes for every metric and reader, from the start; most have a few.
fn room(instrument: &Instrument) -> Option<Stream> {
    let has_few = names::METRICS_OF_FEW.contains(&instrument.name());
    has_few.then(|| Stream::builder().with_cardinality_limit(FEW).build().ok()).flatten()
}

fn resource(settings: &TelemetrySettings) -> Resource {
    Resource::builder()
        .with_service_name(settings.service_name.clone())
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

impl Telemetry {
    /// The metrics as Prometheus reads them.
    pub fn exposition(&self) -> Exposition {
        self.exposition.clone()
    }

    /// Sends what is left, for five seconds at most, whatever the collector does. Ends the metrics: nobody may be asking for them any more.
    pub async fn shutdown(self) {
        let Self { traces, logs, meters, _sending, .. } = self;
        // A thread of its own, not of the runtime: a runtime would wait for it at its end.
        let (done, is_done) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = traces.map(|provider| provider.shutdown_with_timeout(SHUTDOWN_DEADLINE));
            let _ = logs.map(|provider| provider.shutdown_with_timeout(SHUTDOWN_DEADLINE));
            let _ = meters.shutdown_with_timeout(SHUTDOWN_DEADLINE);
            let _ = done.send(());
        });
        let _ = tokio::time::timeout(SHUTDOWN_DEADLINE, is_done).await;
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;

    use super::*;

    #[test]
    fn a_metric_of_few_has_room_for_few_and_one_that_counts_what_is_configured_for_more() {
        let registry = prometheus::Registry::new();
        let pull = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build().unwrap();
        let meters = SdkMeterProvider::builder().with_view(room).with_reader(pull).build();
        let overflows = |name: &'static str| {
            let counter = meters.meter("dcr-gateway").u64_counter(name).build();
            (0..=FEW).for_each(|number| counter.add(1, &[KeyValue::new("number", number.to_string())]));
            let text = Exposition(registry.clone()).text().unwrap();
            text.contains(&format!("{}_total{{otel_metric_overflow", name.replace('.', "_")))
        };
        for name in names::metrics() {
            assert_eq!(overflows(name), names::METRICS_OF_FEW.contains(&name), "{name}");
        }
    }
}
