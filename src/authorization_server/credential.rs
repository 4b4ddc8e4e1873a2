//! The gateway's own credential at the registration endpoint. The registrant's initial access token never goes there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use serde_json::Value;

use super::access::fits_a_header;
use super::transport::{Limits, Purpose, Transport};
use crate::clock::{Clock, Timestamp};
use crate::fetch::{basic, retry_after};
use crate::registration::json;
use crate::secret::Secret;

/// A token is renewed this long before it ends, so that it does not end on the way.
const RENEW_BEFORE: Duration = Duration::from_secs(30);

/// RFC 6749 §5.1 only recommends `expires_in`; without it a token is taken to be good for this long.
const LIFETIME_UNLESS_TOLD: Duration = Duration::from_secs(60);

/// What the gateway presents.
pub enum Credential {
    /// Nothing.
    None,
    /// The registrant's own `Authorization` header.
    Forward,
    /// A fixed bearer token.
    Bearer(Secret),
    /// An access token by the client credentials grant, kept until shortly before it ends.
    ClientCredentials(AccessTokenSource),
}

/// Why the gateway has no credential to present.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CredentialError {
    /// The server gives none, or none that could be used.
    #[error("no access token by the client credentials grant: {0}")]
    Refused(String),
    /// The server could not be asked, did not answer, or is not well.
    #[error("no access token by the client credentials grant yet: {0}")]
    Unavailable(String),
    /// The server limits the gateway's rate.
    #[error("no access token by the client credentials grant yet: the authorization server answered 429")]
    RateLimited {
        /// What its `Retry-After` said.
        retry_after: Option<Duration>,
    },
}

impl CredentialError {
    fn refused(cause: impl ToString) -> Self {
        Self::Refused(cause.to_string())
    }

    fn unavailable(cause: impl ToString) -> Self {
        Self::Unavailable(cause.to_string())
    }
}

/// Gets and keeps an access token (RFC 6749 §4.4).
pub struct AccessTokenSource {
    client: GatewayClient,
    endpoint: TokenEndpoint,
    clock: Arc<dyn Clock>,
    current: ArcSwapOption<AccessToken>,
    /// One renewal at a time: the others wait for it and use what it brought, be it that there is no token.
    renewal: tokio::sync::Mutex<Option<CredentialError>>,
    /// How many renewals failed.
    failed: AtomicU64,
}

/// The gateway's own client at the server.
pub struct GatewayClient {
    /// Its `client_id`.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
    /// The `scope` to ask for.
    pub scope: Option<String>,
}

/// Where access tokens are got.
pub enum TokenEndpoint {
    /// A path that the configuration names.
    Path(String),
    /// The path of `token_endpoint` in the first of these documents that has one.
    DiscoveredAt(Vec<String>),
}

struct AccessToken {
    text: Secret,
    expires_at: Timestamp,
}

impl AccessTokenSource {
    /// A source that has not asked for a token yet.
    pub fn new(client: GatewayClient, endpoint: TokenEndpoint, clock: Arc<dyn Clock>) -> Self {
        let (current, renewal, failed) = (ArcSwapOption::empty(), tokio::sync::Mutex::default(), AtomicU64::new(0));
        Self { client, endpoint, clock, current, renewal, failed }
    }

    /// The gateway's own client at the server.
    pub fn client_id(&self) -> &str {
        &self.client.id
    }

    /// An access token that is good for a while yet. Waits no longer for another's renewal than one call may take, and renews within the same time,
    /// documents and all: a registration waits for it, and its intent is in the record already.
    pub async fn get(&self, transport: &dyn Transport, limits: Limits) -> Result<Secret, CredentialError> {
        if let Some(token) = self.usable() {
            return Ok(token);
        }
        let failed_before = self.failed.load(Ordering::Acquire);
        let mut last = in_time(limits, self.renewal.lock()).await?;
        if let Some(token) = self.usable() {
            return Ok(token);
        }
        // It failed while this one waited: if each tried again, they would wait for one another.
        if let Some(failure) = last.as_ref().filter(|_| self.failed.load(Ordering::Acquire) > failed_before) {
            return Err(failure.clone());
        }
        let has_its_time = limits.left().is_ok_and(|left| left == limits);
        match in_time(limits, self.ask(transport, limits)).await.flatten() {
            Ok(token) => {
                let text = token.text.clone();
                self.current.store(Some(Arc::new(token)));
                Ok(text)
            }
            Err(error) => {
                // Of an attempt for which too little time was left, the others learn nothing.
                if has_its_time {
                    *last = Some(error.clone());
                    self.failed.fetch_add(1, Ordering::Release);
                }
                Err(error)
            }
        }
    }

    /// The server refused this token: the next call gets another one.
    pub fn forget(&self, refused: &Secret) {
        if self.current.load().as_ref().is_some_and(|token| token.text == *refused) {
            self.current.store(None);
        }
    }

