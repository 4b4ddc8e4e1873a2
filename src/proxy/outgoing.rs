//! A connection to the authorization server for calls of our own. A request's head and body leave in one piece when they are short, as
//! nearly all are: Pingora flushes each by itself, and every write is a packet, and wakes the server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::kept::Connected;

/// A request up to this size leaves in one piece. Less than the buffer of the connection under it (1460 bytes), so that it is one write
/// of the system's.
const HOLDS: usize = 1400;

/// The connection.
#[derive(Debug)]
pub(super) struct Outgoing {
    stream: Stream,
    /// What was written and waits, and how much of it the connection under it has taken.
    held: Vec<u8>,
    taken: usize,
    hold: Arc<Hold>,
}

/// Between who writes a request and the connection, which is deep inside a session of Pingora then.
#[derive(Debug, Default)]
pub(super) struct Hold {
    is_on: AtomicBool,
    has_left: AtomicBool,
}

impl Hold {
    /// Before a request is written: it waits.
    pub(super) fn begin(&self) {
        self.has_left.store(false, Ordering::Release);
        self.is_on.store(true, Ordering::Release);
    }

    /// The request is written: the next flush lets it go.
    pub(super) fn end(&self) {
        self.is_on.store(false, Ordering::Release);
    }

    /// Whether anything may have reached the server since [`Hold::begin`]. When it is false after a failure, the first piece of the
    /// request, which holds its head, was not taken by the system.
    pub(super) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Acquire)
    }
}

impl Outgoing {
    /// A connection as it was opened.
    pub(super) fn over(stream: Stream) -> Connected {
        let hold = Arc::new(Hold::default());
        let outgoing = Self { stream, held: Vec::with_capacity(HOLDS), taken: 0, hold: hold.clone() };
        Connected { stream: Box::new(outgoing), hold }
    }

    fn poll_let_go(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while self.taken < self.held.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held[self.taken..]))?;
            if written == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.taken += written;
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.held.clear();
        self.taken = 0;
        self.hold.has_left.store(true, Ordering::Release);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Outgoing {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Outgoing {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let outgoing = self.get_mut();
        if outgoing.hold.is_on.load(Ordering::Acquire) && outgoing.held.len() + buf.len() <= HOLDS {
            outgoing.held.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        // More than is held: what is held goes first, by itself, so that a failure still says whether a head got out.
        if !outgoing.held.is_empty() {
            ready!(outgoing.poll_let_go(cx))?;
        }
        outgoing.hold.has_left.store(true, Ordering::Release);
        Pin::new(&mut outgoing.stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let outgoing = self.get_mut();
        if outgoing.hold.is_on.load(Ordering::Acquire) { Poll::Ready(Ok(())) } else { outgoing.poll_let_go(cx) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Outgoing {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

impl UniqueID for Outgoing {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Outgoing {}

impl Peek for Outgoing {}

impl GetTimingDigest for Outgoing {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Outgoing {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Outgoing {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    fn connected() -> (Stream, Arc<Hold>, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let Connected { stream, hold } = Outgoing::over(Box::new(ours));
        (stream, hold, theirs)
    }

    /// What the other end can read by now.
    async fn arrived(theirs: &mut DuplexStream) -> Vec<u8> {
        let mut bytes = vec![0; 64 * 1024];
        tokio::select! {
            biased;
            read = theirs.read(&mut bytes) => {
                bytes.truncate(read.unwrap());
                bytes
            }
            () = std::future::ready(()) => Vec::new(),
        }
    }

    #[tokio::test]
    async fn head_and_body_leave_together() {
        let (mut stream, hold, mut theirs) = connected();
        for _ in 0..2 {
            hold.begin();
            stream.write_all(b"head ").await.unwrap();
            stream.flush().await.unwrap();
            assert!(arrived(&mut theirs).await.is_empty());
            stream.write_all(b"body").await.unwrap();
            hold.end();
            assert!(!hold.has_left());
            stream.flush().await.unwrap();
            assert!(hold.has_left());
            assert_eq!(arrived(&mut theirs).await, b"head body");
        }
    }

    #[tokio::test]
    async fn a_long_body_comes_after_its_head() {
        let (mut stream, hold, mut theirs) = connected();
        hold.begin();
        stream.write_all(b"head ").await.unwrap();
        stream.write_all(&[b'x'; HOLDS]).await.unwrap();
        hold.end();
        stream.flush().await.unwrap();
        let arrived = arrived(&mut theirs).await;
        assert!(arrived.starts_with(b"head x") && arrived.len() == 5 + HOLDS);
    }

    #[tokio::test]
    async fn nothing_has_left_when_the_first_piece_was_not_taken() {
        for length in [1, HOLDS] {
            let (mut stream, hold, theirs) = connected();
            hold.begin();
            stream.write_all(b"head ").await.unwrap();
            drop(theirs);
            let written = stream.write_all(&vec![b'x'; length]).await;
            hold.end();
            assert!(written.and(stream.flush().await).is_err(), "{length}");
            assert!(!hold.has_left(), "{length}");
        }
    }
}
