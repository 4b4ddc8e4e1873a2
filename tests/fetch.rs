//! Fetching over TLS: whom the gateway believes, and that `fetch.trust` adds to it.

use std::sync::Arc;

use dcr_gateway::fetch::settings::FetchSettings;
use dcr_gateway::fetch::{FetchClient, FetchError, FetchRequest, Target};
use pingora::tls::TlsAcceptor;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server with a certificate for `localhost` of a CA that nobody knows; gives its URL and the CA's PEM.
async fn server() -> (Target, String) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::configured(&format!("https://localhost:{}/", listener.local_addr().unwrap().port())).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    });
    (target, ca.pem())
}

#[tokio::test]
async fn a_server_is_believed_when_a_trusted_ca_vouches_for_it() {
    let (target, ca) = server().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ca).unwrap();
    let trusting = FetchSettings { trust: vec![file.path().to_owned()], ..FetchSettings::default() };
    let fetched = FetchClient::new(&trusting).unwrap().fetch(&target, FetchRequest::get(100)).await.unwrap();
    assert_eq!(&fetched.body[..], b"ok");
    let refused = FetchClient::new(&FetchSettings::default()).unwrap().fetch(&target, FetchRequest::get(100)).await;
    assert!(matches!(&refused, Err(FetchError::Unreachable(cause)) if cause.contains("certificate")), "{refused:?}");
}
