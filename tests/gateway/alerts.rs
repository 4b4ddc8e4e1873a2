//! Who is told of what happens: webhooks, a chat, mail and an Alertmanager, over real sockets; through outages, a kill, and two replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dcr_gateway::demo::authorization_server::{Settings, router};
use dcr_gateway::sealing::Keys;
use dcr_gateway::secret::Secret;
use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::client::register;
use crate::configuration::on_base;
use crate::hook::{Hook, Sent};
use crate::mail::{MailServer, Tls};
use crate::postgres_server::PostgresServer;
use crate::process::Gateway;

const SECRET: &str = "a secret that is known to both";

/// `{alerts}` and `{store}` stand for what a test adds.
const OWN: &str = r#"
authorization_server:
  credential: { bearer_token_file: credential }
store: { url: "{store}", encryption_key_file: key }
audit: { signing_key_file: audit.key, sign_every: 1s }
admin: { listen: 127.0.0.1:0, console_url: https://admin.example.com }
{alerts}
profiles:
  - name: partners
    match: {}
    initial_access_token: optional
    redirect_uris: { https: [{ host: app.example.com }] }
    scopes: { initial: [openid], allowed: [profile], by_approval: [orders] }
    approval: required
    limits: { rate: 1000/s, burst: 1000 }
"#;

async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings { issuer: "https://sso.example.com".to_owned(), credential: Secret::new("operator") };
    tokio::spawn(axum::serve(listener, router(settings)).into_future());
    address
}

/// A gateway whose receivers these are.
async fn gateway(alerts: &str) -> Gateway {
    gateway_on("sqlite://gateway.db", alerts, server().await)
}

