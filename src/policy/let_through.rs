//! What the rules would have refused and report-only lets through: a type of its own, which opens nothing that a clearance opens. The
//! gateway's credential never goes with it. What an enforced rule looks at stands in it as that rule checked it: whoever violates a
//! rule that only reports gets no more than that.

use serde_json::{Map, Value};

use super::clearance::{Clearance, Draft, ScopeDecision};
use super::passage::Judged;
use super::profile::Profile;
use super::report::RuleOutcome;
use super::rule::RuleName;
use super::rules::authorization_details;
use super::rules::redirect_uris::AdmittedRedirectUris;
use super::violation::Violation;
use crate::registration::key::without_secrets;
use crate::registration::members::{self, MemberKind};
use crate::registration::metadata::RequestedRedirectUri;
use crate::registration::{ClientMetadata, RedirectUri};

/// A registrant's own request, rebuilt: the members of violated rules as it wrote them, all others as they were checked. Only
/// [`super::judge()`] makes one.
#[derive(Debug, Clone)]
pub struct LetThrough {
    profile: String,
    metadata: Map<String, Value>,
    redirect_uris: Vec<RedirectUri>,
    post_logout_redirect_uris: Vec<RedirectUri>,
    scopes: ScopeDecision,
    violations: Vec<Violation>,
}

/// What the rules made of a request that they find wrong.
pub(super) struct Found<'a> {
    pub(super) draft: Draft,
    pub(super) redirects: AdmittedRedirectUris,
    pub(super) scopes: ScopeDecision,
    pub(super) outcomes: &'a [RuleOutcome],
    pub(super) violations: Vec<Violation>,
}

impl LetThrough {
    /// To be called only where every violated rule only reports.
    pub(super) fn of(profile: &Profile, requested: &ClientMetadata, found: Found<'_>) -> Self {
        let Found { draft, redirects, mut scopes, outcomes, violations } = found;
        let is_violated = |rule| outcomes.iter().any(|outcome| outcome.rule == rule && !outcome.violations.is_empty());
        let mut metadata = draft.into_members(&scopes);
        metadata.retain(|name, _| rule_of(name).is_none_or(|rule| !is_violated(rule)));
        for (name, value) in &requested.members {
            let Some(rule) = rule_of(name) else { continue };
            let is_own = is_violated(rule) || is_malformed(requested, name) && profile.only_reports(rule);
            if is_own {
                // What is secret is nobody's to pass on: it would stand in the record.
                let value = if name == "jwks" { without_secrets(value) } else { value.clone() };
                metadata.insert(name.clone(), value);
            }
        }
        if is_violated(RuleName::Scopes) {
            let requested = requested.scope.clone();
            scopes = ScopeDecision { granted: requested.clone().unwrap_or_default(), requested, ..Default::default() };
        }
        let (redirect_uris, post_logout_redirect_uris) = if is_violated(RuleName::RedirectUris) {
            (those_that_are_some(&requested.redirect_uris), those_that_are_some(&requested.post_logout_redirect_uris))
        } else {
            (redirects.uris, redirects.post_logout)
        };
        let profile = profile.name().to_owned();
        Self { profile, metadata, redirect_uris, post_logout_redirect_uris, scopes, violations }
    }
}

fn those_that_are_some(asked: &Option<Vec<RequestedRedirectUri>>) -> Vec<RedirectUri> {
    asked.iter().flatten().filter_map(|uri| uri.parsed.clone().ok()).collect()
}

/// The rule whose members these are; none of what is not sent in any case, or stands in the draft as it was verified.
fn rule_of(name: &str) -> Option<RuleName> {
    Some(match members::kind(name)? {
        _ if name == authorization_details::MEMBER => RuleName::Scopes,
        MemberKind::ServerAssigned => return None,
        MemberKind::LocalizedText => RuleName::ClientName,
        MemberKind::LocalizedUrl | MemberKind::Url | MemberKind::Urls => RuleName::Urls,
        MemberKind::Text | MemberKind::Texts | MemberKind::Flag | MemberKind::Seconds => RuleName::PlainMembers,
        MemberKind::Own => match name {
            "redirect_uris" | "post_logout_redirect_uris" => RuleName::RedirectUris,
            "grant_types" => RuleName::GrantTypes,
            "response_types" => RuleName::ResponseTypes,
            "token_endpoint_auth_method" => RuleName::TokenEndpointAuthMethod,
            "application_type" => RuleName::ApplicationType,
            "scope" => RuleName::Scopes,
            "contacts" => RuleName::Contacts,
            "jwks" => RuleName::Jwks,
            "software_id" | "software_version" => RuleName::Software,
            _ => return None,
        },
    })
}

fn is_malformed(requested: &ClientMetadata, name: &str) -> bool {
    requested.malformed.iter().any(|malformed| malformed.place.split(['[', '.']).next() == Some(name))
}

impl Judged for LetThrough {
    fn profile(&self) -> &str {
        &self.profile
    }

    fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    fn redirect_uris(&self) -> &[RedirectUri] {
        &self.redirect_uris
    }

    fn post_logout_redirect_uris(&self) -> &[RedirectUri] {
        &self.post_logout_redirect_uris
    }

    fn scopes(&self) -> &ScopeDecision {
        &self.scopes
    }

    fn violations(&self) -> &[Violation] {
        &self.violations
    }

