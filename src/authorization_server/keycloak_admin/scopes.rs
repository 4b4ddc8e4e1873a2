//! The scopes that a client of Keycloak may ask for: client scopes of the realm, assigned to it as default or optional ones.

use http::Method;
use serde::Deserialize;

use super::{FoundClient, KeycloakAdministration, broken, is_identifier};
use crate::authorization_server::AdministrationError;
use crate::registration::ScopeSet;

/// A client scope of the realm.
#[derive(Debug, Deserialize)]
struct ClientScope {
    id: String,
    name: String,
}

impl KeycloakAdministration {
    /// Assigns what is missing as optional client scopes, which the client gets when it asks for them, and reads back.
    pub(super) async fn assign(&self, found: &FoundClient, scopes: &ScopeSet) -> Result<(), AdministrationError> {
        let missing = self.missing(found, scopes).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let of_the_realm = self.scopes_at(&format!("{}/client-scopes", self.base.0)).await?;
        for name in missing {
            let scope = of_the_realm.iter().find(|scope| scope.name == name);
            let scope =
                scope.ok_or_else(|| AdministrationError::Refused(format!("the realm has no client scope {name}")))?;
            let path = format!("{}/optional-client-scopes/{}", self.base.client(found), scope.id);
            self.call(Method::PUT, &path, None).await?;
        }
        match self.missing(found, scopes).await?.first() {
            None => Ok(()),
            Some(name) => Err(broken(&format!("{name} was assigned, and is not there"))),
        }
    }

    /// Those that the client may not ask for yet. `openid` is none of Keycloak's client scopes: every client may ask for it.
    async fn missing<'s>(
        &self,
        found: &FoundClient,
        scopes: &'s ScopeSet,
    ) -> Result<Vec<&'s str>, AdministrationError> {
        let mut assigned = Vec::new();
        for kind in ["default", "optional"] {
            assigned.extend(self.scopes_at(&format!("{}/{kind}-client-scopes", self.base.client(found))).await?);
        }
        let is_missing = |name: &&str| *name != "openid" && !assigned.iter().any(|scope| scope.name == *name);
        Ok(scopes.iter().map(|scope| scope.as_str()).filter(is_missing).collect())
    }

    async fn scopes_at(&self, path: &str) -> Result<Vec<ClientScope>, AdministrationError> {
        let response = self.call(Method::GET, path, None).await?;
        let scopes: Vec<ClientScope> = serde_json::from_slice(response.body())
            .map_err(|error| broken(&format!("no list of client scopes: {error}")))?;
        match scopes.iter().find(|scope| !is_identifier(&scope.id)) {
            Some(_) => Err(broken("a client scope's id that is none")),
            None => Ok(scopes),
        }
    }
}
