//! A store that takes no audit record: whatever an operator asks for is not done, by whichever way it is asked, and nobody is signed in. One
//! that takes the half: what was done is not said to have failed.

use std::time::Duration;

use dcr_gateway::audit::SigningKeys;
use dcr_gateway::clock::{Clock as _, SystemClock};
use dcr_gateway::store::settings::{StoreSettings, StoreUrl};
use dcr_gateway::store::sql::SqlStore;
use dcr_gateway::store::{Recording, ResponseAction, ResponseRecord, Responses as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqliteConnection};
use tempfile::TempDir;

use crate::process::Gateway;
use crate::records;
use crate::world::{configuration, demo_section, demo_server};

async fn gateway() -> Gateway {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("credential"), "operator").unwrap();
    let digest: String = Sha256::digest("token-of-ada").iter().map(|octet| format!("{octet:02x}")).collect();
    let tokens = format!("[{{ name: ada, role: administrator, sha256: \"{digest}\" }}]");
    let admin = format!("{{ socket: admin.sock, listen: 127.0.0.1:0, tokens: {tokens} }}");
    let server = demo_server().await;
    SigningKeys::add(&directory.path().join("audit.key"), &[7; 32]).unwrap();
    let text = configuration(&demo_section(server), &admin) + "\naudit: { signing_key_file: audit.key }\n";
    Gateway::start_in(directory, &text, server)
}

/// A statement on the file itself.
async fn tamper(gateway: &Gateway, statement: &str) {
    let url = format!("sqlite://{}", gateway.file("gateway.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
    connection.close().await.unwrap();
}

/// Asks the API; the status.
async fn post(gateway: &Gateway, target: &str, body: &serde_json::Value) -> u16 {
    let url = format!("http://{}{target}", gateway.admin);
    let request = reqwest::Client::new().post(url).bearer_auth("token-of-ada").json(body);
    request.send().await.unwrap().status().as_u16()
}

/// Signs in to the console: the status, and whether a session was given.
async fn sign_in(gateway: &Gateway) -> (u16, bool) {
    let url = format!("http://{}/console/session", gateway.admin);
    let request = reqwest::Client::new().post(url).json(&json!({"token": "token-of-ada"}));
    let response = request.header("dcr-console", "1").header("sec-fetch-site", "same-origin").send().await.unwrap();
    (response.status().as_u16(), response.headers().contains_key("set-cookie"))
}

/// Everything that is asked for here, and the key files.
fn standing(gateway: &Gateway) -> (String, String, String) {
    let shown = |arguments: &[&str]| String::from_utf8(gateway.run(arguments).stdout).unwrap();
    let key = |name: &str| std::fs::read_to_string(gateway.file(name)).unwrap();
    let keys = key("key") + &key("audit.key");
    (shown(&["--json", "tokens", "list"]), shown(&["--json", "registrations", "list"]), keys)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_recorded_is_not_done_and_nobody_is_signed_in() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let gateway = gateway().await;
    let url = StoreUrl::Sqlite(gateway.file("gateway.db"));
    let store = SqlStore::open(&StoreSettings { url, ..StoreSettings::default() }).await.unwrap();
    records::unknown(&store, "00aa").await;
    store.close().await;
    let wanted = json!({"profile": "partners", "lifetime": "1h"});
    assert_eq!(post(&gateway, "/v1/tokens", &wanted).await, 201);
    let before = standing(&gateway);
    let tokens: serde_json::Value = serde_json::from_str(&before.0).unwrap();
    let token = tokens[0]["id"].as_str().unwrap().to_owned();

    let full = "BEGIN SELECT raise(ABORT, 'database or disk is full'); END";
    tamper(&gateway, &format!("CREATE TRIGGER full BEFORE INSERT ON audit_records {full}")).await;
    assert_eq!(post(&gateway, "/v1/tokens", &wanted).await, 503);
    assert_eq!(post(&gateway, &format!("/v1/tokens/{token}/revoke"), &json!({})).await, 503);
    assert_eq!(sign_in(&gateway).await, (503, false));
    let commands: [&[&str]; 5] = [
        &["tokens", "create", "--profile", "partners", "--ttl", "1h"],
        &["tokens", "revoke", &token],
        &["registrations", "resolve", "00aa", "--not-registered"],
        &["keys", "rotate"],
        &["keys", "audit"],
    ];
    for command in commands {
        let output = gateway.run(command);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{command:?}: {output:?}");
    }
    assert_eq!(standing(&gateway), before);
    assert!(!gateway.file("key.new").exists());

    tamper(&gateway, "DROP TRIGGER full").await;
    assert_eq!(sign_in(&gateway).await, (200, true));
    for command in commands {
        let output = gateway.run(command);
        assert!(output.status.success(), "{command:?}: {output:?}");
    }
    let events = String::from_utf8(gateway.run(&["audit", "export"]).stdout).unwrap();
    let count = |event: &str| events.matches(event).count();
    assert_eq!((count("token_created"), count("token_revoked"), count("registration_resolved")), (2, 1, 1));
    assert_eq!(count("operator_signed_in"), 1);
    assert!(gateway.run(&["audit", "verify"]).status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_was_resumed_is_said_to_be_although_what_suspended_it_cannot_be_ended() {
    let gateway = gateway().await;
    let url = StoreUrl::Sqlite(gateway.file("gateway.db"));
    let store = SqlStore::open(&StoreSettings { url, ..StoreSettings::default() }).await.unwrap();
    let now = SystemClock.now();
    records::registered(&store, "1", now.unix_millis()).await;
    let suspension = ResponseRecord {
        id: "of-a-detector".to_owned(),
        action: ResponseAction::SuspendClient,
        subject: "c-1".to_owned(),
        factor: 1,
        dry_run: false,
        author: "lookalike_names".to_owned(),
        finding: None,
        reason: None,
        created_at: now,
        expires_at: now.after(Duration::from_secs(3600)),
        ended: None,
    };
    store.impose(suspension, Recording::nothing()).await.unwrap();
    store.close().await;
    assert!(gateway.run(&["clients", "suspend", "c-1"]).status.success());
    let refused = "BEGIN SELECT raise(ABORT, 'database or disk is full'); END";
    tamper(&gateway, &format!("CREATE TRIGGER full BEFORE UPDATE ON responses {refused}")).await;
    let resumed = gateway.run(&["--json", "clients", "resume", "c-1"]);
    assert!(resumed.status.success(), "{resumed:?}");
    gateway.told(|said| said["message"] == "what suspended a client is in force until its time is over");
    let client = gateway.run(&["--json", "clients", "show", "c-1"]).stdout;
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&client).unwrap()["state"], "active");
}
