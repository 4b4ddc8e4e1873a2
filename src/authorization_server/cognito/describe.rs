//! A client as Cognito has it: what a clearance becomes there, and what the pool's description says in the members of RFC 7591. Pure.

use aws_sdk_cognitoidentityprovider::types::{OAuthFlowType, UserPoolClientType};
use serde_json::{Map, Value};

use super::names;
use crate::authorization_server::{ExistingClient, Origin, Recorded, ServerAccess};
use crate::clock::Timestamp;
use crate::policy::Clearance;
use crate::registration::{ScopeSet, json, members};
use crate::secret::Secret;

/// The members that are registered: those that the pool has a place for, and those that only describe the client and that the
/// gateway's record keeps. What Cognito would not do (keys, algorithms, logout channels) is left out, so nobody is told that it was registered.
pub(in crate::authorization_server) const MEMBERS: &[&str] = &[
    "redirect_uris",
    "post_logout_redirect_uris",
    "grant_types",
    "response_types",
    "token_endpoint_auth_method",
    "application_type",
    "client_name",
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "contacts",
    "software_id",
    "software_version",
    "scope",
];

/// What of an app client follows from a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) name: Option<String>,
    pub(super) has_secret: bool,
    pub(super) callback_urls: Vec<String>,
    pub(super) logout_urls: Vec<String>,
    pub(super) flows: Vec<OAuthFlowType>,
    pub(super) scopes: Vec<String>,
}

impl Description {
    pub(super) fn of(clearance: &Clearance) -> Self {
        let uris = clearance.redirect_uris().iter().map(|uri| uri.as_str().to_owned()).collect();
        Self::made(clearance.metadata(), uris, &clearance.scopes().granted)
    }

    /// Of a client in the record.
    pub(super) fn recorded(recorded: Recorded<'_>) -> Self {
        Self::made(recorded.metadata, owned(recorded.metadata, "redirect_uris"), recorded.scopes)
    }

    fn made(metadata: &Map<String, Value>, callback_urls: Vec<String>, scopes: &ScopeSet) -> Self {
        let grants = members::registered(metadata, "grant_types");
        let has = |grant: &str| grants.iter().filter_map(Value::as_array).flatten().any(|it| it == grant);
        let all =
            [("authorization_code", OAuthFlowType::Code), ("client_credentials", OAuthFlowType::ClientCredentials)];
        let flows = all.into_iter().filter_map(|(grant, flow)| has(grant).then_some(flow)).collect();
        Self {
            name: json::text_of(metadata, "client_name").map(str::to_owned),
            has_secret: json::text_of(metadata, "token_endpoint_auth_method") != Some("none"),
            callback_urls,
            logout_urls: owned(metadata, "post_logout_redirect_uris"),
            flows,
            scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        }
    }
}

/// What the pool says of a client, in the members of RFC 7591, of those that it has a place for. Its name is the pool's own.
pub(super) fn members(client: &UserPoolClientType) -> Map<String, Value> {
    let mut members = assigned(client);
    members.insert("redirect_uris".to_owned(), client.callback_urls().to_vec().into());
    members.insert("scope".to_owned(), client.allowed_o_auth_scopes().join(" ").into());
    if !client.logout_urls().is_empty() {
        members.insert("post_logout_redirect_uris".to_owned(), client.logout_urls().to_vec().into());
    }
    members
}

/// A client as it is in the pool, whoever made it.
pub(super) fn existing(client: &UserPoolClientType) -> ExistingClient {
    let client_id = client.client_id().unwrap_or_default().to_owned();
    let mut metadata = members(client);
    metadata.retain(|name, _| !matches!(name.as_str(), "client_id" | "client_id_issued_at"));
    let has = |flow: &OAuthFlowType| client.allowed_o_auth_flows().contains(flow);
    let (code, implicit) = (has(&OAuthFlowType::Code), has(&OAuthFlowType::Implicit));
    let grants = [
        (code, "authorization_code"),
        (code || implicit, "refresh_token"),
        (implicit, "implicit"),
        (has(&OAuthFlowType::ClientCredentials), "client_credentials"),
    ];
    let on = |list: &[(bool, &'static str)]| -> Vec<&'static str> {
        list.iter().filter_map(|(is_on, name)| is_on.then_some(*name)).collect()
    };
    metadata.insert("grant_types".to_owned(), on(&grants).into());
    metadata.insert("response_types".to_owned(), on(&[(code, "code"), (implicit, "token")]).into());
    let method = if secret(client).is_some() { "client_secret_basic" } else { "none" };
    metadata.insert("token_endpoint_auth_method".to_owned(), method.into());
    let name = client.client_name().unwrap_or_default();
    metadata.insert("client_name".to_owned(), name.into());
    ExistingClient {
        metadata,
        created_at: client.creation_date().map(|at| Timestamp::from_unix_millis(at.secs().saturating_mul(1000))),
        // Cognito disables nobody.
        is_enabled: true,
        // The name is the only thing that tells, and only of those that a gateway made.
        origin: if names::is_marked(name) { Origin::Registration } else { Origin::Unknown },
        access: Some(ServerAccess::ByApi(client_id.clone())),
        client_id,
    }
}

/// What Cognito assigned: the identifier, and when.
pub(super) fn assigned(client: &UserPoolClientType) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("client_id".to_owned(), client.client_id().unwrap_or_default().into());
    if let Some(created) = client.creation_date() {
        members.insert("client_id_issued_at".to_owned(), created.secs().into());
    }
    members
}

/// The secret, where the client has one.
pub(super) fn secret(client: &UserPoolClientType) -> Option<Secret> {
    client.client_secret().filter(|secret| !secret.is_empty()).map(Secret::new)
}

fn owned(members: &Map<String, Value>, name: &str) -> Vec<String> {
    json::texts_of(members, name).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_client_that_has_no_grant_is_given_none() {
        for (metadata, flows) in [
            (json!({}), vec![OAuthFlowType::Code]),
            (json!({"grant_types": []}), vec![]),
            (json!({"grant_types": ["client_credentials", "refresh_token"]}), vec![OAuthFlowType::ClientCredentials]),
        ] {
            let metadata = metadata.as_object().unwrap();
            let (client_id, scopes, client_secret) = ("c", &ScopeSet::default(), None);
            let described = Description::recorded(Recorded { client_id, metadata, scopes, client_secret });
            assert_eq!(described.flows, flows, "{metadata:?}");
        }
    }
}
