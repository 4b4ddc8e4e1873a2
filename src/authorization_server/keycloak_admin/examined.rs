//! What `doctor` asks the admin API: whether the roles are there, and which policies stand before a registration.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{FoundClient, KeycloakAdministration, broken};
use crate::authorization_server::administration::AdministrationError;

impl KeycloakAdministration {
    /// Whether the service account may see clients and change them: it asks for a change of one that cannot exist.
    ///
    /// # Errors
    /// [`AdministrationError::NotPermitted`]: a role is missing.
    pub async fn try_roles(&self) -> Result<(), AdministrationError> {
        self.find(NOBODY).await?;
        let nobody = FoundClient { id: NOBODY.to_owned(), client_id: NOBODY.to_owned(), enabled: false };
        match self.call(Method::PUT, &self.base.client(&nobody), Some(&json!({ "enabled": false }))).await {
            Err(AdministrationError::NotFound) => Ok(()),
            answered => answered.map(|_| ()),
        }
    }

    /// The providers of the policies that stand before a registration with a credential.
    ///
    /// # Errors
    /// [`AdministrationError::NotPermitted`]: the role for it (`view-realm`) is none that the gateway needs.
    pub async fn authenticated_policies(&self) -> Result<Vec<String>, AdministrationError> {
        let path = format!("{}/components?type={POLICY_TYPE}", self.base.0);
        let response = self.call(Method::GET, &path, None).await?;
        let found: Vec<FoundPolicy> = serde_json::from_slice(response.body())
            .map_err(|error| broken(&format!("no list of policies: {error}")))?;
        let authenticated = found.into_iter().filter(|policy| policy.chain.as_deref() == Some("authenticated"));
        Ok(authenticated.map(|policy| policy.provider).collect())
    }
}

/// No client of Keycloak's has this id: they are UUIDs of another version.
pub(super) const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

const POLICY_TYPE: &str = "org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy";

/// The part of a registration policy that matters.
#[derive(Debug, Deserialize)]
struct FoundPolicy {
    #[serde(rename = "providerId")]
    provider: String,
    #[serde(rename = "subType")]
    chain: Option<String>,
}
