//! `docs/telemetry.md` names what there is, all of it, and nothing else; `docs/jaeger.md` asks for nothing else.

use dcr_gateway::intake::reason::Reason;
use dcr_gateway::telemetry::names;

const DOCUMENT: &str = include_str!("../../docs/telemetry.md");

/// Attributes of the HTTP server and client spans by the semantic conventions.
const HTTP_ATTRIBUTES: [&str; 22] = [
    "client.address",
    "error.type",
    "http.request.method",
    "http.request.method_original",
    "http.response.status_code",
    "http.route",
    "network.peer.address",
    "network.protocol.name",
    "network.protocol.version",
    "server.address",
    "server.port",
    "tls.cipher",
    "tls.client.hash.sha256",
    "tls.client.issuer",
    "tls.client.not_after",
    "tls.client.subject",
    "tls.protocol.version",
    "url.full",
    "url.path",
    "url.scheme",
    "url.template",
    "user_agent.original",
];

fn all() -> impl Iterator<Item = &'static str> {
    let others = names::SPANS.into_iter().chain(names::ATTRIBUTES).chain(HTTP_ATTRIBUTES);
    others.chain(names::metrics())
}

#[test]
fn the_document_names_every_span_attribute_and_metric() {
    let missing: Vec<_> = all().filter(|name| !DOCUMENT.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "docs/telemetry.md does not explain {missing:?}");
}

#[test]
fn the_document_names_nothing_that_does_not_exist() {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    for (name, _) in rows.filter(|(name, _)| !name.starts_with("DcrGateway")) {
        let is_http_span = name.starts_with("{method} ");
        assert!(
            is_http_span || all().any(|known| known == name),
            "docs/telemetry.md explains {name}, which does not exist"
        );
    }
}

#[test]
fn the_document_names_every_alert_and_no_other() {
    let names = |text: &'static str, before: &'static str| {
        let rest = text.split(before).skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next());
        rest.flatten().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    let rules = include_str!("../../deploy/prometheus/rules.yaml");
    let alerts = names(rules, "- alert: DcrGateway");
    assert!(alerts.len() > 15, "{alerts:?}");
    assert_eq!(names(DOCUMENT, "`DcrGateway"), alerts);
}

const JAEGER: &str = include_str!("../../docs/jaeger.md");

/// Words that look like names of attributes, spans or metrics.
fn names_in(document: &str) -> impl Iterator<Item = &str> {
    const FAMILIES: [&str; 9] = ["client", "dcr", "error", "http", "network", "server", "tls", "url", "user_agent"];
    let is_in_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_');
    let words = document.split(move |c| !is_in_name(c)).map(|word| word.trim_matches('.'));
    words.filter(|word| word.split_once('.').is_some_and(|(family, _)| FAMILIES.contains(&family)))
}

#[test]
fn what_jaeger_is_asked_for_exists() {
    let unknown: Vec<_> = names_in(JAEGER).filter(|name| !all().any(|known| known == *name)).collect();
    assert!(unknown.is_empty(), "docs/jaeger.md names {unknown:?}, which do not exist");
    assert!(names_in("`dcr.reason=x`, `dcr.reasons`").eq(["dcr.reason", "dcr.reasons"]));
}

#[test]
fn every_reason_that_jaeger_is_asked_for_exists() {
    let end = |rest: &'static str| rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
    let asked: Vec<_> = JAEGER.split("dcr.reason=").skip(1).map(|rest| &rest[..end(rest)]).collect();
    let is_known = |asked: &&str| Reason::ALL.iter().any(|reason| reason.explained().name == *asked);
    let unknown: Vec<_> = asked.iter().filter(|reason| !is_known(reason)).collect();
    assert!(unknown.is_empty(), "docs/jaeger.md asks for {unknown:?}, which do not exist");
    assert!(asked.contains(&"rules_violated"), "found only {asked:?}");
}
