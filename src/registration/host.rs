//! Hosts in URIs: domain names, IP literals, and every spelling a browser turns into one.
//! Resolves nothing: what is said about a name follows from the name alone.

mod public;

pub use self::public::is_public_suffix;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The host of a URI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name, lower-cased, without trailing dot, ASCII (`xn--` labels stay as they are).
    Name(String),
    /// An IPv4 address, in whatever spelling a browser reads as one (`127.1`, `0x7f.1`, `2130706433`).
    Ipv4(Ipv4Addr),
    /// An IPv6 literal.
    Ipv6(Ipv6Addr),
}

/// Why a text is no host that every reader reads alike. Each is the end of a sentence that begins with the URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedHost {
    /// `https:///path`.
    #[error("names no host")]
    Empty,
    /// `example.com.`: the same host to DNS, another one to a comparison of texts.
    #[error("has a host that ends with a dot")]
    TrailingDot,
    /// `app%2eexample.com`: decoded by some readers, not by others.
    #[error("has a percent-encoded character in its host")]
    Encoded,
    /// `127.1`, `0x7f000001`: an IPv4 address to a browser, a name to RFC 3986.
    #[error("writes an IPv4 address in a form that only some programs read as one")]
    OddIpv4,
    /// `[0:0:0:0:0:0:0:1]`, `[::0:1]`: to a browser `[::1]`, another text to a comparison.
    #[error("writes an IPv6 address otherwise than RFC 5952 §4, so that a browser sends another text")]
    OddIpv6,
    /// Anything else: empty or overlong labels, characters no host name has, zone identifiers, invalid punycode.
    #[error("has a host that is neither a host name nor an IP address")]
    Invalid,
}

/// The longest name and label (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

