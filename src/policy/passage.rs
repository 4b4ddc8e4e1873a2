//! What may go to the server of a request, and by what right: the rules admitted it ([`Clearance`]), or they only report
//! ([`LetThrough`]). What both have in common is [`Judged`].

use serde_json::{Map, Value};

use super::clearance::{Clearance, ScopeDecision};
use super::let_through::LetThrough;
use super::violation::Violation;
use crate::registration::RedirectUri;

/// What goes to the server of a request, whether it was admitted or is let through.
pub trait Judged: Send + Sync {
    /// The profile by whose rules it was judged.
    fn profile(&self) -> &str;
    /// The members to send.
    fn metadata(&self) -> &Map<String, Value>;
    /// Those of its redirect URIs that are some, in the order asked for.
    fn redirect_uris(&self) -> &[RedirectUri];
    /// The same of `post_logout_redirect_uris`.
    fn post_logout_redirect_uris(&self) -> &[RedirectUri];
    /// What became of the scopes.
    fn scopes(&self) -> &ScopeDecision;
    /// What the rules found; nothing of what was admitted.
    fn violations(&self) -> &[Violation];
    /// The names of the rules that it violates, a rule for each of its violations.
    fn violated_rules(&self) -> Vec<&'static str> {
        self.violations().iter().map(|violation| violation.rule.as_str()).collect()
    }
    /// The permit; none of what is only let through.
    fn clearance(&self) -> Option<&Clearance>;
}

/// What may go to the server, and by what right.
#[derive(Debug, Clone)]
pub enum Passage {
    /// The rules admitted it.
    Cleared(Box<Clearance>),
    /// They would have refused it, and only report.
    LetThrough(Box<LetThrough>),
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

    fn post_logout_redirect_uris(&self) -> &[RedirectUri] {
        self.post_logout_redirect_uris()
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
