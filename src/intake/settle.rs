//! Brings the authorization server to what the record says of a client: there or not, usable or not. What was decided is in the
//! record before; whatever was done already is not done again, so that it can be tried as often as it takes, by any replica.

use std::time::Duration;

use tokio::task::JoinSet;

use super::reason::Reason;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::turn::{self, HeldTurn};
use super::{Intake, Tools, audited};
use crate::authorization_server::{Administration, AdministrationError, ManageError, Recorded, transport};
use crate::clock::Timestamp;
use crate::lifecycle::{Action, AtTheServer, GATEWAY, Lifecycle};
use crate::registration::{ScopeSet, json};
use crate::store::{ClientRecord, StoreError};
use crate::telemetry::{InSpan as _, span};

/// The pause after the first attempt; it doubles with each one, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// How many clients are looked for at once, and how many of them are worked on at the same time.
const AT_ONCE: u32 = 64;
const SIDE_BY_SIDE: usize = 8;

/// Why the server is not where the record is.
struct NotYet {
    cause: String,
    /// A call with the server's token was broken off: what became of the token is unknown.
    is_unclear: bool,
}

impl From<AdministrationError> for NotYet {
    fn from(error: AdministrationError) -> Self {
        // The token was not presented: it is as good as before.
        Self { cause: error.to_string(), is_unclear: false }
    }
}

impl From<ManageError> for NotYet {
    fn from(error: ManageError) -> Self {
        Self { cause: error.to_string(), is_unclear: !error.surely_nothing_changed() }
    }
}

impl Intake {
    /// Looks at the clients that are due, whichever replica's they are; returns how many there were. Who does not wait for the end begins no more
    /// of them: those that were begun go to theirs.
    pub async fn settle_due(&self) -> Result<usize, StoreError> {
        let due = self.tools.store.due(self.tools.clock.now(), AT_ONCE).await?;
        let (count, mut due) = (due.len(), due.into_iter());
        let mut working = JoinSet::new();
        loop {
            while working.len() < SIDE_BY_SIDE
                && let Some(client_id) = due.next()
            {
                let (rulebook, tools) = (self.rulebook.load_full(), self.tools.clone());
                let own_tools = tools.clone();
                let looking = async move {
                    look_at(&rulebook, &own_tools, &client_id).await;
                    Ok(())
                };
                working.spawn(async move { tools.under_way.to_its_end(looking).await }.in_current_span());
            }
            match working.join_next().await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error)) | Err(error)) => tracing::error!(%error, "a client could not be looked at"),
                None => return Ok(count),
            }
        }
    }
}

async fn look_at(rulebook: &Rulebook, tools: &Tools, client_id: &str) {
    if let Err(refusal) = expire_or_settle(rulebook, tools, client_id).await {
        let reason = refusal.reason().name();
        tracing::warn!(client_id, reason, cause = refusal.cause(), "a client that is due could not be looked at");
    }
}

async fn expire_or_settle(rulebook: &Rulebook, tools: &Tools, client_id: &str) -> Result<(), Refusal> {
    // Another replica may have been quicker.
    let found = tools.store.client(client_id).in_span(span::store_span("client")).await.map_err(super::unavailable)?;
    let is_due = |client: &ClientRecord, now| client.due_at().is_some_and(|due| due <= now);
    if !found.is_some_and(|client| is_due(&client, tools.clock.now())) {
        return Ok(());
    }
    let Some(held) = turn::take(rulebook, tools, client_id).await? else { return Ok(()) };
    if let Ok(expired) = held.client.lifecycle.clone().expire(tools.clock.now()) {
        record_expiry(held, expired, "not_approved").await?;
        tracing::info!(client_id, "expired: nobody approved it in time");
        return settle(rulebook, tools, client_id).await.map(drop);
    }
    in_turn(held).await.map(drop)
}

/// Ends the turn of a client whose time is over, and records why.
pub(super) async fn record_expiry(mut held: HeldTurn<'_>, expired: Lifecycle, reason: &str) -> Result<(), Refusal> {
    held.client.lifecycle = expired;
    held.client.unsettle(held.now());
    held.record(audited::expired(&held.client, reason));
    held.end_untried().await.map(drop)
}

