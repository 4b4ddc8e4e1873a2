//! `/v1/clients`: the record of clients, and what operators do to them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Extension, FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use axum::routing::on;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::Api;
use super::client::Client;
use super::operation::{Body, Endpoint, Operation, Success, Verb, shape};
use super::request::{After, Id, JsonObject, Limit, Query, Tag, Versions, check_text, cut, page, versioned};
use crate::admin::caller::Caller;
use crate::admin::problem::{Kind, Problem};
use crate::admin::role::Role;
use crate::intake::{Change, Instruction};
use crate::lifecycle::State as LifecycleState;
use crate::registration::ScopeSet;
use crate::store::{ClientFilter, Cursor};

/// A page of clients, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ClientList {
    /// The clients.
    pub clients: Vec<Client>,
    /// The `cursor` of the next page; none: this was the last.
    pub next: Option<String>,
}

/// Why an operator does it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comment {
    /// For those who come after.
    pub comment: Option<String>,
}

/// Why an operator deletes a client, and whether there is something to delete.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Deleting {
    /// For those who come after.
    comment: Option<String>,
    /// The authorization server no longer has it: where the gateway cannot delete it there itself, its record ends all the same.
    #[serde(default, deserialize_with = "truth")]
    gone: bool,
}

/// `true` or `false` in a query, where everything is a text.
fn truth<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    String::deserialize(value)?.parse().map_err(D::Error::custom)
}

/// What an operator grants.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Granting {
    /// These scopes only, separated by spaces; none named: all that is withheld from the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<String>,
    /// For those who come after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only those in this state.
    state: Option<LifecycleState>,
    /// Only those of this profile.
    profile: Option<String>,
    /// `next` of the page before.
    cursor: Option<After>,
    /// How many, at most; 50 unless it is said.
    limit: Option<Limit>,
}

pub(super) fn operations() -> Vec<Operation> {
    let list = Operation::at(
        Endpoint::reading("listClients", "/v1/clients"),
        "The clients, newest first",
        Success::Shown(shape::<ClientList>()),
        |verb| on(verb, list),
    );
    let get = Operation::at(
        Endpoint::reading("getClient", "/v1/clients/{client_id}"),
        "One client",
        Success::Versioned(shape::<Client>()),
        |verb| on(verb, get),
    );
    let mut all = vec![list.with_query(shape::<Filter>()), get];
    all.extend(changes().into_iter().map(|change| Operation { needs_version: true, ..change }));
    all
}

/// What is done to a client: to the version of it that somebody looked at.
fn changes() -> [Operation; 6] {
    let changed = || Success::Versioned(shape::<Client>());
    let (with_comment, granting) = (|| Body::Optional(shape::<Comment>()), || Body::Optional(shape::<Granting>()));
    let approve = Operation::at(
        Endpoint::changing("approveClient", Verb::Post, "/v1/clients/{client_id}/approve", Role::Approver),
        APPROVES,
        changed(),
        |verb| on(verb, approve),
    );
    let reject = Operation::at(
        Endpoint::changing("rejectClient", Verb::Post, "/v1/clients/{client_id}/reject", Role::Approver),
        REJECTS,
        changed(),
        |verb| on(verb, reject),
    );
    let elevate = Operation::at(
        Endpoint::changing("elevateClient", Verb::Post, "/v1/clients/{client_id}/elevate", Role::Approver),
        ELEVATES,
        changed(),
        |verb| on(verb, elevate),
    );
    let suspend = Operation::at(
        Endpoint::changing("suspendClient", Verb::Post, "/v1/clients/{client_id}/suspend", Role::Approver),
        "Suspends a client: it cannot be used, managed or handed out again",
        changed(),
        |verb| on(verb, suspend),
    );
    let resume = Operation::at(
        Endpoint::changing("resumeClient", Verb::Post, "/v1/clients/{client_id}/resume", Role::Approver),
        "Gives back what a suspension took",
        changed(),
        |verb| on(verb, resume),
    );
    let delete = Operation::at(
        Endpoint::changing("deleteClient", Verb::Delete, "/v1/clients/{client_id}", Role::Administrator),
        "Deletes a client at the authorization server, or lifts its rejection; the record stays",
        changed(),
        |verb| on(verb, delete),
    );
    [
        approve.with_body(granting()),
        reject.with_body(with_comment()),
        elevate.with_body(granting()),
        suspend.with_body(with_comment()),
        resume.with_body(with_comment()),
        delete.with_query(shape::<Deleting>()),
    ]
}

const APPROVES: &str = "Approves a pending client: it gets the scopes that are withheld, or these of them; or makes the change an active one asked for";
const REJECTS: &str = "Rejects a pending client: it is removed, and the same request is refused; or refuses the change an active one asked for";
const ELEVATES: &str =
    "Grants an active client more scopes: those that are withheld, or these that its profile can grant";

