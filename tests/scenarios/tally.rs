//! How well the detectors do: of what each found how much was an attack, of what each should have found how much it did.

use std::collections::BTreeMap;

use dcr_gateway::anomaly::{AnomalySettings, DetectorName, Detectors, Finding};

use super::{HOUR, Scenario};

/// How well one detector did, over all the weeks.
#[derive(Default)]
pub struct Tally {
    /// Findings about an attack.
    pub right: u32,
    /// Findings about nothing bad: one of each, with how often there was such a one.
    pub wrong: u32,
    pub wrong_sentences: Vec<String>,
    /// Attacks that it should find, with how often it did, of how many times.
    pub attacks: BTreeMap<&'static str, (u32, u32)>,
}

impl Tally {
    /// The share of its findings that were right.
    pub fn precision(&self) -> Option<f64> {
        let all = self.right + self.wrong;
        (all > 0).then(|| f64::from(self.right) / f64::from(all))
    }

    /// The share of the attacks that it should find which it found.
    pub fn recall(&self) -> Option<f64> {
        let found: u32 = self.attacks.values().map(|(found, _)| found).sum();
        let all: u32 = self.attacks.values().map(|(_, all)| all).sum();
        (all > 0).then(|| f64::from(found) / f64::from(all))
    }
}

/// Runs the detectors over the weeks of each seed.
pub fn run(settings: &AnomalySettings, seeds: &[u64]) -> BTreeMap<DetectorName, Tally> {
    let mut tallies: BTreeMap<_, _> = DetectorName::ALL.into_iter().map(|name| (name, Tally::default())).collect();
    for seed in seeds {
        let scenario = Scenario::of(*seed);
        let mut caught = vec![Vec::new(); scenario.attacks.len()];
        let mut detectors = Detectors::new(settings);
        for event in &scenario.events {
            let findings = detectors.observe(&event.observation);
            for finding in findings.into_iter().filter(|finding| !finding.is_of_another_client) {
                let tally = tallies.entry(finding.detector).or_default();
                match attack_of(&scenario, event.attack, &finding) {
                    Some(attack) => {
                        tally.right += 1;
                        caught[attack].push(finding.detector);
                    }
                    None => {
                        tally.wrong += 1;
                        tally.wrong_sentences.push(format!("{} {}", finding.at, finding.sentence));
                    }
                }
            }
        }
        for (attack, caught) in scenario.attacks.iter().zip(&caught) {
            for name in attack.expected {
                let (found, all) = tallies.entry(*name).or_default().attacks.entry(attack.name).or_default();
                *found += u32::from(caught.contains(name));
                *all += 1;
            }
        }
    }
    tallies
}

/// The attack that a finding is about: what it was raised at belongs to one, or one that this detector should find has been going on
/// within the hour.
fn attack_of(scenario: &Scenario, raised_at: Option<usize>, finding: &Finding) -> Option<usize> {
    let at = Scenario::moment(finding.at);
    let going_on = || {
        let mut attacks = scenario.attacks.iter();
        attacks.position(|attack| {
            attack.expected.contains(&finding.detector) && (attack.from..=attack.to + HOUR).contains(&at)
        })
    };
    raised_at.or_else(going_on)
}
