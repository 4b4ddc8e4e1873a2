//! Reads the server's answer to a registration: a client, a refusal, or nonsense. Nothing of the server's that a client must not
//! see (its tokens, its addresses, its stack traces) gets past this module. Pure.

use std::collections::HashSet;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use super::access::{ClientUris, ServerAccess, TokenAccess};
use super::{RegisterError, Registered};
use crate::fetch::retry_after;
use crate::percent::percent_decoded;
use crate::registration::members::is_client_id;
use crate::registration::{ErrorCode, json};
use crate::secret::Secret;

/// The server's own access to the client (RFC 7592 §3), and what would tell where the server is.
const KEPT_BACK: [&str; 2] = ["registration_access_token", "registration_client_uri"];

/// Members whose value is a list of texts.
const TEXT_LISTS: [&str; 7] = [
    "redirect_uris",
    "grant_types",
    "response_types",
    "contacts",
    "request_uris",
    "default_acr_values",
    "post_logout_redirect_uris",
];

/// Members whose value is a number of seconds.
const SECONDS: [&str; 3] = ["client_id_issued_at", "client_secret_expires_at", "default_max_age"];

/// Longer sentences of the server are not passed on.
const LONGEST_DESCRIPTION: usize = 200;

/// Whose credential a 401 or 403 speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialOwner {
    /// The gateway's own, or none.
    Gateway,
    /// The registrant's (`credential: forward`).
    Registrant,
}

/// What the answer to a registration is read against.
#[derive(Debug)]
pub struct RegistrationCall<'c> {
    /// The members of the request.
    pub sent: Map<String, Value>,
    /// Whose credential went with it.
    pub credential: CredentialOwner,
    /// Which URIs of management are believed.
    pub uris: ClientUris<'c>,
    /// What the server takes and never tells again.
    pub never_told: &'static [&'static str],
}

/// Reads the answer to a registration request.
pub fn read(response: Response<Bytes>, call: RegistrationCall<'_>) -> Result<Registered, RegisterError> {
    let (head, body) = response.into_parts();
    match head.status {
        StatusCode::CREATED | StatusCode::OK => registered(&body, call),
        StatusCode::UNAUTHORIZED => Err(match call.credential {
            CredentialOwner::Gateway => RegisterError::Credential("401".to_owned()),
            CredentialOwner::Registrant => RegisterError::RegistrantCredential,
        }),
        StatusCode::TOO_MANY_REQUESTS => Err(RegisterError::RateLimited { retry_after: retry_after(&head.headers) }),
        StatusCode::SERVICE_UNAVAILABLE => Err(RegisterError::Unavailable { retry_after: retry_after(&head.headers) }),
        StatusCode::FORBIDDEN => Err(RegisterError::PolicyRefused(quoted(head.status, &body))),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
            Err(RegisterError::Misdirected(quoted(head.status, &body)))
        }
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            let (code, description) = refused(&body);
            Err(RegisterError::Refused { code, description })
        }
        // 409 and the like are about the client where the server says so in the RFC's words; a bare one is about the request as such.
        status if status.is_client_error() && is_refusal(&body) => {
            let (code, description) = refused(&body);
            Err(RegisterError::Refused { code, description })
        }
        status if status.is_client_error() => Err(RegisterError::Misdirected(quoted(status, &body))),
        status => Err(RegisterError::Broken(quoted(status, &body))),
    }
}

fn registered(body: &[u8], call: RegistrationCall<'_>) -> Result<Registered, RegisterError> {
    let mut answered =
        json::parse_lenient(body).map_err(|error| RegisterError::Broken(format!("no JSON object: {error}")))?;
    let client_id = match answered.get("client_id") {
        Some(Value::String(id)) if is_client_id(id) => id.clone(),
        _ => return Err(RegisterError::Broken("no client_id in the answer, or none that could be used".to_owned())),
    };
    if is_of_another(&call.sent, &answered) {
        return Err(RegisterError::Broken(
            "the answer is another registration's: it has none of the redirect URIs".to_owned(),
        ));
    }
    let access = TokenAccess::given(&answered, &client_id, call.uris).map(ServerAccess::ByToken);
    let redirect_uris_added = redirect_uris_added(&call.sent, &answered);
    let scopes_added = scopes_added(&call.sent, &answered);
    hold_to(&call.sent, call.never_told, &mut answered);
    Ok(Registered { client_id, metadata: sound(answered, call.sent), access, redirect_uris_added, scopes_added })
}

