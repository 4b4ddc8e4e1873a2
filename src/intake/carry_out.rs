//! What is written down around the call to the authorization server, and what its outcome means for the client.

use std::time::Duration;

use serde_json::{Map, Value};

use super::access::{ClientAccess, KeptAccess};
use super::audited::{self, RequestReference};
use super::reason::Reason;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::turn::{self, Wait};
use super::{Tools, settle, token, unavailable};
use crate::authorization_server::answer::take_secret;
use crate::authorization_server::{Asked, ManageError, RegisterError, Registered};
use crate::clock::Timestamp;
use crate::lifecycle::{Lifecycle, State};
use crate::policy::approval::{ApprovalNeeded, Approvals};
use crate::policy::{Judged, Passage};
use crate::registration::software_statement::MEMBER;
use crate::sealing::NotSealed;
use crate::secret::Secret;
use crate::store::{Beginning, Begun, ClientRecord, HandingOut, IfKnown, NewClient, Outcome, Recording, TokenHash};
use crate::telemetry::{InSpan as _, span};

/// A client that is handed out again was seen at the server within this time, or is looked for there first.
const CONFIRMED_FOR: Duration = Duration::from_secs(10 * 60);

/// Of what a server adds the log has no more: it may add as much as its answer holds.
const MOST_TOLD: usize = 10;

/// What is to be registered, and for whom.
pub struct Order {
    /// What is written down before the request leaves.
    pub beginning: Beginning,
    /// What is sent.
    pub passage: Passage,
    /// The registrant's own `Authorization`, where it goes on.
    pub own_authorization: Option<Secret>,
    /// Whether its profile wants an approval.
    pub approvals: Approvals,
    /// The request it came by.
    pub(super) origin: RequestReference,
}

/// A client that is handed out.
#[derive(Debug)]
pub struct HandedOut {
    /// Its `client_id`.
    pub client_id: String,
    /// The members of the answer, in the client's own terms.
    pub metadata: Map<String, Value>,
    /// The same client was registered before.
    pub repeated: bool,
}

