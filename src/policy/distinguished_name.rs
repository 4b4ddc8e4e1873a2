//! Distinguished names as RFC 4514 writes them, so that two spellings of one name are equal.

use crate::hexadecimal;

/// The parts of a name, in the order written; each part is its attributes, sorted (`a+b` is `b+a`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DistinguishedName(Vec<Vec<(String, String)>>);

impl DistinguishedName {
    /// Reads `CN=client\, one,O=Partner`. Attribute types count without case; spaces round `,`, `+` and `=` do not count.
    /// The values count as they are: another case is another name, which is the safe reading.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = Vec::new();
        for part in split(text, ',')? {
            let mut attributes = Vec::new();
            for attribute in split(part, '+')? {
                let (kind, value) = attribute.split_once('=').ok_or("a part of the name has no `=`")?;
                let kind = kind.trim().to_ascii_uppercase();
                if !is_type(&kind) {
                    return Err("a part of the name has no attribute type");
                }
                attributes.push((kind, unescape(trim(value))?));
            }
            attributes.sort();
            parts.push(attributes);
        }
        Ok(Self(parts))
    }

    /// Whether each attribute has a value, and none ends early for those to whom a NUL ends a text.
    pub(super) fn says_something(&self) -> bool {
        self.0.iter().flatten().all(|(_, value)| !value.trim().is_empty() && !value.contains('\0'))
    }

    /// The values of every attribute of that type.
    pub(super) fn values_of(&self, kind: &str) -> impl Iterator<Item = &str> {
        let attributes = self.0.iter().flatten();
        attributes.filter(move |(own, _)| own.eq_ignore_ascii_case(kind)).map(|(_, value)| value.as_str())
    }
}

/// Whether it is a short name or an object identifier (RFC 4512 §1.4), also as `OID.2.5.4.3`, which older programs write.
fn is_type(kind: &str) -> bool {
    kind.starts_with(|first: char| first.is_ascii_alphanumeric())
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// Whether a separator of RFC 1779 stands in it: to RFC 4514 it is one more character of a value, and has to be escaped (§2.4).
pub(super) fn has_semicolon(text: &str) -> bool {
    split(text, ';').is_ok_and(|parts| parts.len() > 1)
}

/// Splits at every `separator` that is not escaped.
fn split(text: &str, separator: char) -> Result<Vec<&str>, &'static str> {
    if text.trim().is_empty() {
        return Err("the name is empty");
    }
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, character) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == separator {
            parts.push(&text[start..index]);
            start = index + character.len_utf8();
        }
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// Takes spaces off both ends, but not an escaped one off the end.
fn trim(value: &str) -> &str {
    let value = value.trim_start_matches(' ');
    let bare = value.trim_end_matches(' ');
    let backslashes = bare.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if backslashes % 2 == 1 && bare.len() < value.len() { &value[..=bare.len()] } else { bare }
}

/// Undoes `\,` and `\2C` (RFC 4514 §2.4).
fn unescape(value: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let encoded = rest.first_chunk::<2>().and_then(|digits| hexadecimal::octet(*digits));
        match (encoded, rest.first()) {
            (Some(byte), _) => {
                bytes.push(byte);
                rest = &rest[2..];
            }
            (None, Some(&escaped)) => {
                bytes.push(escaped);
                rest = &rest[1..];
            }
            (None, None) => return Err("the name ends in a lone backslash"),
        }
    }
    String::from_utf8(bytes).map_err(|_| "an escaped value is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_equal() {
        for (one, other) in [
            ("CN=Partner CA", "cn = Partner CA"),
            ("CN=a,O=Acme\\, Inc.", "CN=a, O=Acme\\2C Inc."),
            ("CN=a+OU=b,O=c", "OU=b+CN=a,O=c"),
            ("CN=caf\\C3\\A9", "CN=café"),
        ] {
            assert_eq!(DistinguishedName::parse(one).unwrap(), DistinguishedName::parse(other).unwrap(), "{one}");
        }
    }

    #[test]
    fn an_attribute_is_found_by_its_type() {
        let name = DistinguishedName::parse("CN=a\\,b,OU=one+OU=two,O=Acme").unwrap();
        let values = |kind| name.values_of(kind).collect::<Vec<_>>();
        assert_eq!((values("CN"), values("ou"), values("UID")), (vec!["a,b"], vec!["one", "two"], vec![]));
    }

    #[test]
    fn different_names_differ() {
        for (one, other) in [
            ("CN=a,O=b", "O=b,CN=a"),
            ("CN=a", "CN=a,O=b"),
            ("CN=a\\,O=b", "CN=a,O=b"),
            ("CN=A", "CN=a"),
            ("CN=a\\ ", "CN=a"),
        ] {
            assert_ne!(DistinguishedName::parse(one).unwrap(), DistinguishedName::parse(other).unwrap(), "{one}");
        }
    }

    #[test]
    fn refuses_what_is_no_name() {
        for text in ["", " ", "Partner CA", "CN=a,", "=a", "CN=a\\", "CN=\\FF", "/CN=a/O=b", "C N=a", "(CN=a)"] {
            assert!(DistinguishedName::parse(text).is_err(), "{text:?}");
        }
    }
}
