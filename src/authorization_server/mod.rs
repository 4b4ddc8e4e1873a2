//! The authorization server behind the gateway: how its registration endpoint is called, what each kind needs to be told
//! differently, its discovery documents. Decides nothing about a registration: it sends what a clearance holds, with the gateway's
//! credential; what report-only lets through, without; and after an approval what the record holds.

pub mod access;
pub mod administration;
pub mod answer;
pub mod client_endpoints;
pub mod cognito;
pub mod credential;
pub mod dialect;
pub mod discovery;
pub mod doctor;
pub mod document_client;
pub mod endpoint;
pub mod existing;
pub mod keycloak_admin;
mod keycloak_members;
pub mod management;
pub mod paths;
pub mod settings;
pub(crate) mod spelling;
pub mod transport;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub use access::{ServerAccess, TokenAccess};
pub use administration::{Administration, AdministrationError};
pub use existing::{ExistingClient, ExistingPage, Origin, RecordedUses};
pub use management::{ManageError, Managed, Named};

use crate::policy::{self, Clearance, Judged, LetThrough, Profile, Raised, Verdict};
use crate::registration::{ClientMetadata, ErrorCode, RedirectUri, ScopeSet, software_statement};
use crate::secret::Secret;
use dialect::Dialect;
use settings::Kind;

/// The whole judgement of a request under one profile, for a server of this kind: the profile's rules, then the kind's own.
pub fn judge(kind: Kind, profile: &Profile, requested: &ClientMetadata) -> Verdict {
    judge_raised(kind, profile, requested, &Raised::default())
}

/// As [`judge`], for a client that may have what is `raised` besides what every client gets.
pub fn judge_raised(kind: Kind, profile: &Profile, requested: &ClientMetadata, raised: &Raised) -> Verdict {
    let verdict = policy::judge_raised(profile, requested, raised);
    match kind {
        Kind::Cognito => verdict.also(cognito::limits::check),
        Kind::Keycloak | Kind::Rfc7591 => verdict,
    }
}

/// Registers clients at the authorization server and manages them there. What the server calls a client's members ("the server's
/// terms") can differ from what the client does: loopback ports, the scope `openid`.
#[async_trait]
pub trait Registrar: Send + Sync {
    /// Registers what the clearance holds. `registration` is what the gateway calls this registration: where the server has a place
    /// for it, a client whose registration was broken off can be found by it. `own_authorization` is the registrant's
    /// `Authorization` header, sent only where the configuration says `credential: forward`.
    async fn register(
        &self,
        registration: &str,
        clearance: &Clearance,
        own_authorization: Option<&Secret>,
    ) -> Result<Registered, RegisterError>;

    /// Sends what the rules would have refused and report-only lets through, as the registrant's own request: with its own
    /// `Authorization` or without any, never with the gateway's credential.
    async fn let_through(
        &self,
        request: &LetThrough,
        own_authorization: Option<&Secret>,
    ) -> Result<Registered, RegisterError>;

    /// How the server says things.
    fn dialect(&self) -> &Dialect;

    /// The members that would be sent to register this: two requests of which they are the same are one client to the server.
    fn outgoing(&self, judged: &dyn Judged) -> Map<String, Value> {
        self.dialect().outgoing(judged)
    }

    /// Members in the server's terms, put into those of the client that asked.
    fn in_client_terms(&self, asked: &Asked, mut metadata: Map<String, Value>) -> Map<String, Value> {
        self.dialect().incoming(asked, &mut metadata);
        metadata
    }

    /// Reads a client (RFC 7592 §2.1). Some servers rotate the token even then. Like the other two: one attempt, never repeated,
    /// because what was presented may be worth nothing after it.
    async fn read(&self, access: &ServerAccess) -> Result<Managed, ManageError>;

    /// Puts what was judged in the place of all that was registered (RFC 7592 §2.2). `client_secret` is what the client
    /// has; it goes along only to servers that look at it. What is only let through is refused where nothing but the gateway's own
    /// credential could carry it.
    async fn update(
        &self,
        access: &ServerAccess,
        client_id: &str,
        judged: &dyn Judged,
        client_secret: Option<&Secret>,
    ) -> Result<Managed, ManageError>;

    /// Puts what the record says in the place of all that was registered: what the server has, with the scopes that were approved.
    async fn restate(&self, access: &ServerAccess, recorded: Recorded<'_>) -> Result<Managed, ManageError>;

    /// Deletes a client (RFC 7592 §2.3). [`ManageError::Gone`]: it was not there, or the token no longer opens it.
    async fn delete(&self, access: &ServerAccess) -> Result<(), ManageError>;
}

/// A client as it stands in the record, after people approved what it is to have.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'c> {
    /// The server's `client_id`.
    pub client_id: &'c str,
    /// Its members in the server's terms; its scopes are not looked at.
    pub metadata: &'c Map<String, Value>,
    /// Its scopes, in its own terms.
    pub scopes: &'c ScopeSet,
    /// The secret that it has.
    pub client_secret: Option<&'c Secret>,
}

