//! The composition root: puts the parts together, starts them, reloads them, stops them.

mod alerts;
mod audit;
mod beside;
mod compose;
mod descriptors;
mod examination;
mod observed;
mod reload;
mod run;
mod service_manager;
mod start;
mod start_error;
mod upkeep;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::admin::{Admin, AdminInForce, Health, SocketDoor};
use crate::alert::Alerts;
use crate::anomaly::Watcher;
use crate::audit::Keeper;
use crate::authorization_server::client_endpoints::AdvertisedEndpoints;
use crate::authorization_server::paths::ClosedPaths;
use crate::clock::Clock;
use crate::config::Config;
use crate::handed_over::Sockets;
use crate::intake::Intake;
use crate::intake::handler::Handler;
use crate::intake::recorded::RequestKeeper;
use crate::proxy::Proxy;
use crate::store::Store;
use crate::store::sql::SqlStore;
use crate::telemetry::settings::TelemetrySettings;
use crate::telemetry::{self, Exposition};

pub use alerts::alert_routing;
pub use audit::{beginning, signing_keys};
pub use compose::{longest_turn, software_statements};
pub use examination::examination;
pub use start_error::StartError;

use service_manager::News;

/// How long a thread that works for nobody any more may take.
const STUCK_DEADLINE: Duration = Duration::from_secs(1);

/// Runs the gateway until it is told to stop (SIGTERM, SIGINT), with this telemetry, signals and reload.
///
/// # Errors
/// It did not start. What fails later is told by the log and the probes, and ends nothing.
pub fn serve(config: Config, telemetry: &TelemetrySettings) -> Result<(), StartError> {
    // Before there is a second thread: it changes the environment.
    let sockets = Sockets::from_environment()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let mut stop_signal = Box::pin(stop_signal()?);
        // Who asks for a reload before somebody waits for that ends nobody: the configuration was just read.
        let _hangup = signal(SignalKind::hangup())?;
        let telemetry = telemetry::init(telemetry)?;
        let starting = async {
            let store = Arc::new(SqlStore::open(&config.settings.store).await?);
            Ok::<_, StartError>((Gateway::start_on(sockets, config, store.clone()).await?, store))
        };
        let (gateway, store) = tokio::select! {
            biased;
            () = &mut stop_signal => return Ok(()),
            started = starting => started?,
        };
        let gateway = gateway.exposing(telemetry.exposition());
        // The admin listener first: whoever waits for the last line knows all addresses, also those that port 0 became.
        if let Some(address) = gateway.admin_address() {
            tracing::info!(%address, "admin listening");
        }
        for address in gateway.addresses() {
            tracing::info!(%address, "listening");
        }
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            stop_signal.await;
            service_manager::tell(News::Stopping);
            tracing::info!("stopping: no new connections, requests in flight finish");
            let _ = stop.send(true);
        });
        gateway.run(stopped).await;
        store.close().await;
        telemetry.shutdown().await;
        Ok(())
    });
    // Not by its drop, which would wait without end for a thread that is stuck: an export to a pipe that nobody reads.
    runtime.shutdown_timeout(STUCK_DEADLINE);
    served
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
    admin_in_force: Arc<ArcSwap<AdminInForce>>,
    admin_door: SocketDoor,
    exposition: Exposition,
    /// None: it is at work.
    keeper: Option<Keeper>,
    watcher: Option<Watcher>,
    request_keeper: Option<RequestKeeper>,
    alerts: Arc<Alerts>,
}

impl Gateway {
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
}

/// Heeds SIGTERM and SIGINT from the call on; what is returned waits for one of them.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
