//! Begins and ends responses: what findings call for, what operators order and lift, what has had its time. Each is in the store before
//! it is heeded, so every replica heeds it; what is done twice is done once.

use std::time::Duration;

use ipnet::IpNet;

use super::in_force::word;
use crate::anomaly::response::Called;
use crate::anomaly::{DetectorName, Finding};
use crate::audit::event::Responded;
use crate::audit::{Actor, Event, Kind, Subject};
use crate::clock::Timestamp;
use crate::intake::Intake;
use crate::intake::decide::{Change, Instruction};
use crate::intake::operations::NotDone;
use crate::intake::rulebook::Rulebook;
use crate::lifecycle::Lifecycle;
use crate::store::{Ending, Imposed, ResponseAction, ResponseRecord, StoreError};
use crate::telemetry::ResponseEvent;

/// Past so many, findings call for nothing more: every request is compared with all of them.
const MOST_IN_FORCE: usize = 20_000;

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
    /// Does what the operator's rules say about a finding, which has this name in the record. What could not be done is told in the log.
    pub async fn respond(&self, finding: &Finding, name: &str) {
        let rulebook = self.rulebook.load_full();
        for called in rulebook.responder.called_for(finding) {
            let (action, subject) = (called.action.as_str(), called.subject.clone());
            match self.respond_with(&rulebook, called, (finding, name)).await {
                Ok(None) => {}
                Ok(Some(why_not)) => tracing::warn!(action, subject, finding = name, "no response: {why_not}"),
                Err(error) => tracing::error!(%error, action, subject, finding = name, "a response failed"),
            }
        }
    }

    /// Does one of them; why not, where it cannot be done.
    async fn respond_with(
        &self,
        rulebook: &Rulebook,
        called: Called,
        (finding, name): (&Finding, &str),
    ) -> Result<Option<&'static str>, NotDone> {
        let called = match self.possible(rulebook, called).await? {
            Ok(called) => called,
            Err(why_not) => return Ok(Some(why_not)),
        };
        let now = self.tools.clock.now();
        let response = ResponseRecord {
            id: self.tools.random_name(),
            action: called.action,
            subject: called.subject,
            factor: called.factor,
            dry_run: called.dry_run,
            author: finding.detector.as_str().to_owned(),
            finding: Some(name.to_owned()),
            reason: Some(finding.sentence.clone()),
            created_at: now,
            expires_at: now.after(called.lasts.0),
            ended: None,
        };
        let response = self.enter(response, now).await?;
        if response.action == ResponseAction::SuspendClient && !response.dry_run {
            self.suspend(&response).await?;
        }
        Ok(None)
    }

    /// What can be done here of what is called for.
    async fn possible(&self, rulebook: &Rulebook, called: Called) -> Result<Result<Called, &'static str>, StoreError> {
        if self.tools.responses.in_force.load().len() >= MOST_IN_FORCE {
            return Ok(Err("there are too many in force"));
        }
        Ok(match called.action {
            ResponseAction::TightenThrottle if !rulebook.profile_limits.contains_key(&called.subject) => {
                Err("the profile has no limits")
            }
            ResponseAction::RequireApproval if !rulebook.under_approval.contains_key(&called.subject) => {
                Err("the profile wants an approval already, or there is none of its name")
            }
            ResponseAction::SuspendClient => match self.tools.store.client(&called.subject).await? {
                None => Err("the client is not in the record"),
                // Anybody can register anybody's public metadata: who did is to be kept away, and not who shares the client.
                Some(client) if client.digest.is_some() => match called.instead.clone() {
                    Some((action, subject)) => Ok(Called { action, subject, instead: None, ..called }),
                    None => Err("others share the client, and nobody else can be named"),
                },
                Some(client) if !client.lifecycle.state().is_live() => Err("the client is gone"),
                Some(_) => Ok(called),
            },
            _ => Ok(called),
        })
    }

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
        self.enter(response, now).await
    }

    /// Ends a response, and undoes what it did.
    ///
    /// # Errors
    /// There is none of this name, or it is over; the store's.
    pub async fn lift(&self, id: &str, (actor, comment): (&str, Option<String>)) -> Result<ResponseRecord, NotDone> {
        let store = &self.tools.store;
        let known = store.response(id).await?.ok_or_else(|| NotDone::ResponseUnknown(id.to_owned()))?;
        let now = self.tools.clock.now();
        let ending = Ending { at: now, by: Some(actor.to_owned()) };
        let lifted = store.end_response(id, ending).await?.ok_or(NotDone::ResponseOver(known.id))?;
        self.heed().await;
        self.undo(&lifted, actor).await?;
        self.record_lifted(&lifted, (actor, comment)).await?;
        Ok(lifted)
    }

    /// The responses that are in force, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn responses_in_force(&self) -> Result<Vec<ResponseRecord>, StoreError> {
        let read = self.tools.store.responses_in_force(None).await?;
        let (mut responses, now) = (read.map(|read| read.responses).unwrap_or_default(), self.tools.clock.now());
        responses.retain(|response| response.is_in_force(now));
        Ok(responses)
    }

    /// Looks at the store for what others imposed or lifted, and ends what has had its time: to be called at least once a second.
    ///
    /// # Errors
    /// The store's: what was read before holds until its own end.
    pub async fn keep_responses(&self) -> Result<(), NotDone> {
        self.tools.responses.refresh(&*self.tools.store).await?;
        let now = self.tools.clock.now();
        let expired = self.tools.responses.in_force.load().expired(now);
        for response in &expired {
            // Before it is ended: should this process die in between, another one does it.
            self.undo(response, &response.author).await?;
            let ended = self.tools.store.end_response(&response.id, Ending { at: now, by: None }).await?;
            if let Some(ended) = ended {
                tracing::info!(
                    response = ended.id,
                    action = ended.action.as_str(),
                    subject = ended.subject,
                    "response over"
                );
                let event = about(Event::new(Kind::ResponseExpired, Actor::Gateway), &ended);
                self.tools.audit.record(event, now).await?;
            }
        }
        if !expired.is_empty() {
            self.tools.responses.refresh(&*self.tools.store).await?;
        }
        Ok(())
    }

    /// An operator resumed or removed the client by hand: what suspended it is over.
    pub(in crate::intake) async fn lift_suspensions(&self, client_id: &str, actor: &str) -> Result<(), StoreError> {
        let is_its = |response: &ResponseRecord| {
            response.action == ResponseAction::SuspendClient && response.subject == client_id && !response.dry_run
        };
        let in_force = self.responses_in_force().await?;
        for response in in_force.into_iter().filter(is_its) {
            let ending = Ending { at: self.tools.clock.now(), by: Some(actor.to_owned()) };
            if let Some(lifted) = self.tools.store.end_response(&response.id, ending).await? {
                self.record_lifted(&lifted, (actor, None)).await?;
            }
        }
        Ok(())
    }

    /// Writes it, and heeds it at once; returns it as it is in force.
    async fn enter(&self, response: ResponseRecord, now: Timestamp) -> Result<ResponseRecord, NotDone> {
        let (in_force, kind, what) = match self.tools.store.impose(response.clone()).await? {
            Imposed::New if response.dry_run => (response.clone(), Kind::ResponseDryRun, "imposed"),
            Imposed::New => (response.clone(), Kind::ResponseImposed, "imposed"),
            Imposed::Prolonged(longer) => (longer, Kind::ResponseProlonged, "prolonged"),
            Imposed::Stands(as_it_is) => return Ok(as_it_is),
        };
        self.heed().await;
        tell(&in_force, what);
        let actor = match &response.finding {
            Some(_) => Actor::Gateway,
            None => Actor::Operator { name: response.author.clone() },
        };
        // The finding, or the comment, that it was imposed or prolonged for.
        let mut event = about(Event::new(kind, actor), &ResponseRecord { id: in_force.id.clone(), ..response.clone() });
        if let Some(responded) = &mut event.response {
            responded.until = in_force.expires_at;
        }
        self.tools.audit.record(event, now).await?;
        Ok(in_force)
    }

    /// Reads what was written just now. Where that fails the next look does it.
    async fn heed(&self) {
        if let Err(error) = self.tools.responses.refresh(&*self.tools.store).await {
            tracing::warn!(%error, "a response that was written is not heeded yet");
        }
    }

    async fn suspend(&self, response: &ResponseRecord) -> Result<(), NotDone> {
        match self.change_client(instruction(response, Change::Suspend, &response.author)).await {
            // It is already.
            Ok(_) | Err(NotDone::NotPossible(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Resumes the client that this response suspended. What an operator suspended stays so.
    async fn undo(&self, response: &ResponseRecord, actor: &str) -> Result<(), NotDone> {
        if response.action != ResponseAction::SuspendClient || response.dry_run {
            return Ok(());
        }
        let client = self.tools.store.client(&response.subject).await?;
        let is_its_doing = client.is_some_and(
            |client| matches!(&client.lifecycle, Lifecycle::Suspended { by, .. } if by.actor == response.author),
        );
        if !is_its_doing {
            return Ok(());
        }
        match self.change_client(instruction(response, Change::Resume, actor)).await {
            Ok(_) | Err(NotDone::NotPossible(_) | NotDone::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn record_lifted(
        &self,
        lifted: &ResponseRecord,
        (actor, comment): (&str, Option<String>),
    ) -> Result<(), StoreError> {
        tracing::info!(
            response = lifted.id,
            action = lifted.action.as_str(),
            subject = lifted.subject,
            actor,
            "response lifted"
        );
        let event = about(Event::new(Kind::ResponseLifted, Actor::Operator { name: actor.to_owned() }), lifted);
        self.tools.audit.record(Event { comment, reason: None, ..event }, self.tools.clock.now()).await
    }
}

fn instruction(response: &ResponseRecord, change: Change, actor: &str) -> Instruction {
    Instruction {
        client_id: response.subject.clone(),
        change,
        version: None,
        actor: actor.to_owned(),
        comment: Some(format!("response {}", response.id)),
        response: Some(response.id.clone()),
    }
}

/// The event with what the response says: a detector is the reason, an operator's words are the comment.
fn about(event: Event, response: &ResponseRecord) -> Event {
    let responded = Responded {
        action: response.action.as_str().to_owned(),
        on: response.subject.clone(),
        dry_run: response.dry_run,
        until: response.expires_at,
        finding: response.finding.clone(),
    };
    let is_a_detectors = response.finding.is_some();
    Event {
        subject: Some(Subject::Response(response.id.clone())),
        reason: is_a_detectors.then(|| response.author.clone()),
        comment: if is_a_detectors { None } else { response.reason.clone() },
        response: Some(responded),
        ..event
    }
}

fn tell(response: &ResponseRecord, what: &'static str) {
    let detector: Option<DetectorName> = response.author.parse().ok().filter(|_| response.finding.is_some());
    let event = ResponseEvent {
        what,
        id: &response.id,
        action: response.action.as_str(),
        subject: &response.subject,
        detector: detector.map(DetectorName::as_str),
        author: &response.author,
        dry_run: word(response.dry_run),
        until: response.expires_at.to_string(),
    };
    event.tell();
}
