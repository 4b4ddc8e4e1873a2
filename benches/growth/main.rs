//! What a registration costs against the number of allowed hosts, profiles, redirect URIs, records in the store, distinct sources, findings:
//! whole gateways in this process, everything on but the network in front, against a real authorization server on the loopback
//! address. Counted is the processor time of their threads, which a neighbour on the machine does not change much.
//!
//! `cargo bench --bench growth` prints a table, `-- write` puts it into docs/performance.md and draws docs/growth.svg; `-- quick` shows that it works.

#[path = "../registration/cpu.rs"]
mod cpu;
mod dimensions;
mod drawing;
mod gateway;
mod records;
mod report;
#[path = "../registration/server.rs"]
mod server;

use std::path::Path;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use dimensions::Dimension;
use report::Curve;

/// The executable's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// Larger sizes are left out.
    largest: u64,
    /// Registrations in one batch.
    batch: usize,
    /// Batches of each size, in turns.
    rounds: usize,
}

const WHOLE: Extent = Extent { largest: u64::MAX, batch: 1_500, rounds: 7 };
const QUICK: Extent = Extent { largest: 1_000, batch: 20, rounds: 2 };

fn main() {
    let wishes: Vec<String> = std::env::args().skip(1).collect();
    let asks_for = |wish: &str| wishes.iter().any(|word| word == wish);
    let extent = if asks_for("quick") { QUICK } else { WHOLE };
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Lines are made as in production, and go nowhere; without a collector there are no spans.
    let events = filter_fn(|metadata| metadata.is_event()).with_max_level_hint(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer().json().with_writer(std::io::sink).with_filter(events);
    tracing_subscriber::registry().with(lines).init();
    let beside = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("server")
        .enable_all()
        .build()
        .expect("a runtime");
    let server = beside.block_on(server::start());
    let curves: Vec<Curve> = Dimension::all().into_iter().map(|dimension| measure(dimension, server, extent)).collect();
    let table = report::table(&curves);
    println!("\n{table}");
    if asks_for("write") && !asks_for("quick") {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        report::put_into(&repository.join("docs/performance.md"), &table);
        std::fs::write(repository.join("docs/growth.svg"), drawing::svg(&curves)).expect("a picture");
    }
}

/// Every size has a gateway of its own, which takes a batch in turns with the others; before them one that does not count.
fn measure(dimension: Dimension, server: std::net::SocketAddr, extent: Extent) -> Curve {
    let sizes: Vec<u64> = dimension.sizes.iter().copied().filter(|size| *size <= extent.largest).collect();
    let mut subjects: Vec<_> = sizes.iter().map(|size| (dimension.subject)(*size, server)).collect();
    let mut costs = vec![Vec::new(); sizes.len()];
    for round in 0..=extent.rounds {
        for (subject, costs) in subjects.iter_mut().zip(&mut costs) {
            let cost = subject.cost(extent.batch);
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    let points = sizes.into_iter().zip(costs.into_iter().map(median)).collect();
    let curve = Curve { name: dimension.name, points };
    println!("{}", report::row(&curve));
    curve
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}
