//! What a store in a file promises beyond the contract: it survives, it is private, several can use it, its failures are errors.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dcr_gateway::audit::chain::unsigned;
use dcr_gateway::store::settings::{StoreSettings, StoreUrl};
use dcr_gateway::store::sql::SqlStore;
use dcr_gateway::store::{
    AuditLog as _, Begun, Clients as _, HandingOut, InitialAccessTokens as _, Recording, RegistrationId,
    Registrations as _, Store as _, Turn, TurnTaken,
};
use sqlx::AssertSqlSafe;

use crate::contract::recorded;
use crate::contract::together::{self, entry};
use crate::open_file;
use crate::samples::{at, create, found, hash, id, intent, not_registered, registered, unlimited, with_token};

/// A statement on the file itself, as somebody would who means harm.
async fn tamper(path: &Path, statement: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query(AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    pool.close().await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open_file(&path).await.unwrap();
    let t1 = create(&store, "t1", 2).await;
    store.begin(with_token("r1", &t1), HandingOut::unrecorded()).await.unwrap();
    store.begin(with_token("r2", &t1), HandingOut::unrecorded()).await.unwrap();
    store.finish(&id("r1"), registered(), Vec::new(), at(2_000)).await.unwrap();
    store.close().await;

    let store = open_file(&path).await.unwrap();
    assert_eq!(found(&store, &t1).await.used, 2);
    assert_eq!(
        store.find_unfinished(Duration::from_secs(1), Recording::nothing(), at(9_000)).await.unwrap(),
        [id("r2")]
    );
    assert!(store.finish(&id("r1"), not_registered(), Vec::new(), at(9_000)).await.is_err());
}

#[tokio::test]
async fn an_intent_outlives_a_process_that_dies_without_a_word() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let dying = open_file(&path).await.unwrap();
    let t1 = create(&dying, "t1", 1).await;
    dying.begin(with_token("r1", &t1), HandingOut::unrecorded()).await.unwrap();

    // The files as they are at this moment are what a killed process leaves behind.
    let left = directory.path().join("left.db");
    for suffix in ["", "-wal"] {
        std::fs::copy(format!("{}{suffix}", path.display()), format!("{}{suffix}", left.display())).unwrap();
    }
    let store = open_file(&left).await.unwrap();
    assert_eq!(store.find_unfinished(Duration::ZERO, Recording::nothing(), at(9_000)).await.unwrap(), [id("r1")]);
    assert_eq!(found(&store, &t1).await.used, 1);
}

