//! Time as an argument: what needs the time is given it, and only this module asks the system.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Interval, MissedTickBehavior};

/// A moment, in whole milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment that lies `millis` milliseconds after the epoch.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, as RFC 7591 writes `client_id_issued_at`.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment and `duration` more; stays at the last representable moment rather than wrapping.
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// This moment and `duration` less; stays at the first representable moment rather than wrapping.
    pub fn before(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// Whether a time of this length that began at this moment still lasts at `now`. A moment further ahead than requests overtake each other by was
    /// read from a clock that was set back since: its time must not last until then.
    pub fn lasts(self, length: Duration, now: Self) -> bool {
        const OVERTAKEN: Duration = Duration::from_secs(60);
        self <= now.after(OVERTAKEN) && now < self.after(length)
    }

    /// How long after `earlier` this moment is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::fmt::Display for Timestamp {
    /// RFC 3339 in UTC with whole seconds, as people read it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let format = time::format_description::well_known::Rfc3339;
        let moment = time::OffsetDateTime::from_unix_timestamp(self.unix_seconds()).ok();
        match moment.and_then(|moment| moment.format(&format).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the system for the time")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Ticks, the first one at once. Those that were missed are left out, and do not come all together.
pub fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The same ticks, the first one when the period is over.
pub fn after_every(period: Duration) -> Interval {
    let mut ticks = every(period);
    ticks.reset();
    ticks
}

/// Time as tests want it.
#[cfg(test)]
pub(crate) mod by_hand {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// A clock that stands until somebody sets it; at the epoch first.
    #[derive(Debug, Default)]
    pub(crate) struct SetClock(AtomicI64);

    impl SetClock {
        /// One that stands at this moment.
        pub(crate) const fn at(now: Timestamp) -> Self {
            Self(AtomicI64::new(now.0))
        }

        /// From now on it stands there.
        pub(crate) fn set(&self, now: Timestamp) {
            self.0.store(now.0, Ordering::Relaxed);
        }
    }

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::Relaxed))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_rfc_3339() {
        assert_eq!(Timestamp::from_unix_millis(1_700_000_000_999).to_string(), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn adding_never_wraps() {
        let last = Timestamp::from_unix_millis(i64::MAX);
        assert_eq!(last.after(Duration::from_secs(1)), last);
    }
}
