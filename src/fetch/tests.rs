//! Against a real server on this machine.

use axum::Router;
use axum::http::header::LOCATION;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::duration::DurationText;

const KIB: usize = 1024;

fn settings() -> FetchSettings {
    FetchSettings { timeout: DurationText(Duration::from_secs(5)), ..FetchSettings::default() }
}

fn client() -> FetchClient {
    FetchClient::new(&settings()).unwrap()
}

/// Serves `router` on a free port; the answer is the base URL.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

async fn fetch(router: Router) -> Result<Fetched, FetchError> {
    let target = Target::configured(&format!("{}/it", serve(router).await)).unwrap();
    client().fetch(&target, FetchRequest::get(KIB)).await
}

/// A server that says exactly this, and then holds the line.
async fn saying(answer: String) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::configured(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; KIB]).await.unwrap() > 0);
        stream.write_all(answer.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    target
}

#[tokio::test]
async fn fetches_what_is_there_and_asks_for_it_plainly() {
    let echo = |headers: HeaderMap| async move { format!("{:?}", headers.get(ACCEPT_ENCODING).unwrap()) };
    let fetched = fetch(Router::new().route("/it", get(echo))).await.unwrap();
    assert_eq!((fetched.status, &fetched.body[..]), (StatusCode::OK, &b"\"identity\""[..]));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let router = Router::new()
        .route("/it", get(|| async { (StatusCode::FOUND, [(LOCATION, "/elsewhere")], "") }))
        .route("/elsewhere", get(|| async { "elsewhere" }));
    let fetched = fetch(router).await.unwrap();
    assert_eq!((fetched.status, &fetched.body[..]), (StatusCode::FOUND, &b""[..]));
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_bound_whether_announced_or_not() {
    for (length, fits) in [(KIB, true), (KIB + 1, false)] {
        let body = "x".repeat(length);
        for answer in [
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"),
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
        ] {
            match client().fetch(&saying(answer).await, FetchRequest::get(KIB)).await {
                Ok(fetched) => assert!(fits && fetched.body.len() == length, "{length}"),
                Err(error) => assert!(!fits && matches!(error, FetchError::TooLarge(KIB)), "{length}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn a_compressed_answer_is_refused_unread() {
    let router = Router::new().route("/it", get(|| async { ([(CONTENT_ENCODING, "gzip")], "\x1f\u{8b}") }));
    assert!(matches!(fetch(router).await, Err(FetchError::Compressed)));
    let router = Router::new().route("/it", get(|| async { ([(CONTENT_ENCODING, "identity")], "{}") }));
    assert!(fetch(router).await.is_ok());
}

#[tokio::test]
async fn the_time_runs_out_before_the_head_and_within_the_body() {
    let soon = FetchSettings { timeout: DurationText(Duration::from_millis(100)), ..settings() };
    let client = FetchClient::new(&soon).unwrap();
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"] {
        let refused = client.fetch(&saying(answer.to_owned()).await, FetchRequest::get(KIB)).await;
        assert!(matches!(refused, Err(FetchError::TimedOut(_))), "{answer}");
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::configured(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    assert!(matches!(client().fetch(&target, FetchRequest::get(KIB)).await, Err(FetchError::Unreachable(_))));
}

#[test]
fn a_trust_file_that_is_none_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let other = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (content, reason) in [
        ("", "has no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAA", ""),
        (other, "has a certificate that cannot be a CA"),
    ] {
        std::fs::write(file.path(), content).unwrap();
        let settings = FetchSettings { trust: vec![file.path().to_owned()], ..settings() };
        let refused = FetchClient::new(&settings).err().unwrap().to_string();
        assert!(refused.starts_with(&format!("{}: {reason}", file.path().display())), "{refused}");
        assert_eq!(trusted(&settings).unwrap_err().to_string(), refused, "whoever reads them is told the same");
    }
}
