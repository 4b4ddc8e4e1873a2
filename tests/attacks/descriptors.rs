//! A gateway that may open few descriptors: it keeps some for its own work, and without any it neither dies nor spins, and recovers.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::client::get;
use crate::measured;
use crate::world::{BAD, Setting, World, connect_from};

async fn with_descriptors(limit: &str, listener: Value) -> World {
    World::start(Setting { listener, launcher: &["prlimit", &format!("--nofile={limit}"), "--"], ..Setting::default() })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_leave_the_descriptors_that_serving_one_of_them_needs() {
    let world = with_descriptors("200:200", json!({ "deadlines": { "request_head": "5m" } })).await;
    let log = world.gateway.log();
    assert!(log.contains("LimitNOFILE"), "it says at the start that it has too few: {log}");
    let mut crowd = Vec::new();
    for number in 0..300_u16 {
        let source = Ipv4Addr::new(127, 0, 2, u8::try_from(1 + number % 3).unwrap());
        crowd.push(connect_from(source, world.gateway.address).await.unwrap());
    }
    // Three addresses have a quarter of the connections each; nobody's silence ends within five minutes.
    for _ in 0..3 {
        world.a_good_client_registers().await;
    }
    assert_eq!(get(world.gateway.admin, "/readyz").await.status, 200);
    assert!(!world.gateway.log().contains("cannot accept"), "{}", world.gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_descriptor_it_waits_and_recovers() {
    // A few more than it opens for itself.
    let own = {
        let world = World::plain(json!({})).await;
        world.a_good_client_registers().await;
        measured::descriptors(world.gateway.pid())
    };
    let limit = own + 6;
    let listener = json!({ "max_connections_per_address": 100, "deadlines": { "request_head": "3s" } });
    let world = with_descriptors(&format!("{limit}:{limit}"), listener).await;
    world.a_good_client_registers().await;
    let memory = world.memory();
    let mut crowd = Vec::new();
    for _ in 0..4 * limit {
        crowd.push(connect_from(BAD, world.gateway.address).await.unwrap());
    }
    measured::until(|| world.gateway.log().contains("cannot accept a connection")).await;
    let share = measured::share_of_a_processor(world.gateway.pid()).await;
    assert!(share < 0.5, "it spins: {share} of a processor");
    drop(crowd);
    let recovers = async {
        // What was begun without descriptors may fail, in words.
        while world.ask(BAD, &world.registration()).await.is_none_or(|answer| answer.status != 201) {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(crate::process::PATIENCE, recovers).await.expect("it recovers by itself");
    for _ in 0..5 {
        world.a_good_client_registers().await;
    }
    assert_eq!(get(world.gateway.admin, "/readyz").await.status, 200);
    memory.grew_less_than(16, "no descriptors");
    assert!(!world.gateway.log().contains("panicked"), "{}", world.gateway.log());
}

/// The usual soft limit of 1024 is below `max_connections`; what may be had is taken.
#[tokio::test(flavor = "multi_thread")]
async fn it_takes_as_many_descriptors_as_it_may_have() {
    let world = with_descriptors("64:9000", json!({})).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", world.gateway.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert_eq!(soft, 9000, "{line}");
    assert!(!world.gateway.log().contains("LimitNOFILE"), "half of them is enough for all connections");
    world.a_good_client_registers().await;
}
