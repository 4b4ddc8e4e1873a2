//! What a client is told about a limit: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) and
//! `Retry-After` (RFC 9110 §10.2.3).

use std::time::Duration;

use governor::Quota;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::TooEarly;
use super::limit::Limit;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How long somebody is asked to wait for a client to be removed.
const UNTIL_A_CLIENT_LEAVES: Duration = Duration::from_secs(60 * 60);

/// The fields of a 429 answer. `t` and `Retry-After` are when one attempt can pass.
pub fn refused(limit: &Limit, too_early: TooEarly, headers: &mut HeaderMap) {
    headers.insert(RATE_LIMIT_POLICY, limit.policy().clone());
    headers.insert(RATE_LIMIT, value(format!("{};r=0;t={}", string(limit.name()), seconds(too_early.retry_after))));
    headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(too_early.retry_after)));
}

/// The fields of a 429 answer for a quota that is used up, and when its period ends; nobody knows when a client will leave.
pub fn quota_used_up(name: &str, count: u64, ends_in: Option<Duration>, headers: &mut HeaderMap) {
    let name = string(name);
    headers.insert(RATE_LIMIT_POLICY, value(format!("{name};q={count}")));
    let reset = ends_in.map_or_else(String::new, |wait| format!(";t={}", seconds(wait)));
    headers.insert(RATE_LIMIT, value(format!("{name};r=0{reset}")));
    let wait = ends_in.unwrap_or(UNTIL_A_CLIENT_LEAVES);
    headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
}

/// Whole seconds, rounded up, at least 1: a client that comes back then is not too early again.
pub fn whole_seconds(wait: Duration) -> u64 {
    seconds(wait).max(1)
}

/// The item of `RateLimit-Policy`: GCRA as a quota is a burst, in the time in which it comes back.
pub(super) fn policy(name: &str, quota: Quota) -> HeaderValue {
    let window = whole_seconds(quota.burst_size_replenished_in());
    value(format!("{};q={};w={window}", string(name), quota.burst_size()))
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// An sf-string (RFC 9651 §3.3.3): visible ASCII and spaces. Names of profiles are that already.
fn string(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    for character in name.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            ' '..='~' => text.push(character),
            _ => text.push('?'),
        }
    }
    text.push('"');
    text
}

/// Every caller writes visible ASCII; were one not to, the field would be empty rather than the answer lost.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn limit(name: &str, rate: &str, burst: u32) -> Limit {
        Limit::new(name, rate.parse().unwrap(), NonZeroU32::new(burst).unwrap()).unwrap()
    }

    fn written(write: impl FnOnce(&mut HeaderMap)) -> Vec<String> {
        let mut headers = HeaderMap::new();
        write(&mut headers);
        ["ratelimit-policy", "ratelimit", "retry-after"]
            .iter()
            .filter_map(|name| headers.get(*name))
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn an_attempt_that_came_too_early_hears_when_to_come_back() {
        let limit = limit("mcp", "2/m", 20);
        let too_early = TooEarly { retry_after: Duration::from_millis(29_001) };
        let lines = written(|headers| refused(&limit, too_early, headers));
        assert_eq!(lines, ["\"mcp\";q=20;w=600", "\"mcp\";r=0;t=30", "30"]);
    }

    #[test]
    fn waiting_is_rounded_up_and_never_nothing() {
        for (millis, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (60_000, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis}");
        }
    }

    #[test]
    fn a_name_cannot_break_the_field() {
        let limit = limit("a\"\\\r\n\u{e9};q=9", "1/s", 1);
        assert_eq!(limit.policy(), "\"a\\\"\\\\???;q=9\";q=1;w=1");
    }
}
