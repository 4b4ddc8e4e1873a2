//! What bad happens in the two weeks, each labelled with who should find it. Some are meant to be hard: slow, small, or inside the
//! habits of those they imitate.

use std::net::IpAddr;

use dcr_gateway::anomaly::DetectorName as Name;
use dcr_gateway::anomaly::Seen;
use dcr_gateway::anomaly::observation::{ChangeSeen, RegistrationSeen, TokenRequestSeen};
use dcr_gateway::clock::Timestamp;

use super::{DAY, HOUR, MINUTE, RULES, START, World, admitted, refused};

pub fn happen(world: &mut World) {
    floods(world);
    phishing(world);
    guessing(world);
    stolen_credentials(world);
    probing(world);
    hoarding(world);
    token_endpoint(world);
    takeovers(world);
}

fn floods(world: &mut World) {
    world.begin("a flood from one address", &[Name::RegistrationBursts]);
    let address = world.dice.address(91, 1);
    for at in world.dice.moments((5 * DAY + 3 * HOUR, 5 * DAY + 3 * HOUR + 10 * MINUTE), 3_600.0) {
        world.register(at, address, admitted("x", &["127.0.0.1"], format!("flood-{at}")));
    }
    world.begin("a flood in office hours", &[Name::RegistrationBursts]);
    let address = world.dice.address(91, 1);
    for at in world.dice.moments((8 * DAY + 10 * HOUR, 8 * DAY + 10 * HOUR + 20 * MINUTE), 1_500.0) {
        world.register(at, address, admitted("y", &["127.0.0.1"], format!("flood-{at}")));
    }
    world.begin("a flood that is three times the usual for a day", &[Name::RegistrationBursts]);
    let address = world.dice.address(92, 1);
    for at in world.dice.moments((11 * DAY + 8 * HOUR, 11 * DAY + 20 * HOUR), 240.0) {
        world.register(at, address, admitted("z", &["127.0.0.1"], format!("slow-{at}")));
        if world.dice.chance(0.4) {
            let seen = TokenRequestSeen { client: Some(format!("slow-{at}")), status: 200, idle_since: None };
            world.request_token(at + MINUTE, address, seen);
        }
    }
    world.begin("a crowd of machines for a new host", &[Name::RedirectHostCrowds, Name::FirstSights]);
    for at in world.dice.moments((6 * DAY + 14 * HOUR, 6 * DAY + 15 * HOUR), 150.0) {
        let address = world.dice.address(93, 400);
        world.register(at, address, admitted("Sync", &["cb.sync-now.biz"], format!("crowd-{at}")));
    }
    world.begin("a small crowd for a host that is known", &[Name::RedirectHostCrowds]);
    for at in world.dice.moments((10 * DAY + 9 * HOUR, 10 * DAY + 10 * HOUR), 30.0) {
        let address = world.dice.address(94, 400);
        world.register(at, address, admitted("Saas 7", &["app.saas-7.com"], format!("crowd-{at}")));
    }
    world.begin("a crowd of four an hour for a new host", &[Name::RedirectHostCrowds, Name::FirstSights]);
    for at in world.dice.moments((9 * DAY, 10 * DAY), 4.0) {
        let address = world.dice.address(95, 400);
        world.register(at, address, admitted("Trickle", &["cb.trickle.biz"], format!("crowd-{at}")));
    }
}

