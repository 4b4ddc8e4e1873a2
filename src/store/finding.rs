//! What detectors of anomalies found, kept for operators.

use std::time::Duration;

use async_trait::async_trait;

use super::page::Page;
use super::{StoreError, Telling};
use crate::clock::Timestamp;

/// How long a finding is kept.
pub const FINDINGS_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A finding in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingRecord {
    /// Its name.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Which detector, by its stable name.
    pub detector: String,
    /// What was to become of it.
    pub mode: String,
    /// What it is about: `network`, `client`, …
    pub subject_kind: String,
    /// Which one; empty where there is only one of the kind.
    pub subject: String,
    /// In hundredths, 0 to 100.
    pub score: u8,
    /// The numbers it rests on, by name, as JSON.
    pub evidence: String,
    /// What happened.
    pub sentence: String,
    /// The request that was the last straw.
    pub request_id: Option<String>,
}

/// Which findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FindingFilter {
    /// Of this detector.
    pub detector: Option<String>,
}

/// The record of findings. What is older than [`FINDINGS_KEPT`] is forgotten by [`super::Store::tidy`].
#[async_trait]
pub trait Findings: Send + Sync {
    /// Enters one, and what receivers of alerts are told of it, in one transaction. The same name of the same moment again is the same
    /// finding: it stays as it is, and nobody is told again.
    async fn enter_finding(&self, finding: FindingRecord, told: Vec<Telling>) -> Result<(), StoreError>;
    /// A page of them, newest first.
    async fn findings(&self, filter: &FindingFilter, page: &Page) -> Result<Vec<FindingRecord>, StoreError>;
}
