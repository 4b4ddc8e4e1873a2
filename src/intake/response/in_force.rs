//! The responses in force, laid out to be asked on every request: by address, by name. Pure, and never changed once it is made.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::clock::Timestamp;
use crate::store::{ResponseAction, ResponseRecord, ResponsesInForce};
use crate::telemetry::ResponseCount;

/// A response that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveResponse {
    /// Its name.
    pub id: Arc<str>,
    /// From this moment on it is over.
    pub until: Timestamp,
    /// What a rate is divided by.
    pub factor: u32,
}

/// What the store had when it was read last, and what it is to have.
#[derive(Debug, Default)]
pub struct InForce {
    version: Option<i64>,
    /// All that nobody has ended, dry runs too.
    responses: Vec<ResponseRecord>,
    /// What the store does not have yet.
    beside: Vec<ResponseRecord>,
    networks: HashMap<IpNet, ActiveResponse>,
    /// The lengths of the prefixes among the networks.
    prefixes: BTreeSet<u8>,
    others: HashMap<ResponseAction, HashMap<String, ActiveResponse>>,
}

impl InForce {
    /// Out of what was read, and what the store does not have yet.
    pub fn of(read: ResponsesInForce, beside: Vec<ResponseRecord>) -> Self {
        Self::made(Some(read.version), read.responses, beside)
    }

    /// The same, with this beside it.
    pub fn beside(&self, beside: Vec<ResponseRecord>) -> Self {
        Self::made(self.version, self.responses.clone(), beside)
    }

    fn made(version: Option<i64>, responses: Vec<ResponseRecord>, beside: Vec<ResponseRecord>) -> Self {
        let mut in_force = Self { version, ..Self::default() };
        for response in responses.iter().chain(&beside).filter(|response| !response.dry_run) {
            in_force.hold(response);
        }
        Self { responses, beside, ..in_force }
    }

    fn hold(&mut self, response: &ResponseRecord) {
        let held =
            ActiveResponse { id: response.id.as_str().into(), until: response.expires_at, factor: response.factor };
        if response.action != ResponseAction::BanAddress {
            longest(self.others.entry(response.action).or_default().entry(response.subject.clone()), held);
            return;
        }
        // What is no network was written by nobody here.
        if let Ok(network) = response.subject.parse::<IpNet>() {
            self.prefixes.insert(network.prefix_len());
            longest(self.networks.entry(network.trunc()), held);
        }
    }

    /// Names what was read.
    pub fn version(&self) -> Option<i64> {
        self.version
    }

    /// Whether nothing is done to anybody.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.others.is_empty()
    }

    /// The ban that the address is under.
    pub fn ban_of(&self, address: IpAddr, now: Timestamp) -> Option<&ActiveResponse> {
        let address = address.to_canonical();
        // A prefix that is too long for the address is one of IPv6.
        let networks = self.prefixes.iter().filter_map(|prefix| IpNet::new(address, *prefix).ok());
        let mut bans = networks.filter_map(|network| self.networks.get(&network.trunc()));
        bans.find(|ban| now < ban.until)
    }

    /// The response of this kind to this subject.
    pub fn on(&self, action: ResponseAction, subject: &str, now: Timestamp) -> Option<&ActiveResponse> {
        self.others.get(&action)?.get(subject).filter(|held| now < held.until)
    }

    /// Those whose time is over, and that nobody has ended.
    pub fn expired(&self, now: Timestamp) -> Vec<ResponseRecord> {
        self.responses.iter().filter(|response| response.expires_at <= now).cloned().collect()
    }

    /// How many there are that nobody has ended.
    pub fn len(&self) -> usize {
        self.responses.len() + self.beside.len()
    }

    /// How many are in force.
    pub fn counts(&self, now: Timestamp) -> Vec<ResponseCount> {
        let mut counts = BTreeMap::new();
        let all = self.responses.iter().chain(&self.beside);
        for response in all.filter(|response| response.is_in_force(now)) {
            *counts.entry((response.action, response.dry_run)).or_insert(0) += 1;
        }
        let every = ResponseAction::ALL.into_iter().flat_map(|action| [(action, false), (action, true)]);
        let count = |(action, dry_run): (ResponseAction, bool)| ResponseCount {
            action: action.as_str(),
            dry_run,
            count: counts.get(&(action, dry_run)).copied().unwrap_or(0),
        };
        every.map(count).collect()
    }
}

