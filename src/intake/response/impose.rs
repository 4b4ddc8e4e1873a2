//! Begins and ends responses: what operators order and lift, what has had its time. Each is in the store, with what is recorded of it, before
//! it is heeded, so every replica heeds it; what is done twice is done once.

use std::time::Duration;

use ipnet::IpNet;

use super::event;
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::intake::decide::{ByResponse, Change, Instruction};
use crate::intake::not_done::NotDone;
use crate::intake::settle::next_attempt;
use crate::intake::{Intake, Tools};
use crate::lifecycle::Lifecycle;
use crate::store::{Ending, Imposed, Recording, ResponseAction, ResponseRecord, StoreError};

/// What an operator orders.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// What is to be done.
    pub action: ResponseAction,
    /// To whom, as [`ResponseRecord::subject`] has it.
    pub subject: String,
    /// How long.
    pub lasts: Duration,
    /// Who orders it.
    pub actor: String,
    /// Why.
    pub comment: Option<String>,
}

impl Intake {
    /// Does what an operator orders: a ban or a lockdown. The same again prolongs it.
    ///
    /// # Errors
    /// The network is known; the store's.
    pub async fn impose(&self, ordered: Ordered) -> Result<ResponseRecord, NotDone> {
        let Ordered { action, subject, lasts, actor, comment } = ordered;
        if let (ResponseAction::BanAddress, Ok(network)) = (action, subject.parse::<IpNet>())
            && let Some(known) = self.rulebook.load().responder.known_within(&network)
        {
            return Err(NotDone::KnownNetwork(known.first_address().to_string()));
        }
        let now = self.tools.clock.now();
        let response = ResponseRecord {
            id: self.tools.random_name(),
            action,
            subject,
            factor: 1,
            dry_run: false,
            author: actor,
            finding: None,
            reason: comment,
            created_at: now,
            expires_at: now.after(lasts),
            ended: None,
        };
        let entered = self.enter(response, now).await?;
        self.heed().await;
        Ok(entered)
    }

    /// Ends a response, and undoes what it did.
    ///
    /// # Errors
    /// There is none of this name, or it is over; the store's. A client that cannot be resumed: then the response stays in force.
    pub async fn lift(&self, id: &str, actor: &str, comment: Option<String>) -> Result<ResponseRecord, NotDone> {
        let store = &self.tools.store;
        let known = store.response(id).await?.ok_or_else(|| NotDone::ResponseUnknown(id.to_owned()))?;
        if known.ended.is_some() {
            return Err(NotDone::ResponseOver(known.id));
        }
        // Before it is ended: where that fails, lifting it again does it.
        self.undo(&known, Some(actor)).await?;
        let ending = Ending { at: self.tools.clock.now(), by: Some(actor.to_owned()) };
        let record = self.tools.recording_end(move |ended| event::lifted(ended, comment.clone()));
        let ended = store.end_response(id, ending, record).await?;
        let lifted = ended.ok_or(NotDone::ResponseOver(known.id))?;
        event::tell_lifted(&lifted);
        // It may have suspended the client again while that was being resumed: from now on nothing does.
        if let Err(error) = self.undo_ended(&lifted, Some(actor)).await {
            let (response, client_id) = (&lifted.id, &lifted.subject);
            tracing::warn!(%error, response, client_id, "whether a client is still suspended by a response that is over is unknown");
        }
        self.heed().await;
        Ok(lifted)
    }

