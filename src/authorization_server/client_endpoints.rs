//! The server's endpoints at which clients say who they are: token, pushed authorization requests, authorization. They are forwarded;
//! a client that the record has taken out of use is refused there. Pure.
//! Unlike the registration path they may be learned: one more of them can only mean that more is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::settings::Kind;
use super::spelling::fold;

/// What a client does at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientEndpoint {
    /// It gets tokens (RFC 6749 §3.2): what is answered 2xx there is a use of the client.
    Token,
    /// It begins something by itself: pushed authorization requests (RFC 9126), device authorization (RFC 8628), CIBA.
    BackChannel,
    /// Its user's browser begins an authorization (RFC 6749 §3.1): an answer is for people.
    Authorization,
}

impl ClientEndpoint {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Token, Self::BackChannel, Self::Authorization];

    /// As it is counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::BackChannel => "back_channel",
            Self::Authorization => "authorization",
        }
    }

    /// The members of the metadata that name such endpoints (RFC 8414 §2, RFC 9126 §5, RFC 8628 §4, CIBA §4).
    pub const METADATA: [(&'static str, Self); 5] = [
        ("token_endpoint", Self::Token),
        ("pushed_authorization_request_endpoint", Self::BackChannel),
        ("device_authorization_endpoint", Self::BackChannel),
        ("backchannel_authentication_endpoint", Self::BackChannel),
        ("authorization_endpoint", Self::Authorization),
    ];
}

/// The `authorization_server.client_endpoints` section: the endpoints at which clients that may not be used are
/// refused. Those of Keycloak and of a user pool are known, and those that the server's metadata name are added as soon as they are seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientEndpointSettings {
    /// Paths of token endpoints, beside those that are known.
    #[serde(default)]
    pub token: Vec<String>,
    /// Paths of other endpoints that clients call themselves, beside those that are known: pushed authorization requests, device authorization.
    #[serde(default)]
    pub back_channel: Vec<String>,
    /// Paths of authorization endpoints, beside those that are known.
    #[serde(default)]
    pub authorization: Vec<String>,
    /// What happens there while the store cannot say what became of a client. What was last heard of it still holds; one of which nothing was
    /// heard `forward` lets pass, and `refuse` answers 503. Default: forward, so that a store that is down logs nobody out.
    #[serde(default)]
    pub when_unavailable: WhenRecordUnavailable,
}

impl ClientEndpointSettings {
    /// The paths that are none: in which list, at which place.
    pub fn problems(&self) -> Vec<(&'static str, usize)> {
        let lists =
            [("token", &self.token), ("back_channel", &self.back_channel), ("authorization", &self.authorization)];
        let paths = lists.into_iter().flat_map(|(list, paths)| paths.iter().enumerate().map(move |at| (list, at)));
        paths.filter(|(_, (_, path))| !is_path(path)).map(|(list, (index, _))| (list, index)).collect()
    }
}

fn is_path(path: &str) -> bool {
    path.starts_with('/') && !path.contains(['?', '#'])
}

/// What happens to clients' requests while the record of clients cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenRecordUnavailable {
    /// They go to the server.
    #[default]
    Forward,
    /// 503.
    Refuse,
}

/// Endpoints that the server's metadata were seen to name. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct AdvertisedEndpoints(Arc<ArcSwap<BTreeMap<String, ClientEndpoint>>>);

impl AdvertisedEndpoints {
    /// Adds the endpoint at this path; false when it is there already.
    pub fn add(&self, path: &str, endpoint: ClientEndpoint) -> bool {
        let folded = fold(path);
        if self.0.load().get(&folded) == Some(&endpoint) {
            return false;
        }
        self.0.rcu(|known| {
            known
                .iter()
                .map(|(path, at)| (path.clone(), *at))
                .chain([(folded.clone(), endpoint)])
                .collect::<BTreeMap<_, _>>()
        });
        true
    }
}

/// All that are known, in the form in which spellings of a path are compared: what the server might read as one of them is one.
#[derive(Debug, Clone, Default)]
pub struct ClientEndpoints {
    known: BTreeMap<String, ClientEndpoint>,
    advertised: AdvertisedEndpoints,
}

