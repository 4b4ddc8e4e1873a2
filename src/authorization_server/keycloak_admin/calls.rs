//! How the admin API is called: with an access token of the gateway's, and what its answers mean.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::Value;

use super::KeycloakAdministration;
use crate::authorization_server::administration::AdministrationError;
use crate::authorization_server::answer;
use crate::authorization_server::credential::CredentialError;
use crate::authorization_server::transport::Purpose;
use crate::fetch::bearer;
use crate::secret::Secret;

impl KeycloakAdministration {
    /// One call; a second time with a fresh access token where the first one was not taken, because then nothing was done.
    pub(super) async fn call(
        &self,
        method: Method,
        uri: &str,
        body: Option<&Value>,
    ) -> Result<Response<Bytes>, AdministrationError> {
        let token = self.access_token().await?;
        let mut response = self.send(&method, uri, body, &token).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.credential.forget(&token);
            response = self.send(&method, uri, body, &self.access_token().await?).await?;
        }
        let quoted = || answer::quoted(response.status(), response.body());
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::UNAUTHORIZED => Err(AdministrationError::Credential(quoted())),
            StatusCode::FORBIDDEN => Err(AdministrationError::NotPermitted(quoted())),
            StatusCode::NOT_FOUND => Err(AdministrationError::NotFound),
            status if status.is_client_error() => Err(AdministrationError::Refused(quoted())),
            _ => Err(AdministrationError::Broken(quoted())),
        }
    }

    async fn access_token(&self) -> Result<Secret, AdministrationError> {
        let token = self.credential.get(self.transport.as_ref(), self.limits).await;
        token.map_err(|error| match error {
            CredentialError::Refused(_) => AdministrationError::Credential(error.to_string()),
            CredentialError::Unavailable(_) | CredentialError::RateLimited { .. } => {
                AdministrationError::Unreachable(error.to_string())
            }
        })
    }

    async fn send(
        &self,
        method: &Method,
        uri: &str,
        body: Option<&Value>,
        token: &Secret,
    ) -> Result<Response<Bytes>, AdministrationError> {
        let unsent = |error: String| AdministrationError::Unreachable(error);
        let authorization = bearer(token).map_err(|error| unsent(error.to_string()))?;
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .extension(Purpose::ADMINISTRATION)
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, authorization);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Bytes::from(body));
        let request = request.map_err(|error| unsent(error.to_string()))?;
        let sent = self.transport.send(request, self.limits).await;
        sent.map_err(|error| {
            error.told(AdministrationError::Unreachable, AdministrationError::TimedOut, AdministrationError::Broken)
        })
    }
}
