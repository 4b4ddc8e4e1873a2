//! Requests that are not the gateway's own: whether they may pass, what is taken off and put on, and what becomes of their failures.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, COOKIE, EXPECT, MAX_FORWARDS};
use http::request::Parts;
use http::{HeaderValue, Method};
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::body::{announced_length, expects_continue, read_whole};
use super::client_id_guard::{self, FormScanner};
use super::client_names::ClientNames;
use super::headers::{self, CLIENT_CERT};
use super::in_flight::{ForwardingLimits, InFlight, Place};
use super::parameters::{self, Parameters};
use super::target::check_forwarded_method;
use super::upstream::{SENT_BY, Upstream};
use crate::authorization_server::client_endpoints::ClientEndpoint;
use crate::authorization_server::document_client;
use crate::authorization_server::paths::PathTable;
use crate::authorization_server::settings::ClientIdMetadataDocuments;
use crate::authorization_server::settings::OtherPaths;
use crate::intake::handler::{BodyError, Head, ProtocolRefusal, UnverifiedClients};

/// Forms up to this size are read and judged before the authorization server hears of the request. Pingora can replay 64 KiB.
const READ_AHEAD: u64 = 60 * 1024;
/// A forwarded body may take this long at any pace;
const SLOW_START: Duration = Duration::from_secs(30);
/// after that it must have come at this many bytes per second, or somebody is holding a connection open by dripping.
const SLOWEST_PACE: u64 = 512;

/// Where requests go. Replaced as a whole on reload.
pub(super) struct Forwarding {
    /// Which paths are ours.
    pub(super) paths: PathTable,
    /// What happens to the others.
    pub(super) other_paths: OtherPaths,
    /// How many of them may be on the way.
    pub(super) limits: ForwardingLimits,
    /// What happens with clients that are named by a URL.
    pub(super) client_id_metadata_documents: ClientIdMetadataDocuments,
    /// The authorization server.
    pub(super) upstream: Arc<Upstream>,
}

impl Forwarding {
    fn refuses_urls_as_clients(&self) -> bool {
        self.client_id_metadata_documents == ClientIdMetadataDocuments::Refuse
    }
}

/// A request on another path.
pub(super) struct ToForward<'a> {
    pub(super) head: &'a Head,
    pub(super) forwarding: &'a Arc<Forwarding>,
    /// The endpoint that it is for, where clients say who they are.
    pub(super) endpoint: Option<ClientEndpoint>,
    /// For the whole body.
    pub(super) deadline: Duration,
    /// Those that are on the way.
    pub(super) in_flight: &'a InFlight,
    /// Whose it is, where that is one client.
    pub(super) client: Option<IpAddr>,
}

/// A request that was let through, on its way to the authorization server and back.
pub(super) struct ForwardedRequest {
    /// As it was when the request came.
    pub(super) forwarding: Arc<Forwarding>,
    /// Among those that are on the way.
    pub(super) place: Arc<Place>,
    /// Watches a form that was not read ahead.
    scanner: Option<FormScanner>,
    /// Who asks, at an endpoint where clients say so.
    clients: Option<Clients>,
    announced: Option<u64>,
    received: u64,
    started: Instant,
    was_told_to_continue: bool,
}

/// The clients that a request names.
struct Clients {
    endpoint: ClientEndpoint,
    names: ClientNames,
    /// The form was not read ahead.
    is_streaming: bool,
}

/// Whether a request on another path may pass. A small form is read here; Pingora replays it.
pub(super) async fn admit(
    session: &mut ServerSession,
    request: &ToForward<'_>,
) -> Result<ForwardedRequest, ProtocolRefusal> {
    let ToForward { head, forwarding, endpoint, deadline, in_flight, client } = *request;
    if forwarding.other_paths == OtherPaths::Refuse {
        return Err(ProtocolRefusal::NotFound);
    }
    check_forwarded_method(&head.method)?;
    let place = in_flight.enter(client, forwarding.limits).ok_or(ProtocolRefusal::Crowded)?;
    // A client that closes its sending side, or goes away, must not undo what it asked for half-way.
    session.set_abort_on_close(head.method.is_safe());
    session.set_read_timeout(Some(deadline));
    // A preflight names nobody.
    let endpoint = endpoint.filter(|_| head.method != Method::OPTIONS);
    let mut forwarded = ForwardedRequest {
        forwarding: forwarding.clone(),
        place,
        scanner: None,
        clients: endpoint.map(|endpoint| {
            let names = ClientNames::in_head(head.query.as_deref(), &head.headers);
            Clients { endpoint, names, is_streaming: false }
        }),
        announced: announced_length(session),
        received: 0,
        started: Instant::now(),
        was_told_to_continue: false,
    };
    let is_guarded = forwarding.refuses_urls_as_clients();
    let is_in_head = || {
        head.query.as_deref().is_some_and(client_id_guard::is_in_query)
            || client_id_guard::is_in_authorization(&head.headers)
    };
    if is_guarded && is_in_head() {
        return Err(ProtocolRefusal::ClientIdMetadataDocument);
    }
    let is_watched = is_guarded || forwarded.clients.is_some();
    if is_watched && !session.is_body_done() {
        forwarded.look_into_the_body(session, head, deadline).await?;
    }
    Ok(forwarded)
}

