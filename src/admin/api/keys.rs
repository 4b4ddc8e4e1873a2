//! `/v1/keys`: which key the gateway encrypts with, so that a rotation knows when it was heard. Never a key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::on;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::operation::{Endpoint, Operation, Success, shape};

/// The key in use.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CurrentKey {
    /// The name of the key that new secrets are encrypted with; says nothing about the key itself.
    pub current: String,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![Operation::at(
        Endpoint::reading("getCurrentKey", "/v1/keys"),
        "The name of the key that new secrets are encrypted with",
        Success::Shown(shape::<CurrentKey>()),
        |verb| on(verb, current),
    )]
}

async fn current(State(api): State<Arc<Api>>) -> Json<CurrentKey> {
    Json(CurrentKey { current: api.intake.current_key() })
}
