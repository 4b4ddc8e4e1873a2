//! How a request reaches the authorization server. The proxy implements it with Pingora's connector; tests with a script.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

tokio::task_local! {
    /// When the work is to be over that this task is at.
    static END: Instant;
}

/// What is said of a call that was not made, because the work that it is part of has had its time.
pub(super) const TOO_LATE: &str = "the time for all calls of this work is over";

/// Does work whose calls to the authorization server, however many there are, are over at `end`: none goes on past it, and none begins after it. What
/// became of a call that was broken off so is as unknown as of any other. Within such work another end counts where it is sooner.
pub async fn until<T>(end: Instant, work: impl Future<Output = T>) -> T {
    let end = END.try_with(|sooner| end.min(*sooner)).unwrap_or(end);
    END.scope(end, work).await
}

/// How long the calls of this work may take yet; none: it has no end ([`until`]).
pub(super) fn time_left() -> Option<Duration> {
    END.try_with(|end| end.saturating_duration_since(Instant::now())).ok()
}

/// Sends one request to the authorization server and reads the whole answer.
#[async_trait]
pub trait Transport: Send + Sync {
    /// `request.uri()` is a path with optional query; scheme, address and `Host` are the transport's business (a fixed host, never the caller's).
    /// Follows no redirect. Asks for no compression and refuses a compressed answer.
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<http::Response<Bytes>, TransportError>;

    /// An answer was another request's, or none: what comes on the connections that are kept could be another's, too.
    fn doubt_connections(&self) {}
}

/// What a call is for: goes into the request's extensions and names its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose(&'static str);

impl Purpose {
    /// Registering a client.
    pub const REGISTRATION: Self = Self("registration");
    /// Reading, changing or deleting a client; the path names it and is kept out of the span.
    pub const MANAGEMENT: Self = Self("management");
    /// Suspending, deleting or recovering a client without its token; the path names it and is kept out of the span.
    pub const ADMINISTRATION: Self = Self("administration");
    /// Fetching metadata.
    pub const DISCOVERY: Self = Self("discovery");
    /// Getting an access token for the gateway itself.
    pub const TOKEN: Self = Self("token");
    /// What a call without a purpose is called.
    pub const OTHER: Self = Self("call");

    /// As it stands in the span's name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// How long and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of connecting to the last byte of the answer.
    pub total: Duration,
    /// Bytes of the answer's body.
    pub response_bytes: usize,
}

impl Limits {
    /// What is left of them for a call that is made now ([`until`]): whoever implements [`Transport`] asks first.
    ///
    /// # Errors
    /// The call is not to be made any more.
    pub fn left(self) -> Result<Self, TransportError> {
        match time_left() {
            None => Ok(self),
            Some(Duration::ZERO) => Err(TransportError::NotSent(TOO_LATE.to_owned())),
            Some(left) => Ok(Self { total: self.total.min(left), ..self }),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No byte of the request was sent: surely nothing happened there.
    #[error("could not connect to the authorization server: {0}")]
    NotSent(String),
    /// The request went out, at least in part, and no (whole) answer came back.
    #[error("the authorization server broke off: {0}")]
    BrokenOff(String),
    /// The time ran out after the request went out, at least in part.
    #[error("the authorization server did not answer in time")]
    TimedOut,
    /// The time ran out before a byte of the request was sent.
    #[error("connecting to the authorization server took too long")]
    ConnectTimedOut,
    /// The answer is larger than allowed.
    #[error("the authorization server's answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The answer's body is compressed though we asked for none.
    #[error("the authorization server compressed its answer unasked")]
    Compressed,
}

impl TransportError {
    /// The same in the terms of a caller, who asks whether anything may have been done there.
    pub fn told<E>(&self, unreachable: fn(String) -> E, timed_out: E, broken: fn(String) -> E) -> E {
        match self {
            Self::NotSent(_) | Self::ConnectTimedOut => unreachable(self.to_string()),
            Self::TimedOut => timed_out,
            Self::BrokenOff(_) | Self::TooLarge(_) | Self::Compressed => broken(self.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_of_work_that_has_an_end_have_what_is_left_until_then() {
        let limits = Limits { total: Duration::from_secs(10), response_bytes: 7 };
        let left = || limits.left().map(|limits| limits.total.as_secs()).ok();
        assert_eq!(left(), Some(10));
        let end = Instant::now() + Duration::from_secs(15);
        let work = async {
            assert_eq!(left(), Some(10));
            tokio::time::sleep(Duration::from_secs(9)).await;
            assert_eq!(left(), Some(6));
            // An end within it counts where it is sooner.
            assert_eq!(until(end - Duration::from_secs(2), async { left() }).await, Some(4));
            assert_eq!(until(end + Duration::from_secs(2), async { left() }).await, Some(6));
            tokio::time::sleep(Duration::from_secs(6)).await;
            assert!(matches!(limits.left(), Err(TransportError::NotSent(_))));
        };
        until(end, work).await;
        assert_eq!(left(), Some(10));
    }
}
