//! What the server gave for managing one client (RFC 7592 §3): a token, and where to present it. Pure.

use std::sync::LazyLock;

use serde_json::{Map, Value};
use url::{Position, Url};

use crate::secret::Secret;

/// The server's own access to one client. Never shown to a client: it gets the gateway's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAccess {
    /// With a token of the client's.
    ByToken(TokenAccess),
    /// By the server's API and with the gateway's own credential, which know the client by this name.
    ByApi(String),
}

/// A token of the server's for one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAccess {
    /// The path and the query of the server's `registration_client_uri`; the host is the transport's.
    pub registration_client_uri: String,
    /// The token to present there.
    pub registration_access_token: Secret,
}

/// Which URIs of management are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientUris<'p> {
    /// The path of the registration endpoint, below which they are unless the server says otherwise.
    pub registration_path: &'p str,
    /// Whether the server may not say otherwise.
    pub below_it_only: bool,
}

impl TokenAccess {
    /// What the answer to a registration gives; none without a token that a header can carry.
    pub fn given(answer: &Map<String, Value>, client_id: &str, uris: ClientUris<'_>) -> Option<Self> {
        let registration_access_token = token(answer)?;
        let registration_client_uri = uris.said(answer).or_else(|| uris.usual(client_id))?;
        Some(Self { registration_client_uri, registration_access_token })
    }

    /// What an answer to a call with this access puts in its place; none when it stays as it is.
    pub fn replaced(&self, answer: &Map<String, Value>, uris: ClientUris<'_>) -> Option<Self> {
        let replacement = Self {
            registration_access_token: token(answer).unwrap_or_else(|| self.registration_access_token.clone()),
            registration_client_uri: uris.said(answer).unwrap_or_else(|| self.registration_client_uri.clone()),
        };
        (replacement != *self).then_some(replacement)
    }
}

impl ClientUris<'_> {
    /// The path and query of the URI in an answer, if it is one to believe. Servers write their inside name, or none; only the path counts.
    fn said(self, answer: &Map<String, Value>) -> Option<String> {
        let text = answer.get("registration_client_uri")?.as_str()?;
        if let Some(path) = plain_path(text) {
            return self.believes(path).then(|| path.to_owned());
        }
        let uri = resolved(text).filter(|uri| matches!(uri.scheme(), "http" | "https"))?;
        self.believes(uri.path()).then(|| uri[Position::BeforePath..Position::AfterQuery].to_owned())
    }

    fn believes(self, path: &str) -> bool {
        let below = path.strip_prefix(self.registration_path).and_then(|rest| rest.strip_prefix('/'));
        !self.below_it_only || below.is_some_and(|rest| !rest.is_empty())
    }

    /// Where nearly every server has it: the client's identifier as one more segment.
    fn usual(self, client_id: &str) -> Option<String> {
        // Dot segments are no names: they would lead to the registration endpoint itself.
        if matches!(client_id, "." | "..") {
            return None;
        }
        let mut uri = resolved(self.registration_path)?;
        uri.path_segments_mut().ok()?.push(client_id);
        Some(uri.path().to_owned())
    }
}

fn token(answer: &Map<String, Value>) -> Option<Secret> {
    let text = answer.get("registration_access_token")?.as_str()?;
    fits_a_header(text).then(|| Secret::new(text))
}

/// Whether a header can carry it as a token. Wider than RFC 6750 §2.1: servers give what they give.
pub(super) fn fits_a_header(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The path of a URL in which there is nothing to resolve, as in nearly all; none: it has to be read as a browser does.
fn plain_path(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let (host, path) = rest.split_at(rest.find('/')?);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'/' | b'.');
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':');
    let resolves = !host.is_empty() && host.bytes().all(is_host) && path.bytes().all(is_plain) && !path.contains("/.");
    resolves.then_some(path)
}

/// A URL of any form, resolved as a browser does; its host is never used.
fn resolved(text: &str) -> Option<Url> {
    static BASE: LazyLock<Option<Url>> = LazyLock::new(|| Url::parse("http://server.invalid/").ok());
    BASE.as_ref()?.join(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const REGISTRATION: &str = "/realms/acme/clients-registrations/openid-connect";
    const ANY: ClientUris<'_> = ClientUris { registration_path: "/register", below_it_only: false };
    const BELOW: ClientUris<'_> = ClientUris { registration_path: REGISTRATION, below_it_only: true };

    fn answer(uri: Option<&str>, token: &str) -> Map<String, Value> {
        let mut answer = Map::from_iter([("registration_access_token".to_owned(), json!(token))]);
        answer.extend(uri.map(|uri| ("registration_client_uri".to_owned(), json!(uri))));
        answer
    }

    fn uri_given(uri: Option<&str>, client_id: &str, uris: ClientUris<'_>) -> String {
        TokenAccess::given(&answer(uri, "t"), client_id, uris).unwrap().registration_client_uri
    }

    #[test]
    fn only_path_and_query_of_the_servers_uri_are_kept() {
        for (uri, expected) in [
            ("http://inside:8080/reg/c-1", "/reg/c-1"),
            ("https://evil.example/reg?client_id=c%201#x", "/reg?client_id=c%201"),
            ("//elsewhere/reg/../manage/c", "/manage/c"),
            ("/manage/c", "/manage/c"),
            ("https://inside/reg/a/../c", "/reg/c"),
            ("https://inside/reg/%63\\d", "/reg/%63/d"),
        ] {
            assert_eq!(uri_given(Some(uri), "c", ANY), expected, "{uri}");
        }
    }

    #[test]
    fn without_a_usable_uri_the_client_is_below_the_registration_endpoint() {
        for uri in [None, Some("urn:c"), Some("http://"), Some("ftp://inside/reg/c")] {
            assert_eq!(uri_given(uri, "c 1/é?", ANY), "/register/c%201%2F%C3%A9%3F", "{uri:?}");
        }
    }

    #[test]
    fn keycloaks_uri_counts_only_below_its_registration_endpoint() {
        let expected = format!("{REGISTRATION}/c");
        for uri in [
            "http://kc/realms/acme/clients-registrations/openid-connect/c",
            "http://kc/realms/acme/clients-registrations/default/other",
            "http://kc/realms/acme/clients-registrations/openid-connect/../default/other",
            "http://kc/realms/acme/clients-registrations/openid-connect/",
            "http://kc/admin/realms/acme",
        ] {
            assert_eq!(uri_given(Some(uri), "c", BELOW), expected, "{uri}");
        }
    }

    #[test]
    fn there_is_no_access_without_a_token_that_a_header_can_carry() {
        for token in ["", "two words", "new\nline", "é"] {
            assert_eq!(TokenAccess::given(&answer(Some("/reg/c"), token), "c", ANY), None, "{token:?}");
        }
        assert_eq!(TokenAccess::given(&Map::new(), "c", ANY), None);
        assert_eq!(TokenAccess::given(&answer(None, "t"), "..", ANY), None);
    }

    #[test]
    fn an_answer_replaces_what_it_names_and_nothing_else() {
        let access = TokenAccess::given(&answer(Some("/reg/c"), "t1"), "c", ANY).unwrap();
        assert_eq!(access.replaced(&Map::new(), ANY), None);
        assert_eq!(access.replaced(&answer(Some("http://inside/reg/c"), "t1"), ANY), None);
        let rotated = access.replaced(&answer(None, "t2"), ANY).unwrap();
        assert_eq!(rotated.registration_access_token, Secret::new("t2"));
        assert_eq!(rotated.registration_client_uri, "/reg/c");
    }
}
