//! The registered claims (RFC 7519 §4.1) against a given time: who said it, to whom, and from when until when it holds.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// What claims must say.
#[derive(Debug, Clone, Copy)]
pub struct ClaimRules<'a> {
    /// `iss` is exactly this.
    pub issuer: &'a str,
    /// `aud` is or holds exactly this; `None`: whatever it is.
    pub audience: Option<&'a str>,
    /// Whether there must be an `exp`; one that is there always counts.
    pub expiry: Expiry,
    /// `iat` must be there and lie no longer ago than this; `None`: it may be absent or of any age.
    pub max_age: Option<Duration>,
    /// How far the issuer's clock may be off.
    pub leeway: Duration,
}

/// Whether a token must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Without `exp` it is refused.
    Required,
    /// Without `exp` it holds for ever.
    Optional,
}

/// Until when claims hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment at which [`ClaimRules::check`] refuses the claims because of `exp` or their age, leeway included.
    pub refused_from: Option<Timestamp>,
}

/// Why claims do not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimProblem {
    /// A claim that must be there is not.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// A claim is not of the type that RFC 7519 gives it.
    #[error("its {0} is not what RFC 7519 says")]
    Malformed(&'static str),
    /// `iss` is another.
    #[error("its iss is another issuer")]
    Issuer,
    /// `aud` is another.
    #[error("it is not meant for the configured audience")]
    Audience,
    /// `exp` has passed.
    #[error("it has expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("it is not valid yet")]
    NotYetValid,
    /// `iat` lies too long ago.
    #[error("it is older than the configured max_age")]
    TooOld,
}

impl ClaimRules<'_> {
    /// Checks the claims at `now`.
    ///
    /// # Errors
    /// The first claim that does not hold: `iss`, `aud`, `exp`, `nbf`, `iat`.
    pub fn check(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Validity, ClaimProblem> {
        match claims.get("iss") {
            None => return Err(ClaimProblem::Missing("iss")),
            Some(Value::String(issuer)) if issuer == self.issuer => {}
            Some(Value::String(_)) => return Err(ClaimProblem::Issuer),
            Some(_) => return Err(ClaimProblem::Malformed("iss")),
        }
        if let Some(audience) = self.audience {
            check_audience(claims, audience)?;
        }
        let issued_at = numeric_date(claims, "iat")?;
        let expires_at = numeric_date(claims, "exp")?;
        let not_before = numeric_date(claims, "nbf")?;
        if self.expiry == Expiry::Required && expires_at.is_none() {
            return Err(ClaimProblem::Missing("exp"));
        }
        let expired_from = expires_at.map(|expires_at| expires_at.after(self.leeway));
        if expired_from.is_some_and(|from| now >= from) {
            return Err(ClaimProblem::Expired);
        }
        if [not_before, issued_at].into_iter().flatten().any(|from| now.after(self.leeway) < from) {
            return Err(ClaimProblem::NotYetValid);
        }
        let too_old_from = match (self.max_age, issued_at) {
            (None, _) => None,
            (Some(_), None) => return Err(ClaimProblem::Missing("iat")),
            (Some(max_age), Some(issued_at)) => Some(issued_at.after(max_age).after(self.leeway)),
        };
        if too_old_from.is_some_and(|from| now >= from) {
            return Err(ClaimProblem::TooOld);
        }
        Ok(Validity { refused_from: expired_from.into_iter().chain(too_old_from).min() })
    }
}

/// Checks that `aud`, a text or an array of texts (RFC 7519 §4.1.3), names the audience.
///
/// # Errors
/// It is absent, malformed, or names others only.
pub fn check_audience(claims: &Map<String, Value>, audience: &str) -> Result<(), ClaimProblem> {
    let named = match claims.get("aud") {
        None => return Err(ClaimProblem::Missing("aud")),
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) if several.iter().all(Value::is_string) => {
            several.iter().any(|one| one == audience)
        }
        Some(_) => return Err(ClaimProblem::Malformed("aud")),
    };
    if named { Ok(()) } else { Err(ClaimProblem::Audience) }
}

