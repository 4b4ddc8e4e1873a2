//! Before a Keycloak: its other providers and realms are ways to register too, and none of them goes past the gateway.

use serde_json::json;

use crate::client::{Post, exchange, get};
use crate::judged;
use crate::managed::send;
use crate::process::Gateway;
use crate::upstream::{Mood, Upstream, http};

const CONFIGURATION: &str = r#"
public_url: https://sso.example.com
listeners: [{ address: 127.0.0.1:0 }]
authorization_server:
  kind: keycloak
  issuer: https://sso.example.com/realms/acme
  url: http://{upstream}
  credential: none
store: { url: "sqlite://gateway.db", encryption_key_file: key }
admin: { listen: 127.0.0.1:0 }
telemetry: { log: { format: json, level: info } }
throttle: { per_address: { rate: 10000/s, burst: 10000 }, total: { rate: 10000/s, burst: 10000 } }
profiles: {profiles}
"#;

const MCP: &str = "[{ name: mcp, preset: mcp, match: {} }]";

/// For clients that manage themselves.
const PARTNERS: &str = r#"
  - name: partners
    match: {}
    initial_access_token: off
    redirect_uris: { https: [{ host: app.example.com }] }
    contacts: { required: true }
"#;

/// For clients of the hybrid flow (FAPI 1.0).
const HYBRID: &str = r#"
  - name: hybrid
    match: {}
    initial_access_token: off
    redirect_uris: { https: [{ host: app.example.com }] }
    grant_types: [authorization_code, implicit]
    response_types: [code, code id_token]
"#;

fn with(profiles: &str) -> String {
    CONFIGURATION.replace("{profiles}", profiles)
}

const ENDPOINT: &str = "/realms/acme/clients-registrations/openid-connect";

