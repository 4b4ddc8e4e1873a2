//! One certificate or initial access token from many networks: shared, embedded, or stolen. Different networks per day (linear
//! counting) against the credential's own habit (EWMA); one that is new is presumed to be
//! used from four.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::anomaly::detector::{Detector, window};
use crate::anomaly::distinct::DistinctInWindow;
use crate::anomaly::finding::{Raised, Score, Subject, evidence};
use crate::anomaly::habit::Habit;
use crate::anomaly::network::network;
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, days};
use crate::anomaly::sources::{Sources, hash};
use crate::duration::DurationText;

/// The thresholds of `credential_spread`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CredentialSpreadSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same credential is not found again. Default: 1d.
    pub cooldown: DurationText,
    /// How improbable the number of networks in a day must be, in powers of ten. Default: 4.
    pub surprise: NonZeroU32,
    /// Fewer networks in a day are never too many; /24, for IPv6 /48. Default: 8.
    pub minimum: NonZeroU32,
}

impl Default for CredentialSpreadSettings {
    fn default() -> Self {
        Self { mode: Mode::default(), cooldown: days(1), surprise: count(4), minimum: count(8) }
    }
}

const WINDOW: DurationText = days(1);

pub(in crate::anomaly) struct CredentialSpread {
    settings: CredentialSpreadSettings,
    credentials: Sources<Credential>,
}

struct Credential {
    habit: Habit,
    networks: DistinctInWindow,
}

impl CredentialSpread {
    pub(in crate::anomaly) fn new(settings: CredentialSpreadSettings, sources: NonZeroU32) -> Self {
        Self { settings, credentials: Sources::new(sources) }
    }

    fn look(&mut self, subject: Subject, now: i64, network: u64) -> Option<Raised> {
        let known = self.credentials.of(hash(&subject), || Credential {
            habit: Habit::presumed(4.0, 1),
            networks: DistinctInWindow::default(),
        });
        if let Some(ended) = known.networks.see(now, network) {
            // Days without it say nothing about how far it spreads when it is used.
            known.habit.learn(ended.count);
        }
        let (networks, usual) = (known.networks.count(), known.habit.mean());
        let surprise = known.habit.surprise(networks, 1.0);
        let threshold = f64::from(self.settings.surprise.get());
        (networks >= self.settings.minimum.get() && surprise >= threshold).then(|| Raised {
            sentence: format!("{subject} was used from {networks} networks within the day, where {usual:.1} are usual"),
            subject,
            score: Score::over(surprise, threshold),
            evidence: vec![evidence("networks", networks), evidence("usual", usual), evidence("surprise", surprise)],
        })
    }
}

impl Detector for CredentialSpread {
    fn observe(&mut self, observed: &Observation) -> Vec<Raised> {
        let (Seen::Registration(registration), Some(address)) = (&observed.seen, observed.address) else {
            return Vec::new();
        };
        let network = hash(&network(address));
        let now = window(observed.at, WINDOW);
        let certificate = registration.certificate.clone().map(Subject::Certificate);
        let token = registration.token.clone().map(Subject::Token);
        certificate.into_iter().chain(token).filter_map(|subject| self.look(subject, now, network)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::RegistrationSeen;
    use crate::clock::Timestamp;

    fn registration(day: i64, network: u8) -> Observation {
        let seen = RegistrationSeen { token: Some("ci".to_owned()), ..RegistrationSeen::default() };
        Observation {
            at: Timestamp::from_unix_millis((18_000 + day) * 86_400_000 + i64::from(network)),
            address: Some([203, 0, network, 9].into()),
            request_id: None,
            seen: Seen::Registration(Box::new(seen)),
        }
    }

    #[test]
    fn a_token_that_is_suddenly_everywhere_is_found() {
        let mut detector = CredentialSpread::new(CredentialSpreadSettings::default(), count(100));
        for day in 0..10 {
            assert!((0..2).all(|network| detector.observe(&registration(day, network)).is_empty()));
        }
        let found: Vec<Raised> = (0..40).flat_map(|network| detector.observe(&registration(10, network))).collect();
        assert_eq!(found[0].subject, Subject::Token("ci".to_owned()));
    }

    #[test]
    fn a_token_does_not_hide_behind_the_certificate_it_is_used_with() {
        let mut detector = CredentialSpread::new(CredentialSpreadSettings::default(), count(100));
        let found = (0..40).flat_map(|network| {
            let mut observed = registration(0, network);
            if let Seen::Registration(registration) = &mut observed.seen {
                registration.certificate = Some("ab".to_owned());
            }
            detector.observe(&observed)
        });
        let found: Vec<Subject> = found.map(|raised| raised.subject).collect();
        assert_eq!(found[..2], [Subject::Certificate("ab".to_owned()), Subject::Token("ci".to_owned())]);
    }

    #[test]
    fn one_that_always_was_in_many_places_is_not() {
        let mut detector = CredentialSpread::new(CredentialSpreadSettings::default(), count(100));
        for day in 0..30 {
            let networks = 3 + u8::try_from(day).unwrap().min(12);
            for network in 0..networks {
                let found = detector.observe(&registration(day, network));
                assert!(found.is_empty(), "{found:?} on day {day}");
            }
        }
    }
}
