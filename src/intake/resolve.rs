//! What an operator finds out about a registration whose outcome is unknown. Knows nothing of who may do it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::access::KeptAccess;
use super::carry_out::first_state;
use super::not_done::NotDone;
use super::rulebook::Rulebook;
use super::{Intake, Tools, audited, response, settle};
use crate::authorization_server::{Administration, Asked, ExistingClient, Origin};
use crate::lifecycle::{Action, AtTheServer, Lifecycle};
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

/// A client as the server has it.
struct Seen {
    kept: KeptAccess,
    is_enabled: bool,
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
                Outcome::Registered(Box::new(self.adopt(&record.intent, client_id, by).await?))
            }
        };
        let now = self.tools.clock.now();
        let entries = self.tools.audit.entry(|| audited::resolved(&record.intent, &outcome, by), now)?;
        if let Err(error) = self.tools.store.resolve(id, FoundOut { outcome: outcome.clone(), by }, entries, now).await
        {
            // Somebody else may have been quicker.
            self.unknown(id).await?;
            return Err(error.into());
        }
        if let Outcome::Registered(client) = &outcome {
            self.bring(client).await;
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
    async fn adopt(&self, intent: &Intent, client_id: String, by: &str) -> Result<NewClient, NotDone> {
        let lifecycle = self.first_state(intent)?;
        if let Some(known) = self.tools.store.client(&client_id).await? {
            return Err(NotDone::ClientOfAnother(known.registration));
        }
        let mut client = NewClient {
            metadata: as_asked_for(&client_id, intent),
            client_id,
            lifecycle,
            access_token: None,
            server_access: None,
            is_confirmed: false,
            if_known: IfKnown::Update,
        };
        if let Some(administration) = self.rulebook.administration.as_deref() {
            let Seen { kept, is_enabled } = self.seen_at_the_server(administration, &mut client, intent).await?;
            if !is_enabled && client.lifecycle.at_the_server() == AtTheServer::Enabled {
                let comment = Some("it was disabled at the authorization server when it was resolved".to_owned());
                let by = Action { at: self.tools.clock.now(), actor: by.to_owned(), comment };
                client.lifecycle = client.lifecycle.suspend(by)?;
            }
            let sealed = kept.seal(&self.rulebook.keys, &self.tools, &client.client_id);
            client.is_confirmed = true;
            client.server_access = Some(sealed.map_err(|error| NotDone::Internal(error.to_string()))?);
        }
        Ok(client)
    }

    /// What its profile gives a new client, or gave it when it was asked for: nobody is spared an approval because the answer was lost.
    fn first_state(&self, intent: &Intent) -> Result<Lifecycle, NotDone> {
        let profile = self.rulebook.profile(&intent.profile);
        let profile = profile.ok_or_else(|| NotDone::ProfileGone(intent.profile.clone()))?;
        let stricter = self.rulebook.under_approval.get(profile.name());
        let approvals = match stricter.filter(|stricter| stricter.version() == intent.policy_version) {
            Some(stricter) => stricter.approvals(),
            None => response::applied(&self.rulebook, &self.tools, profile).approvals(),
        };
        Ok(first_state(approvals, self.tools.clock.now()))
    }

    /// It may be that the server is to disable the client. Where it cannot be told so now, it is later.
    async fn bring(&self, client: &NewClient) {
        let client_id = client.client_id.as_str();
        self.tools.standings.forget(client_id);
        if client.lifecycle.at_the_server() == AtTheServer::Enabled {
            return;
        }
        if let Err(refusal) = settle::settle(&self.rulebook, &self.tools, client_id).await {
            tracing::warn!(client_id, cause = refusal.cause(), "a resolved client could not be disabled at once");
        }
    }

    /// The client at the server, read with a new token of its own. That makes the one it has worthless: another's is left alone. The token of
    /// one that is disabled there is refused until it is enabled: of that one the administration tells.
    async fn seen_at_the_server(
        &self,
        administration: &dyn Administration,
        client: &mut NewClient,
        intent: &Intent,
    ) -> Result<Seen, NotDone> {
        let existing = administration.existing_client(&client.client_id).await?.ok_or(NotDone::Gone)?;
        let (is_enabled, described) = (existing.is_enabled, existing.metadata.clone());
        self.check_it_is_the_one(intent, existing)?;
        let access = administration.new_registration_access_token(&client.client_id).await?;
        if !is_enabled {
            // The scopes are those that were sent: the administration counts those of the server's own among them.
            client.metadata.extend(described.into_iter().filter(|(name, _)| name != "scope"));
            return Ok(Seen { kept: KeptAccess { access, client_secret: None }, is_enabled });
        }
        let managed = self.rulebook.registrar.read(&access).await?.about(&client.client_id)?;
        managed.put_over(&mut client.metadata);
        let kept = KeptAccess { access: managed.access.unwrap_or(access), client_secret: managed.client_secret };
        Ok(Seen { kept, is_enabled })
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
