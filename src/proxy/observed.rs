//! What the telemetry is told of requests and calls: their facts, in its words. Measures and decides nothing.

use http::request::Parts;

use super::upstream::Upstream;
use crate::authorization_server::paths::{DiscoveryForm, PathTable, Route};
use crate::authorization_server::transport::{Purpose, TransportError};
use crate::intake::handler::{Head, ProtocolRefusal};
use crate::telemetry::propagation;
use crate::telemetry::request::UpstreamCall;
use crate::telemetry::span::{CallFacts, Operation, RequestFacts, Scheme};
use crate::telemetry::{ServerRequest, Span};

/// Begins the span of a request; `route` is what it was found to be.
pub(super) fn begin(head: &Head, route: &Result<Route, ProtocolRefusal>, paths: &PathTable) -> ServerRequest {
    let management;
    let (operation, route) = match route {
        Ok(Route::Registration) => (Operation::Register, Some(paths.registration_path())),
        Ok(Route::Management { .. }) => {
            management = format!("{}/{{client_id}}", paths.registration_path());
            (Operation::Manage, Some(management.as_str()))
        }
        Ok(Route::Discovery(form)) => (Operation::Discover, Some(discovery_route(*form))),
        Ok(Route::Client(_) | Route::Other) => (Operation::Forward, None),
        Ok(Route::NotOffered | Route::Misspelt) | Err(_) => (Operation::Refuse, None),
    };
    ServerRequest::begin(&facts(head, operation, route))
}

/// The same for a request of which the head could not be read.
pub(super) fn begin_unread(head: &Head) -> ServerRequest {
    ServerRequest::begin(&facts(head, Operation::Refuse, None))
}

/// The issuer's own path is left out: it says nothing that the configuration does not.
fn discovery_route(form: DiscoveryForm) -> &'static str {
    match form {
        DiscoveryForm::OAuthInserted | DiscoveryForm::OAuthAppended => "/.well-known/oauth-authorization-server",
        DiscoveryForm::OpenIdInserted | DiscoveryForm::OpenIdAppended => "/.well-known/openid-configuration",
    }
}

fn facts<'a>(head: &'a Head, operation: Operation, route: Option<&'a str>) -> RequestFacts<'a> {
    RequestFacts {
        operation,
        route,
        method: &head.method,
        path: &head.path,
        scheme: scheme(head.secure),
        version: head.version,
        headers: &head.headers,
        peer: head.peer,
        client_address: head.client_address,
        request_id: &head.request_id,
        tls: head.tls.as_ref().map(|tls| (tls.version.as_str(), tls.cipher.as_str())),
        certificate: head.certificate().map(std::sync::Arc::as_ref),
    }
}

fn scheme(is_https: bool) -> Scheme {
    if is_https { Scheme::Https } else { Scheme::Http }
}

/// Begins the span of a forwarded request below that of the request, and writes its context into what goes out.
pub(super) fn begin_forwarding(parent: &Span, head: &Head, upstream: &Upstream, parts: &mut Parts) -> UpstreamCall {
    let call = UpstreamCall::begin_below(parent, &call_facts(&head.method, "forward", Some(&head.path), upstream));
    propagation::inject(call.span(), &mut parts.headers);
    call
}

/// Begins the span of a call of our own below the present one, and writes its context into what goes out.
pub(super) fn begin_call(parts: &mut Parts, upstream: &Upstream) -> UpstreamCall {
    let purpose = parts.extensions.get::<Purpose>().copied().unwrap_or(Purpose::OTHER);
    // The path of these calls names a client.
    let names_a_client = [Purpose::MANAGEMENT, Purpose::ADMINISTRATION].contains(&purpose);
    let path = (!names_a_client).then(|| parts.uri.path());
    let call = UpstreamCall::begin(&call_facts(&parts.method, purpose.as_str(), path, upstream));
    propagation::inject(call.span(), &mut parts.headers);
    call
}

fn call_facts<'a>(
    method: &'a http::Method,
    purpose: &'static str,
    path: Option<&'a str>,
    upstream: &'a Upstream,
) -> CallFacts<'a> {
    let (is_https, host, port) = upstream.place();
    CallFacts { method, purpose, scheme: scheme(is_https), host, port, path }
}

/// A stable name for why a call failed.
pub(super) const fn error_name(error: &TransportError) -> &'static str {
    match error {
        TransportError::NotSent(_) => "not_sent",
        TransportError::ConnectTimedOut => "connect_timeout",
        TransportError::BrokenOff(_) => "broken_off",
        TransportError::TimedOut => "timeout",
        TransportError::TooLarge(_) => "too_large",
        TransportError::Compressed => "compressed",
    }
}

/// A stable name for why a forwarded request was given up.
pub(super) const fn refusal_name(refusal: Option<ProtocolRefusal>) -> &'static str {
    match refusal {
        Some(ProtocolRefusal::UpstreamUnreachable) => "not_sent",
        Some(ProtocolRefusal::UpstreamTimedOut) => "timeout",
        Some(ProtocolRefusal::UpstreamBroken) => "broken_off",
        Some(_) => "refused",
        None => "client_gone",
    }
}
