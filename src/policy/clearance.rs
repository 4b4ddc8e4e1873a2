//! The permit an admission yields. The request to the authorization server can be made from nothing else.

use serde_json::{Map, Value};

use super::rules::redirect_uris::AdmittedRedirectUris;
use crate::registration::metadata::RequestedUrl;
use crate::registration::{RedirectUri, ScopeSet};

/// The checked values of an admitted request. Only [`super::judge()`] makes one.
#[derive(Debug, Clone)]
pub struct Clearance {
    profile: String,
    metadata: Map<String, Value>,
    redirect_uris: Vec<RedirectUri>,
    post_logout_redirect_uris: Vec<RedirectUri>,
    dropped_redirect_uris: Vec<String>,
    scopes: ScopeDecision,
}

/// What became of the scopes asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeDecision {
    /// What the client asked for; none when it named none.
    pub requested: Option<ScopeSet>,
    /// What it gets now.
    pub granted: ScopeSet,
    /// Asked for, not granted now, grantable by approval.
    pub withheld: ScopeSet,
    /// Asked for and neither allowed nor grantable: left out.
    pub dropped: ScopeSet,
}

impl Clearance {
    /// The profile that admitted it.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The members to send, rebuilt from checked values; `redirect_uris` and the granted `scope` (absent when none is granted) among them.
    pub fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    /// The admitted redirect URIs, in the order asked for.
    pub fn redirect_uris(&self) -> &[RedirectUri] {
        &self.redirect_uris
    }

    /// The admitted post-logout redirect URIs, in the order asked for.
    pub fn post_logout_redirect_uris(&self) -> &[RedirectUri] {
        &self.post_logout_redirect_uris
    }

    /// The redirect URIs that `on_violation: drop` took out.
    pub fn dropped_redirect_uris(&self) -> &[String] {
        &self.dropped_redirect_uris
    }

    /// What became of the scopes.
    pub fn scopes(&self) -> &ScopeDecision {
        &self.scopes
    }
}

/// A clearance in the making: members are put in one by one, each by a rule that checked it.
pub(super) struct Draft(Map<String, Value>);

impl Draft {
    /// Begins with the members that need no rule of their own.
    pub(super) fn new(plain: Map<String, Value>) -> Self {
        Self(plain)
    }

    pub(super) fn text(&mut self, member: &str, text: &str) {
        self.value(member, Value::from(text));
    }

    /// A list that is sent although it is empty: absent it would have a default.
    pub(super) fn empty(&mut self, member: &str) {
        self.value(member, Value::Array(Vec::new()));
    }

    /// A list of texts; when it is empty, what was there before stays.
    pub(super) fn words<'t>(&mut self, member: &str, words: impl IntoIterator<Item = &'t str>) {
        let words: Vec<Value> = words.into_iter().map(Value::from).collect();
        if !words.is_empty() {
            self.value(member, Value::Array(words));
        }
    }

    /// A URL: text under the member's name with its language tag, or one more entry of a list (`request_uris[0]`).
    pub(super) fn url(&mut self, url: &RequestedUrl) {
        if !url.place.contains('[') {
            self.text(&url.place, &url.text);
        } else if let Value::Array(entries) = self.0.entry(url.member).or_insert_with(|| Value::Array(Vec::new())) {
            entries.push(Value::from(url.text.as_str()));
        }
    }

    pub(super) fn value(&mut self, member: &str, value: Value) {
        self.0.insert(member.to_owned(), value);
    }

    /// What was put in, with the scope that is granted.
    pub(super) fn into_members(mut self, scopes: &ScopeDecision) -> Map<String, Value> {
        if !scopes.granted.is_empty() {
            self.text("scope", &scopes.granted.to_string());
        }
        self.0
    }

    /// The permit. The scope that is granted is the last member put in; it is absent when none is granted.
    pub(super) fn clear(self, profile: &str, redirects: AdmittedRedirectUris, scopes: ScopeDecision) -> Clearance {
        Clearance {
            profile: profile.to_owned(),
            metadata: self.into_members(&scopes),
            redirect_uris: redirects.uris,
            post_logout_redirect_uris: redirects.post_logout,
            dropped_redirect_uris: redirects.dropped,
            scopes,
        }
    }
}
