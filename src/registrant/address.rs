//! The address a request came from: the rightmost hop that is not a trusted proxy. Reads `X-Forwarded-For` and `Forwarded`
//! (RFC 7239), and only from a trusted peer. Must never let a client choose an address that is not its own.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;
use http::header::FORWARDED;

use super::header_list::last_comma;
use crate::policy::matching::Network;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The header in which the trusted proxies write for whom they ask: `forwarding_header` of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardingHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// `X-Forwarded-For` and `Forwarded` name different clients, and nothing says which of them the proxy wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("X-Forwarded-For and Forwarded name different addresses")]
pub struct Disagreement {
    /// The last proxy on which they agree.
    pub passed: IpAddr,
}

/// The address of the client, IPv4-mapped IPv6 addresses written as IPv4.
///
/// Walks from the peer outwards, as long as the hop just passed is a trusted proxy. What is no address (`unknown`, an
/// obfuscated identifier, anything malformed) ends the walk at the proxy that wrote it; an untrusted peer ends it at once.
///
/// Proxies usually maintain one of the two headers and pass the other one on as the client sent it. Where `written` says
/// which, the other one is not looked at. Where nothing does and both are present, they must agree on every hop that is
/// walked: the client would choose between its own address and the proxy's, and be counted and banned as neither.
///
/// # Errors
/// The two headers disagree.
pub fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &[Network],
    written: Option<ForwardingHeader>,
) -> Result<IpAddr, Disagreement> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(*address));
    let mut address = peer.to_canonical();
    if !is_trusted(&address) {
        return Ok(address);
    }
    let reads = |header, name| written.is_none_or(|written| written == header) && headers.contains_key(name);
    let reads_list = reads(ForwardingHeader::XForwardedFor, X_FORWARDED_FOR);
    let reads_forwarded = reads(ForwardingHeader::Forwarded, FORWARDED.as_str());
    let mut listed = hops(headers, X_FORWARDED_FOR, list_node);
    let mut forwarded = hops(headers, FORWARDED.as_str(), forwarded_node);
    loop {
        let (one, other) = (reads_list.then(|| listed.next()), reads_forwarded.then(|| forwarded.next()));
        if let (Some(one), Some(other)) = (one, other)
            && one != other
        {
            return Err(Disagreement { passed: address });
        }
        let Some(hop) = one.or(other).flatten().flatten() else { return Ok(address) };
        address = hop;
        if !is_trusted(&address) {
            return Ok(address);
        }
    }
}

/// The hops of one header, nearest first; `None` is a hop that names no address. Several header lines are one list in order.
fn hops<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
    node: fn(&[u8]) -> Option<IpAddr>,
) -> impl Iterator<Item = Option<IpAddr>> + 'a {
    let lines = headers.get_all(name).iter();
    lines.rev().flat_map(|line| ElementsFromTheRight { rest: Some(line.as_bytes()) }).map(node)
}

/// The elements of a comma-separated list from the right; empty elements are skipped (RFC 9110 §5.6.1).
struct ElementsFromTheRight<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for ElementsFromTheRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest?;
            let element = match last_comma(rest) {
                Some(comma) => {
                    self.rest = Some(&rest[..comma]);
                    &rest[comma + 1..]
                }
                None => {
                    self.rest = None;
                    rest
                }
            };
            let element = element.trim_ascii();
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

/// One element of `X-Forwarded-For`.
fn list_node(element: &[u8]) -> Option<IpAddr> {
    node(std::str::from_utf8(element).ok()?)
}

/// The `for` parameter of one `forwarded-element` (RFC 7239 §4); none when there is not exactly one, or it names no address.
fn forwarded_node(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in std::str::from_utf8(element).ok()?.split(';') {
        let Some((name, value)) = pair.split_once('=') else {
            if pair.trim().is_empty() {
                continue;
            }
            return None;
        };
        if name.trim().eq_ignore_ascii_case("for") {
            if found.is_some() {
                return None;
            }
            found = Some(node(&unquoted(value.trim())?)?);
        }
    }
    found
}

fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    let Some(inside) = value.strip_prefix('"') else { return Some(Cow::Borrowed(value)) };
    let inside = inside.strip_suffix('"')?;
    if !inside.contains(['\\', '"']) {
        return Some(Cow::Borrowed(inside));
    }
    let mut text = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
    Some(Cow::Owned(text))
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(inside) => {
            let (host, after) = inside.split_once(']')?;
            let host = IpAddr::V6(host.parse::<Ipv6Addr>().ok()?);
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => {
            let (host, port) = text.split_once(':')?;
            (IpAddr::V4(host.parse().ok()?), Some(port))
        }
    };
    port.is_none_or(is_port).then(|| host.to_canonical())
}

