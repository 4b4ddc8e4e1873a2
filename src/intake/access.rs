//! The gateway's own registration access tokens (RFC 7592 §3), and the server's behind them: a client gets ours, the record keeps
//! ours as a hash and the server's encrypted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Tools;
use crate::authorization_server::{ServerAccess, TokenAccess};
use crate::percent::percent_encoded;
use crate::randomness;
use crate::sealing::{Keys, NotOpened, NotSealed};
use crate::secret::Secret;
use crate::store::{Sealed, TokenHash};

/// How every one begins, so that secret scanners and people recognise it.
const PREFIX: &str = "dcrm_";

/// What a client manages its registration with.
#[derive(Debug, Clone)]
pub(super) struct ClientAccess {
    /// `registration_access_token`.
    pub(super) token: Secret,
    /// `registration_client_uri`.
    pub(super) uri: String,
}

impl ClientAccess {
    /// A new token for the client, that nobody can guess.
    pub(super) fn new(tools: &Tools, registration_endpoint: &str, client_id: &str) -> Self {
        let octets = randomness::octets::<32>(tools.randomness);
        let token = Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(octets)));
        Self::with(token, registration_endpoint, client_id)
    }

    /// A token that the client has already.
    pub(super) fn with(token: Secret, registration_endpoint: &str, client_id: &str) -> Self {
        Self { token, uri: format!("{registration_endpoint}/{}", segment_of(client_id)) }
    }

    /// Puts both members into an answer.
    pub(super) fn show(&self, metadata: &mut Map<String, Value>) {
        metadata.insert("registration_access_token".to_owned(), self.token.expose().into());
        metadata.insert("registration_client_uri".to_owned(), self.uri.as_str().into());
    }
}

/// The last segment of a client's URI: its id. One that would have to be escaped, or could be taken for `..`, is no path that every server reads
/// alike: it is written as `~` and base64url.
pub(super) fn segment_of(client_id: &str) -> String {
    let is_plain = percent_encoded(client_id) == client_id && !client_id.starts_with('.');
    if is_plain { client_id.to_owned() } else { format!("~{}", URL_SAFE_NO_PAD.encode(client_id)) }
}

/// A registration access token by which the record knows a client. Its text does not tell whose it is: the server may be
/// another gateway.
#[derive(Debug, Clone)]
pub(super) enum Token {
    /// The gateway issued it.
    Gateways(Secret),
    /// The server did, before the gateway was there; it stands in the record until the first answer that replaces it.
    Servers(Secret),
}

impl Token {
    /// What is kept of it: no token of one kind has the hash of one of the other.
    pub(super) fn hash(&self) -> TokenHash {
        match self {
            Self::Gateways(secret) => TokenHash::of(secret),
            Self::Servers(secret) => {
                let digest = Sha256::new_with_prefix(b"of the server\0").chain_update(secret.expose());
                TokenHash(digest.finalize().into())
            }
        }
    }
}

/// What the record keeps encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeptAccess {
    /// The server's access to the client.
    pub(super) access: ServerAccess,
    /// The client's secret: a change of the client may name it, but not choose another (RFC 7592 §2.2).
    pub(super) client_secret: Option<Secret>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    /// The client's name where it is managed by the server's API.
    uri: String,
    /// Empty where it is: a bearer token never is.
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

impl KeptAccess {
    pub(super) fn seal(&self, keys: &Keys, tools: &Tools, client_id: &str) -> Result<Sealed, NotSealed> {
        let (uri, token) = match &self.access {
            ServerAccess::ByToken(access) => {
                (&access.registration_client_uri, access.registration_access_token.expose())
            }
            ServerAccess::ByApi(client_id) => (client_id, ""),
        };
        let written = Written {
            uri: uri.clone(),
            token: token.to_owned(),
            client_secret: self.client_secret.as_ref().map(|secret| secret.expose().to_owned()),
        };
        let text = serde_json::to_string(&written).map_err(|_| NotSealed)?;
        keys.seal(client_id, &Secret::new(text), randomness::octets(tools.randomness))
    }

    pub(super) fn open(keys: &Keys, client_id: &str, sealed: &Sealed) -> Result<Self, NotOpened> {
        let text = keys.open(client_id, sealed)?;
        let written: Written = serde_json::from_str(text.expose()).map_err(|_| NotOpened)?;
        let Written { uri, token, client_secret } = written;
        let access = if token.is_empty() {
            ServerAccess::ByApi(uri)
        } else {
            let registration_access_token = Secret::new(token);
            ServerAccess::ByToken(TokenAccess { registration_client_uri: uri, registration_access_token })
        };
        Ok(Self { access, client_secret: client_secret.map(Secret::new) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_the_servers_is_none_of_the_gateways() {
        let text = || Secret::new("dcrm_of-a-gateway-behind-this-one");
        assert_ne!(Token::Servers(text()).hash(), Token::Gateways(text()).hash());
    }

    #[test]
    fn whatever_a_server_calls_a_client_its_uri_has_one_segment_that_is_read_alike() {
        for (client_id, segment) in [
            ("s6BhdRkqt3", "s6BhdRkqt3"),
            ("a@b:c~", "~YUBiOmN-"),
            ("https://app.example/client", "~aHR0cHM6Ly9hcHAuZXhhbXBsZS9jbGllbnQ"),
            ("..", "~Li4"),
            ("100%", "~MTAwJQ"),
        ] {
            assert_eq!(segment_of(client_id), segment);
        }
    }
}
