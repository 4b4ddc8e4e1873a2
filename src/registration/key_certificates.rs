//! The certificates that stand beside a key (`x5c`, `x5t#S256`, RFC 7517 §4.7, §4.9): whether they are some, and the first one is of that very
//! key. Whoever reads the key from there reads the same. Who signed them and how long they hold is not looked at.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::{Oid, Tag, oid};
use x509_parser::prelude::{AlgorithmIdentifier, FromDer, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::RSAPublicKey;

use super::key::{JsonWebKey, KeyKind, without_zeros};

/// How a certificate in a file begins.
pub(super) const PEM: &str = "-----BEGIN";

/// What is said of one in `x5c`.
pub(super) const NO_PEM: &str = "is PEM: write base64 of the DER, without PEM lines (RFC 7517 §4.7)";

/// The algorithms of an RSA key in a certificate: any, OAEP alone, PSS alone (RFC 4055 §1.2, §4.1, §3.1).
const RSA: [Oid<'static>; 3] = [oid!(1.2.840.113549.1.1.1), oid!(1.2.840.113549.1.1.7), oid!(1.2.840.113549.1.1.10)];

/// Those of a key on an elliptic curve: any, key agreement by ECDH or by ECMQV alone (RFC 5480 §2.1).
const ELLIPTIC_CURVE: [Oid<'static>; 3] = [oid!(1.2.840.10045.2.1), oid!(1.3.132.1.12), oid!(1.3.132.1.13)];

/// The curves, by `crv`, and their numbers (RFC 5480 §2.1.1.1, SEC 2 §A.2.1, RFC 8410 §3).
const CURVES: [(&str, Oid<'static>); 8] = [
    ("P-256", oid!(1.2.840.10045.3.1.7)),
    ("P-384", oid!(1.3.132.0.34)),
    ("P-521", oid!(1.3.132.0.35)),
    ("secp256k1", oid!(1.3.132.0.10)),
    ("X25519", oid!(1.3.101.110)),
    ("X448", oid!(1.3.101.111)),
    ("Ed25519", oid!(1.3.101.112)),
    ("Ed448", oid!(1.3.101.113)),
];

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
            if index == 0 && !self.is_in(certificate.public_key()) {
                return Some("is not the key of the first certificate in its x5c (RFC 7517 §4.7)".to_owned());
            }
            if index == 0 && self.public_members.get("x5t#S256").is_some_and(|hash| !is_hash(hash, &der)) {
                return Some("has an x5t#S256 that is not the hash of its x5c[0] (RFC 7517 §4.9)".to_owned());
            }
        }
        None
    }

    /// Whether this is the key that a certificate holds: for the same algorithm, on the same curve, the same bits.
    fn is_in(&self, certified: &SubjectPublicKeyInfo<'_>) -> bool {
        self.is_of(&certified.algorithm) && self.is_key(&certified.subject_public_key.data)
    }

    /// Whether its algorithm and its curve are these. Of a curve that is not known, its name says nothing of its number.
    fn is_of(&self, named: &AlgorithmIdentifier<'_>) -> bool {
        let algorithm = &named.algorithm;
        match &self.kind {
            KeyKind::Rsa { .. } => RSA.contains(algorithm),
            KeyKind::EllipticCurve { curve } => {
                let on = named.parameters.as_ref().filter(|on| on.tag() == Tag::Oid).map(|on| on.data);
                ELLIPTIC_CURVE.contains(algorithm)
                    && number_of(curve).is_none_or(|number| on == Some(number.as_bytes()))
            }
            KeyKind::OctetKeyPair { curve } => number_of(curve).is_none_or(|number| *algorithm == number),
            KeyKind::Symmetric | KeyKind::Other(_) => false,
        }
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

fn number_of(curve: &str) -> Option<Oid<'static>> {
    CURVES.into_iter().find_map(|(name, number)| (name == curve).then_some(number))
}

fn is_hash(written: &Value, der: &[u8]) -> bool {
    written.as_str() == Some(&*URL_SAFE_NO_PAD.encode(Sha256::digest(der)))
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
            [4, point @ ..] if point.len() == 64 => {
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

    /// What is said of the key beside its certificate, in which these octets are written for those.
    fn problem_with(key: &Value, der: &[u8], [from, to]: [&[u8]; 2]) -> Option<String> {
        let at = der.windows(from.len()).rposition(|octets| octets == from).unwrap();
        let forged = [&der[..at], to, &der[at + from.len()..]].concat();
        let mut key = key.clone();
        key["x5c"] = json!([STANDARD.encode(forged)]);
        problem(&key)
    }

    #[test]
    fn the_same_octets_on_another_curve_are_another_key() {
        let (key, der) = certified(&rcgen::PKCS_ECDSA_P256_SHA256);
        let p256 = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        assert_eq!(problem_with(&key, &der, [&p256, &p256]), None);
        // Another curve of ANSI X9.62, P-192; what is written as no curve at all.
        for other in [&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1], &[4, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]] {
            let found = problem_with(&key, &der, [&p256, other]).unwrap();
            assert!(found.starts_with("is not the key of the first certificate"), "{found}");
        }
        let (key, der) = certified(&rcgen::PKCS_ED25519);
        let begin = |number| [0x30, 5, 6, 3, 0x2b, 0x65, number, 3, 0x21, 0];
        assert_eq!(problem_with(&key, &der, [&begin(112), &begin(112)]), None);
        assert!(problem_with(&key, &der, [&begin(112), &begin(110)]).is_some(), "X25519");
    }

    #[test]
    fn a_key_has_the_algorithm_and_the_curve_that_its_certificate_says() {
        use x509_parser::asn1_rs::Any;
        let named = |algorithm: &str, curve: &[u8]| {
            let parameters = Any::from_der(curve).ok().map(|(_, curve)| curve);
            let kind =
                |kind| JsonWebKey { kind, ..JsonWebKey::parse(&json!({"kty": "oct", "k": "AA"}), "key").unwrap() };
            let algorithm = AlgorithmIdentifier::new(algorithm.parse::<Oid<'_>>().unwrap(), parameters);
            let of = |kind_of: KeyKind| kind(kind_of).is_of(&algorithm);
            let on = |curve: &str| of(KeyKind::EllipticCurve { curve: curve.to_owned() });
            let pair = |curve: &str| of(KeyKind::OctetKeyPair { curve: curve.to_owned() });
            let rsa = of(KeyKind::Rsa { modulus_bits: 2048, modulus_is_odd: true, exponent_is_sound: true });
            ["P-256", "secp256k1", "P-384"]
                .map(on)
                .into_iter()
                .chain(["Ed25519", "X25519"].map(pair))
                .chain([rsa])
                .collect()
        };
        let p256 = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        let (secp256k1, p384) = ([6, 5, 0x2b, 0x81, 4, 0, 10], [6, 5, 0x2b, 0x81, 4, 0, 34]);
        for (algorithm, curve, expected) in [
            ("1.2.840.10045.2.1", &p256[..], [true, false, false, false, false, false]),
            ("1.2.840.10045.2.1", &secp256k1, [false, true, false, false, false, false]),
            ("1.3.132.1.12", &p384, [false, false, true, false, false, false]),
            ("1.2.840.10045.2.1", &[], [false; 6]),
            ("1.3.101.112", &[], [false, false, false, true, false, false]),
            ("1.3.101.110", &[], [false, false, false, false, true, false]),
            ("1.2.840.113549.1.1.1", &[5, 0], [false, false, false, false, false, true]),
            ("1.2.840.113549.1.1.10", &[], [false, false, false, false, false, true]),
            ("1.2.840.10040.4.1", &[], [false; 6]),
        ] {
            let found: Vec<bool> = named(algorithm, curve);
            assert_eq!(found, expected, "{algorithm}");
        }
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
