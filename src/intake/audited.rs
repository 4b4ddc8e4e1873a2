//! What is recorded of requests and of operators' work: events out of what was learned on the way. What was granted or changed is on
//! disk before it is answered; what was refused is noted, and nobody waits for it.

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::decide::{ByResponse, Change, Instruction};
use super::handler::{Body, BodyError, Head, ProtocolRefusal};
use super::reason::Reason;
use super::recorded::each_once;
use super::refusal::Refusal;
use super::{Tools, approve};
use crate::audit::event::{Aside, Decided, Waits};
use crate::audit::{Actor, Event, Kind, Subject};
use crate::authorization_server::Registered;
use crate::hexadecimal;
use crate::lifecycle::Lifecycle;
use crate::registration::ScopeSet;
use crate::registration::redirect_uri::whereto;
use crate::store::{ClientRecord, Intent, Outcome, TokenUse};
use crate::telemetry::management::ManagementOperation;
use crate::telemetry::{ManagementEvent, RegistrationEvent, Span, propagation};

/// The reason of a removal: the server no longer has the client, as the gateway found, or an operator says.
pub(super) const GONE: &str = "gone_at_the_server";

/// A body that remembers what it was.
pub(super) struct Digested<'a> {
    body: &'a mut dyn Body,
    digest: Option<String>,
}

impl<'a> Digested<'a> {
    pub(super) fn of(body: &'a mut dyn Body) -> Self {
        Self { body, digest: None }
    }

    /// SHA-256 of what was read, in hexadecimal.
    pub(super) fn digest(&self) -> Option<String> {
        self.digest.clone()
    }
}

#[async_trait]
impl Body for Digested<'_> {
    async fn read(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let bytes = self.body.read(limit).await?;
        self.digest.get_or_insert_with(|| hexadecimal::written(&Sha256::digest(&bytes)));
        Ok(bytes)
    }
}

/// The request that something came of.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestReference {
    pub(super) request_id: Option<String>,
    pub(super) request_digest: Option<String>,
}

/// What is recorded together with the outcome of a registration.
pub(super) fn outcome(intent: &Intent, origin: RequestReference, outcome: &Outcome) -> Event {
    let kind = match outcome {
        Outcome::Registered(_) if !intent.let_through.is_empty() => Kind::RegistrationLetThrough,
        Outcome::Registered(_) => Kind::RegistrationAdmitted,
        Outcome::NotRegistered { .. } => Kind::RegistrationFailed,
        Outcome::Unknown { .. } => Kind::RegistrationUnknown,
    };
    let reason = outcome.reason().map(str::to_owned);
    let waits = match outcome {
        Outcome::Registered(client) => waits(&client.lifecycle),
        Outcome::NotRegistered { .. } | Outcome::Unknown { .. } => None,
    };
    Event {
        aside: Aside { client_name: intent.client_name.clone(), waits, is_another: false },
        subject: outcome.client_id().map(|id| Subject::Client(id.to_owned())),
        reason,
        request_id: origin.request_id,
        request_digest: origin.request_digest,
        ..of_intent(kind, intent)
    }
}

/// The same, where the server made more of the client than was sent to it: with the scopes that it has, and what was added for a reason.
pub(super) fn widened(event: Event, registered: &Registered) -> Event {
    let added = [("redirect_uris_added", &registered.redirect_uris_added), ("scopes_added", &registered.scopes_added)];
    let reasons: Vec<&str> = added.iter().filter(|(_, added)| !added.is_empty()).map(|(reason, _)| *reason).collect();
    if reasons.is_empty() {
        return event;
    }
    let scopes = event.scope_granted.iter().map(String::as_str).filter(|scope| !scope.is_empty());
    let scopes: Vec<&str> = scopes.chain(registered.scopes_added.iter().map(String::as_str)).collect();
    Event { scope_granted: Some(scopes.join(" ")), ..event.because(reasons.join(", ")) }
}

/// What somebody has to decide though this was done: the other approval, or what a suspension interrupts.
fn still_waits(instruction: &Instruction, client: &ClientRecord) -> Option<Waits> {
    match (&instruction.change, &client.lifecycle) {
        (Change::Suspend, Lifecycle::Suspended { pending_until: Some(until), .. }) => {
            Some(Waits::Registration { until: *until })
        }
        (Change::Resume, lifecycle) => waits(lifecycle),
        _ => client.first_approval.as_ref().map(|_| Waits::SecondApproval),
    }
}

