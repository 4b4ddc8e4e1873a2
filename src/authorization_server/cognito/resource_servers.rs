//! The scopes that the user pool has: of its resource servers, asked for when one is wanted and remembered for a while.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::api::{Api, Operation};
use super::failure::Failure;
use super::limits::STANDARD_SCOPES;
use crate::authorization_server::transport::Purpose;

/// How long the list is believed.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// How long it is believed when it does not hold a scope: somebody may just have made it.
const FRESH_ENOUGH: Duration = Duration::from_secs(10);

/// AWS gives 50 to a page and lets a pool have 25 resource servers, 300 where it was raised.
const MOST_PAGES: usize = 8;

#[derive(Default)]
pub(super) struct ResourceServers(Mutex<Option<(Instant, BTreeSet<String>)>>);

impl ResourceServers {
    /// The first of the scopes that the pool does not have.
    pub(super) async fn first_unknown<'s>(&self, api: &Api, scopes: &'s [String]) -> Result<Option<&'s str>, Failure> {
        let custom: Vec<&str> =
            scopes.iter().map(String::as_str).filter(|scope| !STANDARD_SCOPES.contains(scope)).collect();
        if custom.is_empty() {
            return Ok(None);
        }
        if self.remembered(FRESH).is_some_and(|known| custom.iter().all(|scope| known.contains(*scope))) {
            return Ok(None);
        }
        let known = match self.remembered(FRESH_ENOUGH) {
            Some(known) => known,
            None => self.ask(api).await?,
        };
        Ok(custom.into_iter().find(|scope| !known.contains(*scope)))
    }

    /// Forgets the list: the pool has said that it is no longer true.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn remembered(&self, fresh: Duration) -> Option<BTreeSet<String>> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.as_ref().filter(|(at, _)| at.elapsed() < fresh).map(|(_, scopes)| scopes.clone())
    }

    async fn ask(&self, api: &Api) -> Result<BTreeSet<String>, Failure> {
        let mut scopes = BTreeSet::new();
        let mut next = None;
        for _ in 0..MOST_PAGES {
            let client = api.client().await;
            let call = client.list_resource_servers().user_pool_id(api.pool()).max_results(50).set_next_token(next);
            let page = api.call(Operation::ListResourceServers, Purpose::DISCOVERY, call.send()).await?;
            for server in page.resource_servers() {
                let identifier = server.identifier().unwrap_or_default();
                scopes.extend(server.scopes().iter().map(|scope| format!("{identifier}/{}", scope.scope_name())));
            }
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), scopes.clone()));
        Ok(scopes)
    }
}
