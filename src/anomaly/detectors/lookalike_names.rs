//! Names that were admitted and are close to protected ones. The rule of the profile refuses what reads as a protected name; here is
//! looked for what is one slip away from it (optimal string alignment over what the name reads as), and for a protected name whose
//! client leads to a host that clients of that name never led to while it was learned.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::first_sights::{domain, is_loopback};
use crate::anomaly::detector::{Learning, RaisesOne};
use crate::anomaly::finding::{Raised, Score, Subject, evidence};
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, days};
use crate::anomaly::sources::{Sources, hash};
use crate::duration::DurationText;
use crate::policy::lookalike;

/// What is set for `lookalike_names`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LookalikeNamesSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same host is not found again. Default: 1d.
    pub cooldown: DurationText,
    /// The protected names, at least five letters each: shorter ones are a slip away from too many words.
    /// Default: those of the `mcp` preset that no common word is a slip away from.
    pub names: Vec<String>,
}

impl Default for LookalikeNamesSettings {
    fn default() -> Self {
        let names = NAMES.iter().map(|name| (*name).to_owned());
        Self { mode: Mode::default(), cooldown: days(1), names: names.collect() }
    }
}

/// Names that the `mcp` preset protects, and that no common word is a slip away from.
const NAMES: [&str; 12] = [
    "Claude",
    "Claude Code",
    "Anthropic",
    "ChatGPT",
    "OpenAI",
    "Codex",
    "Cursor",
    "Visual Studio Code",
    "VS Code",
    "GitHub Copilot",
    "Perplexity",
    "Mistral",
];

/// Shorter names are not compared.
const SHORTEST: usize = 5;

/// From this length on two slips are still close.
const LONG: usize = 10;

/// Hosts of a protected name that are remembered.
const HOSTS: NonZeroU32 = count(256);

pub(in crate::anomaly) struct LookalikeNames {
    names: Vec<Protected>,
    learning: Learning,
}

struct Protected {
    name: String,
    reading: String,
    outline: Outline,
    hosts: Sources<()>,
}

/// Whether a name of the settings is compared.
pub(crate) fn is_compared(name: &str) -> bool {
    lookalike::reading(name).chars().count() >= SHORTEST
}

impl LookalikeNames {
    pub(in crate::anomaly) fn new(settings: &LookalikeNamesSettings, learning: DurationText) -> Self {
        let names = settings.names.iter().map(|name| (name, lookalike::reading(name)));
        let names = names.filter(|(_, reading)| reading.chars().count() >= SHORTEST);
        let names = names.map(|(name, reading)| Protected {
            name: name.clone(),
            outline: Outline::of(&reading),
            reading,
            hosts: Sources::new(HOSTS),
        });
        Self { names: names.collect(), learning: Learning::new(learning) }
    }
}

impl RaisesOne for LookalikeNames {
    fn observe(&mut self, observed: &Observation) -> Option<Raised> {
        let (name, hosts) = match &observed.seen {
            Seen::Registration(registration) => {
                (registration.client_name.as_ref().filter(|_| registration.admitted), &registration.redirect_hosts)
            }
            Seen::Change(change) => (change.new_name.as_ref(), &change.redirect_hosts),
            Seen::BadCredential { .. } | Seen::TokenRequest(_) => return None,
        };
        let has_learned = self.learning.is_over(observed.at);
        let name = name?;
        let hosts: Vec<&str> = hosts.iter().filter(|host| !is_loopback(host)).map(|host| domain(host)).collect();
        if hosts.is_empty() {
            return None;
        }
        let readings = lookalike::readings(name);
        let readings: Vec<_> = readings.iter().map(|reading| (reading.as_str(), Outline::of(reading))).collect();
        let near = |protected: &Protected| {
            let most = if protected.outline.length >= LONG { 2 } else { 1 };
            let others = readings.iter().filter(|(_, outline)| protected.outline.may_be_near(outline, most));
            let apart = others.map(|(other, _)| strsim::osa_distance(&protected.reading, other)).min();
            apart.filter(|apart| *apart <= most)
        };
        let close = self.names.iter_mut().filter_map(|protected| Some((near(protected)?, protected)));
        let (apart, protected) = close.min_by_key(|(apart, _)| *apart)?;
        let host = *hosts.iter().find(|host| protected.hosts.find(hash(**host)).is_none())?;
        if !has_learned {
            if apart == 0 {
                for host in &hosts {
                    protected.hosts.put(hash(*host), ());
                }
            }
            return None;
        }
        let how = if apart == 0 { "reads as" } else { "is close to" };
        Some(Raised {
            subject: Subject::RedirectHost(host.to_owned()),
            score: Score::of(if apart == 0 { 0.8 } else { 0.6 }),
            evidence: vec![evidence("slips", u32::try_from(apart).unwrap_or(u32::MAX))],
            sentence: format!(
                "{name:?} {how} the protected name {:?} and leads to {host}, where no client of that name led before",
                protected.name
            ),
        })
    }
}