/// A port, or the obfuscated one of RFC 7239 §6.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
        None => (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn from(peer: &str, lines: &[(&str, &str)]) -> String {
        read(peer, lines, None).unwrap()
    }

    fn read(peer: &str, lines: &[(&str, &str)], written: Option<ForwardingHeader>) -> Result<String, String> {
        let trusted: Vec<Network> = ["10.0.0.0/8", "fd00::/8"].iter().map(|n| n.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let address = client_address(peer.parse().unwrap(), &headers, &trusted, written);
        address.map(|address| address.to_string()).map_err(|disagreement| disagreement.passed.to_string())
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_sends() {
        let lines = [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.7")];
        assert_eq!(from("198.51.100.9", &lines), "198.51.100.9");
        assert_eq!(from("::ffff:198.51.100.9", &lines), "198.51.100.9");
    }

    #[test]
    fn the_rightmost_hop_that_is_not_a_proxy_is_the_client() {
        for (list, client) in [
            ("203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7, 10.2.3.4", "203.0.113.7"),
            ("203.0.113.7, 10.2.3.4,fd00::7", "203.0.113.7"),
            ("10.9.9.9, 10.2.3.4", "10.9.9.9"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("::ffff:10.2.3.4", "10.2.3.4"),
            ("203.0.113.7, , ", "203.0.113.7"),
            ("", PROXY),
        ] {
            assert_eq!(from(PROXY, &[("x-forwarded-for", list)]), client, "{list:?}");
        }
        assert_eq!(from("::ffff:10.0.0.1", &[("x-forwarded-for", "203.0.113.7")]), "203.0.113.7");
    }

    #[test]
    fn several_lines_are_one_list_in_order() {
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.7, 10.2.3.4")];
        assert_eq!(from(PROXY, &lines), "203.0.113.7");
    }

    #[test]
    fn garbage_ends_the_walk_at_the_proxy_that_wrote_it() {
        for garbage in [
            "unknown",
            "_hidden",
            "localhost",
            "203.0.113.007",
            "203.0.113.7:",
            "203.0.113.7:port",
            "[::1",
            "[203.0.113.7]",
            "fe80::1%eth0",
            "3405803783",
            "203.0.113.7 10.1.1.1",
            "203.0.113.7\u{e9}",
        ] {
            assert_eq!(from(PROXY, &[("x-forwarded-for", &format!("1.1.1.1, {garbage}"))]), PROXY, "{garbage}");
            let list = format!("1.1.1.1, {garbage}, 10.2.3.4");
            assert_eq!(from(PROXY, &[("x-forwarded-for", &list)]), "10.2.3.4", "{garbage}");
        }
    }

    #[test]
    fn reads_the_forwarded_header_of_rfc_7239() {
        for (line, client) in [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"203.0.113.7:4711\";proto=https;by=203.0.113.43", "203.0.113.7"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=\"[2001:db8:cafe::17]:_port\"", "2001:db8:cafe::17"),
            ("for=1.1.1.1, for=203.0.113.7;by=\"a,b\"", "203.0.113.7"),
            ("for=203.0.113.7, for=10.2.3.4", "203.0.113.7"),
            ("proto=https;by=10.0.0.1", PROXY),
            ("for=unknown", PROXY),
            ("for=_hidden, for=\"_SEVKISEK\"", PROXY),
            ("for=203.0.113.7;for=1.1.1.1", PROXY),
            ("203.0.113.7", PROXY),
            ("for=\"203.0.113.7", PROXY),
        ] {
            assert_eq!(from(PROXY, &[("forwarded", line)]), client, "{line}");
        }
    }

    #[test]
    fn what_a_client_put_on_the_left_does_not_change_what_the_proxy_appended() {
        for left in ["\"", "for=\"", "for=1.1.1.1;x=\"", "for=\\", "\\\"", "\"\\", ",,,", ";;;"] {
            for right in ["for=203.0.113.7", "for=\"203.0.113.7\"", "for=203.0.113.7;by=\"_p\""] {
                let line = format!("{left}, {right}");
                assert_eq!(from(PROXY, &[("forwarded", &line)]), "203.0.113.7", "{line}");
            }
        }
    }

    #[test]
    fn where_nothing_says_which_header_the_proxy_writes_both_must_agree() {
        let both = |list, forwarded| read(PROXY, &[("x-forwarded-for", list), ("forwarded", forwarded)], None);
        for (list, forwarded, client) in [
            ("203.0.113.7", "for=203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7", "for=203.0.113.7", "203.0.113.7"),
            ("203.0.113.7, 10.2.3.4", "for=203.0.113.7, for=10.2.3.4;proto=https", "203.0.113.7"),
            ("unknown", "for=unknown", PROXY),
            ("10.2.3.4", "for=10.2.3.4", "10.2.3.4"),
        ] {
            assert_eq!(both(list, forwarded).unwrap(), client, "{list} / {forwarded}");
        }
        for (list, forwarded, passed) in [
            ("203.0.113.7", "for=1.1.1.1", PROXY),
            ("203.0.113.7", "for=_", PROXY),
            ("203.0.113.7", "x=y", PROXY),
            ("203.0.113.7", "", PROXY),
            ("", "for=203.0.113.7", PROXY),
            ("unknown", "for=203.0.113.7", PROXY),
            ("203.0.113.7, 10.2.3.4", "for=1.1.1.1, for=10.2.3.4", "10.2.3.4"),
            ("203.0.113.7, 10.2.3.4", "for=10.2.3.4", "10.2.3.4"),
        ] {
            assert_eq!(both(list, forwarded).unwrap_err(), passed, "{list} / {forwarded}");
        }
    }

    #[test]
    fn the_header_that_the_proxy_does_not_write_is_not_looked_at() {
        let (list, forwarded) = (ForwardingHeader::XForwardedFor, ForwardingHeader::Forwarded);
        let lines = [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=198.51.100.8")];
        assert_eq!(read(PROXY, &lines, Some(list)).unwrap(), "203.0.113.7");
        assert_eq!(read(PROXY, &lines, Some(forwarded)).unwrap(), "198.51.100.8");
        assert_eq!(read(PROXY, &lines[..1], Some(forwarded)).unwrap(), PROXY);
        assert_eq!(read(PROXY, &lines[1..], Some(list)).unwrap(), PROXY);
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_left_of_an_untrusted_hop_changes_nothing(left in "[ -~]{0,40}") {
            let line = format!("{left}, 203.0.113.7");
            proptest::prop_assert_eq!(from(PROXY, &[("x-forwarded-for", &line)]), "203.0.113.7");
        }
    }
}
