//! What a key of a client does: which algorithms fit it (RFC 7518 §3.1, §4.1, RFC 8037, RFC 8812, RFC 9864), and whether it verifies
//! signatures. Says what is so, never what is allowed.

use serde_json::Value;

use super::key::{JsonWebKey, KeyKind};

/// What a public key does with an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It verifies signatures.
    Verifies,
    /// It encrypts, or agrees on keys.
    Encrypts,
    /// The algorithm is broken (RFC 8725 §3.2): PKCS #1 v1.5 for encryption, or SHA-1.
    Weak,
    /// The algorithm is for another kind of key.
    Unfit,
    /// An algorithm this gateway does not know.
    Unknown,
}

/// The operations that only a private key does (RFC 7517 §4.3).
const PRIVATE: [&str; 3] = ["sign", "decrypt", "unwrapKey"];

impl JsonWebKey {
    /// What it does with this algorithm.
    pub fn fit(&self, algorithm: &str) -> Fit {
        let is_rsa = matches!(self.kind, KeyKind::Rsa { .. });
        let is_on = |curves: &[&str]| match &self.kind {
            KeyKind::EllipticCurve { curve } | KeyKind::OctetKeyPair { curve } => curves.contains(&curve.as_str()),
            _ => false,
        };
        let (fits, does) = match algorithm {
            "RS1" | "RSA1_5" => return Fit::Weak,
            "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => (is_rsa, Fit::Verifies),
            "ES256" | "ESP256" => (is_on(&["P-256"]), Fit::Verifies),
            "ES384" | "ESP384" => (is_on(&["P-384"]), Fit::Verifies),
            "ES512" | "ESP512" => (is_on(&["P-521"]), Fit::Verifies),
            "ES256K" => (is_on(&["secp256k1"]), Fit::Verifies),
            "EdDSA" => (is_on(&["Ed25519", "Ed448"]), Fit::Verifies),
            "Ed25519" | "Ed448" => (is_on(&[algorithm]), Fit::Verifies),
            _ if algorithm.starts_with("RSA-OAEP") => (is_rsa, Fit::Encrypts),
            _ if algorithm.starts_with("ECDH-ES") => {
                let agrees = matches!(self.kind, KeyKind::EllipticCurve { .. }) || is_on(&["X25519", "X448"]);
                (agrees, Fit::Encrypts)
            }
            // AES and passwords: shared secrets.
            "dir" => (false, Fit::Unfit),
            _ if ["A128", "A192", "A256", "PBES2"].iter().any(|shared| algorithm.starts_with(shared)) => {
                (false, Fit::Unfit)
            }
            _ => return Fit::Unknown,
        };
        if fits { does } else { Fit::Unfit }
    }

    /// Whether signatures of the client can be verified with it, by its kind and by what it says it is for.
    pub fn verifies(&self) -> bool {
        let is_kind = match &self.kind {
            KeyKind::Rsa { .. } | KeyKind::EllipticCurve { .. } => true,
            KeyKind::OctetKeyPair { curve } => curve.starts_with("Ed"),
            KeyKind::Symmetric | KeyKind::Other(_) => false,
        };
        let algorithm = self.algorithm.as_deref().map(|algorithm| self.fit(algorithm));
        is_kind
            && self.usage.as_deref() != Some("enc")
            && algorithm.is_none_or(|fit| matches!(fit, Fit::Verifies | Fit::Unknown))
            && self.operations().is_none_or(|mut operations| operations.any(|operation| operation == "verify"))
    }

    /// Whether its coordinates are all zeros: on no curve of EC, and on those of OKP a point of so small an order that whoever likes makes
    /// its signatures (RFC 7748 §6, RFC 8032 §5.1.7).
    pub fn is_all_zeros(&self) -> bool {
        let mut coordinates = ["x", "y"].iter().filter_map(|name| self.public_members.get(*name)?.as_str()).peekable();
        coordinates.peek().is_some() && coordinates.all(|coordinate| coordinate.bytes().all(|digit| digit == b'A'))
    }

    /// The first operation it says it is for that only a private key does.
    pub fn private_operation(&self) -> Option<&str> {
        self.operations()?.find(|operation| PRIVATE.contains(operation))
    }

