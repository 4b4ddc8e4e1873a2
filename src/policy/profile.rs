//! A profile: a named set of rules, compiled from its settings once.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::approval::Approvals;
use super::certificate_match::Certificate;
use super::enforcement::Reporting;
use super::matching::Match;
use super::presented::Presented;
use super::preset;
use super::rule::RuleName;
use super::rules::Rules;
pub use super::settings::Requirement;
use super::settings::{LimitSettings, ProfileSettings, SettingProblem};
use crate::hexadecimal;
use crate::registration::host::Host;
use crate::registration::{Scope, ScopeSet};

/// The shortest time after which clients that nobody uses may be removed.
const SHORTEST_UNUSED: Duration = Duration::from_secs(60 * 60);

/// A compiled profile. Cheap to clone: its rules are shared.
#[derive(Debug, Clone)]
pub struct Profile {
    name: String,
    version: String,
    matches: Arc<Match>,
    client_certificate: Requirement,
    initial_access_token: Requirement,
    software_statement: Requirement,
    approvals: Approvals,
    expire_unused_after: Option<Duration>,
    limits: Option<LimitSettings>,
    reporting: Reporting,
    rules: Arc<Rules>,
}

impl Profile {
    /// Makes the profile that `settings` describe, or says everything that is wrong with them.
    ///
    /// # Errors
    /// All problems, each with the key that it is about.
    pub fn compile(settings: &ProfileSettings) -> Result<Self, Vec<SettingProblem>> {
        let settings = preset::effective(settings).map_err(|problem| vec![problem])?;
        let mut problems = Vec::new();
        check_name(&settings.name, &mut problems);
        let matches = Match::compile(&settings.matches, &mut problems);
        let client_certificate = settings.client_certificate.unwrap_or(Requirement::Optional);
        let initial_access_token = settings.initial_access_token.unwrap_or(Requirement::Required);
        check_contradictions(&matches, client_certificate, initial_access_token, &mut problems);
        let approvals = Approvals::compile(&settings, &mut problems);
        if settings.expire_unused_after.is_some_and(|after| after.0 < SHORTEST_UNUSED) {
            let reason = "a client could be removed while its user still reads the login page";
            problems.push(SettingProblem::new("expire_unused_after", reason, "write 1h or more"));
        }
        let reporting = Reporting::compile(&settings, &mut problems);
        let rules = Rules::compile(&settings, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            version: version(&settings),
            name: settings.name,
            matches: Arc::new(matches),
            client_certificate,
            initial_access_token,
            software_statement: settings.software_statement.unwrap_or(Requirement::Off),
            approvals,
            expire_unused_after: settings.expire_unused_after.map(|after| after.0),
            limits: settings.limits,
            reporting,
            rules: Arc::new(rules),
        })
    }

    /// The same in front of an authorization server that clients find at these hosts.
    #[must_use]
    pub fn in_front_of(mut self, server: Vec<Host>) -> Self {
        let rules = Arc::make_mut(&mut self.rules);
        rules.redirect_uris.stands_before(server.clone());
        rules.urls.stands_before(server);
        self
    }

    /// Whom it is for.
    pub(super) fn matches(&self) -> &Match {
        &self.matches
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A digest of its effective settings, 16 hexadecimal digits: the same for the same rules, whatever file they stand in.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether an initial access token must be presented. When none was, the answer is 401.
    pub fn requires_token(&self) -> bool {
        self.initial_access_token == Requirement::Required
    }

    /// Whether initial access tokens can be made for it and are used.
    pub fn initial_access_token(&self) -> Requirement {
        self.initial_access_token
    }

    /// Whether a client certificate must be presented, may be, or is not looked at.
    pub fn client_certificate(&self) -> Requirement {
        self.client_certificate
    }

    /// Whether the profile is for holders of certain certificates.
    pub fn matches_certificates(&self) -> bool {
        self.matches.names_a_certificate()
    }

    /// Whether nobody comes to it without a client certificate: it requires one, or is for holders of certain ones.
    pub fn needs_certificate(&self) -> bool {
        self.client_certificate == Requirement::Required || self.matches_certificates()
    }

    /// Whether the certificate that was presented is one the profile is for.
    pub fn fits_certificate(&self, presented: &Presented<'_>) -> bool {
        self.matches.fits_certificate(presented.certificate.map(Certificate::of).as_ref())
    }

    /// Whether a software statement must be presented, may be, or is not looked at.
    pub fn software_statement(&self) -> Requirement {
        self.software_statement
    }

    /// How long an active client may stay without being used; none: for ever.
    pub fn expire_unused_after(&self) -> Option<Duration> {
        self.expire_unused_after
    }

    /// How often one registrant may try.
    pub fn limits(&self) -> Option<LimitSettings> {
        self.limits
    }

    /// Whether its clients need an approval.
    pub fn approvals(&self) -> Approvals {
        self.approvals
    }

    /// Whether what this rule finds is only reported.
    pub fn only_reports(&self, rule: RuleName) -> bool {
        self.reporting.holds(rule)
    }

    /// Whether what any rule finds is only reported.
    pub fn is_report_only(&self) -> bool {
        !self.reporting.is_empty()
    }

    /// All that an approval can grant.
    pub fn grantable(&self) -> &ScopeSet {
        self.rules.scopes.grantable()
    }

    /// Whether a client that asks for the scope gets it at once.
    pub fn grants_at_once(&self, scope: &Scope) -> bool {
        self.rules.scopes.grants_at_once(scope)
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }
}

