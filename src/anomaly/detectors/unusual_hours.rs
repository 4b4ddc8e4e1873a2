//! A certificate or token that registers at an hour that is not its own. Each has a count per hour of working days and of weekends;
//! the share of the hour and the two on each side, with one imagined registration spread over the week (Laplace), is how usual the hour
//! is. Addresses are left out: behind one of a hosted connector is the whole world.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::anomaly::calendar;
use crate::anomaly::detector::RaisesOne;
use crate::anomaly::finding::{Raised, Score, Subject, evidence};
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, days};
use crate::anomaly::sources::{Sources, hash};
use crate::clock::Timestamp;
use crate::duration::DurationText;

/// The thresholds of `unusual_hours`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UnusualHoursSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same credential is not found again. Default: 1d.
    pub cooldown: DurationText,
    /// The hour is unusual when at most one of so many registrations falls into it and the two hours on each side. Default: 200.
    pub one_in: NonZeroU32,
    /// A credential with fewer registrations has no habit yet. Default: 40.
    pub minimum: NonZeroU32,
    /// A credential that is known for a shorter time has no habit yet: it must have seen a weekend. Default: 8d.
    pub history: DurationText,
}

impl Default for UnusualHoursSettings {
    fn default() -> Self {
        Self { mode: Mode::default(), cooldown: days(1), one_in: count(200), minimum: count(40), history: days(8) }
    }
}

pub(in crate::anomaly) struct UnusualHours {
    settings: UnusualHoursSettings,
    credentials: Sources<Week>,
}

struct Week {
    since: Timestamp,
    /// How many registrations fell into each hour; halved when one is full, so that old habits fade.
    hours: [u8; calendar::SLOTS],
}

impl Week {
    fn total(&self) -> u32 {
        self.hours.iter().map(|count| u32::from(*count)).sum()
    }

    /// The share of this hour and the two on each side of it, as if there had been one registration more, spread over the week.
    fn share(&self, slot: usize) -> f64 {
        let sides = [1, 2].into_iter().flat_map(|hours| [calendar::before(slot, hours), calendar::after(slot, hours)]);
        let around: u32 = sides.chain([slot]).map(|slot| u32::from(self.hours[slot])).sum();
        let imagined = 5.0 / calendar::SLOTS as f64;
        (f64::from(around) + imagined) / (f64::from(self.total()) + 1.0)
    }

    fn count(&mut self, slot: usize) {
        if self.hours[slot] == u8::MAX {
            self.hours.iter_mut().for_each(|count| *count /= 2);
        }
        self.hours[slot] += 1;
    }
}

impl UnusualHours {
    pub(in crate::anomaly) fn new(settings: UnusualHoursSettings, sources: NonZeroU32) -> Self {
        Self { settings, credentials: Sources::new(sources) }
    }
}

impl RaisesOne for UnusualHours {
    fn observe(&mut self, observed: &Observation) -> Option<Raised> {
        let Seen::Registration(registration) = &observed.seen else { return None };
        let subject = match (&registration.certificate, &registration.token) {
            (Some(certificate), _) => Subject::Certificate(certificate.clone()),
            (None, Some(token)) => Subject::Token(token.clone()),
            (None, None) => return None,
        };
        let slot = calendar::slot(observed.at);
        let week = self.credentials.of(hash(&subject), || Week { since: observed.at, hours: [0; calendar::SLOTS] });
        let (share, total) = (week.share(slot), week.total());
        week.count(slot);
        let threshold = 1.0 / f64::from(self.settings.one_in.get());
        let is_known = observed.at.since(week.since) >= self.settings.history.0;
        (is_known && total >= self.settings.minimum.get() && share <= threshold).then(|| Raised {
            sentence: format!(
                "{subject} registers at {}, where it had next to none of its last {total}",
                calendar::written(slot)
            ),
            subject,
            score: Score::over(threshold / share, 1.0),
            evidence: vec![
                evidence("registrations before", total),
                evidence("share of the hour in percent", share * 100.0),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::RegistrationSeen;

    fn registration(day: i64, hour: i64) -> Observation {
        let seen = RegistrationSeen { certificate: Some("ab12".to_owned()), ..RegistrationSeen::default() };
        Observation {
            // From a Monday on.
            at: Timestamp::from_unix_millis(((18_000 - 18_000 % 7 + 4 + day) * 24 + hour) * 3_600_000),
            address: None,
            request_id: None,
            seen: Seen::Registration(Box::new(seen)),
        }
    }

    /// Works from eight to five for four weeks.
    fn detector() -> UnusualHours {
        let mut detector = UnusualHours::new(UnusualHoursSettings::default(), count(10));
        for day in (0..28).filter(|day| day % 7 < 5) {
            assert!((8..17).all(|hour| detector.observe(&registration(day, hour)).is_none()));
        }
        detector
    }

    #[test]
    fn a_registration_at_night_or_on_sunday_of_one_who_works_by_day_is_found() {
        assert!(detector().observe(&registration(28, 3)).is_some());
        assert!(detector().observe(&registration(34, 11)).is_some());
    }

    #[test]
    fn an_hour_earlier_than_usual_is_fine_and_so_is_one_of_whom_little_is_known() {
        assert!(detector().observe(&registration(28, 7)).is_none());
        let mut detector = UnusualHours::new(UnusualHoursSettings::default(), count(10));
        assert!((0..30).all(|day| detector.observe(&registration(day, 9)).is_none()));
        assert!(detector.observe(&registration(30, 3)).is_none());
    }
}
