//! A token that was verified, whatever its form: whom it is for, what it counts as, what a registration reserves of it.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::TokenRefusal;
use super::introspection::IntrospectedToken;
use super::jwt::JwtToken;
use crate::hexadecimal;
use crate::policy::{CertificateIdentity, PresentedToken};
use crate::registration::excerpt::Excerpt;
use crate::store::{IssuedToken, TokenUse};

/// A verified initial access token.
#[derive(Debug, Clone)]
pub enum VerifiedToken {
    /// Made here.
    Issued(IssuedToken),
    /// Signed by a configured issuer.
    Jwt(Arc<JwtToken>),
    /// The introspection endpoint vouches for it.
    Introspected(Arc<IntrospectedToken>),
}

impl VerifiedToken {
    /// The profile it was made for; none: every profile that takes tokens.
    pub fn profile(&self) -> Option<&str> {
        match self {
            Self::Issued(token) => Some(&token.profile),
            Self::Jwt(token) => token.profile.as_deref(),
            Self::Introspected(token) => token.profile.as_deref(),
        }
    }

    /// What a profile's `match` may see of it.
    pub fn presented(&self) -> PresentedToken<'_> {
        self.profile().map_or(PresentedToken::ForAnyProfile, PresentedToken::ForProfile)
    }

    /// What its attempts and registrations are counted by: an issued token itself, of the others whoever holds it.
    pub fn source(&self) -> String {
        match self {
            Self::Issued(token) => token.id.0.clone(),
            Self::Jwt(token) => digest(&token.issuer, token.holder.as_deref().unwrap_or_default()),
            Self::Introspected(token) => digest(&token.endpoint, &token.holder),
        }
    }

    /// What it is called in traces and records. Says nothing that could be presented.
    pub fn label(&self) -> String {
        match self {
            Self::Issued(token) => token.id.0.clone(),
            Self::Jwt(token) => match &token.holder {
                Some(holder) => format!("{} of {}", Excerpt(holder), token.issuer),
                None => format!("{} of {}", Excerpt(&token.id), token.issuer),
            },
            Self::Introspected(token) => format!("{} of {}", Excerpt(&token.holder), token.endpoint),
        }
    }

    /// What people call it in lists of registrations: the label it was made with, or who holds it.
    pub fn name_for_people(&self) -> String {
        match self {
            Self::Issued(token) => token.label.clone().unwrap_or_else(|| token.id.0.clone()),
            Self::Jwt(_) | Self::Introspected(_) => self.label(),
        }
    }

    /// What a registration reserves of it; none: it may be used as often as it is active.
    pub fn reservation(&self) -> Option<TokenUse> {
        match self {
            Self::Issued(token) => Some(TokenUse::Issued(token.id.clone())),
            Self::Jwt(token) => {
                Some(TokenUse::Once { issuer: token.issuer.clone(), id: token.id.clone(), until: token.refused_from })
            }
            Self::Introspected(_) => None,
        }
    }

    /// Whether the client certificate it is bound to was presented.
    ///
    /// # Errors
    /// [`TokenRefusal::CertificateUnmet`].
    pub fn check_binding(&self, certificate: Option<&CertificateIdentity>) -> Result<(), TokenRefusal> {
        let bound = match self {
            Self::Issued(token) => token.certificate_thumbprint.as_deref(),
            Self::Jwt(token) => token.certificate_thumbprint.as_deref(),
            Self::Introspected(token) => token.certificate_thumbprint.as_deref(),
        };
        match bound {
            Some(bound) if certificate.is_none_or(|certificate| certificate.thumbprint != bound) => {
                Err(TokenRefusal::CertificateUnmet)
            }
            _ => Ok(()),
        }
    }
}

/// Short, the same for the same holder, and nobody else's.
fn digest(issuer: &str, holder: &str) -> String {
    let mut hash = Sha256::new();
    hash.update((issuer.len() as u64).to_be_bytes());
    hash.update(issuer);
    hash.update(holder);
    hexadecimal::written(&hash.finalize()[..16])
}
