//! The corpus: what is no redirect URI and why, and what real clients register.

use proptest::prelude::*;

use super::super::host::MalformedHost;
use super::*;

fn refused(text: &str) -> MalformedRedirectUri {
    match RedirectUri::parse(text) {
        Ok(uri) => panic!("{text:?} was read as {uri:?}"),
        Err(problem) => problem,
    }
}

fn kind(text: &str) -> RedirectUriKind {
    RedirectUri::parse(text).unwrap_or_else(|problem| panic!("{text:?} {problem}")).kind
}

#[test]
fn says_why_a_text_is_no_redirect_uri() {
    use MalformedRedirectUri::{ForbiddenScheme, Fragment, Wildcard};
    let uri = MalformedRedirectUri::Uri;
    let host = |problem| uri(MalformedUri::Host(problem));
    for (text, problem) in [
        ("", uri(MalformedUri::Empty)),
        (" ", uri(MalformedUri::SpaceOrControl)),
        ("/callback", uri(MalformedUri::NotAbsolute)),
        ("//app.example.com/cb", uri(MalformedUri::NotAbsolute)),
        ("app.example.com/cb", uri(MalformedUri::NotAbsolute)),
        ("?x", uri(MalformedUri::NotAbsolute)),
        ("1http://app.example.com", uri(MalformedUri::NotAbsolute)),
        ("https://app.example.com/{id}", uri(MalformedUri::NotAUri)),
        ("https://app.example.com/%zz", uri(MalformedUri::NotAUri)),
        ("https://app.example.com/%", uri(MalformedUri::NotAUri)),
        ("https://app.example.com/<script>", uri(MalformedUri::NotAUri)),
        ("https://app.example.com/cb\"", uri(MalformedUri::NotAUri)),
        ("https:/app.example.com/cb", uri(MalformedUri::NoAuthority)),
        ("https:app.example.com/cb", uri(MalformedUri::NoAuthority)),
        ("https:", uri(MalformedUri::NoAuthority)),
        ("https://", host(MalformedHost::Empty)),
        ("https:///app.example.com/cb", host(MalformedHost::Empty)),
        ("https://:443/cb", host(MalformedHost::Empty)),
        ("https://app.example.com/cb#", Fragment),
        ("https://app.example.com/cb#access_token=x", Fragment),
        ("http://127.0.0.1/#", Fragment),
        ("com.example.app:/cb#x", Fragment),
        ("https://user@app.example.com/cb", uri(MalformedUri::UserInformation)),
        ("https://@app.example.com/cb", uri(MalformedUri::UserInformation)),
        ("https://user:password@app.example.com/cb", uri(MalformedUri::UserInformation)),
        ("https://app.example.com@evil.example/cb", uri(MalformedUri::UserInformation)),
        ("https://app.example.com:443@evil.example/cb", uri(MalformedUri::UserInformation)),
        ("https://app.example.com%40evil.example/cb", host(MalformedHost::Encoded)),
        ("https://app.example.com%2eevil.example/cb", host(MalformedHost::Encoded)),
        ("https://app.example.com%2fevil.example/cb", host(MalformedHost::Encoded)),
        ("https://app.example.com%00.evil.example/cb", host(MalformedHost::Encoded)),
        ("https://%61pp.example.com/cb", host(MalformedHost::Encoded)),
        ("https://app.example.com\\@evil.example", uri(MalformedUri::Backslash)),
        ("https:\\\\app.example.com/cb", uri(MalformedUri::Backslash)),
        ("https:/\\evil.example", uri(MalformedUri::Backslash)),
        ("https://app.example.com/a\\b", uri(MalformedUri::Backslash)),
        ("https://app.exam\tple.com/cb", uri(MalformedUri::SpaceOrControl)),
        ("https://app.example.com/cb\n", uri(MalformedUri::SpaceOrControl)),
        ("\u{0}https://app.example.com/cb", uri(MalformedUri::SpaceOrControl)),
        (" https://app.example.com/cb", uri(MalformedUri::SpaceOrControl)),
        ("https://app.example.com/c b", uri(MalformedUri::SpaceOrControl)),
        ("https://app.example.com/\u{a0}", uri(MalformedUri::SpaceOrControl)),
        ("https://app\u{3002}example.com/cb", uri(MalformedUri::NonAscii)),
        ("https://\u{ff41}pp.example.com/cb", uri(MalformedUri::NonAscii)),
        ("https://app.example.com\u{200b}/cb", uri(MalformedUri::NonAscii)),
        ("https://app.example.com\u{2044}.evil.example/cb", uri(MalformedUri::NonAscii)),
        ("https://\u{430}pp.example.com/cb", uri(MalformedUri::NonAscii)),
        ("https://app.example.com/caf\u{e9}", uri(MalformedUri::NonAscii)),
        ("https://*.example.com/cb", Wildcard),
        ("https://*/cb", Wildcard),
        ("https://app.example.com/*", Wildcard),
        ("https://app.example.com*", Wildcard),
        ("https://app.example.com/cb?*", Wildcard),
        ("com.example.app:/*", Wildcard),
        ("cursor://*", Wildcard),
        ("https://app.example.com/a/../b", uri(MalformedUri::DotSegment)),
        ("https://app.example.com/..", uri(MalformedUri::DotSegment)),
        ("https://app.example.com/%2e%2e/b", uri(MalformedUri::DotSegment)),
        ("https://app.example.com/..;/b", uri(MalformedUri::DotSegment)),
        ("com.example.app:/a/../b", uri(MalformedUri::DotSegment)),
        ("https://app.example.com/a%2Fb", uri(MalformedUri::EncodedDelimiter)),
        ("https://app.example.com/a%5cb", uri(MalformedUri::EncodedDelimiter)),
        ("https://app.example.com/cb%23x", uri(MalformedUri::EncodedDelimiter)),
        ("https://app.example.com/cb%3Fx", uri(MalformedUri::EncodedDelimiter)),
        ("https://app.example.com/%252e%252e/b", uri(MalformedUri::EncodedTwice)),
        ("https://app.example.com/cb%00", uri(MalformedUri::EncodedControl)),
        ("https://app.example.com/cb?x=%0d%0aSet-Cookie:a", uri(MalformedUri::EncodedControl)),
        ("https://app.example.com/cb?x=%C2%85", uri(MalformedUri::EncodedControl)),
        ("https://app.example.com/cb?x=%E2%80%AEkcab", uri(MalformedUri::EncodedControl)),
        ("com.example.app:/cb?x=%E2%81%A6", uri(MalformedUri::EncodedControl)),
        ("https://app.example.com/%c0%ae%c0%ae/b", uri(MalformedUri::EncodedNotUtf8)),
        ("https://app.example.com:/cb", uri(MalformedUri::NoPort)),
        ("https://app.example.com:0/cb", uri(MalformedUri::Port)),
        ("https://app.example.com:65536/cb", uri(MalformedUri::Port)),
        ("https://app.example.com:0443/cb", uri(MalformedUri::PortBeginsWithZero)),
        ("https://app.example.com:99999999999999999999/cb", uri(MalformedUri::Port)),
        ("http://localhost:0/cb", uri(MalformedUri::Port)),
        ("https://app.example.com:8443x/cb", uri(MalformedUri::NotAUri)),
        ("https://app.example.com./cb", host(MalformedHost::TrailingDot)),
        ("http://localhost./cb", host(MalformedHost::TrailingDot)),
        ("https://app..example.com/cb", host(MalformedHost::Invalid)),
        ("https://app.example.com;evil.example/cb", host(MalformedHost::Invalid)),
        ("https://app.example.com,evil.example/cb", host(MalformedHost::Invalid)),
        ("https://app.example.com&evil.example/cb", host(MalformedHost::Invalid)),
        ("https://xn--/cb", host(MalformedHost::Invalid)),
        ("http://127.1/cb", host(MalformedHost::OddIpv4)),
        ("http://0x7f000001/cb", host(MalformedHost::OddIpv4)),
        ("http://0X7F.0.0.1/cb", host(MalformedHost::OddIpv4)),
        ("http://2130706433/cb", host(MalformedHost::OddIpv4)),
        ("http://0177.0.0.1/cb", host(MalformedHost::OddIpv4)),
        ("http://127.0.0.01/cb", host(MalformedHost::OddIpv4)),
        ("http://[::1%25eth0]/cb", uri(MalformedUri::NotAUri)),
        ("http://[::1]evil.example/cb", uri(MalformedUri::NotAUri)),
        ("http://[::1/cb", uri(MalformedUri::NotAUri)),
        ("http://[v1.a]/cb", host(MalformedHost::Invalid)),
        ("http://[0:0:0:0:0:0:0:1]/x", host(MalformedHost::OddIpv6)),
        ("http://[0000::0001]/x", host(MalformedHost::OddIpv6)),
        ("http://[::0:1]/x", host(MalformedHost::OddIpv6)),
        ("https://app.example.com?@evil.example/cb", uri(MalformedUri::AtSign)),
        ("https://app.example.com?a=b@evil.example", uri(MalformedUri::AtSign)),
        ("http://localhost?@evil.example/cb", uri(MalformedUri::AtSign)),
        ("http://localhost:3000?@evil.example/cb", uri(MalformedUri::AtSign)),
        ("javascript:alert(1)", ForbiddenScheme),
        ("JavaScript://app.example.com/%0aalert(1)", ForbiddenScheme),
        ("data:text/html,<script>alert(1)</script>", ForbiddenScheme),
        ("vbscript:msgbox", ForbiddenScheme),
        ("file:///etc/passwd", ForbiddenScheme),
        ("blob:https://app.example.com/1", ForbiddenScheme),
        ("about:blank", ForbiddenScheme),
        ("filesystem:https://app.example.com/temporary/x", ForbiddenScheme),
        ("ws://app.example.com/cb", ForbiddenScheme),
        ("wss://app.example.com/cb", ForbiddenScheme),
        ("ftp://app.example.com/cb", ForbiddenScheme),
        ("intent://scan/#Intent;scheme=zxing;end", ForbiddenScheme),
        ("chrome://settings", ForbiddenScheme),
        ("view-source:https://app.example.com/", ForbiddenScheme),
        ("mailto:a@example.com", ForbiddenScheme),
        ("tel:+1", ForbiddenScheme),
        ("java\tscript:alert(1)", uri(MalformedUri::SpaceOrControl)),
        (" javascript:alert(1)", uri(MalformedUri::SpaceOrControl)),
        ("\u{1}javascript:alert(1)", uri(MalformedUri::SpaceOrControl)),
        ("cursor://user@host/cb", uri(MalformedUri::UserInformation)),
        ("cursor://a%2fb/cb", host(MalformedHost::Encoded)),
        ("cursor://host:0/cb", uri(MalformedUri::Port)),
        ("myapp://../x", uri(MalformedUri::DotSegment)),
        ("myapp://.", uri(MalformedUri::DotSegment)),
        ("myapp:../x", uri(MalformedUri::DotSegment)),
    ] {
        assert_eq!(refused(text), problem, "{text:?}");
    }
    let long = format!("https://app.example.com/{}", "a".repeat(2048));
    assert_eq!(refused(&long), uri(MalformedUri::TooLong));
    assert!(RedirectUri::parse(&long[..2048]).is_ok());
}

