//! The server's metadata (RFC 8414, OpenID Connect Discovery), made to lead through the gateway. Pure.
//! The issuer and everything else the server says of itself stay as they are.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value};

use super::client_endpoints::ClientEndpoint;
use crate::fetch::retry_after;
use crate::registration::json;

/// What the metadata is made to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewriting {
    /// The issuer the configuration names.
    pub issuer: String,
    /// The registration endpoint as clients see it.
    pub registration_endpoint: String,
    /// The registration endpoint on the host that asks for client certificates (RFC 8705 §5).
    pub mtls_registration_endpoint: Option<String>,
    /// The path of the registration endpoint at the server.
    pub registration_path: String,
    /// Whether clients may be told that the server takes client ID metadata documents, which no registration precedes.
    pub client_id_metadata_documents: super::settings::ClientIdMetadataDocuments,
}

/// A document as clients get it, and what the server's own said.
#[derive(Debug)]
pub struct Rewritten {
    /// The members to answer with.
    pub members: Map<String, Value>,
    /// The paths of other registration endpoints that the server advertises: ways round the gateway.
    pub advertised_elsewhere: BTreeSet<String>,
    /// The issuer of the document, when it is not the configured one: clients will refuse it.
    pub other_issuer: Option<String>,
    /// Paths of endpoints at which clients say who they are, as far as the gateway may be what answers there.
    pub client_endpoints: Vec<(String, ClientEndpoint)>,
}

/// How long an answer without a document asks to be waited for.
pub fn wait(answer: &Response<Bytes>) -> Option<Duration> {
    retry_after(answer.headers())
}

impl Rewriting {
    /// Rewrites a document.
    ///
    /// # Errors
    /// It is no JSON object, or not a strict one.
    pub fn apply(&self, document: &[u8]) -> Result<Rewritten, json::JsonError> {
        let mut members = json::parse(document)?;
        let other_issuer = match members.get("issuer").and_then(Value::as_str) {
            Some(issuer) if issuer == self.issuer => None,
            other => Some(other.unwrap_or_default().to_owned()),
        };
        let advertised = members.insert("registration_endpoint".to_owned(), self.registration_endpoint.as_str().into());
        // RFC 8414 §2.1: signed values take precedence over the plain ones, so ours would not be heard.
        members.remove("signed_metadata");
        if self.client_id_metadata_documents == super::settings::ClientIdMetadataDocuments::Refuse {
            members.remove("client_id_metadata_document_supported");
        }
        let client_endpoints = self.client_endpoints(&members);
        let alias = self.rewrite_mtls_alias(&mut members);
        let advertised = [advertised, alias].into_iter().flatten();
        let paths = advertised.filter_map(|url| url.as_str().map(path_of));
        let advertised_elsewhere = paths.filter(|path| *path != self.registration_path).collect();
        Ok(Rewritten { members, advertised_elsewhere, other_issuer, client_endpoints })
    }

    /// Those on a host that may be the gateway's; what is elsewhere does not come by.
    fn client_endpoints(&self, members: &Map<String, Value>) -> Vec<(String, ClientEndpoint)> {
        let origin = |url: &str| url::Url::parse(url).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
        let ours = [Some(&self.issuer), Some(&self.registration_endpoint), self.mtls_registration_endpoint.as_ref()];
        let ours: Vec<_> = ours.into_iter().flatten().filter_map(|url| origin(url)).collect();
        let aliases = members.get("mtls_endpoint_aliases").and_then(Value::as_object);
        let named = [Some(members), aliases].into_iter().flatten().flat_map(|members| {
            ClientEndpoint::METADATA
                .iter()
                .filter_map(|(name, endpoint)| Some((members.get(*name)?.as_str()?, *endpoint)))
        });
        let named = named.filter(|(url, _)| origin(url).is_some_and(|origin| ours.contains(&origin)));
        named.map(|(url, endpoint)| (path_of(url), endpoint)).collect()
    }

    /// The server's own alias would lead round the gateway, and is returned; the other aliases are none of ours.
    fn rewrite_mtls_alias(&self, members: &mut Map<String, Value>) -> Option<Value> {
        let aliases = members.entry("mtls_endpoint_aliases").or_insert_with(|| Map::new().into());
        let own = aliases.as_object_mut().and_then(|aliases| match &self.mtls_registration_endpoint {
            Some(endpoint) => aliases.insert("registration_endpoint".to_owned(), endpoint.as_str().into()),
            None => aliases.remove("registration_endpoint"),
        });
        if aliases.as_object().is_none_or(Map::is_empty) {
            members.remove("mtls_endpoint_aliases");
        }
        own
    }
}

