//! The keys of somebody who signs (RFC 7517): public ones that can verify. What cannot is passed over, and said why.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use crate::registration::excerpt::Excerpt;
use crate::registration::json::{self, JsonError};
use crate::registration::key::{JsonWebKey, KeyKind, MOST_KEYS, without_zeros};

/// RSA moduli, in bits: below, a key can be broken (RFC 7518 §3.3); above, ring does not verify.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// The keys that one issuer signs with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
    passed_over: Vec<PassedOver>,
}

/// A key of the set that nothing is verified with. `Display` is a sentence for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// `keys[1]`.
    pub place: String,
    /// The end of a sentence that begins with that place.
    pub problem: String,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.problem)
    }
}

/// Why a document is no key set. A single bad key is not a reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAKeySet {
    /// Not JSON as we read it.
    #[error("it is not one JSON object: {} (line {}, column {})", .0.problem, .0.line, .0.column)]
    Json(#[from] JsonError),
    /// Without the array `keys`.
    #[error("it has no array \"keys\" (RFC 7517 §5.1)")]
    NoKeys,
    /// More keys than anybody needs.
    #[error("it has more than {MOST_KEYS} keys")]
    TooManyKeys,
}

/// One key that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VerificationKey {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    pub(super) material: Material,
}

/// What is computed with.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa { .. } => "Rsa(…)",
            Self::P256(_) => "P256(…)",
            Self::P384(_) => "P384(…)",
            Self::Ed25519(_) => "Ed25519(…)",
        })
    }
}

impl KeySet {
    /// Reads a JWK Set document.
    ///
    /// # Errors
    /// It is no such document at all. Keys that cannot be used are in [`Self::passed_over`].
    pub fn parse(document: &[u8]) -> Result<Self, NotAKeySet> {
        Self::from_json(&json::parse(document)?)
    }

    /// Reads a JWK Set that has been strictly parsed as part of something else.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_json(document: &Map<String, Value>) -> Result<Self, NotAKeySet> {
        let Some(Value::Array(keys)) = document.get("keys") else { return Err(NotAKeySet::NoKeys) };
        if keys.len() > MOST_KEYS {
            return Err(NotAKeySet::TooManyKeys);
        }
        let mut set = Self::default();
        for (index, key) in keys.iter().enumerate() {
            let place = format!("keys[{index}]");
            match read(key, &place) {
                Ok(key) => set.keys.push(key),
                Err(problem) => set.passed_over.push(PassedOver { place, problem }),
            }
        }
        Ok(set)
    }

    /// How many keys can verify.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing can be verified with it.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys nothing is verified with, and why.
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// The keys that can have made a signature of this algorithm: those of that id, or all when none is named.
    pub(super) fn fitting<'a>(
        &'a self,
        key_id: Option<&'a str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'a VerificationKey> {
        self.named(key_id)
            .filter(move |key| key.algorithm.is_none_or(|own| own == algorithm) && algorithm.fits(&key.material))
    }

    /// The keys of that id, or all when none is named.
    pub(super) fn named<'a>(&'a self, key_id: Option<&'a str>) -> impl Iterator<Item = &'a VerificationKey> {
        self.keys.iter().filter(move |key| key_id.is_none_or(|wanted| key.id.as_deref() == Some(wanted)))
    }
}

fn read(value: &Value, place: &str) -> Result<VerificationKey, String> {
    let key = JsonWebKey::parse(value, place)
        .map_err(|malformed| format!("is malformed: {} {}", malformed.place, malformed.problem))?;
    if !key.secret_members.is_empty() {
        return Err(format!("holds {}: what was published is no secret any more", key.secret_members.join(", ")));
    }
    if let Some(usage) = key.usage.as_deref().filter(|usage| *usage != "sig") {
        return Err(format!("is for the use {}, not for signatures", Excerpt(usage)));
    }
    if let Some(Value::Array(operations)) = key.public_members.get("key_ops")
        && !operations.iter().any(|operation| operation == "verify")
    {
        return Err("has key_ops without \"verify\"".to_owned());
    }
    let algorithm = match key.algorithm.as_deref() {
        None => None,
        Some(name) => Some(
            Algorithm::named(name).ok_or_else(|| format!("is for {}, which is not verified here", Excerpt(name)))?,
        ),
    };
    let material = material(&key)?;
    if let Some(algorithm) = algorithm.filter(|algorithm| !algorithm.fits(&material)) {
        return Err(format!("says {algorithm}, which keys of its kind do not do"));
    }
    Ok(VerificationKey { id: key.key_id, algorithm, material })
}

fn material(key: &JsonWebKey) -> Result<Material, String> {
    let octets = |name| member(&key.public_members, name);
    match &key.kind {
        KeyKind::Rsa { modulus_bits, .. } if !RSA_BITS.contains(modulus_bits) => {
            Err(format!("is an RSA key of {modulus_bits} bits, not of {} to {}", RSA_BITS.start(), RSA_BITS.end()))
        }
        KeyKind::Rsa { modulus_is_odd: false, .. } => Err("is an RSA key with an even modulus".to_owned()),
        KeyKind::Rsa { exponent_is_sound: false, .. } => Err("is an RSA key with an unsound exponent".to_owned()),
        KeyKind::Rsa { .. } => {
            let number = |name| Ok::<_, String>(without_zeros(&octets(name)?).to_vec());
            Ok(Material::Rsa { modulus: number("n")?, exponent: number("e")? })
        }
        KeyKind::EllipticCurve { curve } => {
            let point = [vec![4], octets("x")?, octets("y")?].concat();
            match curve.as_str() {
                "P-256" => Ok(Material::P256(point)),
                "P-384" => Ok(Material::P384(point)),
                other => Err(format!("is on the curve {}, not on P-256 or P-384", Excerpt(other))),
            }
        }
        KeyKind::OctetKeyPair { curve } if curve == "Ed25519" => Ok(Material::Ed25519(octets("x")?)),
        KeyKind::OctetKeyPair { curve } => Err(format!("is on the curve {}, not on Ed25519", Excerpt(curve))),
        KeyKind::Symmetric => Err("is a symmetric key".to_owned()),
        KeyKind::Other(kty) => Err(format!("has the unknown key type {}", Excerpt(kty))),
    }
}

