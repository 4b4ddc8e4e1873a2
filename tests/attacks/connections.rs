//! Connections, very many of them: idle ones, more than there may be, and all from one address.

use std::net::Ipv4Addr;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::measured;
use crate::process::PATIENCE;
use crate::world::{BAD, GOOD, Setting, World, connect_from};

/// Whether the other side has closed, or closes in time, without a word.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    ended.is_ok() && rest.is_empty()
}

/// How many descriptors this process may have; raised as far as it goes.
fn descriptors_for_this_process() -> usize {
    let this = std::process::id().to_string();
    let read = |what: &str| {
        let output = std::process::Command::new("prlimit")
            .args(["--pid", &this, "--nofile", "--raw", "--noheadings", "--output", what])
            .output()
            .expect("prlimit, of util-linux");
        String::from_utf8(output.stdout).unwrap().trim().parse::<usize>().unwrap_or(1 << 20)
    };
    let hard = read("HARD");
    let raised =
        std::process::Command::new("prlimit").args(["--pid", &this, &format!("--nofile={hard}:{hard}")]).status();
    assert!(raised.unwrap().success());
    read("SOFT")
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_are_held_and_the_next_client_is_served() {
    // The gateway, which inherits what this process may have, takes half of it for connections.
    let wanted = 10_000.min(descriptors_for_this_process() / 2 - 200);
    println!("{wanted} idle connections");
    assert!(wanted >= 1500, "this system allows too few descriptors for this to show anything: ulimit -Hn");
    let world = World::plain(json!({ "max_connections": wanted + 100, "deadlines": { "request_head": "5m" } })).await;
    world.a_good_client_registers().await;
    let memory = world.memory();
    let mut idle = Vec::new();
    // A hundred from each of a hundred addresses.
    for number in 0..wanted {
        let source = Ipv4Addr::new(127, 0, 1, u8::try_from(1 + number % 100).unwrap());
        idle.push(connect_from(source, world.gateway.address).await.unwrap());
    }
    measured::until(|| measured::descriptors(world.gateway.pid()) > wanted).await;
    for _ in 0..5 {
        world.a_good_client_registers().await;
    }
    let each = memory.growth() / u64::try_from(wanted).unwrap();
    println!("{each} KiB for each of {wanted} idle connections");
    assert!(each < 24, "{each} KiB for each idle connection");
    let share = measured::share_of_a_processor(world.gateway.pid()).await;
    assert!(share < 0.5, "it is busy with nothing: {share} of a processor");
    drop(idle);
    world.is_alone().await;
    world.a_good_client_registers().await;
}

/// `max_connections`: what is over it waits in the system's queue, and nothing of it is in the gateway.
#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_there_may_be_cost_nothing_and_go_by() {
    let world = World::plain(
        json!({ "max_connections": 50, "max_connections_per_address": 50, "deadlines": { "request_head": "2s" } }),
    )
    .await;
    world.a_good_client_registers().await;
    let memory = world.memory();
    let before = measured::descriptors(world.gateway.pid());
    let mut crowd = Vec::new();
    for number in 0..400_u16 {
        let source = Ipv4Addr::new(127, 0, 1, u8::try_from(1 + number % 100).unwrap());
        crowd.push(connect_from(source, world.gateway.address).await.unwrap());
    }
    let open = measured::descriptors(world.gateway.pid());
    assert!(open <= before + 60, "{open} descriptors, {before} before the crowd came");
    // It waits behind all of them, for as long as silent connections are let: a few deadlines.
    world.a_good_client_registers().await;
    memory.grew_less_than(16, "more connections than there may be");
}

/// `max_connections_per_address`: somebody who opens what can be opened keeps nobody else out.
#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_all_connections() {
    let limits =
        json!({ "max_connections": 100, "max_connections_per_address": 60, "deadlines": { "request_head": "5m" } });
    let world = World::plain(limits).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(connect_from(BAD, world.gateway.address).await.unwrap());
    }
    // Nobody's silence ends within five minutes, so it does not wait for that.
    world.a_good_client_registers().await;
    let mut closed = 0;
    for stream in crowd.iter_mut().skip(60) {
        assert!(is_closed(stream).await);
        closed += 1;
    }
    assert_eq!(closed, 240);
    // The first sixty are served.
    for stream in crowd.iter_mut().take(60) {
        stream.write_all(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut beginning = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut beginning)).await.expect("in time").unwrap();
        assert_eq!(&beginning, b"HTTP/1.1 204");
    }
    assert_eq!(world.metric("dcr_connections_dropped_total").await, 240);
    // A connection that ends makes room for another one from there.
    drop(crowd);
    world.is_alone().await;
    let answer = world.ask(BAD, &world.registration()).await.expect("an answer");
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// A proxy has all its clients' connections: it is not one of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_may_have_all_connections() {
    let listener =
        json!({ "max_connections": 100, "max_connections_per_address": 10, "trusted_proxies": ["127.0.0.1/32"] });
    let world = World::plain(listener).await;
    let mut proxied = Vec::new();
    for _ in 0..50 {
        proxied.push(connect_from(BAD, world.gateway.address).await.unwrap());
    }
    for mut stream in proxied {
        stream.write_all(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").unwrap();
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }
}

/// A reload takes the new limit for the connections that come.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_how_many_an_address_may_have() {
    let world =
        World::start(Setting { listener: json!({ "max_connections_per_address": 2 }), ..Setting::default() }).await;
    let written = std::fs::read_to_string(world.gateway.file("gateway.yaml")).unwrap();
    let _two = [
        connect_from(GOOD, world.gateway.address).await.unwrap(),
        connect_from(GOOD, world.gateway.address).await.unwrap(),
    ];
    assert!(is_closed(&mut connect_from(GOOD, world.gateway.address).await.unwrap()).await);
    let changed = written.replace(r#""max_connections_per_address":2"#, r#""max_connections_per_address":9"#);
    assert_ne!(changed, written);
    std::fs::write(world.gateway.file("gateway.yaml"), changed).unwrap();
    let registers = async {
        // The changed file is seen by itself.
        while world.ask(GOOD, &world.registration()).await.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    world.gateway.signal("HUP");
    timeout(PATIENCE, registers).await.expect("the new limit is in force");
}
