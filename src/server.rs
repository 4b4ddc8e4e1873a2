//! The composition root: puts the parts together, starts them, reloads them, stops them.

mod alerts;
mod audit;
mod compose;
mod descriptors;
mod examination;
mod observed;
mod reload;
mod service_manager;
mod start_error;
mod upkeep;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::admin::{Admin, Health, InForce, Phase, Reload, Subject};
use crate::alert::{Alerts, InForce as Receivers};
use crate::anomaly::{self, Watcher};
use crate::audit::{Actor, Event, Keeper, Kind, Recorder, Subject as Recorded};
use crate::authorization_server::client_endpoints::AdvertisedEndpoints;
use crate::authorization_server::paths::ClosedPaths;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::fetch::FetchClient;
use crate::handed_over::Sockets;
use crate::intake::handler::Handler;
use crate::intake::recorded::{self, RequestKeeper};
use crate::intake::{Intake, Tools};
use crate::proxy::Proxy;
use crate::store::Store;
use crate::store::sql::SqlStore;
use crate::telemetry::metrics::ReloadResult;
use crate::telemetry::{self, Exposition};
use crate::throttle::Throttle;

pub use alerts::receivers;
pub use audit::{beginning, signing_keys};
pub use compose::software_statements;
pub use examination::examination;
pub use start_error::StartError;

use alerts::HealthWatch;
use compose::Kept;
use observed::{connection_counts, file_expiry, store_failures, throttle_counts};
use reload::Reasons;
use service_manager::News;

/// How often the server's metadata are asked for until they were seen once.
const CONFIRM_EVERY: Duration = Duration::from_secs(15);

/// How long what runs beside the proxy may take to end after it: somebody's half a request to the admin listener, a call for metadata.
const END_DEADLINE: Duration = Duration::from_secs(2);

/// How long the record of the end may take: a write that the store gives up, and a slow disk of an export.
const RECORD_DEADLINE: Duration = Duration::from_secs(10);

/// Runs the gateway until it is told to stop (SIGTERM, SIGINT), with telemetry, signals and reload.
pub fn serve(config: Config) -> Result<(), StartError> {
    // Before there is a second thread: it changes the environment.
    let sockets = Sockets::from_environment()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let telemetry = telemetry::init(&config.settings.telemetry)?;
        let store = Arc::new(SqlStore::open(&config.settings.store).await?);
        let gateway = Gateway::start_on(sockets, config, store.clone()).await?.exposing(telemetry.exposition());
        // The admin listener first: whoever waits for the last line knows all addresses, also those that port 0 became.
        if let Some(address) = gateway.admin_address() {
            tracing::info!(%address, "admin listening");
        }
        for address in gateway.addresses() {
            tracing::info!(%address, "listening");
        }
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            wait_for_stop().await;
            service_manager::tell(News::Stopping);
            tracing::info!("stopping: no new connections, requests in flight finish");
            let _ = stop.send(true);
        });
        gateway.run(stopped).await;
        store.close().await;
        telemetry.shutdown().await;
        Ok(())
    })
}

/// The gateway, its ports taken.
pub struct Gateway {
    config: Config,
    proxy: Arc<Proxy>,
    intake: Arc<Intake>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    closed_paths: ClosedPaths,
    advertised_endpoints: AdvertisedEndpoints,
    health: Arc<Health>,
    admin: Option<Admin>,
    admin_in_force: Arc<ArcSwap<InForce>>,
    exposition: Exposition,
    /// None: it is at work.
    keeper: Option<Keeper>,
    watcher: Option<Watcher>,
    request_keeper: Option<RequestKeeper>,
    alerts: Arc<Alerts>,
}

/// What a gateway begins with, beside its configuration and its store.
struct Beginnings {
    recorder: Recorder,
    keeper: Option<Keeper>,
    alerts: Arc<Alerts>,
    sockets: Sockets,
}

impl Gateway {
    /// Reads every file and takes every port; serves nothing before [`Gateway::run`].
    pub async fn start(config: Config, store: Arc<dyn Store>) -> Result<Self, StartError> {
        Self::start_on(Sockets::default(), config, store).await
    }

