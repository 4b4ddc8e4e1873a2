//! How one registration is taken through, step by step: the whole path on one page. Cheap before dear; every check that needs
//! no body comes before the body. Knows nothing of Pingora.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::AUTHORIZATION;

use super::audited::{self, Digested, RequestReference};
use super::carry_out::{self, HandedOut, Order};
use super::handler::{Answer, Head, PresentedCertificate, Request};
use super::reason::Reason;
use super::recorded::{self, UndecidedRequest};
use super::refusal::Refusal;
use super::rulebook::{Rulebook, TokenHandling};
use super::sighting::{self, Sighting};
use super::{Tools, choosing, form, response, same_client, token};
use crate::anomaly::hash_of;
use crate::authorization_server;
use crate::clock::Timestamp;
use crate::policy::{CertificateIdentity, Judged, Passage, Profile};
use crate::registrant::Registrant;
use crate::registrant::initial_access_token::VerifiedToken;
use crate::registrant::software_statement::Circumstances;
use crate::registration::{ClientMetadata, json};
use crate::secret::Secret;
use crate::store::{Beginning, Intent, RegistrantRecord};
use crate::telemetry::{Decision, InSpan as _, RegistrationEvent, Span, metrics, span};
use crate::throttle::{Denied, LimitReached, Source};

/// Takes one registration through, and tells what became of it.
pub async fn register(rulebook: &Arc<Rulebook>, tools: &Arc<Tools>, request: Request<'_>) -> Answer {
    let began = Instant::now();
    let head = request.head;
    let mut event = RegistrationEvent::new(&head.request_id);
    event.client_address = Some(head.client_address);
    let (mut body, mut sighting, mut undecided) = (Digested::of(request.body), Sighting::default(), None);
    let registration =
        Registration { rulebook, tools, head, event: &mut event, sighting: &mut sighting, undecided: &mut undecided };
    let result = registration.take_through(&mut body).await;
    let answer = match result {
        Ok(answer) => answer,
        Err(refusal) => {
            let explained = refusal.reason().explained();
            event.reason = explained.name;
            // The rules may have admitted it, and a quota, a spent token or what became of its client does not. A failure decides nothing.
            if explained.status.is_client_error() && !refusal.reason().is_the_servers() {
                event.decision = Decision::Refuse;
            }
            if !refusal.violations().is_empty() {
                event.violations = refusal.violations().iter().map(|violation| violation.rule.as_str()).collect();
            }
            event.cause = refusal.cause().map(str::to_owned);
            event.response = refusal.response().map(str::to_owned);
            audited::refused(tools, &event, refusal.reason());
            sighting::tell_refused(tools, head, refusal.reason());
            refusal.answer(&head.request_id)
        }
    };
    event.status = answer.status;
    sighting.tell(tools, head, &event);
    if let Some(undecided) = undecided {
        tools.requests.tell(undecided, &event, tools.clock.now());
    }
    event.finish(&Span::current(), began.elapsed());
    answer
}

/// One registration on its way.
struct Registration<'a> {
    rulebook: &'a Arc<Rulebook>,
    tools: &'a Arc<Tools>,
    head: &'a Head,
    event: &'a mut RegistrationEvent,
    sighting: &'a mut Sighting,
    /// What is kept of the request, once it was read.
    undecided: &'a mut Option<UndecidedRequest>,
}