fn member(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let text = members.get(name).and_then(Value::as_str);
    text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or_else(|| format!("has no {name}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(keys: Value) -> KeySet {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    fn octets(length: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xc3; length])
    }

    #[test]
    fn takes_the_public_keys_that_verify() {
        let set = set(json!([
            {"kty": "RSA", "n": octets(256), "e": "AQAB", "use": "sig", "alg": "PS256", "kid": "1"},
            {"kty": "EC", "crv": "P-256", "x": octets(32), "y": octets(32), "key_ops": ["verify"]},
            {"kty": "EC", "crv": "P-384", "x": octets(48), "y": octets(48), "x5c": ["AA"]},
            {"kty": "OKP", "crv": "Ed25519", "x": octets(32), "alg": "EdDSA"},
        ]));
        assert_eq!((set.len(), set.passed_over()), (4, &[][..]));
        assert_eq!(set.fitting(Some("1"), Algorithm::Ps256).count(), 1);
        assert_eq!(set.fitting(Some("1"), Algorithm::Rs256).count(), 0);
        assert_eq!(set.fitting(Some("2"), Algorithm::Ps256).count(), 0);
        assert_eq!(set.fitting(None, Algorithm::Es384).count(), 1);
    }

    #[test]
    fn passes_over_what_must_not_or_cannot_verify_and_says_why() {
        for (key, why) in [
            (json!({"kty": "RSA", "n": octets(128), "e": "AQAB"}), "1024 bits"),
            (json!({"kty": "RSA", "n": octets(1025), "e": "AQAB"}), "8200 bits"),
            (json!({"kty": "RSA", "n": octets(256), "e": "AQ"}), "exponent"),
            (json!({"kty": "RSA", "n": octets(256), "e": "AQAB", "d": octets(256)}), "holds d"),
            (json!({"kty": "RSA", "n": octets(256), "e": "AQAB", "use": "enc"}), "\"enc\""),
            (json!({"kty": "RSA", "n": octets(256), "e": "AQAB", "alg": "RSA-OAEP"}), "RSA-OAEP"),
            (json!({"kty": "RSA", "n": octets(256), "e": "AQAB", "alg": "HS256"}), "HS256"),
            (json!({"kty": "RSA", "n": octets(256), "e": "AQAB", "alg": "ES256"}), "ES256"),
            (json!({"kty": "RSA", "n": octets(256), "e": "AQAB", "key_ops": ["encrypt"]}), "key_ops"),
            (json!({"kty": "EC", "crv": "secp256k1", "x": octets(32), "y": octets(32)}), "secp256k1"),
            (json!({"kty": "EC", "crv": "P-256", "x": octets(31), "y": octets(32)}), "31 octets"),
            (json!({"kty": "OKP", "crv": "X25519", "x": octets(32)}), "X25519"),
            (json!({"kty": "oct", "k": octets(32)}), "holds k"),
            (json!({"kty": "oct"}), "symmetric"),
            (json!({"kty": "AKP", "pub": "AA"}), "AKP"),
            (json!({}), "kty"),
            (json!("key"), "an object"),
        ] {
            let set = set(json!([key, {"kty": "OKP", "crv": "Ed25519", "x": octets(32)}]));
            assert_eq!((set.len(), set.passed_over().len()), (1, 1), "{key}");
            let sentence = set.passed_over()[0].to_string();
            assert!(sentence.starts_with("keys[0] ") && sentence.contains(why), "{sentence}");
        }
    }

    #[test]
    fn a_modulus_with_the_sign_octet_of_asn_1_is_the_same_modulus() {
        let with_sign = URL_SAFE_NO_PAD.encode([vec![0], vec![0xc3; 256]].concat());
        let one = |n: &str| set(json!([{"kty": "RSA", "n": n, "e": "AAEAAQ"}]));
        assert_eq!(one(&with_sign), one(&octets(256)));
    }

    #[test]
    fn refuses_what_is_no_key_set() {
        for document in [r#"{"keys": {}}"#, "{}", r#"{"keys": null}"#] {
            assert_eq!(KeySet::parse(document.as_bytes()), Err(NotAKeySet::NoKeys), "{document}");
        }
        for document in
            ["", "[]", "<html>", r#"{"keys": [], "keys": []}"#, r#"{"keys": [{"kty": "RSA", "kty": "EC"}]}"#]
        {
            assert!(matches!(KeySet::parse(document.as_bytes()), Err(NotAKeySet::Json(_))), "{document}");
        }
        let many = json!({"keys": vec![json!({}); MOST_KEYS + 1]}).to_string();
        assert_eq!(KeySet::parse(many.as_bytes()), Err(NotAKeySet::TooManyKeys));
    }
}
