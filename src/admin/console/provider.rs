//! The OpenID Provider at which people sign in: its metadata, the exchange of a code, and what its ID token says (OpenID Connect Core 1.0
//! §3.1). Everything is fetched anew for each sign-in: people are few.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::settings::OpenIdSettings;
use crate::admin::caller::Caller;
use crate::admin::role::Role;
use crate::admin::settings::is_name;
use crate::clock::Timestamp;
use crate::fetch::{FetchClient, FetchRequest, Target, basic};
use crate::jose::{self, Algorithm, ClaimRules, Expiry, KeySet};
use crate::secret::Secret;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 256 * 1024;
/// How far the provider's clock may be off.
const LEEWAY: Duration = Duration::from_secs(30);
/// An ID token comes at once.
const MAX_AGE: Duration = Duration::from_secs(300);
/// The most roles that a session remembers; a longer list is cut.
const MOST_ROLES: usize = 16;

/// A provider, and the console's client there.
pub(in crate::admin) struct Provider {
    pub(super) settings: OpenIdSettings,
    secret: Option<Secret>,
    client: FetchClient,
}

/// The file with the client's secret cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("admin.sign_in.openid.client_secret_file {}: {reason}", file.display())]
pub struct SignInSecretError {
    file: PathBuf,
    reason: String,
}

/// Why nobody is signed in. For the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSignedIn {
    /// The provider was not reached, or what it answered is none of its answers.
    #[error("{0}")]
    Provider(String),
    /// The ID token is not good.
    #[error("the ID token: {0}")]
    Token(String),
    /// The person has none of the roles.
    #[error("{0} has none of the roles in admin.sign_in.openid.roles")]
    NoRole(String),
}

/// What only this sign-in knows.
pub(super) struct Attempt<'a> {
    pub(super) nonce: &'a str,
    pub(super) verifier: &'a str,
}

/// Somebody, as the provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    /// Those of the provider's roles that are roles here.
    pub(super) roles: Vec<String>,
}

