//! Members no specification we know defines are left out of what is sent: the server must ignore them (RFC 7591 §2), and some refuse them.

use crate::policy::report::Report;
use crate::registration::ClientMetadata;

pub(in crate::policy) fn check(requested: &ClientMetadata, report: &mut Report<'_>) {
    for member in &requested.unknown {
        report.note(member, "is no member this gateway knows, it is left out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rule::RuleName;

    #[test]
    fn an_unknown_member_is_noted_and_refuses_nothing() {
        let requested = ClientMetadata { unknown: vec!["x\u{1b}[31m".to_owned()], ..Default::default() };
        let mut report = Report::new(RuleName::UnknownMembers, "partners");
        check(&requested, &mut report);
        let outcome = report.into_outcome();
        assert!(outcome.violations.is_empty());
        assert_eq!(outcome.notes, ["x\u{fffd}[31m: is no member this gateway knows, it is left out"]);
    }
}
