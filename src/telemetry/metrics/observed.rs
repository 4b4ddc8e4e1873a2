//! Numbers that somebody else keeps, and that are asked for whenever metrics are collected.

use std::sync::Arc;

use opentelemetry::KeyValue;

use super::Metrics;
use crate::telemetry::exporter::Drops;
use crate::telemetry::response::{ResponseCount, word};

/// Connections of all listeners since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConnectionCounts {
    /// Accepted.
    pub accepted: u64,
    /// Dropped before anything was read, for a ban.
    pub banned: u64,
    /// Open now.
    pub open: u64,
    /// Closed at once, because their address had as many as it may have.
    pub dropped: u64,
    /// Forwarded requests that are on the way, or whose answers are in memory.
    pub forwarded: u64,
    /// Handshakes that took too long.
    pub handshakes_timed_out: u64,
    /// Handshakes in which the client's certificate was missing or refused.
    pub handshakes_certificate_refused: u64,
    /// Handshakes that failed otherwise.
    pub handshakes_failed: u64,
}

/// A file with certificates or revocation lists, and how long it is still good.
#[derive(Debug, Clone)]
pub struct FileExpiry {
    /// The file, as configured.
    pub file: String,
    /// What it holds, out of a closed list.
    pub kind: &'static str,
    /// Seconds until the first thing in it ends; below zero after that.
    pub seconds_left: i64,
}

/// How many clients of one profile are in one state of their life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCount {
    /// The profile.
    pub profile: String,
    /// The state, out of a closed list.
    pub lifecycle: &'static str,
    /// How many.
    pub count: u64,
}

/// How the throttle is doing.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThrottleCounts {
    /// 1 while attempts are counted where the configuration says, 0 while they cannot be.
    pub reachable: u64,
    /// Attempts that could not be counted there.
    pub uncounted: u64,
    /// Sources forgotten for want of room while they still owed time.
    pub forgotten: u64,
}

/// Calls of the store that failed since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreFailures {
    /// That only read.
    pub reads: u64,
    /// That were to write.
    pub writes: u64,
}

impl Metrics {
    /// From now on `read` is asked how many responses are in force. Call it once, after [`crate::telemetry::init`].
    pub fn observe_responses(&self, read: impl Fn() -> Vec<ResponseCount> + Send + Sync + 'static) {
        self.meter
            .u64_observable_gauge("dcr.responses")
            .with_unit("{response}")
            .with_description("Responses in force, by what is done and whether it is only told")
            .with_callback(move |observer| {
                for ResponseCount { action, dry_run, count } in read() {
                    observer
                        .observe(count, &[KeyValue::new("action", action), KeyValue::new("dry_run", word(dry_run))]);
                }
            })
            .build();
    }

    /// From now on `read` is asked how many messages wait, by receiver. Call it once, after [`crate::telemetry::init`].
    pub fn observe_alert_backlog(&self, read: impl Fn() -> Vec<(String, u64)> + Send + Sync + 'static) {
        self.meter
            .u64_observable_gauge("dcr.alert.backlog")
            .with_unit("{delivery}")
            .with_description("Messages that wait for a receiver of alerts")
            .with_callback(move |observer| {
                for (receiver, count) in read() {
                    observer.observe(count, &[KeyValue::new("receiver", receiver)]);
                }
            })
            .build();
    }

    /// From now on `read` is asked for the numbers of connections whenever metrics are collected. Call it once, after [`crate::telemetry::init`].
    pub fn observe_connections(&self, read: impl Fn() -> ConnectionCounts + Send + Sync + 'static) {
        let read = Arc::new(read);
        let counter = |name: &'static str, told: &'static str, count: fn(ConnectionCounts) -> u64| {
            let read = read.clone();
            let counter = self.meter.u64_observable_counter(name).with_unit("{connection}").with_description(told);
            counter.with_callback(move |observer| observer.observe(count(read()), &[])).build();
        };
        counter("dcr.connections.accepted", "Connections accepted", |counts| counts.accepted);
        let banned = "Connections dropped before the TLS handshake because their address is banned";
        counter("dcr.connections.banned", banned, |counts| counts.banned);
        let dropped = "Connections closed at once because their address had as many as it may have";
        counter("dcr.connections.dropped", dropped, |counts| counts.dropped);
        let open = read.clone();
        self.meter
            .i64_observable_up_down_counter("dcr.connections")
            .with_unit("{connection}")
            .with_description("Connections open now")
            .with_callback(move |observer| observer.observe(i64::try_from(open().open).unwrap_or(i64::MAX), &[]))
            .build();
        let forwarded = read.clone();
        self.meter
            .u64_observable_gauge("dcr.forwarded")
            .with_unit("{request}")
            .with_description("Forwarded requests on the way, or with an answer in memory that nobody read yet")
            .with_callback(move |observer| observer.observe(forwarded().forwarded, &[]))
            .build();
        self.meter
            .u64_observable_counter("dcr.tls.handshake_failures")
            .with_unit("{handshake}")
            .with_description("TLS handshakes that failed, by cause")
            .with_callback(move |observer| {
                let counts = read();
                observer.observe(counts.handshakes_timed_out, &[KeyValue::new("cause", "timeout")]);
                observer
                    .observe(counts.handshakes_certificate_refused, &[KeyValue::new("cause", "client_certificate")]);
                observer.observe(counts.handshakes_failed, &[KeyValue::new("cause", "protocol")]);
            })
            .build();
    }

