//! Every wait for a client has an end.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::backend::mirror;
use crate::certificates::Authority;
use crate::gateway::{Gateway, PATIENCE, REGISTER, plain_listener, settings};
use crate::raw::{closes_silently, read_answer};

fn short(mut listener: Value, deadlines: Value) -> Value {
    listener["deadlines"] = deadlines;
    listener
}

/// Writes one byte after the other until the other side closes.
async fn drip(stream: TcpStream, bytes: &'static [u8]) -> String {
    let (mut read, mut write) = stream.into_split();
    let dripping = tokio::spawn(async move {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
        for byte in bytes.iter().cycle() {
            tick.tick().await;
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    });
    let mut answer = String::new();
    let reading = tokio::io::AsyncReadExt::read_to_string(&mut read, &mut answer);
    let _ = tokio::time::timeout(PATIENCE, reading).await.expect("closed in time");
    dripping.abort();
    answer
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let gateway = Gateway::start(settings(short(plain_listener(), json!({ "request_head": "200ms" })), mirror().await));
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    assert!(closes_silently(&mut stream).await);
}

#[tokio::test]
async fn a_dripped_head_is_answered_408() {
    let gateway = Gateway::start(settings(short(plain_listener(), json!({ "request_head": "300ms" })), mirror().await));
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
    let answer = drip(stream, b"a").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_request() {
    let gateway = Gateway::start(settings(short(plain_listener(), json!({ "idle": "200ms" })), mirror().await));
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 200);
    assert!(closes_silently(&mut stream).await);
}

#[tokio::test]
async fn a_second_head_that_never_ends_is_answered_408() {
    let gateway = Gateway::start(settings(short(plain_listener(), json!({ "request_head": "300ms" })), mirror().await));
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 200);
    stream.write_all(b"GET /b HTTP/1.1\r\n").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 408);
}

#[tokio::test]
async fn a_dripped_body_ends_after_the_deadline_for_all_of_it() {
    let gateway = Gateway::start(settings(short(plain_listener(), json!({ "body": "300ms" })), mirror().await));
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = drip(stream, b"x").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_silent_body_of_a_forwarded_form_ends_too() {
    let gateway = Gateway::start(settings(short(plain_listener(), json!({ "body": "300ms" })), mirror().await));
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = "POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 408);
}

#[tokio::test]
async fn a_tls_handshake_that_never_begins_is_cut_off() {
    let files = Authority::new("Server CA").server_files();
    let value = short(files.tls_listener(), json!({ "tls_handshake": "200ms" }));
    let gateway = Gateway::start(settings(value, mirror().await));
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    assert!(closes_silently(&mut stream).await);
    let counters = &gateway.proxy.counters()[0];
    assert_eq!(counters.handshakes_timed_out.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_http_2_preface_that_never_comes_is_cut_off() {
    let authority = Authority::new("Server CA");
    let files = authority.server_files();
    let value = short(files.tls_listener(), json!({ "request_head": "200ms" }));
    let gateway = Gateway::start(settings(value, mirror().await));
    let mut stream = authority.connect(gateway.address, None, &[b"h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut rest = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
    let _ = tokio::time::timeout(PATIENCE, reading).await.expect("closed in time");
}

#[tokio::test]
async fn an_idle_http_2_connection_is_closed() {
    let authority = Authority::new("Server CA");
    let files = authority.server_files();
    let value = short(files.tls_listener(), json!({ "idle": "200ms" }));
    let gateway = Gateway::start(settings(value, mirror().await));
    let stream = authority.connect(gateway.address, None, &[b"h2"]).await.unwrap();
    let (_requests, connection) = h2::client::handshake(stream).await.unwrap();
    let _ = tokio::time::timeout(PATIENCE, connection).await.expect("closed in time");
}

#[tokio::test]
async fn more_connections_than_allowed_wait_and_are_served_later() {
    let mut value = plain_listener();
    value["max_connections"] = json!(2);
    let gateway = Gateway::start(settings(value, mirror().await));
    let first = TcpStream::connect(gateway.address).await.unwrap();
    let second = TcpStream::connect(gateway.address).await.unwrap();
    let mut third = TcpStream::connect(gateway.address).await.unwrap();
    third.write_all(b"GET /third HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    drop((first, second));
    assert_eq!(read_answer(&mut third).await.status, 200);
}
