//! Approvals in the configuration: what a profile wants the server must be able to do.

use super::Parts;
use crate::authorization_server::settings::ClientManagement;
use crate::config::Findings;
use crate::config::node::Node;
use crate::config::place::Place;
use crate::config::settings::GatewaySettings;
use crate::intake::management::Growth;
use crate::policy::approval::{ApprovalNeeded, Elevation};

pub(super) fn check(settings: &GatewaySettings, parts: &Parts, tree: &Node, findings: &mut Findings<'_>) {
    warn_of_a_second_person(settings, parts, tree, findings);
    let server = &settings.authorization_server;
    if server.administrator().is_some() {
        return;
    }
    for part in &parts.profiles {
        let Some(profile) = &part.profile else { continue };
        let (reason, hint) = match (profile.approvals().needed, server.client_management) {
            (ApprovalNeeded::BeforeUse, _) => (
                "before_use, but nobody can disable a client at this server",
                "write required, or give authorization_server.administration (kind keycloak)",
            ),
            (ApprovalNeeded::Required, ClientManagement::None) => (
                "required, but the server lets nobody grant more to a client, or remove it",
                "write none; or client_management: rfc7592, if the server gives registration access tokens",
            ),
            (ApprovalNeeded::Required, ClientManagement::Rfc7592) | (ApprovalNeeded::None, _) => continue,
        };
        findings.add(tree, &part.place.key("approval"), reason, hint);
    }
    if server.client_management == ClientManagement::None {
        warn_of_what_nobody_grants(settings, parts, tree, findings);
    }
}

/// Four eyes where nobody is named: root, and the gateway's own user, may well be one person.
fn warn_of_a_second_person(settings: &GatewaySettings, parts: &Parts, tree: &Node, findings: &mut Findings<'_>) {
    if settings.admin.names_an_approver() {
        return;
    }
    for part in &parts.profiles {
        if part.profile.as_ref().is_some_and(|profile| profile.approvals().four_eyes) {
            findings.warn(
                tree,
                &part.place.key("four_eyes"),
                "two people have to approve, and nobody is named who may",
                "name them in admin.actors or admin.tokens, with the role approver, or set admin.sign_in.openid",
            );
        }
    }
}

/// What is withheld until somebody grants it, at a server where nobody can change a client.
fn warn_of_what_nobody_grants(settings: &GatewaySettings, parts: &Parts, tree: &Node, findings: &mut Findings<'_>) {
    let mut places = Vec::new();
    for part in &parts.profiles {
        let by_approval = part.settings.scopes.as_ref().and_then(|scopes| scopes.by_approval.as_ref());
        if by_approval.is_some_and(|some| !some.is_empty()) {
            places.push(part.place.below("scopes.by_approval"));
        }
        if part.settings.elevation == Some(Elevation::Automatic) {
            places.push(part.place.key("elevation"));
        }
    }
    if settings.management.growth == Growth::Approval {
        places.push(Place::root().below("management.growth"));
    }
    for place in places {
        findings.warn(
            tree,
            &place,
            "nobody can grant it: the server gives no registration access token, and has no administration",
            "take it out; or client_management: rfc7592, if the server gives registration access tokens",
        );
    }
}
