//! Makes the parts that a reload replaces out of a checked configuration.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{StartError, descriptors};
use crate::anomaly::Responder;
use crate::authorization_server::client_endpoints::{AdvertisedEndpoints, ClientEndpoints};
use crate::authorization_server::cognito::metadata::{self, Facade};
use crate::authorization_server::cognito::{self, Cognito, Reach};
use crate::authorization_server::credential::{AccessTokenSource, Credential, GatewayClient, TokenEndpoint};
use crate::authorization_server::dialect::Dialect;
use crate::authorization_server::discovery::Rewriting;
use crate::authorization_server::endpoint::Endpoint;
use crate::authorization_server::keycloak_admin::{AdminBase, KeycloakAdministration};
use crate::authorization_server::paths::{ClosedPaths, DiscoveryForm, PathTable};
use crate::authorization_server::settings::{ClientCredentialsSettings, CredentialSettings, Kind};
use crate::authorization_server::transport::{Limits, Transport};
use crate::authorization_server::{Administration, Registrar};
use crate::clock::Clock;
use crate::config::Config;
use crate::fetch::{self, FetchClient};
use crate::intake::{self, ProfileLimits, Rulebook, TokenHandling};
use crate::policy::approval::ApprovalNeeded;
use crate::policy::{Profile, ProfileSettings};
use crate::proxy::{ForwardingLimits, ProxySettings, Upstream, UpstreamSettings};
use crate::randomness;
use crate::registrant::initial_access_token::{Introspector, Verifiers};
use crate::registrant::software_statement::StatementIssuers;
use crate::sealing::Keys;
use crate::secret::Secret;
use crate::store::settings::{StoreSettings, StoreUrl};
use crate::throttle::limit::NoLimit;
use crate::throttle::settings::ThrottleSettings;
use crate::throttle::{Throttle, ThrottleFiles};

/// The largest answer of the authorization server that is read, in bytes: a registration or a discovery document.
pub(super) const LARGEST_ANSWER: usize = 1024 * 1024;

/// How long requests may go on after the shutdown has begun.
pub(super) const DRAIN: Duration = Duration::from_secs(30);

/// What a reload replaces.
pub struct Parts {
    /// What requests are judged by.
    pub rulebook: Rulebook,
    /// What the proxy needs.
    pub proxy: ProxySettings,
}

/// What outlives a reload.
pub struct KeptOnReload<'a> {
    /// The counts of attempts, under the new ceilings.
    pub throttle: Throttle,
    /// The time.
    pub clock: &'a Arc<dyn Clock>,
    /// Registration endpoints found open beside the configured one.
    pub closed_paths: &'a ClosedPaths,
    /// Endpoints of clients that the server's metadata were seen to name.
    pub advertised_endpoints: &'a AdvertisedEndpoints,
}

/// Makes the parts; reads the secrets and the CA files the configuration names.
pub fn parts(config: &Config, kept: KeptOnReload<'_>) -> Result<Parts, StartError> {
    let server = &config.settings.authorization_server;
    // A file that cannot be used is told at once, also where nothing is fetched yet.
    fetch::trusted(&config.settings.fetch)?;
    let upstream = Arc::new(Upstream::new(&UpstreamSettings {
        url: server.url.clone(),
        public_url: name_of_the_server(config),
        trust: server.trust.clone(),
    })?);
    let proxy = ProxySettings {
        listeners: descriptors::fitting(config.settings.listeners.clone()),
        upstream: upstream.clone(),
        paths: paths(config, &kept),
        other_paths: server.other_paths,
        forwarding_limits: ForwardingLimits {
            in_all: server.max_forwarded_requests,
            per_address: server.forwarded_requests_per_address(),
        },
        client_id_metadata_documents: config.settings.client_id_metadata_documents,
        drain: DRAIN,
    };
    Ok(Parts { rulebook: rulebook(config, kept, upstream)?, proxy })
}

fn paths(config: &Config, kept: &KeptOnReload<'_>) -> PathTable {
    let server = &config.settings.authorization_server;
    // A user pool's domain has its endpoints where every pool has them, however clients are registered there.
    let kind = if server.cognito.is_some() { Kind::Cognito } else { server.kind };
    let clients = ClientEndpoints::new(kind, &config.issuer_path, &server.client_endpoints);
    let clients = clients.with_advertised(kept.advertised_endpoints.clone());
    config.paths.clone().with_closed(kept.closed_paths.clone()).with_clients(clients)
}

