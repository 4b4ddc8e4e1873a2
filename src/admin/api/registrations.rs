//! `/v1/registrations`: the record of registrations, and what operators find out about those whose outcome is unknown.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::routing::on;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::client::{Registrant, Scopes};
use super::operation::{Body, Endpoint, Operation, Success, Verb, shape};
use super::request::{After, Id, JsonObject, Limit, Query, cut, page};
use crate::admin::caller::Caller;
use crate::admin::problem::{Kind, Problem};
use crate::admin::role::Role;
use crate::intake::resolve::Resolution;
use crate::registration::members::is_client_id;
use crate::store::{Cursor, OutcomeName, RegistrationFilter, RegistrationId, RegistrationRecord, TokenUse};

/// A registration in the record.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Registration {
    /// Its name.
    pub id: String,
    /// When it was asked for (RFC 3339).
    pub at: String,
    /// How it ended; none: it is under way.
    pub outcome: Option<OutcomeName>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Why no client came of it.
    pub reason: Option<String>,
    /// The operator who found out how it ended, where that was unknown.
    pub resolved_by: Option<String>,
    /// The client that came of it.
    pub client_id: Option<String>,
    /// The profile that admitted it.
    pub profile: String,
    /// Digest of the profile's rules.
    pub policy_version: String,
    /// Who asked.
    pub registrant: Registrant,
    /// The initial access token it used: its id here, or what its issuer calls it.
    pub token: Option<String>,
    /// `client_name`.
    pub client_name: Option<String>,
    /// The admitted redirect URIs.
    pub redirect_uris: Vec<String>,
    /// The scopes.
    pub scopes: Scopes,
    /// The rules that it violated and that only reported it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub let_through: Vec<String>,
}

/// A page of registrations, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RegistrationList {
    /// The registrations.
    pub registrations: Vec<Registration>,
    /// The `cursor` of the next page; none: this was the last.
    pub next: Option<String>,
}

/// What became of a registration whose outcome is unknown, as somebody found out at the authorization server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Resolve {
    /// The server has the client.
    Registered {
        /// Its `client_id` there.
        client_id: String,
    },
    /// The server has no such client: the use of the token and the quotas are given back.
    NotRegistered,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only those that ended so.
    outcome: Option<OutcomeName>,
    /// Only those of this profile.
    profile: Option<String>,
    /// Only those that led to this client.
    client_id: Option<String>,
    /// `next` of the page before.
    cursor: Option<After>,
    /// How many, at most; 50 unless it is said.
    limit: Option<Limit>,
}

impl From<RegistrationRecord> for Registration {
    fn from(record: RegistrationRecord) -> Self {
        let RegistrationRecord { intent, outcome, client_id, reason, finished_at, resolved_by } = record;
        Self {
            id: intent.id.0,
            at: intent.at.to_string(),
            outcome,
            finished_at: finished_at.map(|at| at.to_string()),
            reason,
            resolved_by,
            client_id,
            profile: intent.profile,
            policy_version: intent.policy_version,
            registrant: intent.registrant.into(),
            token: intent.token.map(|token| match token {
                TokenUse::Issued(id) => id.0,
                TokenUse::Once { issuer, id, .. } => format!("{id} of {issuer}"),
            }),
            client_name: intent.client_name,
            redirect_uris: intent.redirect_uris,
            scopes: Scopes {
                requested: intent.scope_requested,
                granted: intent.scope_granted,
                withheld: intent.scope_withheld,
                approved: String::new(),
                added: String::new(),
            },
            let_through: intent.let_through,
        }
    }
}

pub(super) fn operations() -> Vec<Operation> {
    let list = Operation::at(
        Endpoint::reading("listRegistrations", "/v1/registrations"),
        "The registrations, newest first",
        Success::Shown(shape::<RegistrationList>()),
        |verb| on(verb, list),
    );
    let get = Operation::at(
        Endpoint::reading("getRegistration", "/v1/registrations/{id}"),
        "One registration",
        Success::Shown(shape::<Registration>()),
        |verb| on(verb, get),
    );
    let resolve = Operation::at(
        Endpoint::changing("resolveRegistration", Verb::Post, "/v1/registrations/{id}/resolve", Role::Administrator),
        "Writes down what became of a registration whose outcome is unknown",
        Success::Shown(shape::<Registration>()),
        |verb| on(verb, resolve),
    );
    vec![list.with_query(shape::<Filter>()), get, resolve.with_body(Body::Required(shape::<Resolve>()))]
}

async fn list(State(api): State<Arc<Api>>, query: Query<Filter>) -> Result<Json<RegistrationList>, Problem> {
    let Filter { outcome, profile, client_id, cursor, limit } = query.0?;
    let (shown, page) = page(limit, cursor);
    let filter = RegistrationFilter { outcome, profile, client_id };
    let mut records = api.tools().store.registrations(&filter, &page).await?;
    let next = cut(&mut records, shown, |record| Cursor { at: record.intent.at, id: record.intent.id.0.clone() });
    Ok(Json(RegistrationList { registrations: records.into_iter().map(Registration::from).collect(), next }))
}

async fn get(State(api): State<Arc<Api>>, Id(id): Id) -> Result<Json<Registration>, Problem> {
    let found = api.tools().store.registration(&RegistrationId(id.clone())).await?;
    let unknown = || Problem::new(Kind::NotFound, format!("there is no registration {id:?} in the record"));
    Ok(Json(found.ok_or_else(unknown)?.into()))
}

async fn resolve(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    JsonObject(found): JsonObject<Resolve>,
) -> Result<Json<Registration>, Problem> {
    let resolution = match found {
        Resolve::Registered { client_id } if is_client_id(&client_id) => Resolution::Registered { client_id },
        Resolve::Registered { .. } => {
            let detail =
                "client_id: write what the authorization server calls the client: not empty, no control characters";
            return Err(Problem::new(Kind::RequestInvalid, detail));
        }
        Resolve::NotRegistered => Resolution::NotRegistered,
    };
    Ok(Json(api.intake.resolve(RegistrationId(id), resolution, &caller.name).await?.into()))
}