/// Of two on the same, what lasts longer holds, and as strictly as the stricter.
fn longest<K>(entry: Entry<'_, K, ActiveResponse>, held: ActiveResponse) {
    match entry {
        Entry::Occupied(mut known) => {
            let factor = known.get().factor.max(held.factor);
            if known.get().until < held.until {
                known.insert(held);
            }
            known.get_mut().factor = factor;
        }
        Entry::Vacant(place) => drop(place.insert(held)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(id: &str, action: ResponseAction, subject: &str) -> ResponseRecord {
        ResponseRecord {
            id: id.to_owned(),
            action,
            subject: subject.to_owned(),
            factor: 1,
            dry_run: false,
            author: "token_guessing".to_owned(),
            finding: None,
            reason: None,
            created_at: at(0),
            expires_at: at(60),
            ended: None,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    fn in_force(responses: Vec<ResponseRecord>) -> InForce {
        InForce::of(ResponsesInForce { version: 1, responses }, Vec::new())
    }

    #[test]
    fn an_address_is_banned_with_its_network_and_no_other_is() {
        let bans = ["192.0.2.7/32", "198.51.100.0/24", "2001:db8:1:2::/64"];
        let responses = bans.map(|network| response(network, ResponseAction::BanAddress, network));
        let in_force = in_force(responses.to_vec());
        let ban_of = |address: &str| in_force.ban_of(address.parse().unwrap(), at(1)).map(|ban| ban.id.to_string());
        for (address, ban) in [
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("192.0.2.8", None),
            ("::ffff:192.0.2.7", Some("192.0.2.7/32")),
            ("198.51.100.255", Some("198.51.100.0/24")),
            ("198.51.101.0", None),
            ("2001:db8:1:2:ffff::1", Some("2001:db8:1:2::/64")),
            ("2001:db8:1:3::1", None),
            // The first 32 bits of an address of IPv6 are nobody's of IPv4.
            ("c000:207::1", None),
        ] {
            assert_eq!(ban_of(address).as_deref(), ban, "{address}");
        }
    }

    #[test]
    fn what_has_expired_holds_no_longer_although_the_store_has_not_said_so() {
        let long =
            ResponseRecord { expires_at: at(90), ..response("wide", ResponseAction::BanAddress, "192.0.2.0/24") };
        let in_force = in_force(vec![
            response("one", ResponseAction::BanAddress, "192.0.2.7/32"),
            long,
            response("token", ResponseAction::BanToken, "ci"),
        ]);
        let ban = |second| {
            let held = in_force.ban_of("192.0.2.7".parse().unwrap(), at(second));
            held.map(|held| held.id.to_string())
        };
        assert!(ban(59).is_some());
        assert_eq!(ban(60).as_deref(), Some("wide"));
        assert_eq!(ban(90), None);
        assert!(in_force.on(ResponseAction::BanToken, "ci", at(59)).is_some());
        assert!(in_force.on(ResponseAction::BanToken, "ci", at(60)).is_none());
        let names: Vec<String> = in_force.expired(at(60)).into_iter().map(|response| response.id).collect();
        assert_eq!(names, ["one", "token"]);
    }

    #[test]
    fn what_the_store_does_not_have_yet_holds_and_the_longer_of_two_wins() {
        let ban = |id: &str, until| ResponseRecord {
            expires_at: at(until),
            ..response(id, ResponseAction::BanAddress, "192.0.2.7/32")
        };
        let holds = |in_force: &InForce, second| {
            in_force.ban_of("192.0.2.7".parse().unwrap(), at(second)).map(|held| held.id.to_string())
        };
        let known = in_force(vec![ban("stored", 60)]);
        for (until, id) in [(90, "here"), (30, "stored")] {
            let beside = known.beside(vec![ban("here", until)]);
            assert_eq!(holds(&beside, 1).as_deref(), Some(id));
            assert_eq!((beside.version(), beside.len()), (Some(1), 2));
            assert_eq!(holds(&beside.beside(Vec::new()), 1).as_deref(), Some("stored"));
        }
        assert_eq!(holds(&InForce::default().beside(vec![ban("here", 60)]), 1).as_deref(), Some("here"));
        // What is over is the store's to end: what it does not have is not ended there.
        assert_eq!(known.beside(vec![ban("here", 2)]).expired(at(3)), []);
    }

    #[test]
    fn a_dry_run_does_nothing_and_is_counted() {
        let dry = ResponseRecord { dry_run: true, ..response("dry", ResponseAction::BanAddress, "192.0.2.7/32") };
        let in_force = in_force(vec![dry]);
        assert!(in_force.is_empty() && in_force.ban_of("192.0.2.7".parse().unwrap(), at(1)).is_none());
        let counted: Vec<_> = in_force.counts(at(1)).into_iter().filter(|count| count.count > 0).collect();
        assert_eq!(counted, [ResponseCount { action: "ban_address", dry_run: true, count: 1 }]);
        assert!(in_force.counts(at(60)).iter().all(|count| count.count == 0));
    }

    #[test]
    fn a_lockdown_is_on_everybody_and_a_certificate_on_one() {
        let in_force = in_force(vec![
            response("l", ResponseAction::Lockdown, ""),
            response("c", ResponseAction::BanCertificate, "ab"),
        ]);
        assert!(in_force.on(ResponseAction::Lockdown, "", at(1)).is_some());
        assert!(in_force.on(ResponseAction::BanCertificate, "cd", at(1)).is_none());
        assert!(in_force.on(ResponseAction::BanToken, "ab", at(1)).is_none());
    }
}
