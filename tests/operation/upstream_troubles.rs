//! The authorization server is down, slow, half-open or flapping: what clients are told, and that all is well by itself when it is back.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Answer, get, register};
use crate::on_any_port;
use crate::process::Gateway;
use crate::server::{Mood, Server};

async fn registration(gateway: &Gateway) -> Answer {
    let orders = json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"]});
    register(gateway.address, None, &orders).await
}

async fn statuses(gateway: &Gateway) -> (u16, u16) {
    (registration(gateway).await.status, get(gateway.address, "/authorize").await.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_flaps_is_found_each_time_it_is_up() {
    let mut server = Server::start();
    let gateway = Gateway::start(&on_any_port(), server.address);
    for cycle in 0..20 {
        assert_eq!(statuses(&gateway).await, (201, 200), "up in cycle {cycle}");
        server.down().await;
        assert_eq!(statuses(&gateway).await, (503, 503), "down in cycle {cycle}");
        let told = registration(&gateway).await;
        assert!(told.header("retry-after").is_some() && !told.body.contains(&server.address.to_string()), "{told:?}");
        server.up();
    }
    assert_eq!(statuses(&gateway).await, (201, 200));
    assert_eq!(get(gateway.admin, "/readyz").await.status, 200, "the gateway itself was ready all the time");
}

/// Kept connections are closed by a server that restarts: what comes next is answered, not lost with them.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarted_between_two_requests_is_not_noticed() {
    let mut server = Server::start();
    let gateway = Gateway::start(&on_any_port(), server.address);
    for cycle in 0..20 {
        assert_eq!(statuses(&gateway).await, (201, 200), "cycle {cycle}");
        server.down().await;
        server.up();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_waited_for_and_a_slower_one_given_up() {
    let server = Server::start();
    let gateway = Gateway::start(&on_any_port(), server.address);
    server.set(Mood::Slow(Duration::from_millis(500)));
    assert_eq!(statuses(&gateway).await, (201, 200));
    // `timeout: 2s`.
    server.set(Mood::Slow(Duration::from_secs(60)));
    let began = Instant::now();
    let told = registration(&gateway).await;
    assert_eq!(told.status, 504, "{told:?}");
    assert!((2..20).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    server.set(Mood::Well);
    assert_eq!(statuses(&gateway).await, (201, 200), "it recovers by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_in_the_middle_holds_up_nobody_else() {
    let server = Server::start();
    let gateway = Gateway::start(&on_any_port(), server.address);
    for (mood, status) in [(Mood::Silent, 504), (Mood::Half, 504)] {
        server.set(mood);
        let hanging: Vec<_> = (0..32)
            .map(|_| {
                let address = gateway.address;
                let orders = json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"]});
                tokio::spawn(async move { register(address, None, &orders).await })
            })
            .collect();
        // What the gateway answers by itself does not wait.
        let evil = json!({"client_name": "Orders", "redirect_uris": ["https://evil.example/callback"]});
        assert_eq!(register(gateway.address, None, &evil).await.status, 400);
        assert_eq!(get(gateway.admin, "/readyz").await.status, 200);
        for answer in hanging {
            let answer = answer.await.unwrap();
            assert_eq!(answer.status, status, "{mood:?}: {answer:?}");
        }
        server.set(Mood::Well);
        assert_eq!(statuses(&gateway).await, (201, 200), "it recovers by itself after {mood:?}");
    }
}
