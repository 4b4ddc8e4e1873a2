//! The commands before a running gateway: the executable itself.

use std::process::Output;

use dcr_gateway::clock::{Clock as _, SystemClock};
use dcr_gateway::sealing::Keys;
use dcr_gateway::store::settings::{StoreSettings, StoreUrl};
use dcr_gateway::store::sql::SqlStore;
use dcr_gateway::store::{Clients as _, FindingRecord, Findings as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Gateway;
use crate::records;
use crate::world::{configuration, demo_section, demo_server};

async fn gateway() -> Gateway {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("credential"), "operator").unwrap();
    let admin = "{ socket: admin.sock, listen: 127.0.0.1:0 }";
    let server = demo_server().await;
    Gateway::start_in(directory, &configuration(&demo_section(server), admin), server)
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&text(output)).unwrap()
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn register(gateway: &Gateway, name: &str) -> Value {
    let metadata = json!({"client_name": name, "redirect_uris": ["https://app.example.com/callback"]});
    let request = reqwest::Client::new().post(format!("http://{}/register", gateway.address)).json(&metadata);
    request.send().await.unwrap().json().await.unwrap()
}

async fn read_itself(gateway: &Gateway, client: &Value) -> u16 {
    let url = format!("http://{}/register/{}", gateway.address, client["client_id"].as_str().unwrap());
    let request = reqwest::Client::new().get(url).bearer_auth(client["registration_access_token"].as_str().unwrap());
    request.send().await.unwrap().status().as_u16()
}