/// Brings the server to what the record says, now; returns the record. Whether the server has it, [`ClientRecord::unsettled`] says.
pub(super) async fn settle(
    rulebook: &Rulebook,
    tools: &Tools,
    client_id: &str,
) -> Result<Option<ClientRecord>, Refusal> {
    match turn::take(rulebook, tools, client_id).await? {
        Some(held) => in_turn(held).await.map(Some),
        None => Ok(None),
    }
}

async fn in_turn(mut held: HeldTurn<'_>) -> Result<ClientRecord, Refusal> {
    let Some(mut unsettled) = held.client.unsettled.clone() else { return held.end_untried().await };
    let client_id = held.client.client_id.clone();
    match transport::until(held.end_of_calls(), bring(&mut held)).await {
        Ok(()) => {
            held.client.unsettled = None;
            let (state, attempts) = (held.client.lifecycle.state().as_str(), unsettled.attempts + 1);
            tracing::info!(client_id, state, attempts, "the authorization server has what was decided");
        }
        Err(NotYet { cause, is_unclear }) => {
            unsettled.attempts = unsettled.attempts.saturating_add(1);
            unsettled.next_at = next_attempt(held.now(), unsettled.attempts);
            tracing::warn!(
                client_id,
                attempts = unsettled.attempts,
                cause,
                "the authorization server does not have yet what was decided"
            );
            unsettled.last_error = Some(cause);
            held.client.unsettled = Some(unsettled);
            if is_unclear {
                held.interrupted();
            }
        }
    }
    held.end_untried().await
}

impl HeldTurn<'_> {
    fn nothing_to_manage_it_with(&self) -> NotYet {
        if let Some(error) = self.not_opened {
            return NotYet { cause: error.to_string(), is_unclear: false };
        }
        let cause = match self.client.unmanageable {
            true => "the server's token for this client is lost",
            false => "the server gave nothing to manage this client with",
        };
        let then = match self.client.lifecycle.at_the_server() {
            AtTheServer::Absent => ", and then `clients delete --gone` here",
            AtTheServer::Enabled | AtTheServer::Disabled => "",
        };
        NotYet { cause: format!("{cause}: somebody must do it there{then}"), is_unclear: false }
    }
}

/// Disables a client that was registered just now and may not be used yet. One that cannot be disabled is removed again, now or as
/// soon as it can be, and is not handed out.
pub(super) async fn before_use(rulebook: &Rulebook, tools: &Tools, client_id: &str) -> Result<(), Refusal> {
    let not_disabled =
        || Refusal::from(Reason::ServerBroken).caused_by("registered, but not disabled: it is removed again");
    let settled = settle(rulebook, tools, client_id).await?;
    if settled.is_some_and(|client| client.unsettled.is_none() && client.lifecycle.state().is_live()) {
        return Ok(());
    }
    let mut held = turn::take(rulebook, tools, client_id).await?.ok_or_else(not_disabled)?;
    let by = Action { at: held.now(), actor: GATEWAY.to_owned(), comment: Some("it could not be disabled".to_owned()) };
    if let Ok(deleted) = held.client.lifecycle.clone().delete(by) {
        held.client.lifecycle = deleted;
        held.client.unsettle(held.now());
        held.record(audited::removed(&held.client, "not_disabled"));
    }
    held.end_untried().await?;
    settle(rulebook, tools, client_id).await?;
    Err(not_disabled())
}

/// When to try again what failed so often.
pub(super) fn next_attempt(now: Timestamp, attempts: u32) -> Timestamp {
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
    now.after(FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE))
}

async fn bring(held: &mut HeldTurn<'_>) -> Result<(), NotYet> {
    match held.administration() {
        Some(administration) => by_administration(&*administration, held).await,
        None => by_its_token(held).await,
    }
}

