//! RFC 7592: a client reads, changes and deletes its registration with the gateway's registration access token. The server's own
//! token stays here; every change passes the rules of a registration. Knows nothing of Pingora.

mod adopt;
mod answers;
mod growth;
mod reconcile;
mod settings;
mod update;

use std::sync::Arc;
use std::time::Instant;

use http::Method;
use http::header::{ALLOW, HeaderValue};
use serde_json::{Map, Value};
use tracing::Instrument as _;

use super::access::{self, ClientAccess, Token};
use super::audited::{self, Digested};
use super::handler::{Answer, Head, PresentedCertificate, Request};
use super::reason::Reason;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::turn::{self, Held};
use super::{Tools, register, response, sighting, unavailable};
use crate::anomaly::Seen;
use crate::anomaly::observation::ChangeSeen;
use crate::audit::event::Waits;
use crate::authorization_server::{Asked, ManageError, Managed, ServerAccess};
use crate::lifecycle::{Action, AtTheServer, Lifecycle, State};
use crate::policy::profile::Requirement;
use crate::policy::{CertificateIdentity, Profile};
use crate::registrant::Registrant;
use crate::registrant::initial_access_token::{Presented, bearer};
use crate::registrant::software_statement::Circumstances;
use crate::registration::{RedirectUri, ScopeSet, software_statement};
use crate::secret::Secret;
use crate::store::ClientRecord;
use crate::telemetry::{ManagementEvent, span};

use adopt::Adoption;
use answers::{deleted, json, refusal};
pub use settings::{Growth, ManagementSettings, UnknownTokens};
pub(super) use update::enter;
use update::{Judging, Update};

/// The methods of a client's own URI.
pub(super) const ALLOWED: &str = "GET, PUT, DELETE, OPTIONS";

/// What is asked of a client.
enum Asking {
    Read,
    Update(Box<Update>),
    Delete,
}

/// Answers a request to a client's management endpoint. `segment` is the last segment of its path, as written.
pub(super) async fn manage(
    rulebook: &Arc<Rulebook>,
    tools: &Arc<Tools>,
    request: Request<'_>,
    segment: &str,
) -> Answer {
    let began = Instant::now();
    let head = request.head;
    let mut learned =
        Learned { event: ManagementEvent::new(&head.method, &head.request_id, head.client_address), change: None };
    let mut body = Digested::of(request.body);
    let taken = Request { head, body: &mut body };
    let taken = take_through((rulebook, tools), taken, segment, &mut learned).await;
    let request_digest = body.digest();
    let Learned { mut event, change } = learned;
    let grows = rulebook.management.growth == Growth::Approval && event.growth.is_some();
    let waits = grows.then_some(Waits::Growth);
    let taken = match taken {
        Ok(answer) => {
            let call = audited::Managed { event: &event, request_digest, segment, waits, is_done: true };
            audited::managed(tools, call).await.map(|()| answer)
        }
        Err(refusal) => {
            event.reason = refusal.reason().explained().name;
            event.response = refusal.response().map(str::to_owned);
            let call = audited::Managed { event: &event, request_digest, segment, waits: None, is_done: false };
            audited::managed(tools, call).await.and(Err(refusal))
        }
    };
    let answer = match taken {
        Ok(answer) => {
            if let Some(change) = change {
                sighting::tell(tools, head, Seen::Change(change));
            }
            answer
        }
        Err(refusal) => {
            event.reason = refusal.reason().explained().name;
            event.cause = refusal.cause().map(str::to_owned);
            sighting::tell_refused(tools, head, refusal.reason());
            refusal.answer(&head.request_id)
        }
    };
    event.status = answer.status;
    event.finish(&tracing::Span::current(), began.elapsed());
    answer
}

/// What is told of a request once it is answered.
struct Learned {
    event: ManagementEvent,
    /// What a change that was done has given the client.
    change: Option<ChangeSeen>,
}

