//! Whether a request that a browser sent came from the console's own page. A cookie comes along whoever makes the browser ask.

use http::HeaderMap;
use http::Method;
use http::header::{HOST, HeaderName, HeaderValue, ORIGIN};

/// On every request of the page's: another site's page cannot add it without a preflight, which nobody answers here.
const MARK: HeaderName = HeaderName::from_static("dcr-console");
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why it is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session is for the console's own page: the request has no dcr-console header, or came from another origin")]
pub(super) struct FromElsewhere;

/// Reading needs the header; changing also that the browser names this very origin: by `Sec-Fetch-Site`, or, where it sends none, by
/// `Origin` (a browser always has one of them on a request that is not GET or HEAD).
pub(super) fn check(method: &Method, headers: &HeaderMap) -> Result<(), FromElsewhere> {
    if only(headers, &MARK).is_none_or(|value| value != "1") {
        return Err(FromElsewhere);
    }
    let site = only(headers, &SITE);
    let is_reading = method == Method::GET || method == Method::HEAD;
    match site {
        Some(site) if site == "same-origin" => Ok(()),
        None if !headers.contains_key(SITE) && (is_reading || names_us(headers)) => Ok(()),
        _ => Err(FromElsewhere),
    }
}

/// `Origin` is this host: scheme and host and port, and the scheme cannot differ where host and port do not.
fn names_us(headers: &HeaderMap) -> bool {
    let (Some(origin), Some(host)) = (only(headers, &ORIGIN), only(headers, &HOST)) else { return false };
    let Ok(origin) = origin.to_str() else { return false };
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    authority.is_some_and(|authority| host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()))
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ours(method: &Method, headers: &[(&str, &str)]) -> bool {
        let line = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        let mut lines = HeaderMap::new();
        for (name, value) in headers.iter().map(line) {
            lines.append(name, value);
        }
        check(method, &lines).is_ok()
    }

    const OURS: (&str, &str) = ("dcr-console", "1");
    const HERE: (&str, &str) = ("host", "127.0.0.1:9443");

    #[test]
    fn a_change_comes_from_the_page_itself() {
        for method in [Method::POST, Method::DELETE, Method::PUT, Method::OPTIONS] {
            assert!(is_ours(&method, &[OURS, HERE, ("sec-fetch-site", "same-origin")]));
            assert!(is_ours(&method, &[OURS, HERE, ("origin", "http://127.0.0.1:9443")]));
            assert!(is_ours(&method, &[OURS, ("host", "Admin.Example"), ("origin", "https://admin.example")]));
            for bad in [
                &[HERE, ("sec-fetch-site", "same-origin")][..],
                &[OURS, HERE],
                &[OURS, HERE, ("origin", "null")],
                &[OURS, HERE, ("origin", "http://127.0.0.1:9444")],
                &[OURS, HERE, ("origin", "http://127.0.0.1:9443"), ("origin", "http://127.0.0.1:9443")],
                &[OURS, HERE, ("origin", "http://127.0.0.1:9443"), ("sec-fetch-site", "cross-site")],
                &[OURS, HERE, ("sec-fetch-site", "same-site")],
                &[OURS, HERE, ("sec-fetch-site", "none")],
                &[OURS, HERE, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
                &[OURS, ("origin", "http://127.0.0.1:9443")],
                &[OURS, OURS, HERE, ("sec-fetch-site", "same-origin")],
            ] {
                assert!(!is_ours(&method, bad), "{bad:?}");
            }
        }
    }

    #[test]
    fn reading_needs_the_header_and_is_not_for_other_sites() {
        assert!(is_ours(&Method::GET, &[OURS]));
        assert!(is_ours(&Method::GET, &[OURS, ("sec-fetch-site", "same-origin")]));
        assert!(!is_ours(&Method::GET, &[("sec-fetch-site", "same-origin")]));
        assert!(!is_ours(&Method::GET, &[OURS, ("sec-fetch-site", "cross-site")]));
    }
}
