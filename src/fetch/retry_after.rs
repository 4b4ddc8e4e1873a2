//! How long an answer asks to be waited for, whoever got it: it reads headers, and fetches nothing.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// The longest wait that an answer can ask for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// The seconds of `Retry-After` (RFC 9110 §10.2.3) of an answer, an hour at most; none where it names none, or a date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}
