//! Cookies that only this gateway, or another with its keys, can make and read. Nothing of them is kept here.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::admin::api::Api;
use crate::admin::problem::{Kind, Problem};
use crate::randomness;
use crate::secret::Secret;
use crate::store::Sealed;

/// Longer is none of ours.
const LONGEST: usize = 4096;

/// A kind of cookie.
pub(super) struct CookieKind {
    /// `__Host-`: from this host alone, with TLS alone (RFC 6265bis §4.1.3.2); browsers take loopback for as good.
    pub(super) name: &'static str,
    same_site: &'static str,
    /// What its box is sealed for: no `client_id`, which has no control character (RFC 6749 appendix A.1), nor another kind.
    purpose: &'static str,
}

/// Who is signed in.
pub(super) const SESSION: CookieKind =
    CookieKind { name: "__Host-dcr-console", same_site: "Strict", purpose: "\0console session" };

/// A sign-in that was begun: the OpenID Provider, another site, sends the browser back, so it cannot be strict.
pub(super) const BEGUN: CookieKind =
    CookieKind { name: "__Host-dcr-console-sign-in", same_site: "Lax", purpose: "\0console sign-in" };

/// The header that sets it.
pub(super) fn set(
    api: &Api,
    kind: &CookieKind,
    content: &impl Serialize,
    age: Duration,
) -> Result<HeaderValue, Problem> {
    let text = serde_json::to_string(content).map(Secret::new).map_err(|error| failed(&error))?;
    let nonce = randomness::octets(api.intake.tools().randomness);
    let sealed = api.intake.keys().seal(kind.purpose, &text, nonce).map_err(|error| failed(&error))?;
    line(kind, &URL_SAFE_NO_PAD.encode(sealed.0), age)
}

/// The header that takes it away.
pub(super) fn clear(kind: &CookieKind) -> Result<HeaderValue, Problem> {
    line(kind, "", Duration::ZERO)
}

fn line(kind: &CookieKind, value: &str, age: Duration) -> Result<HeaderValue, Problem> {
    let CookieKind { name, same_site, .. } = kind;
    let age = age.as_secs();
    let line = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={age}");
    HeaderValue::from_str(&line).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "a cookie of the console cannot be made");
    Problem::new(Kind::Internal, "the gateway's log has the cause")
}

/// What is in it, when it is there and ours.
pub(super) fn get<T: DeserializeOwned>(api: &Api, kind: &CookieKind, headers: &HeaderMap) -> Option<T> {
    let octets = URL_SAFE_NO_PAD.decode(presented(kind, headers)?).ok()?;
    let opened = api.intake.keys().open(kind.purpose, &Sealed(octets)).ok()?;
    serde_json::from_str(opened.expose()).ok()
}

/// Its value; none where there are two, one of which somebody else must have set.
pub(super) fn presented<'h>(kind: &CookieKind, headers: &'h HeaderMap) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(name, _)| *name == kind.name).map(|(_, value)| value);
    let value = values.next().filter(|value| value.len() <= LONGEST)?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_counts_when_it_is_the_only_one_of_its_name() {
        let read = |lines: &[&str]| {
            let headers = lines.iter().map(|line| (COOKIE, HeaderValue::from_str(line).unwrap())).collect();
            presented(&SESSION, &headers).map(str::to_owned)
        };
        assert_eq!(read(&["a=b; __Host-dcr-console=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(read(&["a=b", "__Host-dcr-console=x"]).as_deref(), Some("x"));
        assert_eq!(read(&["__Host-dcr-console=x; __Host-dcr-console=y"]), None);
        assert_eq!(read(&[&format!("__Host-dcr-console={}", "x".repeat(LONGEST + 1))]), None);
        assert_eq!(read(&["a=b; __Host-dcr-console-sign-in=x"]), None);
    }
}
