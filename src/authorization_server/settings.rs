//! Where the authorization server is, what kind it is, and the gateway's own credential there.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client_endpoints::ClientEndpointSettings;
use super::cognito::settings::{CognitoSettings, TokenEndpointRoute};
use super::keycloak_admin::AdminBase;
use crate::duration::DurationText;

/// The `authorization_server` section.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationServerSettings {
    /// What kind of server it is: decides the default paths, and what it must be told differently.
    pub kind: Kind,
    /// The issuer identifier (RFC 8414 §2), exactly as the server writes it in its metadata. In front of a user pool it is
    /// `public_url`: the metadata are the gateway's own.
    pub issuer: String,
    /// Where the server really is: scheme, host and port. For `cognito` the user pool's domain, where people sign in.
    pub url: String,
    /// The path of the registration endpoint. Default: the kind's (`keycloak`: `<path of issuer>/clients-registrations/openid-connect`; `cognito`: `/register`; `rfc7591`: none, it must be written).
    #[serde(default)]
    pub registration_path: Option<String>,
    /// The user pool. Needed by `cognito`. With `rfc7591` it says that the server is a user pool's domain (`/oauth2/register`): the
    /// metadata are then the gateway's own, and clients are registered there and not by the API.
    #[serde(default)]
    pub cognito: Option<CognitoSettings>,
    /// What the gateway presents at the registration endpoint.
    #[serde(default)]
    pub credential: CredentialSettings,
    /// What the gateway presents at the server's API for administering clients: suspending, deleting and recovering them without
    /// their token. Only for `keycloak`. Default: the client of `credential`, where that is `client_credentials`.
    #[serde(default)]
    pub administration: Option<AdministrationSettings>,
    /// Whether the last use of clients is learned from the events that the server keeps, besides from what is forwarded: `{ every: 5m }`.
    /// Only for `keycloak`, with an administration that has the role `view-events`. Default: off.
    #[serde(default)]
    pub last_use_from_events: LastUseFromEvents,
    /// Whether the server lets registered clients be managed: `rfc7592`, it gives a registration access token; `none`, it does not, and
    /// what needs that (`approval: required`) is refused at the start unless there is an administration. Default: rfc7592.
    #[serde(default)]
    pub client_management: ClientManagement,
    /// What happens to paths that are neither registration nor discovery.
    #[serde(default)]
    pub other_paths: OtherPaths,
    /// Requests to other paths, and for the server's metadata, that may be on the way at the same time, over all listeners; more are answered with 503.
    /// One to another path counts until its answer has left the gateway, and a client that does not read holds up to 0.75 MiB of memory by it.
    /// Default 1024.
    #[serde(default = "default_max_forwarded_requests")]
    pub max_forwarded_requests: usize,
    /// The same for one address (IPv6: one /64). `trusted_proxies` that do not say for whom they ask may have all. Behind a balancer that passes connections
    /// on as its own, write what `max_forwarded_requests` is. Default: a quarter of `max_forwarded_requests`, but not below 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_forwarded_requests_per_address: Option<usize>,
    /// The endpoints at which clients that were suspended, rejected or removed, or wait under `approval: before_use`, are refused. Those of Keycloak and of a user pool are known, and
    /// those that the server's metadata name are added as soon as they are seen.
    #[serde(default)]
    pub client_endpoints: ClientEndpointSettings,
    /// For one whole call: connecting, sending, waiting, reading. All calls of a registration, those for the gateway's credential among them, have
    /// twice this, all that are made about a client at a time three times. Default 10s.
    #[serde(default = "default_timeout")]
    pub timeout: DurationText,
    /// Whether loopback redirect URIs are registered with their port. `omit` where the server accepts any port (RFC 8252 §7.3)
    /// only for a URI registered without one. Default: the kind's (`keycloak`: omit, the others: keep).
    #[serde(default)]
    pub loopback_ports: Option<LoopbackPorts>,
    /// Whether the server is told the software statement that a client presented (RFC 7591 §2.3), besides what it says. `send` where the
    /// server verifies it once more; not for `keycloak`, which refuses the member. Default: omit.
    #[serde(default)]
    pub software_statements: SoftwareStatementsSent,
    /// PEM file of the CAs that sign the server's certificate, for `https` with a private CA: these alone. For Cognito's API the
    /// system's are trusted as well: AWS's credentials are got by the same client. Default: the system's.
    #[serde(default)]
    pub trust: Option<PathBuf>,
}

