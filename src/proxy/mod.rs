//! The network: listeners, TLS, framing, and Pingora driven as a library (docs/decisions/0001). The only place that names Pingora.
//! Decides nothing about registrations: that is `intake`, behind [`Handler`].

mod addresses;
mod answer;
mod body;
mod call;
mod chunks;
mod client_id_guard;
mod client_names;
mod client_trust;
mod connection;
mod crowding;
mod error_text;
mod expiry;
mod fence;
mod form;
mod forward;
mod framing;
pub mod headers;
mod http1;
mod http2;
mod identity;
mod in_flight;
mod kept;
mod listener;
mod observed;
mod outgoing;
mod parameters;
mod phases;
mod read_ahead;
mod routing;
pub mod settings;
mod target;
mod tls;
mod upstream;
mod wire;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use tokio::sync::{Notify, watch};

pub use self::expiry::{FileEnd, FileKind};
pub use self::in_flight::ForwardingLimits;
pub use self::listener::{BindError, ConnectionCounters, Listener};
pub use self::routing::route_of_path;
pub use self::tls::TlsError;
pub use self::upstream::{Upstream, UpstreamProblem, UpstreamSettings};

use self::connection::ListenerGeneration;
use self::expiry::Warned;
use self::forward::Forwarding;
use self::in_flight::InFlight;
use self::listener::Service;
use self::phases::Phases;
use self::settings::ListenerSettings;
use crate::authorization_server::paths::PathTable;
use crate::authorization_server::settings::{ClientIdMetadataDocuments, OtherPaths};
use crate::clock::{Clock as _, SystemClock};
use crate::handed_over::Sockets;
use crate::intake::handler::Handler;

/// How often the files in use are looked at for their end, beside the start and every reload.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// Everything the proxy needs.
#[derive(Clone)]
pub struct ProxySettings {
    /// Where it listens. The order stays on a reload.
    pub listeners: Vec<ListenerSettings>,
    /// Where requests go that are not ours.
    pub upstream: Arc<Upstream>,
    /// Which paths are ours.
    pub paths: PathTable,
    /// What happens to the others.
    pub other_paths: OtherPaths,
    /// How many forwarded requests may be on the way.
    pub forwarding_limits: ForwardingLimits,
    /// What happens with clients that are named by a URL.
    pub client_id_metadata_documents: ClientIdMetadataDocuments,
    /// How long requests may go on after the shutdown has begun.
    pub drain: Duration,
}

/// Settings with which the proxy cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ProxyProblem {
    /// A file of a listener's TLS.
    #[error("listeners[{listener}]: {error}")]
    Tls {
        /// Which listener, counted from 0.
        listener: usize,
        /// The file and the reason.
        error: TlsError,
    },
    /// A listener's settings contradict each other.
    #[error("listeners[{listener}]: {reason}")]
    Settings {
        /// Which listener, counted from 0.
        listener: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// An address that cannot be listened on.
    #[error("listeners[{listener}]: {error}")]
    Bind {
        /// Which listener, counted from 0.
        listener: usize,
        /// What the system says.
        error: BindError,
    },
    /// A reload names other addresses than those that are listened on.
    #[error("the addresses of the listeners changed: this needs a restart")]
    AddressesChanged,
}

/// The proxy.
pub struct Proxy {
    listeners: Vec<Listener>,
    service: Service,
    forwarding: Arc<ArcSwap<Forwarding>>,
    in_flight: Arc<InFlight>,
    reloaded: Notify,
}

impl Proxy {
    /// Reads all files and takes all ports. Nothing is served before [`Proxy::run`].
    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// All problems; no port is held then.
    pub fn new(settings: ProxySettings, handler: Arc<dyn Handler>) -> Result<Self, Vec<ProxyProblem>> {
        Self::on(&mut Sockets::default(), settings, handler)
    }

