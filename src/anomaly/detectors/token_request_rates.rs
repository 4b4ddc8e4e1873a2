//! A client's token requests far off its own history: stolen credentials are used by a machine. Requests per quarter of an hour in
//! which there are any, against the client's own mean (EWMA) and clumpiness, by a Poisson tail.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::anomaly::detector::{RaisesOne, window};
use crate::anomaly::finding::{Raised, Score, Subject, evidence};
use crate::anomaly::habit::Habit;
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, hours, minutes};
use crate::anomaly::sources::{Sources, hash};
use crate::duration::DurationText;

/// The thresholds of `token_request_rates`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenRequestRatesSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same client is not found again. Default: 6h.
    pub cooldown: DurationText,
    /// How improbable the count must be, in powers of ten. Default: 8.
    pub surprise: NonZeroU32,
    /// How many times the usual count it must be. Default: 5.
    pub times: NonZeroU32,
    /// Fewer requests in a quarter of an hour are never too many. Default: 40.
    pub minimum: NonZeroU32,
}

impl Default for TokenRequestRatesSettings {
    fn default() -> Self {
        Self { mode: Mode::default(), cooldown: hours(6), surprise: count(8), times: count(5), minimum: count(40) }
    }
}

const WINDOW: DurationText = minutes(15);

/// A client has a history once it was used in so many windows.
const KNOWN: u32 = 8;

pub(in crate::anomaly) struct TokenRequestRates {
    settings: TokenRequestRatesSettings,
    clients: Sources<Client>,
}

/// Windows without requests are left out: how often a client works and how hard it works when it does are two things.
#[derive(Default)]
struct Client {
    habit: Habit,
    window: i64,
    count: u32,
}

impl TokenRequestRates {
    pub(in crate::anomaly) fn new(settings: TokenRequestRatesSettings, sources: NonZeroU32) -> Self {
        Self { settings, clients: Sources::new(sources) }
    }
}

impl RaisesOne for TokenRequestRates {
    fn observe(&mut self, observed: &Observation) -> Option<Raised> {
        let Seen::TokenRequest(request) = &observed.seen else { return None };
        let id = request.client.as_ref()?;
        let client = self.clients.of(hash(id), Client::default);
        let now = window(observed.at, WINDOW);
        if now > client.window {
            if client.window != 0 {
                client.habit.learn(client.count);
            }
            (client.window, client.count) = (now, 0);
        }
        client.count = client.count.saturating_add(1);
        let (count, usual) = (client.count, client.habit.mean().max(1.0));
        let surprise = client.habit.surprise(count, 1.0);
        let threshold = f64::from(self.settings.surprise.get());
        let many =
            count >= self.settings.minimum.get() && f64::from(count) >= usual * f64::from(self.settings.times.get());
        (client.habit.windows() >= KNOWN && many && surprise >= threshold).then(|| Raised {
            subject: Subject::Client(id.clone()),
            score: Score::over(surprise, threshold),
            evidence: vec![evidence("requests", count), evidence("usual", usual), evidence("surprise", surprise)],
            sentence: format!(
                "client {id} has made {count} token requests within a quarter of an hour, where {usual:.1} are usual"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::TokenRequestSeen;
    use crate::clock::Timestamp;

    fn request(quarter: i64) -> Observation {
        let seen = TokenRequestSeen { client: Some("orders".to_owned()), status: 200, idle_since: None };
        Observation {
            at: Timestamp::from_unix_millis(1_600_000_200_000 + quarter * 900_000),
            address: None,
            request_id: None,
            seen: Seen::TokenRequest(seen),
        }
    }

    fn raised(usual: &[usize], then: usize) -> bool {
        let mut detector = TokenRequestRates::new(TokenRequestRatesSettings::default(), count(10));
        for (quarter, many) in usual.iter().enumerate() {
            for _ in 0..*many {
                assert!(detector.observe(&request(quarter as i64)).is_none());
            }
        }
        (0..then).any(|_| detector.observe(&request(1000)).is_some())
    }

    #[test]
    fn far_more_than_the_clients_own_is_found() {
        assert!(raised(&[2, 3, 2, 1, 2, 3, 2, 2, 3, 2], 60));
    }

    #[test]
    fn a_client_that_always_comes_in_clumps_may_do_so_again() {
        assert!(!raised(&[1, 1, 120, 1, 1, 120, 1, 1, 120, 1, 1, 120], 130));
    }

    #[test]
    fn a_client_without_history_is_not_judged() {
        assert!(!raised(&[2, 3], 500));
    }
}
