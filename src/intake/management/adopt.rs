//! `unknown_tokens: forward`: a client that was registered before the gateway was there comes with the server's own registration
//! access token. Once the server has shown it to that token, the client enters the record; the first answer that succeeds gives it a
//! token of the gateway's. Until then the one it came with stays good: a change that is refused must not leave it without any.

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value};

use super::Identified;
use super::answers::refusal;
use crate::audit::Event;
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

/// A client that comes with a token of the server's, which the record does not know.
pub(super) struct Newcomer {
    pub(super) rulebook: Arc<Rulebook>,
    pub(super) tools: Arc<Tools>,
    pub(super) head: Head,
    /// The last segment of the path, as written.
    pub(super) segment: String,
    pub(super) token: Secret,
}

impl Newcomer {
    /// It enters the record, unless all that it asks for is to be deleted.
    pub(super) async fn take_in(self, deletion: Event) -> Result<Identified, Refusal> {
        let access = self.access().await?.ok_or(Reason::ManagementTokenUnknown)?;
        if self.head.method == Method::DELETE {
            self.rulebook.registrar.delete(&access).await.map_err(refusal)?;
            // There is nothing in the record to write it with.
            self.tools.audit.record(deletion, self.tools.clock.now()).await.map_err(unavailable)?;
            return Ok(Identified::Deleted);
        }
        let certificate = self.head.certificate().cloned();
        let registrant = Registrant { address: self.head.client_address, certificate, token: None, statement: None };
        let profile = self.profile(&registrant)?;
        let client = self.adopt(&profile, &registrant, access).await?;
        Ok(Identified::Client(Box::new(client), Token::Servers(self.token)))
    }

    /// The server's access, as it is presented; none for a client that is in the record: its server's token never left the gateway.
    async fn access(&self) -> Result<Option<ServerAccess>, Refusal> {
        let client_id = String::from_utf8_lossy(&percent_decoded(self.segment.as_bytes())).into_owned();
        let known = self.tools.store.client(&client_id).in_span(span::store_span("client")).await;
        let registration_client_uri = format!("{}/{}", self.rulebook.rewriting.registration_path, self.segment);
        let presented = TokenAccess { registration_client_uri, registration_access_token: self.token.clone() };
        Ok(known.map_err(unavailable)?.is_none().then_some(ServerAccess::ByToken(presented)))
    }

    /// The profile by which the client is judged from now on. It has been registered: no initial access token is needed.
    fn profile(&self, registrant: &Registrant) -> Result<Profile, Refusal> {
        match policy::choose(&self.rulebook.profiles, &registrant.presented()) {
            Choice::Profile(profile) => Ok(profile.clone()),
            Choice::CredentialMissing { .. } | Choice::TokenDoesNotFit | Choice::NoneFits => {
                Err(Reason::ProfileNone.into())
            }
        }
    }

    /// Reads the client at the server and enters it, with the token it came with. It counts against no quota: it exists already.
    async fn adopt(
        &self,
        profile: &Profile,
        registrant: &Registrant,
        access: ServerAccess,
    ) -> Result<ClientRecord, Refusal> {
        let (rulebook, tools) = (&self.rulebook, &self.tools);
        let read = rulebook.registrar.read(&access).await;
        let managed = read.map_err(refusal)?;
        let Some(Value::String(client_id)) = managed.metadata.get("client_id").cloned() else {
            return Err(Refusal::from(Reason::ServerBroken).caused_by("no client_id in the answer"));
        };
        if !is_client_id(&client_id) {
            return Err(Refusal::from(Reason::ServerBroken).caused_by("a client_id in the answer that is none"));
        }
        if percent_encoded(&client_id) != self.segment {
            return Err(Reason::ManagementTokenUnknown.into());
        }
        let intent = self.intent(profile, registrant, &managed.metadata);
        let id = intent.id.clone();
        let Managed { metadata, access: replaced, client_secret, .. } = managed;
        let kept = KeptAccess { access: replaced.unwrap_or(access), client_secret };
        let sealed = kept.seal(&rulebook.keys, tools, &client_id);
        let sealed = sealed.map_err(|error| Refusal::from(Reason::Internal).caused_by(error))?;
        let client = NewClient {
            client_id: client_id.clone(),
            lifecycle: Lifecycle::Active,
            metadata,
            access_token: Some(Token::Servers(self.token.clone()).hash()),
            server_access: Some(sealed),
            is_confirmed: true,
            // Another request with the same token may have been quicker, and have its answer: its token must stay good.
            if_known: IfKnown::Leave,
        };
        // From here on nothing but the store can fail: what is begun is finished.
        let beginning =
            Beginning { intent: intent.clone(), quotas: Quotas::default(), under_way: rulebook.longest_turn() };
        let begun = tools.store.begin(beginning, HandingOut::unrecorded());
        match begun.in_span(span::store_span("begin")).await.map_err(unavailable)? {
            Begun::Ready => {}
            other => return Err(Refusal::from(Reason::Internal).caused_by(format!("{other:?}"))),
        }
        let (outcome, now) = (Outcome::Registered(Box::new(client)), tools.clock.now());
        let origin = RequestReference { request_id: Some(self.head.request_id.clone()), request_digest: None };
        let event = || audited::outcome(&intent, origin, &outcome).because("registered_before");
        let entries = tools.audit.entry(event, now).map_err(unavailable)?;
        let finished = tools.store.finish(&id, outcome, entries, now);
        finished.in_span(span::store_span("finish")).await.map_err(unavailable)?;
        tracing::info!(
            client_id,
            request_id = self.head.request_id,
            profile = profile.name(),
            "a client registered before is in the record"
        );
        let entered = tools.store.client(&client_id).in_span(span::store_span("client")).await.map_err(unavailable)?;
        entered.ok_or_else(|| Reason::Internal.into())
    }

    /// As of any client that was there before, but that somebody presents it, and asks for what it has.
    fn intent(&self, profile: &Profile, registrant: &Registrant, metadata: &Map<String, Value>) -> Intent {
        let found = import::intent(&self.tools, profile, register::record_of(registrant), metadata);
        let scope_requested = metadata.get("scope").and_then(Value::as_str).map(str::to_owned);
        Intent { scope_requested, ..found }
    }
}
