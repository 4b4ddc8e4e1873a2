//! What a profile's list lets through, and what it says of the rest.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::policy::report::tests::sentences;
use crate::policy::rule::RuleName;

fn compile(yaml: &str) -> Result<RedirectUriRule, Vec<SettingProblem>> {
    let settings: RedirectUriSettings = serde_yaml::from_str(yaml).unwrap();
    let mut problems = Vec::new();
    let rule = RedirectUriRule::compile(Some(&settings), &mut problems);
    if problems.is_empty() { Ok(rule) } else { Err(problems) }
}

fn asked(member: &str, uris: &[&str]) -> ClientMetadata {
    ClientMetadata::from_json(Map::from_iter([(member.to_owned(), json!(uris))]))
}

fn refusals(yaml: &str, uris: &[&str]) -> Vec<String> {
    let rule = compile(yaml).unwrap();
    sentences(RuleName::RedirectUris, |report| {
        rule.check(&asked("redirect_uris", uris), report);
    })
}

fn is_admitted(rule: &RedirectUriRule, uri: &str) -> bool {
    let mut report = Report::new(RuleName::RedirectUris, "partners");
    rule.check(&asked("redirect_uris", &[uri]), &mut report);
    report.into_outcome().violations.is_empty()
}

const PARTNERS: &str = r#"
https:
  - { host: app.example.com }
  - { host: ports.example.com, ports: [8443, 443] }
  - { subdomains_of: trusted-partner.org, path: "^/oauth/" }
  - { host: 203.0.113.7 }
  - { host: "[2001:db8:0::1]" }
  - { host: xn--bcher-kva.example }
loopback: allow
private_use_schemes: [com.example.app, { scheme: cursor, rest: "^//anysphere\\.cursor-[a-z]+/oauth/" }]
"#;

#[test]
fn what_is_listed_passes() {
    let rule = compile(PARTNERS).unwrap();
    for uri in [
        "https://app.example.com",
        "https://app.example.com/any/path?and=query",
        "https://APP.Example.com/cb",
        "https://app.example.com:443/cb",
        "https://ports.example.com:8443/cb",
        "https://ports.example.com/cb",
        "https://a.trusted-partner.org/oauth/cb",
        "https://a.b.c.trusted-partner.org/oauth/",
        "https://203.0.113.7/cb",
        "https://[2001:DB8::1]/cb",
        "https://xn--bcher-kva.example/cb",
        "http://localhost:3000/cb",
        "http://127.0.0.1/",
        "http://[::1]:1234/cb",
        "https://localhost:44300/signin-oidc",
        "https://localhost/cb",
        "https://localhost/cb?x=1",
        "com.example.app:/cb",
        "COM.example.app://x/y",
        "com.example.app:/cb?tenant=7",
        "com.example.app:/cb?next=https://app.example.com/home",
        "com.example.app:/cb?next=/home&time=12:30",
        "com.example.app:/",
        "com.example.app:/oauth2redirect/google-provider",
        "com.example.app://callback",
        "com.example.app://callback?x=1",
        "com.example.app://auth.example.com/callback",
        "com.example.app:///callback",
        "com.example.app:callback",
        "com.example.app:oauth:callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
    ] {
        assert!(is_admitted(&rule, uri), "{uri}");
    }
}

#[test]
fn https_on_this_machine_goes_by_what_is_said_of_loopback_unless_the_host_is_listed() {
    let uri = "https://localhost:3000/cb";
    for (yaml, admits) in [
        ("loopback: allow", true),
        ("loopback: refuse", false),
        ("{}", false),
        ("{loopback: refuse, https: [{host: localhost, ports: [3000]}]}", true),
        ("{loopback: allow, https: [{host: localhost}]}", false),
    ] {
        assert_eq!(is_admitted(&compile(yaml).unwrap(), uri), admits, "{yaml}");
    }
}

