//! What stands in a redirect URI itself and leads the answer on: a URL of another host in its query or path, which the page behind it
//! may send the browser to (an open redirector, RFC 9700 §4.11.1), and parameters that only the authorization server adds.

use url::Url;
use url::form_urlencoded;

use crate::hexadecimal::percent_decoded;
use crate::registration::excerpt::Excerpt;
use crate::registration::host::Host;
use crate::registration::redirect_uri::Target;

/// Parameters of an authorization response (RFC 6749 §4.1.2, §4.2.2, OpenID Connect Core §3.3.2.5, JARM §2.3.1). One that is in the URI
/// already stands there twice in the answer, the client's own value first (RFC 6749 §3.1 has each once).
const RESPONSE: [&str; 8] =
    ["code", "state", "error", "error_description", "access_token", "id_token", "token_type", "response"];

/// Schemes that run what follows them.
const RUNNING: [&str; 3] = ["javascript", "vbscript", "data"];

/// Which parameter of the answer the query holds already.
pub(super) fn response_parameter(query: &str) -> Option<String> {
    let (name, _) = pairs(query).into_iter().find(|(name, _)| RESPONSE.contains(&name.as_str()))?;
    Some(format!("the query holds {}, which the authorization server adds itself (RFC 6749 §4.1.2)", Excerpt(&name)))
}

/// What the URI would lead on to; a host that `is_known` is the client's own.
pub(super) fn onward(target: &Target, is_known: impl Fn(&Host) -> bool) -> Option<String> {
    if path_leads_on(&target.path) {
        return Some(format!("path {} holds another URL", Excerpt(&target.path)));
    }
    pairs(target.query.as_deref().unwrap_or_default()).into_iter().find_map(|(name, value)| {
        // Without `=` the text is a name; decoded once more, because pages do.
        [&value, &name].into_iter().find_map(|text| leads_to(text).or_else(|| leads_to(&decode(text)))).and_then(|to| {
            match to {
                Onward::Host(host) if host == target.host || is_known(&host) => None,
                Onward::Host(host) => {
                    let host = host.to_string();
                    Some(format!(
                        "the query holds a URL of host {}, which the profile does not name (RFC 9700 §4.11.1)",
                        Excerpt(&host)
                    ))
                }
                Onward::Script => Some("the query holds a URL that runs code".to_owned()),
            }
        })
    })
}

/// Whether a part of the path is a URL to a page that takes it for one. `https:/host` and `https:host` are what `https://host` is to a
/// browser, and many servers make one slash of two.
fn path_leads_on(path: &str) -> bool {
    let path = String::from_utf8_lossy(&percent_decoded(path.as_bytes())).into_owned();
    let mut parts = path.match_indices('/').map(|(slash, _)| &path[slash + 1..]);
    path.contains("://") || parts.any(|part| !part.starts_with('/') && leads_to(part).is_some())
}

/// The pairs of the query, those as well that it has to whom a semicolon ends one, too (HTML 4.01 appendix B.2.2).
fn pairs(query: &str) -> Vec<(String, String)> {
    let other = if query.contains(';') { query.replace(';', "&") } else { String::new() };
    let both = [query, &other].map(|query| form_urlencoded::parse(query.as_bytes()).into_owned());
    both.into_iter().flatten().collect()
}

/// Where a text leads that a page takes for a URL.
#[derive(Debug, PartialEq, Eq)]
enum Onward {
    Host(Host),
    Script,
}

/// As a browser reads it: white space at the ends cut off, backslashes as slashes.
fn leads_to(text: &str) -> Option<Onward> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control()).replace('\\', "/");
    let url = if text.starts_with("//") { Url::parse(&format!("https:{text}")) } else { Url::parse(&text) };
    let url = url.ok()?;
    match url.scheme() {
        "http" | "https" | "ws" | "wss" | "ftp" => url.host_str().and_then(Host::parse).map(Onward::Host),
        scheme if RUNNING.contains(&scheme) => Some(Onward::Script),
        _ => None,
    }
}

fn decode(text: &str) -> String {
    let single = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(single.as_bytes()).map(|(decoded, _)| decoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::redirect_uri::{RedirectUri, RedirectUriKind};

    fn target(uri: &str) -> Target {
        match RedirectUri::parse(uri).unwrap().kind() {
            RedirectUriKind::Https(target) => target.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn leads_on(rest: &str) -> bool {
        let known = |host: &Host| *host == Host::Name("known.example.com".to_owned());
        onward(&target(&format!("https://app.example.com/cb{rest}")), known).is_some()
    }

    #[test]
    fn refuses_a_url_of_another_host() {
        for rest in [
            "?next=https://evil.example/",
            "?next=https%3A%2F%2Fevil.example",
            "?next=https%253A%252F%252Fevil.example",
            "?a=1&next=//evil.example",
            "?next=%5c%5cevil.example",
            "?next=/%5cevil.example",
            "?next=+https:evil.example",
            "?next=HTTP://evil.example",
            "?https://evil.example",
            "?next=https://app.example.com@evil.example/",
            "?next=javascript:alert(1)",
            "?next=data:text/html,x",
            "/https://evil.example",
            "/https%3A//evil.example",
            "/https:/evil.example",
            "/%68ttps%3a/evil.example",
            "/go/https:evil.example",
            "/go/javascript:alert(1)",
            "?a=1;next=https://evil.example",
            "?next=1;//evil.example",
        ] {
            assert!(leads_on(rest), "{rest}");
        }
    }

    #[test]
    fn ordinary_queries_lead_nowhere() {
        for rest in [
            "",
            "?",
            "?tenant=42&lang=de-DE",
            "?next=/home",
            "?next=%2Fhome%2Fuser",
            "?next=https://app.example.com/home",
            "?iss=https%3A%2F%2Fknown.example.com%2Frealms%2Fa",
            "?x=a:b/c?d",
            "?time=12:30",
            "?urn=urn:example:a",
            "?flag",
            "/a:b",
            "/12:30",
            "/urn:example:a",
            "//evil.example",
            "?next=/a;b=c",
            "//b",
        ] {
            assert!(!leads_on(rest), "{rest}");
        }
    }

    #[test]
    fn refuses_parameters_that_the_answer_adds() {
        for query in ["code=x", "a=1&state=x", "a=1;code=x", "%63ode=x", "error", "id_token="] {
            assert!(response_parameter(query).is_some(), "{query}");
        }
        for query in ["codec=av1", "Code=x", "stateful=1", "iss=x", "tenant=code"] {
            assert_eq!(response_parameter(query), None, "{query}");
        }
    }
}
