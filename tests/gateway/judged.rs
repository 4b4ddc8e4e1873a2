//! What is true of a request and its answer whoever judged it: read again here with other parsers than the gateway's.

use regex::Regex;
use serde_json::{Map, Value};

use crate::client::Answer;
use crate::upstream::{INSIDE, Received, SECRET};

/// What an answer may never hold, whatever it answers.
pub fn leaks(answer: &Answer) -> Option<String> {
    let text = format!("{}\n{}", answer.head, answer.body);
    [SECRET, INSIDE, "panicked", "src/", ".rs:", "/tmp/", "sqlite"]
        .into_iter()
        .find(|inside| text.contains(inside))
        .map(|inside| format!("the answer holds {inside:?}: {text}"))
}

/// A refusal is JSON of RFC 7591 / RFC 6750, and says what is wrong.
pub fn problem_of_refusal(answer: &Answer) -> Option<String> {
    if let Some(leak) = leaks(answer) {
        return Some(leak);
    }
    if answer.header("content-type") != Some("application/json") || answer.header("cache-control") != Some("no-store") {
        return Some(format!("a refusal without JSON or no-store: {}", answer.head));
    }
    let told = answer.json();
    let is_told = |member: &str| told[member].as_str().is_some_and(|text| !text.is_empty() && text.len() < 2048);
    let is_plain = answer.body.is_ascii() || !answer.body.contains(char::is_control);
    let challenges = answer.status != 401 || answer.header("www-authenticate").is_some();
    let is_whole = is_told("error") && is_told("error_description") && is_told("request_id") && is_plain && challenges;
    (!is_whole).then(|| format!("an incomplete refusal: {answer:?}"))
}

/// What reached the authorization server means the same to another parser, and its redirect URIs are the profile's.
pub fn problem_of_received(profile: &str, received: &Received) -> Option<String> {
    let here = received.json();
    // A YAML parser reads JSON too, and shares no line with the gateway's.
    match serde_yaml::from_slice::<Map<String, Value>>(&received.body) {
        Ok(there) if there == here => {}
        other => return Some(format!("two parsers differ on {}: {other:?}", received.text())),
    }
    for member in ["redirect_uris", "post_logout_redirect_uris"] {
        for uri in here.get(member).and_then(Value::as_array).into_iter().flatten() {
            let uri = uri.as_str().unwrap_or_default();
            if !is_of(profile, uri) {
                return Some(format!("{uri} reached the authorization server under {profile}"));
            }
        }
    }
    for header in ["x-forwarded-for: 6.6.6.6", "client-cert", "x-ssl-", "x-original-url", "dcrt_"] {
        if received.head.to_ascii_lowercase().contains(header) {
            return Some(format!("{header} reached the authorization server: {}", received.head));
        }
    }
    None
}

/// The hosts of the `mcp` preset, written down a second time.
const VENDORS: [&str; 21] = [
    "claude.ai",
    "claude.com",
    "chatgpt.com",
    "platform.openai.com",
    "www.cursor.com",
    "vscode.dev",
    "insiders.vscode.dev",
    "grok.com",
    "console.x.ai",
    "www.perplexity.ai",
    "enterprise.perplexity.ai",
    "callback.mistral.ai",
    "api.devin.ai",
    "antigravity.google",
    "oauth.n8n.cloud",
    "playground.ai.cloudflare.com",
    "mcp.docker.com",
    "global.consent.azure-apim.net",
    "vertexaisearch.cloud.google.com",
    "oauth-redirect.googleusercontent.com",
    "raycast.com",
];

