//! Octets written as a percent sign and two hexadecimal digits (RFC 3986 §2.1), in paths and in parts of them.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::hexadecimal::octet;

/// The most times that anything on the way decodes a path, the one time that is right included.
pub(crate) const DECODINGS: usize = 5;

/// What each percent sign and the two digits behind it stand for; none: there are no two digits.
pub(crate) fn escapes(text: &[u8]) -> impl Iterator<Item = Option<u8>> {
    let signs = text.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    signs.map(|(at, _)| escaped(&text[at..]))
}

/// The octet that the escape at the beginning stands for.
fn escaped(text: &[u8]) -> Option<u8> {
    match text {
        [b'%', high, low, ..] => octet([*high, *low]),
        _ => None,
    }
}

/// Every escape decoded, once. A percent sign without two digits stands for itself; borrowed: nothing was escaped.
pub(crate) fn percent_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if escapes(text).flatten().next().is_none() {
        return Cow::Borrowed(text);
    }
    let mut rest = text;
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(&byte) = rest.first() {
        let octet = escaped(rest);
        decoded.push(octet.unwrap_or(byte));
        rest = &rest[if octet.is_some() { 3 } else { 1 }..];
    }
    Cow::Owned(decoded)
}

/// A text as one segment of a path, or as a part of a fragment: whatever is not unreserved (RFC 3986 §2.3) is escaped.
pub(crate) fn percent_encoded(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_is_seen() {
        let found: Vec<_> = escapes(b"a%2Fb%%00%+1%2").collect();
        assert_eq!(found, [Some(b'/'), None, Some(0), None, None]);
    }

    #[test]
    fn a_segment_holds_whatever_was_put_into_it() {
        for (text, encoded) in [("a-B_1.~", "a-B_1.~"), ("a/b", "a%2Fb"), ("../é", "..%2F%C3%A9"), ("a b%", "a%20b%25")]
        {
            assert_eq!(percent_encoded(text), encoded);
            assert_eq!(percent_decoded(encoded.as_bytes()), text.as_bytes());
        }
    }

    #[test]
    fn escapes_are_decoded_once_and_the_rest_stands_as_it_is() {
        for (text, expected) in [
            ("a%2Fb%zz%", "a/b%zz%"),
            ("%%41", "%A"),
            ("%2541", "%41"),
            ("%4", "%4"),
            ("100%", "100%"),
            ("%+A%25+A", "%+A%+A"),
        ] {
            assert_eq!(percent_decoded(text.as_bytes()), expected.as_bytes(), "{text}");
        }
        assert_eq!(*percent_decoded(b"%C3%bc%ff"), [0xc3, 0xbc, 0xff]);
        assert!(matches!(percent_decoded(b"/a%+1"), Cow::Borrowed(_)));
    }
}
