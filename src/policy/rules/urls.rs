//! Members that are URLs: https, and on public hosts; stricter for those that an authorization server itself fetches or calls.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::redirect_uris::AllowedHosts;
use crate::policy::host_pattern::HostPattern;
use crate::policy::markup;
use crate::policy::report::Report;
use crate::policy::settings::SettingProblem;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;
use crate::registration::host::Host;
use crate::registration::metadata::RequestedUrl;
use crate::registration::redirect_uri::{RedirectUri, RedirectUriKind};
use crate::registration::web_url::{WebScheme, WebUrl};

/// Which URLs a client may name for its pages and documents.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UrlSettings {
    /// The hosts these may be on; `*.example.com` is any host below example.com. A host written here is taken at its word,
    /// also an internal one. Default: any public host, and those that `redirect_uris.https` names with the ports it names, also internal
    /// ones; a name that spells an address inside (`10-0-0-1.example.com`) is none, nor for what is fetched and for the logo the
    /// authorization server's own.
    #[serde(default)]
    pub hosts: Option<Vec<String>>,
    /// Whether pages (`client_uri`, `logo_uri`, `policy_uri`, `tos_uri`) must be on the host of an https redirect URI or below it
    /// (RFC 7591 §5). Default: false, because MCP clients name pages elsewhere.
    #[serde(default)]
    pub same_host: Option<bool>,
}

/// Members that a person's browser opens.
const PAGES: [&str; 4] = ["client_uri", "logo_uri", "policy_uri", "tos_uri"];

/// Members that the authorization server itself fetches or calls: whoever names them has it send requests.
const FETCHED: [&str; 6] = [
    "jwks_uri",
    "signed_jwks_uri",
    "sector_identifier_uri",
    "request_uris",
    "backchannel_logout_uri",
    "backchannel_client_notification_endpoint",
];

/// The ports that https is served on: others are other services', which a fetching server must not be made to knock at.
const HTTPS_PORTS: [u16; 4] = [443, 4443, 8443, 9443];

/// Other services' ports, at which no browser knocks for a page either (Fetch §2.9): whoever shows or fetches a client's pages is not made to.
const BLOCKED_PORTS: [u16; 82] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
    540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
    6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Members that name one document or one endpoint, which nobody fetches with a fragment.
const WITHOUT_FRAGMENT: [(&str, &str); 4] = [
    ("backchannel_logout_uri", "contains a fragment (OpenID Connect Back-Channel Logout §2.2)"),
    ("jwks_uri", NEVER_FETCHED),
    ("signed_jwks_uri", NEVER_FETCHED),
    ("sector_identifier_uri", NEVER_FETCHED),
];

const NEVER_FETCHED: &str = "contains a fragment, which nobody who fetches the document sends (RFC 9110 §4.2.5)";

/// Members, beside those that are fetched, that a page of the server's shows by itself: from its own host with its own cookies.
const EMBEDDED: [&str; 1] = ["logo_uri"];

/// Members, beside those that are fetched, that the server itself compares or leads to.
const LED_TO: [&str; 2] = ["initiate_login_uri", "frontchannel_logout_uri"];

/// The compiled rule.
#[derive(Debug, Clone)]
pub(in crate::policy) struct UrlsRule {
    hosts: Option<Vec<HostPattern>>,
    same_host: bool,
    /// Where the profile's clients are: what the operator named for their redirect URIs is named for what else they have there.
    redirect_hosts: Arc<AllowedHosts>,
    /// The hosts of the authorization server itself.
    server: Vec<Host>,
}

impl UrlsRule {
    pub(in crate::policy) fn compile(
        settings: Option<&UrlSettings>,
        redirect_hosts: Arc<AllowedHosts>,
        problems: &mut Vec<SettingProblem>,
    ) -> Self {
        let settings = settings.cloned().unwrap_or_default();
        let hosts = settings.hosts.map(|hosts| HostPattern::compile_list(&hosts, "urls.hosts", problems));
        Self { hosts, same_host: settings.same_host.unwrap_or(false), redirect_hosts, server: Vec::new() }
    }

    /// Keeps what is fetched or shown by itself away from the authorization server, which is at these hosts.
    pub(in crate::policy) fn stands_before(&mut self, server: Vec<Host>) {
        self.server = server;
    }

