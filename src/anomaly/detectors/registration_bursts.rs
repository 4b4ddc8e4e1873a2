//! More registrations of a profile than it has had at this hour. The profile's own history is what is compared with: for each hour
//! of working days and of weekends the mean count per ten minutes (EWMA), and how clumpy the counts are. The surprise is a Poisson
//! tail, divided by the dispersion; a burst must also be some times the usual, so that a busy profile's small changes are none.

use std::collections::HashMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::anomaly::calendar;
use crate::anomaly::detector::{Learning, RaisesOne, window};
use crate::anomaly::finding::{Raised, Score, Subject, evidence};
use crate::anomaly::habit::Habit;
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, hours, minutes};
use crate::clock::Timestamp;
use crate::duration::DurationText;

/// The thresholds of `registration_bursts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RegistrationBurstsSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same profile is not found again. Default: 1h.
    pub cooldown: DurationText,
    /// How improbable the count must be, in powers of ten. Default: 6, one in a million.
    pub surprise: NonZeroU32,
    /// How many times the usual count it must be. Default: 4.
    pub times: NonZeroU32,
    /// Fewer registrations in ten minutes are never a burst. Default: 30.
    pub minimum: NonZeroU32,
}

impl Default for RegistrationBurstsSettings {
    fn default() -> Self {
        Self { mode: Mode::default(), cooldown: hours(1), surprise: count(6), times: count(4), minimum: count(30) }
    }
}

const WINDOW: DurationText = minutes(10);

/// Windows of an hour that must be known before the hour is believed.
const KNOWN: u32 = 6;

/// Profiles are configured, so there are few; this bounds them whatever is told.
const MOST_PROFILES: usize = 1000;

pub(in crate::anomaly) struct RegistrationBursts {
    settings: RegistrationBurstsSettings,
    profiles: HashMap<String, Profile>,
    learning: Learning,
}

struct Profile {
    learning: Learning,
    hours: [Habit; calendar::SLOTS],
    overall: Habit,
    window: i64,
    slot: usize,
    count: u32,
}

impl RegistrationBursts {
    pub(in crate::anomaly) fn new(settings: RegistrationBurstsSettings, learning: DurationText) -> Self {
        Self { settings, profiles: HashMap::new(), learning: Learning::new(learning) }
    }
}

impl RaisesOne for RegistrationBursts {
    fn observe(&mut self, observed: &Observation) -> Option<Raised> {
        let Seen::Registration(registration) = &observed.seen else { return None };
        let name = registration.profile.as_ref()?;
        if !self.profiles.contains_key(name) {
            if self.profiles.len() >= MOST_PROFILES {
                return None;
            }
            self.profiles.insert(name.clone(), Profile::new(self.learning));
        }
        let profile = self.profiles.get_mut(name)?;
        let count = profile.count(observed.at);
        if !profile.learning.is_over(observed.at) || count < self.settings.minimum.get() {
            return None;
        }
        let usual = profile.usual();
        let surprise = crate::anomaly::surprise::of_many(f64::from(count), usual, profile.overall.dispersion());
        let threshold = f64::from(self.settings.surprise.get());
        if surprise < threshold || f64::from(count) < usual * f64::from(self.settings.times.get()) {
            return None;
        }
        Some(Raised {
            subject: Subject::Profile(name.clone()),
            score: Score::over(surprise, threshold),
            evidence: vec![
                evidence("registrations", count),
                evidence("usual", usual),
                evidence("dispersion", profile.overall.dispersion()),
                evidence("surprise", surprise),
            ],
            sentence: format!(
                "{count} registrations of profile {name} within ten minutes, where {usual:.1} are usual at {}",
                calendar::written(profile.slot)
            ),
        })
    }
}

impl Profile {
    fn new(learning: Learning) -> Self {
        Self {
            learning,
            hours: [Habit::default(); calendar::SLOTS],
            overall: Habit::default(),
            window: 0,
            slot: 0,
            count: 0,
        }
    }

    /// One more; how many there are in this window. Windows that are over are learned, empty ones too.
    fn count(&mut self, at: Timestamp) -> u32 {
        let now = window(at, WINDOW);
        if now > self.window {
            if self.window != 0 {
                self.hours[self.slot].learn(self.count);
                self.overall.learn(self.count);
                // Empty windows of at most two days: after that the mean is forgotten anyway.
                for empty in (self.window + 1..now).take(288) {
                    let millis = empty.saturating_mul(600_000);
                    self.hours[calendar::slot(Timestamp::from_unix_millis(millis))].learn(0);
                    self.overall.learn(0);
                }
            }
            (self.window, self.slot, self.count) = (now, calendar::slot(at), 0);
        }
        self.count = self.count.saturating_add(1);
        self.count
    }

    /// The usual count at this hour: where the hour is not known, of the day as a whole; never less than of the hours around it, by
    /// half, because people start early.
    fn usual(&self) -> f64 {
        let known = |slot: usize| (self.hours[slot].windows() >= KNOWN).then(|| self.hours[slot].mean());
        let (before, after) = (calendar::before(self.slot, 1), calendar::after(self.slot, 1));
        let around = known(before).into_iter().chain(known(after)).fold(0.0, f64::max) / 2.0;
        known(self.slot).unwrap_or_else(|| self.overall.mean()).max(around).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::RegistrationSeen;

    fn registration(minute: i64, second: i64) -> Observation {
        let seen = RegistrationSeen { profile: Some("mcp".to_owned()), admitted: true, ..RegistrationSeen::default() };
        Observation {
            at: Timestamp::from_unix_millis((1_600_000_000 + minute * 60 + second) * 1000),
            address: None,
            request_id: None,
            seen: Seen::Registration(Box::new(seen)),
        }
    }

    /// Three days with `per_minute`, then one minute with `burst`.
    fn raised(per_minute: i64, burst: i64) -> Option<Raised> {
        let mut detector = RegistrationBursts::new(RegistrationBurstsSettings::default(), hours(24));
        for minute in 0..3 * 24 * 60 {
            for second in 0..per_minute {
                let early = detector.observe(&registration(minute, second));
                assert!(early.is_none(), "{early:?}");
            }
        }
        (0..burst).find_map(|second| detector.observe(&registration(3 * 24 * 60, second)))
    }

    #[test]
    fn a_burst_against_the_profiles_own_history_is_found_while_it_happens() {
        let found = raised(1, 59).unwrap();
        assert_eq!(found.subject, Subject::Profile("mcp".to_owned()));
        assert!(found.score.value() >= 0.5 && found.evidence[0].value < 59.0, "{found:?}");
    }

    #[test]
    fn the_same_number_is_usual_for_a_busier_profile() {
        assert!(raised(10, 59).is_none());
    }

    #[test]
    fn nothing_is_found_while_it_learns() {
        let mut detector = RegistrationBursts::new(RegistrationBurstsSettings::default(), hours(24));
        assert!((0..1000).all(|second| detector.observe(&registration(0, second)).is_none()));
    }
}
