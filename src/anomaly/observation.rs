//! What detectors are told: one thing that happened, when, from where. No token, no secret and no body is in it.

use std::net::IpAddr;

use super::finding::Subject;
use super::network::network;
use crate::clock::Timestamp;

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Observation {
    /// When.
    pub at: Timestamp,
    /// From where: the rightmost hop that is not a trusted proxy. Nothing where no request was the cause.
    pub address: Option<IpAddr>,
    /// The request's name.
    pub request_id: Option<String>,
    /// What it was.
    pub seen: Seen,
}

/// Whose a thing that happened was, as far as that was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Involved {
    /// From where it came.
    pub address: Option<IpAddr>,
    /// SHA-256 of the verified client certificate.
    pub certificate: Option<String>,
    /// Names the verified initial access token.
    pub token: Option<String>,
    /// The profile that applied.
    pub profile: Option<String>,
    /// The client that was registered or changed.
    pub client: Option<String>,
}

impl Observation {
    /// Who made a registration: the holder of its credential, or without one whoever is in the network it came from.
    pub(super) fn registrant(&self, registration: &RegistrationSeen) -> Subject {
        // Where the credential was not good, nobody is known by it.
        let has_credential =
            (registration.certificate.is_some() || registration.token.is_some()) && !registration.registrant.is_empty();
        match self.address {
            Some(address) if !has_credential => Subject::Network(network(address)),
            _ => Subject::Registrant(registration.registrant.clone()),
        }
    }

    /// The client that was made or changed by it; one that is handed out again was there before.
    pub(super) fn new_client(&self) -> Option<&str> {
        match &self.seen {
            Seen::Registration(registration) if !registration.repeated => registration.client.as_deref(),
            Seen::Change(change) => Some(&change.client),
            Seen::Registration(_) | Seen::BadCredential { .. } | Seen::TokenRequest(_) => None,
        }
    }

    /// Whose it was.
    pub(super) fn involved(&self) -> Involved {
        let address = self.address;
        match &self.seen {
            Seen::Registration(registration) => Involved {
                address,
                certificate: registration.certificate.clone(),
                token: registration.token.clone(),
                profile: registration.profile.clone(),
                client: registration.client.clone(),
            },
            Seen::Change(change) => Involved { address, client: Some(change.client.clone()), ..Involved::default() },
            Seen::BadCredential { .. } | Seen::TokenRequest(_) => Involved { address, ..Involved::default() },
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Seen {
    /// A registration was decided about.
    Registration(Box<RegistrationSeen>),
    /// A credential was presented that is not good.
    BadCredential {
        /// A hash of what was presented: tells a thousand guesses from one mistake made a thousand times.
        presented: u64,
    },
    /// The forwarded token endpoint has answered.
    TokenRequest(TokenRequestSeen),
    /// A client has changed its registration (RFC 7592).
    Change(ChangeSeen),
}

/// A registration that was decided about.
#[derive(Debug, Clone, Default)]
pub struct RegistrationSeen {
    /// The profile that applied.
    pub profile: Option<String>,
    /// Whose attempts are counted together: address, token or certificate.
    pub registrant: String,
    /// SHA-256 of the verified client certificate.
    pub certificate: Option<String>,
    /// Names the initial access token.
    pub token: Option<String>,
    /// `iss` of the verified software statement.
    pub statement_issuer: Option<String>,
    /// Hosts of the redirect URIs; `scheme:` for those without one.
    pub redirect_hosts: Vec<String>,
    /// `client_name`.
    pub client_name: Option<String>,
    /// Whether it was admitted.
    pub admitted: bool,
    /// Whether a client was handed out again that was there before.
    pub repeated: bool,
    /// The rules that were violated.
    pub violations: Vec<&'static str>,
    /// A hash of what was asked for: tells a retry from another try.
    pub asked: u64,
    /// The client that was registered, or handed out again.
    pub client: Option<String>,
}

/// A request to the token endpoint.
#[derive(Debug, Clone, Default)]
pub struct TokenRequestSeen {
    /// The client, once the server has given it something.
    pub client: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// When the client was used before this, or was registered where it never was; nothing where that is not known.
    pub idle_since: Option<Timestamp>,
}

/// A change of a registration, and what of it was not there before.
#[derive(Debug, Clone, Default)]
pub struct ChangeSeen {
    /// The client.
    pub client: String,
    /// The hosts that its redirect URIs had before.
    pub hosts_before: Vec<String>,
    /// The hosts of the redirect URIs that are new.
    pub new_redirect_hosts: Vec<String>,
    /// The hosts of all of them, as it is now.
    pub redirect_hosts: Vec<String>,
    /// `client_name`, where it is another than before.
    pub new_name: Option<String>,
    /// How many redirect URIs are new.
    pub new_redirect_uris: u32,
    /// The scopes that are new.
    pub new_scopes: Vec<String>,
    /// Whether it has other keys now.
    pub other_keys: bool,
    /// The address that registered it, where that is known.
    pub registered_from: Option<IpAddr>,
}
