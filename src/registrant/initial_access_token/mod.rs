//! Initial access tokens (RFC 7591 §3) in all their forms: issued here, signed by an issuer we trust (JWT), or known to an
//! introspection endpoint. One text belongs to one form; what is invalid there is refused, never tried elsewhere.

mod bearer;
mod introspection;
mod issued;
mod jwt;
mod settings;
mod verified;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use bearer::{AuthorizationHeader, bearer};
pub use introspection::{IntrospectedToken, Introspector};
pub use issued::{CertificateThumbprint, NewToken, NewlyIssued, NotIssued, PREFIX, TokenRandomness, issue};
pub use jwt::{JwtIssuer, JwtToken};
pub use settings::{InitialAccessTokenSettings, IntrospectionSettings, IssuedTokenSettings, JwtIssuerSettings};
pub use verified::VerifiedToken;

use super::issuer_keys::KeysUnavailable;
use crate::clock::Timestamp;
use crate::fetch::FetchClient;
use crate::hexadecimal;
use crate::jose::{self, ClaimProblem, JoseError};
use crate::secret::Secret;
use crate::store::{InitialAccessTokens, StoreError, TokenId, TokenUnusable};

/// Why a token that was presented is not accepted. To an unauthenticated caller all of them are 401 `invalid_token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// Not the form of a token that is verified here.
    #[error("the initial access token is malformed")]
    Malformed,
    /// The form is right, but no such token was made.
    #[error("the initial access token is unknown")]
    Unknown,
    /// Past its expiry.
    #[error("the initial access token has expired")]
    Expired,
    /// Every use is spent or reserved.
    #[error("the initial access token has no uses left")]
    Spent,
    /// Revoked by an operator.
    #[error("the initial access token was revoked")]
    Revoked,
    /// The issuer's keys did not sign it.
    #[error("the initial access token is not verified: {0}")]
    NotSigned(#[from] JoseError),
    /// Its claims do not hold.
    #[error("the initial access token's claims do not hold: {0}")]
    Claims(#[from] ClaimProblem),
    /// The introspection endpoint knows nothing good of it.
    #[error("the initial access token is not active")]
    Inactive,
    /// Its scope is for something else.
    #[error("the initial access token does not have the required scope")]
    WithoutScope,
    /// A signed token without a `jti` that it could be remembered by.
    #[error("the initial access token has no usable jti")]
    WithoutId,
    /// It is bound to a key in a way that is not verified here (RFC 7800).
    #[error("the initial access token is bound to a key that cannot be proven here")]
    BoundOtherwise,
    /// It is bound to a client certificate, and another one or none was presented (RFC 8705 §3).
    #[error("the initial access token is bound to another client certificate")]
    CertificateUnmet,
}

impl TokenRefusal {
    /// It was good once.
    pub const fn is_past_its_time(self) -> bool {
        matches!(self, Self::Expired | Self::Claims(ClaimProblem::Expired | ClaimProblem::TooOld))
    }

    /// It may be good, but not for registering here.
    pub fn is_for_something_else(self) -> bool {
        matches!(self, Self::WithoutScope | Self::Claims(ClaimProblem::Audience | ClaimProblem::Missing("aud")))
    }
}

impl From<TokenUnusable> for TokenRefusal {
    fn from(unusable: TokenUnusable) -> Self {
        match unusable {
            TokenUnusable::Expired => Self::Expired,
            TokenUnusable::Spent => Self::Spent,
            TokenUnusable::Revoked => Self::Revoked,
        }
    }
}

/// Why there is no verified token.
#[derive(Debug, thiserror::Error)]
pub enum NotVerified {
    /// The token is not good.
    #[error(transparent)]
    Refused(#[from] TokenRefusal),
    /// It is one of the gateway's own, of this name, and not good any more.
    #[error("{1}")]
    Unusable(TokenId, TokenRefusal),
    /// Nobody knows: the store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody knows: the issuer's keys cannot be had.
    #[error(transparent)]
    Keys(#[from] KeysUnavailable),
    /// Nobody knows: the introspection endpoint did not answer as one.
    #[error("the introspection endpoint gave no answer: {0}")]
    Introspection(String),
}

impl From<JoseError> for NotVerified {
    fn from(error: JoseError) -> Self {
        TokenRefusal::from(error).into()
    }
}

/// A file that the section names and that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct UnusableFile {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Who vouches for tokens.
#[derive(Default)]
pub struct Verifiers {
    issuers: Vec<JwtIssuer>,
    introspection: Option<Introspector>,
}

impl Verifiers {
    /// Verifies by the issuers of the settings; `introspection` is ready with its secret.
    ///
    /// # Errors
    /// A file of keys that cannot be used.
    pub fn new(
        settings: &InitialAccessTokenSettings,
        client: &FetchClient,
        introspection: Option<Introspector>,
    ) -> Result<Self, UnusableFile> {
        let issuers: Result<_, _> = settings.jwt.iter().map(|issuer| JwtIssuer::new(issuer, client)).collect();
        Ok(Self { issuers: issuers?, introspection })
    }

    /// Takes over the keys that `earlier` fetched: a reload forgets nothing.
    pub fn remember(&self, earlier: &Self) {
        for issuer in &self.issuers {
            if let Some(earlier) = earlier.issuers.iter().find(|earlier| earlier.is_for(issuer.name())) {
                issuer.remember(earlier);
            }
        }
    }

    /// Verifies a token at `now`. What begins as the gateway's own is only ever one of those; a JWT that names a configured issuer
    /// goes to that issuer's keys; anything else to introspection, where there is one. Nothing is reserved: that is
    /// [`crate::store::Registrations::begin`]'s, atomically.
    ///
    /// # Errors
    /// It is not good, or nobody knows.
    pub async fn verify<S>(&self, store: &S, token: &Secret, now: Timestamp) -> Result<VerifiedToken, NotVerified>
    where
        S: InitialAccessTokens + ?Sized,
    {
        if token.expose().starts_with(PREFIX) {
            return Ok(VerifiedToken::Issued(issued::verify(store, token, now).await?));
        }
        if let Some(issuer) = self.issuer_of(token) {
            return Ok(VerifiedToken::Jwt(Arc::new(issuer.verify(token, now).await?)));
        }
        match &self.introspection {
            Some(introspector) => Ok(VerifiedToken::Introspected(introspector.verify(token, now).await?)),
            None => Err(TokenRefusal::Malformed.into()),
        }
    }

    fn issuer_of(&self, token: &Secret) -> Option<&JwtIssuer> {
        let unverified = jose::unverified_claims(token.expose()).ok()?;
        let unverified_issuer = unverified.get("iss")?.as_str()?;
        self.issuers.iter().find(|issuer| issuer.is_for(unverified_issuer))
    }
}

/// Whether the scope that is required is in `scope` (RFC 9068 §2.2.3, RFC 7662 §2.2), or in what some issuers have in its place:
/// `scp`, a text of the same form or an array.
fn check_scope(claims: &Map<String, Value>, required: &str) -> Result<(), TokenRefusal> {
    let holds = |scope: &str| scope.split(' ').any(|one| one == required);
    let is_there = match (claims.get("scope"), claims.get("scp")) {
        (Some(scope), _) => scope.as_str().is_some_and(holds),
        (None, Some(Value::Array(scopes))) => scopes.iter().any(|one| one == required),
        (None, scp) => scp.and_then(Value::as_str).is_some_and(holds),
    };
    if is_there { Ok(()) } else { Err(TokenRefusal::WithoutScope) }
}

/// The thumbprint, in lower-case hexadecimal, of the client certificate that a token is bound to (RFC 8705 §3.1). A token that
/// is bound in another way must not pass for a bearer token (RFC 9449 §7.2).
fn bound_certificate(claims: &Map<String, Value>) -> Result<Option<String>, TokenRefusal> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let Some(confirmation) = claims.get("cnf") else { return Ok(None) };
    let members = confirmation.as_object().filter(|members| members.len() == 1);
    let thumbprint = members.and_then(|members| members.get("x5t#S256")).and_then(Value::as_str);
    let octets = thumbprint.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).filter(|octets| octets.len() == 32);
    octets.map(|octets| Some(hexadecimal::written(&octets))).ok_or(TokenRefusal::BoundOtherwise)
}

/// Who holds a token: its subject, or the client it was made for.
fn holder(claims: &Map<String, Value>) -> Option<String> {
    let text = |name| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text("sub").or_else(|| text("client_id")).or_else(|| text("azp")).map(str::to_owned)
}

#[cfg(test)]
mod tests;
