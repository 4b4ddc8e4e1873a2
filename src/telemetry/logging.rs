//! Log lines on standard error, and which of the libraries' lines are worth one.

use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::Filter;
use tracing_subscriber::{Layer, Registry};

use super::settings::{LogFormat, LogSettings};

/// Libraries that log what any caller can cause, or what the gateway reports itself (`exporter.rs`), line by line.
/// An operator's own levels for these come later in the list and win.
const QUIET: &str = "pingora_proxy=off,pingora_core=error,pingora_pool=error,pingora_runtime=error,sqlx=warn,h2=error,\
                     hyper=warn,hyper_util=warn,tonic=warn,tower=warn,opentelemetry=off,opentelemetry_sdk=off,opentelemetry-otlp=off,\
                     opentelemetry_otlp=off,opentelemetry-prometheus=off,dcr_gateway::audit_record=off";

/// The levels of the settings over those of [`QUIET`]. The text was judged by [`super::settings::TelemetrySettings::problems`].
pub(super) fn levels(settings: &LogSettings) -> Result<Targets, tracing_subscriber::filter::ParseError> {
    format!("{QUIET},{}", settings.level).parse()
}

/// What goes to the collector as log records: the same levels, and never what sending itself logs.
pub(super) fn exported_levels(settings: &LogSettings) -> Result<Targets, tracing_subscriber::filter::ParseError> {
    let never = "dcr_gateway::telemetry=off,h2=off,hyper=off,hyper_util=off,tonic=off,tower=off";
    let event = "dcr_gateway::telemetry::event=info,dcr_gateway::telemetry::management=info,\
                 dcr_gateway::telemetry::finding=info,dcr_gateway::audit_record=info";
    format!("{QUIET},{},{never},{event}", settings.level).parse()
}

/// The lines on standard error. Spans are not for them: the event of a registration carries its names itself.
pub(super) fn lines(settings: &LogSettings, levels: Targets) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // Told beforehand, so that a library's lines below it are not even looked at: Pingora has several for a request.
    let most = Filter::<Registry>::max_level_hint(&levels).unwrap_or(LevelFilter::TRACE);
    let events = filter_fn(|metadata| metadata.is_event()).with_max_level_hint(most);
    match settings.format {
        LogFormat::Text => {
            // The library's own fields write each name in a style, also where there are none: half of what a line costs.
            let fields = debug_fn(|line, field, value| match field.name() {
                "message" => write!(line, "{value:?}"),
                name => write!(line, "{name}={value:?}"),
            });
            Box::new(lines.with_ansi(false).fmt_fields(fields.delimited(" ")).with_filter(levels.and(events)))
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            Box::new(lines.with_filter(levels.and(events)))
        }
    }
}
