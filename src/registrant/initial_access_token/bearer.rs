//! How a request presents a token: one `Authorization: Bearer …` header, read to the letter of RFC 6750.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::secret::Secret;

/// What a request's `Authorization` header presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
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
pub fn bearer(headers: &HeaderMap) -> Presented {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Presented::None,
        (Some(line), None) => line.as_bytes().trim_ascii(),
        (Some(_), Some(_)) => return Presented::Malformed,
    };
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (scheme, token) = (&line[..end], line[end..].trim_ascii_start());
    if scheme.is_empty() || !scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+!#$%&'*^`|".contains(byte))
    {
        return Presented::Malformed;
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Presented::OtherScheme;
    }
    match std::str::from_utf8(token) {
        Ok(token) if is_b64token(token) => Presented::Token(Secret::new(token)),
        _ => Presented::Malformed,
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

    fn presented(lines: &[&[u8]]) -> Presented {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        bearer(&headers)
    }

    #[test]
    fn reads_a_bearer_token_whatever_the_case_of_its_scheme() {
        for line in ["Bearer abc", "bearer abc", "BEARER abc", "Bearer  abc ", "Bearer abc"] {
            assert_eq!(presented(&[line.as_bytes()]), Presented::Token(Secret::new("abc")), "{line}");
        }
        assert_eq!(presented(&[b"Bearer a-._~+/9=="]), Presented::Token(Secret::new("a-._~+/9==")));
    }

    #[test]
    fn tells_nothing_another_scheme_and_nonsense_apart() {
        assert_eq!(presented(&[]), Presented::None);
        assert_eq!(presented(&[b"Basic dXNlcjpwYXNz"]), Presented::OtherScheme);
        assert_eq!(presented(&[b"DPoP abc"]), Presented::OtherScheme);
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
            assert_eq!(presented(&[line.as_bytes()]), Presented::Malformed, "{line:?}");
        }
        assert_eq!(presented(&[b"Bearer \xff"]), Presented::Malformed);
        assert_eq!(presented(&[b"Bearer a", b"Bearer a"]), Presented::Malformed);
        assert_eq!(presented(&[b"Bearer a", b"Basic a"]), Presented::Malformed);
    }
}
