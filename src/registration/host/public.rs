//! What is public: addresses that everybody can reach, and names that lead to no others, as far as a name tells.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::embedded_ipv4;

/// Zones under top-level domains of the public DNS whose names are not public, or lead wherever the name says.
const NOT_PUBLIC_ZONES: [&str; 24] = [
    // RFC 8375, RFC 6303, RFC 7686.
    "arpa",
    "onion",
    // Where Google's cloud keeps its metadata, as `metadata.google.internal` is.
    "metadata.goog",
    // Public services that resolve names to the address written in them, or to loopback, or to two addresses in turn.
    "nip.io",
    "sslip.io",
    "xip.io",
    "traefik.me",
    "backname.io",
    "1u.ms",
    "rbndr.us",
    "localtest.me",
    "lvh.me",
    "vcap.me",
    "lacolhost.com",
    "localho.st",
    "local.gd",
    "localhost.direct",
    "lcl.host",
    "rebind.network",
    "local-ip.co",
    "local-ip.sh",
    "local-ip.medicmobile.org",
    "ip6.name",
    "plex.direct",
];

/// Whether a name is one of the public DNS that leads to no address inside.
pub(super) fn is_public_name(name: &str) -> bool {
    let below = |zone: &str| name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let Some((_, top_level)) = name.rsplit_once('.') else { return false };
    // `.example` (RFC 6761 §6.5) leads nowhere, and documents and tests are full of it.
    let known = top_level == "example" || psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known());
    known && !NOT_PUBLIC_ZONES.into_iter().any(below) && !spells_an_address_inside(name)
}

/// Whether the name spells an address that is not public: services that answer with it are more than anybody could list. In four labels
/// (`127.0.0.1.example.com`) or in one (`127-0-0-1`, `app-10-0-0-1`).
fn spells_an_address_inside(name: &str) -> bool {
    let labels: Vec<&str> = name.split('.').collect();
    let in_four = |four: &[&str]| written_ipv4(four).is_some_and(|address| !is_public_ipv4(address));
    labels.windows(4).any(in_four) || labels.into_iter().any(label_spells_an_address_inside)
}

fn label_spells_an_address_inside(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let Some((before, four)) = parts.split_last_chunk::<4>() else { return false };
    let Some(address) = written_ipv4(four) else { return false };
    match before {
        [] => !is_public_ipv4(address),
        // Behind a word only what a machine inside could have: `release-0-9-1-2` is a version, and nothing answers at 0.9.1.2.
        // `v-1-10-0-0-1` and `v1-10-0-0-1` are no word and an address: numbers go on before it.
        [.., word] => {
            let is_word = word.ends_with(|last: char| last.is_ascii_alphabetic());
            is_word
                && (address.is_private()
                    || address.is_loopback()
                    || address.is_link_local()
                    || address.is_unspecified()
                    || is_shared(address))
        }
    }
}

/// The address that four numbers write in plain decimal; with zeros before them they are a date or a version.
fn written_ipv4(four: &[&str]) -> Option<Ipv4Addr> {
    let octet = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
        text.parse::<u8>().ok().filter(|_| is_plain)
    };
    let [a, b, c, d] = four else { return None };
    Some(Ipv4Addr::new(octet(a)?, octet(b)?, octet(c)?, octet(d)?))
}

/// The IANA special-purpose registry (RFC 6890): everything not globally reachable is not public.
pub(super) fn is_public_ipv4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || is_shared(address)
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

/// As [`is_public_ipv4`], for IPv6; an IPv4 address inside is judged itself.
pub(super) fn is_public_ipv6(address: Ipv6Addr) -> bool {
    if let Some(embedded) = embedded_ipv4(address) {
        return is_public_ipv4(embedded);
    }
    let [a, b, ..] = address.segments();
    // Global unicast is 2000::/3; in it 2001::/23 is for protocols, 2001:db8::/32 and 3fff::/20 for documentation.
    (a & 0xe000) == 0x2000 && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8)) && !(a == 0x3fff && b < 0x1000)
}

/// Behind carriers' translators (RFC 6598).
fn is_shared(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    a == 100 && (64..128).contains(&b)
}

#[cfg(test)]
mod tests {
    use super::super::Host;

    fn host(text: &str) -> Host {
        Host::parse(text).expect(text)
    }

    #[test]
    fn a_name_that_spells_an_address_inside_is_not_public() {
        for text in [
            "127.0.0.1.evil.example",
            "a.10.0.0.1.my.local-address.com",
            "169-254-169-254.evil.example",
            "192-168-1-1.0123456789abcdef.plex-like.com",
            "127-0-0-1.my.local-address.com",
            "app-10-0-0-1.nip.example",
            "my-app2b-172-16-0-1.example.com",
            "ip-100-64-0-1.example.com",
            "0-0-0-0.example.com",
            "www-0-0-0-0.example.com",
            "metadata.goog",
            "a.local.gd",
            "10.0.0.1.my.local-ip.co",
            "127-0-0-1.my.local-ip.sh",
            "192-168-1-1.abc.plex.direct",
        ] {
            assert!(!host(text).is_public(), "{text}");
        }
    }

    #[test]
    fn versions_dates_and_public_addresses_in_a_name_are_public() {
        for text in [
            "v1-0-0-1.app.example",
            "v10-0-0-1.app.example",
            "release-0-9-1-2.app.example",
            "v1-10-0-0-1.app.example",
            "10-0-0.app.example",
            "10-0-0-1-rc1.app.example",
            "10-01-2025-12.app.example",
            "10-01-15-24.app.example",
            "2024-10-0-0.app.example",
            "1-2-3-4.app.example",
            "ec2-54-1-2-3.compute-1.amazonaws.com",
            "8.8.8.8.example.com",
            "10.0.0.example.com",
            "0a000001.example.com",
            "notplex.direct",
            "google.goog",
        ] {
            assert!(host(text).is_public(), "{text}");
        }
    }
}
