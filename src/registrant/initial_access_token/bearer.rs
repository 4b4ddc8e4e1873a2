//! How a request presents a token: one `Authorization: Bearer …` header, read to the letter of RFC 6750.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::secret::Secret;

/// What a request's `Authorization` header presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorizationHeader {
    /// No `Authorization` header.
    None,
    /// A bearer token (RFC 6750 §2.1).
    Token(Secret),
    /// One header of another scheme: nothing we know how to verify.
    OtherScheme,
    /// More than one header, or one that is not what RFC 6750 §2.1 says.
    Malformed,
}

/// Reads the bearer token of a request. Tokens in the body or the query (RFC 6750 §2.2, §2.3) are not looked for.
pub fn bearer(headers: &HeaderMap) -> AuthorizationHeader {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) => return AuthorizationHeader::None,
        (Some(line), None) => line.as_bytes().trim_ascii(),
        (Some(_), Some(_)) => return AuthorizationHeader::Malformed,
    };
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (scheme, token) = (&line[..end], line[end..].trim_ascii_start());
    if scheme.is_empty() || !scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+!#$%&'*^`|".contains(byte))
    {
        return AuthorizationHeader::Malformed;
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return AuthorizationHeader::OtherScheme;
    }
    match std::str::from_utf8(token) {
        Ok(token) if is_b64token(token) => AuthorizationHeader::Token(Secret::new(token)),
        _ => AuthorizationHeader::Malformed,
    }
}

/// `b64token` of RFC 6750 §2.1.
fn is_b64token(token: &str) -> bool {
    let characters = token.trim_end_matches('=');
    !characters.is_empty() && characters.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn presented(lines: &[&[u8]]) -> AuthorizationHeader {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        bearer(&headers)
    }

    #[test]
    fn reads_a_bearer_token_whatever_the_case_of_its_scheme() {
        for line in ["Bearer abc", "bearer abc", "BEARER abc", "Bearer  abc ", "Bearer abc"] {
            assert_eq!(presented(&[line.as_bytes()]), AuthorizationHeader::Token(Secret::new("abc")), "{line}");
        }
        assert_eq!(presented(&[b"Bearer a-._~+/9=="]), AuthorizationHeader::Token(Secret::new("a-._~+/9==")));
    }

    #[test]
    fn tells_nothing_another_scheme_and_nonsense_apart() {
        assert_eq!(presented(&[]), AuthorizationHeader::None);
        assert_eq!(presented(&[b"Basic dXNlcjpwYXNz"]), AuthorizationHeader::OtherScheme);
        assert_eq!(presented(&[b"DPoP abc"]), AuthorizationHeader::OtherScheme);
        for line in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer =",
            "Bearer a=b",
            "Bearer a,b",
            "Bearer \"a\"",
            "Be\tarer a",
        ] {
            assert_eq!(presented(&[line.as_bytes()]), AuthorizationHeader::Malformed, "{line:?}");
        }
        assert_eq!(presented(&[b"Bearer \xff"]), AuthorizationHeader::Malformed);
        assert_eq!(presented(&[b"Bearer a", b"Bearer a"]), AuthorizationHeader::Malformed);
        assert_eq!(presented(&[b"Bearer a", b"Basic a"]), AuthorizationHeader::Malformed);
    }
}
