//! Approvals in the configuration: what a profile wants the server must be able to do.

use super::Parts;
use crate::authorization_server::settings::ClientManagement;
use crate::config::Findings;
use crate::config::node::Node;
use crate::config::settings::GatewaySettings;
use crate::policy::approval::ApprovalNeeded;

pub(super) fn check(settings: &GatewaySettings, parts: &Parts, tree: &Node, findings: &mut Findings<'_>) {
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
}
