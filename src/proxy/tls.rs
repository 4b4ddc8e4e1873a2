//! TLS of one listener as its files say now: certificate, key, client trust. Replaced as a whole, never in part.
//! Sessions are not resumed: rustls restores the client's chain from the session without asking the verifier.

use std::path::PathBuf;
use std::sync::Arc;

use pingora::tls::TlsAcceptor;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;

use super::client_trust::ClientTrust;
use super::expiry::FileEnd;
use super::settings::{ClientCertificateRequest, TlsSettings, TlsVersion};
use crate::pem;

/// A file that TLS needs and cannot use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct TlsError {
    /// The file; empty when one is missing in the settings.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// What a listener's handshakes use, all from one reading of the files.
pub(super) struct TlsGeneration {
    /// Does the handshakes.
    pub(super) acceptor: TlsAcceptor,
    /// Whether a client must show a certificate.
    pub(super) request: ClientCertificateRequest,
    /// What client certificates are verified against; `None` when they are not asked for.
    pub(super) trust: Option<ClientTrust>,
    /// When the server's own certificates end.
    pub(super) end: Option<FileEnd>,
}

impl TlsGeneration {
    /// Reads every file and builds everything, or names all that is wrong.
    pub(super) fn load(settings: &TlsSettings) -> Result<Self, Vec<TlsError>> {
        let mut problems = Vec::new();
        let key = pem::certified_key(&settings.certificate, &settings.private_key).map_err(|unusable| {
            problems.extend(unusable.into_iter().map(|(file, reason)| TlsError { file, reason }));
        });
        let clients = &settings.client_certificates;
        let trust = match clients.request {
            ClientCertificateRequest::Off => Ok(None),
            request => ClientTrust::load(&clients.trust_settings(), request).map(Some),
        };
        let trust = trust.map_err(|more| problems.extend(more));
        let (Ok(key), Ok(trust)) = (key, trust) else { return Err(problems) };

        let end = FileEnd::of_server(&settings.certificate, &key.cert);
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions(settings.minimum_version))
            .map_err(|error| unusable(settings, &error))?;
        let builder = match &trust {
            Some(trust) => builder.with_client_cert_verifier(trust.verifier()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), b"http/1.0".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), request: clients.request, trust, end })
    }
}

fn versions(minimum: TlsVersion) -> &'static [&'static rustls::SupportedProtocolVersion] {
    static NEWEST_FIRST: [&rustls::SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
    match minimum {
        TlsVersion::Tls12 => &NEWEST_FIRST,
        TlsVersion::Tls13 => &NEWEST_FIRST[..1],
    }
}

fn unusable(settings: &TlsSettings, error: &rustls::Error) -> Vec<TlsError> {
    vec![TlsError { file: settings.certificate.clone(), reason: error.to_string() }]
}