/// The store of the gateway, opened beside it.
async fn store(gateway: &Gateway) -> SqlStore {
    let url = StoreUrl::Sqlite(gateway.file("gateway.db"));
    SqlStore::open(&StoreSettings { url, ..StoreSettings::default() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_listed_shown_suspended_resumed_and_deleted() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let gateway = gateway().await;
    let client = register(&gateway, "Orders").await;
    register(&gateway, "Reports").await;
    let id = client["client_id"].as_str().unwrap();

    let table = text(&gateway.run(&["clients", "list"]));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("REGISTERED"), "{table}");
    let row = lines.iter().find(|line| line.contains(id)).unwrap();
    for part in ["active", "Orders", "partners", "app.example.com", "127.0.0.1"] {
        assert!(row.contains(part), "{part}: {row}");
    }
    let page = gateway.run(&["--json", "clients", "list", "--limit", "1"]);
    let cursor = json_of(&page)["next"].as_str().unwrap().to_owned();
    let rest = json_of(&gateway.run(&["--json", "clients", "list", "--cursor", &cursor]));
    assert_eq!((rest["clients"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));

    let suspend = gateway.run(&["clients", "suspend", id, "--comment", "reported"]);
    assert_eq!(text(&suspend), format!("{id} is suspended\n"));
    assert_eq!(read_itself(&gateway, &client).await, 403);
    assert!(text(&gateway.run(&["clients", "show", id])).contains("reported"));
    assert!(refusal(&gateway.run(&["clients", "suspend", id])).contains("the client is suspended"));
    let suspended = text(&gateway.run(&["clients", "list", "--state", "suspended"]));
    assert_eq!(suspended.lines().count(), 2, "{suspended}");
    assert_eq!(text(&gateway.run(&["clients", "resume", id])), format!("{id} is active\n"));
    assert_eq!(read_itself(&gateway, &client).await, 200);
    let deleted = json_of(&gateway.run(&["--json", "clients", "delete", id, "--comment", "over"]));
    assert_eq!((&deleted["state"], &deleted["comment"]), (&json!("deleted"), &json!("over")));
    assert_eq!(read_itself(&gateway, &client).await, 401);
    assert!(refusal(&gateway.run(&["clients", "show", "none"])).contains("no client"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_name_begins_with_a_hyphen_can_be_named() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let gateway = gateway().await;
    for arguments in [["clients", "show", "-aOfD", "--json"], ["clients", "suspend", "--json", "-aOfD"]] {
        let said = refusal(&gateway.run(&arguments));
        assert!(said.contains("-aOfD") && !said.contains("unexpected argument"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_are_listed_shown_and_resolved() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let gateway = gateway().await;
    register(&gateway, "Orders").await;
    let store = store(&gateway).await;
    records::unknown(&store, "00aa").await;
    store.close().await;
    let table = text(&gateway.run(&["registrations", "list", "--outcome", "unknown"]));
    assert!(table.lines().count() == 2 && table.contains("00aa") && table.contains("server_timed_out"), "{table}");
    assert!(text(&gateway.run(&["registrations", "show", "00aa"])).contains("unknown"));
    assert_eq!(gateway.run(&["registrations", "resolve", "00aa"]).status.code(), Some(2), "which of the two?");
    let resolved = gateway.run(&["registrations", "resolve", "00aa", "--not-registered"]);
    assert_eq!(text(&resolved), "00aa is not_registered\n");
    let again = refusal(&gateway.run(&["registrations", "resolve", "00aa", "--registered", "x"]));
    assert!(again.contains("not unknown"), "{again}");
    let all = json_of(&gateway.run(&["--json", "registrations", "list", "--all"]));
    assert_eq!(all["registrations"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_rotated_under_a_running_gateway() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let gateway = gateway().await;
    let client = register(&gateway, "Orders").await;
    let id = client["client_id"].as_str().unwrap();
    let before = std::fs::read_to_string(gateway.file("key")).unwrap();
    let rotated = json_of(&gateway.run(&["--json", "keys", "rotate"]));
    assert_eq!(rotated["clients"], json!({"changed": 1, "current": 0, "left": 0}));
    let after = std::fs::read_to_string(gateway.file("key")).unwrap();
    assert!(after.ends_with(&before) && after.lines().count() == 2);

    let keys = Keys::read(&gateway.file("key")).unwrap();
    let store = store(&gateway).await;
    let sealed = store.client(id).await.unwrap().unwrap().server_access.unwrap();
    store.close().await;
    assert!(keys.is_current(&sealed));
    // The gateway opens it, and no longer needs the old key.
    assert_eq!(read_itself(&gateway, &client).await, 200);
    let again = json_of(&gateway.run(&["--json", "keys", "reseal"]));
    assert_eq!(again["clients"], json!({"changed": 0, "current": 1, "left": 0}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_does_not_run_is_said_not_to() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut gateway = gateway().await;
    register(&gateway, "Orders").await;
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), Some(0));
    assert!(!gateway.file("admin.sock").exists());
    for command in [["clients", "list"], ["registrations", "list"], ["findings", "list"]] {
        let said = refusal(&gateway.run(&command));
        assert!(said.contains("the gateway does not run") && said.contains("admin.sock"), "{said}");
    }
    // What works on the store itself goes on.
    assert!(gateway.run(&["tokens", "list"]).status.success());
    assert_eq!(json_of(&gateway.run(&["--json", "keys", "rotate"]))["clients"]["changed"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_runs_is_asked_though_its_configuration_was_broken_meanwhile() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let gateway = gateway().await;
    let file = gateway.file("gateway.yaml");
    let broken = std::fs::read_to_string(&file).unwrap() + "nobody_knows: this\n";
    std::fs::write(&file, broken).unwrap();
    let create = ["tokens", "create", "--profile", "partners", "--ttl", "1h"];
    let token = json_of(&gateway.run(&[&["--json"], &create[..]].concat()))["id"].as_str().unwrap().to_owned();
    for command in [
        &["clients", "list"][..],
        &["lockdown", "on", "--for", "1h"],
        &["lockdown", "off"],
        &["bans", "list"],
        &create,
        &["tokens", "revoke", &token],
        &["tokens", "list"],
    ] {
        let output = gateway.run(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("config check"), "{command:?}: {said}");
    }
    let listed = json_of(&gateway.run(&["--json", "tokens", "list"]));
    let states: Vec<&str> = listed.as_array().unwrap().iter().map(|token| token["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["usable", "revoked"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_read_the_gateways_files_asks_it_all_the_same_and_is_told_why() {
    // Only root can become somebody else.
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("credential"), "operator").unwrap();
    let admin = "{ socket: admin.sock, listen: 127.0.0.1:0, actors: [{ uid: 65533, name: ada, role: administrator }] }";
    let server = demo_server().await;
    let gateway = Gateway::start_in(directory, &configuration(&demo_section(server), admin), server);
    let mode = std::os::unix::fs::PermissionsExt::from_mode;
    std::fs::set_permissions(gateway.file("credential"), mode(0o600)).unwrap();
    std::fs::set_permissions(gateway.file(""), mode(0o755)).unwrap();
    // Whoever builds here may have a home that is closed to others.
    let executable = gateway.file("dcr-gateway");
    std::fs::copy(env!("CARGO_BIN_EXE_dcr-gateway"), &executable).unwrap();
    let as_ada = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&executable);
        command.args(arguments).args(["--config", "gateway.yaml"]).current_dir(gateway.file(""));
        std::os::unix::process::CommandExt::uid(&mut command, 65533).output().unwrap()
    };
    let made = json_of(&as_ada(&["--json", "tokens", "create", "--profile", "partners", "--ttl", "1h"]));
    for command in [&["tokens", "list"][..], &["tokens", "revoke", made["id"].as_str().unwrap()], &["clients", "list"]]
    {
        let output = as_ada(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("this user may not read"), "{command:?}: {said}");
        assert!(!said.contains("is wrong"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findings_are_listed_by_detector() {
    let gateway = gateway().await;
    let store = store(&gateway).await;
    for (id, detector, sentence) in [("f1", "probing", "somebody probes"), ("f2", "widening", "a client was widened")] {
        let finding = FindingRecord {
            id: id.to_owned(),
            at: SystemClock.now(),
            detector: detector.to_owned(),
            mode: "report".to_owned(),
            subject_kind: "network".to_owned(),
            subject: "192.0.2.0/24".to_owned(),
            score: 75,
            evidence: "[]".to_owned(),
            sentence: sentence.to_owned(),
            request_id: None,
        };
        store.enter_finding(finding, Vec::new()).await.unwrap();
    }
    let table = text(&gateway.run(&["findings", "list", "--detector", "probing"]));
    assert!(table.contains("0.75") && table.contains("network 192.0.2.0/24  somebody probes"), "{table}");
    assert!(!table.contains("widened"), "{table}");
    let all = json_of(&gateway.run(&["--json", "findings", "list"]));
    assert_eq!(all["findings"].as_array().unwrap().len(), 2);
    assert_eq!(gateway.run(&["findings", "list", "--detector", "nobody"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_named_at_a_reload_may_open_the_socket_at_once() {
    let gateway = gateway().await;
    let written = std::fs::read_to_string(gateway.file("gateway.yaml")).unwrap();
    let named = "socket: admin.sock, actors: [{ uid: 65533, name: ada, role: viewer }]";
    let mode = || {
        let metadata = std::fs::metadata(gateway.file("admin.sock")).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
    };
    assert_eq!(mode(), 0o600);
    for (admin, expected) in [(named, 0o666), ("socket: admin.sock", 0o600)] {
        std::fs::write(gateway.file("gateway.yaml"), written.replace("socket: admin.sock", admin)).unwrap();
        gateway.told(|said| said["message"] == "configuration reloaded");
        assert_eq!(mode(), expected, "{admin}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_says_what_is_open_at_the_server_and_registers_nothing() {
    let gateway = gateway().await;
    assert_eq!(text(&gateway.run(&["doctor"])), "Nothing was found.\n");
    // The gateway answers at its own address as the server does: a place where nobody should.
    let elsewhere = format!("http://{}", gateway.address);
    let found = gateway.run(&["--json", "doctor", "--not-at", &elsewhere]);
    assert!(refusal(&found).contains("there is 1 problem"));
    let told: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(told["found"][0]["name"], "reachable_elsewhere");
    assert!(told["found"][0]["what"].as_str().unwrap().contains(&elsewhere));
    assert_eq!(text(&gateway.run(&["clients", "list"])).lines().count(), 1, "the head alone");
}
