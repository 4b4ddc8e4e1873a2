//! A socket under TLS. rustls asks for 4 KiB, then for the rest of a record; where that much waits, more does, and is fetched at once: an upload
//! of 64 KiB takes two or three reads of the system instead of eight.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Fetched at once, and held only until it is read.
const AHEAD: usize = 64 * 1024;

/// The socket.
#[derive(Debug)]
pub(super) struct ReadAhead {
    tcp: TcpStream,
    fetched: BytesMut,
    /// The last read got as much as it had room for.
    is_more_expected: bool,
}

impl ReadAhead {
    pub(super) fn over(tcp: TcpStream) -> Self {
        Self { tcp, fetched: BytesMut::new(), is_more_expected: false }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Fetches what is here. False: nothing is, and who waits for it must say so.
    fn fetch(&mut self) -> io::Result<bool> {
        let mut fetched = BytesMut::with_capacity(AHEAD);
        match self.tcp.try_read_buf(&mut fetched) {
            Ok(length) => {
                self.is_more_expected = length == AHEAD;
                self.fetched = fetched;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl AsyncRead for ReadAhead {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let has_fetched = !this.fetched.is_empty() || (std::mem::take(&mut this.is_more_expected) && this.fetch()?);
        if has_fetched {
            let taken = this.fetched.len().min(buf.remaining());
            buf.put_slice(&this.fetched[..taken]);
            this.fetched.advance(taken);
            if this.fetched.is_empty() {
                this.fetched = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        let (before, room) = (buf.filled().len(), buf.remaining());
        ready!(Pin::new(&mut this.tcp).poll_read(cx, buf))?;
        this.is_more_expected = buf.filled().len() - before == room;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ReadAhead {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (ReadAhead, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (ReadAhead::over(listener.accept().await.unwrap().0), client)
    }

    #[tokio::test]
    async fn what_comes_is_read_in_its_order_to_its_end() {
        let (mut reader, mut client) = pair().await;
        let sent: Vec<u8> = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
        let expected = sent.clone();
        let writing = tokio::spawn(async move {
            for piece in sent.chunks(77_777) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let (mut read, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let length = reader.read(&mut piece).await.unwrap();
            if length == 0 {
                break;
            }
            read.extend_from_slice(&piece[..length]);
        }
        writing.await.unwrap();
        assert!(read == expected);
        assert_eq!(reader.fetched.capacity(), 0, "nothing is held when all is read");
    }

    #[tokio::test]
    async fn more_is_fetched_only_where_as_much_came_as_was_asked_for() {
        let (mut reader, mut client) = pair().await;
        client.write_all(&[1; 10_000]).await.unwrap();
        reader.tcp.readable().await.unwrap();
        let mut piece = [0; 4096];
        assert_eq!(reader.read(&mut piece[..100]).await.unwrap(), 100);
        assert_eq!(reader.read(&mut piece).await.unwrap(), 4096);
        assert_eq!(reader.fetched.len(), 10_000 - 100 - 4096);
        let mut rest = [0; 10_000 - 100 - 4096];
        reader.read_exact(&mut rest).await.unwrap();
        client.write_all(b"less").await.unwrap();
        assert_eq!(reader.read(&mut piece).await.unwrap(), 4);
        assert!(!reader.is_more_expected);
    }
}