#[test]
fn ordinary_redirect_uris_keep_their_exact_text() {
    for text in [
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/oauth/callback",
        "https://app.example.com/oauth/callback/",
        "https://app.example.com//callback",
        "https://app.example.com/cb?tenant=a&next=%2Fhome%3Fx%3D1",
        "https://app.example.com/cb?u=https://other.example/x",
        "https://app.example.com/cb?next=https%253A%252F%252Fother.example",
        "https://app.example.com/cb?",
        "https://app.example.com/cb?name=caf%C3%A9&city=%E6%97%A5%E6%9C%AC",
        "https://app.example.com/cb?name=caf%E9&price=%80",
        "https://app.example.com/cb?emoji=%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80",
        "https://app.example.com/a%20b",
        "https://app.example.com/caf%C3%A9",
        "https://app.example.com/~user/(cb)/it's,fine;v=1!",
        "https://app.example.com/@user/cb",
        "https://app.example.com/cb?login_hint=a@b.example",
        "https://app.example.com/?login_hint=a@b.example",
        "https://app.example.com?tenant=a&at=/x@y",
        "https://app.example.com?login_hint=a%40b.example",
        "https://app.example.com/MixedCase/CB",
        "https://App.Example.COM/cb",
        "HTTPS://app.example.com/cb",
        "https://app.example.com:443/cb",
        "https://app.example.com:8443/cb",
        "https://my_app.example.com/cb",
        "https://xn--bcher-kva.example/cb",
        "https://203.0.113.7/cb",
        "https://[2001:db8::1]:8443/cb",
        "https://chatgpt.com/connector/oauth/AbC-123",
        "https://chatgpt.com/connector_platform_oauth_redirect",
        "https://claude.ai/api/mcp/auth_callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "https://vscode.dev/redirect",
        "https://app.example.com/.well-known/cb",
        "https://app.example.com/v1.2/...",
        "http://localhost",
        "http://localhost/",
        "http://localhost:3000",
        "http://localhost:54321/callback?x=1",
        "http://LOCALHOST:3000/callback",
        "http://127.0.0.1:33418/",
        "http://127.0.0.1",
        "http://[::1]:8080/cb",
        "http://[::1]/cb",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "cursor://anysphere.cursor-retrieval/oauth/user/callback?x=1",
        "vscode://vscode.github-authentication/did-authenticate",
        "com.example.app:/oauth2redirect",
        "com.example.app:/",
        "com.example.app://",
        "com.example.app://callback",
        "com.example.app:///callback",
        "com.example.app:callback",
        "com.googleusercontent.apps.123-abc:/oauth2redirect",
        "msal0123abcd-ef://auth",
        "urn:ietf:wg:oauth:2.0:oob",
        "myapp://localhost:8080/cb",
        "chrome-extension://abcdefghijklmnop/cb.html",
        "x-app+beta.1:/cb",
    ] {
        let uri = RedirectUri::parse(text).unwrap_or_else(|problem| panic!("{text:?} {problem}"));
        assert_eq!(uri.as_str(), text);
    }
}

