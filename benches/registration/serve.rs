//! One of the two alone, as a process: the bare Pingora or the gateway with its record in memory, both by the gateway's own configuration
//! file. Pin it (`taskset`) to say how many threads the gateway has for requests, as with its executable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use dcr_gateway::config::{self, Config};
use dcr_gateway::server::Gateway;
use dcr_gateway::store::memory::MemoryStore;
use dcr_gateway::telemetry;
use pingora::listeners::tls::TlsSettings;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use tokio::sync::watch;

use super::proxies::Bare;

const USAGE: &str = "serve bare|memory --config FILE";

/// What to run.
pub struct Alone {
    which: Which,
    file: PathBuf,
}

enum Which {
    Bare,
    Memory,
}

impl Alone {
    /// None: `serve` is not what the arguments say. Panics when they say it wrongly.
    pub fn asked_for(arguments: impl Iterator<Item = String>) -> Option<Self> {
        // Cargo adds one of its own.
        let mut arguments = arguments.filter(|argument| argument != "--bench");
        arguments.next().filter(|first| first == "serve")?;
        let which = match arguments.next().as_deref() {
            Some("bare") => Which::Bare,
            Some("memory") => Which::Memory,
            _ => panic!("{USAGE}"),
        };
        assert_eq!(arguments.next().as_deref(), Some("--config"), "{USAGE}");
        let file = arguments.next().unwrap_or_else(|| panic!("{USAGE}"));
        Some(Self { which, file: PathBuf::from(file) })
    }

    /// Runs until the process is ended.
    pub fn run(self) {
        let config = config::load(&self.file).unwrap_or_else(|problems| panic!("{problems}"));
        match self.which {
            Which::Bare => bare(&config).run(),
            Which::Memory => in_memory(config),
        }
    }
}

/// As `dcr-gateway serve` does it, but for the store.
fn in_memory(config: Config) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let telemetry = telemetry::init(&config.settings.telemetry).expect("telemetry");
        let gateway = Gateway::start(config, Arc::new(MemoryStore::default())).await.expect("a gateway");
        let (_running, stopped) = watch::channel(false);
        gateway.exposing(telemetry.exposition()).run(stopped).await;
    });
}

/// Of the configuration: the first listener, what it shows and trusts, and the server's address.
fn bare(config: &Config) -> Bare {
    let listener = &config.settings.listeners[0];
    let tls = listener.tls.as_ref().map(|tls| {
        let settings =
            TlsSettings::intermediate(&tls.certificate.display().to_string(), &tls.private_key.display().to_string());
        let mut settings = settings.expect("a server's certificate");
        let mut roots = RootCertStore::empty();
        for file in &tls.client_certificates.trust {
            for certificate in CertificateDer::pem_file_iter(file).expect("a file") {
                roots.add(certificate.expect("a certificate")).expect("a root");
            }
        }
        settings.set_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier"));
        settings
    });
    let url: http::Uri = config.settings.authorization_server.url.parse().expect("a URL");
    let server: SocketAddr = url.authority().expect("an authority").as_str().parse().expect("an address and a port");
    Bare { address: listener.address, tls, server }
}