/// What tells most readings apart before they are compared.
struct Outline {
    /// In characters.
    length: usize,
    /// Which letters from a to z it has, a bit for each.
    letters: u32,
}

impl Outline {
    fn of(text: &str) -> Self {
        let letters = text.bytes().filter(u8::is_ascii_lowercase).fold(0, |all, letter| all | 1 << (letter - b'a'));
        Self { length: text.chars().count(), letters }
    }

    /// A slip adds a letter, takes one away or puts one in the place of another.
    fn may_be_near(&self, other: &Self, slips: usize) -> bool {
        let other_letters = (self.letters ^ other.letters).count_ones() as usize;
        self.length.abs_diff(other.length) <= slips && other_letters <= 2 * slips
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::{ChangeSeen, RegistrationSeen};
    use crate::anomaly::settings::hours;
    use crate::clock::Timestamp;

    fn registration(hour: i64, name: &str, host: &str) -> Observation {
        let seen = RegistrationSeen {
            client_name: Some(name.to_owned()),
            redirect_hosts: vec![host.to_owned()],
            admitted: true,
            ..RegistrationSeen::default()
        };
        Observation {
            at: Timestamp::from_unix_millis((400_000 + hour) * 3_600_000),
            address: None,
            request_id: None,
            seen: Seen::Registration(Box::new(seen)),
        }
    }

    fn detector() -> LookalikeNames {
        let mut detector = LookalikeNames::new(&LookalikeNamesSettings::default(), hours(24));
        assert!(detector.observe(&registration(0, "Claude", "claude.ai")).is_none());
        detector
    }

    #[test]
    fn a_slip_away_from_a_protected_name_is_found() {
        for name in ["Claudee", "Cluade", "Calude Code", "ChatGTP", "Perplexty", "Githb Copilot", "Curser"] {
            assert!(detector().observe(&registration(25, name, "app.example")).is_some(), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_taken_by_a_change_is_found_as_well() {
        let mut detector = detector();
        let mut renamed = |name: Option<&str>| {
            let change = ChangeSeen {
                redirect_hosts: vec!["app.example".to_owned()],
                new_name: name.map(str::to_owned),
                ..ChangeSeen::default()
            };
            detector.observe(&Observation { seen: Seen::Change(change), ..registration(25, "", "") }).is_some()
        };
        assert!(renamed(Some("Cluade Code")));
        assert!(!renamed(Some("Orders")) && !renamed(None));
    }

    #[test]
    fn other_names_are_not() {
        for name in ["Claudia", "Cloud Reader", "Chat Server", "Orders", "Complexity", "Minstrels"] {
            assert!(detector().observe(&registration(25, name, "app.example")).is_none(), "{name}");
        }
    }

    #[test]
    fn a_protected_name_may_lead_where_it_always_led_and_to_loopback() {
        let mut detector = detector();
        assert!(detector.observe(&registration(25, "Claude", "claude.ai")).is_none());
        assert!(detector.observe(&registration(25, "Claude", "127.0.0.1")).is_none());
        assert!(detector.observe(&registration(25, "Claude", "evil.example")).is_some());
    }
}