pub(super) fn waits(lifecycle: &Lifecycle) -> Option<Waits> {
    match lifecycle {
        Lifecycle::Pending { until, .. } => Some(Waits::Registration { until: *until }),
        _ => None,
    }
}

/// What receivers of alerts are told of a client.
fn aside(client: &ClientRecord, waits: Option<Waits>) -> Aside {
    Aside { client_name: client.client_name.clone(), waits, is_another: false }
}

fn of_intent(kind: Kind, intent: &Intent) -> Event {
    let registrant = &intent.registrant;
    let token = match &intent.token {
        Some(TokenUse::Issued(id)) => Some(id.0.clone()),
        Some(TokenUse::Once { .. }) | None => registrant.token_label.clone(),
    };
    let actor = Actor::Registrant {
        address: registrant.address,
        certificate: registrant.certificate_thumbprint.clone(),
        token,
        statement_issuer: registrant.statement_issuer.clone(),
    };
    Event {
        profile: Some(intent.profile.clone()),
        policy_version: Some(intent.policy_version.clone()),
        trace_id: propagation::trace_id(&Span::current()),
        registration: Some(intent.id.0.clone()),
        scope_granted: Some(intent.scope_granted.clone()),
        scope_withheld: Some(intent.scope_withheld.clone()).filter(|scope| !scope.is_empty()),
        violations: intent.let_through.clone(),
        redirect_uri_hosts: hosts(&intent.redirect_uris),
        ..Event::new(kind, actor)
    }
}

pub(super) fn hosts(redirect_uris: &[String]) -> Vec<String> {
    let mut hosts: Vec<String> = redirect_uris.iter().map(|uri| whereto(uri)).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// The same client is handed out again. It is told in the request that the event is of, and recorded elsewhere.
pub(super) fn repeated(
    intent: Intent,
    origin: RequestReference,
) -> impl Fn(&ClientRecord) -> Vec<Event> + Send + Sync + 'static {
    let trace_id = propagation::trace_id(&Span::current());
    move |client| {
        let RequestReference { request_id, request_digest } = origin.clone();
        let subject = Some(Subject::Client(client.client_id.clone()));
        let event = of_intent(Kind::RegistrationRepeated, &intent);
        vec![Event { subject, request_id, request_digest, trace_id: trace_id.clone(), ..event }]
    }
}

/// Notes a refusal, unless it is the authorization server's: that stands with the outcome.
pub(super) fn refused(tools: &Tools, event: &RegistrationEvent, reason: Reason) {
    if !reason.is_the_servers() {
        tools.audit.note(|| of_registration(Kind::RegistrationRefused, event), tools.clock.now());
    }
}

fn of_registration(kind: Kind, event: &RegistrationEvent) -> Event {
    let address = event.client_address.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
    let actor = Actor::Registrant {
        address,
        certificate: event.certificate_thumbprint.clone(),
        token: event.token_id.clone(),
        statement_issuer: event.statement_issuer.clone(),
    };
    Event {
        subject: event.client_id.clone().map(Subject::Client),
        profile: event.profile.clone(),
        policy_version: event.policy_version.clone(),
        reason: Some(event.reason.to_owned()),
        trace_id: propagation::trace_id(&Span::current()),
        request_id: Some(event.request_id.clone()),
        request_digest: event.request_digest.clone(),
        refused_by: event.response.clone(),
        registration: event.registration_id.clone(),
        scope_granted: event.scope_granted.clone(),
        scope_withheld: event.scope_withheld.clone(),
        violations: each_once(event.violations.iter().copied()),
        redirect_uri_hosts: event.redirect_uri_hosts.clone(),
        ..Event::new(kind, actor)
    }
}

/// What the proxy refused at a registration path, or of a client that would rather not register: it names a document instead.
pub(super) fn refused_by_the_proxy(tools: &Tools, head: &Head, refusal: ProtocolRefusal) {
    let is_about_registration = matches!(
        refusal,
        ProtocolRefusal::Misspelt
            | ProtocolRefusal::NotOffered
            | ProtocolRefusal::Certificate
            | ProtocolRefusal::ClientIdMetadataDocument
    );
    if is_about_registration {
        let reason = Reason::from(refusal);
        let event = RegistrationEvent {
            client_address: Some(head.client_address),
            reason: reason.name(),
            ..RegistrationEvent::new(&head.request_id)
        };
        refused(tools, &event, reason);
    }
}

