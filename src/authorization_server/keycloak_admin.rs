//! Keycloak's admin REST API, as far as clients that came through the gateway need it. Names them by `client_id`;
//! Keycloak's own identifier is looked up each time, because a client that is deleted and made again has another one.

mod calls;
mod clients;
pub mod events;
mod examined;
mod scopes;

use std::sync::Arc;

use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::access::ClientUris;
use super::administration::{Administration, AdministrationError};
use super::credential::AccessTokenSource;
use super::existing::{ExistingClient, ExistingPage, RecordedUses};
use super::transport::{Limits, Transport};
use super::{ServerAccess, TokenAccess};
use crate::clock::Timestamp;
use crate::lifecycle::AtTheServer;
use crate::registration::{ScopeSet, json as strict_json};

/// The admin API of one realm.
pub struct KeycloakAdministration {
    /// How requests get there.
    pub transport: Arc<dyn Transport>,
    /// The path of the realm's resources.
    pub base: AdminBase,
    /// The path of the registration endpoint, below which a new token is good.
    pub registration_path: String,
    /// Gets the access tokens.
    pub credential: AccessTokenSource,
    /// How long a call may take, and how large its answer may be.
    pub limits: Limits,
}

/// The path of a realm in the admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminBase(String);

impl AdminBase {
    /// `<prefix>/realms/<realm>/clients-registrations/…` has its administration at `<prefix>/admin/realms/<realm>`; nothing where the
    /// registration path has another form.
    pub fn beside(registration_path: &str) -> Option<Self> {
        let (realm, _) = registration_path.split_once("/clients-registrations/")?;
        let (prefix, realm) = realm.rsplit_once("/realms/")?;
        let is_name = !realm.is_empty() && !realm.contains('/');
        is_name.then(|| Self(format!("{prefix}/admin/realms/{realm}")))
    }

    /// The clients whose `clientId` is exactly this (the API looks for a part of it only with `search=true`).
    fn search(&self, client_id: &str) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("clientId", client_id).finish();
        format!("{}/clients?{query}", self.0)
    }

    fn client(&self, found: &FoundClient) -> String {
        format!("{}/clients/{}", self.0, found.id)
    }
}

/// The part of a client's representation that matters; the rest, its secret among it, is dropped at once.
#[derive(Debug, Deserialize)]
struct FoundClient {
    id: String,
    #[serde(rename = "clientId")]
    client_id: String,
    enabled: bool,
}

#[async_trait]
impl Administration for KeycloakAdministration {
    async fn state(&self, client_id: &str) -> Result<AtTheServer, AdministrationError> {
        Ok(match self.find(client_id).await? {
            None => AtTheServer::Absent,
            Some(found) if found.enabled => AtTheServer::Enabled,
            Some(_) => AtTheServer::Disabled,
        })
    }

    async fn disable(&self, client_id: &str) -> Result<(), AdministrationError> {
        self.switch(client_id, AtTheServer::Disabled).await
    }

    async fn enable(&self, client_id: &str) -> Result<(), AdministrationError> {
        self.switch(client_id, AtTheServer::Enabled).await
    }

    async fn grant(&self, client_id: &str, scopes: &ScopeSet) -> Result<(), AdministrationError> {
        let found = self.find(client_id).await?.ok_or(AdministrationError::NotFound)?;
        let assigned = self.assign(&found, scopes).await;
        self.confirmed(&found, assigned).await
    }

    async fn delete(&self, client_id: &str) -> Result<(), AdministrationError> {
        let found = self.find(client_id).await?.ok_or(AdministrationError::NotFound)?;
        let deleted = self.call(Method::DELETE, &self.base.client(&found), None).await;
        self.confirmed(&found, deleted).await.map(|_| ())
    }

    async fn new_registration_access_token(&self, client_id: &str) -> Result<ServerAccess, AdministrationError> {
        let found = self.find(client_id).await?.ok_or(AdministrationError::NotFound)?;
        let path = format!("{}/registration-access-token", self.base.client(&found));
        let response = self.call(Method::POST, &path, None).await;
        let response = self.confirmed(&found, response).await?;
        let members = strict_json::parse(response.body()).map_err(|error| broken(&error.to_string()))?;
        // The representation calls it otherwise than RFC 7592 does.
        let token = members.get("registrationAccessToken").cloned().unwrap_or_default();
        let members = [("registration_access_token".to_owned(), token)].into_iter().collect();
        let uris = ClientUris { registration_path: &self.registration_path, below_it_only: true };
        TokenAccess::given(&members, client_id, uris)
            .map(ServerAccess::ByToken)
            .ok_or_else(|| broken("no registration access token in the answer"))
    }

