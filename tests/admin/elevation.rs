//! `elevation: automatic`: a client that says by its certificate who it is gets more by asking (RFC 7592 `PUT`); one that does not, waits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dcr_gateway::store::{AuditFilter, AuditLog as _};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{World, demo_section, demo_server};

struct Trust {
    world: World,
    /// As `Client-Cert` holds it (RFC 9440).
    certificate: String,
}

/// A gateway behind a proxy that forwards certificates: whoever has one of the CA's is trusted.
async fn trust() -> Trust {
    let directory = TempDir::new().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Partner CA");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(directory.path().join("ca.pem"), authority.as_ref().pem()).unwrap();
    let params = CertificateParams::new(vec!["app.partner.example".to_owned()]).unwrap();
    let certificate = params.signed_by(&KeyPair::generate().unwrap(), &authority).unwrap();
    let rules = "redirect_uris: { https: [{ host: app.example.com }] }, scopes: { initial: [openid], by_approval: [\"orders:write\", refunds] }";
    let text = format!(
        "public_url: http://127.0.0.1:1\n\
         listeners:\n\
         \x20 - address: 127.0.0.1:0\n\
         \x20   trusted_proxies: [127.0.0.0/8]\n\
         \x20   client_certificate_header: client-cert\n\
         \x20   client_certificate_trust: {{ trust: [ca.pem] }}\n\
         authorization_server: {}\n\
         store: {{ url: \"sqlite://gateway.db\", encryption_key_file: key }}\n\
         admin: {{ socket: admin.sock }}\n\
         profiles:\n\
         \x20 - {{ name: trusted, match: {{ client_certificate: {{ san_dns: [\"*.partner.example\"] }} }}, initial_access_token: off, elevation: automatic, {rules} }}\n\
         \x20 - {{ name: others, match: {{}}, initial_access_token: off, {rules} }}\n",
        demo_section(demo_server().await)
    );
    let certificate = format!(":{}:", STANDARD.encode(certificate.der()));
    Trust { world: World::configured(directory, &text).await, certificate }
}

