//! The store: one contract (`store/contract/`), run on every backend, and what only one backend can do.

#[path = "store/contract/mod.rs"]
mod contract;
#[path = "store/file.rs"]
mod file;
#[path = "store/plans.rs"]
mod plans;
#[path = "store/postgres.rs"]
mod postgres;
#[path = "store/postgres_server.rs"]
mod postgres_server;
#[path = "store/proxy.rs"]
mod proxy;
#[path = "store/samples.rs"]
mod samples;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dcr_gateway::store::memory::MemoryStore;
use dcr_gateway::store::settings::{KeyFile, StoreSettings, StoreUrl};
use dcr_gateway::store::sql::SqlStore;
use dcr_gateway::store::{Store, StoreError};

use crate::contract::Handles;
use crate::postgres_server::PostgresServer;

/// A store in the file.
async fn open_file(path: &Path) -> Result<SqlStore, StoreError> {
    open(StoreUrl::Sqlite(path.to_owned())).await
}

async fn open(url: StoreUrl) -> Result<SqlStore, StoreError> {
    SqlStore::open(&StoreSettings { url, password_file: None, encryption_key_file: KeyFile(PathBuf::new()) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_keeps_the_contract() {
    contract::holds_for(async || {
        let store = Arc::new(MemoryStore::default());
        Handles { one: store.clone(), other: store }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sqlite_store_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let number = AtomicU32::new(0);
    contract::holds_for(async || {
        let file = format!("{}.db", number.fetch_add(1, Ordering::Relaxed));
        two_handles(StoreUrl::Sqlite(directory.path().join(file))).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgresql_store_keeps_the_contract() {
    let Some(server) = PostgresServer::started() else { return };
    contract::holds_for(async || two_handles(server.new_database().await).await).await;
}

async fn two_handles(url: StoreUrl) -> Handles {
    let one = open(url.clone()).await.unwrap();
    let other = open(url).await.unwrap();
    Handles { one: Arc::new(one) as Arc<dyn Store>, other: Arc::new(other) }
}