/// A forwarded request that was refused: by what the record says of its client, or for where it comes from. Noted.
pub(super) fn forwarded_refused(tools: &Tools, head: &Head, refusal: &Refusal, client_id: Option<&str>) {
    let event = || Event {
        subject: client_id.map(|id| Subject::Client(id.to_owned())),
        reason: Some(refusal.reason().name().to_owned()),
        trace_id: propagation::trace_id(&Span::current()),
        request_id: Some(head.request_id.clone()),
        refused_by: refusal.response().map(str::to_owned),
        ..Event::new(Kind::ForwardedRefused, Actor::Client { address: head.client_address })
    };
    tools.audit.note(event, tools.clock.now());
}

/// A client's call that was refused: noted.
pub(super) fn management_refused(tools: &Tools, learned: &ManagementEvent, request_digest: Option<String>) {
    tools.audit.note(|| of_management(Kind::ManagementRefused, learned, request_digest), tools.clock.now());
}

/// A client's call, as it is recorded once it is done.
pub(super) fn managed(learned: &ManagementEvent, segment: &str, request_digest: Option<String>) -> Event {
    let kind = match learned.operation {
        ManagementOperation::Read => Kind::ClientRead,
        ManagementOperation::Update => Kind::ClientUpdated,
        ManagementOperation::Delete => Kind::ClientDeleted,
        ManagementOperation::Other => Kind::ManagementRefused,
    };
    let event = of_management(kind, learned, request_digest);
    // A client that is not in the record is what the path names.
    Event { subject: event.subject.or_else(|| Some(Subject::Client(segment.to_owned()))), ..event }
}

/// A change that was broken off, and that the server was found to have made when the client was read.
pub(super) fn found_changed(read: &Event, client: &ClientRecord) -> Event {
    Event {
        event: Kind::ClientUpdated,
        reason: Some("found_at_the_server".to_owned()),
        scope_granted: Some(client.scope_granted.clone()),
        redirect_uri_hosts: hosts(&client.redirect_uris),
        ..read.clone()
    }
}

/// A client whose token is lost: a call about it was broken off, and the server takes the token no longer.
pub(super) fn unmanageable(client: &ClientRecord) -> Event {
    about_client(Kind::ClientUpdated, client, "unmanageable")
}

fn of_management(kind: Kind, learned: &ManagementEvent, request_digest: Option<String>) -> Event {
    Event {
        subject: learned.client_id.clone().map(Subject::Client),
        profile: learned.profile.clone(),
        policy_version: learned.policy_version.clone(),
        reason: Some(learned.reason.to_owned()),
        trace_id: propagation::trace_id(&Span::current()),
        request_id: Some(learned.request_id.clone()),
        request_digest,
        growth: learned.growth.clone(),
        refused_by: learned.response.clone(),
        violations: each_once(learned.violations.iter().copied()),
        ..Event::new(kind, Actor::Client { address: learned.client_address })
    }
}

/// What an operator did to a client, which was another before, or a response did by itself: then the reason is the detector that called for it.
pub(super) fn changed(instruction: &Instruction, before: &ClientRecord, client: &ClientRecord) -> Event {
    let kind = match instruction.change {
        Change::Approve { .. } => Kind::ClientApproved,
        Change::Elevate { .. } => Kind::ClientElevated,
        Change::Reject => Kind::ClientRejected,
        Change::Suspend => Kind::ClientSuspended,
        Change::Resume => Kind::ClientResumed,
        Change::Delete { .. } => Kind::ClientRemoved,
    };
    let name = instruction.actor.clone();
    let (actor, reason) = match instruction.response {
        Some(ByResponse { is_lifted: false, .. }) => (Actor::Gateway, Some(name)),
        Some(ByResponse { is_lifted: true, .. }) | None => {
            let is_gone = instruction.change == Change::Delete { is_gone: true } && client.unsettled.is_none();
            (Actor::Operator { name }, is_gone.then(|| GONE.to_owned()))
        }
    };
    Event {
        subject: Some(Subject::Client(instruction.client_id.clone())),
        profile: Some(client.profile.clone()),
        reason,
        aside: aside(client, still_waits(instruction, client)),
        comment: instruction.comment.clone(),
        trace_id: propagation::trace_id(&Span::current()),
        ..decided(&instruction.change, before, client, Event::new(kind, actor))
    }
}