/// A client that the server registered.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The server's `client_id`.
    pub client_id: String,
    /// All registered members in the server's terms: no nulls, no empty texts, no server tokens or URLs of management.
    pub metadata: Map<String, Value>,
    /// What the server gave for managing it; none where it manages nothing.
    pub access: Option<ServerAccess>,
    /// Redirect URIs that it has though nobody sent them.
    pub redirect_uris_added: Vec<String>,
    /// Scopes that it has though others were sent.
    pub scopes_added: Vec<String>,
}

/// What a client asked for and got, as far as its own terms differ from the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The redirect URIs as the client wrote them.
    pub redirect_uris: Vec<RedirectUri>,
    /// Its post-logout redirect URIs likewise. None: it named none, or they are not on record; then those of `redirect_uris` are meant.
    pub post_logout_redirect_uris: Option<Vec<RedirectUri>>,
    /// The scopes granted to it.
    pub granted: ScopeSet,
    /// The software statement it presented.
    pub software_statement: Option<String>,
}

impl Asked {
    /// What the record says that a client asked for and got; what stands there was parsed when it was written.
    pub fn recorded(redirect_uris: &[String], scope_granted: &str) -> Self {
        Self {
            redirect_uris: redirect_uris.iter().filter_map(|uri| RedirectUri::parse(uri).ok()).collect(),
            post_logout_redirect_uris: None,
            granted: ScopeSet::recorded(scope_granted),
            software_statement: None,
        }
    }
}

impl<J: Judged + ?Sized> From<&J> for Asked {
    fn from(judged: &J) -> Self {
        Self {
            redirect_uris: judged.redirect_uris().to_vec(),
            post_logout_redirect_uris: Some(judged.post_logout_redirect_uris().to_vec())
                .filter(|uris| !uris.is_empty()),
            granted: judged.scopes().granted.clone(),
            software_statement: software_statement::of(judged.metadata()),
        }
    }
}

/// Why no client can be handed out.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Not a byte was sent.
    #[error("the authorization server could not be reached: {0}")]
    Unreachable(String),
    /// No whole answer came; whether a client was registered is unknown.
    #[error("the authorization server did not answer in time")]
    TimedOut,
    /// The answer was broken, too large, a 5xx, a redirect or nonsense; whether a client was registered is unknown.
    #[error("the authorization server answered nonsense: {0}")]
    Broken(String),
    /// The gateway's own credential could not be got, or was refused; nothing was registered.
    #[error("the gateway's own credential was refused or could not be got: {0}")]
    Credential(String),
    /// The server refused the registrant's own credential (`credential: forward`); nothing was registered.
    #[error("the authorization server refused the registrant's own credential")]
    RegistrantCredential,
    /// The server refused the metadata; nothing was registered.
    #[error("the authorization server refused the metadata: {}", .description.as_deref().unwrap_or(.code.as_str()))]
    Refused {
        /// The server's code.
        code: ErrorCode,
        /// Its sentence, when it is fit for a client to read.
        description: Option<String>,
    },
    /// The server's own policy refused (403); nothing was registered.
    #[error("the authorization server's own policy refused: {0}")]
    PolicyRefused(String),
    /// A 4xx that speaks of the request's form (404, 405, 415, …): the configuration points to the wrong place. Nothing was registered.
    #[error("the authorization server takes no registration where the configuration says: {0}")]
    Misdirected(String),
    /// The server limits the gateway's rate; nothing was registered.
    #[error("the authorization server limits the gateway's rate")]
    RateLimited {
        /// What its `Retry-After` said.
        retry_after: Option<Duration>,
    },
    /// A 503, which may say until when. It may be what stands before the server that says so: whether a client was registered is unknown.
    #[error("the authorization server is not available, as it says")]
    Unavailable {
        /// What its `Retry-After` said.
        retry_after: Option<Duration>,
    },
}

impl RegisterError {
    /// Whether it is certain that no client was registered: only then is a reserved token use given back.
    pub const fn surely_nothing_registered(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Credential(_)
            | Self::RegistrantCredential
            | Self::Refused { .. }
            | Self::PolicyRefused(_)
            | Self::Misdirected(_)
            | Self::RateLimited { .. } => true,
            Self::TimedOut | Self::Broken(_) | Self::Unavailable { .. } => false,
        }
    }
}
