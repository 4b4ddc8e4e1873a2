//! Redirect URIs and URLs: what is accepted leads where every reader thinks it leads, and hides nothing.

use std::net::Ipv4Addr;

use dcr_gateway::registration::redirect_uri::{RedirectUri, RedirectUriKind, Target, is_forbidden_scheme};
use dcr_gateway::registration::strict_uri::LONGEST_URI;
use dcr_gateway::registration::web_url::WebUrl;

/// The property, for any text.
pub fn holds(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let read = RedirectUri::parse(text);
    match &read {
        Ok(uri) => accepted(text, uri),
        Err(problem) => says_what_is_wrong(&problem.to_string()),
    }
    match WebUrl::parse(text) {
        Ok(url) => {
            assert_eq!(url.as_str(), text);
            is_plain(text);
            leads_where_everybody_thinks(text, &url.host().to_string(), url.port());
        }
        Err(problem) => says_what_is_wrong(&problem.to_string()),
    }
    read.is_ok()
}

fn says_what_is_wrong(sentence: &str) {
    assert!(!sentence.is_empty() && !sentence.contains(char::is_control), "{sentence:?}");
}

fn accepted(text: &str, uri: &RedirectUri) {
    assert_eq!(uri.as_str(), text);
    is_plain(text);
    assert!(!text.contains(['#', '*']), "{text}");
    let (scheme, _) = text.split_once(':').expect("a scheme");
    let scheme = scheme.to_ascii_lowercase();
    assert!(!is_forbidden_scheme(&scheme), "{text}");
    match uri.kind() {
        RedirectUriKind::Https(target) => {
            assert_eq!(scheme, "https");
            is_of(text, target);
        }
        RedirectUriKind::Loopback(target) | RedirectUriKind::Http(target) => {
            assert_eq!(scheme, "http");
            is_of(text, target);
            let host = target.host.to_string();
            let is_loopback = matches!(host.as_str(), "localhost" | "[::1]")
                || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
            assert_eq!(matches!(uri.kind(), RedirectUriKind::Loopback(_)), is_loopback, "{text}");
        }
        RedirectUriKind::PrivateUse { scheme: own, rest } => {
            assert!(!matches!(own.as_str(), "http" | "https"), "{text}");
            assert_eq!(format!("{own}:{rest}").to_ascii_lowercase(), text.to_ascii_lowercase());
            let browser = url::Url::parse(text).unwrap_or_else(|error| panic!("a browser: {error}: {text}"));
            assert!(
                browser.username().is_empty() && browser.password().is_none() && browser.fragment().is_none(),
                "{text}"
            );
        }
    }
    let without_port = uri.without_port();
    assert_eq!(RedirectUri::parse(without_port.as_str()).as_ref(), Ok(&without_port), "{text}");
    assert_eq!(without_port.without_port(), without_port, "{text}");
}

/// What no accepted text has in it.
fn is_plain(text: &str) {
    assert!(!text.is_empty() && text.len() <= LONGEST_URI, "{text}");
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{text}");
}

fn is_of(text: &str, target: &Target) {
    leads_where_everybody_thinks(text, &target.host.to_string(), target.port);
    let browser = url::Url::parse(text).unwrap_or_else(|error| panic!("a browser: {error}: {text}"));
    assert_eq!(browser.path(), if target.path.is_empty() { "/" } else { &target.path }, "{text}");
    // The one character of a query that a browser writes otherwise.
    assert_eq!(
        browser.query().map(|query| query.replace("%27", "'")),
        target.query.as_ref().map(|query| query.replace("%27", "'")),
        "{text}"
    );
    assert_eq!(browser.fragment(), None, "{text}");
    // Decoded once or twice, as some frameworks do, the path is still no way up, and no line of a header.
    let once = decoded(target.path.as_bytes());
    for path in [&once, &decoded(&once)] {
        assert!(path.split(|byte| *byte == b'/').all(|segment| segment != b".." && segment != b"."), "{text}");
        assert!(!path.iter().any(u8::is_ascii_control) && !path.contains(&b'\\'), "{text}");
    }
    let query = decoded(target.query.as_deref().unwrap_or_default().as_bytes());
    assert!(!query.iter().any(u8::is_ascii_control), "{text}");
}

/// Three readers that have nothing in common: a browser's (WHATWG URL), hyper's, and the regular expression of RFC 3986 appendix B
/// with the host taken as everything between the last `@` and the port, which is how it is done by hand.
fn leads_where_everybody_thinks(text: &str, host: &str, port: Option<u16>) {
    let browser = url::Url::parse(text).unwrap_or_else(|error| panic!("a browser: {error}: {text}"));
    match browser.host() {
        // A browser writes all of them in hexadecimal.
        Some(url::Host::Ipv6(address)) => assert_eq!(format!("[{address}]"), host, "a browser, of {text}"),
        _ => assert_eq!(browser.host_str(), Some(host), "a browser, of {text}"),
    }
    let default = if browser.scheme() == "https" { 443 } else { 80 };
    assert_eq!(browser.port_or_known_default(), Some(port.unwrap_or(default)), "a browser, of {text}");
    assert!(browser.username().is_empty() && browser.password().is_none(), "{text}");
    let without_fragment = text.split('#').next().unwrap_or_default();
    if let Ok(plain) = without_fragment.parse::<http::Uri>() {
        // RFC 5952 spells IPv6 literals one way, hyper leaves them as they are.
        if !host.starts_with('[') {
            assert_eq!(plain.host().map(str::to_ascii_lowercase).as_deref(), Some(host), "hyper, of {text}");
        }
        assert_eq!(plain.port_u16(), port, "hyper, of {text}");
    }
    let (_, after) = text.split_once("://").unwrap_or_else(|| panic!("no authority in {text}"));
    let authority = &after[..after.find(['/', '?', '#']).unwrap_or(after.len())];
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (by_hand, port_by_hand) = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if !host.starts_with('[') {
        assert_eq!(by_hand.to_ascii_lowercase(), host, "by hand, of {text}");
    }
    assert_eq!(port_by_hand.map(str::to_owned), port.map(|port| port.to_string()), "by hand, of {text}");
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut read, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = text.get(at) {
        match (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                read.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            _ => {
                read.push(byte);
                at += 1;
            }
        }
    }
    read
}
