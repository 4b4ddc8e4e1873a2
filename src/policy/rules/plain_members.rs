//! Members that need no rule of their own: algorithms, flags, ages, words. Their types were checked when they were parsed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::tls_subject;
use crate::policy::printable;
use crate::policy::report::Report;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;
use crate::registration::grant::{GrantType, TokenEndpointAuthMethod};
use crate::registration::key_use::is_broken;
use crate::registration::redirect_uri::RedirectUri;

/// Which algorithms a client may ask for (RFC 7518, RFC 8037, RFC 8812).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlgorithmSettings {
    /// For signatures. `none`, an unsigned ID token or request object, is refused unless it is in this list; except as
    /// `userinfo_signed_response_alg`, because a UserInfo answer is unsigned by default. Where RS256, the default for ID tokens, is not in the list, a client
    /// that names none gets the first of the list that needs no secret.
    /// Default: RS, PS and ES with 256, 384 and 512, EdDSA, Ed25519, HS256, HS384, HS512; ES256K and Ed448 are for you to add.
    #[serde(default)]
    pub signing: Option<Vec<String>>,
    /// For encryption, `…_alg` and `…_enc`. Where A128CBC-HS256, the default of the latter, is not in the list, a client that names an `…_alg` alone gets the
    /// first content encryption of the list. Default: RSA-OAEP, RSA-OAEP-256, RSA-OAEP-384, RSA-OAEP-512, ECDH-ES with its key wraps, AES key wraps,
    /// `dir`, and the AES-CBC-HMAC and AES-GCM content encryptions. `RSA1_5`, which is broken, is for you to add; its keys (`alg`) are taken then, too.
    #[serde(default)]
    pub encryption: Option<Vec<String>>,
}

const SIGNING: [&str; 14] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "HS256",
    "HS384", "HS512",
];

