//! The metadata of the façade (RFC 8414): the gateway is the issuer of the document, the pool's domain does the rest. Pure.
//! Not OpenID Connect Discovery: ID tokens carry Cognito's own issuer, so a client that compares would refuse them.

use serde_json::{Map, Value, json};

use super::settings::{CognitoSettings, TokenEndpointRoute};

/// Whose metadata.
#[derive(Debug, Clone, Copy)]
pub struct Facade<'f> {
    /// Where clients reach the gateway, without a slash at the end.
    pub public_url: &'f str,
    /// The pool's domain: scheme and host.
    pub domain: &'f str,
    /// The path of the gateway's registration endpoint.
    pub registration_path: &'f str,
    /// The same on the host that asks for client certificates (RFC 8705 §5).
    pub mtls_url: Option<&'f str>,
    /// The pool.
    pub settings: &'f CognitoSettings,
}

/// The document.
pub fn document(facade: &Facade<'_>) -> Map<String, Value> {
    let Facade { public_url, domain, registration_path, mtls_url, settings } = facade;
    let domain = domain.trim_end_matches('/');
    let tokens_at = match settings.token_endpoint {
        TokenEndpointRoute::Direct => domain,
        TokenEndpointRoute::Forwarded => public_url,
    };
    let document = json!({
        "issuer": public_url,
        "authorization_endpoint": format!("{domain}/oauth2/authorize"),
        "token_endpoint": format!("{tokens_at}/oauth2/token"),
        "revocation_endpoint": format!("{tokens_at}/oauth2/revoke"),
        "registration_endpoint": format!("{public_url}{registration_path}"),
        "jwks_uri": format!("{}/.well-known/jwks.json", settings.token_issuer()),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        // Cognito checks S256 and does not say so; clients must not go on where it is not said (OAuth 2.1, MCP).
        "code_challenge_methods_supported": ["S256"],
    });
    let mut members = match document {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    if let Some(mtls_url) = mtls_url {
        let aliases = json!({ "registration_endpoint": format!("{mtls_url}{registration_path}") });
        members.insert("mtls_endpoint_aliases".to_owned(), aliases);
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facade(settings: &CognitoSettings) -> Facade<'_> {
        Facade {
            public_url: "https://auth.example.com",
            domain: "https://acme.auth.eu-central-1.amazoncognito.com/",
            registration_path: "/register",
            mtls_url: None,
            settings,
        }
    }

    #[test]
    fn the_gateway_is_the_issuer_and_the_pool_does_the_rest() {
        let settings = serde_yaml::from_str("user_pool_id: eu-central-1_x").unwrap();
        let document = document(&facade(&settings));
        assert_eq!(document["issuer"], "https://auth.example.com");
        assert_eq!(document["registration_endpoint"], "https://auth.example.com/register");
        let domain = "https://acme.auth.eu-central-1.amazoncognito.com";
        assert_eq!(document["authorization_endpoint"], format!("{domain}/oauth2/authorize"));
        assert_eq!(document["token_endpoint"], format!("{domain}/oauth2/token"));
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        assert!(!document.contains_key("mtls_endpoint_aliases"));
        for member in ["id_token_signing_alg_values_supported", "userinfo_endpoint", "subject_types_supported"] {
            assert!(!document.contains_key(member), "{member} would promise OpenID Connect of another issuer");
        }
    }

    #[test]
    fn tokens_can_be_got_through_the_gateway() {
        let settings = serde_yaml::from_str("{user_pool_id: eu-central-1_x, token_endpoint: forwarded}").unwrap();
        let facade = Facade { mtls_url: Some("https://mtls.example.com"), ..facade(&settings) };
        let document = document(&facade);
        assert_eq!(document["token_endpoint"], "https://auth.example.com/oauth2/token");
        assert_eq!(document["revocation_endpoint"], "https://auth.example.com/oauth2/revoke");
        let alias = &document["mtls_endpoint_aliases"]["registration_endpoint"];
        assert_eq!(*alias, "https://mtls.example.com/register");
    }
}