impl Host {
    /// Reads a host as a browser does, in whatever spelling. For texts that need not be strict.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match url::Host::parse(text).ok()? {
            url::Host::Domain(name) => Self::Name(name.strip_suffix('.').unwrap_or(&name).to_owned()),
            url::Host::Ipv4(address) => Self::Ipv4(address),
            url::Host::Ipv6(address) => Self::Ipv6(address),
        })
    }

    /// Reads the host of an `http` or `https` URI as it is written there; upper case is the only freedom.
    ///
    /// # Errors
    /// Where RFC 3986, DNS and a browser could read it differently.
    pub fn parse_strictly(text: &str) -> Result<Self, MalformedHost> {
        if let Some(inside) = text.strip_prefix('[') {
            let inside = inside.strip_suffix(']').ok_or(MalformedHost::Invalid)?;
            let address: Ipv6Addr = inside.parse().map_err(|_| MalformedHost::Invalid)?;
            let is_plain = plain_ipv6(address).iter().any(|plain| plain.eq_ignore_ascii_case(inside));
            return if is_plain { Ok(Self::Ipv6(address)) } else { Err(MalformedHost::OddIpv6) };
        }
        match text {
            "" => return Err(MalformedHost::Empty),
            _ if text.contains('%') => return Err(MalformedHost::Encoded),
            _ if text.ends_with('.') => return Err(MalformedHost::TrailingDot),
            _ => {}
        }
        let name = text.to_ascii_lowercase();
        if !is_name(&name) {
            return Err(MalformedHost::Invalid);
        }
        match url::Host::parse(&name).map_err(|_| MalformedHost::Invalid)? {
            url::Host::Domain(read) if read == name => Ok(Self::Name(name)),
            url::Host::Ipv4(address) if address.to_string() == name => Ok(Self::Ipv4(address)),
            url::Host::Ipv4(_) => Err(MalformedHost::OddIpv4),
            url::Host::Domain(_) | url::Host::Ipv6(_) => Err(MalformedHost::Invalid),
        }
    }

    /// Whether a label of it is punycode (`xn--`): a name whose letters a reader does not see.
    pub fn is_punycode(&self) -> bool {
        matches!(self, Self::Name(name) if name.split('.').any(|label| label.starts_with("xn--")))
    }

    /// Whether it is this machine: `localhost` and below (RFC 6761 §6.3), 127.0.0.0/8, also as a mapped address, and `::1`. Not what NAT64 or 6to4
    /// makes of such an address: it is routed.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Ipv4(address) => address.is_loopback(),
            Self::Ipv6(address) => {
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|mapped| mapped.is_loopback())
            }
        }
    }

    /// Whether it is an address or a name of the public internet: for an address, globally reachable unicast; for a name,
    /// below a top-level domain of the public DNS and not one of the services that answer with an address written in the name.
    pub fn is_public(&self) -> bool {
        match self {
            Self::Name(name) => public::is_public_name(name),
            Self::Ipv4(address) => public::is_public_ipv4(*address),
            Self::Ipv6(address) => public::is_public_ipv6(*address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ipv4(address) => write!(f, "{address}"),
            Self::Ipv6(address) => write!(f, "[{address}]"),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

/// The address as RFC 5952 writes it and as a browser does: the same but for a mapped one, which browsers write without dots.
fn plain_ipv6(address: Ipv6Addr) -> [String; 2] {
    let by_browser = url::Host::<&str>::Ipv6(address).to_string();
    [address.to_string(), by_browser.trim_matches(['[', ']']).to_owned()]
}

/// Letters, digits, hyphens and (as real names have them) underscores, in labels between dots.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= LONGEST_NAME && name.split('.').all(label)
}

/// The IPv4 address inside an IPv6 one: mapped and compatible (RFC 4291 §2.5.5), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let joined = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x0064, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            joined(high, low)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).expect(text)
    }

    #[test]
    fn reads_every_spelling_of_an_address_that_a_browser_reads() {
        for text in
            ["127.0.0.1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "１２７.0.0.1"]
        {
            assert_eq!(host(text), Host::Ipv4(Ipv4Addr::LOCALHOST), "{text}");
        }
        assert_eq!(host("[::1]"), Host::Ipv6(Ipv6Addr::LOCALHOST));
        assert_eq!(host("App.Example.COM."), Host::Name("app.example.com".to_owned()));
    }

    #[test]
    fn strictly_a_host_is_what_every_reader_reads_alike() {
        for (text, problem) in [
            ("", MalformedHost::Empty),
            ("example.com.", MalformedHost::TrailingDot),
            (".", MalformedHost::TrailingDot),
            ("app%2eexample.com", MalformedHost::Encoded),
            ("127.1", MalformedHost::OddIpv4),
            ("0x7f000001", MalformedHost::OddIpv4),
            ("2130706433", MalformedHost::OddIpv4),
            ("010.0.0.1", MalformedHost::OddIpv4),
            ("a..b", MalformedHost::Invalid),
            (".a", MalformedHost::Invalid),
            ("1.2.3.4.5", MalformedHost::Invalid),
            ("256.1.1.1", MalformedHost::Invalid),
            ("a;b", MalformedHost::Invalid),
            ("a,b", MalformedHost::Invalid),
            ("a!b", MalformedHost::Invalid),
            ("*.example.com", MalformedHost::Invalid),
            ("xn--a", MalformedHost::Invalid),
            ("xn--", MalformedHost::Invalid),
            ("[::1%25eth0]", MalformedHost::Invalid),
            ("[v1.x]", MalformedHost::Invalid),
            ("[::1", MalformedHost::Invalid),
            ("[0:0:0:0:0:0:0:1]", MalformedHost::OddIpv6),
            ("[0000::0001]", MalformedHost::OddIpv6),
            ("[::0:1]", MalformedHost::OddIpv6),
            ("[::0.0.0.1]", MalformedHost::OddIpv6),
            ("[::127.0.0.1]", MalformedHost::OddIpv6),
            ("[2001:0db8::1]", MalformedHost::OddIpv6),
            ("[2001:db8::0:1]", MalformedHost::OddIpv6),
            ("[0:0:0:0:0:ffff:127.0.0.1]", MalformedHost::OddIpv6),
        ] {
            assert_eq!(Host::parse_strictly(text), Err(problem), "{text}");
        }
        for text in [
            "localhost",
            "App.Example.com",
            "_dmarc.example.com",
            "10.0.0.1",
            "[::1]",
            "[2001:DB8::A]",
            "[2001:db8:0:1::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "xn--bcher-kva.example",
            "1password.com",
            "3com",
            "a-b.c-d.e",
        ] {
            assert!(Host::parse_strictly(text).is_ok(), "{text}");
        }
        assert!(Host::parse_strictly(&"a".repeat(64)).is_err());
        assert!(Host::parse_strictly(&"a.".repeat(127)[..253]).is_ok());
        assert!(Host::parse_strictly(&format!("aa{}", &"a.".repeat(127)[1..253])).is_err());
    }

    #[test]
    fn knows_what_is_public() {
        for text in [
            "example.com",
            "app.example",
            "login.example.co.uk",
            "foo.github.io",
            "xn--bcher-kva.example",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "[2606:4700::1111]",
            "[::ffff:8.8.8.8]",
            "[64:ff9b::808:808]",
        ] {
            assert!(host(text).is_public(), "{text}");
        }
    }

    #[test]
    fn knows_what_is_not_public_in_any_spelling() {
        for text in [
            "localhost",
            "a.localhost",
            "keycloak",
            "printer.local",
            "metadata.google.internal",
            "x.home.arpa",
            "x.lan",
            "x.corp",
            "x.test",
            "x.invalid",
            "x.onion",
            "keycloak.default.svc",
            "10.0.0.1.nip.io",
            "127_0_0_1.evil.com",
            "127--0--0--1.evil.com",
            "metadata.nicob.net",
            "www.routerlogin.net",
            "localtest.me",
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.9",
            "198.18.0.1",
            "192.0.0.8",
            "192.88.99.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "0xa9fea9fe",
            "2852039166",
            "0251.0376.0251.0376",
            "[::]",
            "[::1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd12::1]",
            "[ff02::1]",
            "[fec0::1]",
            "[2001:db8::1]",
            "[2001::1]",
            "[3fff::1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[100::1]",
        ] {
            assert!(!host(text).is_public(), "{text}");
        }
    }

    #[test]
    fn knows_what_is_this_machine() {
        for text in [
            "localhost",
            "LOCALHOST",
            "a.localhost",
            "127.0.0.1",
            "127.255.1.2",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0x7f.1",
        ] {
            assert!(host(text).is_loopback(), "{text}");
        }
        for text in [
            "localhost.evil.example",
            "notlocalhost",
            "128.0.0.1",
            "[::2]",
            "127.0.0.1.evil.example",
            "0.0.0.0",
            "[2002:7f00:1::]",
            "[64:ff9b::7f00:1]",
        ] {
            assert!(!host(text).is_loopback(), "{text}");
        }
        assert!(host("app.xn--bcher-kva.example").is_punycode() && !host("axn--b.example").is_punycode());
    }
}