fn rulebook(config: &Config, kept: KeptOnReload<'_>, transport: Arc<dyn Transport>) -> Result<Rulebook, StartError> {
    let server = &config.settings.authorization_server;
    let limits = limits(config);
    let (registrar, administration) = clients_at_the_server(config, transport.clone(), limits, kept.clock)?;
    Ok(Rulebook {
        profiles: config.profiles.clone(),
        under_approval: under_approval(config),
        responder: Responder::new(&config.settings.anomalies.responses, &config.settings.anomalies.known_networks),
        profile_limits: profile_limits(&config.profiles)?,
        throttle: kept.throttle,
        initial_access_tokens: initial_access_tokens(config)?,
        software_statements: software_statements(config)?,
        cors: config.settings.cors.clone(),
        rewriting: rewriting(config),
        closed_paths: kept.closed_paths.clone(),
        advertised_endpoints: kept.advertised_endpoints.clone(),
        when_record_unavailable: server.client_endpoints.when_unavailable,
        own_metadata: own_metadata(config),
        sees_uses: server.shows_uses(),
        reads_events_every: server.reads_events_every(),
        issuer_path: config.issuer_path.clone(),
        transport,
        limits,
        kind: server.kind,
        registrar,
        administration,
        keys: Arc::new(keys(&config.settings.store)?),
        management: config.settings.management,
    })
}

fn limits(config: &Config) -> Limits {
    let server = &config.settings.authorization_server;
    let beside = if server.kind == Kind::Cognito { cognito::BESIDE } else { Duration::ZERO };
    Limits { total: server.timeout.0 + beside, response_bytes: LARGEST_ANSWER }
}

/// How long a piece of work on one client can take in a gateway of this configuration.
pub fn longest_turn(config: &Config) -> Duration {
    intake::longest_turn(limits(config))
}

/// Who registers clients at the server, and who administers them there.
type ClientsAtTheServer = (Arc<dyn Registrar>, Option<Arc<dyn Administration>>);

fn clients_at_the_server(
    config: &Config,
    transport: Arc<dyn Transport>,
    limits: Limits,
    clock: &Arc<dyn Clock>,
) -> Result<ClientsAtTheServer, StartError> {
    if let Some(pool) = pool(config)? {
        return Ok((pool.clone(), Some(pool)));
    }
    let endpoint = Endpoint {
        transport: transport.clone(),
        path: config.paths.registration_path().to_owned(),
        dialect: Dialect::of(&config.settings.authorization_server),
        credential: credential(config, clock)?,
        limits,
    };
    let administration = administration(config, transport, limits, clock)?;
    Ok((Arc::new(endpoint), administration.map(|keycloak| -> Arc<dyn Administration> { Arc::new(keycloak) })))
}

fn rewriting(config: &Config) -> Rewriting {
    let registration_path = config.paths.registration_path();
    let endpoint_on = |base: &str| format!("{base}{registration_path}");
    Rewriting {
        issuer: config.settings.authorization_server.issuer.clone(),
        registration_endpoint: endpoint_on(&config.public_url),
        mtls_registration_endpoint: config.mtls_url.as_deref().map(endpoint_on),
        registration_path: registration_path.to_owned(),
        client_id_metadata_documents: config.settings.client_id_metadata_documents,
    }
}

fn profile_limits(profiles: &[Profile]) -> Result<HashMap<String, ProfileLimits>, NoLimit> {
    let limited = profiles.iter().filter_map(|profile| Some((profile.name(), profile.limits()?)));
    limited.map(|(name, limits)| Ok((name.to_owned(), ProfileLimits::new(name, &limits)?))).collect()
}

/// What the server is told that it is called: what clients call it, but a user pool knows only its own domain.
fn name_of_the_server(config: &Config) -> String {
    let server = &config.settings.authorization_server;
    if server.cognito.is_some() { server.url.clone() } else { config.public_url.clone() }
}

fn pool(config: &Config) -> Result<Option<Arc<Cognito>>, StartError> {
    let server = &config.settings.authorization_server;
    let Some(settings) = server.cognito.clone().filter(|_| server.kind == Kind::Cognito) else { return Ok(None) };
    let trust = server.trust.as_deref().map(bytes);
    let reach = Reach { settings, timeout: server.timeout.0, trust: trust.transpose()?, credentials: None };
    Ok(Some(Arc::new(Cognito::new(reach, Dialect::of(server)))))
}

fn own_metadata(config: &Config) -> Option<Map<String, Value>> {
    let server = &config.settings.authorization_server;
    let facade = Facade {
        public_url: &config.public_url,
        domain: &server.url,
        registration_path: config.paths.registration_path(),
        mtls_url: config.mtls_url.as_deref(),
        settings: server.cognito.as_ref()?,
    };
    Some(metadata::document(&facade))
}

/// The profiles as they are while their clients must wait for an approval.
fn under_approval(config: &Config) -> HashMap<String, Profile> {
    let server = &config.settings.authorization_server;
    if !server.can_settle_approvals() {
        return HashMap::new();
    }
    let open: HashSet<&str> = config
        .profiles
        .iter()
        .filter(|profile| profile.approvals().needed == ApprovalNeeded::None)
        .map(Profile::name)
        .collect();
    let profiles = config.settings.profiles.iter().filter(|settings| open.contains(settings.name.as_str()));
    let stricter = |settings: &ProfileSettings| {
        let settings = ProfileSettings { approval: Some(ApprovalNeeded::Required), ..settings.clone() };
        // It compiles as it did without.
        Some((settings.name.clone(), config.profile_of(&settings)?))
    };
    profiles.filter_map(stricter).collect()
}

