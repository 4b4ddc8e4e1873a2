//! One request, phase by phase, as Pingora calls: the gateway's own paths are answered in `request_filter` by the handler,
//! what is refused too, everything else streams to the authorization server.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use rustls::pki_types::CertificateDer;

use super::body::SessionBody;
use super::connection::Connection;
use super::error_text::error_text;
use super::forward::{self, ForwardedRequest, Forwarding, ToForward};
use super::headers::{client_cert_value, is_websocket_upgrade, max_forwards, rewrite, strip_hop_by_hop};
use super::http1::WRITE_DEADLINE;
use super::identity::Believed;
use super::in_flight::InFlight;
use super::upstream::WEBSOCKET_SILENCE;
use super::{answer, body, identity, observed, routing};
use crate::authorization_server::paths::{Route, names_metadata};
use crate::clock::{Clock as _, SystemClock};
use crate::intake::handler::{Answer, Handler, Head, ProtocolRefusal, Request};
use crate::telemetry::request::UpstreamCall;
use crate::telemetry::{InSpan as _, ServerRequest, Span};

/// Pingora's view of the gateway.
pub(super) struct Phases {
    /// Answers what is ours.
    pub(super) handler: Arc<dyn Handler>,
    /// Where the rest goes.
    pub(super) forwarding: Arc<ArcSwap<Forwarding>>,
    /// What of the rest is on the way.
    pub(super) in_flight: Arc<InFlight>,
}

/// One request on its way.
#[derive(Default)]
pub(super) struct Exchange {
    head: Option<Head>,
    connection: Option<Arc<Connection>>,
    /// A verified certificate that a trusted proxy forwarded.
    forwarded_certificate: Option<CertificateDer<'static>>,
    forwarded: Option<ForwardedRequest>,
    observed: Option<ServerRequest>,
    /// The call to the authorization server, until its answer begins.
    call: Option<UpstreamCall>,
    /// Addresses of the server that did not answer.
    unreachable: usize,
    /// Why the request was given up after it was let pass.
    refusal: Option<ProtocolRefusal>,
    /// What is answered where it was a client that may not go on.
    verdict: Option<Answer>,
    /// An answer of our own was written, whole.
    is_answered: bool,
}

impl Phases {
    /// The gateway's own answer, or `None`: the request is to be forwarded.
    async fn own_answer(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        received: Received<'_>,
    ) -> Option<Answer> {
        let Received { head, route, forwarding, deadline, client } = received;
        if route == Ok(Route::Other) && head.path == "*" {
            return Some(Answer::empty(StatusCode::NO_CONTENT));
        }
        let is_the_handlers = matches!(route, Ok(Route::Registration | Route::Management { .. }));
        if !is_the_handlers && let Some(answer) = self.handler.judge_address(head) {
            session.set_keepalive(None);
            return Some(answer);
        }
        let is_forwarded = matches!(route, Ok(Route::Other | Route::Client(_)));
        if is_forwarded && head.method == Method::OPTIONS && max_forwards(&head.headers) == Some(0) {
            return Some(Answer::empty(StatusCode::NO_CONTENT));
        }
        let mut body = SessionBody::new(session.as_downstream_mut(), deadline);
        let request = Request { head, body: &mut body };
        let refusal = match route {
            Ok(Route::Registration) => return Some(self.handler.register(request).await),
            Ok(Route::Management { client_id }) => return Some(self.handler.manage(request, &client_id).await),
            // The handler asks the server, as often as it is asked itself and by anybody: what is on the way there is bounded, whoever sends it.
            Ok(Route::Discovery(form)) => match self.in_flight.enter(client, forwarding.limits) {
                Some(_place) => return Some(self.handler.discover(request, form).await),
                None => ProtocolRefusal::Crowded,
            },
            Ok(Route::NotOffered) => ProtocolRefusal::NotOffered,
            Ok(Route::Misspelt) => ProtocolRefusal::Misspelt,
            Ok(route @ (Route::Other | Route::Client(_))) => {
                let endpoint = route.client_endpoint();
                let in_flight = &*self.in_flight;
                let to_forward = ToForward { head, forwarding, endpoint, deadline, in_flight, client };
                match forward::admit(session.as_downstream_mut(), &to_forward).await {
                    Ok(forwarded) => {
                        if names_metadata(&head.path)
                            && let Some(answer) = self.handler.discover_elsewhere(head).await
                        {
                            return Some(answer);
                        }
                        let verdict = self.verdict(head, &forwarded).await;
                        exchange.forwarded = verdict.is_none().then_some(forwarded);
                        return verdict;
                    }
                    Err(refusal) => refusal,
                }
            }
            Err(refusal) => refusal,
        };
        Some(self.handler.refuse(head, refusal))
    }

