//! What the store can do: durable registrations per second, and lookups among a million clients. Prints a table; the results
//! are in docs/performance.md. SQLite and PostgreSQL (where it is installed) flush to the disk that `TMPDIR` is on.

#[path = "growth/records.rs"]
mod records;

#[path = "../tests/store/postgres_server.rs"]
mod postgres_server;
#[path = "../tests/store/samples.rs"]
mod samples;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dcr_gateway::clock::Timestamp;
use dcr_gateway::lifecycle::State;
use dcr_gateway::store::settings::{KeyFile, StoreSettings, StoreUrl};
use dcr_gateway::store::sql::SqlStore;
use dcr_gateway::store::{
    Beginning, Begun, ClientFilter, Clients as _, Cursor, HandingOut, Intent, Page, PerPeriod, Quotas,
    Registrations as _, TokenHash,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};

use crate::postgres_server::{Disk, PostgresServer};
use crate::samples::{UNDER_WAY, at, digest, intent, registered_as};

/// The executable's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLIENTS: u64 = 1_000_000;
/// A prime above [`CLIENTS`]: names that follow one another lie far apart.
const FAR_APART: u64 = 1_000_003;
const LOOKUPS: u64 = 2_000;
const RATE_FOR: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| StoreUrl::Sqlite(directory.path().join(name));
    println!("| | at once | registrations/s | median |");
    let postgres = PostgresServer::of_its_own(Disk::Flushed);
    for at_once in [1, 16, 64] {
        rate("SQLite", file(&format!("rate-{at_once}.db")), at_once).await;
    }
    for at_once in [1, 16, 64] {
        let Some(server) = &postgres else { break };
        rate("PostgreSQL", server.new_database().await, at_once).await;
    }
    println!("\n| {CLIENTS} clients | client | access token | digest | page | page of a state |");
    lookups("SQLite", file("million.db"), &records::clients(CLIENTS)).await;
    if let Some(server) = &postgres {
        lookups("PostgreSQL", server.new_database().await, &POSTGRES_MILLION.map(str::to_owned)).await;
    }
}

async fn open(url: StoreUrl) -> SqlStore {
    let settings = StoreSettings { url, password_file: None, encryption_key_file: KeyFile(PathBuf::new()) };
    SqlStore::open(&settings).await.unwrap()
}

/// A registration as it is in earnest: quotas of every kind, a digest, begin and finish.
async fn rate(name: &str, url: StoreUrl, at_once: usize) {
    let store = Arc::new(open(url).await);
    let next = Arc::new(AtomicU64::new(0));
    let daily = Some(PerPeriod { count: u64::MAX, period: Duration::from_secs(86_400) });
    let quotas = Quotas {
        registrations: daily,
        live_clients: Some(u64::MAX),
        total_registrations: daily,
        total_live_clients: Some(u64::MAX),
        reserved_for_known: 0,
    };
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..at_once {
        let (store, next) = (store.clone(), next.clone());
        tasks.spawn(async move {
            let mut took = Vec::new();
            while began.elapsed() < RATE_FOR {
                let number = next.fetch_add(1, Ordering::Relaxed).to_string();
                let intent = Intent { digest: Some(digest(&number)), ..intent(&number) };
                let id = intent.id.clone();
                let one = Instant::now();
                let begun = store
                    .begin(Beginning { intent, quotas, under_way: UNDER_WAY }, HandingOut::unrecorded())
                    .await
                    .unwrap();
                assert_eq!(begun, Begun::Ready);
                store.finish(&id, registered_as(&number), Vec::new(), at(2_000)).await.unwrap();
                took.push(one.elapsed());
            }
            took
        });
    }
    let took: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    let per_second = took.len() as f64 / began.elapsed().as_secs_f64();
    println!("| {name} | {at_once} | {per_second:.0} | {:.1?} |", median(took));
    store.close().await;
}

