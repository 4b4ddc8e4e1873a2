//! What may grow, how far, and the gateway for each size.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::gateway::{Caller, Records, Subject, redirect_uri};
use super::records;

/// One of them.
pub struct Dimension {
    /// For people.
    pub name: &'static str,
    /// How many there are, in turn.
    pub sizes: &'static [u64],
    /// The gateway with so many.
    pub subject: fn(u64, SocketAddr) -> Subject,
}

/// A prime: what follows one another lies far apart.
const FAR_APART: u64 = 7_919;

const OPEN: &str = "initial_access_token: off, limits: { rate: 1000000/s, burst: 1000000 }";

impl Dimension {
    /// In the order of the table.
    pub fn all() -> Vec<Self> {
        const fn one(name: &'static str, sizes: &'static [u64], subject: fn(u64, SocketAddr) -> Subject) -> Dimension {
            Dimension { name, sizes, subject }
        }
        vec![
            one("allowed hosts", &[10, 100, 1_000, 10_000, 100_000], allowed_hosts),
            one("profiles, by certificate", &[1, 10, 100, 1_000], profiles_by_certificate),
            one("profiles, by network", &[1, 10, 100, 1_000], profiles_by_network),
            one("redirect URIs in the request", &[1, 2, 5, 10, 20, 50], redirect_uris),
            one("clients in the record (SQLite)", &[1_000, 10_000, 100_000, 1_000_000], clients),
            one("distinct sources", &[1_000, 10_000, 100_000, 1_000_000], sources),
            one("findings in the record (SQLite)", &[0, 100, 1_000, 10_000, 100_000], findings),
        ]
    }
}

fn allowed_hosts(size: u64, server: SocketAddr) -> Subject {
    let mut yaml = format!("profiles:\n  - {{ name: partners, match: {{}}, {OPEN}, redirect_uris: {{ https: [");
    for host in 0..size {
        writeln!(yaml, "{{ host: app-{host}.example.com, path: \"^/callback/\" }},").expect("a text");
    }
    yaml.push_str("] } }\n");
    let sender = move |number| caller(format!("app-{}.example.com", number * FAR_APART % size), number);
    Subject::start(&yaml, server, Records::InMemory, Box::new(sender))
}

/// All of them are of one CA, the last one fits.
fn profiles_by_certificate(size: u64, server: SocketAddr) -> Subject {
    let fits = |number| {
        format!("client_certificate: {{ issuer: \"CN=Partner CA\", san_dns: \"app-{number}.partner.example\" }}")
    };
    let sender = move |number| Caller {
        certificate: Some(format!("app-{}.partner.example", size - 1)),
        ..caller("app.example.com".to_owned(), number)
    };
    Subject::start(&profiles(size, fits), server, Records::InMemory, Box::new(sender))
}

/// The last one fits.
fn profiles_by_network(size: u64, server: SocketAddr) -> Subject {
    let network = |number: u64| format!("10.{}.{}", number / 250, number % 250);
    let fits = |number| format!("networks: [{}.0/24]", network(number));
    let address: IpAddr = format!("{}.1", network(size - 1)).parse().expect("an address");
    let sender = move |number| Caller { address, ..caller("app.example.com".to_owned(), number) };
    Subject::start(&profiles(size, fits), server, Records::InMemory, Box::new(sender))
}

fn profiles(many: u64, fits: impl Fn(u64) -> String) -> String {
    let mut yaml = String::from("profiles:\n");
    for number in 0..many {
        let rules = "redirect_uris: { https: [{ host: app.example.com }] }";
        writeln!(yaml, "  - {{ name: profile-{number}, match: {{ {} }}, {OPEN}, {rules} }}", fits(number))
            .expect("a text");
    }
    yaml
}

fn redirect_uris(size: u64, server: SocketAddr) -> Subject {
    let yaml = one_profile("max: 50, ");
    let sender = move |number| Caller {
        redirect_uris: (0..size).map(|place| redirect_uri("app.example.com", number + place)).collect(),
        ..caller(String::new(), number)
    };
    Subject::start(&yaml, server, Records::InMemory, Box::new(sender))
}

fn clients(size: u64, server: SocketAddr) -> Subject {
    in_a_file(records::clients(size), server)
}

fn findings(size: u64, server: SocketAddr) -> Subject {
    in_a_file(if size == 0 { Vec::new() } else { records::findings(size) }, server)
}

fn in_a_file(statements: Vec<String>, server: SocketAddr) -> Subject {
    let sender = |number| caller("app.example.com".to_owned(), number);
    Subject::start(&one_profile(""), server, Records::InAFile(statements), Box::new(sender))
}

/// Each registration comes from one of those that are known.
fn sources(size: u64, server: SocketAddr) -> Subject {
    let sender = move |number| Caller {
        address: address(number * FAR_APART % size),
        ..caller("app.example.com".to_owned(), number)
    };
    let subject = Subject::start(&one_profile(""), server, Records::InMemory, Box::new(sender));
    subject.let_know(size, address)
}

fn address(number: u64) -> IpAddr {
    let number = u32::try_from(number).expect("as many as there are addresses");
    Ipv4Addr::from(0x0b00_0000 + number).into()
}

fn one_profile(redirect_uris: &str) -> String {
    format!(
        "profiles:\n  - {{ name: partners, match: {{}}, {OPEN}, redirect_uris: {{ {redirect_uris}https: [{{ host: app.example.com }}] }} }}\n"
    )
}

fn caller(host: String, number: u64) -> Caller {
    let address = Ipv4Addr::new(192, 0, 2, 1).into();
    Caller { address, certificate: None, redirect_uris: vec![redirect_uri(&host, number)] }
}
