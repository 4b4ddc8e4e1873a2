//! Looks at the authorization server as somebody outside would, and by its administration, and says what is still open.
//! Changes nothing: what is sent either reads, or asks for what no server can do (a redirect URI that is none, a client that cannot exist).

mod texts;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use self::texts::Texts;
use super::administration::AdministrationError;
use super::keycloak_admin::KeycloakAdministration;
use super::keycloak_admin::events::EventsKept;
use super::paths::DiscoveryForm;
use super::settings::Kind;
use super::transport::{Limits, Transport, TransportError};
use crate::registration::json;

/// What is looked at.
pub struct Examination {
    /// What kind of server it is.
    pub kind: Kind,
    /// The issuer the configuration names.
    pub issuer: String,
    /// Its path; empty when it has none.
    pub issuer_path: String,
    /// The path of the registration endpoint.
    pub registration_path: String,
    /// The gateway presents a credential of its own there.
    pub has_credential: bool,
    /// How the server is reached.
    pub transport: Arc<dyn Transport>,
    /// How long a call may take, and how large its answer may be.
    pub limits: Limits,
    /// Who administers clients; none: nobody does.
    pub administration: Option<KeycloakAdministration>,
    /// Whether uses of clients are read from the server's events.
    pub reads_events: bool,
    /// Other places at which the server must not answer, each with how it is reached.
    pub elsewhere: Vec<(String, Arc<dyn Transport>)>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something is open, or does not work.
    Problem,
    /// Worth knowing.
    Note,
}

/// What was found, why it matters and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// A stable name.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen.
    pub what: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

fn problem(name: &'static str, what: impl Into<String>, texts: Texts) -> Diagnosis {
    let Texts { why, remedy } = texts;
    Diagnosis { name, severity: Severity::Problem, what: what.into(), why, remedy }
}

fn note(name: &'static str, what: impl Into<String>, texts: Texts) -> Diagnosis {
    Diagnosis { severity: Severity::Note, ..problem(name, what, texts) }
}

impl Examination {
    /// Everything that is wrong, in the order in which it was looked at. Stops at a server that cannot be reached.
    pub async fn examine(&self) -> Vec<Diagnosis> {
        let mut found = Vec::new();
        match self.metadata(self.transport.as_ref()).await {
            Ok(Some(metadata)) => self.judge_metadata(&metadata, &mut found),
            Ok(None) => found.push(problem(
                "no_metadata",
                "the server has no metadata in any of the four places",
                texts::NO_METADATA,
            )),
            Err(error) => {
                found.push(problem(
                    "server_unreachable",
                    format!("the server cannot be asked: {error}"),
                    texts::UNREACHABLE,
                ));
                return found;
            }
        }
        found.extend(self.anonymous_registration().await);
        for (url, transport) in &self.elsewhere {
            if let Ok(Some(_)) = self.metadata(transport.as_ref()).await {
                found.push(problem("reachable_elsewhere", format!("the server answers at {url}"), texts::ELSEWHERE));
            }
        }
        self.administration(&mut found).await;
        found
    }

    async fn metadata(&self, transport: &dyn Transport) -> Result<Option<Map<String, Value>>, TransportError> {
        for form in DiscoveryForm::ALL {
            let request = Request::get(form.path(&self.issuer_path)).header(ACCEPT, "application/json");
            let Ok(request) = request.body(Bytes::new()) else { continue };
            let response = transport.send(request, self.limits).await?;
            if response.status() == StatusCode::OK
                && let Ok(members) = json::parse(response.body())
            {
                return Ok(Some(members));
            }
        }
        Ok(None)
    }

    fn judge_metadata(&self, metadata: &Map<String, Value>, found: &mut Vec<Diagnosis>) {
        let issuer = metadata.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if issuer != self.issuer {
            let what = format!("the server calls itself {issuer:?}, the configuration {:?}", self.issuer);
            found.push(problem("issuer_mismatch", what, texts::ISSUER));
        }
        let methods = metadata.get("code_challenge_methods_supported").and_then(Value::as_array);
        if !methods.is_some_and(|methods| methods.iter().any(|method| method == "S256")) {
            found.push(problem(
                "no_pkce",
                "the metadata do not have S256 in code_challenge_methods_supported",
                texts::PKCE,
            ));
        }
    }

