//! A whole request, head and body, through the registration function to the server and back: what is sent is what was judged, once, and
//! whatever comes, the answer is one that every client can read.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dcr_gateway::anomaly::Responder;
use dcr_gateway::authorization_server::client_endpoints::{AdvertisedEndpoints, WhenRecordUnavailable};
use dcr_gateway::authorization_server::credential::Credential;
use dcr_gateway::authorization_server::discovery::Rewriting;
use dcr_gateway::authorization_server::endpoint::Endpoint;
use dcr_gateway::authorization_server::judge;
use dcr_gateway::authorization_server::paths::ClosedPaths;
use dcr_gateway::authorization_server::settings::{ClientIdMetadataDocuments, Kind};
use dcr_gateway::authorization_server::transport::{Limits, Transport, TransportError};
use dcr_gateway::clock::{Clock, Timestamp};
use dcr_gateway::intake::handler::{Answer, Body, BodyError, Handler as _, Head, PresentedCertificate, Request};
use dcr_gateway::intake::management::ManagementSettings;
use dcr_gateway::intake::{Intake, LARGEST_BODY, Rulebook, TokenHandling, Tools};
use dcr_gateway::registrant::software_statement::StatementIssuers;
use dcr_gateway::registration::{ClientMetadata, json};
use dcr_gateway::sealing::Keys;
use dcr_gateway::secret::Secret;
use dcr_gateway::store::memory::MemoryStore;
use dcr_gateway::store::{InitialAccessTokens as _, IssuedToken, TokenHash, TokenId};
use dcr_gateway::throttle::settings::ThrottleSettings;
use dcr_gateway::throttle::{Throttle, ThrottleFiles};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::decision::{World, worlds};
use super::{choice, halves, json_readers};

const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
const PATH: &str = "/register";
const OWN_CREDENTIAL: &str = "the-gateways-own";
const TOKEN: &str = "dcrt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const INSIDE: &str = "inside.example";

/// The property. The first byte chooses the world (modulo the worlds) and the second whether the caller presents the token that the profile
/// needs, another, or none; then the media type and a zero, then the body.
pub fn holds(input: &[u8]) -> bool {
    let Some((chosen, rest)) = choice(input) else { return false };
    let Some((presents, rest)) = choice(rest) else { return false };
    let world = &worlds()[usize::from(chosen) % worlds().len()];
    // Cognito is not spoken to over this endpoint.
    if world.kind == Kind::Cognito {
        return false;
    }
    let (media_type, body) = halves(rest);
    let Ok(media_type) = HeaderValue::from_bytes(media_type) else { return false };
    let token = match presents % 4 {
        0 => None,
        1 => Some(HeaderValue::from_static("Bearer dcrt_another")),
        _ => HeaderValue::from_str(&format!("Bearer {TOKEN}")).ok(),
    };
    let (answer, sent) = register(world, &media_type, token.as_ref(), body);
    is_readable(&answer);
    match answer.status {
        StatusCode::CREATED => {
            let [request] = sent.as_slice() else { panic!("{} requests for one registration", sent.len()) };
            is_what_was_judged(world, request, body);
            is_what_was_registered(&answer, request.body());
        }
        _ => assert!(sent.is_empty(), "{} was answered after something was sent", answer.status),
    }
    answer.status == StatusCode::CREATED
}

/// What goes to the server: the body that the judgement of this body yields, and nothing of the caller's beside it.
fn is_what_was_judged(world: &World, request: &http::Request<Bytes>, body: &[u8]) {
    assert_eq!((request.method(), request.uri().path()), (&Method::POST, PATH));
    for (name, value) in request.headers() {
        let value = value.to_str().unwrap_or_default();
        let is_ours = match name.as_str() {
            "authorization" => value == format!("Bearer {OWN_CREDENTIAL}"),
            "content-type" | "accept" => value == "application/json",
            _ => false,
        };
        assert!(is_ours, "{name}: {value} is sent");
    }
    let asked = ClientMetadata::from_json(json::parse_lenient(body).expect("what was admitted is strict"));
    let clearance = judge(world.kind, &world.profile, &asked).result.expect("what was admitted is within the rules");
    let judged = Value::Object(world.dialect.outgoing(&clearance));
    json_readers::all_read(request.body(), &judged);
}

fn is_what_was_registered(answer: &Answer, sent: &[u8]) {
    let registered = json::parse(&answer.body).expect("an object");
    let sent = json::parse(sent).expect("an object");
    assert_eq!(registered["client_id"], "c-1");
    assert!(!String::from_utf8_lossy(&answer.body).contains(INSIDE), "the server's address is told");
    assert_ne!(registered.get("registration_access_token"), Some(&json!("the-servers-own")));
    for (name, value) in &registered {
        let is_empty = value.is_null() || value.as_str() == Some("") && name != "scope";
        assert!(!is_empty, "{name} is {value}: strict clients break");
    }
    for name in sent.keys() {
        assert!(registered.contains_key(name), "{name} was registered and is not answered");
    }
}

/// RFC 7591 §3.2.2: JSON, always; nothing in it that could break a line of a log or a terminal.
fn is_readable(answer: &Answer) {
    let status = answer.status;
    let expected = [200, 201, 204, 400, 401, 403, 405, 413, 415];
    assert!(expected.contains(&status.as_u16()), "{status}: {}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.headers[CONTENT_TYPE], "application/json", "{status}");
    let members: Map<String, Value> = json::parse(&answer.body).expect("an answer is strict JSON");
    if status == StatusCode::CREATED {
        return;
    }
    let text =
        |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("no {name}: {members:?}"));
    assert_eq!(text("request_id"), "r-1");
    assert!(!text("error").is_empty());
    let sentence = text("error_description");
    assert!(!sentence.is_empty() && sentence.len() < 1000 && !sentence.contains(char::is_control), "{sentence:?}");
    if status == StatusCode::UNAUTHORIZED {
        assert!(answer.headers.contains_key(http::header::WWW_AUTHENTICATE), "RFC 6750 §3");
    }
}

