//! Connections of the admin listeners: HTTP/1.1, over TLS where the settings say so, each bounded in time and number.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::map_request;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::caller::Arrival;
use super::deadlines::{Impatient, with_timely_body};

/// Operators are few.
const MOST_CONNECTIONS: usize = 256;
/// For the handshake, and for the head of each request.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
const LARGEST_HEAD: usize = 16 * 1024;
/// After a failure to accept, most likely for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The TLS in force; none: plain HTTP.
pub(super) type CurrentTls = Arc<dyn Fn() -> Option<TlsAcceptor> + Send + Sync>;

/// What is listened on.
pub(super) enum Port {
    Socket(UnixListener),
    Network(TcpListener, CurrentTls),
}

/// Serves until `shutdown` is true, then finishes what is in flight. Whoever waits for it says how long that may take.
pub(super) async fn serve(port: Port, router: Router, mut shutdown: watch::Receiver<bool>) {
    let router = router.layer(map_request(with_timely_body));
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    let stopped = shutdown.clone();
    let next = async |connections: &mut JoinSet<()>| {
        // Never closed.
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        if let Err(error) = port.accept(&router, slot, stopped.clone(), connections).await {
            tracing::warn!(%error, "an admin connection could not be accepted");
            tokio::time::sleep(PAUSE).await;
        }
    };
    loop {
        tokio::select! {
            () = next(&mut connections) => {}
            // Without a sender nobody will ever ask for more.
            _ = shutdown.wait_for(|is_down| *is_down) => break,
        }
        while connections.try_join_next().is_some() {}
    }
    while connections.join_next().await.is_some() {}
}

impl Port {
    async fn accept(
        &self,
        router: &Router,
        slot: OwnedSemaphorePermit,
        shutdown: watch::Receiver<bool>,
        connections: &mut JoinSet<()>,
    ) -> io::Result<()> {
        let router = router.clone();
        match self {
            Self::Socket(listener) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                let router = router.layer(Extension(Arrival::Socket { uid }));
                connections.spawn(async move {
                    talk(stream, router, shutdown).await;
                    drop(slot);
                });
            }
            Self::Network(listener, tls) => {
                let (stream, _) = listener.accept().await?;
                let tls = tls();
                let router = router.layer(Extension(Arrival::Network));
                connections.spawn(async move {
                    match tls {
                        None => talk(stream, router, shutdown).await,
                        Some(tls) => match tokio::time::timeout(HEAD_DEADLINE, tls.accept(stream)).await {
                            Ok(Ok(stream)) => talk(stream, router, shutdown).await,
                            Ok(Err(error)) => tracing::debug!(%error, "an admin connection failed in its handshake"),
                            Err(_) => tracing::debug!("an admin connection took too long for its handshake"),
                        },
                    }
                    drop(slot);
                });
            }
        }
        Ok(())
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(Impatient::new(stream)), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let down = async {
        // What it returns holds a lock, which must not be held on.
        let _ = shutdown.wait_for(|is_down| *is_down).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = down => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection ended early");
    }
}
