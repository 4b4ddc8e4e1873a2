//! `contacts` (RFC 7591 §2): ways to reach people, typically e-mail addresses; few, short, and nothing that harms who reads or opens them.

mod way;

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::report::Report;
use crate::policy::settings::SettingProblem;
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
    pub max_length: Option<NonZeroU32>,
}

/// The compiled rule.
#[derive(Debug, Clone)]
pub(in crate::policy) struct ContactsRule {
    required: bool,
    max: usize,
    max_length: usize,
}

impl ContactsRule {
    pub(in crate::policy) fn compile(settings: Option<&ContactSettings>, problems: &mut Vec<SettingProblem>) -> Self {
        let settings = settings.cloned().unwrap_or_default();
        let required = settings.required.unwrap_or(false);
        if required && settings.max == Some(0) {
            let reason = "0 beside required: true admits nobody";
            problems.push(SettingProblem::new("contacts.max", reason, "write 1 or more, or take required out"));
        }
        Self {
            required,
            max: settings.max.map_or(10, |max| max as usize),
            max_length: settings.max_length.map_or(254, |length| length.get() as usize),
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
        let rule = ContactsRule::compile(Some(settings), &mut Vec::new());
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
        let rule = ContactsRule::compile(None, &mut Vec::new());
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
    fn a_number_that_admits_nobody_is_a_mistake() {
        for (settings, places) in
            [("{required: true, max: 0}", &["contacts.max"][..]), ("{max: 0}", &[]), ("{required: true, max: 1}", &[])]
        {
            let mut problems = Vec::new();
            ContactsRule::compile(Some(&serde_yaml::from_str(settings).unwrap()), &mut problems);
            assert_eq!(problems.iter().map(|problem| &*problem.place).collect::<Vec<_>>(), places, "{settings}");
        }
        assert!(serde_yaml::from_str::<ContactSettings>("{max_length: 0}").is_err());
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
