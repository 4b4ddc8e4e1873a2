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

/// POST of one JSON object, plain: RFC 7591 §3.1.
pub fn check(head: &Head) -> Result<(), Refusal> {
    if head.method != Method::POST {
        let allow = HeaderValue::from_static("POST, OPTIONS");
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
    let mut types = head.headers.get_all(CONTENT_TYPE).iter();
    let is_json = match (types.next().and_then(|value| value.to_str().ok()), types.next()) {
        (Some(value), None) => is_json(value),
        _ => false,
    };
    let is_plain = head.headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding == "identity");
    if is_json && is_plain { Ok(()) } else { Err(Reason::MediaTypeUnsupported.into()) }
}

/// Addresses are logged on their way. Whoever tries it is told, rather than taken for one who presents nothing.
fn holds_a_token(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

/// `application/json`, with no charset but UTF-8 (RFC 8259 §8.1).
fn is_json(media_type: &str) -> bool {
    let (essence, parameters) = media_type.split_once(';').unwrap_or((media_type, ""));
    essence.trim().eq_ignore_ascii_case("application/json")
        && parameters.split(';').all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                // The second is a label of it in browsers (WHATWG Encoding §4.2), and what some clients write.
                let value = value.trim().trim_matches('"');
                value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
            }
            _ => true,
        })
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
    json::parse(&bytes).map_err(|error| Refusal::from(Reason::JsonMalformed).described(error.to_string()))
}

/// RFC 7591 §3.2.1.
pub fn created(metadata: &Map<String, Value>) -> Result<Answer, Refusal> {
    let body = serde_json::to_vec(metadata);
    let body = body.map_err(|error| Refusal::from(Reason::Internal).caused_by(error))?;
    let mut answer = Answer::empty(StatusCode::CREATED);
    answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
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
        ] {
            assert!(is_json(text), "{text}");
        }
        for text in ["", "text/plain", "application/jose", "application/json; charset=utf-16", "application/jsonp"] {
            assert!(!is_json(text), "{text}");
        }
    }
}
