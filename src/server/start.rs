//! Puts the parts of the gateway together out of a checked configuration: every file is read and every port taken, and nothing served.

use std::sync::Arc;

use super::compose::{self, KeptOnReload};
use super::{Gateway, StartError, alert_routing, audit};
use crate::admin::{Admin, AdminInForce};
use crate::alert::{Alerts, Routing};
use crate::anomaly;
use crate::audit::{Keeper, Recorder};
use crate::authorization_server::client_endpoints::AdvertisedEndpoints;
use crate::authorization_server::paths::ClosedPaths;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::fetch::FetchClient;
use crate::handed_over::Sockets;
use crate::intake::{Intake, Tools, recorded, reseal};
use crate::proxy::Proxy;
use crate::randomness;
use crate::store::Store;
use crate::telemetry::Exposition;
use crate::throttle::Throttle;

/// What a gateway begins with, beside its configuration and its store.
struct Beginnings {
    recorder: Recorder,
    keeper: Option<Keeper>,
    alerts: Arc<Alerts>,
    sockets: Sockets,
}

impl Gateway {
    /// Reads every file and takes every port; serves nothing before [`Gateway::run`].
    ///
    /// # Errors
    /// A file, a setting or a port that cannot be used.
    pub async fn start(config: Config, store: Arc<dyn Store>) -> Result<Self, StartError> {
        Self::start_on(Sockets::default(), config, store).await
    }

    /// As [`Gateway::start`], on sockets that were handed over; a port that is not among them is taken.
    ///
    /// # Errors
    /// As [`Gateway::start`], and for a socket that no setting names.
    pub async fn start_on(sockets: Sockets, config: Config, store: Arc<dyn Store>) -> Result<Self, StartError> {
        refuse_unexpected(&sockets, &config)?;
        let alerts = Arc::new(Alerts::new(alert_routing(&config)?, randomness::of_the_system));
        let (recorder, keeper) = audit::begin(&config, store.clone(), &SystemClock, alerts.clone()).await?;
        Self::assemble(config, store, Beginnings { recorder, keeper: Some(keeper), alerts, sockets }).await
    }

    /// As [`Gateway::start`], and records nothing of what happens: what the audit log costs is measured beside it. No configuration
    /// selects it.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub async fn unrecorded(config: Config, store: Arc<dyn Store>) -> Result<Self, StartError> {
        let (recorder, keeper) = (Recorder::silent(), None);
        let (alerts, sockets) =
            (Arc::new(Alerts::new(Routing::default(), randomness::of_the_system)), Sockets::default());
        Self::assemble(config, store, Beginnings { recorder, keeper, alerts, sockets }).await
    }

    async fn assemble(
        config: Config,
        store: Arc<dyn Store>,
        Beginnings { recorder, keeper, alerts, mut sockets }: Beginnings,
    ) -> Result<Self, StartError> {
        for warning in &config.warnings {
            tracing::warn!(place = warning.place, hint = warning.hint, "configuration: {}", warning.reason);
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (closed_paths, advertised_endpoints) = (ClosedPaths::default(), AdvertisedEndpoints::default());
        let settings = &config.settings.throttle;
        let throttle = Throttle::new(settings, compose::throttle_files(settings)?)?;
        let file = &config.settings.store.encryption_key_file.0;
        if !file.exists() && reseal::holds_sealed(store.as_ref()).await? {
            return Err(StartError::KeysGone(file.clone()));
        }
        let parts = compose::parts(
            &config,
            KeptOnReload {
                clock: &clock,
                closed_paths: &closed_paths,
                advertised_endpoints: &advertised_endpoints,
                throttle,
            },
        )?;
        if reseal::opens_nothing(store.as_ref(), &parts.rulebook.keys).await? {
            tracing::error!(
                file = %file.display(),
                "store.encryption_key_file: none of its keys opens what the store keeps encrypted: no client of before can be managed until the right keys are added to it; keep those that are in it, they are in use"
            );
        }
        let (watch, watcher) = anomaly::watch::open(&config.settings.anomalies);
        let (requests, request_keeper) = recorded::open(config.settings.replay);
        let tools =
            Tools::new(store.clone(), clock.clone(), randomness::of_the_system).recording(recorder).watched_by(watch);
        let tools = tools.keeping(requests);
        let intake = Arc::new(Intake::new(parts.rulebook, tools));
        let proxy = Proxy::on(&mut sockets, parts.proxy, intake.clone()).map_err(StartError::Proxy)?;
        let proxy = Arc::new(proxy);
        let admin = Admin::open(&config.settings.admin, admin_in_force(&config)?, &mut sockets).await?;
        let (admin_in_force, admin_door, admin) = (admin.in_force(), admin.door(), Some(admin));
        let (health, exposition) = (Arc::default(), Exposition::default());
        let (watcher, request_keeper) = (Some(watcher), Some(request_keeper));
        Ok(Self {
            config,
            proxy,
            intake,
            store,
            clock,
            closed_paths,
            advertised_endpoints,
            health,
            admin,
            admin_in_force,
            admin_door,
            exposition,
            keeper,
            watcher,
            request_keeper,
            alerts,
        })
    }
}

/// A socket that no setting names is a mistake of whoever wrote one of them: nobody would ever accept from it.
fn refuse_unexpected(sockets: &Sockets, config: &Config) -> Result<(), StartError> {
    let settings = &config.settings;
    let addresses = settings.listeners.iter().map(|listener| listener.address).chain(settings.admin.listen);
    let unexpected = sockets.unexpected(&addresses.collect::<Vec<_>>(), settings.admin.socket.0.as_deref());
    if unexpected.is_empty() { Ok(()) } else { Err(StartError::Unexpected(unexpected)) }
}

/// Who may call the admin API, and what they may make there.
pub(super) fn admin_in_force(config: &Config) -> Result<AdminInForce, StartError> {
    let settings = &config.settings.admin;
    let client = settings.sign_in.openid.as_ref().map(|_| FetchClient::new(&config.settings.fetch)).transpose()?;
    let issued_tokens = &config.settings.initial_access_tokens.issued;
    Ok(AdminInForce::new(settings, &config.profiles, issued_tokens, client)?)
}
