//! Signatures of the specifications, of our own signer, and what an attacker makes of them.

use serde_json::json;

use super::signing::Signer;
use super::*;

const A2_AND_A3_CLAIMS: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5juj\
    Gbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6\
    _dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlU\
    PQGe77Rw";

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn claims() -> Value {
    json!({"iss": "https://idp.example", "aud": "dcr"})
}

#[test]
fn verifies_the_examples_of_rfc_7515() {
    let a2 = format!("eyJhbGciOiJSUzI1NiJ9.{A2_AND_A3_CLAIMS}.{A2_SIGNATURE}");
    let a3 = format!(
        "eyJhbGciOiJFUzI1NiJ9.{A2_AND_A3_CLAIMS}.\
         DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    let keys = set(&[
        json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}),
        Signer::new(Algorithm::Rs256, "a2").jwk(),
    ]);
    for token in [a2, a3] {
        let claims = verify(&token, &keys, &Algorithm::USUAL).unwrap();
        assert_eq!(claims["iss"], "joe");
        assert_eq!(claims["http://example.com/is_root"], true);
    }
}

#[test]
fn verifies_the_example_of_rfc_8037_whose_payload_are_no_claims() {
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
        hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let keys = set(&[json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})]);
    let taken_apart = Unverified::parse(token).unwrap();
    assert_eq!(verify_signature(&taken_apart, &keys, &[Algorithm::EdDsa]), Ok(()));
    assert!(matches!(verify(token, &keys, &[Algorithm::EdDsa]), Err(JoseError::Malformed(_))));
}

#[test]
fn verifies_ed25519_by_the_name_that_rfc_9864_gives_it() {
    let signer = Signer::new(Algorithm::EdDsa, "k");
    let mut key = signer.jwk();
    key["alg"] = json!("Ed25519");
    let token = signer.sign_as(r#"{"alg":"Ed25519","kid":"k"}"#, claims().to_string().as_bytes());
    assert_eq!(verify(&token, &set(&[key]), &[Algorithm::EdDsa]).map(Value::Object), Ok(claims()));
}

#[test]
fn verifies_every_algorithm_and_only_where_it_is_allowed() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::new(algorithm, "k");
        let (token, keys) = (signer.sign(&claims()), KeySet::parse(signer.jwks().to_string().as_bytes()).unwrap());
        assert_eq!(Value::Object(verify(&token, &keys, &[algorithm]).unwrap()), claims(), "{algorithm}");
        let others: Vec<_> = Algorithm::ALL.into_iter().filter(|other| *other != algorithm).collect();
        assert_eq!(verify(&token, &keys, &others), Err(JoseError::Algorithm), "{algorithm}");
    }
}

#[test]
fn a_changed_token_is_refused_wherever_it_is_changed() {
    for algorithm in Algorithm::USUAL {
        let signer = Signer::new(algorithm, "k");
        let (token, keys) = (signer.sign(&claims()), set(&[signer.jwk()]));
        let end_of_header = token.find('.').unwrap();
        let signature = token.rfind('.').unwrap() + 1;
        for at in [end_of_header + 8, signature, signature + 20] {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(verify(&changed, &keys, &Algorithm::ALL), Err(JoseError::BadSignature), "{changed}");
        }
        for kept in [4, 80] {
            let cut_short = &token[..signature + kept];
            assert_eq!(verify(cut_short, &keys, &Algorithm::ALL), Err(JoseError::BadSignature), "{cut_short}");
        }
    }
}

#[test]
fn a_key_is_used_for_nothing_but_what_it_is_for() {
    let rsa = Signer::new(Algorithm::Rs256, "k");
    let mut for_pss_only = rsa.jwk();
    for_pss_only["alg"] = json!("PS256");
    assert_eq!(verify(&rsa.sign(&claims()), &set(&[for_pss_only]), &Algorithm::ALL), Err(JoseError::Algorithm));
    let elliptic = Signer::new(Algorithm::Es256, "k");
    assert_eq!(verify(&elliptic.sign(&claims()), &set(&[rsa.jwk()]), &Algorithm::ALL), Err(JoseError::Algorithm));
}

#[test]
fn nothing_is_taken_from_a_token_that_says_it_needs_no_key_or_a_shared_one() {
    let signer = Signer::new(Algorithm::Rs256, "k");
    let keys = set(&[signer.jwk()]);
    for name in ["none", "NONE", "HS256", "HS384", "HS512", "RS1", "ES256K", "A128KW", "rs256"] {
        let header = json!({"alg": name, "kid": "k"}).to_string();
        let token = signer.sign_as(&header, claims().to_string().as_bytes());
        assert_eq!(verify(&token, &keys, &Algorithm::ALL), Err(JoseError::Algorithm), "{name}");
    }
}

#[test]
fn a_key_inside_the_token_counts_for_nothing() {
    let (owner, attacker) = (Signer::new(Algorithm::EdDsa, "k"), Signer::new(Algorithm::EdDsa, "k"));
    let header =
        json!({"alg": "EdDSA", "kid": "k", "jwk": attacker.jwk(), "jku": "https://evil.example/jwks"}).to_string();
    let token = attacker.sign_as(&header, claims().to_string().as_bytes());
    assert_eq!(verify(&token, &set(&[owner.jwk()]), &Algorithm::ALL), Err(JoseError::BadSignature));
}

