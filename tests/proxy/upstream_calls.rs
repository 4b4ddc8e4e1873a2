//! The gateway's own calls to the authorization server: what they look like there, and what each failure is called.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use dcr_gateway::authorization_server::transport::{Limits, Purpose, Transport as _, TransportError, until};
use dcr_gateway::proxy::{Upstream, UpstreamProblem, UpstreamSettings};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::backend::{Afterwards, header_values, mirror, nobody, read_request, scripted};
use crate::certificates::Authority;

const LIMITS: Limits = Limits { total: Duration::from_secs(5), response_bytes: 10_000 };

fn settings(url: String) -> UpstreamSettings {
    let _ = rustls::crypto::ring::default_provider().install_default();
    UpstreamSettings { url, public_url: "https://sso.example.com".to_owned(), trust: None }
}

fn upstream(address: SocketAddr) -> Upstream {
    Upstream::new(&settings(format!("http://{address}"))).unwrap()
}

fn post(body: &'static str) -> http::Request<Bytes> {
    http::Request::post("/register?a=b")
        .header("content-type", "application/json")
        .header("host", "evil.example")
        .header("accept-encoding", "gzip")
        .body(Bytes::from_static(body.as_bytes()))
        .unwrap()
}

fn get() -> http::Request<Bytes> {
    http::Request::get("/metadata").body(Bytes::new()).unwrap()
}

/// Until a connection that was used is given out again.
async fn rest() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(100)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_call_arrives_whole_and_under_the_public_name() {
    let response = upstream(mirror().await).send(post("{\"a\":1}"), LIMITS).await.unwrap();
    let seen: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(seen["target"], "/register?a=b");
    assert_eq!(seen["body"], "{\"a\":1}");
    assert_eq!(header_values(&seen, "host"), ["sso.example.com"]);
    assert_eq!(header_values(&seen, "x-forwarded-proto"), ["https"]);
    assert_eq!(header_values(&seen, "accept-encoding"), ["identity"]);
    assert_eq!(header_values(&seen, "content-length"), ["7"]);
}

