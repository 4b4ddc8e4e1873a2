//! What findings call for beside bans: suspensions, approvals, tightened throttles; and who may order what.

use dcr_gateway::store::{AuditFilter, AuditLog as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{World, configuration, demo_section, demo_server};

/// A gateway with one rule for names like the protected one's.
async fn world(rule: &str, rules_of_profile: &str) -> World {
    cooling_for("1s", rule, rules_of_profile).await
}

async fn cooling_for(cooldown: &str, rule: &str, rules_of_profile: &str) -> World {
    let anomalies = format!(
        "anomalies: {{ learning: 0s, lookalike_names: {{ cooldown: {cooldown}, names: [Example Bank] }}, \
         responses: [{{ to: [lookalike_names], dry_run: false, {rule} }}] }}\n"
    );
    let text = configuration(&demo_section(demo_server().await), "{ socket: admin.sock }");
    let text = text.replace("name: partners,", &format!("name: partners, {rules_of_profile}"));
    World::configured(TempDir::new().unwrap(), &format!("{anomalies}{text}")).await
}

/// Waits for a response that is in force.
async fn response(world: &World) -> Value {
    loop {
        let bans = world.ask("GET", "/v1/bans").await.body;
        if let Some(found) = bans["bans"].as_array().unwrap().first() {
            return found.clone();
        }
        tokio::task::yield_now().await;
    }
}

/// What is recorded of it that the client was resumed.
async fn resumed(world: &World, client_id: &str) -> Value {
    let records = world.store.records(&AuditFilter::default(), None, 100).await.unwrap();
    let events = records.iter().map(|record| serde_json::from_str::<Value>(&record.event).unwrap());
    let mut resumed = events.filter(|event| event["event"] == "client_resumed" && event["subject"]["id"] == client_id);
    resumed.next().expect("a record")
}

fn is_in(state: &str) -> impl Fn(&Value) -> bool {
    let state = state.to_owned();
    move |client| client["state"] == state.as_str()
}

#[tokio::test]
async fn a_client_with_a_name_like_a_protected_one_is_suspended_until_somebody_resumes_it() {
    let world = world("action: suspend_client, for: 1d", "").await;
    let client = world.register("Examp1e Bank").await;
    let id = client["client_id"].as_str().unwrap();
    let suspended = world.until(id, is_in("suspended")).await;
    assert_eq!(suspended["changed_by"], "lookalike_names");
    let suspension = response(&world).await;
    assert_eq!((&suspension["action"], &suspension["subject"]), (&json!("suspend_client"), &json!(id)));
    let resumed = world.change("POST", &format!("/v1/clients/{id}/resume"), "*").await;
    assert_eq!((resumed.status, &resumed.body["state"]), (200, &json!("active")));
    // The suspension is over with it.
    assert_eq!(world.ask("GET", "/v1/bans").await.body["bans"], json!([]));
    let all = world.ask("GET", "/v1/bans?which=all").await.body;
    assert_eq!(all["bans"][0]["state"], "lifted");
}

#[tokio::test]
async fn every_client_with_such_a_name_is_suspended_though_its_host_was_found_already() {
    let world = cooling_for("1d", "action: suspend_client, for: 1d", "").await;
    let mut suspended = Vec::new();
    for name in ["Examp1e Bank", "Exampel Bank", "Example Bnak"] {
        let client = world.register(name).await;
        let id = client["client_id"].as_str().unwrap();
        assert_eq!(world.until(id, is_in("suspended")).await["changed_by"], "lookalike_names");
        suspended.push(json!(id));
    }
    let findings = world.ask("GET", "/v1/findings?detector=lookalike_names").await.body;
    assert_eq!(findings["findings"].as_array().unwrap().len(), 1, "one host is one finding: {findings}");
    let bans = world.ask("GET", "/v1/bans").await.body;
    for ban in bans["bans"].as_array().unwrap() {
        assert!(suspended.contains(&ban["subject"]) && ban["finding"] == findings["findings"][0]["id"], "{ban}");
    }
}

#[tokio::test]
async fn who_takes_such_a_name_by_a_change_is_suspended_as_well() {
    let world = world("action: suspend_client, for: 1d", "").await;
    let client = world.register("Orders").await;
    let id = client["client_id"].as_str().unwrap();
    let renamed = json!({
        "client_id": id, "client_name": "Examp1e Bank", "redirect_uris": client["redirect_uris"]
    });
    let (status, answer) = world.manage_itself("PUT", &client, Some(&renamed)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(world.until(id, is_in("suspended")).await["changed_by"], "lookalike_names");
}

#[tokio::test]
async fn a_suspension_that_is_lifted_or_over_resumes_the_client() {
    let world = world("action: suspend_client, for: 2s", "").await;
    let client = world.register("Examp1e Bank").await;
    let id = client["client_id"].as_str().unwrap();
    world.until(id, is_in("suspended")).await;
    world.until(id, is_in("active")).await;
    let over = resumed(&world, id).await;
    assert_eq!((&over["actor"]["kind"], &over["reason"]), (&json!("gateway"), &json!("lookalike_names")));
    let world = self::world("action: suspend_client, for: 1h", "").await;
    let client = world.register("Examp1e Bank").await;
    let id = client["client_id"].as_str().unwrap();
    world.until(id, is_in("suspended")).await;
    let suspension = response(&world).await;
    let lifted = world.ask("DELETE", &format!("/v1/bans/{}", suspension["id"].as_str().unwrap())).await;
    assert_eq!((lifted.status, &lifted.body["state"]), (200, &json!("lifted")), "{}", lifted.body);
    world.until(id, is_in("active")).await;
    let lifted = resumed(&world, id).await;
    assert_eq!((&lifted["actor"]["kind"], lifted.get("reason")), (&json!("operator"), None), "{lifted}");
}

#[tokio::test]
async fn a_client_that_others_share_stays_and_its_registrant_is_banned() {
    let world = world("action: suspend_client, for: 1d", "").await;
    let metadata = json!({
        "client_name": "Examp1e Bank", "redirect_uris": ["https://app.example.com/callback"], "token_endpoint_auth_method": "none"
    });
    let (status, client) = world.register_as(&metadata).await;
    assert_eq!(status, 201, "{client}");
    let ban = response(&world).await;
    assert_eq!((&ban["action"], &ban["subject"]), (&json!("ban_address"), &json!("127.0.0.1/32")));
    let id = client["client_id"].as_str().unwrap();
    let client = world.ask("GET", &format!("/v1/clients/{id}")).await.body;
    assert_eq!(client["state"], "active");
}

#[tokio::test]
async fn a_profile_under_approval_has_its_next_client_wait() {
    let world = world("action: require_approval", "scopes: { initial: [openid], allowed: [profile] },").await;
    let scopes = |name: &str| json!({"client_name": name, "redirect_uris": ["https://app.example.com/callback"], "scope": "openid profile"});
    let (_, before) = world.register_as(&scopes("Orders")).await;
    assert_eq!(before["scope"], "openid profile");
    let modest = world.register("Modest").await;
    world.register("Examp1e Bank").await;
    let approval = response(&world).await;
    assert_eq!((&approval["action"], &approval["subject"]), (&json!("require_approval"), &json!("partners")));
    let (status, after) = world.register_as(&scopes("Invoices")).await;
    assert_eq!((status, &after["scope"]), (201, &json!("openid")));
    let id = after["client_id"].as_str().unwrap();
    let client = world.ask("GET", &format!("/v1/clients/{id}")).await.body;
    assert_eq!((&client["state"], &client["scopes"]["withheld"]), (&json!("pending"), &json!("profile")));
    // Those that were there keep what they have, and get no more.
    for (client, granted) in [(&before, "openid profile"), (&modest, "openid")] {
        let mut change = scopes("Renamed");
        change["client_id"] = client["client_id"].clone();
        let (status, changed) = world.manage_itself("PUT", client, Some(&change)).await;
        assert_eq!((status, &changed["scope"]), (200, &json!(granted)), "{changed}");
    }
    world.ask("DELETE", &format!("/v1/bans/{}", approval["id"].as_str().unwrap())).await;
    let (_, later) = world.register_as(&scopes("Deliveries")).await;
    assert_eq!(later["scope"], "openid profile");
}

#[tokio::test]
async fn a_tightened_throttle_lets_fewer_try_and_says_so() {
    let limits = "limits: { rate: 1/h, burst: 40 },";
    let world = world("action: tighten_throttle, factor: 40", limits).await;
    for name in ["Orders", "Invoices", "Examp1e Bank"] {
        world.register(name).await;
    }
    let tightened = response(&world).await;
    assert_eq!((&tightened["subject"], &tightened["factor"]), (&json!("partners"), &json!(40)));
    let metadata = json!({"client_name": "More", "redirect_uris": ["https://app.example.com/callback"]});
    assert_eq!(world.register_as(&metadata).await.0, 429);
    world.ask("DELETE", &format!("/v1/bans/{}", tightened["id"].as_str().unwrap())).await;
    assert_eq!(world.register_as(&metadata).await.0, 201);
}

#[tokio::test]
async fn orders_are_read_whole_or_refused() {
    let world = World::start().await;
    for wrong in [
        json!({}),
        json!({"address": "everywhere"}),
        json!({"address": "0.0.0.0/0"}),
        json!({"address": "192.0.2.1", "token": "ci"}),
        json!({"certificate": "ab"}),
        json!({"address": "192.0.2.1", "for": "0s"}),
        json!({"address": "192.0.2.1", "for": "900d"}),
        json!({"address": "192.0.2.1", "colour": "red"}),
    ] {
        assert_eq!(world.post("/v1/bans", &wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(world.ask("DELETE", "/v1/bans/nobody").await.status, 404);
    let made = world.post("/v1/bans", &json!({"address": "192.0.2.1", "comment": "why not"})).await;
    assert_eq!((made.status, &made.body["subject"]), (201, &json!("192.0.2.1/32")));
    let document = world.ask("GET", "/v1/openapi.json").await.body;
    let described = document["components"]["schemas"]["Response"]["properties"].as_object().unwrap();
    let members: Vec<_> = made.body.as_object().unwrap().keys().collect();
    assert!(members.iter().all(|member| described.contains_key(*member)), "{members:?}");
    let again = world.post("/v1/bans", &json!({"address": "192.0.2.1", "for": "2d"})).await;
    assert_eq!(again.body["id"], made.body["id"], "the same again prolongs it");
    assert!(again.body["expires_at"].as_str() > made.body["expires_at"].as_str());
}