const ENCRYPTION: [&str; 21] = [
    "RSA-OAEP",
    "RSA-OAEP-256",
    "RSA-OAEP-384",
    "RSA-OAEP-512",
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

/// What a profile may list besides: registered by IANA, and not for everybody.
const MORE_SIGNING: [&str; 3] = ["none", "ES256K", "Ed448"];
const MORE_ENCRYPTION: [&str; 5] =
    ["RSA1_5", "ECDH-ES+C20PKW", "PBES2-HS256+A128KW", "PBES2-HS384+A192KW", "PBES2-HS512+A256KW"];

impl AlgorithmSettings {
    /// What is listed though it is broken.
    pub(in crate::policy) fn broken(&self) -> Vec<String> {
        let listed = self.signing.iter().chain(&self.encryption).flatten();
        listed.filter(|name| is_broken(name)).cloned().collect()
    }

    /// What is listed and nobody knows: where it stands, the name, and the names that are known there.
    pub fn unknown(&self) -> Vec<(String, &str, Vec<&'static str>)> {
        let signing: Vec<&str> = SIGNING.into_iter().chain(MORE_SIGNING).collect();
        let encryption: Vec<&str> = ENCRYPTION.into_iter().chain(MORE_ENCRYPTION).collect();
        let mut unknown = Vec::new();
        for (list, written, known) in
            [("signing", &self.signing, signing), ("encryption", &self.encryption, encryption)]
        {
            for (index, name) in written.iter().flatten().enumerate() {
                if !known.contains(&name.as_str()) {
                    unknown.push((format!("{list}[{index}]"), name.as_str(), known.clone()));
                }
            }
        }
        unknown
    }
}

/// What `…_encrypted_response_enc` and `request_object_encryption_enc` are when they are left out, and `id_token_signed_response_alg`.
const DEFAULT_ENCRYPTION: &str = "A128CBC-HS256";
const DEFAULT_SIGNING: &str = "RS256";

/// The most characters of any text in these members; a subject of a certificate is the longest there is.
const LONGEST_TEXT: usize = 1024;

/// How tokens come that were asked for elsewhere.
const DELIVERY_MODE: &str = "backchannel_token_delivery_mode";

/// What these members are held against.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Beside<'a> {
    /// `token_endpoint_auth_method`, as it is sent.
    pub(in crate::policy) method: &'a TokenEndpointAuthMethod,
    /// `grant_types`, as they are sent.
    pub(in crate::policy) grants: &'a [GrantType],
    /// The redirect URIs that are sent.
    pub(in crate::policy) redirect_uris: &'a [RedirectUri],
}

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
        beside: Beside<'_>,
        report: &mut Report<'_>,
    ) -> Map<String, Value> {
        for (member, value) in &requested.plain {
            match value {
                Value::String(text) if member.ends_with("_alg") || member.ends_with("_enc") => {
                    if let Some(problem) = self.problem_of_algorithm(member, text, beside.method) {
                        report.refuse(member, format!("{} {problem} (profile {:?})", Excerpt(text), report.profile()));
                    }
                }
                other if member == "response_modes" => check_response_modes(other, report),
                other => check_texts(member, other, report),
            }
            let Value::String(text) = value else { continue };
            let problem = match member.as_str() {
                "subject_type" => problem_of_subject_type(text, requested, beside.redirect_uris),
                DELIVERY_MODE => problem_of_delivery(text, requested),
                _ => tls_subject::problem(member, text),
            };
            if let Some(problem) = problem {
                report.refuse(member, format!("{} {problem}", Excerpt(text)));
            }
        }
        for member in requested.plain.keys() {
            let Some(algorithm) = member.strip_suffix("_enc").map(|member| format!("{member}_alg")) else { continue };
            if !requested.plain.contains_key(&algorithm) {
                report.refuse(member, format!("needs {algorithm} beside it (OpenID Connect Registration §2)"));
            }
        }
        if beside.grants.contains(&GrantType::Ciba) && !requested.members.contains_key(DELIVERY_MODE) {
            report.refuse(
                DELIVERY_MODE,
                "is missing: the grant type CIBA needs \"poll\", \"ping\" or \"push\" (CIBA §4)",
            );
        }
        let mut sent = requested.plain.clone();
        for (member, algorithm) in self.instead_of_defaults(&sent, beside.grants) {
            report.note(&member, format!("none was asked for, {} is sent", Excerpt(algorithm)));
            sent.insert(member, algorithm.into());
        }
        sent
    }

    /// What is left out has a default (OpenID Connect Registration §2). Where the profile does not allow it, the first that it does allow, by the
    /// member: of content encryptions where a key's is named, of signatures of ID tokens where a grant may yield one.
    fn instead_of_defaults(&self, asked: &Map<String, Value>, grants: &[GrantType]) -> Vec<(String, &str)> {
        let first = |list: &'_ [String], default: &str, fits: fn(&str) -> bool| {
            let is_allowed = list.iter().any(|algorithm| algorithm == default);
            list.iter().position(|algorithm| !is_allowed && fits(algorithm))
        };
        let mut instead = Vec::new();
        if let Some(at) = first(&self.encryption, DEFAULT_ENCRYPTION, is_for_content) {
            let keys = asked.keys().filter_map(|member| member.strip_suffix("_alg"));
            let contents = keys.filter(|member| member.contains("encrypt")).map(|member| format!("{member}_enc"));
            instead.extend(contents.map(|member| (member, self.encryption[at].as_str())));
        }
        let yields_id_tokens =
            |grant: &GrantType| grant.redirects() || matches!(grant, GrantType::Ciba | GrantType::DeviceCode);
        if let Some(at) =
            first(&self.signing, DEFAULT_SIGNING, |algorithm| algorithm != "none" && !needs_a_secret(algorithm))
            && grants.iter().any(yields_id_tokens)
        {
            instead.push(("id_token_signed_response_alg".to_owned(), self.signing[at].as_str()));
        }
        instead.retain(|(member, _)| !asked.contains_key(member));
        instead
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
        } else if member.contains("encrypt") && is_of_the_other_kind(member, algorithm) {
            Some("is of the other kind: `…_alg` names how the key is encrypted, `…_enc` how the content is")
        } else if needs_a_secret(algorithm) && *method == TokenEndpointAuthMethod::None {
            Some("needs a client secret, and a client with the method \"none\" has none")
        } else {
            None
        }
    }
}

