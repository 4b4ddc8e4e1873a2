//! JSON Web Key Sets as a client registers them (RFC 7517, RFC 7518 §6, RFC 8037): what each key is, and the public members to send.
//! Says what a key is, never whether it is strong enough or allowed.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::excerpt::Excerpt;
use super::key_certificates::{NO_PEM, PEM};

/// A parsed key set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonWebKeySet {
    /// The keys, in the order given.
    pub keys: Vec<JsonWebKey>,
}

/// One key of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonWebKey {
    /// What kind of key it is, and how strong.
    pub kind: KeyKind,
    /// `use`, when given.
    pub usage: Option<String>,
    /// `alg`, when given.
    pub algorithm: Option<String>,
    /// `kid`, when given.
    pub key_id: Option<String>,
    /// The names of members that are private or symmetric key material (`d`, `p`, …, `k`): a client must never register these.
    pub secret_members: Vec<&'static str>,
    /// Its public members as given, members unknown to us and all secret ones left out: what may be sent.
    pub public_members: Map<String, Value>,
}

/// What kind of key, by `kty`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// RFC 7518 §6.3.
    Rsa {
        /// The length of the modulus, leading zeros not counted.
        modulus_bits: u32,
        /// Whether the modulus is odd, as the product of two odd primes is: half of any other is there for everybody to see.
        modulus_is_odd: bool,
        /// Whether the public exponent is odd, above 2¹⁶ and below 2²⁵⁶ (FIPS 186-5 §A.1.1): with a small one what is badly padded can be
        /// forged or read, with one as long as the modulus each signature would cost whoever verifies it some hundred times as much.
        exponent_is_sound: bool,
    },
    /// RFC 7518 §6.2: `P-256`, `P-384`, `P-521`, `secp256k1`, or another curve's name.
    EllipticCurve {
        /// `crv`.
        curve: String,
    },
    /// RFC 8037: `Ed25519`, `Ed448`, `X25519`, `X448`, or another curve's name.
    OctetKeyPair {
        /// `crv`.
        curve: String,
    },
    /// RFC 7518 §6.4: a shared secret.
    Symmetric,
    /// Another `kty`.
    Other(String),
}

/// Why a value is no key set: where, and the end of a sentence that begins with that place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedKey {
    /// `jwks`, `jwks.keys[1]`, `jwks.keys[1].n`.
    pub place: String,
    /// What is wrong.
    pub problem: String,
}

/// The most keys that are read.
pub const MOST_KEYS: usize = 64;

/// How long the sound exponents of an RSA key are, in bits; 2¹⁶ itself, the shortest with 17, is even.
const EXPONENTS: RangeInclusive<u32> = 17..=256;

const TEXTS: [&str; 5] = ["use", "alg", "kid", "x5t", "x5t#S256"];

impl JsonWebKeySet {
    /// Reads the value of `jwks`.
    ///
    /// # Errors
    /// The first thing in it that is not what RFC 7517 says.
    pub fn parse(value: &Value) -> Result<Self, MalformedKey> {
        let at = |place: &str, problem: &str| MalformedKey { place: place.to_owned(), problem: problem.to_owned() };
        let Value::Object(set) = value else { return Err(at("jwks", "must be an object with the member \"keys\"")) };
        let keys = match set.get("keys") {
            Some(Value::Array(keys)) => keys,
            // What servers in Go say of a client without keys (Ory Hydra, go-jose), and its clients send back (RFC 7592 §2.2).
            Some(Value::Null) => return Ok(Self::default()),
            None if set.is_empty() => return Ok(Self::default()),
            _ => return Err(at("jwks.keys", "must be an array of keys")),
        };
        if keys.len() > MOST_KEYS {
            return Err(at("jwks.keys", &format!("has more than {MOST_KEYS} keys")));
        }
        let read = |(index, key)| JsonWebKey::parse(key, &format!("jwks.keys[{index}]"));
        Ok(Self { keys: keys.iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// The set to send: the public members of every key of a type that is known, nothing else (RFC 7517 §5: others SHOULD be ignored).
    pub fn to_public_json(&self) -> Value {
        let known = self.keys.iter().filter(|key| !matches!(key.kind, KeyKind::Other(_)));
        let keys = known.map(|key| Value::Object(key.public_members.clone())).collect();
        Value::Object(Map::from_iter([("keys".to_owned(), Value::Array(keys))]))
    }
}

/// Every member of a key that is, or may be, private or symmetric key material.
const SECRETS: [&str; 10] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv", "seed"];

/// The members of public keys, of whatever kind.
const PUBLIC: [&str; 8] = ["kty", "key_ops", "x5c", "n", "e", "crv", "x", "y"];

/// Whether a member of a key is, or may be, private or symmetric key material.
fn is_secret(member: &str) -> bool {
    SECRETS.contains(&member)
}

/// Whether a member is one of public keys. Any other may be secret: programs have names of their own for what [`SECRETS`] are.
pub fn is_public(member: &str) -> bool {
    PUBLIC.contains(&member) || TEXTS.contains(&member)
}

/// The value of a `jwks`, whatever it is, with what is secret in it left out.
pub fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let public = members.iter().filter(|(name, _)| !is_secret(name));
            Value::Object(public.map(|(name, value)| (name.clone(), without_secrets(value))).collect())
        }
        Value::Array(entries) => Value::Array(entries.iter().map(without_secrets).collect()),
        other => other.clone(),
    }
}