    /// What somebody without a credential gets, past the gateway.
    async fn anonymous_registration(&self) -> Vec<Diagnosis> {
        let mut paths = vec![self.registration_path.clone()];
        if let (Kind::Keycloak, Some((base, _))) = (self.kind, self.registration_path.rsplit_once('/')) {
            // The same policies stand before `install` and `saml2-entity-descriptor`, which this cannot ask without doing something.
            paths.push(format!("{base}/default"));
        }
        let mut found = Vec::new();
        for path in paths {
            match self.register_nothing(&path).await {
                Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {}
                Ok(StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) if path != self.registration_path => {}
                Ok(status @ (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)) => {
                    found.push(problem(
                        "no_registration_endpoint",
                        format!("{path} answers {status}"),
                        texts::WRONG_PATH,
                    ));
                }
                Ok(status) if status.is_server_error() => {
                    found.push(note("registration_unclear", format!("{path} answers {status}"), texts::UNCLEAR));
                }
                Ok(status) => {
                    let what = format!("{path} looks at a registration without a credential ({status})");
                    // Where the gateway has no credential it has to.
                    let is_meant = !self.has_credential && path == self.registration_path;
                    let diagnosis = if is_meant { note } else { problem };
                    found.push(diagnosis("registration_open", what, texts::OPEN));
                }
                Err(error) => found.push(note("registration_unclear", format!("{path}: {error}"), texts::UNCLEAR)),
            }
        }
        found
    }

    /// Asks for a client that no server can register.
    async fn register_nothing(&self, path: &str) -> Result<StatusCode, TransportError> {
        let body = match self.kind {
            // Its policies are asked before it looks at the redirect URIs.
            Kind::Keycloak => r#"{"redirect_uris":["javascript:0"]}"#,
            Kind::Rfc7591 | Kind::Cognito => "[]",
        };
        let body = if path.ends_with("/default") { r#"{"redirectUris":["javascript:0"]}"# } else { body };
        let request = Request::builder().method(Method::POST).uri(path).header(CONTENT_TYPE, "application/json");
        let request = request.body(Bytes::from_static(body.as_bytes()));
        let request = request.map_err(|error| TransportError::NotSent(error.to_string()))?;
        Ok(self.transport.send(request, self.limits).await?.status())
    }

    async fn administration(&self, found: &mut Vec<Diagnosis>) {
        let Some(administration) = &self.administration else {
            if self.kind == Kind::Keycloak {
                found.push(note(
                    "no_administration",
                    "the gateway does not administer clients there",
                    texts::NO_ADMINISTRATION,
                ));
            }
            return;
        };
        if let Err(error) = administration.try_roles().await {
            found.push(problem("administration_fails", error.to_string(), texts::ADMINISTRATION));
        }
        match administration.authenticated_policies().await {
            Ok(policies) => {
                for (policy, name) in [("consent-required", "Consent Required"), ("scope", "Full Scope Disabled")] {
                    if !policies.iter().any(|known| known == policy) {
                        let what = format!("the authenticated chain has no policy {name:?}");
                        found.push(problem("policy_missing", what, texts::POLICY));
                    }
                }
            }
            Err(AdministrationError::NotPermitted(_)) => {
                found.push(note("policies_unread", "the registration policies cannot be read", texts::UNREAD));
            }
            Err(error) => found.push(note("policies_unread", error.to_string(), texts::UNREAD)),
        }
        if self.reads_events {
            judge_events(administration.events_kept().await, found);
        }
    }
}

/// What `last_use_from_events` needs of the realm.
fn judge_events(kept: Result<EventsKept, AdministrationError>, found: &mut Vec<Diagnosis>) {
    let kept = match kept {
        Ok(kept) => kept,
        Err(error) => return found.push(problem("events_unread", error.to_string(), texts::EVENTS_UNREAD)),
    };
    if !kept.is_on {
        return found.push(problem("events_off", "the realm keeps no user events", texts::EVENTS_OFF));
    }
    for missing in kept.missing() {
        found.push(problem(
            "events_missing",
            format!("the realm keeps no events of type {missing}"),
            texts::EVENTS_OFF,
        ));
    }
    if !kept.keeps("REFRESH_TOKEN") {
        found.push(note(
            "events_without_refreshes",
            "the realm keeps no events of type REFRESH_TOKEN",
            texts::REFRESHES,
        ));
    }
    if kept.kept_for().is_some_and(|kept| kept < SHORTEST_KEPT) {
        found.push(note("events_kept_briefly", "the realm forgets its events within an hour", texts::EVENTS_BRIEF));
    }
}

/// A gateway that is away for longer misses uses.
const SHORTEST_KEPT: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use http::Response;
    use serde_json::json;

    use super::*;

    /// Answers with the status and body of the path; what is not there is 404.
    #[derive(Default)]
    struct Script {
        answers: BTreeMap<String, (u16, String)>,
        asked: Mutex<Vec<Request<Bytes>>>,
    }