/// With what a decision of an operator's grants: who has the record alone can tell what a client may have.
fn decided(change: &Change, before: &ClientRecord, client: &ClientRecord, event: Event) -> Event {
    let is_change = approve::wants_to_grow(before);
    if *change == Change::Reject {
        let decided = if is_change { Decided::Change } else { Decided::Client };
        return Event { decided: Some(decided), ..event };
    }
    if !matches!(change, Change::Approve { .. } | Change::Elevate { .. }) {
        return event;
    }
    let (decided, granted) = match (&client.first_approval, is_change) {
        (Some(first), true) => (Decided::ChangeFirstOfTwo, first.scopes.clone()),
        (Some(first), false) => (Decided::ClientFirstOfTwo, first.scopes.clone()),
        (None, true) => (Decided::Change, added(before, client)),
        (None, false) => (Decided::Client, added(before, client)),
    };
    Event {
        decided: Some(decided),
        scope_granted: Some(granted).filter(|scope| !scope.is_empty()),
        scope_withheld: Some(client.scope_withheld.clone()).filter(|scope| !scope.is_empty()),
        redirect_uri_hosts: if decided == Decided::Change { hosts(&client.redirect_uris) } else { Vec::new() },
        ..event
    }
}

/// The scopes that it has now and had not.
fn added(before: &ClientRecord, client: &ClientRecord) -> String {
    ScopeSet::recorded(&client.scope_granted).without(&ScopeSet::recorded(&before.scope_granted)).to_string()
}

/// A client that was at the server before, and that an operator took into the record.
pub(super) fn imported(intent: &Intent, client_id: &str, actor: &str, comment: Option<&str>) -> Event {
    Event {
        actor: Actor::Operator { name: actor.to_owned() },
        subject: Some(Subject::Client(client_id.to_owned())),
        comment: comment.map(str::to_owned),
        ..of_intent(Kind::ClientImported, intent)
    }
}

/// A client whose time was over.
pub(super) fn expired(client: &ClientRecord, reason: &str) -> Event {
    about_client(Kind::ClientExpired, client, reason)
}

fn about_client(kind: Kind, client: &ClientRecord, reason: &str) -> Event {
    Event {
        subject: Some(Subject::Client(client.client_id.clone())),
        profile: Some(client.profile.clone()),
        reason: Some(reason.to_owned()),
        aside: aside(client, None),
        ..Event::new(kind, Actor::Gateway)
    }
}

/// A client that the gateway removed by itself, or that the server no longer has.
pub(super) fn removed(client: &ClientRecord, reason: &str) -> Event {
    about_client(Kind::ClientRemoved, client, reason)
}

/// What an operator found out about a registration.
pub(super) fn resolved(intent: &Intent, outcome: &Outcome, actor: &str) -> Event {
    let subject = match outcome.client_id() {
        Some(client_id) => Subject::Client(client_id.to_owned()),
        None => Subject::Registration(intent.id.0.clone()),
    };
    let waits = match outcome {
        Outcome::Registered(client) => waits(&client.lifecycle),
        Outcome::NotRegistered { .. } | Outcome::Unknown { .. } => None,
    };
    Event {
        actor: Actor::Operator { name: actor.to_owned() },
        subject: Some(subject),
        reason: Some(outcome.name().as_str().to_owned()),
        aside: Aside { client_name: intent.client_name.clone(), waits, is_another: false },
        ..of_intent(Kind::RegistrationResolved, intent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_named_once_and_schemes_where_there_is_none() {
        let uris = [
            "https://b.example/x?code=1",
            "https://a.example/",
            "com.example:/cb",
            "https://b.example/y",
            "https://[/",
        ];
        let hosts = hosts(&uris.map(str::to_owned));
        assert_eq!(hosts, [r#""https://[/""#, "a.example", "b.example", "com.example:"], "what is no URL is shown");
    }

    #[test]
    fn what_the_server_refused_stands_with_the_outcome() {
        for reason in Reason::ALL {
            assert_eq!(reason.is_the_servers(), reason.name().starts_with("server_"), "{reason:?}");
        }
    }
}