/// Both are in the one list of the profile: how keys are encrypted (RFC 7518 §4.1), and how content is (§5.1). Of others that a profile
/// may list we do not know.
fn is_of_the_other_kind(member: &str, algorithm: &str) -> bool {
    ENCRYPTION.contains(&algorithm) && is_for_content(algorithm) != member.ends_with("_enc")
}

/// Whether it encrypts content, not keys (RFC 7518 §5.1).
fn is_for_content(algorithm: &str) -> bool {
    algorithm.contains("CBC-HS") || (algorithm.starts_with('A') && algorithm.ends_with("GCM"))
}

/// Keys that are derived from the client secret: HMAC's, and those of `dir` and of the AES key wraps (OpenID Connect Core §10.1, §10.2).
fn needs_a_secret(algorithm: &str) -> bool {
    algorithm == "dir" || algorithm.starts_with("HS") || (algorithm.starts_with('A') && algorithm.ends_with("KW"))
}

/// A pairwise subject is made of the host of the redirect URIs; where there are several, it must be said which (OpenID Connect Core §8.1).
fn problem_of_subject_type(
    subject_type: &str,
    requested: &ClientMetadata,
    redirect_uris: &[RedirectUri],
) -> Option<&'static str> {
    let mut hosts = redirect_uris.iter().filter_map(RedirectUri::web_target).map(|target| &target.host);
    let first = hosts.next();
    match subject_type {
        "public" => None,
        "pairwise" if names(requested, "sector_identifier_uri") || hosts.all(|host| Some(host) == first) => None,
        "pairwise" => {
            Some("needs sector_identifier_uri: the redirect URIs are on several hosts (OpenID Connect Core §8.1)")
        }
        _ => Some("is neither \"public\" nor \"pairwise\""),
    }
}

/// How tokens come that were asked for elsewhere (OpenID Connect Client-Initiated Backchannel Authentication §4).
fn problem_of_delivery(mode: &str, requested: &ClientMetadata) -> Option<&'static str> {
    match mode {
        "poll" => None,
        "ping" | "push" if names(requested, "backchannel_client_notification_endpoint") => None,
        "ping" | "push" => Some("needs backchannel_client_notification_endpoint (CIBA §4)"),
        _ => Some("is neither \"poll\" nor \"ping\" nor \"push\""),
    }
}

fn names(requested: &ClientMetadata, member: &str) -> bool {
    requested.urls.iter().any(|url| url.member == member)
}

/// Whether a client with this method signs with this algorithm: HMAC is for shared secrets, all else for key pairs (RFC 7518 §3.1).
fn signs_for(method: &TokenEndpointAuthMethod, algorithm: &str) -> bool {
    match method {
        TokenEndpointAuthMethod::PrivateKeyJwt => !algorithm.starts_with("HS"),
        TokenEndpointAuthMethod::ClientSecretJwt => algorithm.starts_with("HS"),
        _ => true,
    }
}

/// Names of response modes are words in small letters with dots between (`form_post.jwt`), all that are registered.
fn check_response_modes(value: &Value, report: &mut Report<'_>) {
    let modes = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    let is_one = |mode: &str| {
        (1..=64).contains(&mode.len()) && mode.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'.'))
    };
    for mode in modes.filter(|mode| !is_one(mode)) {
        report.refuse("response_modes", format!("{} is not the name of a response mode", Excerpt(mode)));
    }
}

