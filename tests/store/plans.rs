//! Every statement that a registration or a request waits for finds its rows by an index.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use dcr_gateway::audit::chain;
use dcr_gateway::clock::Timestamp;
use dcr_gateway::lifecycle::State;
use dcr_gateway::store::{
    AuditEntry, AuditFilter, Beginning, ClientFilter, Clients, Cursor, Deliveries, Ending, Fate, FindingFilter,
    FindingRecord, HandingOut, Intent, Interest, OutcomeName, Page, PerPeriod, Quotas, Recording, RegistrationFilter,
    ResponseFilter, ResponseRecord, Settled, Store, TokenId, TokenUse, Turn, Unused, WriterId,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::contract::deliveries::{end, gathered, lasting, turn as alert_turn};
use crate::contract::findings::finding;
use crate::contract::requests::request;
use crate::contract::responses::response;
use crate::contract::turns::{leave, turn};
use crate::postgres_server::{PostgresServer, database};
use crate::samples::{
    UNDER_WAY, at, client, create, digest, hash, id, intent, not_registered, registered_as, with_token,
};
use crate::{open, open_file};

/// Everything that the gateway does while somebody waits, several times (PostgreSQL makes a plan for all times at the sixth).
async fn work(store: &dyn Store) {
    let daily = Some(PerPeriod { count: 1_000, period: Duration::from_secs(86_400) });
    let quotas = Quotas {
        registrations: daily,
        live_clients: Some(1_000),
        total_registrations: daily,
        total_live_clients: Some(1_000_000),
        reserved_for_known: 10,
    };
    let token = create(store, "t", 1_000).await;
    let writer = WriterId("w".to_owned());
    store.open_chain(writer.clone(), None).await.unwrap();
    for round in 0..12 {
        let name = |what: &str| format!("{what}-{round}");
        let begin = async |mut beginning: Beginning| {
            beginning.quotas = quotas;
            store.begin(beginning, HandingOut::unrecorded()).await.unwrap()
        };
        store.find(hash("t")).await.unwrap();
        store.token(&TokenId(name("t"))).await.unwrap();
        for (registration, digest) in [("first", digest(&name("d"))), ("again", digest(&name("d")))] {
            let mut beginning = with_token(&name(registration), &token);
            beginning.intent.digest = Some(digest);
            begin(beginning).await;
            if registration == "first" {
                let made = registered_as(&name("c"));
                store.finish(&id(&name(registration)), made.clone(), Vec::new(), at(2_000)).await.unwrap();
                store.finish(&id(&name(registration)), made, Vec::new(), at(2_000)).await.unwrap();
            }
        }
        let token = TokenUse::Once { issuer: "idp".to_owned(), id: name("j"), until: at(9_000_000) };
        let once = Intent { token: Some(token), ..intent(&name("once")) };
        begin(Beginning { intent: once, quotas, under_way: UNDER_WAY }).await;
        store.finish(&id(&name("once")), not_registered(), Vec::new(), at(2_000)).await.unwrap();
        store.registration(&id(&name("once"))).await.unwrap();
        store.client(&name("c")).await.unwrap();
        store.client_by_access_token(client(&name("c")).access_token.unwrap()).await.unwrap();
        lists(store).await;
        store.note_uses(&[(name("c"), at(3_000)), (name("other"), at(3_000))]).await.unwrap();
        store.watch_uses(at(1)).await.unwrap();
        for (only_manageable, client_id) in [(false, None), (true, None), (true, Some(name("c")))] {
            let (profile, since, until) = ("rare".to_owned(), at(0), at(9_000));
            let unused = Unused { profile, client_id, since, until, only_manageable, limit: 100 };
            store.unused(&unused).await.unwrap();
        }
        turn(store, &name("c"), "a").await;
        store.break_off_turn(&name("c"), "a", at(2_000)).await.unwrap();
        store.take_turn(&name("c"), &Turn { holder: "b".to_owned(), lasts: UNDER_WAY }, at(2_000)).await.unwrap();
        store.break_off_turn(&name("c"), "b", at(0)).await.unwrap();
        let found = FindingRecord { id: name("f"), ..finding("f", at(2_000), "rare") };
        store.enter_finding(found, Vec::new()).await.unwrap();
        respond(store, &name("r")).await;
        store.keep_requests(vec![request(&name("request"), at(2_000), "refuse")]).await.unwrap();
        store.request(&name("request")).await.unwrap();
        store.request("registration of nothing").await.unwrap();
        store
            .find_unfinished(Duration::ZERO, Recording::nothing(), Timestamp::from_unix_millis(1_650_000_000_001))
            .await
            .unwrap();
        store.due(at(0), 20).await.unwrap();
        store.tidy(at(0)).await.unwrap();
        recorded(store, &writer, &name("event")).await;
        alert(store, &name("alert")).await;
        store.ping().await.unwrap();
    }
    crate::samples::enter(store, "leaves").await;
    leave(store, "leaves").await;
}

async fn respond(store: &dyn Store, id: &str) {
    store.impose(response(id, at(1_000), id), Recording::nothing()).await.unwrap();
    store
        .impose(ResponseRecord { expires_at: at(900_000), ..response("again", at(1_000), id) }, Recording::nothing())
        .await
        .unwrap();
    store.responses_in_force(None).await.unwrap();
    store.response(id).await.unwrap();
    store.end_response(id, Ending { at: at(2_000), by: Some("ada".to_owned()) }, Recording::nothing()).await.unwrap();
}

async fn recorded(store: &dyn Store, writer: &WriterId, event: &str) {
    store.append(vec![AuditEntry { at: at(1_000), event: event.to_owned(), told: Vec::new() }]).await.unwrap();
    let head = store.head(at(2_000)).await.unwrap().unwrap();
    store.keep_head(chain::unsigned(head)).await.unwrap();
    store.records_of(writer, 0, 20).await.unwrap();
    store.records(&AuditFilter::default(), None, 20).await.unwrap();
}

/// Everything that is done with what receivers are to be told, but counting it.
async fn alert(store: &dyn Store, key: &str) {
    let burns = || lasting(&format!("{key} burns"), at(0), at(900_000));
    store.tell(vec![gathered(key, at(0)), gathered(&format!("{key} too"), at(0)), burns(), burns()]).await.unwrap();
    store.tell(vec![end(gathered(key, at(1_000)), Interest::Told)]).await.unwrap();
    store.receivers_due(at(0)).await.unwrap();
    let taken =
        store.take_deliveries("ops", &alert_turn("a"), 10, at(90_000)).await.unwrap().expect("nobody else is at it");
    let fates = [Fate::Done, Fate::Again(at(95_000)), Fate::Failed { next_at: at(95_000), error: "down".to_owned() }];
    let settled = taken.iter().zip(fates.into_iter().cycle());
    let settled = settled.map(|(taken, fate)| Settled { id: taken.id.clone(), version: taken.version, fate });
    store.settle_deliveries("ops", "a", settled.collect(), Vec::new()).await.unwrap();
    store.give_up_oldest("ops", 3, Recording::nothing()).await.unwrap();
    let long_ago = Timestamp::from_unix_millis(0);
    store.forget_receivers(&["ops".to_owned()], long_ago, Recording::nothing()).await.unwrap();
}

async fn lists(store: &dyn Store) {
    let behind = Page { after: Some(Cursor { at: at(1_000), id: "m".to_owned() }), limit: 20 };
    for page in [Page::first(20), behind] {
        store.list(&page).await.unwrap();
        for (state, profile) in
            [(None, None), (Some(State::Pending), None), (None, Some("rare")), (Some(State::Active), Some("rare"))]
        {
            let filter = ClientFilter { state, profile: profile.map(str::to_owned) };
            store.clients(&filter, &page).await.unwrap();
        }
        for detector in [None, Some("rare".to_owned())] {
            store.findings(&FindingFilter { detector }, &page).await.unwrap();
        }
        for only_in_force in [true, false] {
            store.responses(ResponseFilter { only_in_force }, &page).await.unwrap();
        }
        store.requests(Some(at(0)), &page).await.unwrap();
        let all = RegistrationFilter::default();
        for filter in [
            RegistrationFilter { outcome: Some(OutcomeName::Unknown), ..all.clone() },
            RegistrationFilter { profile: Some("rare".to_owned()), ..all.clone() },
            RegistrationFilter { client_id: Some("bulk-7".to_owned()), ..all.clone() },
            all,
        ] {
            store.registrations(&filter, &page).await.unwrap();
        }
    }
}

/// The statements that were run in this process, as sqlx tells them.
static STATEMENTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

struct Statements;

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
            fn record_str(&mut self, field: &Field, value: &str) {
                // A short statement is all in its summary.
                if field.name() == "db.statement" && !value.is_empty() || field.name() == "summary" && self.0.is_empty()
                {
                    self.0 = value.trim().to_owned();
                }
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        // SQLite is handed several at once.
        STATEMENTS.lock().unwrap().extend(text.0.split("; ").map(|text| text.trim().to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_finds_every_row_by_an_index() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Statements)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = open_file(&path).await.unwrap();
    work(&store).await;
    // What reads all of it is not what somebody waits for.
    Clients::count_clients(&store).await.unwrap();
    Deliveries::backlog(&store).await.unwrap();

    let beside =
        sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(&path)).await.unwrap();
    let statements = STATEMENTS.lock().unwrap().clone();
    let ours = statements.iter().filter(|text| {
        let begins = |word: &&str| text.starts_with(*word);
        ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().any(begins)
            && !text.ends_with('…')
            // Of the test below, which may run beside this one.
            && !MANY_ROWS.contains(&text.as_str())
            && !text.contains("_sqlx_migrations")
            && !text.contains("ORDER BY created_at DESC, id")
            // All chains are few, and nobody waits for them.
            && !text.ends_with("FROM audit_chains")
    });
    let mut judged = 0;
    for text in ours {
        // Other tests run beside this one: what SQLite does not understand, it did not run.
        let Ok(plan) = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"))).fetch_all(&beside).await else {
            continue;
        };
        let plan: Vec<String> = plan.iter().map(|row| row.get::<String, _>("detail")).collect();
        // Receivers are few, each once.
        let is_of_few = text.starts_with("SELECT DISTINCT receiver");
        for step in &plan {
            let is_by_index = !step.starts_with("SCAN")
                || ["SCAN v", "SCAN CONSTANT ROW"].contains(&step.as_str())
                // For references that a row of this insertion mends: there are none, so it is not run.
                || (step == "SCAN clients" && text.starts_with("INSERT INTO registrations "))
                || ["USING INDEX", "USING COVERING INDEX", "ROW VALUES CLAUSE"].iter().any(|how| step.contains(how));
            // A part of the key is all the counts of a profile.
            let is_whole_key = !step.contains("quota_usage USING PRIMARY KEY") || step.contains("start=?");
            assert!(
                is_by_index && is_whole_key && (!step.contains("TEMP B-TREE") || is_of_few),
                "{text}\n{}",
                plan.join("\n")
            );
        }
        judged += plan.len();
    }
    assert!(judged >= 40, "{judged} steps were judged: {statements:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_finds_every_row_by_an_index() {
    let Some(server) = PostgresServer::started() else { return };
    let url = server.new_database().await;
    open(url.clone()).await.unwrap().close().await;
    let mut loader = server.connect(&database(&url)).await;
    // sqlx runs them one after the other.
    for statement in MANY_ROWS {
        loader.execute(*statement).await.unwrap();
    }
    loader.close().await.unwrap();
    let mut beside = server.connect(&database(&url)).await;
    others_have_told(&mut beside).await;
    let before = sequential_scans(&mut beside).await;
    let store = open(url).await.unwrap();
    work(&store).await;
    store.close().await;
    others_have_told(&mut beside).await;
    let mut after = sequential_scans(&mut beside).await;
    after.retain(|table, scans| before.get(table) != Some(scans) && !is_short(table));
    assert_eq!(after, BTreeMap::new(), "tables that were read from end to end");
    let unused = "SELECT indexrelname::text FROM pg_stat_user_indexes WHERE idx_scan = 0";
    let unused: Vec<String> = sqlx::query_scalar(unused).fetch_all(&mut beside).await.unwrap();
    let ours: Vec<&String> = unused.iter().filter(|name| !is_short(name)).collect();
    assert!(ours.is_empty(), "indexes for nothing: {ours:?}");
}

/// Of this table, or an index of it: so few rows that an index is not worth it. A chain is a process's, and has few heads.
fn is_short(name: &str) -> bool {
    let short = ["write_probe", "use_watch", "use_reading", "response_changes", "_sqlx_migrations"];
    short.iter().chain(&["audit_chains", "audit_heads"]).any(|table| name.starts_with(table))
}

/// A connection tells what it did at its end, and until then when it likes.
async fn others_have_told(connection: &mut PgConnection) {
    let others =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'";
    while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut *connection).await.unwrap() > 1 {}
}

