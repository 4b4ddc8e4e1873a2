//! All detectors over one stream: each is told everything, and what it raises becomes a finding unless the network is known, the
//! same was found a moment ago, or there were too many of it.

use std::time::Duration;

use super::detectors;
use super::finding::{Band, DetectorName, Finding, Raised, Subject};
use super::network::known_within;
use super::observation::Observation;
use super::settings::{AnomalySettings, Mode};
use super::sources::{Sources, hash};
use crate::clock::Timestamp;
use crate::duration::DurationText;
use crate::policy::matching::Network;

/// The most findings of one detector in an hour: who makes a million hosts known gets no million findings.
const MOST_PER_HOUR: u32 = 60;

const HOUR: Duration = Duration::from_secs(3600);

/// One detector: pure over the stream, bounded in memory.
pub(super) trait Detector: Send {
    /// Looks at what happened. All that it shows is raised: what is left out would be known from then on, and never found.
    fn observe(&mut self, observed: &Observation) -> Vec<Raised>;
}

/// A detector to which one observation shows one thing at most.
pub(super) trait RaisesOne: Send {
    /// Looks at what happened.
    fn observe(&mut self, observed: &Observation) -> Option<Raised>;
}

impl<D: RaisesOne> Detector for D {
    fn observe(&mut self, observed: &Observation) -> Vec<Raised> {
        RaisesOne::observe(self, observed).into_iter().collect()
    }
}

/// For how long a detector only learns, from the first observation on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Learning {
    length: Duration,
    began: Option<Timestamp>,
}

impl Learning {
    pub(super) fn new(length: DurationText) -> Self {
        Self { length: length.0, began: None }
    }

    /// Whether enough was learned; the first call begins it.
    pub(super) fn is_over(&mut self, at: Timestamp) -> bool {
        at.since(*self.began.get_or_insert(at)) >= self.length
    }
}

/// The number of the window in which the moment lies.
pub(super) fn window(at: Timestamp, length: DurationText) -> i64 {
    let length = i64::try_from(length.0.as_millis()).unwrap_or(i64::MAX).max(1);
    at.unix_millis().div_euclid(length)
}

/// All detectors that are not off.
pub struct Detectors {
    armed: Vec<Armed>,
    known_networks: Vec<Network>,
    suppressed: u64,
}

/// A detector, and what limits its findings.
struct Armed {
    name: DetectorName,
    mode: Mode,
    cooldown: Duration,
    detector: Box<dyn Detector>,
    /// What was found of each subject last.
    found: Sources<Found>,
    hour: i64,
    in_hour: u32,
}

/// What was found of a subject last.
#[derive(Clone, Copy)]
struct Found {
    at: Timestamp,
    band: Band,
    client: Option<u64>,
}

/// What becomes of what was raised.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Novelty {
    New,
    /// It was found a moment ago, at another client.
    OfAnotherClient,
    None,
}

impl Detectors {
    /// With these thresholds; nothing is known yet.
    pub fn new(settings: &AnomalySettings) -> Self {
        let armed = detectors::all(settings).into_iter().filter(|(_, habits, _)| habits.mode != Mode::Off);
        let armed = armed.map(|(name, habits, detector)| Armed {
            name,
            mode: habits.mode,
            cooldown: habits.cooldown.0,
            detector,
            found: Sources::new(settings.sources),
            hour: 0,
            in_hour: 0,
        });
        Self { armed: armed.collect(), known_networks: settings.known_networks.clone(), suppressed: 0 }
    }

    /// Which ones they are.
    pub fn names(&self) -> impl Iterator<Item = DetectorName> {
        self.armed.iter().map(|armed| armed.name)
    }

    /// Looks at what happened. Observations come about in the order of their time.
    pub fn observe(&mut self, observed: &Observation) -> Vec<Finding> {
        let mut findings = Vec::new();
        for armed in &mut self.armed {
            for raised in armed.detector.observe(observed) {
                if is_known(&self.known_networks, &raised.subject) {
                    continue;
                }
                let found = Found {
                    at: observed.at,
                    band: raised.score.band(),
                    client: observed.new_client().filter(|_| raised.subject.is_of_many_clients()).map(hash),
                };
                let subject = hash(&raised.subject);
                let novelty = armed.novelty(subject, &found);
                match novelty {
                    Novelty::None => continue,
                    Novelty::New if armed.has_had_enough(observed.at) => {
                        self.suppressed += 1;
                        continue;
                    }
                    Novelty::New => armed.found.put(subject, found),
                    Novelty::OfAnotherClient => armed.found.of(subject, || found).client = found.client,
                }
                findings.push(Finding {
                    at: observed.at,
                    detector: armed.name,
                    mode: armed.mode,
                    subject: raised.subject,
                    score: raised.score,
                    evidence: raised.evidence,
                    sentence: raised.sentence,
                    request_id: observed.request_id.clone(),
                    involved: observed.involved(),
                    is_of_another_client: novelty == Novelty::OfAnotherClient,
                });
            }
        }
        findings
    }