async fn take_through(
    (rulebook, tools): (&Arc<Rulebook>, &Arc<Tools>),
    request: Request<'_>,
    segment: &str,
    learned: &mut Learned,
) -> Result<Answer, Refusal> {
    let head = request.head;
    if ![Method::GET, Method::PUT, Method::DELETE].contains(&head.method) {
        let allow = HeaderValue::from_static(ALLOWED);
        return Err(Refusal::from(Reason::MethodNotAllowed).header(ALLOW, allow));
    }
    response::check_management(rulebook, tools, head)?;
    register::throttle_address(rulebook, head.client_address).await?;
    let presented = match bearer(&head.headers) {
        Presented::Token(token) => token,
        Presented::None => return Err(Reason::ManagementTokenRequired.into()),
        Presented::OtherScheme | Presented::Malformed => return Err(Reason::TokenMalformed.into()),
    };
    let (client, token) = match find(tools, &presented).await? {
        // RFC 7592 §2.1: a client that is unknown, and a token that is another's, are 401 alike.
        Some((client, token)) if access::segment(&client.client_id) == segment => (client, token),
        None if rulebook.management.unknown_tokens == UnknownTokens::Forward => {
            match take_in(rulebook, tools, (head, segment, &presented)).await? {
                TakenIn::Client(client) => (*client, Token::Servers(presented)),
                TakenIn::Deleted => return Ok(deleted()),
            }
        }
        _ => return Err(Reason::ManagementTokenUnknown.into()),
    };
    learned.event.client_id = Some(client.client_id.clone());
    learned.event.profile = Some(client.profile.clone());
    let profile = response::applied(rulebook, tools, &in_use(rulebook, &client)?);
    let certificate = certificate(&profile, &head.certificate, head.client_address)?;
    response::check_certificate(tools, certificate.as_deref())?;
    let asking = match head.method {
        Method::GET => Asking::Read,
        Method::DELETE => Asking::Delete,
        _ => Asking::Update(Box::new({
            let circumstances = Circumstances {
                requirement: profile.software_statement(),
                certificate: certificate.as_deref(),
                now: tools.clock.now(),
            };
            let (issuers, kind) = (&rulebook.software_statements, rulebook.kind);
            let judging = Judging { issuers, circumstances, profile: &profile, kind };
            update::read(head, request.body, &client, judging).await?
        })),
    };
    if let Asking::Update(update) = &asking {
        let judged = update.passage.judged();
        let growth = growth::of(&client, judged);
        learned.event.violations = judged.violations().iter().map(|violation| violation.rule.as_str()).collect();
        learned.event.growth = Some(growth.to_string()).filter(|growth| !growth.is_empty());
        learned.change = Some(growth.seen(&client));
    }
    let work = Work { rulebook: rulebook.clone(), tools: tools.clone(), client_id: client.client_id, token };
    // In a task of its own: once a call to the server has begun, a client that goes away stops nothing.
    match tokio::spawn(async move { work.carry_out(asking).await }.in_current_span()).await {
        Ok(answer) => answer,
        Err(error) => Err(Refusal::from(Reason::Internal).caused_by(error)),
    }
}

/// The client in the record that has this token, and whose token it is.
async fn find(tools: &Tools, presented: &Secret) -> Result<Option<(ClientRecord, Token)>, Refusal> {
    for token in [Token::Gateways(presented.clone()), Token::Servers(presented.clone())] {
        let found = tools.store.client_by_access_token(token.hash()).instrument(span::store_span("client_by_token"));
        if let Some(client) = found.await.map_err(unavailable)? {
            return Ok(Some((client, token)));
        }
    }
    Ok(None)
}

/// What became of a client that came with a token of the server's.
enum TakenIn {
    /// It is in the record now.
    Client(Box<ClientRecord>),
    /// It asked to be deleted, and was.
    Deleted,
}

async fn take_in(
    rulebook: &Rulebook,
    tools: &Tools,
    (head, segment, token): (&Head, &str, &Secret),
) -> Result<TakenIn, Refusal> {
    let access =
        adopt::presented(rulebook, tools, (segment, token.clone())).await?.ok_or(Reason::ManagementTokenUnknown)?;
    if head.method == Method::DELETE {
        return rulebook.registrar.delete(&access).await.map(|()| TakenIn::Deleted).map_err(refusal);
    }
    let certificate = head.certificate().cloned();
    let registrant = Registrant { address: head.client_address, certificate, token: None, statement: None };
    let profile = adopt::profile(rulebook, &registrant)?;
    let adoption = Adoption { head, profile: &profile, registrant: &registrant, segment, access };
    adopt::adopt(rulebook, tools, adoption).await.map(|client| TakenIn::Client(Box::new(client)))
}

/// Whether the client may be managed at all, and by which rules.
fn in_use(rulebook: &Rulebook, client: &ClientRecord) -> Result<Profile, Refusal> {
    match client.lifecycle.state() {
        State::Pending if client.lifecycle.at_the_server() == AtTheServer::Disabled => {
            return Err(Reason::ClientPending.into());
        }
        State::Pending | State::Active => {}
        State::Suspended => return Err(Reason::ClientSuspended.into()),
        State::Rejected | State::Expired | State::Deleted => return Err(Reason::ManagementTokenUnknown.into()),
    }
    let profile = rulebook.profiles.iter().find(|profile| profile.name() == client.profile);
    profile.cloned().ok_or_else(|| Reason::ProfileNone.into())
}

/// The client certificate. Where a profile is for holders of certificates, the token alone is worth nothing.
fn certificate(
    profile: &Profile,
    presented: &PresentedCertificate,
    address: std::net::IpAddr,
) -> Result<Option<Arc<CertificateIdentity>>, Refusal> {
    let certificate = match presented {
        PresentedCertificate::Refused(cause) => return Err(Refusal::from(Reason::CertificateRefused).caused_by(cause)),
        PresentedCertificate::Verified(identity) => Some(identity.clone()),
        PresentedCertificate::None => None,
    };
    if profile.client_certificate() != Requirement::Required && !profile.matches_certificates() {
        return Ok(certificate);
    }
    let registrant = Registrant { address, certificate, token: None, statement: None };
    if registrant.certificate.is_some() && profile.fits_certificate(&registrant.presented()) {
        return Ok(registrant.certificate);
    }
    Err(Reason::CertificateRequired.into())
}

