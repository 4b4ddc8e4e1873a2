//! The hosts of https redirect URIs that a profile names. What a lookup costs does not depend on how many there are:
//! one by the host itself and one by each name above it; patterns are run for the entries found alone.

use std::collections::HashMap;
use std::net::IpAddr;

use regex::Regex;

use super::List;
use super::settings::{HttpsSettings, QuerySetting, compile_pattern};
use crate::policy::settings::SettingProblem;
use crate::registration::excerpt::Excerpt;
use crate::registration::host::{Host, is_public_suffix};
use crate::registration::redirect_uri::Target;

/// The port of https.
const HTTPS: u16 = 443;

/// The allowed hosts, by what is looked up.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct AllowedHosts {
    names: HashMap<String, Vec<Entry>>,
    addresses: HashMap<IpAddr, Vec<Entry>>,
    /// By the name above.
    below: HashMap<String, Vec<Entry>>,
}

/// What is allowed on a host.
#[derive(Debug, Clone)]
struct Entry {
    ports: Vec<u16>,
    path: Option<Regex>,
    refuses_query: bool,
    /// Whether it is for the names below one of the public DNS.
    is_below_public: bool,
}

impl AllowedHosts {
    /// Reads the list, and says everything that is wrong with it.
    pub(super) fn compile(settings: &[HttpsSettings], problems: &mut Vec<SettingProblem>) -> Self {
        let mut allowed = Self::default();
        let mut patterns = Patterns::default();
        for (index, written) in settings.iter().enumerate() {
            let place = format!("redirect_uris.https[{index}]");
            let before = problems.len();
            let path = written.path.as_deref().and_then(|text| patterns.compile(text, &place, problems));
            let ports = compile_ports(written.ports.as_deref(), &place, problems);
            let key = compile_key(written, &place, problems);
            if let (Some(key), true) = (key, problems.len() == before) {
                let is_below_public = matches!(&key, Key::Below(name) if Host::Name(name.clone()).is_public());
                let entries = match key {
                    Key::Exactly(Host::Name(name)) => allowed.names.entry(name).or_default(),
                    Key::Exactly(Host::Ipv4(address)) => allowed.addresses.entry(address.into()).or_default(),
                    Key::Exactly(Host::Ipv6(address)) => allowed.addresses.entry(address.into()).or_default(),
                    Key::Below(name) => allowed.below.entry(name).or_default(),
                };
                let refuses_query = written.query == Some(QuerySetting::Refuse);
                entries.push(Entry { ports, path, refuses_query, is_below_public });
            }
        }
        allowed
    }

    /// Everything that keeps the target out; nothing when it is allowed.
    pub(super) fn problems(&self, list: List, target: &Target, profile: &str) -> Vec<String> {
        let entries = self.entries(&target.host);
        let host = target.host.to_string();
        let host = Excerpt(&host);
        if entries.is_empty() {
            let reason = match &target.host {
                Host::Ipv4(_) | Host::Ipv6(_) if target.host.is_loopback() => {
                    " (an IP address has to be named exactly; one of loopback goes with http)"
                }
                Host::Ipv4(_) | Host::Ipv6(_) => " (an IP address has to be named exactly)",
                Host::Name(_) if target.host.is_punycode() => " (punycode has to be named exactly)",
                Host::Name(name) if name.split('.').any(has_hyphen_at_its_edge) => {
                    " (a label that begins or ends with a hyphen has to be named exactly)"
                }
                Host::Name(_) => "",
            };
            return vec![format!("host {host} is not allowed by profile {profile:?}{reason}")];
        }
        let port = target.port.unwrap_or(HTTPS);
        let path = if target.path.is_empty() { "/" } else { &target.path };
        let port_fits = |entry: &Entry| entry.ports.contains(&port);
        let path_fits = |entry: &Entry| {
            list == List::PostLogout || entry.path.as_ref().is_none_or(|pattern| pattern.is_match(path))
        };
        let query_fits = |entry: &Entry| list == List::PostLogout || target.query.is_none() || !entry.refuses_query;
        if entries.iter().any(|entry| port_fits(entry) && path_fits(entry) && query_fits(entry)) {
            return Vec::new();
        }
        let mut problems = Vec::new();
        if !entries.iter().any(|entry| port_fits(entry)) {
            problems.push(format!("port {port} is not allowed on host {host} by profile {profile:?}"));
        }
        if !entries.iter().any(|entry| path_fits(entry)) {
            problems.push(format!("path {} is not allowed on host {host} by profile {profile:?}", Excerpt(path)));
        }
        if !entries.iter().any(|entry| query_fits(entry)) {
            problems.push(format!("a query is not allowed on host {host} by profile {profile:?}"));
        }
        if problems.is_empty() {
            let (path, query) = (Excerpt(path), if target.query.is_some() { " and a query" } else { "" });
            problems.push(format!(
                "path {path} is not allowed with port {port}{query} on host {host} by profile {profile:?}"
            ));
        }
        problems
    }

    /// Whether the list names this host, whatever it says of ports and paths.
    pub(super) fn names(&self, host: &Host) -> bool {
        !self.entries(host).is_empty()
    }

