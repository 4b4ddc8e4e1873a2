//! What detectors found in real requests, asked for by an operator.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use dcr_gateway::clock::{Clock as _, SystemClock};
use dcr_gateway::store::Clients as _;

use crate::out_of_use;
use crate::world::{World, configuration, demo_section, demo_server};

/// Longer than the detectors can take.
const PATIENCE: Duration = Duration::from_secs(60);

async fn guess_tokens(world: &World, many: u32) {
    let client = reqwest::Client::new();
    for guess in 0..many {
        let request = client.post(format!("http://{}/register", world.address)).bearer_auth(format!("guess-{guess}"));
        let status = request.json(&serde_json::json!({})).send().await.unwrap().status();
        assert_eq!(status, 401, "{guess}");
    }
}

/// The detectors look beside the requests: asked until there is something.
async fn findings(world: &World, query: &str) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let answer = world.ask("GET", &format!("/v1/findings{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let found = answer.body["findings"].as_array().unwrap();
        if !found.is_empty() {
            return found.clone();
        }
        assert!(began.elapsed() < PATIENCE, "nothing was found");
    }
}

#[tokio::test]
async fn guessed_tokens_are_found_and_told_once() {
    let world = World::start().await;
    guess_tokens(&world, 15).await;
    let found = findings(&world, "?detector=token_guessing").await;
    assert_eq!(found.len(), 1, "{found:?}");
    let finding = &found[0];
    assert_eq!(finding["subject"], serde_json::json!({ "kind": "network", "name": "127.0.0.0/24" }));
    assert!(finding["score"].as_f64().unwrap() >= 0.5 && finding["evidence"][0]["value"].as_f64().unwrap() >= 10.0);
    assert!(finding["request_id"].is_string(), "{finding}");
    let none = world.ask("GET", "/v1/findings?detector=probing").await;
    assert_eq!(none.body["findings"], serde_json::json!([]));
    assert_eq!(world.ask("GET", "/v1/findings?detector=nobody").await.status, 400);
    // The shape is the documented one.
    let document = world.ask("GET", "/v1/openapi.json").await.body;
    let described = document["components"]["schemas"]["Finding"]["properties"].as_object().unwrap();
    let members: Vec<_> = finding.as_object().unwrap().keys().collect();
    assert!(members.iter().all(|member| described.contains_key(*member)), "{members:?}");
}

#[tokio::test]
async fn a_change_that_waits_for_an_approval_has_widened_nobody() {
    let own =
        "anomalies: { learning: 0s, lookalike_names: { names: [Example Bank] } }\nmanagement: { growth: approval }\n";
    let text = configuration(&demo_section(demo_server().await), "{ socket: admin.sock }");
    let text = text.replace("host: app.example.com }", "host: app.example.com }, { host: other.example.org }");
    let world = World::configured(TempDir::new().unwrap(), &format!("{own}{text}")).await;
    let client = world.register("Orders").await;
    let uris = ["https://app.example.com/callback", "https://other.example.org/callback"];
    let change = json!({"client_id": client["client_id"], "client_name": "Orders", "redirect_uris": uris});
    let (status, told) = world.manage_itself("PUT", &client, Some(&change)).await;
    assert_eq!((status, &told["redirect_uris"]), (200, &json!([uris[0]])), "{told}");
    world.register("Examp1e Bank").await;
    // What happens is looked at in its order.
    findings(&world, "?detector=lookalike_names").await;
    let widened = world.ask("GET", "/v1/findings?detector=widening").await;
    assert_eq!(widened.body["findings"], json!([]));
}

/// A client that was used last so long ago.
async fn used_before(world: &World, number: u32, days: u64) -> Value {
    let client = world.register(&format!("Orders {number}")).await;
    let id = client["client_id"].as_str().unwrap().to_owned();
    let then = SystemClock.now().before(Duration::from_secs(days * 24 * 60 * 60));
    world.store.note_uses(&[(id, then)]).await.unwrap();
    client
}

#[tokio::test]
async fn clients_of_long_ago_that_are_used_again_from_one_network_are_found() {
    let world = out_of_use::world().await;
    // In use all the time: however many there are, they are ordinary.
    for number in 0..10 {
        let client = used_before(&world, number, 3).await;
        assert_eq!(out_of_use::get_tokens(&world, &client, None).await.status(), 200);
    }
    let dormant = used_before(&world, 10, 40).await;
    // Used again and again, one client stays one.
    for _ in 0..10 {
        assert_eq!(out_of_use::get_tokens(&world, &dormant, None).await.status(), 200);
    }
    guess_tokens(&world, 30).await;
    let found = findings(&world, "").await;
    assert!(found.iter().all(|finding| finding["detector"] == "token_guessing"), "{found:?}");

    // More than enough, because an hour may end in the midst of them.
    for number in 11..31 {
        let client = used_before(&world, number, 40).await;
        assert_eq!(out_of_use::get_tokens(&world, &client, None).await.status(), 200);
    }
    let found = findings(&world, "?detector=dormant_clients").await;
    let network = serde_json::json!({ "kind": "network", "name": "127.0.0.0/24" });
    assert!((1..=3).contains(&found.len()), "once, and as it becomes graver: {found:?}");
    assert!(found.iter().all(|finding| finding["subject"] == network), "{found:?}");
}

#[tokio::test]
async fn whoever_reviews_a_client_sees_what_was_found_about_its_registrant() {
    let world = World::start().await;
    let client = world.register("Orders").await;
    let review = format!("/v1/clients/{}/review", client["client_id"].as_str().unwrap());
    assert_eq!(world.ask("GET", &review).await.body["findings"], serde_json::json!([]));
    guess_tokens(&world, 30).await;
    let found = findings(&world, "?detector=token_guessing").await;
    let reviewed = world.ask("GET", &review).await.body;
    assert_eq!(reviewed["findings"], serde_json::json!(found), "both are from 127.0.0.0/24: {reviewed}");
}

#[tokio::test]
async fn a_client_that_does_what_it_may_is_no_finding() {
    let world = World::start().await;
    for name in ["Orders", "Invoices", "Deliveries"] {
        world.register(name).await;
    }
    // Behind the registrations: once this is found, they were looked at.
    guess_tokens(&world, 30).await;
    let found = findings(&world, "").await;
    assert!(found.iter().all(|finding| finding["detector"] == "token_guessing"), "{found:?}");
}
