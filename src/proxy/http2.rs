//! HTTP/2 on one connection: preface within a deadline, bounded streams and headers, idle time, and an orderly end.

use std::future::poll_fn;
use std::sync::Arc;

use pingora::apps::HttpServerApp as _;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake};
use pingora::protocols::{Digest, Stream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::Connection;
use super::listener::Serving;

/// Requests that one connection may have open at the same time.
const MAX_CONCURRENT_STREAMS: u32 = 64;
/// Bytes of an answer waiting in memory per stream for a slow client, beside what Pingora reads ahead. As much as comes in one piece: more
/// makes nobody faster, since the system's own buffer covers the way to the client.
const MAX_SEND_BUFFER: usize = 64 * 1024;
/// Streams that we had to reset before a connection counts as hostile.
const MAX_LOCAL_RESETS: usize = 128;
/// Requests that cannot be read before a connection counts as hostile.
const MAX_REJECTED: usize = 32;

fn options(max_head_bytes: usize) -> H2Options {
    // Pingora's defaults first: a plain `H2Options` has no bounds at all.
    let mut options = default_h2_options();
    // A head of more than `max_head_bytes` is refused by `routing`, in words; the library would do it with an empty 431.
    let max_read = u32::try_from(max_head_bytes.saturating_mul(2)).unwrap_or(u32::MAX);
    options
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_header_list_size(max_read)
        .max_local_error_reset_streams(Some(MAX_LOCAL_RESETS))
        .max_send_buffer_size(MAX_SEND_BUFFER);
    options
}

/// Serves streams until the connection ends. Requests still being served when the client goes away are served to their end:
/// what the authorization server did must be recorded.
pub(super) async fn serve(serving: &Serving, stream: Stream, connection: Arc<Connection>) {
    let generation = connection.listener.load_full();
    let settings = &generation.settings;
    let digest = Arc::new(Digest {
        ssl_digest: None,
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let opening = handshake(stream, Some(options(settings.max_head_bytes)));
    let mut http2 = match timeout(settings.deadlines.request_head.0, opening).await {
        Ok(Ok(http2)) => http2,
        Ok(Err(error)) => return tracing::debug!(peer = %connection.peer, %error, "no HTTP/2 preface"),
        Err(_) => return tracing::debug!(peer = %connection.peer, "no HTTP/2 preface in time"),
    };
    let mut sessions = JoinSet::new();
    let mut draining = serving.draining.clone();
    let mut is_draining = false;
    let mut rejected = 0;
    loop {
        if *draining.borrow() && !is_draining {
            is_draining = true;
            http2.graceful_shutdown();
        }
        // A stream that the client resets makes room for another one at once, the request behind it goes on: whoever resets what is being
        // served gets no more of them (CVE-2023-44487). Streams that then wait and are reset end the connection, by the library's own count.
        let is_full = sessions.len() >= MAX_CONCURRENT_STREAMS as usize;
        let next = async {
            if is_full {
                let _ = poll_fn(|cx| http2.poll_closed(cx)).await;
                return Ok(None);
            }
            HttpSession::from_h2_conn(&mut http2, digest.clone()).await
        };
        tokio::select! {
            accepted = next => match accepted {
                Ok(Some(H2Accept::Session(session))) => {
                    let (app, draining) = (serving.app.clone(), serving.draining.clone());
                    sessions.spawn(async move {
                        app.process_new_http(ServerSession::new_http2(session), &draining).await;
                    });
                }
                Ok(Some(H2Accept::Rejected)) if rejected < MAX_REJECTED => rejected += 1,
                Ok(Some(H2Accept::Rejected) | None) | Err(_) => break,
            },
            Some(_) = sessions.join_next() => {}
            _ = draining.changed(), if !is_draining => {}
            () = tokio::time::sleep(settings.deadlines.idle.0), if sessions.is_empty() => break,
        }
    }
    drop(http2);
    while sessions.join_next().await.is_some() {}
}
