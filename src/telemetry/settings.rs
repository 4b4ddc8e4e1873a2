//! Where telemetry goes, and how much of it.

use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::setting_problem::SettingProblem;

/// The `telemetry` section.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySettings {
    /// Where spans, metrics and logs are sent by OTLP over gRPC: `http://jaeger:4317`. Without it nothing is sent.
    /// Plain http: run the collector beside the gateway.
    pub otlp: Option<String>,
    /// `service.name` of everything that is sent. Default `dcr-gateway`.
    pub service_name: String,
    /// Which part of the forwarded requests becomes a trace when the caller did not decide it (no `traceparent`): 0 to 1, default 0.1.
    /// A caller's decision is followed. Registrations and management are always traced, whatever the caller's flag says.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample_forwarded: f64,
    /// The log on standard error.
    pub log: LogSettings,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self { otlp: None, service_name: "dcr-gateway".to_owned(), sample_forwarded: 0.1, log: LogSettings::default() }
    }
}

/// The log on standard error.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// How a line looks. Default `text`.
    pub format: LogFormat,
    /// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`, `off`), or levels by module
    /// (`info,dcr_gateway::proxy=debug`). Default `info`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl TelemetrySettings {
    /// Everything that is wrong with the settings.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut report = |place, reason, hint| problems.push(SettingProblem::new(place, reason, hint));
        if let Some(otlp) = self.otlp.as_ref().filter(|otlp| !is_collector_url(otlp)) {
            let hint = "write the address of a collector's gRPC port, like http://jaeger:4317";
            report("otlp", format!("{otlp:?} is not the http URL of a host and a port"), hint);
        }
        if self.service_name.is_empty() {
            report("service_name", "is empty".to_owned(), "leave it out for `dcr-gateway`");
        }
        if !(0.0..=1.0).contains(&self.sample_forwarded) {
            report(
                "sample_forwarded",
                format!("{} is not a ratio", self.sample_forwarded),
                "write a number from 0 to 1",
            );
        }
        if let Err(reason) = check_levels(&self.log.level) {
            let hint = "write a level (error, warn, info, debug, trace, off), or levels by module: info,dcr_gateway::proxy=debug";
            report("log.level", reason, hint);
        }
        problems
    }
}

/// A word that is no level would be taken for a module, and everything else be silent.
fn check_levels(text: &str) -> Result<(), String> {
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let is_of_a_module = |part: &str| part.contains('=') && !part.contains(char::is_whitespace);
    match text.split(',').find(|part| !is_level(part) && !is_of_a_module(part)) {
        Some(part) => Err(format!("{part:?} is neither a level nor a module's level")),
        None => text.parse::<Targets>().map(drop).map_err(|error| format!("{text:?} cannot be read: {error}")),
    }
}

fn is_collector_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        url.scheme() == "http"
            && url.has_host()
            && matches!(url.path(), "" | "/")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_no_problem() {
        assert_eq!(TelemetrySettings::default().problems(), []);
    }

    #[test]
    fn every_problem_is_reported() {
        let settings =
            "otlp: https://jaeger:4317\nservice_name: ''\nsample_forwarded: 1.5\nlog: { level: 'loud=very' }";
        let settings: TelemetrySettings = serde_yaml::from_str(settings).unwrap();
        let places: Vec<_> = settings.problems().into_iter().map(|problem| problem.place).collect();
        assert_eq!(places, ["otlp", "service_name", "sample_forwarded", "log.level"]);
    }

    #[test]
    fn a_level_that_would_silence_the_gateway_by_mistake_is_refused() {
        for text in ["warning", "verbose", "", "info,", "info, dcr_gateway::proxy=debug", "info,dcr_gateway", "x=debg"]
        {
            assert!(check_levels(text).is_err(), "{text:?}");
        }
        for text in ["INFO", "off", "info,dcr_gateway::proxy=debug", "dcr_gateway=trace"] {
            assert_eq!(check_levels(text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn refuses_unknown_keys() {
        assert!(serde_yaml::from_str::<TelemetrySettings>("jaeger: http://jaeger:4317").is_err());
        assert!(serde_yaml::from_str::<TelemetrySettings>("log: { colour: red }").is_err());
    }
}