async fn list(State(api): State<Arc<Api>>, query: Query<Filter>) -> Result<Json<ClientList>, Problem> {
    let Filter { state, profile, cursor, limit } = query.0?;
    let (shown, page) = page(limit, cursor);
    let mut clients = api.tools().store.clients(&ClientFilter { state, profile }, &page).await?;
    let next = cut(&mut clients, shown, |client| Cursor { at: client.created_at, id: client.client_id.clone() });
    let without_metadata = |record| Client { metadata: None, ..Client::from(record) };
    Ok(Json(ClientList { clients: clients.into_iter().map(without_metadata).collect(), next }))
}

async fn get(State(api): State<Arc<Api>>, Id(client_id): Id, headers: HeaderMap) -> Result<Response, Problem> {
    let found = api.tools().store.client(&client_id).await?;
    let record = found.ok_or_else(|| unknown(&client_id))?;
    let has_already = Versions::has_already(&headers, record.version);
    let mut response = versioned(record.version, &Client::from(record));
    if has_already {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_TYPE);
        *response.body_mut() = HttpBody::empty();
    }
    Ok(response)
}

pub(super) fn unknown(client_id: &str) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no client {client_id:?} in the record"))
}

/// A change of a client as it is asked for, but for what it is.
struct Changing {
    api: Arc<Api>,
    caller: Caller,
    client_id: String,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<Api>> for Changing {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Response> {
        let caller = Extension::<Caller>::from_request_parts(parts, api).await;
        let Extension(caller) = caller.map_err(IntoResponse::into_response)?;
        let Id(client_id) = Id::from_request_parts(parts, api).await.map_err(IntoResponse::into_response)?;
        Ok(Self { api: api.clone(), caller, client_id, headers: parts.headers.clone() })
    }
}

async fn approve(changing: Changing, body: Option<JsonObject<Granting>>) -> Result<Response, Problem> {
    let (scopes, comment) = granting(body)?;
    changing.make(Change::Approve { scopes }, comment).await
}

async fn elevate(changing: Changing, body: Option<JsonObject<Granting>>) -> Result<Response, Problem> {
    let (scopes, comment) = granting(body)?;
    changing.make(Change::Elevate { scopes }, comment).await
}

async fn reject(changing: Changing, body: Option<JsonObject<Comment>>) -> Result<Response, Problem> {
    changing.make(Change::Reject, comment(body)).await
}

fn granting(body: Option<JsonObject<Granting>>) -> Result<(Option<ScopeSet>, Comment), Problem> {
    let Granting { scopes, comment } = body.map(|JsonObject(granting)| granting).unwrap_or_default();
    let parse =
        |text: &str| ScopeSet::parse(text).map_err(|error| Problem::new(Kind::RequestInvalid, error.to_string()));
    Ok((scopes.as_deref().map(parse).transpose()?, Comment { comment }))
}

async fn suspend(changing: Changing, body: Option<JsonObject<Comment>>) -> Result<Response, Problem> {
    changing.make(Change::Suspend, comment(body)).await
}

async fn resume(changing: Changing, body: Option<JsonObject<Comment>>) -> Result<Response, Problem> {
    changing.make(Change::Resume, comment(body)).await
}

async fn delete(changing: Changing, query: Query<Deleting>) -> Result<Response, Problem> {
    let Deleting { comment, gone: is_gone } = query.0?;
    changing.make(Change::Delete { is_gone }, Comment { comment }).await
}

fn comment(body: Option<JsonObject<Comment>>) -> Comment {
    body.map(|JsonObject(comment)| comment).unwrap_or_default()
}

/// What no client's version is: the condition does not hold.
const NO_VERSION: i64 = -1;

impl Changing {
    async fn make(self, change: Change, Comment { comment }: Comment) -> Result<Response, Problem> {
        let Self { api, caller, client_id, headers } = self;
        check_text("comment", comment.as_deref())?;
        let version = match Versions::to_change(&headers)? {
            Versions::Any => None,
            Versions::Of(tags) => Some(match tags.as_slice() {
                [Tag { version, .. }] => version.unwrap_or(NO_VERSION),
                several => {
                    let record = api.tools().store.client(&client_id).await?.ok_or_else(|| unknown(&client_id))?;
                    let is_named = several.iter().any(|tag| tag.version == Some(record.version));
                    if is_named { record.version } else { NO_VERSION }
                }
            }),
        };
        let actor = caller.name;
        let instruction = Instruction { client_id, change, version, actor, comment, response: None };
        let record = api.intake.change_client(instruction).await?;
        Ok(versioned(record.version, &Client::from(record)))
    }
}
