//! What every store promises. Each promise gets a store of its own, empty; what is promised of several processes is tried with
//! two handles on one store.

mod audit;
mod clients;
pub mod deliveries;
mod digests;
mod due;
pub mod findings;
mod imports;
mod lists;
mod outcomes;
mod quotas;
pub mod recorded;
pub mod requests;
pub mod responses;
pub mod together;
mod tokens;
pub mod turns;
mod uses;

use std::sync::Arc;

use dcr_gateway::store::{Beginning, Begun, HandingOut, Outcome, RegistrationId, Store, StoreError};

use crate::samples::at;

/// Two handles on one store, as two processes have them.
pub struct Handles {
    pub one: Arc<dyn Store>,
    pub other: Arc<dyn Store>,
}

/// Fails when the store breaks a promise.
pub async fn holds_for(empty: impl AsyncFn() -> Handles) {
    tokens::hold_for(&empty).await;
    outcomes::hold_for(&empty).await;
    quotas::hold_for(&empty).await;
    digests::hold_for(&empty).await;
    clients::hold_for(&empty).await;
    due::hold_for(&empty).await;
    lists::hold_for(&empty).await;
    findings::hold_for(&empty).await;
    requests::hold_for(&empty).await;
    responses::hold_for(&empty).await;
    turns::hold_for(&empty).await;
    audit::hold_for(&empty).await;
    uses::hold_for(&empty).await;
    imports::hold_for(&empty).await;
    deliveries::hold_for(&empty).await;
    together::hold_for(&empty).await;
    recorded::hold_for(&empty).await;
}

/// Begins them all at once, in turn on the two handles.
pub async fn begin_at_once(handles: &Handles, beginnings: impl IntoIterator<Item = Beginning>) -> Vec<Begun> {
    let mut tasks = tokio::task::JoinSet::new();
    for (number, beginning) in beginnings.into_iter().enumerate() {
        let store = if number % 2 == 0 { &handles.one } else { &handles.other }.clone();
        tasks.spawn(async move { store.begin(beginning, HandingOut::unrecorded()).await.unwrap() });
    }
    tasks.join_all().await
}

/// Finishes them all at once, in turn on the two handles, two seconds after the start.
pub async fn finish_at_once(
    handles: &Handles,
    outcomes: impl IntoIterator<Item = (RegistrationId, Outcome)>,
) -> Vec<Result<(), StoreError>> {
    let mut tasks = tokio::task::JoinSet::new();
    for (number, (id, outcome)) in outcomes.into_iter().enumerate() {
        let store = if number % 2 == 0 { &handles.one } else { &handles.other }.clone();
        tasks.spawn(async move { store.finish(&id, outcome, Vec::new(), at(2_000)).await });
    }
    tasks.join_all().await
}

/// How many were ready.
pub fn ready(begun: &[Begun]) -> usize {
    begun.iter().filter(|begun| **begun == Begun::Ready).count()
}
