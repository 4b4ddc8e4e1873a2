//! What is done about findings, in the configuration: what a rule wants must be possible here.

use super::Parts;
use crate::anomaly::{DetectorName, Detectors};
use crate::config::Findings;
use crate::config::node::Node;
use crate::config::place::Place;
use crate::config::settings::GatewaySettings;
use crate::store::ResponseAction;

pub(super) fn check(settings: &GatewaySettings, parts: &Parts, tree: &Node, findings: &mut Findings<'_>) {
    let list = Place::root().below("anomalies.responses");
    let rules = &settings.anomalies.responses;
    let looking: Vec<DetectorName> = Detectors::new(&settings.anomalies).names().collect();
    for (index, rule) in rules.iter().enumerate() {
        let place = list.index(index);
        findings.add_all(tree, &place, rule.problems());
        let off: Vec<&str> = rule.to.iter().filter(|name| !looking.contains(name)).map(|name| name.as_str()).collect();
        if !off.is_empty() {
            let reason = format!("off, so nothing is found that this could be done about: {}", off.join(", "));
            findings.warn(tree, &place.key("to"), reason, "let it look (mode: report), or take it out of the rule");
        }
        let action = place.key("action");
        match rule.action {
            ResponseAction::RequireApproval if !settings.authorization_server.can_settle_approvals() => findings.add(
                tree,
                &action,
                "require_approval, but the server lets nobody grant more to a client, or remove it",
                "client_management: rfc7592, if the server gives registration access tokens; or another action",
            ),
            ResponseAction::TightenThrottle => {
                let without = parts.profiles.iter().filter_map(|part| part.profile.as_ref());
                let without: Vec<_> =
                    without.filter(|profile| profile.limits().is_none()).map(|profile| profile.name()).collect();
                if !without.is_empty() {
                    let reason = format!("profiles without limits cannot be tightened: {}", without.join(", "));
                    findings.warn(tree, &action, reason, "give them limits");
                }
            }
            _ => {}
        }
    }
}