    async fn existing(&self, after: Option<&str>) -> Result<ExistingPage, AdministrationError> {
        self.page_of_clients(after).await
    }

    async fn existing_client(&self, client_id: &str) -> Result<Option<ExistingClient>, AdministrationError> {
        self.one_client(client_id).await
    }

    async fn recorded_uses(&self, since: Timestamp, now: Timestamp) -> Result<RecordedUses, AdministrationError> {
        self.uses_in_events(since, now).await
    }

    async fn last_recorded_use(&self, client_id: &str) -> Result<Option<Timestamp>, AdministrationError> {
        self.last_use_in_events(client_id).await
    }
}

impl KeycloakAdministration {
    async fn find(&self, client_id: &str) -> Result<Option<FoundClient>, AdministrationError> {
        let found: Vec<FoundClient> = self.list_of_clients(&self.base.search(client_id)).await?;
        let found = found.into_iter().find(|client| client.client_id == client_id);
        match found {
            Some(client) if !is_identifier(&client.id) => Err(broken("a client's id that is none")),
            found => Ok(found),
        }
    }

    /// Only the member that changes: what an update of the admin API does not name stays.
    async fn switch(&self, client_id: &str, wanted: AtTheServer) -> Result<(), AdministrationError> {
        let found = self.find(client_id).await?.ok_or(AdministrationError::NotFound)?;
        let enabled = wanted == AtTheServer::Enabled;
        if found.enabled == enabled {
            return Ok(());
        }
        let switched = self.call(Method::PUT, &self.base.client(&found), Some(&json!({ "enabled": enabled }))).await;
        self.confirmed(&found, switched).await.map(|_| ())
    }

    /// What became of a call about a client that was found. That it is gone meanwhile, only another search says: the 404 of what stands before
    /// Keycloak is no word about it.
    async fn confirmed<T>(
        &self,
        found: &FoundClient,
        became: Result<T, AdministrationError>,
    ) -> Result<T, AdministrationError> {
        match became {
            Err(AdministrationError::NotFound) if self.find(&found.client_id).await?.is_some() => {
                Err(AdministrationError::Refused("404, and the client is there".to_owned()))
            }
            became => became,
        }
    }
}

