//! URLs of pages and documents a client names (`client_uri`, `logo_uri`, `jwks_uri`, …): as strict about what a text hides as
//! redirect URIs are, since servers fetch some of them; but nobody compares them, and a name in the path may hold a delimiter. A fragment is
//! allowed (OpenID Connect Registration §2, `request_uris`).

use super::host::Host;
use super::strict_uri::{Encoded, MalformedUri, StrictUri};

/// A parsed URL member. Absolute, `http` or `https`, no userinfo, nothing hidden by encoding; judged no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl {
    text: String,
    scheme: WebScheme,
    host: Host,
    port: Option<u16>,
}

/// The schemes of the web.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebScheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

/// Why a text is no URL of the web. Each is the end of a sentence that begins with the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedWebUrl {
    /// Another scheme.
    #[error("is neither an https nor an http URL")]
    Scheme,
    /// Not a URI that every reader reads alike.
    #[error(transparent)]
    Uri(#[from] MalformedUri),
}

impl WebUrl {
    /// Reads a URL of the web.
    ///
    /// # Errors
    /// The first reason why it cannot be one.
    pub fn parse(text: &str) -> Result<Self, MalformedWebUrl> {
        let parts = StrictUri::parse(text, Encoded::NoOtherPath)?;
        let scheme = match parts.scheme.to_ascii_lowercase().as_str() {
            "https" => WebScheme::Https,
            "http" => WebScheme::Http,
            _ => return Err(MalformedWebUrl::Scheme),
        };
        let host = parts.web_host(text)?;
        let port = parts.authority.and_then(|authority| authority.port);
        Ok(Self { text: text.to_owned(), scheme, host, port })
    }

    /// The text exactly as the client gave it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its scheme.
    pub fn scheme(&self) -> WebScheme {
        self.scheme
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its port, when one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_urls_of_pages_and_documents_pass() {
        for text in [
            "https://example.com",
            "https://example.com/",
            "https://www.example.com/logo%20big.png?v=2&x=%2Fy",
            "https://firebasestorage.googleapis.com/v0/b/acme.appspot.com/o/images%2Flogo.png?alt=media",
            "https://en.wikipedia.org/wiki/What%3F",
            "https://gitlab.example.com/api/v4/projects/group%2Fproject/avatar",
            "https://example.com/%5Bfinal%5D.png",
            "https://example.com/#about",
            "https://example.com/?by=a@b.example#c@d",
            "https://client.example/request.jwt#GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM",
            "http://example.com:8080/tos",
            "HTTPS://Example.COM/Path",
            "https://app.local/x",
            "https://[2001:db8::1]/jwks",
        ] {
            let url = WebUrl::parse(text).unwrap_or_else(|problem| panic!("{text} {problem}"));
            assert_eq!(url.as_str(), text);
        }
    }

    #[test]
    fn what_hides_something_is_no_url() {
        for text in [
            "",
            "example.com",
            "//example.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://example.com/",
            "https:example.com",
            "https:///x",
            "https://user@example.com/",
            "https://example.com@169.254.169.254/",
            "https://example.com\\@evil.example/",
            "https://example.com?@evil.example/",
            "https://example.com#@evil.example/",
            "https://[2001:0db8::1]/jwks",
            "https://0x7f000001/",
            "https://2130706433/jwks",
            "https://127.1/",
            "https://example.com./",
            "https://ex%61mple.com/",
            "https://example.com/a/../b",
            "https://example.com/%2e%2e/b",
            "https://example.com/a%2F..%2Fb",
            "https://example.com/a%5Cb",
            "https://example.com/x%00",
            "https://example.com/?a=%0d%0aX",
            "https://example.com:0/",
            "https://example.com:99999/",
            " https://example.com/",
            "https://exam\tple.com/",
            "https://b\u{fc}cher.example/",
            "https://example\u{3002}com/",
        ] {
            assert!(WebUrl::parse(text).is_err(), "{text}");
        }
    }
}
