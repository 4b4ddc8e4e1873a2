//! `unknown_tokens: forward`: a client that was registered before the gateway was there comes with the server's own registration
//! access token. Once the server has shown it to that token, the client enters the record; the first answer that succeeds gives it a
//! token of the gateway's. Until then the one it came with stays good: a change that is refused must not leave it without any.

use serde_json::{Map, Value};

use crate::authorization_server::{Managed, ServerAccess, TokenAccess};
use crate::intake::access::{KeptAccess, Token};
use crate::intake::audited::{self, RequestReference};
use crate::intake::handler::Head;
use crate::intake::reason::Reason;
use crate::intake::refusal::Refusal;
use crate::intake::rulebook::Rulebook;
use crate::intake::{Tools, import, register, unavailable};
use crate::lifecycle::Lifecycle;
use crate::percent::{percent_decoded, percent_encoded};
use crate::policy::{self, Choice, Profile};
use crate::registrant::Registrant;
use crate::registration::members::is_client_id;
use crate::secret::Secret;
use crate::store::{Beginning, Begun, ClientRecord, HandingOut, IfKnown, Intent, NewClient, Outcome, Quotas};
use crate::telemetry::{InSpan as _, span};

/// The server's access, as somebody presents it; none for a client that is in the record: its server's token never left the gateway.
pub(super) async fn presented(
    rulebook: &Rulebook,
    tools: &Tools,
    (segment, token): (&str, Secret),
) -> Result<Option<ServerAccess>, Refusal> {
    let client_id = String::from_utf8_lossy(&percent_decoded(segment.as_bytes())).into_owned();
    let known = tools.store.client(&client_id).in_span(span::store_span("client")).await.map_err(unavailable)?;
    let registration_client_uri = format!("{}/{segment}", rulebook.rewriting.registration_path);
    let presented = TokenAccess { registration_client_uri, registration_access_token: token };
    Ok(known.is_none().then_some(ServerAccess::ByToken(presented)))
}

/// Whoever asks, and the profile by which the client is judged from now on. It has been registered: no initial access token is needed.
pub(super) fn profile(rulebook: &Rulebook, registrant: &Registrant) -> Result<Profile, Refusal> {
    match policy::choose(&rulebook.profiles, &registrant.presented()) {
        Choice::Profile(profile) => Ok(profile.clone()),
        Choice::CredentialMissing { .. } | Choice::TokenDoesNotFit | Choice::NoneFits => {
            Err(Reason::ProfileNone.into())
        }
    }
}

/// What enters the record.
pub(super) struct Adoption<'a> {
    pub(super) head: &'a Head,
    pub(super) profile: &'a Profile,
    pub(super) registrant: &'a Registrant,
    pub(super) segment: &'a str,
    pub(super) access: ServerAccess,
    /// What it was made of.
    pub(super) token: &'a Token,
}

/// Reads the client at the server and enters it, with the token it came with. It counts against no quota: it exists already.
pub(super) async fn adopt(rulebook: &Rulebook, tools: &Tools, adoption: Adoption<'_>) -> Result<ClientRecord, Refusal> {
    let Adoption { head, profile, registrant, segment, access, token } = adoption;
    let read = rulebook.registrar.read(&access).await;
    let managed = read.map_err(super::refusal)?;
    let Some(Value::String(client_id)) = managed.metadata.get("client_id").cloned() else {
        return Err(Refusal::from(Reason::ServerBroken).caused_by("no client_id in the answer"));
    };
    if !is_client_id(&client_id) {
        return Err(Refusal::from(Reason::ServerBroken).caused_by("a client_id in the answer that is none"));
    }
    if percent_encoded(&client_id) != segment {
        return Err(Reason::ManagementTokenUnknown.into());
    }
    let intent = intent(tools, (profile, registrant), &managed.metadata);
    let id = intent.id.clone();
    let Managed { metadata, access: replaced, client_secret, .. } = managed;
    let kept = KeptAccess { access: replaced.unwrap_or(access), client_secret };
    let sealed = kept.seal(&rulebook.keys, tools, &client_id);
    let sealed = sealed.map_err(|error| Refusal::from(Reason::Internal).caused_by(error))?;
    let client = NewClient {
        client_id: client_id.clone(),
        lifecycle: Lifecycle::Active,
        metadata,
        access_token: Some(token.hash()),
        server_access: Some(sealed),
        is_confirmed: true,
        // Another request with the same token may have been quicker, and have its answer: its token must stay good.
        if_known: IfKnown::Leave,
    };
    // From here on nothing but the store can fail: what is begun is finished.
    let beginning = Beginning { intent: intent.clone(), quotas: Quotas::default(), under_way: rulebook.longest_turn() };
    let begun = tools.store.begin(beginning, HandingOut::unrecorded());
    match begun.in_span(span::store_span("begin")).await.map_err(unavailable)? {
        Begun::Ready => {}
        other => return Err(Refusal::from(Reason::Internal).caused_by(format!("{other:?}"))),
    }
    let (outcome, now) = (Outcome::Registered(Box::new(client)), tools.clock.now());
    let origin = RequestReference { request_id: Some(head.request_id.clone()), request_digest: None };
    let event = || audited::outcome(&intent, origin, &outcome).because("registered_before");
    let entries = tools.audit.entry(event, now).map_err(unavailable)?;
    let finished = tools.store.finish(&id, outcome, entries, now);
    finished.in_span(span::store_span("finish")).await.map_err(unavailable)?;
    tracing::info!(
        client_id,
        request_id = head.request_id,
        profile = profile.name(),
        "a client registered before is in the record"
    );
    let entered = tools.store.client(&client_id).in_span(span::store_span("client")).await.map_err(unavailable)?;
    entered.ok_or_else(|| Reason::Internal.into())
}

/// As of any client that was there before, but that somebody presents it, and asks for what it has.
fn intent(tools: &Tools, (profile, registrant): (&Profile, &Registrant), metadata: &Map<String, Value>) -> Intent {
    let found = import::intent(tools, (profile, register::record_of(registrant)), metadata);
    let scope_requested = metadata.get("scope").and_then(Value::as_str).map(str::to_owned);
    Intent { scope_requested, ..found }
}
