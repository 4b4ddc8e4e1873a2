//! Keycloak's clients as its admin API describes them, in the members of RFC 7591. Only reads; what it says of secrets is dropped unread.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{KeycloakAdministration, broken};
use crate::authorization_server::administration::AdministrationError;
use crate::authorization_server::existing::{ExistingClient, ExistingPage, Origin};

/// How many are asked for at once: a description has some kilobytes.
const PAGE: u32 = 50;

/// The clients that every realm has from the start.
const BUILT_IN: [&str; 6] =
    ["account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console"];

/// The part of a representation that says what a client is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Representation {
    client_id: String,
    name: Option<String>,
    base_url: Option<String>,
    enabled: bool,
    protocol: Option<String>,
    redirect_uris: Vec<String>,
    public_client: bool,
    bearer_only: bool,
    standard_flow_enabled: bool,
    implicit_flow_enabled: bool,
    direct_access_grants_enabled: bool,
    service_accounts_enabled: bool,
    client_authenticator_type: Option<String>,
    default_client_scopes: Vec<String>,
    optional_client_scopes: Vec<String>,
    attributes: BTreeMap<String, Option<String>>,
}

impl KeycloakAdministration {
    /// A page of the realm's clients; the place of the next one is how many there were before it.
    pub(super) async fn page_of_clients(&self, after: Option<&str>) -> Result<ExistingPage, AdministrationError> {
        let first = after.unwrap_or("0").parse::<u32>();
        let first = first.map_err(|_| AdministrationError::Refused("there is no such page of clients".to_owned()))?;
        let uri = format!("{}/clients?first={first}&max={PAGE}", self.base.0);
        let found: Vec<Representation> = self.list_of_clients(&uri).await?;
        let is_last = found.len() < PAGE as usize;
        let clients = found.into_iter().map(|client| self.existing(client)).collect();
        let next = (!is_last).then(|| first.saturating_add(PAGE).to_string());
        Ok(ExistingPage { clients, next })
    }

    pub(super) async fn one_client(&self, client_id: &str) -> Result<Option<ExistingClient>, AdministrationError> {
        let found: Vec<Representation> = self.list_of_clients(&self.base.search(client_id)).await?;
        Ok(found.into_iter().find(|client| client.client_id == client_id).map(|client| self.existing(client)))
    }

    /// A list of clients, as much of each as a `T` holds.
    pub(super) async fn list_of_clients<T: DeserializeOwned>(&self, uri: &str) -> Result<Vec<T>, AdministrationError> {
        let response = match self.call(Method::GET, uri, None).await {
            // A search finds nothing by finding an empty list.
            Err(AdministrationError::NotFound) => {
                return Err(AdministrationError::Refused("404: there is no such realm or no admin API".to_owned()));
            }
            answered => answered?,
        };
        serde_json::from_slice(response.body()).map_err(|error| broken(&format!("no list of clients: {error}")))
    }

    fn existing(&self, client: Representation) -> ExistingClient {
        let origin = if client.client_id == self.credential.client_id() { Origin::Server } else { client.origin() };
        ExistingClient {
            metadata: client.metadata(),
            origin,
            // It keeps no such moment.
            created_at: None,
            is_enabled: client.enabled,
            access: None,
            client_id: client.client_id,
        }
    }
}

impl Representation {
    /// Keycloak keeps no mark of a registration. The provider `openid-connect` names every client that it registers by a UUID; who
    /// makes one by hand, or through the provider `default`, may name it otherwise.
    fn origin(&self) -> Origin {
        let is_of_another_realm = self.bearer_only && self.client_id.ends_with("-realm");
        if BUILT_IN.contains(&self.client_id.as_str()) || is_of_another_realm {
            return Origin::Server;
        }
        let speaks_openid = self.protocol.as_deref().is_none_or(|protocol| protocol == "openid-connect");
        if speaks_openid && !self.bearer_only && is_uuid(&self.client_id) {
            return Origin::Registration;
        }
        Origin::ByHand
    }

