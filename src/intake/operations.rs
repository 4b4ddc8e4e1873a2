//! What an operator does to a registration whose outcome is unknown, and why what an operator wished was not done. Knows nothing of
//! who may do it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::access::KeptAccess;
use super::audited;
use super::reason::Reason;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::{Intake, Tools};
use crate::authorization_server::{
    Administration, AdministrationError, Asked, ClientState, ManageError, Managed, ServerAccess,
};
use crate::lifecycle::{Lifecycle, NotPossible, SameActor};
use crate::registration::json;
use crate::store::{IfKnown, Intent, NewClient, Outcome, OutcomeName, RegistrationId, RegistrationRecord, StoreError};
use crate::telemetry::InSpan as _;

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

/// Why an operator's wish was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// No such client.
    #[error("there is no client {0:?} in the record")]
    ClientUnknown(String),
    /// No such registration.
    #[error("there is no registration {0:?} in the record")]
    RegistrationUnknown(String),
    /// The network that was to be banned is known.
    #[error("it is, or overlaps, a known network ({0}): anomalies.known_networks")]
    KnownNetwork(String),
    /// No such response.
    #[error("there is no response {0:?} in the record")]
    ResponseUnknown(String),
    /// It was lifted, or its time is over.
    #[error("response {0:?} is over already")]
    ResponseOver(String),
    /// Somebody changed it in between.
    #[error("the client was changed meanwhile: it is at version {0} now")]
    ChangedMeanwhile(i64),
    /// Its state does not have this transition.
    #[error("{0} already, or cannot become what was asked for")]
    NotPossible(#[from] NotPossible),
    /// These scopes cannot be granted to it.
    #[error("these scopes cannot be granted: {0}")]
    ScopesImpossible(String),
    /// The second of two approvals is another person's.
    #[error(transparent)]
    SameActor(#[from] SameActor),
    /// The rules were changed since the client asked.
    #[error("the rules no longer admit what the client asked for: {0}")]
    NoLongerAdmitted(String),
    /// Its profile is no longer configured: nobody knows what it may have.
    #[error("profile {0:?} is no longer configured: what the client may have is not known")]
    ProfileGone(String),
    /// There is no such profile.
    #[error("the configuration has no profile {0:?}")]
    ProfileUnknown(String),
    /// Nobody can say which clients there are.
    #[error(
        "this authorization server has no list of its clients that the gateway could read: kind rfc7591 has none, keycloak one with \
         authorization_server.administration"
    )]
    NoListing,
    /// Found out only now; the record says so now.
    #[error("the authorization server does not have the client (any more)")]
    Gone,
    /// The server gave no access to it and has no administration.
    #[error(
        "the authorization server gave nothing to manage this client with: change or delete it there, or suspend it; once it is deleted \
         there, `clients delete --gone` ends its record"
    )]
    NotOffered,
    /// The server's token is lost, and there is no administration to make another one.
    #[error(
        "the authorization server's token for this client is lost: delete it there, and then end its record with `clients delete --gone`"
    )]
    Unmanageable,
    /// Only an unknown outcome can be resolved.
    #[error("the outcome of the registration is not unknown: {}", .0.map_or("it is under way", OutcomeName::as_str))]
    OutcomeNotUnknown(Option<OutcomeName>),
    /// The client has a record of its own.
    #[error("the client is in the record already: it came of registration {}", .0.0)]
    ClientOfAnother(RegistrationId),
    /// The client at the server is not what was asked for.
    #[error("the client has other redirect URIs at the authorization server than this registration asked for")]
    OtherClient,
    /// Somebody else's turn at the client lasts.
    #[error("somebody else is at work on this client: try again")]
    Busy,
    /// Surely nothing was changed at the server, nor in the record.
    #[error("nothing was changed: {0}")]
    Server(String),
    /// The record is unchanged. What was asked can be asked again.
    #[error("whether the authorization server did it is unknown, the record is as it was; try again: {0}")]
    ServerUnclear(String),
    /// The store failed.
    #[error("{0}")]
    Store(String),
    /// Ours.
    #[error("{0}")]
    Internal(String),
}

impl From<Refusal> for NotDone {
    fn from(refusal: Refusal) -> Self {
        let cause = refusal.cause().unwrap_or_default().to_owned();
        match refusal.reason() {
            Reason::ClientBusy => Self::Busy,
            Reason::StoreUnavailable => Self::Store(cause),
            _ => Self::Internal(cause),
        }
    }
}

impl From<StoreError> for NotDone {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<AdministrationError> for NotDone {
    fn from(error: AdministrationError) -> Self {
        match error {
            AdministrationError::NotFound => Self::Gone,
            error if error.surely_nothing_changed() => Self::Server(error.to_string()),
            error => Self::ServerUnclear(error.to_string()),
        }
    }
}

impl From<ManageError> for NotDone {
    fn from(error: ManageError) -> Self {
        if error.surely_nothing_changed() {
            Self::Server(error.to_string())
        } else {
            Self::ServerUnclear(error.to_string())
        }
    }
}

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
        let task = tokio::spawn(async move { work.resolve(&id, resolution, &by).await }.in_current_span());
        let record = task.await.map_err(|error| NotDone::Internal(error.to_string()))??;
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
        if let Err(error) = self.tools.store.resolve(id, (outcome, by), entries, now).await {
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
            if_known: IfKnown::Update,
        };
        if let Some(administration) = self.rulebook.administration.as_deref() {
            let (access, managed) = self.seen_at_the_server(administration, &client.client_id).await?;
            self.check_it_is_the_one(intent, &managed)?;
            let kept = KeptAccess { access: managed.access.unwrap_or(access), client_secret: managed.client_secret };
            let sealed = kept.seal(&self.rulebook.keys, &self.tools, &client.client_id);
            client.server_access = Some(sealed.map_err(|error| NotDone::Internal(error.to_string()))?);
            if !managed.is_partial {
                client.metadata.clear();
            }
            client.metadata.extend(managed.metadata);
        }
        Ok(client)
    }

    /// The client at the server, read with a new token of its own.
    async fn seen_at_the_server(
        &self,
        administration: &dyn Administration,
        client_id: &str,
    ) -> Result<(ServerAccess, Managed), NotDone> {
        if administration.state(client_id).await? == ClientState::Absent {
            return Err(NotDone::Gone);
        }
        let access = administration.new_registration_access_token(client_id).await?;
        let managed = self.rulebook.registrar.read(&access).await?;
        Ok((access, managed))
    }

    fn check_it_is_the_one(&self, intent: &Intent, managed: &Managed) -> Result<(), NotDone> {
        let asked = Asked::recorded(&intent.redirect_uris, &intent.scope_granted);
        let metadata = self.rulebook.registrar.in_client_terms(&asked, managed.metadata.clone());
        let registered: BTreeSet<&str> = json::texts_of(&metadata, "redirect_uris").collect();
        let wanted: BTreeSet<&str> = intent.redirect_uris.iter().map(String::as_str).collect();
        if registered == wanted { Ok(()) } else { Err(NotDone::OtherClient) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::unavailable;

    #[test]
    fn a_store_that_failed_is_said_to_have_failed_once() {
        let error = || StoreError("disk full".into());
        for not_done in [NotDone::from(error()), NotDone::from(unavailable(error()))] {
            assert_eq!(not_done.to_string(), "the store failed: disk full");
        }
    }
}
