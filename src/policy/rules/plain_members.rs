//! Members that need no rule of their own: algorithms, flags, ages, words. Their types were checked when they were parsed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::policy::printable;
use crate::policy::report::Report;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;
use crate::registration::grant::TokenEndpointAuthMethod;

/// Which algorithms a client may ask for (RFC 7518, RFC 8037, RFC 8812).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlgorithmSettings {
    /// For signatures. `none`, an unsigned ID token or request object, is refused unless it is in this list.
    /// Default: RS, PS and ES with 256, 384 and 512, EdDSA, Ed25519, HS256, HS384, HS512; ES256K and Ed448 are for you to add.
    #[serde(default)]
    pub signing: Option<Vec<String>>,
    /// For encryption, `…_alg` and `…_enc`. Default: RSA-OAEP, RSA-OAEP-256, ECDH-ES with its key wraps, AES key wraps,
    /// `dir`, and the AES-CBC-HMAC and AES-GCM content encryptions.
    #[serde(default)]
    pub encryption: Option<Vec<String>>,
}

const SIGNING: [&str; 14] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "HS256",
    "HS384", "HS512",
];

const ENCRYPTION: [&str; 19] = [
    "RSA-OAEP",
    "RSA-OAEP-256",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A192KW",
    "ECDH-ES+A256KW",
    "A128KW",
    "A192KW",
    "A256KW",
    "A128GCMKW",
    "A192GCMKW",
    "A256GCMKW",
    "dir",
    "A128CBC-HS256",
    "A192CBC-HS384",
    "A256CBC-HS512",
    "A128GCM",
    "A192GCM",
    "A256GCM",
];

/// The most characters of any text in these members; a subject of a certificate is the longest there is.
const LONGEST_TEXT: usize = 1024;

/// The compiled rule.
#[derive(Debug, Clone)]
pub(in crate::policy) struct PlainMembersRule {
    signing: Vec<String>,
    encryption: Vec<String>,
}

impl PlainMembersRule {
    pub(in crate::policy) fn compile(settings: Option<&AlgorithmSettings>) -> Self {
        let settings = settings.cloned().unwrap_or_default();
        let or_default = |written: Option<Vec<String>>, default: &[&str]| {
            written.unwrap_or_else(|| default.iter().map(ToString::to_string).collect())
        };
        Self {
            signing: or_default(settings.signing, &SIGNING),
            encryption: or_default(settings.encryption, &ENCRYPTION),
        }
    }

    /// The members that are sent.
    pub(in crate::policy) fn check(
        &self,
        requested: &ClientMetadata,
        method: &TokenEndpointAuthMethod,
        report: &mut Report<'_>,
    ) -> Map<String, Value> {
        for (member, value) in &requested.plain {
            match value {
                Value::String(text) if member == "subject_type" => {
                    if !matches!(text.as_str(), "public" | "pairwise") {
                        report.refuse(member, format!("{} is neither \"public\" nor \"pairwise\"", Excerpt(text)));
                    }
                }
                Value::String(text) if member.ends_with("_alg") || member.ends_with("_enc") => {
                    if let Some(problem) = self.problem_of_algorithm(member, text, method) {
                        report.refuse(member, format!("{} {problem} (profile {:?})", Excerpt(text), report.profile()));
                    }
                }
                other => check_texts(member, other, report),
            }
        }
        for member in requested.plain.keys() {
            let Some(algorithm) = member.strip_suffix("_enc").map(|member| format!("{member}_alg")) else { continue };
            if !requested.plain.contains_key(&algorithm) {
                report.refuse(member, format!("needs {algorithm} beside it (OpenID Connect Registration §2)"));
            }
        }
        requested.plain.clone()
    }

    fn problem_of_algorithm(
        &self,
        member: &str,
        algorithm: &str,
        method: &TokenEndpointAuthMethod,
    ) -> Option<&'static str> {
        // A UserInfo answer comes over TLS from the server itself: unsigned is what it is by default.
        let unsigned_is_usual = member == "userinfo_signed_response_alg" && algorithm == "none";
        let allowed = if member.contains("encrypt") { &self.encryption } else { &self.signing };
        if !unsigned_is_usual && !allowed.iter().any(|allowed| allowed == algorithm) {
            Some("is not an algorithm that is allowed")
        } else if member == "token_endpoint_auth_signing_alg" && algorithm == "none" {
            Some("cannot authenticate a client (OpenID Connect Registration §2)")
        } else if member == "token_endpoint_auth_signing_alg" && !signs_for(method, algorithm) {
            Some("is not an algorithm of the token_endpoint_auth_method")
        } else if algorithm.starts_with("HS") && *method == TokenEndpointAuthMethod::None {
            Some("needs a client secret, and a client with the method \"none\" has none")
        } else {
            None
        }
    }
}

