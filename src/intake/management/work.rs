//! One piece of work on one client, in its turn: a call to the server (with a lost token some more), and what it changed is written,
//! with what is recorded of it, before the client is answered.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::answers::{deleted, json, refusal};
use super::update::Update;
use super::{Growth, growth, in_use, reconcile};
use crate::audit::event::{Aside, Waits};
use crate::audit::{Event, Kind};
use crate::authorization_server::{Asked, ManageError, Managed, ServerAccess, transport};
use crate::intake::Tools;
use crate::intake::access::{ClientAccess, Token};
use crate::intake::audited;
use crate::intake::handler::Answer;
use crate::intake::reason::Reason;
use crate::intake::refusal::Refusal;
use crate::intake::rulebook::Rulebook;
use crate::intake::turn::{self, HeldTurn};
use crate::lifecycle::{Action, CLIENT, Lifecycle};
use crate::policy::Profile;
use crate::registration::software_statement;
use crate::secret::Secret;
use crate::store::{ClientRecord, TokenHash};

/// What is asked of a client.
pub(super) enum Asking {
    Read,
    Update(Box<Update>),
    Delete,
}

/// What becomes of what was asked.
enum Admitted {
    /// It is done.
    AsAsked,
    /// It waits for an approval.
    Waits(Growing),
}

/// A change that waits for an approval.
struct Growing {
    /// The members that the client asked for.
    members: Map<String, Value>,
    /// What it would have that it does not have.
    growth: String,
}

/// One piece of work on one client.
pub(super) struct Work {
    pub(super) rulebook: Arc<Rulebook>,
    pub(super) tools: Arc<Tools>,
    pub(super) client_id: String,
    pub(super) token: Token,
    /// What is recorded once it is done.
    pub(super) event: Event,
}

impl Work {
    pub(super) async fn carry_out(self, asking: Asking) -> Result<Answer, Refusal> {
        let (rulebook, tools) = (self.rulebook.clone(), self.tools.clone());
        let held = turn::take(&rulebook, &tools, &self.client_id).await?;
        let held = held.ok_or(Reason::ManagementTokenUnknown)?;
        transport::until(held.end_of_calls(), self.in_turn(held, asking)).await
    }

    async fn in_turn(self, mut held: HeldTurn<'_>, mut asking: Asking) -> Result<Answer, Refusal> {
        let is_in_doubt = held.is_in_doubt();
        let before = matches!(asking, Asking::Update(_)).then(|| Box::new(held.client.clone()));
        let (profile, growing) = match self.admit(&mut held, &asking).await {
            Ok((profile, Admitted::AsAsked)) => (profile, None),
            Ok((profile, Admitted::Waits(growing))) => {
                // What is in force is answered, as RFC 7592 §2.2 lets the server.
                asking = Asking::Read;
                (profile, Some(growing))
            }
            Err(refusal) => {
                held.end_untried().await?;
                return Err(refusal);
            }
        };
        let Some(access) = held.access().cloned() else {
            // The server gave no access to this client: it has no management of its own.
            held.end_untried().await?;
            return Err(Reason::ManagementNotOffered.into());
        };
        let mut result = self.call(&access, &asking, held.client_secret()).await;
        if matches!(result, Err(ManageError::Gone(_)))
            && let Some(access) = held.recover().await
        {
            result = self.call(&access, &asking, held.client_secret()).await;
        }
        let about = |managed: Option<Managed>| managed.map(|managed| managed.about(&held.client.client_id)).transpose();
        match result.and_then(about) {
            Ok(Some(managed)) => {
                let not_kept = |error| Refusal::from(Reason::Internal).caused_by(error);
                let mut is_behind = false;
                if let Asking::Update(update) = &asking {
                    held.learn(&managed).map_err(not_kept)?;
                    update.enter(&mut held.client, self.tools.clock.now());
                } else {
                    is_behind = held.client.members_behind;
                    held.learn_read(&managed).map_err(not_kept)?;
                }
                if is_in_doubt && !is_behind && matches!(asking, Asking::Read) {
                    let told = self.in_client_terms(&held.client, held.client.metadata.clone());
                    if reconcile::reconcile(&mut held.client, &told, &profile) {
                        held.record(audited::found_changed(&self.event, &held.client));
                    }
                }
                let access = self.access(&mut held.client);
                if let Some(event) = self.recorded(&mut held.client, growing, before.as_deref()) {
                    held.record(event);
                }
                let mut client = held.end().await?;
                if self.event.event == Kind::ClientRead {
                    self.tools.audit.note(|| self.event.clone(), self.tools.clock.now());
                }
                // What is in force, not what is still on its way to the server.
                if is_behind {
                    client.metadata.extend(managed.metadata.clone());
                }
                self.answer(&client, &managed, &access)
            }
            Ok(None) => {
                let by = Action { at: self.tools.clock.now(), actor: CLIENT.to_owned(), comment: None };
                held.client.lifecycle = Lifecycle::Deleted { by };
                held.record(self.event);
                held.end().await?;
                Ok(deleted())
            }
            Err(error) => failed(held, error).await,
        }
    }