    /// Whether the list names this host with this port, whatever it says of paths. A name of the public DNS that leads inside
    /// (`10-0-0-1.example.com`) is not what an entry for all names below another one means.
    pub(in crate::policy) fn names_at(&self, host: &Host, port: Option<u16>) -> bool {
        let is_meant = |entry: &Entry| !entry.is_below_public || host.is_public();
        self.entries(host).iter().any(|entry| entry.ports.contains(&port.unwrap_or(HTTPS)) && is_meant(entry))
    }

    /// The entries for a host and for every name above it.
    fn entries(&self, host: &Host) -> Vec<&Entry> {
        let name = match host {
            Host::Ipv4(address) => return self.addresses.get(&IpAddr::V4(*address)).into_iter().flatten().collect(),
            Host::Ipv6(address) => return self.addresses.get(&IpAddr::V6(*address)).into_iter().flatten().collect(),
            Host::Name(name) => name,
        };
        let mut entries: Vec<&Entry> = self.names.get(name).into_iter().flatten().collect();
        let mut rest = name.as_str();
        while let Some((label, above)) = rest.split_once('.') {
            // What stands before the name that was listed was not: no letters there that a reader cannot see.
            if label.starts_with("xn--") || has_hyphen_at_its_edge(label) {
                break;
            }
            entries.extend(self.below.get(above).into_iter().flatten());
            rest = above;
        }
        entries
    }
}

/// No host name has such a label (RFC 952, RFC 5890 §2.3.1): one resolves here and not there.
fn has_hyphen_at_its_edge(label: &str) -> bool {
    label.starts_with('-') || label.ends_with('-')
}

/// The same pattern on ten thousand hosts is compiled once.
#[derive(Default)]
struct Patterns(HashMap<String, Regex>);

impl Patterns {
    fn compile(&mut self, text: &str, place: &str, problems: &mut Vec<SettingProblem>) -> Option<Regex> {
        if let Some(known) = self.0.get(text) {
            return Some(known.clone());
        }
        let compiled = compile_pattern(text, &format!("{place}.path"), problems)?;
        self.0.insert(text.to_owned(), compiled.clone());
        Some(compiled)
    }
}

fn compile_ports(written: Option<&[u16]>, place: &str, problems: &mut Vec<SettingProblem>) -> Vec<u16> {
    let Some(ports) = written else { return vec![HTTPS] };
    let place = format!("{place}.ports");
    if ports.is_empty() {
        problems.push(SettingProblem::new(place, "is empty", "leave it out for the https port, 443"));
    } else if ports.contains(&0) {
        problems.push(SettingProblem::new(place, "0 is not a port", "write 1 to 65535"));
    }
    ports.to_vec()
}

/// What an entry names.
enum Key {
    Exactly(Host),
    Below(String),
}

fn compile_key(written: &HttpsSettings, place: &str, problems: &mut Vec<SettingProblem>) -> Option<Key> {
    let read = match (&written.host, &written.subdomains_of) {
        (Some(host), None) => compile_host(host).map(Key::Exactly).map_err(|problem| ("host", problem)),
        (None, Some(parent)) => compile_parent(parent).map(Key::Below).map_err(|problem| ("subdomains_of", problem)),
        (None, None) | (Some(_), Some(_)) => {
            let hint = "write either host or subdomains_of; to allow a host and those below it, write two entries";
            let reason = if written.host.is_some() { "has both host and subdomains_of" } else { "names no host" };
            problems.push(SettingProblem::new(place, reason, hint));
            return None;
        }
    };
    read.map_err(|(member, (reason, hint))| {
        problems.push(SettingProblem::new(format!("{place}.{member}"), reason, hint));
    })
    .ok()
}

/// Why a setting is wrong, and what to write instead.
type Problem = (String, String);

fn compile_host(text: &str) -> Result<Host, Problem> {
    // An operator may write it in any way: it is compared as the number it is.
    let bare = text.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse() {
        return Ok(Host::Ipv6(address));
    }
    Host::parse_strictly(text).map_err(|problem| {
        let hint = match text {
            _ if text.starts_with("*.") => format!("write subdomains_of: {}", &text[2..]),
            _ if text.contains('/') => "write the host alone, without scheme and path".to_owned(),
            _ if text.contains(':') => "write the host alone, and its port under ports".to_owned(),
            _ => match Host::parse(text) {
                Some(meant) => format!("write \"{meant}\", if that is what is meant"),
                None => "write a host name, like app.example.com".to_owned(),
            },
        };
        (format!("{text:?} {problem}"), hint)
    })
}

fn compile_parent(text: &str) -> Result<String, Problem> {
    if let Some(rest) = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')) {
        return Err((format!("{text:?} is not a host name"), format!("write subdomains_of: {rest}")));
    }
    match compile_host(text)? {
        Host::Name(name) if is_public_suffix(&name) => Err((
            format!("{text:?} is a public suffix: anybody can have a host below it"),
            "name a domain that has one owner, like example.com".to_owned(),
        )),
        Host::Name(name) => Ok(name),
        Host::Ipv4(_) | Host::Ipv6(_) => {
            Err((format!("{text:?} is an address, which has no sub-domains"), "write host instead".to_owned()))
        }
    }
}