async fn lookups(name: &str, url: StoreUrl, million: &[String]) {
    let store = open(url.clone()).await;
    let mut beside = AnyConnection::connect(&url.to_string()).await.unwrap();
    for statement in million {
        beside.execute(AssertSqlSafe(statement.clone())).await.unwrap();
    }
    let octets = |name: u64| <[u8; 32]>::try_from(format!("{name:032}").into_bytes()).unwrap();
    let mut medians = Vec::new();

    let mut took = Vec::new();
    for name in names() {
        let began = Instant::now();
        assert!(store.client(&name.to_string()).await.unwrap().is_some());
        took.push(began.elapsed());
    }
    medians.push(median(std::mem::take(&mut took)));
    for name in names() {
        let began = Instant::now();
        assert!(store.client_by_access_token(TokenHash(octets(name))).await.unwrap().is_some());
        took.push(began.elapsed());
    }
    medians.push(median(std::mem::take(&mut took)));
    for filter in [ClientFilter::default(), ClientFilter { state: Some(State::Suspended), profile: None }] {
        for name in names() {
            let after =
                Cursor { at: Timestamp::from_unix_millis(i64::try_from(name).unwrap() + 1_000), id: String::new() };
            let began = Instant::now();
            assert!(!store.clients(&filter, &Page { after: Some(after), limit: 20 }).await.unwrap().is_empty());
            took.push(began.elapsed());
        }
        medians.push(median(std::mem::take(&mut took)));
    }
    let medians: Vec<String> = medians.into_iter().map(|median| format!("{median:.0?}")).collect();
    println!("| {name} | {} |", medians.join(" | "));
    let began = Instant::now();
    store.count_clients().await.unwrap();
    println!("  (counting them all takes {:.0?})", began.elapsed());
    cost_of_any(&url, &mut beside).await;
    store.close().await;
}

/// The same statement through sqlx's `Any` and through the driver itself.
async fn cost_of_any(url: &StoreUrl, beside: &mut AnyConnection) {
    let mut through_any = Vec::new();
    for name in names() {
        let began = Instant::now();
        sqlx::query(ONE_CLIENT).bind(name.to_string()).fetch_one(&mut *beside).await.unwrap();
        through_any.push(began.elapsed());
    }
    let mut direct = Vec::new();
    match url {
        StoreUrl::Sqlite(path) => {
            let options = SqliteConnectOptions::new().filename(path);
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            for name in names() {
                let began = Instant::now();
                sqlx::query(ONE_CLIENT).bind(name.to_string()).fetch_one(&mut connection).await.unwrap();
                direct.push(began.elapsed());
            }
        }
        StoreUrl::Postgres(_) => {
            let mut connection = PgConnection::connect(&url.to_string()).await.unwrap();
            for name in names() {
                let began = Instant::now();
                sqlx::query(ONE_CLIENT).bind(name.to_string()).fetch_one(&mut connection).await.unwrap();
                direct.push(began.elapsed());
            }
        }
    }
    println!("  (one client through `Any` {:.0?}, without it {:.0?})", median(through_any), median(direct));
}

const ONE_CLIENT: &str = "SELECT client_id, profile, created_at, updated_at, version, lifecycle, redirect_uris, metadata, \
    digest, access_token FROM clients WHERE client_id = $1";

/// Of clients all over the table.
fn names() -> impl Iterator<Item = u64> {
    (0..LOOKUPS).map(|number| (number * 499 * 7_919 % CLIENTS + 1) * 7_919 % FAR_APART)
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}

const POSTGRES_MILLION: [&str; 6] = [
    "BEGIN",
    "CREATE TEMP TABLE names AS SELECT n, n * 7919 % 1000003 AS name FROM generate_series(1::bigint, 1000000) n",
    "INSERT INTO registrations (id, at, profile, policy_version, registrant, address, redirect_uris, scope_granted, \
     scope_withheld, outcome, client_id, finished_at) SELECT 'r-' || name, n, 'profile-' || n % 7, '', 'somebody-' || n % 50000, \
     '192.0.2.1', '[\"https://app.example/cb\"]', 'openid', '', 'registered', name, n FROM names",
    "INSERT INTO clients (client_id, registration, profile, registrant, created_at, updated_at, version, state, lifecycle, \
     redirect_uris, scope_granted, scope_withheld, scope_approved, metadata, digest, access_token, unmanageable, confirmed_at) \
     SELECT name, 'r-' || name, 'profile-' || n % 7, 'somebody-' || n % 50000, n, n, 1, \
     CASE WHEN n % 100 = 0 THEN 'suspended' ELSE 'active' END, '{\"state\":\"active\"}', '[\"https://app.example/cb\"]', 'openid', \
     '', '', '{\"client_name\":\"One of a million\"}', convert_to(lpad(name::text, 32, '0'), 'UTF8'), \
     convert_to(lpad(name::text, 32, '0'), 'UTF8'), 0, n FROM names",
    "COMMIT",
    "ANALYZE",
];