    /// It may have been suspended, changed or deleted while we waited for our turn.
    async fn admit(&self, held: &mut HeldTurn<'_>, asking: &Asking) -> Result<(Profile, Admitted), Refusal> {
        let profile = in_use(&self.rulebook, &held.client)?;
        if held.client.access_token != Some(self.token.hash()) {
            return Err(Reason::ManagementTokenUnknown.into());
        }
        if held.client.unmanageable && held.recover().await.is_none() {
            // Gone, where the administration says so.
            in_use(&self.rulebook, &held.client)?;
            return Err(Reason::ClientUnmanageable.into());
        }
        if let Some(error) = held.not_opened
            && held.recover().await.is_none()
        {
            in_use(&self.rulebook, &held.client)?;
            return Err(Refusal::from(Reason::Internal).caused_by(error));
        }
        let Asking::Update(update) = asking else { return Ok((profile, Admitted::AsAsked)) };
        update.check_secret(held.client_secret())?;
        if !update.was_judged_with(&held.client) {
            // Somebody approved more while this waited: judged as it was, it would take that away.
            return Err(Reason::ClientBusy.into());
        }
        let growth = growth::of(self.rulebook.registrar.as_ref(), &held.client, update.passage.judged());
        let growth = match self.rulebook.management.growth {
            Growth::Approval => growth.by_approval(&held.client, update.passage.judged()),
            Growth::Allow | Growth::Refuse => growth,
        };
        if growth.is_empty() {
            return Ok((profile, Admitted::AsAsked));
        }
        match self.rulebook.management.growth {
            Growth::Allow => Ok((profile, Admitted::AsAsked)),
            Growth::Approval if growth.is_of_other_software() => Err(Refusal::from(Reason::GrowthRefused)
                .described(format!("other software registers as a client of its own: {growth}"))),
            Growth::Approval => {
                let members = growth::asked(update.passage.judged());
                Ok((profile, Admitted::Waits(Growing { members, growth: growth.to_string() })))
            }
            Growth::Refuse => {
                Err(Refusal::from(Reason::GrowthRefused).described(format!("this change needs an operator: {growth}")))
            }
        }
    }

    /// The call to the server; nothing comes back of a client that was deleted.
    async fn call(
        &self,
        access: &ServerAccess,
        asking: &Asking,
        client_secret: Option<&Secret>,
    ) -> Result<Option<Managed>, ManageError> {
        let registrar = &self.rulebook.registrar;
        match asking {
            Asking::Read => registrar.read(access).await.map(Some),
            Asking::Update(update) => {
                registrar.update(access, &self.client_id, update.passage.judged(), client_secret).await.map(Some)
            }
            Asking::Delete => registrar.delete(access).await.map(|()| None),
        }
    }

    /// What is recorded with the client: a change, or the wish for one, which is entered here. What was only read is noted. The first of two
    /// approvals was for what the client was then.
    fn recorded(
        &self,
        client: &mut ClientRecord,
        growing: Option<Growing>,
        before: Option<&ClientRecord>,
    ) -> Option<Event> {
        let event = self.event.clone();
        let waits = audited::waits(&client.lifecycle);
        let client_name = client.client_name.clone();
        match growing {
            Some(Growing { members, growth }) => {
                let is_another = client.asked.as_ref() != Some(&members);
                client.asked = Some(members);
                if is_another {
                    client.first_approval = None;
                }
                let aside = Aside { client_name, waits: waits.or(Some(Waits::Growth)), is_another };
                Some(Event { growth: Some(growth), aside, ..event })
            }
            None => (event.event == Kind::ClientUpdated).then(|| {
                // Who was told that it waits decides by what it was then.
                let is_another = event.growth.is_some() || before.is_some_and(|before| is_another(before, client));
                if is_another {
                    client.first_approval = None;
                }
                Event {
                    scope_granted: Some(client.scope_granted.clone()),
                    scope_withheld: Some(client.scope_withheld.clone()).filter(|scope| !scope.is_empty()),
                    redirect_uri_hosts: audited::hosts(&client.redirect_uris),
                    aside: Aside { client_name, waits: waits.filter(|_| is_another), is_another },
                    ..event
                }
            }),
        }
    }

