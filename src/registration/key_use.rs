//! What a key of a client does: which algorithms fit it (RFC 7518 §3.1, §4.1, RFC 8037, RFC 8812, RFC 9864), and whether it verifies
//! signatures. Says what is so, never what is allowed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::excerpt::Excerpt;
use super::key::{JsonWebKey, KeyKind};

/// What a public key does with an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It verifies signatures.
    Verifies,
    /// It encrypts, or agrees on keys.
    Encrypts,
    /// The algorithm is for another kind of key.
    Unfit,
    /// An algorithm this gateway does not know.
    Unknown,
}

/// Whether the algorithm is broken (RFC 8725 §3.2): PKCS #1 v1.5 for encryption, or SHA-1.
pub fn is_broken(algorithm: &str) -> bool {
    ["RS1", "RSA1_5"].contains(&algorithm)
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
            "RS1" | "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => (is_rsa, Fit::Verifies),
            "ES256" | "ESP256" => (is_on(&["P-256"]), Fit::Verifies),
            "ES384" | "ESP384" => (is_on(&["P-384"]), Fit::Verifies),
            "ES512" | "ESP512" => (is_on(&["P-521"]), Fit::Verifies),
            "ES256K" => (is_on(&["secp256k1"]), Fit::Verifies),
            "EdDSA" => (is_on(&["Ed25519", "Ed448"]), Fit::Verifies),
            "Ed25519" | "Ed448" => (is_on(&[algorithm]), Fit::Verifies),
            _ if algorithm == "RSA1_5" || algorithm.starts_with("RSA-OAEP") => (is_rsa, Fit::Encrypts),
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

    /// Whether its point is nobody's: all zeros, which is on no curve of EC; the generator of its curve, whose private key is 1, or the point
    /// opposite; on those of OKP one of so small an order that whoever likes makes its signatures, and everybody agrees with it on the same
    /// secret (RFC 7748 §6, RFC 8032 §5.1.7).
    pub fn is_nobodys(&self) -> bool {
        let coordinate = |name: &str| self.public_members.get(name)?.as_str();
        match &self.kind {
            KeyKind::EllipticCurve { .. } => {
                let is_zero = |name| coordinate(name).is_some_and(|text| text.bytes().all(|digit| digit == b'A'));
                is_zero("x") && is_zero("y") || coordinate("x").is_some_and(|text| GENERATORS.contains(&text))
            }
            KeyKind::OctetKeyPair { curve } => {
                let octets = coordinate("x").and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
                octets.is_some_and(|octets| is_of_small_order(curve, octets))
            }
            _ => false,
        }
    }

    /// Two things that it says of itself and that are not so together (RFC 7517 §4.3, §4.4): `use "sig"`, `alg "ECDH-ES"`.
    pub fn contradiction(&self) -> Option<[String; 2]> {
        let usage = self.usage.as_deref().and_then(|usage| match usage {
            "sig" => Some(("use", usage, Fit::Verifies)),
            "enc" => Some(("use", usage, Fit::Encrypts)),
            _ => None,
        });
        let algorithm = self.algorithm.as_deref().map(|algorithm| ("alg", algorithm, self.fit(algorithm)));
        let algorithm = algorithm.filter(|(_, _, fit)| matches!(fit, Fit::Verifies | Fit::Encrypts));
        // Operations that do not belong together are only unwise.
        let (member, text, purpose) = usage.or(algorithm)?;
        let operations = self.operations().into_iter().flatten().filter_map(|operation| match operation {
            "verify" => Some(("key_ops", operation, Fit::Verifies)),
            "encrypt" | "wrapKey" | "deriveKey" | "deriveBits" => Some(("key_ops", operation, Fit::Encrypts)),
            _ => None,
        });
        let (other, other_text, _) = algorithm.into_iter().chain(operations).find(|(_, _, fit)| *fit != purpose)?;
        Some([format!("{member} {}", Excerpt(text)), format!("{other} {}", Excerpt(other_text))])
    }

    /// The first operation that stands there twice (RFC 7517 §4.3: MUST NOT).
    pub fn repeated_operation(&self) -> Option<&str> {
        let operations: Vec<&str> = self.operations()?.collect();
        operations
            .iter()
            .enumerate()
            .find(|(at, operation)| operations[..*at].contains(operation))
            .map(|(_, twice)| *twice)
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

/// The first coordinates of the generators of P-256, P-384, P-521 (FIPS 186-4 §D.1.2) and secp256k1 (SEC 2 §2.4.1). Of other lengths, or far
/// apart: none is another curve's.
const GENERATORS: [&str; 4] = [
    "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
    "qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3",
    "AMaFjga3BATpzZ4-y2YjlbRCnGSBOQU_tSH4KK9ga009uqFLXnfv51ko_h3BJ6L_qN4zSLPBhWpCm_l-fjHC5b1m",
    "eb5mfvncu6xVoGKVzocLBwKb_NstzijZWfKBWxb4F5g",
];

/// Coordinates of the points of small order, the least significant octet first, beside 0, 1, p - 1, p and p + 1: those of order 8, on Ed25519
/// and on X25519. There are none of order 8 on the curves of 448 bits.
const OF_ORDER_8: [&str; 4] = [
    "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
    "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
    "4Ot6fDtBuK4WVuP68Z_EatoJjeucMrH9hmIFFl9JuAA",
    "X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc",
];

/// Whether a coordinate of this curve, of the length that it has there, is one of a point of small order.
fn is_of_small_order(curve: &str, mut octets: Vec<u8>) -> bool {
    match curve {
        // The sign of the other coordinate stands in the highest bit, or in an octet of its own.
        "Ed448" => drop(octets.pop()),
        "Ed25519" | "X25519" => octets.iter_mut().last().into_iter().for_each(|last| *last &= 0x7f),
        _ => {}
    }
    // p is 2^255 - 19, or 2^448 - 2^224 - 1.
    let p: Vec<u8> = match octets.len() {
        32 => [&[0xed][..], &[0xff; 30], &[0x7f]].concat(),
        56 => [&[0xff; 28][..], &[0xfe], &[0xff; 27]].concat(),
        _ => return false,
    };
    let less = |number: &[u8]| {
        let mut number = number.to_vec();
        number[0] -= 1;
        number
    };
    let more = |number: &[u8]| {
        let mut number = number.to_vec();
        for octet in &mut number {
            *octet = octet.wrapping_add(1);
            if *octet != 0 {
                break;
            }
        }
        number
    };
    let zero = vec![0; p.len()];
    [more(&zero), zero, less(&p), more(&p), p].contains(&octets)
        || OF_ORDER_8.contains(&&*URL_SAFE_NO_PAD.encode(&octets))
}

#[cfg(test)]
mod tests {
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
            ("RSA", "", "RS1", Fit::Verifies),
            ("RSA", "", "RSA1_5", Fit::Encrypts),
            ("EC", "P-256", "RSA1_5", Fit::Unfit),
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
    fn points_that_are_nobodys_are_seen() {
        let zeros = "A".repeat(43);
        for (more, is_nobodys) in
            [(json!({}), false), (json!({"x": zeros}), false), (json!({"x": zeros, "y": zeros}), true)]
        {
            assert_eq!(key("EC", "P-256", &more).is_nobodys(), is_nobodys, "{more}");
        }
        for (curve, x) in ["P-256", "P-384", "P-521", "secp256k1"].into_iter().zip(GENERATORS) {
            assert!(key("EC", curve, &json!({"x": x})).is_nobodys(), "the private key is 1, or -1: {curve}");
        }
        assert!(!key("RSA", "", &json!({})).is_nobodys());
    }

    #[test]
    fn points_of_small_order_are_nobodys() {
        let point = |first: &[u8], between: u8, last: &[u8], length: usize| {
            let middle = vec![between; length - first.len() - last.len()];
            URL_SAFE_NO_PAD.encode([first, &middle, last].concat())
        };
        let mut points = Vec::new();
        for curve in ["Ed25519", "X25519"] {
            for (first, between, last) in [
                (0x00, 0x00, 0x00),
                (0x00, 0x00, 0x80),
                (0x01, 0x00, 0x00),
                (0x01, 0x00, 0x80),
                (0xec, 0xff, 0x7f),
                (0xed, 0xff, 0x7f),
                (0xee, 0xff, 0xff),
            ] {
                points.push((curve, point(&[first], between, &[last], 32)));
            }
        }
        points.extend(OF_ORDER_8[..2].iter().map(|point| ("Ed25519", (*point).to_owned())));
        points.extend(OF_ORDER_8[2..].iter().map(|point| ("X25519", (*point).to_owned())));
        for first in [0x00, 0x01] {
            points.push(("X448", point(&[first], 0, &[], 56)));
            points.push(("Ed448", point(&[first], 0, &[0x80], 57)));
        }
        let high = [&[0xff; 27][..], &[0xfe], &[0xff; 27]].concat();
        points.push(("X448", point(&[0xfe], 0xff, &high, 56)));
        points.push(("X448", point(&[0xff], 0xff, &high, 56)));
        points.push(("Ed448", point(&[0xfe], 0xff, &[&high[..], &[0]].concat(), 57)));
        for (curve, x) in points {
            assert!(key("OKP", curve, &json!({"x": x})).is_nobodys(), "{curve} {x}");
        }
        for (curve, x) in [
            ("Ed25519", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned()),
            ("X25519", "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08".to_owned()),
            ("Ed25519", point(&[0x02], 0, &[0], 32)),
            ("X25519", point(&[0x09], 0, &[0], 32)),
            ("X448", point(&[0x05], 0, &[], 56)),
            ("Ed448", point(&[0x05], 0, &[0x80], 57)),
        ] {
            assert!(!key("OKP", curve, &json!({"x": x})).is_nobodys(), "{curve} {x}");
        }
    }

    #[test]
    fn tells_what_cannot_be_so_together() {
        for (kty, curve, more, found) in [
            ("EC", "P-256", json!({"use": "sig", "alg": "ECDH-ES"}), Some(["use \"sig\"", "alg \"ECDH-ES\""])),
            ("EC", "P-256", json!({"use": "enc", "alg": "ES256"}), Some(["use \"enc\"", "alg \"ES256\""])),
            ("RSA", "", json!({"use": "sig", "key_ops": ["encrypt"]}), Some(["use \"sig\"", "key_ops \"encrypt\""])),
            (
                "RSA",
                "",
                json!({"alg": "RS256", "key_ops": ["wrapKey"]}),
                Some(["alg \"RS256\"", "key_ops \"wrapKey\""]),
            ),
            (
                "RSA",
                "",
                json!({"use": "enc", "key_ops": ["wrapKey", "verify"]}),
                Some(["use \"enc\"", "key_ops \"verify\""]),
            ),
            ("EC", "P-256", json!({"use": "sig", "alg": "ES256", "key_ops": ["verify"]}), None),
            ("RSA", "", json!({"use": "enc", "alg": "RSA-OAEP", "key_ops": ["wrapKey", "encrypt"]}), None),
            ("EC", "P-256", json!({"use": "enc", "alg": "ECDH-ES", "key_ops": []}), None),
            ("EC", "P-256", json!({"use": "tls", "alg": "ECDH-ES"}), None),
            ("EC", "P-256", json!({"use": "sig", "alg": "HPKE-0"}), None),
            ("RSA", "", json!({"key_ops": ["verify", "encrypt"]}), None),
        ] {
            let found = found.map(|pair| pair.map(str::to_owned));
            assert_eq!(key(kty, curve, &more).contradiction(), found, "{more}");
        }
        assert_eq!(
            key("RSA", "", &json!({"key_ops": ["verify", "encrypt", "verify"]})).repeated_operation(),
            Some("verify")
        );
        assert_eq!(key("RSA", "", &json!({"key_ops": ["verify", "encrypt"]})).repeated_operation(), None);
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
