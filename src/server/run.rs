//! Serves: the proxy, and all that runs beside it, until the gateway is told to stop and what was in flight is finished.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::alerts::{self, HealthWatch};
use super::beside::Beside;
use super::compose::DRAIN;
use super::observed::{connection_counts, file_expiry, store_failures, throttle_counts};
use super::service_manager::{self, News};
use super::upkeep::Consequences;
use super::{Gateway, upkeep};
use crate::admin::{Exposed, Phase};
use crate::intake::Intake;
use crate::telemetry;

/// How often the server's metadata are asked for until they were seen once.
const CONFIRM_EVERY: Duration = Duration::from_secs(15);

/// How long what runs beside the proxy may take to end after it: somebody's half a request to the admin listener, a call for metadata.
const END_DEADLINE: Duration = Duration::from_secs(2);

/// How long the record of the end may take: a write that the store gives up, and a slow disk of an export.
const RECORD_DEADLINE: Duration = Duration::from_secs(10);

impl Gateway {
    /// Serves until `stopped` is true, then finishes what is in flight. The admin listener answers until the proxy has drained: whoever
    /// waits for the end looks there.
    pub async fn run(mut self, stopped: watch::Receiver<bool>) {
        self.show_in_metrics();
        let (all_done, is_all_done) = watch::channel(false);
        let mut recording = Beside::nothing(&self.health);
        if let Some(keeper) = self.keeper.take() {
            recording.begin("audit log", keeper.keep(self.clock.clone(), is_all_done));
        }
        upkeep::tell_at_start(&*self.store, &*self.clock, &self.intake).await;
        // Before anything is served: a ban is not to wait for the first look.
        upkeep::read_responses(&self.intake).await;
        let mut beside = Beside::nothing(&self.health);
        let (drained, is_drained) = watch::channel(false);
        self.begin_until_drained(&mut beside, &is_drained);
        self.begin_until_stopped(&mut beside, &stopped);
        let (proxy, intake, health) = (self.proxy.clone(), self.intake.clone(), self.health.clone());
        let reloading = beside.begin("reload", self.reload_when_needed());
        health.enter(Phase::Serving);
        service_manager::tell(News::Serving);
        let mut draining = stopped.clone();
        let begins_to_drain = async move {
            let _ = draining.wait_for(|stopped| *stopped).await;
            health.enter(Phase::Draining);
            Instant::now()
        };
        let ((), since) = tokio::select! {
            ended = async { tokio::join!(proxy.run(stopped), begins_to_drain) } => ended,
            never = beside.watch() => match never {},
            never = recording.watch() => match never {},
        };
        reloading.abort();
        let _ = drained.send(true);
        beside.end(END_DEADLINE).await;
        // As long as requests in flight have: of a call that is cut off nobody knows what became of the client.
        let calls = DRAIN.saturating_sub(since.elapsed()).max(END_DEADLINE);
        if timeout(calls, intake.calls_over()).await.is_err() {
            tracing::error!(
                "calls to the authorization server are cut off: the next one about these clients finds out what they did"
            );
        }
        // Last: it records the end.
        let _ = all_done.send(true);
        recording.end(RECORD_DEADLINE).await;
    }

    /// The metrics ask the parts.
    fn show_in_metrics(&self) {
        let metrics = telemetry::metrics();
        metrics.observe_connections(connection_counts(self.proxy.clone()));
        metrics.observe_expiry(file_expiry(self.proxy.clone(), self.clock.clone()));
        let intake = self.intake.clone();
        metrics.observe_throttle(move || throttle_counts(intake.throttle_standing()));
        let store = self.store.clone();
        metrics.observe_store(move || store_failures(store.failures()));
        let intake = self.intake.clone();
        metrics.observe_responses(move || intake.response_counts());
    }

    /// Begins what the last request may still need.
    fn begin_until_drained(&mut self, beside: &mut Beside, drained: &watch::Receiver<bool>) {
        if let Some(admin) = self.admin.take() {
            let (metrics, health) = (std::mem::take(&mut self.exposition), self.health.clone());
            beside
                .begin("admin", admin.serve(Exposed { metrics, health, intake: self.intake.clone() }, drained.clone()));
        }
        if let Some(keeper) = self.request_keeper.take() {
            let (store, clock, until) = (self.store.clone(), self.clock.clone(), drained.clone());
            beside.begin("recorded requests", async move { keeper.keep(&*store, &*clock, until).await });
        }
        let (uses, until) = (self.intake.clone(), drained.clone());
        beside.begin("uses", async move { uses.keep_uses(until).await });
    }

    /// Begins what is done regularly beside the requests, and ends when serving does.
    fn begin_until_stopped(&mut self, beside: &mut Beside, stopped: &watch::Receiver<bool>) {
        let watcher = self.watcher.take();
        let with_intake = || (self.intake.clone(), stopped.clone());
        let (intake, until) = with_intake();
        beside.begin("metadata", confirm_discovery(intake, until));
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let (intake, until) = with_intake();
        beside.begin("upkeep", async move { upkeep::keep_up(&*store, &*clock, &intake, until).await });
        let (intake, until) = with_intake();
        beside.begin("settling", async move { upkeep::settle(&intake, until).await });
        let (intake, until) = with_intake();
        beside.begin("responses", async move { upkeep::keep_responses(&intake, until).await });
        let (intake, until) = with_intake();
        beside.begin("expiry", async move { upkeep::expire(&intake, until).await });
        let (intake, until) = with_intake();
        beside.begin("uses at the server", async move { upkeep::read_uses(&intake, until).await });
        if let Some(watcher) = watcher {
            let (store, alerts) = (self.store.clone(), self.alerts.clone());
            let (intake, until) = with_intake();
            beside.begin("detectors", async move {
                let consequences = Consequences { intake, alerts: &alerts };
                upkeep::watch(watcher, &*store, consequences, until).await;
            });
        }
        let deliverer = alerts::deliverer(&self.store, &self.clock, &self.intake.tools().audit, &self.alerts);
        beside.begin("alerts", deliverer.run(stopped.clone()));
        beside.begin("health", self.health_watch().run(stopped.clone()));
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
}

/// Asks for the server's metadata once, so that another registration endpoint is found before somebody uses it. Says why that is not possible, and
/// once more whenever the reason is another.
async fn confirm_discovery(intake: Arc<Intake>, mut stopped: watch::Receiver<bool>) {
    let mut said = None;
    loop {
        match intake.confirm_discovery().await {
            Ok(()) if said.is_some() => return tracing::info!("the authorization server's metadata were seen"),
            Ok(()) => return,
            Err(error) if said.as_ref() == Some(&error) => {}
            Err(error) => {
                tracing::warn!(
                    error,
                    "the authorization server's metadata cannot be seen; asked for again until they are"
                );
                said = Some(error);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(CONFIRM_EVERY) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Notify;

    use super::*;
    use crate::config;
    use crate::store::memory::MemoryStore;
    use crate::telemetry::Exposition;

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
