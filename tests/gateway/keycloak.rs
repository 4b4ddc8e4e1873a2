//! Before a Keycloak: its other providers and realms are ways to register too, and none of them goes past the gateway.

use serde_json::json;

use crate::client::{Post, exchange, get};
use crate::judged;
use crate::process::Gateway;
use crate::upstream::Upstream;

const CONFIGURATION: &str = r#"
public_url: https://sso.example.com
listeners: [{ address: 127.0.0.1:0 }]
authorization_server:
  kind: keycloak
  issuer: https://sso.example.com/realms/acme
  url: http://{upstream}
  credential: none
store: { url: "sqlite://gateway.db" }
admin: { listen: 127.0.0.1:0 }
telemetry: { log: { format: json, level: info } }
throttle: { per_address: { rate: 10000/s, burst: 10000 }, total: { rate: 10000/s, burst: 10000 } }
profiles: [{ name: mcp, preset: mcp, match: {} }]
"#;

const ENDPOINT: &str = "/realms/acme/clients-registrations/openid-connect";

#[tokio::test(flavor = "multi_thread")]
async fn every_other_way_to_register_is_closed() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(CONFIGURATION, upstream.address);
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
async fn a_client_id_that_is_a_url_is_no_way_round() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(CONFIGURATION, upstream.address);
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