    /// From now on `read` is asked how long the files of TLS are still good. Call it once, after [`crate::telemetry::init`].
    pub fn observe_expiry(&self, read: impl Fn() -> Vec<FileExpiry> + Send + Sync + 'static) {
        self.meter
            .i64_observable_gauge("dcr.certificate.expiry")
            .with_unit("s")
            .with_description("Time until the first certificate or revocation list in a file ends")
            .with_callback(move |observer| {
                for expiry in read() {
                    let labels = [KeyValue::new("file", expiry.file), KeyValue::new("kind", expiry.kind)];
                    observer.observe(expiry.seconds_left, &labels);
                }
            })
            .build();
    }

    /// From now on `read` is asked how many clients there are. Call it once, after [`crate::telemetry::init`].
    pub fn observe_clients(&self, read: impl Fn() -> Arc<Vec<ClientCount>> + Send + Sync + 'static) {
        self.meter
            .u64_observable_gauge("dcr.clients")
            .with_unit("{client}")
            .with_description("Clients in the record, by profile and state of their life")
            .with_callback(move |observer| {
                for clients in read().iter() {
                    let profile = KeyValue::new("profile", clients.profile.clone());
                    observer.observe(clients.count, &[profile, KeyValue::new("lifecycle", clients.lifecycle)]);
                }
            })
            .build();
    }

    /// From now on `read` is asked how often the store failed. Call it once, after [`crate::telemetry::init`].
    pub fn observe_store(&self, read: impl Fn() -> StoreFailures + Send + Sync + 'static) {
        self.meter
            .u64_observable_counter("dcr.store.errors")
            .with_unit("{error}")
            .with_description("Calls of the store that failed, by operation")
            .with_callback(move |observer| {
                let failures = read();
                observer.observe(failures.reads, &[KeyValue::new("operation", "read")]);
                observer.observe(failures.writes, &[KeyValue::new("operation", "write")]);
            })
            .build();
    }

    /// From now on `read` is asked how the throttle is doing whenever metrics are collected. Call it once, after [`crate::telemetry::init`].
    pub fn observe_throttle(&self, read: impl Fn() -> ThrottleCounts + Send + Sync + 'static) {
        let read = Arc::new(read);
        let reachable = read.clone();
        self.meter
            .u64_observable_gauge("dcr.throttle.reachable")
            .with_description("1 while attempts are counted where the configuration says, 0 while they cannot be")
            .with_callback(move |observer| observer.observe(reachable().reachable, &[]))
            .build();
        let uncounted = read.clone();
        self.meter
            .u64_observable_counter("dcr.throttle.uncounted")
            .with_unit("{attempt}")
            .with_description("Attempts that Redis could not count: throttle.when_unavailable said what became of them")
            .with_callback(move |observer| observer.observe(uncounted().uncounted, &[]))
            .build();
        self.meter
            .u64_observable_counter("dcr.throttle.forgotten")
            .with_unit("{source}")
            .with_description("Sources forgotten for want of room while they still owed time")
            .with_callback(move |observer| observer.observe(read().forgotten, &[]))
            .build();
    }

    /// The exporters' losses.
    pub(in crate::telemetry) fn observe_drops(&self, drops: &Drops) {
        let spans = drops.spans.clone();
        self.meter
            .u64_observable_counter("dcr.telemetry.dropped_spans")
            .with_unit("{span}")
            .with_description("Spans that did not reach the collector: the queue was full, or the export failed")
            .with_callback(move |observer| observer.observe(spans.get(), &[]))
            .build();
        let logs = drops.logs.clone();
        self.meter
            .u64_observable_counter("dcr.telemetry.dropped_logs")
            .with_unit("{record}")
            .with_description("Log records that did not reach the collector because the export failed")
            .with_callback(move |observer| observer.observe(logs.get(), &[]))
            .build();
    }
}
