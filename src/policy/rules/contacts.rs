//! `contacts` (RFC 7591 §2): ways to reach people, typically e-mail addresses; few, short, printable.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::printable;
use crate::policy::report::Report;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;

/// What contacts a client may name.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactSettings {
    /// Whether a client must name one. Default: false.
    #[serde(default)]
    pub required: Option<bool>,
    /// The most contacts. Default: 10.
    #[serde(default)]
    pub max: Option<u32>,
    /// The most characters of each. Default: 254.
    #[serde(default)]
    pub max_length: Option<u32>,
}

/// The compiled rule.
#[derive(Debug, Clone)]
pub(in crate::policy) struct ContactsRule {
    required: bool,
    max: usize,
    max_length: usize,
}

impl ContactsRule {
    pub(in crate::policy) fn compile(settings: Option<&ContactSettings>) -> Self {
        let settings = settings.cloned().unwrap_or_default();
        let number = |value: Option<u32>, default: usize| value.map_or(default, |value| value as usize);
        Self {
            required: settings.required.unwrap_or(false),
            max: number(settings.max, 10),
            max_length: number(settings.max_length, 254),
        }
    }

    /// The contacts that are sent.
    pub(in crate::policy) fn check<'a>(&self, requested: &'a ClientMetadata, report: &mut Report<'_>) -> Vec<&'a str> {
        let contacts = &requested.contacts;
        if self.required && contacts.is_empty() {
            report.refuse("contacts", format!("must name a contact, says profile {:?}", report.profile()));
        }
        if contacts.len() > self.max {
            let problem =
                format!("names {} contacts, profile {:?} allows {}", contacts.len(), report.profile(), self.max);
            report.refuse("contacts", problem);
        }
        for contact in contacts.iter().take(self.max) {
            let value = Excerpt(&contact.text);
            if contact.text.chars().count() > self.max_length {
                report.refuse(&contact.place, format!("{value} is longer than {} characters", self.max_length));
            } else if !is_contact(&contact.text) {
                report.refuse(&contact.place, format!("{value} is neither an e-mail address nor a URL"));
            }
        }
        contacts.iter().map(|contact| contact.text.as_str()).collect()
    }
}

/// An e-mail address by its shape (`somebody@host`, also with `mailto:`, also behind a name: `Somebody <somebody@host>`), a telephone
/// number or URI, or an http(s) URL; nothing invisible in it. Whether it reaches anybody is not for us to say.
fn is_contact(text: &str) -> bool {
    if let Some((name, address)) = text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        return name.ends_with(' ') && is_name(name.trim_end()) && is_unbroken(address) && is_address(address);
    }
    is_telephone_number(text) || (is_unbroken(text) && is_address_or_url(text))
}

/// The name before an address (RFC 5322 §3.4), in quotes or not.
fn is_name(text: &str) -> bool {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    !text.is_empty() && printable::problem(text).is_none() && !text.contains(['<', '>', '"', '\\', '@', ':', ';'])
}

/// Digits in groups (ITU-T E.123), five at least.
fn is_telephone_number(text: &str) -> bool {
    let rest = text.strip_prefix('+').unwrap_or(text);
    rest.starts_with(|c: char| c.is_ascii_digit() || c == '(')
        && rest.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '/' | '.'))
        && rest.chars().filter(char::is_ascii_digit).count() >= 5
}

/// No blank, no invisible character, nothing that quotes or marks up.
fn is_unbroken(text: &str) -> bool {
    printable::problem(text).is_none()
        && !text.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\\'))
}

fn is_address_or_url(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("https" | "http") => {
            text.split_once("://").is_some_and(|(_, rest)| rest.starts_with(char::is_alphanumeric))
        }
        Some("tel") => text.len() > "tel:".len(),
        Some("mailto") => is_address(&text["mailto:".len()..]),
        _ => is_address(text),
    }
}

fn is_address(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    let labels =
        host.split('.').all(|label| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-'));
    !local.is_empty() && !local.contains(['@', ',', ';', ':', '(', ')', '[', ']']) && labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;
    use crate::registration::metadata::Text;

    fn check(settings: &ContactSettings, contacts: &[&str]) -> Vec<String> {
        let rule = ContactsRule::compile(Some(settings));
        let text =
            |(index, text): (usize, &&str)| Text { place: format!("contacts[{index}]"), text: (*text).to_owned() };
        let contacts = contacts.iter().enumerate().map(text).collect();
        let requested = ClientMetadata { contacts, ..Default::default() };
        sentences(RuleName::Contacts, |report| {
            rule.check(&requested, report);
        })
    }

    #[test]
    fn addresses_and_urls_pass() {
        let ordinary = [
            "ve7jtb@example.org",
            "mary.o'neil+oauth@dev.example.com",
            "mailto:ops@example.com",
            "https://example.com/support?x=1",
            "jürgen@münchen.example",
            "root@localhost",
            "tel:+49-89-1234",
            "+49 89 12345",
            "(089) 123-456",
            "Jane Doe <jane@example.com>",
            "\"Doe, Jane\" <jane@example.com>",
            "Jürgen Müller <jm@example.com>",
        ];
        for contact in ordinary {
            assert_eq!(check(&ContactSettings::default(), &[contact]), [""; 0], "{contact:?}");
        }
    }

    #[test]
    fn refuses_what_reaches_nobody() {
        let hostile = [
            "",
            "nobody",
            "a b@example.com",
            "a@example..com",
            "@example.com",
            "a@",
            "a@example.com\r\nBcc: all@example.com",
            "a@example.com,b@example.com",
            "<a@example.com>",
            "Jane<a@example.com>",
            "Jane <a@example.com> <b@example.com>",
            "<script>alert(1)</script> <a@example.com>",
            "J\u{202e}ane <a@example.com>",
            "Jane <nobody>",
            "+1",
            "javascript:alert(1)",
            "x\u{202e}@example.com",
        ];
        for contact in hostile {
            assert_eq!(check(&ContactSettings::default(), &[contact]).len(), 1, "{contact:?}");
        }
    }

    #[test]
    fn the_number_and_the_length_are_bounded() {
        let many = vec!["a@example.com"; 11];
        assert_eq!(
            check(&ContactSettings::default(), &many),
            ["contacts: names 11 contacts, profile \"partners\" allows 10"]
        );
        let long = format!("{}@example.com", "a".repeat(250));
        assert_eq!(check(&ContactSettings::default(), &[&long]).len(), 1);
        assert_eq!(check(&ContactSettings { required: Some(true), ..Default::default() }, &[]).len(), 1);
    }
}
