//! A gateway before a small authorization server, attackers at 127.0.0.1, and a client that does nothing wrong at another address.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pingora::tls::TlsConnector;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::certificates::{Authority, ServerFiles};
use crate::client::{Answer, Post, exchange_on, get};
use crate::configuration::on_base;
use crate::measured::Memory;
use crate::process::{Gateway, PATIENCE};
use crate::upstream::Upstream;

/// Where the client lives that must be served.
pub const GOOD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// Where the attackers do.
pub const BAD: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Everybody with a token may register, as often as they like.
const PROFILES: &str = "
throttle: { per_address: { rate: 100000/s, burst: 100000 }, total: { rate: 100000/s, burst: 100000 } }
profiles:
  - name: partners
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
";

/// The gateway and all around it.
pub struct World {
    pub gateway: Gateway,
    pub upstream: Upstream,
    /// What the good client registers with; the attackers have it too where they get far enough to need it.
    pub token: String,
    /// Of the gateway's certificate, where it has one.
    tls: Option<(Authority, ServerFiles)>,
}

/// How a gateway is started.
#[derive(Default)]
pub struct Setting<'a> {
    /// Members of the listener beside its address.
    pub listener: Value,
    /// More members of `authorization_server`, two spaces before each.
    pub server: &'a str,
    /// The rest of the configuration from `throttle` on; nothing: [`PROFILES`].
    pub rest: &'a str,
    /// Files beside the configuration, by name.
    pub files: &'a [(&'a str, &'a str)],
    /// What starts it ([`Gateway::start_by`]).
    pub launcher: &'a [&'a str],
}

/// A registration that nothing is wrong with.
pub fn orders() -> Value {
    json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"]})
}

/// A connection from an address of this machine.
pub async fn connect_from(source: Ipv4Addr, gateway: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    socket.connect(gateway).await
}

impl World {
    pub async fn plain(listener: Value) -> Self {
        Self::start(Setting { listener, ..Setting::default() }).await
    }

    pub async fn start(setting: Setting<'_>) -> Self {
        Self::start_with(setting, None).await
    }

    /// With a certificate; the server speaks HTTP/2 too.
    pub async fn tls(listener: Value) -> Self {
        Self::start_tls(Setting { listener, ..Setting::default() }).await
    }

    /// The same, with more settings.
    pub async fn start_tls(setting: Setting<'_>) -> Self {
        let authority = Authority::new("Server CA");
        let files = authority.server_files();
        let mut with_files = files.tls_listener();
        with_files.as_object_mut().unwrap().extend(setting.listener.as_object().cloned().unwrap_or_default());
        let setting = Setting { listener: with_files, ..setting };
        Self::start_with(setting, Some((authority, files))).await
    }

    async fn start_with(setting: Setting<'_>, tls: Option<(Authority, ServerFiles)>) -> Self {
        let Setting { mut listener, server, rest, files, launcher } = setting;
        listener["address"] = json!("127.0.0.1:0");
        let rest = if rest.is_empty() { PROFILES } else { rest };
        // JSON is YAML.
        let listeners = format!("listeners: [{listener}]");
        let server = format!("authorization_server:\n  credential: none\n  timeout: 1m\n{server}");
        let configuration = on_base(&format!("{listeners}\n{server}\n{rest}"));
        let upstream = Upstream::start().await;
        let directory = TempDir::new().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let gateway = Gateway::start_by(launcher, directory, (&configuration, upstream.address));
        let token = gateway.token("partners", 1_000_000);
        Self { gateway, upstream, token, tls }
    }

    /// Its memory, from now on.
    pub fn memory(&self) -> Memory {
        Memory::of(self.gateway.pid())
    }

    /// A connection under HTTP/1.1, with TLS where the gateway has it.
    pub async fn connect(&self, source: Ipv4Addr) -> Box<dyn Stream> {
        let tcp = connect_from(source, self.gateway.address).await.unwrap();
        match self.tls {
            Some(_) => Box::new(self.shake_hands(tcp, b"http/1.1").await.unwrap()),
            None => Box::new(tcp),
        }
    }

    /// TLS over a connection.
    pub async fn shake_hands(&self, tcp: TcpStream, protocol: &[u8]) -> std::io::Result<impl Stream + use<>> {
        let (authority, _) = self.tls.as_ref().expect("a gateway with a certificate");
        let config = authority.client_config(None, &[protocol]);
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
    }

    /// Sends a request on a fresh connection; none when it is closed without an answer.
    pub async fn ask(&self, source: Ipv4Addr, request: &[u8]) -> Option<Answer> {
        let stream = self.connect(source).await;
        exchange_on(stream, PATIENCE, request).await.expect("an answer or an end, in time")
    }

    /// One of the gateway's own metrics that has no labels.
    pub async fn metric(&self, name: &str) -> u64 {
        let metrics = get(self.gateway.admin, "/metrics").await.body;
        let line = metrics.lines().find(|line| line.split(['{', ' ']).next() == Some(name));
        let value = line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {metrics}"))
    }

    /// Returns once no client has a connection any more.
    pub async fn is_alone(&self) {
        let is_alone = async {
            while self.metric("dcr_connections").await > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, is_alone).await.expect("all connections end");
    }

    /// The registration of the good client, as it is sent.
    pub fn registration(&self) -> Vec<u8> {
        Post { token: Some(&self.token), body: orders().to_string().as_bytes(), ..Post::default() }.bytes()
    }

    /// The good client registers; fails when it cannot, or has to wait for longer than anybody's patience.
    pub async fn a_good_client_registers(&self) {
        let answer = self.ask(GOOD, &self.registration()).await.expect("an answer");
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}

/// A connection, whatever is under it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
