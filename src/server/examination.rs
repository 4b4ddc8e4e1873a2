//! What `doctor` looks at, made out of a checked configuration. Takes no port and opens no store.

use std::sync::Arc;

use super::{StartError, compose};
use crate::authorization_server::doctor::Examination;
use crate::authorization_server::settings::CredentialSettings;
use crate::authorization_server::transport::{Limits, Transport};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::proxy::{Upstream, UpstreamSettings};

/// The examination of the configured server, which must not answer at the places in `elsewhere` (each a scheme, host and port).
///
/// # Errors
/// A URL, or a file with a secret or with CAs, that is none.
pub fn examination(config: &Config, elsewhere: &[String]) -> Result<Examination, StartError> {
    let server = &config.settings.authorization_server;
    let upstream_at = |url: &str| -> Result<Arc<dyn Transport>, StartError> {
        let (url, public_url, trust) = (url.to_owned(), config.public_url.clone(), server.trust.clone());
        Ok(Arc::new(Upstream::new(&UpstreamSettings { url, public_url, trust })?))
    };
    let transport = upstream_at(&server.url)?;
    let limits = Limits { total: server.timeout.0, response_bytes: compose::LARGEST_ANSWER };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut others = Vec::new();
    for url in elsewhere {
        let other = upstream_at(url).map_err(|error| StartError::Elsewhere(Box::new(error)))?;
        others.push((url.clone(), other));
    }
    Ok(Examination {
        kind: server.kind,
        issuer: server.issuer.clone(),
        issuer_path: config.issuer_path.clone(),
        registration_path: config.paths.registration_path().to_owned(),
        has_credential: !matches!(server.credential, CredentialSettings::None),
        administration: compose::administration(config, transport.clone(), limits, &clock)?,
        reads_events: server.reads_events_every().is_some(),
        transport,
        limits,
        elsewhere: others,
    })
}
