//! The record of responses in memory.

use async_trait::async_trait;

use super::super::{
    Ending, Imposed, Page, RESPONSES_KEPT, Recording, ResponseFilter, ResponseRecord, Responses, ResponsesInForce,
    StoreError,
};
use super::MemoryStore;
use crate::clock::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Kept {
    responses: Vec<ResponseRecord>,
    version: i64,
}

impl Kept {
    pub(super) fn forget_old(&mut self, now: Timestamp) {
        let is_old =
            |response: &ResponseRecord| response.ended.as_ref().is_some_and(|end| now > end.at.after(RESPONSES_KEPT));
        self.responses.retain(|response| !is_old(response));
    }

    fn impose(&mut self, response: ResponseRecord) -> Imposed {
        let is_same = |known: &&mut ResponseRecord| {
            known.ended.is_none()
                && (known.action, &known.subject, known.dry_run)
                    == (response.action, &response.subject, response.dry_run)
        };
        let imposed = match self.responses.iter_mut().find(is_same) {
            None => {
                self.responses.push(response);
                Imposed::New
            }
            Some(known) => match known.prolonged_by(&response) {
                Some(prolonged) => {
                    *known = prolonged.clone();
                    Imposed::Prolonged(prolonged)
                }
                None => return Imposed::Stands(known.clone()),
            },
        };
        self.version += 1;
        imposed
    }

    fn end(&mut self, id: &str, ending: Ending) -> Option<ResponseRecord> {
        let known = self.responses.iter_mut().find(|known| known.id == id && known.can_end(&ending))?;
        known.ended = Some(ending);
        self.version += 1;
        Some(known.clone())
    }

    fn newest_first(&self, is_wanted: impl Fn(&ResponseRecord) -> bool, page: &Page) -> Vec<ResponseRecord> {
        let wanted = self.responses.iter().filter(|response| is_wanted(response));
        page.of(wanted.map(|response| (response.created_at, response.id.as_str(), response)))
    }
}

#[async_trait]
impl Responses for MemoryStore {
    async fn impose(&self, response: ResponseRecord, record: Recording<Imposed>) -> Result<Imposed, StoreError> {
        self.change(&record, |state| Ok(state.responses.impose(response)))
    }

    async fn end_response(
        &self,
        id: &str,
        ending: Ending,
        record: Recording<ResponseRecord>,
    ) -> Result<Option<ResponseRecord>, StoreError> {
        self.change(&record.of_part(Option::as_ref), |state| Ok(state.responses.end(id, ending)))
    }

    async fn response(&self, id: &str) -> Result<Option<ResponseRecord>, StoreError> {
        Ok(self.state().responses.responses.iter().find(|known| known.id == id).cloned())
    }

    async fn responses(&self, filter: ResponseFilter, page: &Page) -> Result<Vec<ResponseRecord>, StoreError> {
        let is_wanted = |response: &ResponseRecord| !filter.only_in_force || response.ended.is_none();
        Ok(self.state().responses.newest_first(is_wanted, page))
    }

    async fn responses_in_force(&self, known: Option<i64>) -> Result<Option<ResponsesInForce>, StoreError> {
        let kept = &self.state().responses;
        if known == Some(kept.version) {
            return Ok(None);
        }
        let mut responses: Vec<_> =
            kept.responses.iter().filter(|response| response.ended.is_none()).cloned().collect();
        responses.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(Some(ResponsesInForce { version: kept.version, responses }))
    }
}