impl Registration<'_> {
    async fn take_through(mut self, body: &mut Digested<'_>) -> Result<Answer, Refusal> {
        let now = self.tools.clock.now();
        form::check(self.head)?;
        response::check_address(self.rulebook, self.tools, self.head.client_address)?;
        response::check_lockdown(self.tools)?;
        throttle_address(self.rulebook, self.head.client_address).await?;
        let (mut registrant, profile) = self.admit().in_span(span::admit_span()).await?;
        self.sighting.note_registrant(&registrant, counted_under(&registrant).to_string());
        let members = form::read(body).await;
        self.event.request_digest = body.digest();
        let members = members?;
        self.sighting.asked = hash_of(&members);
        *self.undecided = self.tools.requests.begin(&registrant, &profile, &members, now);
        let issuers = &self.rulebook.software_statements;
        let certificate = registrant.certificate.as_deref();
        let circumstances = Circumstances { requirement: profile.software_statement(), certificate, now };
        let requested;
        (requested, registrant.statement) = issuers.hear(members, circumstances).await.map_err(Refusal::statement)?;
        if let (Some(undecided), Some(statement)) = (&mut self.undecided, &registrant.statement) {
            undecided.vouched_for_by(statement);
        }
        self.throttle_software(&registrant, &profile).await?;
        let passage = self.judge(&profile, &requested)?;
        let intent = self.intent(&registrant, &profile, passage.judged(), now);
        self.event.registration_id = Some(intent.id.0.clone());
        let own_authorization = self.own_authorization(&passage, &registrant);
        let order = Order {
            beginning: self.beginning(intent),
            passage,
            own_authorization,
            approvals: profile.approvals(),
            origin: self.origin(),
        };
        let handed_out = self.carry_out(order).await?;
        self.event.client_id = Some(handed_out.client_id);
        if handed_out.repeated {
            self.event.reason = "repeated";
            self.sighting.repeated = true;
        }
        form::created(&handed_out.metadata)
    }

    /// Everything that can be said of who asks, before the body is read.
    async fn admit(&mut self) -> Result<(Registrant, Profile), Refusal> {
        let registrant = self.identify().await?;
        let profile = self.choose_profile(&registrant)?;
        self.throttle_registrant(&registrant, &profile).await?;
        Ok((registrant, profile))
    }

    /// A token that somebody with a certificate presents is counted besides: its holders may be several.
    async fn throttle_registrant(&self, registrant: &Registrant, profile: &Profile) -> Result<(), Refusal> {
        self.throttle(counted_under(registrant), profile).await?;
        match (&registrant.certificate, &registrant.token) {
            (Some(_), Some(token)) => self.throttle(Source::Token(token.source()), profile).await,
            _ => Ok(()),
        }
    }

    /// One software has many installations: they share its limit, wherever they are.
    async fn throttle_software(&mut self, registrant: &Registrant, profile: &Profile) -> Result<(), Refusal> {
        let Some(statement) = &registrant.statement else { return Ok(()) };
        self.event.statement_issuer = Some(statement.issuer.clone());
        self.event.software_id.clone_from(&statement.software_id);
        let Some(software_id) = &statement.software_id else { return Ok(()) };
        self.throttle(Source::software(&statement.issuer, software_id), profile).await
    }

    async fn throttle(&self, source: Source, profile: &Profile) -> Result<(), Refusal> {
        let Some(limit) = self.rulebook.profile_limits.get(profile.name()) else { return Ok(()) };
        let tightened = response::tightened(self.tools, profile.name(), &limit.attempts);
        let attempts = tightened.as_ref().map_or(&limit.attempts, |(tightened, _)| tightened);
        let attempt = self.rulebook.throttle.attempt(source, attempts).await.map_err(denied);
        attempt.map(drop).map_err(|refusal| match &tightened {
            Some((_, response)) => refusal.by_response(response.clone()),
            None => refusal,
        })
    }

    async fn identify(&mut self) -> Result<Registrant, Refusal> {
        self.event.certificate_thumbprint = self.head.certificate().map(|identity| identity.thumbprint.clone());
        let certificate = certificate(self.tools, self.head)?;
        let token = match &self.rulebook.initial_access_tokens {
            TokenHandling::Verified(verifiers) => {
                token::identify(verifiers, self.tools, self.head, &mut self.event.token_id).await?
            }
            TokenHandling::Forwarded => None,
        };
        if let Some(token) = &token {
            let name = token.label();
            self.event.token_id = Some(name.clone());
            response::check_token(self.tools, &name)?;
            token.check_binding(certificate.as_deref()).map_err(token::refusal)?;
        }
        Ok(Registrant { address: self.head.client_address, certificate, token, statement: None })
    }

    /// The profile, once who asks meets what it requires.
    fn choose_profile(&mut self, registrant: &Registrant) -> Result<Profile, Refusal> {
        let presented = registrant.presented();
        let profile = choosing::fitting(&self.rulebook.profiles, &presented)?;
        let profile = response::applied(self.rulebook, self.tools, profile);
        self.event.profile = Some(profile.name().to_owned());
        self.event.policy_version = Some(profile.version().to_owned());
        match choosing::missing(&profile, &presented) {
            Some(reason) => Err(reason.into()),
            None => Ok(profile),
        }
    }

    fn judge(&mut self, profile: &Profile, requested: &ClientMetadata) -> Result<Passage, Refusal> {
        self.event.scope_requested = requested.scope.as_ref().map(ToString::to_string);
        self.event.client_name = requested.client_names.first().map(|name| name.text.clone());
        let verdict =
            span::policy_span().in_scope(|| authorization_server::judge(self.rulebook.kind, profile, requested));
        let passage = verdict.passage().map_err(Refusal::violated)?;
        (self.event.decision, self.event.reason) = match &passage {
            Passage::Cleared(_) => (Decision::Admit, "admitted"),
            Passage::LetThrough(_) => (Decision::ReportOnly, Reason::RulesViolated.name()),
        };
        let judged = passage.judged();
        self.event.violations = judged.violated_rules();
        self.event.scope_granted = Some(judged.scopes().granted.to_string());
        self.event.scope_withheld = Some(judged.scopes().withheld.to_string()).filter(|scope| !scope.is_empty());
        self.event.redirect_uri_hosts = recorded::redirect_hosts(judged);
        Ok(passage)
    }

    fn intent(&self, registrant: &Registrant, profile: &Profile, judged: &dyn Judged, now: Timestamp) -> Intent {
        let scopes = judged.scopes();
        Intent {
            id: self.tools.registration_id(now),
            at: now,
            profile: judged.profile().to_owned(),
            policy_version: profile.version().to_owned(),
            registrant: record_of(registrant),
            token: registrant.token.as_ref().and_then(VerifiedToken::reservation),
            client_name: json::text_of(judged.metadata(), "client_name").map(str::to_owned),
            redirect_uris: recorded::redirect_uris(judged),
            scope_requested: scopes.requested.as_ref().map(ToString::to_string),
            scope_granted: scopes.granted.to_string(),
            scope_withheld: scopes.withheld.to_string(),
            digest: same_client::digest(self.rulebook.registrar.as_ref(), registrant, judged),
            let_through: recorded::rules_of(judged),
        }
    }

    fn beginning(&self, intent: Intent) -> Beginning {
        let quotas = self.rulebook.profile_limits.get(&intent.profile).map(|limits| limits.quotas).unwrap_or_default();
        Beginning { intent, quotas, under_way: self.rulebook.longest_turn() }
    }

    fn origin(&self) -> RequestReference {
        RequestReference {
            request_id: Some(self.head.request_id.clone()),
            request_digest: self.event.request_digest.clone(),
        }
    }

    /// The registrant's own `Authorization`, as far as it goes on: always where the gateway does not read it; of what is only let
    /// through also a token that somebody else issued. One of ours says nothing to the server.
    fn own_authorization(&self, passage: &Passage, registrant: &Registrant) -> Option<Secret> {
        let is_the_gateways = matches!(registrant.token, Some(VerifiedToken::Issued(_)));
        let goes_on = match (&self.rulebook.initial_access_tokens, passage) {
            (TokenHandling::Forwarded, _) => true,
            (TokenHandling::Verified(_), Passage::LetThrough(_)) => !is_the_gateways,
            (TokenHandling::Verified(_), Passage::Cleared(_)) => false,
        };
        let own = self.head.headers.get(AUTHORIZATION).filter(|_| goes_on);
        own.and_then(|own| own.to_str().ok()).map(Secret::new)
    }

    /// Once it is begun, a client that goes away stops nothing.
    async fn carry_out(&self, order: Order) -> Result<HandedOut, Refusal> {
        let (rulebook, tools) = (self.rulebook.clone(), self.tools.clone());
        self.tools.under_way.to_its_end(async move { carry_out::carry_out(&rulebook, &tools, order).await }).await
    }
}

