//! What a request is for, and whether anything is wrong with it whatever it is for. Reads the head only.

use pingora::http::RequestHeader;

use super::connection::{Connection, ListenerGeneration};
use super::forward::Forwarding;
use super::identity::Believed;
use super::settings::ClientCertificateRequest;
use super::{framing, target};
use crate::authorization_server::paths::{PathTable, Route};
use crate::intake::handler::{Head, PresentedCertificate, ProtocolRefusal};

/// What is wrong with this request whatever its path: the first thing found. `listener` is as it was when the head was read: whether its
/// certificate counts is one question, whatever a reload does meanwhile.
pub(super) fn check(
    request: &RequestHeader,
    believed: &Believed,
    connection: &Connection,
    listener: &ListenerGeneration,
) -> Result<(), ProtocolRefusal> {
    let head = &believed.head;
    // TRACE is refused where it would be forwarded, and by the gateway's own paths, which say what they offer.
    if head.method == http::Method::CONNECT {
        return Err(ProtocolRefusal::MethodNotAllowed);
    }
    if request.version == http::Version::HTTP_2 && field_section_size(request) > listener.settings.max_head_bytes {
        return Err(ProtocolRefusal::HeadTooLarge);
    }
    // Over HTTP/1.1 `framing` has found it. The same number twice is read as one here, and goes on as two lines.
    if request.headers.get_all(http::header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(ProtocolRefusal::Framing("Content-Length is given more than once"));
    }
    let authority = request.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = request.headers.get(http::header::HOST).map(http::HeaderValue::as_bytes);
    let is_nameless_http_1_0 = request.version == http::Version::HTTP_10 && host.is_none();
    if !is_nameless_http_1_0 && !authority.or(host).is_some_and(framing::is_authority) {
        return Err(ProtocolRefusal::Host);
    }
    if believed.disagreement.is_some() {
        return Err(ProtocolRefusal::Framing("X-Forwarded-For and Forwarded name different addresses"));
    }
    let is_asked_for = listener.tls.as_ref().is_some_and(|tls| tls.request != ClientCertificateRequest::Off);
    match &head.certificate {
        // A bad certificate of the connection itself is good for nothing; a forwarded one is the handler's to judge.
        PresentedCertificate::Refused(reason) if is_asked_for => {
            tracing::info!(peer = %connection.peer, reason, "client certificate refused");
            Err(ProtocolRefusal::Certificate)
        }
        _ => Ok(()),
    }
}

/// What a request that [`check`] let pass is for. `OPTIONS *` is for nobody in particular: [`Route::Other`].
pub(super) fn route_of(
    request: &RequestHeader,
    head: &Head,
    forwarding: &Forwarding,
) -> Result<Route, ProtocolRefusal> {
    if forwarding.upstream.has_sent(&request.headers) {
        return Err(ProtocolRefusal::Loop);
    }
    if head.method == http::Method::OPTIONS && head.path == "*" {
        return Ok(Route::Other);
    }
    route_of_path(&forwarding.paths, &head.path)
}

/// What a path is, as it stands in the request without the query.
///
/// # Errors
/// It is a registration path that the gateway does not offer, another spelling of a protected path, or one that is read differently by different servers.
pub fn route_of_path(paths: &PathTable, path: &str) -> Result<Route, ProtocolRefusal> {
    let route = paths.classify(path);
    match (&route, target::check_path(path)) {
        (Route::NotOffered, Ok(())) => Err(ProtocolRefusal::NotOffered),
        (Route::Misspelt, _) => Err(ProtocolRefusal::Misspelt),
        // A client identifier may be percent-encoded in ways that no other path may.
        (Route::Management { .. }, _) | (_, Ok(())) => Ok(route),
        (_, Err(refusal)) => Err(refusal),
    }
}

/// The size of a head in HTTP/2, as RFC 9113 §6.5.2 counts it. In HTTP/1.1 it was counted as it was read.
fn field_section_size(request: &RequestHeader) -> usize {
    let target = request.raw_path().len() + request.uri.authority().map_or(0, |authority| authority.as_str().len());
    let fields = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32);
    target + fields.sum::<usize>()
}
