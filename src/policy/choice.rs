//! Which profile applies to whom.

use super::certificate_match::Certificate;
use super::presented::{Presented, PresentedToken};
use super::profile::{Profile, Requirement};

/// Which profile applies.
#[derive(Debug, Clone, Copy)]
pub enum Choice<'a> {
    /// This one. What it requires ([`Profile::requires_token`], [`Profile::client_certificate`]) is not looked at yet.
    Profile(&'a Profile),
    /// None fits what was presented; another credential could make one fit. 401, before the body is read.
    CredentialMissing {
        /// A profile would fit if an initial access token for it were presented.
        initial_access_token: bool,
    },
    /// No profile that the initial access token is for fits: an address or a certificate it is not for, or the profile is no
    /// longer configured. No profile that ignores tokens is looked at. 403.
    TokenDoesNotFit,
    /// None fits, and nothing that could be presented would change that. 403.
    NoneFits,
}

/// Chooses the first profile whose `match` fits. A token that was presented is never ignored: only the profile it was made for,
/// or one that takes tokens, may be chosen.
pub fn choose<'a>(profiles: &'a [Profile], presented: &Presented<'_>) -> Choice<'a> {
    let certificate = presented.certificate.map(Certificate::of);
    let fits = |profile: &Profile| fits(profile, presented, certificate.as_ref());
    let is_for = |profile: &Profile| match presented.initial_access_token {
        PresentedToken::None => true,
        PresentedToken::ForProfile(name) => profile.name() == name,
        PresentedToken::ForAnyProfile => profile.initial_access_token() != Requirement::Off,
    };
    if presented.initial_access_token != PresentedToken::None {
        return match profiles.iter().find(|profile| is_for(profile) && fits(profile)) {
            Some(profile) => Choice::Profile(profile),
            None => Choice::TokenDoesNotFit,
        };
    }
    if let Some(profile) = profiles.iter().find(|profile| fits(profile)) {
        return Choice::Profile(profile);
    }
    let reachable = || profiles.iter().filter(|profile| profile.matches().fits_network(presented.address));
    let token_would_do = |profile: &Profile| profile.matches().initial_access_token == Some(true);
    let initial_access_token =
        reachable().any(|profile| token_would_do(profile) && profile.matches().fits_certificate(certificate.as_ref()));
    let client_certificate =
        presented.certificate.is_none() && reachable().any(|profile| profile.matches().names_a_certificate());
    if initial_access_token || client_certificate {
        Choice::CredentialMissing { initial_access_token }
    } else {
        Choice::NoneFits
    }
}

fn fits(profile: &Profile, presented: &Presented<'_>, certificate: Option<&Certificate<'_>>) -> bool {
    let has_token = presented.initial_access_token != PresentedToken::None;
    profile.matches().initial_access_token.is_none_or(|wanted| wanted == has_token)
        && profile.matches().fits_network(presented.address)
        && profile.matches().fits_certificate(certificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::presented::CertificateIdentity;
    use crate::policy::settings::ProfileSettings;

    fn profiles(yaml: &str) -> Vec<Profile> {
        let settings: Vec<ProfileSettings> = serde_yaml::from_str(yaml).unwrap();
        settings.iter().map(|settings| Profile::compile(settings).unwrap()).collect()
    }

    fn identity(issuer: &str) -> CertificateIdentity {
        CertificateIdentity {
            subject: "CN=client,O=Partner".to_owned(),
            issuer: issuer.to_owned(),
            serial: "01".to_owned(),
            san_dns: vec!["api.partner.example".to_owned()],
            san_uri: vec!["spiffe://partner.example/client".to_owned()],
            san_email: vec![],
            san_ip: vec![],
            thumbprint: "ab".repeat(32),
            not_after: 0,
        }
    }

    fn presenting<'a>(
        address: &str,
        token: Option<&'a str>,
        certificate: Option<&'a CertificateIdentity>,
    ) -> Presented<'a> {
        let initial_access_token = match token {
            None => PresentedToken::None,
            Some("*") => PresentedToken::ForAnyProfile,
            Some(name) => PresentedToken::ForProfile(name),
        };
        Presented { address: address.parse().unwrap(), certificate, initial_access_token }
    }

    fn named(choice: Choice<'_>) -> String {
        match choice {
            Choice::Profile(profile) => profile.name().to_owned(),
            other => format!("{other:?}"),
        }
    }

    const PROFILES: &str = "
