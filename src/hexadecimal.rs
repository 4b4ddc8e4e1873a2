//! Octets written as two hexadecimal digits, also behind a percent sign (RFC 3986 §2.1). A digit is a digit: a sign, which numbers
//! may begin with, is none.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// How often a path is decoded by anybody, the once that it should be included.
pub(crate) const DECODINGS: usize = 5;

/// The octet that these two digits write.
pub(crate) fn octet(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}

/// The octets that a text of digits writes, when it writes so many.
pub(crate) fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    hex::decode_to_slice(text, &mut octets).ok()?;
    Some(octets)
}

/// Two digits for each octet, in lower case, without separators.
pub(crate) fn written(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = octets.iter().flat_map(|&octet| [octet >> 4, octet & 0xf]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// A SHA-256 as tools print it, of either case, colons between the digits or not: in lower case, without them.
pub(crate) fn sha256(text: &str) -> Option<String> {
    octets::<32>(&text.replace(':', "")).map(|digest| written(&digest))
}

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
    fn two_digits_of_either_case_write_an_octet_and_nothing_else_does() {
        for (digits, expected) in [(b"00", 0), (b"7f", 127), (b"aF", 175), (b"Ff", 255)] {
            assert_eq!(octet(*digits), Some(expected));
        }
        for digits in [b"+f", b"-1", b" 1", b"1 ", b"g0", b"0x", b"\xb2\xb3"] {
            assert_eq!(octet(*digits), None, "{digits:?}");
        }
    }

    #[test]
    fn a_text_writes_so_many_octets_or_none() {
        assert_eq!(octets("00fF"), Some([0, 255]));
        assert_eq!(written(&[0, 0xa7, 255]), "00a7ff");
        for text in ["", "00", "00f", "00fff", "00ff00", "00+f", "éé"] {
            assert_eq!(octets::<2>(text), None, "{text}");
        }
    }

    #[test]
    fn a_digest_is_read_as_tools_print_it() {
        let printed = format!("A7{}", ":a7".repeat(31));
        assert_eq!(sha256(&printed), Some("a7".repeat(32)));
        assert_eq!(sha256(&"a7".repeat(31)), None);
    }

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