/// Replicas must have the same keys, so only for a store that cannot be shared are they made.
fn keys(store: &StoreSettings) -> Result<Keys, StartError> {
    let file = &store.encryption_key_file.0;
    let read = match &store.url {
        StoreUrl::Sqlite(_) => {
            let mut key = Zeroizing::new([0; 32]);
            randomness::of_the_system(&mut *key);
            Keys::read_or_make(file, &key)
        }
        StoreUrl::Postgres(_) => Keys::read(file),
    };
    read.map_err(|error| StartError::Keys { file: file.clone(), error })
}

/// Reads the files the `throttle` section names.
pub fn throttle_files(settings: &ThrottleSettings) -> Result<ThrottleFiles, StartError> {
    let password = settings.password_file.as_deref().map(secret).transpose()?;
    let trust = settings.trust.as_deref().map(bytes);
    Ok(ThrottleFiles { password, trust: trust.transpose()? })
}

/// Whose software statements count.
pub fn software_statements(config: &Config) -> Result<StatementIssuers, StartError> {
    let settings = &config.settings.software_statements;
    if settings.issuers.is_empty() {
        return Ok(StatementIssuers::default());
    }
    let client = FetchClient::new(&config.settings.fetch)?;
    StatementIssuers::new(settings, &client).map_err(StartError::SoftwareStatements)
}

fn initial_access_tokens(config: &Config) -> Result<TokenHandling, StartError> {
    if matches!(config.settings.authorization_server.credential, CredentialSettings::Forward) {
        return Ok(TokenHandling::Forwarded);
    }
    let settings = &config.settings.initial_access_tokens;
    if settings.jwt.is_empty() && settings.introspection.is_none() {
        return Ok(TokenHandling::Verified(Box::default()));
    }
    let client = FetchClient::new(&config.settings.fetch)?;
    let introspection = match &settings.introspection {
        Some(settings) => {
            let secret = secret(&settings.client_secret_file)?;
            Some(Introspector::new(settings, &secret, client.clone()).map_err(StartError::Introspection)?)
        }
        None => None,
    };
    let verifiers = Verifiers::new(settings, &client, introspection)?;
    Ok(TokenHandling::Verified(Box::new(verifiers)))
}

fn bytes(file: &Path) -> Result<Vec<u8>, StartError> {
    std::fs::read(file).map_err(|error| StartError::File { file: file.to_owned(), reason: error.to_string() })
}

pub(super) fn secret(file: &Path) -> Result<Secret, StartError> {
    Secret::read(file).map_err(|reason| StartError::File { file: file.to_owned(), reason })
}

/// A file with a secret on each line.
pub(super) fn secrets(file: &Path) -> Result<Secret, StartError> {
    Secret::read_lines(file).map_err(|reason| StartError::File { file: file.to_owned(), reason })
}

fn credential(config: &Config, clock: &Arc<dyn Clock>) -> Result<Credential, StartError> {
    Ok(match &config.settings.authorization_server.credential {
        CredentialSettings::None => Credential::None,
        CredentialSettings::Forward => Credential::Forward,
        CredentialSettings::BearerTokenFile(file) => Credential::Bearer(secret(file)?),
        CredentialSettings::ClientCredentials(settings) => {
            Credential::ClientCredentials(access_tokens(config, settings, clock)?)
        }
    })
}

fn access_tokens(
    config: &Config,
    settings: &ClientCredentialsSettings,
    clock: &Arc<dyn Clock>,
) -> Result<AccessTokenSource, StartError> {
    let client = GatewayClient {
        id: settings.client_id.clone(),
        secret: secret(&settings.client_secret_file)?,
        scope: settings.scope.clone(),
    };
    let endpoint = match &settings.token_path {
        Some(path) => TokenEndpoint::Path(path.clone()),
        None => TokenEndpoint::DiscoveredAt(
            DiscoveryForm::ALL.into_iter().map(|form| form.path(&config.issuer_path)).collect(),
        ),
    };
    Ok(AccessTokenSource::new(client, endpoint, clock.clone()))
}

pub(super) fn administration(
    config: &Config,
    transport: Arc<dyn Transport>,
    limits: Limits,
    clock: &Arc<dyn Clock>,
) -> Result<Option<KeycloakAdministration>, StartError> {
    let registration_path = config.paths.registration_path();
    let client = config.settings.authorization_server.administrator();
    let (Some(client), Some(base)) = (client, AdminBase::beside(registration_path)) else { return Ok(None) };
    Ok(Some(KeycloakAdministration {
        transport,
        base,
        registration_path: registration_path.to_owned(),
        credential: access_tokens(config, client, clock)?,
        limits,
    }))
}
