//! What an operator finds out about a registration whose outcome is unknown. Knows nothing of who may do it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::access::KeptAccess;
use super::audited;
use super::not_done::NotDone;
use super::rulebook::Rulebook;
use super::{Intake, Tools};
use crate::authorization_server::{Administration, Asked, ExistingClient, Managed, Origin, ServerAccess};
use crate::lifecycle::Lifecycle;
use crate::registration::json;
use crate::store::{FoundOut, IfKnown, Intent, NewClient, Outcome, OutcomeName, RegistrationId, RegistrationRecord};

/// What an operator found out about a registration whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The server has the client.
    Registered {
        /// Its `client_id` there.
        client_id: String,
    },
    /// The server has no such client: the token's use and the quotas are given back.
    NotRegistered,
}

/// The reason in the record where an operator found out that nothing was registered.
pub const RESOLVED: &str = "resolved_by_operator";

impl Intake {
    /// Writes down what became of a registration whose outcome is unknown.
    pub async fn resolve(
        &self,
        id: RegistrationId,
        resolution: Resolution,
        actor: &str,
    ) -> Result<RegistrationRecord, NotDone> {
        let work = Work { rulebook: self.rulebook.load_full(), tools: self.tools.clone() };
        let (name, by) = (id.clone(), actor.to_owned());
        let record = self.tools.under_way.to_its_end(async move { work.resolve(&id, resolution, &by).await }).await?;
        let client_id = record.client_id.as_deref();
        tracing::info!(registration = name.0, client_id, actor, "an unknown outcome was resolved");
        Ok(record)
    }
}

struct Work {
    rulebook: Arc<Rulebook>,
    tools: Arc<Tools>,
}

impl Work {
    async fn resolve(
        &self,
        id: &RegistrationId,
        resolution: Resolution,
        by: &str,
    ) -> Result<RegistrationRecord, NotDone> {
        let record = self.unknown(id).await?;
        let outcome = match resolution {
            Resolution::NotRegistered => Outcome::NotRegistered { reason: RESOLVED.to_owned() },
            Resolution::Registered { client_id } => {
                Outcome::Registered(Box::new(self.adopt(&record.intent, client_id).await?))
            }
        };
        let now = self.tools.clock.now();
        let entries = self.tools.audit.entry(|| audited::resolved(&record.intent, &outcome, by), now)?;
        if let Err(error) = self.tools.store.resolve(id, FoundOut { outcome, by }, entries, now).await {
            // Somebody else may have been quicker.
            self.unknown(id).await?;
            return Err(error.into());
        }
        let record = self.tools.store.registration(id).await?;
        record.ok_or_else(|| NotDone::RegistrationUnknown(id.0.clone()))
    }

    /// The registration, while its outcome is unknown.
    async fn unknown(&self, id: &RegistrationId) -> Result<RegistrationRecord, NotDone> {
        let record = self.tools.store.registration(id).await?;
        let record = record.ok_or_else(|| NotDone::RegistrationUnknown(id.0.clone()))?;
        match record.outcome {
            Some(OutcomeName::Unknown) => Ok(record),
            other => Err(NotDone::OutcomeNotUnknown(other)),
        }
    }

    /// The client as it enters the record. Nobody was given a token for it, and nobody will be.
    async fn adopt(&self, intent: &Intent, client_id: String) -> Result<NewClient, NotDone> {
        if let Some(known) = self.tools.store.client(&client_id).await? {
            return Err(NotDone::ClientOfAnother(known.registration));
        }
        let mut client = NewClient {
            metadata: as_asked_for(&client_id, intent),
            client_id,
            lifecycle: Lifecycle::Active,
            access_token: None,
            server_access: None,
            is_confirmed: false,
            if_known: IfKnown::Update,
        };
        if let Some(administration) = self.rulebook.administration.as_deref() {
            let (access, managed) = self.seen_at_the_server(administration, &client.client_id, intent).await?;
            managed.put_over(&mut client.metadata);
            let kept = KeptAccess { access: managed.access.unwrap_or(access), client_secret: managed.client_secret };
            let sealed = kept.seal(&self.rulebook.keys, &self.tools, &client.client_id);
            client.is_confirmed = true;
            client.server_access = Some(sealed.map_err(|error| NotDone::Internal(error.to_string()))?);
        }
        Ok(client)
    }

    /// The client at the server, read with a new token of its own. That makes the one it has worthless: another's is left alone.
    async fn seen_at_the_server(
        &self,
        administration: &dyn Administration,
        client_id: &str,
        intent: &Intent,
    ) -> Result<(ServerAccess, Managed), NotDone> {
        let existing = administration.existing_client(client_id).await?.ok_or(NotDone::Gone)?;
        self.check_it_is_the_one(intent, existing)?;
        let access = administration.new_registration_access_token(client_id).await?;
        let managed = self.rulebook.registrar.read(&access).await?.about(client_id)?;
        Ok((access, managed))
    }

    fn check_it_is_the_one(&self, intent: &Intent, existing: ExistingClient) -> Result<(), NotDone> {
        let asked = Asked::recorded(&intent.redirect_uris, &intent.scope_granted);
        let metadata = self.rulebook.registrar.in_client_terms(&asked, existing.metadata);
        let registered: BTreeSet<&str> = json::texts_of(&metadata, "redirect_uris").collect();
        let wanted: BTreeSet<&str> = intent.redirect_uris.iter().map(String::as_str).collect();
        let is_it = existing.origin != Origin::Server && registered == wanted;
        if is_it { Ok(()) } else { Err(NotDone::OtherClient) }
    }
}

/// What the record knows of the members, where the server cannot be asked.
fn as_asked_for(client_id: &str, intent: &Intent) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("client_id".to_owned(), client_id.into());
    metadata.insert("redirect_uris".to_owned(), intent.redirect_uris.clone().into());
    metadata.insert("scope".to_owned(), intent.scope_granted.clone().into());
    if let Some(name) = &intent.client_name {
        metadata.insert("client_name".to_owned(), name.clone().into());
    }
    if intent.digest.is_some() {
        // Only public clients have a digest.
        metadata.insert("token_endpoint_auth_method".to_owned(), "none".into());
    }
    metadata
}
