//! Answers over HTTP/2 that are given before the body of the request was read (RFC 9113 §8.1): whole, and without an error.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response, StatusCode};

use crate::backend::mirror;
use crate::certificates::{Authority, ServerFiles};
use crate::gateway::{BODY_LIMIT, Gateway, PATIENCE, REGISTER, settings};

/// Far more than a stream's first window, so that it cannot be sent without somebody reading it.
const LARGE: usize = 1_000_000;

/// A gateway, and one connection to it.
struct Scene {
    requests: SendRequest<Bytes>,
    _gateway: Gateway,
    _files: ServerFiles,
}

impl Scene {
    async fn new() -> Self {
        let authority = Authority::new("Server CA");
        let files = authority.server_files();
        let gateway = Gateway::start(settings(files.tls_listener(), mirror().await));
        let requests = authority.connect_http2(gateway.address).await;
        Self { requests, _gateway: gateway, _files: files }
    }

    /// Begins a registration; its body is still to be sent.
    fn begin(&mut self, headers: &[(&'static str, String)]) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let mut request = Request::post(format!("https://localhost{REGISTER}")).body(()).unwrap();
        let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        request.headers_mut().extend(HeaderMap::from_iter(pairs));
        self.requests.send_request(request, false).unwrap()
    }

    /// The connection is as good as before.
    async fn still_serves(&mut self) {
        let (answer, mut body) = self.begin(&[]);
        body.send_data(Bytes::from_static(b"{}"), true).unwrap();
        assert_eq!(answer.await.unwrap().status(), StatusCode::CREATED);
    }
}

/// Sends all of it, as fast as the other side lets us, and ends the body.
async fn send_everything(body: &mut SendStream<Bytes>, mut left: usize) -> Result<(), h2::Error> {
    while left > 0 {
        body.reserve_capacity(left);
        let room = std::future::poll_fn(|cx| body.poll_capacity(cx)).await.transpose()?;
        let Some(room) = room else { return Err(Reason::STREAM_CLOSED.into()) };
        let now = room.min(left);
        left -= now;
        body.send_data(Bytes::from(vec![b'x'; now]), left == 0)?;
    }
    Ok(())
}

/// The answer to its last byte. Any reset before it, or instead of its end, is an error here.
async fn whole(answer: Response<RecvStream>) -> Result<(StatusCode, String), h2::Error> {
    let (head, mut body) = answer.into_parts();
    let mut text = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        text.extend_from_slice(&piece);
    }
    Ok((head.status, String::from_utf8(text).unwrap()))
}

#[tokio::test]
async fn a_client_that_sends_everything_first_is_not_stopped_and_gets_the_whole_answer() {
    let mut scene = Scene::new().await;
    let refused_by_its_head = ("x-unauthorized", "1".to_owned());
    let announced = ("content-length", LARGE.to_string());
    for (headers, status, said) in [
        (vec![refused_by_its_head.clone(), announced.clone()], 401, "invalid_token"),
        (vec![refused_by_its_head], 401, "invalid_token"),
        (vec![announced], 413, "65536"),
        (vec![], 413, "65536"),
    ] {
        let (answer, mut body) = scene.begin(&headers);
        tokio::time::timeout(PATIENCE, send_everything(&mut body, LARGE)).await.unwrap().unwrap();
        let (seen, text) = whole(answer.await.unwrap()).await.unwrap();
        assert_eq!(seen, status, "{headers:?}");
        assert!(text.contains(said) && text.ends_with('}'), "{text}");
    }
    scene.still_serves().await;
}

#[tokio::test]
async fn a_client_that_goes_on_for_too_long_is_stopped_without_an_error_and_only_this_stream() {
    let mut scene = Scene::new().await;
    // Announced and never sent.
    let (answer, mut body) = scene.begin(&[("content-length", (BODY_LIMIT + 1).to_string())]);
    let (status, text) = whole(answer.await.unwrap()).await.unwrap();
    assert_eq!((status.as_u16(), text.as_str()), (413, r#"{"limit":65536}"#));
    scene.still_serves().await;
    let reset = std::future::poll_fn(|cx| body.poll_reset(cx));
    assert_eq!(tokio::time::timeout(PATIENCE, reset).await.unwrap().unwrap(), Reason::NO_ERROR);
    scene.still_serves().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_in_words() {
    let mut scene = Scene::new().await;
    let (answer, _body) = scene.begin(&[("x-large", "a".repeat(40_000))]);
    let (status, text) = whole(answer.await.unwrap()).await.unwrap();
    assert_eq!((status.as_u16(), text.as_str()), (431, r#"{"refusal":"HeadTooLarge"}"#));
    // The library's own bound.
    let (answer, _body) = scene.begin(&[("x-large", "a".repeat(80_000))]);
    assert_eq!(answer.await.unwrap().status(), 431);
    scene.still_serves().await;
}
