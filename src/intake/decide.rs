//! What an operator decides about a client: through the lifecycle machine into the record, where the gateway heeds it at once; then
//! the server is brought to it ([`super::settle`]), now or when it can be. Knows nothing of who may do it.

use std::sync::Arc;

use super::not_done::NotDone;
use super::rulebook::Rulebook;
use super::{Intake, Tools, approve, audited, settle, turn};
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::lifecycle::{Action, AtTheServer, Lifecycle, NotPossible, State};
use crate::registration::ScopeSet;
use crate::store::ClientRecord;

/// What is to become of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It cannot be used, managed or handed out again until it is resumed. Where the server can disable a client, it does; where it
    /// cannot, the gateway alone refuses it.
    Suspend,
    /// What a suspension took is given back.
    Resume,
    /// It is removed at the server, for good. What was rejected is so already: its rejection is lifted, and the same may be registered afresh.
    Delete {
        /// An operator knows that the server no longer has it: where the gateway cannot delete it there, its record ends all the same.
        is_gone: bool,
    },
    /// It gets what it asked for, while it is pending; or the change that it asked for (`management.growth: approval`) is made.
    Approve {
        /// Of what it asked for, these scopes only; none: all.
        scopes: Option<ScopeSet>,
    },
    /// It does not get what it asked for: while it is pending it is removed at the server, and the same request is refused from now
    /// on; the change that an active one asked for is not made.
    Reject,
    /// An active client gets more scopes.
    Elevate {
        /// Of what its profile can grant; none: what is withheld from it.
        scopes: Option<ScopeSet>,
    },
}

impl Change {
    /// Its name, in the log.
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Delete { .. } => "delete",
            Self::Approve { .. } => "approve",
            Self::Reject => "reject",
            Self::Elevate { .. } => "elevate",
        }
    }

    /// Whether the client is no longer suspended after it.
    const fn ends_a_suspension(&self) -> bool {
        matches!(self, Self::Resume | Self::Delete { .. })
    }
}

/// What an operator wants done to a client, or a response does.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// The client.
    pub client_id: String,
    /// What is to become of it.
    pub change: Change,
    /// The version the operator has seen; none: whatever it is now.
    pub version: Option<i64>,
    /// Who asks; of a response, the detector, or the operator who lifts it.
    pub actor: String,
    /// Why.
    pub comment: Option<String>,
    /// The response whose doing it is; none: an operator's.
    pub response: Option<ByResponse>,
}

/// The response whose doing a change is.
#[derive(Debug, Clone)]
pub struct ByResponse {
    /// Its name.
    pub id: String,
    /// An operator lifts it, who is the actor.
    pub is_lifted: bool,
}

impl Intake {
    /// Decides what becomes of a client, and returns it as it is in the record then; [`ClientRecord::unsettled`] says whether the
    /// server has it yet.
    ///
    /// # Errors
    /// It may not be done, or the store failed: it may be recorded all the same then. A server that fails is no error, it gets later what was
    /// recorded.
    pub async fn change_client(&self, instruction: Instruction) -> Result<ClientRecord, NotDone> {
        let work = Work { rulebook: self.rulebook.load_full(), tools: self.tools.clone() };
        let changing = async move {
            let client = work.change(&instruction).await?;
            work.end_suspensions(&instruction).await;
            Ok(client)
        };
        self.tools.under_way.to_its_end(changing).await
    }
}

/// It is in another state from `now` on, and the server is to be brought to it.
fn enter_state(client: &mut ClientRecord, lifecycle: Lifecycle, now: Timestamp) {
    client.lifecycle = lifecycle;
    client.first_approval = None;
    client.unsettle(now);
}

struct Work {
    rulebook: Arc<Rulebook>,
    tools: Arc<Tools>,
}

