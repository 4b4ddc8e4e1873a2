//! Everything a request is judged by, made from the configuration and replaced as a whole by a reload.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::cors::CorsSettings;
use super::management::ManagementSettings;
use crate::anomaly::Responder;
use crate::authorization_server::client_endpoints::{AdvertisedEndpoints, WhenRecordUnavailable};
use crate::authorization_server::discovery::Rewriting;
use crate::authorization_server::paths::ClosedPaths;
use crate::authorization_server::settings::Kind;
use crate::authorization_server::transport::{Limits, Transport};
use crate::authorization_server::{Administration, Registrar};
use crate::policy::Profile;
use crate::policy::settings::{LimitSettings, Rate};
use crate::registrant::initial_access_token::Verifiers;
use crate::registrant::software_statement::StatementIssuers;
use crate::sealing::Keys;
use crate::store::{PerPeriod, Quotas};
use crate::throttle::Throttle;
use crate::throttle::limit::{Limit, NoLimit};

/// The rules in force.
pub struct Rulebook {
    /// In the order of the configuration: the first that fits applies.
    pub profiles: Vec<Profile>,
    /// By the name of the profile: the same one, whose clients wait for an approval, where a response asks for that; none where the
    /// profile wants an approval anyway, or the server does not have what it takes.
    pub under_approval: HashMap<String, Profile>,
    /// What is done about findings.
    pub responder: Responder,
    /// By the name of the profile: how often one registrant may try, and how many clients there may be.
    pub profile_limits: HashMap<String, ProfileLimits>,
    /// How often one address, and all together, may try.
    pub throttle: Throttle,
    /// Who verifies initial access tokens.
    pub initial_access_tokens: TokenHandling,
    /// Whose software statements count.
    pub software_statements: StatementIssuers,
    /// Which pages may call from a browser.
    pub cors: CorsSettings,
    /// What the metadata is made to say.
    pub rewriting: Rewriting,
    /// What the metadata turns out to offer besides the configured endpoint.
    pub closed_paths: ClosedPaths,
    /// Where the metadata turns out to have clients say who they are.
    pub advertised_endpoints: AdvertisedEndpoints,
    /// What happens there while the record of clients cannot be read.
    pub when_record_unavailable: WhenRecordUnavailable,
    /// The whole metadata, where the gateway is its own issuer; none where the server's are passed on.
    pub own_metadata: Option<Map<String, Value>>,
    /// Whether the gateway sees the uses of clients.
    pub sees_uses: bool,
    /// How often the server's events are read for the uses of clients; none: never.
    pub reads_events_every: Option<Duration>,
    /// The path part of the issuer, empty or beginning with `/`.
    pub issuer_path: String,
    /// How the authorization server is reached.
    pub transport: Arc<dyn Transport>,
    /// How long it may take, and how large its answers may be.
    pub limits: Limits,
    /// What kind of server it is.
    pub kind: Kind,
    /// Who registers clients there.
    pub registrar: Arc<dyn Registrar>,
    /// Who suspends, deletes and recovers clients there without their token; none where nobody can.
    pub administration: Option<Arc<dyn Administration>>,
    /// What the server's tokens are encrypted with in the record.
    pub keys: Arc<Keys>,
    /// What registered clients may do with their registration access token.
    pub management: ManagementSettings,
}

/// The limits of one profile.
#[derive(Debug, Clone)]
pub struct ProfileLimits {
    /// How often one registrant may try.
    pub attempts: Limit,
    /// How many clients there may be.
    pub quotas: Quotas,
}

impl ProfileLimits {
    /// The limits a profile's settings ask for.
    pub fn new(profile: &str, settings: &LimitSettings) -> Result<Self, NoLimit> {
        let per_period = |rate: Rate| PerPeriod { count: u64::from(rate.count().get()), period: rate.per() };
        let count = |count: NonZeroU32| u64::from(count.get());
        let quotas = Quotas {
            registrations: settings.registrations.map(per_period),
            live_clients: settings.live_clients.map(count),
            total_registrations: settings.total.registrations.map(per_period),
            total_live_clients: settings.total.live_clients.map(count),
            reserved_for_known: settings.total.reserved_for_known.value(),
        };
        Ok(Self { attempts: Limit::new(profile, settings.rate, settings.burst)?, quotas })
    }
}

impl Rulebook {
    /// The profile of this name, while it is configured.
    pub(super) fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name() == name)
    }

    /// Below which URL clients of this profile manage themselves: where certificates are asked for, when the profile needs one.
    pub(super) fn client_uris_below(&self, profile: &str) -> &str {
        let Rewriting { registration_endpoint, mtls_registration_endpoint, .. } = &self.rewriting;
        let needs_certificate = self.profile(profile).is_some_and(Profile::needs_certificate);
        mtls_registration_endpoint.as_ref().filter(|_| needs_certificate).unwrap_or(registration_endpoint)
    }

    /// How long a piece of work on one client can take.
    pub(super) fn longest_turn(&self) -> Duration {
        longest_turn(self.limits)
    }
}

/// So many calls that take as long as one may fit into a turn: one, what recovers a client that is lost, and the first again. Those of a turn that
/// has more of them are broken off when it is over ([`until`]).
///
/// [`until`]: crate::authorization_server::transport::until
pub(super) const CALLS_IN_A_TURN: u32 = 3;

/// How long a piece of work on one client can take at a server of these limits: the calls to it, and what is written around them.
pub fn longest_turn(limits: Limits) -> Duration {
    limits.total * CALLS_IN_A_TURN + Duration::from_secs(10)
}

/// Whose business the `Authorization` header of a registration is.
pub enum TokenHandling {
    /// The gateway's: it verifies the token that stands there.
    Verified(Box<Verifiers>),
    /// The authorization server's: the header is passed on unread (`credential: forward`).
    Forwarded,
}

impl TokenHandling {
    /// Takes over what `earlier` fetched.
    pub(super) fn remember(&self, earlier: &Self) {
        if let (Self::Verified(verifiers), Self::Verified(earlier)) = (self, earlier) {
            verifiers.remember(earlier);
        }
    }
}
