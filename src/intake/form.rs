//! A registration as HTTP: the form of the request, its body, the form of the answer.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, PRAGMA};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::handler::{Answer, Body, BodyError, Head};
use super::reason::Reason;
use super::refusal::Refusal;
use crate::registration::json;

/// The largest registration request, in bytes.
pub const LARGEST_BODY: usize = 64 * 1024;

/// What may be done at the registration endpoint.
pub(super) const ALLOWED: &str = "POST, OPTIONS";

/// POST of one JSON object, plain: RFC 7591 §3.1.
pub fn check(head: &Head) -> Result<(), Refusal> {
    if head.method != Method::POST {
        let allow = HeaderValue::from_static(ALLOWED);
        return Err(Refusal::from(Reason::MethodNotAllowed).header(ALLOW, allow));
    }
    if head.query.as_deref().is_some_and(holds_a_token) {
        let sentence = "a token in the address is not accepted: send it in the Authorization header (RFC 9700 §4.3.2)";
        return Err(Refusal::from(Reason::TokenMalformed).described(sentence));
    }
    check_media_type(head)
}

/// One JSON object, plain.
pub fn check_media_type(head: &Head) -> Result<(), Refusal> {
    let refusal = || Refusal::from(Reason::MediaTypeUnsupported);
    let mut types = head.headers.get_all(CONTENT_TYPE).iter();
    let media_type = match (types.next().and_then(|value| value.to_str().ok()), types.next()) {
        (Some(value), None) => MediaType::read(value),
        _ => MediaType::Other,
    };
    match media_type {
        MediaType::Other => return Err(refusal()),
        MediaType::OtherCharset => {
            return Err(refusal().described("JSON is sent in UTF-8 (RFC 8259 §8.1), no other charset"));
        }
        MediaType::Json => {}
    }
    let is_plain =
        head.headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_plain { Ok(()) } else { Err(refusal().described("the body is sent as it is, without a Content-Encoding")) }
}

/// Addresses are logged on their way. Whoever tries it is told, rather than taken for one who presents nothing.
fn holds_a_token(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

/// What `Content-Type` says of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MediaType {
    /// `application/json`, in UTF-8.
    Json,
    /// `application/json` in another charset.
    OtherCharset,
    /// Anything else.
    Other,
}

/// UTF-8 by its name, by a label of it in browsers (WHATWG Encoding §4.2) that some clients write, and what is part of it.
const CHARSETS: [&str; 3] = ["utf-8", "utf8", "us-ascii"];

impl MediaType {
    fn read(text: &str) -> Self {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        if !essence.trim().eq_ignore_ascii_case("application/json") {
            return Self::Other;
        }
        let mut charsets = parameters.split(';').filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| unquoted(value.trim()))
        });
        let is_utf8 = |charset: &str| CHARSETS.iter().any(|known| known.eq_ignore_ascii_case(charset));
        if charsets.all(is_utf8) { Self::Json } else { Self::OtherCharset }
    }
}

/// A parameter's value without the quotes that it may stand in (RFC 9110 §5.6.6).
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// The members of the body, which is strict JSON.
pub async fn read(body: &mut dyn Body) -> Result<Map<String, Value>, Refusal> {
    let bytes = body.read(LARGEST_BODY).await.map_err(|error| match error {
        BodyError::TooLarge { limit } => {
            Refusal::from(Reason::BodyTooLarge).described(format!("the request's body is larger than {limit} bytes"))
        }
        BodyError::TimedOut => Reason::BodyTimedOut.into(),
        BodyError::Broken => Reason::BodyBroken.into(),
    })?;
    json::parse_lenient(&bytes).map_err(|error| Refusal::from(Reason::JsonMalformed).described(error.to_string()))
}

/// The members of a body that is for the server; none: it is no object in JSON, or one that can be read in several ways.
pub fn json_members(body: &[u8]) -> Option<Map<String, Value>> {
    json::parse_lenient(body).ok()
}

/// RFC 7591 §3.2.1.
pub fn created(metadata: &Map<String, Value>) -> Result<Answer, Refusal> {
    let mut answer = json_answer(StatusCode::CREATED, metadata)?;
    answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(answer)
}

/// An answer that is these members.
pub fn json_answer(status: StatusCode, members: &Map<String, Value>) -> Result<Answer, Refusal> {
    let body = serde_json::to_vec(members).map_err(|error| Refusal::from(Reason::Internal).caused_by(error))?;
    let mut answer = Answer::empty(status);
    answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.body = Bytes::from(body);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_address_is_seen_in_any_spelling() {
        for query in ["access_token=a", "x=1&access_token=", "%61ccess_token=a"] {
            assert!(holds_a_token(query), "{query}");
        }
        for query in ["", "token=a", "x=access_token", "Access_Token=a"] {
            assert!(!holds_a_token(query), "{query}");
        }
    }

    #[test]
    fn json_is_known_by_its_media_type() {
        for text in [
            "application/json",
            "application/json; charset=utf8",
            "Application/JSON; charset=utf-8",
            "application/json;charset=\"UTF-8\"; v=1",
            "application/json; charset=US-ASCII",
        ] {
            assert_eq!(MediaType::read(text), MediaType::Json, "{text}");
        }
        for text in ["", "text/plain", "application/jose", "application/jsonp"] {
            assert_eq!(MediaType::read(text), MediaType::Other, "{text}");
        }
        for text in
            ["application/json; charset=utf-16", "application/json;charset=\"utf-8", "application/json; charset="]
        {
            assert_eq!(MediaType::read(text), MediaType::OtherCharset, "{text}");
        }
    }
}
