//! Tokens of every form against real key sets and a real introspection endpoint on this machine.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::fetch::settings::FetchSettings;
use crate::jose::Algorithm;
use crate::jose::signing::Signer;
use crate::policy::{CertificateIdentity, PresentedToken};
use crate::store::TokenUse;
use crate::store::memory::MemoryStore;

const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
const ISSUER: &str = "https://idp.example";

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn client() -> FetchClient {
    FetchClient::new(&FetchSettings::default()).unwrap()
}

/// Good claims, some of them replaced; `null` takes one away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "dcr", "scope": "openid dcr", "sub": "partner-7", "jti": "t-1",
        "iat": 1_699_999_990, "exp": 1_700_000_060,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    Value::Object(claims.as_object().unwrap().clone().into_iter().filter(|(_, value)| !value.is_null()).collect())
}

async fn of_issuer(signer: &Signer, profile: Option<&str>) -> Verifiers {
    let jwks = signer.jwks().to_string();
    let base = serve(Router::new().route("/jwks", get(move || async move { jwks }))).await;
    let settings = json!({"jwt": [{
        "issuer": ISSUER, "jwks_url": format!("{base}/jwks"), "audience": "dcr", "required_scope": "dcr", "profile": profile,
    }]});
    Verifiers::new(&serde_json::from_value(settings).unwrap(), &client(), None).unwrap()
}

async fn verify(verifiers: &Verifiers, text: &str) -> Result<VerifiedToken, NotVerified> {
    verifiers.verify(&MemoryStore::default(), &Secret::new(text), NOW).await
}