impl AuthorizationServerSettings {
    /// The client that administers clients; none where the server has no such API, or it is switched off.
    pub const fn administrator(&self) -> Option<&ClientCredentialsSettings> {
        match (self.kind, &self.administration, &self.credential) {
            (Kind::Keycloak, Some(AdministrationSettings::ClientCredentials(client)), _)
            | (Kind::Keycloak, None, CredentialSettings::ClientCredentials(client)) => Some(client),
            _ => None,
        }
    }

    /// How many forwarded requests of one address may be on the way.
    pub fn forwarded_requests_per_address(&self) -> usize {
        self.max_forwarded_requests_per_address.unwrap_or((self.max_forwarded_requests / 4).max(16))
    }

    /// The limit of forwarded requests with which nothing could be forwarded.
    pub fn forwards_nothing(&self) -> Option<&'static str> {
        let is_none_in_all = (self.max_forwarded_requests == 0).then_some("max_forwarded_requests");
        let is_none_here = self.max_forwarded_requests_per_address == Some(0);
        is_none_in_all.or(is_none_here.then_some("max_forwarded_requests_per_address"))
    }

    /// Whether more can be granted to a client that waits for an approval, and whether one that nobody approves can be removed.
    pub fn can_settle_approvals(&self) -> bool {
        self.administrator().is_some() || self.client_management == ClientManagement::Rfc7592
    }

    /// How often the server's events are read; none: never.
    pub const fn reads_events_every(&self) -> Option<Duration> {
        match self.last_use_from_events {
            LastUseFromEvents::Off => None,
            LastUseFromEvents::Every(pause) => Some(pause.0),
        }
    }

    /// Why the server's events cannot be read as it is written, if they cannot, and what to write instead.
    pub fn events_problem(&self) -> Option<(&'static str, &'static str)> {
        let pause = self.reads_events_every()?;
        if self.administrator().is_none() {
            let hint = "leave it out, or give authorization_server.administration (kind keycloak)";
            return Some(("the gateway has no administration at this server whose events it could read", hint));
        }
        let is_fit = (SHORTEST_PAUSE..=LONGEST_PAUSE).contains(&pause);
        (!is_fit).then_some(("events are read every second at the most, and every day at the least", "write 5m"))
    }

    /// Whether the gateway sees what clients do: the server's events tell, or the token endpoint is known from the start, and forwarded.
    pub fn shows_uses(&self) -> bool {
        if self.reads_events_every().is_some() {
            return true;
        }
        let is_of_kind = match self.kind {
            Kind::Keycloak => true,
            Kind::Cognito => {
                self.cognito.as_ref().is_some_and(|pool| pool.token_endpoint == TokenEndpointRoute::Forwarded)
            }
            Kind::Rfc7591 => false,
        };
        (is_of_kind || !self.client_endpoints.token.is_empty()) && self.other_paths == OtherPaths::Forward
    }

    /// The clients of the gateway's own that are written, each with the key it stands under.
    pub fn client_credentials(&self) -> impl Iterator<Item = (&'static str, &ClientCredentialsSettings)> {
        let credential = match &self.credential {
            CredentialSettings::ClientCredentials(client) => Some(("credential", client)),
            CredentialSettings::None | CredentialSettings::Forward | CredentialSettings::BearerTokenFile(_) => None,
        };
        let administration = match &self.administration {
            Some(AdministrationSettings::ClientCredentials(client)) => Some(("administration", client)),
            Some(AdministrationSettings::Off) | None => None,
        };
        credential.into_iter().chain(administration)
    }

    /// Why the administration that is written cannot be, if it cannot, and what to write instead.
    pub fn administration_problem(&self, registration_path: &str) -> Option<(&'static str, &'static str)> {
        match (&self.administration, self.kind) {
            (None | Some(AdministrationSettings::Off), _) => None,
            (Some(AdministrationSettings::ClientCredentials(_)), Kind::Rfc7591) => {
                Some(("there is no API of kind rfc7591 for it", "leave it out"))
            }
            (Some(AdministrationSettings::ClientCredentials(_)), Kind::Cognito) => {
                Some(("Cognito's API takes an AWS credential", "leave it out"))
            }
            (Some(AdministrationSettings::ClientCredentials(_)), Kind::Keycloak) => {
                let reason = "the registration path does not tell where it is";
                let hint = "registration_path must be like /realms/acme/clients-registrations/openid-connect";
                AdminBase::beside(registration_path).is_none().then_some((reason, hint))
            }
        }
    }
}