/// A NumericDate (RFC 7519 §2): seconds since the epoch, fractions allowed.
///
/// # Errors
/// The claim is there and is no such number.
pub fn numeric_date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, ClaimProblem> {
    /// The year 9999: beyond, something else was meant (milliseconds, mostly).
    const LAST: f64 = 253_402_300_800.0;
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..LAST).contains(seconds));
    let seconds = seconds.ok_or(ClaimProblem::Malformed(name))?;
    #[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
    let millis = (seconds * 1000.0) as i64;
    Ok(Some(Timestamp::from_unix_millis(millis)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    const RULES: ClaimRules<'_> = ClaimRules {
        issuer: "https://idp.example",
        audience: Some("dcr"),
        expiry: Expiry::Required,
        max_age: Some(Duration::from_secs(600)),
        leeway: Duration::from_secs(30),
    };

    /// Good claims, some of them replaced; `null` takes one away.
    fn claims(changes: Value) -> Map<String, Value> {
        let mut claims = json!({
            "iss": "https://idp.example", "aud": "dcr",
            "iat": 1_699_999_990, "nbf": 1_699_999_990, "exp": 1_700_000_060,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object().unwrap().clone().into_iter().filter(|(_, value)| !value.is_null()).collect()
    }

    #[test]
    fn claims_that_hold_say_until_when() {
        let validity = RULES.check(&claims(json!({})), NOW).unwrap();
        assert_eq!(validity.refused_from, Some(Timestamp::from_unix_millis(1_700_000_090_000)));
        let until_too_old = RULES.check(&claims(json!({"exp": 1_800_000_000})), NOW).unwrap().refused_from;
        assert_eq!(until_too_old, Some(Timestamp::from_unix_millis(1_700_000_620_000)));
        let open = ClaimRules { expiry: Expiry::Optional, max_age: None, audience: None, ..RULES };
        let bare = claims(json!({"exp": null, "iat": null, "nbf": null, "aud": null}));
        assert_eq!(open.check(&bare, NOW), Ok(Validity { refused_from: None }));
    }

    #[test]
    fn each_claim_is_checked() {
        use ClaimProblem as P;
        for (changes, expected) in [
            (json!({"iss": null}), Err(P::Missing("iss"))),
            (json!({"iss": "https://idp.example/"}), Err(P::Issuer)),
            (json!({"iss": "HTTPS://idp.example"}), Err(P::Issuer)),
            (json!({"iss": ["https://idp.example"]}), Err(P::Malformed("iss"))),
            (json!({"aud": null}), Err(P::Missing("aud"))),
            (json!({"aud": "dcr2"}), Err(P::Audience)),
            (json!({"aud": []}), Err(P::Audience)),
            (json!({"aud": ["a", "dcr"]}), Ok(())),
            (json!({"aud": ["dcr", 1]}), Err(P::Malformed("aud"))),
            (json!({"aud": {"dcr": true}}), Err(P::Malformed("aud"))),
            (json!({"exp": null}), Err(P::Missing("exp"))),
            (json!({"exp": "1700000060"}), Err(P::Malformed("exp"))),
            (json!({"exp": -1}), Err(P::Malformed("exp"))),
            (json!({"exp": 1_700_000_060_000_i64}), Err(P::Malformed("exp"))),
            (json!({"exp": 1_699_999_970}), Err(P::Expired)),
            (json!({"exp": 1_699_999_970.5}), Ok(())),
            (json!({"exp": 1_699_999_971}), Ok(())),
            (json!({"nbf": 1_700_000_030}), Ok(())),
            (json!({"nbf": 1_700_000_031}), Err(P::NotYetValid)),
            (json!({"nbf": true}), Err(P::Malformed("nbf"))),
            (json!({"iat": 1_700_000_031}), Err(P::NotYetValid)),
            (json!({"iat": null}), Err(P::Missing("iat"))),
            (json!({"iat": 1_699_999_370}), Err(P::TooOld)),
            (json!({"iat": 1_699_999_371}), Ok(())),
        ] {
            assert_eq!(RULES.check(&claims(changes.clone()), NOW).map(drop), expected, "{changes}");
        }
    }
}