    fn usable(&self) -> Option<Secret> {
        let current = self.current.load();
        let token = current.as_ref()?;
        (self.clock.now().after(RENEW_BEFORE) < token.expires_at).then(|| token.text.clone())
    }

    async fn ask(&self, transport: &dyn Transport, limits: Limits) -> Result<AccessToken, CredentialError> {
        let path = match &self.endpoint {
            TokenEndpoint::Path(path) => path.clone(),
            TokenEndpoint::DiscoveredAt(documents) => discovered(documents, transport, limits).await?,
        };
        let request = Request::post(path)
            .extension(Purpose::TOKEN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, self.client.basic()?)
            .body(Bytes::from(self.client.form()))
            .map_err(CredentialError::refused)?;
        let asked_at = self.clock.now();
        let response = transport.send(request, limits).await.map_err(CredentialError::unavailable)?;
        check_status(&response, "the token endpoint")?;
        let members = json::parse(response.body()).map_err(CredentialError::refused)?;
        let Some(text) = members.get("access_token").and_then(Value::as_str).filter(|text| fits_a_header(text)) else {
            return Err(CredentialError::refused("the answer holds no access_token"));
        };
        let lifetime = members.get("expires_in").and_then(Value::as_u64).map(Duration::from_secs);
        Ok(AccessToken {
            text: Secret::new(text),
            expires_at: asked_at.after(lifetime.unwrap_or(LIFETIME_UNLESS_TOLD)),
        })
    }
}

async fn in_time<T>(limits: Limits, work: impl Future<Output = T>) -> Result<T, CredentialError> {
    let limits = limits.left().map_err(CredentialError::unavailable)?;
    let late = |_| CredentialError::Unavailable(format!("there was none within {:?}", limits.total));
    tokio::time::timeout(limits.total, work).await.map_err(late)
}

fn check_status(response: &http::Response<Bytes>, whose: &str) -> Result<(), CredentialError> {
    let status = response.status();
    let said = || format!("{whose} answered {}", status.as_u16());
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::TOO_MANY_REQUESTS => {
            Err(CredentialError::RateLimited { retry_after: retry_after(response.headers()) })
        }
        _ if status.is_server_error() => Err(CredentialError::Unavailable(said())),
        _ => Err(CredentialError::Refused(said())),
    }
}

impl GatewayClient {
    /// RFC 6749 §4.4.2.
    fn form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new("grant_type=client_credentials".to_owned());
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        form.finish()
    }

    fn basic(&self) -> Result<HeaderValue, CredentialError> {
        basic(&self.id, &self.secret).ok_or_else(|| CredentialError::refused("it fits into no header"))
    }
}

