//! A store that forgets: for benches and tests. No configuration selects it.

mod audit;
mod clients;
mod deliveries;
mod findings;
mod registrations;
mod requests;
mod responses;
mod uses;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use subtle::ConstantTimeEq as _;

use self::registrations::Registration;
use super::quota::Window;
use super::token::SPENT_KEPT;
use super::{
    AuditEntry, ClientRecord, FINDINGS_KEPT, FindingRecord, InitialAccessTokens, IssuedToken, MetadataDigest, Page,
    Recording, RegistrationId, RequestRecord, Store, StoreError, TokenHash, TokenId, TokenUnusable, TokenUse, Watch,
};
use crate::clock::Timestamp;

/// Everything in maps behind one lock, which is never held across an await.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tokens: HashMap<TokenId, IssuedToken>,
    token_hashes: HashMap<[u8; 32], TokenId>,
    /// By issuer and name: until when it matters.
    spent: HashMap<(String, String), Timestamp>,
    /// Each in memory of its own, as clients are: a map that grows moves what is in it.
    registrations: HashMap<RegistrationId, Box<Registration>>,
    /// Open intents by their digest.
    under_way: HashMap<MetadataDigest, (RegistrationId, Timestamp)>,
    clients: HashMap<String, Box<Client>>,
    /// When somebody must look at a client ([`ClientRecord::due_at`]).
    due: BTreeSet<(Timestamp, String)>,
    by_digest: HashMap<MetadataDigest, String>,
    by_access_token: HashMap<[u8; 32], String>,
    /// By profile, registrant and window; the whole profile is the registrant ''.
    usage: HashMap<(String, String, Window), u64>,
    audit: audit::Log,
    findings: Vec<FindingRecord>,
    outbox: deliveries::Outbox,
    responses: responses::Kept,
    requests: Vec<RequestRecord>,
    watch: Option<Watch>,
    reading: Option<uses::Reading>,
}

#[derive(Debug)]
struct Client {
    record: ClientRecord,
    turn: Option<(String, Timestamp)>,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and records what it came to: both, or neither.
    fn change<T>(
        &self,
        record: &Recording<T>,
        change: impl FnOnce(&mut State) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut state = self.state();
        state.audit.check_can_record(record)?;
        let came = change(&mut state)?;
        state.record(record.entries(&came))?;
        Ok(came)
    }
}

fn failure(text: String) -> StoreError {
    StoreError(text.into())
}

/// Where it was not done nothing is recorded.
fn if_true(done: &bool) -> Option<&()> {
    done.then_some(&())
}

#[async_trait]
impl InitialAccessTokens for MemoryStore {
    async fn create(&self, token: IssuedToken, hash: TokenHash, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        self.change(&Recording::these(entries), |state| {
            if state.tokens.contains_key(&token.id) || state.token_hashes.contains_key(&hash.0) {
                return Err(failure(format!("there is a token {} or one with its text", token.id.0)));
            }
            state.token_hashes.insert(hash.0, token.id.clone());
            state.tokens.insert(token.id.clone(), token);
            Ok(())
        })
    }

    async fn find(&self, hash: TokenHash) -> Result<Option<IssuedToken>, StoreError> {
        let state = self.state();
        let found = state.token_hashes.get_key_value(&hash.0).filter(|(known, _)| bool::from(known.ct_eq(&hash.0)));
        Ok(found.and_then(|(_, id)| state.tokens.get(id)).cloned())
    }

    async fn token(&self, id: &TokenId) -> Result<Option<IssuedToken>, StoreError> {
        Ok(self.state().tokens.get(id).cloned())
    }

    async fn list(&self, page: &Page) -> Result<Vec<IssuedToken>, StoreError> {
        Ok(page.of(self.state().tokens.values().map(|token| (token.created_at, token.id.0.as_str(), token))))
    }

    async fn revoke(&self, id: &TokenId, entries: Vec<AuditEntry>, now: Timestamp) -> Result<bool, StoreError> {
        self.change(&Recording::these(entries).of_part(if_true), |state| {
            let token = state.tokens.get_mut(id).map(|token| token.revoked_at.get_or_insert(now));
            Ok(token.is_some())
        })
    }
}

impl State {
    fn check_token(&self, reserved: &TokenUse, at: Timestamp) -> Result<Option<TokenUnusable>, StoreError> {
        match reserved {
            TokenUse::Issued(id) => {
                let token = self.tokens.get(id).ok_or_else(|| failure(format!("there is no token {}", id.0)))?;
                Ok(token.check(at).err())
            }
            TokenUse::Once { until, .. } if at >= *until => Ok(Some(TokenUnusable::Expired)),
            TokenUse::Once { issuer, id, .. } => {
                let is_spent = self.spent.contains_key(&(issuer.clone(), id.clone()));
                Ok(is_spent.then_some(TokenUnusable::Spent))
            }
        }
    }

    fn reserve(&mut self, reserved: &TokenUse) {
        match reserved {
            TokenUse::Issued(id) => {
                if let Some(token) = self.tokens.get_mut(id) {
                    token.used += 1;
                }
            }
            TokenUse::Once { issuer, id, until } => {
                self.spent.insert((issuer.clone(), id.clone()), *until);
            }
        }
    }

    fn give_back(&mut self, reserved: &TokenUse) {
        match reserved {
            TokenUse::Issued(id) => {
                if let Some(token) = self.tokens.get_mut(id) {
                    token.used = token.used.saturating_sub(1);
                }
            }
            TokenUse::Once { issuer, id, .. } => {
                self.spent.remove(&(issuer.clone(), id.clone()));
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Nothing outlives a process here.
    async fn begin_to_serve(
        &self,
        _record: Recording<Vec<RegistrationId>>,
        _now: Timestamp,
    ) -> Result<Vec<RegistrationId>, StoreError> {
        Ok(Vec::new())
    }

    /// Only what others can see the absence of; the rest is gone with the process soon enough.
    async fn tidy(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut state = self.state();
        state.spent.retain(|_, until| now < until.after(SPENT_KEPT));
        state.findings.retain(|finding| now <= finding.at.after(FINDINGS_KEPT));
        state.responses.forget_old(now);
        state.outbox.forget_told(now);
        Ok(())
    }
}
