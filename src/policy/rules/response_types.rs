//! `response_types` (RFC 7591 §2): those a profile allows.

use crate::policy::report::Report;
use crate::policy::scopes::Excess;
use crate::policy::settings::SettingProblem;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;
use crate::registration::grant::{GrantType, ResponseType};

/// The response types a profile allows.
#[derive(Debug, Clone)]
pub(in crate::policy) struct ResponseTypesRule {
    allowed: Vec<ResponseType>,
    excess: Excess,
}

/// The words response types are made of (OAuth 2.0 Multiple Response Type Encoding Practices).
const WORDS: [&str; 4] = ["code", "id_token", "token", "none"];

impl ResponseTypesRule {
    pub(in crate::policy) fn compile(
        written: Option<&[String]>,
        excess: Option<Excess>,
        problems: &mut Vec<SettingProblem>,
    ) -> Self {
        let excess = excess.unwrap_or(Excess::Refuse);
        let Some(written) = written else { return Self { allowed: vec![ResponseType::Code], excess } };
        for (index, text) in written.iter().enumerate() {
            if text.trim().is_empty() || !text.split_whitespace().all(|word| WORDS.contains(&word)) {
                problems.push(SettingProblem::new(
                    format!("response_types[{index}]"),
                    format!("{text:?} is not a response type"),
                    "write code, or a combination like code id_token",
                ));
            }
        }
        Self { allowed: written.iter().map(|text| ResponseType::parse(text)).collect(), excess }
    }

    /// What was asked for, without what is in excess where the profile leaves that out and something is left.
    pub(in crate::policy) fn kept(&self, requested: &ClientMetadata) -> Vec<ResponseType> {
        let asked = requested.response_types.as_deref().unwrap_or_default();
        let allowed: Vec<_> = asked.iter().filter(|response| self.allowed.contains(response)).cloned().collect();
        if self.excess == Excess::Refuse || allowed.is_empty() { asked.to_vec() } else { allowed }
    }

    /// The response types the client gets: those asked for that are [`kept`](Self::kept); when none were, `code` if `grants` has the code grant, else none. A `code` or
    /// `token` beside grants that need no response type is left out: libraries send either by default, and the client does what its grants say.
    pub(in crate::policy) fn check(
        &self,
        requested: &ClientMetadata,
        kept: &[ResponseType],
        grants: &[GrantType],
        report: &mut Report<'_>,
    ) -> Vec<ResponseType> {
        for response in requested.response_types.iter().flatten().filter(|response| !kept.contains(response)) {
            report.note("response_types", format!("{} is not allowed, it is left out", Excerpt(response.as_str())));
        }
        let asked = match kept {
            [] if grants.contains(&GrantType::AuthorizationCode) => &[ResponseType::Code][..],
            [] => &[],
            usual if usual.iter().all(is_usual) && !grants.iter().any(GrantType::redirects) => {
                for response in usual {
                    let word = Excerpt(response.as_str());
                    report.note("response_types", format!("{word} is left out: no grant type uses it (RFC 7591 §2.1)"));
                }
                &[]
            }
            asked => asked,
        };
        for response in asked {
            if !self.allowed.contains(response) {
                report.refuse_unlisted("response_types", response.as_str());
            }
        }
        asked.to_vec()
    }
}

