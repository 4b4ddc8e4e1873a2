//! What an approval makes of a client's record: the scopes that are granted, the change that is made, or the first of two approvals.
//! Asks nobody: what is granted reaches the server by [`super::settle`].

use serde_json::{Map, Value};

use super::management;
use super::not_done::NotDone;
use super::rulebook::Rulebook;
use crate::authorization_server;
use crate::lifecycle::{Action, Approval, Eyes, Lifecycle, Vote};
use crate::policy::{Profile, Raised};
use crate::registration::software_statement::MEMBER;
use crate::registration::{ClientMetadata, Scope, ScopeSet, json};
use crate::store::ClientRecord;

/// Whether an active client asked for a change that waits for an approval.
pub(super) fn wants_to_grow(client: &ClientRecord) -> bool {
    client.lifecycle == Lifecycle::Active && client.asked.is_some() && !client.members_behind
}

/// The change is not made; the client stays what it is.
pub(super) fn refuse_growth(client: &mut ClientRecord) {
    client.asked = None;
    client.first_approval = None;
}

/// A pending client gets what it asked for, or these scopes of it; an active one the change that it asked for.
pub(super) fn approve(
    rulebook: &Rulebook,
    client: &mut ClientRecord,
    scopes: Option<&ScopeSet>,
    by: Action,
) -> Result<(), NotDone> {
    let lifecycle = match client.lifecycle.clone() {
        active @ Lifecycle::Active if wants_to_grow(client) => active,
        Lifecycle::Active => return Err(NotDone::NothingToApprove),
        other => other.approve()?,
    };
    let profile = profile(rulebook, client)?;
    let mut wanted = ScopeSet::recorded(&client.scope_withheld);
    let asked = client.asked.as_ref().and_then(|asked| json::text_of(asked, "scope")).map(ScopeSet::recorded);
    wanted = wanted.union(&asked.unwrap_or_default());
    let wanted: ScopeSet = wanted.iter().filter(|scope| profile.grantable().contains(scope)).cloned().collect();
    let scopes = within(scopes, &wanted, "asked for by the client, or its profile no longer grants it")?;
    grant(rulebook, client, Grant { profile, lifecycle, scopes, by })
}

/// An active client gets these scopes, or those that are withheld from it.
pub(super) fn elevate(
    rulebook: &Rulebook,
    client: &mut ClientRecord,
    scopes: Option<&ScopeSet>,
    by: Action,
) -> Result<(), NotDone> {
    let lifecycle = match client.lifecycle.clone() {
        Lifecycle::Pending { .. } => return Err(NotDone::NotYetApproved),
        other => other.elevate()?,
    };
    if wants_to_grow(client) {
        // Scopes alone are not the change: it would be made besides, or approved by one person where it takes two.
        let first = "a change that the client asked for waits: approve or reject that first";
        return Err(NotDone::ScopesImpossible(first.to_owned()));
    }
    let profile = profile(rulebook, client)?;
    let withheld = ScopeSet::recorded(&client.scope_withheld);
    let scopes = within(Some(scopes.unwrap_or(&withheld)), profile.grantable(), "granted by its profile")?;
    if scopes.is_empty() {
        return Err(NotDone::ScopesImpossible("none is named, and none is withheld from the client".to_owned()));
    }
    let granted = ScopeSet::recorded(&client.scope_granted);
    if scopes.iter().all(|scope| granted.contains(scope)) {
        return Err(has_already(&scopes));
    }
    grant(rulebook, client, Grant { profile, lifecycle, scopes, by })
}

fn has_already(scopes: &ScopeSet) -> NotDone {
    NotDone::ScopesImpossible(format!("the client has {scopes} already"))
}

struct Grant<'g> {
    profile: &'g Profile,
    lifecycle: Lifecycle,
    scopes: ScopeSet,
    by: Action,
}