    #[async_trait]
    impl Transport for Script {
        async fn send(&self, request: Request<Bytes>, _: Limits) -> Result<Response<Bytes>, TransportError> {
            let (status, body) = self.answers.get(request.uri().path()).cloned().unwrap_or((404, String::new()));
            self.asked.lock().unwrap().push(request);
            Ok(Response::builder().status(status).body(Bytes::from(body)).unwrap())
        }
    }

    const METADATA: &str = "/realms/acme/.well-known/openid-configuration";
    const REGISTRATION: &str = "/realms/acme/clients-registrations/openid-connect";
    const DEFAULT: &str = "/realms/acme/clients-registrations/default";

    fn sound() -> Value {
        json!({"issuer": "https://sso.example/realms/acme", "code_challenge_methods_supported": ["plain", "S256"]})
    }

    fn server(metadata: &Value, statuses: [(&str, u16); 2]) -> Arc<Script> {
        let registrations = statuses.map(|(path, status)| (path.to_owned(), (status, "{}".to_owned())));
        let answers = [(METADATA.to_owned(), (200, metadata.to_string()))].into_iter().chain(registrations);
        Arc::new(Script { answers: answers.collect(), ..Script::default() })
    }

    fn examination(transport: Arc<Script>) -> Examination {
        Examination {
            kind: Kind::Keycloak,
            issuer: "https://sso.example/realms/acme".to_owned(),
            issuer_path: "/realms/acme".to_owned(),
            registration_path: REGISTRATION.to_owned(),
            has_credential: true,
            transport,
            limits: Limits { total: Duration::from_secs(1), response_bytes: 10_000 },
            administration: None,
            reads_events: false,
            elsewhere: Vec::new(),
        }
    }

    async fn found(examination: Examination) -> Vec<(Severity, &'static str)> {
        examination.examine().await.iter().map(|diagnosis| (diagnosis.severity, diagnosis.name)).collect()
    }

    #[tokio::test]
    async fn a_server_that_is_shut_has_no_problem() {
        let server = server(&sound(), [(REGISTRATION, 403), (DEFAULT, 403)]);
        assert_eq!(found(examination(server)).await, [(Severity::Note, "no_administration")]);
    }

    #[tokio::test]
    async fn every_provider_that_is_open_is_a_problem() {
        let server = server(&sound(), [(REGISTRATION, 400), (DEFAULT, 400)]);
        let open = (Severity::Problem, "registration_open");
        assert_eq!(found(examination(server)).await, [open, open, (Severity::Note, "no_administration")]);
    }

    #[tokio::test]
    async fn what_the_metadata_say_wrongly_or_not_at_all_is_told() {
        let server =
            server(&json!({"issuer": "http://keycloak:8080/realms/acme"}), [(REGISTRATION, 401), (DEFAULT, 404)]);
        let found = found(examination(server)).await;
        assert_eq!(found[..2], [(Severity::Problem, "issuer_mismatch"), (Severity::Problem, "no_pkce")]);
        assert_eq!(found.len(), 3);
    }

    #[tokio::test]
    async fn a_server_that_answers_elsewhere_is_a_problem() {
        let shut = || server(&sound(), [(REGISTRATION, 403), (DEFAULT, 403)]);
        let elsewhere: Arc<dyn Transport> = shut();
        let nowhere: Arc<dyn Transport> = Arc::new(Script::default());
        let elsewhere = vec![("http://a".to_owned(), elsewhere), ("http://b".to_owned(), nowhere)];
        let examination = Examination { elsewhere, ..examination(shut()) };
        let told = examination.examine().await;
        let told: Vec<_> = told.iter().filter(|diagnosis| diagnosis.name == "reachable_elsewhere").collect();
        assert_eq!(told.len(), 1);
        assert!(told[0].what.contains("http://a"));
    }

    #[tokio::test]
    async fn a_server_whose_registration_is_meant_to_be_open_to_the_gateway_is_no_problem() {
        let mut examination = examination(server(&sound(), [("/register", 400), ("/", 404)]));
        examination.kind = Kind::Rfc7591;
        examination.registration_path = "/register".to_owned();
        examination.has_credential = false;
        assert_eq!(found(examination).await, [(Severity::Note, "registration_open")]);
    }

    #[tokio::test]
    async fn nothing_that_is_sent_could_register_a_client() {
        let server = server(&sound(), [(REGISTRATION, 400), (DEFAULT, 400)]);
        examination(server.clone()).examine().await;
        let asked = server.asked.lock().unwrap();
        for request in asked.iter().filter(|request| request.method() != Method::GET) {
            let body = String::from_utf8_lossy(request.body());
            assert!(body.contains("javascript:0"), "{request:?}");
            assert!(!request.headers().contains_key("authorization"));
        }
    }
}
