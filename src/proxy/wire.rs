//! One client connection as Pingora wants to see it: TCP or TLS below, a write buffer above, and our own facts about it attached.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use pingora::tls::ServerTlsStream;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use tokio::net::TcpStream;

use super::connection::Connection;
use super::fence::Fence;
use super::read_ahead::ReadAhead;

/// An answer's head and body leave in one packet, and in one TLS record, when they fit in here (measured: 15 to 18 % of CPU).
const WRITE_BUFFER: usize = 8 * 1024;

/// The connection under an HTTP session.
#[derive(Debug)]
pub(super) struct Wire {
    io: BufWriter<Transport>,
    fence: Arc<Fence>,
    id: UniqueIDType,
    facts: Arc<ProxyDigest>,
    socket: Arc<SocketDigest>,
}

/// What the bytes go through.
#[derive(Debug)]
pub(super) enum Transport {
    /// Plain HTTP.
    Plain(TcpStream),
    /// TLS with our own configuration.
    Tls(Box<ServerTlsStream<ReadAhead>>),
}

impl Transport {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0.tcp(),
        }
    }
}

impl Wire {
    /// Wraps a connection; `connection` can be found again with [`Connection::of`].
    pub(super) fn new(transport: Transport, connection: Arc<Connection>, fence: Arc<Fence>) -> Self {
        use std::os::fd::AsRawFd;
        let id = transport.tcp().as_raw_fd();
        let facts = Arc::new(ProxyDigest::new(no_proxy_response(), Some(Box::new(connection))));
        let socket = Arc::new(SocketDigest::from_raw_fd(id));
        Self { io: BufWriter::with_capacity(WRITE_BUFFER, transport), fence, id, facts, socket }
    }
}

/// Pingora keeps user data beside the answer of an HTTP proxy on the way; there is none.
fn no_proxy_response() -> Box<pingora::http::ResponseHeader> {
    let header = pingora::http::ResponseHeader::build(200, Some(0));
    Box::new(header.expect("200 is a status"))
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let wire = self.get_mut();
        wire.fence.poll_read(Pin::new(&mut wire.io), cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Wire {
    async fn shutdown(&mut self) {
        if let Err(error) = AsyncWriteExt::shutdown(self).await {
            tracing::debug!(%error, "closing a client connection");
        }
    }
}

impl UniqueID for Wire {
    fn id(&self) -> UniqueIDType {
        self.id
    }
}

impl Ssl for Wire {}

impl Peek for Wire {}

impl GetTimingDigest for Wire {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Wire {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(self.facts.clone())
    }
}

impl GetSocketDigest for Wire {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }
}
