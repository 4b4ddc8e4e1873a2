//! The gateway's own credential where it is a client (RFC 6749 §2.3.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::secret::Secret;

/// HTTP Basic: id and secret are form-urlencoded before they become user name and password. The value is not shown in logs.
pub fn basic(id: &str, secret: &Secret) -> Option<HeaderValue> {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = zeroize::Zeroizing::new(format!("{}:{}", encode(id), encode(secret.expose())));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair.as_bytes()))).ok()?;
    value.set_sensitive(true);
    Some(value)
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
}