    /// The answer to a client that may not go on.
    async fn verdict(&self, head: &Head, forwarded: &ForwardedRequest) -> Option<Answer> {
        let (clients, endpoint) = forwarded.clients()?;
        self.handler.judge_clients(head, clients, endpoint).await
    }

    /// Tells the handler how a token request was answered, in the request's span.
    fn token_answered(&self, exchange: &Exchange, status: StatusCode) {
        let (Some(head), Some(forwarded)) = (&exchange.head, &exchange.forwarded) else { return };
        let Some(clients) = forwarded.token_request() else { return };
        let tell = || self.handler.token_answered(head, clients, status);
        match &exchange.observed {
            Some(observed) => observed.span().in_scope(tell),
            None => tell(),
        }
    }
}

/// A request, and what it was found to be.
struct Received<'a> {
    head: &'a Head,
    route: Result<Route, ProtocolRefusal>,
    forwarding: &'a Arc<Forwarding>,
    /// For the whole body.
    deadline: Duration,
    /// Whose it is, where that is one client.
    client: Option<IpAddr>,
}

#[async_trait]
impl ProxyHttp for Phases {
    /// Elsewhere: Pingora moves it with the request, several times.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Box<Exchange> {
        Box::default()
    }

    fn init_downstream_modules(&self, _modules: &mut pingora::modules::http::HttpModules) {
        // None: Pingora's default would bring a compressor.
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Box<Exchange>) -> Result<bool> {
        let connection = session.digest().and_then(Connection::of);
        let connection = connection.ok_or_else(|| Error::explain(ErrorType::InternalError, "no connection"))?;
        session.set_write_timeout(Some(WRITE_DEADLINE));
        let generation = connection.listener.load_full();
        let now = SystemClock.now();
        let request = session.req_header();
        let believed = identity::received(request, &connection, &generation, now);
        let forwarding = self.forwarding.load_full();
        let route = routing::check(request, &believed, &connection, &generation)
            .and_then(|()| routing::route_of(request, &believed.head, &forwarding));
        let Believed { head, certificate, .. } = believed;
        exchange.forwarded_certificate = certificate;
        if route == Err(ProtocolRefusal::Certificate) {
            session.set_keepalive(None);
        }
        let is_own = matches!(route, Ok(Route::Registration | Route::Management { .. }));
        exchange.connection = Some(connection);
        // Ends in `logging`, or when the exchange is dropped.
        let observed = observed::begin(&head, &route, &forwarding.paths);
        let deadline = generation.settings.deadlines.body.0;
        // A proxy that is trusted and does not say for whom it asks stands for many.
        let client = Some(head.client_address).filter(|client| !generation.settings.trusts(*client));
        let received = Received { head: &head, route, forwarding: &forwarding, deadline, client };
        let answer = self.own_answer(session, exchange, received).in_span(observed.span().clone()).await;
        exchange.observed = Some(observed);
        let is_answered = answer.is_some();
        if let Some(answer) = answer {
            exchange.close_when_draining(session);
            if is_own {
                body::throw_away_what_is_here(session.as_downstream_mut()).await;
            }
            let sent = answer::send(session.as_downstream_mut(), answer, &head).await;
            exchange.is_answered = sent.is_ok();
            if let Err(error) = sent {
                tracing::debug!(%error, request_id = head.request_id, "answer not delivered");
                session.set_keepalive(None);
            }
        }
        exchange.head = Some(head);
        Ok(is_answered)
    }

    async fn upstream_peer(&self, session: &mut Session, exchange: &mut Box<Exchange>) -> Result<Box<HttpPeer>> {
        let forwarded = exchange
            .forwarded
            .as_ref()
            .ok_or_else(|| Error::explain(ErrorType::InternalError, "the request was not let through"))?;
        let peer = forwarded.forwarding.upstream.forward_peer().await;
        let mut peer = peer.map_err(|reason| Error::explain(ErrorType::ConnectNoRoute, reason).into_up())?;
        if is_websocket_upgrade(&session.req_header().headers) {
            peer.options.read_timeout = Some(WEBSOCKET_SILENCE);
            session.set_read_timeout(Some(WEBSOCKET_SILENCE));
        }
        Ok(Box::new(peer))
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        peer: &HttpPeer,
        exchange: &mut Box<Exchange>,
        mut error: Box<Error>,
    ) -> Box<Error> {
        exchange.unreachable += 1;
        let upstream = exchange.forwarded.as_ref().map(|forwarded| &forwarded.forwarding.upstream);
        // Not a byte was sent, so any method may be tried elsewhere.
        let failed = upstream.zip(peer._address.as_inet());
        error.set_retry(failed.is_some_and(|(upstream, at)| upstream.try_another_address(*at, exchange.unreachable)));
        error
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        let (Some(forwarded), Some(head), Some(connection)) =
            (&exchange.forwarded, &exchange.head, &exchange.connection)
        else {
            return Err(Error::explain(ErrorType::InternalError, "the request was not let through"));
        };
        let certificate = head.certificate().and_then(|_| match &exchange.forwarded_certificate {
            Some(certificate) => Some(client_cert_value(certificate)),
            None => connection.own_certificate_header().cloned(),
        });
        let parent = exchange.observed.as_ref().map_or_else(Span::none, |observed| observed.span().clone());
        exchange.call = Some(rewrite(request, |parts| {
            forwarded.dress(parts, connection.forwarded_for(head.client_address), certificate)?;
            Ok::<_, Box<Error>>(observed::begin_forwarding(&parent, head, &forwarded.forwarding.upstream, parts))
        })??);
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        let is_upgraded = session.was_upgraded();
        let inspected = match &mut exchange.forwarded {
            Some(forwarded) if !is_upgraded => forwarded.inspect(body.as_deref().unwrap_or_default(), end_of_stream),
            _ => Ok(false),
        };
        match (inspected, &exchange.head, &exchange.forwarded) {
            (Err(refusal), ..) => exchange.refusal = Some(refusal),
            (Ok(true), Some(head), Some(forwarded)) => exchange.verdict = self.verdict(head, forwarded).await,
            (Ok(_), ..) => {}
        }
        if exchange.refusal.is_none() && exchange.verdict.is_none() {
            return Ok(());
        }
        Error::e_explain(ErrorType::Custom("RequestRefused"), "a forwarded body was refused")
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        // 100 and 103 announce the answer, they are none.
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        if let Some(call) = exchange.call.take() {
            call.finish(Ok(response.status));
        }
        self.token_answered(exchange, response.status);
        strip_hop_by_hop(response);
        exchange.close_when_draining(session);
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        exchange: &mut Box<Exchange>,
    ) -> Result<Option<Duration>> {
        if let Some(forwarded) = &exchange.forwarded {
            *body = body.take().map(|piece| forwarded.place.keep(piece));
        }
        Ok(None)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Box<Exchange>) -> FailToProxy {
        let refusal = exchange.refusal.or_else(|| forward::refusal_of(error));
        if let Some(call) = exchange.call.take() {
            call.finish(Err(observed::refusal_name(refusal)));
        }
        let mut error_code = 0;
        let is_answered = session.response_written().is_some_and(|response| !response.status.is_informational());
        if let (Some(refusal), false) = (refusal, is_answered) {
            if refusal.is_the_servers() && exchange.verdict.is_none() {
                self.token_answered(exchange, refusal.status());
            }
            let head = exchange.head.take().or_else(|| exchange.connection.as_deref().map(identity::unread_head));
            if let Some(head) = head {
                let verdict = exchange.verdict.take();
                let is_verdict = verdict.is_some();
                let answer = verdict.unwrap_or_else(|| self.handler.refuse(&head, refusal));
                error_code = answer.status.as_u16();
                session.set_keepalive(None);
                let sent = answer::send(session.as_downstream_mut(), answer, &head).await;
                exchange.is_answered = sent.is_ok();
                if let Err(error) = sent {
                    tracing::debug!(%error, request_id = head.request_id, "refusal not delivered");
                }
                if !is_verdict {
                    let (error, request_id) = (error_text(error), &head.request_id);
                    tracing::warn!(error, request_id, status = error_code, "a forwarded request failed");
                }
                exchange.head = Some(head);
            }
        } else {
            tracing::debug!(error = error_text(error), "a forwarded request broke off");
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Box<Exchange>) {
        let status = session.response_written().map(|response| response.status);
        let broke_off =
            error.map(|error| observed::refusal_name(exchange.refusal.or_else(|| forward::refusal_of(error))));
        if let Some(head) = &exchange.head {
            tracing::debug!(
                request_id = head.request_id,
                method = %head.method,
                path = head.path,
                client = %head.client_address,
                status = status.map(|status| status.as_u16()),
                error = error.map(error_text),
                "request"
            );
        }
        if let Some(observed) = exchange.observed.take() {
            observed.finish(status, broke_off);
        }
        // Last: nobody waits for this, and no duration is to hold it.
        let is_forwarded_whole = exchange.forwarded.is_some() && error.is_none() && !session.was_upgraded();
        if exchange.is_answered || is_forwarded_whole {
            answer::linger(session.as_downstream_mut()).await;
        }
    }

    fn suppress_error_log(&self, _session: &Session, _exchange: &Box<Exchange>, _error: &Error) -> bool {
        // `fail_to_proxy` has logged it, once, with the request's name.
        true
    }
}

impl Exchange {
    /// A gateway that is going down takes no further request on a connection.
    fn close_when_draining(&self, session: &mut Session) {
        if self.connection.as_ref().is_some_and(|connection| connection.is_draining()) {
            session.set_keepalive(None);
        }
    }
}
