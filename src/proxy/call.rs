//! Whole calls to the authorization server, for the handler. Follows no redirect, believes no compression,
//! and says exactly whether a byte of a request was sent.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::http::RequestHeader;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::{Error, ErrorType};

use super::error_text::error_text;
use super::headers::rewrite;
use super::kept::Connected;
use super::observed;
use super::outgoing::{Hold, Outgoing};
use super::upstream::{SENT_BY, Upstream};
use crate::authorization_server::transport::{Limits, Purpose, Transport, TransportError};

impl Upstream {
    async fn call(&self, call: &Call, progress: &Progress) -> Result<http::Response<Bytes>, TransportError> {
        let mut unreachable = 0;
        let mut stale = 0;
        loop {
            match self.call_once(call, progress).await {
                Err(Failure::Unreachable(error, address)) => {
                    unreachable += 1;
                    if !self.try_another_address(address, unreachable) {
                        return Err(error);
                    }
                }
                // A kept connection that the server had closed meanwhile: nothing was processed, or asking twice does no harm.
                Err(Failure::Stale(_)) if stale == 0 => stale += 1,
                Err(Failure::Stale(error) | Failure::Final(error)) => return Err(error),
                Ok(response) => return Ok(response),
            }
        }
    }

    async fn call_once(&self, call: &Call, progress: &Progress) -> Result<http::Response<Bytes>, Failure> {
        progress.sent.store(false, Ordering::Release);
        let header = self.request_header(&call.parts, call.body.len());
        let header = header.map_err(|error| Failure::Final(TransportError::NotSent(error_text(&error))))?;
        let address = self.addresses.pick().await;
        let address = address.map_err(|reason| Failure::Final(TransportError::NotSent(reason)))?;
        let kept = self.kept.take(address);
        let is_reused = kept.is_some();
        let Connected { stream, hold } = match kept {
            Some(kept) => kept,
            None => self.connect(address).await?,
        };
        let mut session = HttpSession::new(stream);
        progress.sent.store(true, Ordering::Release);
        let written = write(&mut session, header, &call.body, &hold).await;
        progress.sent.store(!matches!(written, Err(TransportError::NotSent(_))), Ordering::Release);
        let exchanged = match written {
            Ok(()) => read(&mut session, call).await,
            // What the server had closed before it got anything is as if it had never been open.
            Err(error @ TransportError::NotSent(_)) if is_reused => return Err(Failure::Stale(error)),
            Err(error) => Err(Failure::Final(error)),
        };
        match exchanged {
            Ok(response) => {
                session.respect_keepalive();
                // Dropped otherwise, and with it what still comes: it would be the answer to somebody else's request.
                if ends_with_its_head(&response)
                    && let Some(stream) = session.reuse().await
                {
                    self.kept.keep(address, Connected { stream, hold });
                }
                Ok(response)
            }
            Err(failure) => {
                session.shutdown().await;
                match failure {
                    Failure::Stale(error) if !(is_reused && call.may_be_repeated) => Err(Failure::Final(error)),
                    failure => Err(failure),
                }
            }
        }
    }

    /// A new connection.
    async fn connect(&self, address: SocketAddr) -> Result<Connected, Failure> {
        let peer = self.peer(address);
        // Apart: Pingora's future for a handshake is ten times the rest of a call, and most calls have a connection.
        let connected = Box::pin(self.connector.new_stream(&peer)).await;
        connected.map(Outgoing::over).map_err(|error| {
            let error = match error.etype() {
                ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => TransportError::ConnectTimedOut,
                _ => TransportError::NotSent(error_text(&error)),
            };
            Failure::Unreachable(error, address)
        })
    }
}

/// One request.
struct Call {
    parts: http::request::Parts,
    body: Bytes,
    response_bytes: usize,
    may_be_repeated: bool,
}

/// How far a call has come, for when the time runs out.
#[derive(Default)]
struct Progress {
    sent: AtomicBool,
}

/// Why a call failed.
enum Failure {
    /// Nobody answers at this address.
    Unreachable(TransportError, SocketAddr),
    /// The connection was closed before a byte of an answer.
    Stale(TransportError),
    /// For good.
    Final(TransportError),
}

/// Writes the request, in one piece when it is short. [`TransportError::NotSent`]: the head did not get out whole, so there was no request.
async fn write(
    session: &mut HttpSession,
    header: RequestHeader,
    body: &[u8],
    hold: &Hold,
) -> Result<(), TransportError> {
    hold.begin();
    let head = session.write_request_header(Box::new(header)).await;
    head.map_err(|error| TransportError::NotSent(error_text(&error)))?;
    let rest = async {
        if !body.is_empty() {
            session.write_body(body).await?;
        }
        hold.end();
        session.finish_body().await
    };
    match rest.await {
        Ok(_) => Ok(()),
        Err(error) if !hold.has_left() => Err(TransportError::NotSent(error_text(&error))),
        Err(error) => Err(TransportError::BrokenOff(error_text(&error))),
    }
}

