//! RFC 7592: a client reads, changes and deletes its registration with the gateway's registration access token. The server's own
//! token stays here; every change passes the rules of a registration. Knows nothing of Pingora.

mod adopt;
mod answers;
mod growth;
mod reconcile;
mod settings;
mod update;
mod work;

use std::sync::Arc;
use std::time::Instant;

use http::Method;
use http::header::{ALLOW, HeaderValue};

use super::access::{Token, segment_of};
use super::audited::{self, Digested};
use super::handler::{Answer, Body, Head, Request};
use super::reason::Reason;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::{Tools, register, response, sighting, unavailable};
use crate::anomaly::Seen;
use crate::anomaly::observation::ChangeSeen;
use crate::lifecycle::{AtTheServer, State};
use crate::policy::Profile;
use crate::registrant::Registrant;
use crate::registrant::initial_access_token::{AuthorizationHeader, bearer};
use crate::registrant::software_statement::Circumstances;
use crate::secret::Secret;
use crate::store::ClientRecord;
use crate::telemetry::{InSpan as _, ManagementEvent, Span, span};

use adopt::Newcomer;
use answers::deleted;
pub use settings::{Growth, ManagementSettings, UnknownTokens};
pub(super) use update::enter;
use update::{Judging, Update};
use work::{Asking, Work};

/// The methods of a client's own URI.
pub(super) const ALLOWED: &str = "GET, PUT, DELETE, OPTIONS";

/// Answers a request to a client's management endpoint. `segment` is the last segment of its path, as written.
pub(super) async fn manage(
    rulebook: &Arc<Rulebook>,
    tools: &Arc<Tools>,
    request: Request<'_>,
    segment: &str,
) -> Answer {
    let began = Instant::now();
    let head = request.head;
    let event = ManagementEvent::new(&head.method, &head.request_id, head.client_address);
    let mut learned = Learned { event, request_digest: None, change: None };
    let management = Management { rulebook, tools, head, segment, learned: &mut learned };
    let taken = management.take_through(request.body).await;
    let Learned { mut event, request_digest, change } = learned;
    let answer = match taken {
        Ok(answer) => {
            if let Some(change) = change {
                sighting::tell(tools, head, Seen::Change(change));
            }
            answer
        }
        Err(refusal) => {
            event.reason = refusal.reason().name();
            event.response = refusal.response().map(str::to_owned);
            audited::management_refused(tools, &event, request_digest);
            event.cause = refusal.cause().map(str::to_owned);
            sighting::tell_refused(tools, head, refusal.reason());
            refusal.answer(&head.request_id)
        }
    };
    event.status = answer.status;
    event.finish(&Span::current(), began.elapsed());
    answer
}

/// What is told of a request once it is answered.
struct Learned {
    event: ManagementEvent,
    /// SHA-256 of the body, once it was read.
    request_digest: Option<String>,
    /// What a change gives the client, unless it waits for an approval.
    change: Option<ChangeSeen>,
}

/// Who manages itself here.
enum Identified {
    /// A client that the record has, and the token that it came with.
    Client(Box<ClientRecord>, Token),
    /// A client that the record never had: it came with a token of the server's, asked to be deleted, and was.
    Deleted,
}

/// One request of a client about itself, on its way.
struct Management<'a> {
    rulebook: &'a Arc<Rulebook>,
    tools: &'a Arc<Tools>,
    head: &'a Head,
    /// The last segment of the path, as written.
    segment: &'a str,
    learned: &'a mut Learned,
}

