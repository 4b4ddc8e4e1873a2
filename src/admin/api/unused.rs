//! `/v1/unused-clients`: the clients that nobody ever used, and their removal.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::on;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::operation::{Endpoint, Operation, Success, Verb, shape};
use crate::admin::problem::{Kind, Problem};
use crate::admin::role::Role;
use crate::duration::DurationText;
use crate::intake::{NotExpired, Report};
use crate::store::ClientRecord;

/// The clients that were never used, and for too long.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UnusedClients {
    /// Since when uses are watched (RFC 3339): who was registered before does not expire. None: uses cannot be known, and nothing expires.
    pub watched_since: Option<String>,
    /// Not one use of any client was seen since then, so nothing expires: what is watched may not be where clients go.
    pub no_use_was_seen: bool,
    /// Up to when the authorization server's events were read (RFC 3339); none: they are not, or never were yet.
    #[serde(default)]
    pub events_read_to: Option<String>,
    /// They are to be read and were not for too long, so nothing expires.
    #[serde(default)]
    pub events_are_behind: bool,
    /// Those that are due, at most a hundred of each profile, the oldest first.
    pub clients: Vec<UnusedClient>,
}

/// A client that was never used.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UnusedClient {
    /// Its `client_id`.
    pub client_id: String,
    /// `client_name`.
    pub client_name: Option<String>,
    /// The profile that admitted it.
    pub profile: String,
    /// When it was registered (RFC 3339).
    pub created_at: String,
    /// How long its profile lets it be unused.
    pub expires_after: String,
}

/// The clients that were removed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExpiredClients {
    /// Their `client_id`.
    pub expired: Vec<String>,
}

impl From<Report> for UnusedClients {
    fn from(report: Report) -> Self {
        let Report { watched_since, no_use_was_seen, events_read_to, events_are_behind, due } = report;
        let shown = |(client, after): (ClientRecord, std::time::Duration)| UnusedClient {
            client_id: client.client_id,
            client_name: client.client_name,
            profile: client.profile,
            created_at: client.created_at.to_string(),
            expires_after: DurationText(after).to_string(),
        };
        let watched_since = watched_since.map(|since| since.to_string());
        let events_read_to = events_read_to.map(|at| at.to_string());
        let clients = due.into_iter().map(shown).collect();
        Self { watched_since, no_use_was_seen, events_read_to, events_are_behind, clients }
    }
}

impl From<NotExpired> for Problem {
    fn from(not_expired: NotExpired) -> Self {
        match not_expired {
            NotExpired::Store(error) => error.into(),
            NotExpired::NotWatched | NotExpired::NoUseSeen | NotExpired::EventsBehind => {
                Self::new(Kind::Conflict, not_expired.to_string())
            }
        }
    }
}

pub(super) fn operations() -> Vec<Operation> {
    let list = Operation::at(
        Endpoint::reading("listUnusedClients", "/v1/unused-clients"),
        "The clients that nobody used for too long",
        Success::Shown(shape::<UnusedClients>()),
        |verb| on(verb, list),
    );
    let expire = Operation::at(
        Endpoint::changing("expireUnusedClients", Verb::Post, "/v1/unused-clients/expire", Role::Administrator),
        "Removes them at the authorization server; the record stays",
        Success::Shown(shape::<ExpiredClients>()),
        |verb| on(verb, expire),
    );
    vec![list, expire]
}

async fn list(State(api): State<Arc<Api>>) -> Result<Json<UnusedClients>, Problem> {
    Ok(Json(api.intake.unused_clients().await?.into()))
}

async fn expire(State(api): State<Arc<Api>>) -> Result<Json<ExpiredClients>, Problem> {
    let expired = api.intake.expire_unused().await?;
    Ok(Json(ExpiredClients { expired: expired.into_iter().map(|client| client.client_id).collect() }))
}
