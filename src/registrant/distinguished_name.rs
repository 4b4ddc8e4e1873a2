//! Distinguished names as text (RFC 4514), as `openssl x509 -noout -subject -nameopt RFC2253,-esc_msb` prints them:
//! the text an operator copies into a profile.

use std::fmt::Write as _;

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Short names: the table of RFC 4514 §3 and the ones OpenSSL writes for what client certificates of directories contain.
const SHORT_NAMES: [(&str, &str); 21] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "GN"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
];

/// The name as text: the last relative distinguished name first (RFC 4514 §2.1).
pub fn text(name: &X509Name<'_>) -> String {
    let mut text = String::with_capacity(64);
    let parts: Vec<_> = name.iter_rdn().collect();
    for (index, part) in parts.iter().rev().enumerate() {
        if index > 0 {
            text.push(',');
        }
        for (index, attribute) in part.iter().enumerate() {
            if index > 0 {
                text.push('+');
            }
            push_attribute(&mut text, attribute);
        }
    }
    text
}

fn push_attribute(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = attribute.attr_type().to_id_string();
    let short = SHORT_NAMES.iter().find(|(known, _)| *known == oid).map(|(_, short)| *short);
    text.push_str(short.unwrap_or(&oid));
    text.push('=');
    match characters(attribute.attr_value()) {
        // A type without a short name has its value in hexadecimal, whatever the value (RFC 4514 §2.4).
        Some(value) if short.is_some() => push_escaped(text, &value),
        _ => push_hexadecimal(text, attribute.attr_value()),
    }
}

/// The characters of the string types of `DirectoryString` and IA5String; none when they are not what their type says.
fn characters(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String => std::str::from_utf8(value.data).ok().map(str::to_owned),
        Tag::PrintableString | Tag::NumericString | Tag::Ia5String => {
            value.data.is_ascii().then(|| value.data.iter().copied().map(char::from).collect())
        }
        Tag::BmpString => {
            let (units, rest) = value.data.as_chunks::<2>();
            let units = units.iter().copied().map(u16::from_be_bytes);
            rest.is_empty().then(|| char::decode_utf16(units).collect::<Result<_, _>>().ok())?
        }
        _ => None,
    }
}

/// Escapes as RFC 4514 §2.4 asks; control characters as hexadecimal pairs, so that the text is one line everywhere.
fn push_escaped(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', character]),
            '#' if index == 0 => text.push_str("\\#"),
            ' ' if index == 0 || index == last => text.push_str("\\ "),
            character if character.is_control() => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(text, "\\{byte:02X}");
                }
            }
            character => text.push(character),
        }
    }
}

/// `#` and the BER of the value. The DER of every type that gets here has a one-octet tag.
fn push_hexadecimal(text: &mut String, value: &Any<'_>) {
    let tag = (value.header.raw_tag().and_then(|tag| tag.first().copied())).unwrap_or(value.tag().0 as u8);
    let _ = write!(text, "#{tag:02X}");
    let length = value.data.len();
    if length < 128 {
        let _ = write!(text, "{length:02X}");
    } else {
        let octets = length.to_be_bytes();
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        let _ = write!(text, "{:02X}", 128 + octets.len() - zeros);
        for octet in &octets[zeros..] {
            let _ = write!(text, "{octet:02X}");
        }
    }
    for octet in value.data {
        let _ = write!(text, "{octet:02X}");
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::FromDer;

    use super::*;

    /// A name of single attributes: the type's last two octets under 2.5, the value's tag, the value.
    fn name(attributes: &[(u8, u8, &[u8])]) -> String {
        let mut sets = Vec::new();
        for (kind, tag, value) in attributes {
            let mut pair = vec![0x06, 0x03, 0x55, 0x04, *kind, *tag, u8::try_from(value.len()).unwrap()];
            pair.extend_from_slice(value);
            sets.extend([0x31, u8::try_from(pair.len() + 2).unwrap(), 0x30, u8::try_from(pair.len()).unwrap()]);
            sets.extend(pair);
        }
        let mut der = vec![0x30, u8::try_from(sets.len()).unwrap()];
        der.extend(sets);
        let (rest, name) = X509Name::from_der(&der).unwrap();
        assert!(rest.is_empty());
        text(&name)
    }

    #[test]
    fn the_last_comes_first() {
        assert_eq!(name(&[(6, 0x13, b"DE"), (10, 0x0c, b"Acme"), (3, 0x0c, b"app")]), "CN=app,O=Acme,C=DE");
        assert_eq!(name(&[]), "");
    }

    #[test]
    fn special_characters_are_escaped() {
        for (value, written) in [
            ("a,b", "a\\,b"),
            ("CN=x+O=y", "CN=x\\+O=y"),
            (" a b ", "\\ a b\\ "),
            (" ", "\\ "),
            ("#a#", "\\#a#"),
            ("a\"\\<>;", "a\\\"\\\\\\<\\>\\;"),
            ("a\0b\n", "a\\00b\\0A"),
            ("L\u{10d}i\u{107}", "L\u{10d}i\u{107}"),
        ] {
            assert_eq!(name(&[(3, 0x0c, value.as_bytes())]), format!("CN={written}"));
        }
    }

    #[test]
    fn an_unknown_type_has_its_value_in_hexadecimal() {
        assert_eq!(name(&[(127, 0x0c, b"Ab")]), "2.5.4.127=#0C024162");
    }

    #[test]
    fn a_value_that_is_not_what_its_type_says_is_hexadecimal() {
        assert_eq!(name(&[(3, 0x1e, &[0xd8, 0x00])]), "CN=#1E02D800");
        assert_eq!(name(&[(3, 0x1e, &[0x00, 0x41])]), "CN=A");
    }
}