    /// How many findings were left out since it was asked last, because their detector had found too many in the hour.
    pub fn take_suppressed(&mut self) -> u64 {
        std::mem::take(&mut self.suppressed)
    }
}

impl Armed {
    /// In its cooldown a subject is found again where it has become graver.
    fn novelty(&mut self, subject: u64, found: &Found) -> Novelty {
        let cooldown = self.cooldown;
        match self.found.find(subject).filter(|last| found.at.since(last.at) < cooldown && found.band <= last.band) {
            None => Novelty::New,
            Some(last) if found.client.is_some() && found.client != last.client => Novelty::OfAnotherClient,
            Some(_) => Novelty::None,
        }
    }

    fn has_had_enough(&mut self, at: Timestamp) -> bool {
        let hour = window(at, DurationText(HOUR));
        if hour > self.hour {
            (self.hour, self.in_hour) = (hour, 0);
        }
        self.in_hour = self.in_hour.saturating_add(1);
        self.in_hour > MOST_PER_HOUR
    }
}

fn is_known(networks: &[Network], subject: &Subject) -> bool {
    let Subject::Network(network) = subject else { return false };
    known_within(networks, network).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::{RegistrationSeen, Seen};

    fn guess(second: u32, address: &str, presented: u64) -> Observation {
        Observation {
            at: Timestamp::from_unix_millis(1_000_000_000_000 + i64::from(second) * 1000),
            address: Some(address.parse().unwrap()),
            request_id: Some(format!("request {second}")),
            seen: Seen::BadCredential { presented },
        }
    }

    fn settings(yaml: &str) -> AnomalySettings {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn found(yaml: &str, seconds: u32) -> Vec<Finding> {
        let mut detectors = Detectors::new(&settings(yaml));
        let guesses = (0..seconds).map(|second| guess(second, "192.0.2.1", u64::from(second) * 7919));
        guesses.flat_map(|guess| detectors.observe(&guess)).collect()
    }

    #[test]
    fn the_same_finding_is_not_repeated_before_its_cooldown_is_over() {
        let found = found("token_guessing: { cooldown: 60s, window: 1h }", 200);
        let again = found.windows(2).filter(|pair| pair[1].score.band() <= pair[0].score.band());
        let times: Vec<i64> = again.map(|pair| pair[1].at.unix_seconds() - pair[0].at.unix_seconds()).collect();
        assert!(!times.is_empty() && times.iter().all(|seconds| *seconds == 60), "{times:?}");
        assert_eq!(found[0].subject, Subject::Network("192.0.2.0/24".parse().unwrap()));
        assert!(found[0].request_id.is_some());
    }

    #[test]
    fn what_becomes_graver_breaks_through_its_cooldown_once_each_time() {
        let found = found("token_guessing: { cooldown: 1h, window: 1h }", 200);
        let scores: Vec<f64> = found.iter().map(|finding| finding.score.value()).collect();
        assert_eq!(scores, [0.5, 0.75, 0.9]);
    }

    #[test]
    fn in_its_cooldown_a_host_is_told_again_of_each_client_that_leads_there() {
        let mut detectors = Detectors::new(&settings("{ learning: 0ms, first_sights: { mode: off } }"));
        let mut found = |client: &str, name: &str, repeated: bool| {
            let seen = RegistrationSeen {
                client_name: Some(name.to_owned()),
                redirect_hosts: vec!["app.example".to_owned()],
                client: Some(client.to_owned()),
                admitted: true,
                repeated,
                ..RegistrationSeen::default()
            };
            let findings = detectors
                .observe(&Observation { seen: Seen::Registration(Box::new(seen)), ..guess(0, "192.0.2.1", 0) });
            findings.first().map(|finding| (finding.is_of_another_client, finding.involved.client.clone().unwrap()))
        };
        assert_eq!(found("a", "Cluade Code", false), Some((false, "a".to_owned())));
        assert_eq!(found("a", "Cluade Code", true), None);
        assert_eq!(found("b", "Anthropc", false), Some((true, "b".to_owned())));
        assert_eq!(found("a", "Cluade Code", true), None, "it was dealt with, and may have been resumed");
        assert_eq!(found("c", "Orders", false), None);
    }

    #[test]
    fn a_known_network_is_never_the_subject() {
        for known in ["192.0.2.0/24", "192.0.2.1", "192.0.0.0/16"] {
            assert_eq!(found(&format!("known_networks: [{known}]"), 200), [], "{known}");
        }
        assert!(!found("known_networks: [198.51.100.0/24]", 200).is_empty());
    }

    #[test]
    fn what_is_off_does_not_look() {
        assert_eq!(found("token_guessing: { mode: off }", 200), []);
    }

    #[test]
    fn a_detector_that_finds_too_much_is_cut_short_and_that_is_counted() {
        let mut detectors = Detectors::new(&AnomalySettings::default());
        let mut found = 0;
        for network in 0..200_u32 {
            for guessed in 0..30 {
                let address = format!("203.{network}.0.1");
                found += detectors.observe(&guess(guessed, &address, u64::from(guessed) * 104_729)).len();
            }
        }
        assert_eq!(found, 60);
        assert!(detectors.take_suppressed() > 100);
    }
}