impl Trust {
    /// Registers, or does something to what is registered already; with a certificate or without.
    async fn ask(&self, certificate: Option<&str>, registered: Option<&Value>, scope: Option<&str>) -> (u16, Value) {
        let path = registered.map(|it| format!("/{}", it["client_id"].as_str().unwrap())).unwrap_or_default();
        let url = format!("http://{}/register{path}", self.world.address);
        let client = reqwest::Client::new();
        let mut request = match (registered, scope) {
            (None, _) => client.post(url),
            (Some(_), Some(_)) => client.put(url),
            (Some(_), None) => client.get(url),
        };
        request = request.header("x-forwarded-for", "192.0.2.1");
        if let Some(certificate) = certificate {
            request = request.header("client-cert", certificate);
        }
        if let Some(scope) = scope {
            let mut body = json!({"redirect_uris": ["https://app.example.com/cb"], "scope": scope});
            if let Some(registered) = registered {
                body["client_id"] = registered["client_id"].clone();
            }
            request = request.json(&body);
        }
        if let Some(registered) = registered {
            request = request.bearer_auth(registered["registration_access_token"].as_str().unwrap());
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    async fn shown(&self, registered: &Value) -> Value {
        self.world.ask("GET", &format!("/v1/clients/{}", registered["client_id"].as_str().unwrap())).await.body
    }
}

const MORE: &str = "openid orders:write admin";

#[tokio::test]
async fn a_trusted_client_gets_more_at_the_server_by_asking_and_the_record_says_how() {
    let trust = trust().await;
    let certificate = Some(trust.certificate.as_str());
    let (status, registered) = trust.ask(certificate, None, Some(MORE)).await;
    assert_eq!((status, &registered["scope"]), (201, &json!("openid")), "no registration gets it: {registered}");
    let (status, changed) = trust.ask(certificate, Some(&registered), Some(MORE)).await;
    assert_eq!((status, &changed["scope"]), (200, &json!("openid orders:write")), "{changed}");
    // The gateway asks the server anew.
    let (status, read) = trust.ask(certificate, Some(&registered), None).await;
    assert_eq!((status, &read["scope"]), (200, &json!("openid orders:write")), "{read}");
    let shown = trust.shown(&registered).await;
    assert_eq!(
        (&shown["scopes"]["granted"], &shown["scopes"]["approved"], &shown["approved"]["actor"]),
        (&json!("openid orders:write"), &json!("orders:write"), &json!("gateway"))
    );
    assert!(shown["approved"]["comment"].as_str().unwrap().contains("orders:write"), "{shown}");
    let events = trust.world.store.records(&AuditFilter::default(), None, 10).await.unwrap();
    let updated = events.iter().find(|record| record.event.contains("client_updated")).expect("an event of the change");
    assert!(updated.event.contains("scope + orders:write"), "{}", updated.event);
    assert!(updated.event.contains(r#""scope_granted":"openid orders:write""#), "{}", updated.event);
    assert!(updated.event.contains(r#""policy_version":""#), "{}", updated.event);

    // It keeps it, and may give it back.
    let (status, kept) = trust.ask(certificate, Some(&registered), Some("openid orders:write refunds")).await;
    assert_eq!((status, &kept["scope"]), (200, &json!("openid orders:write refunds")), "{kept}");
    let (status, less) = trust.ask(certificate, Some(&registered), Some("openid")).await;
    assert_eq!((status, &less["scope"]), (200, &json!("openid")), "{less}");
}

#[tokio::test]
async fn a_client_that_nobody_vouches_for_waits_for_an_operator() {
    let trust = trust().await;
    let (status, registered) = trust.ask(None, None, Some("openid")).await;
    assert_eq!(status, 201, "{registered}");
    // Its profile is the one it was registered under, whatever it presents later.
    for certificate in [None, Some(trust.certificate.as_str())] {
        let (status, changed) = trust.ask(certificate, Some(&registered), Some(MORE)).await;
        assert_eq!((status, &changed["scope"]), (200, &json!("openid")), "{changed}");
    }
    let shown = trust.shown(&registered).await;
    assert_eq!((&shown["scopes"]["withheld"], shown.get("approved")), (&json!("orders:write"), None), "{shown}");
    let path = format!("/v1/clients/{}/elevate", registered["client_id"].as_str().unwrap());
    assert_eq!(trust.world.change("POST", &path, "*").await.body["scopes"]["granted"], "openid orders:write");
    let events = trust.world.store.records(&AuditFilter::default(), None, 1).await.unwrap();
    for told in [
        r#""event":"client_elevated""#,
        r#""decided":"client""#,
        r#""scope_granted":"orders:write""#,
        r#""policy_version":""#,
    ] {
        assert!(events[0].event.contains(told), "{told}: {}", events[0].event);
    }
    let (_, read) = trust.ask(None, Some(&registered), None).await;
    assert_eq!(read["scope"], "openid orders:write");
}

#[tokio::test]
async fn a_trusted_clients_token_alone_elevates_nothing() {
    let trust = trust().await;
    let certificate = Some(trust.certificate.as_str());
    let (_, registered) = trust.ask(certificate, None, Some("openid")).await;
    let (status, refused) = trust.ask(None, Some(&registered), Some(MORE)).await;
    assert_eq!((status, &refused["error"]), (403, &json!("access_denied")), "{refused}");
    assert_eq!(trust.shown(&registered).await["scopes"]["granted"], "openid");
}

#[tokio::test]
async fn a_trusted_client_that_is_suspended_gets_nothing() {
    let trust = trust().await;
    let certificate = Some(trust.certificate.as_str());
    let (_, registered) = trust.ask(certificate, None, Some("openid")).await;
    let path = format!("/v1/clients/{}/suspend", registered["client_id"].as_str().unwrap());
    assert_eq!(trust.world.change("POST", &path, "*").await.status, 200);
    assert_eq!(trust.ask(certificate, Some(&registered), Some(MORE)).await.0, 403);
}