/// The path of a URL; of a text that is none, the text itself, which is no path we know.
fn path_of(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.path().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::settings::ClientIdMetadataDocuments;
    use super::*;

    fn rewriting() -> Rewriting {
        Rewriting {
            issuer: "https://sso.example/realms/acme".into(),
            registration_endpoint: "https://sso.example/realms/acme/clients-registrations/openid-connect".into(),
            mtls_registration_endpoint: None,
            registration_path: "/realms/acme/clients-registrations/openid-connect".into(),
            client_id_metadata_documents: ClientIdMetadataDocuments::Refuse,
        }
    }

    fn apply(rewriting: &Rewriting, document: Value) -> Rewritten {
        rewriting.apply(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn only_what_leads_round_the_gateway_is_changed() {
        let rewritten = apply(
            &rewriting(),
            json!({
                "issuer": "https://sso.example/realms/acme",
                "token_endpoint": "https://sso.example/realms/acme/token",
                "registration_endpoint": "http://keycloak:8080/realms/acme/clients-registrations/openid-connect",
                "signed_metadata": "ey…",
                "client_id_metadata_document_supported": true,
                "mtls_endpoint_aliases": {"token_endpoint": "https://mtls/t", "registration_endpoint": "https://mtls/r"}
            }),
        );
        let expected = json!({
            "issuer": "https://sso.example/realms/acme",
            "token_endpoint": "https://sso.example/realms/acme/token",
            "registration_endpoint": "https://sso.example/realms/acme/clients-registrations/openid-connect",
            "mtls_endpoint_aliases": {"token_endpoint": "https://mtls/t"}
        });
        assert_eq!(Value::Object(rewritten.members), expected);
        assert_eq!((rewritten.advertised_elsewhere, rewritten.other_issuer), (["/r".to_owned()].into(), None));
    }

    #[test]
    fn with_an_mtls_host_its_endpoint_is_an_alias_of_its_own() {
        let endpoint = "https://mtls.sso.example/register";
        let rewriting = Rewriting { mtls_registration_endpoint: Some(endpoint.into()), ..rewriting() };
        let rewritten = apply(&rewriting, json!({"issuer": "https://sso.example/realms/acme"}));
        assert_eq!(rewritten.members["mtls_endpoint_aliases"], json!({"registration_endpoint": endpoint}));
    }

    #[test]
    fn endpoints_of_clients_are_told_where_the_gateway_may_answer() {
        let mtls = Some("https://mtls.sso.example/register".to_owned());
        let rewriting = Rewriting { mtls_registration_endpoint: mtls, ..rewriting() };
        let rewritten = apply(
            &rewriting,
            json!({
                "token_endpoint": "https://sso.example/token",
                "authorization_endpoint": "https://login.example/authorize",
                "pushed_authorization_request_endpoint": "https://sso.example/par",
                "mtls_endpoint_aliases": {"token_endpoint": "https://mtls.sso.example/mtls/token"},
            }),
        );
        let expected = [
            ("/token".to_owned(), ClientEndpoint::Token),
            ("/par".to_owned(), ClientEndpoint::BackChannel),
            ("/mtls/token".to_owned(), ClientEndpoint::Token),
        ];
        assert_eq!(rewritten.client_endpoints, expected);
    }

    #[test]
    fn another_endpoint_of_the_server_is_reported_wherever_it_stands() {
        let alias = |url: &str| json!({"registration_endpoint": url});
        let rewritten = apply(
            &rewriting(),
            json!({
                "registration_endpoint": "https://sso.example/register",
                "mtls_endpoint_aliases": alias("https://mtls.sso.example/mtls/register"),
            }),
        );
        let elsewhere = ["/mtls/register".to_owned(), "/register".to_owned()];
        assert_eq!(rewritten.advertised_elsewhere, elsewhere.into());
        assert_eq!(rewritten.members["registration_endpoint"], rewriting().registration_endpoint);
        let same = format!("https://mtls.keycloak{}", rewriting().registration_path);
        let rewritten = apply(&rewriting(), json!({"mtls_endpoint_aliases": alias(&same)}));
        assert_eq!(rewritten.advertised_elsewhere, BTreeSet::new());
    }

    #[test]
    fn another_issuer_is_reported_and_left_as_it_is() {
        let rewritten = apply(&rewriting(), json!({"issuer": "http://keycloak:8080/realms/acme"}));
        assert_eq!(rewritten.other_issuer.as_deref(), Some("http://keycloak:8080/realms/acme"));
        assert_eq!(rewritten.members["issuer"], "http://keycloak:8080/realms/acme");
    }

    #[test]
    fn client_id_metadata_documents_are_left_where_they_are_allowed() {
        let allowed = ClientIdMetadataDocuments::Forward;
        let rewriting = Rewriting { client_id_metadata_documents: allowed, ..rewriting() };
        let rewritten = apply(&rewriting, json!({"client_id_metadata_document_supported": true}));
        assert_eq!(rewritten.members["client_id_metadata_document_supported"], true);
    }
}
