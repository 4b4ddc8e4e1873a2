//! A client certificate that a trusted proxy forwards is complete, and verified again.

use base64::Engine as _;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::backend::{header_values, mirror};
use crate::certificates::{Authority, Credential, ServerFiles};
use crate::gateway::{Gateway, REGISTER, client, listener, plain_listener, settings};

fn behind_a_proxy(files: &ServerFiles, trusted: &str) -> Value {
    let mut value = plain_listener();
    value["trusted_proxies"] = json!([trusted]);
    value["client_certificate_header"] = json!("client-cert");
    value["client_certificate_trust"] =
        json!({ "trust": [files.path("ca.pem")], "revocation_lists": [files.path("ca.crl")] });
    value
}

fn written(credential: &Credential) -> String {
    use rustls::pki_types::pem::PemObject as _;
    let der = rustls::pki_types::CertificateDer::from_pem_slice(credential.certificate.as_bytes()).unwrap();
    format!(":{}:", base64::engine::general_purpose::STANDARD.encode(der))
}

async fn seen(gateway: &Gateway, path: &str, certificate: &str) -> Value {
    let request = client().post(gateway.url(path)).header("client-cert", certificate).body("{}");
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_forwarded_certificate_is_verified_and_a_reload_is_felt() {
    let authority = Authority::new("Client CA");
    let files = ServerFiles { directory: tempfile::tempdir().unwrap() };
    let tomorrow = OffsetDateTime::now_utc() + Duration::days(1);
    files.write("ca.pem", &authority.pem());
    files.write("ca.crl", &authority.revocation_list(&[8], tomorrow));
    let gateway = Gateway::start(settings(behind_a_proxy(&files, "127.0.0.0/8"), mirror().await));
    let (good, revoked) = (authority.credential("partner", 7), authority.credential("gone", 8));
    let stranger = Authority::new("Another CA").credential("stranger", 7);

    assert_eq!(seen(&gateway, REGISTER, &written(&good)).await["certificate"], "CN=partner");
    assert_eq!(seen(&gateway, REGISTER, &written(&good)).await["certificate"], "CN=partner");
    for bad in [written(&revoked), written(&stranger), ":AAEC:".to_owned(), "CN=partner".to_owned()] {
        assert!(seen(&gateway, REGISTER, &bad).await["certificate"]["refused"].is_string(), "{bad}");
    }
    let upstream = seen(&gateway, "/other", &written(&good)).await;
    assert_eq!(header_values(&upstream, "client-cert"), [written(&good)]);
    let upstream = seen(&gateway, "/other", &written(&revoked)).await;
    assert_eq!(header_values(&upstream, "client-cert"), Vec::<String>::new());

    files.write("ca.crl", &authority.revocation_list(&[7, 8], tomorrow));
    gateway.proxy.reload(gateway.settings.clone()).unwrap();
    assert!(seen(&gateway, REGISTER, &written(&good)).await["certificate"]["refused"].is_string());
}

#[tokio::test]
async fn nobody_else_can_forward_one() {
    let authority = Authority::new("Client CA");
    let files = ServerFiles { directory: tempfile::tempdir().unwrap() };
    files.write("ca.pem", &authority.pem());
    files.write("ca.crl", &authority.revocation_list(&[], OffsetDateTime::now_utc() + Duration::days(1)));
    let gateway = Gateway::start(settings(behind_a_proxy(&files, "192.0.2.0/24"), mirror().await));
    let good = authority.credential("partner", 7);
    assert_eq!(seen(&gateway, REGISTER, &written(&good)).await["certificate"], Value::Null);
}

#[test]
fn settings_that_contradict_themselves_say_so() {
    let mut value = plain_listener();
    value["client_certificate_header"] = json!("xfcc");
    assert_eq!(listener(value).contradictions().count(), 2);
    let mut value = plain_listener();
    value["client_certificate_trust"] = json!({ "trust": ["ca.pem"] });
    assert_eq!(listener(value).contradictions().count(), 1);
    assert_eq!(listener(plain_listener()).contradictions().count(), 0);
}
