//! The whole judgement of one request under one profile: every rule in order, then a clearance or every violation.

use serde_json::Value;

use super::clearance::{Clearance, Draft};
use super::let_through::{Found, LetThrough};
use super::passage::{Judged, Passage};
use super::profile::Profile;
use super::report::{MOST_VIOLATIONS, Report, RuleOutcome};
use super::rule::RuleName;
use super::rules::application_type::Redirection;
use super::rules::client_name::Ways;
use super::rules::{
    grant_consistency, plain_members, server_assigned, software, software_statement, unknown_members, well_formed,
};
use super::violation::Violation;
use crate::registration::grant::GrantType;
use crate::registration::software_statement::MEMBER;
use crate::registration::{ClientMetadata, ScopeSet};

/// What the rules made of a request.
#[derive(Debug)]
pub struct Verdict {
    /// The permit, or everything that is wrong, in the order of the rules; never an empty list, never more than 64.
    pub result: Result<Clearance, Vec<Violation>>,
    /// What each rule found and changed, in the order of [`RuleName::ALL`].
    pub rules: Vec<RuleOutcome>,
    /// What goes to the server although the rules would refuse it, because all that it violates only reports.
    pub let_through: Option<LetThrough>,
}

impl Verdict {
    /// What may go to the server, or everything that is wrong.
    ///
    /// # Errors
    /// Everything that is wrong, where it refuses.
    pub fn passage(self) -> Result<Passage, Vec<Violation>> {
        match (self.result, self.let_through) {
            (Ok(clearance), _) => Ok(Passage::Cleared(Box::new(clearance))),
            (Err(_), Some(let_through)) => Ok(Passage::LetThrough(Box::new(let_through))),
            (Err(violations), None) => Err(violations),
        }
    }

    /// As [`Verdict::passage`], to look at; none where it refuses.
    pub fn judged(&self) -> Option<&dyn Judged> {
        match (&self.result, &self.let_through) {
            (Ok(clearance), _) => Some(clearance),
            (Err(_), Some(let_through)) => Some(let_through),
            (Err(_), None) => None,
        }
    }