impl ForwardedRequest {
    /// Reads who asks where that is in the body, or has it watched as it streams by.
    async fn look_into_the_body(
        &mut self,
        session: &mut ServerSession,
        head: &Head,
        deadline: Duration,
    ) -> Result<(), ProtocolRefusal> {
        let written = Parameters::of(&head.headers);
        match (written, &mut self.clients) {
            (Parameters::None, _) => return Ok(()),
            (Parameters::Json | Parameters::Unread, None) if !parameters::may_be_form(&head.headers) => return Ok(()),
            (Parameters::Unread, Some(clients)) => {
                clients.names.give_up();
                return Ok(());
            }
            (Parameters::Form | Parameters::Json | Parameters::Unread, _) => {}
        }
        if head.headers.contains_key(CONTENT_ENCODING) {
            return Err(ProtocolRefusal::Framing("a form may not be compressed"));
        }
        if written == Parameters::Json {
            return self.read_json(session, deadline).await;
        }
        if self.announced.is_some_and(|length| length <= READ_AHEAD) {
            return self.read_form(session, deadline).await;
        }
        self.scanner = self.forwarding.refuses_urls_as_clients().then(FormScanner::default);
        if let Some(clients) = &mut self.clients {
            clients.is_streaming = true;
        }
        Ok(())
    }

    /// Reads a small body before the authorization server hears of the request.
    async fn read_ahead(&mut self, session: &mut ServerSession, deadline: Duration) -> Result<Bytes, BodyError> {
        self.was_told_to_continue = expects_continue(session);
        session.enable_retry_buffering();
        read_whole(session, READ_AHEAD as usize, deadline).await
    }

    /// JSON is judged whole, whatever length it says it has: one that is too large to be read is nobody's.
    async fn read_json(&mut self, session: &mut ServerSession, deadline: Duration) -> Result<(), ProtocolRefusal> {
        let body = match self.read_ahead(session, deadline).await {
            Err(BodyError::TooLarge { .. }) => None,
            read => Some(read.map_err(|error| broken_off(&error))?),
        };
        let Some(clients) = &mut self.clients else { return Ok(()) };
        match body {
            Some(body) => clients.names.read_json(&body),
            None => clients.names.give_up(),
        }
        let refuses_urls = self.forwarding.refuses_urls_as_clients();
        if refuses_urls && clients.names.found().ids.iter().any(|id| document_client::is_url(id)) {
            return Err(ProtocolRefusal::ClientIdMetadataDocument);
        }
        Ok(())
    }

    /// Reads a small form and judges it.
    async fn read_form(&mut self, session: &mut ServerSession, deadline: Duration) -> Result<(), ProtocolRefusal> {
        let form = self.read_ahead(session, deadline).await.map_err(|error| broken_off(&error))?;
        if self.forwarding.refuses_urls_as_clients() && FormScanner::default().scan(&form) {
            return Err(ProtocolRefusal::ClientIdMetadataDocument);
        }
        if let Some(clients) = &mut self.clients {
            clients.names.read(&form);
            clients.names.end();
        }
        Ok(())
    }

    /// Takes off what is not to be believed and puts on what the authorization server must see.
    /// `forwarded_for` is `X-Forwarded-For`, `certificate` is `Client-Cert` for the client's, verified.
    pub(super) fn dress(
        &self,
        request: &mut Parts,
        forwarded_for: HeaderValue,
        certificate: Option<HeaderValue>,
    ) -> Result<()> {
        if request.uri.authority().is_some() {
            // HTTP/2 has the client's idea of the host here; Pingora would write it over ours.
            let target = request.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
            request.uri = http::Uri::try_from(target)
                .map_err(|error| Error::because(ErrorType::InternalError, "the target of a request", error))?;
        }
        let sent = &mut request.headers;
        let unbelieved: Vec<http::HeaderName> =
            sent.keys().filter(|name| headers::is_never_believed(name.as_str())).cloned().collect();
        for name in &unbelieved {
            sent.remove(name);
        }
        if let Some(cookies) = headers::joined_cookies(sent) {
            sent.insert(COOKIE, cookies);
        }
        if self.was_told_to_continue {
            sent.remove(EXPECT);
        }
        if request.method == Method::OPTIONS
            && let Some(left) = headers::max_forwards(sent)
        {
            sent.insert(MAX_FORWARDS, left.saturating_sub(1).into());
        }
        let public = self.forwarding.upstream.public_name();
        for (name, value) in public.forwarding_headers(Some(forwarded_for)) {
            sent.insert(name, value);
        }
        if let Some(certificate) = certificate {
            sent.insert(CLIENT_CERT, certificate);
        }
        sent.append(SENT_BY, self.forwarding.upstream.own_name());
        Ok(())
    }

    /// The clients that the request names up to now, and where.
    pub(super) fn clients(&self) -> Option<(&UnverifiedClients, ClientEndpoint)> {
        let clients = self.clients.as_ref()?;
        let found = clients.names.found();
        (!found.is_empty()).then_some((found, clients.endpoint))
    }

