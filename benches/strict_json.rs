//! The strict reader of bodies, beside `serde_json` as it comes: what it costs to look for members that stand there twice.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dcr_gateway::registration::json;
use serde_json::{Map, Value};

const ORDINARY: &str = include_str!("../tests/fixtures/clients/vscode.json");

/// As large as a body may be, all of it one list.
fn largest() -> String {
    let uris: Vec<String> =
        (0..1_150).map(|n| format!("https://app.example.com/oauth/callback/number-{n:04}")).collect();
    let body = serde_json::json!({ "client_name": "Large", "redirect_uris": uris }).to_string();
    assert!((60_000..=65_536).contains(&body.len()), "{} bytes", body.len());
    body
}

/// Many members: each is looked up among those before it.
fn many_members() -> String {
    let members: Map<String, Value> = (0..2_000).map(|n| (format!("x_member_{n:04}"), n.into())).collect();
    Value::Object(members).to_string()
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("strict JSON");
    for (name, body) in [("ordinary", ORDINARY.to_owned()), ("largest", largest()), ("2,000 members", many_members())] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("ours", name), body.as_bytes(), |bencher, body| {
            bencher.iter(|| json::parse(black_box(body)).unwrap());
        });
        group.bench_with_input(BenchmarkId::new("serde_json", name), body.as_bytes(), |bencher, body| {
            bencher.iter(|| serde_json::from_slice::<Map<String, Value>>(black_box(body)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
