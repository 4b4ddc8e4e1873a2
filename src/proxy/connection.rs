//! What is known about one client connection, and whether the certificate it was opened with is still accepted.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use http::HeaderValue;
use pingora::protocols::Digest;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

use super::client_trust::ClientTrust;
use super::expiry::FileEnd;
use super::headers::{address_value, client_cert_value};
use super::settings::{ClientCertificateRequest, ListenerSettings};
use super::tls::{TlsError, TlsGeneration};
use crate::clock::Timestamp;
use crate::intake::handler::{PresentedCertificate, TlsFacts};

/// A listener's settings and files as they are now. Replaced as a whole on reload; never changed.
pub(super) struct ListenerGeneration {
    number: u64,
    /// The settings.
    pub(super) settings: ListenerSettings,
    /// TLS, for a listener that has it.
    pub(super) tls: Option<TlsGeneration>,
    /// What forwarded certificates are verified against.
    pub(super) forwarded_trust: Option<ClientTrust>,
}

/// Numbers generations over all listeners, so that no two are ever taken for the same.
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

impl ListenerGeneration {
    /// Reads all files the settings name.
    pub(super) fn load(settings: ListenerSettings) -> Result<Self, Vec<TlsError>> {
        let mut problems = Vec::new();
        let tls = settings.tls.as_ref().map(TlsGeneration::load).transpose();
        let tls = tls.map_err(|more| problems.extend(more));
        let trust = settings.client_certificate_trust.as_ref();
        let forwarded_trust =
            trust.map(|trust| ClientTrust::load(trust, ClientCertificateRequest::Required)).transpose();
        let forwarded_trust = forwarded_trust.map_err(|more| problems.extend(more));
        match (tls, forwarded_trust) {
            (Ok(tls), Ok(forwarded_trust)) => {
                Ok(Self { number: GENERATIONS.fetch_add(1, Ordering::Relaxed), settings, tls, forwarded_trust })
            }
            _ => Err(problems),
        }
    }

    /// When the certificates and revocation lists in force end.
    pub(super) fn file_ends(&self) -> Vec<FileEnd> {
        let server = self.tls.as_ref().and_then(|tls| tls.end.clone());
        let own = self.tls.as_ref().and_then(|tls| tls.trust.as_ref());
        let trusted = own.into_iter().chain(&self.forwarded_trust).flat_map(ClientTrust::ends).cloned();
        server.into_iter().chain(trusted).collect()
    }
}

/// One client connection.
pub(super) struct Connection {
    /// The other end of the socket.
    pub(super) peer: SocketAddr,
    /// The listener's present generation.
    pub(super) listener: Arc<ArcSwap<ListenerGeneration>>,
    /// What was negotiated, when it is TLS.
    pub(super) tls: Option<Arc<TlsFacts>>,
    /// True once the gateway is going down.
    pub(super) draining: watch::Receiver<bool>,
    chain: Vec<CertificateDer<'static>>,
    /// Written once, sent with every request that is forwarded.
    certificate_header: OnceLock<HeaderValue>,
    /// The same.
    address_header: OnceLock<HeaderValue>,
    /// Verifying a chain costs three quarters of a request: done once per generation and validity.
    verdict: Mutex<Option<Verdict>>,
}

#[derive(Clone)]
struct Verdict {
    generation: u64,
    until: i64,
    certificate: PresentedCertificate,
}

/// What a handshake found out.
#[derive(Default)]
pub(super) struct Handshake {
    /// What was negotiated.
    pub(super) tls: Option<Arc<TlsFacts>>,
    /// The client's certificate and its intermediates, as they were presented.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection that was just accepted.
    pub(super) fn new(
        peer: SocketAddr,
        listener: Arc<ArcSwap<ListenerGeneration>>,
        handshake: Handshake,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let Handshake { tls, chain } = handshake;
        let (certificate_header, address_header, verdict) = Default::default();
        Self { peer, listener, tls, draining, chain, certificate_header, address_header, verdict }
    }

    /// The connection under a session of Pingora.
    pub(super) fn of(digest: &Digest) -> Option<Arc<Self>> {
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref::<Arc<Self>>().cloned()
    }

    /// Whether the gateway is going down.
    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// The client's own certificate, as it was presented, as the server is told of it.
    pub(super) fn own_certificate_header(&self) -> Option<&HeaderValue> {
        let own = self.chain.first()?;
        Some(self.certificate_header.get_or_init(|| client_cert_value(own)))
    }

    /// For whom a request is forwarded, as the server is told: most often whoever is at the other end.
    pub(super) fn forwarded_for(&self, client_address: IpAddr) -> HeaderValue {
        if client_address != self.peer.ip().to_canonical() {
            return address_value(client_address);
        }
        self.address_header.get_or_init(|| address_value(client_address)).clone()
    }

    /// The certificate of this connection by what is in force at `now`: one that was revoked, expired, or lost its CA since the handshake is refused.
    pub(super) fn certificate(&self, generation: &ListenerGeneration, now: Timestamp) -> PresentedCertificate {
        let Some(tls) = &generation.tls else { return PresentedCertificate::None };
        let Some(trust) = &tls.trust else { return PresentedCertificate::None };
        if self.chain.is_empty() {
            return match tls.request {
                ClientCertificateRequest::Required => PresentedCertificate::Refused("none was presented".to_owned()),
                ClientCertificateRequest::Optional | ClientCertificateRequest::Off => PresentedCertificate::None,
            };
        }
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) =
            verdict.as_ref().filter(|known| known.generation == generation.number && now.unix_seconds() < known.until)
        {
            return known.certificate.clone();
        }
        let (until, certificate) = trust.judge(&self.chain, now);
        *verdict = Some(Verdict { generation: generation.number, until, certificate: certificate.clone() });
        certificate
    }
}
