//! JSON Web Tokens: what is verified was signed, by this key, with this algorithm, over these claims, and one text is one token.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dcr_gateway::clock::Timestamp;
use dcr_gateway::jose::{Algorithm, ClaimRules, Expiry, JoseError, KeySet, unverified_claims, verify};
use dcr_gateway::registration::json;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Map, Value};

use super::{choice, halves};

const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
const LEEWAY: u64 = 30;

/// The key's `kid`.
pub const KEY_ID: &str = "k";

struct Signer {
    pair: Ed25519KeyPair,
    keys: KeySet,
}

/// Signs with Ed25519, whose signatures are the same for the same message. The other keys of the set are there to be confused with it.
fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 octets");
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let modulus = URL_SAFE_NO_PAD.encode([0xc3; 256]);
        let set = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"{KEY_ID}"}},
                {{"kty":"RSA","n":"{modulus}","e":"AQAB","kid":"r"}},
                {{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"n","use":"enc"}}]}}"#
        );
        Signer { pair, keys: KeySet::parse(set.as_bytes()).expect("a key set") }
    })
}

/// A token over any header and payload, signed well.
pub fn signed(header: &[u8], payload: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(signer().pair.sign(message.as_bytes()).as_ref());
    format!("{message}.{signature}")
}

/// The property. By the first byte: a token as text; a header and a payload that are signed; the same with one byte of the token changed;
/// a set of keys.
pub fn holds(input: &[u8]) -> bool {
    let Some((kind, rest)) = choice(input) else { return false };
    match kind % 4 {
        0 => {
            let Ok(text) = std::str::from_utf8(rest) else { return false };
            token(text)
        }
        1 => {
            let (header, payload) = halves(rest);
            let text = signed(header, payload);
            let is_verified = token(&text);
            let is_usual = header == format!(r#"{{"alg":"EdDSA","kid":"{KEY_ID}"}}"#).as_bytes();
            if is_usual && json::parse(payload).is_ok() && text.len() <= dcr_gateway::jose::LONGEST {
                assert!(is_verified, "refused although nothing is wrong: {text}");
            }
            is_verified
        }
        2 => {
            let Some((at, [byte, rest @ ..])) = rest.split_first_chunk::<2>() else { return false };
            let (header, payload) = halves(rest);
            let text = signed(header, payload);
            let mut changed = text.clone().into_bytes();
            let at = usize::from(u16::from_be_bytes(*at)) % changed.len();
            changed[at] = *byte;
            let Ok(changed) = String::from_utf8(changed) else { return false };
            let is_verified = token(&changed);
            assert!(!is_verified || changed == text, "changed at {at}, and verified: {changed}");
            is_verified
        }
        _ => key_set(rest),
    }
}

/// Whether it is verified; panics where that would be wrong.
fn token(text: &str) -> bool {
    let Signer { pair, keys } = signer();
    let claims = match verify(text, keys, &Algorithm::ALL) {
        Ok(claims) => claims,
        Err(error) => {
            assert!(error.to_string().is_ascii(), "{error}");
            return false;
        }
    };
    let [header, payload, signature] = text.split('.').collect::<Vec<_>>()[..] else { panic!("{text} is verified") };
    let message = format!("{header}.{payload}");
    let own = URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()).as_ref());
    assert_eq!(signature, own, "not our signature: {text}");
    let octets = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let header: Value = serde_json::from_slice(&octets(header)).expect("a header of JSON");
    assert_eq!(header["alg"], "EdDSA", "{header}");
    assert!(header.get("kid").is_none_or(|id| id == KEY_ID) && header.get("crit").is_none(), "{header}");
    let read: Value = serde_json::from_slice(&octets(payload)).expect("a payload of JSON");
    assert_eq!(Value::Object(claims.clone()), read);
    assert_eq!(unverified_claims(text).as_ref(), Ok(&claims));
    let others: Vec<_> = Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::EdDsa).collect();
    assert_eq!(verify(text, keys, &others), Err(JoseError::Algorithm), "an algorithm that is not allowed");
    assert!(verify(text, &KeySet::default(), &Algorithm::ALL).is_err(), "verified without keys");
    check_claims(&claims);
    true
}

/// The rules of the claims, said a second time.
fn check_claims(claims: &Map<String, Value>) {
    let rules = ClaimRules {
        issuer: "https://idp.example",
        audience: Some("dcr"),
        expiry: Expiry::Required,
        max_age: Some(Duration::from_secs(600)),
        leeway: Duration::from_secs(LEEWAY),
    };
    let Ok(validity) = rules.check(claims, NOW) else { return };
    assert_eq!(claims["iss"], "https://idp.example");
    let is_for_us = match &claims["aud"] {
        Value::Array(several) => several.iter().any(|one| one == "dcr"),
        one => one == "dcr",
    };
    assert!(is_for_us, "{}", claims["aud"]);
    let now = 1_700_000_000.0;
    #[allow(clippy::cast_precision_loss, reason = "half a minute")]
    let leeway = LEEWAY as f64;
    let date = |name: &str| claims.get(name).map(|value| value.as_f64().expect("a number"));
    assert!(date("exp").is_some_and(|end| end + leeway > now), "{claims:?}");
    assert!(date("nbf").is_none_or(|start| start <= now + leeway + 0.001), "{claims:?}");
    assert!(date("iat").is_some_and(|made| made <= now + leeway + 0.001 && made + 600.0 + leeway > now), "{claims:?}");
    // It says itself until when, to the millisecond.
    let end = validity.refused_from.expect("it ends");
    assert!(rules.check(claims, end).is_err() && rules.check(claims, end.before(Duration::from_millis(1))).is_ok());
}

fn key_set(document: &[u8]) -> bool {
    let Ok(set) = KeySet::parse(document) else { return false };
    let read: Value = serde_json::from_slice(document).expect("what is strict is JSON");
    assert_eq!(Some(set.len() + set.passed_over().len()), read["keys"].as_array().map(Vec::len));
    for passed_over in set.passed_over() {
        let sentence = passed_over.to_string();
        assert!(sentence.starts_with("keys[") && !sentence.contains(char::is_control), "{sentence:?}");
    }
    // Whatever the keys are: nobody signed this.
    let token = signed(br#"{"alg":"RS256"}"#, b"{}");
    assert!(verify(&token, &set, &Algorithm::ALL).is_err());
    !set.is_empty()
}
