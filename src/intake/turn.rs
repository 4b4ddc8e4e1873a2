//! A turn at a client: whoever holds it is the only one, in all processes, to call the server about that client. What the call
//! changed is written before the turn ends; a turn that did not end tells the next holder that a call may have been broken off.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::access::KeptAccess;
use super::reason::Reason;
use super::refusal::Refusal;
use super::rulebook::{CALLS_IN_A_TURN, Rulebook};
use super::{Tools, audited, unavailable};
use crate::audit::Event;
use crate::authorization_server::{Administration, ManageError, Managed, Registrar, ServerAccess, transport};
use crate::clock::Timestamp;
use crate::lifecycle::{Action, AtTheServer, GATEWAY, Lifecycle};
use crate::registration::software_statement;
use crate::sealing::{NotOpened, NotSealed};
use crate::secret::Secret;
use crate::store::{AuditEntry, ClientRecord, Turn, TurnEnd, TurnTaken};
use crate::telemetry::{InSpan as _, span};

/// How long the store is left alone before what only this process knows is written to it again.
const PAUSE: Duration = Duration::from_millis(500);

/// The cause where a turn cannot be ended any more.
const OVER: &str = "the turn lasted too long and is another's now";

/// A turn that was taken.
pub(super) struct HeldTurn<'t> {
    rulebook: &'t Rulebook,
    tools: &'t Tools,
    holder: String,
    /// The turn before this one did not end.
    interrupted: bool,
    /// The client, as it is to be when the turn ends.
    pub(super) client: ClientRecord,
    kept: Option<KeptAccess>,
    /// Why what the record keeps encrypted could not be read: then there is no access, until it is recovered or the key is there.
    pub(super) not_opened: Option<NotOpened>,
    /// When it was taken.
    since: Instant,
    /// The server gave another token in this turn: until it ends, nobody but this process knows it.
    has_new_access: bool,
    /// What is recorded when the turn ends.
    entries: Vec<AuditEntry>,
}

/// A turn as the store gives it.
pub(super) struct Taken {
    pub(super) holder: String,
    pub(super) client: ClientRecord,
    /// The turn before this one did not end.
    pub(super) interrupted: bool,
    /// When it was taken.
    since: Instant,
}

/// Waits for the turn at a client, for as long as one turn can last; none: there is no such client.
pub(super) async fn take<'t>(
    rulebook: &'t Rulebook,
    tools: &'t Tools,
    client_id: &str,
) -> Result<Option<HeldTurn<'t>>, Refusal> {
    hold(rulebook, tools, client_id, Wait::at_most(rulebook.longest_turn())).await
}

/// The same for who decides about a client: it looks again without resting longer each time, or a client that reads itself again and again, and hangs
/// up, could keep an operator from suspending it.
pub(super) async fn take_to_decide<'t>(
    rulebook: &'t Rulebook,
    tools: &'t Tools,
    client_id: &str,
) -> Result<Option<HeldTurn<'t>>, Refusal> {
    hold(rulebook, tools, client_id, Wait::eagerly(rulebook.longest_turn())).await
}

async fn hold<'t>(
    rulebook: &'t Rulebook,
    tools: &'t Tools,
    client_id: &str,
    wait: Wait,
) -> Result<Option<HeldTurn<'t>>, Refusal> {
    let Some(taken) = wait_with(tools, client_id, rulebook.longest_turn(), wait).await? else { return Ok(None) };
    let sealed = taken.client.server_access.as_ref();
    let (kept, not_opened) = match sealed.map(|sealed| KeptAccess::open(&rulebook.keys, client_id, sealed)).transpose()
    {
        Ok(kept) => (kept, None),
        Err(error) => {
            // By a key that is lost, or not read here yet: only who needs it is kept from anything.
            tracing::error!(client_id, %error, "the server's token for a client cannot be read");
            (None, Some(error))
        }
    };
    let Taken { holder, client, interrupted, since } = taken;
    let (has_new_access, entries) = (false, Vec::new());
    let held =
        HeldTurn { rulebook, tools, holder, interrupted, client, kept, not_opened, since, has_new_access, entries };
    Ok(Some(held))
}

