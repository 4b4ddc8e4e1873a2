//! Every rule over a registration with ten redirect URIs. The cost must not grow with the number of hosts that a profile allows.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dcr_gateway::policy::{Profile, ProfileSettings, judge};
use dcr_gateway::registration::{ClientMetadata, json};

const REDIRECT_URIS: usize = 10;

/// Allows this many hosts, by their names.
fn profile(hosts: usize) -> Profile {
    let mut yaml = String::from("name: partners\nmatch: {}\nredirect_uris:\n  https:\n");
    for host in 0..hosts {
        writeln!(yaml, "    - {{ host: app-{host}.example.com, path: \"^/oauth/\" }}").unwrap();
    }
    let settings: ProfileSettings = serde_yaml::from_str(&yaml).unwrap();
    Profile::compile(&settings).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Asks for the first hosts of the profile.
fn registration() -> ClientMetadata {
    let uris: Vec<String> = (0..REDIRECT_URIS).map(|host| format!("https://app-{host}.example.com/oauth/cb")).collect();
    let body = serde_json::json!({
        "client_name": "Orders",
        "redirect_uris": uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "client_uri": "https://app-0.example.com/",
        "contacts": ["ops@app-0.example.com"],
    });
    ClientMetadata::from_json(json::parse(body.to_string().as_bytes()).unwrap())
}

fn judging(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("judge, allowed hosts");
    for hosts in [10, 10_000] {
        let (profile, registration) = (profile(hosts), registration());
        let verdict = judge(&profile, &registration);
        assert!(verdict.result.is_ok(), "{:?}", verdict.result.err());
        group.bench_function(BenchmarkId::from_parameter(hosts), |bencher| {
            bencher.iter(|| judge(black_box(&profile), black_box(&registration)));
        });
    }
    group.finish();
}

criterion_group!(benches, judging);
criterion_main!(benches);