impl Management<'_> {
    async fn take_through(mut self, body: &mut dyn Body) -> Result<Answer, Refusal> {
        let (rulebook, tools, head) = (self.rulebook, self.tools, self.head);
        if ![Method::GET, Method::PUT, Method::DELETE].contains(&head.method) {
            let allow = HeaderValue::from_static(ALLOWED);
            return Err(Refusal::from(Reason::MethodNotAllowed).header(ALLOW, allow));
        }
        response::check_management(rulebook, tools, head)?;
        register::throttle_address(rulebook, head.client_address).await?;
        let certificate = register::certificate(tools, head)?;
        let (client, token) = match self.identify().await? {
            Identified::Client(client, token) => (*client, token),
            Identified::Deleted => return Ok(deleted()),
        };
        self.learned.event.client_id = Some(client.client_id.clone());
        self.learned.event.profile = Some(client.profile.clone());
        let profile = response::applied(rulebook, tools, &in_use(rulebook, &client)?);
        self.learned.event.policy_version = Some(profile.version().to_owned());
        let registrant = Registrant { address: head.client_address, certificate, token: None, statement: None };
        check_fits(&profile, &registrant)?;
        let asking = match head.method {
            Method::GET => Asking::Read,
            Method::DELETE => Asking::Delete,
            _ => {
                let circumstances = Circumstances {
                    requirement: profile.software_statement(),
                    certificate: registrant.certificate.as_deref(),
                    now: tools.clock.now(),
                };
                let judging = Judging { rulebook, circumstances, profile: &profile };
                Asking::Update(Box::new(self.read_change(body, &client, judging).await?))
            }
        };
        let event = audited::managed(&self.learned.event, self.segment, self.learned.request_digest.clone());
        let work = Work { rulebook: rulebook.clone(), tools: tools.clone(), client_id: client.client_id, token, event };
        tools.under_way.to_its_end(async move { work.carry_out(asking).await }).await
    }

    /// Reads and judges the change that a client asks for, and notes what it asks for beyond what the client has.
    async fn read_change(
        &mut self,
        body: &mut dyn Body,
        client: &ClientRecord,
        judging: Judging<'_>,
    ) -> Result<Update, Refusal> {
        let mut body = Digested::of(body);
        let (registrar, management_growth) = (self.rulebook.registrar.as_ref(), self.rulebook.management.growth);
        let read = update::read(self.head, &mut body, client, judging).await;
        self.learned.request_digest = body.digest();
        let update = read?;
        let judged = update.passage.judged();
        let growth = growth::of(registrar, client, judged);
        self.learned.event.violations = judged.violated_rules();
        let growth = match management_growth {
            Growth::Approval => growth.by_approval(client, judged),
            Growth::Allow | Growth::Refuse => growth,
        };
        self.learned.event.growth = Some(growth.to_string()).filter(|growth| !growth.is_empty());
        // One that waits for an approval has given it nothing.
        let waits = !growth.is_empty() && management_growth == Growth::Approval;
        self.learned.change = (!waits).then(|| growth.seen(client, judged));
        Ok(update)
    }

    /// The client whose token is presented, which must be the one that the path names.
    async fn identify(&self) -> Result<Identified, Refusal> {
        let presented = match bearer(&self.head.headers) {
            AuthorizationHeader::Token(token) => token,
            AuthorizationHeader::None => return Err(Reason::ManagementTokenRequired.into()),
            AuthorizationHeader::OtherScheme | AuthorizationHeader::Malformed => {
                return Err(Reason::TokenMalformed.into());
            }
        };
        match find(self.tools, &presented).await? {
            // RFC 7592 §2.1: a client that is unknown, and a token that is another's, are 401 alike.
            Some((client, token)) if segment_of(&client.client_id) == self.segment => {
                Ok(Identified::Client(Box::new(client), token))
            }
            None if self.rulebook.management.unknown_tokens == UnknownTokens::Forward => {
                let newcomer = Newcomer {
                    rulebook: self.rulebook.clone(),
                    tools: self.tools.clone(),
                    head: self.head.clone(),
                    segment: self.segment.to_owned(),
                    token: presented,
                };
                let deletion = audited::managed(&self.learned.event, self.segment, None);
                self.tools.under_way.to_its_end(newcomer.take_in(deletion)).await
            }
            _ => Err(Reason::ManagementTokenUnknown.into()),
        }
    }
}

/// The client in the record that has this token, and whose token it is.
async fn find(tools: &Tools, presented: &Secret) -> Result<Option<(ClientRecord, Token)>, Refusal> {
    for token in [Token::Gateways(presented.clone()), Token::Servers(presented.clone())] {
        let found = tools.store.client_by_access_token(token.hash()).in_span(span::store_span("client_by_token"));
        if let Some(client) = found.await.map_err(unavailable)? {
            return Ok(Some((client, token)));
        }
    }
    Ok(None)
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
    rulebook.profile(&client.profile).cloned().ok_or_else(|| Reason::ProfileNone.into())
}

/// Where a profile is for holders of certificates, the token alone is worth nothing.
fn check_fits(profile: &Profile, registrant: &Registrant) -> Result<(), Refusal> {
    let is_holder = registrant.certificate.is_some() && profile.fits_certificate(&registrant.presented());
    if is_holder || !profile.needs_certificate() { Ok(()) } else { Err(Reason::CertificateRequired.into()) }
}
