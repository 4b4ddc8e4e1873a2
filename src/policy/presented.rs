//! What a registrant presented and we verified: the only thing a profile's `match` looks at.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distinguished_name::DistinguishedName;

/// Who a verified client certificate says its holder is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateIdentity {
    /// The subject, as RFC 4514 writes it.
    pub subject: String,
    /// The issuer, as RFC 4514 writes it.
    pub issuer: String,
    /// The serial number in lower-case hexadecimal, no separators.
    pub serial: String,
    /// Lower-cased dNSName entries of the subject's alternative names.
    pub san_dns: Vec<String>,
    /// uniformResourceIdentifier entries.
    pub san_uri: Vec<String>,
    /// rfc822Name entries.
    pub san_email: Vec<String>,
    /// iPAddress entries.
    pub san_ip: Vec<IpAddr>,
    /// SHA-256 over the DER of the certificate (RFC 8705 §3.1), in lower-case hexadecimal.
    pub thumbprint: String,
    /// The end of its validity, in seconds since 1970-01-01T00:00:00Z.
    pub not_after: i64,
}

impl CertificateIdentity {
    /// The values of one attribute of the subject, by its short name (RFC 4514 §3): `O`, `OU`, `CN`; none when it has no such attribute.
    pub fn subject_attribute(&self, kind: &str) -> Vec<String> {
        let name = DistinguishedName::parse(&self.subject);
        name.map(|name| name.values_of(kind).map(str::to_owned).collect()).unwrap_or_default()
    }
}

/// Everything verified about who asks, at the time the profile is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The address the request came from, trusted proxies taken off.
    pub address: IpAddr,
    /// The verified client certificate.
    pub certificate: Option<&'a CertificateIdentity>,
    /// The verified initial access token.
    pub initial_access_token: PresentedToken<'a>,
}

/// What a verified initial access token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PresentedToken<'a> {
    /// None was presented.
    #[default]
    None,
    /// It was made for the profile of this name, and belongs to no other.
    ForProfile(&'a str),
    /// Whoever vouches for it names no profile: it belongs to the first that takes tokens and fits.
    ForAnyProfile,
}
