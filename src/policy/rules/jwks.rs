//! The keys a client registers: `jwks` or `jwks_uri`, never both (RFC 7591 §2); public, strong, of a kind we know, for what that kind does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plain_members::AlgorithmSettings;
use crate::policy::printable;
use crate::policy::report::Report;
use crate::policy::settings::SettingProblem;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;
use crate::registration::key::{JsonWebKey, KeyKind};
use crate::registration::key_use::{Fit, is_broken};

/// What keys a client may register.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// The least bits of an RSA modulus, at least 2048. Default: 2048.
    #[serde(default)]
    pub min_rsa_bits: Option<u32>,
    /// The most keys in a set. Default: 10.
    #[serde(default)]
    pub max_keys: Option<u32>,
}

/// The longest RSA modulus, in bits: verifying with a longer one costs more than it protects.
const LONGEST_RSA: u32 = 16_384;

/// RFC 7518 §6.2.1.1, RFC 8812 §3.1.
const EC_CURVES: [&str; 4] = ["P-256", "P-384", "P-521", "secp256k1"];

/// RFC 8037 §2.
const OKP_CURVES: [&str; 4] = ["Ed25519", "Ed448", "X25519", "X448"];

/// The members of a key that are shown to people, in consoles and logs (RFC 7517 §4). Not `x5c`: its entries are base64 of certificates, or refused.
const SHOWN: [&str; 6] = ["kid", "use", "alg", "key_ops", "x5t", "x5t#S256"];

/// The most characters of such a member.
const LONGEST_TEXT: usize = 255;

/// The compiled rule.
#[derive(Debug, Clone)]
pub(in crate::policy) struct KeysRule {
    min_rsa_bits: u32,
    max_keys: usize,
    /// Broken algorithms that the profile lists all the same.
    broken: Vec<String>,
}

impl KeysRule {
    /// `algorithms`: what the profile's clients may ask for.
    pub(in crate::policy) fn compile(
        settings: Option<&KeySettings>,
        algorithms: Option<&AlgorithmSettings>,
        problems: &mut Vec<SettingProblem>,
    ) -> Self {
        let settings = settings.cloned().unwrap_or_default();
        let min_rsa_bits = settings.min_rsa_bits.unwrap_or(2048);
        if !(2048..=LONGEST_RSA).contains(&min_rsa_bits) {
            let hint = "write 2048 to 16384: a shorter key can be broken";
            problems.push(SettingProblem::new("jwks.min_rsa_bits", format!("{min_rsa_bits} is out of range"), hint));
        }
        let broken = algorithms.map(AlgorithmSettings::broken).unwrap_or_default();
        Self { min_rsa_bits, max_keys: settings.max_keys.map_or(10, |max| max as usize), broken }
    }

    /// The key set that is sent: the public members of every key, nothing else.
    pub(in crate::policy) fn check(&self, requested: &ClientMetadata, report: &mut Report<'_>) -> Option<Value> {
        let set = requested.jwks.as_ref()?;
        if requested.urls.iter().any(|url| url.member == "jwks_uri") {
            report.refuse("jwks", "and jwks_uri exclude each other (RFC 7591 §2): send one of them");
        }
        if set.keys.len() > self.max_keys {
            let problem =
                format!("holds {} keys, profile {:?} allows {}", set.keys.len(), report.profile(), self.max_keys);
            report.refuse("jwks", problem);
        }
        let of_unknown_type = |key: &JsonWebKey| match &key.kind {
            KeyKind::Other(kty) if key.secret_members.is_empty() => Some(Excerpt(kty).to_string()),
            _ => None,
        };
        let are_all_unknown = set.keys.iter().all(|key| of_unknown_type(key).is_some());
        for (index, key) in set.keys.iter().enumerate().take(self.max_keys) {
            let place = format!("jwks.keys[{index}]");
            if let Some(kty) = of_unknown_type(key).filter(|_| !are_all_unknown) {
                report.note(&place, format!("has the unknown key type {kty}, it is left out (RFC 7517 §5)"));
                continue;
            }
            if let Some(problem) = self.problem(key).or_else(|| problem_of_id(key, &set.keys[..index])) {
                report.refuse(&place, format!("{problem} (profile {:?})", report.profile()));
            }
        }
        Some(set.to_public_json())
    }