impl JsonWebKey {
    /// Reads one key that stands at `place`.
    ///
    /// # Errors
    /// The first thing in it that is not what RFC 7517 says.
    pub fn parse(value: &Value, place: &str) -> Result<Self, MalformedKey> {
        let Value::Object(members) = value else {
            return Err(MalformedKey { place: place.to_owned(), problem: "must be an object".to_owned() });
        };
        let reader = KeyReader { members, place };
        let kty = reader.required_text("kty")?;
        let kind = match kty {
            "RSA" => reader.rsa()?,
            "EC" => reader.curve(&["x", "y"]).map(|curve| KeyKind::EllipticCurve { curve })?,
            "OKP" => reader.curve(&["x"]).map(|curve| KeyKind::OctetKeyPair { curve })?,
            "oct" => KeyKind::Symmetric,
            other => KeyKind::Other(other.to_owned()),
        };
        let (secrets, public): (&[&'static str], &[&str]) = match kind {
            KeyKind::Rsa { .. } => (&["d", "p", "q", "dp", "dq", "qi", "oth", "k"], &["n", "e"]),
            KeyKind::EllipticCurve { .. } => (&["d", "k"], &["crv", "x", "y"]),
            KeyKind::OctetKeyPair { .. } => (&["d", "k"], &["crv", "x"]),
            KeyKind::Symmetric | KeyKind::Other(_) => (&SECRETS, &[]),
        };
        for name in TEXTS {
            reader.text(name)?;
        }
        reader.texts("key_ops")?;
        reader.texts("x5c")?;
        let always = ["kty", "key_ops", "x5c"];
        let sent = |name: &str| always.contains(&name) || TEXTS.contains(&name) || public.contains(&name);
        Ok(Self {
            usage: reader.text("use")?.map(str::to_owned),
            algorithm: reader.text("alg")?.map(str::to_owned),
            key_id: reader.text("kid")?.map(str::to_owned),
            secret_members: secrets.iter().copied().filter(|name| reader.member(name).is_some()).collect(),
            public_members: members
                .iter()
                .filter(|(name, value)| sent(name) && !holds_nothing(value))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            kind,
        })
    }
}

/// Some libraries write every member that a key can have: `null`, `""` or `[]` for those that this one does not (.NET: `"oth":[]`).
pub fn holds_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty)
}

/// A number in octets without the zeros before it. RFC 7518 §2 wants none; some write the sign octet of ASN.1 all the same (§6.3.1.1).
pub fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    &number[zeros..]
}

/// Reads the members of one key, and knows where it stands.
struct KeyReader<'a> {
    members: &'a Map<String, Value>,
    place: &'a str,
}

impl<'a> KeyReader<'a> {
    fn malformed(&self, name: &str, problem: impl Into<String>) -> MalformedKey {
        MalformedKey { place: format!("{}.{name}", self.place), problem: problem.into() }
    }

    fn member(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !holds_nothing(value))
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, MalformedKey> {
        match self.member(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.contains(char::is_control) => {
                Err(self.malformed(name, "contains a control character"))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.malformed(name, "must be a string")),
        }
    }

