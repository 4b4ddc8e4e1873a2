//! Octets written as two hexadecimal digits. A digit is a digit: a sign, which numbers may begin with, is none.

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
    let mut digits = vec![0; octets.len() * 2];
    // All at once: `encode` writes character by character. It fails where the length is another.
    let _ = hex::encode_to_slice(octets, &mut digits);
    String::from_utf8(digits).unwrap_or_default()
}

/// A SHA-256 as tools print it, of either case, colons between the digits or not: in lower case, without them.
pub(crate) fn sha256(text: &str) -> Option<String> {
    octets::<32>(&text.replace(':', "")).map(|digest| written(&digest))
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
}
