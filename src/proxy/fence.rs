//! Where one HTTP/1.1 request ends on the wire. What a client sends after it (pipelining, RFC 9112 §9.3.2) waits here until the answer
//! is out: Pingora, which would take it for a fault, never sees a byte of the next request, and so can mix up none.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::chunks::ChunkScanner;

/// Bytes of later requests that are held at most; the rest waits in the system's buffers.
const HOLDS: usize = 16 * 1024;

/// Read at once of chunks, which are looked at; as much as a TLS record has.
const CHUNKS: usize = 16 * 1024;

/// The state of one connection's reading side.
#[derive(Debug, Default)]
pub(super) struct Fence(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Bytes that were read too early.
    held: BytesMut,
    /// What still belongs to the present request.
    left: Left,
}

/// How much may pass.
#[derive(Debug, Default)]
pub(super) enum Left {
    /// So many bytes.
    Bytes(u64),
    /// What belongs to its chunks, as long as they are well formed.
    Chunks(ChunkScanner),
    /// Nobody knows: all.
    #[default]
    All,
}

impl Left {
    fn is_nothing(&self) -> bool {
        match self {
            Self::Bytes(left) => *left == 0,
            Self::Chunks(scanner) => scanner.is_done(),
            Self::All => false,
        }
    }
}

impl Fence {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on only what is `left` may pass. `early` comes before everything that is still to be read.
    pub(super) fn close(&self, left: Left, early: &[u8]) {
        let mut state = self.state();
        // What is held already came later: reading the head took only a part of it.
        let later = std::mem::replace(&mut state.held, BytesMut::from(early));
        state.held.unsplit(later);
        state.left = left;
    }

    /// The request is answered: what was held is the next one's.
    pub(super) fn open(&self) {
        let mut state = self.state();
        state.left = Left::All;
        if state.held.is_empty() {
            state.held = BytesMut::new();
        }
    }

    /// Reads from `io` what may pass. At the end of a request it goes on reading, to notice that the client went away. Chunks that two parsers
    /// could read differently are an error of the kind `InvalidData`.
    pub(super) fn poll_read(
        &self,
        io: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut state = self.state();
        if state.left.is_nothing() {
            return state.poll_hold(io, cx);
        }
        let may_pass = match state.left {
            Left::Chunks(_) => return state.poll_chunks(io, cx, buf),
            Left::Bytes(left) => usize::try_from(left).unwrap_or(usize::MAX),
            Left::All => usize::MAX,
        };
        let passed = if state.held.is_empty() {
            std::task::ready!(read_at_most(may_pass, io, cx, buf))?
        } else {
            let passed = buf.remaining().min(may_pass).min(state.held.len());
            buf.put_slice(&state.held[..passed]);
            state.held.advance(passed);
            passed
        };
        if let Left::Bytes(left) = &mut state.left {
            *left = left.saturating_sub(passed as u64);
        }
        Poll::Ready(Ok(()))
    }
}

impl State {
    /// Reads what belongs to the chunks; what comes behind them is held.
    fn poll_chunks(
        &mut self,
        io: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let Left::Chunks(scanner) = &mut self.left else { return Poll::Ready(Ok(())) };
        let broken = |broken| std::io::Error::new(std::io::ErrorKind::InvalidData, broken);
        let before = buf.filled().len();
        if self.held.is_empty() {
            std::task::ready!(read_at_most(CHUNKS, io, cx, buf))?;
            let passed = scanner.scan(&buf.filled()[before..]).map_err(broken)?;
            self.held.extend_from_slice(&buf.filled()[before + passed..]);
            buf.set_filled(before + passed);
        } else {
            let room = buf.remaining().min(self.held.len());
            let passed = scanner.scan(&self.held[..room]).map_err(broken)?;
            buf.put_slice(&self.held[..passed]);
            self.held.advance(passed);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_hold(&mut self, mut io: Pin<&mut impl AsyncRead>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while self.held.len() < HOLDS {
            let mut bytes = [0_u8; 1024];
            let mut part = ReadBuf::new(&mut bytes);
            std::task::ready!(io.as_mut().poll_read(cx, &mut part))?;
            match part.filled() {
                [] if self.held.is_empty() => return Poll::Ready(Ok(())),
                // Closed on that side, but with a request left to answer.
                [] => break,
                more => self.held.extend_from_slice(more),
            }
        }
        // Nobody has to be woken: the next read is the next request's.
        Poll::Pending
    }
}

/// Reads at most so many bytes, into room that is not touched before there are any: who waits for a slow client pays for what came alone.
fn read_at_most(
    most: usize,
    io: Pin<&mut impl AsyncRead>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<std::io::Result<usize>> {
    let before = buf.filled().len();
    std::task::ready!(Pin::new(&mut io.take(most as u64)).poll_read(cx, buf))?;
    Poll::Ready(Ok(buf.filled().len() - before))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What passes until no more does.
    fn passing(fence: &Fence, mut io: &[u8]) -> String {
        let mut passed = Vec::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        loop {
            let mut bytes = [0; 16];
            let mut buf = ReadBuf::new(&mut bytes);
            match fence.poll_read(Pin::new(&mut io), &mut cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => passed.extend_from_slice(buf.filled()),
                Poll::Ready(Err(error)) => return format!("{}, {error}", String::from_utf8_lossy(&passed)),
                _ => return String::from_utf8(passed).unwrap(),
            }
        }
    }

    #[test]
    fn what_came_early_comes_before_what_is_held() {
        let fence = Fence::default();
        fence.close(Left::Bytes(0), b"");
        assert_eq!(passing(&fence, b"first second third"), "");
        fence.open();
        // The next head is read, and more with it than it is long.
        let mut bytes = [0; 12];
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(fence.poll_read(Pin::new(&mut &b""[..]), &mut cx, &mut ReadBuf::new(&mut bytes)).is_ready());
        assert_eq!(&bytes, b"first second");
        fence.close(Left::Bytes(0), b"second");
        fence.open();
        assert_eq!(passing(&fence, b""), "second third");
    }

    #[test]
    fn chunks_pass_to_their_end_and_no_further() {
        let fence = Fence::default();
        fence.close(Left::Chunks(ChunkScanner::default()), b"5\r\nhel");
        assert_eq!(passing(&fence, b"lo\r\n0\r\n\r\nGET / HTTP/1.1"), "5\r\nhello\r\n0\r\n\r\n");
        fence.open();
        assert_eq!(passing(&fence, b""), "GET / HTTP/1.1");
    }

    #[test]
    fn chunks_that_are_broken_are_an_error() {
        let fence = Fence::default();
        fence.close(Left::Chunks(ChunkScanner::default()), b"");
        let told = passing(&fence, b"5;a\nb\r\nhello\r\n0\r\n\r\n");
        assert!(told.starts_with(", the chunks"), "{told}");
    }
}
