//! The keys a client registers: `jwks` or `jwks_uri`, never both (RFC 7591 §2); public, strong, of a kind we know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::report::Report;
use crate::policy::settings::SettingProblem;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;
use crate::registration::key::{JsonWebKey, KeyKind};

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

/// RFC 7518 §6.2.1.1.
const EC_CURVES: [&str; 3] = ["P-256", "P-384", "P-521"];

/// RFC 8037 §2, those that libraries have.
const OKP_CURVES: [&str; 2] = ["Ed25519", "X25519"];

/// The compiled rule.
#[derive(Debug, Clone)]
pub(in crate::policy) struct KeysRule {
    min_rsa_bits: u32,
    max_keys: usize,
}

impl KeysRule {
    pub(in crate::policy) fn compile(settings: Option<&KeySettings>, problems: &mut Vec<SettingProblem>) -> Self {
        let settings = settings.cloned().unwrap_or_default();
        let min_rsa_bits = settings.min_rsa_bits.unwrap_or(2048);
        if !(2048..=LONGEST_RSA).contains(&min_rsa_bits) {
            let hint = "write 2048 to 16384: a shorter key can be broken";
            problems.push(SettingProblem::new("jwks.min_rsa_bits", format!("{min_rsa_bits} is out of range"), hint));
        }
        Self { min_rsa_bits, max_keys: settings.max_keys.map_or(10, |max| max as usize) }
    }

    /// The key set that is sent: the public members of every key, nothing else.
    pub(in crate::policy) fn check(&self, requested: &ClientMetadata, report: &mut Report<'_>) -> Option<Value> {
        let set = requested.jwks.as_ref()?;
        if requested.urls.iter().any(|url| url.member == "jwks_uri") {
            report.refuse("jwks", "and jwks_uri exclude each other (RFC 7591 §2): send one of them");
        }
        if set.keys.is_empty() {
            report.refuse("jwks", "holds no key");
        }
        if set.keys.len() > self.max_keys {
            let problem =
                format!("holds {} keys, profile {:?} allows {}", set.keys.len(), report.profile(), self.max_keys);
            report.refuse("jwks", problem);
        }
        for (index, key) in set.keys.iter().enumerate().take(self.max_keys) {
            let place = format!("jwks.keys[{index}]");
            if let Some(problem) = self.problem(key) {
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
        match &key.kind {
            KeyKind::Rsa { modulus_bits, .. } if *modulus_bits < self.min_rsa_bits => {
                Some(format!("is an RSA key of {modulus_bits} bits, {} are the least", self.min_rsa_bits))
            }
            KeyKind::Rsa { modulus_bits, .. } if *modulus_bits > LONGEST_RSA => {
                Some(format!("is an RSA key of {modulus_bits} bits, {LONGEST_RSA} are the most"))
            }
            KeyKind::Rsa { exponent_is_sound: false, .. } => Some("is an RSA key with an unsound exponent".to_owned()),
            KeyKind::EllipticCurve { curve } if !EC_CURVES.contains(&curve.as_str()) => {
                Some(format!("is on the curve {}, not on {}", Excerpt(curve), EC_CURVES.join(", ")))
            }
            KeyKind::OctetKeyPair { curve } if !OKP_CURVES.contains(&curve.as_str()) => {
                Some(format!("is on the curve {}, not on {}", Excerpt(curve), OKP_CURVES.join(", ")))
            }
            KeyKind::Symmetric => Some("is a symmetric key, which is a secret: it is never registered".to_owned()),
            KeyKind::Other(kty) => Some(format!("has the unknown key type {}", Excerpt(kty))),
            KeyKind::Rsa { .. } | KeyKind::EllipticCurve { .. } | KeyKind::OctetKeyPair { .. } => None,
        }
    }
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

    fn check(keys: Value) -> Vec<String> {
        let rule = KeysRule::compile(None, &mut Vec::new());
        let jwks = Some(JsonWebKeySet::parse(&json!({ "keys": keys })).unwrap());
        let requested = ClientMetadata { jwks, ..Default::default() };
        sentences(RuleName::Jwks, |report| {
            rule.check(&requested, report);
        })
    }

    #[test]
    fn public_keys_of_today_pass() {
        let keys = json!([
            {"kty": "RSA", "n": bytes(256), "e": "AQAB", "use": "sig", "alg": "PS256", "kid": "1"},
            {"kty": "EC", "crv": "P-256", "x": bytes(32), "y": bytes(32)},
            {"kty": "OKP", "crv": "Ed25519", "x": bytes(32)},
            {"kty": "OKP", "crv": "X25519", "x": bytes(32), "use": "enc"},
        ]);
        assert_eq!(check(keys), [""; 0]);
    }

    #[test]
    fn refuses_secrets_weak_keys_and_unknown_kinds() {
        for key in [
            json!({"kty": "RSA", "n": bytes(256), "e": "AQAB", "d": bytes(256)}),
            json!({"kty": "RSA", "n": bytes(128), "e": "AQAB"}),
            json!({"kty": "RSA", "n": bytes(256), "e": "AQ"}),
            json!({"kty": "RSA", "n": bytes(256), "e": "AQAB", "alg": "HS256"}),
            json!({"kty": "EC", "crv": "secp256k1", "x": bytes(32), "y": bytes(32)}),
            json!({"kty": "oct", "k": bytes(32)}),
            json!({"kty": "XYZ"}),
        ] {
            assert_eq!(check(json!([key])).len(), 1, "{key}");
        }
    }

    #[test]
    fn a_set_has_some_keys_and_not_too_many() {
        assert_eq!(check(json!([])).len(), 1);
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": bytes(32)});
        assert_eq!(check(json!(vec![key; 11])), ["jwks: holds 11 keys, profile \"partners\" allows 10"]);
    }

    #[test]
    fn a_secret_is_never_sent_nor_shown() {
        let rule = KeysRule::compile(None, &mut Vec::new());
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
