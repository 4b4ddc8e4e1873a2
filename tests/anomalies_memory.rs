//! A million different sources, each doing everything that detectors remember: the memory of all detectors stays bounded.
#![cfg(target_os = "linux")]

use std::net::{IpAddr, Ipv4Addr};

use dcr_gateway::anomaly::observation::{RegistrationSeen, TokenRequestSeen};
use dcr_gateway::anomaly::{AnomalySettings, Detectors, Observation, Seen};
use dcr_gateway::clock::Timestamp;

const SOURCES: u32 = 1_000_000;

const MOST: usize = 128 * 1024 * 1024;

/// Octets of this process that are in memory now.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn everything(source: u32) -> [Seen; 3] {
    let registration = RegistrationSeen {
        profile: Some("mcp".to_owned()),
        registrant: format!("token {source}"),
        certificate: Some(format!("{source:064x}")),
        token: Some(format!("token-{source}")),
        statement_issuer: Some(format!("https://issuer-{source}.example")),
        redirect_hosts: vec![format!("host-{source}.com")],
        admitted: source.is_multiple_of(2),
        violations: vec!["redirect_uris"],
        asked: source.into(),
        client: Some(format!("client-{source}")),
        ..RegistrationSeen::default()
    };
    let token = |status, days: i64| TokenRequestSeen {
        client: Some(format!("client-{source}")),
        status,
        idle_since: Some(Timestamp::from_unix_millis(1_772_409_600_000 - days * 86_400_000)),
    };
    [
        Seen::Registration(Box::new(registration)),
        Seen::BadCredential { presented: source.into() },
        Seen::TokenRequest(token(200, 60)),
    ]
}

#[test]
fn a_million_sources_stay_under_128_mebibytes() {
    let mut detectors = Detectors::new(&AnomalySettings::default());
    let before = resident();
    let mut found = 0;
    for source in 0..SOURCES {
        // A network each, over an hour and a half.
        let address = IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + (source << 8)));
        let at = Timestamp::from_unix_millis(1_772_409_600_000 + i64::from(source) * 5);
        for seen in everything(source) {
            let observed = Observation { at, address: Some(address), request_id: None, seen };
            found += detectors.observe(&observed).len();
        }
    }
    let grown = resident().saturating_sub(before);
    assert!(found > 0, "nothing was found among a million");
    assert!(grown < MOST, "{grown} octets more than before");
    println!("{} MiB for {SOURCES} sources, {found} findings", grown / 1024 / 1024);
}
