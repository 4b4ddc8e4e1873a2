//! Cognito in the configuration: a pool that there can be, and nothing beside it that only other servers have.

use super::Parts;
use crate::authorization_server::cognito::settings::{CognitoSettings, TokenEndpointRoute};
use crate::authorization_server::settings::{
    CredentialSettings, Kind, LoopbackPorts, OtherPaths, SoftwareStatementsSent,
};
use crate::config::Findings;
use crate::config::node::Node;
use crate::config::place::Place;
use crate::config::settings::GatewaySettings;
use crate::config::urls;
use crate::intake::management::UnknownTokens;

pub(super) fn check(settings: &GatewaySettings, parts: &Parts, tree: &Node, findings: &mut Findings<'_>) {
    let server = &settings.authorization_server;
    let place = Place::root().key("authorization_server");
    let pool = match (&server.cognito, server.kind) {
        (None, Kind::Keycloak | Kind::Rfc7591) => return,
        (Some(_), Kind::Keycloak) => {
            findings.add(
                tree,
                &place.key("cognito"),
                "Keycloak has no user pool",
                "leave it out, or write another kind",
            );
            return;
        }
        (None, Kind::Cognito) => {
            findings.add(tree, &place.key("cognito"), "is missing: kind cognito needs it", "name the user_pool_id");
            return;
        }
        (Some(pool), Kind::Cognito | Kind::Rfc7591) => pool,
    };
    findings.add_all(tree, &place.key("cognito"), pool.problems());
    if let Some(Err(reason)) = pool.endpoint_url.as_deref().map(urls::public_origin) {
        findings.add(tree, &place.below("cognito.endpoint_url"), reason, "");
    }
    if urls::public_origin(&settings.public_url).is_ok_and(|(public_origin, _)| public_origin != server.issuer) {
        let reason = "is not public_url: the metadata of a façade are its own, and clients compare (RFC 8414 §3.3)";
        findings.add(tree, &place.key("issuer"), reason, "write public_url, without a slash at the end");
    }
    if server.kind == Kind::Cognito {
        check_the_api_alone(settings, tree, findings);
    }
    if pool.token_endpoint == TokenEndpointRoute::Forwarded && server.other_paths == OtherPaths::Refuse {
        let reason = "the metadata would name an endpoint that is refused";
        findings.add(tree, &place.below("cognito.token_endpoint"), reason, "write other_paths: forward");
    }
    check_quota(pool, parts, tree, findings);
}

/// Where clients are made by the API, nothing of a registration endpoint at the server has a meaning.
fn check_the_api_alone(settings: &GatewaySettings, tree: &Node, findings: &mut Findings<'_>) {
    let server = &settings.authorization_server;
    let place = Place::root().key("authorization_server");
    for (is_wrong, key, reason) in [
        (!matches!(server.credential, CredentialSettings::None), "credential", "Cognito's API takes an AWS credential"),
        (server.loopback_ports == Some(LoopbackPorts::Omit), "loopback_ports", "Cognito compares ports"),
        (
            server.software_statements == SoftwareStatementsSent::Send,
            "software_statements",
            "Cognito takes no software statements",
        ),
    ] {
        if is_wrong {
            findings.add(tree, &place.key(key), reason, "leave it out");
        }
    }
    if settings.management.unknown_tokens == UnknownTokens::Forward {
        let reason = "Cognito has no registration access tokens, so nobody has one from before";
        findings.add(tree, &Place::root().below("management.unknown_tokens"), reason, "leave it out");
    }
}

/// AWS refuses every registration once the pool is full, whoever filled it.
fn check_quota(pool: &CognitoSettings, parts: &Parts, tree: &Node, findings: &mut Findings<'_>) {
    let most = u64::from(pool.app_clients.get());
    let mut sum = 0;
    for part in &parts.profiles {
        let place = part.place.below("limits.total.live_clients");
        match part.settings.limits.as_ref().and_then(|limits| limits.total.live_clients) {
            Some(count) => sum += u64::from(count.get()),
            None => {
                let reason = format!("is missing: one profile could fill the pool, which takes {most} app clients");
                findings.add(tree, &place, reason, "write how many clients of this profile there may be");
            }
        }
    }
    if sum >= most {
        let place = Place::root().below("authorization_server.cognito.app_clients");
        let reason = format!("the profiles may have {sum} clients together, the pool takes {most}, yours among them");
        findings.add(
            tree,
            &place,
            reason,
            "lower limits.total.live_clients, or let AWS raise the quota and write it here",
        );
    }
}
