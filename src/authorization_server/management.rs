//! What the server answers when a client is read, changed or deleted there (RFC 7592), and what that means. Pure.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde_json::{Map, Value};

use super::access::{ClientUris, ServerAccess, TokenAccess};
use super::answer;
use crate::fetch::retry_after;
use crate::registration::{ErrorCode, json};
use crate::secret::Secret;

/// A client as the server has it.
#[derive(Debug, Clone)]
pub struct Managed {
    /// Its members in the server's terms: no nulls, no empty texts, neither its secret nor the server's access to it.
    pub metadata: Map<String, Value>,
    /// Which those are.
    pub named: Named,
    /// What takes the place of the access that was presented; none when that is still good. To be written down at once:
    /// the old one may be worth nothing already.
    pub access: Option<ServerAccess>,
    /// Its secret, when the server names one and the client is not public.
    pub client_secret: Option<Secret>,
}

/// Which of a client's members are told. What is not told, and could not be, is as the record has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// All there are.
    All,
    /// All but these, which the server takes and never tells again.
    AllBut(&'static [&'static str]),
    /// Those that the server keeps.
    Kept,
}

impl Managed {
    /// Puts it in the place of what the record has.
    pub fn put_over(&self, recorded: &mut Map<String, Value>) {
        let mut metadata = self.metadata.clone();
        if let Named::AllBut(untold) = self.named {
            answer::hold_to(recorded, untold, &mut metadata);
        }
        recorded.retain(|name, _| match self.named {
            Named::All => false,
            Named::AllBut(untold) => untold.contains(&name.as_str()),
            Named::Kept => true,
        });
        recorded.extend(metadata);
    }

    /// The answer, unless it names another client: then it is another call's.
    ///
    /// # Errors
    /// [`ManageError::Broken`].
    pub fn about(self, client_id: &str) -> Result<Self, ManageError> {
        match self.metadata.get("client_id") {
            Some(id) if *id != client_id => Err(ManageError::Broken("the answer is about another client".to_owned())),
            _ => Ok(self),
        }
    }
}

/// Why a client could not be read, changed or deleted at the server.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// 401, 404, 410: the server no longer knows the client, or the token. Keycloak says 401 of a disabled client, too.
    #[error("the authorization server knows the client or its token no longer: {0}")]
    Gone(String),
    /// 403, 405, 501 and the like: the server does not let this be done with a registration access token.
    #[error("the authorization server does not offer this: {0}")]
    NotOffered(String),
    /// The server refused the metadata.
    #[error("the authorization server refused the metadata: {}", .description.as_deref().unwrap_or(.code.as_str()))]
    Refused {
        /// The server's code.
        code: ErrorCode,
        /// Its sentence, when it is fit for a client to read.
        description: Option<String>,
    },
    /// The server's own policy refused (403).
    #[error("the authorization server's own policy refused: {0}")]
    PolicyRefused(String),
    /// Not a byte was sent.
    #[error("the authorization server could not be reached: {0}")]
    Unreachable(String),
    /// No whole answer came; what became of the client and of the token is unknown.
    #[error("the authorization server did not answer in time")]
    TimedOut,
    /// The answer was broken, too large, a 5xx, a redirect or nonsense; what became of the client and of the token is unknown.
    #[error("the authorization server answered nonsense: {0}")]
    Broken(String),
    /// The server limits the gateway's rate.
    #[error("the authorization server limits the gateway's rate")]
    RateLimited {
        /// What its `Retry-After` said.
        retry_after: Option<Duration>,
    },
    /// A 503. It may be what stands before the server that says so: what became of the client and of the token is unknown.
    #[error("the authorization server is not available, as it says")]
    Unavailable {
        /// What its `Retry-After` said.
        retry_after: Option<Duration>,
    },
}

impl ManageError {
    /// Whether it is certain that the client is as it was, and the access to it as good or as bad as before.
    pub const fn surely_nothing_changed(&self) -> bool {
        match self {
            Self::Gone(_)
            | Self::NotOffered(_)
            | Self::Refused { .. }
            | Self::PolicyRefused(_)
            | Self::Unreachable(_)
            | Self::RateLimited { .. } => true,
            Self::TimedOut | Self::Broken(_) | Self::Unavailable { .. } => false,
        }
    }
}