/// What becomes of clients that name a document instead of registering (draft-ietf-oauth-client-id-metadata-document).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientIdMetadataDocuments {
    /// The metadata does not offer them, and a `client_id` that is a URL is refused at the forwarded endpoints.
    #[default]
    Refuse,
    /// They are the server's business.
    Forward,
}

/// How clients are managed at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientManagement {
    /// With the registration access token that the server gives (RFC 7592).
    #[default]
    Rfc7592,
    /// Not at all.
    None,
}

/// The kinds of authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any server with an RFC 7591 endpoint.
    Rfc7591,
    /// Keycloak: the OpenID Connect provider of `clients-registrations`.
    Keycloak,
    /// Amazon Cognito: app clients made by its API, behind metadata and a registration endpoint of the gateway's own.
    Cognito,
}

/// What the gateway presents at the registration endpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialSettings {
    /// Nothing: the server's registration is open, and should be reachable for the gateway only.
    #[default]
    None,
    /// The registrant's own `Authorization` header. Not together with initial access tokens that the gateway issues.
    Forward,
    /// A bearer token from a file, read anew when the file changes.
    BearerTokenFile(PathBuf),
    /// An access token by the client credentials grant (RFC 6749 §4.4).
    ClientCredentials(ClientCredentialsSettings),
}

/// What the gateway presents at the server's API for administering clients.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdministrationSettings {
    /// Nothing: no client is suspended, deleted or recovered there.
    Off,
    /// An access token by the client credentials grant of a client that may administer clients.
    ClientCredentials(ClientCredentialsSettings),
}

/// Whether uses of clients are read from the server's events.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LastUseFromEvents {
    /// They are not.
    #[default]
    Off,
    /// How often they are read, from 1s to 24h; by one replica at a time.
    Every(DurationText),
}

/// How often events may be read.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// The client credentials grant (RFC 6749 §4.4), by which the gateway gets its access token.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentialsSettings {
    /// The gateway's own client at the server.
    pub client_id: String,
    /// The file with its secret.
    pub client_secret_file: PathBuf,
    /// `scope` to ask for.
    #[serde(default)]
    pub scope: Option<String>,
    /// Path of the token endpoint. Default: the `token_endpoint` of the server's metadata.
    #[serde(default)]
    pub token_path: Option<String>,
}

/// How the server is told loopback redirect URIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LoopbackPorts {
    /// As the client wrote them.
    Keep,
    /// Without their port; the client is still told what it asked for.
    Omit,
}

/// Whether the server sees software statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SoftwareStatementsSent {
    /// What they say is sent as plain members; the client is still answered with the statement.
    #[default]
    Omit,
    /// They are sent as well.
    Send,
}

/// What happens to all other paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OtherPaths {
    /// They go to the server.
    #[default]
    Forward,
    /// 404.
    Refuse,
}

const fn default_max_forwarded_requests() -> usize {
    1024
}

const fn default_timeout() -> DurationText {
    DurationText(Duration::from_secs(10))
}
