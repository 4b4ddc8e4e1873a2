//! TLS of the admin listener, as its files say now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
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
    let problem = |file: &Path, reason: String| AdminTlsError { file: file.to_owned(), reason };
    let chain = pem::certificates(certificate).map_err(|reason| problem(certificate, reason))?;
    let key = pem::private_key(private_key).map_err(|reason| problem(private_key, reason))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, key));
    let mut config = config.map_err(|error| problem(certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