/// Scopes of the answer beyond those that were sent; where none were sent it is the server's to choose.
fn scopes_added(sent: &Map<String, Value>, answered: &Map<String, Value>) -> Vec<String> {
    let (Some(sent), Some(answered)) = (json::text_of(sent, "scope"), json::text_of(answered, "scope")) else {
        return Vec::new();
    };
    let sent: Vec<&str> = sent.split_whitespace().collect();
    answered.split_whitespace().filter(|scope| !sent.contains(scope)).map(str::to_owned).collect()
}

/// RFC 7591 §3.2.1 lets a server replace what was asked for. A redirect URI that is only written otherwise (`https://app.example`, with a slash
/// at its end) is the same one.
fn redirect_uris_added(sent: &Map<String, Value>, answered: &Map<String, Value>) -> Vec<String> {
    let sent: HashSet<&str> = json::texts_of(sent, REDIRECT_URIS).collect();
    // Most servers answer with what was sent, which need not be read.
    let mut added: Vec<&str> = json::texts_of(answered, REDIRECT_URIS).filter(|uri| !sent.contains(uri)).collect();
    if !added.is_empty() {
        let sent: HashSet<Url> = sent.into_iter().filter_map(|uri| Url::parse(uri).ok()).collect();
        added.retain(|uri| !Url::parse(uri).is_ok_and(|uri| sent.contains(&uri)));
    }
    added.into_iter().map(str::to_owned).collect()
}

const REDIRECT_URIS: &str = "redirect_uris";

/// Whether the answer must be another registration's: there are redirect URIs in both, and none of the answer's is where one that was sent is,
/// however a server writes that. A pattern, or a part of a URI, may be what the server made of it. A server may answer one request twice, and
/// the second answer be read as the next one's.
fn is_of_another(sent: &Map<String, Value>, answered: &Map<String, Value>) -> bool {
    let [sent, answered] = [sent, answered].map(|members| json::texts_of(members, REDIRECT_URIS).collect::<Vec<_>>());
    let place = |uri: &str| {
        let url = Url::parse(uri).ok().filter(|_| !uri.contains(['*', '^', '$', '(', '|', '\\']))?;
        if !matches!(url.scheme(), "http" | "https") {
            // An app has the whole scheme, and servers write the rest in several ways.
            return Some((url.scheme().to_owned(), String::new(), None, Vec::new()));
        }
        let (host, port) = match url.host_str().unwrap_or_default() {
            "localhost" | "127.0.0.1" | "[::1]" => ("localhost", None),
            host => (host, url.port_or_known_default()),
        };
        let path = percent_decoded(url.path().trim_end_matches('/').as_bytes()).into_owned();
        Some((url.scheme().to_owned(), host.to_owned(), port, path))
    };
    // Most servers answer with what was sent, which need not be read.
    if sent.is_empty() || answered.is_empty() || sent.contains(&answered[0]) {
        return false;
    }
    let places: HashSet<_> = sent.iter().filter_map(|uri| place(uri)).collect();
    !answered.iter().any(|uri| place(uri).is_none_or(|place| places.contains(&place)))
}

/// Leaves of lists that the server does not keep, and answers all the same, what it was sent: the rest it made up, and a client that sends its
/// registration back (RFC 7592 §2.2) would ask for what it never chose.
pub(super) fn hold_to(sent: &Map<String, Value>, never_told: &[&str], answered: &mut Map<String, Value>) {
    for name in never_told {
        if let (Some(Value::Array(sent)), Some(Value::Array(told))) = (sent.get(*name), answered.get_mut(*name))
            && told.iter().any(|entry| sent.contains(entry))
        {
            told.retain(|entry| sent.contains(entry));
        }
    }
}

/// Takes the secret of a client out of what the server said of it.
pub fn take_secret(metadata: &mut Map<String, Value>) -> Option<Secret> {
    match metadata.remove("client_secret") {
        Some(Value::String(secret)) => Some(Secret::new(secret)),
        _ => None,
    }
}