    /// The responses that are in force, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn responses_in_force(&self) -> Result<Vec<ResponseRecord>, StoreError> {
        self.tools.responses_in_force().await
    }

    /// Looks at the store for what others imposed or lifted.
    ///
    /// # Errors
    /// The store's: what was read before holds until its own end.
    pub async fn read_responses(&self) -> Result<(), StoreError> {
        self.tools.responses.refresh(&*self.tools.store).await
    }

    /// Ends what has had its time, one after the other: to be called at least once a second, and beside [`Intake::read_responses`], because it
    /// waits for turns at clients and for the authorization server.
    ///
    /// # Errors
    /// The store's; the first one, which keeps no other response from its end. A client that cannot be resumed is none: it is told in the
    /// log, and tried again after a pause that grows.
    pub async fn end_responses(&self) -> Result<(), NotDone> {
        let mut put_off = self.tools.responses.put_off.lock().await;
        let is_over = || self.tools.responses.in_force.load().expired(self.tools.clock.now());
        let expired = is_over();
        put_off.retain(|id, _| expired.iter().any(|response| response.id == *id));
        let is_due = |id: &str| put_off.get(id).is_none_or(|(_, next)| *next <= self.tools.clock.now());
        if !expired.iter().any(|response| is_due(&response.id)) {
            return Ok(());
        }
        // Somebody may have prolonged or ended it.
        self.read_responses().await?;
        let mut ended = Ok(());
        for response in is_over() {
            let now = self.tools.clock.now();
            let (attempts, next) = put_off.remove(&response.id).unwrap_or((0_u32, now));
            if now < next {
                put_off.insert(response.id, (attempts, next));
                continue;
            }
            match self.end_expired(&response, now).await {
                Ok(()) => {}
                Err(error @ (NotDone::Store(_) | NotDone::Busy)) => ended = ended.and(Err(error)),
                Err(error) => {
                    let (now, attempts) = (self.tools.clock.now(), attempts.saturating_add(1));
                    let (response_id, client_id) = (&response.id, &response.subject);
                    tracing::warn!(%error, response = response_id, client_id, attempts, "a suspension that is over cannot be undone");
                    put_off.insert(response.id, (attempts, next_attempt(now, attempts)));
                }
            }
        }
        self.read_responses().await?;
        ended
    }

    async fn end_expired(&self, response: &ResponseRecord, now: Timestamp) -> Result<(), NotDone> {
        // Before it is ended: should this process die in between, another one does it.
        self.undo(response, None).await?;
        let (ending, record) = (Ending { at: now, by: None }, self.tools.recording_end(event::expired));
        let Some(ended) = self.tools.store.end_response(&response.id, ending, record).await? else {
            return self.suspend_again(response).await;
        };
        tracing::info!(response = ended.id, action = ended.action.as_str(), subject = ended.subject, "response over");
        Ok(())
    }

    /// Somebody ended it before us, or prolonged it while we took it for over: then what was undone is done again.
    async fn suspend_again(&self, undone: &ResponseRecord) -> Result<(), NotDone> {
        if !is_suspension(undone) {
            return Ok(());
        }
        match self.tools.store.response(&undone.id).await? {
            Some(known) if known.is_in_force(self.tools.clock.now()) => self.suspend(&known).await,
            _ => Ok(()),
        }
    }

    /// Writes it, with what is recorded of it; returns it as it is in force.
    pub(super) async fn enter(&self, response: ResponseRecord, now: Timestamp) -> Result<ResponseRecord, NotDone> {
        let recorded = response.clone();
        let events = move |imposed: &Imposed| event::imposed(&recorded, imposed).into_iter().collect();
        let record = self.tools.audit.recording(events, now);
        let (in_force, what) = match self.tools.store.impose(response.clone(), record).await? {
            Imposed::New => (response, "imposed"),
            Imposed::Prolonged(longer) => (longer, "prolonged"),
            Imposed::Stands(as_it_is) => return Ok(as_it_is),
        };
        event::tell(&in_force, what);
        Ok(in_force)
    }

    /// Reads what was written just now. Where that fails the next look does it.
    async fn heed(&self) {
        if let Err(error) = self.tools.responses.refresh(&*self.tools.store).await {
            tracing::warn!(%error, "a response that was written is not heeded yet");
        }
    }

    pub(super) async fn suspend(&self, response: &ResponseRecord) -> Result<(), NotDone> {
        match self.change_client(instruction(response, Change::Suspend, None)).await {
            // It is already.
            Ok(_) | Err(NotDone::NotPossible(_)) => {}
            Err(error) => return Err(error),
        }
        // Whoever ended it meanwhile may have looked at the client before it was suspended.
        match self.tools.store.response(&response.id).await? {
            Some(known) if known.ended.is_some() => self.undo_ended(&known, None).await,
            _ => Ok(()),
        }
    }

    /// Undoes what a response did that is over; where another one is in force, that one would do the same again.
    async fn undo_ended(&self, response: &ResponseRecord, operator: Option<&str>) -> Result<(), NotDone> {
        let does_the_same = |other: &ResponseRecord| is_suspension(other) && other.subject == response.subject;
        if !is_suspension(response) || self.responses_in_force().await?.iter().any(does_the_same) {
            return Ok(());
        }
        self.undo(response, operator).await
    }

    /// Resumes the client that this response suspended, for the operator who lifts it or by itself. What an operator suspended stays so.
    async fn undo(&self, response: &ResponseRecord, operator: Option<&str>) -> Result<(), NotDone> {
        if !is_suspension(response) {
            return Ok(());
        }
        let client = self.tools.store.client(&response.subject).await?;
        let is_its_doing = client.is_some_and(
            |client| matches!(&client.lifecycle, Lifecycle::Suspended { by, .. } if by.actor == response.author),
        );
        if !is_its_doing {
            return Ok(());
        }
        match self.change_client(instruction(response, Change::Resume, operator)).await {
            Ok(_) | Err(NotDone::NotPossible(_) | NotDone::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Tools {
    async fn responses_in_force(&self) -> Result<Vec<ResponseRecord>, StoreError> {
        let read = self.store.responses_in_force(None).await?;
        let (mut responses, now) = (read.map(|read| read.responses).unwrap_or_default(), self.clock.now());
        responses.retain(|response| response.is_in_force(now));
        Ok(responses)
    }

    /// An operator resumed or removed the client by hand: what suspended it is over.
    pub(in crate::intake) async fn lift_suspensions(&self, client_id: &str, actor: &str) -> Result<(), StoreError> {
        let is_its = |response: &ResponseRecord| is_suspension(response) && response.subject == client_id;
        let in_force = self.responses_in_force().await?;
        for response in in_force.into_iter().filter(is_its) {
            let ending = Ending { at: self.clock.now(), by: Some(actor.to_owned()) };
            let record = self.recording_end(|ended| event::lifted(ended, None));
            if let Some(lifted) = self.store.end_response(&response.id, ending, record).await? {
                event::tell_lifted(&lifted);
            }
        }
        Ok(())
    }

    fn recording_end(
        &self,
        event: impl Fn(&ResponseRecord) -> Event + Send + Sync + 'static,
    ) -> Recording<ResponseRecord> {
        self.audit.recording(move |ended| vec![event(ended)], self.clock.now())
    }
}

/// Whether a client is suspended by it.
fn is_suspension(response: &ResponseRecord) -> bool {
    response.action == ResponseAction::SuspendClient && !response.dry_run
}

fn instruction(response: &ResponseRecord, change: Change, operator: Option<&str>) -> Instruction {
    Instruction {
        client_id: response.subject.clone(),
        change,
        version: None,
        actor: operator.unwrap_or(&response.author).to_owned(),
        comment: Some(format!("response {}", response.id)),
        response: Some(ByResponse { id: response.id.clone(), is_lifted: operator.is_some() }),
    }
}