impl ClientEndpoints {
    /// Those of a server of this kind, and those that the settings name. `issuer_path` is empty when the issuer has none.
    pub fn new(kind: Kind, issuer_path: &str, settings: &ClientEndpointSettings) -> Self {
        let of_kind = of_kind(kind).iter().map(|(path, endpoint)| (fold(&format!("{issuer_path}{path}")), *endpoint));
        let written = [
            (ClientEndpoint::Token, &settings.token),
            (ClientEndpoint::BackChannel, &settings.back_channel),
            (ClientEndpoint::Authorization, &settings.authorization),
        ];
        let written =
            written.into_iter().flat_map(|(endpoint, paths)| paths.iter().map(move |path| (fold(path), endpoint)));
        Self { known: of_kind.chain(written).collect(), advertised: AdvertisedEndpoints::default() }
    }

    /// The same, and whatever is or will be advertised.
    #[must_use]
    pub fn with_advertised(self, advertised: AdvertisedEndpoints) -> Self {
        Self { advertised, ..self }
    }

    /// The endpoint at a path that was folded.
    pub(super) fn at(&self, folded: &str) -> Option<ClientEndpoint> {
        self.known.get(folded).copied().or_else(|| self.advertised.0.load().get(folded).copied())
    }
}

/// Below the path of the issuer.
const fn of_kind(kind: Kind) -> &'static [(&'static str, ClientEndpoint)] {
    match kind {
        Kind::Keycloak => &[
            ("/protocol/openid-connect/token", ClientEndpoint::Token),
            ("/protocol/openid-connect/ext/par/request", ClientEndpoint::BackChannel),
            ("/protocol/openid-connect/auth/device", ClientEndpoint::BackChannel),
            ("/protocol/openid-connect/ext/ciba/auth", ClientEndpoint::BackChannel),
            ("/protocol/openid-connect/auth", ClientEndpoint::Authorization),
            // The same with another first page.
            ("/protocol/openid-connect/registrations", ClientEndpoint::Authorization),
        ],
        Kind::Cognito => &[
            ("/oauth2/token", ClientEndpoint::Token),
            ("/oauth2/authorize", ClientEndpoint::Authorization),
            ("/login", ClientEndpoint::Authorization),
        ],
        Kind::Rfc7591 => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_those_of_keycloak_and_those_that_are_written() {
        let settings = ClientEndpointSettings { token: vec!["/more/token".to_owned()], ..Default::default() };
        let endpoints = ClientEndpoints::new(Kind::Keycloak, "/realms/acme", &settings);
        let at = |path: &str| endpoints.at(&fold(path));
        assert_eq!(at("/realms/acme/protocol/openid-connect/token"), Some(ClientEndpoint::Token));
        assert_eq!(at("/realms/acme/protocol/openid-connect/ext/par/request"), Some(ClientEndpoint::BackChannel));
        assert_eq!(at("/realms/acme/protocol/openid-connect/auth"), Some(ClientEndpoint::Authorization));
        assert_eq!(at("/more/token"), Some(ClientEndpoint::Token));
        for other in ["/token/introspect", "/revoke", "/userinfo", "/certs"] {
            assert_eq!(at(&format!("/realms/acme/protocol/openid-connect{other}")), None, "{other}");
        }
        assert_eq!(at("/realms/other/protocol/openid-connect/token"), None);
    }

    #[test]
    fn a_user_pool_has_its_own() {
        let endpoints = ClientEndpoints::new(Kind::Cognito, "", &ClientEndpointSettings::default());
        assert_eq!(endpoints.at("/oauth2/token"), Some(ClientEndpoint::Token));
        assert_eq!(endpoints.at("/oauth2/authorize"), Some(ClientEndpoint::Authorization));
        assert_eq!(endpoints.at("/oauth2/userInfo"), None);
    }

    #[test]
    fn another_spelling_that_the_server_may_read_is_the_same_endpoint() {
        let endpoints = ClientEndpoints::new(Kind::Keycloak, "/realms/acme", &ClientEndpointSettings::default());
        for path in ["/realms/acme/protocol/openid-connect/%74oken", "/realms/acme/protocol/openid-connect;a=b/token/"]
        {
            assert_eq!(endpoints.at(&fold(path)), Some(ClientEndpoint::Token), "{path}");
        }
    }

    #[test]
    fn what_is_advertised_is_added_once_and_for_all_clones() {
        let advertised = AdvertisedEndpoints::default();
        let endpoints = ClientEndpoints::new(Kind::Rfc7591, "", &ClientEndpointSettings::default());
        let endpoints = endpoints.with_advertised(advertised.clone());
        assert_eq!(endpoints.at("/oauth/token"), None);
        assert!(advertised.add("/oauth/token", ClientEndpoint::Token));
        assert!(!advertised.add("/oauth/token", ClientEndpoint::Token));
        assert_eq!(endpoints.at("/oauth/token"), Some(ClientEndpoint::Token));
    }
}
