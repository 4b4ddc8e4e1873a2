//! How one request is taken through: registration, management, discovery. Knows nothing of Pingora.

mod access;
mod approve;
mod audited;
mod carry_out;
mod choosing;
mod cors;
mod decide;
mod discover;
mod expire;
mod form;
pub mod handler;
pub mod import;
pub mod management;
pub mod not_done;
mod out_of_use;
pub mod reason;
pub mod recorded;
mod refusal;
mod register;
pub mod replay;
pub mod reseal;
pub mod resolve;
pub mod response;
mod rulebook;
mod same_client;
pub mod server_uses;
mod settle;
mod sighting;
mod standing;
mod token;
mod turn;
mod under_way;
mod uses;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};

use crate::anomaly::{Seen, Watch};
use crate::audit::Recorder;
use crate::authorization_server::client_endpoints::ClientEndpoint;
use crate::authorization_server::paths::DiscoveryForm;
use crate::authorization_server::settings::ClientIdMetadataDocuments;
use crate::clock::{Clock, Timestamp};
use crate::randomness::{self, Randomness};
use crate::sealing::Keys;
use crate::store::{RegistrationId, Store, StoreError};
use crate::telemetry;
use crate::throttle::settings::ThrottleSettings;
use crate::throttle::{NoThrottle, Standing, Throttle, ThrottleFiles};

pub use cors::CorsSettings;
pub use decide::{Change, Instruction};
pub use expire::{NotExpired, Report};
pub use form::{LARGEST_BODY, json_members};
pub use rulebook::{ProfileLimits, Rulebook, TokenHandling, longest_turn};

use handler::{Answer, Handler, Head, ProtocolRefusal, Request, UnverifiedClients};
use reason::Reason;
use recorded::RequestRecorder;
use refusal::Refusal;
use response::KnownResponses;
use standing::Standings;
use under_way::UnderWay;
use uses::GatheredUses;

/// Answers everything that the gateway answers itself.
pub struct Intake {
    /// What a reload replaces as a whole; a request keeps the one it began with.
    rulebook: ArcSwap<Rulebook>,
    tools: Arc<Tools>,
}

/// What outlives a reload.
pub struct Tools {
    /// Tokens, and the record of registrations.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where names, tokens and nonces come from.
    pub randomness: Randomness,
    /// What was heard lately of clients that use the server.
    standings: Standings,
    /// Where what happens is recorded.
    pub audit: Recorder,
    /// Where the detectors of anomalies are told what happens.
    watch: Watch,
    /// Which clients were used, as far as the record does not say so yet.
    uses: GatheredUses,
    /// What is done about registrants and profiles.
    responses: KnownResponses,
    /// Where requests are kept to try other rules on.
    requests: RequestRecorder,
    /// What was begun about clients at the server.
    under_way: UnderWay,
}

impl Tools {
    /// The tools of one process, which record and keep nothing; nobody looks for anomalies.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, randomness: Randomness) -> Self {
        let (standings, uses, responses) = (Standings::default(), GatheredUses::default(), KnownResponses::default());
        let (audit, watch, requests) = (Recorder::silent(), Watch::nobody(), RequestRecorder::default());
        let under_way = UnderWay::default();
        Self { store, clock, randomness, standings, audit, watch, uses, responses, requests, under_way }
    }

    /// The same, recording what happens.
    #[must_use]
    pub fn recording(self, audit: Recorder) -> Self {
        Self { audit, ..self }
    }

    /// The same, with somebody who looks for anomalies.
    #[must_use]
    pub fn watched_by(self, watch: Watch) -> Self {
        Self { watch, ..self }
    }

    /// The same, keeping what was asked.
    #[must_use]
    pub fn keeping(self, requests: RequestRecorder) -> Self {
        Self { requests, ..self }
    }

    /// A name that nobody can guess and nothing else has: 32 hexadecimal digits.
    fn random_name(&self) -> String {
        randomness::name(self.randomness)
    }

    fn registration_id(&self, at: Timestamp) -> RegistrationId {
        RegistrationId::from_random(at, randomness::octets(self.randomness))
    }
}

