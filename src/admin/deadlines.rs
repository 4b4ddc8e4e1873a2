//! What keeps somebody who stops halfway from holding one of the few connections for ever: a body that does not come, an answer that is not read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// For a whole body, from the end of the head on.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// How long the other side may read nothing of what is written to it.
const READING_DEADLINE: Duration = Duration::from_secs(30);

/// The request, whose body breaks off when it does not come in time.
pub(super) async fn with_timely_body(request: Request) -> Request {
    request.map(|body| Body::new(TimelyBody::new(body, BODY_DEADLINE)))
}

/// A body that breaks off when it is not whole in time.
struct TimelyBody {
    body: Body,
    deadline: Pin<Box<Sleep>>,
}

impl TimelyBody {
    fn new(body: Body, deadline: Duration) -> Self {
        Self { body, deadline: Box::pin(sleep(deadline)) }
    }
}

impl HttpBody for TimelyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Some(Err("the body did not arrive in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that fails when nothing of what is written to it is read for too long.
pub(super) struct Impatient<S> {
    stream: S,
    patience: Duration,
    /// Since when nothing was taken; none: it is not waited.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, patience: READING_DEADLINE, waiting: None }
    }

    fn bounded<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer is not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bounded(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bounded(cx, closed)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    /// A body of which nothing ever comes.
    struct Nothing;

    impl HttpBody for Nothing {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_breaks_off() {
        let body = Body::new(TimelyBody::new(Body::new(Nothing), SHORT));
        assert!(axum::body::to_bytes(body, 10).await.is_err());
        let body = Body::new(TimelyBody::new(Body::from("whole"), SHORT));
        assert_eq!(axum::body::to_bytes(body, 10).await.unwrap(), "whole");
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_is_given_up() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut stream = Impatient { patience: SHORT, ..Impatient::new(near) };
        stream.write_all(&[1; 16]).await.unwrap();
        assert_eq!(stream.write_all(&[2; 16]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        far.read_exact(&mut [0; 16]).await.unwrap();
        stream.write_all(&[3; 16]).await.unwrap();
    }
}
