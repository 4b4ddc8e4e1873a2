//! The configuration as it is written: each section's type lives with the module that uses it, here they are put together.
//! What it means, checked, is [`super::Config`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::settings::AdminSettings;
use crate::alert::settings::ReceiverSettings;
use crate::alert::silence::SilenceSettings;
use crate::anomaly::AnomalySettings;
use crate::audit::AuditSettings;
use crate::authorization_server::settings::{AuthorizationServerSettings, ClientIdMetadataDocuments};
use crate::fetch::settings::FetchSettings;
use crate::intake::CorsSettings;
use crate::intake::management::ManagementSettings;
use crate::intake::recorded::ReplaySettings;
use crate::policy::{Enforcement, ProfileSettings};
use crate::proxy::settings::ListenerSettings;
use crate::registrant::initial_access_token::InitialAccessTokenSettings;
use crate::registrant::software_statement::SoftwareStatementSettings;
use crate::store::settings::StoreSettings;
use crate::telemetry::settings::TelemetrySettings;
use crate::throttle::settings::ThrottleSettings;

/// The configuration file of dcr-gateway. Every text may hold `${VARIABLE}`; paths are relative to the directory of the file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// Scheme and host (and port) under which clients see the gateway: `https://sso.example.com`. Plain `http` is for loopback hosts only.
    pub public_url: String,
    /// Scheme and host of the listener that asks for client certificates: goes into the metadata as `mtls_endpoint_aliases.registration_endpoint`
    /// (RFC 8705 §5), so that browsers on the login host are not asked for one. Clients of profiles that need a certificate manage themselves there
    /// (`registration_client_uri`). Default: none.
    #[serde(default)]
    pub mtls_url: Option<String>,
    /// What becomes of clients that name a document at a URL instead of registering: `refuse` takes the offer out of the metadata and refuses
    /// such a `client_id` at the forwarded endpoints; `forward` leaves both to the server, past every rule here. Default: refuse.
    #[serde(default)]
    pub client_id_metadata_documents: ClientIdMetadataDocuments,
    /// Where the gateway listens; at least one.
    pub listeners: Vec<ListenerSettings>,
    /// The authorization server behind the gateway.
    pub authorization_server: AuthorizationServerSettings,
    /// What outlives a restart: initial access tokens and the record of registrations. Takes effect at a start, but for `encryption_key_file`.
    #[serde(default)]
    pub store: StoreSettings,
    /// The tokens that let a client register (RFC 7591 §3).
    #[serde(default)]
    pub initial_access_tokens: InitialAccessTokenSettings,
    /// What registered clients may do with their registration access token (RFC 7592).
    #[serde(default)]
    pub management: ManagementSettings,
    /// How what others publish is fetched: key sets, answers about tokens. Receivers of alerts are told in the same way.
    #[serde(default)]
    pub fetch: FetchSettings,
    /// Who may vouch for software (RFC 7591 §2.3); a profile says whether it takes software statements.
    #[serde(default)]
    pub software_statements: SoftwareStatementSettings,
    /// How often anybody may try, whoever it is.
    #[serde(default)]
    pub throttle: ThrottleSettings,
    /// Detectors of unusual behaviour, and their thresholds. Read at the start only: on a reload detectors would forget what they
    /// learned. `responses` are reloaded, and so are `known_networks` as far as responses heed them.
    #[serde(default)]
    pub anomalies: AnomalySettings,
    /// Who is told of what happens: webhooks, chats, Alertmanager, mail. Default: nobody.
    #[serde(default)]
    pub alerts: Vec<ReceiverSettings>,
    /// What receivers of alerts are not told for a while.
    #[serde(default)]
    pub silences: Vec<SilenceSettings>,
    /// Which web pages may register clients and read the metadata from a browser.
    #[serde(default)]
    pub cors: CorsSettings,
    /// Where spans, metrics and logs go. Takes effect at a start.
    #[serde(default)]
    pub telemetry: TelemetrySettings,
    /// What happened, on a record that proves itself. Takes effect at a start, not at a reload.
    #[serde(default)]
    pub audit: AuditSettings,
    /// Where operators reach the gateway: metrics and health, and the admin API.
    #[serde(default)]
    pub admin: AdminSettings,
    /// Whether the rules refuse, or only report what they would refuse: it is recorded and sent on without the gateway's credential
    /// (`docs/report-only.md`). A profile can say otherwise. Default: enforce.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// Requests that are kept, so that `dcr-gateway replay` can try another configuration on them. Takes effect at a start.
    #[serde(default)]
    pub replay: ReplaySettings,
    /// Who may register what; at least one. The first whose `match` fits the registrant applies; a request that fits none is refused.
    pub profiles: Vec<ProfileSettings>,
}