fn grant(rulebook: &Rulebook, client: &mut ClientRecord, grant: Grant<'_>) -> Result<(), NotDone> {
    let Grant { profile, lifecycle, scopes, by } = grant;
    let is_elevation = client.lifecycle == Lifecycle::Active && !wants_to_grow(client);
    let eyes = if profile.approvals().four_eyes { Eyes::Four } else { Eyes::Two };
    let approval = Approval { by, scopes: scopes.to_string() };
    let Approval { by, scopes } = match approval.after(client.first_approval.as_ref(), eyes)? {
        Vote::Waits(first) => {
            client.first_approval = Some(first);
            return Ok(());
        }
        Vote::Counts(approval) => approval,
    };
    let granted = ScopeSet::recorded(&scopes);
    if is_elevation && granted.without(&ScopeSet::recorded(&client.scope_granted)).is_empty() {
        return Err(has_already(&granted));
    }
    let approved = ScopeSet::recorded(&client.scope_approved).union(&granted);
    let mut left_out = ScopeSet::default();
    if let Some(mut asked) = client.asked.clone() {
        left_out = narrow(&mut asked, &ScopeSet::recorded(&client.scope_granted).union(&granted), profile);
        // Not what was admitted then: what the rules admit now.
        let requested = ClientMetadata::from_json(asked);
        let raised = Raised { scopes: approved.clone(), is_approved: true };
        let judged = authorization_server::judge_raised(rulebook.kind, profile, &requested, &raised).passage();
        let passage = judged.map_err(|violations| {
            let sentences: Vec<String> = violations.into_iter().map(|violation| violation.message).collect();
            NotDone::NoLongerAdmitted(sentences.join("; "))
        })?;
        management::enter(passage.judged(), client);
        let statement = client.metadata.remove_entry(MEMBER);
        client.metadata = rulebook.registrar.outgoing(passage.judged());
        client.metadata.insert("client_id".to_owned(), client.client_id.as_str().into());
        client.metadata.extend(statement);
    }
    let left = ScopeSet::recorded(&client.scope_withheld).union(&left_out).without(&granted);
    client.members_behind |= client.asked.is_some() || !granted.is_empty();
    client.scope_granted = ScopeSet::recorded(&client.scope_granted).union(&granted).to_string();
    client.scope_withheld = left.to_string();
    client.scope_approved = approved.to_string();
    client.lifecycle = lifecycle;
    client.first_approval = None;
    let now = by.at;
    client.approved = Some(by);
    client.unsettle(now);
    Ok(())
}

/// Leaves of the scopes that are asked for those that are `kept`; returns what else the profile could grant.
fn narrow(asked: &mut Map<String, Value>, kept: &ScopeSet, profile: &Profile) -> ScopeSet {
    let wanted = json::text_of(asked, "scope").map(ScopeSet::recorded).unwrap_or_default();
    let (kept, others): (Vec<Scope>, Vec<Scope>) = wanted.iter().cloned().partition(|scope| kept.contains(scope));
    let left_out: ScopeSet = others.into_iter().filter(|scope| profile.grantable().contains(scope)).collect();
    if !left_out.is_empty() {
        let kept: ScopeSet = kept.into_iter().collect();
        asked.insert("scope".to_owned(), kept.to_string().into());
    }
    left_out
}

/// What is granted must be known now: by a profile that is no longer configured nobody can tell.
fn profile<'r>(rulebook: &'r Rulebook, client: &ClientRecord) -> Result<&'r Profile, NotDone> {
    rulebook.profile(&client.profile).ok_or_else(|| NotDone::ProfileGone(client.profile.clone()))
}

/// These scopes, all of which must be among the others; none named: all of the others.
fn within(scopes: Option<&ScopeSet>, all: &ScopeSet, what: &str) -> Result<ScopeSet, NotDone> {
    let Some(scopes) = scopes else { return Ok(all.clone()) };
    match scopes.iter().find(|scope| !all.contains(scope)) {
        Some(other) => Err(NotDone::ScopesImpossible(format!("{other} is not {what}"))),
        None => Ok(scopes.clone()),
    }
}
