//! Method and target of a request, HTTP/1.x and HTTP/2 alike: what is no plain path, or spells one in a way that the next server
//! may read differently, is refused. Pure; the query is nobody's business here.

use std::borrow::Cow;

use http::Method;

use crate::authorization_server::spelling::is_in_words;
use crate::intake::handler::ProtocolRefusal;
use crate::percent::{DECODINGS, escapes, percent_decoded};

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
    if is_in_words(path) {
        return Ok(());
    }
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') || !bytes.iter().all(|b| b.is_ascii_graphic() && !b"\\#\"<>".contains(b)) {
        return Err(ProtocolRefusal::Target);
    }
    let has_empty_inside = path[1..].split('/').rev().skip(1).any(str::is_empty);
    if has_empty_inside || !escapes(bytes).all(|octet| octet.is_some()) || !keeps_its_segments(path) {
        return Err(ProtocolRefusal::Target);
    }
    Ok(())
}

/// Whether the segments are the same ones however often it is decoded. To who cuts parameters off first, `/a;%252f..` is `/a`; to who decodes
/// twice first it is `/`. Bytes that are not UTF-8 hide separators from who decodes strictly, and show them to who does not: `%c0%af` is an overlong slash.
fn keeps_its_segments(path: &str) -> bool {
    let separators = path.matches('/').count();
    let mut read = Cow::Borrowed(path);
    for _ in 0..=DECODINGS {
        let is_plain = read.matches('/').count() == separators && !read.contains(|c: char| c == '\\' || c.is_control());
        if !is_plain || read.split('/').any(is_dot_segment) {
            return false;
        }
        if !read.contains('%') {
            return true;
        }
        let Ok(decoded) = String::from_utf8(percent_decoded(read.as_bytes()).into_owned()) else { return false };
        read = Cow::Owned(decoded);
    }
    true
}

/// `.` and `..`, also with parameters, a hidden query or a space behind, which some servers cut off.
fn is_dot_segment(segment: &str) -> bool {
    let name = segment.split([';', '?', '#']).next().unwrap_or_default().trim();
    matches!(name, "." | "..")
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
            "/100%25",
            "/a%2520b/%2525",
            "/a%3bb",
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
            "/a;%2f..",
            "/a;%252f..",
            "/a%25255cb",
            "/a%2500",
            "/a/%252e%252e/b",
            "/a/..%3b/b",
            "/a/..%253b/b",
            "/a/..%3fx/b",
            "/a/..%20/b",
            "/a%25c0%25af",
            "/a%c2%85",
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
