//! Every metric, label, reason and bucket that the rules and the dashboard in `deploy/` ask Prometheus for is one that a running
//! gateway shows: an alert about a name that nobody has is never raised.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dcr_gateway::intake::reason::Reason;
use dcr_gateway::telemetry;
use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{exchange, get, register};
use crate::configuration::on_base;
use crate::process::Gateway;
use crate::upstream::{Mood, Upstream};

/// One listener for the test, and one with certificates that end.
const OWN: &str = r#"
listeners:
  - address: 127.0.0.1:0
  - address: 127.0.0.1:0
    tls: { certificate: server.pem, private_key: server.key }
authorization_server:
  credential: none
  timeout: 2s
admin: { socket: admin.sock, listen: 127.0.0.1:0 }
audit: { export: [{ file: { path: audit.jsonl } }] }
alerts: [{ webhook: "http://{upstream}/hook", format: slack, on: [health], group_for: 0s }]
profiles:
  - name: everybody
    match: {}
    initial_access_token: off
    redirect_uris: { https: [{ host: app.example.com }] }
    limits: { rate: 1/h, burst: 4 }
"#;

/// What Prometheus itself puts on everything, and says about itself.
const OF_PROMETHEUS: [&str; 4] = ["job", "instance", "alertname", "alertstate"];
const METRICS_OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];

/// The names of the series, and of each the labels with their values.
type Series = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// What a gateway shows after it has registered, refused, failed and forwarded something.
async fn shown() -> Series {
    let directory = TempDir::new().unwrap();
    dcr_gateway::demo::certificates::write(directory.path()).unwrap();
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_in(directory, &on_base(OWN), upstream.address);
    let orders = json!({ "redirect_uris": ["https://app.example.com/callback"] });
    let evil = json!({ "redirect_uris": ["https://evil.example/callback"] });
    let registered = register(gateway.address, None, &orders).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let token = registered.json()["registration_access_token"].as_str().unwrap().to_owned();
    let read =
        format!("GET /register/client-1 HTTP/1.1\r\nHost: sso.example.com\r\nAuthorization: Bearer {token}\r\n\r\n");
    exchange(gateway.address, read.as_bytes()).await.expect("an answer");
    assert_eq!(register(gateway.address, None, &evil).await.status, 400);
    upstream.set(Mood::Bytes(b"nonsense".to_vec()));
    assert_eq!(register(gateway.address, None, &orders).await.status, 502);
    assert_eq!(register(gateway.address, None, &evil).await.status, 400);
    assert_eq!(register(gateway.address, None, &evil).await.status, 429);
    // A ban is told to a receiver, which does not take it.
    let banned = gateway.run(&["bans", "add", "--address", "192.0.2.7"]);
    assert!(banned.status.success(), "{}", String::from_utf8_lossy(&banned.stderr));
    // Its clients are counted as soon as it serves, beside everything else.
    let began = std::time::Instant::now();
    loop {
        let text = get(gateway.admin, "/metrics").await.body;
        if text.contains("\ndcr_clients{")
            && text.contains("\ndcr_alert_deliveries_total{")
            && text.contains("\ndcr_alert_backlog{")
        {
            return parsed(&text);
        }
        assert!(began.elapsed() < crate::process::PATIENCE, "clients or deliveries are not counted:\n{text}");
    }
}

fn parsed(text: &str) -> Series {
    let label = pattern(r#"([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)""#);
    let mut series = Series::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap();
        let labels = series.entry(line[..end].to_owned()).or_default();
        for captured in label.captures_iter(&line[end..]) {
            labels.entry(captured[1].to_owned()).or_default().insert(captured[2].to_owned());
        }
    }
    series
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)).unwrap()
}

/// The expressions of the rules, and the names that rules record.
fn rules() -> (Vec<String>, Vec<String>) {
    let rules: Value = serde_yaml::from_str(&read("prometheus/rules.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let all = || groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    (all().map(|rule| text(&rule["expr"]).unwrap()).collect(), all().filter_map(|rule| text(&rule["record"])).collect())
}

/// Every expression in the dashboard: of panels, variables and annotations.
fn expressions_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(text) if matches!(name.as_str(), "expr" | "definition") => found.push(text.to_owned()),
                    _ => expressions_in(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| expressions_in(value, found)),
        _ => {}
    }
}

fn dashboard() -> Vec<String> {
    let mut found = Vec::new();
    expressions_in(&serde_json::from_str(&read("grafana/dashboard.json")).unwrap(), &mut found);
    found
}

/// A name, and what is asked of its labels: `name`, `=~`, `value`.
struct Selector {
    metric: String,
    matchers: Vec<(String, String, String)>,
}

struct Expression {
    selectors: Vec<Selector>,
    /// The names without braces.
    bare: Vec<String>,
    /// What it is grouped by.
    grouped_by: Vec<String>,
}

