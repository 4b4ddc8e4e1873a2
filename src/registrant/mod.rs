//! Who asks: the address, the client certificate, the initial access token, who vouches for the software. Turns what was presented into what is verified.

pub mod address;
pub mod client_certificate;
mod distinguished_name;
pub mod forwarded_certificate;
mod header_list;
pub mod initial_access_token;
pub mod issuer_keys;
pub mod software_statement;

use std::net::IpAddr;
use std::sync::Arc;

use self::initial_access_token::VerifiedToken;
use self::software_statement::VerifiedStatement;
use crate::policy::{CertificateIdentity, Presented, PresentedToken};

/// A registrant, everything in it verified.
#[derive(Debug, Clone)]
pub struct Registrant {
    /// The rightmost hop that is not a trusted proxy.
    pub address: IpAddr,
    /// The verified client certificate of the connection, or the one a trusted proxy forwarded.
    pub certificate: Option<Arc<CertificateIdentity>>,
    /// The verified initial access token.
    pub token: Option<VerifiedToken>,
    /// The verified software statement; known once the body was read.
    pub statement: Option<VerifiedStatement>,
}

impl Registrant {
    /// What a profile's `match` may look at.
    pub fn presented(&self) -> Presented<'_> {
        Presented {
            address: self.address,
            certificate: self.certificate.as_deref(),
            initial_access_token: self.token.as_ref().map_or(PresentedToken::None, VerifiedToken::presented),
        }
    }
}
