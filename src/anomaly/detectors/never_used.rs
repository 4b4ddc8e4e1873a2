//! Registrants whose clients are never used. A client counts once its grace is over; of a registrant's clients the used share is
//! compared with everybody's by the tail of the binomial distribution (Chernoff), and must be a fraction of it: dead clients are
//! ordinary, half of what hosted connectors register is never used. Where no use is ever seen, nothing is said.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::anomaly::detector::RaisesOne;
use crate::anomaly::finding::{Raised, Score, evidence};
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, days, hours};
use crate::anomaly::sources::{Sources, hash};
use crate::anomaly::surprise;
use crate::clock::Timestamp;
use crate::duration::DurationText;

/// The thresholds of `never_used`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NeverUsedSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same registrant is not found again. Default: 1d.
    pub cooldown: DurationText,
    /// How long after its registration a client should have been used. Default: 6h.
    pub grace: DurationText,
    /// A registrant with fewer clients past their grace is not judged. Default: 25.
    pub minimum: NonZeroU32,
    /// How improbable so few used ones must be, in powers of ten. Default: 6.
    pub surprise: NonZeroU32,
    /// The used share must be at most one of so many parts of everybody's. Default: 5.
    pub fraction: NonZeroU32,
}

impl Default for NeverUsedSettings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            cooldown: days(1),
            grace: hours(6),
            minimum: count(25),
            surprise: count(6),
            fraction: count(5),
        }
    }
}

/// What everybody's share is presumed to be learned from.
const LEAST_CLIENTS: f64 = 100.0;

/// From so many on, counts are halved, so that what was long ago fades.
const MOST_CLIENTS: f64 = 10_000.0;

pub(in crate::anomaly) struct NeverUsed {
    settings: NeverUsedSettings,
    most: usize,
    /// Clients in their grace, the oldest first.
    young: VecDeque<Young>,
    used: Sources<()>,
    registrants: Sources<Shares>,
    everybody: Shares,
}

struct Young {
    client: u64,
    registrant: u64,
    since: Timestamp,
}

#[derive(Default, Clone, Copy)]
struct Shares {
    clients: f64,
    used: f64,
}

impl Shares {
    fn count(&mut self, used: f64) {
        if self.clients >= MOST_CLIENTS {
            (self.clients, self.used) = (self.clients / 2.0, self.used / 2.0);
        }
        (self.clients, self.used) = (self.clients + 1.0, self.used + used);
    }
}

impl NeverUsed {
    pub(in crate::anomaly) fn new(settings: NeverUsedSettings, sources: NonZeroU32) -> Self {
        Self {
            settings,
            most: usize::try_from(sources.get()).unwrap_or(usize::MAX),
            young: VecDeque::new(),
            used: Sources::new(sources),
            registrants: Sources::new(sources),
            everybody: Shares::default(),
        }
    }

    /// Counts those whose grace is over.
    fn grow_up(&mut self, at: Timestamp) {
        let due = |young: &Young| at.since(young.since) >= self.settings.grace.0;
        while self.young.front().is_some_and(due) {
            let Some(young) = self.young.pop_front() else { break };
            let used = if self.used.forget(young.client).is_some() { 1.0 } else { 0.0 };
            self.everybody.count(used);
            self.registrants.of(young.registrant, Shares::default).count(used);
        }
    }
}

impl RaisesOne for NeverUsed {
    fn observe(&mut self, observed: &Observation) -> Option<Raised> {
        self.grow_up(observed.at);
        let registration = match &observed.seen {
            Seen::TokenRequest(request) if request.status < 400 => {
                if let Some(client) = &request.client {
                    self.used.put(hash(client), ());
                }
                return None;
            }
            Seen::Registration(registration) => registration,
            _ => return None,
        };
        let client = registration.client.as_ref()?;
        let subject = observed.registrant(registration);
        let key = hash(&subject);
        // The youngest is left out when there are too many: those that are older are judged sooner.
        if !registration.repeated && self.young.len() < self.most {
            self.young.push_back(Young { client: hash(client), registrant: key, since: observed.at });
        }
        let shares = *self.registrants.find(key)?;
        if shares.clients < f64::from(self.settings.minimum.get()) || self.everybody.clients < LEAST_CLIENTS {
            return None;
        }
        let usual = self.everybody.used / self.everybody.clients;
        let surprise = surprise::of_share(shares.used, shares.clients, usual);
        let threshold = f64::from(self.settings.surprise.get());
        let few = shares.used / shares.clients <= usual / f64::from(self.settings.fraction.get());
        (few && usual > 0.0 && surprise >= threshold).then(|| Raised {
            sentence: format!(
                "of {} clients of {subject} {} were used; of everybody's {:.0} in a hundred are",
                shares.clients.round(),
                shares.used.round(),
                usual * 100.0
            ),
            subject,
            score: Score::over(surprise, threshold),
            evidence: vec![
                evidence("clients", shares.clients),
                evidence("used", shares.used),
                evidence("usual share in percent", usual * 100.0),
                evidence("surprise", surprise),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::finding::Subject;
    use crate::anomaly::observation::{RegistrationSeen, TokenRequestSeen};

    fn at(minute: i64, network: u8, seen: Seen) -> Observation {
        Observation {
            at: Timestamp::from_unix_millis(1_600_000_000_000 + minute * 60_000),
            address: Some([203, 0, network, 9].into()),
            request_id: None,
            seen,
        }
    }

    fn registration(minute: i64, network: u8) -> Observation {
        let client = Some(format!("{network} {minute}"));
        at(minute, network, Seen::Registration(Box::new(RegistrationSeen { client, ..RegistrationSeen::default() })))
    }

    fn use_of(minute: i64, network: u8) -> Observation {
        let client = Some(format!("{network} {minute}"));
        at(minute, network, Seen::TokenRequest(TokenRequestSeen { client, status: 200, idle_since: None }))
    }

    /// Everybody uses every second client; network 7 uses every `nth`.
    fn raised(nth: i64) -> Vec<Raised> {
        let mut detector = NeverUsed::new(NeverUsedSettings::default(), count(10_000));
        let mut raised = Vec::new();
        for minute in 0..2000 {
            for network in [1, 2, 3, 7] {
                raised.extend(detector.observe(&registration(minute, network)));
                if minute % (if network == 7 { nth } else { 2 }) == 0 {
                    raised.extend(detector.observe(&use_of(minute, network)));
                }
            }
        }
        raised
    }

    #[test]
    fn who_registers_and_never_uses_is_found() {
        let found = raised(5000);
        assert_eq!(found[0].subject, Subject::Network("203.0.7.0/24".parse().unwrap()));
    }

    #[test]
    fn who_uses_as_many_as_others_or_somewhat_fewer_is_not() {
        assert!(raised(2).is_empty() && raised(5).is_empty());
    }

    #[test]
    fn where_no_use_is_seen_nothing_is_said() {
        let mut detector = NeverUsed::new(NeverUsedSettings::default(), count(10_000));
        assert!((0..3000).all(|minute| detector.observe(&registration(minute, 7)).is_none()));
    }
}