    fn metadata(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        put("redirect_uris", self.redirect_uris.clone().into());
        put("grant_types", self.grant_types().into());
        put("response_types", self.response_types().into());
        put("token_endpoint_auth_method", self.authentication().into());
        let scopes = self.default_client_scopes.iter().chain(&self.optional_client_scopes);
        put("scope", scopes.map(String::as_str).collect::<Vec<_>>().join(" ").into());
        for (member, text) in [
            ("client_name", self.name.as_deref()),
            ("client_uri", self.base_url.as_deref()),
            ("logo_uri", self.attribute("logoUri")),
            ("policy_uri", self.attribute("policyUri")),
            ("tos_uri", self.attribute("tosUri")),
            ("jwks_uri", self.attribute("jwks.url").filter(|_| self.is_on("use.jwks.url"))),
        ] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                put(member, text.into());
            }
        }
        // `+` stands for the redirect URIs, `-` for none.
        let after_logout = self.attribute("post.logout.redirect.uris").unwrap_or_default();
        let after_logout: Vec<&str> = after_logout.split("##").filter(|uri| !matches!(*uri, "" | "+" | "-")).collect();
        if !after_logout.is_empty() {
            put("post_logout_redirect_uris", after_logout.into());
        }
        members
    }

    fn grant_types(&self) -> Vec<&'static str> {
        let refreshes = self.standard_flow_enabled && self.attribute("use.refresh.tokens") != Some("false");
        let grants = [
            (self.standard_flow_enabled, "authorization_code"),
            (refreshes, "refresh_token"),
            (self.implicit_flow_enabled, "implicit"),
            (self.direct_access_grants_enabled, "password"),
            (self.service_accounts_enabled, "client_credentials"),
            (self.is_on("oauth2.device.authorization.grant.enabled"), "urn:ietf:params:oauth:grant-type:device_code"),
            (self.is_on("oidc.ciba.grant.enabled"), "urn:openid:params:grant-type:ciba"),
        ];
        grants.into_iter().filter_map(|(is_on, grant)| is_on.then_some(grant)).collect()
    }

    fn response_types(&self) -> Vec<&'static str> {
        let types = [(self.standard_flow_enabled, "code"), (self.implicit_flow_enabled, "id_token token")];
        types.into_iter().filter_map(|(is_on, response)| is_on.then_some(response)).collect()
    }

    fn authentication(&self) -> &str {
        if self.public_client {
            return "none";
        }
        match self.client_authenticator_type.as_deref() {
            Some("client-jwt") => "private_key_jwt",
            Some("client-secret-jwt") => "client_secret_jwt",
            Some("client-x509") => "tls_client_auth",
            // Keycloak takes the secret either way.
            Some("client-secret") | None => "client_secret_basic",
            Some(other) => other,
        }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.as_deref()
    }

    fn is_on(&self, attribute: &str) -> bool {
        self.attribute(attribute) == Some("true")
    }
}

/// RFC 9562 §4, in the form that Keycloak writes.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let is_hexadecimal = |group: &&str| group.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(is_hexadecimal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Representation {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_representation_is_told_in_the_members_of_rfc_7591_without_a_secret() {
        let client = read(json!({
            "id": "i", "clientId": "c", "name": "App", "secret": "s3cret", "enabled": true, "protocol": "openid-connect",
            "redirectUris": ["https://app.example.com/cb"], "publicClient": false, "standardFlowEnabled": true,
            "serviceAccountsEnabled": true, "clientAuthenticatorType": "client-secret",
            "defaultClientScopes": ["basic"], "optionalClientScopes": ["orders:read"],
            "attributes": {
                "post.logout.redirect.uris": "https://app.example.com/bye##+", "logoUri": "https://app.example.com/logo",
                "oauth2.device.authorization.grant.enabled": "true", "jwks.url": "https://app.example.com/jwks", "use.jwks.url": "false",
            },
        }));
        assert_eq!(
            Value::Object(client.metadata()),
            json!({
                "client_name": "App", "redirect_uris": ["https://app.example.com/cb"],
                "grant_types": [
                    "authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code",
                ],
                "response_types": ["code"], "token_endpoint_auth_method": "client_secret_basic", "scope": "basic orders:read",
                "logo_uri": "https://app.example.com/logo", "post_logout_redirect_uris": ["https://app.example.com/bye"],
            })
        );
    }

    #[test]
    fn how_a_client_authenticates_is_told_by_its_name_in_rfc_7591() {
        for (representation, method) in [
            (json!({"publicClient": true, "clientAuthenticatorType": "client-secret"}), "none"),
            (json!({"clientAuthenticatorType": "client-jwt"}), "private_key_jwt"),
            (json!({"clientAuthenticatorType": "client-x509"}), "tls_client_auth"),
            (json!({"clientAuthenticatorType": "a-plug-in"}), "a-plug-in"),
        ] {
            assert_eq!(read(representation.clone()).authentication(), method, "{representation}");
        }
    }

    #[test]
    fn what_looks_registered_is_named_by_a_uuid_and_what_the_realm_needs_is_its_own() {
        let origin = |value: Value| read(value).origin();
        let uuid = "9d2f1c1e-0b57-4f5c-8a51-3f1f3a0f2b11";
        assert_eq!(origin(json!({"clientId": uuid})), Origin::Registration);
        assert_eq!(origin(json!({"clientId": uuid, "protocol": "saml"})), Origin::ByHand);
        assert_eq!(origin(json!({"clientId": uuid.to_uppercase()})), Origin::ByHand);
        assert_eq!(origin(json!({"clientId": "orders"})), Origin::ByHand);
        assert_eq!(origin(json!({"clientId": "account-console"})), Origin::Server);
        assert_eq!(origin(json!({"clientId": "acme-realm", "bearerOnly": true})), Origin::Server);
    }
}