fn refusal(result: Result<VerifiedToken, NotVerified>) -> TokenRefusal {
    match result {
        Err(NotVerified::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_of_a_configured_issuer_is_good_once_for_its_holder() {
    let signer = Signer::new(Algorithm::Es256, "k");
    let verifiers = of_issuer(&signer, None).await;
    let token = verify(&verifiers, &signer.sign(&claims(json!({})))).await.unwrap();
    let until = Timestamp::from_unix_millis(1_700_000_090_000);
    let once = TokenUse::Once { issuer: ISSUER.to_owned(), id: "t-1".to_owned(), until };
    assert_eq!(token.reservation(), Some(once));
    assert_eq!(token.presented(), PresentedToken::ForAnyProfile);
    assert_eq!(token.label(), "\"partner-7\" of https://idp.example");
    let next = verify(&verifiers, &signer.sign(&claims(json!({"jti": "t-2"})))).await.unwrap();
    assert_eq!(next.source(), token.source());
    let another = verify(&verifiers, &signer.sign(&claims(json!({"sub": "partner-8"})))).await.unwrap();
    assert_ne!(another.source(), token.source());
    let for_one = of_issuer(&signer, Some("partners")).await;
    let token = verify(&for_one, &signer.sign(&claims(json!({})))).await.unwrap();
    assert_eq!(token.presented(), PresentedToken::ForProfile("partners"));
}

#[tokio::test]
async fn everything_about_a_signed_token_must_hold() {
    use {ClaimProblem as C, TokenRefusal as T};
    let signer = Signer::new(Algorithm::Ps256, "k");
    let verifiers = of_issuer(&signer, None).await;
    let other_certificate = json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"});
    for (changes, expected) in [
        (json!({"aud": "account"}), T::Claims(C::Audience)),
        (json!({"aud": null}), T::Claims(C::Missing("aud"))),
        (json!({"scope": "openid dcr2"}), T::WithoutScope),
        (json!({"scope": null}), T::WithoutScope),
        (json!({"scope": ["dcr"]}), T::WithoutScope),
        (json!({"scope": "openid", "scp": "dcr"}), T::WithoutScope),
        (json!({"scope": null, "scp": ["dcr2", "openid dcr", 7]}), T::WithoutScope),
        (json!({"scope": null, "scp": {"dcr": true}}), T::WithoutScope),
        (json!({"exp": null}), T::Claims(C::Missing("exp"))),
        (json!({"exp": 1_699_999_970}), T::Claims(C::Expired)),
        (json!({"iat": 1_699_996_000}), T::Claims(C::TooOld)),
        (json!({"iat": null}), T::Claims(C::Missing("iat"))),
        (json!({"nbf": 1_700_000_031}), T::Claims(C::NotYetValid)),
        (json!({"jti": null}), T::WithoutId),
        (json!({"jti": ""}), T::WithoutId),
        (json!({"jti": 7}), T::WithoutId),
        (json!({"jti": "x".repeat(257)}), T::WithoutId),
        (json!({"cnf": other_certificate}), T::BoundOtherwise),
        (json!({"cnf": {"x5t#S256": "AA"}}), T::BoundOtherwise),
        (json!({"cnf": {}}), T::BoundOtherwise),
    ] {
        let result = verify(&verifiers, &signer.sign(&claims(changes.clone()))).await;
        assert_eq!(refusal(result), expected, "{changes}");
    }
    let forged = Signer::new(Algorithm::EdDsa, "k").sign(&claims(json!({})));
    assert_eq!(refusal(verify(&verifiers, &forged).await), T::NotSigned(JoseError::Algorithm));
    let none = signer.sign_as(r#"{"alg":"none"}"#, claims(json!({})).to_string().as_bytes());
    assert_eq!(refusal(verify(&verifiers, &none).await), T::NotSigned(JoseError::Algorithm));
}

#[tokio::test]
async fn where_there_is_no_scope_an_issuers_scp_is_read() {
    let signer = Signer::new(Algorithm::Ps256, "k");
    let verifiers = of_issuer(&signer, None).await;
    for scp in [json!("openid dcr"), json!(["openid", "dcr"]), json!(["dcr"])] {
        let token = signer.sign(&claims(json!({"scope": null, "scp": scp})));
        assert!(verify(&verifiers, &token).await.is_ok(), "{scp}");
    }
}

#[tokio::test]
async fn a_token_bound_to_a_certificate_is_good_with_that_one_only() {
    let signer = Signer::new(Algorithm::EdDsa, "k");
    let verifiers = of_issuer(&signer, None).await;
    let bound = claims(json!({"cnf": {"x5t#S256": URL_SAFE_NO_PAD.encode([0xab; 32])}}));
    let bound = verify(&verifiers, &signer.sign(&bound)).await.unwrap();
    let free = verify(&verifiers, &signer.sign(&claims(json!({})))).await.unwrap();
    let certificate = |octet: &str| CertificateIdentity {
        subject: String::new(),
        issuer: String::new(),
        serial: String::new(),
        san_dns: vec![],
        san_uri: vec![],
        san_email: vec![],
        san_ip: vec![],
        thumbprint: octet.repeat(32),
        not_after: 0,
    };
    assert_eq!(bound.check_binding(Some(&certificate("ab"))), Ok(()));
    assert_eq!(bound.check_binding(Some(&certificate("cd"))), Err(TokenRefusal::CertificateUnmet));
    assert_eq!(bound.check_binding(None), Err(TokenRefusal::CertificateUnmet));
    assert_eq!(free.check_binding(None), Ok(()));
}

#[tokio::test]
async fn an_issuer_without_keys_means_that_nobody_knows() {
    let base = serve(Router::new()).await;
    let settings = json!({"jwt": [{
        "issuer": ISSUER, "jwks_url": format!("{base}/jwks"), "audience": "dcr", "required_scope": "dcr",
    }]});
    let verifiers = Verifiers::new(&serde_json::from_value(settings).unwrap(), &client(), None).unwrap();
    let token = Signer::new(Algorithm::EdDsa, "k").sign(&claims(json!({})));
    assert!(matches!(verify(&verifiers, &token).await, Err(NotVerified::Keys(_))));
}

/// An introspection endpoint that says what it is told to, and counts.
#[derive(Default)]
struct Endpoint {
    asked: AtomicUsize,
    answer: Mutex<(StatusCode, String)>,
    heard: Mutex<String>,
}

impl Endpoint {
    async fn saying(status: StatusCode, answer: Value) -> (Arc<Self>, Verifiers) {
        async fn introspect(
            State(endpoint): State<Arc<Endpoint>>,
            headers: HeaderMap,
            body: String,
        ) -> (StatusCode, String) {
            endpoint.asked.fetch_add(1, Ordering::SeqCst);
            *endpoint.heard.lock().unwrap() = format!("{} {body}", headers["authorization"].to_str().unwrap());
            endpoint.answer.lock().unwrap().clone()
        }
        let endpoint = Arc::new(Self { answer: Mutex::new((status, answer.to_string())), ..Self::default() });
        let router = Router::new().route("/introspect", post(introspect)).with_state(endpoint.clone());
        let settings: IntrospectionSettings = serde_json::from_value(json!({
            "endpoint": format!("{}/introspect", serve(router).await), "client_id": "gateway", "client_secret_file": "unused",
            "audience": "dcr", "required_scope": "dcr",
        }))
        .unwrap();
        let introspector = Introspector::new(&settings, &Secret::new("s3cret"), client()).unwrap();
        let verifiers = Verifiers::new(&InitialAccessTokenSettings::default(), &client(), Some(introspector)).unwrap();
        (endpoint, verifiers)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn active(changes: Value) -> Value {
    let mut answer = claims(changes);
    answer["active"] = json!(true);
    answer
}

#[tokio::test]
async fn the_endpoint_is_asked_with_our_credential_and_believed_for_a_minute() {
    let (endpoint, verifiers) = Endpoint::saying(StatusCode::OK, active(json!({"exp": 1_700_003_600}))).await;
    let token = Secret::new("opaque+1");
    let store = MemoryStore::default();
    let at = |seconds| verifiers.verify(&store, &token, NOW.after(Duration::from_secs(seconds)));
    let verified = at(0).await.unwrap();
    assert_eq!(verified.reservation(), None);
    assert!(verified.label().starts_with("\"partner-7\" of http://127.0.0.1:"), "{}", verified.label());
    let heard = endpoint.heard.lock().unwrap().clone();
    assert_eq!(heard, "Basic Z2F0ZXdheTpzM2NyZXQ= token=opaque%2B1&token_type_hint=access_token");
    at(59).await.unwrap();
    assert_eq!(endpoint.asked(), 1);
    at(60).await.unwrap();
    assert_eq!(endpoint.asked(), 2);
    *endpoint.answer.lock().unwrap() = (StatusCode::OK, json!({"active": false}).to_string());
    assert_eq!(refusal(at(120).await), TokenRefusal::Inactive);
    assert_eq!(refusal(at(121).await), TokenRefusal::Inactive);
    assert_eq!(endpoint.asked(), 4, "a refusal is not remembered");
}

#[tokio::test]
async fn what_was_heard_by_a_clock_that_was_ahead_is_not_good_until_that_time() {
    let (endpoint, verifiers) = Endpoint::saying(StatusCode::OK, active(json!({"exp": null}))).await;
    let (store, token) = (MemoryStore::default(), Secret::new("opaque"));
    for hours in [1, 0] {
        verifiers.verify(&store, &token, NOW.after(Duration::from_secs(hours * 3600))).await.unwrap();
    }
    assert_eq!(endpoint.asked(), 2);
}

#[tokio::test]
async fn a_good_answer_is_not_good_past_the_tokens_end() {
    let (endpoint, verifiers) = Endpoint::saying(StatusCode::OK, active(json!({"exp": 1_700_000_010}))).await;
    let (store, token) = (MemoryStore::default(), Secret::new("opaque"));
    verifiers.verify(&store, &token, NOW).await.unwrap();
    let at_its_end = verifiers.verify(&store, &token, NOW.after(Duration::from_secs(10))).await;
    assert_eq!(refusal(at_its_end), TokenRefusal::Expired);
    assert_eq!(endpoint.asked(), 2);
}

#[tokio::test]
async fn an_active_token_must_be_meant_for_us_too() {
    use {ClaimProblem as C, TokenRefusal as T};
    for (answer, expected) in [
        (json!({"active": false}), T::Inactive),
        (active(json!({"aud": null})), T::Claims(C::Missing("aud"))),
        (active(json!({"aud": ["account"]})), T::Claims(C::Audience)),
        (active(json!({"scope": "openid"})), T::WithoutScope),
        (active(json!({"exp": 1_700_000_000})), T::Expired),
        (active(json!({"exp": "soon"})), T::Claims(C::Malformed("exp"))),
        (active(json!({"nbf": 1_700_000_001})), T::Claims(C::NotYetValid)),
        (active(json!({"token_type": "DPoP"})), T::BoundOtherwise),
        (active(json!({"cnf": {"jkt": "x"}})), T::BoundOtherwise),
    ] {
        let (_, verifiers) = Endpoint::saying(StatusCode::OK, answer.clone()).await;
        assert_eq!(refusal(verify(&verifiers, "opaque").await), expected, "{answer}");
    }
    let (_, verifiers) = Endpoint::saying(StatusCode::OK, active(json!({"exp": null, "token_type": "bearer"}))).await;
    assert!(verify(&verifiers, "opaque").await.is_ok());
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_as_one_says_nothing_about_a_token() {
    for (status, answer) in [
        (StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"})),
        (StatusCode::INTERNAL_SERVER_ERROR, json!({})),
        (StatusCode::FOUND, json!({})),
        (StatusCode::OK, json!({})),
        (StatusCode::OK, json!({"active": "true"})),
        (StatusCode::OK, json!([])),
    ] {
        let (_, verifiers) = Endpoint::saying(status, answer.clone()).await;
        let result = verify(&verifiers, "opaque").await;
        assert!(matches!(result, Err(NotVerified::Introspection(_))), "{status} {answer}: {result:?}");
    }
}

#[tokio::test]
async fn each_text_belongs_to_one_form() {
    let (endpoint, mut verifiers) = Endpoint::saying(StatusCode::OK, active(json!({}))).await;
    let signer = Signer::new(Algorithm::EdDsa, "k");
    verifiers.issuers = of_issuer(&signer, None).await.issuers;
    let ours = format!("{PREFIX}{}", "A".repeat(43));
    assert_eq!(refusal(verify(&verifiers, &ours).await), TokenRefusal::Unknown);
    assert_eq!(refusal(verify(&verifiers, "dcrt_").await), TokenRefusal::Malformed);
    let expired = signer.sign(&claims(json!({"exp": 1})));
    assert_eq!(refusal(verify(&verifiers, &expired).await), TokenRefusal::Claims(ClaimProblem::Expired));
    assert_eq!(endpoint.asked(), 0, "what is invalid in one form was tried in another");
    let elsewhere = signer.sign(&claims(json!({"iss": "https://elsewhere.example"})));
    assert!(matches!(verify(&verifiers, &elsewhere).await, Ok(VerifiedToken::Introspected(_))));
    let nobody = Verifiers::default();
    assert_eq!(refusal(verify(&nobody, &elsewhere).await), TokenRefusal::Malformed);
}
