//! The detectors over made-up weeks: precision and recall of each, what it raised wrongly, and what an observation costs. Its own harness.

#[path = "../tests/scenarios/mod.rs"]
mod scenarios;

use std::time::Instant;

use dcr_gateway::anomaly::{AnomalySettings, Detectors};

use scenarios::Scenario;

/// The thresholds were set with these; `docs/anomalies.md` is made with others.
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

fn main() {
    let settings = AnomalySettings::default();
    for (name, tally) in scenarios::tally::run(&settings, &SEEDS) {
        let percent = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0));
        println!(
            "{:<22} precision {:>6} ({} right, {} wrong)  recall {:>6}",
            name.as_str(),
            percent(tally.precision()),
            tally.right,
            tally.wrong,
            percent(tally.recall())
        );
        for (attack, (found, all)) in &tally.attacks {
            println!("    {found}/{all} {attack}");
        }
        for sentence in tally.wrong_sentences.iter().take(4) {
            println!("    wrong: {sentence}");
        }
    }
    let scenario = Scenario::of(SEEDS[0]);
    let mut detectors = Detectors::new(&settings);
    let began = Instant::now();
    let found: usize = scenario.events.iter().map(|event| detectors.observe(&event.observation).len()).sum();
    let each = began.elapsed().as_nanos() / u128::try_from(scenario.events.len().max(1)).unwrap_or(1);
    println!("{} observations, {found} findings, {each} ns each", scenario.events.len());
}
