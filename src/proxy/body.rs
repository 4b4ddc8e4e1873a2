//! The body of a request that the gateway reads itself: whole, bounded, within one deadline for all of it.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use pingora::ErrorType;
use pingora::protocols::http::ServerSession;

use crate::intake::LARGEST_BODY;
use crate::intake::handler::{Body, BodyError};

/// The body of the request that a session is at.
pub(super) struct SessionBody<'a> {
    session: &'a mut ServerSession,
    deadline: Duration,
    taken: bool,
}

impl<'a> SessionBody<'a> {
    /// `deadline` is for the whole body.
    pub(super) fn new(session: &'a mut ServerSession, deadline: Duration) -> Self {
        Self { session, deadline, taken: false }
    }
}

#[async_trait]
impl Body for SessionBody<'_> {
    async fn read(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        if std::mem::replace(&mut self.taken, true) {
            return Ok(Bytes::new());
        }
        read_whole(self.session, limit, self.deadline).await
    }
}

/// Reads the whole body, or says why not.
pub(super) async fn read_whole(
    session: &mut ServerSession,
    limit: usize,
    deadline: Duration,
) -> Result<Bytes, BodyError> {
    if announced_length(session).is_some_and(|length| length > limit as u64) {
        return Err(BodyError::TooLarge { limit });
    }
    let reading = async {
        if expects_continue(session) && !session.is_body_done() {
            session.write_continue_response().await.map_err(|_| BodyError::Broken)?;
        }
        let mut whole = BytesMut::new();
        loop {
            match session.read_request_body().await {
                Ok(Some(piece)) if whole.len() + piece.len() > limit => return Err(BodyError::TooLarge { limit }),
                Ok(Some(piece)) if whole.is_empty() && session.is_body_done() => return Ok(piece),
                Ok(Some(piece)) => whole.extend_from_slice(&piece),
                Ok(None) => return Ok(whole.freeze()),
                // A read has the same deadline where the body may be forwarded, and may be the first to see it.
                Err(error) if *error.etype() == ErrorType::ReadTimedout => return Err(BodyError::TimedOut),
                Err(_) => return Err(BodyError::Broken),
            }
        }
    };
    tokio::time::timeout(deadline, reading).await.unwrap_or(Err(BodyError::TimedOut))
}

/// Throws away a body that nobody wanted and that is here already, whole: the connection goes on then, and whoever is refused again needs no
/// other handshake for it, which is dearer than the refusal. Waits for nothing: a body that is not here, or is larger than any that is
/// read, costs the connection.
pub(super) async fn throw_away_what_is_here(session: &mut ServerSession) {
    let is_small = announced_length(session).is_some_and(|length| length <= LARGEST_BODY as u64);
    if session.is_http2() || session.is_body_done() || !is_small || expects_continue(session) {
        return;
    }
    // The body is asked for before the time is, so once at least.
    let _ =
        tokio::time::timeout(Duration::ZERO, async { while let Ok(Some(_)) = session.read_request_body().await {} })
            .await;
}

/// The request's `Content-Length`; one that is not a number was refused before.
pub(super) fn announced_length(session: &ServerSession) -> Option<u64> {
    session.get_header(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
pub(super) fn expects_continue(session: &ServerSession) -> bool {
    session.get_header_bytes(EXPECT).eq_ignore_ascii_case(b"100-continue")
}
