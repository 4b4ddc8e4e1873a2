//! Changes that widen a client (RFC 7592), as somebody makes them who has taken it over: points for what is new, more for what is
//! strange. A redirect host outside the domains the client had weighs most, then other keys, then scopes; a change from another network
//! than the registration's adds to it. A URI more at the same host is an ordinary release.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::first_sights::{domain, is_loopback};
use crate::anomaly::detector::RaisesOne;
use crate::anomaly::finding::{Raised, Score, Subject, evidence};
use crate::anomaly::network::network;
use crate::anomaly::observation::{Observation, Seen};
use crate::anomaly::settings::{Mode, count, hours};
use crate::duration::DurationText;

/// The thresholds of `widening`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WideningSettings {
    /// `off` or `report`. Default: report.
    pub mode: Mode,
    /// How long the same client is not found again. Default: 1h.
    pub cooldown: DurationText,
    /// How many points a change must have: 5 for a redirect host in another domain, 3 for other keys, 2 for new scopes, 1 for a new URI where the
    /// client had hosts already, and 2 more from another network than the registration's. Default: 5.
    pub points: NonZeroU32,
}

impl Default for WideningSettings {
    fn default() -> Self {
        Self { mode: Mode::default(), cooldown: hours(1), points: count(5) }
    }
}

pub(in crate::anomaly) struct Widening {
    settings: WideningSettings,
}

impl Widening {
    pub(in crate::anomaly) fn new(settings: WideningSettings) -> Self {
        Self { settings }
    }
}

impl RaisesOne for Widening {
    fn observe(&mut self, observed: &Observation) -> Option<Raised> {
        let Seen::Change(change) = &observed.seen else { return None };
        let had = |host: &str| change.hosts_before.iter().any(|before| domain(before) == domain(host));
        let strange: Vec<&str> = change
            .new_redirect_hosts
            .iter()
            .map(String::as_str)
            .filter(|host| !is_loopback(host) && !had(host))
            .collect();
        let mut points = 0;
        let mut what = Vec::new();
        if !strange.is_empty() {
            points += 5;
            what.push(format!("redirect hosts {}", strange.join(" ")));
        } else if change.new_redirect_uris > 0 {
            points += 1;
            what.push(format!("{} redirect URIs", change.new_redirect_uris));
        }
        if change.other_keys {
            points += 3;
            what.push("other keys".to_owned());
        }
        if !change.new_scopes.is_empty() {
            points += 2;
            what.push(format!("scopes {}", change.new_scopes.join(" ")));
        }
        if what.is_empty() {
            return None;
        }
        let elsewhere = match (change.registered_from, observed.address) {
            (Some(registered), Some(now)) => network(registered) != network(now),
            _ => false,
        };
        points += if elsewhere { 2 } else { 0 };
        let from = if elsewhere { ", from another network than its registration" } else { "" };
        (points >= self.settings.points.get()).then(|| Raised {
            subject: Subject::Client(change.client.clone()),
            score: Score::over(points.into(), self.settings.points.get().into()),
            evidence: vec![evidence("points", points)],
            sentence: format!("client {} was widened by {}{from}", change.client, what.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::ChangeSeen;
    use crate::clock::Timestamp;

    fn raised(change: ChangeSeen) -> bool {
        let change = ChangeSeen {
            client: "c".to_owned(),
            hosts_before: vec!["app.partner.example".to_owned()],
            registered_from: Some([192, 0, 2, 1].into()),
            ..change
        };
        let observed = Observation {
            at: Timestamp::from_unix_millis(0),
            address: Some([198, 51, 100, 1].into()),
            request_id: None,
            seen: Seen::Change(change),
        };
        Widening::new(WideningSettings::default()).observe(&observed).is_some()
    }

    #[test]
    fn a_redirect_host_of_somebody_else_is_found() {
        let hosts = vec!["evil.example".to_owned()];
        assert!(raised(ChangeSeen { new_redirect_hosts: hosts, new_redirect_uris: 1, ..ChangeSeen::default() }));
    }

    #[test]
    fn other_keys_from_elsewhere_are_found() {
        assert!(raised(ChangeSeen { other_keys: true, ..ChangeSeen::default() }));
    }

    #[test]
    fn another_uri_or_host_of_its_own_is_not() {
        let hosts = vec!["new.partner.example".to_owned()];
        assert!(!raised(ChangeSeen { new_redirect_hosts: hosts, new_redirect_uris: 1, ..ChangeSeen::default() }));
        assert!(!raised(ChangeSeen { new_scopes: vec!["email".to_owned()], ..ChangeSeen::default() }));
        assert!(!raised(ChangeSeen::default()));
    }
}
