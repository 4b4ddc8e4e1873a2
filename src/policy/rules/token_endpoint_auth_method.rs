//! `token_endpoint_auth_method` (RFC 7591 §2, RFC 8705 §2): allowed, and what it needs is there.

use super::jwks::problem_of_use;
use super::tls_subject;
use crate::policy::report::Report;
use crate::policy::settings::SettingProblem;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;
use crate::registration::grant::{GrantType, TokenEndpointAuthMethod as Method};
use crate::registration::key::JsonWebKey;

/// The methods a profile allows, in the order it prefers them.
#[derive(Debug, Clone)]
pub(in crate::policy) struct AuthMethodRule {
    allowed: Vec<Method>,
}

/// What a profile allows that says nothing.
const DEFAULT: [Method; 7] = [
    Method::ClientSecretBasic,
    Method::ClientSecretPost,
    Method::ClientSecretJwt,
    Method::PrivateKeyJwt,
    Method::TlsClientAuth,
    Method::SelfSignedTlsClientAuth,
    Method::None,
];

/// By an attestation of the client's (draft-ietf-oauth-attestation-based-client-auth): for operators to list.
const ATTESTED: &str = "attest_jwt_client_auth";

/// Whether the word is a method that others than these rules know: one by attestation, or one by a URI, which needs no registration (RFC 7591 §2).
fn is_extension(word: &str) -> bool {
    word == ATTESTED || word.contains(':')
}

/// Where keys are that are not in the request itself (RFC 7591 §2, OpenID Federation §5.2.1).
const KEY_SETS: [&str; 2] = ["jwks_uri", "signed_jwks_uri"];

impl AuthMethodRule {
    pub(in crate::policy) fn compile(written: Option<&[String]>, problems: &mut Vec<SettingProblem>) -> Self {
        let Some(written) = written else { return Self { allowed: DEFAULT.to_vec() } };
        let allowed: Vec<Method> = written.iter().map(|word| Method::parse(word)).collect();
        for (index, method) in allowed.iter().enumerate() {
            if let Method::Other(word) = method
                && !is_extension(word)
            {
                problems.push(SettingProblem::new(
                    format!("token_endpoint_auth_methods[{index}]"),
                    format!("{word:?} is not an authentication method"),
                    "write none, client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, \
                     tls_client_auth, self_signed_tls_client_auth or attest_jwt_client_auth, or the URI of another method",
                ));
            }
        }
        if allowed.is_empty() {
            let hint = "name at least one method";
            problems.push(SettingProblem::new("token_endpoint_auth_methods", "an empty list admits nobody", hint));
        }
        Self { allowed }
    }

    /// The method the client gets. When none was asked for: client_secret_basic (RFC 7591 §2), or, where that is not allowed,
    /// the first the profile names.
    pub(in crate::policy) fn check(
        &self,
        requested: &ClientMetadata,
        grants: &[GrantType],
        report: &mut Report<'_>,
    ) -> Method {
        const PLACE: &str = "token_endpoint_auth_method";
        let method = match &requested.token_endpoint_auth_method {
            Some(asked) => asked.clone(),
            None => self.preferred(report),
        };
        let word = Excerpt(method.as_str());
        if !self.allowed.contains(&method) {
            report.refuse_unlisted(PLACE, method.as_str());
            return method;
        }
        let has_keys = requested.jwks.is_some() || requested.urls.iter().any(|url| KEY_SETS.contains(&url.member));
        if matches!(method, Method::PrivateKeyJwt | Method::SelfSignedTlsClientAuth)
            && !has_keys
            && !keys_malformed(requested)
        {
            report.refuse(PLACE, format!("{word} needs the client's keys: send jwks or jwks_uri"));
        }
        // A key that is not for what it says is refused where that is said.
        let may_sign = |key: &JsonWebKey| key.verifies() || problem_of_use(key).is_some();
        if method == Method::PrivateKeyJwt && requested.jwks.as_ref().is_some_and(|set| !set.keys.iter().any(may_sign))
        {
            let problem = "needs a key that signs, and jwks holds none: send one of kty RSA or EC, or OKP on Ed25519 or Ed448, that is \
                           not for encryption (RFC 7523 §3)";
            report.refuse(PLACE, format!("{word} {problem}"));
        }
        if method == Method::TlsClientAuth {
            let subjects = tls_subject::MEMBERS.iter().filter(|member| requested.plain.contains_key(**member)).count();
            if subjects != 1 {
                let problem =
                    format!("{word} needs exactly one of {} (RFC 8705 §2.1.2)", tls_subject::MEMBERS.join(", "));
                report.refuse(PLACE, problem);
            }
        }
        for (grant, clause) in [(GrantType::ClientCredentials, "RFC 6749 §4.4"), (GrantType::Ciba, "CIBA §7.1")] {
            if method == Method::None && grants.contains(&grant) {
                let grant = Excerpt(grant.as_str());
                report.refuse(PLACE, format!("\"none\" cannot be used with the grant type {grant} ({clause})"));
            }
        }
        method
    }

    fn preferred(&self, report: &mut Report<'_>) -> Method {
        match self.allowed.first() {
            Some(first) if !self.allowed.contains(&Method::ClientSecretBasic) => {
                report.note(
                    "token_endpoint_auth_method",
                    format!("none was asked for, {} is sent", Excerpt(first.as_str())),
                );
                first.clone()
            }
            _ => Method::ClientSecretBasic,
        }
    }
}

