//! Registration and management over HTTP, at the server's RFC 7591 and RFC 7592 endpoints: credential, request, answer.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::InvalidHeaderValue;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::access::ClientUris;
use super::answer::{self, CredentialOwner, RegistrationCall};
use super::credential::{Credential, CredentialError};
use super::dialect::Dialect;
use super::management::{self, ManagementCall, SentUpdate};
use super::transport::{self, Limits, Purpose, Transport};
use super::{ManageError, Managed, Recorded, RegisterError, Registered, Registrar, ServerAccess, TokenAccess};
use crate::fetch::{authorization, bearer};
use crate::policy::{Clearance, Judged, LetThrough};
use crate::secret::Secret;

/// The registration endpoint of the server.
pub struct Endpoint {
    /// How requests get there.
    pub transport: Arc<dyn Transport>,
    /// The path of the endpoint.
    pub path: String,
    /// How the server wants to be spoken to.
    pub dialect: Dialect,
    /// What the gateway presents.
    pub credential: Credential,
    /// How long a call may take, and how large its answer may be.
    pub limits: Limits,
}

#[async_trait]
impl Registrar for Endpoint {
    async fn register(
        &self,
        _registration: &str,
        clearance: &Clearance,
        own_authorization: Option<&Secret>,
    ) -> Result<Registered, RegisterError> {
        let sent = self.dialect.outgoing(clearance);
        // A credential, its documents, a second attempt: the registration counts as under way for as long as two calls take, and no longer.
        let end = Instant::now() + self.limits.total * 2;
        let response = transport::until(end, self.send(&sent, own_authorization)).await?;
        let credential = match self.credential {
            Credential::Forward => CredentialOwner::Registrant,
            _ => CredentialOwner::Gateway,
        };
        self.heard(response, self.registration_call(sent, credential))
    }

    async fn let_through(
        &self,
        request: &LetThrough,
        own_authorization: Option<&Secret>,
    ) -> Result<Registered, RegisterError> {
        let sent = self.dialect.outgoing(request);
        let response = self.post(body(&sent)?, own_authorization.map(authorization)).await?;
        let credential = CredentialOwner::Registrant;
        self.heard(response, self.registration_call(sent, credential))
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    async fn read(&self, access: &ServerAccess) -> Result<Managed, ManageError> {
        let access = by_token(access)?;
        let response = self.manage(Method::GET, access, None).await?;
        self.heard_of(response, self.management_call(access, None))
    }

    async fn update(
        &self,
        access: &ServerAccess,
        client_id: &str,
        judged: &dyn Judged,
        client_secret: Option<&Secret>,
    ) -> Result<Managed, ManageError> {
        self.put(by_token(access)?, client_id, client_secret, self.dialect.outgoing(judged)).await
    }

    async fn restate(&self, access: &ServerAccess, recorded: Recorded<'_>) -> Result<Managed, ManageError> {
        let access = by_token(access)?;
        let Recorded { client_id, client_secret, .. } = recorded;
        self.put(access, client_id, client_secret, self.dialect.restated(recorded)).await
    }

    async fn delete(&self, access: &ServerAccess) -> Result<(), ManageError> {
        management::read_deletion(&self.manage(Method::DELETE, by_token(access)?, None).await?)
    }
}

/// A client that was registered by the server's API, as the configuration had it before, has no token.
fn by_token(access: &ServerAccess) -> Result<&TokenAccess, ManageError> {
    match access {
        ServerAccess::ByToken(access) => Ok(access),
        ServerAccess::ByApi(_) => Err(ManageError::NotOffered("the client was registered by its API".to_owned())),
    }
}

fn body(members: &Map<String, Value>) -> Result<Bytes, RegisterError> {
    let written = serde_json::to_vec(members).map(Bytes::from);
    written.map_err(|error| RegisterError::Unreachable(error.to_string()))
}

impl Endpoint {
    /// Puts these members in the place of what is registered (RFC 7592 §2.2).
    async fn put(
        &self,
        access: &TokenAccess,
        client_id: &str,
        client_secret: Option<&Secret>,
        registered: Map<String, Value>,
    ) -> Result<Managed, ManageError> {
        let sent = self.dialect.update(&registered, client_id, client_secret);
        let response = self.manage(Method::PUT, access, Some(&sent)).await?;
        let update = Some(SentUpdate { client_id, registered: &registered });
        self.heard_of(response, self.management_call(access, update))
    }

