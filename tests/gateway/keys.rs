//! The key that secrets are sealed with changes under a running gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dcr_gateway::clock::SystemClock;
use dcr_gateway::intake::Tools;
use dcr_gateway::intake::reseal::{Resealed, reseal};
use dcr_gateway::randomness;
use dcr_gateway::sealing::Keys;
use dcr_gateway::store::settings::{StoreSettings, StoreUrl};
use dcr_gateway::store::sql::SqlStore;

use crate::flow::refused;
use crate::managed::{Rules, World};

/// As another process does it, whose key file has these lines.
async fn resealed(world: &World, lines: &str) -> Resealed {
    let file = world.directory.path().join("other-keys");
    std::fs::write(&file, lines).unwrap();
    let url = StoreUrl::Sqlite(world.directory.path().join("gateway.db"));
    let store = Arc::new(SqlStore::open(&StoreSettings { url, ..StoreSettings::default() }).await.unwrap());
    let tools = Tools::new(store.clone(), Arc::new(SystemClock), randomness::of_the_system);
    let resealed = reseal(&tools, &Keys::read(&file).unwrap(), Duration::from_secs(5)).await.unwrap();
    store.close().await;
    resealed
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_open_what_is_sealed_is_in_nobodys_way() {
    let world = World::start().await;
    let client = world.client().await;
    let known = std::fs::read_to_string(world.directory.path().join("key")).unwrap();
    let unknown = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
    let changed = Resealed { changed: 1, ..Resealed::default() };
    assert_eq!(resealed(&world, &format!("{unknown}{known}")).await, changed);
    let began = Instant::now();
    for _ in 0..2 {
        refused(&world.manage("GET", &client.uri, &client.token, None).await, 500, "server_error");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "nobody waits for a turn that is over");
    assert_eq!(resealed(&world, &format!("{known}{unknown}")).await, changed);
    assert_eq!(world.manage("GET", &client.uri, &client.token, None).await.status, 200);
    assert!(!world.gateway.log().contains("broken off"), "{}", world.gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_whose_key_is_lost_are_named() {
    let world = World::start().await;
    let client = world.client().await;
    let left = resealed(&world, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n").await;
    assert_eq!(left, Resealed { left: 1, left_clients: vec![client.id], ..Resealed::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_use_that_a_reload_no_longer_finds_is_told() {
    let world = World::start().await;
    // By then the file is watched.
    world.client().await;
    std::fs::write(world.directory.path().join("key"), "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n").unwrap();
    world.gateway.told(|said| said["message"].as_str().is_some_and(|text| text.contains("is no longer in it")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_cannot_be_asked_has_read_the_new_key_before_anything_is_sealed_with_it() {
    let rules = Rules { more: "admin: { listen: 127.0.0.1:0, socket: off }", ..Rules::default() };
    let world = World::with(rules).await;
    let client = world.client().await;
    let rotated = world.gateway.run(&["keys", "rotate"]);
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    assert_eq!(world.manage("GET", &client.uri, &client.token, None).await.status, 200);
}