    /// What the client manages itself with from now on: a token of the server's ends here.
    fn access(&self, client: &mut ClientRecord) -> ClientAccess {
        let endpoint = self.rulebook.client_uris_below(&client.profile);
        if let Token::Gateways(token) = &self.token {
            return ClientAccess::with(token.clone(), endpoint, &client.client_id);
        }
        let access = ClientAccess::new(&self.tools, endpoint, &client.client_id);
        client.access_token = Some(TokenHash::of(&access.token));
        access
    }

    fn in_client_terms(&self, client: &ClientRecord, metadata: Map<String, Value>) -> Map<String, Value> {
        let recorded = Asked::recorded(&client.redirect_uris, &client.scope_granted);
        let asked = Asked { software_statement: software_statement::of(&client.metadata), ..recorded };
        self.rulebook.registrar.in_client_terms(&asked, metadata)
    }

    /// RFC 7592 §3: everything that is registered, the client's secret and access among it.
    fn answer(&self, client: &ClientRecord, managed: &Managed, access: &ClientAccess) -> Result<Answer, Refusal> {
        let mut metadata = self.in_client_terms(client, client.metadata.clone());
        metadata.insert("client_id".to_owned(), client.client_id.as_str().into());
        if let Some(secret) = &managed.client_secret {
            metadata.insert("client_secret".to_owned(), secret.expose().into());
            metadata.entry("client_secret_expires_at").or_insert_with(|| 0.into());
        }
        access.show(&mut metadata);
        json(&metadata)
    }
}

/// Whether an approver who looked at it before saw something else.
fn is_another(before: &ClientRecord, client: &ClientRecord) -> bool {
    before.client_name != client.client_name
        || before.redirect_uris != client.redirect_uris
        || before.scope_withheld != client.scope_withheld
        || before.asked.is_some()
        || !shown(before).eq(shown(client))
}

/// What people read of a client and where it leads them, besides what the record has by itself and what counts as growth.
const SHOWN: [&str; 12] = [
    "client_name",
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "organization_name",
    "contacts",
    "initiate_login_uri",
    "request_uris",
    "application_type",
    "software_id",
    "software_version",
];

/// What is registered of these members, in any language (RFC 7591 §2.2).
fn shown(client: &ClientRecord) -> impl Iterator<Item = (&String, &Value)> {
    let is_shown = |name: &str| SHOWN.contains(&name.split('#').next().unwrap_or_default());
    client.metadata.iter().filter(move |(name, _)| is_shown(name))
}

/// What became of the client is written down before anything is said about it.
async fn failed(mut held: HeldTurn<'_>, error: ManageError) -> Result<Answer, Refusal> {
    let is_lost = held.learn_failure(&error) && held.client.unmanageable;
    if error.surely_nothing_changed() {
        // The server may not have seen the token: what is in doubt stays so.
        held.end_untried().await?;
    } else {
        held.break_off().await;
    }
    Err(if is_lost { Refusal::from(Reason::ClientUnmanageable).caused_by(&error) } else { refusal(error) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::client::by_hand::client;

    fn with(metadata: &Value) -> ClientRecord {
        ClientRecord { metadata: metadata.as_object().unwrap().clone(), ..client() }
    }

    #[test]
    fn an_approver_saw_another_client_where_people_would_read_something_else() {
        let before = json!({"client_name": "Notes", "logo_uri": "https://a.example/l.png", "client_id_issued_at": 1});
        for (member, value) in [
            ("client_name", json!("Other")),
            ("client_name#de", json!("Andere")),
            ("logo_uri", json!("https://evil.example/l.png")),
            ("logo_uri#de", json!("https://evil.example/l.png")),
            ("client_uri", json!("https://evil.example/")),
            ("organization_name", json!("Big Corp")),
            ("contacts", json!(["a@evil.example"])),
            ("initiate_login_uri", json!("https://app.example.com/login")),
        ] {
            let mut after = before.clone();
            after[member] = value;
            assert!(is_another(&with(&before), &with(&after)), "{member}");
            assert!(is_another(&with(&after), &with(&before)), "without {member}");
        }
    }

    #[test]
    fn what_the_server_alone_says_makes_no_other_client() {
        let before = json!({"client_name": "Notes", "client_name#de": "Notizen", "client_id_issued_at": 1});
        let after = json!({"client_name": "Notes", "client_name#de": "Notizen", "updated_at": 2, "jwks_uri": "x"});
        assert!(!is_another(&with(&before), &with(&after)));
    }
}
