//! Two weeks in which nothing bad happens. Numbers are per hour; a fifth of them at night, a third at weekends.

use std::net::IpAddr;

use dcr_gateway::anomaly::Seen;
use dcr_gateway::anomaly::observation::{ChangeSeen, RegistrationSeen, TokenRequestSeen};
use dcr_gateway::clock::Timestamp;

use super::dice::Dice;
use super::{DAY, DAYS, HOUR, MINUTE, RULES, START, World, admitted, refused};

pub fn live(world: &mut World) {
    for hour in 0..DAYS * 24 {
        let span = (hour * HOUR, (hour + 1) * HOUR);
        let busy = busy(hour);
        hosted_connectors(world, span, busy);
        people_at_home(world, span, busy);
        small_apps(world, span, busy);
        developers(world, span, busy);
        mistakes_with_credentials(world, span, busy);
        old_clients(world, span, busy);
        backends(world, span);
    }
    releases(world);
    outage(world);
    for partner in 0..30 {
        partner_in_office(world, partner);
    }
    for token in 0..8 {
        build_machines(world, token);
    }
    changes(world);
}

/// How busy people are in this hour.
fn busy(hour: i64) -> f64 {
    let weekend = if hour / 24 % 7 >= 5 { 0.35 } else { 1.0 };
    let day = match hour % 24 {
        8..=17 => 1.0,
        6 | 7 | 18..=21 => 0.6,
        _ => 0.2,
    };
    weekend * day
}

fn is_office(at: i64) -> bool {
    let (day, hour) = (at / DAY, at % DAY / HOUR);
    day % 7 < 5 && (8..17).contains(&hour)
}

fn from(first: u8, last: i64) -> IpAddr {
    [160, first, 104, last as u8 + 1].into()
}

/// A request that a client makes; three in a hundred fail: codes that were used, refresh tokens that are over.
fn use_client(world: &mut World, at: i64, address: IpAddr, client: &str) {
    let status = if world.dice.chance(0.03) { 400 } else { 200 };
    let idle_since = Some(Timestamp::from_unix_millis(START + at - HOUR));
    world.request_token(at, address, TokenRequestSeen { client: Some(client.to_owned()), status, idle_since });
}

/// Register twice per connection, from three addresses; one is the same client for everybody, of the other each person has one.
fn hosted_connectors(world: &mut World, span: (i64, i64), busy: f64) {
    for at in world.dice.moments(span, 25.0 * busy) {
        let address = from(79, world.dice.below(3));
        for again in 0..2 {
            let seen = admitted("Claude", &["claude.ai"], "claude-shared".to_owned());
            world.register(at + again * 700, address, RegistrationSeen { repeated: true, ..seen });
        }
        use_client(world, at + MINUTE, address, "claude-shared");
    }
    for at in world.dice.moments(span, 15.0 * busy) {
        let address = from(80, world.dice.below(3));
        for again in 0..2 {
            let client = format!("chatgpt-{at}-{again}");
            world.register(at + again * 900, address, admitted("ChatGPT", &["chatgpt.com"], client.clone()));
            if again == 1 && world.dice.chance(0.8) {
                use_client(world, at + MINUTE, address, &client);
            }
        }
    }
    for (name, host, per_hour) in [("Perplexity", "www.perplexity.ai", 3.0), ("Mistral", "callback.mistral.ai", 2.0)] {
        for at in world.dice.moments(span, per_hour * busy) {
            let client = format!("{host}-{at}");
            let address = from(81, world.dice.below(2));
            world.register(at, address, admitted(name, &[host], client.clone()));
            if world.dice.chance(0.6) {
                use_client(world, at + MINUTE, address, &client);
            }
        }
    }
}

fn native(world: &mut World, at: i64) {
    let address = world.dice.address(81, 20_000);
    let (name, hosts): (_, &[&str]) = match world.dice.below(4) {
        0 => ("Cursor", &["cursor:", "www.cursor.com", "127.0.0.1"]),
        1 => ("Visual Studio Code", &["127.0.0.1", "vscode.dev"]),
        2 => ("Claude Code", &["127.0.0.1", "localhost"]),
        _ => ("MCP Inspector", &["localhost"]),
    };
    let client = format!("native-{at}");
    world.register(at, address, admitted(name, hosts, client.clone()));
    if world.dice.chance(0.7) {
        for use_number in 0..world.dice.below(4) + 1 {
            use_client(world, at + 30_000 + use_number * HOUR, address, &client);
        }
    }
}