#[tokio::test]
async fn connections_are_kept() {
    let backend = scripted("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", Afterwards::Keep).await;
    let upstream = upstream(backend.address);
    for _ in 0..3 {
        assert_eq!(upstream.send(post("{}"), LIMITS).await.unwrap().status(), 201);
        rest().await;
    }
    assert_eq!(backend.requests.load(Ordering::SeqCst), 3);
    assert_eq!(backend.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_second_answer_to_one_request_is_not_the_answer_to_the_next() {
    let answer = |body: &str| format!("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n{body}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = upstream(listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        read_request(&mut first).await;
        first.write_all(answer("alice").as_bytes()).await.unwrap();
        let (mut second, _) = listener.accept().await.unwrap();
        first.write_all(answer("alice").as_bytes()).await.unwrap();
        while read_request(&mut second).await.is_some() {
            second.write_all(answer("bob's").as_bytes()).await.unwrap();
        }
    });
    for body in ["alice", "bob's"] {
        assert_eq!(upstream.send(post("{}"), LIMITS).await.unwrap().body(), body);
    }
    rest().await;
    assert_eq!(upstream.send(post("{}"), LIMITS).await.unwrap().body(), "bob's");
}

/// What it announces may still come: it would be the answer to somebody else's request.
#[tokio::test]
async fn a_connection_on_which_a_body_is_announced_where_none_can_be_is_not_kept() {
    for (answer, connections) in [
        ("204 No Content\r\nContent-Length: 5", 2),
        ("304 Not Modified\r\nContent-Length: 5", 2),
        ("204 No Content\r\nTransfer-Encoding: chunked", 2),
        ("204 No Content\r\nContent-Length: 0", 1),
        ("204 No Content\r\nServer: small", 1),
    ] {
        let backend = scripted(format!("HTTP/1.1 {answer}\r\n\r\n"), Afterwards::Keep).await;
        let upstream = upstream(backend.address);
        for _ in 0..2 {
            let response = upstream.send(post("{}"), LIMITS).await.unwrap();
            assert_eq!((response.status().as_str(), response.body().len()), (&answer[..3], 0));
            rest().await;
        }
        assert_eq!(backend.connections.load(Ordering::SeqCst), connections, "{answer}");
    }
}

#[tokio::test]
async fn informational_answers_are_skipped_and_redirects_not_followed() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
    let response = upstream(scripted(early, Afterwards::Keep).await.address).send(post("{}"), LIMITS).await.unwrap();
    assert_eq!((response.status(), &response.body()[..]), (http::StatusCode::CREATED, &b"{}"[..]));
    let redirect = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    let backend = scripted(redirect, Afterwards::Keep).await;
    let response = upstream(backend.address).send(post("{}"), LIMITS).await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(backend.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_there_means_not_sent() {
    let outcome = upstream(nobody().await).send(post("{}"), LIMITS).await;
    assert!(matches!(outcome, Err(TransportError::NotSent(_))), "{outcome:?}");
    let unknown = Upstream::new(&settings("http://name.invalid:80".to_owned())).unwrap();
    let outcome = unknown.send(post("{}"), LIMITS).await;
    assert!(matches!(outcome, Err(TransportError::NotSent(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_means_not_sent() {
    let backend = scripted("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", Afterwards::Close).await;
    let upstream = Upstream::new(&settings(format!("https://localhost:{}", backend.address.port()))).unwrap();
    let limits = Limits { total: Duration::from_secs(1), ..LIMITS };
    let outcome = upstream.send(post("{}"), limits).await;
    assert!(matches!(outcome, Err(TransportError::NotSent(_) | TransportError::ConnectTimedOut)), "{outcome:?}");
}

#[tokio::test]
async fn silence_after_the_request_means_timed_out() {
    let backend = scripted("", Afterwards::Silence).await;
    let limits = Limits { total: Duration::from_millis(300), ..LIMITS };
    let outcome = upstream(backend.address).send(post("{}"), limits).await;
    assert!(matches!(outcome, Err(TransportError::TimedOut)), "{outcome:?}");
    assert_eq!(backend.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn work_that_is_to_be_over_breaks_its_call_off_and_makes_no_other() {
    let backend = scripted("", Afterwards::Silence).await;
    let upstream = upstream(backend.address);
    let calls = async { (upstream.send(post("{}"), LIMITS).await, upstream.send(post("{}"), LIMITS).await) };
    let outcomes = until(Instant::now() + Duration::from_millis(300), calls).await;
    assert!(matches!(outcomes, (Err(TransportError::TimedOut), Err(TransportError::NotSent(_)))), "{outcomes:?}");
    assert_eq!(backend.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn half_an_answer_means_broken_off() {
    for answer in [
        "",
        "HTTP/1.1 201 Cre",
        "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{}",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        "<html>no</html>\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ] {
        let backend = scripted(answer, Afterwards::Close).await;
        let outcome = upstream(backend.address).send(post("{}"), LIMITS).await;
        assert!(matches!(outcome, Err(TransportError::BrokenOff(_))), "{answer:?}: {outcome:?}");
        assert_eq!(backend.requests.load(Ordering::SeqCst), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn too_much_and_compressed_answers_are_refused() {
    let announced = "HTTP/1.1 201 Created\r\nContent-Length: 10001\r\n\r\n".to_owned();
    let chunked = format!(
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n{}\r\n0\r\n\r\n",
        "x".repeat(20_000)
    );
    for answer in [announced, chunked] {
        let outcome = upstream(scripted(answer, Afterwards::Keep).await.address).send(post("{}"), LIMITS).await;
        assert!(matches!(outcome, Err(TransportError::TooLarge(10_000))), "{outcome:?}");
    }
    let gzip = "HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}";
    let outcome = upstream(scripted(gzip, Afterwards::Keep).await.address).send(post("{}"), LIMITS).await;
    assert!(matches!(outcome, Err(TransportError::Compressed)), "{outcome:?}");
    let plain = "HTTP/1.1 201 Created\r\nContent-Encoding: Identity\r\nContent-Length: 2\r\n\r\n{}";
    let outcome = upstream(scripted(plain, Afterwards::Keep).await.address).send(post("{}"), LIMITS).await;
    assert!(outcome.is_ok(), "codings are the same in whatever case: {outcome:?}");
}

/// Answers the first request of every connection and closes it on the second, without a byte.
async fn closes_on_the_second() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
                read_request(&mut stream).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_kept_connection_that_dies_is_replaced_for_reading_but_never_for_a_registration() {
    let upstream = upstream(closes_on_the_second().await);
    for _ in 0..2 {
        assert_eq!(upstream.send(get(), LIMITS).await.unwrap().status(), 200);
        rest().await;
    }
    let outcome = upstream.send(post("{}"), LIMITS).await;
    assert!(matches!(outcome, Err(TransportError::BrokenOff(_))), "{outcome:?}");
}

#[tokio::test]
async fn reading_a_client_is_never_repeated_because_its_token_may_have_been_rotated() {
    let upstream = upstream(closes_on_the_second().await);
    assert_eq!(upstream.send(get(), LIMITS).await.unwrap().status(), 200);
    rest().await;
    let mut read = get();
    read.extensions_mut().insert(Purpose::MANAGEMENT);
    assert!(matches!(upstream.send(read, LIMITS).await, Err(TransportError::BrokenOff(_))));
}

#[tokio::test]
async fn a_private_ca_is_believed_and_no_other() {
    let (authority, another) = (Authority::new("Server CA"), Authority::new("Another CA"));
    let files = authority.server_files();
    // Our own proxy is a TLS server like any other.
    let behind = crate::gateway::Gateway::start(crate::gateway::settings(files.tls_listener(), mirror().await));
    files.write("own.pem", &authority.pem());
    files.write("another.pem", &another.pem());
    let call = |trust: &str, host: &str| {
        let mut settings = settings(format!("https://{host}:{}", behind.address.port()));
        settings.trust = Some(files.path(trust));
        let upstream = Upstream::new(&settings).unwrap();
        async move { upstream.send(get(), LIMITS).await }
    };
    assert_eq!(call("own.pem", "localhost").await.unwrap().status(), 200);
    for (trust, host) in [("another.pem", "localhost"), ("own.pem", "127.0.0.1")] {
        let outcome = call(trust, host).await;
        assert!(matches!(outcome, Err(TransportError::NotSent(_))), "{trust} {host}: {outcome:?}");
    }
}

#[tokio::test]
async fn settings_with_which_no_server_can_be_reached_are_refused() {
    for url in ["", "keycloak:8080", "ftp://a", "http://a/realms", "http://a?b", "http://u@a", "http://:p@a"] {
        let problem = Upstream::new(&settings(url.to_owned())).err();
        assert_eq!(problem, Some(UpstreamProblem::Url(url.to_owned())));
    }
    let mut missing = settings("https://a".to_owned());
    missing.trust = Some("/nowhere/ca.pem".into());
    assert!(matches!(Upstream::new(&missing), Err(UpstreamProblem::Trust { .. })));
}
