//! The record of findings in memory.

use async_trait::async_trait;

use super::super::{FindingFilter, FindingRecord, Findings, Page, StoreError, Telling};
use super::MemoryStore;

#[async_trait]
impl Findings for MemoryStore {
    async fn enter_finding(&self, finding: FindingRecord, told: Vec<Telling>) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.findings.iter().any(|known| (known.at, &known.id) == (finding.at, &finding.id)) {
            return Ok(());
        }
        state.findings.push(finding);
        state.outbox.tell(told);
        Ok(())
    }

    async fn findings(&self, filter: &FindingFilter, page: &Page) -> Result<Vec<FindingRecord>, StoreError> {
        let state = self.state();
        let fits =
            |finding: &&FindingRecord| filter.detector.as_ref().is_none_or(|detector| finding.detector == *detector);
        let fitting = state.findings.iter().filter(fits);
        Ok(page.of(fitting.map(|finding| (finding.at, finding.id.as_str(), finding))))
    }
}
