//! `/v1/audit`: the record of what happened, newest first, and what vouches for it. It is read here, never changed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::on;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Api;
use super::operation::{Endpoint, Operation, Success, shape};
use super::request::{After, Limit, Query, cut, page};
use crate::admin::problem::{Kind, Problem};
use crate::audit::line::record_line;
use crate::clock::Timestamp;
use crate::store::{AuditFilter, AuditRecord, Chain, SignedHead, StoreError, WriterId};

/// A page of records, newest first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditRecordList {
    /// The records as exports write them: `writer`, `sequence`, `at` (milliseconds since the epoch), `previous`, `hash`, `event`.
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    pub records: Vec<Box<RawValue>>,
    /// The `cursor` of the next page; none: this was the last.
    pub next: Option<String>,
}

/// One chain, and what vouches for it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AuditChain {
    /// Names the process that wrote it.
    pub writer: String,
    /// The last head that was stated: `writer`, `sequence`, `hash`, `at`, `key`, `signature`.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub head: Option<SignedHead>,
    /// The last record that retention took away, in the same form.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub cut: Option<SignedHead>,
}

/// All chains.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AuditChainList {
    /// The chains.
    pub chains: Vec<AuditChain>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Not before this moment, in milliseconds since the epoch.
    since: Option<Moment>,
    /// Before this moment.
    until: Option<Moment>,
    /// Of this chain.
    writer: Option<String>,
    /// `next` of the page before.
    cursor: Option<After>,
    /// How many, at most; 50 unless it is said.
    limit: Option<Limit>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
struct Moment(#[schemars(with = "String", regex(pattern = "^[0-9]+$"))] Timestamp);

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let millis = text.parse().map_err(|_| format!("{text:?} is no number of milliseconds since the epoch"))?;
        Ok(Self(Timestamp::from_unix_millis(millis)))
    }
}

pub(super) fn operations() -> Vec<Operation> {
    let records = Operation::at(
        Endpoint::reading("listAuditRecords", "/v1/audit"),
        "What happened, newest first",
        Success::Shown(shape::<AuditRecordList>()),
        |verb| on(verb, records),
    );
    let chains = Operation::at(
        Endpoint::reading("listAuditChains", "/v1/audit/chains"),
        "The chains of the audit log, and what vouches for them",
        Success::Shown(shape::<AuditChainList>()),
        |verb| on(verb, chains),
    );
    vec![records.with_query(shape::<Filter>()), chains]
}

async fn records(State(api): State<Arc<Api>>, query: Query<Filter>) -> Result<Json<AuditRecordList>, Problem> {
    let Filter { since, until, writer, cursor, limit } = query.0?;
    let (shown, page) = page(limit, cursor);
    if page.after.as_ref().is_some_and(|after| !AuditRecord::is_cursor(after)) {
        return Err(Problem::new(Kind::RequestInvalid, "cursor: take the one an earlier page ended with"));
    }
    let moment = |moment: Option<Moment>| moment.map(|Moment(at)| at);
    let filter = AuditFilter { since: moment(since), until: moment(until), writer: writer.map(WriterId) };
    let mut records = api.tools().store.records(&filter, page.after.as_ref(), page.limit).await?;
    let next = cut(&mut records, shown, AuditRecord::cursor);
    let line = |record: &AuditRecord| record_line(record).and_then(RawValue::from_string);
    let records = records.iter().map(line).collect::<Result<_, _>>().map_err(|error| StoreError(error.into()))?;
    Ok(Json(AuditRecordList { records, next }))
}

async fn chains(State(api): State<Arc<Api>>) -> Result<Json<AuditChainList>, Problem> {
    let chains = api.tools().store.chains().await?;
    let shown = |chain: Chain| {
        let Chain { writer, mut heads, cut } = chain;
        AuditChain { writer: writer.0, head: heads.pop(), cut }
    };
    Ok(Json(AuditChainList { chains: chains.into_iter().map(shown).collect() }))
}