/// The ceilings of one address and of everybody.
pub(super) async fn throttle_address(rulebook: &Rulebook, address: IpAddr) -> Result<(), Refusal> {
    rulebook.throttle.attempt_from(address).await.map_err(denied)
}

/// The client certificate. One that was presented and is no good, or is banned, ends any request: it is never as if there were none.
pub(super) fn certificate(tools: &Tools, head: &Head) -> Result<Option<Arc<CertificateIdentity>>, Refusal> {
    let certificate = match &head.certificate {
        PresentedCertificate::None => None,
        PresentedCertificate::Verified(identity) => Some(identity.clone()),
        PresentedCertificate::Refused(cause) => return Err(Refusal::from(Reason::CertificateRefused).caused_by(cause)),
    };
    response::check_certificate(tools, certificate.as_deref())?;
    Ok(certificate)
}

/// Whose attempts and clients are counted together. A certificate stays; tokens are made for one use each, and would be a registrant each.
pub(super) fn counted_under(registrant: &Registrant) -> Source {
    match (&registrant.certificate, &registrant.token) {
        (Some(certificate), _) => Source::Certificate(certificate.thumbprint.clone()),
        (None, Some(token)) => Source::Token(token.source()),
        (None, None) => Source::address(registrant.address),
    }
}

pub(super) fn record_of(registrant: &Registrant) -> RegistrantRecord {
    let certificate = registrant.certificate.as_ref();
    RegistrantRecord {
        key: counted_under(registrant).to_string(),
        address: registrant.address,
        certificate_thumbprint: certificate.map(|certificate| certificate.thumbprint.clone()),
        certificate_subject: certificate.map(|certificate| certificate.subject.clone()),
        token_label: registrant.token.as_ref().map(VerifiedToken::name_for_people),
        statement_issuer: registrant.statement.as_ref().map(|statement| statement.issuer.clone()),
        software_id: registrant.statement.as_ref().and_then(|statement| statement.software_id.clone()),
    }
}

fn denied(denied: Denied<'_>) -> Refusal {
    match denied {
        Denied::TooEarly(LimitReached { limit, too_early }) => {
            metrics().throttled(limit.name());
            Refusal::throttled(limit, too_early)
        }
        Denied::Uncounted => Reason::ThrottleUnavailable.into(),
    }
}