/// The members of an answer that a client may see. RFC 7591 §3.2.1: the answer holds all registered members; what the server does not
/// name was registered as sent (`unnamed`).
pub(super) fn sound(answered: Map<String, Value>, unnamed: Map<String, Value>) -> Map<String, Value> {
    let mut metadata = unnamed;
    let answered = answered.into_iter().map(|(name, value)| (as_text(&name, &value).unwrap_or(value), name));
    metadata.extend(answered.filter(|(value, name)| is_sound(name, value)).map(|(value, name)| (name, value)));
    let public = metadata.get("token_endpoint_auth_method").and_then(Value::as_str) == Some("none");
    if public {
        // Some servers make up a secret for a public client; handing it out would teach the client to use it.
        metadata.remove("client_secret");
        metadata.remove("client_secret_expires_at");
    } else if metadata.contains_key("client_secret") {
        // RFC 7591 §3.2.1: REQUIRED if `client_secret` is issued; 0 says that it does not expire.
        metadata.entry("client_secret_expires_at").or_insert_with(|| 0.into());
    }
    metadata
}

/// Some servers answer with a list of scopes where RFC 7591 §2 has a text.
fn as_text(name: &str, value: &Value) -> Option<Value> {
    let scopes = value.as_array().filter(|_| name == "scope")?;
    let scopes: Option<Vec<&str>> = scopes.iter().map(Value::as_str).collect();
    Some(scopes?.join(" ").into())
}

/// Whether a member of the answer may be shown to a client: strict clients break on null, on `""` and on wrong types.
fn is_sound(name: &str, value: &Value) -> bool {
    if KEPT_BACK.contains(&name) {
        return false;
    }
    if TEXT_LISTS.contains(&name) {
        return value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    }
    if SECONDS.contains(&name) {
        return value.is_i64() || value.is_u64();
    }
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty() || name == "scope",
        _ if name == "scope" => false,
        // One that no double holds was rounded, and is another number now.
        Value::Number(number) => !number.is_f64() || number.as_f64().is_some_and(|number| number.abs() < json::EXACT),
        Value::Array(list) => !list.is_empty(),
        // Strict readers of a key set want its `keys`.
        Value::Object(members) => name == "jwks" && members.get("keys").is_some_and(Value::is_array),
        Value::Bool(_) => true,
    }
}

/// RFC 7591 §3.2.2: its four codes are passed on; whatever else the server calls it, it is the metadata that it did not like.
pub(super) fn refused(body: &[u8]) -> (ErrorCode, Option<String>) {
    let members = json::parse(body).unwrap_or_default();
    let code = match members.get("error").and_then(Value::as_str) {
        Some("invalid_redirect_uri") => ErrorCode::InvalidRedirectUri,
        Some("invalid_software_statement") => ErrorCode::InvalidSoftwareStatement,
        Some("unapproved_software_statement") => ErrorCode::UnapprovedSoftwareStatement,
        _ => ErrorCode::InvalidClientMetadata,
    };
    let description = members.get("error_description").and_then(Value::as_str);
    (code, description.filter(|text| fit_for_a_client(text)).map(str::to_owned))
}

/// Whether it is an error response of RFC 7591 §3.2.2.
fn is_refusal(body: &[u8]) -> bool {
    json::parse(body).is_ok_and(|members| members.get("error").is_some_and(Value::is_string))
}

/// One short printable sentence that names no address, no class and no markup of the server's.
fn fit_for_a_client(text: &str) -> bool {
    let tells_of_the_inside = ["://", "Exception", "(class ", "org.", "com.", "java.", " at line "];
    !text.is_empty()
        && text.len() <= LONGEST_DESCRIPTION
        && text.bytes().all(|byte| matches!(byte, 0x20..=0x7E) && byte != b'<' && byte != b'>')
        && !tells_of_the_inside.iter().any(|part| text.contains(part))
}

