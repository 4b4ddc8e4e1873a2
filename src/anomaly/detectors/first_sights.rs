//! A redirect host or a statement issuer that was never seen before: an exact set, bounded. Hosts count by their registrable domain,
//! so that a tenant's host below a known one is none. What is refused is not seen: only what was admitted can do harm.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::anomaly::detector::{Detector, Learning};
use crate::anomaly::finding::{Raised, Score, Subject};
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, days};
use crate::anomaly::sources::{Sources, hash};
use crate::duration::DurationText;
use crate::registration::host::Host;

/// What is set for `first_sights`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FirstSightsSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same host or issuer is not found again, should it have been forgotten. Default: 7d.
    pub cooldown: DurationText,
    /// How long the detector only learns, from the start of the gateway on: longer than others, because it must have seen what is rare. Default: 3d.
    pub learning: DurationText,
}

impl Default for FirstSightsSettings {
    fn default() -> Self {
        Self { mode: Mode::default(), cooldown: days(7), learning: days(3) }
    }
}

pub(in crate::anomaly) struct FirstSights {
    hosts: Sources<()>,
    issuers: Sources<()>,
    learning: Learning,
}

impl FirstSights {
    pub(in crate::anomaly) fn new(settings: FirstSightsSettings, sources: NonZeroU32) -> Self {
        let learning = Learning::new(settings.learning);
        Self { hosts: Sources::new(sources), issuers: Sources::new(sources), learning }
    }
}

impl Detector for FirstSights {
    fn observe(&mut self, observed: &Observation) -> Option<Raised> {
        let Seen::Registration(registration) = &observed.seen else { return None };
        let has_learned = self.learning.is_over(observed.at);
        if !registration.admitted {
            return None;
        }
        let issuer = registration.statement_issuer.as_ref();
        let new_issuer = issuer.filter(|issuer| self.issuers.put(hash(*issuer), ()).is_none());
        let mut new_hosts = Vec::new();
        for host in registration.redirect_hosts.iter().filter(|host| !is_loopback(host)) {
            let domain = domain(host);
            if self.hosts.find(hash(domain)).is_none() {
                self.hosts.put(hash(domain), ());
                new_hosts.push(domain);
            }
        }
        if !has_learned {
            return None;
        }
        if let Some(issuer) = new_issuer {
            return Some(Raised {
                subject: Subject::StatementIssuer(issuer.clone()),
                score: Score::of(0.7),
                evidence: Vec::new(),
                sentence: format!("the first software statement of {issuer}"),
            });
        }
        let host = new_hosts.first()?;
        Some(Raised {
            subject: Subject::RedirectHost((*host).to_owned()),
            score: Score::of(0.5),
            evidence: Vec::new(),
            sentence: format!("the first client with a redirect URI at {host}"),
        })
    }
}

/// The registrable domain, where there is one.
pub(super) fn domain(host: &str) -> &str {
    if host.parse::<std::net::IpAddr>().is_ok() {
        return host;
    }
    psl::domain_str(host).unwrap_or(host)
}

/// Every installed program has these.
pub(super) fn is_loopback(host: &str) -> bool {
    Host::parse(host).is_some_and(|host| host.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::RegistrationSeen;
    use crate::anomaly::settings::{count, hours};
    use crate::clock::Timestamp;

    fn registration(hour: i64, host: &str) -> Observation {
        let seen =
            RegistrationSeen { redirect_hosts: vec![host.to_owned()], admitted: true, ..RegistrationSeen::default() };
        Observation {
            at: Timestamp::from_unix_millis((400_000 + hour) * 3_600_000),
            address: None,
            request_id: None,
            seen: Seen::Registration(Box::new(seen)),
        }
    }

    fn detector() -> FirstSights {
        let settings = FirstSightsSettings { learning: hours(24), ..FirstSightsSettings::default() };
        let mut detector = FirstSights::new(settings, count(100));
        assert!(detector.observe(&registration(0, "known.example")).is_none());
        detector
    }

    #[test]
    fn a_host_is_seen_first_once() {
        let mut detector = detector();
        let found = detector.observe(&registration(25, "app.new.example")).unwrap();
        assert_eq!(found.subject, Subject::RedirectHost("new.example".to_owned()));
        assert!(detector.observe(&registration(26, "other.new.example")).is_none());
        assert!(detector.observe(&registration(27, "tenant-7.known.example")).is_none());
    }

    #[test]
    fn an_issuer_is_seen_first_once() {
        let mut detector = detector();
        let mut observed = registration(30, "known.example");
        if let Seen::Registration(registration) = &mut observed.seen {
            registration.statement_issuer = Some("https://directory.example".to_owned());
        }
        assert!(matches!(detector.observe(&observed).unwrap().subject, Subject::StatementIssuer(_)));
        assert!(detector.observe(&observed).is_none());
    }

    #[test]
    fn loopback_and_what_was_refused_are_not_seen() {
        let mut detector = detector();
        for host in ["127.0.0.1", "127.8.8.8", "[::1]", "[::ffff:7f00:1]", "localhost", "app.localhost"] {
            assert!(detector.observe(&registration(25, host)).is_none(), "{host}");
        }
        let mut observed = registration(25, "refused.example");
        if let Seen::Registration(registration) = &mut observed.seen {
            registration.admitted = false;
        }
        assert!(detector.observe(&observed).is_none());
    }
}
