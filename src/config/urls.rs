//! URLs of the configuration: what they must be, in sentences.

use url::Url;

use crate::fetch::target::{is_loopback, web_url};
use crate::registration::host::Host;

/// An origin as clients write it: scheme, host and port, no slash at the end.
pub(super) fn public_origin(text: &str) -> Result<(String, Url), String> {
    let url = server_origin(text)?;
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err("must be https: plain http is for loopback hosts only".to_owned());
    }
    Ok((url.origin().ascii_serialization(), url))
}

/// Where a server is: scheme, host and port, and nothing else.
pub(super) fn server_origin(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    if url.path() != "/" || url.query().is_some() {
        return Err("must be scheme, host and port alone: it has a path or a query".to_owned());
    }
    Ok(url)
}

/// An issuer identifier (RFC 8414 §2): https, neither query nor fragment. Plain http is let through for loopback hosts.
pub(super) fn issuer(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err("must be https (RFC 8414 §2): plain http is for loopback hosts only".to_owned());
    }
    if url.query().is_some() {
        return Err("must not have a query (RFC 8414 §2)".to_owned());
    }
    Ok(url)
}

/// The hosts of these URLs; of what is none, nothing.
pub(super) fn hosts(urls: &[&str]) -> Vec<Host> {
    let urls = urls.iter().filter_map(|url| Url::parse(url).ok());
    urls.filter_map(|url| url.host_str().and_then(Host::parse)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(public_origin("https://SSO.example.com:443/").unwrap().0, "https://sso.example.com");
        assert_eq!(public_origin("http://[::1]:8080").unwrap().0, "http://[::1]:8080");
        for text in
            ["sso.example.com", "ftp://a", "http://sso.example.com", "https://a/b", "https://u:p@a", "https://a#f"]
        {
            assert!(public_origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_issuer_has_neither_query_nor_fragment() {
        assert!(issuer("https://sso.example.com/realms/acme").is_ok());
        for text in ["https://a/?q", "https://a/#f", "http://sso.example.com"] {
            assert!(issuer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn of_a_url_the_host_is_known() {
        let found = hosts(&["https://SSO.example.com:8443", "https://idp.example.com/realms/acme", ""]);
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["sso.example.com", "idp.example.com"]);
    }
}
