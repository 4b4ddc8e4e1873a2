//! Every member is of the type its specification says. What could not be read was set down when the request was parsed.

use crate::policy::report::Report;
use crate::registration::ClientMetadata;

pub(in crate::policy) fn check(requested: &ClientMetadata, report: &mut Report<'_>) {
    for malformed in &requested.malformed {
        report.refuse_as(malformed.code, &malformed.place, &malformed.problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;
    use crate::registration::ErrorCode;
    use crate::registration::metadata::Malformed;

    #[test]
    fn refuses_each_member_that_could_not_be_read() {
        let malformed = |place: &str| Malformed {
            place: place.to_owned(),
            problem: "must be a string".to_owned(),
            code: ErrorCode::InvalidClientMetadata,
        };
        let requested = ClientMetadata { malformed: vec![malformed("scope"), malformed("jwks")], ..Default::default() };
        let found = sentences(RuleName::WellFormed, |report| check(&requested, report));
        assert_eq!(found, ["scope: must be a string", "jwks: must be a string"]);
    }
}