#[test]
fn says_which_value_is_not_allowed_and_by_which_profile() {
    for (uri, sentence) in [
        ("https://evil.example/cb", "host \"evil.example\" is not allowed by profile \"partners\""),
        (
            "https://app.example.com.evil.example/cb",
            "host \"app.example.com.evil.example\" is not allowed by profile \"partners\"",
        ),
        ("https://trusted-partner.org/oauth/", "host \"trusted-partner.org\" is not allowed by profile \"partners\""),
        (
            "https://eviltrusted-partner.org/oauth/",
            "host \"eviltrusted-partner.org\" is not allowed by profile \"partners\"",
        ),
        (
            "https://203.0.113.8/cb",
            "host \"203.0.113.8\" is not allowed by profile \"partners\" (an IP address has to be named exactly)",
        ),
        (
            "https://127.0.0.1:8443/cb",
            "host \"127.0.0.1\" is not allowed by profile \"partners\" (an IP address has to be named exactly; one of loopback goes with http)",
        ),
        (
            "http://my-tool.localhost:5173/cb",
            "host \"my-tool.localhost\" is no loopback host that every resolver knows: write localhost, 127.0.0.1 or [::1] (RFC 8252 §7.3)",
        ),
        ("https://a.localhost/cb", "host \"a.localhost\" is not allowed by profile \"partners\""),
        (
            "https://localhost/cb?next=https://evil.example",
            "the query holds a URL of host \"evil.example\", which the profile does not name (RFC 9700 §4.11.1)",
        ),
        ("com.example.app:?", "nothing stands behind the scheme"),
        ("com.example.app://?", "nothing stands behind the scheme"),
        ("com.example.app:////evil.example", "four slashes begin it: to a browser what follows is a host"),
        (
            "https://xn--pple-43d.trusted-partner.org/oauth/",
            "host \"xn--pple-43d.trusted-partner.org\" is not allowed by profile \"partners\" (punycode has to be named exactly)",
        ),
        (
            "https://app.example.com:8443/cb",
            "port 8443 is not allowed on host \"app.example.com\" by profile \"partners\"",
        ),
        (
            "https://a.trusted-partner.org/x",
            "path \"/x\" is not allowed on host \"a.trusted-partner.org\" by profile \"partners\"",
        ),
        (
            "https://a.trusted-partner.org",
            "path \"/\" is not allowed on host \"a.trusted-partner.org\" by profile \"partners\"",
        ),
        (
            "https://a.trusted-partner.org/%6fauth/",
            "path \"/%6fauth/\" is not allowed on host \"a.trusted-partner.org\" by profile \"partners\"",
        ),
        (
            "http://app.example.com/cb",
            "host \"app.example.com\" needs https; plain http is for loopback only (RFC 8252 §7.3)",
        ),
        (
            "http://[::ffff:127.0.0.1]/",
            "host \"[::ffff:127.0.0.1]\" is no loopback host that every resolver knows: write localhost, 127.0.0.1 or [::1] (RFC 8252 §7.3)",
        ),
        ("evil:/cb", "scheme \"evil\" is not allowed by profile \"partners\""),
        ("urn:ietf:wg:oauth:2.0:oob", "scheme \"urn\" is not allowed by profile \"partners\""),
        ("cursor://evil/oauth/", "\"//evil/oauth/\" after scheme \"cursor\" is not allowed by profile \"partners\""),
        (
            "com.example.app:/cb?a=1&code=x",
            "the query holds \"code\", which the authorization server adds itself (RFC 6749 §4.1.2)",
        ),
        (
            "com.example.app:/cb?next=https://evil.example",
            "the query holds a URL of host \"evil.example\", which the profile does not name (RFC 9700 §4.11.1)",
        ),
        (
            "com.example.app:/cb?next=javascript:alert(1)",
            "the query holds a URL that runs code, opens a file or starts another program",
        ),
        ("com.example.app:https://evil.example", "path \"https://evil.example\" holds another URL"),
        ("com.example.app:javascript:alert(1)", "path \"javascript:alert(1)\" holds another URL"),
        ("com.example.app:java%73cript:x", "path \"java%73cript:x\" holds another URL"),
        ("com.example.app:/https://evil.example", "path \"/https://evil.example\" holds another URL"),
        ("com.example.app://callback/https:evil.example", "path \"/https:evil.example\" holds another URL"),
        ("com.example.app:", "nothing stands behind the scheme"),
        ("https://app.example.com/cb#", "\"https://app.example.com/cb#\" contains a fragment (RFC 6749 §3.1.2)"),
    ] {
        assert_eq!(refusals(PARTNERS, &[uri]), [format!("redirect_uris[0]: {sentence}")], "{uri}");
    }
    assert_eq!(
        refusals("{}", &["http://localhost/"]),
        ["redirect_uris[0]: \"http://localhost/\" is a loopback URI, which profile \"partners\" does not allow"]
    );
}

