//! Connections to the authorization server that are kept open between calls of our own. Who takes one looks whether it is still good,
//! so nobody has to watch it: Pingora's pool has a task for every connection, which must be woken whenever it is taken.

use std::net::SocketAddr;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::time::Instant;

use super::outgoing::Hold;

/// More are not kept.
const MOST: usize = 128;

/// How often those are closed that nobody takes.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The connections of one server.
#[derive(Debug)]
pub(super) struct KeptConnections {
    idle_for: Range<Duration>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The last one is the one that was used last.
    idle: Vec<Idle>,
    /// A task closes those that nobody takes, for as long as there are any.
    is_swept: bool,
}

#[derive(Debug)]
struct Idle {
    address: SocketAddr,
    connection: Connected,
    since: Instant,
}

/// A connection on which a request can be written.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) stream: Stream,
    pub(super) hold: Arc<Hold>,
}

impl KeptConnections {
    /// Nobody is given a connection that was idle for less, or for longer. It rests, because what a server says unasked comes close behind an
    /// answer, and would be read as the next one's: a second answer to somebody else's request.
    pub(super) fn new(idle_for: Range<Duration>) -> Self {
        Self { idle_for, state: Arc::default() }
    }

    /// A connection to this address on which nothing has come in, its end neither.
    pub(super) fn take(&self, address: SocketAddr) -> Option<Connected> {
        let now = Instant::now();
        let has_rested = |idle: &Idle| now.duration_since(idle.since) >= self.idle_for.start;
        loop {
            let mut idle = {
                let mut state = lock(&self.state);
                let position = state.idle.iter().rposition(|idle| idle.address == address && has_rested(idle))?;
                state.idle.remove(position)
            };
            if now.duration_since(idle.since) < self.idle_for.end && is_quiet(&mut idle.connection.stream) {
                return Some(idle.connection);
            }
        }
    }

    /// Keeps a connection that has answered. Within a Tokio runtime.
    pub(super) fn keep(&self, address: SocketAddr, connection: Connected) {
        let mut state = lock(&self.state);
        if state.idle.len() >= MOST {
            return;
        }
        state.idle.push(Idle { address, connection, since: Instant::now() });
        if !std::mem::replace(&mut state.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.state), self.idle_for.end));
        }
    }

    /// Closes all of them.
    pub(super) fn close_all(&self) {
        lock(&self.state).idle.clear();
    }
}

async fn sweep(state: Weak<Mutex<State>>, idle_for: Duration) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(state) = state.upgrade() else { return };
        let mut state = lock(&state);
        state.idle.retain(|idle| idle.since.elapsed() < idle_for);
        if state.idle.is_empty() {
            state.is_swept = false;
            return;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether nothing can be read: a server that says something unasked, or has closed, is not to be asked on this connection.
fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0];
    let mut buf = ReadBuf::new(&mut byte);
    // Tokio would say "not ready" to a task that has had its share, whether it is or not.
    let reading = std::future::poll_fn(|cx| match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
        Poll::Pending => Poll::Ready(true),
        Poll::Ready(_) => Poll::Ready(false),
    });
    let reading = pin!(tokio::task::unconstrained(reading));
    matches!(reading.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(true))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, DuplexStream};

    use super::super::outgoing::Outgoing;
    use super::*;

    const LONG: Range<Duration> = Duration::ZERO..Duration::from_secs(3600);

    fn connected() -> (Connected, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(64);
        (Outgoing::over(Box::new(ours)), theirs)
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[tokio::test]
    async fn the_one_used_last_is_taken_first_and_each_once() {
        let kept = KeptConnections::new(LONG);
        let ((first, _one), (second, _two)) = (connected(), connected());
        let last = second.hold.clone();
        kept.keep(address(1), first);
        kept.keep(address(1), second);
        assert!(kept.take(address(2)).is_none());
        assert!(Arc::ptr_eq(&kept.take(address(1)).unwrap().hold, &last));
        assert!(kept.take(address(1)).is_some());
        assert!(kept.take(address(1)).is_none());
    }

    #[tokio::test]
    async fn one_that_the_server_has_closed_or_spoken_on_is_passed_over() {
        let kept = KeptConnections::new(LONG);
        let ((good, _good), (closed, theirs), (noisy, mut noise)) = (connected(), connected(), connected());
        let hold = good.hold.clone();
        for connection in [good, closed, noisy] {
            kept.keep(address(1), connection);
        }
        drop(theirs);
        noise.write_all(b"HTTP/1.1 408 ").await.unwrap();
        assert!(Arc::ptr_eq(&kept.take(address(1)).unwrap().hold, &hold));
        assert!(kept.take(address(1)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_not_rested_is_not_given_yet() {
        let rest = Duration::from_millis(20);
        let kept = KeptConnections::new(rest..LONG.end);
        let ((rested, _one), (fresh, _two)) = (connected(), connected());
        let hold = rested.hold.clone();
        kept.keep(address(1), rested);
        tokio::time::advance(rest).await;
        kept.keep(address(1), fresh);
        assert!(Arc::ptr_eq(&kept.take(address(1)).unwrap().hold, &hold));
        assert!(kept.take(address(1)).is_none());
        tokio::time::advance(rest).await;
        assert!(kept.take(address(1)).is_some());
    }

    #[tokio::test]
    async fn in_doubt_none_is_given() {
        let kept = KeptConnections::new(LONG);
        let (connection, _theirs) = connected();
        kept.keep(address(1), connection);
        kept.close_all();
        assert!(kept.take(address(1)).is_none());
    }

    #[tokio::test]
    async fn one_that_was_idle_for_too_long_is_not_given() {
        let kept = KeptConnections::new(Duration::ZERO..Duration::ZERO);
        let (connection, _theirs) = connected();
        kept.keep(address(1), connection);
        assert!(kept.take(address(1)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_is_closed() {
        use tokio::io::AsyncReadExt as _;
        let kept = KeptConnections::new(Duration::ZERO..Duration::ZERO);
        for _ in 0..2 {
            let (connection, mut theirs) = connected();
            kept.keep(address(1), connection);
            assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
        }
    }
}
