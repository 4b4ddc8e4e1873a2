//! From a body to what is sent: whatever is admitted is sent as it was judged, to every parser, and leads nowhere but where the profile says.

use std::collections::HashSet;
use std::sync::OnceLock;

use dcr_gateway::authorization_server;
use dcr_gateway::authorization_server::dialect::Dialect;
use dcr_gateway::authorization_server::settings::{AuthorizationServerSettings, Kind};
use dcr_gateway::policy::{Clearance, Profile, ProfileSettings, Violation};
use dcr_gateway::registration::redirect_uri::RedirectUri;
use dcr_gateway::registration::{ClientMetadata, json};
use serde_json::{Map, Value};

use super::{choice, json_readers};

/// The profiles that the gateway's own corpora are judged by.
const CORPUS: &str = include_str!("../../gateway/corpus/gateway.yaml");

/// Members whose value is made anew from what was read: in another order, without repetitions, with a default.
const REWRITTEN: [&str; 10] = [
    "redirect_uris",
    "post_logout_redirect_uris",
    "grant_types",
    "response_types",
    "token_endpoint_auth_method",
    "application_type",
    "scope",
    "jwks",
    "contacts",
    "request_uris",
];

/// What only a server assigns.
const ASSIGNED: [&str; 6] = [
    "client_id",
    "client_secret",
    "client_id_issued_at",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
];

/// One way of judging.
pub struct World {
    /// The rules.
    pub profile: Profile,
    /// The kind of server.
    pub kind: Kind,
    /// How it is spoken to.
    pub dialect: Dialect,
}

/// Every profile of the corpus before every kind of server.
pub fn worlds() -> &'static [World] {
    static WORLDS: OnceLock<Vec<World>> = OnceLock::new();
    WORLDS.get_or_init(|| {
        let corpus: serde_yaml::Value = serde_yaml::from_str(CORPUS).expect("the corpus's configuration is YAML");
        let profiles: Vec<ProfileSettings> = serde_yaml::from_value(corpus["profiles"].clone()).expect("profiles");
        let kinds = ["rfc7591", "keycloak", "cognito"];
        let worlds = profiles.iter().flat_map(|settings| kinds.map(|kind| world(settings, kind)));
        worlds.collect()
    })
}

fn world(settings: &ProfileSettings, kind: &str) -> World {
    let server = format!("{{ kind: {kind}, issuer: 'https://sso.example.com', url: 'http://inside' }}");
    let server: AuthorizationServerSettings = serde_yaml::from_str(&server).expect("settings of a server");
    let profile = Profile::compile(settings).unwrap_or_else(|problems| panic!("{problems:?}"));
    World { profile, kind: server.kind, dialect: Dialect::of(&server) }
}

/// The property: the first byte chooses the world, the rest is the body.
pub fn holds(input: &[u8]) -> bool {
    let Some((chosen, body)) = choice(input) else { return false };
    let world = &worlds()[usize::from(chosen) % worlds().len()];
    let Ok(members) = json::parse_lenient(body) else { return false };
    let requested = ClientMetadata::from_json(members.clone());
    let judged = authorization_server::judge(world.kind, &world.profile, &requested).result;
    let again = authorization_server::judge(world.kind, &world.profile, &requested).result;
    assert_eq!(format!("{judged:?}"), format!("{again:?}"), "one request, two judgements");
    match &judged {
        Ok(clearance) => admitted(world, &members, clearance),
        Err(violations) => refused(violations),
    }
    judged.is_ok()
}

/// What is sent for this input, when it is admitted.
pub fn sent(input: &[u8]) -> Option<Value> {
    let (chosen, body) = choice(input)?;
    let world = &worlds()[usize::from(chosen) % worlds().len()];
    let requested = ClientMetadata::from_json(json::parse_lenient(body).ok()?);
    let clearance = authorization_server::judge(world.kind, &world.profile, &requested).result.ok()?;
    Some(Value::Object(world.dialect.outgoing(&clearance)))
}