fn phishing(world: &mut World) {
    let campaigns: [(&'static str, i64, &[&str], &str); 4] = [
        ("names like Claude's at a new host", 4, &["Claudee", "Cluade", "Claud"], "login.claudee.app"),
        ("names like ChatGPT's at a new host", 8, &["ChatGTP", "Chat GPTT"], "oauth.chat-gtp.net"),
        ("a name of two slips at a new host", 9, &["Prplexityy"], "go.prplx.net"),
        ("Claude's own name at a new host", 12, &["Claude"], "claude.connect-ai.dev"),
    ];
    for (name, day, names, host) in campaigns {
        world.begin(name, &[Name::LookalikeNames, Name::FirstSights]);
        for (number, name) in names.iter().enumerate() {
            let address = world.dice.address(96, 50);
            let at = day * DAY + 13 * HOUR + number as i64 * 17 * MINUTE;
            world.register(at, address, admitted(name, &[host], format!("phish-{at}")));
        }
    }
    world.begin("a name like Cursor's at a host that is known", &[Name::LookalikeNames]);
    let address = world.dice.address(96, 50);
    world.register(5 * DAY + 9 * HOUR, address, admitted("Cursr", &["app.saas-9.com"], "phish-saas".to_owned()));
    world.begin("statements of an issuer that never sent one", &[Name::FirstSights]);
    let address = world.dice.address(96, 50);
    let seen = admitted("Vouched", &["app.saas-3.com"], "vouched".to_owned());
    let statement_issuer = Some("https://other-directory.example".to_owned());
    world.register(10 * DAY + 12 * HOUR, address, RegistrationSeen { statement_issuer, ..seen });
}

fn guessing(world: &mut World) {
    let campaigns: [(&'static str, (i64, i64), f64, i64); 4] = [
        ("tokens guessed from one network", (3 * DAY + 22 * HOUR, 3 * DAY + 22 * HOUR + 20 * MINUTE), 180.0, 1),
        ("tokens guessed slowly from one network", (6 * DAY, 7 * DAY), 16.0, 1),
        ("tokens guessed from everywhere", (9 * DAY + 5 * HOUR, 9 * DAY + 5 * HOUR + 30 * MINUTE), 240.0, 900),
        ("tokens guessed three an hour", (12 * DAY, 13 * DAY), 3.0, 1),
    ];
    for (number, (name, span, per_hour, networks)) in campaigns.into_iter().enumerate() {
        world.begin(name, &[Name::TokenGuessing]);
        for at in world.dice.moments(span, per_hour) {
            let address = world.dice.address(97 + number as u8, networks);
            let presented = world.dice.next();
            world.put(at, address, Seen::BadCredential { presented });
        }
    }
}

fn stolen_credentials(world: &mut World) {
    let with_token = |at: i64, token: &str| RegistrationSeen {
        token: Some(token.to_owned()),
        ..admitted("Build", &["127.0.0.1"], format!("stolen-{at}"))
    };
    world.begin("a build machine's token used from everywhere", &[Name::CredentialSpread]);
    for at in world.dice.moments((8 * DAY + 12 * HOUR, 8 * DAY + 15 * HOUR), 15.0) {
        let address = world.dice.address(102, 900);
        world.register(at, address, with_token(at, "ci-2"));
    }
    world.begin("a partner's certificate used from a dozen networks", &[Name::CredentialSpread]);
    for at in world.dice.moments((9 * DAY + 9 * HOUR, 9 * DAY + 16 * HOUR), 2.5) {
        let address = world.dice.address(103, 900);
        let seen = admitted("Partner 4", &["id.partner-4.com"], format!("stolen-{at}"));
        let (profile, certificate) = (Some("partners".to_owned()), Some("04c0ffee".to_owned()));
        world.register(at, address, RegistrationSeen { profile, certificate, ..seen });
    }
    for (name, partner, at) in [
        ("a partner's certificate used on Sunday night", 3, 13 * DAY + 3 * HOUR),
        ("a partner's certificate used at midnight", 12, 10 * DAY + 23 * HOUR + 50 * MINUTE),
        ("a partner's certificate used just after work", 20, 11 * DAY + 17 * HOUR + 40 * MINUTE),
    ] {
        world.begin(name, &[Name::UnusualHours]);
        let address = world.dice.address(104, 900);
        let host = format!("id.partner-{partner}.com");
        let seen = admitted(&format!("Partner {partner}"), &[&host], format!("stolen-{at}"));
        let (profile, certificate) = (Some("partners".to_owned()), Some(format!("{partner:02}c0ffee")));
        world.register(at, address, RegistrationSeen { profile, certificate, ..seen });
    }
}

fn probing(world: &mut World) {
    for (name, at, step, tries) in [
        ("rules probed in half an hour", 4 * DAY + 20 * HOUR, 90_000, 20),
        ("rules probed every ten minutes", 8 * DAY + HOUR, 10 * MINUTE, 15),
        ("rules probed every two hours", 9 * DAY, 2 * HOUR, 30),
    ] {
        world.begin(name, &[Name::Probing]);
        let address = world.dice.address(105, 900);
        for attempt in 0..tries {
            let (first, many) = (world.dice.below(4) as usize, world.dice.below(3) as usize);
            let asked = world.dice.next();
            world.register(at + attempt * step, address, refused(asked, &RULES[first..=first + many]));
        }
        world.register(at + tries * step, address, admitted("Got in", &["127.0.0.1"], format!("probe-{at}")));
    }
}

fn hoarding(world: &mut World) {
    for (name, span, per_hour, first) in [
        ("clients hoarded from one network", (3 * DAY, 6 * DAY), 6.0, 106),
        ("clients hoarded slowly", (5 * DAY, 13 * DAY), 0.5, 107),
    ] {
        world.begin(name, &[Name::NeverUsed]);
        let address = world.dice.address(first, 900);
        for at in world.dice.moments(span, per_hour) {
            world.register(at, address, admitted("Spare", &["127.0.0.1"], format!("hoard-{at}")));
        }
    }
}

fn token_endpoint(world: &mut World) {
    for (name, span, per_hour, first) in [
        ("an old table of clients tried out", (7 * DAY + 4 * HOUR, 7 * DAY + 4 * HOUR + 30 * MINUTE), 40.0, 108),
        ("an old table of clients tried out, three an hour", (10 * DAY, 11 * DAY), 3.0, 109),
    ] {
        world.begin(name, &[Name::DormantClients]);
        let address = world.dice.address(first, 900);
        for at in world.dice.moments(span, per_hour) {
            let idle_since = Some(Timestamp::from_unix_millis(START + at - 90 * DAY));
            let seen = TokenRequestSeen { client: Some(format!("table-{at}")), status: 200, idle_since };
            world.request_token(at, address, seen);
        }
    }
    for (name, service, at, per_hour) in [
        ("a service's secret used by a machine", 5, 6 * DAY + 2 * HOUR, 1_600.0),
        ("a service's secret used with moderation", 9, 9 * DAY + 2 * HOUR, 60.0),
    ] {
        world.begin(name, &[Name::TokenRequestRates]);
        let address = world.dice.address(110, 900);
        for at in world.dice.moments((at, at + 30 * MINUTE), per_hour) {
            let client = Some(format!("backend-{service}"));
            world.request_token(at, address, TokenRequestSeen { client, status: 200, idle_since: None });
        }
    }
    for (name, at, per_hour) in [
        ("codes guessed at the token endpoint", 5 * DAY + 15 * HOUR, 1_800.0),
        ("codes guessed at the token endpoint, one a minute", 12 * DAY + 15 * HOUR, 60.0),
    ] {
        world.begin(name, &[Name::TokenErrors]);
        for at in world.dice.moments((at, at + 20 * MINUTE), per_hour) {
            let (address, session) = (world.dice.address(111, 300), world.dice.below(2_000));
            let client = Some(format!("session-{session}"));
            world.request_token(at, address, TokenRequestSeen { client, status: 400, idle_since: None });
        }
    }
}

fn takeovers(world: &mut World) {
    let change = |partner: i64| ChangeSeen {
        client: format!("partner-{partner}"),
        hosts_before: vec![format!("id.partner-{partner}.com")],
        registered_from: Some(IpAddr::from([192, 30, partner as u8, 1])),
        ..ChangeSeen::default()
    };
    let hosts = |host: &str| vec![host.to_owned()];
    let elsewhere = IpAddr::from([112, 7, 7, 7]);
    let taken = [
        (
            "a client led to another host",
            elsewhere,
            ChangeSeen { new_redirect_hosts: hosts("cb.drop.biz"), ..change(6) },
        ),
        ("a client given other keys from elsewhere", elsewhere, ChangeSeen { other_keys: true, ..change(8) }),
        (
            "a client given other keys and scopes from its own network",
            IpAddr::from([192, 30, 9, 1]),
            ChangeSeen { other_keys: true, new_scopes: hosts("orders:write"), ..change(9) },
        ),
        (
            "a client given scopes from its own network",
            [192, 30, 10, 1].into(),
            ChangeSeen { new_scopes: hosts("orders:write"), ..change(10) },
        ),
    ];
    for (number, (name, address, change)) in taken.into_iter().enumerate() {
        world.begin(name, &[Name::Widening]);
        world.put((7 + number as i64) * DAY + 19 * HOUR, address, Seen::Change(change));
    }
}