    async fn send(
        &self,
        members: &Map<String, Value>,
        own_authorization: Option<&Secret>,
    ) -> Result<http::Response<Bytes>, RegisterError> {
        let body = body(members)?;
        let source = match &self.credential {
            Credential::None => return self.post(body, None).await,
            Credential::Forward => return self.post(body, own_authorization.map(authorization)).await,
            Credential::Bearer(token) => return self.post(body, Some(bearer(token))).await,
            Credential::ClientCredentials(source) => source,
        };
        let mut token = self.access_token(source).await?;
        let response = self.post(body.clone(), Some(bearer(&token))).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // Revoked before its time, or the server lost its sessions: a 401 registered nothing, so once more with a fresh one.
        source.forget(&token);
        token = self.access_token(source).await?;
        self.post(body, Some(bearer(&token))).await
    }

    async fn access_token(&self, source: &super::credential::AccessTokenSource) -> Result<Secret, RegisterError> {
        let token = source.get(self.transport.as_ref(), self.limits).await;
        token.map_err(|error| match error {
            CredentialError::Refused(_) => RegisterError::Credential(error.to_string()),
            // Nothing was sent to the registration endpoint.
            CredentialError::Unavailable(_) => RegisterError::Unreachable(error.to_string()),
            CredentialError::RateLimited { retry_after } => RegisterError::RateLimited { retry_after },
        })
    }

    /// A credential that cannot stand in a header is never left out: then nothing is sent.
    async fn post(
        &self,
        body: Bytes,
        authorization: Option<Result<HeaderValue, InvalidHeaderValue>>,
    ) -> Result<http::Response<Bytes>, RegisterError> {
        let authorization = authorization.transpose().map_err(|error| RegisterError::Unreachable(error.to_string()))?;
        let mut request = Request::post(self.path.as_str())
            .extension(Purpose::REGISTRATION)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(body).map_err(|error| RegisterError::Unreachable(error.to_string()))?;
        let sent = self.transport.send(request, self.limits).await;
        sent.map_err(|error| error.told(RegisterError::Unreachable, RegisterError::TimedOut, RegisterError::Broken))
    }

    fn heard(&self, response: http::Response<Bytes>, call: RegistrationCall<'_>) -> Result<Registered, RegisterError> {
        let is_broken = |error: &RegisterError| matches!(error, RegisterError::Broken(_));
        self.doubting(response, |response| answer::read(response, call), is_broken)
    }

    /// As [`Self::heard`], of a call about a client.
    fn heard_of(&self, response: http::Response<Bytes>, call: ManagementCall<'_>) -> Result<Managed, ManageError> {
        let is_broken = |error: &ManageError| matches!(error, ManageError::Broken(_));
        self.doubting(response, |response| management::read(response, call), is_broken)
    }

    /// What `read` makes of an answer. One that says that something was done, and is broken, may be the answer to another request; so may the next
    /// one be.
    fn doubting<T, E>(
        &self,
        response: http::Response<Bytes>,
        read: impl FnOnce(http::Response<Bytes>) -> Result<T, E>,
        is_broken: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let says_done = response.status().is_success();
        let result = read(response);
        if says_done && result.as_ref().is_err_and(is_broken) {
            self.transport.doubt_connections();
        }
        result
    }

    fn registration_call(&self, sent: Map<String, Value>, credential: CredentialOwner) -> RegistrationCall<'_> {
        RegistrationCall { sent, credential, uris: self.client_uris(), never_told: self.dialect.never_told() }
    }

