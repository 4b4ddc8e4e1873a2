//! How long an answer asks to be waited for, whoever got it: it reads headers, and fetches nothing.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// The longest wait that an answer can ask for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// The wait that `Retry-After` (RFC 9110 §10.2.3) of an answer names, an hour at most: in seconds, or by a date, which is counted from the answer's
/// own `Date`, whatever clock is right.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().map(Duration::from_secs).ok();
    let until = || Some(date(headers, RETRY_AFTER)?.duration_since(date(headers, DATE)?).unwrap_or_default());
    Some(seconds.or_else(until)?.min(LONGEST_WAIT))
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_wait_is_in_seconds_or_until_a_date() {
        let wait = |retry: &'static str, date: Option<&'static str>| {
            let mut headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(retry))]);
            headers.extend(date.map(|date| (DATE, HeaderValue::from_static(date))));
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        let now = Some("Mon, 30 Nov 2026 20:00:00 GMT");
        assert_eq!((wait("7", None), wait("99999999", now)), (Some(7), Some(3600)));
        assert_eq!(wait("Mon, 30 Nov 2026 20:00:20 GMT", now), Some(20));
        assert_eq!(wait("Monday, 30-Nov-26 20:00:20 GMT", now), Some(20), "as RFC 850 wrote it");
        assert_eq!(wait("Mon, 30 Nov 2026 19:00:00 GMT", now), Some(0));
        for nonsense in ["", "-1", "1.5", "soon"] {
            assert_eq!(wait(nonsense, now), None, "{nonsense}");
        }
        assert_eq!(wait("Mon, 30 Nov 2026 20:00:20 GMT", None), None, "until then from when?");
    }
}