/// Whether a client with this method signs with this algorithm: HMAC is for shared secrets, all else for key pairs (RFC 7518 §3.1).
fn signs_for(method: &TokenEndpointAuthMethod, algorithm: &str) -> bool {
    match method {
        TokenEndpointAuthMethod::PrivateKeyJwt => !algorithm.starts_with("HS"),
        TokenEndpointAuthMethod::ClientSecretJwt => algorithm.starts_with("HS"),
        _ => true,
    }
}

/// Texts inside a value are short and printable, whatever they mean.
fn check_texts(member: &str, value: &Value, report: &mut Report<'_>) {
    match value {
        Value::String(text) if text.chars().count() > LONGEST_TEXT => {
            report.refuse(member, format!("is longer than {LONGEST_TEXT} characters"));
        }
        Value::String(text) => {
            if let Some(problem) = printable::problem(text) {
                report.refuse(member, format!("{} {problem}", Excerpt(text)));
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| check_texts(member, entry, report)),
        Value::Object(members) => members.values().for_each(|entry| check_texts(member, entry, report)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;

    fn check(settings: &AlgorithmSettings, plain: Value) -> Vec<String> {
        let rule = PlainMembersRule::compile(Some(settings));
        let requested = ClientMetadata { plain: plain.as_object().unwrap().clone(), ..Default::default() };
        sentences(RuleName::PlainMembers, |report| {
            rule.check(&requested, &TokenEndpointAuthMethod::ClientSecretBasic, report);
        })
    }

    #[test]
    fn ordinary_values_pass() {
        let plain = json!({
            "id_token_signed_response_alg": "ES256",
            "id_token_encrypted_response_alg": "ECDH-ES+A128KW",
            "id_token_encrypted_response_enc": "A128CBC-HS256",
            "userinfo_signed_response_alg": "none",
            "token_endpoint_auth_signing_alg": "PS256",
            "subject_type": "pairwise",
            "default_max_age": 3600,
            "require_auth_time": true,
            "default_acr_values": ["urn:mace:incommon:iap:silver"],
            "tls_client_auth_subject_dn": "CN=client,O=Partner",
        });
        assert_eq!(check(&AlgorithmSettings::default(), plain), [""; 0]);
    }

    #[test]
    fn refuses_unsigned_tokens_and_unknown_algorithms() {
        for (member, algorithm) in [
            ("id_token_signed_response_alg", "none"),
            ("request_object_signing_alg", "none"),
            ("id_token_signed_response_alg", "NONE"),
            ("id_token_signed_response_alg", "MD5"),
            ("id_token_encrypted_response_alg", "RSA1_5"),
            ("userinfo_encrypted_response_alg", "none"),
            ("token_endpoint_auth_signing_alg", "none"),
        ] {
            assert_eq!(
                check(&AlgorithmSettings::default(), json!({ member: algorithm })).len(),
                1,
                "{member} {algorithm}"
            );
        }
    }

    #[test]
    fn a_profile_can_allow_unsigned_ones_but_not_for_authentication() {
        let settings = AlgorithmSettings { signing: Some(vec!["none".to_owned()]), ..Default::default() };
        assert_eq!(check(&settings, json!({"id_token_signed_response_alg": "none"})), [""; 0]);
        assert_eq!(check(&settings, json!({"token_endpoint_auth_signing_alg": "none"})).len(), 1);
    }

    #[test]
    fn texts_are_bounded_and_printable() {
        for value in [json!("x".repeat(1025)), json!("a\nb"), json!(["ok", "a\u{0}"]), json!({"a": ["\u{7f}"]})] {
            assert_eq!(check(&AlgorithmSettings::default(), json!({"tls_client_auth_san_dns": value})).len(), 1);
        }
        assert_eq!(check(&AlgorithmSettings::default(), json!({"subject_type": "private"})).len(), 1);
    }

    #[test]
    fn an_encoding_needs_its_algorithm() {
        let plain = json!({"id_token_encrypted_response_enc": "A128GCM"});
        assert_eq!(
            check(&AlgorithmSettings::default(), plain),
            [
                "id_token_encrypted_response_enc: needs id_token_encrypted_response_alg beside it (OpenID Connect Registration §2)"
            ]
        );
    }

    #[test]
    fn a_client_signs_with_what_its_method_has() {
        let signs = |method: &str, algorithm: &str| signs_for(&TokenEndpointAuthMethod::parse(method), algorithm);
        assert!(
            signs("private_key_jwt", "ES256")
                && signs("client_secret_jwt", "HS256")
                && signs("tls_client_auth", "RS256")
        );
        assert!(!signs("private_key_jwt", "HS256") && !signs("client_secret_jwt", "ES256"));
    }

    #[test]
    fn a_client_without_secret_cannot_have_tokens_signed_with_one() {
        let rule = PlainMembersRule::compile(None);
        let plain = json!({"id_token_signed_response_alg": "HS256"}).as_object().unwrap().clone();
        let requested = ClientMetadata { plain, ..Default::default() };
        let found = sentences(RuleName::PlainMembers, |report| {
            rule.check(&requested, &TokenEndpointAuthMethod::None, report);
        });
        assert_eq!(found.len(), 1);
    }
}
