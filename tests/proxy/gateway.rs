//! A gateway under test: the proxy, and a handler that tells what it was asked.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dcr_gateway::authorization_server::client_endpoints::{ClientEndpoint, ClientEndpointSettings, ClientEndpoints};
use dcr_gateway::authorization_server::paths::{DiscoveryForm, PathTable};
use dcr_gateway::authorization_server::settings::ClientIdMetadataDocuments;
use dcr_gateway::authorization_server::settings::{Kind, OtherPaths};
use dcr_gateway::intake::handler::{
    Answer, BodyError, Handler, Head, PresentedCertificate, ProtocolRefusal, Request, UnverifiedClients,
};
use dcr_gateway::proxy::settings::ListenerSettings;
use dcr_gateway::proxy::{ForwardingLimits, Proxy, ProxySettings, Upstream, UpstreamSettings};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Nothing in these tests may take longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const BODY_LIMIT: usize = 64 * 1024;

/// Answers every request with what it saw; the client `gone` may not be used. Keeps what the token endpoint answered to whom.
#[derive(Default)]
pub struct Mirror(pub Mutex<Vec<(Vec<String>, u16)>>);

fn answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Answer::empty(status);
    answer.headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    answer.body = Bytes::from(body.to_string());
    answer
}

fn described(head: &Head) -> Value {
    let headers: Vec<Value> = head
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let certificate = match &head.certificate {
        PresentedCertificate::None => json!(null),
        PresentedCertificate::Verified(identity) => json!(identity.subject),
        PresentedCertificate::Refused(reason) => json!({ "refused": reason }),
    };
    json!({
        "method": head.method.as_str(),
        "path": head.path,
        "query": head.query,
        "headers": headers,
        "client": head.client_address.to_string(),
        "secure": head.secure,
        "certificate": certificate,
        "tls": head.tls.as_ref().map(|tls| tls.version.clone()),
        "version": format!("{:?}", head.version),
    })
}

async fn mirrored(kind: &str, request: Request<'_>) -> Answer {
    if request.head.headers.contains_key("x-unauthorized") {
        return answer(StatusCode::UNAUTHORIZED, &json!({ "error": "invalid_token" }));
    }
    let body = match request.head.method {
        Method::POST | Method::PUT => request.body.read(BODY_LIMIT).await,
        _ => Ok(Bytes::new()),
    };
    match body {
        Ok(body) => {
            let mut seen = described(request.head);
            seen["handled_as"] = json!(kind);
            seen["body"] = json!(String::from_utf8_lossy(&body));
            answer(StatusCode::CREATED, &seen)
        }
        Err(BodyError::TooLarge { limit }) => answer(StatusCode::PAYLOAD_TOO_LARGE, &json!({ "limit": limit })),
        Err(BodyError::TimedOut) => answer(StatusCode::REQUEST_TIMEOUT, &json!({ "error": "body too slow" })),
        Err(BodyError::Broken) => answer(StatusCode::BAD_REQUEST, &json!({ "error": "body broken" })),
    }
}

#[async_trait]
impl Handler for Mirror {
    async fn register(&self, request: Request<'_>) -> Answer {
        mirrored("registration", request).await
    }

    async fn manage(&self, request: Request<'_>, client_id: &str) -> Answer {
        mirrored(&format!("management of {client_id}"), request).await
    }

    async fn discover(&self, request: Request<'_>, form: DiscoveryForm) -> Answer {
        mirrored(&format!("{form:?}"), request).await
    }

    async fn discover_elsewhere(&self, _: &Head) -> Option<Answer> {
        None
    }

    async fn judge_clients(&self, _: &Head, clients: &UnverifiedClients, endpoint: ClientEndpoint) -> Option<Answer> {
        let is_gone =
            clients.ids.iter().any(|id| id == "gone") || clients.assertions.iter().any(|jwt| jwt == "e30.gone.x");
        (is_gone || clients.is_unclear)
            .then(|| answer(StatusCode::UNAUTHORIZED, &json!({ "judged_at": format!("{endpoint:?}") })))
    }

    fn token_answered(&self, _: &Head, clients: &UnverifiedClients, status: StatusCode) {
        self.0.lock().unwrap().push((clients.ids.clone(), status.as_u16()));
    }

    fn admits(&self, _: IpAddr) -> bool {
        true
    }

    fn judge_address(&self, _: &Head) -> Option<Answer> {
        None
    }

    fn refuse(&self, _head: &Head, refusal: ProtocolRefusal) -> Answer {
        answer(refusal.status(), &json!({ "refusal": format!("{refusal:?}") }))
    }
}

/// A running gateway.
pub struct Gateway {
    pub address: SocketAddr,
    pub proxy: Arc<Proxy>,
    pub settings: ProxySettings,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

/// A plain listener on any free port.
pub fn plain_listener() -> Value {
    json!({ "address": "127.0.0.1:0" })
}

pub fn listener(value: Value) -> ListenerSettings {
    serde_json::from_value(value).unwrap()
}

/// Settings with one listener before the server at `backend`.
pub fn settings(listener_value: Value, backend: SocketAddr) -> ProxySettings {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let upstream = Upstream::new(&UpstreamSettings {
        url: format!("http://{backend}"),
        public_url: "https://sso.example.com".to_owned(),
        trust: None,
    });
    ProxySettings {
        listeners: vec![listener(listener_value)],
        upstream: Arc::new(upstream.unwrap()),
        paths: PathTable::new(Kind::Keycloak, "/realms/acme", "/realms/acme/clients-registrations/openid-connect")
            .unwrap()
            .with_clients(ClientEndpoints::new(Kind::Keycloak, "/realms/acme", &ClientEndpointSettings::default())),
        other_paths: OtherPaths::Forward,
        forwarding_limits: ForwardingLimits { in_all: 1024, per_address: 256 },
        client_id_metadata_documents: ClientIdMetadataDocuments::Refuse,
        drain: Duration::from_secs(10),
    }
}

pub const REGISTER: &str = "/realms/acme/clients-registrations/openid-connect";

impl Gateway {
    pub fn start(settings: ProxySettings) -> Self {
        Self::start_with(settings, Arc::new(Mirror::default()))
    }

    pub fn start_with(mut settings: ProxySettings, handler: Arc<dyn Handler>) -> Self {
        let proxy = Arc::new(Proxy::new(settings.clone(), handler).unwrap_or_else(|problems| panic!("{problems:?}")));
        let (stop, stopped) = watch::channel(false);
        let running = proxy.clone();
        let running = tokio::spawn(async move { running.run(stopped).await });
        let address = proxy.local_addrs()[0];
        // A reload names the address as the settings did.
        settings.listeners[0].address.set_port(0);
        Self { address, proxy, settings, stop, running }
    }

    pub fn plain(backend: SocketAddr) -> Self {
        Self::start(settings(plain_listener(), backend))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn begin_shutdown(&self) {
        self.stop.send(true).unwrap();
    }

    pub async fn stopped(self) {
        tokio::time::timeout(PATIENCE, self.running).await.expect("the gateway stops").unwrap();
    }
}

/// An ordinary client.
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}