fn register(
    world: &World,
    media_type: &HeaderValue,
    authorization: Option<&HeaderValue>,
    body: &[u8],
) -> (Answer, Vec<http::Request<Bytes>>) {
    let mut headers = http::HeaderMap::new();
    headers.insert(CONTENT_TYPE, media_type.clone());
    headers.insert("x-smuggled", HeaderValue::from_static("the-callers"));
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    let address = IpAddr::from([192, 0, 2, 7]);
    let head = Head {
        method: Method::POST,
        path: PATH.to_owned(),
        query: None,
        headers,
        peer: address,
        client_address: address,
        certificate: PresentedCertificate::None,
        request_id: "r-1".to_owned(),
        secure: true,
        version: http::Version::HTTP_11,
        tls: None,
    };
    let server = Arc::new(Server::default());
    runtime().block_on(async {
        let store = Arc::new(MemoryStore::default());
        let token = Secret::new(TOKEN);
        store
            .create(issued(world.profile.name()), TokenHash::of(&token), Vec::new())
            .await
            .expect("a store that forgets");
        let tools = Tools::new(store, Arc::new(Now), |octets| octets.fill(7));
        let intake = Intake::new(rulebook(world, server.clone()), tools);
        let mut body = Whole(Some(Bytes::copy_from_slice(body)));
        let answer = intake.register(Request { head: &head, body: &mut body }).await;
        (answer, std::mem::take(&mut *server.sent.lock().expect("one thread")))
    })
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime")
    })
}

fn issued(profile: &str) -> IssuedToken {
    IssuedToken {
        id: TokenId("t-1".to_owned()),
        profile: profile.to_owned(),
        label: None,
        certificate_thumbprint: None,
        created_at: NOW,
        expires_at: NOW.after(Duration::from_secs(3600)),
        max_uses: 1,
        used: 0,
        revoked_at: None,
    }
}

fn rulebook(world: &World, server: Arc<Server>) -> Rulebook {
    let limits = Limits { total: Duration::from_secs(5), response_bytes: 1 << 20 };
    Rulebook {
        profiles: vec![world.profile.clone()],
        under_approval: std::collections::HashMap::new(),
        responder: Responder::default(),
        profile_limits: std::collections::HashMap::new(),
        throttle: Throttle::new(&ThrottleSettings::default(), ThrottleFiles::default()).expect("a throttle"),
        initial_access_tokens: TokenHandling::Verified(Box::default()),
        software_statements: StatementIssuers::default(),
        cors: dcr_gateway::intake::CorsSettings::default(),
        rewriting: Rewriting {
            issuer: "https://sso.example.com".to_owned(),
            registration_endpoint: format!("https://sso.example.com{PATH}"),
            mtls_registration_endpoint: None,
            registration_path: PATH.to_owned(),
            client_id_metadata_documents: ClientIdMetadataDocuments::Refuse,
        },
        closed_paths: ClosedPaths::default(),
        advertised_endpoints: AdvertisedEndpoints::default(),
        when_record_unavailable: WhenRecordUnavailable::default(),
        own_metadata: None,
        sees_uses: false,
        reads_events_every: None,
        issuer_path: String::new(),
        transport: server.clone(),
        limits,
        kind: world.kind,
        registrar: Arc::new(Endpoint {
            transport: server,
            path: PATH.to_owned(),
            dialect: world.dialect,
            credential: Credential::Bearer(Secret::new(OWN_CREDENTIAL)),
            limits,
        }),
        administration: None,
        keys: Arc::new(keys()),
        management: ManagementSettings::default(),
    }
}

fn keys() -> Keys {
    static FILE: OnceLock<tempfile::TempPath> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let file = tempfile::NamedTempFile::new().expect("a file").into_temp_path();
        std::fs::remove_file(&file).expect("an empty file");
        Keys::read_or_make(&file, &[3; 32]).expect("a key");
        file
    });
    Keys::read(file).expect("a key")
}

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        NOW
    }
}

struct Whole(Option<Bytes>);

#[async_trait]
impl Body for Whole {
    async fn read(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        assert_eq!(limit, LARGEST_BODY);
        let body = self.0.take().unwrap_or_default();
        if body.len() > limit { Err(BodyError::TooLarge { limit }) } else { Ok(body) }
    }
}

/// Registers whatever comes, as careless servers do: with nulls, with empty texts, with its own address.
#[derive(Default)]
struct Server {
    sent: Mutex<Vec<http::Request<Bytes>>>,
}

#[async_trait]
impl Transport for Server {
    async fn send(&self, request: http::Request<Bytes>, _: Limits) -> Result<http::Response<Bytes>, TransportError> {
        let mut members: Map<String, Value> = serde_json::from_slice(request.body()).unwrap_or_default();
        members.insert("client_id".to_owned(), json!("c-1"));
        members.insert("client_secret".to_owned(), json!("s-1"));
        members.insert("logo_uri".to_owned(), Value::Null);
        members.insert("software_version".to_owned(), json!(""));
        members.insert("registration_access_token".to_owned(), json!("the-servers-own"));
        members.insert("registration_client_uri".to_owned(), json!(format!("http://{INSIDE}{PATH}/c-1")));
        self.sent.lock().expect("one thread").push(request);
        let answer = http::Response::builder().status(201).body(Bytes::from(Value::from(members).to_string()));
        answer.map_err(|error| TransportError::BrokenOff(error.to_string()))
    }
}
