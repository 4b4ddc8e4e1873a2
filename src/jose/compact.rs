//! The compact serialization (RFC 7515 §7.1), strictly: three parts of base64url, a JSON header that we understand all of.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::JoseError;
use super::algorithm::Algorithm;
use crate::registration::json;

/// The longest token, in bytes; a software statement with many redirect URIs and its keys stays below.
pub const LONGEST: usize = 32 * 1024;

/// The longest header, in bytes of base64url: certificates in `x5c`, which we have no use for, are the only long thing.
const LONGEST_HEADER: usize = 8 * 1024;

/// A signature of an RSA key of 8192 bits, in bytes of base64url.
const LONGEST_SIGNATURE: usize = 1366;

/// The longest `kid`, in bytes.
const LONGEST_KEY_ID: usize = 512;

/// A token taken apart. Nothing in it is verified.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    pub algorithm: Algorithm,
    pub key_id: Option<String>,
    pub payload: Vec<u8>,
    pub signature: Vec<u8>,
    /// What the signature is over: the first two parts and the point between, as they came.
    pub signed: &'a [u8],
}

impl<'a> Unverified<'a> {
    pub fn parse(compact: &'a str) -> Result<Self, JoseError> {
        let parts = Parts::split(compact)?;
        let header = parts.header()?;
        if header.contains_key("crit") {
            return Err(JoseError::Malformed("the header has crit, of which nothing is understood"));
        }
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= LONGEST_KEY_ID => Some(id.clone()),
            Some(_) => return Err(JoseError::Malformed("the header's kid is not a short text")),
        };
        let Some(Value::String(name)) = header.get("alg") else {
            return Err(JoseError::Malformed("the header has no alg"));
        };
        Ok(Self {
            algorithm: Algorithm::named(name).ok_or(JoseError::Algorithm)?,
            key_id,
            payload: decoded(parts.payload, "the payload is not base64url")?,
            signature: decoded(parts.signature, "the signature is not base64url")?,
            signed: parts.signed,
        })
    }
}

/// What kind of JWT the header says it is (`typ`, RFC 7515 §4.1.9), without any verification: in lower case, and without the `application/` that
/// may stand before it.
///
/// # Errors
/// [`JoseError::Malformed`]: the text is not three parts with a header that is a JSON object, or `typ` is no text.
pub fn unverified_type(compact: &str) -> Result<Option<String>, JoseError> {
    match Parts::split(compact)?.header()?.get("typ") {
        None => Ok(None),
        Some(Value::String(kind)) => {
            let kind = kind.to_ascii_lowercase();
            Ok(Some(kind.strip_prefix("application/").map(str::to_owned).unwrap_or(kind)))
        }
        Some(_) => Err(JoseError::Malformed("the header's typ is not a text")),
    }
}

/// The claims without any verification: good for finding out whose keys to verify with, and for nothing else.
///
/// # Errors
/// [`JoseError::Malformed`]: the text is not three parts with a JSON object in the middle.
pub fn unverified_claims(compact: &str) -> Result<Map<String, Value>, JoseError> {
    claims(&decoded(Parts::split(compact)?.payload, "the payload is not base64url")?)
}

pub(super) fn claims(payload: &[u8]) -> Result<Map<String, Value>, JoseError> {
    json::parse(payload).map_err(|_| JoseError::Malformed("the claims are not a JSON object, each member once"))
}

struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    signed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(compact: &'a str) -> Result<Self, JoseError> {
        if compact.len() > LONGEST {
            return Err(JoseError::Malformed("it is too long"));
        }
        let three = || JoseError::Malformed("it is not three parts with points between");
        let (signed, signature) = compact.rsplit_once('.').ok_or_else(three)?;
        let (header, payload) = signed.split_once('.').ok_or_else(three)?;
        if payload.contains('.') || header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(three());
        }
        if header.len() > LONGEST_HEADER || signature.len() > LONGEST_SIGNATURE {
            return Err(JoseError::Malformed("its header or its signature is too long"));
        }
        Ok(Self { header, payload, signature, signed: signed.as_bytes() })
    }

    fn header(&self) -> Result<Map<String, Value>, JoseError> {
        json::parse(&decoded(self.header, "the header is not base64url")?)
            .map_err(|_| JoseError::Malformed("the header is not a JSON object, each member once"))
    }
}

/// Base64url without padding, white space or bits left over: one text for one value.
fn decoded(part: &str, problem: &'static str) -> Result<Vec<u8>, JoseError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JoseError::Malformed(problem))
}
