//! What the gateway may do about a client without the client's token: suspend it, bring it back, delete it, get a new token for it.
//! Only where the server has an API for that; with a credential of the gateway's own.

use async_trait::async_trait;

use super::ServerAccess;
use super::existing::{ExistingClient, ExistingPage, RecordedUses};
use crate::clock::Timestamp;
use crate::lifecycle::AtTheServer;
use crate::registration::ScopeSet;

/// Administers the clients of the authorization server, each named by its `client_id`.
#[async_trait]
pub trait Administration: Send + Sync {
    /// Whether the client is there, and may be used.
    async fn state(&self, client_id: &str) -> Result<AtTheServer, AdministrationError>;

    /// Suspends the client: the server refuses it, and its registration access token, until it is enabled again. Twice is once.
    /// [`AdministrationError::NotOffered`] where the server cannot: then only the gateway refuses it.
    async fn disable(&self, client_id: &str) -> Result<(), AdministrationError>;

    /// Brings a suspended client back, with the registration access token it had. Twice is once.
    async fn enable(&self, client_id: &str) -> Result<(), AdministrationError>;

    /// Lets the client ask for these scopes besides those it may ask for already, whether or not it is suspended. Twice is once.
    /// [`AdministrationError::NotOffered`] where the client must be changed as a whole ([`super::Registrar::restate`]).
    async fn grant(&self, client_id: &str, scopes: &ScopeSet) -> Result<(), AdministrationError>;

    /// Deletes the client, whether or not it is suspended.
    async fn delete(&self, client_id: &str) -> Result<(), AdministrationError>;

    /// A new registration access token; the old one is worth nothing afterwards. The way back to a client whose token was lost.
    async fn new_registration_access_token(&self, client_id: &str) -> Result<ServerAccess, AdministrationError>;

    /// A page of the clients that the server has, whoever made them; `after` is where the page before ended.
    async fn existing(&self, after: Option<&str>) -> Result<ExistingPage, AdministrationError>;

    /// One of them; none: there is none of this name.
    async fn existing_client(&self, client_id: &str) -> Result<Option<ExistingClient>, AdministrationError>;

    /// What the server recorded of its clients' uses from this moment on, the oldest first and only so much at once.
    /// [`AdministrationError::NotOffered`] where it records none.
    async fn recorded_uses(&self, _since: Timestamp, _now: Timestamp) -> Result<RecordedUses, AdministrationError> {
        Err(AdministrationError::NotOffered)
    }

    /// The last use of one client that the server still remembers.
    async fn last_recorded_use(&self, _client_id: &str) -> Result<Option<Timestamp>, AdministrationError> {
        Err(AdministrationError::NotOffered)
    }
}

/// Why nothing could be done, or it is not known whether something was.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// There is no client of this name.
    #[error("the authorization server has no such client")]
    NotFound,
    /// No access token could be got, or the server does not take it.
    #[error("the credential for the administration was refused or could not be got: {0}")]
    Credential(String),
    /// The credential is good, but not for this: a role is missing.
    #[error("the credential may not administer clients; see docs/keycloak.md for the role it needs: {0}")]
    NotPermitted(String),
    /// The server has no such thing: nothing was done, and nothing ever will be.
    #[error("the authorization server does not offer this")]
    NotOffered,
    /// Any other 4xx.
    #[error("the authorization server refused: {0}")]
    Refused(String),
    /// Not a byte was sent.
    #[error("the authorization server could not be reached: {0}")]
    Unreachable(String),
    /// No whole answer came; whether it was done is unknown.
    #[error("the authorization server did not answer in time")]
    TimedOut,
    /// The answer was broken, too large, a 5xx or nonsense; whether it was done is unknown.
    #[error("the authorization server answered nonsense: {0}")]
    Broken(String),
}

impl AdministrationError {
    /// Whether it is certain that the client and its token are as they were.
    pub const fn surely_nothing_changed(&self) -> bool {
        match self {
            Self::NotFound
            | Self::Credential(_)
            | Self::NotPermitted(_)
            | Self::NotOffered
            | Self::Refused(_)
            | Self::Unreachable(_) => true,
            Self::TimedOut | Self::Broken(_) => false,
        }
    }
}
