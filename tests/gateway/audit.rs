//! The audit log as an operator has it: the executable records, its commands verify. What was tampered with is found, in its place;
//! no secret that the gateway handled stands anywhere in what it wrote.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dcr_gateway::audit::{Kind, SigningKeys};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;

use crate::flow;
use crate::managed::{Registered, Rules, World, orders, public, send};
use crate::process::{Gateway, command};
use crate::sink::Sink;

/// What the signing key is made from: looked for in all that the gateway writes.
const SIGNING_KEY: [u8; 32] = *b"the key that heads are signed by";

/// A world with a signed audit log, exported to `audit.jsonl`, and where a collector is there, to it, too.
async fn world(collector: Option<&Sink>) -> World {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    SigningKeys::add(Path::new(&path("audit.key")), &SIGNING_KEY).unwrap();
    let (otlp, telemetry) = match collector {
        Some(sink) => {
            (", otlp", format!("telemetry: {{ otlp: \"http://{}\", log: {{ format: json }} }}", sink.address))
        }
        None => ("", String::new()),
    };
    let audit = format!(
        "audit: {{ signing_key_file: \"{}\", sign_every: 1s, refusals: {{ window: 60s }}, export: [{{ file: {{ path: \"{}\" }} }}{otlp}] }}",
        path("audit.key"),
        path("audit.jsonl"),
    );
    let more = audit.clone();
    let rules = Rules { more: &more, telemetry: &telemetry, ..Rules::default() };
    World::in_directory(directory, rules).await
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn verify(world: &World, more: &[&str]) -> (Option<i32>, Value) {
    let output = world.gateway.run(&[&["--json", "audit", "verify"], more].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// The events of an export.
fn events(export: &str) -> Vec<Value> {
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"].is_object()).collect()
}

fn exported(world: &World) -> String {
    text(&world.gateway.run(&["audit", "export"]))
}

/// Changes the database behind the gateway's back.
async fn tamper(world: &World, statements: &[&'static str]) {
    let file = world.directory.path().join("gateway.db");
    let mut database = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    for statement in statements {
        database.execute(*statement).await.unwrap();
    }
    database.close().await.unwrap();
}

/// Everything that can be done once.
async fn use_everything(world: &World) -> (Registered, String, String) {
    let (token, once) = (world.gateway.token("partners", 2), world.gateway.token("partners", 1));
    let client = world.registered(&token, &orders()).await;
    let refused = json!({"redirect_uris": ["https://evil.example/"]});
    for _ in 0..3 {
        assert_eq!(send(world.gateway.address, ("POST", "/register"), &token, Some(&refused)).await.status, 400);
    }
    let shared = world.registered("", &public()).await;
    assert_eq!(world.registered("", &public()).await.id, shared.id);
    assert_eq!(world.manage("GET", &client.uri, &client.token, None).await.status, 200);
    let change = client.change(&json!({"client_name": "Others"}));
    assert_eq!(world.manage("PUT", &client.uri, &client.token, Some(&change)).await.status, 200);
    assert_eq!(world.manage("GET", &client.uri, "nobody's", None).await.status, 401);
    for command in ["suspend", "resume"] {
        text(&world.gateway.run(&["clients", command, &client.id, "--comment", "on the phone"]));
    }
    assert_eq!(world.manage("DELETE", &client.uri, &client.token, None).await.status, 204);
    let tokens: Value = serde_json::from_str(&text(&world.gateway.run(&["--json", "tokens", "list"]))).unwrap();
    text(&world.gateway.run(&["tokens", "revoke", tokens[0]["id"].as_str().unwrap()]));
    (client, token, once)
}

#[test]
fn what_only_looks_at_the_record_makes_none_and_finds_nothing_sound() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("gateway.yaml"), flow::configuration().replace("{upstream}", "127.0.0.1:9"))
        .unwrap();
    std::fs::write(directory.path().join("empty.jsonl"), "").unwrap();
    let run = |arguments: &[&str]| command(&[], directory.path(), arguments).output().unwrap();
    for arguments in [
        &["audit", "verify"][..],
        &["audit", "export"],
        &["audit", "tail"],
        &["tokens", "list"],
        &["tokens", "revoke", "t"],
    ] {
        let output = run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("there is no store"), "{arguments:?}: {said}");
    }
    assert!(!directory.path().join("gateway.db").exists());
    let output = run(&["audit", "verify", "--file", "empty.jsonl"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_was_good_for_is_on_record_and_who_tries_it_afterwards_as_well() {
    let world = world(None).await;
    let arguments =
        ["--json", "tokens", "create", "--profile", "partners", "--ttl", "1h", "--uses", "3", "--label", "ci"];
    let made: Value = serde_json::from_str(&text(&world.gateway.run(&arguments))).unwrap();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    text(&world.gateway.run(&["tokens", "revoke", id]));
    assert_eq!(send(world.gateway.address, ("POST", "/register"), token, Some(&orders())).await.status, 401);
    let told = || events(&exported(&world)).into_iter().map(|line| line["event"].clone()).collect::<Vec<_>>();
    let until = Instant::now() + Duration::from_secs(60);
    let refused = loop {
        let refused = told().into_iter().find(|event| event["event"] == "registration_refused");
        match refused {
            Some(refused) => break refused,
            None => assert!(Instant::now() < until, "the refusal is not on record"),
        }
    };
    assert_eq!((&refused["reason"], &refused["actor"]["token"]), (&json!("token_revoked"), &json!(id)), "{refused}");
    let told = told();
    for kind in ["token_created", "token_revoked"] {
        let event = told.iter().find(|event| event["event"] == kind).unwrap();
        assert_eq!((&event["subject"]["id"], &event["profile"]), (&json!(id), &json!("partners")), "{event}");
        assert_eq!((&event["token"]["uses"], &event["token"]["label"]), (&json!(3), &json!("ci")), "{event}");
        assert!(event["token"]["until"].is_i64(), "{event}");
    }
}

#[test]
fn a_configuration_that_cannot_be_served_ends_with_the_code_that_nobody_starts_it_again_for() {
    let directory = TempDir::new().unwrap();
    let configuration = flow::configuration() + "audit: { signing_key_file: audit.key }\n";
    std::fs::write(directory.path().join("gateway.yaml"), configuration.replace("{upstream}", "127.0.0.1:9")).unwrap();
    let run = |arguments: &[&str]| command(&[], directory.path(), arguments).output().unwrap();
    for arguments in [&["config", "check"][..], &["serve"]] {
        let output = run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(78) && said.contains("keys audit"), "{arguments:?}: {said}");
    }
    text(&run(&["keys", "audit"]));
    text(&run(&["config", "check"]));
}

#[test]
fn the_first_signing_key_is_told_also_where_it_cannot_be_recorded() {
    let directory = TempDir::new().unwrap();
    let configuration = flow::configuration() + "audit: { signing_key_file: audit.key }\n";
    std::fs::write(directory.path().join("gateway.yaml"), configuration.replace("{upstream}", "127.0.0.1:9")).unwrap();
    // No database can be made where a directory is.
    std::fs::create_dir(directory.path().join("gateway.db")).unwrap();
    let output = command(&[], directory.path(), &["keys", "audit"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("the key was made"), "{said}");
    assert!(directory.path().join("audit.key").exists());
    assert_eq!(STANDARD.decode(String::from_utf8_lossy(&output.stdout).trim()).unwrap().len(), 32);
}

#[test]
fn the_export_to_standard_output_holds_what_the_one_to_a_file_does() {
    let audit = "audit: { sign_every: 1s, export: [stdout, { file: { path: audit.jsonl } }] }\n";
    let redirected = ["sh", "-c", "exec \"$0\" \"$@\" > out.jsonl"];
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let configuration = flow::configuration() + audit;
    let mut gateway = Gateway::start_by(&redirected, TempDir::new().unwrap(), (&configuration, nobody));
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), Some(0));
    let [out, file] = ["out.jsonl", "audit.jsonl"].map(|name| std::fs::read_to_string(gateway.file(name)).unwrap());
    assert!(out.contains("process_stopped"), "{out}");
    assert_eq!(out, file);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_recorded_and_verifies_offline_and_on_the_store() {
    let mut world = world(None).await;
    let (client, ..) = use_everything(&world).await;
    world.gateway.signal("TERM");
    assert_eq!(world.gateway.ended(), Some(0));
    let (code, report) = verify(&world, &[]);
    assert_eq!((code, &report["faults"]), (Some(0), &json!(0)), "{report}");
    for chain in report["chains"].as_array().unwrap() {
        assert_eq!(chain["signed_up_to"], chain["last"], "every chain has ended, and its head is signed");
    }
    let export = exported(&world);
    let all = events(&export);
    let kinds: BTreeSet<&str> = all.iter().filter_map(|line| line["event"]["event"].as_str()).collect();
    let wanted = [
        Kind::ProcessStarted,
        Kind::ConfigurationLoaded,
        Kind::TokenCreated,
        Kind::RegistrationAdmitted,
        Kind::RegistrationRefused,
        Kind::RegistrationRepeated,
        Kind::RefusalsCounted,
        Kind::ClientRead,
        Kind::ClientUpdated,
        Kind::ManagementRefused,
        Kind::ClientSuspended,
        Kind::ClientResumed,
        Kind::ClientDeleted,
        Kind::TokenRevoked,
        Kind::ProcessStopped,
    ];
    for kind in wanted {
        assert!(kinds.contains(kind.as_str()), "{kind:?} is not among {kinds:?}");
    }
    let of = |kind: Kind| all.iter().map(|line| &line["event"]).find(|event| event["event"] == kind.as_str()).unwrap();
    let admitted = of(Kind::RegistrationAdmitted);
    assert_eq!(admitted["subject"], json!({"kind": "client", "id": client.id}));
    assert_eq!(admitted["profile"], "partners");
    for member in ["policy_version", "request_id", "request_digest", "registration"] {
        assert!(admitted[member].is_string(), "{member}: {admitted}");
    }
    assert!(admitted["actor"]["token"].is_string(), "{admitted}");
    assert_eq!(of(Kind::RegistrationRefused)["violations"], json!(["redirect_uris"]));
    assert_eq!(of(Kind::RefusalsCounted)["count"], 2);
    assert_eq!(of(Kind::ClientSuspended)["comment"], "on the phone");

    let file = world.directory.path().join("export.jsonl");
    std::fs::write(&file, &export).unwrap();
    let (code, report) = verify(&world, &["--file", file.to_str().unwrap()]);
    assert_eq!((code, &report["faults"]), (Some(0), &json!(0)), "{report}");
    // What was written while it ran is the gateway's own chain, with its heads.
    let streamed = world.directory.path().join("audit.jsonl");
    let (code, report) = verify(&world, &["--file", streamed.to_str().unwrap()]);
    assert_eq!((code, report["chains"].as_array().map(Vec::len)), (Some(0), Some(1)), "{report}");
    assert_eq!(report["chains"][0]["signed_up_to"], report["chains"][0]["last"], "{report}");
    // A command that was run beside it asked it, and left no chain that nobody sends on.
    let streamed = events(&std::fs::read_to_string(&streamed).unwrap());
    for kind in [Kind::TokenCreated, Kind::TokenRevoked] {
        assert!(streamed.iter().any(|line| line["event"]["event"] == kind.as_str()), "{kind:?}");
    }
    let ocsf = text(&world.gateway.run(&["audit", "export", "--format", "ocsf"]));
    assert_eq!(ocsf.lines().count(), all.len());
    assert!(text(&world.gateway.run(&["audit", "tail"])).contains("process_stopped"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_tampered_with_is_found_in_its_place() {
    let mut world = world(None).await;
    for _ in 0..5 {
        world.client().await;
    }
    world.gateway.signal("TERM");
    assert_eq!(world.gateway.ended(), Some(0));
    let kept = std::fs::read(world.directory.path().join("gateway.db")).unwrap();
    let export = std::fs::read_to_string(world.directory.path().join("audit.jsonl")).unwrap();
    let own = events(&export)[0]["writer"].as_str().unwrap().to_owned();
    let head = export.lines().rev().find(|line| line.starts_with("{\"head\"")).unwrap().to_owned();
    let last = events(&export).last().unwrap()["sequence"].as_u64().unwrap();
    let own_chain = "writer = (SELECT writer FROM audit_records GROUP BY writer ORDER BY count(*) DESC LIMIT 1)";
    let cases = [
        (
            "UPDATE audit_records SET event = replace(event, 'admitted', 'repeated') WHERE sequence = 3 AND {}",
            3,
            "changed",
        ),
        ("DELETE FROM audit_records WHERE sequence = 3 AND {}", 4, "missing"),
        (
            "UPDATE audit_records SET sequence = CASE sequence WHEN 3 THEN -4 ELSE -3 END WHERE sequence IN (3, 4) AND {}; \
          UPDATE audit_records SET sequence = -sequence WHERE sequence < 0",
            3,
            "changed",
        ),
        ("DELETE FROM audit_records WHERE sequence < 2 AND {}", 2, "beginning_missing"),
        ("DELETE FROM audit_records WHERE sequence > 4 AND {}", last, "tail_missing"),
        ("DELETE FROM audit_records WHERE {}", last, "tail_missing"),
    ];
    for (statement, place, fault) in cases {
        let statement: &'static str = statement.replace("{}", own_chain).leak();
        tamper(&world, &["PRAGMA ignore_check_constraints = ON", statement]).await;
        let (code, report) = verify(&world, &[]);
        assert_eq!(code, Some(1), "{statement}");
        let found = &report["findings"][0];
        let told = (found["writer"].as_str(), found["sequence"].as_u64(), found["fault"].as_str());
        assert_eq!(told, (Some(own.as_str()), Some(place), Some(fault)), "{statement}: {report}");
        restore(&world, &kept);
    }
    // Whoever takes the heads along with the tail is found by a head that was exported.
    let tail: &'static str = format!("DELETE FROM audit_records WHERE sequence > 4 AND {own_chain}").leak();
    tamper(&world, &[tail, "DELETE FROM audit_heads"]).await;
    assert_eq!(verify(&world, &[]).0, Some(0), "nothing in the store tells");
    let (code, report) = verify(&world, &["--head", &head]);
    assert_eq!(code, Some(1), "{report}");
    assert_eq!((&report["findings"][0]["fault"], &report["findings"][0]["last"]), (&json!("tail_missing"), &json!(4)));
}

fn restore(world: &World, database: &[u8]) {
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(world.directory.path().join(format!("gateway.db{end}")));
    }
    std::fs::write(world.directory.path().join("gateway.db"), database).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_recorded_whatever_it_comes_to() {
    let mut world = world(None).await;
    let file = world.gateway.file("gateway.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    // Once it answers, it listens to signals, too.
    world.client().await;
    // Whole at once: the gateway looks at its file by itself, too.
    let replace = |text: &str| {
        let next = world.gateway.file("gateway.yaml.next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, &file).unwrap();
    };
    replace(&format!("{good}\n# another\n"));
    world.gateway.signal("HUP");
    world.gateway.told(|said| said["message"] == "configuration reloaded");
    replace("nonsense: true");
    world.gateway.signal("HUP");
    world.gateway.told(|said| said["message"].as_str().is_some_and(|text| text.contains("NOT reloaded")));
    world.gateway.kill();
    std::fs::write(&file, good).unwrap();
    let all = events(&exported(&world));
    let about = |line: &&Value| line["event"]["subject"]["kind"] == "configuration";
    let told: Vec<_> = all.iter().filter(about).map(|line| line["event"]["event"].as_str().unwrap()).collect();
    let last: Vec<&str> = told.iter().rev().take(1).copied().collect();
    assert_eq!((&told[..2], last), (&["configuration_loaded"; 2][..], vec!["configuration_refused"]));
    let digests: BTreeSet<_> =
        all.iter().filter(about).map(|line| line["event"]["subject"]["id"].to_string()).collect();
    assert_eq!(digests.len(), 3);
    // It was killed: the chain verifies, and has no end.
    assert_eq!(verify(&world, &[]).0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_in_anything_that_the_gateway_wrote() {
    let sink = Sink::start().await;
    let mut world = world(Some(&sink)).await;
    let (client, token, once) = use_everything(&world).await;
    let kept = world.client().await;
    world.gateway.signal("TERM");
    assert_eq!(world.gateway.ended(), Some(0));
    let mut secrets = vec![token, once, client.token, kept.token.clone(), STANDARD.encode(SIGNING_KEY)];
    secrets.extend(["client_secret", "registration_access_token"].iter().flat_map(|member| world.answered(member)));
    secrets.extend(kept.told["client_secret"].as_str().map(str::to_owned));
    secrets.push(std::fs::read_to_string(world.directory.path().join("key")).unwrap().trim().to_owned());
    assert!(secrets.len() >= 10, "{}", secrets.len());

    let records = Instant::now() + Duration::from_secs(30);
    sink.wait("the audit log", |received| {
        let logs = format!("{:?}", received.logs);
        (logs.contains("registration_admitted") || Instant::now() > records).then_some(())
    });
    let mut written = vec![
        ("the log".to_owned(), world.gateway.log().into_bytes()),
        ("the export".to_owned(), exported(&world).into_bytes()),
    ];
    sink.wait("spans", |received| {
        let told = format!("{:?} {:?}", received.spans, received.logs);
        (!received.spans.is_empty()).then(|| written.push(("the collector".to_owned(), told.into_bytes())))
    });
    for entry in std::fs::read_dir(world.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // The files that hold secrets, made for that.
        if path.is_file() && !["key", "audit.key", "credential"].contains(&name.as_str()) {
            written.push((name, std::fs::read(path).unwrap()));
        }
    }
    assert!(
        written.iter().any(|(name, _)| name == "gateway.db") && written.iter().any(|(name, _)| name == "audit.jsonl")
    );
    for (place, octets) in &written {
        for secret in &secrets {
            let is_there = octets.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{place} holds {secret}");
        }
    }
}