/// Whether clients send it whatever their grants are: oidc-agent names `token` beside the device grant, Okta's documents beside `client_credentials`.
fn is_usual(response: &ResponseType) -> bool {
    ["code", "token"].contains(&response.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;
    use crate::policy::{Profile, Verdict, judge};

    fn check(allowed: &[&str], asked: &[&str]) -> Vec<String> {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let rule = ResponseTypesRule::compile(Some(&allowed), None, &mut Vec::new());
        let response_types = Some(asked.iter().map(|text| ResponseType::parse(text)).collect());
        let requested = ClientMetadata { response_types, ..ClientMetadata::default() };
        sentences(RuleName::ResponseTypes, |report| {
            rule.check(&requested, &rule.kept(&requested), &[GrantType::AuthorizationCode], report);
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

    /// Under a profile that leaves out what is in excess.
    fn judged(profile: &str, client: &Value) -> Verdict {
        let profile = format!(
            "{{name: partners, match: {{}}, redirect_uris: {{https: [{{host: app.example.com}}]}}, excess_response_types: drop, {profile}}}"
        );
        let profile = Profile::compile(&serde_yaml::from_str(&profile).unwrap()).unwrap();
        let mut members = json!({"redirect_uris": ["https://app.example.com/cb"]});
        members.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());
        judge(&profile, &ClientMetadata::from_json(members.as_object().unwrap().clone()))
    }

    #[test]
    fn mod_auth_openidc_gets_the_code_flow_where_what_is_in_excess_is_left_out() {
        // All that it is able to, whatever its administrator chose; releases before 2.4 name no grant types.
        let all = ["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"];
        let code = json!(["code"]);
        for (grants, left, notes) in [
            (
                json!({"grant_types": ["authorization_code", "implicit", "refresh_token"]}),
                json!(["authorization_code", "refresh_token"]),
                6,
            ),
            (json!({}), json!(["authorization_code"]), 5),
        ] {
            let mut client =
                json!({"client_name": "OpenID Connect Apache Module (mod_auth_openidc)", "response_types": all});
            client.as_object_mut().unwrap().extend(grants.as_object().unwrap().clone());
            let verdict = judged("grant_types: [authorization_code, refresh_token]", &client);
            let noted: Vec<_> = verdict.rules.iter().flat_map(|rule| &rule.notes).collect();
            assert_eq!(noted.iter().filter(|note| note.contains("left out")).count(), notes, "{noted:?}");
            let clearance = verdict.result.unwrap();
            assert_eq!((&clearance.metadata()["response_types"], &clearance.metadata()["grant_types"]), (&code, &left));
        }
    }

    #[test]
    fn what_is_in_excess_refuses_where_nothing_allowed_was_asked_for() {
        let client = json!({"response_types": ["token", "id_token"], "grant_types": ["implicit"]});
        let violations = judged("grant_types: [implicit]", &client).result.unwrap_err();
        assert_eq!(violations.iter().filter(|one| one.rule == RuleName::ResponseTypes).count(), 2, "{violations:?}");
    }

    #[test]
    fn an_implicit_grant_that_is_still_needed_is_judged() {
        let client =
            json!({"response_types": ["code", "token", "none"], "grant_types": ["authorization_code", "implicit"]});
        let judged = |grants| judged(&format!("response_types: [code, token], grant_types: {grants}"), &client).result;
        assert_eq!(
            judged("[authorization_code, implicit]").unwrap().metadata()["response_types"],
            json!(["code", "token"])
        );
        let violations = judged("[authorization_code]").unwrap_err();
        assert_eq!(violations.iter().map(|one| one.rule).collect::<Vec<_>>(), [RuleName::GrantTypes]);
    }

    #[test]
    fn a_client_without_the_code_grant_needs_no_response_type() {
        let rule = ResponseTypesRule::compile(None, None, &mut Vec::new());
        let mut report = Report::new(RuleName::ResponseTypes, "partners");
        let none = ClientMetadata::default();
        assert_eq!(rule.check(&none, &rule.kept(&none), &[GrantType::ClientCredentials], &mut report), []);
        assert_eq!(
            rule.check(&none, &rule.kept(&none), &[GrantType::AuthorizationCode], &mut report),
            [ResponseType::Code]
        );
    }

    #[test]
    fn a_response_type_that_no_grant_uses_is_left_out() {
        let rule = ResponseTypesRule::compile(None, None, &mut Vec::new());
        let asking = |words: &[&str]| ClientMetadata {
            response_types: Some(words.iter().map(|text| ResponseType::parse(text)).collect()),
            ..ClientMetadata::default()
        };
        for (words, grants, got, violations) in [
            (&["code"][..], vec![GrantType::DeviceCode, GrantType::RefreshToken], vec![], 0),
            (&["code"], vec![GrantType::ClientCredentials], vec![], 0),
            (&["token"], vec![GrantType::DeviceCode, GrantType::RefreshToken], vec![], 0),
            (&["token"], vec![GrantType::ClientCredentials], vec![], 0),
            (&["code", "token"], vec![GrantType::Password], vec![], 0),
            (&["code"], vec![GrantType::ClientCredentials, GrantType::AuthorizationCode], vec![ResponseType::Code], 0),
            (&["code"], vec![GrantType::Implicit], vec![ResponseType::Code], 0),
            (&["token"], vec![GrantType::AuthorizationCode], vec![ResponseType::parse("token")], 1),
            (&["code id_token"], vec![GrantType::ClientCredentials], vec![ResponseType::parse("code id_token")], 1),
        ] {
            let (asked, mut report) = (asking(words), Report::new(RuleName::ResponseTypes, "partners"));
            assert_eq!(rule.check(&asked, &rule.kept(&asked), &grants, &mut report), got, "{words:?} {grants:?}");
            assert_eq!(report.into_outcome().violations.len(), violations, "{words:?} {grants:?}");
        }
    }
}
