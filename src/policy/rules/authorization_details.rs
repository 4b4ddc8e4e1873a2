//! `authorization_details_types` (RFC 9396 §10): what a client may ask authorization for beside scopes. As with scopes, what the profile does not
//! name is left out; where the profile's clients need an approval, nobody has any before it.

use serde_json::{Map, Value};

use crate::policy::approval::ApprovalNeeded;
use crate::policy::judge::Raised;
use crate::policy::report::Report;
use crate::policy::settings::ProfileSettings;
use crate::registration::excerpt::Excerpt;

pub(in crate::policy) const MEMBER: &str = "authorization_details_types";

/// The compiled rule.
#[derive(Debug, Clone)]
pub(in crate::policy) struct AuthorizationDetailsRule {
    types: Vec<String>,
    needs_approval: bool,
}

impl AuthorizationDetailsRule {
    pub(in crate::policy) fn compile(profile: &ProfileSettings) -> Self {
        Self {
            types: profile.authorization_details_types.clone().unwrap_or_default(),
            needs_approval: profile.approval.unwrap_or_default() != ApprovalNeeded::None,
        }
    }

    /// Leaves of the types that are `asked` for those that this client may have.
    pub(in crate::policy) fn narrow(&self, asked: &mut Map<String, Value>, raised: &Raised, report: &mut Report<'_>) {
        let Some(Value::Array(types)) = asked.remove(MEMBER) else { return };
        let is_allowed = |asked: &Value| asked.as_str().is_some_and(|asked| self.types.iter().any(|it| it == asked));
        let (allowed, others): (Vec<_>, Vec<_>) = types.into_iter().partition(is_allowed);
        for other in others.iter().filter_map(Value::as_str) {
            report.note(MEMBER, format!("{} is not allowed, it is left out", Excerpt(other)));
        }
        if allowed.is_empty() {
            return;
        }
        if self.needs_approval && !raised.is_approved {
            report.note(MEMBER, "are for clients that are approved, they are left out");
            return;
        }
        asked.insert(MEMBER.to_owned(), Value::Array(allowed));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;

    /// What is left of the member.
    fn left(profile: &str, asked: Value, is_approved: bool) -> Option<Value> {
        let settings = serde_yaml::from_str(&format!("{{ name: banks, match: {{}}, {profile} }}")).unwrap();
        let mut members = Map::from_iter([(MEMBER.to_owned(), asked)]);
        let raised = Raised { is_approved, ..Raised::default() };
        let refused = sentences(RuleName::Scopes, |report| {
            AuthorizationDetailsRule::compile(&settings).narrow(&mut members, &raised, report);
        });
        assert!(refused.is_empty(), "{refused:?}");
        members.remove(MEMBER)
    }

    #[test]
    fn only_the_types_that_the_profile_names_are_left() {
        let listed = "authorization_details_types: [payment_initiation, account_information]";
        let both = json!(["account_information", "payment_initiation"]);
        for (profile, asked, expected) in [
            (listed, both.clone(), Some(both)),
            (listed, json!(["payment_initiation", "*", "PAYMENT_INITIATION"]), Some(json!(["payment_initiation"]))),
            (listed, json!(["admin"]), None),
            (listed, json!([]), None),
            ("enforcement: enforce", json!(["payment_initiation"]), None),
        ] {
            assert_eq!(left(profile, asked.clone(), false), expected, "{profile} {asked}");
        }
    }

    #[test]
    fn nobody_has_any_before_an_approval() {
        for approval in ["required", "before_use"] {
            let profile = format!("approval: {approval}, authorization_details_types: [payment_initiation]");
            let asked = json!(["payment_initiation", "admin"]);
            assert_eq!(left(&profile, asked.clone(), false), None, "{approval}");
            assert_eq!(left(&profile, asked, true), Some(json!(["payment_initiation"])), "{approval}");
        }
    }
}
