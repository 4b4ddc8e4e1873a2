//! Who sent a request, as far as the connection and a trusted proxy's headers say: address, certificate, https or not.
//! Everything here is read before the headers that say so are taken out.

use std::sync::Arc;

use http::HeaderValue;
use http::header::HOST;
use pingora::http::RequestHeader;
use rustls::pki_types::CertificateDer;

use super::connection::{Connection, ListenerGeneration};
use super::headers;
use crate::clock::Timestamp;
use crate::intake::handler::{Head, PresentedCertificate};
use crate::randomness;
use crate::registrant::address::Disagreement;
use crate::registrant::client_certificate;

/// What may be believed of a request.
pub(super) struct Believed {
    pub(super) head: Head,
    /// The certificate that a trusted proxy forwarded with it, verified.
    pub(super) certificate: Option<CertificateDer<'static>>,
    /// Its headers name several addresses: `head` has the last proxy on which they agree, and it is refused.
    pub(super) disagreement: Option<Disagreement>,
}

/// What the handler may believe of this request.
pub(super) fn received(
    request: &RequestHeader,
    connection: &Connection,
    generation: &ListenerGeneration,
    now: Timestamp,
) -> Believed {
    let target = String::from_utf8_lossy(request.raw_path());
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (target.into_owned(), None),
    };
    let peer = connection.peer.ip().to_canonical();
    let is_trusted = generation.settings.trusts(peer);
    let client_address = generation.settings.client_address(peer, &request.headers);
    let (certificate, forwarded) = match connection.certificate(generation, now) {
        PresentedCertificate::None if is_trusted => forwarded_certificate(request, generation, now),
        own => (own, None),
    };
    let mut headers = headers::cleaned(&request.headers);
    if let Some(Ok(host)) = request.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str())) {
        // HTTP/2 has it in the target (RFC 9113 §8.3.1).
        headers.insert(HOST, host);
    }
    let head = Head {
        method: request.method.clone(),
        path,
        query,
        headers,
        peer,
        client_address: client_address.unwrap_or_else(|disagreement| disagreement.passed),
        certificate,
        request_id: randomness::name(randomness::of_the_system),
        secure: connection.tls.is_some() || (is_trusted && says_https(request)),
        version: request.version,
        tls: connection.tls.clone(),
    };
    Believed { head, certificate: forwarded, disagreement: client_address.err() }
}

/// The head of a request that could not be read: nothing but where it came from.
pub(super) fn unread_head(connection: &Connection) -> Head {
    let peer = connection.peer.ip().to_canonical();
    Head {
        method: http::Method::GET,
        path: String::new(),
        query: None,
        headers: http::HeaderMap::new(),
        peer,
        client_address: peer,
        certificate: PresentedCertificate::None,
        request_id: randomness::name(randomness::of_the_system),
        secure: connection.tls.is_some(),
        version: http::Version::HTTP_11,
        tls: connection.tls.clone(),
    }
}

fn says_https(request: &RequestHeader) -> bool {
    request.headers.get("x-forwarded-proto").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Who a verified certificate says its holder is.
pub(super) fn of_verified(certificate: &CertificateDer<'_>) -> PresentedCertificate {
    match client_certificate::read(certificate) {
        Ok(identity) => PresentedCertificate::Verified(Arc::new(identity)),
        Err(error) => PresentedCertificate::Refused(error.to_string()),
    }
}

/// The certificate that a trusted proxy forwards: complete, and verified again. With it the DER when it was accepted.
fn forwarded_certificate(
    request: &RequestHeader,
    generation: &ListenerGeneration,
    now: Timestamp,
) -> (PresentedCertificate, Option<CertificateDer<'static>>) {
    let Some(format) = generation.settings.client_certificate_header else { return (PresentedCertificate::None, None) };
    let refused = |reason: String| (PresentedCertificate::Refused(reason), None);
    let Some(trust) = &generation.forwarded_trust else { return refused("nothing to verify it against".to_owned()) };
    match format.read(&request.headers) {
        Ok(None) => (PresentedCertificate::None, None),
        Ok(Some(chain)) => match trust.judge_forwarded(&chain, now) {
            verified @ PresentedCertificate::Verified(_) => (verified, chain.into_iter().next()),
            other => (other, None),
        },
        Err(error) => refused(error.to_string()),
    }
}