impl Work {
    async fn change(&self, instruction: &Instruction) -> Result<ClientRecord, NotDone> {
        let Instruction { client_id, change, actor, .. } = instruction;
        let unknown = || NotDone::ClientUnknown(client_id.clone());
        // What cannot be is refused before it takes a turn.
        self.next(instruction, &self.tools.store.client(client_id).await?.ok_or_else(unknown)?)?;
        let mut held = turn::take_to_decide(&self.rulebook, &self.tools, client_id).await?.ok_or_else(unknown)?;
        let to = match self.next(instruction, &held.client) {
            Ok(to) => to,
            Err(not_done) => {
                held.end_untried().await?;
                return Err(not_done);
            }
        };
        let wanted = to.lifecycle.at_the_server();
        let before = std::mem::replace(&mut held.client, to);
        let event = audited::changed(instruction, &before, &held.client);
        let scopes = event.scope_granted.clone();
        let version = self.rulebook.profile(&held.client.profile).map(|profile| profile.version().to_owned());
        held.record(Event { policy_version: version, ..event });
        held.end_untried().await?;
        let (change, response) = (change.as_str(), instruction.response.as_ref().map(|by| &by.id));
        tracing::info!(client_id, actor, change, scopes, response, "a client was changed");
        if let Err(refusal) = settle::settle(&self.rulebook, &self.tools, client_id).await {
            // It is decided all the same, and will be tried again.
            tracing::warn!(
                client_id,
                cause = refusal.cause(),
                "what was decided could not be brought to the server at once"
            );
        }
        let client = self.tools.store.client(client_id).await?.ok_or_else(unknown)?;
        let is_gone = client.lifecycle.at_the_server() == AtTheServer::Absent && wanted != AtTheServer::Absent;
        if is_gone { Err(NotDone::Gone) } else { Ok(client) }
    }

    /// By hand, the client is no longer suspended: neither is what suspended it in force. It is changed whatever comes of this.
    async fn end_suspensions(&self, instruction: &Instruction) {
        let Instruction { client_id, change, actor, response, .. } = instruction;
        if response.is_some() || !change.ends_a_suspension() {
            return;
        }
        if let Err(error) = self.tools.lift_suspensions(client_id, actor).await {
            tracing::warn!(%error, client_id, "what suspended a client is in force until its time is over");
        }
    }

    /// The client as it is to be in the record.
    fn next(&self, instruction: &Instruction, client: &ClientRecord) -> Result<ClientRecord, NotDone> {
        if instruction.version.is_some_and(|version| version != client.version) {
            return Err(NotDone::ChangedMeanwhile(client.version));
        }
        let Instruction { change, actor, comment, .. } = instruction;
        let now = self.tools.clock.now();
        let by = Action { at: now, actor: actor.clone(), comment: comment.clone() };
        let mut next = client.clone();
        let from = client.lifecycle.clone();
        let is_decided = from.at_the_server() == AtTheServer::Absent;
        match change {
            Change::Approve { scopes } => approve::approve(&self.rulebook, &mut next, scopes.as_ref(), by)?,
            Change::Elevate { scopes } => approve::elevate(&self.rulebook, &mut next, scopes.as_ref(), by)?,
            Change::Reject if approve::wants_to_grow(client) => approve::refuse_growth(&mut next),
            Change::Suspend => enter_state(&mut next, from.suspend(by)?, now),
            Change::Resume => enter_state(&mut next, from.resume(now)?, now),
            Change::Delete { is_gone } if is_decided => {
                // What cannot be brought to the server is done all the same.
                let is_done = *is_gone && client.unsettled.is_some() && self.rulebook.administration.is_none();
                if is_done {
                    next.unsettled = None;
                }
                match from.state() {
                    State::Rejected => next.lifecycle = from.lift_rejection(by)?,
                    _ if is_done => {}
                    state => return Err(NotPossible(state).into()),
                }
            }
            Change::Delete { .. } => enter_state(&mut next, from.delete(by)?, now),
            Change::Reject => enter_state(&mut next, from.reject(by)?, now),
        }
        if !is_decided && (next.lifecycle.at_the_server() == AtTheServer::Absent || next.members_behind) {
            match check_it_can_be_managed(&self.rulebook, client) {
                Err(_) if *change == (Change::Delete { is_gone: true }) => next.unsettled = None,
                checked => checked?,
            }
        }
        Ok(next)
    }
}

/// What the server can never be brought to is not decided.
fn check_it_can_be_managed(rulebook: &Rulebook, client: &ClientRecord) -> Result<(), NotDone> {
    match (&rulebook.administration, &client.server_access) {
        (Some(_), _) => Ok(()),
        (None, None) => Err(NotDone::NotOffered),
        (None, Some(_)) if client.unmanageable => Err(NotDone::Unmanageable),
        (None, Some(_)) => Ok(()),
    }
}