/// Waiting while somebody else is at work on the same client: the record is looked at again after pauses that double from 10 ms to 250 ms.
pub(super) struct Wait {
    began: Instant,
    longest: Duration,
    pause: Duration,
    longest_pause: Duration,
}

impl Wait {
    const FIRST_PAUSE: Duration = Duration::from_millis(10);
    const LONGEST_PAUSE: Duration = Duration::from_millis(250);

    pub(super) fn at_most(longest: Duration) -> Self {
        Self { began: Instant::now(), longest, pause: Self::FIRST_PAUSE, longest_pause: Self::LONGEST_PAUSE }
    }

    fn eagerly(longest: Duration) -> Self {
        Self { longest_pause: Self::FIRST_PAUSE, ..Self::at_most(longest) }
    }

    /// Rests until it is time to look again. False: the wait has lasted long enough.
    pub(super) async fn rest(&mut self) -> bool {
        if self.began.elapsed() >= self.longest {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(self.longest_pause);
        true
    }
}

/// As [`take`], for a turn that lasts so long, and is waited for so long.
pub(super) async fn wait_for(tools: &Tools, client_id: &str, lasts: Duration) -> Result<Option<Taken>, Refusal> {
    wait_with(tools, client_id, lasts, Wait::at_most(lasts)).await
}

async fn wait_with(tools: &Tools, client_id: &str, lasts: Duration, mut wait: Wait) -> Result<Option<Taken>, Refusal> {
    let turn = Turn { holder: tools.random_name(), lasts };
    loop {
        let since = Instant::now();
        let taken = tools.store.take_turn(client_id, &turn, tools.clock.now()).in_span(span::store_span("take_turn"));
        match taken.await.map_err(unavailable)? {
            TurnTaken::Taken { client, interrupted } => {
                return Ok(Some(Taken { holder: turn.holder, client: *client, interrupted, since }));
            }
            TurnTaken::Unknown => return Ok(None),
            TurnTaken::Busy => {
                if !wait.rest().await {
                    return Err(Reason::ClientBusy.into());
                }
            }
        }
    }
}

/// Ends a turn in which the server's token was not tried: an earlier call that was broken off is still the next holder's to find.
pub(super) async fn end_untried(tools: &Tools, taken: Taken) -> Result<(), Refusal> {
    let Taken { holder, client, interrupted, .. } = taken;
    end(tools, TurnEnd { holder, client, is_in_doubt: interrupted, entries: Vec::new() }, None).await
}

/// Writes the client and what is recorded, and lets others have their turn; all of it in one transaction. A store that fails is asked again
/// until `over`: the turn is another's only then, so what may have been written already is not written twice.
async fn end(tools: &Tools, end: TurnEnd, over: Option<Instant>) -> Result<(), Refusal> {
    let client_id = end.client.client_id.as_str();
    loop {
        let ended = tools.store.end_turn(end.clone(), tools.clock.now()).in_span(span::store_span("end_turn")).await;
        tools.standings.forget(client_id);
        match ended {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(Refusal::from(Reason::ClientBusy).caused_by(OVER)),
            Err(error) if over.is_some_and(|over| Instant::now() + PAUSE < over) => {
                tracing::warn!(%error, client_id, "the server's new token for a client is not written yet: it is tried again");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(unavailable(error)),
        }
    }
}

impl HeldTurn<'_> {
    /// Who administers clients at the server, where somebody can.
    pub(super) fn administration(&self) -> Option<Arc<dyn Administration>> {
        self.rulebook.administration.clone()
    }

    /// Who manages clients there with their own token.
    pub(super) fn registrar(&self) -> Arc<dyn Registrar> {
        self.rulebook.registrar.clone()
    }

    /// When the calls of this turn must be over, so that what they came to is written before it is another's.
    pub(super) fn end_of_calls(&self) -> Instant {
        self.since + self.rulebook.limits.total * CALLS_IN_A_TURN
    }

    /// The present moment.
    pub(super) fn now(&self) -> Timestamp {
        self.tools.clock.now()
    }

    /// A call with the server's token was broken off: the next holder is to know, however this turn ends.
    pub(super) fn interrupted(&mut self) {
        self.interrupted = true;
    }

    /// Whether the server may have made a change that is not in the record: a call was broken off, and nobody has looked since.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.interrupted || self.client.unmanageable
    }

