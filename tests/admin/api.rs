//! What holds for every operation: pages, what cannot be read, tokens, registrations, the socket.

use std::collections::BTreeSet;

use dcr_gateway::config;
use dcr_gateway::server::Gateway;
use dcr_gateway::store::memory::MemoryStore;
use serde_json::{Value, json};

use crate::records;
use crate::world::World;

/// Reads a list to its end, and checks that nothing comes twice.
async fn read_all(world: &World, list: &str, name: &str, id: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = world.ask("GET", &format!("/v1/{list}limit=100{cursor}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let entries = answer.body[name].as_array().unwrap();
        assert!(entries.len() <= 100);
        found.extend(entries.iter().map(|entry| entry[id].as_str().unwrap().to_owned()));
        match answer.body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "an entry came twice");
    found
}

#[tokio::test]
async fn pages_show_each_record_once_newest_first_also_of_the_same_moment() {
    let world = World::start().await;
    for number in 0..345 {
        // Always three of one moment.
        records::registered(&*world.store, &format!("{number:03}"), 1_700_000_000_000 + number / 3).await;
    }
    let mut expected: Vec<String> = (0..345).map(|number| format!("{number:03}")).collect();
    expected.reverse();
    assert_eq!(read_all(&world, "registrations?", "registrations", "id").await, expected);
    let clients: Vec<String> = expected.iter().map(|id| format!("c-{id}")).collect();
    assert_eq!(read_all(&world, "clients?", "clients", "client_id").await, clients);
    assert_eq!(read_all(&world, "clients?state=active&profile=partners&", "clients", "client_id").await, clients);
    assert_eq!(read_all(&world, "clients?state=suspended&", "clients", "client_id").await, [""; 0]);
    assert_eq!(read_all(&world, "registrations?client_id=c-007&", "registrations", "id").await, ["007"]);
    assert_eq!(read_all(&world, "registrations?outcome=unknown&", "registrations", "id").await, [""; 0]);
    // What is added while somebody reads moves nothing.
    let first = world.ask("GET", "/v1/clients?limit=2").await.body;
    records::registered(&*world.store, "new", 1_800_000_000_000).await;
    let next = first["next"].as_str().unwrap();
    let second = world.ask("GET", &format!("/v1/clients?limit=1&cursor={next}")).await.body;
    assert_eq!(second["clients"][0]["client_id"], "c-342");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_a_problem_document() {
    let world = World::start().await;
    let large = json!({ "profile": "partners", "lifetime": "1h", "label": "x".repeat(20_000) });
    let asked = [
        (world.ask("GET", "/v1/clients?colour=red").await, 400, "request-invalid"),
        (world.ask("GET", "/v1/clients?state=asleep").await, 400, "request-invalid"),
        (world.ask("GET", "/v1/registrations?limit=201").await, 400, "request-invalid"),
        (world.ask("GET", "/v1/nowhere").await, 404, "not-found"),
        (world.ask("GET", "/v1/clients/none").await, 404, "not-found"),
        (world.ask("GET", "/v1/registrations/none").await, 404, "not-found"),
        (world.ask("PUT", "/v1/clients").await, 405, "method-not-allowed"),
        (world.post("/v1/tokens/none/revoke", &json!({})).await, 404, "not-found"),
        (world.post("/v1/tokens", &large).await, 413, "body-too-large"),
        (world.ask("POST", "/v1/tokens").await, 415, "media-type-unsupported"),
        (world.post("/v1/tokens", &json!({ "profile": "partners" })).await, 400, "request-invalid"),
        (world.post("/v1/tokens", &json!(["partners", "1h", 1, null, null])).await, 400, "request-invalid"),
        (world.post("/v1/clients/none/suspend", &json!(["why"])).await, 400, "request-invalid"),
        (world.ask("GET", "/v1/clients/%FF").await, 400, "request-invalid"),
    ];
    for (answer, status, name) in asked {
        assert_eq!((answer.status, &answer.body["status"]), (status, &json!(status)), "{}", answer.body);
        assert_eq!(answer.body["type"], format!("urn:dcr-gateway:problem:{name}"));
        assert_eq!(answer.media_type, "application/problem+json");
        assert!(!answer.body["detail"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_token_is_made_listed_without_its_text_used_and_revoked() {
    let world = World::start().await;
    let wanted = json!({ "profile": "partners", "lifetime": "1h", "label": "pipeline", "max_uses": 2 });
    let made = world.post("/v1/tokens", &wanted).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (id, text) = (made.body["id"].as_str().unwrap(), made.body["text"].as_str().unwrap());
    assert!(text.starts_with("dcrt_"));

    let url = format!("http://{}/register", world.address);
    let metadata = json!({ "redirect_uris": ["https://app.example.com/callback"] });
    let register = || reqwest::Client::new().post(&url).bearer_auth(text).json(&metadata).send();
    assert_eq!(register().await.unwrap().status(), 201);
    let listed = world.ask("GET", "/v1/tokens").await.body;
    let token = &listed["tokens"][0];
    assert_eq!((&token["id"], &token["used"], &token["state"]), (&json!(id), &json!(1), &json!("usable")));
    assert_eq!(token["label"], "pipeline");
    assert!(!listed.to_string().contains(text));

    assert_eq!(world.ask("POST", &format!("/v1/tokens/{id}/revoke")).await.status, 204);
    assert_eq!(register().await.unwrap().status(), 401);
    assert_eq!(world.ask("GET", "/v1/tokens").await.body["tokens"][0]["state"], "revoked");

    for (member, value) in [("profile", "nobody's"), ("profile", "closed"), ("lifetime", "9000d"), ("label", "a\nb")] {
        let mut wrong = wanted.clone();
        wrong[member] = json!(value);
        assert_eq!(world.post("/v1/tokens", &wrong).await.status, 400, "{member}: {value}");
    }
}

#[tokio::test]
async fn tokens_are_listed_in_pages() {
    let world = World::start().await;
    let wanted = json!({ "profile": "partners", "lifetime": "1h" });
    for _ in 0..5 {
        world.post("/v1/tokens", &wanted).await;
    }
    let mut seen = BTreeSet::new();
    let mut target = "/v1/tokens?limit=2".to_owned();
    for entries in [2, 2, 1] {
        let page = world.ask("GET", &target).await.body;
        assert_eq!(page["tokens"].as_array().unwrap().len(), entries);
        seen.extend(page["tokens"].as_array().unwrap().iter().map(|token| token["id"].to_string()));
        target = format!("/v1/tokens?limit=2&cursor={}", page["next"].as_str().unwrap_or_default());
    }
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn an_unknown_outcome_is_resolved_once() {
    let own = nix::unistd::geteuid();
    let admin = format!("{{ socket: admin.sock, actors: [{{ uid: {own}, name: ada, role: administrator }}] }}");
    let world = World::with_admin(&admin).await;
    records::unknown(&*world.store, "a").await;
    records::unknown(&*world.store, "b").await;
    records::begin(&*world.store, "open", 1_700_000_000_000).await;
    records::registered(&*world.store, "known", 1_700_000_000_000).await;
    let resolve = async |id: &str, found: Value| {
        let answer = world.post(&format!("/v1/registrations/{id}/resolve"), &found).await;
        (answer.status, answer.body)
    };
    let (status, body) = resolve("a", json!({ "outcome": "not_registered" })).await;
    assert_eq!(
        (status, &body["outcome"], &body["reason"], &body["resolved_by"]),
        (200, &json!("not_registered"), &json!("resolved_by_operator"), &json!("ada"))
    );
    let there = json!({ "outcome": "registered", "client_id": "there" });
    let (status, body) = resolve("b", there.clone()).await;
    assert_eq!((status, &body["outcome"], &body["client_id"]), (200, &json!("registered"), &json!("there")));
    let client = world.ask("GET", "/v1/clients/there").await.body;
    assert_eq!((&client["state"], &client["has_access_token"]), (&json!("active"), &json!(false)));
    assert_eq!(client["confirmed_at"], Value::Null, "the server was not asked");
    assert_eq!(client["metadata"]["redirect_uris"], json!(["https://app.example.com/callback"]));

    for id in ["a", "b", "open", "known"] {
        assert_eq!(resolve(id, there.clone()).await.0, 409, "{id}");
    }
    records::unknown(&*world.store, "c").await;
    let (status, body) = resolve("c", json!({ "outcome": "registered", "client_id": "c-known" })).await;
    assert_eq!(status, 409, "a client comes of one registration: {body}");
    assert_eq!(resolve("none", there.clone()).await.0, 404);
    assert_eq!(resolve("c", json!({ "outcome": "registered" })).await.0, 400);
}

#[tokio::test]
async fn the_socket_belongs_to_one_gateway_and_goes_with_it() {
    let world = World::start().await;
    let socket = world.socket();
    let config = config::load(&world.directory.path().join("gateway.yaml")).unwrap();
    let second = Gateway::start(config, std::sync::Arc::new(MemoryStore::default())).await;
    let refused = second.err().expect("the socket is taken").to_string();
    assert!(refused.contains("admin.sock") && refused.contains("another process"), "{refused}");
    assert_eq!(world.ask("GET", "/v1/clients").await.status, 200);
    let _directory = world.stop().await;
    assert!(!socket.exists());
}
