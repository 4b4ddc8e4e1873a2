//! A jump in the share of errors at the token endpoint: codes or secrets that are tried, or a server that is broken. The share of the
//! last five minutes against its mean (EWMA), by the tail of the binomial distribution; errors come in clumps, so it must
//! also be some times the usual.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::anomaly::detector::{Learning, RaisesOne, window};
use crate::anomaly::finding::{Raised, Score, Subject, evidence};
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, hours, minutes};
use crate::anomaly::surprise;
use crate::duration::DurationText;

/// The thresholds of `token_errors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenErrorsSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long it is not found again. Default: 1h.
    pub cooldown: DurationText,
    /// How improbable the share must be, in powers of ten. Default: 8.
    pub surprise: NonZeroU32,
    /// How many times the usual share it must be. Default: 3.
    pub times: NonZeroU32,
    /// Fewer errors in five minutes are never a jump. Default: 20.
    pub minimum: NonZeroU32,
}

impl Default for TokenErrorsSettings {
    fn default() -> Self {
        Self { mode: Mode::default(), cooldown: hours(1), surprise: count(8), times: count(3), minimum: count(20) }
    }
}

const WINDOW: DurationText = minutes(5);

/// How much the latest window weighs.
const WEIGHT: f64 = 0.02;

pub(in crate::anomaly) struct TokenErrors {
    settings: TokenErrorsSettings,
    learning: Learning,
    window: i64,
    requests: u32,
    errors: u32,
    usual: Option<f64>,
}

impl TokenErrors {
    pub(in crate::anomaly) fn new(settings: TokenErrorsSettings, learning: DurationText) -> Self {
        Self { settings, learning: Learning::new(learning), window: 0, requests: 0, errors: 0, usual: None }
    }

    /// A window is over; one with few requests says little, one with a jump teaches no more than twice the usual.
    fn learn(&mut self) {
        let share = f64::from(self.errors) / f64::from(self.requests.max(1));
        self.usual = Some(match self.usual {
            None => share,
            Some(usual) => {
                let weight = WEIGHT * (f64::from(self.requests) / 50.0).min(1.0);
                usual + weight * (share.min(usual * 2.0 + 0.02) - usual)
            }
        });
    }
}

impl RaisesOne for TokenErrors {
    fn observe(&mut self, observed: &Observation) -> Option<Raised> {
        let Seen::TokenRequest(request) = &observed.seen else { return None };
        let now = window(observed.at, WINDOW);
        if now > self.window {
            if self.requests > 0 {
                self.learn();
            }
            (self.window, self.requests, self.errors) = (now, 0, 0);
        }
        self.requests = self.requests.saturating_add(1);
        if request.status >= 400 {
            self.errors = self.errors.saturating_add(1);
        }
        let usual = self.usual?.max(0.01);
        if !self.learning.is_over(observed.at) || self.errors < self.settings.minimum.get() {
            return None;
        }
        let (requests, errors) = (f64::from(self.requests), f64::from(self.errors));
        let surprise = surprise::of_share(errors, requests, usual);
        let threshold = f64::from(self.settings.surprise.get());
        let far = errors / requests >= (usual * f64::from(self.settings.times.get())).min(0.9);
        (far && surprise >= threshold).then(|| Raised {
            subject: Subject::TokenEndpoint,
            score: Score::over(surprise, threshold),
            evidence: vec![
                evidence("errors", errors),
                evidence("requests", requests),
                evidence("usual share in percent", usual * 100.0),
                evidence("surprise", surprise),
            ],
            sentence: format!(
                "{errors} of {requests} token requests within five minutes failed, where {:.0} in a hundred are usual",
                usual * 100.0
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::TokenRequestSeen;
    use crate::clock::Timestamp;

    fn request(minute: i64, status: u16) -> Observation {
        Observation {
            at: Timestamp::from_unix_millis(1_600_000_200_000 + minute * 60_000),
            address: None,
            request_id: None,
            seen: Seen::TokenRequest(TokenRequestSeen { client: None, status, idle_since: None }),
        }
    }

    /// A day of sixteen requests a minute of which one fails, then five minutes of which every `nth` fails.
    fn raised(nth: i64) -> bool {
        let mut detector = TokenErrors::new(TokenErrorsSettings::default(), hours(12));
        for minute in 0..24 * 60 {
            for n in 0..16 {
                let status = if n == 7 { 400 } else { 200 };
                assert!(detector.observe(&request(minute, status)).is_none(), "{minute}");
            }
        }
        (0..100).any(|n| detector.observe(&request(1440, if n % nth == 0 { 401 } else { 200 })).is_some())
    }

    #[test]
    fn a_jump_is_found() {
        assert!(raised(2));
    }

    #[test]
    fn some_more_than_usual_are_no_jump() {
        assert!(!raised(9));
    }
}
