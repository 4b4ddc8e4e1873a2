//! Token guessing: many different bad credentials from one network, or from everywhere. Different ones are what counts (linear
//! counting over hashes of what was presented): a job that retries one expired token a thousand times guesses nothing. From
//! everywhere the habit of the gateway is compared with, because some are always wrong.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::anomaly::detector::{RaisesOne, window};
use crate::anomaly::distinct::DistinctInWindow;
use crate::anomaly::finding::{Raised, Score, Subject, evidence};
use crate::anomaly::habit::Habit;
use crate::anomaly::network::network;
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, hours};
use crate::anomaly::sources::{Sources, hash};
use crate::duration::DurationText;

/// The thresholds of `token_guessing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenGuessingSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same network is not found again. Default: 1h.
    pub cooldown: DurationText,
    /// In how long a time the credentials are counted together. Default: 1h.
    pub window: DurationText,
    /// How many different bad credentials of one network are guesses. Default: 10.
    pub guesses: NonZeroU32,
    /// How improbable the number from all networks must be, in powers of ten; it must also be twice `guesses`. Default: 6.
    pub surprise: NonZeroU32,
}

impl Default for TokenGuessingSettings {
    fn default() -> Self {
        Self { mode: Mode::default(), cooldown: hours(1), window: hours(1), guesses: count(10), surprise: count(6) }
    }
}

pub(in crate::anomaly) struct TokenGuessing {
    settings: TokenGuessingSettings,
    networks: Sources<DistinctInWindow>,
    everywhere: DistinctInWindow,
    habit: Habit,
}

impl TokenGuessing {
    pub(in crate::anomaly) fn new(settings: TokenGuessingSettings, sources: NonZeroU32) -> Self {
        Self {
            settings,
            networks: Sources::new(sources),
            everywhere: DistinctInWindow::default(),
            habit: Habit::presumed(2.0, 8),
        }
    }

    fn count_everywhere(&mut self, now: i64, presented: u64) -> (u32, f64) {
        if let Some(ended) = self.everywhere.see(now, presented) {
            self.habit.learn(ended.count);
            self.habit.learn_nothing(ended.empty_since);
        }
        let different = self.everywhere.count();
        (different, self.habit.surprise(different, 1.0))
    }
}

impl RaisesOne for TokenGuessing {
    fn observe(&mut self, observed: &Observation) -> Option<Raised> {
        let Seen::BadCredential { presented } = observed.seen else { return None };
        let now = window(observed.at, self.settings.window);
        let (different, surprise) = self.count_everywhere(now, presented);
        let guesses = self.settings.guesses.get();
        if let Some(address) = observed.address {
            let network = network(address);
            let from_there = self.networks.of(hash(&network), DistinctInWindow::default);
            from_there.see(now, presented);
            let guessed = from_there.count();
            if guessed >= guesses {
                return Some(Raised {
                    subject: Subject::Network(network),
                    score: Score::over(guessed.into(), guesses.into()),
                    evidence: vec![evidence("different bad credentials", guessed)],
                    sentence: format!(
                        "{guessed} different bad credentials from {network} within {}",
                        self.settings.window
                    ),
                });
            }
        }
        let threshold = f64::from(self.settings.surprise.get());
        (different >= guesses.saturating_mul(2) && surprise >= threshold).then(|| Raised {
            subject: Subject::RegistrationEndpoint,
            score: Score::over(surprise, threshold),
            evidence: vec![
                evidence("different bad credentials", different),
                evidence("usual", self.habit.mean()),
                evidence("surprise", surprise),
            ],
            sentence: format!(
                "{different} different bad credentials from many networks within {}, where {:.1} are usual",
                self.settings.window,
                self.habit.mean()
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn bad(network: u8, presented: u32) -> Observation {
        Observation {
            at: Timestamp::from_unix_millis(1_600_000_000_000),
            address: Some([203, 0, network, 9].into()),
            request_id: None,
            seen: Seen::BadCredential { presented: hash(&presented) },
        }
    }

    fn detector() -> TokenGuessing {
        TokenGuessing::new(TokenGuessingSettings::default(), count(100))
    }

    #[test]
    fn different_bad_credentials_from_one_network_are_guesses() {
        let mut detector = detector();
        let found: Vec<_> = (0..14).filter_map(|presented| detector.observe(&bad(113, presented))).collect();
        assert!(matches!(found[0].subject, Subject::Network(_)), "{found:?}");
    }

    #[test]
    fn one_mistake_made_a_thousand_times_is_no_guess() {
        let mut detector = detector();
        assert!((0..1000).all(|_| detector.observe(&bad(113, 7)).is_none()));
    }

    #[test]
    fn guesses_from_everywhere_are_found_together() {
        let mut detector = detector();
        let found = (0..120).find_map(|n| detector.observe(&bad(n, u32::from(n))));
        assert_eq!(found.unwrap().subject, Subject::RegistrationEndpoint);
    }
}