/// The intent durable before the request leaves, the outcome durable before the client hears of it, in its own terms. What is seldom done is
/// boxed: its future would be moved about with every registration's.
pub async fn carry_out(rulebook: &Rulebook, tools: &Tools, order: Order) -> Result<HandedOut, Refusal> {
    let Order { beginning, passage, own_authorization, approvals, origin } = order;
    let judged = passage.judged();
    let intent = &beginning.intent;
    let (id, digest) = (&intent.id, intent.digest);
    let recording = match digest {
        Some(_) => tools.audit.recording(audited::repeated(intent.clone(), origin.clone()), tools.clock.now()),
        None => Recording::nothing(),
    };
    if let Some(client) = begin(rulebook, tools, &beginning, recording).await? {
        return hand_out_again(rulebook, judged, client);
    }
    let result = match &passage {
        Passage::Cleared(clearance) => rulebook.registrar.register(&id.0, clearance, own_authorization.as_ref()).await,
        Passage::LetThrough(own) => rulebook.registrar.let_through(own, own_authorization.as_ref()).await,
    };
    let access = match (&result, digest) {
        // A client that others get too is nobody's: the first comer must not own it.
        (Ok(registered), None) if registered.access.is_some() => {
            Some(ClientAccess::new(tools, rulebook.client_uris_below(&intent.profile), &registered.client_id))
        }
        _ => None,
    };
    // Kept as it was presented, whatever the server did with it.
    let statement = judged.metadata().get_key_value(MEMBER).map(|(name, value)| (name.clone(), value.clone()));
    let client = |registered: &_| {
        let mut client = new_client(rulebook, tools, registered, access.as_ref())?;
        client.lifecycle = first_state(approvals, tools.clock.now());
        client.metadata.extend(statement);
        Ok(client)
    };
    let (outcome, kept) = outcome(&result, client);
    if let (Ok(registered), Err(error)) = (&result, &kept) {
        let (registration, client_id) = (&id.0, &registered.client_id);
        tracing::error!(registration, client_id, %error, "the server has a client that cannot be entered: resolve it");
    }
    if let Ok(registered) = &result {
        tell_added(&id.0, registered);
    }
    let now = tools.clock.now();
    let event = || match (audited::outcome(intent, origin, &outcome), &result) {
        (event, Ok(registered)) if matches!(outcome, Outcome::Registered(_)) => audited::widened(event, registered),
        (event, _) => event,
    };
    let finished = match tools.audit.entry(event, now) {
        Ok(entries) => tools.store.finish(id, outcome, entries, now).in_span(span::store_span("finish")).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &finished {
        let client_id = result.as_ref().ok().map(|registered| &registered.client_id);
        tracing::error!(registration = &id.0, client_id, %error, "what became of a registration could not be written down");
    }
    let registered = result.map_err(server_refusal)?;
    tools.standings.forget(&registered.client_id);
    // The server has the client, our record does not say so: found as `unknown` when the store is back, never acknowledged.
    finished.map_err(unavailable)?;
    kept.map_err(|error| Refusal::from(Reason::Internal).caused_by(error))?;
    if approvals.needed == ApprovalNeeded::BeforeUse {
        Box::pin(settle::before_use(rulebook, tools, &registered.client_id)).await?;
    }
    let mut metadata = rulebook.registrar.in_client_terms(&Asked::from(judged), registered.metadata);
    if let Some(access) = &access {
        access.show(&mut metadata);
    }
    Ok(HandedOut { client_id: registered.client_id, metadata, repeated: false })
}

/// What the server made of the client beyond what was sent to it.
fn tell_added(registration: &str, registered: &Registered) {
    let Registered { client_id, redirect_uris_added, scopes_added, .. } = registered;
    for (added, what) in [(redirect_uris_added, "redirect URIs"), (scopes_added, "scopes")] {
        if !added.is_empty() {
            let added = added[..added.len().min(MOST_TOLD)].join(" ");
            tracing::warn!(registration, client_id, added, "the server registered {what} that were not sent to it");
        }
    }
}

/// Waits while somebody else is registering the same client; returns the client when it is in the record. Before a client is handed out
/// again: does the server still have it? An operator may have removed it there, and nobody could register it any more.
async fn begin(
    rulebook: &Rulebook,
    tools: &Tools,
    beginning: &Beginning,
    recording: Recording<ClientRecord>,
) -> Result<Option<ClientRecord>, Refusal> {
    let mut wait = Wait::at_most(beginning.under_way);
    let confirmed_after = Some(tools.clock.now().before(CONFIRMED_FOR));
    let mut handing_out = HandingOut { confirmed_after, recording };
    loop {
        let mut attempt = beginning.clone();
        // Not when the request came: its body may have taken its time, and the intent would seem older than the call it announces.
        attempt.intent.at = tools.clock.now();
        let begun = tools.store.begin(attempt, handing_out.clone());
        match begun.in_span(span::store_span("begin")).await.map_err(unavailable)? {
            Begun::Ready => return Ok(None),
            Begun::Known(client) => return Ok(Some(*client)),
            Begun::Unconfirmed(client) => {
                Box::pin(look_at_the_server(rulebook, tools, &client.client_id)).await?;
                handing_out.confirmed_after = None;
            }
            Begun::TokenUnusable(unusable) => return Err(token::refusal(unusable.into())),
            Begun::QuotaReached(reached) => return Err(Refusal::quota(&beginning.intent.profile, reached)),
            Begun::SameUnderWay => {
                if !wait.rest().await {
                    return Err(Reason::ClientBusy.into());
                }
            }
        }
    }
}

async fn look_at_the_server(rulebook: &Rulebook, tools: &Tools, client_id: &str) -> Result<(), Refusal> {
    let Some(mut held) = turn::take(rulebook, tools, client_id).await? else { return Ok(()) };
    if !held.client.is_unconfirmed(tools.clock.now().before(CONFIRMED_FOR)) {
        return held.end_untried().await.map(drop);
    }
    // A key that is lost, or not read here yet, keeps nobody from the client either.
    let access = if held.not_opened.is_some() { held.recover().await } else { held.access().cloned() };
    let Some(access) = access else { return held.end_untried().await.map(drop) };
    let mut result = rulebook.registrar.read(&access).await;
    if matches!(result, Err(ManageError::Gone(_)))
        && let Some(access) = held.recover().await
    {
        result = rulebook.registrar.read(&access).await;
    }
    match result.and_then(|managed| managed.about(client_id)) {
        Ok(managed) => {
            held.learn_read(&managed).map_err(|error| Refusal::from(Reason::Internal).caused_by(error))?;
            held.end().await.map(drop)
        }
        // The server may not have seen the token: what is in doubt stays so.
        Err(error) if held.learn_failure(&error) || error.surely_nothing_changed() => {
            held.end_untried().await.map(drop)
        }
        // A server that is down or slow keeps nobody from a client that it most likely has.
        Err(_) => {
            held.break_off().await;
            Ok(())
        }
    }
}

fn hand_out_again(rulebook: &Rulebook, judged: &dyn Judged, client: ClientRecord) -> Result<HandedOut, Refusal> {
    match client.lifecycle.state() {
        // The first comer's registration is not over: it may yet be found that it cannot be disabled.
        State::Pending if client.unsettled.is_some() => return Err(Reason::ClientBusy.into()),
        State::Pending | State::Active => {}
        State::Suspended => return Err(Reason::ClientSuspended.into()),
        State::Rejected | State::Expired | State::Deleted => return Err(Reason::ClientRejected.into()),
    }
    // The same was asked for: that was registered where the record does not say otherwise, as of a client that an operator entered.
    let mut registered = rulebook.registrar.outgoing(judged);
    registered.extend(client.metadata);
    let metadata = rulebook.registrar.in_client_terms(&Asked::from(judged), registered);
    Ok(HandedOut { client_id: client.client_id, metadata, repeated: true })
}

/// What a new client begins with, where its profile says this of approvals.
pub(super) fn first_state(approvals: Approvals, now: Timestamp) -> Lifecycle {
    let until = now.after(approvals.pending_for);
    match approvals.needed {
        ApprovalNeeded::None => Lifecycle::Active,
        ApprovalNeeded::Required => Lifecycle::Pending { until, before_use: false },
        ApprovalNeeded::BeforeUse => Lifecycle::Pending { until, before_use: true },
    }
}

/// What the call came to, and whether the client can be entered. One that the server has and that cannot be is left for an operator to
/// resolve: it may be somebody else's, too, so it is not deleted there.
fn outcome(
    result: &Result<Registered, RegisterError>,
    client: impl FnOnce(&Registered) -> Result<NewClient, NotSealed>,
) -> (Outcome, Result<(), NotSealed>) {
    match result.as_ref().map(client) {
        Ok(Ok(client)) => (Outcome::Registered(Box::new(client)), Ok(())),
        Ok(Err(error)) => (Outcome::Unknown { reason: Reason::Internal.name().to_owned() }, Err(error)),
        Err(error) => {
            let reason = server_reason(error).name().to_owned();
            let surely_nothing = error.surely_nothing_registered();
            (if surely_nothing { Outcome::NotRegistered { reason } } else { Outcome::Unknown { reason } }, Ok(()))
        }
    }
}

fn new_client(
    rulebook: &Rulebook,
    tools: &Tools,
    registered: &Registered,
    access: Option<&ClientAccess>,
) -> Result<NewClient, NotSealed> {
    let mut metadata = registered.metadata.clone();
    let client_secret = take_secret(&mut metadata);
    let client_id = registered.client_id.clone();
    let kept = registered.access.clone().map(|access| KeptAccess { access, client_secret });
    let server_access = kept.map(|kept| kept.seal(&rulebook.keys, tools, &client_id)).transpose()?;
    let access_token = access.map(|access| TokenHash::of(&access.token));
    let lifecycle = Lifecycle::Active;
    Ok(NewClient {
        client_id,
        lifecycle,
        metadata,
        access_token,
        server_access,
        is_confirmed: true,
        if_known: IfKnown::Update,
    })
}

fn server_reason(error: &RegisterError) -> Reason {
    match error {
        RegisterError::Unreachable(_) => Reason::ServerUnreachable,
        RegisterError::TimedOut => Reason::ServerTimedOut,
        RegisterError::Broken(_) => Reason::ServerBroken,
        RegisterError::Credential(_) => Reason::ServerCredentialRefused,
        RegisterError::RegistrantCredential => Reason::ServerTokenRefused,
        RegisterError::Refused { .. } => Reason::ServerRefused,
        RegisterError::PolicyRefused(_) => Reason::ServerPolicyRefused,
        RegisterError::Misdirected(_) => Reason::ServerMisdirected,
        RegisterError::RateLimited { .. } => Reason::ServerRateLimited,
        RegisterError::Unavailable { .. } => Reason::ServerUnavailable,
    }
}

fn server_refusal(error: RegisterError) -> Refusal {
    let refusal = Refusal::from(server_reason(&error)).caused_by(&error);
    match error {
        RegisterError::Refused { code, description: Some(description) } => refusal.coded(code).described(description),
        RegisterError::Refused { code, description: None } => refusal.coded(code),
        RegisterError::RateLimited { retry_after: Some(wait) }
        | RegisterError::Unavailable { retry_after: Some(wait) } => refusal.retry_after(wait),
        // Nothing was registered.
        RegisterError::Credential(_) => refusal.may_be_repeated(),
        _ => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::OutcomeName;

    fn registered() -> Result<Registered, RegisterError> {
        Ok(Registered {
            client_id: "c1".to_owned(),
            metadata: Map::new(),
            access: None,
            redirect_uris_added: Vec::new(),
            scopes_added: Vec::new(),
        })
    }

    #[test]
    fn a_client_that_the_server_has_and_nobody_could_manage_is_neither_entered_nor_forgotten() {
        let (written, kept) = outcome(&registered(), |_| Err(NotSealed));
        assert_eq!(written, Outcome::Unknown { reason: "internal".to_owned() });
        assert_eq!(kept, Err(NotSealed));
    }

    #[test]
    fn what_the_server_surely_refused_is_not_registered_and_what_it_did_not_answer_is_unknown() {
        let of = |error| outcome(&Err(error), |_| unreachable!("there is no client")).0.name();
        assert_eq!(of(RegisterError::RateLimited { retry_after: None }), OutcomeName::NotRegistered);
        assert_eq!(of(RegisterError::TimedOut), OutcomeName::Unknown);
    }

    #[test]
    fn a_server_that_is_away_and_does_not_say_until_when_is_asked_again_in_five_seconds() {
        for (says, told) in [(None, "5"), (Some(Duration::from_secs(7)), "7")] {
            let answer = server_refusal(RegisterError::Unavailable { retry_after: says }).answer("r");
            assert_eq!((answer.status.as_u16(), &answer.headers["retry-after"]), (503, &told.parse().unwrap()));
        }
    }
}
