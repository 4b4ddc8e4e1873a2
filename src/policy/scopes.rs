//! What a client gets of the scopes it asks for: at least and at most what the profile says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::approval::ApprovalNeeded;
use super::clearance::ScopeDecision;
use super::report::Report;
use super::settings::{ProfileSettings, SettingProblem};
use crate::registration::excerpt::Excerpt;
use crate::registration::{ClientMetadata, Scope, ScopeSet};

/// The scopes of a profile.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeSettings {
    /// What a client gets that asks for none, or for nothing it may have. Default: nothing.
    #[serde(default)]
    pub initial: Option<Vec<Scope>>,
    /// What it may have besides, when it asks. Default: nothing.
    #[serde(default)]
    pub allowed: Option<Vec<Scope>>,
    /// What is withheld until an approval. Default: nothing.
    #[serde(default)]
    pub by_approval: Option<Vec<Scope>>,
    /// What becomes of any other: `drop` leaves it out, `refuse` refuses the request. Default: drop.
    #[serde(default)]
    pub excess: Option<Excess>,
}

/// What becomes of what a client asks for and may not have: scopes, response types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Excess {
    /// It is left out.
    #[default]
    Drop,
    /// The request is refused.
    Refuse,
}

/// The compiled scopes of a profile.
#[derive(Debug, Clone)]
pub(super) struct ScopesRule {
    initial: ScopeSet,
    /// What is granted at once: `initial`, and `allowed` where no approval is required.
    at_once: ScopeSet,
    /// All that there is to be had.
    grantable: ScopeSet,
    excess: Excess,
}

impl ScopesRule {
    pub(super) fn compile(profile: &ProfileSettings, problems: &mut Vec<SettingProblem>) -> Self {
        let settings = profile.scopes.clone().unwrap_or_default();
        let initial = settings.initial.unwrap_or_default();
        let allowed = settings.allowed.unwrap_or_default();
        let by_approval = settings.by_approval.unwrap_or_default();
        let at_once: ScopeSet = initial.iter().chain(&allowed).cloned().collect();
        for (index, scope) in by_approval.iter().enumerate() {
            if at_once.contains(scope) {
                problems.push(SettingProblem::new(
                    format!("scopes.by_approval[{index}]"),
                    format!("{:?} is granted at once, by scopes.initial or scopes.allowed", scope.as_str()),
                    "name it in one of the lists",
                ));
            }
        }
        let grantable = at_once.iter().chain(&by_approval).cloned().collect();
        let initial: ScopeSet = initial.into_iter().collect();
        let at_once = match profile.approval.unwrap_or_default() {
            ApprovalNeeded::None => at_once,
            ApprovalNeeded::Required | ApprovalNeeded::BeforeUse => initial.clone(),
        };
        Self { initial, at_once, grantable, excess: settings.excess.unwrap_or_default() }
    }

    pub(super) fn grants_at_once(&self, scope: &Scope) -> bool {
        self.at_once.contains(scope)
    }

    /// All that an approval can grant.
    pub(super) fn grantable(&self) -> &ScopeSet {
        &self.grantable
    }

