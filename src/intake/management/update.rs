//! The body of a change (RFC 7592 §2.2): all that is to be registered from now on, judged by the rules of a registration.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::authorization_server;
use crate::clock::Timestamp;
use crate::intake::form;
use crate::intake::handler::{Body, Head};
use crate::intake::reason::Reason;
use crate::intake::recorded;
use crate::intake::refusal::Refusal;
use crate::intake::rulebook::Rulebook;
use crate::lifecycle::{Action, GATEWAY, Lifecycle};
use crate::policy::approval::Elevation;
use crate::policy::clearance::ScopeDecision;
use crate::policy::{Judged, Passage, Profile, Raised};
use crate::registrant::software_statement::Circumstances;
use crate::registration::software_statement::MEMBER;
use crate::registration::{Scope, ScopeSet, json};
use crate::secret::Secret;
use crate::store::ClientRecord;
use crate::telemetry::span;

/// A change that the rules admit, or let through.
pub(super) struct Update {
    pub(super) passage: Passage,
    /// Scopes that it gets by asking, which no registration gets (`elevation: automatic`).
    elevated: ScopeSet,
    /// What was approved when it was judged.
    scope_approved: String,
    client_secret: Option<Secret>,
}

/// Members of an answer that a change must not send back.
const NOT_IN_A_CHANGE: [&str; 4] =
    ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"];

/// What the body is judged by.
pub(super) struct Judging<'j> {
    pub(super) rulebook: &'j Rulebook,
    pub(super) circumstances: Circumstances<'j>,
    pub(super) profile: &'j Profile,
}

/// Reads the body and judges it.
pub(super) async fn read(
    head: &Head,
    body: &mut dyn Body,
    client: &ClientRecord,
    judging: Judging<'_>,
) -> Result<Update, Refusal> {
    form::check_media_type(head)?;
    let mut members = form::read(body).await?;
    // As in a registration, and as RFC 7592 §2.2 has it the other way round: what is omitted is taken for null or empty.
    members.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
    if let Some(member) = NOT_IN_A_CHANGE.iter().find(|member| members.contains_key(**member)) {
        return Err(invalid(format!("{member}: must not be in a change of a client (RFC 7592 §2.2)")));
    }
    match members.remove("client_id") {
        Some(Value::String(id)) if id == client.client_id => {}
        Some(_) => return Err(invalid("client_id: is not the one of the client that is changed (RFC 7592 §2.2)")),
        None => return Err(invalid("client_id: is missing; a change names the client it is for (RFC 7592 §2.2)")),
    }
    let client_secret = take_secret(&mut members)?;
    let heard = judging.rulebook.software_statements.hear(members, judging.circumstances).await;
    let (requested, _) = heard.map_err(Refusal::statement)?;
    let profile = judging.profile;
    let has = had_at_once(judging.rulebook.profile(profile.name()).unwrap_or(profile), client);
    let has = ScopeSet::recorded(&client.scope_approved).union(&has);
    let is_approved = client.lifecycle == Lifecycle::Active;
    let scopes = match profile.approvals().elevation {
        Elevation::Automatic if is_approved => has.union(profile.grantable()),
        _ => has.clone(),
    };
    let raised = Raised { scopes, is_approved };
    let judged = span::policy_span()
        .in_scope(|| authorization_server::judge_raised(judging.rulebook.kind, profile, &requested, &raised))
        .passage();
    let passage = judged.map_err(Refusal::violated)?;
    let is_new = |scope: &&Scope| !profile.grants_at_once(scope) && !has.contains(scope);
    let elevated = passage.judged().scopes().granted.iter().filter(is_new).cloned().collect();
    Ok(Update { passage, elevated, client_secret, scope_approved: client.scope_approved.clone() })
}

/// What the client was given when it asked, by the profile as it is under no response: one under which new clients wait takes nothing from
/// those that are there.
fn had_at_once(profile: &Profile, client: &ClientRecord) -> ScopeSet {
    let granted = ScopeSet::recorded(&client.scope_granted);
    granted.iter().filter(|scope| profile.grants_at_once(scope)).cloned().collect()
}

fn take_secret(members: &mut Map<String, Value>) -> Result<Option<Secret>, Refusal> {
    match members.remove("client_secret") {
        None => Ok(None),
        Some(Value::String(secret)) => Ok(Some(Secret::new(secret))),
        Some(_) => Err(invalid("client_secret: must be a string")),
    }
}

fn invalid(sentence: impl Into<String>) -> Refusal {
    Refusal::from(Reason::ChangeInvalid).described(sentence)
}

impl Update {
    /// A secret that the change names must be the one the client has: it cannot choose another.
    pub(super) fn check_secret(&self, current: Option<&Secret>) -> Result<(), Refusal> {
        match &self.client_secret {
            Some(named) if Some(named) != current => Err(invalid(
                "client_secret: is not the one of the client, and another cannot be chosen (RFC 7592 §2.2)",
            )),
            _ => Ok(()),
        }
    }

    /// Whether the client has no other approved scopes since it was judged.
    pub(super) fn was_judged_with(&self, client: &ClientRecord) -> bool {
        self.scope_approved == client.scope_approved
    }

    /// Enters what was changed at the server. Whatever waited for an approval was about what the client was before, but for scopes
    /// that the change only restates.
    pub(super) fn enter(&self, client: &mut ClientRecord, now: Timestamp) {
        let judged = self.passage.judged();
        let (requested, withheld) = (client.scope_requested.clone(), client.scope_withheld.clone());
        let restates_scope = restates_scope(judged, client);
        enter(judged, client);
        if restates_scope {
            (client.scope_requested, client.scope_withheld) = (requested, withheld);
        }
        client.metadata.remove(MEMBER);
        let statement = judged.metadata().get_key_value(MEMBER);
        client.metadata.extend(statement.map(|(name, value)| (name.clone(), value.clone())));
        client.members_behind = false;
        client.asked = None;
        if !self.elevated.is_empty() {
            let approved = ScopeSet::recorded(&client.scope_approved);
            client.scope_approved = approved.union(&self.elevated).to_string();
            let comment = Some(format!("elevation: automatic, by asking for {}", self.elevated));
            client.approved = Some(Action { at: now, actor: GATEWAY.to_owned(), comment });
        }
    }
}

/// Whether its scopes are those that a read told the client: written back, they take back nothing of what it asked for and waits for.
fn restates_scope(judged: &dyn Judged, client: &ClientRecord) -> bool {
    let set = |scopes: &ScopeSet| scopes.iter().cloned().collect::<BTreeSet<_>>();
    let granted = ScopeSet::recorded(&client.scope_granted);
    let ScopeDecision { requested, withheld, .. } = judged.scopes();
    withheld.is_empty() && requested.as_ref().is_some_and(|requested| set(requested) == set(&granted))
}

/// Enters into the record what was judged, in the client's own terms.
pub(in crate::intake) fn enter(judged: &dyn Judged, client: &mut ClientRecord) {
    let scopes = judged.scopes();
    client.let_through = recorded::rules_of(judged);
    client.client_name = json::text_of(judged.metadata(), "client_name").map(str::to_owned);
    client.redirect_uris = recorded::redirect_uris(judged);
    client.scope_requested = scopes.requested.as_ref().map(ToString::to_string);
    client.scope_granted = scopes.granted.to_string();
    client.scope_withheld = scopes.withheld.to_string();
}
