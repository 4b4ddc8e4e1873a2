//! What the metrics ask the parts for, as the metrics want it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::proxy::{ConnectionCounters, FileEnd, Proxy};
use crate::store::Failures;
use crate::telemetry::metrics::{ConnectionCounts, FileExpiry, StoreFailures, ThrottleCounts};
use crate::throttle::Standing;

/// The connections of all listeners together.
pub(super) fn connection_counts(proxy: Arc<Proxy>) -> impl Fn() -> ConnectionCounts {
    let listeners = proxy.counters();
    move || {
        let sum = |read: fn(&ConnectionCounters) -> &AtomicU64| {
            listeners.iter().map(|counters| read(counters).load(Ordering::Relaxed)).sum()
        };
        ConnectionCounts {
            accepted: sum(|counters| &counters.accepted),
            banned: sum(|counters| &counters.banned),
            open: sum(|counters| &counters.open),
            dropped: sum(|counters| &counters.dropped),
            forwarded: proxy.forwarded_in_flight() as u64,
            handshakes_timed_out: sum(|counters| &counters.handshakes_timed_out),
            handshakes_certificate_refused: sum(|counters| &counters.handshakes_certificate_refused),
            handshakes_failed: sum(|counters| &counters.handshakes_failed),
        }
    }
}

/// How long the files of the listeners' TLS are still good.
pub(super) fn file_expiry(proxy: Arc<Proxy>, clock: Arc<dyn Clock>) -> impl Fn() -> Vec<FileExpiry> {
    move || {
        let now = clock.now();
        let expiry = |end: FileEnd| FileExpiry {
            file: end.file.display().to_string(),
            kind: end.kind.as_str(),
            seconds_left: end.seconds_left(now),
        };
        proxy.file_ends().into_iter().map(expiry).collect()
    }
}

/// How the throttle stands.
pub(super) fn throttle_counts(standing: Standing) -> ThrottleCounts {
    let Standing { is_reachable, uncounted, forgotten } = standing;
    ThrottleCounts { reachable: u64::from(is_reachable), uncounted, forgotten }
}

/// How often the store failed.
pub(super) fn store_failures(failures: Failures) -> StoreFailures {
    let Failures { reads, writes } = failures;
    StoreFailures { reads, writes }
}