    /// Divides what was asked for: granted, withheld, dropped. `raised`: what this client may have besides.
    pub(super) fn check(
        &self,
        requested: &ClientMetadata,
        raised: &ScopeSet,
        report: &mut Report<'_>,
    ) -> ScopeDecision {
        let Some(asked) = requested.scope.as_ref().filter(|asked| !asked.is_empty()) else {
            if !self.initial.is_empty() {
                report.note("scope", format!("none was asked for, {} is granted", Excerpt(&self.initial.to_string())));
            }
            return ScopeDecision { granted: self.initial.clone(), ..ScopeDecision::default() };
        };
        let part =
            |keep: &dyn Fn(&Scope) -> bool| asked.iter().filter(|scope| keep(scope)).cloned().collect::<ScopeSet>();
        let may_have = |scope: &Scope| self.at_once.contains(scope) || raised.contains(scope);
        let mut granted = part(&may_have);
        let withheld = part(&|scope| self.grantable.contains(scope) && !may_have(scope));
        let dropped = part(&|scope| !self.grantable.contains(scope) && !may_have(scope));
        if granted.is_empty() {
            granted = self.initial.clone();
        }
        if !dropped.is_empty() && self.excess == Excess::Refuse {
            for scope in dropped.iter() {
                report.refuse_unlisted("scope", scope.as_str());
            }
        } else if !dropped.is_empty() {
            report.note("scope", format!("{} is not allowed, it is left out", Excerpt(&dropped.to_string())));
        }
        if !withheld.is_empty() {
            report.note("scope", format!("{} is withheld until an approval", Excerpt(&withheld.to_string())));
        }
        ScopeDecision { requested: Some(asked.clone()), granted, withheld, dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rule::RuleName;

    fn profile(rest: &str) -> ProfileSettings {
        serde_yaml::from_str(&format!("{{name: partners, match: {{}}, {rest}}}")).unwrap()
    }

    fn rule(excess: &str) -> ScopesRule {
        rule_with(&format!("excess: {excess}"), "none")
    }

    fn rule_with(rest: &str, approval: &str) -> ScopesRule {
        let scopes = "initial: [openid], allowed: [profile, 'orders:read'], by_approval: ['orders:write']";
        ScopesRule::compile(&profile(&format!("approval: {approval}, scopes: {{{scopes}, {rest}}}")), &mut Vec::new())
    }

    fn check(rule: &ScopesRule, scope: Option<&str>) -> ([String; 3], usize) {
        check_raised(rule, scope, "")
    }

    fn check_raised(rule: &ScopesRule, scope: Option<&str>, raised: &str) -> ([String; 3], usize) {
        let requested =
            ClientMetadata { scope: scope.map(|text| ScopeSet::parse(text).unwrap()), ..Default::default() };
        let mut report = Report::new(RuleName::Scopes, "partners");
        let decision = rule.check(&requested, &ScopeSet::parse(raised).unwrap(), &mut report);
        let sets = [decision.granted, decision.withheld, decision.dropped].map(|set| set.to_string());
        (sets, report.into_outcome().violations.len())
    }

    #[test]
    fn a_client_gets_what_it_asks_for_and_may_have() {
        for (asked, granted, withheld, dropped) in [
            (None, "openid", "", ""),
            (Some(""), "openid", "", ""),
            (Some("profile"), "profile", "", ""),
            (Some("openid orders:read orders:write admin"), "openid orders:read", "orders:write", "admin"),
            (Some("admin"), "openid", "", "admin"),
            (Some("orders:write"), "openid", "orders:write", ""),
            (Some("OPENID"), "openid", "", "OPENID"),
        ] {
            assert_eq!(check(&rule("drop"), asked), ([granted, withheld, dropped].map(str::to_owned), 0), "{asked:?}");
        }
    }

    #[test]
    fn before_an_approval_there_are_the_initial_scopes_and_what_was_granted_already() {
        for approval in ["required", "before_use"] {
            let rule = rule_with("excess: drop", approval);
            for (asked, raised, granted, withheld, dropped) in [
                (None, "", "openid", "", ""),
                (Some("openid profile orders:write admin"), "", "openid", "profile orders:write", "admin"),
                (Some("profile"), "", "openid", "profile", ""),
                (Some("profile orders:write"), "profile", "profile", "orders:write", ""),
                (Some("openid orders:write once"), "orders:write once", "openid orders:write once", "", ""),
            ] {
                let expected = ([granted, withheld, dropped].map(str::to_owned), 0);
                assert_eq!(check_raised(&rule, asked, raised), expected, "{approval} {asked:?}");
            }
        }
    }

    #[test]
    fn an_excess_refuses_where_the_profile_says_so() {
        assert_eq!(check(&rule("refuse"), Some("openid admin root")).1, 2);
        assert_eq!(check(&rule("refuse"), Some("openid orders:write")).1, 0);
    }

    #[test]
    fn a_profile_that_says_nothing_grants_nothing() {
        let rule = ScopesRule::compile(&profile(""), &mut Vec::new());
        assert_eq!(check(&rule, Some("openid")), (["", "", "openid"].map(str::to_owned), 0));
    }

    #[test]
    fn a_scope_cannot_be_granted_both_at_once_and_by_approval() {
        let mut problems = Vec::new();
        ScopesRule::compile(&profile("scopes: {allowed: [a], by_approval: [b, a]}"), &mut problems);
        assert_eq!(problems[0].place, "scopes.by_approval[1]");
    }
}
