//! The one way by which the gateway fetches what others publish, and tells receivers of alerts: https, no redirects, no compression,
//! bounded in time and size. All of it is named by the operator: nothing that a registrant names is fetched. Calls to the authorization
//! server are not made here.

mod basic;
mod retry_after;
pub mod settings;
pub mod target;

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

pub use basic::{authorization, basic, bearer};
pub use retry_after::{LONGEST_WAIT, retry_after};
pub use target::Target;

use crate::pem;
use settings::FetchSettings;

/// How long a connection is kept for the next fetch: shorter than servers keep theirs.
const IDLE: Duration = Duration::from_secs(4);

/// Fetches. Cheap to clone.
#[derive(Clone)]
pub struct FetchClient {
    client: reqwest::Client,
    timeout: Duration,
}

/// Why nothing can be fetched at all.
#[derive(Debug, thiserror::Error)]
pub enum FetchSetupError {
    /// A file of CAs.
    #[error("{}: {reason}", file.display())]
    Trust {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no CAs and none are configured.
    #[error("the system has no CA certificates, and fetch.trust names none: {0}")]
    NoTrust(String),
    /// The TLS or HTTP library.
    #[error("the client for fetches cannot be made: {0}")]
    Client(String),
}

/// What was fetched, whatever its status.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The status; a redirect is not followed.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// What to send.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// `GET`, `POST`.
    pub method: Method,
    /// Headers; `Accept-Encoding` is not for the caller to say.
    pub headers: HeaderMap,
    /// The body, empty for none.
    pub body: Bytes,
    /// The most bytes of the answer's body.
    pub response_bytes: usize,
}

impl FetchRequest {
    /// A GET without headers of its own.
    pub fn get(response_bytes: usize) -> Self {
        Self { method: Method::GET, headers: HeaderMap::new(), body: Bytes::new(), response_bytes }
    }
}

/// Why nothing was fetched. For the log, never for a client.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, or it broke.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// Longer than `fetch.timeout`.
    #[error("it took longer than {0:?}")]
    TimedOut(Duration),
    /// More than the request allows.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// Compressed though we asked for none: its size cannot be known before it is too late.
    #[error("it came compressed, unasked")]
    Compressed,
}

impl FetchClient {
    /// Reads the CA files and makes the client; connects to nothing yet.
    ///
    /// # Errors
    /// Nothing could ever be fetched.
    pub fn new(settings: &FetchSettings) -> Result<Self, FetchSetupError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(settings)?)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("dcr-gateway/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| FetchSetupError::Client(error.to_string()))?;
        Ok(Self { client, timeout: settings.timeout.0 })
    }

    /// Fetches, within `fetch.timeout`.
    ///
    /// # Errors
    /// No whole answer came back.
    pub async fn fetch(&self, target: &Target, wanted: FetchRequest) -> Result<Fetched, FetchError> {
        let whole = self.answer(target, wanted);
        tokio::time::timeout(self.timeout, whole).await.map_err(|_| FetchError::TimedOut(self.timeout))?
    }

    async fn answer(&self, target: &Target, wanted: FetchRequest) -> Result<Fetched, FetchError> {
        let mut headers = wanted.headers;
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let request = self.client.request(wanted.method, target.url().clone()).headers(headers).body(wanted.body);
        let mut response = request.send().await.map_err(failed)?;
        let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
        if !response.headers().get_all(CONTENT_ENCODING).iter().all(is_plain) {
            return Err(FetchError::Compressed);
        }
        let too_large = || FetchError::TooLarge(wanted.response_bytes);
        let announced = response.content_length().unwrap_or_default();
        if announced > wanted.response_bytes as u64 {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > wanted.response_bytes {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        Ok(Fetched { status, headers, body: body.freeze() })
    }
}

/// The innermost cause says most; the outer ones repeat the URL.
fn failed(error: reqwest::Error) -> FetchError {
    let mut cause: &(dyn StdError + 'static) = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    FetchError::Unreachable(cause.to_string())
}

/// The certificates in the files of CAs that are trusted besides the system's; each of them can be a CA.
///
/// # Errors
/// A file that holds none, or one that cannot.
pub fn trusted(settings: &FetchSettings) -> Result<Vec<CertificateDer<'static>>, FetchSetupError> {
    let mut all = Vec::new();
    for file in &settings.trust {
        let problem = |reason| FetchSetupError::Trust { file: file.clone(), reason };
        all.extend(pem::authorities(file).map_err(problem)?);
    }
    Ok(all)
}

fn tls(settings: &FetchSettings) -> Result<ClientConfig, FetchSetupError> {
    let system = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system.certs);
    roots.add_parsable_certificates(trusted(settings)?);
    if roots.is_empty() {
        let errors: Vec<String> = system.errors.iter().map(ToString::to_string).collect();
        return Err(FetchSetupError::NoTrust(errors.join("; ")));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchSetupError::Client(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests;
