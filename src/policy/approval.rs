//! Whether the clients of a profile need an approval, and of how many people.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::profile::Requirement;
use super::settings::{ProfileSettings, SettingProblem};

/// How long a client waits for an approval where nothing is written.
const PENDING_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Whether somebody must approve a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalNeeded {
    /// Nobody.
    #[default]
    None,
    /// It works with the initial scopes until then.
    Required,
    /// It does not work before.
    BeforeUse,
}

/// How a client gets more than it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Elevation {
    /// Somebody grants it.
    #[default]
    ByApproval,
    /// An active client gets it by asking (RFC 7592 §2.2).
    Automatic,
}

/// What a profile says of approvals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approvals {
    /// Whether one is needed.
    pub needed: ApprovalNeeded,
    /// How long a client waits for it.
    pub pending_for: Duration,
    /// It takes two people.
    pub four_eyes: bool,
    /// How an active client gets more.
    pub elevation: Elevation,
}

impl Approvals {
    pub(super) fn compile(settings: &ProfileSettings, problems: &mut Vec<SettingProblem>) -> Self {
        let approvals = Self {
            needed: settings.approval.unwrap_or_default(),
            pending_for: settings.pending_for.map_or(PENDING_FOR, |span| span.0),
            four_eyes: settings.four_eyes.unwrap_or_default(),
            elevation: settings.elevation.unwrap_or_default(),
        };
        if approvals.pending_for.is_zero() {
            let hint = "write 1m or more";
            problems.push(SettingProblem::new("pending_for", "nobody could approve that fast", hint));
        }
        let is_verified = settings.matches.client_certificate.is_some()
            || settings.client_certificate == Some(Requirement::Required)
            || settings.software_statement == Some(Requirement::Required);
        if approvals.elevation == Elevation::Automatic && !is_verified {
            problems.push(SettingProblem::new(
                "elevation",
                "automatic, but neither a client certificate nor a software statement says who asks",
                "write match.client_certificate, or client_certificate or software_statement: required",
            ));
        }
        approvals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(yaml: &str) -> (Approvals, Vec<String>) {
        let settings = serde_yaml::from_str(&format!("{{ name: p, match: {{}}, {yaml} }}")).unwrap();
        let mut problems = Vec::new();
        let approvals = Approvals::compile(&settings, &mut problems);
        (approvals, problems.into_iter().map(|problem| problem.place).collect())
    }

    #[test]
    fn nobody_need_approve_unless_it_is_written() {
        let (approvals, problems) = compiled("");
        assert!(problems.is_empty());
        let seven_days = Duration::from_secs(604_800);
        let expected = Approvals {
            needed: ApprovalNeeded::None,
            pending_for: seven_days,
            four_eyes: false,
            elevation: Elevation::ByApproval,
        };
        assert_eq!(approvals, expected);
    }

    #[test]
    fn whoever_gets_more_by_asking_is_somebody_verified() {
        assert_eq!(compiled("elevation: automatic").1, ["elevation"]);
        for known in ["client_certificate: required", "software_statement: required"] {
            assert!(compiled(&format!("elevation: automatic, {known}")).1.is_empty(), "{known}");
        }
    }

    #[test]
    fn nobody_waits_for_no_time_at_all() {
        assert_eq!(compiled("approval: required, pending_for: 0s").1, ["pending_for"]);
    }
}