    fn clearance(&self) -> Option<&Clearance> {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::{Passage, judge};
    use crate::registration::json as strict;

    const RULES: &str = r#"
name: partners
match: {}
redirect_uris: { https: [{ host: app.example.com }], on_violation: drop }
client_name: { max_length: 10 }
scopes: { initial: [openid], allowed: [profile] }
"#;

    fn passage(more: &str, body: &Value) -> Result<Passage, Vec<Violation>> {
        let settings = serde_yaml::from_str(&format!("{RULES}{more}")).unwrap();
        let profile = Profile::compile(&settings).unwrap();
        let members = strict::parse(&serde_json::to_vec(body).unwrap()).unwrap();
        judge(&profile, &ClientMetadata::from_json(members)).passage()
    }

    fn let_through(more: &str, body: &Value) -> LetThrough {
        match passage(more, body) {
            Ok(Passage::LetThrough(let_through)) => *let_through,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_members_of_violated_rules_are_the_registrants_own_and_all_others_as_they_were_checked() {
        let asked = json!({
            "client_name": "A name that is too long", "client_name#de": "Kurz",
            "redirect_uris": ["https://app.example.com/cb", "https://evil.example/cb"],
            "scope": "openid admin", "contacts": 7, "x_unknown": "x", "client_secret": "s", "client_id": "c",
            "default_max_age": 3600,
        });
        let let_through = let_through("enforcement: report_only", &asked);
        insta::assert_json_snapshot!(let_through.metadata(), @r#"
        {
          "client_name": "A name that is too long",
          "client_name#de": "Kurz",
          "contacts": 7,
          "default_max_age": 3600,
          "grant_types": [
            "authorization_code"
          ],
          "redirect_uris": [
            "https://app.example.com/cb"
          ],
          "response_types": [
            "code"
          ],
          "scope": "openid",
          "token_endpoint_auth_method": "client_secret_basic"
        }
        "#);
        let rules: Vec<&str> = let_through.violations().iter().map(|violation| violation.rule.as_str()).collect();
        assert_eq!(rules, ["well_formed", "server_assigned", "server_assigned", "client_name"]);
        assert!(let_through.clearance().is_none());
    }

    #[test]
    fn redirect_uris_that_no_rule_admits_go_as_they_were_written() {
        let asked = json!({"redirect_uris": ["https://evil.example/cb", "javascript:alert(1)", 7]});
        let let_through = let_through("enforcement: report_only", &asked);
        assert_eq!(let_through.metadata()["redirect_uris"], asked["redirect_uris"]);
        let uris: Vec<&str> = let_through.redirect_uris().iter().map(|uri| uri.as_str()).collect();
        assert_eq!(uris.first(), Some(&"https://evil.example/cb"));
    }

    #[test]
    fn one_rule_that_refuses_refuses_the_whole() {
        let asked = json!({"client_name": "A name that is too long", "redirect_uris": ["https://evil.example/cb"]});
        let violations = passage("report_only: [client_name]", &asked).unwrap_err();
        assert_eq!(violations.len(), 2, "all of it is told");
        assert!(passage("", &asked).is_err());
    }

    #[test]
    fn a_member_that_is_malformed_is_left_out_where_its_own_rule_refuses() {
        let asked = json!({"redirect_uris": ["https://app.example.com/cb"], "scope": ["admin"], "contacts": 7});
        let let_through = let_through("report_only: [well_formed, contacts]", &asked);
        assert_eq!(let_through.metadata()["scope"], "openid", "a list of scopes is no way round the rule for them");
        assert_eq!(let_through.metadata()["contacts"], 7);
    }

    #[test]
    fn scopes_that_the_rule_refuses_are_asked_for_as_they_were() {
        let more = RULES.replace("allowed: [profile]", "allowed: [profile], excess: refuse");
        let settings = serde_yaml::from_str(&format!("{more}report_only: [scopes]")).unwrap();
        let members = json!({"redirect_uris": ["https://app.example.com/cb"], "scope": "openid admin"});
        let requested = ClientMetadata::from_json(members.as_object().unwrap().clone());
        let verdict = judge(&Profile::compile(&settings).unwrap(), &requested);
        let let_through = verdict.let_through.unwrap();
        assert_eq!(let_through.metadata()["scope"], "openid admin");
        assert_eq!(let_through.scopes().granted.to_string(), "openid admin");
    }

    #[test]
    fn private_keys_are_never_passed_on() {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43), "d": "secret"});
        let asked = json!({"redirect_uris": ["https://app.example.com/cb"], "jwks": {"keys": [key]}});
        let let_through = let_through("report_only: [jwks]", &asked);
        let sent = let_through.metadata()["jwks"].to_string();
        assert!(sent.contains("Ed25519") && !sent.contains("secret"), "{sent}");
    }

    #[test]
    fn what_the_kind_of_server_cannot_say_yes_to_is_let_through_nowhere() {
        let settings = serde_yaml::from_str(&format!("{RULES}enforcement: report_only")).unwrap();
        let requested =
            ClientMetadata::from_json(json!({"client_name": "A name that is too long"}).as_object().unwrap().clone());
        let verdict = judge(&Profile::compile(&settings).unwrap(), &requested).also(|_, _| {});
        assert!(verdict.let_through.is_none());
    }
}