    /// One rule more, of the authorization server's kind: it looks at what all the others admit. What they do not admit it cannot speak
    /// for, so that is let through nowhere.
    #[must_use]
    pub fn also(self, check: impl FnOnce(&Clearance, &mut Report<'_>)) -> Self {
        let Self { result, mut rules, .. } = self;
        let clearance = match result {
            Ok(clearance) => clearance,
            Err(violations) => return Self { result: Err(violations), rules, let_through: None },
        };
        let mut report = Report::new(RuleName::AuthorizationServer, clearance.profile());
        check(&clearance, &mut report);
        let outcome = report.into_outcome();
        let violations = outcome.violations.clone();
        rules.push(outcome);
        let result = if violations.is_empty() { Ok(clearance) } else { Err(violations) };
        Self { result, rules, let_through: None }
    }
}

/// What one client may have besides what every registration gets.
#[derive(Debug, Clone, Default)]
pub struct Raised {
    /// Scopes.
    pub scopes: ScopeSet,
    /// What is for clients alone that are in use, and that somebody approved where the profile needs it.
    pub is_approved: bool,
}

/// Judges `requested` under `profile`. Every rule is run, whatever the others found.
pub fn judge(profile: &Profile, requested: &ClientMetadata) -> Verdict {
    judge_raised(profile, requested, &Raised::default())
}

/// As [`judge`], for a client that may have what is `raised` besides what every client gets.
pub fn judge_raised(profile: &Profile, requested: &ClientMetadata, raised: &Raised) -> Verdict {
    let rules = profile.rules();
    let mut run = Run { profile: profile.name(), outcomes: Vec::with_capacity(RuleName::ALL.len()) };

    run.rule(RuleName::WellFormed, |report| well_formed::check(requested, report));
    run.rule(RuleName::ServerAssigned, |report| server_assigned::check(requested, report));
    run.rule(RuleName::SoftwareStatement, |report| software_statement::check(requested, report));
    let redirects = run.rule(RuleName::RedirectUris, |report| rules.redirect_uris.check(requested, report));
    let uris = &redirects.uris;
    let kept = rules.response_types.kept(requested);
    let grants = run.rule(RuleName::GrantTypes, |report| rules.grant_types.check(requested, &kept, report));
    let responses =
        run.rule(RuleName::ResponseTypes, |report| rules.response_types.check(requested, &kept, &grants, report));
    run.rule(RuleName::GrantConsistency, |report| {
        // What could not be read was asked for all the same, and is refused where that is said.
        let is_malformed = requested.malformed.iter().any(|malformed| malformed.place == "redirect_uris");
        let redirect_uris_asked = requested.redirect_uris.as_ref().map_or(usize::from(is_malformed), Vec::len);
        let flow = grant_consistency::Flow { grants: &grants, responses: &responses, redirect_uris_asked };
        grant_consistency::check(flow, report);
    });
    let method = run.rule(RuleName::TokenEndpointAuthMethod, |report| {
        rules.token_endpoint_auth_method.check(requested, &grants, report)
    });
    let kind = run.rule(RuleName::ApplicationType, |report| {
        rules.application_type.check(requested, Redirection { uris, grants: &grants }, report)
    });
    let ways = Ways { redirect_uris: uris, grants: &grants };
    let names = run.rule(RuleName::ClientName, |report| rules.client_name.check(&requested.client_names, ways, report));
    let urls = run.rule(RuleName::Urls, |report| {
        rules.client_name.check_pages(&requested.urls, ways, report);
        rules.urls.check(requested, uris, report)
    });
    let keys = run.rule(RuleName::Jwks, |report| rules.jwks.check(requested, report));
    let contacts = run.rule(RuleName::Contacts, |report| rules.contacts.check(requested, report));
    let software = run.rule(RuleName::Software, |report| software::check(requested, report));
    let mut plain = run.rule(RuleName::PlainMembers, |report| {
        let organization = requested.plain.get("organization_name").and_then(Value::as_str);
        rules.client_name.check_organization(organization, ways, report);
        let beside = plain_members::Beside { method: &method, grants: &grants, redirect_uris: uris };
        rules.plain_members.check(requested, beside, report)
    });
    run.rule(RuleName::UnknownMembers, |report| unknown_members::check(requested, report));
    let scopes = run.rule(RuleName::Scopes, |report| {
        rules.authorization_details.narrow(&mut plain, raised, report);
        rules.scopes.check(requested, &raised.scopes, report)
    });

    let violations: Vec<Violation> =
        run.outcomes.iter().flat_map(|outcome| outcome.violations.iter().cloned()).take(MOST_VIOLATIONS).collect();
    let is_passed_over = |outcome: &RuleOutcome| outcome.violations.is_empty() || profile.only_reports(outcome.rule);
    if !violations.is_empty() && !run.outcomes.iter().all(is_passed_over) {
        return Verdict { result: Err(violations), rules: run.outcomes, let_through: None };
    }
    let mut draft = Draft::new(plain);
    // As it was asked: left out they are `code` and REQUIRED (RFC 7591 §2), on which some servers insist; others take no empty list.
    if !grants.iter().any(GrantType::redirects) {
        if requested.redirect_uris.as_ref().is_some_and(Vec::is_empty) {
            draft.empty("redirect_uris");
        }
        if requested.response_types.as_ref().is_some_and(Vec::is_empty) {
            draft.empty("response_types");
        }
    }
    draft.words("redirect_uris", uris.iter().map(|uri| uri.as_str()));
    draft.words("post_logout_redirect_uris", redirects.post_logout.iter().map(|uri| uri.as_str()));
    draft.words("grant_types", grants.iter().map(|grant| grant.as_str()));
    draft.words("response_types", responses.iter().map(|response| response.as_str()));
    draft.text("token_endpoint_auth_method", method.as_str());
    if let Some(kind) = &kind {
        draft.text("application_type", kind.as_str());
    }
    names.iter().for_each(|(member, name)| draft.text(member, name));
    urls.iter().for_each(|url| draft.url(url));
    if let Some(keys) = keys {
        draft.value("jwks", keys);
    }
    draft.words("contacts", contacts);
    software.iter().for_each(|(member, text)| draft.text(member, text));
    if let Some(statement) = &requested.software_statement {
        draft.text(MEMBER, &statement.text);
    }
    if violations.is_empty() {
        let clearance = draft.clear(profile.name(), redirects, scopes);
        return Verdict { result: Ok(clearance), rules: run.outcomes, let_through: None };
    }
    let found = Found { draft, redirects, scopes, outcomes: &run.outcomes, violations: violations.clone() };
    let let_through = Some(LetThrough::of(profile, requested, found));
    Verdict { result: Err(violations), rules: run.outcomes, let_through }
}

/// The rules run so far, and what each made of the request.
struct Run<'a> {
    profile: &'a str,
    outcomes: Vec<RuleOutcome>,
}