    /// The URLs that are sent.
    pub(in crate::policy) fn check<'a>(
        &self,
        requested: &'a ClientMetadata,
        redirect_uris: &[RedirectUri],
        report: &mut Report<'_>,
    ) -> Vec<&'a RequestedUrl> {
        let mut kept = Vec::with_capacity(requested.urls.len());
        for url in &requested.urls {
            if let Some(place) = self.own_picture(url, redirect_uris) {
                report.note(&url.place, format!("is {place}, which nobody else fetches; it is left out"));
                continue;
            }
            kept.push(url);
            let value = Excerpt(&url.text);
            let parsed = match &url.parsed {
                Ok(parsed) => parsed,
                Err(problem) => {
                    report.refuse(&url.place, format!("{value} {problem}"));
                    continue;
                }
            };
            let markup = PAGES.contains(&url.member).then(|| markup::problem_of_url(&url.text)).flatten();
            for problem in self.problems(url.member, parsed, redirect_uris).into_iter().chain(markup) {
                report.refuse(&url.place, format!("{value} {problem} (profile {:?})", report.profile()));
            }
        }
        kept
    }

    /// Where a logo is that is the client's own and not on the web: what MCP clients have for an icon (`icons[].src`), and no reason to refuse one.
    fn own_picture(&self, url: &RequestedUrl, redirect_uris: &[RedirectUri]) -> Option<&'static str> {
        if url.member != "logo_uri" {
            return None;
        }
        if is_picture(&url.text) {
            return Some("a picture and no URL of one");
        }
        let parsed = url.parsed.as_ref().ok()?;
        let is_named = self.hosts.is_some() || self.redirect_hosts.names_at(parsed.host(), parsed.port());
        let is_http = parsed.scheme() == WebScheme::Http;
        let is_beside = |uri: &RedirectUri| {
            uri.is_on_this_machine() && is_http == matches!(uri.kind(), RedirectUriKind::Loopback(_))
        };
        (!is_named && parsed.host().is_loopback() && redirect_uris.iter().any(is_beside))
            .then_some("on the person's own machine")
    }

    fn problems(&self, member: &str, url: &WebUrl, redirect_uris: &[RedirectUri]) -> Vec<&'static str> {
        let host = url.host();
        let mut problems = Vec::new();
        let is_own_page = member == "client_uri" && host.is_loopback() && has_loopback(redirect_uris);
        if url.scheme() != WebScheme::Https && !is_own_page {
            problems.push("is not https");
        }
        if let Some(hosts) = &self.hosts {
            if !hosts.iter().any(|pattern| pattern.fits(host)) {
                problems.push("is on a host that is not allowed");
            }
        } else if !is_own_page && !self.redirect_hosts.names_at(host, url.port()) {
            problems.extend(why_not_public(member, url));
            let is_opened_by_itself = FETCHED.contains(&member) || EMBEDDED.contains(&member);
            if is_opened_by_itself && self.server.contains(host) {
                problems
                    .push("is on the authorization server's own host, which a client's documents and pictures are not");
            }
        }
        if self.same_host && PAGES.contains(&member) && !is_on_a_redirect_host(host, redirect_uris) {
            problems.push("is not on the host of a redirect URI (RFC 7591 §5)");
        }
        if member == "frontchannel_logout_uri" && !is_at_a_redirect_uri(url, redirect_uris) {
            problems.push("is not on the host and port of a redirect URI (OpenID Connect Front-Channel Logout §2)");
        }
        if let Some((_, problem)) = WITHOUT_FRAGMENT.iter().find(|(named, _)| *named == member)
            && url.as_str().contains('#')
        {
            problems.push(problem);
        }
        // Keycloak, for one, reads `https://app.example.com/*` in request_uris as every request object of the host.
        if (FETCHED.contains(&member) || LED_TO.contains(&member)) && url.as_str().contains('*') {
            problems.push("contains a wildcard (*): it names one place");
        }
        problems
    }
}

