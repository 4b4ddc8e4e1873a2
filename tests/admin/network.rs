//! The API over TCP: tokens, roles, TLS; and who may on the socket.

use std::net::SocketAddr;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::header::IF_MATCH;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{Answer, World, answer, demo_section, demo_server, entry};

fn tokens() -> String {
    ["viewer", "approver", "administrator"].map(entry).join(", ")
}

async fn ask(address: SocketAddr, role: &str, method: &str, target: &str) -> Answer {
    let request = reqwest::Client::new().request(method.parse().unwrap(), format!("http://{address}{target}"));
    let request = request.bearer_auth(format!("token-of-{role}")).header(IF_MATCH, "*");
    answer(request.send().await.unwrap()).await
}

#[tokio::test]
async fn each_role_may_what_those_before_it_may_and_no_more() {
    let admin = format!("{{ socket: admin.sock, listen: 127.0.0.1:0, tokens: [{}] }}", tokens());
    let world = World::with_admin(&admin).await;
    let address = world.admin.unwrap();
    // 404: it may, and there is no such client.
    let table = [
        ("GET", "/v1/clients", [200, 200, 200]),
        ("GET", "/v1/clients/none", [404, 404, 404]),
        ("GET", "/v1/clients/none/review", [404, 404, 404]),
        ("GET", "/v1/registrations", [200, 200, 200]),
        ("GET", "/v1/findings", [200, 200, 200]),
        ("GET", "/v1/requests", [200, 200, 200]),
        ("GET", "/v1/requests/none", [404, 404, 404]),
        ("GET", "/v1/tokens", [200, 200, 200]),
        ("GET", "/v1/keys", [200, 200, 200]),
        ("GET", "/v1/openapi.json", [200, 200, 200]),
        ("POST", "/v1/clients/none/approve", [403, 404, 404]),
        ("POST", "/v1/clients/none/reject", [403, 404, 404]),
        ("POST", "/v1/clients/none/elevate", [403, 404, 404]),
        ("POST", "/v1/clients/none/suspend", [403, 404, 404]),
        ("POST", "/v1/clients/none/resume", [403, 404, 404]),
        ("DELETE", "/v1/clients/none", [403, 403, 404]),
        ("POST", "/v1/tokens", [403, 403, 415]),
        ("POST", "/v1/tokens/none/revoke", [403, 403, 404]),
        ("POST", "/v1/registrations/none/resolve", [403, 403, 415]),
    ];
    for (method, target, expected) in table {
        let mut statuses = Vec::new();
        for role in ["viewer", "approver", "administrator"] {
            statuses.push(ask(address, role, method, target).await.status);
        }
        assert_eq!(statuses, expected, "{method} {target}");
    }
    // The name is the operator's.
    let client = world.register("Orders").await;
    let target = format!("/v1/clients/{}/suspend", client["client_id"].as_str().unwrap());
    assert_eq!(ask(address, "approver", "POST", &target).await.body["changed_by"], "some approver");
}

#[tokio::test]
async fn a_body_that_never_comes_holds_no_connection_for_ever() {
    let world =
        World::with_admin(&format!("{{ socket: off, listen: 127.0.0.1:0, tokens: [{}] }}", entry("viewer"))).await;
    let mut stream = TcpStream::connect(world.admin.unwrap()).await.unwrap();
    let head = "POST /console/session HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
                dcr-console: 1\r\nsec-fetch-site: same-origin\r\ncontent-length: 20\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is held");
    assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_that_is_known() {
    let admin = format!("{{ socket: off, listen: 127.0.0.1:0, tokens: [{}] }}", entry("viewer"));
    let world = World::with_admin(&admin).await;
    let url = format!("http://{}/v1/clients", world.admin.unwrap());
    for authorization in [None, Some("Bearer token-of-nobody"), Some("Basic dG9rZW4="), Some("token-of-viewer")] {
        let mut request = reqwest::Client::new().get(&url);
        if let Some(line) = authorization {
            request = request.header("authorization", line);
        }
        let response = request.send().await.unwrap();
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        let answered = answer(response).await;
        assert_eq!((answered.status, answered.media_type.as_str()), (401, "application/problem+json"));
    }
    // Nor is it told to them what there is.
    let nowhere = reqwest::get(format!("http://{}/v1/nowhere", world.admin.unwrap())).await.unwrap();
    assert_eq!(nowhere.status(), 401);
}

#[tokio::test]
async fn without_tokens_the_address_has_metrics_and_health_alone() {
    let world = World::with_admin("{ socket: off, listen: 127.0.0.1:0 }").await;
    let get = async |path: &str| reqwest::get(format!("http://{}{path}", world.admin.unwrap())).await.unwrap().status();
    assert_eq!(get("/livez").await, 200);
    assert_eq!(get("/readyz").await, 200);
    assert_eq!(get("/metrics").await, 200);
    assert_eq!(get("/v1/clients").await, 404);
    assert!(!world.directory.path().join("admin.sock").exists());
}

#[tokio::test]
async fn tls_is_spoken_where_there_is_a_certificate() {
    let directory = TempDir::new().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.path().join("admin.pem"), cert.pem()).unwrap();
    std::fs::write(directory.path().join("admin.key"), signing_key.serialize_pem()).unwrap();
    let tls = "tls: { certificate: admin.pem, private_key: admin.key }";
    let admin = format!("{{ socket: off, listen: 127.0.0.1:0, {tls}, tokens: [{}] }}", entry("viewer"));
    let world = World::in_directory(directory, &demo_section(demo_server().await), &admin).await;
    let port = world.admin.unwrap().port();
    let root = reqwest::Certificate::from_pem(cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    let request = client.get(format!("https://localhost:{port}/v1/clients")).bearer_auth("token-of-viewer");
    assert_eq!(answer(request.send().await.unwrap()).await.status, 200);
    let plain = reqwest::Client::new().get(format!("http://127.0.0.1:{port}/livez")).send().await;
    assert!(plain.is_err(), "{plain:?}");
}

#[tokio::test]
async fn on_the_socket_the_settings_say_who_is_who() {
    let own = nix::unistd::geteuid();
    let admin = format!("{{ socket: admin.sock, actors: [{{ uid: {own}, name: ada, role: approver }}] }}");
    let world = World::with_admin(&admin).await;
    let client = world.register("Orders").await;
    let target = format!("/v1/clients/{}", client["client_id"].as_str().unwrap());
    let suspended = world.change("POST", &format!("{target}/suspend"), "*").await;
    assert_eq!((suspended.status, &suspended.body["changed_by"]), (200, &json!("ada")));
    assert_eq!(world.change("DELETE", &target, "*").await.status, 403);
}