/// What may stand in a path: Keycloak's identifiers are UUIDs, or what an imported realm calls them.
fn is_identifier(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn broken(reason: &str) -> AdministrationError {
    AdministrationError::Broken(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use bytes::Bytes;
    use http::{Request, Response, header};
    use serde_json::Value;

    use super::super::credential::{GatewayClient, TokenEndpoint};
    use super::super::transport::{Purpose, TransportError};
    use super::examined::NOBODY;
    use super::*;
    use crate::clock::SystemClock;
    use crate::secret::Secret;

    const REGISTRATION: &str = "/auth/realms/acme/clients-registrations/openid-connect";
    const CLIENTS: &str = "/auth/admin/realms/acme/clients";

    /// A realm of clients with their `enabled`; takes access tokens from the second on, as after a restart.
    #[derive(Default)]
    struct Realm {
        /// Where everything below a client leads to a page of something else.
        astray: AtomicBool,
        clients: Mutex<BTreeMap<String, bool>>,
        /// What `c1` may ask for, if it wants.
        optional: Mutex<Vec<String>>,
        tokens: Mutex<u32>,
        calls: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Transport for Realm {
        async fn send(&self, request: Request<Bytes>, _: Limits) -> Result<Response<Bytes>, TransportError> {
            if request.uri().path() == "/token" {
                let mut tokens = self.tokens.lock().unwrap();
                *tokens += 1;
                return Ok(Response::new(Bytes::from(json!({"access_token": format!("t{tokens}")}).to_string())));
            }
            let answer = |status: u16, body: Value| {
                Ok(Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap())
            };
            if request.headers()[header::AUTHORIZATION] == "Bearer t1" {
                return answer(401, json!({"error": "HTTP 401 Unauthorized"}));
            }
            assert_eq!(request.extensions().get(), Some(&Purpose::ADMINISTRATION));
            let target = request.uri().to_string();
            self.calls.lock().unwrap().push(format!("{} {target}", request.method()));
            let mut clients = self.clients.lock().unwrap();
            if let Some(wanted) = target.strip_prefix(&format!("{CLIENTS}?clientId=")) {
                // Never the exact one alone: what answers more than was asked must not be believed.
                let found = clients
                    .iter()
                    .map(|(id, enabled)| json!({"id": format!("id-{id}"), "clientId": id, "enabled": enabled}));
                let found: Vec<Value> =
                    found.filter(|client| client["clientId"].as_str().unwrap().contains(&wanted[..1])).collect();
                return answer(200, found.into());
            }
            let named = |names: &[&str]| -> Value {
                names.iter().map(|name| json!({"id": format!("s-{name}"), "name": name})).collect()
            };
            if target.ends_with("/acme/client-scopes") {
                return answer(200, named(&["basic", "profile", "orders", "billing"]));
            }
            if let Some(kind) =
                target.strip_prefix(&format!("{CLIENTS}/id-c1/")).filter(|it| it.contains("-client-scopes"))
            {
                let mut optional = self.optional.lock().unwrap();
                return match kind.split_once("/s-") {
                    Some((_, name)) => {
                        assert_eq!((request.method().as_str(), kind.starts_with("optional-")), ("PUT", true));
                        optional.push(name.to_owned());
                        answer(204, Value::Null)
                    }
                    None if kind.starts_with("default") => answer(200, named(&["basic"])),
                    None => answer(200, named(&optional.iter().map(String::as_str).collect::<Vec<_>>())),
                };
            }
            if target == format!("{CLIENTS}/{NOBODY}") {
                return answer(404, json!({"error": "Could not find client"}));
            }
            let Some(path) = target.strip_prefix(&format!("{CLIENTS}/id-")) else {
                return answer(403, json!({"error": "HTTP 403 Forbidden"}));
            };
            if self.astray.load(Ordering::Relaxed) {
                return answer(404, json!("<html>default backend - 404</html>"));
            }
            let id = path.split('/').next().unwrap().to_owned();
            match (request.method().as_str(), path.ends_with("/registration-access-token")) {
                ("PUT", false) => {
                    let body: Value = serde_json::from_slice(request.body()).unwrap();
                    assert_eq!(body.as_object().unwrap().len(), 1, "what is not named stays");
                    clients.insert(id, body["enabled"].as_bool().unwrap());
                    answer(204, Value::Null)
                }
                ("DELETE", false) => {
                    clients.remove(&id);
                    answer(204, Value::Null)
                }
                ("POST", true) => answer(200, json!({"clientId": id, "registrationAccessToken": "new"})),
                other => panic!("{other:?}"),
            }
        }
    }

    struct World {
        realm: Arc<Realm>,
        administration: KeycloakAdministration,
    }

    fn world(registration_path: &str) -> World {
        let clients = BTreeMap::from([("c1".to_owned(), true), ("c10".to_owned(), true)]);
        let realm = Arc::new(Realm {
            clients: Mutex::new(clients),
            optional: Mutex::new(vec!["profile".to_owned()]),
            ..Realm::default()
        });
        let client = GatewayClient { id: "dcr-gateway".into(), secret: Secret::new("s"), scope: None };
        let administration = KeycloakAdministration {
            transport: realm.clone(),
            base: AdminBase::beside(registration_path).unwrap(),
            registration_path: registration_path.to_owned(),
            credential: AccessTokenSource::new(client, TokenEndpoint::Path("/token".into()), Arc::new(SystemClock)),
            limits: Limits { total: Duration::from_secs(1), response_bytes: 10_000 },
        };
        World { realm, administration }
    }

    #[test]
    fn the_administration_is_beside_the_registration() {
        let base = |path: &str| AdminBase::beside(path).map(|base| base.0);
        assert_eq!(base("/realms/acme/clients-registrations/openid-connect").as_deref(), Some("/admin/realms/acme"));
        assert_eq!(base(REGISTRATION).as_deref(), Some("/auth/admin/realms/acme"));
        for path in ["/register", "/realms/a/b/clients-registrations/x", "/realms//clients-registrations/x"] {
            assert_eq!(base(path), None, "{path}");
        }
    }

    #[tokio::test]
    async fn a_client_is_suspended_and_brought_back_and_deleted() {
        let World { realm, administration } = world(REGISTRATION);
        assert_eq!(administration.state("c1").await.unwrap(), AtTheServer::Enabled);
        administration.disable("c1").await.unwrap();
        assert_eq!(administration.state("c1").await.unwrap(), AtTheServer::Disabled);
        administration.disable("c1").await.unwrap();
        administration.enable("c1").await.unwrap();
        assert_eq!(administration.state("c1").await.unwrap(), AtTheServer::Enabled);
        administration.delete("c1").await.unwrap();
        assert_eq!(administration.state("c1").await.unwrap(), AtTheServer::Absent);
        assert_eq!(*realm.clients.lock().unwrap(), BTreeMap::from([("c10".to_owned(), true)]), "only that one");
        let changes = realm.calls.lock().unwrap().iter().filter(|call| !call.starts_with("GET")).count();
        assert_eq!(changes, 3, "a client that is suspended already is left alone");
    }

    #[tokio::test]
    async fn a_new_token_comes_with_the_place_where_it_is_good() {
        let access = world(REGISTRATION).administration.new_registration_access_token("c1").await.unwrap();
        let (uri, token) = (format!("{REGISTRATION}/c1"), Secret::new("new"));
        let expected = TokenAccess { registration_client_uri: uri, registration_access_token: token };
        assert_eq!(access, ServerAccess::ByToken(expected));
    }

    #[tokio::test]
    async fn a_client_may_ask_for_what_it_was_granted_and_is_assigned_it_once() {
        let World { realm, administration } = world(REGISTRATION);
        let scopes = ScopeSet::parse("openid basic profile orders billing").unwrap();
        administration.grant("c1", &scopes).await.unwrap();
        assert_eq!(*realm.optional.lock().unwrap(), ["profile", "orders", "billing"]);
        administration.grant("c1", &scopes).await.unwrap();
        let puts = realm.calls.lock().unwrap().iter().filter(|call| call.starts_with("PUT")).count();
        assert_eq!(puts, 2, "what is there already is left alone");
        let unknown = administration.grant("c1", &ScopeSet::parse("none-such").unwrap()).await.unwrap_err();
        assert!(unknown.to_string().contains("the realm has no client scope none-such"), "{unknown}");
        let absent = administration.grant("nobody", &scopes).await;
        assert!(matches!(absent, Err(AdministrationError::NotFound)), "{absent:?}");
    }

    #[tokio::test]
    async fn a_client_of_nearly_the_same_name_is_not_taken_for_it() {
        let World { realm, administration } = world(REGISTRATION);
        for outcome in [administration.disable("c").await, administration.delete("c&x=1").await] {
            assert!(matches!(outcome, Err(AdministrationError::NotFound)), "{outcome:?}");
        }
        assert!(realm.calls.lock().unwrap()[1].ends_with("?clientId=c%26x%3D1"));
    }

    #[tokio::test]
    async fn a_client_is_gone_where_a_search_says_so_and_not_by_a_404_of_anybodys() {
        let World { realm, administration } = world(REGISTRATION);
        realm.astray.store(true, Ordering::Relaxed);
        let token = administration.new_registration_access_token("c1").await.map(|_| ());
        for outcome in [administration.disable("c1").await, administration.delete("c1").await, token] {
            assert!(matches!(outcome, Err(AdministrationError::Refused(_))), "{outcome:?}");
        }
        let found = FoundClient { id: "id-gone".to_owned(), client_id: "gone".to_owned(), enabled: true };
        let outcome = administration.confirmed::<()>(&found, Err(AdministrationError::NotFound)).await;
        assert!(matches!(outcome, Err(AdministrationError::NotFound)), "{outcome:?}");
    }

    #[tokio::test]
    async fn the_roles_are_tried_on_a_client_that_cannot_exist() {
        let World { realm, administration } = world(REGISTRATION);
        administration.try_roles().await.unwrap();
        assert_eq!(realm.clients.lock().unwrap().len(), 2, "nothing is changed");
        assert!(realm.calls.lock().unwrap().iter().any(|call| call.starts_with("PUT ")));
        let other = world("/realms/other/clients-registrations/openid-connect").administration;
        assert!(matches!(other.try_roles().await, Err(AdministrationError::NotPermitted(_))));
    }

    #[tokio::test]
    async fn a_role_that_is_missing_is_said_to_be_missing() {
        let administration = world("/realms/other/clients-registrations/openid-connect").administration;
        let error = administration.disable("c1").await.unwrap_err();
        assert!(matches!(error, AdministrationError::NotPermitted(_)), "{error}");
        assert!(error.surely_nothing_changed());
    }
}
