//! The calls to Cognito's API: signed by the SDK, in time, each operation at its rate, none repeated.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::SharedCredentialsProvider;
use aws_sdk_cognitoidentityprovider::config::http::HttpResponse;
use aws_sdk_cognitoidentityprovider::config::retry::RetryConfig;
use aws_sdk_cognitoidentityprovider::config::timeout::TimeoutConfig;
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::types::UserPoolClientType;
use aws_smithy_http_client::{Builder, tls};
use http::{Method, StatusCode};
use tokio::sync::OnceCell;

use super::failure::Failure;
use super::queue::Queue;
use super::settings::CognitoSettings;
use crate::authorization_server::transport::{Purpose, TOO_LATE, time_left};
use crate::telemetry::InSpan as _;
use crate::telemetry::request::UpstreamCall;
use crate::telemetry::span::{CallFacts, Scheme};

/// How long a call waits for its slot.
const PATIENCE: Duration = Duration::from_secs(4);

/// For connecting, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// For getting the credential; the SDK gives up after it, and before the call is sent.
const CREDENTIAL: Duration = Duration::from_secs(5);

/// What a call may take beside the time for AWS's answer: a turn at a client must last so long.
pub const BESIDE: Duration = Duration::from_secs(PATIENCE.as_secs() + CREDENTIAL.as_secs());

/// What is needed to call the API.
pub struct Reach {
    /// The pool, and where its API is.
    pub settings: CognitoSettings,
    /// From the start of connecting to the answer.
    pub timeout: Duration,
    /// CAs besides the system's, PEM.
    pub trust: Option<Vec<u8>>,
    /// The credential. None: found as by every AWS SDK.
    pub credentials: Option<SharedCredentialsProvider>,
}

/// The operations that have a rate of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Create,
    Describe,
    Update,
    Delete,
    ListResourceServers,
    ListClients,
}

/// Cognito's API for one user pool.
pub(super) struct Api {
    reach: Reach,
    client: OnceCell<Client>,
    queues: Mutex<HashMap<Operation, Queue>>,
}

impl Api {
    /// Connects to nothing yet.
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach, client: OnceCell::new(), queues: Mutex::default() }
    }

    pub(super) fn settings(&self) -> &CognitoSettings {
        &self.reach.settings
    }

    /// How long one call may take, all in all.
    pub(super) fn longest_call(&self) -> Duration {
        self.reach.timeout + BESIDE
    }

    pub(super) fn pool(&self) -> &str {
        &self.reach.settings.user_pool_id
    }

    /// The client as the pool describes it.
    pub(super) async fn describe(&self, client_id: &str, purpose: Purpose) -> Result<UserPoolClientType, Failure> {
        let client = self.client().await;
        let call = client.describe_user_pool_client().user_pool_id(self.pool()).client_id(client_id);
        let answer = self.call(Operation::Describe, purpose, call.send()).await?;
        answer.user_pool_client.ok_or_else(|| Failure::Broken("no client in the answer".to_owned()))
    }

    pub(super) async fn delete(&self, client_id: &str, purpose: Purpose) -> Result<(), Failure> {
        let client = self.client().await;
        let call = client.delete_user_pool_client().user_pool_id(self.pool()).client_id(client_id);
        self.call(Operation::Delete, purpose, call.send()).await.map(drop)
    }

    /// Waits for a slot of the operation, then makes the call.
    pub(super) async fn call<T, E>(
        &self,
        operation: Operation,
        purpose: Purpose,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let wait = self.slot(operation)?;
        if time_left().is_some_and(|left| left <= wait) {
            return Err(Failure::Unreachable(TOO_LATE.to_owned()));
        }
        tokio::time::sleep(wait).await;
        let (scheme, host, port) = self.address();
        let method = Method::POST;
        let facts =
            CallFacts { method: &method, purpose: purpose.as_str(), scheme, host: &host, port, path: Some("/") };
        let upstream = UpstreamCall::begin(&facts);
        let call = call.in_span(upstream.span().clone());
        let answered = match time_left() {
            Some(left) => tokio::time::timeout(left, call).await,
            None => Ok(call.await),
        };
        let Ok(result) = answered else {
            upstream.finish(Err("timeout"));
            return Err(Failure::TimedOut);
        };
        let status = |error: &SdkError<E, HttpResponse>| error.raw_response().map(|answer| answer.status().as_u16());
        let result = result.map_err(|error| (status(&error), Failure::of(&error)));
        upstream.finish(match &result {
            Ok(_) => Ok(StatusCode::OK),
            Err((Some(status), _)) => StatusCode::from_u16(*status).map_err(|_| "_OTHER"),
            Err((None, Failure::TimedOut)) => Err("timeout"),
            Err((None, Failure::Unreachable(_))) => Err("connect"),
            Err((None, _)) => Err("_OTHER"),
        });
        result.map_err(|(_, failure)| failure)
    }

    fn slot(&self, operation: Operation) -> Result<Duration, Failure> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(operation).or_insert_with(|| Queue::new(self.settings().requests_per_second));
        queue.slot(Instant::now(), PATIENCE).map_err(Failure::Throttled)
    }

    /// Made at the first call: the SDK looks for its configuration asynchronously.
    pub(super) async fn client(&self) -> &Client {
        self.client.get_or_init(|| self.make()).await
    }

    async fn make(&self) -> Client {
        let Reach { settings, timeout, trust, credentials } = &self.reach;
        let mut store = tls::TrustStore::default();
        if let Some(pem) = trust {
            store = store.with_pem_certificate(pem.clone());
        }
        let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let mut https = Builder::new().tls_provider(ring);
        match tls::TlsContext::builder().with_trust_store(store).build() {
            Ok(context) => https = https.tls_context(context),
            Err(error) => tracing::error!(%error, "the CAs for Cognito's API cannot be used; the system's are"),
        }
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT.min(*timeout))
            .read_timeout(*timeout)
            .operation_timeout(*timeout + CREDENTIAL)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(settings.region().to_owned()))
            .http_client(https.build_https())
            // What creates and what was perhaps done already is never repeated.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Some(credentials) = credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        let config = loader.load().await;
        let mut config = aws_sdk_cognitoidentityprovider::config::Builder::from(&config);
        if let Some(url) = &settings.endpoint_url {
            config = config.endpoint_url(url);
        }
        Client::from_conf(config.build())
    }

    /// For the span.
    fn address(&self) -> (Scheme, String, u16) {
        let url = self.settings().endpoint_url.as_deref().and_then(|url| url::Url::parse(url).ok());
        let Some(url) = url else {
            return (Scheme::Https, format!("cognito-idp.{}.amazonaws.com", self.settings().region()), 443);
        };
        let scheme = if url.scheme() == "http" { Scheme::Http } else { Scheme::Https };
        (scheme, url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default().unwrap_or_default())
    }
}