/// What becomes of what was asked.
enum Admitted {
    /// It is done.
    AsAsked,
    /// It waits for an approval: these members.
    Asked(Map<String, Value>),
}

/// One piece of work on one client.
struct Work {
    rulebook: Arc<Rulebook>,
    tools: Arc<Tools>,
    client_id: String,
    token: Token,
}

impl Work {
    async fn carry_out(self, mut asking: Asking) -> Result<Answer, Refusal> {
        let held = turn::take(&self.rulebook, &self.tools, &self.client_id).await?;
        let mut held = held.ok_or(Reason::ManagementTokenUnknown)?;
        let is_in_doubt = held.is_in_doubt();
        let profile = match self.admit(&mut held, &asking).await {
            Ok((profile, Admitted::AsAsked)) => profile,
            Ok((profile, Admitted::Asked(asked))) => {
                held.client.asked = Some(asked);
                held.client.first_approval = None;
                // What is in force is answered, as RFC 7592 §2.2 lets the server.
                asking = Asking::Read;
                profile
            }
            Err(refusal) => {
                held.end_untried().await?;
                return Err(refusal);
            }
        };
        let Some(access) = held.access().cloned() else { return self.not_offered(held).await };
        let mut result = self.call(&access, &asking, held.client_secret()).await;
        if matches!(result, Err(ManageError::Gone(_)))
            && let Some(access) = held.recover().await
        {
            result = self.call(&access, &asking, held.client_secret()).await;
        }
        match result {
            Ok(Some(managed)) => {
                held.learn(&managed).map_err(|error| Refusal::from(Reason::Internal).caused_by(error))?;
                if let Asking::Update(update) = &asking {
                    update.enter(&mut held.client, self.tools.clock.now());
                } else if is_in_doubt {
                    let told = self.in_client_terms(&held.client, held.client.metadata.clone());
                    reconcile::reconcile(&mut held.client, &told, &profile);
                }
                let access = self.access(&mut held.client);
                let client = held.end().await?;
                self.answer(&client, &managed, &access)
            }
            Ok(None) => {
                let by = Action { at: self.tools.clock.now(), actor: "client".to_owned(), comment: None };
                held.client.lifecycle = Lifecycle::Deleted { by };
                held.end().await?;
                Ok(deleted())
            }
            Err(error) => failed(held, error).await,
        }
    }

    /// It may have been suspended, changed or deleted while we waited for our turn.
    async fn admit(&self, held: &mut Held<'_>, asking: &Asking) -> Result<(Profile, Admitted), Refusal> {
        let profile = in_use(&self.rulebook, &held.client)?;
        if held.client.access_token != Some(self.token.hash()) {
            return Err(Reason::ManagementTokenUnknown.into());
        }
        if held.client.unmanageable && held.recover().await.is_none() {
            return Err(Reason::ClientUnmanageable.into());
        }
        let Asking::Update(update) = asking else { return Ok((profile, Admitted::AsAsked)) };
        update.check_secret(held.client_secret())?;
        let growth = growth::of(&held.client, update.passage.judged());
        if growth.is_empty() {
            return Ok((profile, Admitted::AsAsked));
        }
        match self.rulebook.management.growth {
            Growth::Allow => Ok((profile, Admitted::AsAsked)),
            Growth::Approval => Ok((profile, Admitted::Asked(growth::asked(update.passage.judged())))),
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

    /// The server gave no access to this client: it has no management of its own.
    async fn not_offered(&self, held: Held<'_>) -> Result<Answer, Refusal> {
        held.end().await?;
        Err(Reason::ManagementNotOffered.into())
    }

    /// What the client manages itself with from now on: a token of the server's ends here.
    fn access(&self, client: &mut ClientRecord) -> ClientAccess {
        let endpoint = &self.rulebook.rewriting.registration_endpoint;
        if let Token::Gateways(token) = &self.token {
            return ClientAccess::with(token.clone(), endpoint, &client.client_id);
        }
        let access = ClientAccess::new(&self.tools, endpoint, &client.client_id);
        client.access_token = Some(access::hash(&access.token));
        access
    }

    fn in_client_terms(&self, client: &ClientRecord, metadata: Map<String, Value>) -> Map<String, Value> {
        let asked = Asked {
            redirect_uris: client.redirect_uris.iter().filter_map(|uri| RedirectUri::parse(uri).ok()).collect(),
            granted: ScopeSet::parse(&client.scope_granted).unwrap_or_default(),
            software_statement: software_statement::of(&client.metadata),
        };
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

/// What became of the client is written down before anything is said about it.
async fn failed(mut held: Held<'_>, error: ManageError) -> Result<Answer, Refusal> {
    let is_lost = held.learn_failure(&error) && held.client.unmanageable;
    if error.surely_nothing_changed() {
        held.end().await?;
    } else {
        held.break_off().await;
    }
    Err(if is_lost { Refusal::from(Reason::ClientUnmanageable).caused_by(&error) } else { refusal(error) })
}
