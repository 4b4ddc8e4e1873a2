//! `grant_types` (RFC 7591 §2): those a profile allows.

use crate::policy::report::Report;
use crate::policy::settings::SettingProblem;
use crate::registration::ClientMetadata;
use crate::registration::grant::{GrantType, ResponseType};

/// The grant types a profile allows.
#[derive(Debug, Clone)]
pub(in crate::policy) struct GrantTypesRule {
    allowed: Vec<GrantType>,
}

/// What a profile allows that says nothing.
const DEFAULT: [GrantType; 2] = [GrantType::AuthorizationCode, GrantType::RefreshToken];

impl GrantTypesRule {
    pub(in crate::policy) fn compile(written: Option<&[String]>, problems: &mut Vec<SettingProblem>) -> Self {
        let Some(written) = written else { return Self { allowed: DEFAULT.to_vec() } };
        let allowed: Vec<GrantType> = written.iter().map(|word| GrantType::parse(word)).collect();
        for (index, grant) in allowed.iter().enumerate() {
            if let GrantType::Other(word) = grant {
                // An extension grant is named by an absolute URI (RFC 6749 §4.5); another word is a slip of the pen.
                if !word.contains(':') {
                    problems.push(SettingProblem::new(
                        format!("grant_types[{index}]"),
                        format!("{word:?} is not a grant type"),
                        "write one like authorization_code, refresh_token, client_credentials, or the URI of an extension grant",
                    ));
                }
            }
        }
        if allowed.is_empty() {
            problems.push(SettingProblem::new(
                "grant_types",
                "an empty list admits nobody",
                "name at least one grant type",
            ));
        }
        Self { allowed }
    }

    /// The grants the client gets: those asked for, or authorization_code when none were (RFC 7591 §2). Beside the code grant an `implicit` that
    /// none of the `responses` uses is left out, allowed or not: people's forms tick it, and without it the client does what it says it does.
    pub(in crate::policy) fn check(
        &self,
        requested: &ClientMetadata,
        responses: &[ResponseType],
        report: &mut Report<'_>,
    ) -> Vec<GrantType> {
        let asked = match requested.grant_types.as_deref() {
            None | Some([]) => &DEFAULT[..1],
            Some(asked) => asked,
        };
        let is_left_out = |grant: &&GrantType| {
            **grant == GrantType::Implicit
                && asked.contains(&GrantType::AuthorizationCode)
                && !responses.iter().any(ResponseType::is_implicit)
        };
        let (left_out, asked): (Vec<_>, Vec<_>) = asked.iter().partition(is_left_out);
        if !left_out.is_empty() {
            report.note("grant_types", "\"implicit\" is left out: no response type uses it (RFC 7591 §2.1)");
        }
        for grant in &asked {
            if !self.allowed.contains(grant) {
                report.refuse_unlisted("grant_types", grant.as_str());
            }
        }
        asked.into_iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;

    fn check(allowed: Option<&[&str]>, asked: Option<&[&str]>) -> Vec<String> {
        let allowed: Option<Vec<String>> = allowed.map(|words| words.iter().map(ToString::to_string).collect());
        let rule = GrantTypesRule::compile(allowed.as_deref(), &mut Vec::new());
        let grant_types = asked.map(|words| words.iter().map(|word| GrantType::parse(word)).collect());
        let requested = ClientMetadata { grant_types, ..ClientMetadata::default() };
        sentences(RuleName::GrantTypes, |report| {
            rule.check(&requested, &[], report);
        })
    }

    #[test]
    fn a_profile_that_says_nothing_allows_the_code_grant_and_refreshing() {
        for asked in
            [None, Some(&[][..]), Some(&["authorization_code"][..]), Some(&["authorization_code", "refresh_token"][..])]
        {
            assert_eq!(check(None, asked), [""; 0], "{asked:?}");
        }
    }

    #[test]
    fn every_grant_that_is_not_allowed_is_named() {
        assert_eq!(
            check(None, Some(&["password", "authorization_code", "urn:x\n"])),
            [
                "grant_types: \"password\" is not allowed by profile \"partners\"",
                "grant_types: \"urn:x\\n\" is not allowed by profile \"partners\"",
            ]
        );
    }

    #[test]
    fn an_implicit_grant_that_no_response_type_uses_is_left_out_beside_the_code_grant_alone() {
        let words = |words: &[&str]| words.iter().map(|word| GrantType::parse(word)).collect::<Vec<_>>();
        let (code, both) = (&["authorization_code"][..], &["authorization_code", "implicit"][..]);
        for (allowed, grants, responses, got, violations) in [
            (code, both, Some(&["code"][..]), code, 0),
            (both, both, Some(&["code", "none"]), code, 0),
            (code, both, None, code, 0),
            (code, both, Some(&["code id_token"]), both, 1),
            (both, both, Some(&["code", "token"]), both, 0),
            (code, &["implicit"], Some(&["code"]), &["implicit"], 1),
        ] {
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            let rule = GrantTypesRule::compile(Some(&allowed), &mut Vec::new());
            let kept: Vec<_> = responses.iter().copied().flatten().map(|text| ResponseType::parse(text)).collect();
            let requested = ClientMetadata { grant_types: Some(words(grants)), ..Default::default() };
            let mut report = Report::new(RuleName::GrantTypes, "partners");
            assert_eq!(rule.check(&requested, &kept, &mut report), words(got), "{grants:?} {responses:?}");
            let outcome = report.into_outcome();
            assert_eq!((outcome.violations.len(), outcome.notes.len()), (violations, grants.len() - got.len()));
        }
    }

    #[test]
    fn a_client_that_names_none_wants_the_code_grant() {
        assert_eq!(check(Some(&["client_credentials"]), None).len(), 1);
        assert_eq!(check(Some(&["client_credentials"]), Some(&["client_credentials"])), [""; 0]);
    }

    #[test]
    fn a_misspelt_setting_is_a_problem() {
        let mut problems = Vec::new();
        GrantTypesRule::compile(
            Some(&["authorisation_code".to_owned(), "urn:example:grant".to_owned()]),
            &mut problems,
        );
        assert_eq!(problems.iter().map(|problem| problem.place.as_str()).collect::<Vec<_>>(), ["grant_types[0]"]);
    }
}