#[test]
fn a_uri_may_name_the_authorization_server_itself_and_not_be_on_it() {
    let mut rule = compile(PARTNERS).unwrap();
    let uri = "https://app.example.com/cb?issuer=https%3A%2F%2Fsso.example.com%2Frealms%2Facme";
    assert!(!is_admitted(&rule, uri));
    rule.stands_before(vec![Host::parse("sso.example.com").unwrap()]);
    assert!(is_admitted(&rule, uri));
    assert!(is_admitted(&rule, "com.example.app:/cb?issuer=https://sso.example.com"));
    assert!(!is_admitted(&rule, "https://sso.example.com/cb"));
    assert!(!is_admitted(&rule, "https://app.example.com/cb?issuer=https://sso.example.com.evil.example"));
}

#[test]
fn every_uri_is_judged_and_every_violation_named() {
    let found = refusals(
        PARTNERS,
        &["https://evil.example/", "https://app.example.com/", "https://a.trusted-partner.org:8443/x", "nonsense\n"],
    );
    let begins = [
        "redirect_uris[0]: host",
        "redirect_uris[2]: port 8443",
        "redirect_uris[2]: path \"/x\"",
        "redirect_uris[3]: \"nonsense\\n\" contains a space",
    ];
    assert_eq!(found.len(), begins.len(), "{found:?}");
    for (sentence, begin) in found.iter().zip(begins) {
        assert!(sentence.starts_with(begin), "{sentence}");
    }
}

#[test]
fn a_port_and_a_path_of_two_entries_do_not_add_up() {
    let yaml = "https: [{host: a.example, path: ^/x, ports: [443]}, {host: a.example, path: ^/y, ports: [8443]}]";
    assert_eq!(refusals(yaml, &["https://a.example/x", "https://a.example:8443/y"]), [""; 0]);
    assert_eq!(
        refusals(yaml, &["https://a.example:8443/x"]),
        ["redirect_uris[0]: path \"/x\" is not allowed with port 8443 on host \"a.example\" by profile \"partners\""]
    );
}

#[test]
fn a_label_below_a_host_is_one_of_a_host_name() {
    let yaml = "https: [{subdomains_of: partner.example}, {host: -a.partner.example}]";
    for uri in [
        "https://-.partner.example/",
        "https://-b.partner.example/",
        "https://b-.partner.example/",
        "https://a.b-.partner.example/",
    ] {
        let refusals = refusals(yaml, &[uri]);
        assert!(
            refusals[0].ends_with("(a label that begins or ends with a hyphen has to be named exactly)"),
            "{refusals:?}"
        );
    }
    let admitted = [
        "https://a-b.partner.example/",
        "https://a_b.partner.example/",
        "https://_a.partner.example/",
        "https://-a.partner.example/",
    ];
    assert_eq!(refusals(yaml, &admitted), [""; 0]);
}

#[test]
fn a_query_is_refused_where_the_host_has_none() {
    let yaml = "https: [{host: a.example, path: ^/x, query: refuse}, {host: a.example, path: ^/y}]";
    assert_eq!(refusals(yaml, &["https://a.example/x", "https://a.example/y?tenant=7"]), [""; 0]);
    assert_eq!(
        refusals(yaml, &["https://a.example/x?page=app:/"]),
        [
            "redirect_uris[0]: path \"/x\" is not allowed with port 443 and a query on host \"a.example\" by profile \"partners\""
        ]
    );
    assert_eq!(
        refusals("https: [{host: a.example, query: refuse}]", &["https://a.example/x?"]),
        ["redirect_uris[0]: a query is not allowed on host \"a.example\" by profile \"partners\""]
    );
}

#[test]
fn the_bad_ones_are_dropped_only_as_long_as_a_good_one_remains() {
    let rule = compile("{https: [{host: app.example.com}], on_violation: drop}").unwrap();
    let mut report = Report::new(RuleName::RedirectUris, "partners");
    let uris = ["cursor://x/y", "https://app.example.com/cb", "https://app.example.com/cb", "https://evil.example/"];
    let checked = rule.check(&asked("redirect_uris", &uris), &mut report);
    assert_eq!(checked.uris.iter().map(RedirectUri::as_str).collect::<Vec<_>>(), ["https://app.example.com/cb"]);
    assert_eq!(checked.dropped, ["cursor://x/y", "https://evil.example/"]);
    let outcome = report.into_outcome();
    assert!(outcome.violations.is_empty());
    assert_eq!(
        outcome.notes,
        [
            "redirect_uris[0]: left out: scheme \"cursor\" is not allowed by profile \"partners\"",
            "redirect_uris[3]: left out: host \"evil.example\" is not allowed by profile \"partners\"",
        ]
    );
    assert_eq!(refusals("{on_violation: drop, loopback: allow}", &["cursor://x/y", "https://evil.example/"]).len(), 2);
}

