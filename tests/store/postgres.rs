//! What only PostgreSQL can do: several replicas start at once, the network fails, the database has habits of its own.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dcr_gateway::store::settings::{KeyFile, StoreSettings, StoreUrl};
use dcr_gateway::store::sql::SqlStore;
use dcr_gateway::store::{
    Beginning, Begun, Failures, HandingOut, InitialAccessTokens as _, Quotas, Registrations as _, Store, StoreError,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::contract::{Handles, begin_at_once, ready, recorded, together};
use crate::open;
use crate::postgres_server::{PostgresServer, database};
use crate::proxy::{Network, Proxy};
use crate::samples::{UNDER_WAY, create, found, hash, id, intent, unlimited, with_token};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_may_start_on_an_empty_database_at_once() {
    let Some(server) = PostgresServer::started() else { return };
    let url = server.new_database().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        tasks.spawn(async move { open(url).await.unwrap().ping().await.unwrap() });
    }
    tasks.join_all().await;
}

/// A store behind a network that can fail.
async fn behind(server: &PostgresServer) -> (Proxy, SqlStore) {
    let database = database(&server.new_database().await);
    let proxy = Proxy::to(server.socket()).await;
    let url: StoreUrl = format!("postgres://postgres@127.0.0.1:{}/{database}", proxy.port).parse().unwrap();
    let store = open(url).await.unwrap();
    (proxy, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_an_error_and_the_next_one_works() {
    let Some(server) = PostgresServer::started() else { return };
    let (proxy, store) = behind(&server).await;
    let t1 = create(&store, "t1", 5).await;
    store.begin(with_token("r1", &t1), HandingOut::unrecorded()).await.unwrap();
    proxy.set(Network::Breaks);
    assert_eq!(store.failures(), Failures::default());
    assert!(store.begin(with_token("r2", &t1), HandingOut::unrecorded()).await.is_err());
    assert!(store.find(hash("t1")).await.is_err());
    let Failures { reads, writes } = store.failures();
    assert!(reads >= 1 && writes >= 1, "{reads} reads and {writes} writes failed");
    assert!(store.ping().await.is_err());
    proxy.set(Network::Works);
    store.ping().await.unwrap();
    assert_eq!(found(&store, &t1).await.used, 1);
    assert_eq!(store.begin(with_token("r2", &t1), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_rotated_is_read_out_of_its_file_for_new_connections() {
    let Some(server) = PostgresServer::started() else { return };
    let mut owner = server.connect("postgres").await;
    owner.execute("CREATE ROLE rotated LOGIN PASSWORD 'old'").await.unwrap();
    owner.execute("CREATE DATABASE rotated OWNER rotated").await.unwrap();
    let rules = server.socket().with_file_name("data").join("pg_hba.conf");
    let others = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("local all rotated scram-sha-256\n{others}")).unwrap();
    owner.execute("SELECT pg_reload_conf()").await.unwrap();
    let host = server.socket().parent().unwrap().display().to_string();
    let url = |password: &str| format!("postgres://rotated{password}@localhost/rotated?host={host}");
    while PgConnection::connect(&url(":another")).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "old\n").unwrap();
    let settings = StoreSettings {
        url: url("").parse().unwrap(),
        password_file: Some(file.path().to_owned()),
        encryption_key_file: KeyFile(PathBuf::new()),
    };
    let store = SqlStore::open(&settings).await.unwrap();
    let t1 = create(&store, "t1", 5).await;

    fs::write(file.path(), "new\n").unwrap();
    owner.execute("ALTER ROLE rotated PASSWORD 'new'").await.unwrap();
    owner
        .execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'rotated'")
        .await
        .unwrap();
    assert_eq!(found(&store, &t1).await.used, 0);
    // What was under way on the lost connection may have been written to it.
    let _ = store.begin(with_token("r1", &t1), HandingOut::unrecorded()).await;
    assert_eq!(store.begin(with_token("r2", &t1), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_connection_interrupts_is_written_wholly_or_not_at_all() {
    let Some(server) = PostgresServer::started() else { return };
    let (proxy, store) = behind(&server).await;
    let store = Arc::new(store);
    let t1 = create(&*store, "t1", 100_000).await;
    let mut answers: Vec<Result<Begun, StoreError>> = Vec::new();
    // Until it broke in the middle of something.
    while answers.iter().all(Result::is_ok) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in answers.len()..answers.len() + 64 {
            let (store, beginning) = (store.clone(), with_token(&format!("r{number}"), &t1));
            tasks.spawn(async move { store.begin(beginning, HandingOut::unrecorded()).await });
        }
        answers.push(tasks.join_next().await.unwrap().unwrap());
        proxy.set(Network::Breaks);
        answers.extend(tasks.join_all().await);
        proxy.set(Network::Works);
    }
    let acknowledged = answers.iter().filter(|answer| matches!(answer, Ok(Begun::Ready))).count();
    let written = usize::try_from(found(&*store, &t1).await.used).unwrap();
    assert!(written >= acknowledged, "{acknowledged} were acknowledged, {written} are there");
    let mut intents = 0;
    for number in 0..answers.len() {
        intents += usize::from(store.registration(&id(&format!("r{number}"))).await.unwrap().is_some());
    }
    assert_eq!(intents, written, "each intent with its use");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallows_everything_holds_nobody_up_for_long() {
    let Some(server) = PostgresServer::started() else { return };
    let (proxy, store) = behind(&server).await;
    store.begin(unlimited(intent("r1")), HandingOut::unrecorded()).await.unwrap();
    proxy.set(Network::Swallows);
    let (write, read) =
        tokio::join!(store.begin(unlimited(intent("r2")), HandingOut::unrecorded()), store.find(hash("t1")));
    assert!(write.is_err() && read.is_err());
    proxy.set(Network::Works);
    assert_eq!(store.begin(unlimited(intent("r3")), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
    assert_eq!(store.find(hash("t1")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_exact_whatever_isolation_the_database_prefers() {
    let Some(server) = PostgresServer::started() else { return };
    let url = server.new_database().await;
    let prefer = format!("ALTER DATABASE {} SET default_transaction_isolation = 'serializable'", database(&url));
    server.connect("postgres").await.execute(AssertSqlSafe(prefer)).await.unwrap();
    let handles = Handles {
        one: Arc::new(open(url.clone()).await.unwrap()) as Arc<dyn Store>,
        other: Arc::new(open(url).await.unwrap()),
    };
    let quotas = Quotas { live_clients: Some(40), ..Quotas::default() };
    let many = (0..64).map(|number| Beginning { intent: intent(&format!("r{number}")), quotas, under_way: UNDER_WAY });
    assert_eq!(ready(&begin_at_once(&handles, many).await), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_or_told_is_not_changed() {
    let Some(server) = PostgresServer::started() else { return };
    let url = server.new_database().await;
    let (store, mut beside) = (open(url.clone()).await.unwrap(), server.connect(&database(&url)).await);
    together::open(&store).await;
    recorded::prepare(&store).await;
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$";
    beside.execute(full).await.unwrap();
    for table in ["audit_records", "alert_notices"] {
        let trigger = format!("CREATE TRIGGER f BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION full_disk()");
        beside.execute(AssertSqlSafe(trigger)).await.unwrap();
        recorded::nothing_is_changed(&store).await;
        beside.execute(AssertSqlSafe(format!("DROP TRIGGER f ON {table}"))).await.unwrap();
    }
    recorded::each_is_changed_and_recorded(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_postgresql_does_not_take_spoils_nobody_elses() {
    let Some(server) = PostgresServer::started() else { return };
    let store = Arc::new(open(server.new_database().await).await.unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..32 {
        let (store, mut beginning) = (store.clone(), unlimited(intent(&format!("r{number}"))));
        if number == 7 {
            beginning.intent.client_name = Some("\0".to_owned());
        }
        tasks.spawn(async move { store.begin(beginning, HandingOut::unrecorded()).await.is_ok() });
    }
    let begun = tasks.join_all().await.into_iter().filter(|begun| *begun).count();
    assert_eq!(begun, 31);
    store.ping().await.unwrap();
    assert_eq!(store.failures(), Failures::default(), "whoever can write such a text could raise the alarm");
}
