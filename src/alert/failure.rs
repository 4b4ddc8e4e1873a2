//! Why a receiver does not have a delivery yet, and whose fault it is.

use std::time::Duration;

use http::StatusCode;

use crate::fetch::{FetchError, Fetched, retry_after};

/// Why a delivery failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The receiver cannot be reached, takes nothing now, or takes nothing from us: what else waits for it would fail, too.
    #[error("{reason}")]
    Down {
        /// What happened.
        reason: String,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The receiver does not take this one.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// The receiver is down.
    pub fn down(reason: impl ToString) -> Self {
        Self::Down { reason: reason.to_string(), retry_after: None }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::down(error)
    }
}

/// What an answer says: any 2xx is a yes. No redirect is followed: the URL is to be mended.
pub(super) fn heard(answer: &Fetched) -> Result<(), Failure> {
    let status = answer.status;
    let reason = format!("it answered {status}");
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::BAD_REQUEST
        | StatusCode::CONFLICT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => Err(Failure::Refused(reason)),
        _ => Err(Failure::Down { reason, retry_after: retry_after(&answer.headers) }),
    }
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderMap, RETRY_AFTER};

    use super::*;
    use crate::fetch::LONGEST_WAIT;

    fn answered(status: u16, retry_after: Option<&'static str>) -> Result<(), Failure> {
        let mut headers = HeaderMap::new();
        headers.extend(retry_after.map(|wait| (RETRY_AFTER, http::HeaderValue::from_static(wait))));
        let status = StatusCode::from_u16(status).unwrap();
        heard(&Fetched { status, headers, body: bytes::Bytes::new() })
    }

    #[test]
    fn what_is_wrong_with_one_delivery_keeps_no_other_back() {
        assert_eq!(answered(204, None), Ok(()));
        for status in [400, 413, 422] {
            assert!(matches!(answered(status, None), Err(Failure::Refused(_))), "{status}");
        }
        for status in [301, 401, 403, 404, 408, 410, 500, 502, 503] {
            assert!(matches!(answered(status, None), Err(Failure::Down { retry_after: None, .. })), "{status}");
        }
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it_within_bounds() {
        let wait = |text| match answered(429, Some(text)) {
            Err(Failure::Down { retry_after, .. }) => retry_after,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("999999999"), Some(LONGEST_WAIT));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }
}
