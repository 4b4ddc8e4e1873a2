//! Grant types, response types and redirect URIs fit each other (RFC 7591 §2.1, §2).

use crate::policy::report::Report;
use crate::registration::ErrorCode;
use crate::registration::excerpt::Excerpt;
use crate::registration::grant::{GrantType, ResponseType};

/// What is compared; the defaults of RFC 7591 are filled in already.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Flow<'a> {
    /// The grants the client would have.
    pub grants: &'a [GrantType],
    /// The response types it would have.
    pub responses: &'a [ResponseType],
    /// How many redirect URIs it asked for.
    pub redirect_uris_asked: usize,
}

pub(in crate::policy) fn check(flow: Flow<'_>, report: &mut Report<'_>) {
    let has = |grant: &GrantType| flow.grants.contains(grant);
    let mut wants_code = false;
    let mut wants_implicit = false;
    for response in flow.responses {
        let words = response.as_str();
        let code = words.split(' ').any(|word| word == "code");
        let implicit = response.is_implicit();
        wants_code |= code;
        wants_implicit |= implicit;
        for (wanted, grant) in [(code, GrantType::AuthorizationCode), (implicit, GrantType::Implicit)] {
            if wanted && !has(&grant) {
                report.refuse(
                    "response_types",
                    format!("{} needs the grant type {}", Excerpt(words), Excerpt(grant.as_str())),
                );
            }
        }
    }
    if has(&GrantType::AuthorizationCode) && !wants_code {
        report.refuse("grant_types", "\"authorization_code\" needs a response type with \"code\"");
    }
    if has(&GrantType::Implicit) && !wants_implicit {
        report.refuse("grant_types", "\"implicit\" needs a response type with \"token\" or \"id_token\"");
    }
    if flow.grants.iter().all(|grant| *grant == GrantType::RefreshToken) {
        report.refuse(
            "grant_types",
            "\"refresh_token\" alone gives nothing to refresh: name the grant that issues the first token",
        );
    }
    if flow.grants.iter().any(GrantType::redirects) && flow.redirect_uris_asked == 0 {
        report.refuse_as(
            ErrorCode::InvalidRedirectUri,
            "redirect_uris",
            "must name at least one URI: the grant types redirect (RFC 7591 §2)",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;

    fn check_words(grants: &[&str], responses: &[&str], redirect_uris_asked: usize) -> Vec<String> {
        let grants: Vec<GrantType> = grants.iter().map(|word| GrantType::parse(word)).collect();
        let responses: Vec<ResponseType> = responses.iter().map(|text| ResponseType::parse(text)).collect();
        let flow = Flow { grants: &grants, responses: &responses, redirect_uris_asked };
        sentences(RuleName::GrantConsistency, |report| check(flow, report))
    }

    #[test]
    fn what_fits_passes() {
        for (grants, responses, uris) in [
            (&["authorization_code"][..], &["code"][..], 1),
            (&["authorization_code", "refresh_token"], &["code"], 3),
            (&["authorization_code", "implicit"], &["code id_token"], 1),
            (&["implicit"], &["id_token token"], 1),
            (&["authorization_code", "implicit"], &["code", "token", "none"], 1),
            (&["client_credentials"], &[], 0),
            (&["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"], &[], 0),
        ] {
            assert_eq!(check_words(grants, responses, uris), [""; 0], "{grants:?} {responses:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (grants, responses, uris, begins) in [
            (
                &["authorization_code"][..],
                &["id_token"][..],
                1,
                &["response_types: \"id_token\" needs", "grant_types: \"auth"][..],
            ),
            (&["client_credentials"], &["code"], 1, &["response_types: \"code\" needs"]),
            (&["implicit"], &["code"], 1, &["response_types: \"code\" needs", "grant_types: \"implicit\" needs"]),
            (&["refresh_token"], &[], 1, &["grant_types: \"refresh_token\" alone"]),
            (&["authorization_code"], &["code"], 0, &["redirect_uris: must name"]),
        ] {
            let found = check_words(grants, responses, uris);
            assert_eq!(found.len(), begins.len(), "{found:?}");
            for (sentence, begin) in found.iter().zip(begins) {
                assert!(sentence.starts_with(begin), "{sentence}");
            }
        }
    }
}