#[tokio::test(flavor = "multi_thread")]
async fn every_other_way_to_register_is_closed() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&with(MCP), upstream.address);
    let body =
        json!({"redirect_uris": ["http://127.0.0.1:8080/callback"], "token_endpoint_auth_method": "none"}).to_string();
    let request = String::from_utf8(Post { body: body.as_bytes(), ..Post::default() }.bytes()).unwrap();
    for target in [
        "/realms/acme/clients-registrations/default",
        "/realms/acme/clients-registrations/default/",
        "/realms/acme/clients-registrations/saml2-entity-descriptor",
        "/realms/acme/clients-registrations/install/admin-cli",
        "/realms/acme/clients-registrations",
        "/realms/acme/clients-registrations/",
        "/realms/other/clients-registrations/openid-connect",
        "/realms/master/clients-registrations/default",
        "/realms/master/clients-registrations/openid-connect",
        "/auth/realms/acme/clients-registrations/openid-connect",
        "/realms/acme/clients-registrations/openid-connect/",
        "/realms/acme//clients-registrations/openid-connect",
        "/realms/acme/./clients-registrations/openid-connect",
        "/realms/x/../acme/clients-registrations/openid-connect",
        "/realms/acme/x/../clients-registrations/openid-connect",
        "/realms/acme/clients%2Dregistrations/openid-connect",
        "/realms/acme/clients-registrations%2fopenid-connect",
        "/realms/acme/%63lients-registrations/default",
        "/realms/acme/%2563lients-registrations/default",
        "/realms/acme/clients-registrations;x/default",
        "/realms/acme;x/clients-registrations/default",
        "/realms/acme/Clients-Registrations/default",
        "/REALMS/acme/clients-registrations/default",
        "/realms/%61cme/clients-registrations/openid-connect",
        "/realms/acme/clients-registrations/openid-connect%00",
        "/realms/acme/clients-registrations/openid-connect;a=b",
        "/realms/acme/clients-registrations\\default",
        "/realms/acme/clients-registrations/default?x=1",
    ] {
        for method in ["POST", "PUT", "GET"] {
            let request = request.replacen("POST /register", &format!("{method} {target}"), 1);
            let answer = exchange(gateway.address, request.as_bytes()).await.expect("an answer");
            assert!((400..500).contains(&answer.status), "{method} {target}: {answer:?}");
            assert_eq!(judged::problem_of_refusal(&answer), None, "{method} {target}");
            let received = upstream.take();
            assert!(received.is_empty(), "{method} {target} reached the authorization server: {received:?}");
        }
    }
    let request = request.replacen("/register", ENDPOINT, 1);
    exchange(gateway.address, request.as_bytes()).await.expect("an answer");
    assert_eq!(upstream.take().len(), 1, "the endpoint itself is open");
    for path in
        ["/realms/acme/account", "/realms/acme/protocol/openid-connect/certs", "/realms/other/account", "/admin/", "/"]
    {
        assert_eq!(get(gateway.address, path).await.body, "forwarded", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_never_tells_stays_registered_when_a_client_reads_itself_and_writes_that_back() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&with(PARTNERS), upstream.address);
    let asked = json!({
        "redirect_uris": ["https://app.example.com/cb"], "client_name": "Orders", "contacts": ["ops@app.example.com"],
        "software_id": "orders", "software_version": "1.2", "application_type": "web",
    });
    let answered = json!({
        "client_id": "c-1", "client_secret": "s", "redirect_uris": asked["redirect_uris"], "client_name": "Orders",
        "grant_types": ["authorization_code"], "response_types": ["code", "none"],
        "token_endpoint_auth_method": "client_secret_basic", "registration_access_token": "t-1",
        "registration_client_uri": format!("http://inside{ENDPOINT}/c-1"),
    });
    let answer = |status: &str| Mood::Bytes(http(status, "application/json", answered.to_string()));
    upstream.set(answer("201 Created"));
    let registered = send(gateway.address, ("POST", ENDPOINT), "", Some(&asked)).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let registered = registered.json();
    upstream.set(answer("200 OK"));
    let (uri, token) = (format!("{ENDPOINT}/c-1"), registered["registration_access_token"].as_str().unwrap());
    for _ in 0..2 {
        let read = send(gateway.address, ("GET", &uri), token, None).await;
        assert_eq!(read.json(), registered);
    }
    let mut change = registered.clone();
    for member in ["registration_access_token", "registration_client_uri", "client_secret_expires_at"] {
        change.as_object_mut().unwrap().remove(member);
    }
    upstream.take();
    let changed = send(gateway.address, ("PUT", &uri), token, Some(&change)).await;
    assert_eq!((changed.status, changed.json()), (200, registered));
    let sent = upstream.take().remove(0).json();
    for member in ["contacts", "software_id", "software_version", "application_type"] {
        assert_eq!(sent[member], asked[member], "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_hybrid_flow_can_send_back_what_it_is_told() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&with(HYBRID), upstream.address);
    let asked = json!({
        "redirect_uris": ["https://app.example.com/cb"], "grant_types": ["authorization_code", "implicit"],
        "response_types": ["code id_token"],
    });
    // What both flows make possible, and a key set as other servers tell of a client without keys.
    let derived = ["code", "none", "id_token", "id_token token", "code id_token", "code token", "code id_token token"];
    let answered = json!({
        "client_id": "c-1", "client_secret": "s", "redirect_uris": asked["redirect_uris"], "jwks": {},
        "grant_types": asked["grant_types"], "response_types": derived,
        "token_endpoint_auth_method": "client_secret_basic", "registration_access_token": "t-1",
        "registration_client_uri": format!("http://inside{ENDPOINT}/c-1"),
    });
    let answer = |status: &str| Mood::Bytes(http(status, "application/json", answered.to_string()));
    upstream.set(answer("201 Created"));
    let registered = send(gateway.address, ("POST", ENDPOINT), "", Some(&asked)).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let registered = registered.json();
    assert_eq!((&registered["response_types"], registered.get("jwks")), (&asked["response_types"], None));
    upstream.set(answer("200 OK"));
    let (uri, token) = (format!("{ENDPOINT}/c-1"), registered["registration_access_token"].as_str().unwrap());
    let mut change = send(gateway.address, ("GET", &uri), token, None).await.json();
    assert_eq!(change, registered);
    for member in ["registration_access_token", "registration_client_uri", "client_secret_expires_at"] {
        change.as_object_mut().unwrap().remove(member);
    }
    let changed = send(gateway.address, ("PUT", &uri), token, Some(&change)).await;
    assert_eq!((changed.status, changed.json()), (200, registered));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_id_that_is_a_url_is_no_way_round() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&with(MCP), upstream.address);
    for query in [
        "client_id=https://evil.example/client.json",
        "client_id=https%3A%2F%2Fevil.example%2Fclient.json",
        "client_id=HTTPS%3a//evil.example/client.json",
        "response_type=code&client_id=https%3A%2F%2Fevil.example",
        "cl%69ent_id=https%3A%2F%2Fevil.example",
        "client_id=a&client_id=https%3A%2F%2Fevil.example",
    ] {
        let path = format!("/realms/acme/protocol/openid-connect/auth?{query}");
        let answer = get(gateway.address, &path).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert!(upstream.take().is_empty(), "{query}");
        let form = format!(
            "POST /realms/acme/protocol/openid-connect/ext/par/request HTTP/1.1\r\nHost: sso.example.com\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{query}",
            query.len()
        );
        let answer = exchange(gateway.address, form.as_bytes()).await.expect("an answer");
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
    }
    let answer = get(
        gateway.address,
        "/realms/acme/protocol/openid-connect/auth?client_id=client-1&redirect_uri=https%3A%2F%2Fapp.example.com",
    )
    .await;
    assert_eq!(answer.body, "forwarded");
}
