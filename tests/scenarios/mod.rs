//! Two weeks at a gateway, made up from a seed: ordinary traffic (hosted connectors behind few addresses, people at home, partners in
//! their offices, jobs that retry, releases, weekends) and attacks in between, each labelled with what should find it.

mod attacks;
mod dice;
mod ordinary;
pub mod tally;

use std::net::IpAddr;

use dcr_gateway::anomaly::observation::{RegistrationSeen, TokenRequestSeen};
use dcr_gateway::anomaly::{DetectorName, Observation, Seen};
use dcr_gateway::clock::Timestamp;

use dice::Dice;

/// 2026-03-02, a Monday.
const START: i64 = 1_772_409_600_000;

pub const DAYS: i64 = 14;

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// What happened, and the attack that it belongs to.
pub struct Labelled {
    pub observation: Observation,
    pub attack: Option<usize>,
}

/// Something that should be found, and by whom.
pub struct Attack {
    pub name: &'static str,
    pub expected: &'static [DetectorName],
    /// In milliseconds since the start, when its first and its last event happened.
    pub from: i64,
    pub to: i64,
}

pub struct Scenario {
    /// In the order of their time.
    pub events: Vec<Labelled>,
    pub attacks: Vec<Attack>,
}

impl Scenario {
    pub fn of(seed: u64) -> Self {
        let mut world = World { dice: Dice::new(seed), events: Vec::new(), attacks: Vec::new(), attack: None };
        ordinary::live(&mut world);
        attacks::happen(&mut world);
        world.events.sort_by_key(|event| event.observation.at);
        Self { events: world.events, attacks: world.attacks }
    }

    /// How many milliseconds after the start it was.
    pub fn moment(at: Timestamp) -> i64 {
        at.unix_millis() - START
    }
}

/// The two weeks while they are made up.
struct World {
    dice: Dice,
    events: Vec<Labelled>,
    attacks: Vec<Attack>,
    attack: Option<usize>,
}

impl World {
    fn put(&mut self, at: i64, address: IpAddr, seen: Seen) {
        let at = Timestamp::from_unix_millis(START + at);
        let observation = Observation { at, address: Some(address), request_id: None, seen };
        if let Some(attack) = self.attack {
            let (from, to) = (&mut self.attacks[attack].from, Scenario::moment(at));
            *from = (*from).min(to);
            self.attacks[attack].to = self.attacks[attack].to.max(to);
        }
        self.events.push(Labelled { observation, attack: self.attack });
    }

    /// An anonymous registrant is its address.
    fn register(&mut self, at: i64, address: IpAddr, mut seen: RegistrationSeen) {
        if seen.registrant.is_empty() {
            seen.registrant = match (&seen.certificate, &seen.token) {
                (Some(certificate), _) => format!("certificate {certificate}"),
                (None, Some(token)) => format!("token {token}"),
                (None, None) => format!("address {address}"),
            };
        }
        self.put(at, address, Seen::Registration(Box::new(seen)));
    }

    fn request_token(&mut self, at: i64, address: IpAddr, seen: TokenRequestSeen) {
        self.put(at, address, Seen::TokenRequest(seen));
    }

    /// What follows belongs to this attack.
    fn begin(&mut self, name: &'static str, expected: &'static [DetectorName]) {
        self.attack = Some(self.attacks.len());
        self.attacks.push(Attack { name, expected, from: i64::MAX, to: 0 });
    }
}

/// A registration at the open profile that was admitted.
fn admitted(name: &str, hosts: &[&str], client: String) -> RegistrationSeen {
    RegistrationSeen {
        profile: Some("mcp".to_owned()),
        redirect_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        client_name: Some(name.to_owned()),
        admitted: true,
        client: Some(client),
        ..RegistrationSeen::default()
    }
}

/// One that the rules have refused.
fn refused(asked: u64, violations: &[&'static str]) -> RegistrationSeen {
    RegistrationSeen {
        profile: Some("mcp".to_owned()),
        violations: violations.to_vec(),
        asked,
        ..RegistrationSeen::default()
    }
}

const RULES: [&str; 6] = ["redirect_uris", "grant_types", "response_types", "contacts", "jwks", "client_name"];
