//! `contacts` (RFC 7591 §2): ways to reach people, typically e-mail addresses; few, short, and nothing that harms who reads or opens them.

mod way;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::report::Report;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;
use crate::registration::metadata::Text;

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

    /// The contacts that are sent, spaces at their ends taken off.
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
        for Text { place, text } in contacts.iter().take(self.max) {
            let contact = text.trim();
            if contact.len() != text.len() {
                report.note(place, "spaces at its ends are taken off");
            }
            if contact.is_empty() {
                report.refuse(place, "is blank");
            } else if contact.chars().count() > self.max_length {
                let problem = format!("{} is longer than {} characters", Excerpt(contact), self.max_length);
                report.refuse(place, problem);
            } else if let Some(problem) = way::problem(contact) {
                report.refuse(place, format!("{} {problem}", Excerpt(contact)));
            }
        }
        contacts.iter().map(|contact| contact.text.trim()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;

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
    fn spaces_at_the_ends_are_taken_off() {
        let rule = ContactsRule::compile(None);
        let text = |text: &str| Text { place: "contacts[0]".to_owned(), text: text.to_owned() };
        let requested = ClientMetadata { contacts: vec![text(" ops@example.com  ")], ..Default::default() };
        let mut report = Report::new(RuleName::Contacts, "partners");
        assert_eq!(rule.check(&requested, &mut report), ["ops@example.com"]);
        let outcome = report.into_outcome();
        assert_eq!(outcome.notes, ["contacts[0]: spaces at its ends are taken off"]);
        assert!(outcome.violations.is_empty());
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        assert_eq!(
            check(&ContactSettings::default(), &["ops@example.com", " ", "https://user:pass@evil.example/"]),
            [
                "contacts[1]: is blank",
                "contacts[2]: \"https://user:pass@evil.example/\" holds a URL with user information (RFC 9110 §4.2.4)"
            ]
        );
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