    fn problem(&self, key: &JsonWebKey) -> Option<String> {
        if !key.secret_members.is_empty() {
            return Some(format!("holds {}: a secret key is never registered", key.secret_members.join(", ")));
        }
        if key.algorithm.as_deref().is_some_and(|algorithm| {
            algorithm.eq_ignore_ascii_case("none") || algorithm.to_ascii_uppercase().starts_with("HS")
        }) {
            return Some(format!("is for {}, which is not done with a public key", Excerpt(key.algorithm.as_deref()?)));
        }
        if let Some(algorithm) = key.algorithm.as_ref().filter(|alg| is_broken(alg) && !self.broken.contains(alg)) {
            return Some(format!("is for {}, which is broken (RFC 8725 §3.2)", Excerpt(algorithm)));
        }
        let of_kind = self.problem_of_kind(key).or_else(|| problem_of_use(key)).or_else(|| problem_of_texts(key));
        of_kind.or_else(|| key.problem_of_certificates())
    }

    fn problem_of_kind(&self, key: &JsonWebKey) -> Option<String> {
        match &key.kind {
            KeyKind::Rsa { modulus_bits, .. } if *modulus_bits < self.min_rsa_bits => {
                Some(format!("is an RSA key of {modulus_bits} bits, {} are the least", self.min_rsa_bits))
            }
            KeyKind::Rsa { modulus_bits, .. } if *modulus_bits > LONGEST_RSA => {
                Some(format!("is an RSA key of {modulus_bits} bits, {LONGEST_RSA} are the most"))
            }
            KeyKind::Rsa { modulus_is_odd: false, .. } => {
                Some("is an RSA key with an even modulus: it is nobody's key".to_owned())
            }
            KeyKind::Rsa { exponent_is_sound: false, .. } => Some(
                "is an RSA key with an unsound exponent: 65537 is the least and the usual one (FIPS 186-5 §A.1.1)"
                    .to_owned(),
            ),
            KeyKind::EllipticCurve { curve } if !EC_CURVES.contains(&curve.as_str()) => {
                Some(format!("is on the curve {}, not on {}", Excerpt(curve), EC_CURVES.join(", ")))
            }
            KeyKind::OctetKeyPair { curve } if !OKP_CURVES.contains(&curve.as_str()) => {
                Some(format!("is on the curve {}, not on {}", Excerpt(curve), OKP_CURVES.join(", ")))
            }
            KeyKind::EllipticCurve { .. } | KeyKind::OctetKeyPair { .. } if key.is_nobodys() => Some(
                "is nobody's key: its point is all zeros, its curve's generator, or of so small an order that anybody speaks for it"
                    .to_owned(),
            ),
            KeyKind::Symmetric => Some("is a symmetric key, which is a secret: it is never registered".to_owned()),
            KeyKind::Other(kty) => Some(format!("has the unknown key type {}", Excerpt(kty))),
            KeyKind::Rsa { .. } => {
                key.taken_apart().map(|how| format!("is an RSA key with {how}: anybody computes the private key"))
            }
            KeyKind::EllipticCurve { .. } | KeyKind::OctetKeyPair { .. } => None,
        }
    }
}

/// What the key says it is for, and a public key of its kind does not do.
pub(super) fn problem_of_use(key: &JsonWebKey) -> Option<String> {
    if let Some(algorithm) = key.algorithm.as_deref() {
        match key.fit(algorithm) {
            Fit::Unfit => return Some(format!("is for {}, which keys of its kind do not do", Excerpt(algorithm))),
            Fit::Verifies | Fit::Encrypts | Fit::Unknown => {}
        }
    }
    if let Some(operation) = key.private_operation() {
        return Some(format!("has the key_ops {}, which only a private key does (RFC 7517 §4.3)", Excerpt(operation)));
    }
    if let Some([one, other]) = key.contradiction() {
        return Some(format!("has the {one} and the {other}, which contradict each other (RFC 7517 §4.3)"));
    }
    let operation = key.repeated_operation()?;
    Some(format!("has the key_ops {} twice (RFC 7517 §4.3)", Excerpt(operation)))
}