#[test]
fn only_the_loopback_interface_itself_is_loopback() {
    for text in ["http://localhost/", "http://127.0.0.1:1/", "http://127.8.8.8/", "http://[::1]/"] {
        assert!(matches!(kind(text), RedirectUriKind::Loopback(_)), "{text}");
    }
    for text in [
        "http://localhost.evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://a.localhost/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://[::ffff:7f00:1]/cb",
        "http://[::2]/cb",
        "http://0.0.0.0:3000/cb",
        "http://128.0.0.1/cb",
        "http://app.example.com/cb",
        "http://localtest.me/cb",
    ] {
        assert!(matches!(kind(text), RedirectUriKind::Http(_)), "{text}");
    }
    assert!(matches!(kind("https://localhost/cb"), RedirectUriKind::Https(_)));
}

#[test]
fn a_private_use_scheme_is_judged_in_lower_case_and_kept_as_given() {
    let RedirectUriKind::PrivateUse { scheme, rest } = kind("Com.Example.App://Host/Cb?x=1") else { panic!() };
    assert_eq!((scheme.as_str(), rest.as_str()), ("com.example.app", "//Host/Cb?x=1"));
}

#[test]
fn a_loopback_uri_can_be_said_without_its_port() {
    for (text, without) in [
        ("http://localhost:3000/cb", "http://localhost/cb"),
        ("HTTP://LocalHost:3000/cb:3000", "HTTP://LocalHost/cb:3000"),
        ("http://127.0.0.1:3000", "http://127.0.0.1"),
        ("http://127.0.0.1:80?x=a//b:80", "http://127.0.0.1?x=a//b:80"),
        ("http://[::1]:8080/cb", "http://[::1]/cb"),
        ("http://[::1]/cb", "http://[::1]/cb"),
        ("https://app.example.com:8443/cb", "https://app.example.com:8443/cb"),
        ("http://192.168.0.1:80/cb", "http://192.168.0.1:80/cb"),
        ("cursor://localhost:80/cb", "cursor://localhost:80/cb"),
    ] {
        let uri = RedirectUri::parse(text).unwrap().without_port();
        assert_eq!(uri.as_str(), without);
        assert_eq!(RedirectUri::parse(without).unwrap(), uri);
    }
}