    /// `key_ops`, when given.
    fn operations(&self) -> Option<impl Iterator<Item = &str>> {
        let Some(Value::Array(operations)) = self.public_members.get("key_ops") else { return None };
        Some(operations.iter().filter_map(Value::as_str))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn key(kty: &str, curve: &str, more: &Value) -> JsonWebKey {
        let octets = match curve {
            "P-384" => 48,
            "P-521" => 66,
            "Ed448" => 57,
            "X448" => 56,
            _ => 32,
        };
        let coordinate = URL_SAFE_NO_PAD.encode(vec![7; octets]);
        let mut members =
            json!({"kty": kty, "crv": curve, "x": coordinate, "y": coordinate, "n": coordinate, "e": "AQAB"});
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        JsonWebKey::parse(&members, "key").unwrap()
    }

    #[test]
    fn an_algorithm_fits_its_own_kind_of_key_alone() {
        for (kty, curve, algorithm, fit) in [
            ("RSA", "", "RS256", Fit::Verifies),
            ("RSA", "", "RSA-OAEP-256", Fit::Encrypts),
            ("RSA", "", "ES256", Fit::Unfit),
            ("RSA", "", "RS1", Fit::Weak),
            ("RSA", "", "RSA1_5", Fit::Weak),
            ("RSA", "", "A128KW", Fit::Unfit),
            ("EC", "P-256", "ES256", Fit::Verifies),
            ("EC", "P-256", "ES384", Fit::Unfit),
            ("EC", "P-256", "RS256", Fit::Unfit),
            ("EC", "P-256", "ECDH-ES+A256KW", Fit::Encrypts),
            ("EC", "P-384", "ES384", Fit::Verifies),
            ("EC", "P-521", "ES512", Fit::Verifies),
            ("EC", "secp256k1", "ES256K", Fit::Verifies),
            ("OKP", "Ed25519", "EdDSA", Fit::Verifies),
            ("OKP", "Ed25519", "ECDH-ES", Fit::Unfit),
            ("OKP", "Ed448", "Ed448", Fit::Verifies),
            ("OKP", "Ed448", "Ed25519", Fit::Unfit),
            ("OKP", "X448", "ECDH-ES", Fit::Encrypts),
            ("OKP", "X25519", "EdDSA", Fit::Unfit),
            ("EC", "P-256", "HPKE-0", Fit::Unknown),
        ] {
            assert_eq!(key(kty, curve, &json!({})).fit(algorithm), fit, "{kty} {curve} {algorithm}");
        }
    }

    #[test]
    fn a_key_verifies_where_nothing_says_otherwise() {
        for (kty, curve, more, verifies) in [
            ("RSA", "", json!({}), true),
            ("RSA", "", json!({"use": "sig", "key_ops": ["verify"]}), true),
            ("RSA", "", json!({"use": "enc"}), false),
            ("RSA", "", json!({"alg": "RSA-OAEP"}), false),
            ("RSA", "", json!({"key_ops": ["encrypt"]}), false),
            ("EC", "P-256", json!({}), true),
            ("OKP", "Ed448", json!({}), true),
            ("OKP", "X25519", json!({}), false),
        ] {
            assert_eq!(key(kty, curve, &more).verifies(), verifies, "{kty} {curve} {more}");
        }
    }

    #[test]
    fn coordinates_that_are_all_zeros_are_seen() {
        let zeros = "A".repeat(43);
        for (more, is_all_zeros) in
            [(json!({}), false), (json!({"x": zeros}), false), (json!({"x": zeros, "y": zeros}), true)]
        {
            assert_eq!(key("EC", "P-256", &more).is_all_zeros(), is_all_zeros, "{more}");
        }
        assert!(key("OKP", "Ed25519", &json!({"x": zeros})).is_all_zeros());
        assert!(!key("RSA", "", &json!({})).is_all_zeros());
    }

    #[test]
    fn tells_what_only_a_private_key_does() {
        for (operations, found) in
            [(json!(["verify", "sign"]), Some("sign")), (json!(["deriveKey"]), None), (json!([]), None)]
        {
            assert_eq!(key("RSA", "", &json!({"key_ops": operations})).private_operation(), found);
        }
    }
}
