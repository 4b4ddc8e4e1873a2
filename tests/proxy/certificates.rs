//! Certificate authorities, certificates and revocation lists, made on the spot.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use pingora::tls::{ClientTlsStream, TlsConnector};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tokio::net::TcpStream;

/// A CA with its key.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub struct Credential {
    pub certificate: String,
    pub key: String,
}

/// Files of a TLS listener; removed on drop.
pub struct ServerFiles {
    pub directory: tempfile::TempDir,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub fn pem(&self) -> String {
        self.issuer.as_ref().pem()
    }

    pub fn credential(&self, name: &str, serial: u64) -> Credential {
        self.credential_valid_until(name, serial, OffsetDateTime::now_utc() + Duration::days(1))
    }

    pub fn credential_valid_until(&self, name: &str, serial: u64, not_after: OffsetDateTime) -> Credential {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = OffsetDateTime::now_utc() - Duration::days(2);
        params.not_after = not_after;
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Credential { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    pub fn revocation_list(&self, revoked: &[u64], next_update: OffsetDateTime) -> String {
        let params = CertificateRevocationListParams {
            this_update: OffsetDateTime::now_utc() - Duration::days(2),
            next_update,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(*serial),
                    revocation_time: OffsetDateTime::now_utc() - Duration::days(1),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    pub fn server_files(&self) -> ServerFiles {
        let files = ServerFiles { directory: tempfile::tempdir().unwrap() };
        let credential = self.credential("server", 1);
        files.write("server.pem", &credential.certificate);
        files.write("server.key", &credential.key);
        files
    }

    /// A connection that trusts this CA, with a certificate of its own or none.
    pub async fn connect(
        &self,
        address: SocketAddr,
        own: Option<&Credential>,
        alpn: &[&[u8]],
    ) -> std::io::Result<ClientTlsStream<TcpStream>> {
        let config = self.client_config(own, alpn);
        let tcp = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
    }

    /// A connection over HTTP/2 that trusts this CA, without a certificate of its own.
    pub async fn connect_http2(&self, address: SocketAddr) -> SendRequest<Bytes> {
        let stream = self.connect(address, None, &[b"h2"]).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        requests.ready().await.unwrap()
    }

    pub fn client_config(&self, own: Option<&Credential>, alpn: &[&[u8]]) -> ClientConfig {
        self.client_config_of(own, alpn, rustls::ALL_VERSIONS)
    }

    pub fn client_config_of(
        &self,
        own: Option<&Credential>,
        alpn: &[&[u8]],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.as_ref().der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            Some(own) => {
                let chain = CertificateDer::pem_slice_iter(own.certificate.as_bytes()).map(Result::unwrap).collect();
                builder
                    .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap())
                    .unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }
}

impl ServerFiles {
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn tls_listener(&self) -> Value {
        json!({
            "address": "127.0.0.1:0",
            "tls": { "certificate": self.path("server.pem"), "private_key": self.path("server.key") },
        })
    }

    /// The same, asking for client certificates of the CA in `ca.pem`, with the lists in `ca.crl` when it is there.
    pub fn mutual_tls_listener(&self, request: &str) -> Value {
        let mut listener = self.tls_listener();
        let lists: Vec<PathBuf> = [self.path("ca.crl")].into_iter().filter(|path| path.exists()).collect();
        listener["tls"]["client_certificates"] =
            json!({ "request": request, "trust": [self.path("ca.pem")], "revocation_lists": lists });
        listener
    }
}
