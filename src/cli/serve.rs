//! `serve`: runs the gateway until it is told to stop.

use super::{Failure, Format};
use crate::config::Config;
use crate::telemetry::settings::LogFormat;

/// With `--json` the log is JSON, whatever `telemetry.log.format` says. Where it is, nothing else is written to standard error.
pub(super) fn run(config: Config, format: Format) -> Result<(), Failure> {
    let mut telemetry = config.settings.telemetry.clone();
    if format == Format::Json {
        telemetry.log.format = LogFormat::Json;
    }
    let logs_json = telemetry.log.format == LogFormat::Json;
    crate::server::serve(config, &telemetry).map_err(|error| {
        if !logs_json || !tracing::enabled!(tracing::Level::ERROR) {
            return Failure::of(error);
        }
        tracing::error!("the gateway does not start: {error}");
        Failure::Logged
    })
}
