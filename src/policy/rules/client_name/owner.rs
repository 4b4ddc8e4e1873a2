//! Whose a protected name is, and what a client asks for that shows whether it is its owner's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::host_pattern::HostPattern;
use crate::policy::lookalike::Lookalike;
use crate::policy::settings::SettingProblem;
use crate::registration::excerpt::Excerpt;
use crate::registration::grant::GrantType;
use crate::registration::host::{Host, is_public_suffix};
use crate::registration::redirect_uri::{RedirectUri, RedirectUriKind};

/// A name that belongs to somebody, as does any name that holds it as a word. One that is made to look the same by other scripts or by digits
/// is nobody's to carry.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProtectedName {
    /// The name, at least three letters or digits: `Claude`.
    pub name: String,
    /// The hosts of its owner's https redirect URIs; `*.claude.ai` is any host below claude.ai. A `client_uri` or `logo_uri` there is its
    /// owner's, too.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Whether its owner's clients have loopback redirect URIs. With the device grant and CIBA, whose tokens go nowhere but to who asked,
    /// these alone do not show whose a client is. Default: false.
    #[serde(default)]
    pub loopback: bool,
    /// The private-use schemes of its owner's clients: `cursor`.
    #[serde(default)]
    pub schemes: Vec<String>,
}

/// What the client asks for that tells whose it is.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Ways<'a> {
    /// Where its people are sent back to.
    pub redirect_uris: &'a [RedirectUri],
    /// The grant types it gets.
    pub grants: &'a [GrantType],
}

/// A protected name, and what of redirect URIs is its owner's.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    name: String,
    hosts: Vec<HostPattern>,
    loopback: bool,
    schemes: Vec<String>,
}

/// Why what the client asks for does not show that it is one of the owners'.
pub(super) fn problem_of_ways(owners: &[&Owned], ways: Ways<'_>) -> Option<String> {
    let is_owners = |uri: &RedirectUri| owners.iter().any(|owned| owned.owns(uri));
    if ways.redirect_uris.is_empty() {
        return Some("and no redirect URI shows that it is its owner's".to_owned());
    }
    if let Some(foreign) = ways.redirect_uris.iter().find(|uri| !is_owners(uri)) {
        return Some(format!("and the redirect URI {} is not its owner's", Excerpt(foreign.as_str())));
    }
    // No code is sent anywhere: whoever asked gets the tokens, wherever the person is who consents to the name (RFC 8628 §5.4). A redirect
    // URI that is everybody's beside it does not show who that is.
    let grant = ways.grant_from_elsewhere().filter(|_| ways.are_anybodys())?;
    let problem = "a loopback redirect URI does not show that it is its owner's (RFC 8628 §5.4)";
    Some(format!("and with the grant type {} {problem}", Excerpt(grant.as_str())))
}

impl Ways<'_> {
    /// The first grant with which a person consents elsewhere than at the client.
    fn grant_from_elsewhere(&self) -> Option<&GrantType> {
        self.grants.iter().find(|grant| matches!(grant, GrantType::DeviceCode | GrantType::Ciba))
    }

    /// Whether none of its redirect URIs is on a host or in a scheme that somebody owns.
    pub(super) fn are_anybodys(&self) -> bool {
        self.redirect_uris.iter().all(RedirectUri::is_on_this_machine)
    }

    /// Whether anybody is shown a consent page: nobody signs in at a machine.
    pub(super) fn are_shown(&self) -> bool {
        !self.redirect_uris.is_empty() || self.grant_from_elsewhere().is_some()
    }
}

impl Owned {
    pub(super) fn compile(
        index: usize,
        settings: &ProtectedName,
        lookalike: &Lookalike,
        problems: &mut Vec<SettingProblem>,
    ) -> Self {
        let place = format!("client_name.protected[{index}]");
        if !(3..=Lookalike::LONGEST).contains(&lookalike.len()) {
            let reason = format!("{:?} does not have 3 to {} letters or digits", settings.name, Lookalike::LONGEST);
            problems.push(SettingProblem::new(
                format!("{place}.name"),
                reason,
                "a shorter name would be found in ordinary ones",
            ));
        }
        let hosts = HostPattern::compile_list(&settings.hosts, &format!("{place}.hosts"), problems);
        for (index, written) in settings.hosts.iter().enumerate() {
            if written.strip_prefix("*.").is_some_and(is_public_suffix) {
                problems.push(SettingProblem::new(
                    format!("{place}.hosts[{index}]"),
                    format!("{written:?} is below a public suffix: anybody can have a host there"),
                    "name the owner's own domain",
                ));
            }
        }
        let schemes = settings.schemes.iter().map(|scheme| scheme.to_ascii_lowercase()).collect();
        Self { name: settings.name.clone(), hosts, loopback: settings.loopback, schemes }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether one of its hosts is this one.
    pub(super) fn is_at(&self, host: &Host) -> bool {
        self.hosts.iter().any(|pattern| pattern.fits(host))
    }

    fn owns(&self, uri: &RedirectUri) -> bool {
        match uri.kind() {
            _ if uri.is_on_this_machine() => self.loopback,
            RedirectUriKind::Https(target) => self.is_at(&target.host),
            RedirectUriKind::Loopback(_) => false,
            RedirectUriKind::Http(_) => false,
            RedirectUriKind::PrivateUse { scheme, .. } => self.schemes.contains(scheme),
        }
    }
}
