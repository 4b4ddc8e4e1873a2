//! TLS of the admin listener, as its files say now.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::sign::SingleCertAndKey;
use tokio_rustls::TlsAcceptor;

use super::settings::AdminTlsSettings;
use crate::pem;

/// A file that TLS needs and cannot use.
#[derive(Debug, thiserror::Error)]
#[error("admin.tls {}: {reason}", file.display())]
pub struct AdminTlsError {
    file: PathBuf,
    reason: String,
}

/// Reads the files.
pub(super) fn acceptor(settings: &AdminTlsSettings) -> Result<TlsAcceptor, AdminTlsError> {
    let AdminTlsSettings { certificate, private_key } = settings;
    let key = pem::certified_key(certificate, private_key).map_err(|unusable| {
        let (file, reason) = unusable.into_iter().next().unwrap_or_default();
        AdminTlsError { file, reason }
    })?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| AdminTlsError { file: certificate.clone(), reason: error.to_string() })?;
    let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
