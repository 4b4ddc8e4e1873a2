//! A gateway that may open few descriptors: it neither dies nor spins, keeps some for its own work, and recovers.

use serde_json::json;

use crate::client::get;
use crate::measured;
use crate::world::{BAD, Setting, World, connect_from};

/// Fewer than the crowd has connections, more than the gateway needs to start.
const FEW: usize = 200;

async fn with_few_descriptors(listener: serde_json::Value) -> World {
    let limit = format!("--nofile={FEW}:{FEW}");
    World::start(Setting { listener, launcher: &["prlimit", &limit, "--"], ..Setting::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_for_all_connections_it_keeps_some_for_its_own_work() {
    let world = with_few_descriptors(json!({ "deadlines": { "request_head": "3s" } })).await;
    world.a_good_client_registers().await;
    let memory = world.memory();
    let mut crowd = Vec::new();
    for _ in 0..2 * FEW {
        crowd.push(connect_from(BAD, world.gateway.address).await.unwrap());
    }
    measured::until(|| measured::descriptors(world.gateway.pid()) > FEW / 2).await;
    let share = measured::share_of_a_processor(world.gateway.pid()).await;
    assert!(share < 0.5, "it spins: {share} of a processor");
    assert_eq!(get(world.gateway.admin, "/livez").await.status, 200, "operators can still ask");
    // Behind all of them; silent connections end with their deadline, and what it needs for the registration was never taken.
    world.a_good_client_registers().await;
    drop(crowd);
    for _ in 0..10 {
        world.a_good_client_registers().await;
    }
    memory.grew_less_than(16, "no descriptors");
    assert!(!world.gateway.log().contains("panicked"), "{}", world.gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_at_the_start_that_there_are_too_few_descriptors_for_all_connections() {
    let world = with_few_descriptors(json!({})).await;
    let log = world.gateway.log();
    assert!(log.contains("LimitNOFILE"), "{log}");
}

/// What is open already is raised to what is allowed: a soft limit of 1024, the usual one, would be below `max_connections`.
#[tokio::test(flavor = "multi_thread")]
async fn it_takes_as_many_descriptors_as_it_may_have() {
    let world = World::start(Setting { launcher: &["prlimit", "--nofile=64:8192", "--"], ..Setting::default() }).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", world.gateway.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert_eq!(soft, 8192, "{line}");
    world.a_good_client_registers().await;
}