#[tokio::test]
async fn whoever_serves_alone_settles_what_the_dead_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let dying = open_file(&path).await.unwrap();
    assert_eq!(dying.begin_to_serve(Recording::nothing(), at(1_000)).await.unwrap(), []);
    dying.begin(unlimited(intent("r1")), HandingOut::unrecorded()).await.unwrap();
    dying.begin(unlimited(intent("r2")), HandingOut::unrecorded()).await.unwrap();
    dying.finish(&id("r2"), registered(), Vec::new(), at(2_000)).await.unwrap();
    let turn = |holder: &str| Turn { holder: holder.to_owned(), lasts: Duration::from_secs(60) };
    assert!(matches!(dying.take_turn("c1", &turn("dying"), at(2_000)).await.unwrap(), TurnTaken::Taken { .. }));

    let beside = open_file(&path).await.unwrap();
    assert_eq!(
        beside.begin_to_serve(Recording::nothing(), at(3_000)).await.unwrap(),
        [],
        "the other one is still there"
    );
    assert_eq!(beside.take_turn("c1", &turn("beside"), at(3_000)).await.unwrap(), TurnTaken::Busy);
    beside.close().await;
    dying.close().await;

    let next = open_file(&path).await.unwrap();
    assert_eq!(next.begin_to_serve(Recording::nothing(), at(3_000)).await.unwrap(), [id("r1")], "however young it is");
    let taken = next.take_turn("c1", &turn("next"), at(3_000)).await.unwrap();
    assert!(matches!(taken, TurnTaken::Taken { interrupted: true, .. }), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_start_on_a_new_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let path = path.clone();
        tasks.spawn(async move { open_file(&path).await.unwrap().ping().await.unwrap() });
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data/deeper/gateway.db");
    let store = open_file(&path).await.unwrap();
    create(&store, "t1", 1).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{}{suffix}", path.display());
        assert_eq!(mode(Path::new(&file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "this is no database, and long enough to be taken for a damaged one".repeat(40)).unwrap();
    assert!(open_file(&file.join("gateway.db")).await.is_err(), "below a file");
    assert!(open_file(directory.path()).await.is_err(), "a directory");
    assert!(open_file(&file).await.is_err(), "not a database");
}

#[tokio::test]
async fn a_write_that_fails_is_an_error_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open_file(&path).await.unwrap();
    let t1 = create(&store, "t1", 1).await;
    tamper(
        &path,
        "CREATE TRIGGER full BEFORE INSERT ON registrations BEGIN SELECT raise(ABORT, 'database or disk is full'); END",
    )
    .await;
    assert!(store.begin(with_token("r1", &t1), HandingOut::unrecorded()).await.is_err());
    assert_eq!(found(&store, &t1).await.used, 0);
    tamper(&path, "DROP TRIGGER full").await;
    assert_eq!(store.begin(with_token("r1", &t1), HandingOut::unrecorded()).await.unwrap(), Begun::Ready);
}

#[tokio::test]
async fn a_chain_that_was_cut_whole_goes_on_behind_its_cut_after_a_write_that_failed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open_file(&path).await.unwrap();
    together::open(&store).await;
    store.append(vec![entry("a"), entry("b")]).await.unwrap();
    let last = store.head(at(9)).await.unwrap().unwrap();
    assert!(store.cut(unsigned(last.clone())).await.unwrap());
    tamper(&path, "CREATE TRIGGER full BEFORE INSERT ON audit_records BEGIN SELECT raise(ABORT, 'full'); END").await;
    store.append(vec![entry("c")]).await.unwrap_err();
    tamper(&path, "DROP TRIGGER full").await;
    store.append(vec![entry("d")]).await.unwrap();
    let records = store.records_of(&last.writer, 0, 9).await.unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].sequence, records[0].previous), (last.sequence + 1, last.hash));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_change_does_not_spoil_those_written_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open_file(&directory.path().join("gateway.db")).await.unwrap());
    let t1 = create(&*store, "t1", 64).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64 {
        let store = store.clone();
        // Every fourth has the name of another one.
        let name = format!("r{}", if number % 4 == 0 { 0 } else { number });
        let beginning = with_token(&name, &t1);
        tasks.spawn(async move { store.begin(beginning, HandingOut::unrecorded()).await.is_ok() });
    }
    let begun = tasks.join_all().await.into_iter().filter(|begun| *begun).count();
    assert_eq!(begun, 48 + 1);
    assert_eq!(found(&*store, &t1).await.used, 49);
}

#[tokio::test]
async fn what_cannot_be_recorded_or_told_is_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open_file(&path).await.unwrap();
    together::open(&store).await;
    recorded::prepare(&store).await;
    for table in ["audit_records", "alert_notices"] {
        let full = "BEGIN SELECT raise(ABORT, 'database or disk is full'); END";
        tamper(&path, &format!("CREATE TRIGGER full BEFORE INSERT ON {table} {full}")).await;
        recorded::nothing_is_changed(&store).await;
        tamper(&path, "DROP TRIGGER full").await;
    }
    recorded::each_is_changed_and_recorded(&store).await;
}

#[tokio::test]
async fn what_the_dead_left_behind_is_settled_when_it_is_recorded_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let dying = open_file(&path).await.unwrap();
    dying.begin(unlimited(intent("r1")), HandingOut::unrecorded()).await.unwrap();
    dying.close().await;
    let store = open_file(&path).await.unwrap();
    let record = || Recording::of(|found: &Vec<RegistrationId>| found.iter().map(|id| entry(&id.0)).collect());
    assert!(store.begin_to_serve(record(), at(3_000)).await.is_err(), "no chain was opened");
    assert_eq!(store.registration(&id("r1")).await.unwrap().unwrap().outcome, None);
    together::open(&store).await;
    assert_eq!(store.begin_to_serve(record(), at(3_000)).await.unwrap(), [id("r1")]);
    assert_eq!(together::events(&store).await, ["r1"]);
    assert_eq!(together::notices(&store).await, ["r1"]);
}