/// Keys that could not be read are refused where that is said; that they are missing need not be said too.
fn keys_malformed(requested: &ClientMetadata) -> bool {
    requested.malformed.iter().any(|malformed| malformed.place.starts_with("jwks"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;
    use crate::registration::key::JsonWebKeySet;

    fn check(allowed: Option<&[&str]>, requested: &ClientMetadata, grants: &[GrantType]) -> (Method, Vec<String>) {
        let allowed: Option<Vec<String>> = allowed.map(|words| words.iter().map(ToString::to_string).collect());
        let rule = AuthMethodRule::compile(allowed.as_deref(), &mut Vec::new());
        let mut method = None;
        let found = sentences(RuleName::TokenEndpointAuthMethod, |report| {
            method = Some(rule.check(requested, grants, report));
        });
        (method.unwrap(), found)
    }

    fn asking(method: &str) -> ClientMetadata {
        ClientMetadata { token_endpoint_auth_method: Some(Method::parse(method)), ..ClientMetadata::default() }
    }

    #[test]
    fn a_client_that_names_no_method_is_confidential_where_that_is_allowed() {
        let none = ClientMetadata::default();
        assert_eq!(check(None, &none, &[]), (Method::ClientSecretBasic, vec![]));
        assert_eq!(check(Some(&["none", "client_secret_post"]), &none, &[]), (Method::None, vec![]));
    }

    #[test]
    fn refuses_a_method_that_is_not_allowed() {
        for (allowed, method) in [(None, "bogus"), (None, "NONE"), (Some(&["none"][..]), "tls_client_auth")] {
            let (_, found) = check(allowed, &asking(method), &[]);
            assert_eq!(
                found,
                [format!("token_endpoint_auth_method: \"{method}\" is not allowed by profile \"partners\"")]
            );
        }
    }

    #[test]
    fn a_method_of_others_is_allowed_where_the_operator_lists_it() {
        let methods = ["attest_jwt_client_auth", "urn:example:method"];
        for method in methods {
            assert_eq!(check(Some(&methods), &asking(method), &[]).1, [""; 0], "{method}");
            assert_eq!(check(None, &asking(method), &[]).1.len(), 1, "{method}");
        }
        let mut problems = Vec::new();
        AuthMethodRule::compile(Some(&["attest_jwt_client_auth", "basic"].map(str::to_owned)), &mut problems);
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn refuses_private_key_jwt_without_keys() {
        assert_eq!(check(None, &asking("private_key_jwt"), &[]).1.len(), 1);
    }

    #[test]
    fn private_key_jwt_needs_a_key_that_signs() {
        let coordinate = "Bwc".repeat(14) + "A";
        let x25519 = json!({"kty": "OKP", "crv": "X25519", "x": coordinate});
        let ed25519 = json!({"kty": "OKP", "crv": "Ed25519", "x": coordinate});
        let for_encryption = json!({"kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate, "use": "enc"});
        let unfit = json!({"kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate, "alg": "ES384"});
        let private = json!({"kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate, "key_ops": ["sign"]});
        for (keys, violations) in [
            (json!([x25519]), 1),
            (json!([x25519, for_encryption]), 1),
            (json!([x25519, ed25519]), 0),
            // What is wrong with these is said of the key.
            (json!([unfit]), 0),
            (json!([private]), 0),
        ] {
            let jwks = Some(JsonWebKeySet::parse(&json!({ "keys": keys })).unwrap());
            let requested = ClientMetadata { jwks, ..asking("private_key_jwt") };
            assert_eq!(check(None, &requested, &[]).1.len(), violations, "{keys}");
            let requested = ClientMetadata { token_endpoint_auth_method: Some(Method::None), ..requested };
            assert_eq!(check(None, &requested, &[]).1, [""; 0], "another method needs no signatures");
        }
    }

    #[test]
    fn tls_client_auth_needs_exactly_one_subject() {
        let allowed = Some(&["tls_client_auth"][..]);
        for (members, violations) in [
            (json!({}), 1),
            (json!({"tls_client_auth_san_dns": "a.example"}), 0),
            (json!({"tls_client_auth_san_dns": "a.example", "tls_client_auth_subject_dn": "CN=a"}), 1),
        ] {
            let plain = members.as_object().unwrap().clone();
            let requested = ClientMetadata { plain, ..asking("tls_client_auth") };
            assert_eq!(check(allowed, &requested, &[]).1.len(), violations, "{members}");
        }
    }

    #[test]
    fn a_public_client_has_no_grant_for_which_clients_authenticate() {
        for grant in [GrantType::ClientCredentials, GrantType::Ciba] {
            assert_eq!(check(None, &asking("none"), std::slice::from_ref(&grant)).1.len(), 1, "{grant:?}");
            assert_eq!(check(None, &asking("client_secret_post"), &[grant]).1, [""; 0]);
        }
        for grant in [GrantType::AuthorizationCode, GrantType::DeviceCode, GrantType::RefreshToken] {
            assert_eq!(check(None, &asking("none"), std::slice::from_ref(&grant)).1, [""; 0], "{grant:?}");
        }
    }
}
