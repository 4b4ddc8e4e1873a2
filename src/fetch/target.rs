//! What may be fetched: a URL of the operator's, checked once.

use std::fmt;

use url::{Host, Url};

/// A URL that may be fetched. It may lead to a private network: nothing that a registrant names is ever one.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// A URL of the operator's: https, or http to this machine.
    ///
    /// # Errors
    /// The end of a sentence that begins with the URL's place.
    pub fn configured(text: &str) -> Result<Self, String> {
        let url = web_url(text)?;
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err("must be https: plain http is for loopback hosts only".to_owned());
        }
        Ok(Self(url))
    }

    /// As [`Self::configured`], http to other machines too: where a named setting of the operator's says so.
    ///
    /// # Errors
    /// As [`Self::configured`].
    pub fn configured_in_clear(text: &str) -> Result<Self, String> {
        web_url(text).map(Self)
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for Target {
    /// Without the query, which may hold what nobody should see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}{})", self.0.origin().ascii_serialization(), self.0.path())
    }
}

/// Whether the URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    url.host().is_some_and(|host| is_loopback_host(&host))
}

/// Whether the host is this machine, by name or address.
pub fn is_loopback_host<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => name.as_ref() == "localhost" || name.as_ref().ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// An http or https URL with a host and neither credentials nor a fragment.
///
/// # Errors
/// The end of a sentence that begins with the URL's place.
pub fn web_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => {
            "is not a URL: it begins with neither https:// nor http://".to_owned()
        }
        error => format!("is not a URL: {error}"),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("must be http or https, not {}", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_may_name_private_hosts_by_https_and_this_machine_by_http() {
        for text in
            ["https://10.0.0.1/jwks", "https://idp.internal/jwks", "http://localhost:8080/jwks", "http://[::1]/"]
        {
            assert!(Target::configured(text).is_ok(), "{text}");
        }
        for text in [
            "http://idp.internal/jwks",
            "http://10.0.0.1/",
            "http://localhost.example/",
            "ftp://localhost/",
            "https://user@idp.example/",
            "https://:secret@idp.example/",
            "https://idp.example/#keys",
            "/jwks",
            "",
        ] {
            assert!(Target::configured(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_query_is_not_shown() {
        let target = Target::configured("https://idp.example/jwks?key=hunter2").unwrap();
        assert_eq!(format!("{target:?}"), "Target(https://idp.example/jwks)");
    }
}
