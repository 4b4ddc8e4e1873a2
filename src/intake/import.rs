//! Clients that were at the authorization server before the gateway was: which there are, what the rules would make of them, and how
//! they enter the record. Only the record is changed: the server is read, never told anything.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::access::KeptAccess;
use super::audited;
use super::not_done::NotDone;
use super::rulebook::Rulebook;
use super::{Intake, Tools};
use crate::authorization_server::{self, Administration, AdministrationError, ExistingClient};
use crate::lifecycle::{Action, Lifecycle, State};
use crate::policy::Profile;
use crate::registration::members::is_client_id;
use crate::registration::{ClientMetadata, json};
use crate::store::{IfKnown, Import, Intent, NewClient, RegistrantRecord};

pub use crate::authorization_server::Origin;

/// Whom quotas count them for: nobody knows who registered them.
pub const IMPORTED: &str = "imported";

/// A client at the server, beside what the record and the rules say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Existing {
    /// As the server has it.
    pub client: ExistingClient,
    /// Its state in the record; none: the record does not have it.
    pub known: Option<State>,
    /// What of it the profile would refuse, a sentence each; empty where no profile was named.
    pub violations: Vec<String>,
}

/// Which clients of the server's.
#[derive(Debug, Clone, Copy)]
pub enum Which<'w> {
    /// A page of them; the place is what an earlier page named.
    Page(Option<&'w str>),
    /// The one of this name.
    Named(&'w str),
}

/// What an operator wants taken into the record.
#[derive(Debug, Clone)]
pub struct Importing {
    /// The client at the server.
    pub client_id: String,
    /// By which it is judged from now on.
    pub profile: String,
    /// Who asks.
    pub actor: String,
    /// Why.
    pub comment: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Imported {
    /// It is in the record now, in this state.
    Taken {
        /// Active, or suspended where the server had it disabled.
        state: State,
        /// What of it the profile would refuse: it was taken all the same, for it is there.
        violations: Vec<String>,
    },
    /// It was in the record already, and stays as it is.
    Known(State),
    /// The server has no such client, or none can be called so.
    NotThere,
    /// It is the server's own, or the gateway's.
    TheServersOwn,
}

impl Intake {
    /// The clients that the server has, and the place of the next page.
    ///
    /// # Errors
    /// [`NotDone::NoListing`] where the server lists none; [`NotDone::ProfileGone`]: there is no such profile.
    pub async fn existing_clients(
        &self,
        which: Which<'_>,
        profile: Option<&str>,
    ) -> Result<(Vec<Existing>, Option<String>), NotDone> {
        let rulebook = self.rulebook.load_full();
        let profile = profile.map(|name| named(&rulebook, name)).transpose()?;
        let administration = administration(&rulebook)?;
        let (clients, next) = match which {
            Which::Page(after) => {
                let page = administration.existing(after).await.map_err(unread)?;
                (page.clients, page.next)
            }
            Which::Named(client_id) => {
                let found = administration.existing_client(client_id).await.map_err(unread)?;
                (found.into_iter().collect(), None)
            }
        };
        let mut existing = Vec::with_capacity(clients.len());
        for client in clients {
            let known = self.tools.store.client(&client.client_id).await?.map(|known| known.lifecycle.state());
            let violations = profile.map(|profile| violations(&rulebook, profile, &client)).unwrap_or_default();
            existing.push(Existing { client, known, violations });
        }
        Ok((existing, next))
    }

    /// Takes a client of the server's into the record. Of two who do it at once one does, and the other is told that it is known.
    ///
    /// # Errors
    /// As [`Intake::existing_clients`]; the server's and the store's. Nothing was written then.
    pub async fn import(&self, importing: Importing) -> Result<Imported, NotDone> {
        let rulebook = self.rulebook.load_full();
        let profile = named(&rulebook, &importing.profile)?;
        let administration = administration(&rulebook)?;
        let client_id = importing.client_id.as_str();
        if !is_client_id(client_id) {
            return Ok(Imported::NotThere);
        }
        if let Some(known) = self.tools.store.client(client_id).await? {
            return Ok(Imported::Known(known.lifecycle.state()));
        }
        let Some(client) = administration.existing_client(client_id).await.map_err(unread)? else {
            return Ok(Imported::NotThere);
        };
        if client.origin == Origin::Server {
            return Ok(Imported::TheServersOwn);
        }
        let violations = violations(&rulebook, profile, &client);
        let import = importing.entry(&rulebook, &self.tools, profile, client)?;
        let state = import.client.lifecycle.state();
        let entered = self.tools.store.import(import).await?;
        self.tools.standings.forget(client_id);
        if !entered {
            let known = self.tools.store.client(client_id).await?;
            return Ok(Imported::Known(known.map_or(State::Active, |known| known.lifecycle.state())));
        }
        if rulebook.reads_events_every.is_some() {
            // What is read of events from now on is about clients that are in the record; this was before.
            let noted = match administration.last_recorded_use(client_id).await {
                Ok(Some(at)) => {
                    let noted = self.tools.store.note_uses(&[(client_id.to_owned(), at)]).await;
                    noted.map_err(|error| error.to_string())
                }
                Ok(None) => Ok(()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = noted {
                // The client is in the record all the same.
                tracing::warn!(client_id, error, "the last use of an imported client is unknown");
            }
        }
        let Importing { profile, actor, .. } = &importing;
        tracing::info!(client_id, profile, actor, %state, "a client that was there before is in the record");
        Ok(Imported::Taken { state, violations })
    }
}

fn administration(rulebook: &Rulebook) -> Result<Arc<dyn Administration>, NotDone> {
    rulebook.administration.clone().ok_or(NotDone::NoListing)
}

fn unread(error: AdministrationError) -> NotDone {
    match error {
        AdministrationError::NotOffered => NotDone::NoListing,
        error => NotDone::Server(error.to_string()),
    }
}

fn named<'r>(rulebook: &'r Rulebook, name: &str) -> Result<&'r Profile, NotDone> {
    rulebook.profile(name).ok_or_else(|| NotDone::ProfileUnknown(name.to_owned()))
}

/// As if it asked to be registered so today.
fn violations(rulebook: &Rulebook, profile: &Profile, client: &ExistingClient) -> Vec<String> {
    let requested = ClientMetadata::from_json(client.metadata.clone());
    match authorization_server::judge(rulebook.kind, profile, &requested).result {
        Ok(_) => Vec::new(),
        Err(violations) => violations.into_iter().map(|violation| violation.message).collect(),
    }
}

impl Importing {
    /// What enters the record, and what is recorded of it.
    fn entry(
        &self,
        rulebook: &Rulebook,
        tools: &Tools,
        profile: &Profile,
        client: ExistingClient,
    ) -> Result<Import, NotDone> {
        let now = tools.clock.now();
        let Self { client_id, actor, comment, .. } = self;
        let lifecycle = if client.is_enabled {
            Lifecycle::Active
        } else {
            let comment = Some("it was disabled at the authorization server when it was imported".to_owned());
            Lifecycle::Suspended {
                by: Action { at: now, actor: actor.clone(), comment },
                pending_until: None,
                before_use: false,
            }
        };
        let server_access = client.access.map(|access| {
            let sealed = KeptAccess { access, client_secret: None }.seal(&rulebook.keys, tools, client_id);
            sealed.map_err(|error| NotDone::Internal(error.to_string()))
        });
        let mut metadata = client.metadata;
        let intent = intent(tools, profile, nobody(), &metadata);
        metadata.insert("client_id".to_owned(), client_id.as_str().into());
        let client = NewClient {
            client_id: client_id.clone(),
            lifecycle,
            metadata,
            // Whoever has a token of the server's keeps it; none of the gateway's is given out.
            access_token: None,
            server_access: server_access.transpose()?,
            is_confirmed: true,
            if_known: IfKnown::Leave,
        };
        let event = || audited::imported(&intent, client_id, actor, comment.as_deref());
        let entries = tools.audit.entry(event, now)?;
        Ok(Import { intent, client, by: actor.clone(), entries })
    }
}

/// The intent of a client that was at the server before, by what the server says of it.
pub(super) fn intent(
    tools: &Tools,
    profile: &Profile,
    registrant: RegistrantRecord,
    metadata: &Map<String, Value>,
) -> Intent {
    let text = |member: &str| json::text_of(metadata, member).map(str::to_owned);
    let now = tools.clock.now();
    Intent {
        id: tools.registration_id(now),
        at: now,
        profile: profile.name().to_owned(),
        policy_version: profile.version().to_owned(),
        registrant,
        token: None,
        client_name: text("client_name"),
        redirect_uris: json::texts_of(metadata, "redirect_uris").map(str::to_owned).collect(),
        scope_requested: None,
        scope_granted: text("scope").unwrap_or_default(),
        scope_withheld: String::new(),
        digest: None,
        let_through: Vec::new(),
    }
}

fn nobody() -> RegistrantRecord {
    RegistrantRecord {
        key: IMPORTED.to_owned(),
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        certificate_thumbprint: None,
        certificate_subject: None,
        token_label: None,
        statement_issuer: None,
        software_id: None,
    }
}
