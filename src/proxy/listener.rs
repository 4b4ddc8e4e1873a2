//! One listening socket and its accept loop: connection caps, TLS handshake with a deadline, and an end that loses no request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::protocols::Stream;
use pingora::proxy::HttpProxy;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::{Connection, Handshake, ListenerGeneration};
use super::crowding::{Crowding, Room};
use super::fence::Fence;
use super::phases::Phases;
use super::read_ahead::ReadAhead;
use super::wire::{Transport, Wire};
use super::{http1, http2};
use crate::intake::handler::{Handler, TlsFacts};

/// Connections that the system keeps until they are accepted.
const BACKLOG: u32 = 1024;
/// How long idle connections stay open once the gateway is going down, for the requests that are on their way.
const LAME_DUCK: Duration = Duration::from_millis(500);
/// How long accepting rests when the system has no more descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// A socket that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address of the settings.
    pub address: SocketAddr,
    /// What the system says.
    pub source: std::io::Error,
}

/// A listening socket.
pub struct Listener {
    /// Taken by the accept loop, which closes it at its end: whoever comes later is refused at once, and may go elsewhere.
    socket: Mutex<Option<TcpListener>>,
    local: SocketAddr,
    permits: Arc<Semaphore>,
    crowding: Arc<Crowding>,
    /// Settings and files as they are now.
    pub(super) generation: Arc<ArcSwap<ListenerGeneration>>,
    /// What happened here, for the metrics.
    pub(super) counters: Arc<ConnectionCounters>,
}

/// What happened to connections since the start.
#[derive(Debug, Default)]
pub struct ConnectionCounters {
    /// Accepted.
    pub accepted: AtomicU64,
    /// Dropped before anything was read, for a ban.
    pub banned: AtomicU64,
    /// Open now.
    pub open: AtomicU64,
    /// Closed at once: their address had as many as it may have.
    pub dropped: AtomicU64,
    /// Handshakes that took too long.
    pub handshakes_timed_out: AtomicU64,
    /// Handshakes in which the client's certificate was missing or refused.
    pub handshakes_certificate_refused: AtomicU64,
    /// Handshakes that failed otherwise: no TLS, no common version, given up.
    pub handshakes_failed: AtomicU64,
}

/// What is served on every listener.
#[derive(Clone)]
pub(super) struct Service {
    /// Pingora with our phases.
    pub(super) app: Arc<HttpProxy<Phases>>,
    /// Answers what is ours.
    pub(super) handler: Arc<dyn Handler>,
    /// How long requests may go on after the shutdown has begun.
    pub(super) drain: Duration,
}

/// A connection, and its place among those that may be open.
struct Accepted {
    tcp: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
}

/// What serving a connection needs.
pub(super) struct Serving {
    /// Pingora with our phases.
    pub(super) app: Arc<HttpProxy<Phases>>,
    /// Answers what cannot be read.
    pub(super) handler: Arc<dyn Handler>,
    /// True once the gateway is going down: answers close their connection.
    pub(super) draining: watch::Receiver<bool>,
    /// True a little later: connections without a request close.
    pub(super) closing: watch::Receiver<bool>,
}

impl Serving {
    /// Returns once connections without a request must close.
    pub(super) async fn idle_connections_close(&self) {
        until_true(&mut self.closing.clone()).await;
    }

