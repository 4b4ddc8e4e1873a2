//! Credentials as the values of `Authorization`, which no log shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::InvalidHeaderValue;

use crate::secret::Secret;

/// HTTP Basic: id and secret are form-urlencoded before they become user name and password. The value is not shown in logs.
pub fn basic(id: &str, secret: &Secret) -> Option<HeaderValue> {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = zeroize::Zeroizing::new(format!("{}:{}", encode(id), encode(secret.expose())));
    authorization(&Secret::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))).ok()
}

/// A bearer token (RFC 6750 §2.1). The value is not shown in logs.
///
/// # Errors
/// The token cannot stand in a header.
pub fn bearer(token: &Secret) -> Result<HeaderValue, InvalidHeaderValue> {
    authorization(&Secret::new(format!("Bearer {}", token.expose())))
}

/// A value as it stands. It is not shown in logs.
///
/// # Errors
/// It cannot stand in a header.
pub fn authorization(value: &Secret) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(value.expose())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_secret_are_urlencoded_before_they_are_joined() {
        let value = basic("dcr:gateway", &Secret::new("s e/cret")).unwrap();
        assert_eq!(value, format!("Basic {}", STANDARD.encode("dcr%3Agateway:s+e%2Fcret")));
        assert!(!format!("{value:?}").contains("Basic"));
    }

    #[test]
    fn a_token_is_not_shown_and_what_no_header_can_hold_is_refused() {
        let value = bearer(&Secret::new("t0ken")).unwrap();
        assert_eq!(value, "Bearer t0ken");
        assert!(!format!("{value:?}").contains("t0ken"));
        assert!(bearer(&Secret::new("t0k\nen")).is_err());
    }
}