    /// The server's token was presented and is known to be good, or to be replaced.
    pub(super) fn tried(&mut self) {
        self.interrupted = false;
    }

    /// The server's access to the client.
    pub(super) fn access(&self) -> Option<&ServerAccess> {
        self.kept.as_ref().map(|kept| &kept.access)
    }

    /// The secret the client has.
    pub(super) fn client_secret(&self) -> Option<&Secret> {
        self.kept.as_ref().and_then(|kept| kept.client_secret.as_ref())
    }

    /// Takes over what a call read. While the server does not have yet what was approved, its members are of before: the record's go there.
    pub(super) fn learn_read(&mut self, managed: &Managed) -> Result<(), NotSealed> {
        if self.client.members_behind { self.learn_access(managed) } else { self.learn(managed) }
    }

    /// Takes over what a call changed.
    pub(super) fn learn(&mut self, managed: &Managed) -> Result<(), NotSealed> {
        let statement = self.client.metadata.remove(software_statement::MEMBER);
        managed.put_over(&mut self.client.metadata);
        self.client.metadata.extend(statement.map(|statement| (software_statement::MEMBER.to_owned(), statement)));
        self.learn_access(managed)
    }

    fn learn_access(&mut self, managed: &Managed) -> Result<(), NotSealed> {
        self.client.confirmed_at = self.tools.clock.now();
        self.client.unmanageable = false;
        let Some(kept) = &mut self.kept else { return Ok(()) };
        let before = kept.clone();
        if let Some(access) = &managed.access {
            kept.access.clone_from(access);
        }
        // A server need not show the secret at every answer, but a client that became public has none any more: a change that
        // still named it would be refused.
        if managed.client_secret.is_some() || managed.metadata.get("token_endpoint_auth_method") == Some(&"none".into())
        {
            kept.client_secret.clone_from(&managed.client_secret);
        }
        if *kept == before {
            return Ok(());
        }
        let sealed = kept.seal(&self.rulebook.keys, self.tools, &self.client.client_id)?;
        self.client.server_access = Some(sealed);
        self.has_new_access = true;
        Ok(())
    }

    /// Where the server's administration can be asked: what became of the client, and a new token for one that is there.
    pub(super) async fn recover(&mut self) -> Option<ServerAccess> {
        let administration = self.rulebook.administration.as_ref()?;
        let client_id = &self.client.client_id;
        // In time for one more call: the one that the token is made for.
        let end = self.end_of_calls() - self.rulebook.limits.total;
        let state = transport::until(end, administration.state(client_id)).await;
        let access = match state {
            Ok(AtTheServer::Absent) => {
                self.gone();
                return None;
            }
            Ok(AtTheServer::Enabled | AtTheServer::Disabled) => {
                transport::until(end, administration.new_registration_access_token(client_id)).await
            }
            Err(error) => Err(error),
        };
        let kept = match access {
            Ok(access) => transport::until(end, self.kept_with(access)).await,
            Err(error) => Err(error.to_string()),
        };
        let recovered = kept.and_then(|kept| {
            let sealed = kept.seal(&self.rulebook.keys, self.tools, client_id).map_err(|error| error.to_string())?;
            Ok((kept, sealed))
        });
        match recovered {
            Ok((kept, sealed)) => {
                tracing::warn!(client_id, "the server's token for this client was lost, and made anew");
                self.client.server_access = Some(sealed);
                self.client.unmanageable = false;
                self.interrupted = false;
                let access = kept.access.clone();
                self.kept = Some(kept);
                self.not_opened = None;
                Some(access)
            }
            Err(error) => {
                tracing::error!(
                    client_id,
                    error,
                    "a client could not be recovered through the server's administration"
                );
                None
            }
        }
    }