/// The store failed: closed.
fn unavailable(error: StoreError) -> Refusal {
    Refusal::from(Reason::StoreUnavailable).caused_by(error)
}

impl Intake {
    /// Takes requests by these rules.
    pub fn new(rulebook: Rulebook, tools: Tools) -> Self {
        standing::begin_counting();
        Self { rulebook: ArcSwap::from_pointee(rulebook), tools: Arc::new(tools) }
    }

    /// Takes the next request by other rules.
    pub fn replace(&self, rulebook: Rulebook) {
        let earlier = self.rulebook.load();
        rulebook.software_statements.remember(&earlier.software_statements);
        rulebook.initial_access_tokens.remember(&earlier.initial_access_tokens);
        self.rulebook.store(Arc::new(rulebook));
    }

    /// What outlives a reload.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// The names of the profiles in force.
    pub fn profiles(&self) -> BTreeSet<String> {
        self.rulebook.load().profiles.iter().map(|profile| profile.name().to_owned()).collect()
    }

    /// What the key is called that the server's tokens are encrypted with.
    pub fn current_key(&self) -> String {
        self.rulebook.load().keys.current_name()
    }

    /// The keys in force, for what else is handed out sealed: nothing of the kind may be sealed for a `client_id`.
    pub fn keys(&self) -> Arc<Keys> {
        self.rulebook.load().keys.clone()
    }

    /// The throttle in force: the next rulebook keeps its counts.
    pub fn throttle_reloaded(&self, settings: &ThrottleSettings, files: ThrottleFiles) -> Result<Throttle, NoThrottle> {
        self.rulebook.load().throttle.reloaded(settings, files)
    }

    /// How the throttle in force is doing.
    pub fn throttle_standing(&self) -> Standing {
        self.rulebook.load().throttle.standing()
    }

    /// How long a registration, or other work on a client, can last from its intent to its outcome.
    pub fn longest_turn(&self) -> Duration {
        self.rulebook.load().longest_turn()
    }

    /// Waits until the calls about clients that were begun are over, and what they came to is in the record.
    pub async fn calls_over(&self) {
        self.tools.under_way.until_over().await;
    }

    /// Looks at the server's metadata without a client asking.
    ///
    /// # Errors
    /// Why they cannot be seen, for the log.
    pub async fn confirm_discovery(&self) -> Result<(), String> {
        let rulebook = self.rulebook.load_full();
        if rulebook.own_metadata.is_some() {
            return Ok(());
        }
        let seen = discover::document(&rulebook, DiscoveryForm::ALL[0]).await;
        seen.map(drop).map_err(|refusal| match (refusal.reason().name(), refusal.cause()) {
            (name, Some(cause)) => format!("{name}: {cause}"),
            (name, None) => name.to_owned(),
        })
    }
}

#[async_trait]
impl Handler for Intake {
    async fn register(&self, request: Request<'_>) -> Answer {
        let rulebook = self.rulebook.load_full();
        let head = request.head;
        let answer = match preflight(head, form::ALLOWED) {
            Some(answer) => answer,
            None => register::register(&rulebook, &self.tools, request).await,
        };
        rulebook.cors.decorate(head, form::ALLOWED, answer)
    }

    async fn manage(&self, request: Request<'_>, segment: &str) -> Answer {
        let rulebook = self.rulebook.load_full();
        let head = request.head;
        let answer = match preflight(head, management::ALLOWED) {
            Some(answer) => answer,
            None => management::manage(&rulebook, &self.tools, request, segment).await,
        };
        rulebook.cors.decorate(head, management::ALLOWED, answer)
    }

