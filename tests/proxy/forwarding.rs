//! Everything that is not ours streams through: unchanged, but for the headers that say who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dcr_gateway::authorization_server::settings::ClientIdMetadataDocuments;
use dcr_gateway::authorization_server::settings::OtherPaths;
use dcr_gateway::authorization_server::transport::{Limits, Transport as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::backend::{Afterwards, echo_after_upgrade, hasty, header_values, mirror, nobody, scripted};
use crate::certificates::Authority;
use crate::gateway::{Gateway, PATIENCE, client, plain_listener, settings};
use crate::raw::{exchange, read_answer};

#[tokio::test]
async fn the_server_sees_its_public_name_and_the_clients_address() {
    let gateway = Gateway::plain(mirror().await);
    let request = client()
        .get(gateway.url("/realms/acme/account?x=1"))
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "for=6.6.6.6")
        .header("x_real_ip", "6.6.6.6")
        .header("client_cert", ":AAEC:")
        .header("transfer_encoding", "chunked")
        .header("baggage", "a=b")
        .header("cookie", "a=1")
        .header("authorization", "Bearer x")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let seen: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(seen["target"], "/realms/acme/account?x=1");
    assert_eq!(header_values(&seen, "host"), ["sso.example.com"]);
    assert_eq!(header_values(&seen, "x-forwarded-host"), ["sso.example.com"]);
    assert_eq!(header_values(&seen, "x-forwarded-proto"), ["https"]);
    assert_eq!(header_values(&seen, "x-forwarded-port"), ["443"]);
    assert_eq!(header_values(&seen, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(header_values(&seen, "authorization"), ["Bearer x"]);
    assert_eq!(header_values(&seen, "cookie"), ["a=1"]);
    assert_eq!(header_values(&seen, "traceparent").len(), 1);
    for name in ["forwarded", "x_real_ip", "client_cert", "client-cert", "transfer_encoding", "baggage"] {
        assert_eq!(header_values(&seen, name), Vec::<String>::new(), "{name}");
    }
}

#[tokio::test]
async fn http_2_arrives_as_http_1_with_one_cookie_and_our_host() {
    let authority = Authority::new("Server CA");
    let files = authority.server_files();
    let gateway = Gateway::start(settings(files.tls_listener(), mirror().await));
    let mut requests = authority.connect_http2(gateway.address).await;
    let request = http::Request::post("https://evil.example/other?y=2")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(())
        .unwrap();
    let (answer, mut body) = requests.send_request(request, false).unwrap();
    body.send_data(bytes::Bytes::from_static(b"hello"), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut text = Vec::new();
    let mut pieces = answer.into_body();
    while let Some(piece) = pieces.data().await {
        text.extend_from_slice(&piece.unwrap());
    }
    let seen: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(seen["target"], "/other?y=2");
    assert_eq!(seen["body"], "hello");
    assert_eq!(header_values(&seen, "host"), ["sso.example.com"]);
    assert_eq!(header_values(&seen, "cookie"), ["a=1; b=2"]);
}

#[tokio::test]
async fn fifty_megabytes_go_up_and_down() {
    let gateway = Gateway::plain(mirror().await);
    let size = 50 * 1024 * 1024;
    let answer = client().post(gateway.url("/upload")).body(vec![b'u'; size]).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["body_bytes"], size);
    let answer = client().get(gateway.url(&format!("/download/{size}"))).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap().len(), size);
}

#[tokio::test]
async fn fifty_megabytes_go_up_over_http_2() {
    let authority = Authority::new("Server CA");
    let files = authority.server_files();
    let gateway = Gateway::start(settings(files.tls_listener(), mirror().await));
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .tls_backend_preconfigured(authority.client_config(None, &[b"h2"]))
        .resolve("localhost", gateway.address)
        .build()
        .unwrap();
    let size = 50 * 1024 * 1024;
    let url = format!("https://localhost:{}/upload", gateway.address.port());
    let answer = client.post(url).body(vec![b'u'; size]).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["body_bytes"], size);
}

#[tokio::test]
async fn a_web_socket_works_from_end_to_end() {
    let gateway = Gateway::plain(echo_after_upgrade().await);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let request = "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert_eq!(answer.status, 101, "{}", answer.head);
    for message in [&b"\x81\x05hello"[..], &[0_u8; 10_000], b"client_id=https://a.example"] {
        stream.write_all(message).await.unwrap();
        let mut back = vec![0; message.len()];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut back)).await.unwrap().unwrap();
        assert_eq!(back, message);
    }
}