    /// What is kept from now on. A secret that could not be read is asked for anew.
    async fn kept_with(&self, access: ServerAccess) -> Result<KeptAccess, String> {
        if self.not_opened.is_none() {
            return Ok(KeptAccess { access, client_secret: self.client_secret().cloned() });
        }
        let read = self.rulebook.registrar.read(&access).await;
        let managed =
            read.and_then(|managed| managed.about(&self.client.client_id)).map_err(|error| error.to_string())?;
        Ok(KeptAccess { access: managed.access.unwrap_or(access), client_secret: managed.client_secret })
    }

    /// The server no longer has it.
    pub(super) fn gone(&mut self) {
        let by = Action {
            at: self.tools.clock.now(),
            actor: GATEWAY.to_owned(),
            comment: Some("the authorization server no longer has it".to_owned()),
        };
        self.client.lifecycle = Lifecycle::Deleted { by };
        self.client.unsettled = None;
        // Whatever was broken off before: nothing is left that could be lost.
        self.client.unmanageable = false;
        self.interrupted = false;
        self.record(audited::removed(&self.client, audited::GONE));
        tracing::warn!(client_id = self.client.client_id, "the authorization server no longer has this client");
    }

    /// What a call that failed says about the client: gone at the server, or lost to us. True when it is either.
    pub(super) fn learn_failure(&mut self, error: &ManageError) -> bool {
        let ManageError::Gone(_) = error else { return false };
        if self.interrupted {
            // The call that was broken off before may have changed the token: the client may well be there.
            if !std::mem::replace(&mut self.client.unmanageable, true) {
                self.record(audited::unmanageable(&self.client));
            }
            tracing::error!(
                client_id = self.client.client_id,
                "unmanageable: a call about it was broken off, its token is lost"
            );
        } else if self.rulebook.administration.is_none() && self.client.lifecycle.state().is_live() {
            // Where there is an administration, only its word counts (`recover`): Keycloak says the same of a client that is disabled.
            self.gone();
        }
        true
    }

    /// Records this with what the turn writes: all of it, or nothing where the turn does not end any more.
    pub(super) fn record(&mut self, event: Event) {
        match self.tools.audit.entry(|| event, self.tools.clock.now()) {
            Ok(entries) => self.entries.extend(entries),
            Err(error) => tracing::error!(%error, client_id = self.client.client_id, "an event cannot be recorded"),
        }
    }

    /// Writes the client as it is now, and lets others have their turn.
    pub(super) async fn end(mut self) -> Result<ClientRecord, Refusal> {
        self.interrupted = false;
        self.end_untried().await
    }

    /// As [`HeldTurn::end`], where the server's token was not tried.
    pub(super) async fn end_untried(self) -> Result<ClientRecord, Refusal> {
        let over = self.has_new_access.then(|| self.since + self.rulebook.longest_turn());
        let Self { tools, holder, client, interrupted: is_in_doubt, entries, .. } = self;
        end(tools, TurnEnd { holder, client: client.clone(), is_in_doubt, entries }, over).await?;
        Ok(client)
    }

    /// Lets others have their turn and tells the next holder that a call was broken off: what it did at the server is unknown.
    pub(super) async fn break_off(self) {
        let left = self.tools.store.break_off_turn(&self.client.client_id, &self.holder, self.tools.clock.now());
        if let Err(error) = left.in_span(span::store_span("break_off_turn")).await {
            // The turn ends by itself when its time is over.
            tracing::warn!(%error, client_id = self.client.client_id, "a turn could not be ended");
        }
    }
}