fn check_name(name: &str, problems: &mut Vec<SettingProblem>) {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
        let hint = "write 1 to 64 lower-case letters, digits, - and _";
        problems.push(SettingProblem::new("name", format!("{name:?} cannot be a profile's name"), hint));
    }
}

fn check_contradictions(
    matches: &Match,
    client_certificate: Requirement,
    initial_access_token: Requirement,
    problems: &mut Vec<SettingProblem>,
) {
    if client_certificate == Requirement::Off && matches.names_a_certificate() {
        problems.push(SettingProblem::new(
            "client_certificate",
            "off, but `match.client_certificate` looks at it",
            "write optional or required, or take the condition out",
        ));
    }
    let contradiction = match (initial_access_token, matches.initial_access_token) {
        (Requirement::Off, Some(true)) => "off, but `match.initial_access_token` is true",
        (Requirement::Required, Some(false)) => "required, but `match.initial_access_token` is false",
        _ => return,
    };
    problems.push(SettingProblem::new("initial_access_token", contradiction, "take one of the two out"));
}

fn version(settings: &ProfileSettings) -> String {
    // Settings are made of text, numbers and lists: they can always be written as JSON.
    let text = serde_json::to_vec(settings).unwrap_or_default();
    hexadecimal::written(&Sha256::digest(text)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(yaml: &str) -> Vec<Profile> {
        let settings: Vec<ProfileSettings> = serde_yaml::from_str(yaml).unwrap();
        settings.iter().map(|settings| Profile::compile(settings).unwrap()).collect()
    }

    #[test]
    fn a_profile_without_preset_is_closed_by_default() {
        let profile = &profiles("[{name: a, match: {}}]")[0];
        assert!(profile.requires_token());
        assert_eq!(profile.client_certificate(), Requirement::Optional);
        assert!(!profiles("[{name: a, preset: mcp, match: {}}]")[0].requires_token());
    }

    #[test]
    fn the_version_follows_the_rules_and_nothing_else() {
        let version = |yaml: &str| profiles(yaml)[0].version().to_owned();
        let base = version("[{name: a, match: {}, grant_types: [authorization_code]}]");
        assert_eq!(base, version("[{grant_types: ['authorization_code'], match: {}, name: a}]"));
        assert_ne!(base, version("[{name: a, match: {}, grant_types: [client_credentials]}]"));
        assert_eq!(base.len(), 16);
    }

    #[test]
    fn everything_that_is_wrong_with_the_settings_is_told_at_once() {
        let yaml = "
name: 'Not A Name'
match: { client_certificate: { thumbprint: ['xyz'], issuer: 'no name' }, networks: [], initial_access_token: true }
client_certificate: off
initial_access_token: off
grant_types: [code]
token_endpoint_auth_methods: [basic]
client_name: { max_length: 0, protected: [{ name: AI, hosts: ['https://x'] }] }
jwks: { min_rsa_bits: 1024 }
scopes: { initial: [a], by_approval: [a] }
";
        let problems = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap_err();
        let places: Vec<&str> = problems.iter().map(|problem| problem.place.as_str()).collect();
        insta::assert_snapshot!(places.join("\n"), @r"
        name
        match.networks
        match.client_certificate.issuer
        match.client_certificate.thumbprint[0]
        client_certificate
        initial_access_token
        grant_types[0]
        token_endpoint_auth_methods[0]
        client_name.max_length
        client_name.protected[0].name
        client_name.protected[0].hosts[0]
        jwks.min_rsa_bits
        scopes.by_approval[0]
        ");
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        for yaml in [
            "{name: a, match: {}, approvals: required}",
            "{name: a}",
            "{name: a, match: {}, preset: web}",
            "{name: a, match: {subject: x}}",
        ] {
            assert!(serde_yaml::from_str::<ProfileSettings>(yaml).is_err(), "{yaml}");
        }
    }
}