#[tokio::test]
async fn a_store_that_lost_its_tables_does_not_answer_a_ping() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open_file(&path).await.unwrap();
    store.ping().await.unwrap();
    tamper(&path, "DROP TABLE write_probe").await;
    assert!(store.ping().await.is_err());
    tamper(&path, "DROP TABLE registrations").await;
    assert!(store.begin(unlimited(intent("r1")), HandingOut::unrecorded()).await.is_err());
    tamper(&path, "DROP TABLE initial_access_tokens").await;
    assert!(store.find(hash("t1")).await.is_err());
}

#[tokio::test]
async fn a_directory_above_may_be_named_as_it_likes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("100% sure? #1 \u{10d} %41/gateway.db");
    open_file(&path).await.unwrap().ping().await.unwrap();
    assert!(path.exists());
}

#[tokio::test]
async fn a_probe_of_readiness_learns_that_writing_works_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open_file(&path).await.unwrap();
    let full = "BEGIN SELECT raise(ABORT, 'database or disk is full'); END";
    tamper(&path, &format!("CREATE TRIGGER full BEFORE INSERT ON registrations {full}")).await;
    tamper(&path, &format!("CREATE TRIGGER also_full BEFORE UPDATE ON write_probe {full}")).await;
    store.ping().await.unwrap();
    assert!(store.begin(unlimited(intent("r1")), HandingOut::unrecorded()).await.is_err());
    assert!(store.ping().await.is_err(), "it can be read, but not written");
    tamper(&path, "DROP TRIGGER full").await;
    tamper(&path, "DROP TRIGGER also_full").await;
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_newer_gateways_tables_are_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    open_file(&path).await.unwrap().close().await;
    tamper(&path, "INSERT INTO _sqlx_migrations SELECT 9999, 'of tomorrow', 0, 1, x'00', 0").await;
    let refused = open_file(&path).await.err().unwrap().to_string();
    assert!(refused.contains("newer release"), "{refused}");
    tamper(&path, "DELETE FROM _sqlx_migrations WHERE version = 9999").await;
    open_file(&path).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn commands_leave_tables_of_an_older_release_to_whoever_serves() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let settings = StoreSettings { url: StoreUrl::Sqlite(path.clone()), ..StoreSettings::default() };
    assert!(SqlStore::open_to_look(&settings).await.is_err(), "nothing is there");
    assert!(!path.exists());
    // Before there is a gateway: a token that its first client is to have.
    SqlStore::open_to_change(&settings).await.unwrap().close().await;
    tamper(&path, "DELETE FROM _sqlx_migrations WHERE version = 11").await;
    tamper(&path, "DROP TABLE use_reading").await;
    let before = std::fs::read(&path).unwrap();
    for opened in [SqlStore::open_to_look(&settings).await, SqlStore::open_to_change(&settings).await] {
        let refused = opened.err().unwrap().to_string();
        assert!(refused.contains("older release") && refused.contains("migration 10"), "{refused}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    open_file(&path).await.unwrap().close().await;
    SqlStore::open_to_look(&settings).await.unwrap().close().await;
}

#[tokio::test]
async fn a_copy_that_nobody_may_write_to_can_be_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let settings = StoreSettings { url: StoreUrl::Sqlite(path.clone()), ..StoreSettings::default() };
    let writing = open_file(&path).await.unwrap();
    let t1 = create(&writing, "t1", 1).await;
    // Beside a gateway that runs: what is in the log alone, too.
    let looking = SqlStore::open_to_look(&settings).await.unwrap();
    assert_eq!(found(&looking, &t1).await.used, 0);
    assert!(looking.revoke(&t1, Vec::new(), at(1)).await.is_err(), "it writes nothing");
    looking.close().await;
    writing.close().await;

    let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    // Root is kept out of nothing: that it goes without companions, too, is tested beside `connect`.
    set(&path, 0o400);
    set(directory.path(), 0o500);
    let looking = SqlStore::open_to_look(&settings).await.unwrap();
    assert_eq!(found(&looking, &t1).await.used, 0);
    looking.close().await;
    set(directory.path(), 0o700);
}

#[tokio::test]
async fn what_was_closed_writes_nothing_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open_file(&path).await.unwrap();
    store.close().await;
    store.close().await;
    assert!(store.begin(unlimited(intent("r1")), HandingOut::unrecorded()).await.is_err());
    assert!(store.ping().await.is_err());
    let log = format!("{}-wal", path.display());
    assert!(!Path::new(&log).exists(), "the last connection takes the write-ahead log with it");
}
