//! What is recorded and told of responses.

use crate::anomaly::DetectorName;
use crate::audit::event::Responded;
use crate::audit::{Actor, Event, Kind, Subject};
use crate::store::{Imposed, ResponseRecord};
use crate::telemetry::ResponseEvent;

/// What is recorded of a response that came to this; nothing where the same is in force, and lasts as long.
pub(super) fn imposed(response: &ResponseRecord, imposed: &Imposed) -> Option<Event> {
    let (in_force, kind) = match imposed {
        Imposed::New if response.dry_run => (response, Kind::ResponseDryRun),
        Imposed::New => (response, Kind::ResponseImposed),
        Imposed::Prolonged(longer) => (longer, Kind::ResponseProlonged),
        Imposed::Stands(_) => return None,
    };
    let actor = match &response.finding {
        Some(_) => Actor::Gateway,
        None => Actor::Operator { name: response.author.clone() },
    };
    // The finding, or the comment, that it was imposed or prolonged for.
    let (id, expires_at) = (in_force.id.clone(), in_force.expires_at);
    Some(about(Event::new(kind, actor), &ResponseRecord { id, expires_at, ..response.clone() }))
}

/// What is recorded of one whose time was over.
pub(super) fn expired(ended: &ResponseRecord) -> Event {
    about(Event::new(Kind::ResponseExpired, Actor::Gateway), ended)
}

/// What is recorded of one that an operator lifted.
pub(super) fn lifted(ended: &ResponseRecord, comment: Option<String>) -> Event {
    let event = about(Event::new(Kind::ResponseLifted, Actor::Operator { name: lifter(ended).to_owned() }), ended);
    Event { comment, reason: None, ..event }
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

fn lifter(ended: &ResponseRecord) -> &str {
    ended.ended.as_ref().and_then(|ending| ending.by.as_deref()).unwrap_or_default()
}

/// Tells that an operator lifted it.
pub(super) fn tell_lifted(lifted: &ResponseRecord) {
    tracing::info!(
        response = lifted.id,
        action = lifted.action.as_str(),
        subject = lifted.subject,
        actor = lifter(lifted),
        "response lifted"
    );
}

/// Tells that it was imposed, or prolonged.
pub(super) fn tell(response: &ResponseRecord, what: &'static str) {
    let detector: Option<DetectorName> = response.author.parse().ok().filter(|_| response.finding.is_some());
    let event = ResponseEvent {
        what,
        id: &response.id,
        action: response.action.as_str(),
        subject: &response.subject,
        detector: detector.map(DetectorName::as_str),
        author: &response.author,
        dry_run: response.dry_run,
        until: response.expires_at.to_string(),
    };
    event.tell();
}