/// Reads the whole answer.
async fn read(session: &mut HttpSession, call: &Call) -> Result<http::Response<Bytes>, Failure> {
    let broken = |error: Box<Error>| Failure::Final(TransportError::BrokenOff(error_text(&error)));
    let (status, headers) = final_header(session).await?;
    let is_plain =
        headers.get_all(CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !is_plain {
        return Err(Failure::Final(TransportError::Compressed));
    }
    let too_large = || Failure::Final(TransportError::TooLarge(call.response_bytes));
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let has_body = call.parts.method != http::Method::HEAD;
    if has_body && announced.is_some_and(|length| length > call.response_bytes as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(piece) = session.read_body_ref().await.map_err(broken)? {
        if body.len() + piece.len() > call.response_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(piece);
    }
    let mut response = http::Response::new(body.freeze());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Whether an answer that has no body (RFC 9110 §6.4.1) announces none either.
fn ends_with_its_head(response: &http::Response<Bytes>) -> bool {
    let has_none = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let announced = response.headers().get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    !(has_none && (announced || response.headers().contains_key(TRANSFER_ENCODING)))
}

/// The head of the answer, informational ones (RFC 9110 §15.2) skipped.
async fn final_header(session: &mut HttpSession) -> Result<(StatusCode, HeaderMap), Failure> {
    loop {
        if let Err(error) = session.read_response().await {
            let failure = TransportError::BrokenOff(error_text(&error));
            let is_closed = matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::ReadError);
            return Err(if is_closed { Failure::Stale(failure) } else { Failure::Final(failure) });
        }
        match session.resp_header() {
            Some(header) if header.status == StatusCode::SWITCHING_PROTOCOLS => {
                let reason = "it switched protocols unasked".to_owned();
                return Err(Failure::Final(TransportError::BrokenOff(reason)));
            }
            Some(header) if header.status.is_informational() => {}
            Some(header) => return Ok((header.status, header.headers.clone())),
            None => return Err(Failure::Final(TransportError::BrokenOff("no answer".to_owned()))),
        }
    }
}

#[async_trait]
impl Transport for Upstream {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let limits = limits.left()?;
        let (mut parts, body) = request.into_parts();
        // A call with a client's token is not to be repeated, even one that reads: the server may have rotated the token.
        let may_be_repeated = parts.method.is_safe() && parts.extensions.get() != Some(&Purpose::MANAGEMENT);
        let observed = observed::begin_call(&mut parts, self);
        let call = Call { parts, body, response_bytes: limits.response_bytes, may_be_repeated };
        let progress = Progress::default();
        let outcome = match tokio::time::timeout(limits.total, self.call(&call, &progress)).await {
            Ok(outcome) => outcome,
            Err(_) if progress.sent.load(Ordering::Acquire) => Err(TransportError::TimedOut),
            Err(_) => Err(TransportError::ConnectTimedOut),
        };
        observed.finish(outcome.as_ref().map(http::Response::status).map_err(observed::error_name));
        outcome
    }

    fn doubt_connections(&self) {
        self.kept.close_all();
    }
}

impl Upstream {
    fn request_header(&self, parts: &http::request::Parts, body_length: usize) -> pingora::Result<RequestHeader> {
        let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let mut header = RequestHeader::build_no_case(parts.method.clone(), target.as_bytes(), None)?;
        rewrite(&mut header, |sent| {
            sent.headers.clone_from(&parts.headers);
            for name in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, EXPECT] {
                sent.headers.remove(name);
            }
            for (name, value) in self.public_name().forwarding_headers(None) {
                sent.headers.insert(name, value);
            }
            sent.headers.insert(SENT_BY, self.own_name());
            sent.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            // POST and PUT say so even when there is nothing (RFC 9110 §8.6).
            if body_length > 0 || matches!(parts.method, http::Method::POST | http::Method::PUT | http::Method::PATCH) {
                sent.headers.insert(CONTENT_LENGTH, body_length.into());
            }
        })?;
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::UpstreamSettings;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_server_with_an_address_where_nobody_listens_is_reached_at_the_other() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = listener.local_addr().unwrap();
        let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            std::future::pending::<()>().await;
        });
        let settings = UpstreamSettings {
            url: "http://server.example".to_owned(),
            public_url: "https://a.example".to_owned(),
            trust: None,
        };
        let upstream = Upstream::new(&settings).unwrap();
        upstream.addresses.learn(vec![dead, live]);
        let request = http::Request::get("/").body(Bytes::new()).unwrap();
        let limits = Limits { total: Duration::from_secs(10), response_bytes: 10 };
        assert_eq!(upstream.send(request, limits).await.unwrap().status(), 204);
    }
}
