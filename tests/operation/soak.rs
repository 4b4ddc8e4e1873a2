//! Mixed load for as long as somebody wants: memory and descriptors stay flat, no request is lost. `benches/soak` runs it.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::load::{Ask, Connecting, Load};
use crate::on_any_port;
use crate::process::Gateway;
use crate::resources::{Held, cached, record};
use crate::server::{Mood, Server};

/// For how many minutes; three without it.
const MINUTES: &str = "DCR_SOAK_MINUTES";
/// What is asked for, if not everything.
const ASKS: &str = "DCR_SOAK_ASKS";
/// Until caches, tables and the allocator have what such a load needs.
const WARM: u32 = 2;
/// What may come on top of SQLite's pages until the end, in KiB: noise, and no slope.
const NOISE: u64 = 12 * 1024;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "as long as DCR_SOAK_MINUTES says"]
async fn memory_stays_flat_under_mixed_load() {
    let minutes: u32 = std::env::var(MINUTES).map_or(3, |text| text.parse().expect("minutes, as a number"));
    assert!(minutes > WARM, "{MINUTES} is more than {WARM}: that long it takes until memory is warm");
    let mut server = Server::start();
    let gateway = Gateway::start(&on_any_port(), server.address);
    let mut load = load(gateway.address);
    let written = std::fs::read_to_string(gateway.file("gateway.yaml")).unwrap();
    let mut held = Vec::new();
    for minute in 1..=minutes {
        let until = Instant::now() + Duration::from_secs(60);
        let mut reloads = 0;
        while Instant::now() < until {
            tokio::time::sleep(Duration::from_secs(10)).await;
            reloads += 1;
            let other = format!("host: app.example.com }}, {{ host: app{minute}-{reloads}.example.com");
            std::fs::write(gateway.file("gateway.yaml"), written.replace("host: app.example.com", &other)).unwrap();
            gateway.signal("HUP");
            gateway.told(|said| said["message"] == "configuration reloaded");
            server.set(if reloads % 2 == 0 { Mood::Well } else { Mood::Slow(Duration::from_millis(200)) });
        }
        server.set(Mood::Well);
        let now = Held::by(gateway.pid());
        let tally = &load.tally;
        println!(
            "minute {minute}: {} KiB resident, {} descriptors, {} KiB in the record, {} answered, {} clients",
            now.memory,
            now.descriptors,
            record(&gateway),
            tally.answered(),
            tally.clients().len()
        );
        held.push(now);
        assert!(load.goes_on(), "a client was refused");
    }
    let tally = load.end().await;
    tally.is_whole();
    assert_eq!(tally.refused.load(Ordering::Relaxed) + tally.silent.load(Ordering::Relaxed), 0);
    server.down().await;
    let warm = held[WARM as usize - 1];
    let last = held.last().copied().unwrap();
    let cached = cached(&gateway);
    assert!(
        last.memory < warm.memory + cached + NOISE,
        "{warm:?} -> {last:?}, of it at most {cached} KiB of the record"
    );
    assert!(last.descriptors < warm.descriptors + 16, "{warm:?} -> {last:?}");
}

/// Everything, some two hundred requests a second (a machine has more to give, but every registration stays in the record); or what [`ASKS`] says, to
/// see what of it memory goes to: `pages`, or `registrations` as fast as they go.
fn load(gateway: SocketAddr) -> Load {
    let asks = std::env::var(ASKS).unwrap_or_default();
    let pause = if asks == "registrations" { Duration::ZERO } else { Duration::from_millis(50) };
    let mut load = Load::pausing(pause);
    for connecting in [Connecting::Keeps, Connecting::Anew] {
        if asks != "registrations" {
            load.add(4, (Ask::Page, connecting), gateway);
            load.add(1, (Ask::Refusal, connecting), gateway);
        }
        if asks != "pages" {
            load.add(1, (Ask::Registration, connecting), gateway);
        }
    }
    load
}