    fn required_text(&self, name: &str) -> Result<&'a str, MalformedKey> {
        self.text(name)?.ok_or_else(|| self.malformed(name, "is missing"))
    }

    fn texts(&self, name: &str) -> Result<(), MalformedKey> {
        let entries = match self.member(name) {
            None => return Ok(()),
            Some(Value::Array(entries)) if entries.iter().all(Value::is_string) => entries,
            Some(_) => return Err(self.malformed(name, "must be an array of strings")),
        };
        let mut texts = entries.iter().filter_map(Value::as_str);
        match texts.find(|text| text.contains(char::is_control)) {
            None => Ok(()),
            Some(text) if name == "x5c" && text.contains(PEM) => Err(self.malformed(name, NO_PEM)),
            Some(_) if name == "x5c" => {
                Err(self.malformed(name, "is not base64 in one line without breaks (RFC 7517 §4.7)"))
            }
            Some(_) => Err(self.malformed(name, "contains a control character")),
        }
    }

    /// The octets of a Base64urlUInt or base64url member (RFC 7518 §2).
    fn octets(&self, name: &str) -> Result<Vec<u8>, MalformedKey> {
        let text = self.required_text(name)?;
        let problem = || self.malformed(name, format!("{} is not base64url without padding", Excerpt(text)));
        URL_SAFE_NO_PAD.decode(text).map_err(|_| problem())
    }

    fn rsa(&self) -> Result<KeyKind, MalformedKey> {
        let (modulus, exponent) = (self.octets("n")?, self.octets("e")?);
        let exponent_bits = bits(&exponent);
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        let exponent_is_sound = EXPONENTS.contains(&exponent_bits) && is_odd(&exponent);
        Ok(KeyKind::Rsa { modulus_bits: bits(&modulus), modulus_is_odd: is_odd(&modulus), exponent_is_sound })
    }

    fn curve(&self, coordinates: &[&str]) -> Result<String, MalformedKey> {
        let curve = self.required_text("crv")?;
        let expected = match curve {
            "P-256" | "secp256k1" | "Ed25519" | "X25519" => Some(32),
            "P-384" => Some(48),
            "P-521" => Some(66),
            "Ed448" => Some(57),
            "X448" => Some(56),
            _ => None,
        };
        for name in coordinates {
            let length = self.octets(name)?.len();
            if expected.is_some_and(|expected| expected != length) {
                return Err(self.malformed(name, format!("has {length} octets, which the curve does not have")));
            }
        }
        Ok(curve.to_owned())
    }
}