    /// The clients that a request to the token endpoint names, be it none; nothing where the request is another.
    pub(super) fn token_request(&self) -> Option<&UnverifiedClients> {
        let clients = self.clients.as_ref().filter(|clients| clients.endpoint == ClientEndpoint::Token)?;
        Some(clients.names.found())
    }

    /// Looks at a piece of the body before it goes on; true when it ended the name of another client, which is to be judged first.
    pub(super) fn inspect(&mut self, piece: &[u8], is_last: bool) -> Result<bool, ProtocolRefusal> {
        self.received = self.received.saturating_add(piece.len() as u64);
        if is_dripping(self.started.elapsed(), self.received) {
            return Err(ProtocolRefusal::BodyTimedOut);
        }
        if self.scanner.as_mut().is_some_and(|scanner| scanner.scan(piece)) {
            return Err(ProtocolRefusal::ClientIdMetadataDocument);
        }
        // With the last byte that was announced the server has all of it.
        let is_last = is_last || self.announced.is_some_and(|length| self.received >= length);
        let Some(clients) = self.clients.as_mut().filter(|clients| clients.is_streaming) else { return Ok(false) };
        let is_named = clients.names.read(piece);
        clients.is_streaming = !is_last;
        Ok((is_last && clients.names.end()) || is_named)
    }
}

fn broken_off(error: &BodyError) -> ProtocolRefusal {
    match error {
        BodyError::TimedOut => ProtocolRefusal::BodyTimedOut,
        BodyError::TooLarge { .. } | BodyError::Broken => ProtocolRefusal::Framing("the body broke off"),
    }
}

/// Whether so few bytes in so long a time hold a connection open rather than send a body.
fn is_dripping(elapsed: Duration, received: u64) -> bool {
    elapsed.saturating_sub(SLOW_START).as_secs().saturating_mul(SLOWEST_PACE) > received
}

/// What a client is told about a forwarded request that failed; `None` when there is nobody to tell.
pub(super) fn refusal_of(error: &Error) -> Option<ProtocolRefusal> {
    let is_downstream = *error.esource() == ErrorSource::Downstream;
    match error.etype() {
        // Pingora's name for bytes behind the end of a body.
        ErrorType::ConnectError if is_downstream => Some(ProtocolRefusal::Framing("bytes follow the end of the body")),
        ErrorType::ConnectTimedout
        | ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::ConnectProxyFailure
        | ErrorType::SocketError
        | ErrorType::BindError
        | ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError => Some(ProtocolRefusal::UpstreamUnreachable),
        ErrorType::ReadTimedout if is_downstream => Some(ProtocolRefusal::BodyTimedOut),
        ErrorType::ReadTimedout | ErrorType::WriteTimedout if !is_downstream => Some(ProtocolRefusal::UpstreamTimedOut),
        ErrorType::ReadError if is_downstream && has_broken_chunks(error) => {
            Some(ProtocolRefusal::Framing("the chunks of the body can be read in several ways"))
        }
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError | ErrorType::WriteTimedout
            if is_downstream =>
        {
            None
        }
        _ if is_downstream => Some(ProtocolRefusal::Framing("the framing of the body is broken")),
        _ if *error.esource() == ErrorSource::Upstream => Some(ProtocolRefusal::UpstreamBroken),
        _ => Some(ProtocolRefusal::Internal),
    }
}

/// Whether reading ended at chunks that [`super::fence`] does not let pass.
fn has_broken_chunks(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_be_slow_but_must_come() {
        assert!(!is_dripping(Duration::from_secs(29), 1));
        assert!(!is_dripping(Duration::from_secs(60), 30 * SLOWEST_PACE));
        assert!(is_dripping(Duration::from_secs(60), 60));
        assert!(!is_dripping(Duration::from_secs(7200), 1 << 30));
    }

    #[test]
    fn names_failures_by_who_failed() {
        let error = |etype| *Error::explain(etype, "");
        let downstream = |etype| *Error::explain(etype, "").into_down();
        let upstream = |etype| *Error::explain(etype, "").into_up();
        assert_eq!(refusal_of(&upstream(ErrorType::ConnectRefused)), Some(ProtocolRefusal::UpstreamUnreachable));
        assert_eq!(refusal_of(&upstream(ErrorType::ReadTimedout)), Some(ProtocolRefusal::UpstreamTimedOut));
        assert_eq!(refusal_of(&upstream(ErrorType::InvalidHTTPHeader)), Some(ProtocolRefusal::UpstreamBroken));
        assert_eq!(refusal_of(&downstream(ErrorType::ReadTimedout)), Some(ProtocolRefusal::BodyTimedOut));
        assert_eq!(refusal_of(&downstream(ErrorType::ConnectionClosed)), None);
        assert!(matches!(refusal_of(&downstream(ErrorType::ConnectError)), Some(ProtocolRefusal::Framing(_))));
        assert_eq!(refusal_of(&error(ErrorType::InternalError)), Some(ProtocolRefusal::Internal));
    }
}
