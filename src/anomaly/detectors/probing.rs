//! Refused, adapted, tried again: somebody who looks for what the rules let pass. What counts is different requests that different
//! rules refused, within an hour: a program that repeats its one mistake probes nothing, and a developer gets there in a few tries.
//! A request that is admitted after many tries says that what was looked for was found.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::anomaly::detector::RaisesOne;
use crate::anomaly::distinct::Distinct;
use crate::anomaly::finding::{Raised, Score, evidence};
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, hours};
use crate::anomaly::sources::{Sources, hash};
use crate::clock::Timestamp;
use crate::duration::DurationText;

/// The thresholds of `probing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProbingSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same registrant is not found again. Default: 6h.
    pub cooldown: DurationText,
    /// How long a registrant may be silent between two tries. Default: 1h.
    pub window: DurationText,
    /// How many different refused requests are probing. Default: 8.
    pub attempts: NonZeroU32,
    /// How many different sets of rules must have refused them. Default: 4.
    pub refusals: NonZeroU32,
}

impl Default for ProbingSettings {
    fn default() -> Self {
        Self { mode: Mode::default(), cooldown: hours(6), window: hours(1), attempts: count(8), refusals: count(4) }
    }
}

pub(in crate::anomaly) struct Probing {
    settings: ProbingSettings,
    registrants: Sources<Tries>,
}

struct Tries {
    last: Timestamp,
    asked: Distinct,
    refused_by: Distinct,
}

impl Probing {
    pub(in crate::anomaly) fn new(settings: ProbingSettings, sources: NonZeroU32) -> Self {
        Self { settings, registrants: Sources::new(sources) }
    }
}

impl RaisesOne for Probing {
    fn observe(&mut self, observed: &Observation) -> Option<Raised> {
        let Seen::Registration(registration) = &observed.seen else { return None };
        let subject = observed.registrant(registration);
        let key = hash(&subject);
        if registration.admitted {
            // Nothing is remembered of those who were never refused.
            self.registrants.find(key)?;
        } else if registration.violations.is_empty() {
            return None;
        }
        let fresh = || Tries { last: observed.at, asked: Distinct::default(), refused_by: Distinct::default() };
        let tries = self.registrants.of(key, fresh);
        if observed.at.since(tries.last) > self.settings.window.0 {
            *tries = fresh();
        }
        if !registration.admitted {
            tries.last = observed.at;
            tries.asked.see(registration.asked);
            tries.refused_by.see(hash(&registration.violations));
        }
        let (asked, refused_by) = (tries.asked.count(), tries.refused_by.count());
        let (attempts, refusals) = (self.settings.attempts.get(), self.settings.refusals.get());
        if asked < attempts || refused_by < refusals {
            return None;
        }
        let got_through = registration.admitted;
        let outcome = if got_through { ", and the next was admitted" } else { "" };
        Some(Raised {
            sentence: format!(
                "{subject} was refused {asked} different registrations for {refused_by} different sets of reasons{outcome}"
            ),
            subject,
            score: Score::over(f64::from(asked) + if got_through { f64::from(attempts) } else { 0.0 }, attempts.into()),
            evidence: vec![
                evidence("different requests", asked),
                evidence("different refusals", refused_by),
                evidence("admitted after", u32::from(got_through)),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::RegistrationSeen;

    fn refused(minute: i64, asked: u64, violations: &[&'static str]) -> Observation {
        let seen = RegistrationSeen { asked, violations: violations.to_vec(), ..RegistrationSeen::default() };
        Observation {
            at: Timestamp::from_unix_millis(1_600_000_000_000 + minute * 60_000),
            address: Some([203, 0, 113, 9].into()),
            request_id: None,
            seen: Seen::Registration(Box::new(seen)),
        }
    }

    const RULES: [&str; 5] = ["redirect_uris", "grant_types", "scope", "contacts", "jwks"];

    #[test]
    fn many_tries_against_many_rules_are_probing() {
        let mut detector = Probing::new(ProbingSettings::default(), count(10));
        let tries = (0..12_u64).map(|n| refused(n as i64, hash(&n), &RULES[..1 + n as usize % 5]));
        let found: Vec<_> = tries.filter_map(|observed| detector.observe(&observed)).collect();
        assert!(found[0].evidence[0].value >= 8.0, "{found:?}");
    }

    #[test]
    fn one_mistake_repeated_and_a_developers_few_tries_are_not() {
        let mut detector = Probing::new(ProbingSettings::default(), count(10));
        assert!((0..500).all(|n| detector.observe(&refused(n, 7, &RULES[..1])).is_none()));
        let mut detector = Probing::new(ProbingSettings::default(), count(10));
        assert!((0..5).all(|n| detector.observe(&refused(n, hash(&n), &RULES[..1 + n as usize])).is_none()));
    }

    #[test]
    fn tries_with_hours_between_them_are_not_added_up() {
        let mut detector = Probing::new(ProbingSettings::default(), count(10));
        let mut tries = (0..40_u64).map(|n| refused(n as i64 * 90, hash(&n), &RULES[..1 + n as usize % 5]));
        assert!(tries.all(|observed| detector.observe(&observed).is_none()));
    }
}