/// How many bits a number has, written in octets, the first the most significant.
fn bits(octets: &[u8]) -> u32 {
    let Some(first) = octets.iter().position(|&octet| octet != 0) else { return 0 };
    let whole = u32::try_from(octets.len() - first - 1).unwrap_or(u32::MAX / 8 - 1) * 8;
    whole + (8 - octets[first].leading_zeros())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rsa(modulus_octets: usize) -> Value {
        let mut modulus = vec![0xff; modulus_octets];
        modulus[0] = 0x80;
        json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB", "use": "sig", "alg": "PS256", "kid": "a"})
    }

    fn parse(key: Value) -> Result<JsonWebKey, MalformedKey> {
        JsonWebKeySet::parse(&json!({ "keys": [key] })).map(|mut set| set.keys.remove(0))
    }

    #[test]
    fn says_what_a_key_is() {
        let key = parse(rsa(256)).unwrap();
        assert_eq!(key.kind, KeyKind::Rsa { modulus_bits: 2048, modulus_is_odd: true, exponent_is_sound: true });
        assert_eq!(
            (key.usage.as_deref(), key.algorithm.as_deref(), key.key_id.as_deref()),
            (Some("sig"), Some("PS256"), Some("a"))
        );
        let coordinate = URL_SAFE_NO_PAD.encode([1; 32]);
        let key = parse(json!({"kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate})).unwrap();
        assert_eq!(key.kind, KeyKind::EllipticCurve { curve: "P-256".to_owned() });
        let key = parse(json!({"kty": "OKP", "crv": "Ed25519", "x": coordinate})).unwrap();
        assert_eq!(key.kind, KeyKind::OctetKeyPair { curve: "Ed25519".to_owned() });
        assert_eq!(parse(json!({"kty": "AKP", "pub": "x"})).unwrap().kind, KeyKind::Other("AKP".to_owned()));
    }

    #[test]
    fn counts_the_bits_of_the_number_not_of_its_writing() {
        assert_eq!(bits(&[0, 0, 1]), 1);
        assert_eq!(bits(&[0x80, 0]), 16);
        assert_eq!(bits(&[0, 0]), 0);
        let (longest, longer) = (URL_SAFE_NO_PAD.encode([0xff; 32]), URL_SAFE_NO_PAD.encode([0xff; 33]));
        for (exponent, sound) in [
            ("AQAB", true),
            ("AAEAAQ", true),
            ("AQAD", true),
            ("Aw", false),
            ("BQ", false),
            ("EQ", false),
            ("__8", false),
            ("AQAA", false),
            (&longest, true),
            ("AQ", false),
            ("AA", false),
            ("AAAC", false),
            (&longer, false),
        ] {
            let mut key = rsa(128);
            key["e"] = json!(exponent);
            assert_eq!(
                parse(key).unwrap().kind,
                KeyKind::Rsa { modulus_bits: 1024, modulus_is_odd: true, exponent_is_sound: sound },
                "{exponent}"
            );
        }
    }

    #[test]
    fn names_secret_members_and_sends_none_of_them() {
        let mut key = rsa(256);
        key["d"] = json!("AQAB");
        key["qi"] = json!("AQAB");
        key["x-internal"] = json!("hello");
        let set = JsonWebKeySet::parse(&json!({"keys": [key, {"kty": "oct", "k": "AQAB", "kid": "s"}]})).unwrap();
        assert_eq!(set.keys[0].secret_members, ["d", "qi"]);
        assert_eq!(set.keys[1].secret_members, ["k"]);
        let sent = set.to_public_json();
        assert_eq!(sent["keys"][1], json!({"kty": "oct", "kid": "s"}));
        assert_eq!(sent["keys"][0], rsa(256));
    }

    #[test]
    fn a_member_that_holds_nothing_is_no_secret_and_is_not_sent() {
        for nothing in [json!(null), json!(""), json!([])] {
            let mut key = rsa(256);
            for name in SECRETS.into_iter().chain(["x5t", "x5c", "key_ops"]) {
                key[name] = nothing.clone();
            }
            let set = JsonWebKeySet::parse(&json!({"keys": [key]})).unwrap();
            assert_eq!(set.keys[0].secret_members, [""; 0], "{nothing}");
            assert!(set.keys[0].verifies(), "{nothing}");
            assert_eq!(set.to_public_json()["keys"][0], rsa(256));
        }
        for something in [json!("AQAB"), json!([{}]), json!({}), json!(0), json!(" ")] {
            let mut key = rsa(256);
            key["oth"] = something;
            assert_eq!(parse(key).unwrap().secret_members, ["oth"]);
        }
    }

    #[test]
    fn a_set_that_says_nothing_has_no_keys() {
        for jwks in [json!({}), json!({"keys": null}), json!({"keys": []})] {
            assert_eq!(JsonWebKeySet::parse(&jwks), Ok(JsonWebKeySet::default()), "{jwks}");
        }
    }

    #[test]
    fn says_where_a_set_is_malformed() {
        for (jwks, place) in [
            (json!([]), "jwks"),
            (json!({"kid": "a"}), "jwks.keys"),
            (json!({"keys": {}}), "jwks.keys"),
            (json!({"keys": [1]}), "jwks.keys[0]"),
            (json!({"keys": [{}]}), "jwks.keys[0].kty"),
            (json!({"keys": [rsa(256), {"kty": 1}]}), "jwks.keys[1].kty"),
            (json!({"keys": [{"kty": "RSA", "e": "AQAB"}]}), "jwks.keys[0].n"),
            (json!({"keys": [{"kty": "RSA", "n": "a+b/", "e": "AQAB"}]}), "jwks.keys[0].n"),
            (json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB=="}]}), "jwks.keys[0].e"),
            (json!({"keys": [{"kty": "EC", "x": "AQ", "y": "AQ"}]}), "jwks.keys[0].crv"),
            (json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}]}), "jwks.keys[0].x"),
            (json!({"keys": [{"kty": "oct", "kid": "a\nb"}]}), "jwks.keys[0].kid"),
            (json!({"keys": [{"kty": "oct", "x5c": "AQ"}]}), "jwks.keys[0].x5c"),
            (json!({"keys": [{"kty": "oct", "x5c": ["MIIB\nAQ"]}]}), "jwks.keys[0].x5c"),
            (json!({"keys": [{"kty": "oct", "x5c": ["-----BEGIN CERTIFICATE-----\nAQ"]}]}), "jwks.keys[0].x5c"),
            (json!({"keys": vec![rsa(32); 65]}), "jwks.keys"),
        ] {
            assert_eq!(JsonWebKeySet::parse(&jwks).unwrap_err().place, place, "{jwks}");
        }
    }
}
