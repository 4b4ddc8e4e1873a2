//! What the rules would have refused and report-only lets through: a type of its own, which opens nothing that a clearance opens. The
//! gateway's credential never goes with it. What an enforced rule looks at stands in it as that rule checked it: whoever violates a
//! rule that only reports gets no more than that.

use serde_json::{Map, Value};

use super::clearance::{Clearance, Draft, ScopeDecision};
use super::profile::Profile;
use super::report::RuleOutcome;
use super::rule::RuleName;
use super::rules::redirect_uris::AdmittedRedirectUris;
use super::violation::Violation;
use crate::registration::key::without_secrets;
use crate::registration::members::{self, MemberKind};
use crate::registration::{ClientMetadata, RedirectUri};

/// What goes to the server of a request, whether it was admitted or is let through.
pub trait Judged: Send + Sync {
    /// The profile by whose rules it was judged.
    fn profile(&self) -> &str;
    /// The members to send.
    fn metadata(&self) -> &Map<String, Value>;
    /// Those of its redirect URIs that are some, in the order asked for.
    fn redirect_uris(&self) -> &[RedirectUri];
    /// What became of the scopes.
    fn scopes(&self) -> &ScopeDecision;
    /// What the rules found; nothing of what was admitted.
    fn violations(&self) -> &[Violation];
    /// The permit; none of what is only let through.
    fn clearance(&self) -> Option<&Clearance>;
}

/// A registrant's own request, rebuilt: the members of violated rules as it wrote them, all others as they were checked. Only
/// [`super::judge`] makes one.
#[derive(Debug, Clone)]
pub struct LetThrough {
    profile: String,
    metadata: Map<String, Value>,
    redirect_uris: Vec<RedirectUri>,
    scopes: ScopeDecision,
    violations: Vec<Violation>,
}

/// What may go to the server, and by what right.
#[derive(Debug, Clone)]
pub enum Passage {
    /// The rules admitted it.
    Cleared(Box<Clearance>),
    /// They would have refused it, and only report.
    LetThrough(Box<LetThrough>),
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
        let redirect_uris = if is_violated(RuleName::RedirectUris) {
            let asked = requested.redirect_uris.iter().flatten();
            asked.filter_map(|uri| uri.parsed.clone().ok()).collect()
        } else {
            redirects.uris
        };
        Self { profile: profile.name().to_owned(), metadata, redirect_uris, scopes, violations }
    }
}

/// The rule whose members these are; none of what is not sent in any case, or stands in the draft as it was verified.
fn rule_of(name: &str) -> Option<RuleName> {
    Some(match members::kind(name)? {
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

impl Judged for Clearance {
    fn profile(&self) -> &str {
        self.profile()
    }

    fn metadata(&self) -> &Map<String, Value> {
        self.metadata()
    }

    fn redirect_uris(&self) -> &[RedirectUri] {
        self.redirect_uris()
    }

    fn scopes(&self) -> &ScopeDecision {
        self.scopes()
    }

    fn violations(&self) -> &[Violation] {
        &[]
    }

    fn clearance(&self) -> Option<&Clearance> {
        Some(self)
    }
}

impl Passage {
    /// Whichever it is.
    pub fn judged(&self) -> &dyn Judged {
        match self {
            Self::Cleared(clearance) => clearance.as_ref(),
            Self::LetThrough(let_through) => let_through.as_ref(),
        }
    }
}