fn people_at_home(world: &mut World, span: (i64, i64), busy: f64) {
    for at in world.dice.moments(span, 35.0 * busy) {
        native(world, at);
    }
}

/// Sixty web applications that are known, and from time to time one that is new.
fn small_apps(world: &mut World, span: (i64, i64), busy: f64) {
    for at in world.dice.moments(span, 4.0 * busy) {
        let app = world.dice.below(60);
        let host = format!("app.saas-{app}.com");
        let address = world.dice.address(82, 5_000);
        let client = format!("saas-{app}-{at}");
        world.register(at, address, admitted(&format!("Saas {app}"), &[&host], client.clone()));
        if world.dice.chance(0.6) {
            use_client(world, at + MINUTE, address, &client);
        }
    }
    for at in world.dice.moments(span, 0.03 * busy) {
        let host = format!("mcp.new-{at}.io");
        let address = world.dice.address(82, 5_000);
        world.register(at, address, admitted("A new one", &[&host], format!("new-{at}")));
        use_client(world, at + MINUTE, address, &format!("new-{at}"));
    }
}

/// A few tries until it works; and now and then a program that repeats its one mistake for hours.
fn developers(world: &mut World, span: (i64, i64), busy: f64) {
    for at in world.dice.moments(span, 0.7 * busy) {
        let address = world.dice.address(83, 3_000);
        let tries = world.dice.below(6);
        for attempt in 0..tries {
            let (first, asked) = (world.dice.below(5) as usize, world.dice.next());
            world.register(at + attempt * 4 * MINUTE, address, refused(asked, &RULES[first..first + 1]));
        }
        let seen = admitted("My first client", &["127.0.0.1"], format!("dev-{at}"));
        world.register(at + tries * 4 * MINUTE, address, seen);
        use_client(world, at + tries * 4 * MINUTE + 9_000, address, &format!("dev-{at}"));
    }
    for at in world.dice.moments(span, 0.02) {
        let (address, asked) = (world.dice.address(83, 3_000), world.dice.next());
        for again in 0..200 {
            world.register(at + again * 30_000, address, refused(asked, &RULES[..1]));
        }
    }
}

/// A job whose token is over since long, and people who paste half a token.
fn mistakes_with_credentials(world: &mut World, span: (i64, i64), busy: f64) {
    for every in 0..6 {
        world.put(span.0 + every * 10 * MINUTE, [81, 9, 9, 9].into(), Seen::BadCredential { presented: 42 });
    }
    for at in world.dice.moments(span, 1.0 * busy) {
        let address = world.dice.address(84, 3_000);
        for again in 0..world.dice.below(4) + 1 {
            let presented = world.dice.next();
            world.put(at + again * 20_000, address, Seen::BadCredential { presented });
        }
    }
}

/// People who come back after months, from their homes and through the hosted connector.
fn old_clients(world: &mut World, span: (i64, i64), busy: f64) {
    for (per_hour, is_hosted) in [(3.0, false), (2.0, true)] {
        for at in world.dice.moments(span, per_hour * busy) {
            let address = if is_hosted { from(80, world.dice.below(3)) } else { world.dice.address(81, 20_000) };
            let days = 31 + world.dice.below(200);
            let idle_since = Some(Timestamp::from_unix_millis(START + at - days * DAY));
            let client = Some(format!("old-{at}"));
            let status = if world.dice.chance(0.3) { 400 } else { 200 };
            world.request_token(at, address, TokenRequestSeen { client, status, idle_since });
        }
    }
}

/// Forty services that renew their token every five minutes or so, people's sessions, and a job at one in the morning.
fn backends(world: &mut World, span: (i64, i64)) {
    for service in 0..40_i64 {
        let address = IpAddr::from([10, 1, service as u8, 1]);
        for at in world.dice.moments(span, 12.0) {
            use_client(world, at, address, &format!("backend-{service}"));
        }
    }
    for at in world.dice.moments(span, 150.0 * busy(span.0 / HOUR)) {
        let (session, address) = (world.dice.below(2_000), world.dice.address(81, 20_000));
        use_client(world, at, address, &format!("session-{session}"));
    }
    if span.0 % DAY / HOUR == 1 {
        for request in 0..300 + world.dice.below(100) {
            use_client(world, span.0 + request * 1_500, [10, 2, 0, 1].into(), "nightly");
        }
    }
}

/// New versions that make every installation register again: three hours, falling off.
fn releases(world: &mut World) {
    for (day, per_hour) in [(3, 120.0), (9, 180.0)] {
        for hour in 0..3 {
            let start = day * DAY + (14 + hour) * HOUR;
            for at in world.dice.moments((start, start + HOUR), per_hour / (hour + 1) as f64) {
                native(world, at);
            }
        }
    }
}