/// What an answer is read against.
#[derive(Debug, Clone, Copy)]
pub struct ManagementCall<'c> {
    /// What was presented.
    pub access: &'c TokenAccess,
    /// Which URIs of management are believed.
    pub uris: ClientUris<'c>,
    /// What the server takes and never tells again.
    pub never_told: &'static [&'static str],
    /// What was to be put in the place of what was registered; none when the client was only read.
    pub update: Option<SentUpdate<'c>>,
}

/// What an update asked for.
#[derive(Debug, Clone, Copy)]
pub struct SentUpdate<'c> {
    /// The client.
    pub client_id: &'c str,
    /// Its members, as a registration would have sent them.
    pub registered: &'c Map<String, Value>,
}

/// Reads the answer to GET or PUT (RFC 7592 §2.1, §2.2).
///
/// # Errors
/// It was refused, or the answer says nothing that could be believed; [`ManageError::surely_nothing_changed`] says whether the
/// client is as it was.
pub fn read(response: Response<Bytes>, call: ManagementCall<'_>) -> Result<Managed, ManageError> {
    if response.status() != StatusCode::OK {
        return Err(failed(&response));
    }
    let broken = |reason: String| ManageError::Broken(reason);
    let mut answered =
        json::parse_lenient(response.body()).map_err(|error| broken(format!("no JSON object: {error}")))?;
    let client_id = answered.get("client_id").and_then(Value::as_str).filter(|id| !id.is_empty());
    if client_id.is_none() {
        return Err(broken("no client_id in the answer".to_owned()));
    }
    if let Some(update) = call.update {
        answer::hold_to(update.registered, call.never_told, &mut answered);
    }
    let unnamed = call.update.map(|update| update.registered.clone()).unwrap_or_default();
    let access = call.access.replaced(&answered, call.uris).map(ServerAccess::ByToken);
    let mut metadata = answer::sound(answered, unnamed);
    let client_secret = answer::take_secret(&mut metadata);
    // With an update all is known that was sent; what else was registered is gone.
    let named = if call.update.is_some() { Named::All } else { Named::AllBut(call.never_told) };
    let managed = Managed { metadata, named, access, client_secret };
    match call.update {
        Some(update) => managed.about(update.client_id),
        None => Ok(managed),
    }
}

/// Reads the answer to DELETE (RFC 7592 §2.3).
///
/// # Errors
/// It was refused, there is no such client any more, or nobody knows what became of it.
pub fn read_deletion(response: &Response<Bytes>) -> Result<(), ManageError> {
    match response.status() {
        StatusCode::NO_CONTENT | StatusCode::OK => Ok(()),
        _ => Err(failed(response)),
    }
}

fn failed(response: &Response<Bytes>) -> ManageError {
    let (status, body) = (response.status(), response.body());
    let quoted = || answer::quoted(status, body);
    let members = json::parse(body).unwrap_or_default();
    let error = members.get("error").and_then(Value::as_str).unwrap_or_default();
    match (status, error) {
        // A page of whatever stands before the server, or of an error of its own, is no word about the client.
        (StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::GONE, "")
            if !body.is_empty() && !is_challenge(response) =>
        {
            ManageError::Broken(quoted())
        }
        (StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::GONE, _)
        // Authlib says 400 where RFC 7592 §2 says 401.
        | (StatusCode::BAD_REQUEST, "access_denied" | "invalid_token") => ManageError::Gone(quoted()),
        // Keycloak's client registration policies and client policies.
        (StatusCode::FORBIDDEN, "insufficient_scope" | "invalid_client_metadata" | "invalid_redirect_uri") => {
            ManageError::PolicyRefused(quoted())
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            ManageError::RateLimited { retry_after: retry_after(response.headers()) }
        }
        (StatusCode::SERVICE_UNAVAILABLE, _) => {
            ManageError::Unavailable { retry_after: retry_after(response.headers()) }
        }
        // A conflict is about what was asked for, or passes: no word about whether it can be done at all.
        (
            StatusCode::BAD_REQUEST
            | StatusCode::CONFLICT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY,
            _,
        ) => {
            let (code, description) = answer::refused(body);
            ManageError::Refused { code, description }
        }
        (status, _) if status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED => {
            ManageError::NotOffered(quoted())
        }
        _ => ManageError::Broken(quoted()),
    }
}