#[test]
fn no_forbidden_scheme_is_listed_twice() {
    let mut sorted = FORBIDDEN_SCHEMES;
    sorted.sort_unstable();
    assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
}

/// Texts made of the pieces that parsers disagree about.
fn nearly_a_uri() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "https",
        "http",
        "com.example.app",
        "javascript",
        ":",
        "/",
        "//",
        "\\",
        "@",
        "#",
        "?",
        "%",
        "%2e",
        "%2f",
        "%00",
        "%25",
        "..",
        ".",
        ";",
        "*",
        "[",
        "]",
        "::1",
        "127.0.0.1",
        "0x7f",
        "localhost",
        "app.example.com",
        "evil.example",
        "xn--",
        "a",
        "A",
        " ",
        "\t",
        "\u{3002}",
        "\u{ff0f}",
        "\u{200b}",
        "443",
        "0",
        "&",
        "=",
        "'",
        "|",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn never_panics(text in "\\PC{0,60}") {
        let _ = RedirectUri::parse(&text);
    }

    #[test]
    fn what_is_read_is_read_alike_by_a_browser(tail in nearly_a_uri(), head in prop::sample::select(vec!["", "https://", "http://", "https://app.example.com"])) {
        let text = format!("{head}{tail}");
        if let Ok(uri) = RedirectUri::parse(&text) {
            prop_assert_eq!(uri.as_str(), &text);
            let browser = url::Url::parse(&text).unwrap();
            prop_assert!(browser.username().is_empty() && browser.password().is_none() && browser.fragment().is_none());
            if let RedirectUriKind::Https(target) | RedirectUriKind::Loopback(target) | RedirectUriKind::Http(target) = uri.kind() {
                let host = target.host.to_string();
                prop_assert_eq!(browser.host_str(), Some(host.as_str()));
                prop_assert_eq!(browser.path(), if target.path.is_empty() { "/" } else { &target.path });
            }
            prop_assert_eq!(RedirectUri::parse(uri.without_port().as_str()).unwrap(), uri.without_port());
        }
    }
}
