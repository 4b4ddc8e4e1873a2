//! The authorization server at the other end: where it is, whom it is verified against, and what it is told about its own name.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::connectors::TransportConnector;
use pingora::tls::RootCertStore;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{WrappedX509, parse_x509};

use super::addresses::Addresses;
use super::headers::PublicName;
use super::kept::KeptConnections;
use crate::{pem, randomness};

/// For connecting, TLS included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Node closes an idle connection after five seconds, most servers later: ours are given up before.
const IDLE: Duration = Duration::from_secs(4);
/// And are given out again after a rest only. A server that takes its time between two answers to one request is not found by it, but by what it says.
/// Under load as many connections rest as are asked for in this time.
const REST: Duration = Duration::from_millis(2);
/// How long a forwarded request may go without a byte from the server.
const FORWARD_SILENCE: Duration = Duration::from_secs(60);
/// The same for a WebSocket.
pub(super) const WEBSOCKET_SILENCE: Duration = Duration::from_secs(3600);

/// What is needed to reach the authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Where it is: scheme, host and port (`authorization_server.url`).
    pub url: String,
    /// What clients call it; the server sees this as `Host` and `X-Forwarded-*` (`public_url`; `url` where it knows no other name).
    pub public_url: String,
    /// PEM file of the CAs that sign its certificate; the system's without it (`authorization_server.trust`).
    pub trust: Option<PathBuf>,
}

/// Settings with which no server can be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamProblem {
    /// `url` is not the base of an http server.
    #[error("{0:?} is not an http or https URL with a host and nothing behind it")]
    Url(String),
    /// `public_url` has no host.
    #[error("{0:?} is not an http or https URL with a host")]
    PublicUrl(String),
    /// The file of CAs.
    #[error("{}: {reason}", file.display())]
    Trust {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system's CAs.
    #[error("the system's CA certificates cannot be used: {0}")]
    SystemTrust(String),
}

/// The authorization server.
pub struct Upstream {
    pub(super) connector: TransportConnector,
    pub(super) kept: KeptConnections,
    pub(super) addresses: Arc<Addresses>,
    https: bool,
    host: String,
    port: u16,
    trust: Option<Arc<[WrappedX509]>>,
    public: PublicName,
    /// Stands in every request that goes there, in [`SENT_BY`].
    own_name: HeaderValue,
    /// Keeps connections that were verified against other CAs out of a shared pool.
    group: u64,
}

/// The gateways that sent a request on. One that finds itself there is its own authorization server, by a mistake of the configuration or of a
/// name server, and would ask itself until nobody has a connection left.
pub(super) const SENT_BY: HeaderName = HeaderName::from_static("dcr-gateway-sent-by");

static GROUPS: AtomicU64 = AtomicU64::new(1);

impl Upstream {
    /// Reads the CA file; connects to nothing yet.
    ///
    /// # Errors
    /// A URL that is none of a server's, or CAs that cannot be used, the system's among them.
    pub fn new(settings: &UpstreamSettings) -> Result<Self, UpstreamProblem> {
        let wrong_url = || UpstreamProblem::Url(settings.url.clone());
        let url = url::Url::parse(&settings.url).map_err(|_| wrong_url())?;
        let has_more = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
        let has_user = !url.username().is_empty() || url.password().is_some();
        if !matches!(url.scheme(), "http" | "https") || has_more || has_user {
            return Err(wrong_url());
        }
        // Pingora does not verify the server's certificate when the server name is empty.
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong_url)?;
        let port = url.port_or_known_default().ok_or_else(wrong_url)?;
        let public = PublicName::of(&settings.public_url)
            .ok_or_else(|| UpstreamProblem::PublicUrl(settings.public_url.clone()))?;
        check_system_trust()?;
        Ok(Self {
            connector: TransportConnector::new(None),
            kept: KeptConnections::new(REST..IDLE),
            addresses: Arc::new(Addresses::new(host, port)),
            https: url.scheme() == "https",
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            trust: settings.trust.as_deref().map(read_trust).transpose()?,
            public,
            own_name: HeaderValue::from_str(&randomness::name(randomness::of_the_system)).map_err(|_| wrong_url())?,
            group: GROUPS.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// The name under which clients know the server.
    pub(super) fn public_name(&self) -> &PublicName {
        &self.public
    }

    /// Who sends it.
    pub(super) fn own_name(&self) -> HeaderValue {
        self.own_name.clone()
    }

    /// Whether this request was sent there before.
    pub(super) fn has_sent(&self, headers: &HeaderMap) -> bool {
        headers.get_all(SENT_BY).iter().any(|name| *name == self.own_name)
    }

    /// Whether it speaks TLS, its host and its port.
    pub(super) fn place(&self) -> (bool, &str, u16) {
        (self.https, &self.host, self.port)
    }

    /// The server as Pingora's peer, for a request that is forwarded.
    pub(super) async fn forward_peer(&self) -> Result<HttpPeer, String> {
        let mut peer = self.peer(self.addresses.pick().await?);
        peer.options.read_timeout = Some(FORWARD_SILENCE);
        peer.options.write_timeout = Some(FORWARD_SILENCE);
        Ok(peer)
    }

    /// This address could not be reached. True: there is another one, which has not been tried in `attempts` attempts.
    pub(super) fn try_another_address(&self, failed: SocketAddr, attempts: usize) -> bool {
        self.addresses.try_another(failed);
        attempts < self.addresses.count()
    }

    /// The server as Pingora's peer, for a call of our own.
    pub(super) fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = HttpPeer::new(address, self.https, self.host.clone());
        peer.group_key = self.group;
        peer.options.ca = self.trust.clone();
        peer.options.connection_timeout = Some(CONNECT_DEADLINE);
        peer.options.total_connection_timeout = Some(CONNECT_DEADLINE);
        peer.options.idle_timeout = Some(IDLE);
        peer
    }
}

/// Pingora panics when the system's CAs cannot be read; this says so instead.
fn check_system_trust() -> Result<(), UpstreamProblem> {
    pingora::tls::load_platform_certs_incl_env_into_store(&mut RootCertStore::empty())
        .map_err(|error| UpstreamProblem::SystemTrust(error.to_string()))
}

fn read_trust(file: &Path) -> Result<Arc<[WrappedX509]>, UpstreamProblem> {
    let problem = |reason| UpstreamProblem::Trust { file: file.to_owned(), reason };
    let authorities = pem::authorities(file).map_err(problem)?;
    Ok(authorities.iter().map(|authority| WrappedX509::new(authority.to_vec(), parse_x509)).collect())
}
