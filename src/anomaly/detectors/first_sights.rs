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
    fn observe(&mut self, observed: &Observation) -> Vec<Raised> {
        let Seen::Registration(registration) = &observed.seen else { return Vec::new() };
        let has_learned = self.learning.is_over(observed.at);
        if !registration.admitted {
            return Vec::new();
        }
        let mut raised = Vec::new();
        if let Some(issuer) = registration.statement_issuer.as_ref()
            && is_new(&mut self.issuers, issuer)
        {
            raised.push(Raised {
                subject: Subject::StatementIssuer(issuer.clone()),
                score: Score::of(0.7),
                evidence: Vec::new(),
                sentence: format!("the first software statement of {issuer}"),
            });
        }
        for host in registration.redirect_hosts.iter().filter(|host| !is_loopback(host)) {
            let domain = domain(host);
            if is_new(&mut self.hosts, domain) {
                raised.push(Raised {
                    subject: Subject::RedirectHost(domain.to_owned()),
                    score: Score::of(0.5),
                    evidence: Vec::new(),
                    sentence: format!("the first client with a redirect URI at {domain}"),
                });
            }
        }
        if has_learned { raised } else { Vec::new() }
    }
}

/// Whether it was not known before; from now on it is.
fn is_new(known: &mut Sources<()>, name: &str) -> bool {
    let is_new = known.find(hash(name)).is_none();
    known.put(hash(name), ());
    is_new
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
    // A name with letters that no address has need not be read.
    let may_be_address = !host.bytes().any(|byte| matches!(byte, b'g'..=b'w' | b'y' | b'z'));
    (may_be_address || host.ends_with("localhost")) && Host::parse(host).is_some_and(|host| host.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::RegistrationSeen;
    use crate::anomaly::settings::{count, hours};
    use crate::clock::Timestamp;

    fn registration(hour: i64, hosts: &str) -> Observation {
        let redirect_hosts = hosts.split(' ').map(str::to_owned).collect();
        let seen = RegistrationSeen { redirect_hosts, admitted: true, ..RegistrationSeen::default() };
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
        assert_eq!(detector.observe(&registration(0, "known.example")), []);
        detector
    }

    #[test]
    fn a_host_is_seen_first_once() {
        let mut detector = detector();
        assert_eq!(subjects(detector.observe(&registration(25, "app.new.example"))), [host("new.example")]);
        assert_eq!(detector.observe(&registration(26, "other.new.example")), []);
        assert_eq!(detector.observe(&registration(27, "tenant-7.known.example")), []);
    }

    #[test]
    fn a_new_host_does_not_hide_behind_another_new_one_or_a_new_issuer() {
        let mut detector = detector();
        let mut observed = registration(25, "app.one.example known.example app.two.example");
        if let Seen::Registration(registration) = &mut observed.seen {
            registration.statement_issuer = Some("https://directory.example".to_owned());
        }
        let issuer = Subject::StatementIssuer("https://directory.example".to_owned());
        assert_eq!(subjects(detector.observe(&observed)), [issuer, host("one.example"), host("two.example")]);
        assert_eq!(detector.observe(&observed), []);
    }

    #[test]
    fn who_is_new_is_found_though_another_is_forgotten_for_it() {
        let settings = FirstSightsSettings { learning: hours(0), ..FirstSightsSettings::default() };
        let mut detector = FirstSights::new(settings, count(1));
        for number in 0..3 {
            let mut observed = registration(number, "127.0.0.1");
            let issuer = format!("https://{number}.example");
            if let Seen::Registration(registration) = &mut observed.seen {
                registration.statement_issuer = Some(issuer.clone());
            }
            assert_eq!(subjects(detector.observe(&observed)), [Subject::StatementIssuer(issuer)]);
        }
    }

    fn host(name: &str) -> Subject {
        Subject::RedirectHost(name.to_owned())
    }

    fn subjects(raised: Vec<Raised>) -> Vec<Subject> {
        raised.into_iter().map(|raised| raised.subject).collect()
    }

    #[test]
    fn an_issuer_is_seen_first_once() {
        let mut detector = detector();
        let mut observed = registration(30, "known.example");
        if let Seen::Registration(registration) = &mut observed.seen {
            registration.statement_issuer = Some("https://directory.example".to_owned());
        }
        assert!(matches!(subjects(detector.observe(&observed))[..], [Subject::StatementIssuer(_)]));
        assert_eq!(detector.observe(&observed), []);
    }

    #[test]
    fn loopback_and_what_was_refused_are_not_seen() {
        let mut detector = detector();
        for host in ["127.0.0.1", "127.8.8.8", "[::1]", "[::ffff:7f00:1]", "localhost", "app.localhost"] {
            assert_eq!(detector.observe(&registration(25, host)), [], "{host}");
        }
        let mut observed = registration(25, "refused.example");
        if let Seen::Registration(registration) = &mut observed.seen {
            registration.admitted = false;
        }
        assert_eq!(detector.observe(&observed), []);
    }
}
