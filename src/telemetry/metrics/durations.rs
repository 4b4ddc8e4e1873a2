//! How long requests take, by sets of labels. A set is bound to its histogram the first time it is seen: to hash and compare its texts costs
//! more than all else that is measured of a request (docs/performance.md).

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use http::StatusCode;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, Histogram};

/// So many sets are bound, and looked for one after the other; those that come later are looked up by the SDK each time. An installation
/// has a dozen.
const MOST_BOUND: usize = 64;

/// What a duration is counted by.
pub(in crate::telemetry) trait Labels: Clone + PartialEq {
    /// The same as attributes.
    fn attributes(&self) -> Vec<KeyValue>;
}

/// How a request or a call ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::telemetry) struct End {
    /// `http.response.status_code`.
    pub(in crate::telemetry) status: Option<StatusCode>,
    /// `error.type`, a stable name.
    pub(in crate::telemetry) error: Option<&'static str>,
}

impl End {
    fn attributes(self) -> impl Iterator<Item = KeyValue> {
        let status = self.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        status.into_iter().chain(self.error.map(|error| KeyValue::new("error.type", error)))
    }
}

/// Labels of `http.server.request.duration`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::telemetry) struct ServerLabels {
    pub(in crate::telemetry) end: End,
    pub(in crate::telemetry) method: &'static str,
    pub(in crate::telemetry) scheme: &'static str,
    pub(in crate::telemetry) version: &'static str,
    pub(in crate::telemetry) route: Option<String>,
}

impl Labels for ServerLabels {
    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new("http.request.method", self.method),
            KeyValue::new("url.scheme", self.scheme),
            KeyValue::new("network.protocol.version", self.version),
        ];
        attributes.extend(self.route.clone().map(|route| KeyValue::new("http.route", route)));
        attributes.extend(self.end.attributes());
        attributes
    }
}

/// Labels of `http.client.request.duration`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::telemetry) struct ClientLabels {
    pub(in crate::telemetry) end: End,
    pub(in crate::telemetry) purpose: &'static str,
    pub(in crate::telemetry) method: &'static str,
    pub(in crate::telemetry) port: u16,
    pub(in crate::telemetry) host: String,
}

impl Labels for ClientLabels {
    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new("http.request.method", self.method),
            KeyValue::new("server.address", self.host.clone()),
            KeyValue::new("server.port", i64::from(self.port)),
            KeyValue::new("url.template", self.purpose),
        ];
        attributes.extend(self.end.attributes());
        attributes
    }
}

/// A histogram of durations, in seconds.
pub(super) struct Durations<L> {
    histogram: Histogram<f64>,
    bound: RwLock<Vec<(L, BoundHistogram<f64>)>>,
}

impl<L: Labels> Durations<L> {
    pub(super) fn of(histogram: Histogram<f64>) -> Self {
        Self { histogram, bound: RwLock::default() }
    }

    pub(super) fn record(&self, labels: &L, took: Duration) {
        let seconds = took.as_secs_f64();
        let bound = self.bound.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, histogram)) = bound.iter().find(|(known, _)| known == labels) {
            return histogram.record(seconds);
        }
        drop(bound);
        let attributes = labels.attributes();
        let mut bound = self.bound.write().unwrap_or_else(PoisonError::into_inner);
        if bound.len() < MOST_BOUND {
            // Who came at the same time may have bound it, too: that is the same histogram.
            let histogram = self.histogram.bind(&attributes);
            histogram.record(seconds);
            bound.push((labels.clone(), histogram));
        } else {
            drop(bound);
            self.histogram.record(seconds, &attributes);
        }
    }
}
