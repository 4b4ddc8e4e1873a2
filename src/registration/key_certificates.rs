//! The certificates that stand beside a key (`x5c`, `x5t#S256`, RFC 7517 §4.7, §4.9): whether they are some, and the first one is of that very
//! key. Whoever reads the key from there reads the same. Who signed them and how long they hold is not looked at.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::RSAPublicKey;

use super::key::{JsonWebKey, KeyKind};

/// How a certificate in a file begins.
pub(super) const PEM: &str = "-----BEGIN";

/// What is said of one in `x5c`.
pub(super) const NO_PEM: &str = "is PEM: write base64 of the DER, without PEM lines (RFC 7517 §4.7)";

impl JsonWebKey {
    /// What is wrong with its certificates, the end of a sentence that begins with the key; nothing where it has none.
    pub fn problem_of_certificates(&self) -> Option<String> {
        let Some(Value::Array(texts)) = self.public_members.get("x5c") else { return None };
        for (index, text) in texts.iter().filter_map(Value::as_str).enumerate() {
            if text.contains(PEM) {
                return Some(format!("has an x5c[{index}] that {NO_PEM}"));
            }
            let der = STANDARD.decode(text).unwrap_or_default();
            let certificate = X509Certificate::from_der(&der).ok().filter(|(rest, _)| rest.is_empty());
            let Some((_, certificate)) = certificate else {
                return Some(format!("has an x5c[{index}] that is not base64 of a DER certificate (RFC 7517 §4.7)"));
            };
            if index == 0 && !self.is_key(&certificate.public_key().subject_public_key.data) {
                return Some("is not the key of the first certificate in its x5c (RFC 7517 §4.7)".to_owned());
            }
            if index == 0 && self.public_members.get("x5t#S256").is_some_and(|hash| !is_hash(hash, &der)) {
                return Some("has an x5t#S256 that is not the hash of its x5c[0] (RFC 7517 §4.9)".to_owned());
            }
        }
        None
    }

    /// Whether these are the bits of its own in a certificate (RFC 3279 §2.3.1, RFC 5480 §2.2, RFC 8410 §4).
    fn is_key(&self, bits: &[u8]) -> bool {
        let octets = |name: &str| {
            let text = self.public_members.get(name).and_then(Value::as_str).unwrap_or_default();
            URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
        };
        match &self.kind {
            KeyKind::Rsa { .. } => RSAPublicKey::from_der(bits).is_ok_and(|(_, key)| {
                let is_same = |own: &str, other: &[u8]| without_zeros(&octets(own)) == without_zeros(other);
                is_same("n", key.modulus) && is_same("e", key.exponent)
            }),
            KeyKind::EllipticCurve { .. } => {
                let (x, y) = (octets("x"), octets("y"));
                match bits {
                    [4, point @ ..] => *point == [x, y].concat(),
                    // Compressed: whether the other coordinate is odd.
                    [odd @ (2 | 3), point @ ..] => *point == *x && y.last().is_some_and(|last| last & 1 == odd & 1),
                    _ => false,
                }
            }
            KeyKind::OctetKeyPair { .. } => *bits == *octets("x"),
            KeyKind::Symmetric | KeyKind::Other(_) => false,
        }
    }
}

fn is_hash(written: &Value, der: &[u8]) -> bool {
    written.as_str() == Some(&*URL_SAFE_NO_PAD.encode(Sha256::digest(der)))
}

/// A number in octets without the zeros before it.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PublicKeyData};
    use serde_json::json;

    use super::*;

    /// A key as a JWK, with its certificate.
    fn certified(algorithm: &'static rcgen::SignatureAlgorithm) -> (Value, Vec<u8>) {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let der = CertificateParams::default().self_signed(&pair).unwrap().der().to_vec();
        let coordinate = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        let mut key = match pair.der_bytes() {
            [4, point @ ..] => {
                let (x, y) = point.split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": coordinate(x), "y": coordinate(y)})
            }
            x => json!({"kty": "OKP", "crv": "Ed25519", "x": coordinate(x)}),
        };
        key["x5c"] = json!([STANDARD.encode(&der)]);
        (key, der)
    }

    fn problem(key: &Value) -> Option<String> {
        JsonWebKey::parse(key, "key").unwrap().problem_of_certificates()
    }

    #[test]
    fn a_key_may_stand_beside_its_own_certificate_and_those_that_signed_it() {
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519] {
            let (mut key, der) = certified(algorithm);
            assert_eq!(problem(&key), None);
            key["x5t#S256"] = json!(URL_SAFE_NO_PAD.encode(Sha256::digest(&der)));
            key["x5c"] = json!([key["x5c"][0], certified(algorithm).0["x5c"][0]]);
            assert_eq!(problem(&key), None);
            key["x5c"] = json!([]);
            assert_eq!(problem(&key), None);
        }
    }

    #[test]
    fn somebody_elses_certificate_and_what_is_none_are_told() {
        let (key, der) = certified(&rcgen::PKCS_ECDSA_P256_SHA256);
        let other = &certified(&rcgen::PKCS_ECDSA_P256_SHA256).0["x5c"][0];
        let own = &key["x5c"][0];
        for (x5c, expected) in [
            (json!([other]), "is not the key of the first certificate"),
            (json!([other, own]), "is not the key of the first certificate"),
            (json!([own, "AAAA"]), "has an x5c[1] that is not base64 of a DER certificate"),
            (json!([URL_SAFE_NO_PAD.encode(&der) + "-"]), "has an x5c[0] that is not base64 of a DER certificate"),
            (json!([STANDARD.encode([&der[..], &[0]].concat())]), "has an x5c[0] that is not base64 of a DER"),
            (json!(["-----BEGIN CERTIFICATE-----MIIB-----END CERTIFICATE-----"]), "has an x5c[0] that is PEM"),
        ] {
            let mut key = key.clone();
            key["x5c"] = x5c;
            let found = problem(&key).unwrap();
            assert!(found.starts_with(expected), "{found}");
        }
        let mut key = key.clone();
        key["x5t#S256"] = json!(URL_SAFE_NO_PAD.encode([7; 32]));
        assert!(problem(&key).unwrap().starts_with("has an x5t#S256"));
    }

    #[test]
    fn a_compressed_point_is_the_same_key() {
        let (key, _) = certified(&rcgen::PKCS_ECDSA_P256_SHA256);
        let key = JsonWebKey::parse(&key, "key").unwrap();
        let octets = |name: &str| URL_SAFE_NO_PAD.decode(key.public_members[name].as_str().unwrap()).unwrap();
        let parity = octets("y")[31] & 1;
        assert!(key.is_key(&[&[2 | parity][..], &octets("x")].concat()));
        assert!(!key.is_key(&[&[3 ^ parity][..], &octets("x")].concat()));
    }

    #[test]
    fn an_rsa_key_is_its_two_numbers_however_many_zeros_stand_before_them() {
        let (modulus, exponent) = ([0xc3; 256], [1, 0, 1]);
        let key = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB"});
        let key = JsonWebKey::parse(&key, "key").unwrap();
        let numbers = |exponent: &[u8]| {
            let integers = [&[2, 0x82, 1, 1, 0][..], &modulus, &[2, 3], exponent].concat();
            [&[0x30, 0x82, 1, u8::try_from(integers.len() - 256).unwrap()][..], &integers].concat()
        };
        assert!(key.is_key(&numbers(&exponent)));
        assert!(!key.is_key(&numbers(&[1, 0, 3])) && !key.is_key(&modulus));
    }
}
