//! `/v1/findings`: what detectors of anomalies found.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::on;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::operation::{Endpoint, Operation, Success, shape};
use super::request::{After, Limit, Query, cut, page};
use crate::admin::problem::Problem;
use crate::anomaly::DetectorName;
use crate::anomaly::finding::Evidence;
use crate::store::{Cursor, FindingFilter, FindingRecord};

/// What a detector found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its name.
    pub id: String,
    /// When (RFC 3339).
    pub at: String,
    /// Which detector.
    pub detector: String,
    /// What was to become of it: `report`.
    pub mode: String,
    /// Whom it is about.
    pub subject: FindingSubject,
    /// How far over its threshold: 0.5 just at it, towards 1 far over it.
    pub score: f64,
    /// The numbers it rests on.
    pub evidence: Vec<Evidence>,
    /// What happened.
    pub sentence: String,
    /// The request that was the last straw.
    pub request_id: Option<String>,
}

/// Whom a finding is about.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FindingSubject {
    /// `network`, `client`, `redirect_host`, …
    pub kind: String,
    /// Which one; empty where there is only one of the kind.
    pub name: String,
}

/// A page of findings, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FindingList {
    /// The findings.
    pub findings: Vec<Finding>,
    /// The `cursor` of the next page; none: this was the last.
    pub next: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only those of this detector.
    detector: Option<DetectorName>,
    /// `next` of the page before.
    cursor: Option<After>,
    /// How many, at most; 50 unless it is said.
    limit: Option<Limit>,
}

impl From<FindingRecord> for Finding {
    fn from(record: FindingRecord) -> Self {
        Self {
            id: record.id,
            at: record.at.to_string(),
            detector: record.detector,
            mode: record.mode,
            subject: FindingSubject { kind: record.subject_kind, name: record.subject },
            score: f64::from(record.score) / 100.0,
            evidence: serde_json::from_str(&record.evidence).unwrap_or_default(),
            sentence: record.sentence,
            request_id: record.request_id,
        }
    }
}

pub(super) fn operations() -> Vec<Operation> {
    let list = Operation::at(
        Endpoint::reading("listFindings", "/v1/findings"),
        "What detectors of anomalies found, newest first",
        Success::Shown(shape::<FindingList>()),
        |verb| on(verb, list),
    );
    vec![list.with_query(shape::<Filter>())]
}

async fn list(State(api): State<Arc<Api>>, query: Query<Filter>) -> Result<Json<FindingList>, Problem> {
    let Filter { detector, cursor, limit } = query.0?;
    let (shown, page) = page(limit, cursor);
    let filter = FindingFilter { detector: detector.map(|detector| detector.as_str().to_owned()) };
    let mut records = api.tools().store.findings(&filter, &page).await?;
    let next = cut(&mut records, shown, |record| Cursor { at: record.at, id: record.id.clone() });
    Ok(Json(FindingList { findings: records.into_iter().map(Finding::from).collect(), next }))
}
