//! SIGHUP while clients ask: no connection ends, nothing is left over.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::load::{Ask, Connecting, Load};
use crate::on_any_port;
use crate::process::{Gateway, PATIENCE};
use crate::resources::{Held, cached};
use crate::server::Server;

/// Reloads until memory has what it needs: buffers of each thread, the tables of the first generations.
const WARM: usize = 10;
/// What may come on top of SQLite's pages, in KiB: it does not grow with the number of reloads.
const ALLOWED: u64 = 16 * 1024;

async fn reloads_under_load(count: usize) {
    let server = Server::start();
    let gateway = Gateway::start(&on_any_port(), server.address);
    let mut load = Load::pausing(Duration::from_millis(5));
    for ask in [Ask::Page, Ask::Registration, Ask::Refusal] {
        load.add(2, (ask, Connecting::Keeps), gateway.address);
    }
    load.until_more(50).await;
    let written = std::fs::read_to_string(gateway.file("gateway.yaml")).unwrap();
    let mut warm = None;
    for number in 0..WARM + count {
        if number == WARM {
            warm = Some(Held::by(gateway.pid()));
        }
        // Another profile each time, so that there is something to put in force.
        let changed = written
            .replace("host: app.example.com", &format!("host: app.example.com }}, {{ host: app{number}.example.com"));
        std::fs::write(gateway.file("gateway.yaml"), changed).unwrap();
        gateway.signal("HUP");
        gateway.told(|said| said["message"] == "configuration reloaded");
        load.until_more(2).await;
        assert!(load.goes_on());
    }
    let (warm, after) = (warm.unwrap(), Held::by(gateway.pid()));
    let cached = cached(&gateway);
    println!("{count} reloads: {warm:?} -> {after:?}, of it at most {cached} KiB of the record");
    assert!(
        after.memory < warm.memory + cached + ALLOWED,
        "{warm:?} -> {after:?}, of it at most {cached} KiB of the record"
    );
    let tally = load.end().await;
    tally.is_whole();
    let turned_away = [&tally.refused, &tally.closed, &tally.silent].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(turned_away, [0; 3], "every connection has stayed");
    assert_eq!(server.clients(), tally.clients());
    // Kept connections to the server of configurations that are gone close in time.
    let until = Instant::now() + PATIENCE;
    while Held::by(gateway.pid()).descriptors > warm.descriptors {
        assert!(Instant::now() < until, "{warm:?}, now {:?}", Held::by(gateway.pid()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_is_asked_for_at_the_start_ends_nobody() {
    let server = Server::start();
    for _ in 0..5 {
        let gateway = Gateway::start(&on_any_port(), server.address);
        gateway.signal("HUP");
        let mut load = Load::pausing(Duration::from_millis(5));
        load.add(1, (Ask::Page, Connecting::Keeps), gateway.address);
        load.until_more(20).await;
        load.end().await.is_whole();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_reloads_under_load_end_no_connection_and_leave_nothing_over() {
    reloads_under_load(50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: before a release"]
async fn a_thousand_reloads_under_load_end_no_connection_and_leave_nothing_over() {
    reloads_under_load(1000).await;
}