/// What is used of the metadata (OpenID Connect Discovery 1.0 §3).
#[derive(Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl Provider {
    /// Reads the secret.
    pub(in crate::admin) fn new(settings: &OpenIdSettings, client: FetchClient) -> Result<Self, SignInSecretError> {
        let read =
            |file: &PathBuf| Secret::read(file).map_err(|reason| SignInSecretError { file: file.clone(), reason });
        let secret = settings.client_secret_file.as_ref().map(read).transpose()?;
        Ok(Self { settings: settings.clone(), secret, client })
    }

    /// The role of somebody whom the provider gives these; none: they are nobody here.
    pub(super) fn caller(&self, name: &str, roles: &[String]) -> Option<Caller> {
        let role: Role = roles.iter().filter_map(|role| self.settings.roles.get(role)).max().copied()?;
        Some(Caller { name: name.to_owned(), role })
    }

    fn redirect_uri(&self) -> String {
        format!("{}/console/callback", self.settings.console_url)
    }

    /// The metadata; its issuer is the one that was asked (§4.3).
    pub(super) async fn metadata(&self) -> Result<Metadata, NotSignedIn> {
        let url = format!("{}/.well-known/openid-configuration", self.settings.issuer.trim_end_matches('/'));
        let metadata: Metadata = self.json(&url, FetchRequest::get(LARGEST)).await?;
        if metadata.issuer != self.settings.issuer {
            return Err(NotSignedIn::Provider(format!("{url} is the metadata of {:?}", metadata.issuer)));
        }
        Ok(metadata)
    }

    /// Where the browser goes (§3.1.2.1), with PKCE (RFC 7636).
    pub(super) fn authorization_url(
        &self,
        metadata: &Metadata,
        state: &str,
        attempt: &Attempt<'_>,
    ) -> Result<String, NotSignedIn> {
        let bad = |reason| NotSignedIn::Provider(format!("authorization_endpoint {reason}"));
        let mut url = Target::configured(&metadata.authorization_endpoint).map_err(bad)?.url().clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect_uri())
            .append_pair("scope", "openid profile")
            .append_pair("state", state)
            .append_pair("nonce", attempt.nonce)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(attempt.verifier)))
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Exchanges the code (§3.1.3), and reads the ID token that comes for it.
    pub(super) async fn person(
        &self,
        code: &str,
        attempt: &Attempt<'_>,
        now: Timestamp,
    ) -> Result<Person, NotSignedIn> {
        let metadata = self.metadata().await?;
        let request = self.exchange(code, attempt)?;
        let tokens: Tokens = self.json(&metadata.token_endpoint, request).await?;
        let document: Map<String, Value> = self.json(&metadata.jwks_uri, FetchRequest::get(LARGEST)).await?;
        let keys = KeySet::from_json(&document).map_err(|error| NotSignedIn::Provider(error.to_string()))?;
        let claims = self.claims(&tokens.id_token, &keys, attempt.nonce, now)?;
        self.said(&claims)
    }

    fn exchange(&self, code: &str, attempt: &Attempt<'_>) -> Result<FetchRequest, NotSignedIn> {
        let mut request = FetchRequest { method: Method::POST, ..FetchRequest::get(LARGEST) };
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.redirect_uri())
            .append_pair("code_verifier", attempt.verifier);
        match self.secret.as_ref().map(|secret| basic(&self.settings.client_id, secret)) {
            Some(Some(value)) => {
                request.headers.insert(AUTHORIZATION, value);
            }
            Some(None) => return Err(NotSignedIn::Provider("the client's secret cannot be sent".to_owned())),
            None => {
                form.append_pair("client_id", &self.settings.client_id);
            }
        }
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = Bytes::from(form.finish());
        Ok(request)
    }

    /// The claims of a token that is the provider's, for us, new, and for this sign-in (§3.1.3.7).
    fn claims(
        &self,
        token: &str,
        keys: &KeySet,
        nonce: &str,
        now: Timestamp,
    ) -> Result<Map<String, Value>, NotSignedIn> {
        let bad = |reason: &dyn std::fmt::Display| NotSignedIn::Token(reason.to_string());
        let claims = jose::verify(token, keys, &Algorithm::ALL).map_err(|error| bad(&error))?;
        let client_id = self.settings.client_id.as_str();
        let rules = ClaimRules {
            issuer: &self.settings.issuer,
            audience: Some(client_id),
            expiry: Expiry::Required,
            max_age: Some(MAX_AGE),
            leeway: LEEWAY,
        };
        rules.check(&claims, now).map_err(|error| bad(&error))?;
        let has_others = matches!(claims.get("aud"), Some(Value::Array(several)) if several.len() > 1);
        match claims.get("azp") {
            None if has_others => return Err(bad(&"it is for others, too, and has no azp")),
            Some(party) if party != client_id => return Err(bad(&"its azp is another client")),
            _ => {}
        }
        if claims.get("nonce").and_then(Value::as_str) != Some(nonce) {
            return Err(bad(&"its nonce is another"));
        }
        Ok(claims)
    }

    fn said(&self, claims: &Map<String, Value>) -> Result<Person, NotSignedIn> {
        let claim = &self.settings.name_claim;
        let name = claims.get(claim).and_then(Value::as_str).filter(|name| is_name(name));
        let name = name.ok_or_else(|| NotSignedIn::Token(format!("its {claim} is no name for an operator")))?;
        let mut members = self.settings.roles_claim.iter();
        let first = members.next().and_then(|member| claims.get(member));
        let found = members.fold(first, |value, member| value?.get(member));
        let roles: Vec<String> = match found {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let known = roles.into_iter().filter(|role| self.settings.roles.contains_key(role));
        let roles: Vec<String> = known.take(MOST_ROLES).collect();
        if roles.is_empty() {
            Err(NotSignedIn::NoRole(name.to_owned()))
        } else {
            Ok(Person { name: name.to_owned(), roles })
        }
    }

    async fn json<T: DeserializeOwned>(&self, url: &str, mut request: FetchRequest) -> Result<T, NotSignedIn> {
        let bad = |reason: String| NotSignedIn::Provider(format!("{url}: {reason}"));
        let target = Target::configured(url).map_err(bad)?;
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let fetched = self.client.fetch(&target, request).await.map_err(|error| bad(error.to_string()))?;
        if fetched.status != StatusCode::OK {
            return Err(bad(format!("the answer was {}", fetched.status.as_u16())));
        }
        serde_json::from_slice(&fetched.body).map_err(|error| bad(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fetch::settings::FetchSettings;
    use crate::jose::signing::Signer;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    fn provider() -> Provider {
        let yaml = "{ issuer: https://sso.example, client_id: console, console_url: https://admin.example, \
                    roles_claim: [realm_access, roles], roles: { ops: approver, boss: administrator } }";
        let settings: OpenIdSettings = serde_yaml::from_str(yaml).unwrap();
        Provider::new(&settings, FetchClient::new(&FetchSettings::default()).unwrap()).unwrap()
    }

    fn good() -> Value {
        json!({
            "iss": "https://sso.example", "aud": "console", "exp": 1_700_000_060, "iat": 1_699_999_990, "nonce": "n",
            "preferred_username": "ada", "realm_access": { "roles": ["other", "ops"] },
        })
    }

    fn read(claims: &Value) -> Result<Person, NotSignedIn> {
        let (provider, signer) = (provider(), Signer::new(Algorithm::Es256, "a"));
        let keys = KeySet::parse(signer.jwks().to_string().as_bytes()).unwrap();
        let claims = provider.claims(&signer.sign(claims), &keys, "n", NOW)?;
        provider.said(&claims)
    }

    #[test]
    fn an_id_token_says_who_somebody_is_and_which_roles_they_have() {
        let person = read(&good()).unwrap();
        assert_eq!(person, Person { name: "ada".to_owned(), roles: vec!["ops".to_owned()] });
        let role = |roles: &[&str]| {
            let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
            provider().caller("ada", &roles).map(|caller| caller.role)
        };
        assert_eq!(role(&["ops"]), Some(Role::Approver));
        assert_eq!(role(&["boss", "ops"]), Some(Role::Administrator));
        assert_eq!(role(&["taken away"]), None);
    }

    #[test]
    fn a_token_for_another_sign_in_another_client_or_another_time_is_refused() {
        for (member, value) in [
            ("iss", json!("https://evil.example")),
            ("aud", json!("another")),
            ("aud", json!(["console", "another"])),
            ("azp", json!("another")),
            ("exp", json!(1_699_999_900)),
            ("iat", json!(1_699_990_000)),
            ("nonce", json!("m")),
            ("nonce", Value::Null),
            ("preferred_username", json!("gateway")),
            ("preferred_username", json!("a\nb")),
            ("preferred_username", json!(7)),
        ] {
            let mut claims = good();
            claims[member] = value;
            assert!(matches!(read(&claims), Err(NotSignedIn::Token(_))), "{claims}");
        }
        let keys = KeySet::parse(Signer::new(Algorithm::Es256, "a").jwks().to_string().as_bytes()).unwrap();
        let forged = Signer::new(Algorithm::Es256, "a").sign(&good());
        assert!(provider().claims(&forged, &keys, "n", NOW).is_err());
    }

    #[test]
    fn whoever_has_no_role_is_nobody() {
        for roles in [json!([]), json!(["other"]), json!({"ops": true}), Value::Null, json!("other")] {
            let mut claims = good();
            claims["realm_access"]["roles"] = roles;
            assert_eq!(read(&claims), Err(NotSignedIn::NoRole("ada".to_owned())), "{claims}");
        }
    }
}
