//! Report-only in the configuration: never on without being told of, and only where there is a way to let something through.

use super::Parts;
use crate::authorization_server::settings::Kind;
use crate::config::Findings;
use crate::config::node::Node;
use crate::config::place::Place;
use crate::config::settings::GatewaySettings;
use crate::policy::Enforcement;

/// What is written for all profiles holds for those that say nothing.
pub(in crate::config) fn inherit(settings: &GatewaySettings, parts: &mut Parts) {
    if settings.enforcement == Enforcement::ReportOnly {
        for part in &mut parts.profiles {
            part.settings.enforcement.get_or_insert(Enforcement::ReportOnly);
        }
    }
}

pub(super) fn check(settings: &GatewaySettings, parts: &Parts, tree: &Node, findings: &mut Findings<'_>) {
    let is_cognito = settings.authorization_server.kind == Kind::Cognito;
    for part in &parts.profiles {
        let Some(profile) = part.profile.as_ref().filter(|profile| profile.is_report_only()) else { continue };
        let (place, what) = match (&part.settings.report_only, part.place.key("enforcement").find(tree)) {
            (Some(_), _) => (part.place.key("report_only"), "some rules only report"),
            (None, Some(_)) => (part.place.key("enforcement"), "the rules only report"),
            (None, None) => (Place::root().key("enforcement"), "the rules only report"),
        };
        let name = profile.name();
        if is_cognito {
            let reason = format!(
                "{what} in profile {name:?}, and Cognito registers nothing without the gateway's own credential, which never goes \
                 with what the rules refuse"
            );
            findings.add(tree, &place, reason, "take it out; `dcr-gateway replay` tries rules on what was asked");
        } else {
            let reason = format!("{what} in profile {name:?}: what they would refuse goes to the authorization server");
            findings.warn(tree, &place, reason, "look at what has dcr.decision=report_only, then write enforce");
        }
    }
}