#[test]
fn what_is_no_text_is_refused_and_never_dropped() {
    let rule = compile("{https: [{host: app.example.com}], on_violation: drop}").unwrap();
    for entry in [json!(1), json!(null), json!(["https://app.example.com/cb"]), json!({})] {
        let uris = json!(["https://app.example.com/cb", entry, "https://evil.example/"]);
        let requested = ClientMetadata::from_json(Map::from_iter([("redirect_uris".to_owned(), uris)]));
        let mut report = Report::new(RuleName::RedirectUris, "partners");
        assert_eq!(rule.check(&requested, &mut report).dropped, ["https://evil.example/"]);
        let violations = report.into_outcome().violations;
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].message, "redirect_uris[1]: is not a string");
    }
}

#[test]
fn the_number_is_bounded_and_repetition_does_not_count() {
    let uris: Vec<String> = (0..21).map(|n| format!("https://app.example.com/{n}")).collect();
    let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
    assert_eq!(refusals(PARTNERS, &uris), ["redirect_uris: has 21 URIs, profile \"partners\" allows 20"]);
    assert_eq!(refusals(PARTNERS, &uris[1..]), [""; 0]);
    assert_eq!(refusals(PARTNERS, &vec!["https://app.example.com/cb"; 50]), [""; 0]);
}

#[test]
fn after_logout_a_browser_is_sent_to_the_same_hosts_but_to_any_page_and_to_no_other_uri_of_an_app() {
    let rule = compile(PARTNERS).unwrap();
    let check = |uri: &str| {
        let mut report = Report::new(RuleName::RedirectUris, "partners");
        let checked = rule.check(&asked("post_logout_redirect_uris", &[uri]), &mut report);
        (checked.post_logout.len(), report.into_outcome().violations)
    };
    for uri in
        ["https://a.trusted-partner.org/", "cursor://anysphere.cursor-mcp/oauth/callback", "http://localhost:3000/"]
    {
        assert_eq!(check(uri), (1, Vec::new()), "{uri}");
    }
    let (admitted, violations) = check("https://evil.example/");
    assert_eq!(admitted, 0);
    assert!(violations[0].message.starts_with("post_logout_redirect_uris[0]: host \"evil.example\""));
    assert_eq!(violations[0].code, ErrorCode::InvalidClientMetadata);
    let (admitted, violations) = check("cursor://bye");
    assert_eq!(admitted, 0, "an app opens whatever stands behind its scheme");
    assert!(violations[0].message.contains("\"//bye\" after scheme \"cursor\""), "{violations:?}");
    let (_, violations) = check("https://app.example.com/#/bye");
    assert!(violations[0].message.ends_with("contains a fragment (OpenID Connect RP-Initiated Logout §3.1)"));
}

#[test]
fn the_code_is_invalid_redirect_uri() {
    let rule = compile("{}").unwrap();
    let mut report = Report::new(RuleName::RedirectUris, "partners");
    rule.check(&asked("redirect_uris", &["https://evil.example/"]), &mut report);
    assert_eq!(report.into_outcome().violations[0].code, ErrorCode::InvalidRedirectUri);
}

#[test]
fn the_owner_of_a_name_inside_may_name_all_below_it() {
    assert!(is_admitted(&compile("https: [{subdomains_of: corp}]").unwrap(), "https://app.corp/cb"));
}