/// Whether two readers, RFC 3986's own expression and a browser's parser, find the URI where the profile allows one.
fn is_of(profile: &str, uri: &str) -> bool {
    let expression = r"^([^:/?#]+):(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(#.*)?$";
    let Some(parts) = Regex::new(expression).unwrap().captures(uri) else { return false };
    let part = |number: usize| parts.get(number).map_or("", |part| part.as_str());
    let (scheme, authority) = (part(1).to_ascii_lowercase(), part(2).to_ascii_lowercase());
    let Ok(browser) = url::Url::parse(uri) else { return false };
    if browser.scheme() != scheme || parts.get(5).is_some() || !browser.username().is_empty() {
        return false;
    }
    let host = authority
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok())
        .map_or(&*authority, |(host, _)| host);
    let same_host = browser.host_str().unwrap_or_default() == host;
    let is_loopback =
        matches!(host, "localhost" | "[::1]") || host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback());
    let hosts: &[&str] = match profile {
        "mcp" => &VENDORS,
        "partners" => &["app.example.com", "portal.acme.corp", "xn--mnchen-3ya.example"],
        _ => &["app.example.com"],
    };
    match scheme.as_str() {
        "https" if is_loopback && matches!(profile, "native" | "mcp") => same_host,
        "https" => {
            let has_query = profile == "mcp" && host != "raycast.com" && parts.get(4).is_some();
            same_host
                && !has_query
                && (hosts.contains(&host) || (profile == "partners" && host.ends_with(".partner.example")))
        }
        "http" => same_host && is_loopback && matches!(profile, "native" | "mcp"),
        "cursor" | "claude" | "warp" | "raycast" | "com.raycast" => profile == "mcp",
        "vscode" => profile == "mcp" && host == "saoudrizwan.claude-dev" && part(3).starts_with("/mcp-auth/callback/"),
        "com.example.app"
        | "com.googleusercontent.apps.123-abc"
        | "io.example.notes"
        | "msauth.com.example.app"
        | "myapp" => profile == "native",
        _ => false,
    }
}

/// What a client of RFC 7591 finds wrong with the answer to what it asked for.
pub fn problem_of_created(answer: &Answer, asked: &Map<String, Value>, changed: &Map<String, Value>) -> Option<String> {
    if let Some(leak) = leaks(answer) {
        return Some(leak);
    }
    let headers = [("content-type", "application/json"), ("cache-control", "no-store"), ("pragma", "no-cache")];
    if answer.status != 201 || headers.iter().any(|(name, value)| answer.header(name) != Some(value)) {
        return Some(format!("not as RFC 7591 §3.2.1 says: {answer:?}"));
    }
    let Value::Object(told) = answer.json() else { return Some("no object".to_owned()) };
    if told.get("client_id").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Some("no client_id".to_owned());
    }
    if told.contains_key("client_secret") != told.contains_key("client_secret_expires_at") {
        return Some("client_secret without client_secret_expires_at".to_owned());
    }
    let is_public = told["token_endpoint_auth_method"] == "none";
    if is_public && told.contains_key("client_secret") {
        return Some("a secret for a public client".to_owned());
    }
    told.iter().find_map(|(member, value)| problem_of_type(member, value)).or_else(|| {
        asked.iter().find_map(|(member, value)| {
            let expected = changed.get(member).unwrap_or(value);
            let is_absent =
                expected.is_null() || matches!(expected.as_str(), Some("")) || *expected == Value::Array(vec![]);
            let answered = told.get(member);
            // Sorted, and what an empty `scope` became, are the profile's.
            let as_asked = if is_absent {
                changed.get(member).is_none() || answered.is_none()
            } else {
                answered == Some(expected)
            };
            (!as_asked)
                .then(|| format!("{member} was asked for as {value}, expected as {expected}, answered as {answered:?}"))
        })
    })
}

/// The types that strict clients hold an answer to.
fn problem_of_type(member: &str, value: &Value) -> Option<String> {
    let is_sound = match member {
        "redirect_uris"
        | "grant_types"
        | "response_types"
        | "contacts"
        | "request_uris"
        | "post_logout_redirect_uris" => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        "client_id_issued_at" | "client_secret_expires_at" | "default_max_age" => value.is_u64(),
        "jwks" => value["keys"].is_array(),
        _ if member.ends_with("_uri") => value.as_str().is_some_and(|uri| url::Url::parse(uri).is_ok()),
        "registration_access_token" | "client_id" | "client_secret" | "client_name" | "token_endpoint_auth_method" => {
            value.is_string()
        }
        _ => !value.is_null() && value != "",
    };
    (!is_sound).then(|| format!("{member} is {value} in the answer"))
}