    async fn discover(&self, request: Request<'_>, form: DiscoveryForm) -> Answer {
        let rulebook = self.rulebook.load_full();
        let head = request.head;
        let answer = match preflight(head, discover::ALLOWED) {
            Some(answer) => answer,
            None => discover::discover(&rulebook, head, form).await.unwrap_or_else(|refusal| refused(refusal, head)),
        };
        rulebook.cors.decorate(head, discover::ALLOWED, answer)
    }

    async fn discover_elsewhere(&self, head: &Head) -> Option<Answer> {
        if head.method != Method::GET && head.method != Method::HEAD {
            return None;
        }
        let rulebook = self.rulebook.load_full();
        let found = discover::elsewhere(&rulebook, &head.path).await.transpose()?;
        let answer = found.unwrap_or_else(|refusal| refused(refusal, head));
        Some(rulebook.cors.decorate(head, discover::ALLOWED, answer))
    }

    async fn judge_clients(
        &self,
        head: &Head,
        clients: &UnverifiedClients,
        endpoint: ClientEndpoint,
    ) -> Option<Answer> {
        let rulebook = self.rulebook.load_full();
        let documents = rulebook.rewriting.client_id_metadata_documents;
        if documents == ClientIdMetadataDocuments::Refuse && standing::asserts_a_document(clients) {
            return Some(self.refuse(head, ProtocolRefusal::ClientIdMetadataDocument));
        }
        let judged = self.tools.judge_clients(head, clients, endpoint, rulebook.when_record_unavailable).await;
        let refusal = judged.err()?;
        Some(out_of_use::answer(&rulebook, head, refusal, endpoint))
    }

    fn token_answered(&self, head: &Head, clients: &UnverifiedClients, status: StatusCode) {
        let seen = sighting::token_request(&self.tools, clients, status);
        if let Some(client) = standing::in_use(&self.tools, clients).filter(|_| status.is_success()) {
            self.tools.uses.note(&client.client_id, self.tools.clock.now());
        }
        sighting::tell(&self.tools, head, Seen::TokenRequest(seen));
    }

    fn admits(&self, peer: IpAddr) -> bool {
        response::ban_of(&self.rulebook.load(), &self.tools, peer).is_none()
    }

    fn judge_address(&self, head: &Head) -> Option<Answer> {
        let refusal = response::check_address(&self.rulebook.load(), &self.tools, head.client_address).err()?;
        let (request_id, response) = (&head.request_id, refusal.response().unwrap_or_default());
        telemetry::response::refused_by(response);
        tracing::info!(request_id, response, client = %head.client_address, "a request of a banned address was refused");
        audited::forwarded_refused(&self.tools, head, &refusal, None);
        Some(refused(refusal, head))
    }

    fn refuse(&self, request: &Head, refusal: ProtocolRefusal) -> Answer {
        audited::refused_by_the_proxy(&self.tools, request, refusal);
        let told = Refusal::from(refusal);
        let answer = refused(if request.method.is_safe() { told.may_be_repeated() } else { told }, request);
        // A page that may call the gateway may read what it did wrong, too.
        self.rulebook.load().cors.decorate(request, form::ALLOWED, answer)
    }
}

/// The answer to `OPTIONS` (RFC 9110 §9.3.7); what a browser may do is added by [`CorsSettings`].
fn preflight(head: &Head, allow: &'static str) -> Option<Answer> {
    (head.method == Method::OPTIONS).then(|| {
        let mut answer = Answer::empty(http::StatusCode::NO_CONTENT);
        answer.headers.insert(ALLOW, HeaderValue::from_static(allow));
        answer
    })
}

/// The answer to a refusal; its cause goes to the log, once, here.
fn refused(refusal: Refusal, head: &Head) -> Answer {
    if let Some(cause) = refusal.cause() {
        tracing::warn!(request_id = head.request_id, reason = refusal.reason().name(), cause, "refused");
    }
    refusal.answer(&head.request_id)
}