/// The path of the token endpoint by the server's metadata. Only the path: where the server is, the configuration says.
async fn discovered(
    documents: &[String],
    transport: &dyn Transport,
    limits: Limits,
) -> Result<String, CredentialError> {
    let mut trouble = None;
    for document in documents {
        let request = Request::get(document.as_str())
            .extension(Purpose::DISCOVERY)
            .header(header::ACCEPT, "application/json")
            .body(Bytes::new());
        let request = request.map_err(CredentialError::refused)?;
        let response = transport.send(request, limits).await.map_err(CredentialError::unavailable)?;
        if response.status().is_server_error() || response.status() == StatusCode::TOO_MANY_REQUESTS {
            // Some servers say so of any path that they do not know.
            trouble = trouble.or(check_status(&response, document).err());
            continue;
        }
        let members = json::parse(response.body()).unwrap_or_default();
        let endpoint = members.get("token_endpoint").and_then(Value::as_str).and_then(|url| url::Url::parse(url).ok());
        if let Some(endpoint) = endpoint {
            return Ok(endpoint.path().to_owned());
        }
    }
    let unnamed = "the server's metadata names no token_endpoint; set client_credentials.token_path";
    Err(trouble.unwrap_or_else(|| CredentialError::refused(unnamed)))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::authorization_server::transport::TransportError;
    use crate::clock::by_hand::SetClock;

    /// A token endpoint that numbers its tokens, each good for 100 s.
    #[derive(Default)]
    struct Server {
        asked: AtomicUsize,
        authorization: Mutex<String>,
    }

    #[async_trait::async_trait]
    impl Transport for Server {
        async fn send(&self, request: Request<Bytes>, _: Limits) -> Result<http::Response<Bytes>, TransportError> {
            if request.uri().path().starts_with("/.well-known/") {
                let body = r#"{"token_endpoint":"https://elsewhere.example/oauth/token"}"#;
                return Ok(http::Response::new(Bytes::from_static(body.as_bytes())));
            }
            assert_eq!(request.uri().path(), "/oauth/token");
            *self.authorization.lock().unwrap() = request.headers()[header::AUTHORIZATION].to_str().unwrap().to_owned();
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            Ok(http::Response::new(Bytes::from(format!(r#"{{"access_token":"t{number}","expires_in":100}}"#))))
        }
    }

    const LIMITS: Limits = Limits { total: Duration::from_secs(1), response_bytes: 10_000 };

    fn source(clock: Arc<SetClock>) -> AccessTokenSource {
        let client = GatewayClient { id: "dcr:gateway".into(), secret: Secret::new("s e/cret"), scope: None };
        let endpoint = TokenEndpoint::DiscoveredAt(vec!["/.well-known/oauth-authorization-server".into()]);
        AccessTokenSource::new(client, endpoint, clock)
    }

    #[tokio::test]
    async fn one_token_serves_until_shortly_before_its_end() {
        let (server, clock) = (Server::default(), Arc::new(SetClock::default()));
        let source = source(clock.clone());
        let get = async || source.get(&server, LIMITS).await.unwrap().expose().to_owned();
        assert_eq!(get().await, "t1");
        clock.set(Timestamp::from_unix_millis(69_999));
        assert_eq!(get().await, "t1");
        clock.set(Timestamp::from_unix_millis(70_000));
        assert_eq!(get().await, "t2");
    }

    #[tokio::test]
    async fn many_at_once_ask_once() {
        let server = Server::default();
        let source = source(Arc::new(SetClock::default()));
        let (a, b, c) =
            tokio::join!(source.get(&server, LIMITS), source.get(&server, LIMITS), source.get(&server, LIMITS));
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(server.asked.load(Ordering::SeqCst), 1);
    }

    /// A token endpoint that takes requests and answers none.
    #[derive(Default)]
    struct Hanging(AtomicUsize);

    #[async_trait::async_trait]
    impl Transport for Hanging {
        async fn send(&self, _: Request<Bytes>, _: Limits) -> Result<http::Response<Bytes>, TransportError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_once_wait_for_a_server_that_hangs_as_long_as_one_does() {
        let (server, source) = (Hanging::default(), source(Arc::new(SetClock::default())));
        let began = tokio::time::Instant::now();
        let (a, b, c) =
            tokio::join!(source.get(&server, LIMITS), source.get(&server, LIMITS), source.get(&server, LIMITS));
        assert!(a.is_err() && b.is_err() && c.is_err());
        assert!(began.elapsed() < LIMITS.total * 2, "{:?}", began.elapsed());
        assert_eq!(server.0.load(Ordering::SeqCst), 1);
        // Whoever comes later asks for themselves.
        assert!(source.get(&server, LIMITS).await.is_err());
        assert_eq!(server.0.load(Ordering::SeqCst), 2);
    }

    /// A server that fails at the paths it does not know, and has its metadata at another one; or fails everywhere.
    struct Odd(&'static str);

    #[async_trait::async_trait]
    impl Transport for Odd {
        async fn send(&self, request: Request<Bytes>, _: Limits) -> Result<http::Response<Bytes>, TransportError> {
            let body = r#"{"token_endpoint":"https://a.example/token","access_token":"t"}"#;
            let is_known = request.uri().path() == self.0 || request.uri().path() == "/token";
            let status = if is_known { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            Ok(http::Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap())
        }
    }

    #[tokio::test]
    async fn a_document_that_fails_is_passed_over_for_one_that_does_not() {
        let source = || {
            let endpoint = TokenEndpoint::DiscoveredAt(vec!["/one".into(), "/other".into()]);
            AccessTokenSource { endpoint, ..source(Arc::new(SetClock::default())) }
        };
        assert_eq!(source().get(&Odd("/other"), LIMITS).await.unwrap().expose(), "t");
        let away = source().get(&Odd("/elsewhere"), LIMITS).await;
        assert!(matches!(away, Err(CredentialError::Unavailable(_))), "{away:?}");
    }

    #[tokio::test]
    async fn a_refused_token_is_not_used_again() {
        let server = Server::default();
        let source = source(Arc::new(SetClock::default()));
        let first = source.get(&server, LIMITS).await.unwrap();
        source.forget(&first);
        assert_eq!(source.get(&server, LIMITS).await.unwrap().expose(), "t2");
        source.forget(&first);
        assert_eq!(source.get(&server, LIMITS).await.unwrap().expose(), "t2");
    }

    #[tokio::test]
    async fn id_and_secret_are_urlencoded_before_they_are_joined() {
        let server = Server::default();
        source(Arc::new(SetClock::default())).get(&server, LIMITS).await.unwrap();
        let expected = format!("Basic {}", STANDARD.encode("dcr%3Agateway:s+e%2Fcret"));
        assert_eq!(*server.authorization.lock().unwrap(), expected);
    }
}