    async fn serve(
        &self,
        listener: Arc<ArcSwap<ListenerGeneration>>,
        counters: &ConnectionCounters,
        tcp: TcpStream,
        peer: SocketAddr,
    ) {
        let generation = listener.load_full();
        // Behind a proxy that is trusted stand many: whose request it is, its head says.
        let address = peer.ip().to_canonical();
        if !generation.settings.trusts(address) && !self.handler.admits(address) {
            counters.banned.fetch_add(1, Ordering::Relaxed);
            return tracing::debug!(%peer, "a connection of a banned address was dropped");
        }
        let _ = tcp.set_nodelay(true);
        let mut is_http2 = false;
        let (transport, handshake) = match &generation.tls {
            None => (Transport::Plain(tcp), Handshake::default()),
            Some(tls) => {
                let deadline = generation.settings.deadlines.tls_handshake.0;
                let stream = match timeout(deadline, tls.acceptor.accept(ReadAhead::over(tcp))).await {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(error)) => return count_failure(counters, peer, &error),
                    Err(_) => {
                        counters.handshakes_timed_out.fetch_add(1, Ordering::Relaxed);
                        return tracing::debug!(%peer, "TLS handshake not finished in time");
                    }
                };
                let session = stream.get_ref().1;
                is_http2 = session.alpn_protocol() == Some(b"h2");
                let chain = session.peer_certificates().unwrap_or_default();
                let handshake = Handshake {
                    tls: Some(Arc::new(tls_facts(session))),
                    chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
                };
                (Transport::Tls(Box::new(stream)), handshake)
            }
        };
        drop(generation);
        let connection = Arc::new(Connection::new(peer, listener, handshake, self.draining.clone()));
        let fence = Arc::new(Fence::default());
        let stream: Stream = Box::new(Wire::new(transport, connection.clone(), fence.clone()));
        if is_http2 {
            http2::serve(self, stream, connection).await;
        } else {
            http1::serve(self, stream, connection, &fence).await;
        }
    }
}

