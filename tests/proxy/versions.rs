//! Which versions of TLS are spoken.

use dcr_gateway::proxy::settings::ListenerSettings;
use rustls::version::{TLS12, TLS13};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::backend::mirror;
use crate::certificates::Authority;
use crate::gateway::{Gateway, listener, settings};

#[tokio::test]
async fn the_oldest_version_is_the_one_that_is_written_and_a_reload_changes_it() {
    let authority = Authority::new("Server CA");
    let files = authority.server_files();
    let gateway = Gateway::start(settings(files.tls_listener(), mirror().await));
    let speaks = async |version| {
        let config = authority.client_config_of(None, &[b"h2"], &[version]);
        let tcp = TcpStream::connect(gateway.address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        TlsConnector::from(std::sync::Arc::new(config)).connect(name, tcp).await.is_ok()
    };
    assert!(speaks(&TLS13).await && speaks(&TLS12).await);
    let mut newer = files.tls_listener();
    newer["tls"]["minimum_version"] = json!("tls1.3");
    let mut reloaded = gateway.settings.clone();
    reloaded.listeners = vec![listener(newer)];
    gateway.proxy.reload(reloaded).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(speaks(&TLS13).await);
    assert!(!speaks(&TLS12).await);
}

#[tokio::test]
async fn a_client_that_offers_only_http_1_0_by_alpn_is_answered() {
    let authority = Authority::new("Server CA");
    let gateway = Gateway::start(settings(authority.server_files().tls_listener(), mirror().await));
    let mut stream = authority.connect(gateway.address, None, &[b"http/1.0"]).await.unwrap();
    stream.write_all(b"GET /anything HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_version_that_is_not_spoken_is_no_setting() {
    for version in ["tls1.1", "1.2", "TLS1.3"] {
        let written = json!({ "address": "127.0.0.1:0", "tls": { "certificate": "a", "private_key": "b", "minimum_version": version } });
        assert!(serde_json::from_value::<ListenerSettings>(written).is_err(), "{version}");
    }
}
