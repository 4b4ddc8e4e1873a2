//! The gateway's own paths: what the handler sees, and that its answer arrives.

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::backend::{header_values, mirror};
use crate::gateway::{BODY_LIMIT, Gateway, REGISTER, client, plain_listener, settings};
use crate::raw::{exchange, read_answer};

#[tokio::test]
async fn hands_registration_management_and_discovery_to_the_handler() {
    let gateway = Gateway::plain(mirror().await);
    for (path, handled_as) in [
        (REGISTER.to_owned(), "registration"),
        (format!("{REGISTER}/abc"), "management of abc"),
        ("/realms/acme/.well-known/openid-configuration".to_owned(), "OpenIdAppended"),
        ("/.well-known/oauth-authorization-server/realms/acme".to_owned(), "OAuthInserted"),
    ] {
        let answer = client().post(gateway.url(&path)).body("{\"a\":1}").send().await.unwrap();
        assert_eq!(answer.status(), 201);
        assert!(answer.headers().contains_key("date"));
        assert_eq!(answer.headers()["x-request-id"].len(), 32);
        let seen: Value = answer.json().await.unwrap();
        assert_eq!(seen["handled_as"], handled_as);
        assert_eq!(seen["body"], "{\"a\":1}");
    }
}

#[tokio::test]
async fn requests_for_metadata_take_a_place_among_those_on_the_way_and_registrations_take_none() {
    const METADATA: &str = "/.well-known/oauth-authorization-server/realms/acme";
    for (in_all, status) in [(1, 201), (0, 503)] {
        let mut few = settings(plain_listener(), mirror().await);
        few.forwarding_limits.in_all = in_all;
        let gateway = Gateway::start(few);
        let asked = async |path: &str| client().get(gateway.url(path)).send().await.unwrap().status().as_u16();
        // The place is given back with the answer.
        assert_eq!((asked(METADATA).await, asked(METADATA).await), (status, status));
        assert_eq!(asked(REGISTER).await, 201);
    }
}

#[tokio::test]
async fn a_chunked_body_is_read_like_any_other() {
    let gateway = Gateway::plain(mirror().await);
    let request = format!(
        "POST {REGISTER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
    );
    let answer = exchange(gateway.address, request).await;
    assert_eq!(answer.status, 201);
    assert!(answer.body.contains("\"abcde\""), "{}", answer.body);
}

#[tokio::test]
async fn head_gets_the_length_and_no_body() {
    let gateway = Gateway::plain(mirror().await);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let request = format!("HEAD {REGISTER} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201"));
    assert!(!head.to_ascii_lowercase().contains("content-length: 0"), "{head}");
    assert_eq!(body, "");
}

#[tokio::test]
async fn delivers_413_to_a_client_that_sends_everything_before_it_reads() {
    let gateway = Gateway::plain(mirror().await);
    for _ in 0..5 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let head = format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; 10_000_000]).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert_eq!(answer.status, 413);
        assert!(answer.head.to_ascii_lowercase().contains("connection: close"));
    }
}

#[tokio::test]
async fn delivers_413_to_a_chunked_body_that_grows_too_large() {
    let gateway = Gateway::plain(mirror().await);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    for _ in 0..=BODY_LIMIT / 0x1000 + 100 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 413);
}

