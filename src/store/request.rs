//! Requests to register as they were parsed, the refused ones too: what another configuration can be tried on. Kept for a bounded time and
//! in a bounded number. No token, no secret, no key that is not public.

use std::net::IpAddr;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::StoreError;
use super::page::Page;
use crate::clock::Timestamp;
use crate::policy::CertificateIdentity;
use crate::policy::approval::ApprovalNeeded;

/// A request in the record.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRecord {
    /// Names the request in logs and in `X-Request-Id`.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// What was asked, and what was decided.
    pub request: RecordedRequest,
}

/// What was asked, by whom, and what was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedRequest {
    /// `admit`, `refuse` or `report_only`.
    pub decision: String,
    /// The stable name of the reason (`docs/errors.md`), or `admitted`, `repeated`.
    pub reason: String,
    /// The rules that it violated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<String>,
    /// The profile that applied.
    pub profile: Option<String>,
    /// Names the rules in force.
    pub policy_version: Option<String>,
    /// Whether the profile wanted an approval.
    #[serde(default)]
    pub approval: ApprovalNeeded,
    /// The registration in the record, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<String>,
    /// The client that came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The scopes that were granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_granted: Option<String>,
    /// The scopes that were withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_withheld: Option<String>,
    /// Who asked.
    pub registrant: RecordedRegistrant,
    /// The members of the request. What is, or may be, secret stands there as `(not kept)`.
    pub metadata: Map<String, Value>,
}

/// Who asked, as far as it was verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedRegistrant {
    /// Whom attempts and quotas count it for.
    pub key: String,
    /// The address it came from.
    pub address: IpAddr,
    /// Its client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateIdentity>,
    /// Its initial access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<RecordedToken>,
    /// Its software statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<RecordedStatement>,
}

/// A verified initial access token. Its text is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedToken {
    /// What it is called.
    pub label: String,
    /// The profile it was made for; none: every profile that takes tokens.
    pub profile: Option<String>,
}

/// A verified software statement: what it says of the software. The statement itself, which can be presented again, is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedStatement {
    /// Who vouches for the software.
    pub issuer: String,
    /// `software_id`.
    pub software_id: Option<String>,
    /// Its claims that are client metadata.
    pub metadata: Map<String, Value>,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestsKept {
    /// What is older is forgotten.
    pub since: Timestamp,
    /// So many at most; the newest.
    pub most: u32,
    /// So many refused ones among them: those who are refused do not displace what was admitted.
    pub most_refused: u32,
}

impl RecordedRequest {
    /// Nothing went to the authorization server.
    pub fn is_refused(&self) -> bool {
        self.decision == "refuse"
    }
}

/// The record of requests.
#[async_trait]
pub trait Requests: Send + Sync {
    /// Enters them together; no other of its moment may have the name of one.
    async fn keep_requests(&self, requests: Vec<RequestRecord>) -> Result<(), StoreError>;
    /// A page of them, newest first; none that is older than `since`.
    async fn requests(&self, since: Option<Timestamp>, page: &Page) -> Result<Vec<RequestRecord>, StoreError>;
    /// The one of this name, or of the registration of this name.
    async fn request(&self, id: &str) -> Result<Option<RequestRecord>, StoreError>;
    /// Forgets what is too old, then what is too much, the oldest first.
    async fn forget_requests(&self, kept: RequestsKept) -> Result<(), StoreError>;
}