/// Texts inside a value are short and printable, whatever they mean.
fn check_texts(member: &str, value: &Value, report: &mut Report<'_>) {
    match value {
        Value::String(text) if text.chars().count() > LONGEST_TEXT => {
            report.refuse(member, format!("is longer than {LONGEST_TEXT} characters"));
        }
        Value::String(text) => {
            if !text.is_empty() && text.trim().is_empty() {
                report.refuse(member, "is blank");
            } else if let Some(problem) = printable::problem(text) {
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
        check_of(settings, plain, "client_secret_basic", &["https://app.example.com/cb"])
    }

    fn check_of(settings: &AlgorithmSettings, plain: Value, method: &str, redirect_uris: &[&str]) -> Vec<String> {
        let redirect_uris: Vec<_> = redirect_uris.iter().map(|uri| RedirectUri::parse(uri).unwrap()).collect();
        let method = &TokenEndpointAuthMethod::parse(method);
        let grants = &[GrantType::AuthorizationCode];
        sentences(RuleName::PlainMembers, |report| {
            run(settings, plain, Beside { method, grants, redirect_uris: &redirect_uris }, report);
        })
    }

    fn run(
        settings: &AlgorithmSettings,
        plain: Value,
        beside: Beside<'_>,
        report: &mut Report<'_>,
    ) -> Map<String, Value> {
        let plain = plain.as_object().unwrap().clone();
        let requested = ClientMetadata { members: plain.clone(), plain, ..Default::default() };
        PlainMembersRule::compile(Some(settings)).check(&requested, beside, report)
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
            "request_object_encryption_alg": "RSA-OAEP-512",
            "introspection_encrypted_response_alg": "RSA-OAEP-384",
            "response_modes": ["query", "fragment", "form_post", "form_post.jwt", "query.jwt", "jwt", "web_message"],
            "tls_client_auth_subject_dn": "CN=client,O=Partner",
        });
        assert_eq!(check(&AlgorithmSettings::default(), plain), [""; 0]);
    }

    #[test]
    fn refuses_what_names_no_response_mode_and_what_is_blank() {
        for plain in [
            json!({"response_modes": ["javascript:alert(1)"]}),
            json!({"response_modes": ["query", "fragment "]}),
            json!({"response_modes": ["FORM_POST"]}),
            json!({"organization_name": "  "}),
            json!({"default_acr_values": [" "]}),
        ] {
            assert_eq!(check(&AlgorithmSettings::default(), plain.clone()).len(), 1, "{plain}");
        }
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
            assert_eq!(check(&AlgorithmSettings::default(), json!({"default_acr_values": value})).len(), 1);
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
    fn a_client_without_secret_cannot_have_what_is_made_of_one() {
        for (plain, violations) in [
            (json!({"id_token_signed_response_alg": "HS256"}), 1),
            (json!({"id_token_encrypted_response_alg": "dir"}), 1),
            (json!({"userinfo_encrypted_response_alg": "A128KW"}), 1),
            (json!({"id_token_encrypted_response_alg": "ECDH-ES+A128KW"}), 0),
        ] {
            let settings = AlgorithmSettings::default();
            assert_eq!(check_of(&settings, plain.clone(), "none", &[]).len(), violations, "{plain}");
            assert_eq!(check(&settings, plain), [""; 0]);
        }
    }

    #[test]
    fn a_content_encryption_is_no_key_algorithm() {
        for plain in [
            json!({"id_token_encrypted_response_alg": "A256GCM"}),
            json!({"userinfo_encrypted_response_alg": "ECDH-ES", "userinfo_encrypted_response_enc": "RSA-OAEP"}),
            json!({"userinfo_encrypted_response_alg": "A256GCMKW", "userinfo_encrypted_response_enc": "A256KW"}),
        ] {
            assert_eq!(check(&AlgorithmSettings::default(), plain.clone()).len(), 1, "{plain}");
        }
    }

    #[test]
    fn pairwise_on_several_hosts_needs_a_sector_identifier() {
        let settings = AlgorithmSettings::default();
        let (one, other) = ("https://app.example.com/cb", "https://other.example.com/cb");
        let pairwise =
            |redirect_uris: &[&str]| check_of(&settings, json!({"subject_type": "pairwise"}), "none", redirect_uris);
        assert_eq!(
            pairwise(&[one, "https://app.example.com/other", "http://localhost/cb", "com.example.app:/cb"]),
            [""; 0]
        );
        assert_eq!(pairwise(&[one, other]).len(), 1);
        assert_eq!(check_of(&settings, json!({"subject_type": "public"}), "none", &[one, other]), [""; 0]);
    }

    #[test]
    fn the_way_tokens_are_delivered_is_known_and_leads_somewhere() {
        for (mode, violations) in [("poll", 0), ("ping", 1), ("push", 1), ("carrier pigeon", 1)] {
            let plain = json!({"backchannel_token_delivery_mode": mode});
            assert_eq!(check(&AlgorithmSettings::default(), plain).len(), violations, "{mode}");
        }
    }

    #[test]
    fn a_default_that_the_profile_does_not_allow_is_replaced_by_the_first_that_it_does() {
        let list = |algorithms: &[&str]| Some(algorithms.iter().map(ToString::to_string).collect());
        let method = &TokenEndpointAuthMethod::ClientSecretBasic;
        let key = json!({"userinfo_encrypted_response_alg": "RSA-OAEP-256"});
        for (signing, encryption, grant, asked, sent) in [
            (
                None,
                list(&["RSA-OAEP-256", "A256GCM"]),
                GrantType::AuthorizationCode,
                &key,
                Some(("userinfo_encrypted_response_enc", "A256GCM")),
            ),
            (None, list(&["RSA-OAEP-256", "A256GCM", "A128CBC-HS256"]), GrantType::AuthorizationCode, &key, None),
            (None, list(&["RSA-OAEP-256"]), GrantType::AuthorizationCode, &key, None),
            (None, None, GrantType::AuthorizationCode, &key, None),
            (
                list(&["HS256", "none", "PS256", "ES256"]),
                None,
                GrantType::AuthorizationCode,
                &json!({}),
                Some(("id_token_signed_response_alg", "PS256")),
            ),
            (list(&["ES256", "RS256"]), None, GrantType::AuthorizationCode, &json!({}), None),
            (list(&["HS256"]), None, GrantType::AuthorizationCode, &json!({}), None),
            (list(&["PS256"]), None, GrantType::ClientCredentials, &json!({}), None),
            (
                list(&["PS256", "ES256"]),
                None,
                GrantType::DeviceCode,
                &json!({"id_token_signed_response_alg": "ES256"}),
                None,
            ),
        ] {
            let settings = AlgorithmSettings { signing, encryption };
            let mut report = Report::new(RuleName::PlainMembers, "partners");
            let beside = Beside { method, grants: &[grant], redirect_uris: &[] };
            let got = run(&settings, asked.clone(), beside, &mut report);
            let mut expected = asked.as_object().unwrap().clone();
            expected.extend(sent.map(|(member, algorithm)| (member.to_owned(), json!(algorithm))));
            assert_eq!(got, expected, "{settings:?}");
            assert_eq!(report.into_outcome().notes.len(), usize::from(sent.is_some()));
        }
    }

    #[test]
    fn ciba_says_how_its_tokens_are_delivered() {
        let method = &TokenEndpointAuthMethod::ClientSecretBasic;
        for (grant, plain, violations) in [
            (GrantType::Ciba, json!({}), 1),
            (GrantType::Ciba, json!({"backchannel_token_delivery_mode": "poll"}), 0),
            (GrantType::DeviceCode, json!({}), 0),
        ] {
            let beside = Beside { method, grants: &[grant], redirect_uris: &[] };
            let found = sentences(RuleName::PlainMembers, |report| {
                run(&AlgorithmSettings::default(), plain.clone(), beside, report);
            });
            assert_eq!(found.len(), violations, "{found:?}");
        }
    }
}
