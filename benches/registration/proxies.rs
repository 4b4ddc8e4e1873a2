//! The two that are compared: the gateway as `serve` runs it, and Pingora's own server with nothing in it but the way to the upstream.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use async_trait::async_trait;
use dcr_gateway::admin::settings::AdminSocket;
use dcr_gateway::config;
use dcr_gateway::server::Gateway;
use dcr_gateway::store::Store;
use dcr_gateway::store::settings::StoreUrl;
use dcr_gateway::store::sql::SqlStore;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::*;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, ShutdownSignal, ShutdownSignalWatch};
use tokio::sync::watch;

use super::authorities::Files;

/// How clients connect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// HTTP.
    Plain,
    /// HTTPS with a client certificate.
    MutualTls,
}

impl Wire {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "HTTP",
            Self::MutualTls => "HTTPS with client certificates",
        }
    }
}

/// Where the gateway keeps its record.
pub enum Records {
    /// Here.
    In(Arc<dyn Store>),
    /// In an SQLite file of its own.
    InAFile,
    /// The same, and nothing of what happens is recorded.
    Unaudited,
}

/// Something that listens.
pub struct Proxy {
    /// For people.
    pub name: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// The names of the threads that work for it.
    pub threads: &'static [&'static str],
}

/// A port that was free just now: Pingora's server takes no other kind.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

impl Proxy {
    /// Pingora's server and proxy as they come, with one thread.
    pub fn bare(wire: Wire, files: &Files, server: SocketAddr) -> Self {
        let address = free_address();
        let tls = match wire {
            Wire::Plain => None,
            Wire::MutualTls => {
                let file = |name| files.path(name).display().to_string();
                let settings = TlsSettings::intermediate(&file("server.pem"), &file("server.key"));
                let mut settings = settings.expect("a server's certificate");
                settings.set_client_cert_verifier(files.verifier());
                Some(settings)
            }
        };
        thread::spawn(move || Bare { address, tls, server }.run());
        wait_for(address);
        Self { name: "bare Pingora", address, threads: &["Pingora HTTP"] }
    }

    /// The gateway, with one thread for requests. SQLite works in threads of its own.
    pub fn gateway(name: &'static str, wire: Wire, files: &Files, (server, records): (SocketAddr, Records)) -> Self {
        let yaml = configuration(wire, server);
        let config = config::from_text(&yaml, &files.path("gateway.yaml"), &|_| None);
        let mut config = config.unwrap_or_else(|problems| panic!("{problems}"));
        // Each gateway for itself: nobody waits for another one's lock.
        config.settings.store.url = StoreUrl::Sqlite(files.path(&format!("{name} {}.db", wire.name())));
        config.settings.admin.socket = AdminSocket(None);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(match records {
                Records::In(_) => "in memory",
                Records::InAFile => "in a file",
                Records::Unaudited => "unaudited",
            })
            .enable_all()
            .build()
            .expect("a runtime");
        let threads: &[&str] = match records {
            Records::In(_) => &["in memory"],
            Records::InAFile => &["in a file", "sqlx-sqlite"],
            Records::Unaudited => &["unaudited", "sqlx-sqlite"],
        };
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || {
            runtime.block_on(async move {
                let store = match &records {
                    Records::In(store) => store.clone(),
                    Records::InAFile | Records::Unaudited => {
                        Arc::new(SqlStore::open(&config.settings.store).await.expect("a store"))
                    }
                };
                let gateway = match records {
                    Records::In(_) | Records::InAFile => Gateway::start(config, store).await,
                    Records::Unaudited => Gateway::unrecorded(config, store).await,
                };
                let gateway = gateway.expect("a gateway");
                tell.send(gateway.addresses()[0]).expect("somebody listens");
                let (_running, stopped) = watch::channel(false);
                gateway.run(stopped).await;
            });
        });
        let address = told.recv().expect("a gateway");
        Self { name, address, threads }
    }
}

fn configuration(wire: Wire, server: SocketAddr) -> String {
    let (scheme, tls, matching) = match wire {
        Wire::Plain => ("http", "", "{}"),
        Wire::MutualTls => (
            "https",
            "tls: { certificate: server.pem, private_key: server.key, client_certificates: { request: optional, trust: [ca.pem] } },",
            r#"{ client_certificate: { issuer: "CN=Partner CA" } }"#,
        ),
    };
    format!(
        r#"
public_url: {scheme}://localhost:8443
listeners: [{{ address: "127.0.0.1:0", {tls} }}]
authorization_server:
  kind: rfc7591
  issuer: {scheme}://localhost:8443
  url: http://{server}
  registration_path: /register
  credential: {{ bearer_token_file: credential }}
store: {{ url: "sqlite://{scheme}.db" }}
admin: {{ socket: "off" }}
throttle:
  per_address: {{ rate: 1000000/s, burst: 1000000 }}
  total: {{ rate: 1000000/s, burst: 1000000 }}
profiles:
  - name: mcp
    preset: mcp
    match: {matching}
    limits: {{ rate: 1000000/s, burst: 1000000 }}
"#
    )
}

/// Pingora's own server with nothing in it but the way to the upstream.
pub struct Bare {
    /// Where it listens.
    pub address: SocketAddr,
    /// How, when it is not plain HTTP.
    pub tls: Option<TlsSettings>,
    /// The upstream.
    pub server: SocketAddr,
}

impl Bare {
    /// Runs until the process ends, with one thread for requests.
    pub fn run(self) {
        let conf = || ServerConf { threads: 1, ..ServerConf::default() };
        let mut service = pingora::proxy::http_proxy_service(&Arc::new(conf()), PassOn(self.server));
        match self.tls {
            None => service.add_tcp(&self.address.to_string()),
            Some(settings) => service.add_tls_with_settings(&self.address.to_string(), None, settings),
        }
        let mut running = Server::new_with_opt_and_conf(None, conf());
        running.add_service(service);
        running.bootstrap();
        running.run(RunArgs { shutdown_signal: Box::new(Never) });
    }
}

fn wait_for(address: SocketAddr) {
    while std::net::TcpStream::connect(address).is_err() {
        thread::yield_now();
    }
}

struct PassOn(SocketAddr);

#[async_trait]
impl ProxyHttp for PassOn {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

struct Never;

#[async_trait]
impl ShutdownSignalWatch for Never {
    async fn recv(&self) -> ShutdownSignal {
        std::future::pending().await
    }
}