/// Whether a text is the picture itself (RFC 2397), in base64: nothing in it is read as anything else.
fn is_picture(text: &str) -> bool {
    let begins = text.get(..DATA.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(DATA));
    let is_kind = |kind: &str| kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_base64 = |data: &str| data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte));
    begins && text[DATA.len()..].split_once(";base64,").is_some_and(|(kind, data)| is_kind(kind) && is_base64(data))
}

/// How a picture in a URL begins.
const DATA: &str = "data:image/";

/// Why a URL, for which the operator named no hosts, is none of the public web.
fn why_not_public(member: &str, url: &WebUrl) -> Option<&'static str> {
    if !matches!(url.host(), Host::Name(_)) {
        Some("is on an IP address, not on a host with a name")
    } else if !url.host().is_public() {
        Some("is not on a public host")
    } else if FETCHED.contains(&member) && url.port().is_some_and(|port| !HTTPS_PORTS.contains(&port)) {
        Some("names a port that is none of https: the authorization server fetches it")
    } else if url.port().is_some_and(|port| BLOCKED_PORTS.contains(&port)) {
        Some("names a port of another service, which no browser opens")
    } else {
        None
    }
}

/// Whether the client is on the person's own machine, where its own page may be, too: nobody but that person's browser is led there.
fn has_loopback(redirect_uris: &[RedirectUri]) -> bool {
    redirect_uris.iter().any(RedirectUri::is_on_this_machine)
}

/// Whether a redirect URI has this host and port. A client with no redirect URI has nothing to compare with; one with others than https ones has,
/// and they are all elsewhere.
fn is_at_a_redirect_uri(url: &WebUrl, redirect_uris: &[RedirectUri]) -> bool {
    let targets = redirect_uris.iter().filter_map(RedirectUri::web_target);
    let mut targets = targets.map(|target| (&target.host, target.port.unwrap_or(443)));
    redirect_uris.is_empty() || targets.any(|target| target == (url.host(), url.port().unwrap_or(443)))
}