fn gateway_on(store: &str, alerts: &str, upstream: SocketAddr) -> Gateway {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("credential"), "operator").unwrap();
    std::fs::write(directory.path().join("webhook"), SECRET).unwrap();
    std::fs::write(directory.path().join("password"), crate::mail::USER.1).unwrap();
    Keys::read_or_make(&directory.path().join("key"), &[7; 32]).unwrap();
    let configuration = on_base(OWN).replace("{alerts}", alerts).replace("{store}", store);
    std::fs::write(directory.path().join("gateway.yaml"), configuration.replace("{upstream}", "127.0.0.1:1")).unwrap();
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_dcr-gateway"))
        .current_dir(directory.path())
        .args(["keys", "audit", "--config", "gateway.yaml"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Gateway::start_in(directory, &configuration, upstream)
}

fn hook(name: &str, hook: &Hook, more: &str) -> String {
    format!("{{ name: {name}, webhook: \"http://{}/dcr\", secret_file: webhook, group_for: 0ms{more} }}", hook.address)
}

async fn registered(gateway: &Gateway, name: &str) -> String {
    let members = json!({
        "client_name": name, "redirect_uris": ["https://app.example.com/callback"], "scope": "openid orders"
    });
    let answer = register(gateway.address, None, &members).await;
    answer.client_id().unwrap_or_else(|| panic!("{answer:?}"))
}

fn decided(gateway: &Gateway, what: &[&str]) {
    let output = gateway.run(&[&["clients"], what].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// By the document: HMAC-SHA256 over id, moment and body.
fn is_signed(sent: &Sent) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = format!("{}.{}.{}", sent.header("webhook-id"), sent.header("webhook-timestamp"), sent.body);
    let signature = sent.header("webhook-signature").strip_prefix("v1,").unwrap_or_default();
    hmac::verify(&key, signed.as_bytes(), &STANDARD.decode(signature).unwrap_or_default()).is_ok()
}

fn notices(sent: &[Sent]) -> Vec<Value> {
    sent.iter().flat_map(Sent::notices).collect()
}

fn names(sent: &[Sent]) -> Vec<String> {
    notices(sent).iter().map(|notice| notice["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_told_of_what_waits_and_of_what_became_of_it_also_who_was_away() {
    let (hooked, chat, away) = (Hook::start(204).await, Hook::start(200).await, Hook::start(503).await);
    let mail = MailServer::start(Tls::None).await;
    let alerts = format!(
        "alerts:\n  - {}\n  - {}\n  - {{ name: chat, webhook: \"http://{}/services/hunter2\", format: slack, group_for: 0ms }}\n  \
         - {{ name: mail, smtp: {{ server: localhost, port: {}, tls: none, from: Gateway <dcr@example.com>, to: [ops@example.com] }}, group_for: 0ms }}\n",
        hook("hook", &hooked, ", on: [pending, outcomes]"),
        hook("away", &away, ", on: [pending, outcomes]"),
        chat.address,
        mail.address.port(),
    );
    let gateway = gateway(&alerts).await;
    let client = registered(&gateway, "Planner & <3>").await;

    let sent = hooked.until_taken(1).await;
    assert!(is_signed(&sent[0]), "{sent:?}");
    let [notice] = sent[0].notices().try_into().unwrap();
    assert_eq!((&notice["name"], &notice["about"]["id"]), (&json!("client_pending"), &json!(client)));
    assert_eq!(notice["link"], format!("https://admin.example.com/console/#/clients/{client}"));
    assert_eq!((&notice["client_name"], &notice["profile"]), (&json!("Planner & <3>"), &json!("partners")));
    assert!(notice["sentence"].as_str().unwrap().contains("orders"), "{notice}");
    let text = chat.until_taken(1).await[0].json()["text"].as_str().unwrap().to_owned();
    assert!(
        text.contains("Planner &amp; &lt;3&gt;")
            && text.contains(&format!("<https://admin.example.com/console/#/clients/{client}>")),
        "{text}"
    );
    let mails = mail.until(1).await;
    assert_eq!(
        (mails[0].from.as_str(), mails[0].to.as_slice()),
        ("dcr@example.com", ["ops@example.com".to_owned()].as_slice())
    );
    assert!(mails[0].text.contains("Subject: [dcr-gateway] A client waits for an approval"), "{}", mails[0].text);

    // The one that is away was asked in vain, more than once, under one name.
    let asked = away.until(|sent| sent.len() >= 2).await;
    decided(&gateway, &["approve", &client]);
    let sent = hooked.until_taken(2).await;
    let notice = sent[1].notices().remove(0);
    assert_eq!((&notice["name"], &notice["status"]), (&json!("client_approved"), &json!("resolved")), "{notice}");
    assert_eq!((mail.until(2).await.len(), chat.until_taken(2).await.len()), (2, 2));
    assert_eq!(away.taken().len(), 0);
    away.answer(200);
    let taken = away.until_taken(2).await;
    assert_eq!(names(&taken), ["client_pending", "client_approved"], "in their order");
    assert!(taken.iter().all(is_signed));
    assert!(asked.iter().all(|sent| sent.header("webhook-id") == taken[0].header("webhook-id")));
    assert_ne!(taken[0].header("webhook-id"), taken[1].header("webhook-id"));
    assert_eq!(taken[0].body, asked[0].body, "the same at each attempt");
    // Nobody was told twice, and no URL that is a secret is in the log.
    assert_eq!((hooked.sent().len(), chat.sent().len(), mail.until(2).await.len()), (2, 2, 2));
    assert!(!gateway.log().contains("/services/hunter2"));
    let metrics = crate::client::get(gateway.admin, "/metrics").await.body;
    assert!(metrics.contains(r#"dcr_alert_deliveries_total{outcome="delivered",receiver="hook""#), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_told_when_the_gateway_was_killed_is_told_under_the_same_name() {
    let hooked = Hook::start(204).await;
    hooked.hold();
    let mut gateway = gateway(&format!("alerts: [{}]", hook("hook", &hooked, ", on: [pending]"))).await;
    let client = registered(&gateway, "First").await;
    hooked.until_arrived(1).await;
    // While it is on the way, another one waits.
    let other = registered(&gateway, "Second").await;
    gateway.kill();
    hooked.answer(204);
    gateway.restart();
    let sent = hooked
        .until(|sent| notices(sent).iter().any(|notice| notice["about"]["id"] == other.as_str()) && sent.len() >= 3)
        .await;
    let of = |client: &str| {
        let with = sent.iter().filter(|sent| sent.notices().iter().any(|notice| notice["about"]["id"] == client));
        with.map(|sent| sent.header("webhook-id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of(&client).len(), 2, "the receiver had heard it, and the gateway did not know");
    assert_eq!(of(&client).iter().collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(of(&other).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_tell_each_thing_once() {
    let Some(postgres) = PostgresServer::started() else { return };
    let url = postgres.new_database().await.to_string();
    let hooked = Hook::start(204).await;
    let upstream = server().await;
    let alerts = format!("alerts: [{}]", hook("hook", &hooked, ", on: [pending, audit_heads]"));
    let gateways = [gateway_on(&url, &alerts, upstream), gateway_on(&url, &alerts, upstream)];
    let mut clients = BTreeSet::new();
    for number in 0..24 {
        clients.insert(registered(&gateways[number % 2], &format!("Client {number}")).await);
    }
    let told = |sent: &[Sent]| {
        let mut told = BTreeMap::<String, usize>::new();
        for notice in notices(sent).iter().filter(|notice| notice["name"] == "client_pending") {
            *told.entry(notice["about"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        told
    };
    hooked.until(|sent| told(sent).len() == 24).await;
    // Two more heads, one of each: whatever would be told twice would have come.
    let chains = |sent: &[Sent]| {
        let heads = notices(sent).into_iter().filter(|notice| notice["name"] == "audit_head");
        heads.map(|notice| notice["about"]["id"].to_string()).collect::<BTreeSet<_>>().len()
    };
    registered(&gateways[0], "One more").await;
    registered(&gateways[1], "And another").await;
    let sent = hooked.until(|sent| told(sent).len() == 26 && chains(sent) == 2).await;
    assert!(told(&sent).values().all(|count| *count == 1), "{:?}", told(&sent));
    let ids: Vec<&str> = sent.iter().map(|sent| sent.header("webhook-id")).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    let head = notices(&sent).into_iter().find(|notice| notice["name"] == "audit_head").unwrap();
    assert!(head["data"]["signature"].is_string() && head["data"]["hash"].is_string(), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_told_as_one_message_for_each_detector_but_what_is_silenced() {
    let (hooked, silenced) = (Hook::start(204).await, Hook::start(204).await);
    let findings = ", on: [findings]";
    let alerts = format!("alerts: [{}]", hook("hook", &hooked, findings));
    let guess = async |gateway: &Gateway| {
        for number in 0..40 {
            let token = format!("no-token-of-ours-{number}");
            let answer = register(gateway.address, Some(&token), &json!({})).await;
            assert_eq!(answer.status, 401, "{answer:?}");
        }
    };
    let told = gateway(&alerts).await;
    guess(&told).await;
    let sent = hooked.until_taken(1).await;
    let notice = sent[0].notices().remove(0);
    assert_eq!((&notice["name"], &notice["topic"]), (&json!("token_guessing"), &json!("findings")), "{notice}");
    assert_eq!((&notice["about"]["kind"], notice["score"].as_f64() >= Some(0.5)), (&json!("network"), true));
    assert!(notice["data"]["evidence"].is_array() && is_signed(&sent[0]));

    let alerts = format!(
        "alerts: [{}]\nsilences: [{{ name: token_guessing, until: \"2999-01-01T00:00:00Z\", comment: a test }}]",
        hook("hook", &silenced, ", on: [findings, pending]")
    );
    let quiet = gateway(&alerts).await;
    guess(&quiet).await;
    quiet.told(|said| said["detector"] == "token_guessing");
    registered(&quiet, "Planner").await;
    assert_eq!(names(&silenced.until_taken(1).await), ["client_pending"], "the finding came first, and is not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_hears_when_something_begins_and_when_it_is_over() {
    let manager = Hook::start(200).await;
    let gateway = gateway(&format!("alerts: [{{ alertmanager: \"http://{}/am/\" }}]", manager.address)).await;
    let client = registered(&gateway, "Planner").await;
    let of_client = |sent: &[Sent]| {
        let alerts = sent.iter().flat_map(|sent| sent.json().as_array().cloned().unwrap_or_default());
        alerts.filter(|alert| alert["labels"]["client"] == client.as_str()).collect::<Vec<_>>()
    };
    let sent = manager.until(|sent| !of_client(sent).is_empty()).await;
    assert_eq!(sent[0].path, "/am/api/v2/alerts");
    let begun = of_client(&sent).remove(0);
    assert_eq!(
        (&begun["labels"]["alertname"], &begun["labels"]["profile"]),
        (&json!("client_pending"), &json!("partners"))
    );
    assert!(begun["endsAt"].as_str() > begun["startsAt"].as_str(), "{begun}");
    decided(&gateway, &["reject", &client]);
    let sent = manager.until(|sent| of_client(sent).len() >= 2).await;
    let ended = of_client(&sent).pop().unwrap();
    assert_eq!((&ended["labels"], &ended["startsAt"]), (&begun["labels"], &ended["endsAt"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_taken_out_holds_up_nobody_and_one_that_comes_in_by_a_reload_is_told() {
    let (gone, come) = (Hook::start(503).await, Hook::start(204).await);
    let alerts = format!("alerts: [{}]", hook("gone", &gone, ", on: [pending]"));
    let gateway = gateway(&alerts).await;
    registered(&gateway, "First").await;
    gone.until(|sent| !sent.is_empty()).await;
    let file = gateway.file("gateway.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&alerts, &format!("alerts: [{}]", hook("come", &come, ", on: [pending]"))))
        .unwrap();
    gateway.signal("HUP");
    gateway.told(|said| said["message"] == "configuration reloaded");
    let second = registered(&gateway, "Second").await;
    let sent = come.until_taken(1).await;
    assert_eq!(notices(&sent)[0]["about"]["id"], second.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_to_everybody_and_says_who_does_not_have_it() {
    let (there, away) = (Hook::start(204).await, Hook::start(500).await);
    let mail = MailServer::start(Tls::None).await;
    let smtp = |password: &str| {
        format!(
            "smtp: {{ server: localhost, port: {}, tls: none, username: dcr, password_file: {password}, from: a@example.com, to: [b@example.com] }}",
            mail.address.port()
        )
    };
    let alerts = format!(
        "alerts:\n  - {}\n  - {}\n  - {{ name: mail, {} }}\n  - {{ name: stranger, {} }}\n",
        hook("there", &there, ""),
        hook("away", &away, ""),
        smtp("password"),
        smtp("webhook"),
    );
    let gateway = gateway(&alerts).await;
    let output = gateway.run(&["--json", "alerts", "test"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let delivered = told["tried"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tried| (tried["receiver"].as_str().unwrap().to_owned(), tried["delivered"].as_bool().unwrap()));
    let all = [("there", true), ("away", false), ("mail", true), ("stranger", false)];
    assert_eq!(delivered.collect::<Vec<_>>(), all.map(|(name, is)| (name.to_owned(), is)));
    assert!(names(&there.taken()).contains(&"test".to_owned()));
    assert_eq!(mail.until(1).await[0].signed_in_as.as_deref(), Some("dcr"));
    assert!(gateway.run(&["alerts", "test", "--receiver", "there"]).status.success());
    assert_eq!(gateway.run(&["alerts", "test", "--receiver", "nobody"]).status.code(), Some(1));
}

/// A certificate for localhost, and the file with the CA that vouches for it.
fn certified(directory: &std::path::Path) -> std::sync::Arc<rustls::ServerConfig> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("ca.pem"), certified.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    std::sync::Arc::new(config.with_single_cert(vec![certified.cert.der().clone()], key).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_tls_to_a_server_that_is_known_and_to_no_other() {
    let directory = TempDir::new().unwrap();
    let tls = certified(directory.path());
    for (setting, server) in [
        ("starttls", MailServer::start(Tls::Starttls(tls.clone())).await),
        ("required", MailServer::start(Tls::Required(tls.clone())).await),
    ] {
        let smtp = format!(
            "alerts: [{{ name: mail, smtp: {{ server: localhost, port: {}, tls: {setting}, username: dcr, password_file: password, \
             from: a@example.com, to: [b@example.com, c@example.com] }}, group_for: 0ms }}]",
            server.address.port()
        );
        let trusting = format!("{smtp}\nfetch: {{ trust: [\"{}\"] }}", directory.path().join("ca.pem").display());
        let unknown = gateway(&smtp).await;
        assert_eq!(unknown.run(&["alerts", "test"]).status.code(), Some(1), "nobody vouches for it");
        let gateway = gateway(&trusting).await;
        let tried = gateway.run(&["alerts", "test"]);
        assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stdout));
        let mail = server.until(1).await.remove(0);
        assert!(mail.was_encrypted && mail.signed_in_as.as_deref() == Some("dcr"), "{mail:?}");
        assert_eq!(mail.to, ["b@example.com", "c@example.com"]);
        // What it does not take now it gets later, and what it never takes keeps nothing back.
        server.refuse(Some("451 later"));
        registered(&gateway, "Planner").await;
        gateway.told(|said| said["message"] == "a receiver of alerts cannot be told: what it misses waits for it");
        server.refuse(None);
        assert!(server.until(2).await[1].text.contains("Planner"));
        server.refuse(Some("554 never"));
        registered(&gateway, "Refused").await;
        gateway.told(|said| said["message"] == "a receiver of alerts refuses a message");
        server.refuse(None);
        registered(&gateway, "Another").await;
        assert!(
            server.until(3).await[2..]
                .iter()
                .any(|mail| mail.text.contains("Another") || mail.text.contains("Refused"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_told_and_that_it_works_again() {
    let hooked = Hook::start(204).await;
    // Nobody listens there any more.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let redis = format!("throttle: {{ backend: \"redis://{nobody}\", when_unavailable: local }}");
    let gateway = gateway(&format!("alerts: [{}]\n{redis}", hook("hook", &hooked, ", on: [health]"))).await;
    let sent = hooked.until_taken(1).await;
    let notice = sent[0].notices().remove(0);
    assert_eq!((&notice["name"], &notice["status"]), (&json!("throttle_unreachable"), &json!("firing")), "{notice}");
    assert_eq!(notice["severity"], "critical");

    let file = gateway.file("gateway.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\nnonsense: true\n")).unwrap();
    gateway.signal("HUP");
    gateway.told(|said| said["message"].as_str().is_some_and(|message| message.contains("NOT reloaded")));
    std::fs::write(&file, text.replace(&redis, "")).unwrap();
    gateway.signal("HUP");
    gateway.told(|said| said["message"] == "configuration reloaded");
    let told = |sent: &[Sent]| {
        let told = notices(sent).into_iter().map(|notice| format!("{} {}", notice["name"], notice["status"]));
        told.map(|text| text.replace('"', "")).collect::<BTreeSet<_>>()
    };
    let all = [
        "configuration_refused firing",
        "configuration_refused resolved",
        "throttle_unreachable firing",
        "throttle_unreachable resolved",
    ];
    let sent = hooked.until(|sent| told(sent).len() >= all.len()).await;
    assert_eq!(told(&sent), all.map(str::to_owned).into());
    assert_eq!(notices(&sent).len(), all.len(), "each once");
}

/// A change of a client by its own token (RFC 7592).
async fn put(client: &Value, gateway: &Gateway, change: &Value) -> Value {
    let mut members = change.clone();
    members["client_id"] = client["client_id"].clone();
    let uri = format!("http://{}/register/{}", gateway.address, client["client_id"].as_str().unwrap());
    let request = reqwest::Client::new().put(uri).json(&members);
    let answer = request.bearer_auth(client["registration_access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_the_place_of_what_waits_is_told_again_with_each_scope_that_an_approval_gives() {
    let hooked = Hook::start(204).await;
    let alerts = format!("alerts:\n  - {}\n", hook("hook", &hooked, ", on: [pending, outcomes], repeat_after: 1h"));
    let gateway = gateway(&format!("{alerts}management: {{ growth: approval }}\n")).await;
    let members = |path: &str, scope: &str| json!({ "redirect_uris": ["https://app.example.com/cb", format!("https://app.example.com/{path}")], "scope": scope });
    let first = json!({ "redirect_uris": ["https://app.example.com/cb"], "scope": "openid" });
    let client = register(gateway.address, None, &first).await.json();
    let id = client["client_id"].as_str().unwrap();
    let heard = async |count: usize| notices(&hooked.until(|sent| notices(sent).len() >= count).await);
    // While it is pending, and once it is active.
    let mut told = 1;
    for name in ["client_pending", "client_change_pending"] {
        put(&client, &gateway, &members("good", "openid profile")).await;
        put(&client, &gateway, &members("good", "openid profile")).await;
        put(&client, &gateway, &members("evil", "openid profile orders")).await;
        let [good, evil] = heard(told + 2).await.split_off(told).try_into().expect("the same again is told once");
        assert_eq!((&good["name"], &evil["name"]), (&json!(name), &json!(name)));
        let said = |notice: &Value| notice["sentence"].as_str().unwrap().to_owned();
        assert!(said(&good).contains("redirect_uris + https://app.example.com/good"), "{good}");
        assert!(said(&evil).contains("/evil") && said(&evil).contains("scope + profile orders"), "{evil}");
        let listed = String::from_utf8(gateway.run(&["clients", "list"]).stdout).unwrap();
        assert!(listed.contains("scope + profile orders; redirect_uris + https://app.example.com/evil"), "{listed}");
        // Who looked at the one before approves nothing.
        let shown = String::from_utf8(gateway.run(&["clients", "show", id]).stdout).unwrap();
        let version = shown.lines().find_map(|line| line.strip_prefix("version")).unwrap().trim().to_owned();
        put(&client, &gateway, &members("worse", "openid profile orders")).await;
        let late = gateway.run(&["clients", "approve", id, "--version", &version]);
        assert!(String::from_utf8_lossy(&late.stderr).contains("was changed meanwhile"), "{late:?}");
        let approved =
            String::from_utf8(gateway.run(&["clients", "approve", id, "--scopes", "profile"]).stdout).unwrap();
        let changed = "changed: redirect_uris + https://app.example.com/worse";
        assert_eq!(approved, format!("{id} is active\ngranted: profile\n{changed}\n"));
        let decided = &heard(told + 4).await[told + 3];
        let what = if name == "client_pending" { "client" } else { "change" };
        assert_eq!((&decided["name"], &decided["decided"]), (&json!("client_approved"), &json!(what)), "{decided}");
        // As it was before.
        put(&client, &gateway, &first).await;
        told += 4;
    }
}
