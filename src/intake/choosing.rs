//! Which profile applies, and whether what it requires was presented. The same for a request and for one that is only looked at again. Pure.

use super::reason::Reason;
use crate::policy::profile::Requirement;
use crate::policy::{self, Choice, Presented, PresentedToken, Profile};

/// The profile that fits what was presented. RFC 6750 §3.1: what is missing is 401, what cannot be mended by a token 403.
pub(super) fn fitting<'p>(profiles: &'p [Profile], presented: &Presented<'_>) -> Result<&'p Profile, Reason> {
    match policy::choose(profiles, presented) {
        Choice::Profile(profile) => Ok(profile),
        Choice::CredentialMissing { initial_access_token: true } => Err(Reason::TokenRequired),
        Choice::CredentialMissing { initial_access_token: false } => Err(Reason::CertificateRequired),
        Choice::TokenDoesNotFit => Err(Reason::TokenProfileUnmet),
        Choice::NoneFits => Err(Reason::ProfileNone),
    }
}

/// A credential that the profile requires and that was not presented.
pub(super) fn missing(profile: &Profile, presented: &Presented<'_>) -> Option<Reason> {
    if profile.requires_token() && presented.initial_access_token == PresentedToken::None {
        return Some(Reason::TokenRequired);
    }
    let needs_certificate = profile.client_certificate() == Requirement::Required && presented.certificate.is_none();
    needs_certificate.then_some(Reason::CertificateRequired)
}
