//! `response_types` (RFC 7591 §2): those a profile allows.

use crate::policy::report::Report;
use crate::policy::settings::SettingProblem;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;
use crate::registration::grant::{GrantType, ResponseType};

/// The response types a profile allows.
#[derive(Debug, Clone)]
pub(in crate::policy) struct ResponseTypesRule {
    allowed: Vec<ResponseType>,
}

/// The words response types are made of (OAuth 2.0 Multiple Response Type Encoding Practices).
const WORDS: [&str; 4] = ["code", "id_token", "token", "none"];

impl ResponseTypesRule {
    pub(in crate::policy) fn compile(written: Option<&[String]>, problems: &mut Vec<SettingProblem>) -> Self {
        let Some(written) = written else { return Self { allowed: vec![ResponseType::Code] } };
        for (index, text) in written.iter().enumerate() {
            if text.trim().is_empty() || !text.split_whitespace().all(|word| WORDS.contains(&word)) {
                problems.push(SettingProblem::new(
                    format!("response_types[{index}]"),
                    format!("{text:?} is not a response type"),
                    "write code, or a combination like code id_token",
                ));
            }
        }
        Self { allowed: written.iter().map(|text| ResponseType::parse(text)).collect() }
    }

    /// The response types the client gets: those asked for; when none were, `code` if `grants` has the code grant, else none. A `code` beside
    /// grants that need no response type is left out: libraries send it by default, and the client does what its grants say.
    pub(in crate::policy) fn check(
        &self,
        requested: &ClientMetadata,
        grants: &[GrantType],
        report: &mut Report<'_>,
    ) -> Vec<ResponseType> {
        let asked = match requested.response_types.as_deref() {
            None | Some([]) if grants.contains(&GrantType::AuthorizationCode) => &[ResponseType::Code][..],
            None | Some([]) => &[],
            Some([ResponseType::Code]) if !grants.iter().any(GrantType::redirects) => {
                report.note("response_types", "\"code\" is left out: no grant type uses it (RFC 7591 §2.1)");
                &[]
            }
            Some(asked) => asked,
        };
        for response in asked {
            if !self.allowed.contains(response) {
                let problem =
                    format!("{} is not allowed by profile {:?}", Excerpt(response.as_str()), report.profile());
                report.refuse("response_types", problem);
            }
        }
        asked.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;

    fn check(allowed: &[&str], asked: &[&str]) -> Vec<String> {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let rule = ResponseTypesRule::compile(Some(&allowed), &mut Vec::new());
        let response_types = Some(asked.iter().map(|text| ResponseType::parse(text)).collect());
        let requested = ClientMetadata { response_types, ..ClientMetadata::default() };
        sentences(RuleName::ResponseTypes, |report| {
            rule.check(&requested, &[GrantType::AuthorizationCode], report);
        })
    }

    #[test]
    fn the_words_of_a_response_type_have_no_order() {
        assert_eq!(check(&["code id_token"], &["id_token code"]), [""; 0]);
    }

    #[test]
    fn every_response_type_that_is_not_allowed_is_named() {
        let sentence = |what: &str| format!("response_types: \"{what}\" is not allowed by profile \"partners\"");
        assert_eq!(check(&["code"], &["token", "code", "bogus"]), [sentence("token"), sentence("bogus")]);
    }

    #[test]
    fn a_client_without_the_code_grant_needs_no_response_type() {
        let rule = ResponseTypesRule::compile(None, &mut Vec::new());
        let mut report = Report::new(RuleName::ResponseTypes, "partners");
        let none = ClientMetadata::default();
        assert_eq!(rule.check(&none, &[GrantType::ClientCredentials], &mut report), []);
        assert_eq!(rule.check(&none, &[GrantType::AuthorizationCode], &mut report), [ResponseType::Code]);
    }

    #[test]
    fn a_response_type_that_no_grant_uses_is_left_out() {
        let rule = ResponseTypesRule::compile(None, &mut Vec::new());
        let code = ClientMetadata { response_types: Some(vec![ResponseType::Code]), ..ClientMetadata::default() };
        for (grants, got) in [
            (vec![GrantType::DeviceCode, GrantType::RefreshToken], vec![]),
            (vec![GrantType::ClientCredentials], vec![]),
            (vec![GrantType::ClientCredentials, GrantType::AuthorizationCode], vec![ResponseType::Code]),
            (vec![GrantType::Implicit], vec![ResponseType::Code]),
        ] {
            let mut report = Report::new(RuleName::ResponseTypes, "partners");
            assert_eq!(rule.check(&code, &grants, &mut report), got, "{grants:?}");
            assert!(report.into_outcome().violations.is_empty(), "{grants:?}");
        }
    }
}