#[tokio::test]
async fn no_other_protocol_is_upgraded_to() {
    let gateway = Gateway::plain(mirror().await);
    let request = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let answer = exchange(gateway.address, request).await;
    assert_eq!(answer.status, 200);
    let seen: Value = serde_json::from_str(&answer.body).unwrap();
    assert!(header_values(&seen, "upgrade").is_empty() && header_values(&seen, "http2-settings").is_empty());
}

#[tokio::test]
async fn other_paths_are_refused_when_they_are_not_forwarded() {
    let mut refusing = settings(plain_listener(), mirror().await);
    refusing.other_paths = OtherPaths::Refuse;
    let gateway = Gateway::start(refusing);
    let answer = client().get(gateway.url("/anything")).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.json::<Value>().await.unwrap()["refusal"], "NotFound");
}

#[tokio::test]
async fn a_server_that_is_down_broken_or_odd_is_answered_for_in_json() {
    for (backend, status, refusal) in [
        (nobody().await, 503, "UpstreamUnreachable"),
        (scripted("", Afterwards::Close).await.address, 502, "UpstreamBroken"),
        (scripted("nonsense\r\n\r\n", Afterwards::Close).await.address, 502, "UpstreamBroken"),
        (
            scripted("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Afterwards::Close)
                .await
                .address,
            502,
            "UpstreamBroken",
        ),
    ] {
        let gateway = Gateway::plain(backend);
        let answer = client().post(gateway.url("/token")).body("a=b").send().await.unwrap();
        assert_eq!(answer.status(), status, "{refusal}");
        assert_eq!(answer.json::<Value>().await.unwrap()["refusal"], refusal);
    }
}

/// Written as HTTP/1.0 servers and Apache with mod_http2 write it.
const OF_ITS_CONNECTION: &str = "HTTP/1.0 200 OK\r\nConnection: Upgrade, X-Hop, keep-alive\r\nUpgrade: h2,h2c\r\n\
    Keep-Alive: timeout=300\r\nX-Hop: 1\r\nTE: x\r\nX-End: 1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn what_the_server_says_of_its_own_connection_reaches_no_client() {
    let backend = scripted(OF_ITS_CONNECTION, Afterwards::Close).await;
    let gateway = Gateway::plain(backend.address);
    let answer = exchange(gateway.address, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let head = answer.head.to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(head.matches("content-length: 2").count(), 1, "{head}");
    for gone in ["upgrade", "keep-alive", "x-hop", "\nte:"] {
        assert!(!head.contains(gone), "{gone}: {head}");
    }
    assert!(head.contains("x-end: 1") && answer.body == "ok", "{head}");
}

#[tokio::test]
async fn what_the_server_says_of_its_own_connection_ends_no_http_2_stream() {
    let backend = scripted(OF_ITS_CONNECTION, Afterwards::Close).await;
    let authority = Authority::new("Server CA");
    let gateway = Gateway::start(settings(authority.server_files().tls_listener(), backend.address));
    let mut requests = authority.connect_http2(gateway.address).await;
    let request = http::Request::get("https://localhost/x").body(()).unwrap();
    let answer = requests.send_request(request, true).unwrap().0.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("te") && !answer.headers().contains_key("x-hop"), "{answer:?}");
}

