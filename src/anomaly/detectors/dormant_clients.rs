//! Many clients of long ago that are used again from one network: somebody has found an old table of clients. One that wakes is
//! ordinary, people come back; so what is counted is how many different ones wake in a network within an hour, against that
//! network's own habit (EWMA), because behind a hosted connector's network some wake every hour.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::anomaly::detector::{RaisesOne, window};
use crate::anomaly::distinct::DistinctInWindow;
use crate::anomaly::finding::{Raised, Score, Subject, evidence};
use crate::anomaly::habit::Habit;
use crate::anomaly::network::network;
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, days, hours};
use crate::anomaly::sources::{Sources, hash};
use crate::duration::DurationText;

/// The thresholds of `dormant_clients`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DormantClientsSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same network is not found again. Default: 6h.
    pub cooldown: DurationText,
    /// How long a client was not used that counts as dormant. Default: 30d.
    pub after: DurationText,
    /// Fewer clients that wake in one network within an hour are never too many. Default: 5.
    pub minimum: NonZeroU32,
    /// How improbable their number must be, in powers of ten. Default: 4.
    pub surprise: NonZeroU32,
}

impl Default for DormantClientsSettings {
    fn default() -> Self {
        Self { mode: Mode::default(), cooldown: hours(6), after: days(30), minimum: count(5), surprise: count(4) }
    }
}

const WINDOW: DurationText = hours(1);

pub(in crate::anomaly) struct DormantClients {
    settings: DormantClientsSettings,
    networks: Sources<Wakings>,
}

struct Wakings {
    habit: Habit,
    clients: DistinctInWindow,
}

impl DormantClients {
    pub(in crate::anomaly) fn new(settings: DormantClientsSettings, sources: NonZeroU32) -> Self {
        Self { settings, networks: Sources::new(sources) }
    }
}

impl RaisesOne for DormantClients {
    fn observe(&mut self, observed: &Observation) -> Option<Raised> {
        let Seen::TokenRequest(request) = &observed.seen else { return None };
        let (client, idle_since) = (request.client.as_ref()?, request.idle_since?);
        if observed.at.since(idle_since) < self.settings.after.0 {
            return None;
        }
        let network = network(observed.address?);
        let fresh = || Wakings { habit: Habit::presumed(0.3, 8), clients: DistinctInWindow::default() };
        let known = self.networks.of(hash(&network), fresh);
        if let Some(ended) = known.clients.see(window(observed.at, WINDOW), hash(client)) {
            known.habit.learn(ended.count);
            known.habit.learn_nothing(ended.empty_since);
        }
        let (woken, usual) = (known.clients.count(), known.habit.mean());
        let surprise = known.habit.surprise(woken, 0.3);
        let threshold = f64::from(self.settings.surprise.get());
        (woken >= self.settings.minimum.get() && surprise >= threshold).then(|| Raised {
            subject: Subject::Network(network),
            score: Score::over(surprise, threshold),
            evidence: vec![evidence("clients woken", woken), evidence("usual", usual), evidence("surprise", surprise)],
            sentence: format!(
                "{woken} clients that were dormant for {} were used from {network} within the hour",
                self.settings.after
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::TokenRequestSeen;
    use crate::clock::Timestamp;

    fn request(hour: i64, client: i64, idle_days: i64) -> Observation {
        let at = 1_600_000_000_000 + hour * 3_600_000;
        let seen = TokenRequestSeen {
            client: Some(client.to_string()),
            status: 200,
            idle_since: Some(Timestamp::from_unix_millis(at - idle_days * 86_400_000)),
        };
        Observation {
            at: Timestamp::from_unix_millis(at),
            address: Some([203, 0, 113, 9].into()),
            request_id: None,
            seen: Seen::TokenRequest(seen),
        }
    }

    fn detector() -> DormantClients {
        DormantClients::new(DormantClientsSettings::default(), count(10))
    }

    #[test]
    fn many_that_wake_together_are_found() {
        let mut detector = detector();
        assert!((0..10).any(|client| detector.observe(&request(0, client, 40)).is_some()));
    }

    #[test]
    fn those_in_use_and_those_that_wake_one_by_one_are_not() {
        let mut detector = detector();
        assert!((0..100).all(|client| detector.observe(&request(0, client, 10)).is_none()));
        assert!((0..100).all(|client| detector.observe(&request(client, client, 40)).is_none()));
    }

    #[test]
    fn a_network_in_which_some_always_wake_is_compared_with_itself() {
        let mut detector = detector();
        for hour in 0..60 {
            for client in 0..(hour / 5).min(7) {
                let found = detector.observe(&request(hour, hour * 10 + client, 40));
                assert!(found.is_none(), "{found:?}");
            }
        }
    }
}
