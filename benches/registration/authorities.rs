//! The certificates of both sides, made on the spot.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore};

use super::proxies::Wire;

/// A directory with a CA, a server's and a client's certificate; removed at the end.
pub struct Files {
    directory: tempfile::TempDir,
    client: Arc<ClientConfig>,
    roots: Arc<RootCertStore>,
}

impl Files {
    /// Makes and writes them.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "Partner CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("a CA");
        let signed = |name: &str| {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &authority).expect("a certificate");
            (certificate.pem(), key.serialize_pem())
        };
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
        let (server, client) = (signed("server"), signed("app.example.com"));
        write("ca.pem", &authority.as_ref().pem());
        write("server.pem", &server.0);
        write("server.key", &server.1);
        write("credential", "the-gateways-own-credential");

        let mut roots = RootCertStore::empty();
        roots.add(authority.as_ref().der().clone()).expect("a root");
        let roots = Arc::new(roots);
        let chain =
            CertificateDer::pem_slice_iter(client.0.as_bytes()).map(|one| one.expect("a certificate")).collect();
        let key = PrivateKeyDer::from_pem_slice(client.1.as_bytes()).expect("a key");
        let config = ClientConfig::builder().with_root_certificates(roots.clone()).with_client_auth_cert(chain, key);
        Self { directory, client: Arc::new(config.expect("a client's certificate")), roots }
    }

    /// One of the files, or one to be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// How the load connects.
    pub fn client_config(&self, wire: Wire) -> Option<Arc<ClientConfig>> {
        match wire {
            Wire::Plain => None,
            Wire::MutualTls => Some(self.client.clone()),
        }
    }

    /// How the bare proxy asks for a certificate.
    pub fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        WebPkiClientVerifier::builder(self.roots.clone()).build().expect("a verifier")
    }
}
