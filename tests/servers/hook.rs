//! A receiver of webhooks: remembers what it was sent, and answers what it is told to, when it is told to.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long anything may take on a busy machine before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
    /// What was answered.
    pub status: StatusCode,
}

impl Sent {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The notices of a webhook.
    pub fn notices(&self) -> Vec<Value> {
        self.json()["data"]["notices"].as_array().cloned().unwrap_or_default()
    }
}

/// What it answers: none, nothing before it is told.
type Answer = Option<StatusCode>;

#[derive(Clone)]
pub struct Hook {
    pub address: SocketAddr,
    sent: Arc<Mutex<Vec<Sent>>>,
    /// Counts what has arrived, answered or not.
    arrived: Arc<watch::Sender<usize>>,
    answered: Arc<watch::Sender<usize>>,
    answers: Arc<watch::Sender<Answer>>,
}

impl Hook {
    /// One that answers with this status.
    pub async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook = Self {
            address: listener.local_addr().unwrap(),
            sent: Arc::default(),
            arrived: Arc::new(watch::Sender::new(0)),
            answered: Arc::new(watch::Sender::new(0)),
            answers: Arc::new(watch::Sender::new(Some(StatusCode::from_u16(status).unwrap()))),
        };
        let serving = hook.clone();
        let router = axum::Router::new().fallback(move |request: Request<Body>| {
            let hook = serving.clone();
            // A sender that is killed meanwhile has sent it all the same.
            let taking = tokio::spawn(async move { hook.take(request).await });
            async move { taking.await.unwrap() }
        });
        tokio::spawn(axum::serve(listener, router).into_future());
        hook
    }

    async fn take(&self, request: Request<Body>) -> StatusCode {
        let (parts, body) = request.into_parts();
        let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        self.arrived.send_modify(|count| *count += 1);
        let mut answers = self.answers.subscribe();
        let status = answers.wait_for(Option::is_some).await.map(|answer| *answer).ok().flatten();
        let status = status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let path = parts.uri.path().to_owned();
        self.sent.lock().unwrap().push(Sent { path, headers: parts.headers, body, status });
        self.answered.send_modify(|count| *count += 1);
        status
    }

    /// From now on it answers this.
    pub fn answer(&self, status: u16) {
        self.answers.send_replace(Some(StatusCode::from_u16(status).unwrap()));
    }

    /// From now on it answers nothing.
    pub fn hold(&self) {
        self.answers.send_replace(None);
    }

    /// Everything that it has answered.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// What it has said yes to.
    pub fn taken(&self) -> Vec<Sent> {
        self.sent().into_iter().filter(|sent| sent.status.is_success()).collect()
    }

    /// Waits until so many requests have arrived, answered or not.
    pub async fn until_arrived(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        let waited = tokio::time::timeout(PATIENCE, arrived.wait_for(|arrived| *arrived >= count)).await;
        waited.unwrap_or_else(|_| panic!("{count} never arrived")).unwrap();
    }

    /// Waits until what it was sent fits.
    pub async fn until(&self, fits: impl Fn(&[Sent]) -> bool) -> Vec<Sent> {
        let mut answered = self.answered.subscribe();
        let waited = tokio::time::timeout(PATIENCE, answered.wait_for(|_| fits(&self.sent()))).await;
        if waited.is_err() {
            panic!("never; what came: {:#?}", self.sent());
        }
        self.sent()
    }

    /// Waits until it has said yes so often.
    pub async fn until_taken(&self, count: usize) -> Vec<Sent> {
        let has = |sent: &[Sent]| sent.iter().filter(|sent| sent.status.is_success()).count() >= count;
        self.until(has).await;
        self.taken()
    }
}