    /// As [`Proxy::new`], on those sockets that were handed over for its addresses.
    ///
    /// # Errors
    /// As [`Proxy::new`].
    pub fn on(
        sockets: &mut Sockets,
        settings: ProxySettings,
        handler: Arc<dyn Handler>,
    ) -> Result<Self, Vec<ProxyProblem>> {
        let mut listeners = Vec::new();
        let mut problems = Vec::new();
        for (index, generation) in load_all(&settings.listeners)?.into_iter().enumerate() {
            let handed_over = sockets.take_network(generation.settings.address);
            match Listener::open(generation, handed_over) {
                Ok(listener) => listeners.push(listener),
                Err(error) => problems.push(ProxyProblem::Bind { listener: index, error }),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let drain = settings.drain;
        let forwarding = Arc::new(ArcSwap::from_pointee(forwarding_of(settings)));
        let in_flight = Arc::new(InFlight::default());
        let gateway = Phases { handler: handler.clone(), forwarding: forwarding.clone(), in_flight: in_flight.clone() };
        // For a server with several addresses, or a kept connection that it has closed; Pingora repeats nothing that is not idempotent once it was sent.
        let conf = ServerConf { max_retries: 4, ..ServerConf::default() };
        let app = Arc::new(http_proxy(&Arc::new(conf), gateway));
        Ok(Self { listeners, service: Service { app, handler, drain }, forwarding, in_flight, reloaded: Notify::new() })
    }

    /// The addresses listened on, in the order of the settings, with the ports that port 0 became.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(Listener::local_addr).collect()
    }

    /// What happened to the connections of each listener, in the order of the settings.
    pub fn counters(&self) -> Vec<Arc<ConnectionCounters>> {
        self.listeners.iter().map(|listener| listener.counters.clone()).collect()
    }

    /// How many forwarded requests are on the way, or have their answers in memory.
    pub fn forwarded_in_flight(&self) -> usize {
        self.in_flight.count()
    }

    /// When the certificates and revocation lists in force end, each file once.
    pub fn file_ends(&self) -> Vec<FileEnd> {
        let of_listeners = self.listeners.iter().flat_map(|listener| listener.generation.load().file_ends());
        let ends: BTreeSet<FileEnd> = of_listeners.collect();
        ends.into_iter().collect()
    }

    /// Serves until `shutdown` is true, then finishes what is in flight, and returns.
    pub async fn run(&self, shutdown: watch::Receiver<bool>) {
        let mut serving = Vec::new();
        for listener in &self.listeners {
            serving.push(listener.run(self.service.clone(), shutdown.clone()));
        }
        tokio::select! {
            _ = join_all(serving) => {}
            () = self.warn_of_ends() => {}
        }
    }

    /// Once a certificate or a list is past its end clients are turned away, so somebody should hear of it before. Never returns.
    async fn warn_of_ends(&self) {
        let mut regularly = tokio::time::interval(LOOK_EVERY);
        let mut warned = Warned::default();
        loop {
            tokio::select! {
                _ = regularly.tick() => {}
                () = self.reloaded.notified() => {}
            }
            let now = SystemClock.now();
            for file in warned.due(self.file_ends(), now) {
                file.warn(now);
            }
        }
    }

    /// Reads all files again and puts the new settings in force, for open connections too: their next request is judged by them.
    /// On any problem everything stays as it was. Deadlines of a wait that has begun, and `max_connections`, stay.
    ///
    /// # Errors
    /// All problems; one of them may be that this needs a restart.
    pub fn reload(&self, settings: ProxySettings) -> Result<(), Vec<ProxyProblem>> {
        let is_same = self.listeners.len() == settings.listeners.len()
            && std::iter::zip(&self.listeners, &settings.listeners)
                .all(|(listener, new)| listener.generation.load().settings.address == new.address);
        if !is_same {
            return Err(vec![ProxyProblem::AddressesChanged]);
        }
        let generations = load_all(&settings.listeners)?;
        for (listener, generation) in std::iter::zip(&self.listeners, generations) {
            listener.generation.store(Arc::new(generation));
        }
        self.forwarding.store(Arc::new(forwarding_of(settings)));
        self.reloaded.notify_one();
        Ok(())
    }
}

/// Reads the files of a listener and makes of them what its handshakes need, as at a start; when they end.
///
/// # Errors
/// Every file that cannot be used.
pub fn examine(listener: &ListenerSettings) -> Result<Vec<FileEnd>, Vec<TlsError>> {
    ListenerGeneration::load(listener.clone()).map(|generation| generation.file_ends())
}

fn forwarding_of(settings: ProxySettings) -> Forwarding {
    Forwarding {
        paths: settings.paths,
        other_paths: settings.other_paths,
        limits: settings.forwarding_limits,
        client_id_metadata_documents: settings.client_id_metadata_documents,
        upstream: settings.upstream,
    }
}

fn load_all(listeners: &[ListenerSettings]) -> Result<Vec<ListenerGeneration>, Vec<ProxyProblem>> {
    let mut generations = Vec::new();
    let mut problems = Vec::new();
    for (listener, settings) in listeners.iter().enumerate() {
        problems.extend(settings.contradictions().map(|reason| ProxyProblem::Settings { listener, reason }));
        match ListenerGeneration::load(settings.clone()) {
            Ok(generation) => generations.push(generation),
            Err(errors) => problems.extend(errors.into_iter().map(|error| ProxyProblem::Tls { listener, error })),
        }
    }
    if problems.is_empty() { Ok(generations) } else { Err(problems) }
}