impl Expression {
    fn of(text: &str) -> Self {
        let selector = pattern(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}");
        let matcher = pattern(r#"(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)""#);
        let grouping = pattern(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)");
        let strings_and_ranges = pattern(r#""[^"]*"|\[[^\]]*\]"#);
        let word = pattern(r"[a-zA-Z_:][\w:]*");
        let matchers = |braces: &str| {
            matcher.captures_iter(braces).map(|found| (found[1].into(), found[2].into(), found[3].into())).collect()
        };
        let selectors: Vec<Selector> = selector
            .captures_iter(text)
            .map(|found| Selector { metric: found[1].to_owned(), matchers: matchers(&found[2]) })
            .collect();
        let rest = selector.replace_all(text, " ");
        let rest = strings_and_ranges.replace_all(&rest, " ");
        let groups = grouping.captures_iter(&rest).map(|found| found[1].to_owned()).collect::<Vec<_>>().join(",");
        let rest = grouping.replace_all(&rest, " ");
        let is_metric = |word: &str| word.starts_with("dcr_") || word.starts_with("http_") || word.contains(':');
        let bare = word.find_iter(&rest).map(|word| word.as_str()).filter(|word| is_metric(word));
        let grouped_by = groups.split(',').map(str::trim).filter(|label| !label.is_empty());
        Self { bare: bare.map(str::to_owned).collect(), grouped_by: grouped_by.map(str::to_owned).collect(), selectors }
    }

    fn metrics(&self) -> impl Iterator<Item = &String> {
        self.selectors.iter().map(|selector| &selector.metric).chain(&self.bare)
    }
}

/// What is wrong with an expression.
fn problems(text: &str, series: &Series, recorded: &[String]) -> Vec<String> {
    let expression = Expression::of(text);
    let mut problems = Vec::new();
    let mut of_these: BTreeSet<&str> = OF_PROMETHEUS.into();
    for metric in expression.metrics().filter(|metric| !METRICS_OF_PROMETHEUS.contains(&metric.as_str())) {
        match series.get(metric) {
            Some(labels) => of_these.extend(labels.keys().map(String::as_str)),
            // Grouped by the labels of what it is recorded from, which is looked at itself.
            None if recorded.contains(metric) => {}
            None => problems.push(format!("no gateway shows {metric}")),
        }
    }
    if expression.metrics().all(|metric| !recorded.contains(metric)) {
        let unknown = expression.grouped_by.iter().filter(|label| !of_these.contains(label.as_str()));
        problems.extend(unknown.map(|label| format!("nothing has the label {label}")));
    }
    for Selector { metric, matchers } in &expression.selectors {
        let Some(labels) = series.get(metric) else { continue };
        for (name, _, value) in matchers.iter().filter(|(name, ..)| !OF_PROMETHEUS.contains(&name.as_str())) {
            match labels.get(name) {
                None => problems.push(format!("{metric} has no label {name}")),
                Some(values) if name == "le" && !values.contains(value) => {
                    problems.push(format!("{metric} has no bucket {value}"));
                }
                Some(_) => {}
            }
        }
    }
    problems
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_shows_every_metric_of_the_rules_and_the_dashboard() {
    let series = shown().await;
    let (rules, recorded) = rules();
    let dashboard = dashboard();
    assert!(rules.len() > 20 && dashboard.len() > 30, "{} and {}", rules.len(), dashboard.len());
    let all = rules.iter().chain(&dashboard);
    let wrong: Vec<_> =
        all.map(|text| (text, problems(text, &series, &recorded))).filter(|(_, p)| !p.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");

    // And everything that `docs/telemetry.md` explains is there before it happens, or after what has happened here.
    let is_shown = |name: &str| series.keys().any(|shown| shown.starts_with(&name.replace('.', "_")));
    let missing: Vec<_> = telemetry::names::metrics().filter(|name| !is_shown(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_is_asked_wrongly_is_found() {
    let text = "a_total{b=\"c\",le=\"1\"} 1\n";
    let series = parsed(&text.replace("a_total", "dcr_a_total"));
    for (expression, wrong) in [
        ("sum by (b) (rate(dcr_a_total{b=\"d\",job=~\"$job\"}[5m]))", 0),
        ("dcr_a_totals > 3", 1),
        ("rate(dcr_a_total{d=\"c\"}[5m])", 1),
        ("dcr_a_total{le=\"2\"}", 1),
        ("sum by (instance, d) (dcr_a_total)", 1),
        ("job:recorded:rate / job:forgotten:rate", 1),
        ("up{job=\"x\"} == 0", 0),
    ] {
        let found = problems(expression, &series, &["job:recorded:rate".to_owned()]);
        assert_eq!(found.len(), wrong, "{expression}: {found:?}");
    }
}

#[test]
fn the_reasons_that_are_no_fault_of_the_client_are_those_that_are_answered_5xx() {
    let (rules, _) = rules();
    let asked: Vec<(String, String)> = rules
        .iter()
        .chain(&dashboard())
        .flat_map(|text| Expression::of(text).selectors)
        .flat_map(|selector| selector.matchers)
        .filter(|(name, ..)| name == "reason")
        .map(|(_, operator, value)| (operator, value))
        .collect();
    // 501 is what a method is answered that nobody knows: that is the client's. A lockdown is somebody's order.
    let is_ours = |status: http::StatusCode| status.is_server_error() && status != http::StatusCode::NOT_IMPLEMENTED;
    let failed = Reason::ALL.iter().filter(|reason| **reason != Reason::RegistrationLockedDown);
    let failed = failed.map(|reason| reason.explained()).filter(|reason| is_ours(reason.status));
    let failed: Vec<_> = failed.map(|reason| reason.name).collect();
    assert_eq!(asked, [("=~".to_owned(), failed.join("|"))]);
}
