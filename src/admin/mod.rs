//! What operators reach: metrics and health for Prometheus and probes, the API on a Unix socket and over TCP, and the console.
//! Never shows a secret, save a new token to the one who made it.

pub mod api;
mod caller;
pub mod client;
mod connection;
mod console;
mod deadlines;
pub mod health;
mod probes;
mod problem;
mod role;
pub mod settings;
mod socket;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use self::api::Api;
use self::caller::Operators;
pub use self::caller::user_name;
use self::connection::{CurrentTls, Port};
use self::console::provider::Provider;
pub use self::console::provider::SignInSecretError;
pub use self::health::{Health, Phase, Reload};
use self::probes::Probes;
pub use self::problem::ProblemDocument;
pub use self::role::Role;
pub use self::settings::AdminSettings;
use self::socket::{Door, OpenTo, SocketFile};
pub use self::tls::AdminTlsError;
use crate::fetch::FetchClient;
use crate::handed_over::Sockets;
use crate::intake::Intake;
use crate::policy::Profile;
use crate::registrant::initial_access_token::IssuedTokenSettings;
use crate::telemetry::Exposition;

/// What a reload replaces: who may call, by which certificate, and what tokens may be made. Where it listens is not among it.
pub struct AdminInForce {
    operators: Operators,
    /// How long somebody stays signed in to the console.
    session: Duration,
    tls: Option<TlsAcceptor>,
    /// Where people sign in to the console, besides with a token.
    provider: Option<Provider>,
    profiles: Vec<Profile>,
    issued_tokens: IssuedTokenSettings,
}

impl AdminInForce {
    /// Reads the certificate and the secret, and learns the names of the users; `client` is for signing in by OpenID Connect.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn new(
        settings: &AdminSettings,
        profiles: &[Profile],
        issued_tokens: &IssuedTokenSettings,
        client: Option<FetchClient>,
    ) -> Result<Self, AdminFileError> {
        let openid = settings.sign_in.openid.as_ref().zip(client);
        Ok(Self {
            operators: Operators::of(settings),
            session: settings.sign_in.session.0,
            tls: settings.tls.as_ref().map(tls::acceptor).transpose()?,
            provider: openid.map(|(openid, client)| Provider::new(openid, client)).transpose()?,
            profiles: profiles.to_vec(),
            issued_tokens: issued_tokens.clone(),
        })
    }

    /// Whether anybody may call over TCP.
    fn are_on_the_network(&self) -> bool {
        self.operators.have_tokens() || self.provider.is_some()
    }
}

/// A file that the admin listeners need and cannot use.
#[derive(Debug, thiserror::Error)]
pub enum AdminFileError {
    /// For TLS.
    #[error(transparent)]
    Tls(#[from] AdminTlsError),
    /// The secret for signing in.
    #[error(transparent)]
    SignIn(#[from] SignInSecretError),
}

/// Why a port cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum AdminPortError {
    /// The TCP listener.
    #[error("admin.listen {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The Unix socket.
    #[error("admin.socket {}: {error}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        error: std::io::Error,
    },
}

/// The admin listeners, their ports taken.
pub struct Admin {
    network: Option<TcpListener>,
    /// Without a file: the file is not ours to remove.
    socket: Option<(UnixListener, Option<SocketFile>)>,
    in_force: Arc<ArcSwap<AdminInForce>>,
}

/// The Unix socket, as far as a reload changes who may open it; nothing where it is off or was handed over.
#[derive(Debug, Clone)]
pub struct SocketDoor(Option<Door>);

impl SocketDoor {
    /// Lets those open it that these settings name.
    pub fn open_to(&self, settings: &AdminSettings) {
        let Some(Err(error)) = self.0.as_ref().map(|door| door.open_to(OpenTo::who_is_named(settings))) else { return };
        tracing::error!(%error, "admin.socket: its mode cannot be changed: who may open it stays as it was");
    }
}

/// What is told and changed through the listeners.
pub struct Exposed {
    /// The metrics.
    pub metrics: Exposition,
    /// What the server says about itself.
    pub health: Arc<Health>,
    /// The gateway at work.
    pub intake: Arc<Intake>,
}

impl Admin {
    /// Takes the ports, or what of `sockets` listens there; serves nothing before [`Admin::serve`].
    ///
    /// # Errors
    /// A port that is taken or may not be had, or a place where no socket can be made.
    pub async fn open(
        settings: &AdminSettings,
        in_force: AdminInForce,
        sockets: &mut Sockets,
    ) -> Result<Self, AdminPortError> {
        let network = match settings.listen {
            Some(address) => {
                let bound = match sockets.take_network(address) {
                    Some(socket) => TcpListener::from_std(socket),
                    None => TcpListener::bind(address).await,
                };
                Some(bound.map_err(|error| AdminPortError::Listen(address, error))?)
            }
            None => None,
        };
        let socket = settings.socket.0.as_ref().map(|path| {
            let listening = match sockets.take_local(path) {
                Some(socket) => UnixListener::from_std(socket).map(|socket| (socket, None)),
                None => socket::listen(path, OpenTo::who_is_named(settings)).map(|(socket, file)| (socket, Some(file))),
            };
            listening.map_err(|error| AdminPortError::Socket { path: path.clone(), error })
        });
        Ok(Self { network, socket: socket.transpose()?, in_force: Arc::new(ArcSwap::from_pointee(in_force)) })
    }

    /// The address of the TCP listener.
    pub fn address(&self) -> Option<SocketAddr> {
        self.network.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// What a reload opens to others, or closes.
    pub fn door(&self) -> SocketDoor {
        SocketDoor(self.socket.as_ref().and_then(|(_, file)| Some(file.as_ref()?.door())))
    }

    /// What a reload replaces.
    pub fn in_force(&self) -> Arc<ArcSwap<AdminInForce>> {
        self.in_force.clone()
    }

    /// Serves until `shutdown` is true. Requests in flight finish; the socket's file is removed.
    pub async fn serve(self, exposed: Exposed, shutdown: watch::Receiver<bool>) {
        let Exposed { metrics, health, intake } = exposed;
        let counted = intake.clone();
        let throttle = Arc::new(move || counted.throttle_standing().is_reachable);
        let tools = intake.tools();
        let audit = tools.audit.clone();
        let audit_export = Arc::new(move || audit.is_exported());
        let probes = Probes { metrics, store: tools.store.clone(), throttle, audit_export, health };
        let api = Arc::new(Api { intake, in_force: self.in_force.clone() });
        let router = probes::router(probes).merge(console::router(api.clone())).merge(api::router(api));
        let on_the_network = async {
            let Some(listener) = self.network else { return };
            let in_force = self.in_force.clone();
            let tls: CurrentTls = Arc::new(move || in_force.load().tls.clone());
            connection::serve(Port::Network(listener, tls), router.clone(), shutdown.clone()).await;
        };
        let on_the_socket = async {
            let Some((listener, _file)) = self.socket else { return };
            connection::serve(Port::Socket(listener), router.clone(), shutdown.clone()).await;
        };
        tokio::join!(on_the_network, on_the_socket);
    }
}