async fn by_administration(administration: &dyn Administration, held: &mut HeldTurn<'_>) -> Result<(), NotYet> {
    let client_id = held.client.client_id.clone();
    let done = match held.client.lifecycle.at_the_server() {
        AtTheServer::Enabled => done_or_not_offered(administration.enable(&client_id).await),
        AtTheServer::Disabled => done_or_not_offered(administration.disable(&client_id).await),
        // What is not there need not be removed.
        AtTheServer::Absent => match administration.delete(&client_id).await {
            Err(AdministrationError::NotFound) => Ok(()),
            done => done,
        },
    };
    match done {
        Err(AdministrationError::NotFound) => {
            held.gone();
            return Ok(());
        }
        done => done?,
    }
    if !held.client.members_behind || held.client.lifecycle.at_the_server() != AtTheServer::Enabled {
        return Ok(());
    }
    if held.client.asked.is_some() {
        // More than scopes: only the client's token changes that.
        return restate(held).await;
    }
    let scopes = ScopeSet::recorded(&held.client.scope_granted);
    match administration.grant(&client_id, &scopes).await {
        Err(AdministrationError::NotOffered) => return restate(held).await,
        granted => granted?,
    }
    held.client.metadata.insert("scope".to_owned(), held.client.scope_granted.clone().into());
    held.client.members_behind = false;
    Ok(())
}

/// Where the server disables nobody, the gateway alone refuses the client.
fn done_or_not_offered(done: Result<(), AdministrationError>) -> Result<(), AdministrationError> {
    match done {
        Err(AdministrationError::NotOffered) => Ok(()),
        done => done,
    }
}

/// Puts all that the record says in the place of what is registered.
async fn restate(held: &mut HeldTurn<'_>) -> Result<(), NotYet> {
    let is_lost = held.client.unmanageable || held.not_opened.is_some();
    let access = if is_lost { held.recover().await } else { held.access().cloned() };
    let Some(access) = access else {
        // Gone, where the administration says so.
        let is_live = held.client.lifecycle.state().is_live();
        return if is_live { Err(held.nothing_to_manage_it_with()) } else { Ok(()) };
    };
    let client = held.client.clone();
    let secret = held.client_secret().cloned();
    let scopes = ScopeSet::recorded(&client.scope_granted);
    let recorded = Recorded {
        client_id: &client.client_id,
        metadata: &client.metadata,
        scopes: &scopes,
        client_secret: secret.as_ref(),
    };
    let registrar = held.registrar();
    let mut result = registrar.restate(&access, recorded).await;
    if matches!(result, Err(ManageError::Gone(_)))
        && let Some(access) = held.recover().await
    {
        result = registrar.restate(&access, recorded).await;
    }
    let managed = match result {
        Ok(managed) => managed,
        // Gone at the server, as the record says now.
        Err(error) if held.learn_failure(&error) && !held.client.lifecycle.state().is_live() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let not_kept = |error: &dyn std::fmt::Display| NotYet { cause: error.to_string(), is_unclear: false };
    held.learn(&managed).map_err(|error| not_kept(&error))?;
    held.tried();
    let answered = json::text_of(&managed.metadata, "scope").unwrap_or_default();
    let answered = ScopeSet::parse(answered).unwrap_or_default();
    // `openid` is a scope to ask for, and to many servers none to register.
    let left_out = scopes.iter().find(|scope| scope.as_str() != "openid" && !answered.contains(scope));
    if let Some(scope) = left_out {
        return Err(not_kept(&format!("the server left the scope {scope} out")));
    }
    held.client.members_behind = false;
    held.client.asked = None;
    Ok(())
}

async fn by_its_token(held: &mut HeldTurn<'_>) -> Result<(), NotYet> {
    match held.client.lifecycle.at_the_server() {
        AtTheServer::Absent => remove_with_its_token(held).await,
        AtTheServer::Enabled if held.client.members_behind => restate(held).await,
        // Such a server disables nobody: the gateway alone refuses the client.
        AtTheServer::Enabled | AtTheServer::Disabled => Ok(()),
    }
}

async fn remove_with_its_token(held: &mut HeldTurn<'_>) -> Result<(), NotYet> {
    let access = held.access().filter(|_| !held.client.unmanageable).cloned();
    let Some(access) = access else { return Err(held.nothing_to_manage_it_with()) };
    match held.registrar().delete(&access).await {
        // Gone already, or its token is: only the record of earlier calls can tell.
        Err(error) if held.learn_failure(&error) && !held.client.unmanageable => Ok(()),
        done => Ok(done?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_some_minutes() {
        let pause = |attempts| {
            let now = Timestamp::from_unix_millis(1_000);
            next_attempt(now, attempts).since(now).as_secs()
        };
        assert_eq!([1, 2, 3, 10, 11, 40, u32::MAX].map(pause), [1, 2, 4, 512, 600, 600, 600]);
    }
}