/// Whether an earlier key of the same kind and for the same has its id: whoever looks one up gets either. Of kinds that differ they may be one
/// key to who uses them (RFC 7517 §4.5).
fn problem_of_id(key: &JsonWebKey, earlier: &[JsonWebKey]) -> Option<String> {
    let id = key.key_id.as_deref().filter(|id| !id.is_empty())?;
    let member = |key: &'_ JsonWebKey, name: &str| key.public_members.get(name).cloned();
    let differs =
        |other: &JsonWebKey| ["crv", "n", "e", "x", "y"].iter().any(|name| member(key, name) != member(other, name));
    let is_other = |other: &&JsonWebKey| {
        other.key_id.as_deref() == Some(id)
            && std::mem::discriminant(&other.kind) == std::mem::discriminant(&key.kind)
            && other.usage == key.usage
            && other.algorithm == key.algorithm
            && differs(other)
    };
    earlier.iter().find(is_other)?;
    Some(format!("has the kid {} of another key of the set (RFC 7517 §4.5)", Excerpt(id)))
}

/// What a page or a log that shows the key could not show as it is.
fn problem_of_texts(key: &JsonWebKey) -> Option<String> {
    let problem = |name: &str, value: &Value| {
        let text = value.as_str()?;
        if text.chars().count() > LONGEST_TEXT {
            return Some(format!("has a {name} that is longer than {LONGEST_TEXT} characters"));
        }
        printable::problem(text).map(|problem| format!("has a {name} that {problem}"))
    };
    SHOWN.iter().find_map(|name| match key.public_members.get(*name)? {
        Value::Array(entries) => entries.iter().find_map(|entry| problem(name, entry)),
        value => problem(name, value),
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;
    use crate::registration::key::JsonWebKeySet;

    fn bytes(length: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xc3; length])
    }

    /// A modulus without small factors.
    fn modulus(filling: u8) -> String {
        let mut octets = [filling; 256];
        octets[255] = 0x13;
        URL_SAFE_NO_PAD.encode(octets)
    }

    fn check(keys: Value) -> Vec<String> {
        let rule = KeysRule::compile(None, None, &mut Vec::new());
        let jwks = Some(JsonWebKeySet::parse(&json!({ "keys": keys })).unwrap());
        let requested = ClientMetadata { jwks, ..Default::default() };
        sentences(RuleName::Jwks, |report| {
            rule.check(&requested, report);
        })
    }

    #[test]
    fn public_keys_of_today_pass() {
        let keys = json!([
            {"kty": "RSA", "n": modulus(0xc3), "e": "AQAB", "use": "sig", "alg": "PS256", "kid": "1"},
            {"kty": "EC", "crv": "P-256", "x": bytes(32), "y": bytes(32)},
            {"kty": "OKP", "crv": "Ed25519", "x": bytes(32)},
            {"kty": "OKP", "crv": "X25519", "x": bytes(32), "use": "enc"},
            {"kty": "EC", "crv": "secp256k1", "x": bytes(32), "y": bytes(32), "alg": "ES256K"},
            {"kty": "OKP", "crv": "Ed448", "x": bytes(57), "alg": "EdDSA", "key_ops": ["verify"]},
            {"kty": "OKP", "crv": "X448", "x": bytes(56), "alg": "ECDH-ES+A256KW"},
            {"kty": "EC", "crv": "P-521", "x": bytes(66), "y": bytes(66), "alg": "ES512", "kid": "1"},
            {"kty": "EC", "crv": "P-384", "x": bytes(48), "y": bytes(48), "kid": "Schlüssel für München, 2026"},
        ]);
        assert_eq!(check(keys), [""; 0]);
    }

    #[test]
    fn refuses_secrets_weak_keys_and_unknown_kinds() {
        for key in [
            json!({"kty": "RSA", "n": modulus(0xc3), "e": "AQAB", "d": bytes(256)}),
            json!({"kty": "RSA", "n": bytes(128), "e": "AQAB"}),
            json!({"kty": "RSA", "n": modulus(0xc3), "e": "AQ"}),
            json!({"kty": "RSA", "n": modulus(0xc3), "e": "Aw"}),
            json!({"kty": "RSA", "n": modulus(0xc3), "e": "AQAB", "alg": "HS256"}),
            json!({"kty": "EC", "crv": "P-192", "x": bytes(24), "y": bytes(24)}),
            json!({"kty": "EC", "crv": "P-256", "x": "A".repeat(43), "y": "A".repeat(43)}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43)}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": format!("AQ{}", "A".repeat(41))}),
            json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xc2; 256]), "e": "AQAB"}),
            json!({"kty": "RSA", "n": bytes(256), "e": "AQAB"}),
            json!({"kty": "oct", "k": bytes(32)}),
            json!({"kty": "XYZ"}),
        ] {
            assert_eq!(check(json!([key])).len(), 1, "{key}");
        }
    }

    #[test]
    fn refuses_what_a_public_key_of_its_kind_does_not_do() {
        for (more, problem) in [
            (json!({"alg": "ES256"}), "is for \"ES256\", which keys of its kind do not do"),
            (json!({"alg": "A256KW"}), "is for \"A256KW\", which keys of its kind do not do"),
            (json!({"alg": "RS1"}), "is for \"RS1\", which is broken (RFC 8725 §3.2)"),
            (json!({"alg": "RSA1_5"}), "is for \"RSA1_5\", which is broken (RFC 8725 §3.2)"),
            (
                json!({"use": "enc", "alg": "PS256"}),
                "has the use \"enc\" and the alg \"PS256\", which contradict each other (RFC 7517 §4.3)",
            ),
            (json!({"key_ops": ["verify", "verify"]}), "has the key_ops \"verify\" twice (RFC 7517 §4.3)"),
            (json!({"x5c": ["AAAA"]}), "has an x5c[0] that is not base64 of a DER certificate (RFC 7517 §4.7)"),
            (
                json!({"key_ops": ["verify", "sign"]}),
                "has the key_ops \"sign\", which only a private key does (RFC 7517 §4.3)",
            ),
        ] {
            let mut key = json!({"kty": "RSA", "n": modulus(0xc3), "e": "AQAB"});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(check(json!([key])), [format!("jwks.keys[0]: {problem} (profile \"partners\")")], "{more}");
        }
    }

    #[test]
    fn a_key_may_say_that_it_is_for_a_broken_algorithm_that_the_profile_lists() {
        let listed = |name: &str| AlgorithmSettings { encryption: Some(vec![name.to_owned()]), ..Default::default() };
        let key = |more: Value| {
            let mut key = json!({"kty": "RSA", "n": modulus(0xc3), "e": "AQAB"});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            key
        };
        let elliptic = json!({"kty": "EC", "crv": "P-256", "x": bytes(32), "y": bytes(32), "alg": "RSA1_5"});
        for (list, key, violations) in [
            ("RSA1_5", key(json!({"use": "enc", "alg": "RSA1_5"})), 0),
            ("RSA1_5", key(json!({"alg": "RSA1_5"})), 0),
            ("RSA1_5", key(json!({"use": "sig", "alg": "RSA1_5"})), 1),
            ("RSA1_5", key(json!({"alg": "RS1"})), 1),
            ("RSA1_5", elliptic, 1),
            ("RSA-OAEP", key(json!({"use": "enc", "alg": "RSA1_5"})), 1),
        ] {
            let rule = KeysRule::compile(None, Some(&listed(list)), &mut Vec::new());
            let jwks = Some(JsonWebKeySet::parse(&json!({ "keys": [key] })).unwrap());
            let requested = ClientMetadata { jwks, ..Default::default() };
            let found = sentences(RuleName::Jwks, |report| {
                rule.check(&requested, report);
            });
            assert_eq!(found.len(), violations, "{list} {key}: {found:?}");
        }
    }

    #[test]
    fn refuses_texts_that_a_page_cannot_show() {
        for more in [
            json!({"kid": "a\u{202e}b"}),
            json!({"kid": "<script>alert(1)</script>"}),
            json!({"kid": "k".repeat(256)}),
            json!({"alg": "<b>"}),
            json!({"x5t": "\u{200b}"}),
            json!({"key_ops": ["verify", "<b>"]}),
            json!({"x5c": ["<b>"]}),
        ] {
            let mut key = json!({"kty": "RSA", "n": modulus(0xc3), "e": "AQAB"});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(check(json!([key])).len(), 1, "{more}");
        }
        let key = |kid: &str| json!({"kty": "RSA", "n": modulus(0xc3), "e": "AQAB", "kid": kid});
        assert_eq!(check(json!([key(&"k".repeat(255)), key("1"), key("1")])), [""; 0], "one key twice is one key");
    }

    #[test]
    fn two_keys_have_two_ids() {
        let key = |more: Value| {
            let mut key = json!({"kty": "RSA", "n": modulus(0xc3), "e": "AQAB", "kid": "1"});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            key
        };
        let other = || modulus(0xc5);
        assert_eq!(
            check(json!([key(json!({})), key(json!({"n": other()}))])),
            ["jwks.keys[1]: has the kid \"1\" of another key of the set (RFC 7517 §4.5) (profile \"partners\")"]
        );
        for more in [
            json!({"n": other(), "kid": "2"}),
            json!({"n": other(), "kid": ""}),
            json!({"n": other(), "use": "enc"}),
            json!({"n": other(), "alg": "PS256"}),
            json!({"e": "AQAB"}),
        ] {
            assert_eq!(check(json!([key(json!({})), key(more.clone())])), [""; 0], "{more}");
        }
    }

    #[test]
    fn a_key_of_an_unknown_type_is_left_out_where_another_remains_and_it_holds_no_secret() {
        let known = json!({"kty": "OKP", "crv": "Ed25519", "x": bytes(32)});
        let unknown = |more: Value| {
            let mut key = json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "q"});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            key
        };
        let rule = KeysRule::compile(None, None, &mut Vec::new());
        let jwks = Some(JsonWebKeySet::parse(&json!({"keys": [unknown(json!({})), known]})).unwrap());
        let mut report = Report::new(RuleName::Jwks, "partners");
        let sent = rule.check(&ClientMetadata { jwks, ..Default::default() }, &mut report).unwrap();
        assert_eq!(sent, json!({"keys": [known]}));
        let outcome = report.into_outcome();
        assert!(outcome.violations.is_empty());
        assert_eq!(outcome.notes, ["jwks.keys[0]: has the unknown key type \"AKP\", it is left out (RFC 7517 §5)"]);
        for secret in ["d", "p", "q", "dp", "dq", "qi", "k", "oth", "priv", "seed"] {
            assert_eq!(check(json!([known, unknown(json!({ secret: "AAAA" }))])).len(), 1, "{secret}");
        }
        assert_eq!(check(json!([unknown(json!({})), unknown(json!({}))])).len(), 2, "none remains");
    }

    #[test]
    fn a_set_has_not_too_many_keys() {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": bytes(32)});
        assert_eq!(check(json!(vec![key; 11])), ["jwks: holds 11 keys, profile \"partners\" allows 10"]);
    }

    #[test]
    fn a_secret_is_never_sent_nor_shown() {
        let rule = KeysRule::compile(None, None, &mut Vec::new());
        let jwks =
            JsonWebKeySet::parse(&json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": bytes(32), "d": "c2VjcmV0"}]}))
                .unwrap();
        let requested = ClientMetadata { jwks: Some(jwks), ..Default::default() };
        let mut report = Report::new(RuleName::Jwks, "partners");
        let sent = rule.check(&requested, &mut report).unwrap().to_string();
        let outcome = report.into_outcome();
        assert!(!sent.contains("c2VjcmV0") && !format!("{outcome:?}").contains("c2VjcmV0"));
    }
}
