//! `software_id` and `software_version`: short and printable. A `software_statement` nobody verified is left out (RFC 7591 §2.3).

use crate::policy::printable;
use crate::policy::report::Report;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;

/// The most characters of either; servers keep them in a column of 255.
const LONGEST: usize = 255;

/// What of it is sent: each member with its checked text.
pub(in crate::policy) fn check<'a>(
    requested: &'a ClientMetadata,
    report: &mut Report<'_>,
) -> Vec<(&'static str, &'a str)> {
    let members = [
        ("software_id", requested.software_id.as_deref()),
        ("software_version", requested.software_version.as_deref()),
    ];
    let mut kept = Vec::new();
    for (member, text) in members {
        let Some(text) = text else { continue };
        if text.chars().count() > LONGEST {
            report.refuse(member, format!("is longer than {LONGEST} characters"));
        } else if !text.is_empty() && text.trim().is_empty() {
            report.refuse(member, "is blank");
        } else if let Some(problem) = printable::problem(text) {
            report.refuse(member, format!("{} {problem}", Excerpt(text)));
        } else {
            kept.push((member, text));
        }
    }
    if requested.unverified_software_statement.is_some() {
        let profile = report.profile();
        report.note("software_statement", format!("profile {profile:?} takes no software statements, it is left out"));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rule::RuleName;

    fn check_id(id: &str) -> (usize, usize) {
        let requested = ClientMetadata { software_id: Some(id.to_owned()), ..Default::default() };
        let mut report = Report::new(RuleName::Software, "partners");
        let kept = check(&requested, &mut report).len();
        (kept, report.into_outcome().violations.len())
    }

    #[test]
    fn a_printable_identifier_is_kept() {
        assert_eq!(check_id("4NRB1-0XZABZI9E6-5SM3R"), (1, 0));
        assert_eq!(check_id(&"é".repeat(255)), (1, 0));
    }

    #[test]
    fn refuses_a_long_one_and_one_with_control_characters() {
        assert_eq!(check_id(&"x".repeat(256)), (0, 1));
        assert_eq!(check_id("a\u{7f}"), (0, 1));
        assert_eq!(check_id("  "), (0, 1));
        assert_eq!(check_id("\" onload=\"x"), (0, 1));
    }

    #[test]
    fn an_unverified_software_statement_is_left_out() {
        let requested =
            ClientMetadata { unverified_software_statement: Some("e30.e30.".to_owned()), ..Default::default() };
        let mut report = Report::new(RuleName::Software, "partners");
        assert_eq!(check(&requested, &mut report), []);
        assert_eq!(report.into_outcome().notes.len(), 1);
    }
}
