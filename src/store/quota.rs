//! Quotas: how many registrations in a period, how many live clients, of one registrant and of a whole profile. Counted by the
//! store in the transaction that begins a registration, so they are exact whoever else is at work. Here is the arithmetic.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;

/// What a registration is counted against; absent: not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Of one registrant: registrations in a period.
    pub registrations: Option<PerPeriod>,
    /// Of one registrant: clients that exist at once.
    pub live_clients: Option<u64>,
    /// Of the whole profile: registrations in a period.
    pub total_registrations: Option<PerPeriod>,
    /// Of the whole profile: clients that exist at once.
    pub total_live_clients: Option<u64>,
    /// How much of the profile's totals only registrants with a live client may use, in percent.
    pub reserved_for_known: u8,
}

/// So many in a period. Periods begin at whole multiples of their length since 1970-01-01T00:00:00Z: a day at midnight UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerPeriod {
    /// How many.
    pub count: u64,
    /// How long a period is.
    pub period: Duration,
}

/// One period of one length: counts of different ones never meet. The live clients' "period" is all time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Window {
    /// Its length in milliseconds; 0: all time.
    pub(super) length: i64,
    /// Its beginning, in milliseconds since the epoch.
    pub(super) start: i64,
}

impl Window {
    pub(super) const ALL_TIME: Self = Self { length: 0, start: 0 };

    pub(super) fn of(period: Duration, at: Timestamp) -> Self {
        let length = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1);
        Self { length, start: at.unix_millis().div_euclid(length).saturating_mul(length) }
    }

    fn ends_in(self, at: Timestamp) -> Duration {
        Timestamp::from_unix_millis(self.start.saturating_add(self.length)).since(at)
    }
}

/// The quota that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaName {
    /// The registrant's registrations in a period.
    Registrations,
    /// The registrant's live clients.
    LiveClients,
    /// The profile's registrations in a period.
    TotalRegistrations,
    /// The profile's live clients.
    TotalLiveClients,
}

impl QuotaName {
    /// As clients and metrics are told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registrations => "registrations",
            Self::LiveClients => "live_clients",
            Self::TotalRegistrations => "total_registrations",
            Self::TotalLiveClients => "total_live_clients",
        }
    }
}

/// A registration would be one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaReached {
    /// Of what.
    pub quota: QuotaName,
    /// How many there may be (for the profile's totals: for a registrant like this one).
    pub count: u64,
    /// When the period ends; none for live clients, which only leave when one is removed.
    pub retry_after: Option<Duration>,
}

/// How much is used, as the store counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) registrations: u64,
    pub(super) live_clients: u64,
    pub(super) total_registrations: u64,
    pub(super) total_live_clients: u64,
}

impl Quotas {
    /// The windows in which registrations are counted at `at`: of the registrant, of the profile.
    pub(super) fn windows(&self, at: Timestamp) -> (Option<Window>, Option<Window>) {
        let window = |quota: Option<PerPeriod>| quota.map(|quota| Window::of(quota.period, at));
        (window(self.registrations), window(self.total_registrations))
    }

    /// Whether there is any.
    pub(super) const fn limit_something(&self) -> bool {
        self.registrations.is_some()
            || self.live_clients.is_some()
            || self.total_registrations.is_some()
            || self.total_live_clients.is_some()
    }

    /// Whether one more is allowed when so many are `used`.
    pub(super) fn check(&self, used: Used, at: Timestamp) -> Result<(), QuotaReached> {
        let is_known = used.live_clients > 0;
        let share = |count: u64| {
            if is_known { count } else { count - count * u64::from(self.reserved_for_known.min(100)) / 100 }
        };
        let in_period = |quota: Option<PerPeriod>| quota.map(|quota| (quota.count, Some(Window::of(quota.period, at))));
        let live = |count: Option<u64>| count.map(|count| (count, None));
        let ceilings = [
            (QuotaName::Registrations, in_period(self.registrations), used.registrations),
            (QuotaName::LiveClients, live(self.live_clients), used.live_clients),
            (QuotaName::TotalRegistrations, in_period(self.total_registrations), used.total_registrations),
            (QuotaName::TotalLiveClients, live(self.total_live_clients), used.total_live_clients),
        ];
        for (quota, ceiling, used) in ceilings {
            let Some((count, window)) = ceiling else { continue };
            let is_total = matches!(quota, QuotaName::TotalRegistrations | QuotaName::TotalLiveClients);
            let count = if is_total { share(count) } else { count };
            if used >= count {
                return Err(QuotaReached { quota, count, retry_after: window.map(|window| window.ends_in(at)) });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    /// Six o'clock in the evening.
    const EVENING: Timestamp = Timestamp::from_unix_millis(20_000 * 86_400_000 + 18 * 3_600_000);

    fn reached(quotas: Quotas, used: Used) -> Option<(QuotaName, u64, Option<u64>)> {
        let reached = quotas.check(used, EVENING).err()?;
        Some((reached.quota, reached.count, reached.retry_after.map(|wait| wait.as_secs())))
    }

    #[test]
    fn a_day_ends_at_midnight() {
        let quotas = Quotas { registrations: Some(PerPeriod { count: 3, period: DAY }), ..Quotas::default() };
        assert_eq!(reached(quotas, Used { registrations: 2, ..Used::default() }), None);
        let full = reached(quotas, Used { registrations: 3, ..Used::default() });
        assert_eq!(full, Some((QuotaName::Registrations, 3, Some(6 * 3_600))));
        assert_eq!(Window::of(DAY, EVENING).start, 20_000 * 86_400_000);
    }

    #[test]
    fn live_clients_have_no_time_at_which_to_come_back() {
        let quotas = Quotas { live_clients: Some(2), ..Quotas::default() };
        assert_eq!(reached(quotas, Used { live_clients: 1, ..Used::default() }), None);
        let full = reached(quotas, Used { live_clients: 2, ..Used::default() });
        assert_eq!(full, Some((QuotaName::LiveClients, 2, None)));
    }

    #[test]
    fn room_is_kept_for_registrants_already_known() {
        let total = Some(PerPeriod { count: 10, period: DAY });
        let quotas = Quotas {
            total_registrations: total,
            total_live_clients: Some(100),
            reserved_for_known: 20,
            ..Quotas::default()
        };
        let used = |known, today, live| Used {
            live_clients: known,
            total_registrations: today,
            total_live_clients: live,
            ..Used::default()
        };
        assert_eq!(reached(quotas, used(0, 7, 7)), None);
        assert_eq!(reached(quotas, used(0, 8, 8)), Some((QuotaName::TotalRegistrations, 8, Some(6 * 3_600))));
        assert_eq!(reached(quotas, used(1, 9, 8)), None);
        assert_eq!(reached(quotas, used(1, 10, 8)), Some((QuotaName::TotalRegistrations, 10, Some(6 * 3_600))));
        assert_eq!(reached(quotas, used(0, 0, 80)), Some((QuotaName::TotalLiveClients, 80, None)));
    }

    #[test]
    fn without_quotas_nothing_is_too_many() {
        let used =
            Used { registrations: 9, live_clients: 9, total_registrations: u64::MAX, total_live_clients: u64::MAX };
        assert_eq!(reached(Quotas::default(), used), None);
    }
}
