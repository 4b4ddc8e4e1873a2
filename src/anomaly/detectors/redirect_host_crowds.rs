//! Many registrants for one redirect host. Each host has its own history of different registrants per hour (linear counting, EWMA);
//! what is compared with is the host's habit, so that a hosted connector may be popular and a new host may not become it within an
//! hour unseen. Loopback hosts are everybody's and are left out.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::first_sights::{domain, is_loopback};
use crate::anomaly::detector::{Detector, Learning, window};
use crate::anomaly::distinct::DistinctInWindow;
use crate::anomaly::finding::{Raised, Score, Subject, evidence};
use crate::anomaly::habit::Habit;
use crate::anomaly::network::network;
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, hours};
use crate::anomaly::sources::{Sources, hash};
use crate::duration::DurationText;

/// The thresholds of `redirect_host_crowds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedirectHostCrowdsSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same host is not found again. Default: 6h.
    pub cooldown: DurationText,
    /// How improbable the count must be, in powers of ten. Default: 6.
    pub surprise: NonZeroU32,
    /// How many times the usual count it must be. Default: 4.
    pub times: NonZeroU32,
    /// Fewer different registrants in an hour are never a crowd; addresses count by their network. Default: 12.
    pub minimum: NonZeroU32,
}

impl Default for RedirectHostCrowdsSettings {
    fn default() -> Self {
        Self { mode: Mode::default(), cooldown: hours(6), surprise: count(6), times: count(4), minimum: count(12) }
    }
}

const WINDOW: DurationText = hours(1);

pub(in crate::anomaly) struct RedirectHostCrowds {
    settings: RedirectHostCrowdsSettings,
    hosts: Sources<Host>,
    learning: Learning,
}

struct Host {
    habit: Habit,
    registrants: DistinctInWindow,
}

impl RedirectHostCrowds {
    pub(in crate::anomaly) fn new(
        settings: RedirectHostCrowdsSettings,
        sources: NonZeroU32,
        learning: DurationText,
    ) -> Self {
        Self { settings, hosts: Sources::new(sources), learning: Learning::new(learning) }
    }
}

impl Detector for RedirectHostCrowds {
    fn observe(&mut self, observed: &Observation) -> Vec<Raised> {
        let Seen::Registration(registration) = &observed.seen else { return Vec::new() };
        let has_learned = self.learning.is_over(observed.at);
        let registrant = match (&registration.certificate, &registration.token, observed.address) {
            (Some(certificate), ..) => hash(certificate),
            (None, Some(token), _) => hash(token),
            (None, None, Some(address)) => hash(&network(address)),
            (None, None, None) => hash(&registration.registrant),
        };
        let now = window(observed.at, WINDOW);
        let mut raised = Vec::new();
        for host in registration.redirect_hosts.iter().filter(|host| !is_loopback(host)) {
            let domain = domain(host);
            // Nobody's habit yet: one registrant an hour, as if seen for a night.
            let known = self
                .hosts
                .of(hash(domain), || Host { habit: Habit::presumed(1.0, 8), registrants: DistinctInWindow::default() });
            if let Some(ended) = known.registrants.see(now, registrant) {
                known.habit.learn(ended.count);
                known.habit.learn_nothing(ended.empty_since);
            }
            let different = known.registrants.count();
            let usual = known.habit.mean().max(0.5);
            let surprise = known.habit.surprise(different, 0.5);
            let threshold = f64::from(self.settings.surprise.get());
            let many = different >= self.settings.minimum.get()
                && f64::from(different) >= usual * f64::from(self.settings.times.get());
            if !has_learned || !many || surprise < threshold {
                continue;
            }
            raised.push(Raised {
                subject: Subject::RedirectHost(domain.to_owned()),
                score: Score::over(surprise, threshold),
                evidence: vec![
                    evidence("registrants", different),
                    evidence("usual", usual),
                    evidence("surprise", surprise),
                ],
                sentence: format!(
                    "{different} different registrants for redirect host {domain} within the hour, where {usual:.1} are usual"
                ),
            });
        }
        raised
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::RegistrationSeen;
    use crate::clock::Timestamp;

    fn registration(second: i64, hosts: &str, from: u8) -> Observation {
        let redirect_hosts = hosts.split(' ').map(str::to_owned).collect();
        let seen = RegistrationSeen { redirect_hosts, ..RegistrationSeen::default() };
        Observation {
            at: Timestamp::from_unix_millis((1_600_000_000 + second) * 1000),
            address: Some([198, 51, from, 1].into()),
            request_id: None,
            seen: Seen::Registration(Box::new(seen)),
        }
    }

    fn detector() -> RedirectHostCrowds {
        RedirectHostCrowds::new(RedirectHostCrowdsSettings::default(), count(100), hours(0))
    }

    #[test]
    fn crowds_at_new_hosts_are_all_found() {
        let mut detector = detector();
        let crowd = (0..40).map(|from| registration(i64::from(from), "a.evil.example a.worse.example", from));
        let found: Vec<Subject> = crowd.flat_map(|seen| detector.observe(&seen)).map(|raised| raised.subject).collect();
        assert_eq!(found[..2], ["evil.example", "worse.example"].map(|host| Subject::RedirectHost(host.to_owned())));
    }

    #[test]
    fn neither_one_registrant_nor_loopback_is_a_crowd() {
        let mut detector = detector();
        assert!((0..200).all(|n| detector.observe(&registration(n, "app.example", 7)).is_empty()));
        assert!((0..100).all(|n| detector.observe(&registration(300, "127.0.0.1", n)).is_empty()));
    }

    #[test]
    fn a_popular_host_is_compared_with_itself() {
        let mut detector = detector();
        for hour in 0..100 {
            // It grows popular slowly.
            for from in 0..(hour / 2 + 1).min(40) as u8 {
                let found = detector.observe(&registration(hour * 3600 + i64::from(from), "popular.example", from));
                assert!(found.is_empty(), "{found:?} at {hour}");
            }
        }
    }
}