fn refused(violations: &[Violation]) {
    assert!(!violations.is_empty() && violations.len() <= 64);
    for Violation { place, message, .. } in violations {
        assert!(!place.is_empty() && message.starts_with(place.trim_end_matches('…')), "{place:?} {message:?}");
        assert!(message.len() <= 512 && !message.contains(char::is_control), "{message:?}");
    }
}

fn admitted(world: &World, asked: &Map<String, Value>, clearance: &Clearance) {
    let outgoing = world.dialect.outgoing(clearance);
    let value = Value::Object(outgoing.clone());
    let text = serde_json::to_vec(&outgoing).expect("JSON is written");
    assert_eq!(json::parse(&text).as_ref(), Ok(&outgoing), "what is sent is not what was judged");
    json_readers::all_read(&text, &value);
    has_no_fractions(&value);
    for (name, sent) in &outgoing {
        assert!(!ASSIGNED.contains(&name.as_str()), "{name} is sent");
        let is_as_asked = asked.get(name) == Some(sent)
            || is_name_without_ends(name, asked.get(name), sent)
            || is_said_default(name, asked.get(name));
        assert!(is_as_asked || REWRITTEN.contains(&name.as_str()), "{name}: {:?} became {sent}", asked.get(name));
    }
    redirects(world, asked, clearance, &outgoing);
    scopes(world, clearance, &outgoing);
    keys(&outgoing);
    if world.kind == Kind::Rfc7591 {
        is_admitted_as_it_is(world, &outgoing);
    }
}

/// Spaces at the ends of a client's name are taken off, and nothing else of it.
fn is_name_without_ends(member: &str, asked: Option<&Value>, sent: &Value) -> bool {
    let is_name = member == "client_name" || member.starts_with("client_name#");
    is_name && asked.and_then(Value::as_str).map(str::trim) == sent.as_str()
}

/// An algorithm that has a default where none was asked for: it is said where the profile does not allow the default.
fn is_said_default(member: &str, asked: Option<&Value>) -> bool {
    let has_default = member == "id_token_signed_response_alg" || member.ends_with("_enc");
    has_default && asked.is_none_or(|asked| asked.is_null() || asked == "")
}

/// Parsers round fractions and large integers differently (`json_readers`): nothing of the kind leaves.
fn has_no_fractions(value: &Value) {
    match value {
        Value::Number(number) => {
            let is_whole = number.as_u64().is_some_and(|number| number < 1 << 53);
            assert!(is_whole, "{number} is sent, which some parsers round");
        }
        Value::Array(entries) => entries.iter().for_each(has_no_fractions),
        Value::Object(members) => members.values().for_each(has_no_fractions),
        _ => {}
    }
}

fn texts<'v>(members: &'v Map<String, Value>, name: &str) -> Vec<&'v str> {
    members.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn redirects(world: &World, asked: &Map<String, Value>, clearance: &Clearance, outgoing: &Map<String, Value>) {
    let asked = [texts(asked, "redirect_uris"), texts(asked, "post_logout_redirect_uris")].concat();
    let without_port = |text: &str| RedirectUri::parse(text).map(|uri| uri.without_port().as_str().to_owned());
    for uri in clearance.redirect_uris() {
        assert!(asked.contains(&uri.as_str()), "{uri:?} was not asked for");
    }
    for name in ["redirect_uris", "post_logout_redirect_uris"] {
        let sent = texts(outgoing, name);
        assert_eq!(sent.len(), outgoing.get(name).and_then(Value::as_array).map_or(0, Vec::len), "{name}");
        for uri in sent {
            let is_asked_for = asked.iter().any(|asked| *asked == uri || without_port(asked).as_deref() == Ok(uri));
            assert!(is_asked_for, "{name}: {uri} was not asked for");
            let browser = url::Url::parse(uri).unwrap_or_else(|error| panic!("{name}: {uri}: {error}"));
            // After a logout to the same hosts, but to any page of theirs.
            let browser = if name == "redirect_uris" { Page::This(&browser) } else { Page::Any(&browser) };
            assert!(may_lead_to(world.profile.name(), browser), "{name}: {uri} under {}", world.profile.name());
        }
    }
}

