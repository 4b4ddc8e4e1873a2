//! Where one HTTP/1.1 request ends on the wire. What a client sends after it (pipelining, RFC 9112 §9.3.2) waits here until the answer
//! is out: Pingora, which would take it for a fault, never sees a byte of the next request, and so can mix up none.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes of later requests that are held at most; the rest waits in the system's buffers.
const HOLDS: usize = 16 * 1024;

/// The state of one connection's reading side.
#[derive(Debug, Default)]
pub(super) struct Fence(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Bytes that were read too early.
    held: BytesMut,
    /// How many bytes still belong to the present request; `None`: nobody knows, all may pass.
    left: Option<u64>,
}

impl Fence {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on only `left` bytes may pass, or all. `early` comes before everything that is still to be read.
    pub(super) fn close(&self, left: Option<u64>, early: &[u8]) {
        let mut state = self.state();
        state.held.extend_from_slice(early);
        state.left = left;
    }

    /// The request is answered: what was held is the next one's.
    pub(super) fn open(&self) {
        self.state().left = None;
    }

    /// Reads from `io` what may pass. At the end of a request it goes on reading, to notice that the client went away.
    pub(super) fn poll_read(
        &self,
        mut io: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut state = self.state();
        if state.left == Some(0) {
            return state.poll_hold(io, cx);
        }
        let may_pass = state.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let room = buf.remaining().min(may_pass);
        let passed = if state.held.is_empty() && room == buf.remaining() {
            let before = buf.filled().len();
            std::task::ready!(io.as_mut().poll_read(cx, buf))?;
            buf.filled().len() - before
        } else if state.held.is_empty() {
            // Less may pass than there is room for.
            let mut bytes = [0_u8; 4096];
            let mut part = ReadBuf::new(&mut bytes[..room.min(4096)]);
            std::task::ready!(io.as_mut().poll_read(cx, &mut part))?;
            buf.put_slice(part.filled());
            part.filled().len()
        } else {
            let passed = room.min(state.held.len());
            buf.put_slice(&state.held[..passed]);
            state.held.advance(passed);
            passed
        };
        state.left = state.left.map(|left| left.saturating_sub(passed as u64));
        Poll::Ready(Ok(()))
    }
}

impl State {
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
