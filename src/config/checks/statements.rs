//! Software statements in the configuration: issuers that can be verified, and profiles, listeners and a server that fit them.

use super::Parts;
use crate::authorization_server::settings::{Kind, SoftwareStatementsSent};
use crate::config::Findings;
use crate::config::node::Node;
use crate::config::place::Place;
use crate::config::settings::GatewaySettings;
use crate::policy::Profile;
use crate::policy::settings::Requirement;
use crate::proxy::settings::ListenerSettings;

pub(super) fn check(settings: &GatewaySettings, parts: &Parts, tree: &Node, findings: &mut Findings<'_>) {
    let place = Place::root().key("software_statements");
    findings.add_all(tree, &place, settings.software_statements.problems());
    if settings.fetch.timeout.0.is_zero() {
        findings.add(tree, &Place::root().below("fetch.timeout"), "nobody could be that fast", "write 1s or more");
    }
    let issuers = &settings.software_statements.issuers;
    let takes_statements = |profile: &Profile| profile.software_statement() != Requirement::Off;
    let mut taking =
        parts.profiles.iter().filter(|part| part.profile.as_ref().is_some_and(takes_statements)).peekable();
    if taking.peek().is_none() && !issuers.is_empty() && parts.profiles.iter().all(|part| part.profile.is_some()) {
        let hint = "write software_statement: optional or required in a profile";
        findings.warn(tree, &place.key("issuers"), "no profile takes software statements, so this does nothing", hint);
    }
    for part in taking.filter(|_| issuers.is_empty()) {
        let reason = "nobody's software statements are trusted";
        findings.add(
            tree,
            &part.place.key("software_statement"),
            reason,
            "name an issuer in software_statements.issuers",
        );
    }
    if !settings.listeners.iter().any(ListenerSettings::learns_certificates) {
        let bound = issuers.iter().enumerate().filter(|(_, issuer)| !issuer.certificate_bindings.is_empty());
        for (index, _) in bound {
            findings.add(
                tree,
                &place.key("issuers").index(index).key("certificate_bindings"),
                "no listener asks for client certificates, so no statement could be presented",
                "set tls.client_certificates.request (or client_certificate_header) on a listener",
            );
        }
    }
    let server = &settings.authorization_server;
    if server.kind == Kind::Keycloak && server.software_statements == SoftwareStatementsSent::Send {
        let place = Place::root().below("authorization_server.software_statements");
        let reason = "Keycloak refuses a registration that holds a software statement";
        findings.add(tree, &place, reason, "leave it out: what the statement says is sent as plain members");
    }
}