#[tokio::test]
async fn a_length_that_is_given_twice_over_http_2_is_not_forwarded() {
    let authority = Authority::new("Server CA");
    let gateway = Gateway::start(settings(authority.server_files().tls_listener(), mirror().await));
    let mut requests = authority.connect_http2(gateway.address).await;
    let request =
        http::Request::post("https://localhost/x").header("content-length", "6").header("content-length", "6");
    let (answer, mut body) = requests.send_request(request.body(()).unwrap(), false).unwrap();
    body.send_data(bytes::Bytes::from_static(b"abcdef"), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_request_that_is_not_idempotent_is_never_sent_twice() {
    let backend = scripted("", Afterwards::Close).await;
    let gateway = Gateway::plain(backend.address);
    assert_eq!(client().post(gateway.url("/token")).body("a=b").send().await.unwrap().status(), 502);
    assert_eq!(backend.requests.load(std::sync::atomic::Ordering::SeqCst), 1);
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_client_named_by_a_url_is_refused_wherever_it_stands() {
    let backend = scripted("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Afterwards::Keep).await;
    let gateway = Gateway::plain(backend.address);
    let client = client();
    let requests = [
        client.get(gateway.url("/authorize?a=b&client_id=https%3A%2F%2Fa.example%2Fc")),
        client.get(gateway.url("/authorize?client%5fid=HTTP://a")),
        client
            .post(gateway.url("/token"))
            .header("content-type", FORM)
            .body("grant_type=x&client_id=https://a.example/c"),
        client
            .post(gateway.url("/token"))
            .header("content-type", FORM)
            .basic_auth("https%3A%2F%2Fa.example", Some("s"))
            .body("a=b"),
        client.post(gateway.url("/par")).body("client_id=https://a"),
    ];
    for request in requests {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.json::<Value>().await.unwrap()["refusal"], "ClientIdMetadataDocument");
    }
    assert_eq!(backend.requests.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_long_or_chunked_form_is_watched_as_it_goes_by() {
    let gateway = Gateway::plain(mirror().await);
    let padding = "x".repeat(200_000);
    let form = format!("a={padding}&client_id=https://a.example&b={padding}");
    let request = client().post(gateway.url("/token")).header("content-type", FORM).body(form);
    assert_eq!(request.send().await.unwrap().status(), 400);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!("POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"9\r\nclient_id\r\n").await.unwrap();
    stream.write_all(b"7\r\n=https:\r\n0\r\n\r\n").await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
}

#[tokio::test]
async fn ordinary_forms_of_every_size_pass_unchanged() {
    let gateway = Gateway::plain(mirror().await);
    for size in [0, 10, 59_000, 61_000, 70_000, 300_000] {
        let form = format!("client_id=abc&redirect_uri=https%3A%2F%2Fa&x={}", "y".repeat(size));
        let length = form.len();
        let request = client().post(gateway.url("/token")).header("content-type", FORM).body(form.clone());
        let seen: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(seen["body_bytes"], length);
        if length < 1000 {
            assert_eq!(seen["body"], form);
        }
    }
    let waits = format!(
        "POST /token HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Type: {FORM}\r\nContent-Length: 11\r\n\r\n"
    );
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(waits.as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 100);
    stream.write_all(b"client_id=a").await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("\"client_id=a\""), "{}", answer.body);
}

#[tokio::test]
async fn a_client_named_by_a_url_passes_where_the_operator_says_so() {
    let mut open = settings(plain_listener(), mirror().await);
    open.client_id_metadata_documents = ClientIdMetadataDocuments::Forward;
    let gateway = Gateway::start(open);
    let answer = client().get(gateway.url("/authorize?client_id=https://a.example")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_reload_changes_where_requests_go_without_dropping_connections() {
    let gateway = Gateway::plain(mirror().await);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 200);
    let mut new = gateway.settings.clone();
    new.other_paths = OtherPaths::Refuse;
    gateway.proxy.reload(new).unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 404);
    let mut moved = gateway.settings.clone();
    moved.listeners[0] = crate::gateway::listener(json!({ "address": "127.0.0.1:1" }));
    assert!(gateway.proxy.reload(moved).is_err());
}

#[tokio::test]
async fn the_servers_answer_before_it_read_the_body_is_delivered() {
    let gateway = Gateway::plain(hasty().await);
    for _ in 0..20 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n").await.unwrap();
        let body = vec![b'x'; 8_000_000];
        tokio::time::timeout(PATIENCE, stream.write_all(&body)).await.unwrap().unwrap();
        let answer = read_answer(&mut stream).await;
        assert_eq!((answer.status, answer.body.as_str()), (413, "too large"));
    }
}

/// A name server that leads to the gateway itself.
#[tokio::test]
async fn a_gateway_that_is_its_own_server_finds_out_at_once() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::plain(elsewhere.local_addr().unwrap());
    let (address, rounds) = (gateway.address, Arc::new(AtomicUsize::new(0)));
    let counted = rounds.clone();
    tokio::spawn(async move {
        while let Ok((mut there, _)) = elsewhere.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut back = TcpStream::connect(address).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut there, &mut back).await;
            });
        }
    });
    let answer = client().get(gateway.url("/anything")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), rounds.load(Ordering::SeqCst)), (508, 1));
    let request = http::Request::get("/anything").body(bytes::Bytes::new()).unwrap();
    let limits = Limits { total: PATIENCE, response_bytes: 10_000 };
    assert_eq!(gateway.settings.upstream.send(request, limits).await.unwrap().status(), 508, "a call of its own");
}

#[tokio::test]
async fn options_go_on_as_often_as_they_may() {
    let gateway = Gateway::plain(mirror().await);
    let asked = async |most: &str| {
        let request = client().request(http::Method::OPTIONS, gateway.url("/x")).header("max-forwards", most);
        let answer = request.send().await.unwrap();
        let seen: Value = answer.json().await.ok()?;
        header_values(&seen, "max-forwards").pop()
    };
    assert_eq!(asked("0").await, None, "it is answered here");
    assert_eq!(asked("3").await.as_deref(), Some("2"));
    assert_eq!(asked("soon").await.as_deref(), Some("soon"));
}