/// RFC 6750 §3: a server that says nothing else of a token says it with a challenge.
fn is_challenge(response: &Response<Bytes>) -> bool {
    let challenge = response.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    response.status() == StatusCode::UNAUTHORIZED
        && challenge.is_some_and(|text| text.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("Bearer")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URIS: ClientUris<'_> = ClientUris { registration_path: "/reg", below_it_only: false };

    fn access() -> TokenAccess {
        TokenAccess { registration_client_uri: "/reg/c".to_owned(), registration_access_token: Secret::new("t1") }
    }

    fn answer(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    fn read_client(response: Response<Bytes>) -> Result<Managed, ManageError> {
        read(response, ManagementCall { access: &access(), uris: URIS, never_told: &["contacts"], update: None })
    }

    fn read_update(response: Response<Bytes>) -> Result<Managed, ManageError> {
        let Value::Object(registered) = json!({"redirect_uris": ["https://a.example/cb"], "software_id": "s"}) else {
            unreachable!()
        };
        let update = Some(SentUpdate { client_id: "c", registered: &registered });
        read(response, ManagementCall { access: &access(), uris: URIS, never_told: &["contacts"], update })
    }

    #[test]
    fn the_secret_and_a_new_access_are_kept_apart_from_the_metadata() {
        let body = r#"{"client_id":"c","client_secret":"s","client_name":"","registration_access_token":"t2",
            "registration_client_uri":"http://inside:8080/reg/c","token_endpoint_auth_method":"client_secret_basic"}"#;
        let managed = read_client(answer(200, body)).unwrap();
        let expected = json!({
            "client_id": "c", "client_secret_expires_at": 0, "token_endpoint_auth_method": "client_secret_basic"
        });
        assert_eq!(Value::Object(managed.metadata), expected);
        assert_eq!(managed.client_secret, Some(Secret::new("s")));
        let expected = TokenAccess { registration_access_token: Secret::new("t2"), ..access() };
        assert_eq!(managed.access, Some(ServerAccess::ByToken(expected)));
    }

    #[test]
    fn an_access_that_stays_good_is_not_reported_as_a_new_one() {
        let same = r#"{"client_id":"c","registration_access_token":"t1","registration_client_uri":"https://x/reg/c"}"#;
        for body in [same, r#"{"client_id":"c"}"#] {
            assert_eq!(read_client(answer(200, body)).unwrap().access, None);
        }
    }

    #[test]
    fn a_public_client_has_no_secret_whatever_the_server_says() {
        let body = r#"{"client_id":"c","client_secret":"s","token_endpoint_auth_method":"none"}"#;
        assert_eq!(read_client(answer(200, body)).unwrap().client_secret, None);
    }

    #[test]
    fn what_an_updates_answer_does_not_name_is_as_it_was_sent() {
        let managed = read_update(answer(200, r#"{"client_id":"c","redirect_uris":["https://a.example/x"]}"#)).unwrap();
        let expected = json!({"client_id": "c", "redirect_uris": ["https://a.example/x"], "software_id": "s"});
        assert_eq!(Value::Object(managed.metadata), expected);
    }

    #[test]
    fn a_read_leaves_on_record_what_the_server_never_tells_and_an_update_what_it_sent() {
        let over = |managed: Managed| {
            let recorded = json!({"client_id": "c", "contacts": ["ops@a.example"], "client_name": "Old"});
            let mut recorded = recorded.as_object().unwrap().clone();
            managed.put_over(&mut recorded);
            Value::Object(recorded)
        };
        let body = r#"{"client_id":"c","client_uri":"https://a.example"}"#;
        let read = over(read_client(answer(200, body)).unwrap());
        let expected = json!({"client_id": "c", "client_uri": "https://a.example", "contacts": ["ops@a.example"]});
        assert_eq!(read, expected);
        let updated = over(read_update(answer(200, r#"{"client_id":"c"}"#)).unwrap());
        let expected = json!({"client_id": "c", "redirect_uris": ["https://a.example/cb"], "software_id": "s"});
        assert_eq!(updated, expected);
    }

    #[test]
    fn nonsense_and_another_client_leave_it_unknown_what_became_of_this_one() {
        for (status, body) in
            [(200, "<html>"), (200, "{}"), (200, r#"{"client_id":""}"#), (302, ""), (500, ""), (502, ""), (204, "")]
        {
            let error = read_client(answer(status, body)).unwrap_err();
            assert!(matches!(error, ManageError::Broken(_)), "{status} {body}: {error}");
            assert!(!error.surely_nothing_changed());
        }
        let error = read_update(answer(200, r#"{"client_id":"another"}"#)).unwrap_err();
        assert!(matches!(error, ManageError::Broken(_)), "{error}");
    }

    #[test]
    fn a_client_or_token_that_is_not_known_is_gone() {
        for (status, body) in [
            (401, r#"{"error":"invalid_token"}"#),
            (404, ""),
            (410, ""),
            (400, r#"{"error":"access_denied"}"#),
            (400, r#"{"error":"invalid_token"}"#),
        ] {
            let error = read_deletion(&answer(status, body)).unwrap_err();
            assert!(matches!(error, ManageError::Gone(_)), "{status} {body}: {error}");
            assert!(error.surely_nothing_changed());
        }
        let mut challenged = answer(401, "Unauthorized");
        challenged.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        assert!(matches!(read_client(challenged), Err(ManageError::Gone(_))));
    }

    #[test]
    fn a_page_of_something_else_is_no_word_about_a_client() {
        for (status, body) in [(404, "<html>"), (401, "no"), (404, r#"{"message":"no Route matched"}"#), (410, "gone")]
        {
            let error = read_deletion(&answer(status, body)).unwrap_err();
            assert!(matches!(error, ManageError::Broken(_)), "{status} {body}: {error}");
        }
    }

    #[test]
    fn a_policy_that_refuses_is_not_a_server_without_management() {
        let policy = r#"{"error":"insufficient_scope","error_description":"Policy 'Allowed Client Scopes' rejected"}"#;
        assert!(matches!(read_update(answer(403, policy)), Err(ManageError::PolicyRefused(_))));
        for (status, body) in [(403, r#"{"error":"unauthorized_client"}"#), (405, ""), (501, ""), (415, "")] {
            let error = read_update(answer(status, body)).unwrap_err();
            assert!(matches!(error, ManageError::NotOffered(_)), "{status}: {error}");
        }
    }

    #[test]
    fn refused_metadata_says_why() {
        let body = r#"{"error":"invalid_redirect_uri","error_description":"no fragments"}"#;
        let error = read_update(answer(400, body)).unwrap_err();
        assert_eq!(error.to_string(), "the authorization server refused the metadata: no fragments");
        let ManageError::Refused { code, description } = error else { panic!("{error}") };
        assert_eq!((code, description.as_deref()), (ErrorCode::InvalidRedirectUri, Some("no fragments")));
    }

    #[test]
    fn a_conflict_is_a_refusal_and_no_word_about_what_is_offered() {
        for body in ["{}", r#"{"error":"invalid_client_metadata"}"#] {
            let error = read_update(answer(409, body)).unwrap_err();
            assert!(matches!(error, ManageError::Refused { .. }), "{body}: {error}");
        }
    }

    #[test]
    fn a_server_that_is_away_says_until_when_and_nobody_knows_what_it_did() {
        let mut away = answer(503, "<html>");
        away.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("9"));
        let error = read_update(away).unwrap_err();
        assert!(!error.surely_nothing_changed());
        let ManageError::Unavailable { retry_after } = error else { panic!("{error}") };
        assert_eq!(retry_after, Some(Duration::from_secs(9)));
    }

    #[test]
    fn a_deletion_is_answered_with_nothing() {
        assert!(read_deletion(&answer(204, "")).is_ok());
    }
}