/// The server is away for a quarter of an hour; then everybody tries again. To be found, though nobody attacks.
fn outage(world: &mut World) {
    let start = 7 * DAY + 11 * HOUR;
    world.begin("the authorization server is down", &[dcr_gateway::anomaly::DetectorName::TokenErrors]);
    for at in world.dice.moments((start, start + 15 * MINUTE), 900.0) {
        let (service, address) = (world.dice.below(40), world.dice.address(81, 20_000));
        let client = Some(format!("backend-{service}"));
        world.request_token(at, address, TokenRequestSeen { client, status: 503, idle_since: None });
    }
    world.attack = None;
    for at in world.dice.moments((start + 15 * MINUTE, start + 35 * MINUTE), 150.0) {
        native(world, at);
    }
}

/// A certificate, an office, one to six registrations on a working day, ten in a row on Tuesdays; one partner has a job at night.
/// Of thirty partners one is called out of bed once.
fn partner_in_office(world: &mut World, partner: i64) {
    let certificate = format!("{partner:02}c0ffee");
    let host = format!("id.partner-{partner}.com");
    let register = |world: &mut World, at: i64| {
        let seen = admitted(&format!("Partner {partner}"), &[&host], format!("partner-{partner}-{at}"));
        let (profile, certificate) = (Some("partners".to_owned()), Some(certificate.clone()));
        let address = IpAddr::from([192, 30, partner as u8, world.dice.below(2) as u8 + 1]);
        world.register(at, address, RegistrationSeen { profile, certificate, ..seen });
        if world.dice.chance(0.9) {
            use_client(world, at + 5 * MINUTE, address, &format!("partner-{partner}-{at}"));
        }
    };
    for day in 0..DAYS {
        let office = (day * DAY + 8 * HOUR, day * DAY + 17 * HOUR);
        for at in world.dice.moments(office, 0.8) {
            if is_office(at) {
                register(world, at);
            }
        }
        if day % 7 == 1 {
            let at = office.0 + world.dice.below(6 * HOUR);
            (0..10).for_each(|one| register(world, at + one * 20_000));
        }
        if partner == 7 {
            (0..4).for_each(|one| register(world, day * DAY + 2 * HOUR + one * MINUTE));
        }
    }
    if partner == 11 {
        register(world, 12 * DAY + 22 * HOUR);
    }
}

/// Tokens of build machines that run anywhere in a cloud.
fn build_machines(world: &mut World, token: i64) {
    for day in 0..DAYS {
        for at in world.dice.moments((day * DAY + 7 * HOUR, day * DAY + 19 * HOUR), 0.4 + token as f64 * 0.1) {
            let seen = admitted("Build", &["127.0.0.1"], format!("build-{token}-{at}"));
            let address = world.dice.address(85, 40);
            world.register(at, address, RegistrationSeen { token: Some(format!("ci-{token}")), ..seen });
            use_client(world, at + MINUTE, address, &format!("build-{token}-{at}"));
        }
    }
}

/// Releases of clients: a URI more, a scope more, seldom other keys, and once in a week somebody moves to another domain.
fn changes(world: &mut World) {
    let moments: Vec<i64> = (0..DAYS).flat_map(|day| working_moments(&mut world.dice, day)).collect();
    for at in moments {
        let partner = world.dice.below(30);
        let address = IpAddr::from([192, 30, partner as u8, 1]);
        let mut change = ChangeSeen {
            client: format!("partner-{partner}"),
            hosts_before: vec![format!("id.partner-{partner}.com")],
            registered_from: Some(address),
            ..ChangeSeen::default()
        };
        match world.dice.below(40) {
            0 => {
                change.new_redirect_hosts = vec![format!("id.renamed-{partner}.com")];
                change.new_redirect_uris = 1;
            }
            1..4 => change.other_keys = true,
            4..12 => change.new_scopes = vec!["orders:read".to_owned()],
            _ => {
                change.new_redirect_hosts = vec![format!("id-2.partner-{partner}.com")];
                change.new_redirect_uris = 1;
            }
        }
        world.put(at, address, Seen::Change(change));
    }
}

fn working_moments(dice: &mut Dice, day: i64) -> Vec<i64> {
    let office = (day * DAY + 8 * HOUR, day * DAY + 17 * HOUR);
    dice.moments(office, 0.8).into_iter().filter(|at| is_office(*at)).collect()
}