impl Run<'_> {
    fn rule<T>(&mut self, rule: RuleName, check: impl FnOnce(&mut Report<'_>) -> T) -> T {
        let mut report = Report::new(rule, self.profile);
        let checked = check(&mut report);
        self.outcomes.push(report.into_outcome());
        checked
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::registration::json as strict;

    fn partners() -> Profile {
        let yaml = r#"
name: partners
match: { client_certificate: { issuer: "CN=Partner CA", san_dns: ["*.partner.example"] } }
initial_access_token: required
redirect_uris: { https: [{ host: app.example.com }, { subdomains_of: trusted-partner.org, path: "^/oauth/" }] }
scopes: { initial: [openid], allowed: [openid, profile, "orders:read"], by_approval: ["orders:write"] }
limits: { rate: 10/s, burst: 5 }
"#;
        Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap()
    }

    fn verdict(body: &Value) -> Verdict {
        let members = strict::parse(&serde_json::to_vec(body).unwrap()).unwrap();
        judge(&partners(), &ClientMetadata::from_json(members))
    }

    #[test]
    fn a_clearance_holds_checked_values_only() {
        let verdict = verdict(&json!({
            "redirect_uris": ["https://app.example.com/cb"],
            "client_name": " Orders ",
            "client_name#de": "Bestellungen",
            "scope": "openid orders:read orders:write admin",
            "contacts": ["ops@partner.example"],
            "jwks_uri": "https://app.example.com/jwks.json",
            "default_max_age": 3600,
            "software_id": "orders",
            "x_unknown": {"a": 1},
            "client_id": null,
        }));
        let clearance = verdict.result.unwrap();
        insta::assert_json_snapshot!(clearance.metadata(), @r#"
        {
          "client_name": "Orders",
          "client_name#de": "Bestellungen",
          "contacts": [
            "ops@partner.example"
          ],
          "default_max_age": 3600,
          "grant_types": [
            "authorization_code"
          ],
          "jwks_uri": "https://app.example.com/jwks.json",
          "redirect_uris": [
            "https://app.example.com/cb"
          ],
          "response_types": [
            "code"
          ],
          "scope": "openid orders:read",
          "software_id": "orders",
          "token_endpoint_auth_method": "client_secret_basic"
        }
        "#);
        assert_eq!(clearance.scopes().withheld.to_string(), "orders:write");
        assert_eq!(clearance.profile(), "partners");
        let notes: Vec<String> = verdict.rules.into_iter().flat_map(|outcome| outcome.notes).collect();
        insta::assert_snapshot!(notes.join("\n"), @r#"
        client_name: spaces at its ends are taken off
        x_unknown: is no member this gateway knows, it is left out
        scope: "admin" is not allowed, it is left out
        scope: "orders:write" is withheld until an approval
        "#);
    }

    #[test]
    fn everything_that_is_wrong_is_told_in_the_order_of_the_rules() {
        let verdict = verdict(&json!({
            "redirect_uris": ["https://app.example.com/cb", "https://evil.example/cb"],
            "grant_types": ["authorization_code", "password"],
            "response_types": ["token"],
            "token_endpoint_auth_method": "bogus",
            "application_type": "toaster",
            "client_name": "a\u{202e}b",
            "client_id": "mine",
            "logo_uri": "http://169.254.169.254/latest",
            "contacts": ["javascript:alert(1)"],
            "id_token_signed_response_alg": "none",
            "scope": 7,
        }));
        let violations = verdict.result.unwrap_err();
        let sentences: Vec<String> = violations.iter().map(|v| format!("{} | {}", v.rule, v.message)).collect();
        insta::assert_snapshot!(sentences.join("\n"), @r#"
        well_formed | scope: must be a string
        server_assigned | client_id: is assigned by the server and cannot be asked for (RFC 7591 §3.2.1)
        redirect_uris | redirect_uris[1]: host "evil.example" is not allowed by profile "partners"
        grant_types | grant_types: "password" is not allowed by profile "partners"
        response_types | response_types: "token" is not allowed by profile "partners"
        grant_consistency | response_types: "token" needs the grant type "implicit"
        grant_consistency | grant_types: "authorization_code" needs a response type with "code"
        token_endpoint_auth_method | token_endpoint_auth_method: "bogus" is not allowed by profile "partners"
        application_type | application_type: "toaster" is not allowed by profile "partners"
        client_name | client_name: "a\u{202e}b" holds a bidirectional control (U+202E)
        urls | logo_uri: "http://169.254.169.254/latest" is not https (profile "partners")
        urls | logo_uri: "http://169.254.169.254/latest" is on an IP address, not on a host with a name (profile "partners")
        contacts | contacts[0]: "javascript:alert(1)" holds a URL that runs code
        plain_members | id_token_signed_response_alg: "none" is not an algorithm that is allowed (profile "partners")
        "#);
    }

    #[test]
    fn redirect_uris_that_could_not_be_read_are_not_missing_as_well() {
        let violations = verdict(&json!({"redirect_uris": "https://app.example.com/cb"})).result.unwrap_err();
        let sentences: Vec<&str> = violations.iter().map(|violation| &*violation.message).collect();
        assert_eq!(sentences, ["redirect_uris: must be an array of strings"]);
    }

    #[test]
    fn a_client_that_is_never_redirected_and_says_so_says_so_to_the_server() {
        let yaml = "{name: machines, match: {}, grant_types: [authorization_code, client_credentials, \"urn:ietf:params:oauth:grant-type:device_code\"], \
                    redirect_uris: {https: [{host: app.example.com}]}}";
        let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
        let sent = |asked: Value| {
            let requested = ClientMetadata::from_json(asked.as_object().unwrap().clone());
            let sent = judge(&profile, &requested).result.unwrap().metadata().clone();
            ["redirect_uris", "response_types"].map(|member| sent.get(member).cloned())
        };
        for grant in ["client_credentials", "urn:ietf:params:oauth:grant-type:device_code"] {
            let said = json!({"grant_types": [grant], "redirect_uris": [], "response_types": []});
            assert_eq!(sent(said), [Some(json!([])), Some(json!([]))], "{grant}");
            assert_eq!(sent(json!({"grant_types": [grant]})), [None, None], "{grant}");
        }
        let uri = json!(["https://app.example.com/cb"]);
        let both = json!({"grant_types": ["authorization_code", "client_credentials"], "redirect_uris": uri, "response_types": []});
        assert_eq!(sent(both), [Some(uri), Some(json!(["code"]))]);
    }

    #[test]
    fn every_rule_has_an_outcome_in_the_pinned_order() {
        let verdict = verdict(&json!({}));
        let rules: Vec<RuleName> = verdict.rules.iter().map(|outcome| outcome.rule).collect();
        assert_eq!(rules, RuleName::ALL[..17], "the last is the authorization server's own");
        assert!(verdict.result.is_err(), "the code grant needs a redirect URI");
    }

    #[test]
    fn the_servers_own_rule_looks_only_at_what_the_others_admit() {
        let refuse = |_: &Clearance, report: &mut Report<'_>| report.refuse("scope", "is not its taste");
        let refused = verdict(&json!({})).also(refuse);
        assert_eq!(refused.rules.len(), 17, "it was refused before");
        let profile = Profile::compile(&serde_yaml::from_str("{name: all, preset: mcp, match: {}}").unwrap()).unwrap();
        let members = strict::parse(br#"{"redirect_uris": ["http://127.0.0.1/cb"], "client_name": "Tool"}"#).unwrap();
        let verdict = judge(&profile, &ClientMetadata::from_json(members));
        let refused = verdict.also(refuse);
        assert_eq!(refused.rules.last().unwrap().rule, RuleName::AuthorizationServer);
        assert_eq!(refused.result.unwrap_err()[0].message, "scope: is not its taste");
    }

    #[test]
    fn a_hostile_request_cannot_make_the_answer_large() {
        let many: Vec<String> = (0..3000).map(|n| format!("https://evil{n}.example/cb")).collect();
        let violations = verdict(&json!({"redirect_uris": many, "contacts": vec!["x"; 3000]})).result.unwrap_err();
        assert!(violations.len() <= MOST_VIOLATIONS);
        assert!(violations.iter().all(|v| v.message.len() <= 512 && !v.message.contains(char::is_control)));
    }

    #[test]
    fn a_machine_needs_no_redirect_uri() {
        let yaml = "{name: machines, match: {}, grant_types: [client_credentials], token_endpoint_auth_methods: [client_secret_basic]}";
        let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
        let members = strict::parse(br#"{"grant_types": ["client_credentials"], "client_name": "Batch"}"#).unwrap();
        let clearance = judge(&profile, &ClientMetadata::from_json(members)).result.unwrap();
        assert_eq!(clearance.redirect_uris(), []);
    }
}
