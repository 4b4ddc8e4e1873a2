//! A limit: how many attempts at once, and how fast they come back (the generic cell rate algorithm).

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use http::HeaderValue;

use crate::policy::settings::Rate;

/// A burst that takes longer than this to come back is no limit anybody can wait for, and keeps the arithmetic far from its ends.
const LONGEST_REFILL: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A limit, made once from its settings. Limits of different names never share their counts.
#[derive(Debug, Clone)]
pub struct Limit {
    name: String,
    quota: Quota,
    policy: HeaderValue,
}

/// Why a rate and a burst make no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoLimit {
    /// More attempts than there are nanoseconds.
    #[error("the rate {rate} is too fast to be counted: at most 1000000000/s")]
    TooFast {
        /// As written.
        rate: Rate,
    },
    /// So slow, or so large a burst, that it would never be whole again.
    #[error("a burst of {burst} at {rate} takes more than a year to come back: lower the burst or raise the rate")]
    TooSlow {
        /// As written.
        rate: Rate,
        /// As written.
        burst: NonZeroU32,
    },
}

impl Limit {
    /// A limit of `burst` attempts at once that come back at `rate`. The name is what the `RateLimit` fields tell a client.
    ///
    /// # Errors
    /// The rate cannot be counted: too fast for the clock, or never whole again.
    pub fn new(name: &str, rate: Rate, burst: NonZeroU32) -> Result<Self, NoLimit> {
        let quota = Quota::with_period(rate.per() / rate.count().get()).ok_or(NoLimit::TooFast { rate })?;
        let refill = quota.replenish_interval().checked_mul(burst.get());
        if refill.is_none_or(|refill| refill > LONGEST_REFILL) {
            return Err(NoLimit::TooSlow { rate, burst });
        }
        let quota = quota.allow_burst(burst);
        Ok(Self { name: name.to_owned(), quota, policy: super::headers::policy(name, quota) })
    }

    /// The same limit, so many times as strict: its rate and its burst are divided. It counts where this one counts.
    #[must_use]
    pub fn tightened(&self, factor: NonZeroU32) -> Self {
        let burst = NonZeroU32::new(self.burst().get() / factor).unwrap_or(NonZeroU32::MIN);
        let interval = self.interval().saturating_mul(factor.get()).min(LONGEST_REFILL / burst.get());
        let quota = Quota::with_period(interval).unwrap_or(self.quota).allow_burst(burst);
        Self { name: self.name.clone(), quota, policy: super::headers::policy(&self.name, quota) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many attempts may come at once.
    pub fn burst(&self) -> NonZeroU32 {
        self.quota.burst_size()
    }

    /// How long it takes until one more attempt can pass.
    pub fn interval(&self) -> Duration {
        self.quota.replenish_interval()
    }

    /// How far ahead of its time an attempt may come: the burst but one.
    pub(super) fn tolerance(&self) -> Duration {
        self.interval().saturating_mul(self.burst().get() - 1)
    }

    pub(super) fn quota(&self) -> Quota {
        self.quota
    }

    pub(super) fn policy(&self) -> &HeaderValue {
        &self.policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(rate: &str, burst: u32) -> Result<Limit, NoLimit> {
        Limit::new("test", rate.parse().unwrap(), NonZeroU32::new(burst).unwrap())
    }

    #[test]
    fn a_rate_is_an_interval() {
        for (rate, interval) in [
            ("10/s", Duration::from_millis(100)),
            ("600/m", Duration::from_millis(100)),
            ("1000/h", Duration::from_millis(3_600)),
            ("100/day", Duration::from_secs(864)),
        ] {
            assert_eq!(limit(rate, 5).unwrap().interval(), interval, "{rate}");
        }
    }

    #[test]
    fn a_limit_is_tightened_by_a_factor_and_stays_one_that_can_be_counted() {
        let factor = |number| NonZeroU32::new(number).unwrap();
        let tightened = limit("10/s", 8).unwrap().tightened(factor(4));
        assert_eq!((tightened.interval(), tightened.burst().get()), (Duration::from_millis(400), 2));
        assert_eq!(
            (tightened.name(), limit("10/s", 8).unwrap().tightened(factor(1)).interval()),
            ("test", Duration::from_millis(100))
        );
        let hardly_any = limit("1/day", 366).unwrap().tightened(factor(u32::MAX));
        assert_eq!((hardly_any.interval(), hardly_any.burst().get()), (LONGEST_REFILL, 1));
    }

    #[test]
    fn refuses_what_cannot_be_counted() {
        assert!(matches!(limit("4000000000/s", 1), Err(NoLimit::TooFast { .. })));
        assert!(matches!(limit("1/day", 367), Err(NoLimit::TooSlow { .. })));
        assert!(matches!(limit("1/day", u32::MAX), Err(NoLimit::TooSlow { .. })));
        assert!(limit("1000000000/s", u32::MAX).is_ok());
        assert!(limit("1/day", 366).is_ok());
    }
}
