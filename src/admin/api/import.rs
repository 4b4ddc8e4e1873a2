//! `/v1/import`: the clients that the authorization server has, and those of them that operators take into the record.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::routing::on;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::operation::{Body, Endpoint, Operation, Success, Verb, shape};
use super::request::{JsonObject, Query, check_text};
use crate::admin::caller::Caller;
use crate::admin::problem::{Kind, Problem};
use crate::admin::role::Role;
use crate::intake::import::{Existing, Imported, Importing, Origin, Which};
use crate::lifecycle::State as LifecycleState;
use crate::registration::json;

/// How many are taken with one request.
const MOST_AT_ONCE: usize = 50;

/// A page of the authorization server's clients, in its own order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExistingClients {
    /// The clients.
    pub clients: Vec<ExistingClient>,
    /// The `cursor` of the next page, in the server's words; none: this was the last.
    pub next: Option<String>,
}

/// A client as the authorization server has it, and what the record and the rules say of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExistingClient {
    /// Its `client_id`.
    pub client_id: String,
    /// `client_name`.
    pub client_name: Option<String>,
    /// Its redirect URIs, in the server's terms.
    pub redirect_uris: Vec<String>,
    /// The scopes that it may ask for, separated by spaces.
    pub scope: String,
    /// When it was made (RFC 3339), where the server tells.
    pub created_at: Option<String>,
    /// Whether it may be used at the server.
    pub enabled: bool,
    /// How it looks as if it came there; `server` is never taken.
    pub origin: Origin,
    /// Its state in the record; none: the record does not have it.
    pub state: Option<LifecycleState>,
    /// What of it the profile that was named would refuse, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<String>,
}

/// Which clients are to be taken into the record.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// Their `client_id`, in bounded number: each is asked for at the server.
    #[schemars(length(min = 1, max = MOST_AT_ONCE))]
    pub client_ids: Vec<String>,
    /// The profile by which they are judged from now on.
    pub profile: String,
    /// Why, for those who come after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What became of each.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ImportedClients {
    /// In the order in which they were named.
    pub clients: Vec<ImportedClient>,
}

/// What became of one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ImportedClient {
    /// Its `client_id`.
    pub client_id: String,
    /// What became of it.
    pub result: ResultOfImport,
    /// Its state in the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<LifecycleState>,
    /// What of it the profile would refuse; it was taken all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of a client that was to be taken into the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResultOfImport {
    /// It is in the record now.
    Imported,
    /// It was there already, and stays as it is.
    Known,
    /// The authorization server has no such client.
    NotThere,
    /// It is the authorization server's own, or the gateway's.
    ServersOwn,
    /// The authorization server could not be asked about it; nothing was written. Those behind it were not tried.
    Failed,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only the one of this name.
    client_id: Option<String>,
    /// Judge each by this profile's rules.
    profile: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl From<Existing> for ExistingClient {
    fn from(Existing { client, known, violations }: Existing) -> Self {
        let text = |name: &str| json::text_of(&client.metadata, name);
        Self {
            client_name: text("client_name").map(str::to_owned),
            redirect_uris: json::texts_of(&client.metadata, "redirect_uris").map(str::to_owned).collect(),
            scope: text("scope").unwrap_or_default().to_owned(),
            created_at: client.created_at.map(|at| at.to_string()),
            enabled: client.is_enabled,
            origin: client.origin,
            state: known,
            violations,
            client_id: client.client_id,
        }
    }
}

pub(super) fn operations() -> Vec<Operation> {
    let list = Operation::at(
        Endpoint::reading("listExistingClients", "/v1/import"),
        "The clients that the authorization server has, whoever registered them; it is asked",
        Success::Shown(shape::<ExistingClients>()),
        |verb| on(verb, list),
    );
    let summary = "Takes clients that were there before into the record; the authorization server is told nothing";
    let import = Operation::at(
        Endpoint::changing("importClients", Verb::Post, "/v1/import", Role::Administrator),
        summary,
        Success::Shown(shape::<ImportedClients>()),
        |verb| on(verb, import),
    );
    vec![list.with_query(shape::<Filter>()), import.with_body(Body::Required(shape::<Import>()))]
}

async fn list(State(api): State<Arc<Api>>, query: Query<Filter>) -> Result<Json<ExistingClients>, Problem> {
    let Filter { client_id, profile, cursor } = query.0?;
    let which = match &client_id {
        Some(client_id) => Which::Named(client_id),
        None => Which::Page(cursor.as_deref()),
    };
    let (clients, next) = api.intake.existing_clients(which, profile.as_deref()).await?;
    Ok(Json(ExistingClients { clients: clients.into_iter().map(ExistingClient::from).collect(), next }))
}

async fn import(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    JsonObject(wanted): JsonObject<Import>,
) -> Result<Json<ImportedClients>, Problem> {
    let Import { client_ids, profile, comment } = wanted;
    check_text("comment", comment.as_deref())?;
    if client_ids.is_empty() || client_ids.len() > MOST_AT_ONCE {
        let detail = format!("client_ids: from 1 to {MOST_AT_ONCE} of them");
        return Err(Problem::new(Kind::RequestInvalid, detail));
    }
    let mut clients = Vec::with_capacity(client_ids.len());
    for client_id in client_ids {
        let importing = Importing {
            client_id: client_id.clone(),
            profile: profile.clone(),
            actor: caller.name.clone(),
            comment: comment.clone(),
        };
        match api.intake.import(importing).await {
            Ok(imported) => clients.push(result(client_id, imported)),
            // What was taken before it is told: it is in the record.
            Err(error) if !clients.is_empty() => {
                let (result, reason) = (ResultOfImport::Failed, Some(error.to_string()));
                clients.push(ImportedClient { client_id, result, state: None, violations: Vec::new(), reason });
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(ImportedClients { clients }))
}

fn result(client_id: String, imported: Imported) -> ImportedClient {
    let (result, state, violations) = match imported {
        Imported::Taken { state, violations } => (ResultOfImport::Imported, Some(state), violations),
        Imported::Known(state) => (ResultOfImport::Known, Some(state), Vec::new()),
        Imported::NotThere => (ResultOfImport::NotThere, None, Vec::new()),
        Imported::TheServersOwn => (ResultOfImport::ServersOwn, None, Vec::new()),
    };
    ImportedClient { client_id, result, state, violations, reason: None }
}