#[tokio::test]
async fn says_continue_only_when_the_body_is_wanted() {
    let gateway = Gateway::plain(mirror().await);
    let head = |more: &str| {
        format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n{more}\r\n")
    };
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(head("").as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 100);
    stream.write_all(b"{}").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 201);

    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(head("X-Unauthorized: 1\r\n").as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 401);
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_is_delivered() {
    let gateway = Gateway::plain(mirror().await);
    for _ in 0..20 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let head =
            format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nX-Unauthorized: 1\r\nContent-Length: 500000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; 500_000]).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.status, 401);
    }
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_open_when_the_body_is_there_already() {
    let gateway = Gateway::plain(mirror().await);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    for number in 1..=3 {
        let refused = format!(
            "POST {REGISTER} HTTP/1.1\r\nHost: a\r\nX-Unauthorized: 1\r\nContent-Length: 35\r\n\r\n\
             GET /not-a-request HTTP/1.1\r\nx: {number}\r\n"
        );
        stream.write_all(refused.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert_eq!(answer.status, 401);
        assert!(!answer.head.to_ascii_lowercase().contains("connection: close"), "{}", answer.head);
    }
    let next = format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}");
    stream.write_all(next.as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert_eq!(answer.status, 201);
    assert!(answer.body.contains(r#""body":"{}""#), "{}", answer.body);
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_a_body_that_is_not_there_and_ends_the_connection() {
    let gateway = Gateway::plain(mirror().await);
    for length in [8, 70_000] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let half =
            format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nX-Unauthorized: 1\r\nContent-Length: {length}\r\n\r\nhalf");
        stream.write_all(half.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert_eq!(answer.status, 401);
        assert!(answer.head.to_ascii_lowercase().contains("connection: close"), "{}", answer.head);
    }
}

#[tokio::test]
async fn believes_forwarding_headers_of_trusted_proxies_only() {
    let backend = mirror().await;
    let untrusting = Gateway::plain(backend);
    let mut value = plain_listener();
    value["trusted_proxies"] = serde_json::json!(["127.0.0.0/8"]);
    let trusting = Gateway::start(settings(value, backend));
    for (gateway, address, secure) in [(&untrusting, "127.0.0.1", false), (&trusting, "203.0.113.9", true)] {
        let request = client()
            .post(gateway.url(REGISTER))
            .header("x-forwarded-for", "198.51.100.1, 203.0.113.9")
            .header("x-forwarded-proto", "https")
            .header("x_forwarded_for", "6.6.6.6")
            .header("client-cert", ":AAEC:")
            .header("ssl-client-verify", "SUCCESS")
            .header("baggage", "a=b")
            .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
            .header("authorization", "Bearer x");
        let seen: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(seen["client"], address);
        assert_eq!(seen["secure"], secure);
        for name in
            ["x-forwarded-for", "x-forwarded-proto", "x_forwarded_for", "client-cert", "ssl-client-verify", "baggage"]
        {
            assert_eq!(header_values(&seen, name), Vec::<String>::new(), "{name}");
        }
        assert_eq!(header_values(&seen, "authorization"), ["Bearer x"]);
        assert_eq!(header_values(&seen, "traceparent").len(), 1);
    }
}

#[tokio::test]
async fn a_taken_port_is_a_clear_error() {
    let backend = mirror().await;
    let gateway = Gateway::plain(backend);
    let mut taken = settings(plain_listener(), backend);
    taken.listeners[0].address = gateway.address;
    let problems =
        dcr_gateway::proxy::Proxy::new(taken, std::sync::Arc::new(crate::gateway::Mirror::default())).err().unwrap();
    let sentence = problems[0].to_string();
    assert!(sentence.starts_with(&format!("listeners[0]: cannot listen on {}", gateway.address)), "{sentence}");
}

#[tokio::test]
async fn many_requests_on_kept_connections_all_succeed() {
    let gateway = Gateway::plain(mirror().await);
    let client = client();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let (client, url) = (client.clone(), gateway.url(REGISTER));
        workers.spawn(async move {
            for number in 0..150 {
                let answer = client.post(&url).body(format!("{worker}-{number}")).send().await.unwrap();
                assert_eq!(answer.status(), 201);
                let seen: Value = answer.json().await.unwrap();
                assert_eq!(seen["body"], format!("{worker}-{number}"));
            }
        });
    }
    while let Some(outcome) = workers.join_next().await {
        outcome.unwrap();
    }
    let accepted = gateway.proxy.counters()[0].accepted.load(std::sync::atomic::Ordering::SeqCst);
    assert!(accepted <= 16, "{accepted} connections for 8 workers: they were not kept");
}
