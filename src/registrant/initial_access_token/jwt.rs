//! Tokens that an issuer we trust has signed (RFC 7519, RFC 8725): for us, for registering, not older than it says, used once.

use std::time::Duration;

use serde_json::Value;

use super::settings::JwtIssuerSettings;
use super::{NotVerified, TokenRefusal, UnusableFile, bound_certificate, check_scope, holder};
use crate::clock::Timestamp;
use crate::fetch::{FetchClient, Target};
use crate::jose::{Algorithm, ClaimRules, Expiry};
use crate::registrant::issuer_keys::{FetchedKeys, IssuerKeys};
use crate::secret::Secret;

/// How far the issuer's clock may be off.
const LEEWAY: Duration = Duration::from_secs(30);

/// The longest `jti`, in bytes: it is kept until the token ends.
const LONGEST_ID: usize = 256;

/// A verified JWT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtToken {
    /// `iss`.
    pub issuer: String,
    /// `jti`.
    pub id: String,
    /// `sub`, or the client it was made for.
    pub holder: Option<String>,
    /// From then on it is refused whether it was used or not.
    pub refused_from: Timestamp,
    /// The profile that the issuer's tokens are for.
    pub profile: Option<String>,
    /// The client certificate it is bound to.
    pub certificate_thumbprint: Option<String>,
}

/// An issuer whose tokens let clients register.
pub struct JwtIssuer {
    name: String,
    keys: IssuerKeys,
    audience: String,
    required_scope: String,
    algorithms: Vec<Algorithm>,
    max_age: Duration,
    profile: Option<String>,
}

impl JwtIssuer {
    /// Reads the file of keys where one is named; fetches nothing yet.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn new(settings: &JwtIssuerSettings, client: &FetchClient) -> Result<Self, UnusableFile> {
        Ok(Self {
            name: settings.issuer.clone(),
            keys: keys(settings, client)?,
            audience: settings.audience.clone(),
            required_scope: settings.required_scope.clone(),
            algorithms: settings.algorithms.clone(),
            max_age: settings.max_age.0,
            profile: settings.profile.clone(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_for(&self, unverified_issuer: &str) -> bool {
        self.name == unverified_issuer
    }

    pub(super) fn remember(&self, earlier: &Self) {
        self.keys.remember(&earlier.keys);
    }

    pub(super) async fn verify(&self, token: &Secret, now: Timestamp) -> Result<JwtToken, NotVerified> {
        let claims = self.keys.signed_claims::<NotVerified>(token.expose(), &self.algorithms, now).await?;
        let rules = ClaimRules {
            issuer: &self.name,
            audience: Some(&self.audience),
            expiry: Expiry::Required,
            max_age: Some(self.max_age),
            leeway: LEEWAY,
        };
        let validity = rules.check(&claims, now).map_err(TokenRefusal::from)?;
        check_scope(&claims, &self.required_scope)?;
        let id = claims.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
        Ok(JwtToken {
            issuer: self.name.clone(),
            id: id.ok_or(TokenRefusal::WithoutId)?.to_owned(),
            holder: holder(&claims),
            refused_from: validity.refused_from.unwrap_or(now),
            profile: self.profile.clone(),
            certificate_thumbprint: bound_certificate(&claims)?,
        })
    }
}

fn keys(settings: &JwtIssuerSettings, client: &FetchClient) -> Result<IssuerKeys, UnusableFile> {
    match (&settings.jwks_file, &settings.jwks_url) {
        (Some(file), _) => IssuerKeys::read(file).map_err(|reason| UnusableFile { file: file.clone(), reason }),
        // The configuration was checked: there is one of the two, and the URL is good.
        (None, url) => {
            let url = url.as_deref().unwrap_or_default();
            let target =
                Target::configured(url).map_err(|reason| UnusableFile { file: url.to_owned().into(), reason })?;
            Ok(IssuerKeys::Fetched(FetchedKeys::new(settings.issuer.clone(), client.clone(), target)))
        }
    }
}
