//! JSON Web Tokens that others sign (RFC 7515, RFC 7519, RFC 8725): strictly parsed, verified with public keys only, their claims
//! checked at a given time. No keys are fetched here, and no token is made.

mod algorithm;
mod claims;
mod compact;
mod key_set;
#[cfg(test)]
pub(crate) mod signing;

use serde_json::{Map, Value};

pub use algorithm::Algorithm;
pub use claims::{ClaimProblem, ClaimRules, Expiry, Validity, check_audience, numeric_date};
pub use compact::{LONGEST, unverified_claims, unverified_type};
pub use key_set::{KeySet, NotAKeySet, PassedOver};

use compact::Unverified;

/// The most keys that one signature is tried with.
const MOST_TRIED: usize = 8;

/// Why a token is not verified. No text of the token stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// Not a signed token as we read it.
    #[error("it is malformed: {0}")]
    Malformed(&'static str),
    /// `alg` is none that is allowed, or not that of the key it names.
    #[error("its signature algorithm is not allowed")]
    Algorithm,
    /// The set may be out of date: it has no key of the token's `kid`; or the token names none, and no key of the set made its signature.
    #[error("none of the issuer's keys is the one that signed it")]
    UnknownKey,
    /// The key it names did not make its signature.
    #[error("its signature is wrong")]
    BadSignature,
}

/// The claims of a token that one of `keys` signed, with one of the `allowed` algorithms. Nothing about the claims is checked:
/// that is [`ClaimRules::check`]'s.
///
/// # Errors
/// What is wrong with the token; [`JoseError::UnknownKey`] is worth another look at the issuer's keys.
pub fn verify(compact: &str, keys: &KeySet, allowed: &[Algorithm]) -> Result<Map<String, Value>, JoseError> {
    let token = Unverified::parse(compact)?;
    verify_signature(&token, keys, allowed)?;
    compact::claims(&token.payload)
}

fn verify_signature(token: &Unverified<'_>, keys: &KeySet, allowed: &[Algorithm]) -> Result<(), JoseError> {
    let key_id = token.key_id.as_deref();
    if !allowed.contains(&token.algorithm) {
        return Err(JoseError::Algorithm);
    }
    if keys.named(key_id).next().is_none() {
        return Err(JoseError::UnknownKey);
    }
    let mut fitting = keys.fitting(key_id, token.algorithm).take(MOST_TRIED).peekable();
    if fitting.peek().is_none() {
        return Err(if key_id.is_some() { JoseError::Algorithm } else { JoseError::UnknownKey });
    }
    if fitting.any(|key| token.algorithm.verifies(&key.material, token.signed, &token.signature)) {
        return Ok(());
    }
    Err(if key_id.is_some() { JoseError::BadSignature } else { JoseError::UnknownKey })
}

#[cfg(test)]
mod tests;
