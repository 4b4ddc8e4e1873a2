//! `docs/anomalies.md` shows what each detector found in made-up weeks, what it missed and what it raised wrongly.

#[path = "scenarios/mod.rs"]
mod scenarios;

use std::path::Path;

use dcr_gateway::anomaly::{AnomalySettings, DetectorName};

use scenarios::DAYS;
use scenarios::tally::{self, Tally};

/// Not those with which the thresholds were set (`benches/anomalies.rs`).
const SEEDS: [u64; 3] = [101, 102, 103];

const BEGIN: &str = "<!-- made by UPDATE_DOCS=1 cargo test --test anomalies_document -->\n";
const END: &str = "<!-- end -->\n";

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// A wrong finding's sentence without what is different in each: digits become `n`.
fn kind(sentence: &str) -> String {
    let words = sentence.split(' ').skip(1).map(|word| {
        let has_digit = word.contains(|character: char| character.is_ascii_digit());
        if has_digit { "…" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What it looks at.
const fn looks_at(name: DetectorName) -> &'static str {
    match name {
        DetectorName::RegistrationBursts => {
            "Registrations of a profile within ten minutes, against what the profile is used to at this hour of working days or weekends."
        }
        DetectorName::RedirectHostCrowds => {
            "Different registrants for one redirect host within an hour, against what the host is used to."
        }
        DetectorName::FirstSights => {
            "Redirect hosts (by registrable domain) and statement issuers that were never seen before."
        }
        DetectorName::LookalikeNames => {
            "Names, admitted or taken by a change, a slip or two away from a protected one, and protected ones that lead to a host they never led to."
        }
        DetectorName::TokenGuessing => {
            "Different bad credentials from one network within an hour; from everywhere, against what is usual."
        }
        DetectorName::CredentialSpread => {
            "Networks from which one certificate or token is used in a day, against its own habit."
        }
        DetectorName::Probing => {
            "Different registrations of one registrant that different rules refused, one after the other."
        }
        DetectorName::UnusualHours => "Registrations with a certificate or token at an hour at which it has none.",
        DetectorName::NeverUsed => "The share of a registrant's clients that were used, against everybody's.",
        DetectorName::DormantClients => {
            "Clients unused for a month that are used again from one network within an hour, against what it is used to."
        }
        DetectorName::TokenRequestRates => {
            "Token requests of a client within a quarter of an hour, against its own history."
        }
        DetectorName::TokenErrors => {
            "The share of token requests that fail within five minutes, against the usual share."
        }
        DetectorName::Widening => {
            "Changes that give a client redirect hosts in another domain, other keys or more scopes."
        }
    }
}

fn section(name: DetectorName, tally: &Tally) -> String {
    let mut text = format!("\n### `{}`\n\n{}\n\n", name.as_str(), looks_at(name));
    for (attack, (found, all)) in &tally.attacks {
        text += &format!("- {attack}: found {found} of {all} times\n");
    }
    let mut wrong: Vec<(String, usize)> = Vec::new();
    for kind in tally.wrong_sentences.iter().map(|sentence| kind(sentence)) {
        match wrong.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, times)) => *times += 1,
            None => wrong.push((kind, 1)),
        }
    }
    for (kind, times) in wrong.iter().take(3) {
        text += &format!("- raised wrongly, {times} times: \"{kind}\"\n");
    }
    text
}

fn made() -> String {
    let tallies = tally::run(&AnomalySettings::default(), &SEEDS);
    let mut text = format!(
        "{BEGIN}\n{} times {DAYS} days, by the default thresholds. Right is a finding about an attack; *found* counts the attacks that the\n\
         detector should find.\n\n\
         | detector | findings right | wrong | precision | attacks found |\n|---|---|---|---|---|\n",
        SEEDS.len()
    );
    for (name, tally) in &tallies {
        let (precision, recall) = (percent(tally.precision()), percent(tally.recall()));
        text += &format!("| `{}` | {} | {} | {precision} | {recall} |\n", name.as_str(), tally.right, tally.wrong);
    }
    for (name, tally) in &tallies {
        text += &section(*name, tally);
    }
    text + "\n" + END
}

#[test]
fn the_document_shows_what_the_detectors_find() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/anomalies.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let (before, rest) = kept.split_once(BEGIN).expect("docs/anomalies.md has the place where this goes");
    let (_, behind) = rest.split_once(END).expect("the place ends");
    let document = format!("{before}{}{behind}", made());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &document).unwrap();
        return;
    }
    assert!(kept == document, "docs/anomalies.md is old: UPDATE_DOCS=1 cargo test --test anomalies_document");
}
