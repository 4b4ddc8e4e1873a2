//! `/v1/requests`: requests to register as they were parsed, to try another configuration on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::on;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::operation::{Endpoint, Operation, Success, shape};
use super::request::{After, Id, Limit, Query, cut, page};
use crate::admin::problem::{Kind, Problem};
use crate::clock::Timestamp;
use crate::duration::DurationText;
use crate::store::{Cursor, RecordedRequest, RequestRecord};

/// A request that was kept. Holds no token and no secret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct KeptRequest {
    /// Its name: `request_id` in the answer, in logs and in traces.
    pub id: String,
    /// When (RFC 3339).
    pub at: String,
    /// What was asked, and what was decided.
    #[serde(flatten)]
    pub request: RecordedRequest,
}

/// A page of requests, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct KeptRequestList {
    /// The requests.
    pub requests: Vec<KeptRequest>,
    /// The `cursor` of the next page; none: this was the last.
    pub next: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only those of the time since then: `7d`, `12h`.
    since: Option<DurationText>,
    /// `next` of the page before.
    cursor: Option<After>,
    /// How many, at most; 50 unless it is said.
    limit: Option<Limit>,
}

impl From<RequestRecord> for KeptRequest {
    fn from(record: RequestRecord) -> Self {
        Self { id: record.id, at: record.at.to_string(), request: record.request }
    }
}

pub(super) fn operations() -> Vec<Operation> {
    let list = Operation::at(
        Endpoint::reading("listRequests", "/v1/requests"),
        "Requests that were kept to try other rules on, newest first",
        Success::Shown(shape::<KeptRequestList>()),
        |verb| on(verb, list),
    );
    let get = Operation::at(
        Endpoint::reading("getRequest", "/v1/requests/{id}"),
        "One of them, by its name or by its registration's",
        Success::Shown(shape::<KeptRequest>()),
        |verb| on(verb, get),
    );
    vec![list.with_query(shape::<Filter>()), get]
}

async fn list(State(api): State<Arc<Api>>, query: Query<Filter>) -> Result<Json<KeptRequestList>, Problem> {
    let Filter { since, cursor, limit } = query.0?;
    let (shown, page) = page(limit, cursor);
    let since = since.map(|DurationText(ago)| -> Timestamp { api.tools().clock.now().before(ago) });
    let mut records = api.tools().store.requests(since, &page).await?;
    let next = cut(&mut records, shown, |record| Cursor { at: record.at, id: record.id.clone() });
    Ok(Json(KeptRequestList { requests: records.into_iter().map(KeptRequest::from).collect(), next }))
}

async fn get(State(api): State<Arc<Api>>, Id(id): Id) -> Result<Json<KeptRequest>, Problem> {
    let found = api.tools().store.request(&id).await?;
    let unknown = || Problem::new(Kind::NotFound, format!("no request or registration {id:?} is kept (replay.keep)"));
    Ok(Json(found.ok_or_else(unknown)?.into()))
}
