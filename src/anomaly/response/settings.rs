//! The operator's rules, `anomalies.responses`, and what of them cannot be meant.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::anomaly::finding::DetectorName;
use crate::anomaly::settings::{count, days, hours};
use crate::duration::DurationText;
use crate::setting_problem::SettingProblem;
use crate::store::ResponseAction;

/// The longest that a response to a finding lasts.
const LONGEST: DurationText = days(30);

const HINT: &str = "docs/responses.md has a table of what can be done about which findings";

/// One rule: what is done about which findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseSettings {
    /// The detectors whose findings call for it; at least one.
    pub to: Vec<DetectorName>,
    /// What is done: `ban_address`, `ban_certificate`, `ban_token`, `tighten_throttle`, `require_approval`, `suspend_client`
    /// or `lockdown` (docs/responses.md).
    pub action: ResponseAction,
    /// Findings below this score call for nothing: 0.5 is just at the detector's threshold. Default: 0.5.
    #[serde(default = "half")]
    pub minimum_score: f64,
    /// How long it lasts since the last finding that called for it; at most 30d. Default: 1h.
    #[serde(default = "one_hour")]
    pub r#for: DurationText,
    /// It is told and recorded what would be done, and nothing is done. Default: true.
    #[serde(default = "yes")]
    pub dry_run: bool,
    /// `tighten_throttle`: what the profile's rate and burst are divided by. Default: 4.
    #[serde(default = "four")]
    pub factor: NonZeroU32,
    /// `ban_address`: how much of an IPv4 address is banned, 16 to 32 bits. Default: 32, the one address.
    #[serde(default = "whole_ipv4")]
    pub ipv4_prefix: u8,
    /// `ban_address`: how much of an IPv6 address is banned, 32 to 128 bits. Default: 64, what one subscriber has.
    #[serde(default = "one_subscriber")]
    pub ipv6_prefix: u8,
}

const fn half() -> f64 {
    0.5
}

const fn one_hour() -> DurationText {
    hours(1)
}

const fn yes() -> bool {
    true
}

const fn four() -> NonZeroU32 {
    count(4)
}

pub(super) const fn whole_ipv4() -> u8 {
    32
}

pub(super) const fn one_subscriber() -> u8 {
    64
}

impl ResponseSettings {
    /// What cannot be meant; the places are relative to the rule.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut add = |place: &str, reason: String, hint: &str| problems.push(SettingProblem::new(place, reason, hint));
        if self.to.is_empty() {
            add("to", "no finding calls for it".to_owned(), "name at least one detector");
        }
        for detector in &self.to {
            if !can_respond(*detector, self.action) {
                let (detector, action) = (detector.as_str(), self.action.as_str());
                add("to", format!("no finding of {detector} says whom {action} could be done to"), HINT);
            }
        }
        if !(0.0..=1.0).contains(&self.minimum_score) {
            add("minimum_score", "a score is between 0 and 1".to_owned(), "0.5 is just at a detector's threshold");
        }
        if self.r#for.0.is_zero() || self.r#for > LONGEST {
            add("for", format!("{} is no time for a response", self.r#for), "write up to 30d");
        }
        if self.action == ResponseAction::TightenThrottle && self.factor.get() == 1 {
            add("factor", "a rate divided by 1 is the same".to_owned(), "write 2 or more");
        }
        if !(16..=32).contains(&self.ipv4_prefix) {
            add("ipv4_prefix", "out of bounds".to_owned(), "write 16 to 32");
        }
        if !(32..=128).contains(&self.ipv6_prefix) {
            add("ipv6_prefix", "out of bounds".to_owned(), "write 32 to 128");
        }
        problems
    }
}

/// Whether any finding of the detector can call for it.
fn can_respond(detector: DetectorName, action: ResponseAction) -> bool {
    use DetectorName as D;
    use ResponseAction as Action;
    match action {
        Action::BanAddress => matches!(detector, D::TokenGuessing | D::Probing | D::NeverUsed | D::DormantClients),
        Action::BanCertificate | Action::BanToken => {
            matches!(detector, D::CredentialSpread | D::UnusualHours | D::Probing | D::NeverUsed)
        }
        Action::TightenThrottle | Action::RequireApproval => matches!(
            detector,
            D::RegistrationBursts
                | D::RedirectHostCrowds
                | D::FirstSights
                | D::LookalikeNames
                | D::CredentialSpread
                | D::UnusualHours
                | D::Probing
                | D::NeverUsed
        ),
        Action::SuspendClient => matches!(
            detector,
            D::RedirectHostCrowds | D::FirstSights | D::LookalikeNames | D::TokenRequestRates | D::Widening
        ),
        Action::Lockdown => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_told() {
        let places = |rule: &str| -> Vec<String> {
            let rule: ResponseSettings = serde_yaml::from_str(rule).unwrap();
            rule.problems().into_iter().map(|problem| problem.place).collect()
        };
        assert_eq!(places("{ to: [probing], action: ban_address, for: 30d }"), [""; 0]);
        assert_eq!(places("{ to: [], action: lockdown }"), ["to"]);
        assert_eq!(places("{ to: [token_errors, token_guessing], action: ban_address }"), ["to"]);
        assert_eq!(places("{ to: [probing], action: lockdown, for: 31d, minimum_score: 2 }"), ["minimum_score", "for"]);
        assert_eq!(places("{ to: [probing], action: ban_address, ipv4_prefix: 8, ipv6_prefix: 16 }").len(), 2);
        assert_eq!(places("{ to: [probing], action: tighten_throttle, factor: 1 }"), ["factor"]);
        assert!(serde_yaml::from_str::<ResponseSettings>("{ to: [probing], action: nuke }").is_err());
    }

    #[test]
    fn the_document_has_the_table_of_what_can_be_done() {
        let document = include_str!("../../../docs/responses.md");
        for detector in DetectorName::ALL {
            let can = ResponseAction::ALL.map(|action| if can_respond(detector, action) { "×" } else { "" });
            let row = format!("| `{}` | {} |", detector.as_str(), can.join(" | "));
            assert!(document.contains(&row), "docs/responses.md has no {row}");
        }
    }
}