    fn management_call<'c>(&'c self, access: &'c TokenAccess, update: Option<SentUpdate<'c>>) -> ManagementCall<'c> {
        ManagementCall { access, uris: self.client_uris(), never_told: self.dialect.never_told(), update }
    }

    fn client_uris(&self) -> ClientUris<'_> {
        self.dialect.client_uris(&self.path)
    }

    /// One call with the server's own token for the client; the transport does not repeat it either.
    async fn manage(
        &self,
        method: Method,
        access: &TokenAccess,
        members: Option<&Map<String, Value>>,
    ) -> Result<http::Response<Bytes>, ManageError> {
        let not_sent = |error: String| ManageError::Unreachable(error);
        let body = members.map(serde_json::to_vec).transpose().map_err(|error| not_sent(error.to_string()))?;
        let authorization = bearer(&access.registration_access_token).map_err(|error| not_sent(error.to_string()))?;
        let mut request = Request::builder()
            .method(method)
            .uri(access.registration_client_uri.as_str())
            .extension(Purpose::MANAGEMENT)
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, authorization);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Bytes::from(body.unwrap_or_default()));
        let request = request.map_err(|error| not_sent(error.to_string()))?;
        let sent = self.transport.send(request, self.limits).await;
        sent.map_err(|error| error.told(ManageError::Unreachable, ManageError::TimedOut, ManageError::Broken))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::time::Duration;

    use http::Response;
    use serde_json::{Value, json};

    use super::super::credential::{AccessTokenSource, GatewayClient, TokenEndpoint};
    use super::super::settings::{AuthorizationServerSettings, Kind};
    use super::super::transport::TransportError;
    use super::*;
    use crate::authorization_server::Asked;
    use crate::clock::by_hand::SetClock;
    use crate::policy::{self, Profile};
    use crate::registration::{ClientMetadata, ScopeSet};

    /// Answers what it was told to, in order; keeps what it was sent.
    #[derive(Default)]
    struct Script {
        answers: Mutex<VecDeque<(u16, Value)>>,
        sent: Mutex<Vec<Request<Bytes>>>,
    }

    #[async_trait]
    impl Transport for Script {
        async fn send(&self, request: Request<Bytes>, _: Limits) -> Result<Response<Bytes>, TransportError> {
            self.sent.lock().unwrap().push(request);
            let next = self.answers.lock().unwrap().pop_front();
            let (status, body) = next.ok_or(TransportError::TimedOut)?;
            Ok(Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap())
        }
    }

    struct World {
        script: Arc<Script>,
        endpoint: Endpoint,
    }

    fn world(kind: Kind, answers: &[(u16, Value)]) -> World {
        let script = Arc::new(Script::default());
        script.answers.lock().unwrap().extend(answers.iter().cloned());
        let settings: AuthorizationServerSettings =
            serde_yaml::from_str("{ kind: keycloak, issuer: https://a.example, url: http://inside }").unwrap();
        let endpoint = Endpoint {
            transport: script.clone(),
            path: "/register".to_owned(),
            dialect: Dialect::of(&AuthorizationServerSettings { kind, ..settings }),
            credential: Credential::Bearer(Secret::new("the gateway's own")),
            limits: Limits { total: Duration::from_secs(1), response_bytes: 10_000 },
        };
        World { script, endpoint }
    }

    impl World {
        fn sent(&self) -> Vec<(Method, String, String, Value)> {
            let sent = self.script.sent.lock().unwrap();
            let told = sent.iter().map(|request| {
                assert_eq!(request.extensions().get(), Some(&Purpose::MANAGEMENT));
                let authorization = request.headers()[header::AUTHORIZATION].to_str().unwrap().to_owned();
                let body = serde_json::from_slice(request.body()).unwrap_or_default();
                (request.method().clone(), request.uri().to_string(), authorization, body)
            });
            told.collect()
        }
    }

    fn clearance(metadata: &Value) -> Clearance {
        let yaml = r#"
name: tools
match: {}
redirect_uris: { https: [{ host: app.example.com }], loopback: allow }
scopes: { initial: [openid], allowed: [openid, profile] }
"#;
        let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
        let members = crate::registration::json::parse(&serde_json::to_vec(metadata).unwrap()).unwrap();
        policy::judge(&profile, &ClientMetadata::from_json(members)).result.unwrap()
    }

    fn tool() -> Clearance {
        clearance(&json!({
            "redirect_uris": ["http://127.0.0.1:4711/cb"], "scope": "openid profile", "token_endpoint_auth_method": "none"
        }))
    }

    fn access() -> ServerAccess {
        ServerAccess::ByToken(TokenAccess {
            registration_client_uri: "/register/c-1".to_owned(),
            registration_access_token: Secret::new("t1"),
        })
    }

    /// Gives tokens and takes none of them, each after `TAKES`.
    struct Slow;

    const TAKES: Duration = Duration::from_millis(800);
    #[async_trait]
    impl Transport for Slow {
        async fn send(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, TransportError> {
            let limits = limits.left()?;
            tokio::time::sleep(TAKES.min(limits.total)).await;
            if limits.total < TAKES {
                return Err(TransportError::TimedOut);
            }
            let is_token = request.uri().path() == "/token";
            let status = if is_token { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            let answer = Response::builder().status(status);
            Ok(answer.body(Bytes::from_static(br#"{"access_token":"t","expires_in":100}"#)).unwrap())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_registration_is_over_when_two_calls_must_be_whatever_it_takes() {
        let client = GatewayClient { id: "gateway".into(), secret: Secret::new("s"), scope: None };
        let token = TokenEndpoint::Path("/token".into());
        let source = AccessTokenSource::new(client, token, Arc::new(SetClock::default()));
        let (transport, credential) = (Arc::new(Slow), Credential::ClientCredentials(source));
        let endpoint = Endpoint { transport, credential, ..world(Kind::Rfc7591, &[]).endpoint };
        let (longest, began) = (endpoint.limits.total * 2, Instant::now());
        let registered = endpoint.register("r1", &tool(), None).await;
        // A token, a 401, and half of what another token would take.
        assert!(matches!(registered, Err(RegisterError::Unreachable(_))), "{registered:?}");
        assert!(began.elapsed() <= longest, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_client_is_managed_with_its_own_token_and_asked_once() {
        let World { script, endpoint } = world(Kind::Rfc7591, &[]);
        let _ = endpoint.read(&access()).await;
        let _ = endpoint.update(&access(), "c-1", &tool(), None).await;
        let _ = endpoint.delete(&access()).await;
        script.answers.lock().unwrap().push_back((401, json!({"error": "invalid_token"})));
        assert!(matches!(endpoint.read(&access()).await, Err(ManageError::Gone(_))));
        let sent = World { script, endpoint }.sent();
        let methods: Vec<&Method> = sent.iter().map(|(method, ..)| method).collect();
        assert_eq!(methods, [Method::GET, Method::PUT, Method::DELETE, Method::GET]);
        for (_, uri, authorization, _) in sent {
            assert_eq!((uri.as_str(), authorization.as_str()), ("/register/c-1", "Bearer t1"));
        }
    }

    #[tokio::test]
    async fn of_a_client_that_was_registered_by_an_api_the_server_is_asked_nothing() {
        let world = world(Kind::Rfc7591, &[]);
        let access = ServerAccess::ByApi("c-1".to_owned());
        let updated = world.endpoint.update(&access, "c-1", &tool(), None).await;
        assert!(matches!(updated, Err(ManageError::NotOffered(_))), "{updated:?}");
        assert!(matches!(world.endpoint.read(&access).await, Err(ManageError::NotOffered(_))));
        assert!(matches!(world.endpoint.delete(&access).await, Err(ManageError::NotOffered(_))));
        assert!(world.sent().is_empty());
    }

    #[tokio::test]
    async fn what_is_let_through_goes_with_the_registrants_own_credential_or_none() {
        let yaml = "{ name: tools, match: {}, enforcement: report_only }";
        let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
        let asked = json!({"redirect_uris": ["http://127.0.0.1:4711/cb", "nonsense"]});
        let requested = ClientMetadata::from_json(asked.as_object().unwrap().clone());
        let let_through = policy::judge(&profile, &requested).let_through.unwrap();
        let refused = (401, json!({"error": "invalid_token"}));
        let World { script, endpoint } = world(Kind::Keycloak, &[refused.clone(), refused]);
        let own = Secret::new("Bearer my own");
        for own in [None, Some(&own)] {
            let answered = endpoint.let_through(&let_through, own).await;
            assert!(matches!(answered, Err(RegisterError::RegistrantCredential)), "{answered:?}");
        }
        let sent = script.sent.lock().unwrap();
        let presented: Vec<_> = sent.iter().map(|request| request.headers().get(header::AUTHORIZATION)).collect();
        assert_eq!(presented, [None, Some(&http::HeaderValue::from_static("Bearer my own"))]);
        let body: Value = serde_json::from_slice(sent[0].body()).unwrap();
        assert_eq!(body["redirect_uris"], json!(["http://127.0.0.1/cb", "nonsense"]), "in the server's own terms");
    }

    #[tokio::test]
    async fn an_update_says_everything_anew_and_which_client_and_secret() {
        let world = world(Kind::Rfc7591, &[(200, json!({"client_id": "c-1", "registration_access_token": "t2"}))]);
        let clearance = clearance(&json!({"redirect_uris": ["https://app.example.com/cb"]}));
        let managed = world.endpoint.update(&access(), "c-1", &clearance, Some(&Secret::new("s"))).await.unwrap();
        let Some(ServerAccess::ByToken(rotated)) = managed.access else { panic!("{:?}", managed.access) };
        assert_eq!(rotated.registration_access_token, Secret::new("t2"));
        assert_eq!(managed.metadata["redirect_uris"], json!(["https://app.example.com/cb"]));
        assert!(!managed.metadata.contains_key("client_secret"), "what was sent is not what the server said");
        let expected = json!({
            "client_id": "c-1", "client_secret": "s", "redirect_uris": ["https://app.example.com/cb"],
            "grant_types": ["authorization_code"], "response_types": ["code"], "scope": "openid",
            "token_endpoint_auth_method": "client_secret_basic"
        });
        assert_eq!(world.sent()[0].3, expected);
    }

    #[tokio::test]
    async fn what_the_record_says_is_put_back_with_the_scopes_that_were_approved() {
        let answer = json!({"client_id": "c-1", "registration_access_token": "t2", "scope": "openid orders"});
        let world = world(Kind::Rfc7591, &[(200, answer)]);
        let metadata = json!({
            "client_id": "c-1", "client_id_issued_at": 1, "client_secret_expires_at": 0, "scope": "openid",
            "redirect_uris": ["https://app.example.com/cb"], "software_statement": "a.b.c", "x_servers_own": true
        });
        let scopes = ScopeSet::parse("openid orders").unwrap();
        let secret = Secret::new("s");
        let recorded = Recorded {
            client_id: "c-1",
            metadata: metadata.as_object().unwrap(),
            scopes: &scopes,
            client_secret: Some(&secret),
        };
        let managed = world.endpoint.restate(&access(), recorded).await.unwrap();
        assert_eq!(managed.metadata["scope"], "openid orders");
        let expected = json!({
            "client_id": "c-1", "client_secret": "s", "redirect_uris": ["https://app.example.com/cb"],
            "scope": "openid orders", "x_servers_own": true
        });
        assert_eq!(world.sent()[0].3, expected);
    }

    #[tokio::test]
    async fn keycloak_is_told_of_each_omitted_member_that_it_is_empty_and_of_no_secret() {
        let world = world(Kind::Keycloak, &[(200, json!({"client_id": "c-1", "client_name": "", "scope": "profile"}))]);
        let managed = world.endpoint.update(&access(), "c-1", &tool(), Some(&Secret::new("s"))).await.unwrap();
        let body = &world.sent()[0].3;
        assert_eq!(
            (&body["client_name"], &body["jwks_uri"], &body["scope"]),
            (&json!(""), &json!(""), &json!("profile"))
        );
        assert_eq!(body.get("client_secret"), None);
        assert!(!managed.metadata.contains_key("client_name") && !managed.metadata.contains_key("jwks_uri"));
    }

    #[tokio::test]
    async fn what_keycloak_calls_its_members_is_put_back_into_the_clients_terms() {
        let endpoint = world(Kind::Keycloak, &[]).endpoint;
        let clearance = tool();
        let theirs = endpoint.outgoing(&clearance);
        assert_eq!((&theirs["redirect_uris"], &theirs["scope"]), (&json!(["http://127.0.0.1/cb"]), &json!("profile")));
        let ours = endpoint.in_client_terms(&Asked::from(&clearance), theirs);
        assert_eq!(ours["redirect_uris"], json!(["http://127.0.0.1:4711/cb"]));
        assert_eq!(ours["scope"], "openid profile");
    }

    #[tokio::test]
    async fn where_keycloak_returns_to_after_logout_has_no_port_either_and_is_the_clients_own_in_its_terms() {
        let endpoint = world(Kind::Keycloak, &[]).endpoint;
        let start = |port: u16| {
            clearance(&json!({
                "redirect_uris": [format!("http://127.0.0.1:{port}/cb")], "token_endpoint_auth_method": "none",
                "post_logout_redirect_uris": [format!("http://127.0.0.1:{port}/bye"), "http://127.0.0.1/cb"],
            }))
        };
        let theirs = endpoint.outgoing(&start(4711));
        let written = json!(["http://127.0.0.1/bye", "http://127.0.0.1/cb"]);
        assert_eq!(theirs["post_logout_redirect_uris"], written);
        assert_eq!(theirs, endpoint.outgoing(&start(4712)), "the next start is the same client");
        let ours = endpoint.in_client_terms(&Asked::from(&start(4712)), theirs);
        assert_eq!(ours["post_logout_redirect_uris"], json!(["http://127.0.0.1:4712/bye", "http://127.0.0.1/cb"]));
        let added = Map::from_iter([("post_logout_redirect_uris".to_owned(), json!(["http://127.0.0.1/cb"]))]);
        let ours = endpoint.in_client_terms(&Asked::from(&tool()), added);
        assert_eq!(ours["post_logout_redirect_uris"], json!(["http://127.0.0.1:4711/cb"]), "it asked for none");
    }

    #[tokio::test]
    async fn of_the_response_types_that_keycloak_derives_a_client_has_those_that_it_asked_for() {
        let all = ["code", "none", "id_token", "id_token token", "code id_token", "code token", "code id_token token"];
        for (kind, told) in [(Kind::Keycloak, json!(["code id_token"])), (Kind::Rfc7591, json!(all))] {
            let answer = json!({"client_id": "c-1", "response_types": all, "registration_access_token": "t2"});
            let answers = [(201, answer.clone()), (200, answer.clone()), (200, answer)];
            let World { endpoint, .. } = world(kind, &answers);
            let hybrid = hybrid();
            let registered = endpoint.register("r", &hybrid, None).await.unwrap();
            assert_eq!(registered.metadata["response_types"], told, "{kind:?}");
            let updated = endpoint.update(&access(), "c-1", &hybrid, None).await.unwrap();
            assert_eq!(updated.metadata["response_types"], told, "{kind:?}");
            let mut recorded = registered.metadata;
            endpoint.read(&access()).await.unwrap().put_over(&mut recorded);
            assert_eq!(recorded["response_types"], told, "{kind:?}");
        }
    }

    /// What a client of the hybrid flow gets to register.
    fn hybrid() -> Clearance {
        let yaml = "{name: hybrid, match: {}, redirect_uris: {https: [{host: app.example.com}]}, \
                    grant_types: [authorization_code, implicit], response_types: [code id_token]}";
        let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
        let members = json!({
            "redirect_uris": ["https://app.example.com/cb"], "grant_types": ["authorization_code", "implicit"],
            "response_types": ["code id_token"]
        });
        policy::judge(&profile, &ClientMetadata::from_json(members.as_object().unwrap().clone())).result.unwrap()
    }
}
