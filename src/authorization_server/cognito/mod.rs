//! Amazon Cognito, by its API for app clients: registers what a clearance holds, and manages it without a token of Cognito's (there
//! is none). What Cognito does not keep of a client, the gateway's record does.

mod api;
mod describe;
mod failure;
pub mod limits;
pub mod metadata;
mod names;
mod queue;
mod resource_servers;
pub mod settings;

use std::num::TryFromIntError;

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::types::{
    ExplicitAuthFlowsType, PreventUserExistenceErrorTypes, TimeUnitsType, TokenValidityUnitsType, UserPoolClientType,
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

pub use api::{BESIDE, Reach};
pub(super) use describe::MEMBERS;

use self::settings::CognitoSettings;
use super::dialect::Dialect;
use super::transport::{self, Purpose};
use super::{
    Administration, AdministrationError, ExistingClient, ExistingPage, ManageError, Managed, Named, Recorded,
    RegisterError, Registered, Registrar, ServerAccess,
};
use crate::duration::DurationText;
use crate::lifecycle::AtTheServer;
use crate::policy::{Clearance, Judged, LetThrough};
use crate::registration::excerpt::Excerpt;
use crate::registration::{ErrorCode, ScopeSet};
use crate::secret::Secret;
use api::{Api, Operation};
use describe::Description;
use failure::Failure;
use resource_servers::ResourceServers;

/// What a change cannot do, for the client that asks for it.
const SECRET_STAYS: &str = "token_endpoint_auth_method: at Cognito a client has a secret for good or for good none; \
                            register another one";

/// How many clients are listed at once: each is then asked for, five in a second.
const PAGE: i32 = 20;

/// Why nothing is let through that the rules do not admit.
const NOT_LET_THROUGH: &str = "the rules refuse it, and Cognito registers nothing without the gateway's own credential";

/// The app clients of one user pool.
pub struct Cognito {
    api: Api,
    scopes: ResourceServers,
    dialect: Dialect,
}

impl Cognito {
    /// Connects to nothing yet.
    pub fn new(reach: Reach, dialect: Dialect) -> Self {
        Self { api: Api::new(reach), scopes: ResourceServers::default(), dialect }
    }

    /// The pool would say that it has none, and not which.
    async fn check_scopes(&self, description: &Description) -> Result<Option<String>, Failure> {
        let unknown = self.scopes.first_unknown(&self.api, &description.scopes).await;
        let unknown = unknown.map_err(Failure::before_anything)?;
        Ok(unknown.map(|scope| format!("scope: the user pool has no scope {}", Excerpt(scope))))
    }

    /// The access of a client that is managed by the API; a token that somebody presented opens nothing.
    fn client_id(access: &ServerAccess) -> Result<&str, ManageError> {
        match access {
            ServerAccess::ByApi(client_id) => Ok(client_id),
            ServerAccess::ByToken(_) => Err(ManageError::Gone("Cognito has no registration access tokens".to_owned())),
        }
    }

    /// Puts a description in the place of what is registered.
    async fn put(
        &self,
        access: &ServerAccess,
        client_id: &str,
        description: &Description,
        mut metadata: Map<String, Value>,
    ) -> Result<Managed, ManageError> {
        let named = Self::client_id(access)?;
        if named != client_id {
            return Err(ManageError::Gone("the access is another client's".to_owned()));
        }
        let refused = |description| {
            Err(ManageError::Refused { code: ErrorCode::InvalidClientMetadata, description: Some(description) })
        };
        if let Some(problem) = self.check_scopes(description).await? {
            return refused(problem);
        }
        let current = self.api.describe(client_id, Purpose::MANAGEMENT).await.map_err(Failure::before_anything)?;
        let client_secret = describe::secret(&current);
        if client_secret.is_some() != description.has_secret {
            return refused(SECRET_STAYS.to_owned());
        }
        let assigned = describe::assigned(&current);
        self.replace(current, description).await?;
        metadata.extend(assigned);
        Ok(Managed { metadata, named: Named::All, access: None, client_secret })
    }

    /// The scopes are looked at first, in as many calls as that takes.
    async fn make(&self, registration: &str, description: &Description) -> Result<UserPoolClientType, RegisterError> {
        if let Some(problem) = self.check_scopes(description).await? {
            let (code, description) = (ErrorCode::InvalidClientMetadata, Some(problem));
            return Err(RegisterError::Refused { code, description });
        }
        let created = self.create(registration, description).await;
        Ok(created.inspect_err(|_| self.scopes.forget())?)
    }

    async fn create(&self, registration: &str, description: &Description) -> Result<UserPoolClientType, Failure> {
        let settings = self.api.settings();
        let client = self.api.client().await;
        let call = client
            .create_user_pool_client()
            .user_pool_id(self.api.pool())
            .client_name(names::client_name(description.name.as_deref(), registration))
            .generate_secret(description.has_secret)
            .set_callback_urls(Some(description.callback_urls.clone()))
            .set_logout_urls(Some(description.logout_urls.clone()))
            .set_allowed_o_auth_flows(Some(description.flows.clone()))
            .set_allowed_o_auth_scopes(Some(description.scopes.clone()))
            .allowed_o_auth_flows_user_pool_client(true)
            .set_supported_identity_providers(Some(settings.identity_providers.clone()))
            // Nothing but the OAuth endpoints: without it AWS would allow sign-in by its own API.
            .explicit_auth_flows(ExplicitAuthFlowsType::AllowRefreshTokenAuth)
            .prevent_user_existence_errors(PreventUserExistenceErrorTypes::Enabled)
            .enable_token_revocation(true)
            .set_access_token_validity(seconds(settings.access_token_lifetime))
            .set_id_token_validity(seconds(settings.id_token_lifetime))
            .set_refresh_token_validity(seconds(settings.refresh_token_lifetime))
            .token_validity_units(validity_units(settings));
        let answer = self.api.call(Operation::Create, Purpose::REGISTRATION, call.send()).await?;
        let client = answer.user_pool_client.filter(|client| client.client_id().is_some_and(|id| !id.is_empty()));
        client.ok_or_else(|| Failure::Broken("no client in the answer".to_owned()))
    }

    /// The whole description again: what is left out of a change, AWS resets. What an operator set in the pool stays.
    async fn replace(&self, current: UserPoolClientType, description: &Description) -> Result<(), Failure> {
        let client = self.api.client().await;
        let name = names::renamed(description.name.as_deref(), current.client_name().unwrap_or_default());
        let call = client
            .update_user_pool_client()
            .user_pool_id(self.api.pool())
            .set_client_id(current.client_id)
            .client_name(name)
            .set_callback_urls(Some(description.callback_urls.clone()))
            .set_logout_urls(Some(description.logout_urls.clone()))
            .set_allowed_o_auth_flows(Some(description.flows.clone()))
            .set_allowed_o_auth_scopes(Some(description.scopes.clone()))
            .allowed_o_auth_flows_user_pool_client(true)
            .set_supported_identity_providers(current.supported_identity_providers)
            .set_explicit_auth_flows(current.explicit_auth_flows)
            .set_prevent_user_existence_errors(current.prevent_user_existence_errors)
            .set_enable_token_revocation(current.enable_token_revocation)
            .set_access_token_validity(current.access_token_validity)
            .set_id_token_validity(current.id_token_validity)
            .set_refresh_token_validity(Some(current.refresh_token_validity).filter(|validity| *validity > 0))
            .set_token_validity_units(current.token_validity_units)
            .set_read_attributes(current.read_attributes)
            .set_write_attributes(current.write_attributes)
            .set_analytics_configuration(current.analytics_configuration)
            .set_enable_propagate_additional_user_context_data(current.enable_propagate_additional_user_context_data)
            .set_auth_session_validity(current.auth_session_validity)
            .set_refresh_token_rotation(current.refresh_token_rotation);
        self.api.call(Operation::Update, Purpose::MANAGEMENT, call.send()).await.map(drop)
    }
}

#[async_trait]
impl Registrar for Cognito {
    async fn register(
        &self,
        registration: &str,
        clearance: &Clearance,
        _own_authorization: Option<&Secret>,
    ) -> Result<Registered, RegisterError> {
        let description = Description::of(clearance);
        let end = Instant::now() + self.api.longest_call() * 2;
        let client = transport::until(end, self.make(registration, &description)).await?;
        let assigned = describe::assigned(&client);
        let client_id = client.client_id().unwrap_or_default().to_owned();
        let mut metadata = self.outgoing(clearance);
        metadata.extend(assigned);
        if let Some(secret) = describe::secret(&client).filter(|_| description.has_secret) {
            metadata.insert("client_secret".to_owned(), secret.expose().into());
            metadata.insert("client_secret_expires_at".to_owned(), 0.into());
        }
        let access = Some(ServerAccess::ByApi(client_id.clone()));
        Ok(Registered { client_id, metadata, access, redirect_uris_added: Vec::new(), scopes_added: Vec::new() })
    }

    /// Only an AWS credential could carry it, and that is the gateway's.
    async fn let_through(
        &self,
        _request: &LetThrough,
        _own_authorization: Option<&Secret>,
    ) -> Result<Registered, RegisterError> {
        Err(RegisterError::Refused {
            code: ErrorCode::InvalidClientMetadata,
            description: Some(NOT_LET_THROUGH.to_owned()),
        })
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    async fn read(&self, access: &ServerAccess) -> Result<Managed, ManageError> {
        let client = self.api.describe(Self::client_id(access)?, Purpose::MANAGEMENT).await?;
        let client_secret = describe::secret(&client);
        Ok(Managed { metadata: describe::members(&client), named: Named::Kept, access: None, client_secret })
    }

    async fn update(
        &self,
        access: &ServerAccess,
        client_id: &str,
        judged: &dyn Judged,
        _client_secret: Option<&Secret>,
    ) -> Result<Managed, ManageError> {
        let Some(clearance) = judged.clearance() else {
            let description = Some(NOT_LET_THROUGH.to_owned());
            return Err(ManageError::Refused { code: ErrorCode::InvalidClientMetadata, description });
        };
        self.put(access, client_id, &Description::of(clearance), self.outgoing(clearance)).await
    }

    async fn restate(&self, access: &ServerAccess, recorded: Recorded<'_>) -> Result<Managed, ManageError> {
        let description = Description::recorded(recorded);
        let metadata = self.dialect.restated(recorded);
        self.put(access, recorded.client_id, &description, metadata).await
    }

    async fn delete(&self, access: &ServerAccess) -> Result<(), ManageError> {
        Ok(self.api.delete(Self::client_id(access)?, Purpose::MANAGEMENT).await?)
    }
}

#[async_trait]
impl Administration for Cognito {
    async fn state(&self, client_id: &str) -> Result<AtTheServer, AdministrationError> {
        match self.api.describe(client_id, Purpose::ADMINISTRATION).await {
            Ok(_) => Ok(AtTheServer::Enabled),
            Err(Failure::NotFound(_)) => Ok(AtTheServer::Absent),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn disable(&self, _client_id: &str) -> Result<(), AdministrationError> {
        Err(AdministrationError::NotOffered)
    }

    async fn enable(&self, _client_id: &str) -> Result<(), AdministrationError> {
        Err(AdministrationError::NotOffered)
    }

    async fn grant(&self, _client_id: &str, _scopes: &ScopeSet) -> Result<(), AdministrationError> {
        Err(AdministrationError::NotOffered)
    }

    async fn delete(&self, client_id: &str) -> Result<(), AdministrationError> {
        Ok(self.api.delete(client_id, Purpose::ADMINISTRATION).await?)
    }

    async fn new_registration_access_token(&self, client_id: &str) -> Result<ServerAccess, AdministrationError> {
        Ok(ServerAccess::ByApi(client_id.to_owned()))
    }

    /// The pool lists names alone: each client is asked for, at the rate of the operation.
    async fn existing(&self, after: Option<&str>) -> Result<ExistingPage, AdministrationError> {
        let client = self.api.client().await;
        let call = client.list_user_pool_clients().user_pool_id(self.api.pool()).max_results(PAGE);
        let call = call.set_next_token(after.map(str::to_owned)).send();
        let page = self.api.call(Operation::ListClients, Purpose::ADMINISTRATION, call).await?;
        let mut clients = Vec::new();
        for listed in page.user_pool_clients() {
            // One that was deleted meanwhile is not there.
            clients.extend(self.existing_client(listed.client_id().unwrap_or_default()).await?);
        }
        Ok(ExistingPage { clients, next: page.next_token })
    }

    async fn existing_client(&self, client_id: &str) -> Result<Option<ExistingClient>, AdministrationError> {
        match self.api.describe(client_id, Purpose::ADMINISTRATION).await {
            Ok(client) => Ok(Some(describe::existing(&client))),
            Err(Failure::NotFound(_)) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// What `CreateUserPoolClient` would be sent, for people.
pub fn shown(settings: &CognitoSettings, clearance: &Clearance) -> Value {
    let description = Description::of(clearance);
    json!({
        "UserPoolId": settings.user_pool_id,
        "ClientName": names::client_name(description.name.as_deref(), "<registration>"),
        "GenerateSecret": description.has_secret,
        "CallbackURLs": description.callback_urls,
        "LogoutURLs": description.logout_urls,
        "AllowedOAuthFlows": description.flows.iter().map(|flow| flow.as_str()).collect::<Vec<_>>(),
        "AllowedOAuthScopes": description.scopes,
        "SupportedIdentityProviders": settings.identity_providers,
    })
}

fn seconds(lifetime: Option<DurationText>) -> Option<i32> {
    let seconds: Result<i32, TryFromIntError> = lifetime?.0.as_secs().try_into();
    seconds.ok()
}

/// The unit of what is set; AWS's own default has its own.
fn validity_units(settings: &CognitoSettings) -> TokenValidityUnitsType {
    let unit = |lifetime: Option<DurationText>| lifetime.map(|_| TimeUnitsType::Seconds);
    TokenValidityUnitsType::builder()
        .set_access_token(unit(settings.access_token_lifetime))
        .set_id_token(unit(settings.id_token_lifetime))
        .set_refresh_token(unit(settings.refresh_token_lifetime))
        .build()
}