    /// As [`Gateway::start`], on sockets that were handed over; a port that is not among them is taken.
    ///
    /// # Errors
    /// As [`Gateway::start`], and for a socket that no setting names.
    pub async fn start_on(sockets: Sockets, config: Config, store: Arc<dyn Store>) -> Result<Self, StartError> {
        refuse_unexpected(&sockets, &config)?;
        let alerts = Arc::new(Alerts::new(receivers(&config)?, randomness));
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
        let (alerts, sockets) = (Arc::new(Alerts::new(Receivers::default(), randomness)), Sockets::default());
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
        let parts = compose::parts(
            &config,
            Kept { clock: &clock, closed_paths: &closed_paths, advertised_endpoints: &advertised_endpoints, throttle },
        )?;
        let (watch, watcher) = anomaly::watch::open(&config.settings.anomalies);
        let (requests, request_keeper) = recorded::open(config.settings.replay);
        let tools = Tools::new(store.clone(), clock.clone(), randomness).recording(recorder).watched_by(watch);
        let tools = tools.keeping(requests);
        let intake = Arc::new(Intake::new(parts.rulebook, tools));
        let proxy = Proxy::on(&mut sockets, parts.proxy, intake.clone()).map_err(StartError::Proxy)?;
        let proxy = Arc::new(proxy);
        let admin = Admin::open(&config.settings.admin, admin_in_force(&config)?, &mut sockets).await?;
        let (admin_in_force, admin) = (admin.in_force(), Some(admin));
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
            exposition,
            keeper,
            watcher,
            request_keeper,
            alerts,
        })
    }

    /// Shows these metrics on the admin listener.
    #[must_use]
    pub fn exposing(self, exposition: Exposition) -> Self {
        Self { exposition, ..self }
    }

    /// The addresses listened on, in the order of the configuration.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.proxy.local_addrs()
    }

    /// What answers requests, for those that do not come over the network: a bench measures by it what one costs. Ask it while
    /// [`Gateway::run`] runs, which keeps the record that answers wait for.
    pub fn handler(&self) -> Arc<dyn Handler> {
        self.intake.clone()
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(Admin::address)
    }

    /// Serves until `stopped` is true, then finishes what is in flight. The admin listener answers until that is done: whoever
    /// waits for the end looks there.
    pub async fn run(mut self, stopped: watch::Receiver<bool>) {
        telemetry::metrics().observe_connections(connection_counts(self.proxy.clone()));
        telemetry::metrics().observe_expiry(file_expiry(self.proxy.clone(), self.clock.clone()));
        let intake = self.intake.clone();
        telemetry::metrics().observe_throttle(move || throttle_counts(intake.throttle_standing()));
        let store = self.store.clone();
        telemetry::metrics().observe_store(move || store_failures(store.failures()));
        let intake = self.intake.clone();
        telemetry::metrics().observe_responses(move || intake.response_counts());
        let (all_done, is_all_done) = watch::channel(false);
        let keeping = self.keeper.take().map(|keeper| tokio::spawn(keeper.keep(self.clock.clone(), is_all_done)));
        upkeep::tell_at_start(&*self.store, &*self.clock, &self.intake).await;
        // Before anything is served: a ban is not to wait for the first look.
        upkeep::read_responses(&self.intake).await;
        let mut beside = tokio::task::JoinSet::new();
        let (drained, is_drained) = watch::channel(false);
        if let Some(admin) = self.admin.take() {
            let (metrics, health) = (std::mem::take(&mut self.exposition), self.health.clone());
            beside.spawn(admin.serve(Subject { metrics, health, intake: self.intake.clone() }, is_drained));
        }
        beside.spawn(confirm_discovery(self.intake.clone(), stopped.clone()));
        let (store, clock, intake) = (self.store.clone(), self.clock.clone(), self.intake.clone());
        let until = stopped.clone();
        beside.spawn(async move { upkeep::keep_up(&*store, &*clock, &intake, until).await });
        let (settling, until) = (self.intake.clone(), stopped.clone());
        beside.spawn(async move { upkeep::settle(&settling, until).await });
        let (keeping_responses, until) = (self.intake.clone(), stopped.clone());
        beside.spawn(async move { upkeep::keep_responses(&keeping_responses, until).await });
        let (expiring, until) = (self.intake.clone(), stopped.clone());
        beside.spawn(async move { upkeep::expire(&expiring, until).await });
        let (reading, until) = (self.intake.clone(), stopped.clone());
        beside.spawn(async move { upkeep::read_uses(&reading, until).await });
        if let Some(watcher) = self.watcher.take() {
            let (store, alerts, until) = (self.store.clone(), self.alerts.clone(), stopped.clone());
            let intake = self.intake.clone();
            beside.spawn(async move { upkeep::watch(watcher, &*store, (intake, &alerts), until).await });
        }
        if let Some(keeper) = self.request_keeper.take() {
            let (store, clock, until) = (self.store.clone(), self.clock.clone(), drained.subscribe());
            beside.spawn(async move { keeper.keep((&*store, &*clock), until).await });
        }
        let recording = (&self.clock, &self.intake.tools().audit);
        beside.spawn(alerts::deliverer(&self.config, &self.store, recording, &self.alerts).run(stopped.clone()));
        beside.spawn(self.health_watch().run(stopped.clone()));
        // Until the last request is answered: it may have been a use.
        let (uses, until) = (self.intake.clone(), drained.subscribe());
        beside.spawn(async move { uses.keep_uses(until).await });
        let proxy = self.proxy.clone();
        let health = self.health.clone();
        let reloading = tokio::spawn(self.reload_when_needed());
        health.enter(Phase::Serving);
        service_manager::tell(News::Serving);
        let mut draining = stopped.clone();
        let at_end = health.clone();
        beside.spawn(async move {
            let _ = draining.wait_for(|stopped| *stopped).await;
            at_end.enter(Phase::Draining);
        });
        proxy.run(stopped).await;
        reloading.abort();
        let _ = drained.send(true);
        let _ = tokio::time::timeout(END_DEADLINE, beside.join_all()).await;
        // Last: it records the end.
        let _ = all_done.send(true);
        if let Some(keeping) = keeping {
            let _ = tokio::time::timeout(RECORD_DEADLINE, keeping).await;
        }
    }

    fn health_watch(&self) -> HealthWatch {
        HealthWatch {
            store: self.store.clone(),
            clock: self.clock.clone(),
            alerts: self.alerts.clone(),
            intake: self.intake.clone(),
            proxy: self.proxy.clone(),
            closed_paths: self.closed_paths.clone(),
        }
    }

    async fn reload_when_needed(mut self) {
        let mut reasons = match Reasons::watching(&self.config) {
            Ok(reasons) => reasons,
            Err(error) => return tracing::error!(%error, "the configuration will not be reloaded"),
        };
        loop {
            reasons.next().await;
            let (recorder, key) = (self.intake.tools().audit.clone(), self.intake.current_key());
            match self.reload() {
                Ok(()) => {
                    let loaded = audit::configuration(Kind::ConfigurationLoaded, &self.config.file);
                    audit::tell(&recorder, loaded, self.clock.now()).await;
                    let current = self.intake.current_key();
                    if current != key {
                        let rotated = Event::new(Kind::KeyRotated, Actor::Gateway).about(Recorded::Key(current));
                        audit::tell(&recorder, rotated, self.clock.now()).await;
                    }
                    reasons.watch(&self.config);
                    telemetry::metrics().reloaded(ReloadResult::Applied);
                    self.health.reloaded(Reload::Applied);
                    tracing::info!(file = %self.config.file.display(), "configuration reloaded");
                }
                Err(problem) => {
                    let refused = audit::configuration(Kind::ConfigurationRefused, &self.config.file);
                    audit::tell(&recorder, refused, self.clock.now()).await;
                    telemetry::metrics().reloaded(ReloadResult::Refused);
                    self.health.reloaded(Reload::Refused);
                    tracing::error!(problem, "configuration NOT reloaded: the old one stays in force");
                }
            }
        }
    }

    /// Everything is made and checked before anything is put in force.
    fn reload(&mut self) -> Result<(), String> {
        let config = config::load(&self.config.file).map_err(|problems| problems.to_string())?;
        let settings = &config.settings.throttle;
        let files = compose::throttle_files(settings).map_err(|error| error.to_string())?;
        let throttle = self.intake.throttle_reloaded(settings, files).map_err(|error| error.to_string())?;
        let (closed_paths, advertised_endpoints) = (&self.closed_paths, &self.advertised_endpoints);
        let kept = Kept { clock: &self.clock, closed_paths, advertised_endpoints, throttle };
        let parts = compose::parts(&config, kept).map_err(|error| error.to_string())?;
        let admin = admin_in_force(&config).map_err(|error| error.to_string())?;
        let receivers = receivers(&config).map_err(|error| error.to_string())?;
        self.proxy.reload(parts.proxy).map_err(|problems| StartError::Proxy(problems).to_string())?;
        self.intake.replace(parts.rulebook);
        self.admin_in_force.store(Arc::new(admin));
        self.alerts.replace(receivers);
        self.config = config;
        Ok(())
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
fn admin_in_force(config: &Config) -> Result<InForce, StartError> {
    let client = FetchClient::new(&config.settings.fetch)?;
    let issued_tokens = &config.settings.initial_access_tokens.issued;
    Ok(InForce::new(&config.settings.admin, &config.profiles, issued_tokens, client)?)
}

/// Asks for the server's metadata once, so that another registration endpoint is found before somebody uses it.
async fn confirm_discovery(intake: Arc<Intake>, mut stopped: watch::Receiver<bool>) {
    loop {
        if intake.confirm_discovery().await {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(CONFIRM_EVERY) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

async fn wait_for_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// Fills octets with what nobody can guess. A system without randomness must not serve.
#[allow(clippy::expect_used, reason = "nothing can be done without randomness")]
pub fn randomness(octets: &mut [u8]) {
    getrandom::fill(octets).expect("the system has randomness");
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Notify;

    use super::*;
    use crate::store::memory::MemoryStore;

    /// A server behind the gateway that answers `/slow` when it is told to, and nothing else.
    struct Behind {
        address: SocketAddr,
        arrived: Arc<Notify>,
        go_on: Arc<Notify>,
    }

    impl Behind {
        async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let slow = {
                let (arrived, go_on) = (arrived.clone(), go_on.clone());
                async move || {
                    arrived.notify_one();
                    go_on.notified().await;
                    "done"
                }
            };
            let router = axum::Router::new().route("/slow", axum::routing::get(slow));
            tokio::spawn(axum::serve(listener, router).into_future());
            Self { address, arrived, go_on }
        }
    }

    async fn gateway_before(behind: SocketAddr, directory: &std::path::Path) -> Gateway {
        let yaml = format!(
            "public_url: http://127.0.0.1:1\n\
             listeners: [{{ address: 127.0.0.1:0 }}]\n\
             authorization_server: {{ kind: rfc7591, issuer: \"http://{behind}\", url: \"http://{behind}\",\n\
             \x20 registration_path: /register, credential: none }}\n\
             store: {{ url: \"sqlite://gateway.db\" }}\n\
             admin: {{ listen: 127.0.0.1:0 }}\n\
             profiles: [{{ name: mcp, preset: mcp, match: {{}} }}]\n"
        );
        let file = directory.join("gateway.yaml");
        std::fs::write(&file, yaml).unwrap();
        let config = config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        Gateway::start(config, Arc::new(MemoryStore::default())).await.unwrap().exposing(Exposition::default())
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_admin_listener_answers_until_the_last_request_is_answered_and_holds_nothing_up() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let behind = Behind::start().await;
        let directory = tempfile::tempdir().unwrap();
        let gateway = gateway_before(behind.address, directory.path()).await;
        let (address, admin) = (gateway.addresses()[0], gateway.admin_address().unwrap());
        let health = gateway.health.clone();
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(gateway.run(stopped));

        let in_flight = tokio::spawn(async move { get(address, "/slow").await });
        behind.arrived.notified().await;
        assert!(get(admin, "/readyz").await.starts_with("HTTP/1.1 200"));
        // Somebody who never finishes a request.
        let mut lingering = TcpStream::connect(admin).await.unwrap();
        lingering.write_all(b"GET /met").await.unwrap();

        stop.send(true).unwrap();
        while health.phase() != Phase::Draining {
            tokio::task::yield_now().await;
        }
        assert!(get(admin, "/readyz").await.starts_with("HTTP/1.1 503"));
        assert!(get(admin, "/metrics").await.starts_with("HTTP/1.1 200"));
        behind.go_on.notify_one();
        assert!(in_flight.await.unwrap().starts_with("HTTP/1.1 200"));
        tokio::time::timeout(Duration::from_secs(60), running).await.expect("the gateway stops").unwrap();
        assert!(TcpStream::connect(admin).await.is_err());
    }
}