- name: partners
  match: { client_certificate: { issuer: 'CN=Partner CA', san_dns: ['*.partner.example'] } }
- name: invited
  match: { initial_access_token: true }
- name: office
  match: { networks: [10.0.0.0/8, '2001:db8::/32'] }
";

    #[test]
    fn the_first_profile_that_fits_applies() {
        let profiles = profiles(PROFILES);
        let (partner, other) = (identity("CN=Partner CA"), identity("CN=Partner CA,O=Else"));
        for (presented, expected) in [
            (presenting("10.1.2.3", None, Some(&partner)), "partners"),
            (presenting("10.1.2.3", None, Some(&other)), "office"),
            (presenting("::ffff:10.1.2.3", None, None), "office"),
            (presenting("2001:db8::1", None, None), "office"),
            (presenting("192.0.2.1", Some("invited"), None), "invited"),
        ] {
            assert_eq!(named(choose(&profiles, &presented)), expected, "{presented:?}");
        }
    }

    #[test]
    fn a_token_belongs_to_one_profile() {
        let profiles = profiles(PROFILES);
        for (presented, expected) in [
            (presenting("10.1.2.3", Some("office"), None), "office"),
            (presenting("192.0.2.1", Some("office"), None), "TokenDoesNotFit"),
            (presenting("10.1.2.3", Some("partners"), None), "TokenDoesNotFit"),
            (presenting("10.1.2.3", Some("gone"), None), "TokenDoesNotFit"),
        ] {
            assert_eq!(named(choose(&profiles, &presented)), expected, "{presented:?}");
        }
    }

    #[test]
    fn a_token_that_names_no_profile_belongs_to_the_first_that_takes_tokens_and_fits() {
        let open = "- { name: open, match: {}, initial_access_token: off }\n- { name: shy, match: { initial_access_token: false }, initial_access_token: optional }";
        let all = profiles(&format!("{open}{PROFILES}"));
        let partner = identity("CN=Partner CA");
        for (presented, expected) in [
            (presenting("192.0.2.1", Some("*"), Some(&partner)), "partners"),
            (presenting("192.0.2.1", Some("*"), None), "invited"),
            (presenting("192.0.2.1", None, None), "open"),
        ] {
            assert_eq!(named(choose(&all, &presented)), expected, "{presented:?}");
        }
        let presented = presenting("10.1.2.3", Some("*"), None);
        assert_eq!(named(choose(&all[..2], &presented)), "TokenDoesNotFit");
    }

    #[test]
    fn what_another_credential_could_change_is_told() {
        let all = profiles(PROFILES);
        let other = identity("CN=Other CA");
        let told = |presented: Presented<'_>, profiles: &[Profile]| match choose(profiles, &presented) {
            Choice::CredentialMissing { initial_access_token } => Some(initial_access_token),
            _ => None,
        };
        assert_eq!(told(presenting("192.0.2.1", None, None), &all), Some(true));
        assert_eq!(told(presenting("192.0.2.1", None, None), &all[..1]), Some(false));
        assert_eq!(told(presenting("192.0.2.1", None, Some(&other)), &all), Some(true));
        assert_eq!(told(presenting("192.0.2.1", None, Some(&other)), &all[..1]), None);
        assert!(matches!(choose(&all[2..], &presenting("192.0.2.1", None, None)), Choice::NoneFits));
        assert!(matches!(choose(&[], &presenting("192.0.2.1", None, None)), Choice::NoneFits));
    }
}