/// A URI as a browser reads it: the very page, or any of the same host.
enum Page<'u> {
    This(&'u url::Url),
    Any(&'u url::Url),
}

/// Where clients of the profile may be, said a second time and without any code of the gateway's. `gateway.yaml` and the preset are the first.
fn may_lead_to(profile: &str, page: Page<'_>) -> bool {
    let (uri, any_page) = match page {
        Page::This(uri) => (uri, false),
        Page::Any(uri) => (uri, true),
    };
    let host = uri.host_str().unwrap_or_default();
    let is_loopback = matches!(uri.scheme(), "http" | "https")
        && (matches!(host, "localhost" | "[::1]")
            || host.starts_with("127.") && host.bytes().all(|b| b"0123456789.".contains(&b)));
    let is_https = uri.scheme() == "https";
    match profile {
        "partners" => {
            let is_named = matches!(host, "app.example.com" | "xn--mnchen-3ya.example");
            let is_below = host.ends_with(".partner.example")
                && (any_page || uri.path().starts_with("/oauth/"))
                && matches!(uri.port_or_known_default(), Some(443 | 8443));
            is_https && (is_named && uri.port().is_none() || is_below)
        }
        "native" => {
            let schemes = [
                "com.example.app",
                "com.googleusercontent.apps.123-abc",
                "io.example.notes",
                "msauth.com.example.app",
                "myapp",
            ];
            is_loopback
                || schemes.contains(&uri.scheme())
                || is_https && host == "app.example.com" && (any_page || uri.path() == "/callback")
        }
        "regulated" => is_https && host == "app.example.com" && uri.port().is_none(),
        "mcp" => {
            let hosts = [
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
            let schemes = ["cursor", "claude", "warp", "raycast", "com.raycast"];
            let is_hosted = is_https && hosts.contains(&host) && uri.port().is_none();
            let is_cline = uri.as_str().starts_with("vscode://saoudrizwan.claude-dev/mcp-auth/callback/");
            is_loopback
                || schemes.contains(&uri.scheme())
                || is_cline
                || is_hosted && (any_page || host == "raycast.com" || uri.query().is_none())
        }
        // Machines have none.
        _ => false,
    }
}

fn scopes(world: &World, clearance: &Clearance, outgoing: &Map<String, Value>) {
    let decided = clearance.scopes();
    for scope in decided.granted.iter() {
        assert!(world.profile.grants_at_once(scope), "{scope:?} is granted");
    }
    for scope in decided.withheld.iter() {
        assert!(
            world.profile.grantable().contains(scope) && !world.profile.grants_at_once(scope),
            "{scope:?} is withheld"
        );
    }
    let parts = [&decided.granted, &decided.withheld, &decided.dropped].map(|part| part.iter().collect::<HashSet<_>>());
    for scope in decided.requested.iter().flat_map(|requested| requested.iter()) {
        assert_eq!(parts.iter().filter(|part| part.contains(scope)).count(), 1, "{scope:?}");
    }
    let sent = outgoing.get("scope").and_then(Value::as_str).unwrap_or_default();
    for scope in sent.split(' ').filter(|scope| !scope.is_empty()) {
        assert!(decided.granted.iter().any(|granted| granted.as_str() == scope), "{scope} is sent, and not granted");
    }
}

/// Nothing private in a key set, whatever a client put there.
fn keys(outgoing: &Map<String, Value>) {
    let keys = outgoing.get("jwks").and_then(|set| set.get("keys")).and_then(Value::as_array);
    for key in keys.into_iter().flatten() {
        for secret in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv", "seed"] {
            assert!(key.get(secret).is_none(), "{secret} is sent");
        }
    }
}

/// What was admitted is within the rules: asked for again it is admitted, and nothing of it changes.
fn is_admitted_as_it_is(world: &World, outgoing: &Map<String, Value>) {
    let requested = ClientMetadata::from_json(outgoing.clone());
    match authorization_server::judge(Kind::Rfc7591, &world.profile, &requested).result {
        Ok(clearance) => assert_eq!(&world.dialect.outgoing(&clearance), outgoing),
        Err(violations) => panic!("admitted once, refused again: {violations:?}: {outgoing:?}"),
    }
}
