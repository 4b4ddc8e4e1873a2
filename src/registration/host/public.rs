//! What is public: addresses that everybody can reach, and names that lead to no others, as far as a name tells.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::embedded_ipv4;

/// Zones under top-level domains of the public DNS whose names are not public, or lead wherever the name says.
const NOT_PUBLIC_ZONES: [&str; 60] = [
    // RFC 8375, RFC 6303, RFC 7686.
    "arpa",
    "onion",
    // Where clouds keep their metadata, as `metadata.google.internal` is: Google's, Tencent's, Equinix'.
    "metadata.goog",
    "metadata.tencentyun.com",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    // What routers answer to inside.
    "fritz.box",
    "easy.box",
    "o2.box",
    "vodafone.box",
    "router.asus.com",
    "repeater.asus.com",
    "asusrouter.com",
    "attlocal.net",
    "hi.link",
    "linksyssmartwifi.com",
    "miwifi.com",
    "myfiosgateway.com",
    "mywifiext.net",
    "orbilogin.com",
    "routerlogin.com",
    "routerlogin.net",
    "setup.ui.com",
    "tplinklogin.net",
    "tplinkwifi.net",
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
    "ddev.site",
    "lndo.site",
    "localdev.me",
    "localh.st",
    "spoofed.burpcollaborator.net",
    "bugbounty.dod.network",
    "spoofed.redacted.oastify.com",
    "metadata.nicob.net",
    "ipv6-literal.net",
    "rebind.it",
    "tacticalrebind.net",
    "fuf.me",
    "smackaho.st",
    "42foo.com",
];

/// Whether domains below this name are everybody's to have (`com`, `github.io`). A name inside (`corp`) is none: its owner has all of it.
pub fn is_public_suffix(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known() && suffix == name.as_bytes())
}

/// Whether a name is one of the public DNS that leads to no address inside.
pub(super) fn is_public_name(name: &str) -> bool {
    let below = |zone: &str| name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let Some((_, top_level)) = name.rsplit_once('.') else { return false };
    // `.example` (RFC 6761 §6.5) leads nowhere, and documents and tests are full of it.
    let known = top_level == "example" || psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known());
    known && !NOT_PUBLIC_ZONES.into_iter().any(below) && !is_called_localhost(name) && !spells_an_address_inside(name)
}

/// Whether the owner of a domain calls it `localhost` (`localhost.localstack.cloud`), or what is below it. `localhost.run` is a domain.
fn is_called_localhost(name: &str) -> bool {
    let below = psl::domain_str(name).and_then(|domain| name.strip_suffix(domain));
    below.is_some_and(|below| below.split('.').any(|label| label == "localhost"))
}

/// Whether the name spells an address that is not public: services that answer with it are more than anybody could list. In four labels
/// (`127.0.0.1.example.com`) or in one (`127-0-0-1`, `127_0_0_1`, `app-10-0-0-1`, `app-127-0-0-1-x`), or across both (`s-127.0.0.1-8.8.8.8-x`).
fn spells_an_address_inside(name: &str) -> bool {
    let labels: Vec<&str> = name.split('.').collect();
    let in_four = |four: &[&str]| written_ipv4(four).is_some_and(|address| !is_public_ipv4(address));
    labels.windows(4).any(|four| in_four(four) || straddles(four))
        || labels.into_iter().any(label_spells_an_address_inside)
}

/// Whether an address inside begins behind a hyphen in the first of four labels, or ends before one in the last.
fn straddles(four: &[&str]) -> bool {
    let [a, b, c, d] = four else { return false };
    let (a, d) = (a.rsplit('-').next().unwrap_or_default(), d.split('-').next().unwrap_or_default());
    written_ipv4(&[a, b, c, d]).is_some_and(is_of_machines_inside)
}

fn label_spells_an_address_inside(label: &str) -> bool {
    let parts: Vec<&str> = label.split(['-', '_']).filter(|part| !part.is_empty()).collect();
    let is_letter = |character: char| character.is_ascii_alphabetic();
    parts.windows(4).enumerate().any(|(at, four)| {
        let Some(address) = written_ipv4(four) else { return false };
        // `v-1-10-0-0-1` and `v1-10-0-0-1` are no word and an address: numbers go on before it, or behind.
        match (at.checked_sub(1).map(|before| parts[before]), parts.get(at + 4)) {
            (None, None) => !is_public_ipv4(address),
            (Some(word), None) => word.ends_with(is_letter) && is_of_machines_inside(address),
            // A version can have a word behind it, `10-0-0-1-rc1`; there is none that begins with 127, 169, 172 or 192.
            (before, Some(behind)) => {
                before.is_none_or(|word| word.ends_with(is_letter))
                    && behind.starts_with(is_letter)
                    && !matches!(address.octets()[0], 0 | 10 | 100)
                    && is_of_machines_inside(address)
            }
        }
    })
}

/// Whether a machine inside could have it: `release-0-9-1-2` is a version, and nothing answers at 0.9.1.2.
fn is_of_machines_inside(address: Ipv4Addr) -> bool {
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || is_shared(address)
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
            "app-127-0-0-1-x.evil.example",
            "127-0-0-1-x.evil.example",
            "my-app-169-254-169-254-a-b.evil.example",
            "www-192-168-0-1-wiki.example.com",
            "localhost.evil.example",
            "a.localhost.localstack.cloud",
            "localhost.example.co.uk",
            "shop.ddev.site",
            "shop.lndo.site",
            "demo.localdev.me",
            "localh.st",
            "spoofed.burpcollaborator.net",
            "metadata.tencentyun.com",
            "s-127.0.0.1-8.8.8.8-1-rr-e.d.rebind.example",
            "s-8.8.8.8-127.0.0.1-fs-e.dynamic.example.com",
            "s-8.8.8.8-169.254.169.254-fs-e.dynamic.example.com",
            "a-192.168.1.1.example.com",
            "anything.d.rebind.it",
            "a.dynamic.tacticalrebind.net",
            "bugbounty.dod.network",
            "fuf.me",
            "a.smackaho.st",
            "42foo.com",
            "fritz.box",
            "router.asus.com",
            "metadata.packet.net",
            "metadata.platformequinix.com",
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
            "release-10-0-0-1-rc1.app.example",
            "build-100-64-0-1-beta.app.example",
            "app-8-8-8-8-x.example.com",
            "2026-127-0-0-1-x.example.com",
            "x-127-0-0-1-2.example.com",
            "chrome-127-0-6533-72.example.com",
            "ip-54-1-2-3-eu.example.com",
            "localhost.run",
            "abc.localhost.run",
            "localhosting.example.com",
            "my-localhost.example.com",
            "ddev.com",
            "lando.dev",
            "app.localstack.cloud",
            "burpcollaborator.net",
            "console.tencentyun.com",
            "google.goog",
            "s-8.8.8.8-9.9.9.9-rr-e.example.com",
            "v-1.2.3.4-rc.example.com",
            "release-0.9.1.2-x.example.com",
            "www.asus.com",
            "packet.net",
            "myfritz.net",
            "dod.network",
        ] {
            assert!(host(text).is_public(), "{text}");
        }
    }
}
