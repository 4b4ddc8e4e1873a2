//! What two servers could read differently is refused in JSON, and the connection closed.

use crate::backend::{Afterwards, mirror, scripted};
use crate::gateway::{Gateway, REGISTER};
use crate::raw::exchange;

#[tokio::test]
async fn refuses_ambiguous_framing_before_the_server_hears_of_it() {
    let backend = scripted("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Afterwards::Keep).await;
    let gateway = Gateway::plain(backend.address);
    for (lines, body) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
        ("Content-Length: 5\r\nContent-Length: 5", "hello"),
        ("Content-Length: 5\r\nContent-Length: 6", "hello"),
        ("Content-Length: 5, 5", "hello"),
        ("Content-Length: +5", "hello"),
        ("Content-Length: -5", "hello"),
        ("Content-Length: 0x5", "hello"),
        ("Content-Length:", "hello"),
        ("Content-Length: 99999999999999999999", "hello"),
        ("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: identity, chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("Transfer-Encoding:\x0bchunked", "0\r\n\r\n"),
        ("Transfer-Encoding : chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n X: folded", "0\r\n\r\n"),
        ("X: a\0b", ""),
        ("X: a\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("X: a\rTransfer-Encoding: chunked", ""),
    ] {
        let answer =
            exchange(gateway.address, format!("POST /other HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n\r\n{body}"))
                .await;
        assert_eq!(answer.status, 400, "{lines:?}");
        assert!(answer.body.contains("Framing"), "{lines:?}: {}", answer.body);
        assert!(answer.head.to_ascii_lowercase().contains("connection: close"), "{lines:?}");
    }
    assert_eq!(backend.requests.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn refuses_odd_hosts_targets_and_methods() {
    let gateway = Gateway::plain(mirror().await);
    for (request, status, refusal) in [
        ("GET / HTTP/1.1\r\n\r\n", 400, "Host"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "Host"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "Host"),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "Host"),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "Host"),
        ("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", 400, "Target"),
        ("POST a/register HTTP/1.1\r\nHost: a\r\n\r\n", 400, "Target"),
        ("GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "Target"),
        ("GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "Target"),
        ("GET /a/%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "Target"),
        ("GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", 400, "Target"),
        ("GET /a%5Cb HTTP/1.1\r\nHost: a\r\n\r\n", 400, "Target"),
        ("GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "Target"),
        ("GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "Target"),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "Framing"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400, "Framing"),
        ("GET /\r\nHost: a\r\n\r\n", 400, "Framing"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03\r\n\r\n", 400, "Framing"),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "MethodNotAllowed"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, "MethodNotAllowed"),
        ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "MethodUnknown"),
    ] {
        let answer = exchange(gateway.address, request).await;
        assert_eq!(answer.status, status, "{request:?}: {}", answer.body);
        assert!(answer.body.contains(refusal), "{request:?}: {}", answer.body);
    }
}

#[tokio::test]
async fn refuses_other_spellings_of_protected_paths() {
    let gateway = Gateway::plain(mirror().await);
    for path in [
        format!("/{REGISTER}"),
        format!("{REGISTER}/"),
        REGISTER.replace("clients-", "clients%2D"),
        REGISTER.replace("acme", "acme;a=b"),
        REGISTER.to_uppercase(),
        format!("/x/..{REGISTER}"),
        REGISTER.replace("openid-connect", "%64efault"),
        "/realms/acme/.well-known/%6fpenid-configuration".to_owned(),
    ] {
        let answer =
            exchange(gateway.address, format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}"))
                .await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.body.contains("Misspelt"), "{path}: {}", answer.body);
    }
    let answer =
        exchange(gateway.address, "GET /realms/acme/clients-registrations/default HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("NotOffered"));
}

#[tokio::test]
async fn answers_431_to_a_large_head_while_it_still_comes() {
    let gateway = Gateway::plain(mirror().await);
    let many = "X-Many: 12345678901234567890\r\n".repeat(4000);
    let answer = exchange(gateway.address, format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).await;
    assert_eq!(answer.status, 431);
    let endless = "x".repeat(100_000);
    let answer = exchange(gateway.address, format!("GET /{endless}")).await;
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn takes_ordinary_heads_in_any_number_of_pieces() {
    use tokio::io::AsyncWriteExt as _;
    let gateway = Gateway::plain(mirror().await);
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in b"\r\nGET /piecewise HTTP/1.1\r\nHost: a\r\n\r\n" {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let answer = crate::raw::read_answer(&mut stream).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("/piecewise"));
}

#[tokio::test]
async fn lets_queries_say_what_they_like() {
    let gateway = Gateway::plain(mirror().await);
    let query = "a=%2F%2e%2e%00&b=//x\\y&c=http://d/../e;f&g=[h]";
    let answer = exchange(gateway.address, format!("GET /ok?{query} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("c=http://d/../e;f"), "{}", answer.body);
}

#[tokio::test]
async fn a_broken_chunk_is_refused_and_never_a_whole_request_to_the_server() {
    let gateway = Gateway::plain(mirror().await);
    let register =
        format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n");
    assert_eq!(exchange(gateway.address, register).await.status, 400);
}

/// Reads `count` answers from one connection.
async fn answers(stream: &mut tokio::net::TcpStream, count: usize) -> String {
    use tokio::io::AsyncReadExt as _;
    let mut text = String::new();
    let mut buffer = [0_u8; 4096];
    while text.matches("HTTP/1.1 2").count() < count || !text.ends_with('}') {
        let reading = tokio::time::timeout(crate::gateway::PATIENCE, stream.read(&mut buffer));
        let read = reading.await.expect("an answer in time").unwrap();
        assert_ne!(read, 0, "closed after {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    use tokio::io::AsyncWriteExt as _;
    let gateway = Gateway::plain(mirror().await);
    let registration = format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{{\"b\":2}}");
    let forwarded = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let upload = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let all = [forwarded("/first"), registration, upload.to_owned(), forwarded("/last")].concat();
    for piece in [all.len(), 1, 7, 50] {
        let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
        for bytes in all.as_bytes().chunks(piece) {
            stream.write_all(bytes).await.unwrap();
            tokio::task::yield_now().await;
        }
        let text = answers(&mut stream, 4).await;
        let places: Vec<usize> =
            ["/first", "registration\"", "/upload", "/last"].map(|what| text.find(what).unwrap()).to_vec();
        assert!(places.is_sorted(), "{piece}: {text}");
        assert!(text.contains("\"hello\""), "{piece}: {text}");
    }
}

#[tokio::test]
async fn what_hides_behind_a_body_is_judged_like_any_request() {
    let gateway = Gateway::plain(mirror().await);
    let request = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\nHost: a\r\n\r\n";
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    tokio::time::timeout(crate::gateway::PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{text}");
    assert_eq!(text.matches("HTTP/1.1 400").count(), 1, "{text}");
}

#[tokio::test]
async fn accepts_every_ordinary_host() {
    let gateway = Gateway::plain(mirror().await);
    for host in ["a", "a.example:8443", "127.0.0.1", "[::1]:80", "a_b.example", "A.Example", "xn--bcher-kva.example"] {
        let answer = exchange(gateway.address, format!("GET /ok HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(answer.status, 200, "{host}: {}", answer.body);
    }
    assert_eq!(exchange(gateway.address, "GET /ok HTTP/1.0\r\n\r\n").await.status, 200);
}