#[test]
fn tells_an_unknown_key_from_a_wrong_signature() {
    let (old, new) = (Signer::new(Algorithm::Es256, "old"), Signer::new(Algorithm::Es256, "new"));
    let keys = set(&[old.jwk()]);
    assert_eq!(verify(&new.sign(&claims()), &keys, &Algorithm::ALL), Err(JoseError::UnknownKey));
    assert_eq!(verify(&new.sign(&claims()), &KeySet::default(), &Algorithm::ALL), Err(JoseError::UnknownKey));
    let posing = new.sign_as(r#"{"alg":"ES256","kid":"old"}"#, b"{}");
    assert_eq!(verify(&posing, &keys, &Algorithm::ALL), Err(JoseError::BadSignature));
    let nameless = new.sign_as(r#"{"alg":"ES256"}"#, b"{}");
    assert_eq!(verify(&nameless, &keys, &Algorithm::ALL), Err(JoseError::UnknownKey));
    assert!(verify(&nameless, &set(&[old.jwk(), new.jwk()]), &Algorithm::ALL).is_ok());
}

#[test]
fn a_nameless_token_is_tried_with_a_few_keys_only() {
    let signers: Vec<_> = (0..=MOST_TRIED).map(|_| Signer::new(Algorithm::EdDsa, "k")).collect();
    let keys = set(&signers.iter().map(Signer::jwk).collect::<Vec<_>>());
    let nameless = |signer: &Signer| signer.sign_as(r#"{"alg":"EdDSA"}"#, b"{}");
    assert!(verify(&nameless(&signers[MOST_TRIED - 1]), &keys, &Algorithm::ALL).is_ok());
    assert_eq!(verify(&nameless(&signers[MOST_TRIED]), &keys, &Algorithm::ALL), Err(JoseError::UnknownKey));
}

#[test]
fn headers_and_claims_are_read_strictly() {
    let signer = Signer::new(Algorithm::EdDsa, "k");
    let keys = set(&[signer.jwk()]);
    let long = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, "k".repeat(513));
    for (header, payload) in [
        (r#"{"alg":"EdDSA","alg":"EdDSA"}"#, "{}"),
        (r#"{"alg":"none","alg":"EdDSA"}"#, "{}"),
        (r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#, "{}"),
        (r#"{"alg":"EdDSA","crit":[]}"#, "{}"),
        (r#"{"alg":"EdDSA","kid":1}"#, "{}"),
        (r#"{"alg":["EdDSA"]}"#, "{}"),
        (r#"{"kid":"k"}"#, "{}"),
        (r#"["EdDSA"]"#, "{}"),
        (&long, "{}"),
        (r#"{"alg":"EdDSA"}"#, r#"{"iss":"a","iss":"b"}"#),
        (r#"{"alg":"EdDSA"}"#, r#"{"a":{"b":1,"b":2}}"#),
        (r#"{"alg":"EdDSA"}"#, "[]"),
        (r#"{"alg":"EdDSA"}"#, "{} {}"),
        (r#"{"alg":"EdDSA"}"#, "\u{feff}{}"),
    ] {
        let refused = verify(&signer.sign_as(header, payload.as_bytes()), &keys, &Algorithm::ALL);
        assert!(matches!(refused, Err(JoseError::Malformed(_))), "{header} {payload}: {refused:?}");
    }
}

#[test]
fn only_the_compact_form_in_clean_base64url_is_a_token() {
    let signer = Signer::new(Algorithm::EdDsa, "k");
    let keys = set(&[signer.jwk()]);
    let token = signer.sign(&claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    // The last of the 86 digits of 64 octets holds two bits only; with others set it would be a second text for the same value.
    let other_text = &signature[..85];
    let unclean = ["B", "C", "h", "x", "9"].map(|last| format!("{signed}.{other_text}{last}"));
    let huge = signer.sign(&json!({"padding": "x".repeat(LONGEST)}));
    for text in [
        "",
        "..",
        signed,
        &format!("{signed}."),
        &format!(".{payload}.{signature}"),
        &format!("{header}..{signature}"),
        &format!("{token}.{signature}"),
        &format!("{header}.{payload}.{signature}.{payload}.{signature}"),
        &format!("{token}="),
        &format!("{token}\n"),
        &format!(" {token}"),
        &format!("{header}.{payload}+.{signature}"),
        &format!("{}.{payload}.{signature}", "e".repeat(8193)),
        &format!("{signed}.{}", "A".repeat(1367)),
        &unclean[0],
        &unclean[1],
        &unclean[2],
        &unclean[3],
        &unclean[4],
        &huge,
    ] {
        assert!(matches!(verify(text, &keys, &Algorithm::ALL), Err(JoseError::Malformed(_))), "{text:.200}");
    }
}

#[test]
fn says_whose_token_it_would_be_without_believing_it() {
    let token = Signer::new(Algorithm::EdDsa, "k").sign(&claims());
    assert_eq!(unverified_claims(&token).unwrap()["iss"], "https://idp.example");
    for text in ["dcrt_abc", "a.b.c", "e30.W10.AA"] {
        assert!(unverified_claims(text).is_err(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_panics_on_any_text(text in "[A-Za-z0-9_.=-]{0,120}") {
        proptest::prop_assert!(verify(&text, &KeySet::default(), &Algorithm::ALL).is_err());
    }
}
