//! The record of requests in memory.

use async_trait::async_trait;

use super::super::{Page, RequestRecord, Requests, RequestsKept, StoreError};
use super::{MemoryStore, failure};
use crate::clock::Timestamp;

#[async_trait]
impl Requests for MemoryStore {
    async fn keep_requests(&self, requests: Vec<RequestRecord>) -> Result<(), StoreError> {
        let mut state = self.state();
        let is_known =
            |new: &&RequestRecord| state.requests.iter().any(|known| (known.at, &known.id) == (new.at, &new.id));
        if let Some(known) = requests.iter().find(is_known) {
            return Err(failure(format!("there is a request {}", known.id)));
        }
        state.requests.extend(requests);
        Ok(())
    }

    async fn requests(&self, since: Option<Timestamp>, page: &Page) -> Result<Vec<RequestRecord>, StoreError> {
        let state = self.state();
        let fitting = state.requests.iter().filter(|record| since.is_none_or(|since| record.at >= since));
        Ok(page.of(fitting.map(|record| (record.at, record.id.as_str(), record))))
    }

    async fn request(&self, id: &str) -> Result<Option<RequestRecord>, StoreError> {
        let state = self.state();
        let is_it = |record: &&RequestRecord| record.id == id || record.request.registration.as_deref() == Some(id);
        Ok(state.requests.iter().find(is_it).cloned())
    }

    async fn forget_requests(&self, kept: RequestsKept) -> Result<(), StoreError> {
        let mut state = self.state();
        state.requests.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
        let (mut refused, mut all) = (0, 0);
        state.requests.retain(|record| {
            refused += u32::from(record.request.is_refused());
            let is_kept = record.at >= kept.since && !(record.request.is_refused() && refused > kept.most_refused);
            all += u32::from(is_kept);
            is_kept && all <= kept.most
        });
        Ok(())
    }
}
