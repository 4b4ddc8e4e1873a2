//! The server's endpoints at which clients say who they are: who may not be used does not get there, and everything else arrives as it was sent.

use std::sync::Arc;

use base64::Engine as _;
use serde_json::Value;

use crate::backend::{Afterwards, mirror, nobody, scripted};
use crate::certificates::Authority;
use crate::gateway::{Gateway, Mirror, client, plain_listener, settings};
use crate::raw::exchange;

const TOKEN: &str = "/realms/acme/protocol/openid-connect/token";
const AUTHORIZATION: &str = "/realms/acme/protocol/openid-connect/auth";
const PUSHED: &str = "/realms/acme/protocol/openid-connect/ext/par/request";

fn form(body: impl Into<reqwest::Body>, url: String) -> reqwest::RequestBuilder {
    client().post(url).header("content-type", "application/x-www-form-urlencoded").body(body)
}

async fn judged_at(request: reqwest::RequestBuilder) -> Option<String> {
    let answer = request.send().await.unwrap();
    let is_refused = answer.status() == 401;
    let told: Value = answer.json().await.unwrap();
    assert_eq!(is_refused, told.get("judged_at").is_some(), "{told}");
    told["judged_at"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_client_that_may_not_be_used_is_found_however_it_says_who_it_is() {
    let gateway = Gateway::start(settings(plain_listener(), mirror().await));
    let basic = base64::engine::general_purpose::STANDARD.encode("gone:secret");
    let url = |path: &str| gateway.url(path);
    for (request, endpoint) in [
        (form("grant_type=refresh_token&client_id=gone", url(TOKEN)), "Token"),
        (form("client_assertion=e30.gone.x", url(TOKEN)), "Token"),
        (form("grant_type=client_credentials", url(TOKEN)).header("authorization", format!("Basic {basic}")), "Token"),
        (form("client_id=gone", url(PUSHED)), "BackChannel"),
        (form("a=b", url(&format!("{TOKEN}?client_id=gone"))), "Token"),
        (form("client_id=gone", url("/realms/acme/protocol/openid-connect/%74oken")), "Token"),
        (client().get(url(&format!("{AUTHORIZATION}?state=x&client_id=gone"))), "Authorization"),
        (form("client_id=gone", url(AUTHORIZATION)), "Authorization"),
    ] {
        assert_eq!(judged_at(request).await.as_deref(), Some(endpoint));
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_to_be_read_ahead_is_read_as_it_streams() {
    let gateway = Gateway::start(settings(plain_listener(), mirror().await));
    let padding = "x".repeat(200 * 1024);
    for body in [format!("client_id=gone&padding={padding}"), format!("padding={padding}&client_id=gone")] {
        assert_eq!(judged_at(form(body, gateway.url(TOKEN))).await.as_deref(), Some("Token"));
    }
}

#[tokio::test]
async fn a_form_of_unknown_length_is_read_as_it_streams() {
    let gateway = Gateway::start(settings(plain_listener(), mirror().await));
    for form in ["client_id=gone&grant_type=refresh_token", "grant_type=refresh_token&client_id=gone"] {
        let chunks: String = form
            .as_bytes()
            .chunks(5)
            .map(|piece| format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap()))
            .collect();
        let request = format!(
            "POST {TOKEN} HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
        );
        let answer = exchange(gateway.address, request).await;
        assert_eq!(answer.status, 401);
        assert!(answer.head.to_ascii_lowercase().contains("connection: close"), "{}", answer.head);
    }
}

#[tokio::test]
async fn everybody_elses_request_arrives_as_it_was_sent() {
    let gateway = Gateway::start(settings(plain_listener(), mirror().await));
    let body = "grant_type=refresh_token&client_id=here&refresh_token=a%2Bb";
    let seen: Value = form(body, gateway.url(TOKEN)).send().await.unwrap().json().await.unwrap();
    assert_eq!(seen["body"], body);
    let large = format!("client_id=here&x={}", "x".repeat(200 * 1024));
    let seen: Value = form(large.clone(), gateway.url(TOKEN)).send().await.unwrap().json().await.unwrap();
    assert_eq!(seen["body_bytes"], large.len());
}

#[tokio::test]
async fn elsewhere_nobody_is_judged() {
    let gateway = Gateway::start(settings(plain_listener(), mirror().await));
    for request in [
        form("token=t&client_id=gone", gateway.url(&format!("{TOKEN}/introspect"))),
        form("token=t&client_id=gone", gateway.url("/realms/acme/protocol/openid-connect/revoke")),
        form("client_id=gone", gateway.url("/realms/other/protocol/openid-connect/token")),
        client().request(http::Method::OPTIONS, gateway.url(&format!("{TOKEN}?client_id=gone"))),
        client().post(gateway.url(TOKEN)).header("content-type", "text/plain").body("client_id=gone"),
        client().post(gateway.url(TOKEN)),
        client().post(gateway.url(TOKEN)).header("content-type", "multipart/form-data; boundary=x"),
        client().post(gateway.url("/upload")).header("content-type", "multipart/form-data; boundary=x").body("--x--"),
    ] {
        assert_eq!(judged_at(request).await, None);
    }
}

fn typed(media_type: &str, body: impl Into<reqwest::Body>, url: String) -> reqwest::RequestBuilder {
    client().post(url).header("content-type", media_type).body(body)
}

#[tokio::test]
async fn parameters_that_servers_read_and_the_gateway_does_not_are_refused_where_clients_say_who_they_are() {
    let gateway = Gateway::start(settings(plain_listener(), mirror().await));
    let part = "--x\r\nContent-Disposition: form-data; name=\"client_id\"\r\n\r\ngone\r\n--x--\r\n";
    for media_type in
        ["multipart/form-data; boundary=x", "application/xml", "application/x-www-form-urlencoded; charset=utf-16"]
    {
        for (path, endpoint) in [(TOKEN, "Token"), (PUSHED, "BackChannel"), (AUTHORIZATION, "Authorization")] {
            let request = typed(media_type, part, gateway.url(path));
            assert_eq!(judged_at(request).await.as_deref(), Some(endpoint), "{media_type}");
        }
    }
}

#[tokio::test]
async fn parameters_in_json_are_read_as_those_of_a_form() {
    let gateway = Gateway::start(settings(plain_listener(), mirror().await));
    let url = || gateway.url(TOKEN);
    let padding = "x".repeat(100 * 1024);
    for (body, is_refused) in [
        (r#"{"grant_type":"client_credentials","client_id":"gone"}"#.to_owned(), true),
        (r#"{"client_assertion":"e30.gone.x"}"#.to_owned(), true),
        (r#"{"client_id":"here","client_id":"gone"}"#.to_owned(), true),
        (r#"["client_id","gone"]"#.to_owned(), true),
        (format!(r#"{{"client_id":"here","x":"{padding}"}}"#), true),
        (
            r#"{"grant_type":"client_credentials","client_id":"here","audience":"https://api.example.com/"}"#
                .to_owned(),
            false,
        ),
    ] {
        let announced = judged_at(typed("application/json", body.clone(), url())).await;
        let (head, size) = ("Content-Type: application/json\r\nTransfer-Encoding: chunked", body.len());
        let request = format!("POST {TOKEN} HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n");
        let streamed = exchange(gateway.address, request).await;
        assert_eq!((announced.is_some(), streamed.status == 401), (is_refused, is_refused), "{body:.80}");
        assert!(is_refused || streamed.body.contains("client_credentials"), "{}", streamed.body);
    }
    let body = r#"{"client_id":"here", "a": 1.50}"#;
    let seen: Value = typed("application/json", body, url()).send().await.unwrap().json().await.unwrap();
    assert_eq!(seen["body"], body);
    let compressed = typed("application/json", body, url()).header("content-encoding", "gzip");
    assert_eq!(compressed.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_refused() {
    let gateway = Gateway::start(settings(plain_listener(), mirror().await));
    let request = form("client_id=gone", gateway.url(TOKEN)).header("content-encoding", "gzip");
    assert_eq!(request.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn http_2_is_judged_like_http_1() {
    let authority = Authority::new("Server CA");
    let files = authority.server_files();
    let gateway = Gateway::start(settings(files.tls_listener(), mirror().await));
    let mut requests = authority.connect_http2(gateway.address).await;
    let request = http::Request::post(format!("https://sso.example.com{TOKEN}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(())
        .unwrap();
    let (answer, mut body) = requests.send_request(request, false).unwrap();
    body.send_data(bytes::Bytes::from_static(b"client_id=gone"), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 401);
}

#[tokio::test]
async fn what_the_token_endpoint_answers_is_told_and_nothing_else() {
    let handler = Arc::new(Mirror::default());
    let gateway = Gateway::start_with(settings(plain_listener(), mirror().await), handler.clone());
    for request in [
        form("client_id=orders&grant_type=refresh_token", gateway.url(TOKEN)),
        form("client_id=orders", gateway.url(PUSHED)),
        form("client_id=gone", gateway.url(TOKEN)),
    ] {
        request.send().await.unwrap();
    }
    // Who names no client asks for tokens too.
    form("grant_type=refresh_token", gateway.url(TOKEN)).send().await.unwrap();
    assert_eq!(*handler.0.lock().unwrap(), [(vec!["orders".to_owned()], 200), (Vec::new(), 200)]);
}

#[tokio::test]
async fn what_only_announces_an_answer_of_the_token_endpoint_is_told_to_nobody() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let server = scripted(answer, Afterwards::Keep).await.address;
    let handler = Arc::new(Mirror::default());
    let gateway = Gateway::start_with(settings(plain_listener(), server), handler.clone());
    let answer = form("client_id=orders&grant_type=refresh_token", gateway.url(TOKEN)).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(*handler.0.lock().unwrap(), [(vec!["orders".to_owned()], 400)]);
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_told_as_the_client_sees_it() {
    let broken = scripted("nonsense", Afterwards::Close).await.address;
    for (server, status) in [(nobody().await, 503), (broken, 502)] {
        let handler = Arc::new(Mirror::default());
        let gateway = Gateway::start_with(settings(plain_listener(), server), handler.clone());
        let answer = form("client_id=orders&grant_type=refresh_token", gateway.url(TOKEN)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(*handler.0.lock().unwrap(), [(vec!["orders".to_owned()], status)]);
    }
}