/// For the log: the status, and what the server says is wrong, with nothing that could break a line. Of JSON only the sentences of a
/// refusal (the last is Keycloak's): whatever the status, the rest can be a client with its secret. Of an answer that is no refusal, nothing.
pub(super) fn quoted(status: StatusCode, body: &[u8]) -> String {
    let said = match json::parse(body) {
        _ if !(status.is_client_error() || status.is_server_error()) => String::new(),
        Ok(members) => {
            let sentences = ["error", "error_description", "errorMessage"].map(|name| members.get(name)?.as_str());
            sentences.into_iter().flatten().collect::<Vec<_>>().join(": ")
        }
        Err(_) if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) => String::new(),
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(LONGEST_DESCRIPTION)]).into_owned(),
    };
    match said.as_str() {
        "" => status.as_u16().to_string(),
        said => {
            format!("{}: {}", status.as_u16(), said[..said.floor_char_boundary(LONGEST_DESCRIPTION)].escape_debug())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secret::Secret;

    fn answer(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    fn sent() -> Map<String, Value> {
        let Value::Object(sent) = json!({
            "redirect_uris": ["http://localhost/cb"], "token_endpoint_auth_method": "none", "client_name": "Tool"
        }) else {
            unreachable!()
        };
        sent
    }

    const URIS: ClientUris<'_> = ClientUris { registration_path: "/register", below_it_only: false };

    fn read_ours(response: Response<Bytes>) -> Result<Registered, RegisterError> {
        let call = RegistrationCall { sent: sent(), credential: CredentialOwner::Gateway, uris: URIS, never_told: &[] };
        read(response, call)
    }

    #[test]
    fn fills_in_what_was_sent_and_drops_nulls_and_empty_texts() {
        let body =
            r#"{"client_id":"c","contacts":null,"client_uri":"","logo_uri":null,"jwks":{"keys":[]},"x":{"y":1}}"#;
        let registered = read_ours(answer(201, body)).unwrap();
        let expected = json!({
            "client_id": "c", "redirect_uris": ["http://localhost/cb"], "token_endpoint_auth_method": "none",
            "client_name": "Tool", "jwks": {"keys": []}
        });
        assert_eq!(Value::Object(registered.metadata), expected);
    }

    #[test]
    fn a_key_set_without_keys_is_not_told() {
        for jwks in [json!({}), json!({"keys": null})] {
            let body = json!({"client_id": "c", "jwks": jwks}).to_string();
            assert_eq!(read_ours(answer(201, &body)).unwrap().metadata.get("jwks"), None, "{jwks}");
        }
    }

    #[test]
    fn a_number_of_the_servers_own_that_no_reader_holds_costs_nobody_the_client() {
        for number in ["1.7e18", "12345678901234567890123"] {
            let body = format!(r#"{{"client_id":"c","created":{number},"serial":18446744073709551615,"share":0.5}}"#);
            let metadata = read_ours(answer(201, &body)).unwrap().metadata;
            assert_eq!((metadata.get("created"), &metadata["share"]), (None, &json!(0.5)), "{number}");
            assert_eq!(metadata["serial"], json!(u64::MAX));
        }
        assert!(read_ours(answer(201, r#"{"client_id":"c","client_id_issued_at":1.7e18}"#)).is_err());
    }

    #[test]
    fn scopes_in_a_list_are_told_as_the_text_that_they_are() {
        for (answered, told) in [
            (json!(["openid", "email"]), json!("openid email")),
            (json!([]), json!("")),
            (json!([7]), Value::Null),
            (json!(7), Value::Null),
        ] {
            let body = json!({"client_id": "c", "scope": answered}).to_string();
            let metadata = read_ours(answer(201, &body)).unwrap().metadata;
            assert_eq!(metadata.get("scope").unwrap_or(&Value::Null), &told, "{answered}");
        }
    }

    #[test]
    fn a_redirect_uri_that_nobody_sent_is_told_and_one_written_otherwise_is_none() {
        for (answered, added) in [
            (json!(["http://localhost/cb"]), vec![]),
            (json!(["HTTP://localhost:80/cb"]), vec![]),
            (json!(["http://localhost/cb", "https://evil.example/cb"]), vec!["https://evil.example/cb"]),
            (json!(null), vec![]),
        ] {
            let body = json!({"client_id": "c", "redirect_uris": answered}).to_string();
            assert_eq!(read_ours(answer(201, &body)).unwrap().redirect_uris_added, added);
        }
    }

    #[test]
    fn what_the_server_writes_otherwise_is_found_among_many() {
        let uris = |end: &str| (0..500).map(|number| format!("https://{number}.app.example{end}")).collect::<Vec<_>>();
        let read = |answered: Vec<String>| {
            let sent = Map::from_iter([("redirect_uris".to_owned(), json!(uris("")))]);
            let call = RegistrationCall { sent, credential: CredentialOwner::Gateway, uris: URIS, never_told: &[] };
            let body = json!({"client_id": "c", "redirect_uris": answered}).to_string();
            read(answer(201, &body), call).map(|registered| registered.redirect_uris_added.len())
        };
        for (answered, added) in [("", Some(0)), ("/", Some(0)), (":8443/", None)] {
            assert_eq!(read(uris(answered)).ok(), added, "{answered}");
        }
    }

    #[test]
    fn a_scope_that_nobody_sent_is_told_unless_none_was_sent() {
        let members = |scope: Option<&str>| Map::from_iter(scope.map(|scope| ("scope".to_owned(), scope.into())));
        for (sent, answered, added) in [
            (Some("openid"), Some("openid admin"), vec!["admin"]),
            (Some(""), Some("admin"), vec!["admin"]),
            (Some("openid profile"), Some("profile"), vec![]),
            (Some("openid"), None, vec![]),
            (None, Some("openid"), vec![]),
        ] {
            assert_eq!(scopes_added(&members(sent), &members(answered)), added, "{sent:?}, {answered:?}");
        }
    }

    #[test]
    fn an_answer_with_none_of_the_redirect_uris_is_another_registrations() {
        let answered = |uri: &str| {
            let body = json!({"client_id": "c", "client_secret": "s", "redirect_uris": [uri]}).to_string();
            read_ours(answer(201, &body))
        };
        for theirs in
            ["https://app.example.com/cb", "http://localhost/alice", "com.example:/cb", "https://localhost/cb"]
        {
            let error = answered(theirs).unwrap_err();
            assert!(matches!(error, RegisterError::Broken(_)), "{theirs}: {error}");
            assert!(!error.surely_nothing_registered(), "ours may well be there");
        }
        for ours in [
            "http://localhost/cb/",
            "http://LOCALHOST/%63b",
            "http://127.0.0.1:4711/cb",
            "http://localhost:*/cb",
            "regexp=(http://localhost/cb|https://a.example)",
            "^http://localhost/cb$",
            "/cb",
        ] {
            assert!(answered(ours).is_ok(), "{ours}");
        }
    }

    #[test]
    fn keeps_the_servers_own_token_and_address_apart_from_what_clients_see() {
        let body =
            r#"{"client_id":"c","registration_access_token":"t","registration_client_uri":"http://inside:8080/c"}"#;
        let registered = read_ours(answer(201, body)).unwrap();
        assert!(!registered.metadata.contains_key("registration_access_token"));
        assert!(!registered.metadata.contains_key("registration_client_uri"));
        let (uri, token) = ("/c".to_owned(), Secret::new("t"));
        let expected = TokenAccess { registration_client_uri: uri, registration_access_token: token };
        assert_eq!(registered.access, Some(ServerAccess::ByToken(expected)));
    }

    #[test]
    fn a_public_client_gets_no_secret_whatever_the_server_says() {
        let registered = read_ours(answer(201, r#"{"client_id":"c","client_secret":"s"}"#)).unwrap();
        assert!(!registered.metadata.contains_key("client_secret"));
    }

    #[test]
    fn a_secret_comes_with_its_expiry() {
        let body = r#"{"client_id":"c","client_secret":"s","token_endpoint_auth_method":"client_secret_basic"}"#;
        let registered = read_ours(answer(201, body)).unwrap();
        assert_eq!(registered.metadata["client_secret_expires_at"], json!(0));
    }

    #[test]
    fn nonsense_is_no_client() {
        for (status, body) in [
            (201, "<html>"),
            (201, "[]"),
            (201, "{}"),
            (201, r#"{"client_id":""}"#),
            (201, r#"{"client_id":7}"#),
            (201, r#"{"client_id":"a\nb"}"#),
            (201, &format!(r#"{{"client_id":"{}"}}"#, "x".repeat(2049))),
            (302, ""),
            (500, "oops"),
            (204, ""),
        ] {
            let error = read_ours(answer(status, body)).unwrap_err();
            assert!(matches!(error, RegisterError::Broken(_)), "{status} {body}: {error}");
            assert!(!error.surely_nothing_registered());
        }
    }

    #[test]
    fn a_server_that_says_that_it_is_away_is_not_broken_and_may_have_registered() {
        for (says, seconds) in [(Some("7"), Some(7)), (None, None), (Some("soon"), None)] {
            let mut away = answer(503, "<html>");
            away.headers_mut().extend(says.map(|says| (http::header::RETRY_AFTER, says.parse().unwrap())));
            let error = read_ours(away).unwrap_err();
            assert!(!error.surely_nothing_registered());
            let RegisterError::Unavailable { retry_after } = error else { panic!("{says:?}: {error}") };
            assert_eq!(retry_after.map(|wait| wait.as_secs()), seconds, "{says:?}");
        }
    }

    #[test]
    fn the_four_codes_of_rfc_7591_are_passed_on() {
        let body = r#"{"error":"invalid_redirect_uri","error_description":"redirect_uris must not have a fragment"}"#;
        let Err(RegisterError::Refused { code, description }) = read_ours(answer(400, body)) else { panic!() };
        assert_eq!(code, ErrorCode::InvalidRedirectUri);
        assert_eq!(description.as_deref(), Some("redirect_uris must not have a fragment"));
    }

    #[test]
    fn a_conflict_is_about_the_client_and_a_missing_endpoint_about_the_path() {
        let refusal = r#"{"error":"invalid_client_metadata","error_description":"the name is taken"}"#;
        let Err(RegisterError::Refused { description, .. }) = read_ours(answer(409, refusal)) else { panic!() };
        assert_eq!(description.as_deref(), Some("the name is taken"));
        for (status, body) in [(404, refusal), (405, ""), (410, ""), (415, "<html>")] {
            assert!(matches!(read_ours(answer(status, body)), Err(RegisterError::Misdirected(_))), "{status}");
        }
    }

    #[test]
    fn the_insides_of_the_server_are_not_passed_on() {
        for description in
            ["Unrecognized field (class org.keycloak.X)", "see http://10.0.0.1/", "<b>no</b>", "at\nX.java"]
        {
            let body = json!({"error": "invalid_client_metadata", "error_description": description}).to_string();
            let Err(RegisterError::Refused { description, .. }) = read_ours(answer(400, &body)) else { panic!() };
            assert_eq!(description, None);
        }
    }

    #[test]
    fn the_log_is_told_what_is_wrong_and_never_a_clients_secret() {
        let client = br#"{"client_id":"c","client_secret":"SECRET","registration_access_token":"TOKEN"}"#;
        for (status, body, expected) in [
            (202, &client[..], "202"),
            (500, client, "500"),
            (500, &client[..60], "500"),
            (302, b"SECRET", "302"),
            (404, b"", "404"),
            (502, b"<html>\nBad Gateway", r"502: <html>\nBad Gateway"),
            (403, br#"{"error":"insufficient_scope","client_secret":"SECRET"}"#, "403: insufficient_scope"),
            (400, br#"{"error":"e","error_description":"why"}"#, "400: e: why"),
            (409, br#"{"errorMessage":"Client c exists"}"#, "409: Client c exists"),
        ] {
            assert_eq!(quoted(StatusCode::from_u16(status).unwrap(), body), expected);
        }
    }

    #[test]
    fn each_refusal_gives_the_token_use_back() {
        for (status, body) in
            [(403, r#"{"error":"insufficient_scope"}"#), (400, "<html>"), (422, "{}"), (404, ""), (415, "")]
        {
            assert!(read_ours(answer(status, body)).unwrap_err().surely_nothing_registered(), "{status}");
        }
    }

    #[test]
    fn a_401_speaks_of_whoever_presented_the_credential() {
        assert!(matches!(read_ours(answer(401, "")), Err(RegisterError::Credential(_))));
        let call =
            RegistrationCall { sent: sent(), credential: CredentialOwner::Registrant, uris: URIS, never_told: &[] };
        let theirs = read(answer(401, ""), call);
        assert!(matches!(theirs, Err(RegisterError::RegistrantCredential)));
    }
}
