//! A gateway in this process, and what a registration costs there.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dcr_gateway::config;
use dcr_gateway::intake::handler::{Body, BodyError, Handler, Head, PresentedCertificate, Request};
use dcr_gateway::policy::CertificateIdentity;
use dcr_gateway::server::Gateway;
use dcr_gateway::store::Store;
use dcr_gateway::store::memory::MemoryStore;
use dcr_gateway::store::settings::StoreUrl;
use dcr_gateway::store::sql::SqlStore;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::{cpu, server};

/// The threads that work for gateways; one of them is at work at a time.
const THREADS: [&str; 2] = ["growth", "sqlx-sqlite"];

/// Registrations under way at once: a store that writes in groups has some to write.
const AT_ONCE: usize = 16;

/// Where the record is, and what is in it before.
pub enum Records {
    /// Here, nothing.
    InMemory,
    /// In an SQLite file, filled by these statements.
    InAFile(Vec<String>),
}

/// What sends the registration with this number.
pub type Sender = Box<dyn Fn(u64) -> Caller>;

/// Who asks, and for what.
pub struct Caller {
    pub address: IpAddr,
    /// The name in the certificate.
    pub certificate: Option<String>,
    pub redirect_uris: Vec<String>,
}

/// A gateway, and what it is sent.
pub struct Subject {
    runtime: Runtime,
    handler: Arc<dyn Handler>,
    sender: Sender,
    next: u64,
    _directory: tempfile::TempDir,
}

impl Subject {
    /// Starts the gateway with these profiles, and what else stands in the configuration.
    pub fn start(yaml: &str, server: SocketAddr, records: Records, sender: Sender) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(THREADS[0])
            .enable_all()
            .build()
            .expect("a runtime");
        std::fs::write(directory.path().join("ca.pem"), authority()).expect("a file");
        let yaml = format!("{}{yaml}", head(server));
        let mut config = config::from_text(&yaml, &directory.path().join("gateway.yaml"), &|_| None)
            .unwrap_or_else(|problems| panic!("{problems}"));
        config.settings.store.url = StoreUrl::Sqlite(directory.path().join("gateway.db"));
        let handler = runtime.block_on(async {
            let store: Arc<dyn Store> = match records {
                Records::InMemory => Arc::new(MemoryStore::default()),
                Records::InAFile(statements) => {
                    let store = SqlStore::open(&config.settings.store).await.expect("a store");
                    let mut beside =
                        AnyConnection::connect(&config.settings.store.url.to_string()).await.expect("a connection");
                    for statement in statements {
                        beside.execute(AssertSqlSafe(statement)).await.expect("rows");
                    }
                    beside.close().await.expect("an end");
                    Arc::new(store)
                }
            };
            let gateway = Gateway::start(config, store).await.expect("a gateway");
            let handler = gateway.handler();
            tokio::spawn(async move {
                let (_running, stopped) = watch::channel(false);
                gateway.run(stopped).await;
            });
            // What is done once at the start is not a registration's.
            tokio::time::sleep(Duration::from_millis(200)).await;
            handler
        });
        Self { runtime, handler, sender, next: 0, _directory: directory }
    }

    /// Sends something that is no JSON from each of so many addresses: refused, and remembered.
    pub fn let_know(self, addresses: u64, address: fn(u64) -> IpAddr) -> Self {
        let handler = self.handler.clone();
        self.runtime.block_on(async move {
            let task = tokio::spawn(async move {
                for number in 0..addresses {
                    let caller = Caller { address: address(number), certificate: None, redirect_uris: Vec::new() };
                    let (head, _) = caller.request();
                    let mut body = Whole(Bytes::from_static(b"{"));
                    let answer = handler.register(Request { head: &head, body: &mut body }).await;
                    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
                }
            });
            task.await.expect("refusals");
        });
        self
    }

    /// Registers so many; the processor time of one, in microseconds.
    pub fn cost(&mut self, batch: usize) -> f64 {
        let numbers = self.next..self.next + u64::try_from(batch).expect("not that many");
        self.next = numbers.end;
        let mut shares: Vec<Vec<_>> = (0..AT_ONCE).map(|_| Vec::new()).collect();
        for (index, number) in numbers.enumerate() {
            shares[index % AT_ONCE].push((self.sender)(number).request());
        }
        let before = cpu::of_threads(&THREADS);
        self.runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for share in shares {
                let handler = self.handler.clone();
                tasks.spawn(async move {
                    for (head, body) in share {
                        let answer = handler.register(Request { head: &head, body: &mut Whole(body) }).await;
                        assert_eq!(answer.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&answer.body));
                    }
                });
            }
            tasks.join_all().await;
        });
        cpu::of_threads(&THREADS).saturating_sub(before).as_secs_f64() * 1e6 / batch as f64
    }
}

impl Caller {
    /// As the proxy hands it on.
    fn request(self) -> (Head, Bytes) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let certificate = self.certificate.map_or(PresentedCertificate::None, |name| {
            PresentedCertificate::Verified(Arc::new(CertificateIdentity {
                subject: format!("CN={name},O=Partner"),
                issuer: "CN=Partner CA".to_owned(),
                serial: "01".to_owned(),
                san_dns: vec![name],
                san_uri: Vec::new(),
                san_email: Vec::new(),
                san_ip: Vec::new(),
                thumbprint: "ab".repeat(32),
                not_after: i64::MAX,
            }))
        });
        let head = Head {
            method: Method::POST,
            path: "/register".to_owned(),
            query: None,
            headers,
            peer: self.address,
            client_address: self.address,
            certificate,
            request_id: "5e792d7cd77fff2989675d18daefe008".to_owned(),
            secure: true,
            version: Version::HTTP_11,
            tls: None,
        };
        let body = serde_json::json!({
            "client_name": "Orders",
            "redirect_uris": self.redirect_uris,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        (head, Bytes::from(body.to_string()))
    }
}

/// A URI that is another one each time: the same public client would be handed out again without asking the server.
pub fn redirect_uri(host: &str, number: u64) -> String {
    format!("https://{host}{}{number:010}", server::BEFORE_THE_NUMBER)
}

struct Whole(Bytes);

#[async_trait]
impl Body for Whole {
    async fn read(&mut self, _limit: usize) -> Result<Bytes, BodyError> {
        Ok(std::mem::take(&mut self.0))
    }
}

/// A CA for the configuration to trust: profiles look at certificates only where some may come.
fn authority() -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(rcgen::DnType::CommonName, "Partner CA");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).expect("a CA").pem()
}

fn head(server: SocketAddr) -> String {
    format!(
        r#"
public_url: https://localhost:8443
listeners:
  - address: 127.0.0.1:0
    trusted_proxies: [127.0.0.0/8]
    client_certificate_header: client-cert
    client_certificate_trust: {{ trust: [ca.pem] }}
authorization_server:
  kind: rfc7591
  issuer: https://localhost:8443
  url: http://{server}
  registration_path: /register
  credential: none
admin: {{ socket: "off" }}
throttle:
  sources: 2000000
  per_address: {{ rate: 1000000/s, burst: 1000000 }}
  total: {{ rate: 1000000/s, burst: 1000000 }}
"#
    )
}