impl Listener {
    /// Listens, on the socket that was handed over for this address or on one of its own. The port is taken once this returns; nothing is accepted
    /// before [`Listener::run`].
    pub(super) fn open(
        generation: ListenerGeneration,
        handed_over: Option<std::net::TcpListener>,
    ) -> Result<Self, BindError> {
        let address = generation.settings.address;
        let socket = handed_over.map_or_else(|| bind(address), TcpListener::from_std);
        let listening = socket.and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (local, socket) = listening.map_err(|source| BindError { address, source })?;
        let permits = Arc::new(Semaphore::new(generation.settings.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let generation = Arc::new(ArcSwap::from_pointee(generation));
        let (crowding, counters) = (Arc::default(), Arc::default());
        Ok(Self { socket: Mutex::new(Some(socket)), local, permits, crowding, generation, counters })
    }

    /// The address it listens on, with the port that port 0 became.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Accepts until `draining` is true; then takes what already waits, lets requests finish for as long as the service allows, and returns.
    pub(super) async fn run(&self, service: Service, draining: watch::Receiver<bool>) {
        let Service { app, handler, drain } = service;
        let Some(socket) = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let (close, closing) = watch::channel(false);
        let serving = Arc::new(Serving { app, handler, draining: draining.clone(), closing });
        let mut connections = JoinSet::new();
        let mut stop = draining.clone();
        loop {
            tokio::select! {
                biased;
                () = until_true(&mut stop) => break,
                // First: while there is always another one to accept, those that ended would gather.
                Some(_) = connections.join_next() => {}
                accepted = self.accept(&socket) => match accepted {
                    Ok(accepted) => self.spawn(&mut connections, &serving, accepted),
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => {
                        tracing::warn!(%error, address = %self.local, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_REST).await;
                    }
                },
            }
        }
        self.take_waiting(socket, &mut connections, &serving);
        let all_done = async {
            let lame_duck = async { while connections.join_next().await.is_some() {} };
            if timeout(LAME_DUCK, lame_duck).await.is_err() {
                let _ = close.send(true);
                while connections.join_next().await.is_some() {}
            }
        };
        if timeout(drain, all_done).await.is_err() {
            tracing::warn!(address = %self.local, left = connections.len(), "connections cut off: the time to finish is over");
            connections.shutdown().await;
        }
    }

    async fn accept(&self, socket: &TcpListener) -> std::io::Result<Accepted> {
        let permit = self.permits.clone().acquire_owned().await.map_err(std::io::Error::other)?;
        let (tcp, peer) = socket.accept().await?;
        Ok(Accepted { tcp, peer, permit })
    }

    /// Whoever the system has already let in is served, as far as there is room: what is left in a socket of our own is reset when it is closed, which
    /// follows at once. Under load there is always somebody, so their number is bounded. What is left in one that was handed over waits there for
    /// the next gateway.
    fn take_waiting(&self, socket: TcpListener, connections: &mut JoinSet<()>, serving: &Arc<Serving>) {
        let Ok(socket) = socket.into_std() else { return };
        for _ in 0..BACKLOG {
            let Ok(permit) = self.permits.clone().try_acquire_owned() else { return };
            let accepted = socket.accept().and_then(|(tcp, peer)| {
                tcp.set_nonblocking(true)?;
                Ok(Accepted { tcp: TcpStream::from_std(tcp)?, peer, permit })
            });
            match accepted {
                Ok(accepted) => self.spawn(connections, serving, accepted),
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => return,
            }
        }
    }

    /// `None`: the address has as many connections as it may have. A trusted proxy, whose connections are those of all its clients, always finds room.
    fn room(&self, peer: SocketAddr) -> Option<Option<Room>> {
        let generation = self.generation.load();
        let address = peer.ip().to_canonical();
        if generation.settings.trusts(address) {
            return Some(None);
        }
        self.crowding.enter(address, generation.settings.connections_per_address()).map(Some)
    }

    fn spawn(&self, connections: &mut JoinSet<()>, serving: &Arc<Serving>, accepted: Accepted) {
        let Accepted { tcp, peer, permit } = accepted;
        let (serving, generation, counters) = (serving.clone(), self.generation.clone(), self.counters.clone());
        counters.accepted.fetch_add(1, Ordering::Relaxed);
        let Some(room) = self.room(peer) else {
            counters.dropped.fetch_add(1, Ordering::Relaxed);
            return tracing::debug!(%peer, "connection dropped: its address has as many as it may have");
        };
        connections.spawn(async move {
            let _open = Open::new(counters.clone(), (permit, room));
            serving.serve(generation, &counters, tcp, peer).await;
        });
    }
}

/// Whether it is about the connection that would have been next, which is gone: the one after it may be fine. Linux tells the errors of the
/// network so (accept(2)).
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | HostUnreachable | Interrupted | NetworkDown | NetworkUnreachable
    )
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Without it the port stays taken for a minute after a restart.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Returns once the value is true, or can never become it.
async fn until_true(watched: &mut watch::Receiver<bool>) {
    let _ = watched.wait_for(|is_true| *is_true).await;
}

/// Counts a connection as open, also when serving it panics.
struct Open {
    counters: Arc<ConnectionCounters>,
    _room: (OwnedSemaphorePermit, Option<Room>),
}

impl Open {
    fn new(counters: Arc<ConnectionCounters>, room: (OwnedSemaphorePermit, Option<Room>)) -> Self {
        counters.open.fetch_add(1, Ordering::Relaxed);
        Self { counters, _room: room }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counters.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Scanners fail handshakes all day: counted, and written for who looks closely.
fn count_failure(counters: &ConnectionCounters, peer: SocketAddr, error: &std::io::Error) {
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    let counter = match tls {
        // No list, or none that verifies, refuses the certificate.
        Some(
            rustls::Error::InvalidCertificate(_)
            | rustls::Error::InvalidCertRevocationList(_)
            | rustls::Error::NoCertificatesPresented,
        ) => &counters.handshakes_certificate_refused,
        _ => &counters.handshakes_failed,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    tracing::debug!(%peer, %error, "TLS handshake failed");
}

fn tls_facts(session: &rustls::ServerConnection) -> TlsFacts {
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "1.3".to_owned(),
        Some(rustls::ProtocolVersion::TLSv1_2) => "1.2".to_owned(),
        other => format!("{other:?}"),
    };
    let cipher = session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default();
    TlsFacts { version, cipher: cipher.replace("TLS13_", "TLS_") }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn accepting_rests_for_what_is_wrong_with_the_system_and_not_for_a_connection_that_is_gone() {
        let is_of_one = |error: Errno| is_of_one_connection(&std::io::Error::from(error));
        for error in [Errno::ECONNABORTED, Errno::ECONNRESET, Errno::EHOSTUNREACH, Errno::ENETDOWN, Errno::EINTR] {
            assert!(is_of_one(error), "{error}");
        }
        for error in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS, Errno::EBADF, Errno::EINVAL] {
            assert!(!is_of_one(error), "{error}");
        }
    }
}
