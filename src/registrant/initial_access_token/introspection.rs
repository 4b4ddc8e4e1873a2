//! Tokens that only their issuer can tell about: its introspection endpoint is asked (RFC 7662). What it said stays good for a
//! minute at most and never past the token's end; when it says nothing, nobody knows.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use lru::LruCache;
use serde_json::{Map, Value};

use super::settings::IntrospectionSettings;
use super::{NotVerified, TokenRefusal, bound_certificate, check_scope, holder};
use crate::clock::Timestamp;
use crate::fetch::{FetchClient, FetchRequest, Target, basic};
use crate::hexadecimal;
use crate::jose::{ClaimProblem, check_audience, numeric_date};
use crate::registration::json;
use crate::secret::Secret;
use crate::store::TokenHash;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 64 * 1024;

/// How long a good answer is good, at most: so long a revoked token may still pass.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many good answers are remembered.
const MOST_REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// A token that the endpoint vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntrospectedToken {
    /// The endpoint.
    pub endpoint: String,
    /// `sub`, or the client it was made for; a digest of the token where the endpoint names neither.
    pub holder: String,
    /// The profile that such tokens are for.
    pub profile: Option<String>,
    /// The client certificate it is bound to.
    pub certificate_thumbprint: Option<String>,
}

/// Asks the endpoint.
pub struct Introspector {
    client: FetchClient,
    endpoint: Target,
    authorization: HeaderValue,
    audience: String,
    required_scope: String,
    profile: Option<String>,
    remembered: Mutex<LruCache<TokenHash, Remembered>>,
}

#[derive(Clone)]
struct Remembered {
    token: Arc<IntrospectedToken>,
    since: Timestamp,
    /// The token's end, where that is told.
    expires_at: Option<Timestamp>,
}

impl Introspector {
    /// Asks with the gateway's own credential there.
    ///
    /// # Errors
    /// The end of a sentence that begins with the endpoint's place.
    pub fn new(settings: &IntrospectionSettings, secret: &Secret, client: FetchClient) -> Result<Self, String> {
        Ok(Self {
            client,
            endpoint: Target::configured(&settings.endpoint)?,
            authorization: basic(&settings.client_id, secret).ok_or("its credential fits into no header")?,
            audience: settings.audience.clone(),
            required_scope: settings.required_scope.clone(),
            profile: settings.profile.clone(),
            remembered: Mutex::new(LruCache::new(MOST_REMEMBERED)),
        })
    }

    pub(super) async fn verify(&self, token: &Secret, now: Timestamp) -> Result<Arc<IntrospectedToken>, NotVerified> {
        let hash = TokenHash::of(token);
        if let Some(known) = self.recall(&hash, now) {
            return Ok(known);
        }
        let claims = self.ask(token).await.map_err(NotVerified::Introspection)?;
        let expires_at = self.check(&claims, now)?;
        let verified = Arc::new(IntrospectedToken {
            endpoint: self.endpoint.url().to_string(),
            holder: holder(&claims).unwrap_or_else(|| hexadecimal::written(&hash.0)),
            profile: self.profile.clone(),
            certificate_thumbprint: bound_certificate(&claims)?,
        });
        self.remembered().put(hash, Remembered { token: verified.clone(), since: now, expires_at });
        Ok(verified)
    }

    fn recall(&self, hash: &TokenHash, now: Timestamp) -> Option<Arc<IntrospectedToken>> {
        let mut remembered = self.remembered();
        let known = remembered.get(hash)?;
        if known.since.lasts(REMEMBERED, now) && known.expires_at.is_none_or(|end| now < end) {
            return Some(known.token.clone());
        }
        remembered.pop(hash);
        None
    }

    /// Never held across an await.
    fn remembered(&self) -> std::sync::MutexGuard<'_, LruCache<TokenHash, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, token: &Secret) -> Result<Map<String, Value>, String> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token.expose())
            .append_pair("token_type_hint", "access_token")
            .finish();
        let request = FetchRequest {
            method: Method::POST,
            headers: HeaderMap::from_iter([
                (ACCEPT, HeaderValue::from_static("application/json")),
                (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
                (AUTHORIZATION, self.authorization.clone()),
            ]),
            body: Bytes::from(form),
            response_bytes: LARGEST,
        };
        let fetched = self.client.fetch(&self.endpoint, request).await.map_err(|error| error.to_string())?;
        if fetched.status != StatusCode::OK {
            return Err(format!("it answered {}", fetched.status.as_u16()));
        }
        let claims = json::parse(&fetched.body).map_err(|error| error.to_string())?;
        if claims.get("active").is_some_and(Value::is_boolean) {
            Ok(claims)
        } else {
            Err("it says no active".to_owned())
        }
    }

    /// RFC 7662 §2.2. The answer is the token's end, where it is told.
    fn check(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Option<Timestamp>, TokenRefusal> {
        if claims.get("active") != Some(&Value::Bool(true)) {
            return Err(TokenRefusal::Inactive);
        }
        let is_bearer = |kind: &Value| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
        if claims.get("token_type").is_some_and(|kind| !is_bearer(kind)) {
            return Err(TokenRefusal::BoundOtherwise);
        }
        check_audience(claims, &self.audience)?;
        check_scope(claims, &self.required_scope)?;
        let expires_at = numeric_date(claims, "exp")?;
        if expires_at.is_some_and(|expires_at| now >= expires_at) {
            return Err(TokenRefusal::Expired);
        }
        if numeric_date(claims, "nbf")?.is_some_and(|not_before| now < not_before) {
            return Err(ClaimProblem::NotYetValid.into());
        }
        Ok(expires_at)
    }
}