/// Whether a redirect URI has this host, or one above it. A client with no https redirect URI has nothing to compare with.
fn is_on_a_redirect_host(host: &Host, redirect_uris: &[RedirectUri]) -> bool {
    let mut hosts = redirect_uris.iter().filter_map(RedirectUri::web_target).map(|target| &target.host);
    let is_below = |above: &Host| match (host, above) {
        (Host::Name(name), Host::Name(above)) => {
            name.strip_suffix(above.as_str()).is_some_and(|rest| rest.ends_with('.'))
        }
        _ => false,
    };
    let none = hosts.clone().next().is_none();
    none || hosts.any(|above| above == host || is_below(above))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;
    use crate::policy::rules::redirect_uris::RedirectUriRule;

    fn check_at(settings: &str, member: &'static str, text: &str, redirect_uris: &[&str]) -> Vec<String> {
        check_in("{}", settings, (member, text), redirect_uris)
    }

    fn check_in(
        redirects: &str,
        settings: &str,
        (member, text): (&'static str, &str),
        redirect_uris: &[&str],
    ) -> Vec<String> {
        let problems = &mut Vec::new();
        let redirects = RedirectUriRule::compile(Some(&serde_yaml::from_str(redirects).unwrap()), problems);
        let rule = UrlsRule::compile(Some(&serde_yaml::from_str(settings).unwrap()), redirects.hosts(), problems);
        let parsed = WebUrl::parse(text);
        let url = RequestedUrl { member, place: member.to_owned(), text: text.to_owned(), parsed };
        let requested = ClientMetadata { urls: vec![url], ..Default::default() };
        let uris: Vec<RedirectUri> = redirect_uris.iter().map(|text| RedirectUri::parse(text).unwrap()).collect();
        sentences(RuleName::Urls, |report| {
            rule.check(&requested, &uris, report);
        })
    }

    #[test]
    fn pages_and_documents_on_public_hosts_pass() {
        for (member, text) in [
            ("client_uri", "https://app.example.com"),
            ("client_uri", "https://app.example.com:8443/about?x=1#top"),
            ("logo_uri", "https://cdn.example.co.uk/logo.png"),
            ("jwks_uri", "https://app.partner.example/jwks.json"),
            ("jwks_uri", "https://app.partner.example:443/jwks.json"),
            ("jwks_uri", "https://app.partner.example:8443/jwks.json"),
            ("request_uris", "https://app.example.com/request.jwt#GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM"),
        ] {
            assert_eq!(check_at("{}", member, text, &[]), [""; 0], "{member} {text}");
        }
    }

    #[test]
    fn refuses_what_is_not_https_or_not_public() {
        for text in [
            "http://app.example.com/",
            "ftp://app.example.com/",
            "javascript:alert(1)",
            "https://localhost/",
            "https://keycloak:8443/",
            "https://metadata.google.internal/",
            "https://10.0.0.1.nip.io/",
            "https://127.0.0.1.evil.example/",
            "https://app-10-0-0-1.evil.example/",
            "https://169.254.169.254/latest",
            "https://2852039166/latest",
            "https://[::ffff:169.254.169.254]/",
            "https://8.8.8.8/",
            "https://app.example.com@169.254.169.254/",
        ] {
            assert!(!check_at("{}", "client_uri", text, &[]).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_client_of_this_machine_may_name_its_own_page() {
        let (own, redirect_uris) = ("http://localhost:6274/", ["http://127.0.0.1:6274/oauth/callback"]);
        assert_eq!(check_at("{}", "client_uri", own, &redirect_uris), [""; 0]);
        assert_eq!(check_at("{}", "client_uri", "https://localhost:3000/", &["https://localhost:3000/cb"]), [""; 0]);
        for (member, text, redirect_uris) in [
            ("client_uri", own, &[][..]),
            ("client_uri", own, &["https://app.example.com/cb"]),
            ("client_uri", "http://intranet/", &redirect_uris),
            ("logo_uri", own, &[]),
            ("policy_uri", own, &redirect_uris),
            ("jwks_uri", "https://localhost:8443/jwks", &redirect_uris),
        ] {
            assert!(!check_at("{}", member, text, redirect_uris).is_empty(), "{member} {text}");
        }
        assert!(!check_at("{hosts: [app.example.com]}", "client_uri", own, &redirect_uris).is_empty());
    }

    #[test]
    fn a_logo_that_is_on_nobodys_server_is_left_out_and_the_client_is_not_refused() {
        let kept = |settings: &str, text: &str, redirect_uris: &[&str]| {
            let (problems, https) = (&mut Vec::new(), Arc::new(AllowedHosts::default()));
            let rule = UrlsRule::compile(Some(&serde_yaml::from_str(settings).unwrap()), https, problems);
            let urls = [("logo_uri", text), ("client_uri", "https://app.example.com/")].map(|(member, text)| {
                let parsed = WebUrl::parse(text);
                RequestedUrl { member, place: member.to_owned(), text: text.to_owned(), parsed }
            });
            let requested = ClientMetadata { urls: urls.to_vec(), ..Default::default() };
            let uris: Vec<RedirectUri> = redirect_uris.iter().map(|text| RedirectUri::parse(text).unwrap()).collect();
            let mut report = Report::new(RuleName::Urls, "partners");
            let kept: Vec<&str> = rule.check(&requested, &uris, &mut report).iter().map(|url| url.member).collect();
            let outcome = report.into_outcome();
            (kept == ["client_uri"] && outcome.notes.len() == 1, outcome.violations.len())
        };
        let local = ["http://127.0.0.1:3000/cb"];
        for text in [
            "data:image/png;base64,iVBORw0KGgo=",
            "DATA:image/svg+xml;base64,PHN2Zy8+",
            "http://localhost:3000/logo.png",
            "http://127.0.0.1/logo.png",
        ] {
            assert_eq!(kept("{}", text, &local), (true, 0), "{text}");
        }
        assert_eq!(kept("{hosts: [app.example.com]}", "data:image/png;base64,AA", &[]), (true, 0));
        for text in [
            "data:image/svg+xml,<svg onload=alert(1)>",
            "data:image/png,%3Csvg",
            "data:image/png;base64,AA\" onload=\"x",
            "data:image/\"><script>;base64,AA",
            "data:text/html;base64,AA",
            "data:image/svg+xml;charset=utf-8,x",
            "http://192.168.0.1/logo.png",
            "https://localhost/logo.png",
        ] {
            let (is_left_out, violations) = kept("{}", text, &local);
            assert!(!is_left_out && violations > 0, "{text}");
        }
        assert!(kept("{}", "http://localhost:3000/logo.png", &["https://app.example.com/cb"]).1 > 0);
        assert!(kept("{hosts: [app.example.com]}", "http://localhost:3000/logo.png", &local).1 > 0);
    }

    #[test]
    fn what_the_server_fetches_is_fetched_from_a_port_of_https() {
        for member in ["jwks_uri", "sector_identifier_uri", "backchannel_logout_uri"] {
            assert_eq!(check_at("{}", member, "https://app.example.com:6379/", &[]).len(), 1, "{member}");
            assert_eq!(check_at("{hosts: [app.example.com]}", member, "https://app.example.com:6379/", &[]), [""; 0]);
        }
    }

    #[test]
    fn pages_are_on_no_port_that_browsers_block() {
        for member in ["logo_uri", "client_uri", "tos_uri", "policy_uri", "initiate_login_uri"] {
            for port in [22, 25, 6667] {
                let url = format!("https://app.example.com:{port}/");
                assert_eq!(check_at("{}", member, &url, &[]).len(), 1, "{member} {port}");
            }
            for port in [443, 3000, 8080, 8443] {
                let url = format!("https://app.example.com:{port}/");
                assert_eq!(check_at("{}", member, &url, &[]), [""; 0], "{member} {port}");
            }
        }
        assert!(BLOCKED_PORTS.is_sorted());
    }

    #[test]
    fn what_the_server_fetches_or_leads_to_is_one_place() {
        for member in [
            "request_uris",
            "initiate_login_uri",
            "frontchannel_logout_uri",
            "backchannel_logout_uri",
            "jwks_uri",
            "sector_identifier_uri",
        ] {
            for text in ["https://app.example.com/*", "https://app.example.com/r?*"] {
                assert_eq!(check_at("{}", member, text, &[]).len(), 1, "{member} {text}");
            }
        }
        assert_eq!(check_at("{}", "logo_uri", "https://cdn.example.com/logo*2.png", &[]), [""; 0]);
    }

    #[test]
    fn a_document_that_is_fetched_has_no_fragment() {
        for member in ["jwks_uri", "signed_jwks_uri", "sector_identifier_uri"] {
            assert_eq!(check_at("{}", member, "https://app.example.com/x#a", &[]).len(), 1, "{member}");
            assert_eq!(check_at("{}", member, "https://app.example.com/x?a=%23", &[]), [""; 0], "{member}");
        }
    }

    #[test]
    fn a_fragment_is_for_pages_and_not_for_what_the_server_calls_at_logout() {
        for text in ["https://app.example.com/logout#", "https://app.example.com/logout?a=1#b"] {
            assert_eq!(check_at("{}", "backchannel_logout_uri", text, &[]).len(), 1, "{text}");
            for member in ["client_uri", "initiate_login_uri", "frontchannel_logout_uri"] {
                assert_eq!(check_at("{}", member, text, &[]), [""; 0], "{member} {text}");
            }
        }
        assert_eq!(check_at("{}", "backchannel_logout_uri", "https://app.example.com/logout?a=%23b", &[]), [""; 0]);
    }

    #[test]
    fn a_host_the_operator_names_is_taken_at_its_word() {
        assert_eq!(check_at("{hosts: ['*.corp.internal']}", "logo_uri", "https://a.corp.internal/x", &[]), [""; 0]);
        assert_eq!(check_at("{hosts: ['*.corp.internal']}", "logo_uri", "https://app.example.com/x", &[]).len(), 1);
        assert_eq!(check_at("{hosts: [10-0-0-1.a.example]}", "logo_uri", "https://10-0-0-1.a.example/x", &[]), [""; 0]);
    }

    #[test]
    fn a_host_that_the_operator_names_for_redirect_uris_is_named_for_the_clients_other_urls() {
        let redirects = "https: [{host: app.acme.corp, path: '^/cb$'}, {subdomains_of: apps.acme.corp}, {host: 10.1.2.3}, \
                         {host: app.example.com, ports: [443, 5002]}, {subdomains_of: example.org}]";
        let check = |settings: &str, text: &str| {
            let found = FETCHED.into_iter().chain(PAGES).chain(LED_TO).map(|member| {
                let uris = if member == "frontchannel_logout_uri" { vec![] } else { vec!["https://app.acme.corp/cb"] };
                check_in(redirects, settings, (member, text), &uris)
            });
            found.flatten().collect::<Vec<_>>()
        };
        for text in [
            "https://app.acme.corp/jwks.json",
            "https://a.apps.acme.corp/",
            "https://10.1.2.3/x",
            "https://app.example.com:5002/x",
            "https://a.example.org/x",
        ] {
            assert_eq!(check("{}", text), [""; 0], "{text}");
        }
        for text in [
            "https://other.acme.corp/",
            "https://apps.acme.corp/",
            "https://app.acme.corp:6379/",
            "https://10.1.2.4/x",
            "https://10-0-0-1.example.org/x",
            "https://127.0.0.1.example.org/x",
            "http://app.acme.corp/",
        ] {
            assert_eq!(check("{}", text).len(), 12, "{text}");
        }
        assert_eq!(
            check("{hosts: [a.example]}", "https://app.acme.corp/").len(),
            12,
            "what is written is all there is"
        );
    }

    #[test]
    fn what_is_fetched_and_the_logo_are_not_on_the_servers_own_host() {
        let settings = |hosts: &str| serde_yaml::from_str::<UrlSettings>(hosts).unwrap();
        let redirects = "https: [{host: sso.example.com}]";
        for (hosts, redirects, member, violations) in [
            ("{}", "{}", "logo_uri", 1),
            ("{}", "{}", "jwks_uri", 1),
            ("{}", "{}", "backchannel_logout_uri", 1),
            ("{}", "{}", "client_uri", 0),
            ("{}", "{}", "tos_uri", 0),
            ("{hosts: [sso.example.com]}", "{}", "logo_uri", 0),
            ("{}", redirects, "jwks_uri", 0),
        ] {
            let problems = &mut Vec::new();
            let redirects = RedirectUriRule::compile(Some(&serde_yaml::from_str(redirects).unwrap()), problems);
            let mut rule = UrlsRule::compile(Some(&settings(hosts)), redirects.hosts(), problems);
            rule.stands_before(vec![Host::parse("sso.example.com").unwrap()]);
            let url = WebUrl::parse("https://sso.example.com/realms/acme/certs").unwrap();
            assert_eq!(rule.problems(member, &url, &[]).len(), violations, "{hosts} {member}");
        }
    }

    #[test]
    fn a_page_that_is_framed_at_logout_is_the_clients_own() {
        let check = |text, uris: &[&str]| check_at("{}", "frontchannel_logout_uri", text, uris).len();
        assert_eq!(check("https://app.example.com/logout", &["https://app.example.com/cb"]), 0);
        assert_eq!(check("https://app.example.com:443/logout", &["https://app.example.com/cb"]), 0);
        assert_eq!(check("https://other.example.com/logout", &["https://app.example.com/cb"]), 1);
        assert_eq!(check("https://app.example.com:8443/logout", &["https://app.example.com/cb"]), 1);
        assert_eq!(check("https://app.example.com/logout", &["http://127.0.0.1/cb"]), 1);
        assert_eq!(check("https://app.example.com/logout", &["com.example.app:/cb"]), 1);
        assert_eq!(check("https://app.example.com/logout", &["http://[::1]/cb", "https://app.example.com/cb"]), 0);
        assert_eq!(check("https://app.example.com/logout", &[]), 0, "nothing to compare with");
    }

    #[test]
    fn pages_can_be_held_to_the_hosts_of_the_redirect_uris() {
        let check = |text, uris: &[&str]| check_at("{same_host: true}", "logo_uri", text, uris).len();
        let uris = ["https://app.example.com/cb"];
        assert_eq!(check("https://app.example.com/logo.png", &uris), 0);
        assert_eq!(check("https://static.app.example.com/logo.png", &uris), 0);
        assert_eq!(check("https://evilapp.example.com/logo.png", &uris), 1);
        assert_eq!(check("https://example.com/logo.png", &uris), 1);
        assert_eq!(check("https://example.com/logo.png", &["http://127.0.0.1/cb"]), 0, "nothing to compare with");
    }
}