#[test]
fn says_everything_that_is_wrong_with_the_settings() {
    for (yaml, place, begin) in [
        ("https: [{}]", "https[0]", "names no host"),
        ("https: [{host: a.example, subdomains_of: a.example}]", "https[0]", "has both"),
        ("https: [{host: 'https://a.example'}]", "https[0].host", "\"https://a.example\" has a host"),
        ("https: [{host: 'a.example:8443'}]", "https[0].host", "\"a.example:8443\" has a host"),
        ("https: [{host: '*.a.example'}]", "https[0].host", "\"*.a.example\""),
        ("https: [{host: b\u{fc}cher.example}]", "https[0].host", "\"b\u{fc}cher.example\""),
        ("https: [{host: 0x7f.1}]", "https[0].host", "\"0x7f.1\" writes an IPv4 address"),
        ("https: [{host: ''}]", "https[0].host", "\"\" names no host"),
        ("https: [{subdomains_of: com}]", "https[0].subdomains_of", "\"com\" is a public suffix"),
        ("https: [{subdomains_of: co.uk}]", "https[0].subdomains_of", "\"co.uk\" is a public suffix"),
        (
            "https: [{subdomains_of: s3.amazonaws.com}]",
            "https[0].subdomains_of",
            "\"s3.amazonaws.com\" is a public suffix",
        ),
        ("https: [{subdomains_of: github.io}]", "https[0].subdomains_of", "\"github.io\" is a public suffix"),
        ("https: [{subdomains_of: '*.a.example'}]", "https[0].subdomains_of", "\"*.a.example\""),
        ("https: [{subdomains_of: 10.0.0.1}]", "https[0].subdomains_of", "\"10.0.0.1\" is an address"),
        ("https: [{host: a.example, path: '('}]", "https[0].path", "\"(\" is not a pattern: unclosed group"),
        ("https: [{host: a.example, path: '(?=x)'}]", "https[0].path", "\"(?=x)\" is not a pattern"),
        (
            "https: [{host: a.example, path: '(\\w{99}){99}'}]",
            "https[0].path",
            "\"(\\\\w{99}){99}\" is not a pattern: is too large",
        ),
        ("https: [{host: a.example, ports: []}]", "https[0].ports", "is empty"),
        ("https: [{host: a.example, ports: [0]}]", "https[0].ports", "0 is not"),
        ("private_use_schemes: [https]", "private_use_schemes[0]", "\"https\" is not a private-use"),
        ("private_use_schemes: [a, JavaScript]", "private_use_schemes[1]", "\"javascript\" can never"),
        ("private_use_schemes: ['app://x']", "private_use_schemes[0]", "\"app://x\" is not a scheme"),
        ("private_use_schemes: [{scheme: a, rest: '['}]", "private_use_schemes[0].rest", "\"[\" is not a pattern"),
        ("private_use_schemes: [{scheme: a, rest: '^://x$'}]", "private_use_schemes[0].rest", "\"^://x$\" fits no URI"),
        ("max: 0", "max", "0 is out of range"),
        ("max: 101", "max", "101 is out of range"),
    ] {
        let problems = compile(yaml).expect_err(yaml);
        assert_eq!(problems.len(), 1, "{yaml} {problems:?}");
        assert_eq!(problems[0].place, format!("redirect_uris.{place}"), "{yaml}");
        assert!(problems[0].reason.starts_with(begin), "{yaml}: {}", problems[0].reason);
        assert!(!problems[0].hint.is_empty(), "{yaml}");
    }
    assert_eq!(compile("{https: [{}, {host: ''}], max: 0}").unwrap_err().len(), 3);
}

#[test]
fn settings_can_be_written_and_read_again() {
    let settings: RedirectUriSettings = serde_yaml::from_str(PARTNERS).unwrap();
    let written: Value = serde_json::to_value(&settings).unwrap();
    let again: RedirectUriSettings = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(again).unwrap(), written);
    let problem = serde_yaml::from_str::<RedirectUriSettings>("private_use_schemes: [{scheme: a, rset: b}]");
    assert!(problem.unwrap_err().to_string().contains("rset"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_admitted_has_to_a_browser_the_host_that_was_allowed(
        before in "[a-z0-9@:/.%\\\\#?]{0,6}",
        between in "[a-z0-9@:/.%;*\\\\#?\u{3002}\u{ff0f} \t]{0,8}",
        after in prop::sample::select(vec!["", "/", "/cb", "@evil.example", ".evil.example", ":443", "/..//evil.example"]),
    ) {
        let rule = compile("{https: [{host: app.example.com}, {subdomains_of: trusted-partner.org}]}").unwrap();
        for host in ["app.example.com", "trusted-partner.org"] {
            let uri = format!("https://{before}{host}{between}{after}");
            if is_admitted(&rule, &uri) {
                let browser = url::Url::parse(&uri).unwrap();
                let found = browser.host_str().unwrap();
                prop_assert!(found == "app.example.com" || found.ends_with(".trusted-partner.org"), "{}", uri);
                prop_assert!(browser.scheme() == "https" && browser.username().is_empty());
            }
        }
    }
}
