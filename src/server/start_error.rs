//! Why the gateway does not start: one sentence for each thing that can be wrong, naming the file or the key.

use std::path::PathBuf;

use crate::admin::{AdminFileError, AdminPortError};
use crate::fetch::FetchSetupError;
use crate::handed_over::NotListening;
use crate::key_file::KeyFileError;
use crate::proxy::{ProxyProblem, UpstreamProblem};
use crate::registrant::initial_access_token::UnusableFile;
use crate::setting_problem::SettingProblem;
use crate::store::StoreError;
use crate::telemetry;
use crate::throttle::NoThrottle;
use crate::throttle::limit::NoLimit;

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listeners.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Proxy(Vec<ProxyProblem>),
    /// The way to the authorization server.
    #[error("authorization_server: {0}")]
    Upstream(#[from] UpstreamProblem),
    /// Another place at which the server must not answer.
    #[error("--not-at: {}", .0.to_string().trim_start_matches("authorization_server: "))]
    Elsewhere(Box<StartError>),
    /// A file with a secret, or with CAs.
    #[error("{}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file with the encryption keys.
    #[error("store.encryption_key_file {}: {error}", file.display())]
    Keys {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: KeyFileError,
    },
    /// The file with the encryption keys is gone, and a new one would open nothing.
    #[error(
        "store.encryption_key_file {}: it is not there, and the store holds what was encrypted with its keys: none is made. Put the file back; if it is lost, write one with a new key (`openssl rand -base64 32`), which opens nothing of before",
        .0.display()
    )]
    KeysGone(PathBuf),
    /// The file with the keys that sign the audit log.
    #[error("audit.signing_key_file {}: {error}", file.display())]
    AuditKey {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: KeyFileError,
    },
    /// What is needed to fetch anything.
    #[error("fetch: {0}")]
    Fetch(#[from] FetchSetupError),
    /// An issuer of software statements.
    #[error("software_statements.{}: {}", .0.place, .0.reason)]
    SoftwareStatements(SettingProblem),
    /// A file with the keys of an issuer.
    #[error("initial_access_tokens: {0}")]
    IssuerKeys(#[from] UnusableFile),
    /// The introspection endpoint.
    #[error("initial_access_tokens.introspection.endpoint {0}")]
    Introspection(String),
    /// A receiver of alerts; the sentence names it.
    #[error("{0}")]
    Alerts(String),
    /// A rate that is none.
    #[error(transparent)]
    Limit(#[from] NoLimit),
    /// The throttle.
    #[error(transparent)]
    Throttle(#[from] NoThrottle),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The telemetry.
    #[error(transparent)]
    Telemetry(#[from] telemetry::TelemetryError),
    /// The admin listeners.
    #[error(transparent)]
    Admin(#[from] AdminPortError),
    /// The certificate of the admin listener, or the secret of its console.
    #[error(transparent)]
    AdminFile(#[from] AdminFileError),
    /// What was handed over is no listening socket.
    #[error(transparent)]
    HandedOver(#[from] NotListening),
    /// Sockets were handed over that no setting names.
    #[error(
        "handed over is also what listens on {}: neither listeners nor admin names it. ListenStream= of the socket unit and the configuration must say the same",
        .0.join(" and ")
    )]
    Unexpected(Vec<String>),
    /// The system.
    #[error(transparent)]
    System(#[from] std::io::Error),
}