async fn sequential_scans(connection: &mut PgConnection) -> BTreeMap<String, i64> {
    let rows =
        sqlx::query("SELECT relname::text, seq_scan FROM pg_stat_user_tables").fetch_all(connection).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// So many that an index is worth it.
const MANY_ROWS: &[&str] = &[
    "INSERT INTO initial_access_tokens (id, hash, profile, created_at, expires_at, max_uses, used) \
     SELECT 'bulk-' || n, sha256(n::text::bytea), 'partners', 0, n, 1, 0 FROM generate_series(1, 20000) n",
    "INSERT INTO spent_tokens (issuer, id, until) SELECT 'idp', 'bulk-' || n, 1800000000000 + n FROM generate_series(1, 20000) n",
    "INSERT INTO registrations (id, at, profile, policy_version, registrant, address, redirect_uris, scope_granted, \
     scope_withheld, digest, outcome, client_id, finished_at) SELECT 'bulk-' || n, 1600000000000 + n, \
     CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'partners' END, '', 'somebody-' || n, '192.0.2.1', '[]', '', '', sha256(n::text::bytea), \
     'registered', 'bulk-' || n, 1 FROM generate_series(1, 20000) n",
    "INSERT INTO clients (client_id, registration, profile, registrant, created_at, updated_at, version, state, lifecycle, \
     redirect_uris, scope_granted, scope_withheld, scope_approved, metadata, digest, access_token, unmanageable, confirmed_at) \
     SELECT client_id, id, profile, registrant, at, at, 1, 'active', '{\"state\":\"active\"}', '[]', '', '', '', '{}', digest, digest, \
     0, at FROM registrations",
    "INSERT INTO registrations (id, at, profile, policy_version, registrant, address, redirect_uris, scope_granted, \
     scope_withheld, digest) SELECT 'open-' || n, 1650000000000 + n, 'partners', '', 'open', '192.0.2.1', '[]', '', '', \
     sha256(n::text::bytea) FROM generate_series(1, 20000) n",
    "INSERT INTO quota_usage (profile, registrant, length, start, used) \
     SELECT profile, registrant, 0, 0, 1 FROM clients",
    "INSERT INTO quota_usage (profile, registrant, length, start, used) \
     SELECT profile, registrant, 86400000, 1699920000000, 1 FROM clients",
    "INSERT INTO recorded_requests (at, id, registration, refused, request) SELECT 1600000000000 + n, 'bulk-' || n, 'bulk-' || n, 0, '{}' \
     FROM generate_series(1, 20000) n",
    "INSERT INTO findings (at, id, detector, mode, subject_kind, subject, score, evidence, sentence) \
     SELECT 1600000000000 + n, 'bulk-' || n, CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'probing' END, 'report', 'network', '192.0.2.0/24', \
     50, '[]', '' FROM generate_series(1, 20000) n",
    "INSERT INTO responses (id, action, subject, factor, dry_run, author, created_at, expires_at, ended_at) \
     SELECT 'bulk-' || n, 'ban_address', 'bulk-' || n, 1, 0, 'probing', 1600000000000 + n, 1900000000000 + n, CASE WHEN n > 1000 THEN 1900000000000 + n END \
     FROM generate_series(1, 20000) n",
    "INSERT INTO audit_records (writer, sequence, at, previous, hash, event) SELECT 'w-' || n % 100, n, 1600000000000 + n, \
     sha256(n::text::bytea), sha256(n::text::bytea), '{}' FROM generate_series(1, 20000) n",
    "INSERT INTO alert_deliveries (id, receiver, name, created_at, due_at) SELECT 'bulk-' || n, 'receiver-' || n % 100, 'bulk-' || n, \
     1600000000000 + n, 1900000000000 + n FROM generate_series(1, 20000) n",
    "INSERT INTO alert_notices (delivery, place, notice) SELECT 'bulk-' || n, 0, '{}' FROM generate_series(1, 20000) n",
    "INSERT INTO alert_told (receiver, key, quiet_until) SELECT 'receiver-' || n % 100, 'bulk-' || n, 1900000000000 + n \
     FROM generate_series(1, 20000) n",
    "INSERT INTO alert_turns (receiver, holder, until) SELECT 'receiver-' || n, 'a', 0 FROM generate_series(1, 20000) n",
    "VACUUM ANALYZE",
];
