//! What becomes of what the rules find: it refuses, or it is only reported. What a request must be before a rule is asked, who may ask
//! and how often is enforced in any case: nothing of it is a rule.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::RuleName;
use super::settings::{ProfileSettings, SettingProblem};

/// What becomes of a request that the rules would refuse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// It is refused.
    #[default]
    Enforce,
    /// It is recorded, and sent on as the registrant's own request, without the gateway's credential.
    ReportOnly,
}

/// The rules of one profile that only report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reporting(Arc<[RuleName]>);

impl Reporting {
    pub(super) fn compile(settings: &ProfileSettings, problems: &mut Vec<SettingProblem>) -> Self {
        let named = settings.report_only.as_deref().unwrap_or_default();
        for (index, rule) in named.iter().enumerate() {
            if *rule == RuleName::AuthorizationServer {
                let place = format!("report_only[{index}]");
                problems.push(SettingProblem::new(place, "what the server cannot register cannot be let through", ""));
            }
        }
        match settings.enforcement.unwrap_or_default() {
            Enforcement::Enforce => Self(named.into()),
            Enforcement::ReportOnly => {
                if settings.report_only.is_some() {
                    let hint = "take it out, or write enforcement: enforce beside it";
                    problems.push(SettingProblem::new("report_only", "every rule of the profile only reports", hint));
                }
                let all = RuleName::ALL.into_iter().filter(|rule| *rule != RuleName::AuthorizationServer);
                Self(all.collect())
            }
        }
    }

    pub(super) fn holds(&self, rule: RuleName) -> bool {
        self.0.contains(&rule)
    }

    /// No rule only reports.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Profile;

    fn problems(more: &str) -> Vec<String> {
        let settings = serde_yaml::from_str(&format!("{{name: a, match: {{}}, {more}}}")).unwrap();
        let problems = Profile::compile(&settings).err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.place).collect()
    }

    #[test]
    fn what_makes_no_sense_is_a_problem_of_the_settings() {
        assert_eq!(problems("report_only: [scopes, authorization_server]"), ["report_only[1]"]);
        assert_eq!(problems("enforcement: report_only, report_only: [scopes]"), ["report_only"]);
        assert_eq!(problems("enforcement: enforce, report_only: [scopes]"), [""; 0]);
    }

    #[test]
    fn enforcement_belongs_to_the_rules_version_and_its_absence_changes_none() {
        let version = |more: &str| {
            let settings = serde_yaml::from_str(&format!("{{name: a, match: {{}}{more}}}")).unwrap();
            Profile::compile(&settings).unwrap().version().to_owned()
        };
        assert_ne!(version(""), version(", enforcement: report_only"));
        assert_ne!(version(""), version(", report_only: [scopes]"));
    }
}
