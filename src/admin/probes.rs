//! `/metrics`, `/livez` and `/readyz`: for Prometheus and for probes. They change nothing and show nothing secret.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::health::{Health, Phase, Reload};
use crate::store::Store;
use crate::telemetry::Exposition;

/// How long the store may take to answer `/readyz`.
const STORE_DEADLINE: Duration = Duration::from_secs(2);

/// What the endpoints tell about.
#[derive(Clone)]
pub(super) struct Probes {
    pub(super) metrics: Exposition,
    pub(super) store: Arc<dyn Store>,
    /// Whether attempts are counted where the configuration says.
    pub(super) throttle: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Whether audit records go where the configuration says.
    pub(super) audit_export: Arc<dyn Fn() -> bool + Send + Sync>,
    pub(super) health: Arc<Health>,
}

pub(super) fn router(probes: Probes) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .with_state(probes)
}

async fn metrics(State(state): State<Probes>) -> Response {
    match state.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, Exposition::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What `/readyz` answers.
#[derive(Debug, Serialize)]
struct Readiness {
    status: Verdict,
    checks: Checks,
}

#[derive(Debug, Serialize)]
struct Checks {
    listeners: Verdict,
    store: Verdict,
    /// A Redis that does not count is a warning: the configuration says what happens then, and every replica would go at once.
    throttle: Verdict,
    /// A refused reload is a warning: the configuration in force works.
    configuration: Verdict,
    /// What broke off beside the requests is a warning: they are answered all the same.
    background: Verdict,
    /// A place that takes no audit records is a warning: they are in the store.
    audit_export: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warning,
    Failing,
}

async fn readyz(State(state): State<Probes>) -> Response {
    let listeners = match state.health.phase() {
        Phase::Serving => Verdict::Ok,
        Phase::Starting | Phase::Draining => Verdict::Failing,
    };
    let store = match tokio::time::timeout(STORE_DEADLINE, state.store.ping()).await {
        Ok(Ok(())) => Verdict::Ok,
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            Verdict::Failing
        }
        Err(_) => {
            tracing::warn!("not ready: the store does not answer");
            Verdict::Failing
        }
    };
    let throttle = if (state.throttle)() { Verdict::Ok } else { Verdict::Warning };
    let configuration = match state.health.last_reload() {
        Reload::None | Reload::Applied => Verdict::Ok,
        Reload::Refused => Verdict::Warning,
    };
    let background = if state.health.is_whole() { Verdict::Ok } else { Verdict::Warning };
    let audit_export = if (state.audit_export)() { Verdict::Ok } else { Verdict::Warning };
    let is_ready = listeners == Verdict::Ok && store == Verdict::Ok;
    let are_well = [throttle, configuration, background, audit_export].iter().all(|check| *check == Verdict::Ok);
    let (code, status) = match (is_ready, are_well) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, Verdict::Failing),
        (true, true) => (StatusCode::OK, Verdict::Ok),
        (true, false) => (StatusCode::OK, Verdict::Warning),
    };
    let checks = Checks { listeners, store, throttle, configuration, background, audit_export };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(Readiness { status, checks })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::settings::{StoreSettings, StoreUrl};
    use crate::store::sql::SqlStore;

    /// A store that was closed: whatever it is asked, it fails.
    async fn failing() -> Arc<dyn Store> {
        let directory = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(directory.path().join("gateway.db"));
        let store = SqlStore::open(&StoreSettings { url, ..StoreSettings::default() }).await.unwrap();
        store.close().await;
        Arc::new(store)
    }

    fn working() -> Arc<dyn Store> {
        Arc::new(MemoryStore::default())
    }

    fn state(store: Arc<dyn Store>, phase: Phase) -> Probes {
        let throttle = Arc::new(|| true);
        let audit_export = Arc::new(|| true);
        let metrics = Exposition::default();
        let state = Probes { metrics, store, throttle, audit_export, health: Arc::default() };
        state.health.enter(phase);
        state
    }

    async fn answer(state: Probes) -> (u16, serde_json::Value) {
        let response = readyz(State(state)).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn ready_means_listening_and_a_store_that_answers() {
        let checks = serde_json::json!({
            "listeners": "ok", "store": "ok", "throttle": "ok", "configuration": "ok", "background": "ok", "audit_export": "ok"
        });
        let ok = serde_json::json!({"status": "ok", "checks": checks});
        assert_eq!(answer(state(working(), Phase::Serving)).await, (200, ok));
        assert_eq!(answer(state(working(), Phase::Starting)).await.0, 503);
        assert_eq!(answer(state(working(), Phase::Draining)).await.0, 503);
        let (status, body) = answer(state(failing().await, Phase::Serving)).await;
        assert_eq!((status, body["checks"]["store"].as_str()), (503, Some("failing")));
        assert!(!body.to_string().contains("gateway.db"), "{body}");
    }

    #[tokio::test]
    async fn a_refused_reload_is_a_warning() {
        let state = state(working(), Phase::Serving);
        state.health.reloaded(Reload::Refused);
        let (status, body) = answer(state.clone()).await;
        assert_eq!((status, body["status"].as_str()), (200, Some("warning")));
        state.health.reloaded(Reload::Applied);
        assert_eq!(answer(state).await.1["status"], "ok");
    }

    #[tokio::test]
    async fn what_broke_off_beside_the_requests_is_a_warning() {
        let state = state(working(), Phase::Serving);
        state.health.broke_off();
        let (status, body) = answer(state).await;
        assert_eq!((status, body["status"].as_str()), (200, Some("warning")));
        assert_eq!(body["checks"]["background"], "warning");
    }

    #[tokio::test]
    async fn an_export_that_takes_no_audit_records_is_a_warning() {
        let state = Probes { audit_export: Arc::new(|| false), ..state(working(), Phase::Serving) };
        let (status, body) = answer(state).await;
        assert_eq!((status, body["status"].as_str()), (200, Some("warning")));
        assert_eq!(body["checks"]["audit_export"], "warning");
    }

    #[tokio::test]
    async fn a_throttle_that_cannot_count_is_a_warning() {
        let state = Probes { throttle: Arc::new(|| false), ..state(working(), Phase::Serving) };
        let (status, body) = answer(state.clone()).await;
        assert_eq!((status, body["status"].as_str()), (200, Some("warning")));
        assert_eq!(body["checks"]["throttle"], "warning");
        state.health.enter(Phase::Draining);
        assert_eq!(answer(state).await.0, 503);
    }
}
