//! Method and target of a request, HTTP/1.x and HTTP/2 alike: what is no plain path, or spells one in a way that the next server
//! may read differently, is refused. Pure; the query is nobody's business here.

use http::Method;

use crate::intake::handler::ProtocolRefusal;

/// Methods that go to the authorization server. On the gateway's own paths the handler answers 405 with `Allow` by itself.
pub(super) fn check_forwarded_method(method: &Method) -> Result<(), ProtocolRefusal> {
    match method.as_str() {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" => Ok(()),
        "TRACE" | "CONNECT" => Err(ProtocolRefusal::MethodNotAllowed),
        _ => Err(ProtocolRefusal::MethodUnknown),
    }
}

/// Whether every server reads this path the same: no empty or dot segment, no backslash, no control, nothing encoded that separates, UTF-8 throughout.
pub(super) fn check_path(path: &str) -> Result<(), ProtocolRefusal> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') || !bytes.iter().all(|b| b.is_ascii_graphic() && !b"\\#\"<>".contains(b)) {
        return Err(ProtocolRefusal::Target);
    }
    let segments = &path[1..];
    let empty_inside = segments.split('/').rev().skip(1).any(str::is_empty);
    let is_utf8 = percent_decoded(bytes).is_some_and(|decoded| String::from_utf8(decoded).is_ok());
    if empty_inside || segments.split('/').any(is_dot_segment) || !has_harmless_encoding(bytes) || !is_utf8 {
        return Err(ProtocolRefusal::Target);
    }
    Ok(())
}

/// `.` and `..`, also encoded, also with parameters behind (which some servers cut off).
fn is_dot_segment(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    matches!(name.as_str(), "." | "..")
}

/// Bytes that are not UTF-8 hide separators from who decodes strictly, and show them to who does not: `%c0%af` is an overlong slash.
fn percent_decoded(path: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(&byte) = rest.next() {
        decoded.push(if byte == b'%' { hexadecimal(*rest.next()?)? << 4 | hexadecimal(*rest.next()?)? } else { byte });
    }
    Some(decoded)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn has_harmless_encoding(path: &[u8]) -> bool {
    path.iter().enumerate().filter(|(_, b)| **b == b'%').all(|(at, _)| {
        let digits = path.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(b'/' | b'\\' | 0..=0x1f | 0x7f) | None => false,
            Some(_) => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_ordinary_paths_pass() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a.b/c..d",
            "/a%20b",
            "/%C3%BC",
            "/a;v=1/b",
            "/.well-known/x",
            "/...",
            "/@a:b,c=d$e!(f)*'",
        ] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn refuses_paths_that_others_read_differently() {
        for path in [
            "",
            "a",
            "*",
            "http://a/b",
            "//a",
            "/a//b",
            "/a//",
            "/./a",
            "/a/..",
            "/a/../b",
            "/%2e/a",
            "/a/%2E%2e/b",
            "/a/.%2e",
            "/..;/a",
            "/a%2fb",
            "/a%5Cb",
            "/a%00",
            "/a%0d",
            "/a\\b",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
            "/a%c0%afb",
            "/a%e0%80%afb",
            "/a%ff",
            "/ü",
            "/a#b",
        ] {
            assert_eq!(check_path(path), Err(ProtocolRefusal::Target), "{path}");
        }
    }

    #[test]
    fn forwards_only_methods_that_everybody_knows() {
        assert_eq!(check_forwarded_method(&Method::PATCH), Ok(()));
        assert_eq!(check_forwarded_method(&Method::TRACE), Err(ProtocolRefusal::MethodNotAllowed));
        assert_eq!(
            check_forwarded_method(&Method::from_bytes(b"PROPFIND").unwrap()),
            Err(ProtocolRefusal::MethodUnknown)
        );
    }
}
