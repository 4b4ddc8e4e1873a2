//! What the proxy and the registration function say to each other: a request as it was received, an answer as it is sent.
//! Knows nothing of Pingora, and nothing of any rule.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::reason::Reason;
use crate::authorization_server::client_endpoints::ClientEndpoint;
use crate::authorization_server::paths::DiscoveryForm;
use crate::policy::CertificateIdentity;
use crate::registration::members::LONGEST_CLIENT_ID;

/// Answers what the gateway answers itself. Everything else is streamed to the authorization server; of what clients do there, it says who may.
#[async_trait]
pub trait Handler: Send + Sync {
    /// The registration endpoint, whatever the method: 405 and `OPTIONS` are the handler's.
    async fn register(&self, request: Request<'_>) -> Answer;

    /// A client's management endpoint (RFC 7592), whatever the method. `segment` is the last one of the path, as written.
    async fn manage(&self, request: Request<'_>, segment: &str) -> Answer;

    /// A discovery document of the configured issuer (RFC 8414, OpenID Connect Discovery), whatever the method.
    async fn discover(&self, request: Request<'_>, form: DiscoveryForm) -> Answer;

    /// The document of the configured issuer at another path than its own, where the server has it there, too; none: the request goes on.
    async fn discover_elsewhere(&self, head: &Head) -> Option<Answer>;

    /// Whether a request at one of the server's endpoints may go on, by what the record knows of the clients it names: none where it may,
    /// otherwise the answer.
    async fn judge_clients(&self, head: &Head, clients: &UnverifiedClients, endpoint: ClientEndpoint)
    -> Option<Answer>;

    /// A request to the server's token endpoint was answered, by the server or, where it could not, for it. It names these clients,
    /// which were judged before, be it none. Returns at once.
    fn token_answered(&self, head: &Head, clients: &UnverifiedClients, status: http::StatusCode);

    /// Whether a direct peer is let as far as a TLS handshake: one that is banned is not. Returns at once.
    fn admits(&self, peer: IpAddr) -> bool;

    /// The answer to a request that is not the handler's and comes from an address that is banned; none: it may go on. Returns at once.
    fn judge_address(&self, head: &Head) -> Option<Answer>;

    /// What the proxy refuses by itself. `request.headers` is empty when the head could not be read.
    fn refuse(&self, request: &Head, refusal: ProtocolRefusal) -> Answer;
}

/// A request of which the body was not read yet.
pub struct Request<'a> {
    /// The head.
    pub head: &'a Head,
    /// The body; nothing of it is read, and no `100 Continue` sent, before it is asked for.
    pub body: &'a mut dyn Body,
}

/// The head of a request: identity headers of untrusted peers are taken out, what is in it may be believed.
#[derive(Debug, Clone)]
pub struct Head {
    /// The method.
    pub method: http::Method,
    /// The path as it was received: exact, never normalised, without the query.
    pub path: String,
    /// What follows the `?`, as it was received.
    pub query: Option<String>,
    /// The headers that are left: no hop-by-hop, no forwarding, no identity headers.
    pub headers: http::HeaderMap,
    /// The direct peer of the connection.
    pub peer: IpAddr,
    /// The rightmost hop that is not a trusted proxy.
    pub client_address: IpAddr,
    /// Whether and which client certificate was presented and verified.
    pub certificate: PresentedCertificate,
    /// Names this request in logs, traces, audit and in the answer's `X-Request-Id`. Made by us, never the caller's.
    pub request_id: String,
    /// Whether the client used https: this connection is TLS, or a trusted proxy says so.
    pub secure: bool,
    /// The HTTP version.
    pub version: http::Version,
    /// The TLS session of this connection, when it is one.
    pub tls: Option<Arc<TlsFacts>>,
}

impl Head {
    /// The verified client certificate.
    pub fn certificate(&self) -> Option<&Arc<CertificateIdentity>> {
        match &self.certificate {
            PresentedCertificate::Verified(identity) => Some(identity),
            PresentedCertificate::None | PresentedCertificate::Refused(_) => None,
        }
    }
}

/// A client certificate as it was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresentedCertificate {
    /// None was presented.
    None,
    /// Presented, and verified against the trust and the revocation lists in force now.
    Verified(Arc<CertificateIdentity>),
    /// Presented and refused: a revoked, expired or untrusted one, or an incomplete one from a trusted proxy. The text is for the log.
    Refused(String),
}

/// What was negotiated on the connection the request came over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// The protocol version as OpenTelemetry writes it (`tls.protocol.version`): `1.2` or `1.3`.
    pub version: String,
    /// The cipher suite by its IANA name (`tls.cipher`).
    pub cipher: String,
}

/// Whom a forwarded request names as the client, in every way in which the server may read it. Nothing of it is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnverifiedClients {
    /// `client_id`: of the query, of the form, and the user of HTTP Basic.
    pub ids: Vec<String>,
    /// `client_assertion` (RFC 7523 §2.2).
    pub assertions: Vec<String>,
    /// There are more, or longer ones, than are read.
    pub is_unclear: bool,
    /// HTTP Basic was used (RFC 6749 §5.2 has it answered with a challenge).
    pub by_basic: bool,
}

impl UnverifiedClients {
    /// The longest `client_id` that is looked for: the record has none that is longer.
    pub const LONGEST_ID: usize = LONGEST_CLIENT_ID;

    /// How many names there are.
    pub const fn len(&self) -> usize {
        self.ids.len() + self.assertions.len() + self.is_unclear as usize
    }

    /// Whether nobody is named.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The body of a request.
#[async_trait]
pub trait Body: Send {
    /// Reads the whole body, at most `limit` bytes, within the listener's deadline for bodies (total, not per read).
    /// Sends `100 Continue` first when the client waits for it (RFC 9110 §10.1.1). A second call gives no bytes.
    async fn read(&mut self, limit: usize) -> Result<Bytes, BodyError>;
}

/// Why there is no body. The connection is closed after the answer in all of these cases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is, or says it is, larger than asked for.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// What was asked for, in bytes.
        limit: usize,
    },
    /// It did not arrive within the deadline.
    #[error("the body did not arrive in time")]
    TimedOut,
    /// The client went away, or broke the framing.
    #[error("the body broke off")]
    Broken,
}

/// An answer as the handler means it. The proxy adds `Content-Length`, `Date` and `X-Request-Id`; the body is not sent to `HEAD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: http::StatusCode,
    /// The headers, without framing.
    pub headers: http::HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// An answer with nothing but a status.
    pub fn empty(status: http::StatusCode) -> Self {
        Self { status, headers: http::HeaderMap::new(), body: Bytes::new() }
    }
}

/// What the proxy refuses by itself; the handler makes the answer. Closed: each has its [`Reason`], which has the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProtocolRefusal {
    /// 400: ambiguous or broken HTTP (RFC 9112 §2.2, §6); the sentence says what.
    Framing(&'static str),
    /// 400: `Host` is missing, empty, doubled or not a host (RFC 9112 §3.2).
    Host,
    /// 400: the request target is not a plain path, or spells a path in a way that others may read differently.
    Target,
    /// 400: another spelling of a protected path.
    Misspelt,
    /// 403: a registration path of the server that the gateway does not offer.
    NotOffered,
    /// 404: not a path of the gateway, and other paths are not forwarded.
    NotFound,
    /// 405: TRACE or CONNECT.
    MethodNotAllowed,
    /// 501: a method that nobody here knows (RFC 9110 §15.6.2).
    MethodUnknown,
    /// 431: the head is larger than the listener's limit (RFC 6585 §5).
    HeadTooLarge,
    /// 408: the head did not arrive in time.
    HeadTimedOut,
    /// 408: the body did not arrive in time.
    BodyTimedOut,
    /// 401: the client certificate of this connection is no longer accepted (revoked, expired, CA removed), or none was presented where one is required.
    Certificate,
    /// 400: a `client_id` that is a URL (client ID metadata document) while these are refused.
    ClientIdMetadataDocument,
    /// 503: as many requests are being forwarded, or ask for the server's metadata, as may be; nothing was sent.
    Crowded,
    /// 508: this gateway sent it, to itself.
    Loop,
    /// 503: the authorization server could not be reached; nothing was sent.
    UpstreamUnreachable,
    /// 504: the authorization server did not answer in time.
    UpstreamTimedOut,
    /// 502: the authorization server broke off or answered nonsense.
    UpstreamBroken,
    /// 500: a defect of ours.
    Internal,
}

impl ProtocolRefusal {
    /// Whether it is the authorization server that failed.
    pub const fn is_the_servers(self) -> bool {
        matches!(self, Self::UpstreamUnreachable | Self::UpstreamTimedOut | Self::UpstreamBroken)
    }

    /// The status of the answer.
    pub fn status(self) -> http::StatusCode {
        Reason::from(self).explained().status
    }
}

/// Heads for tests.
#[cfg(test)]
mod by_hand {
    use super::*;

    impl Head {
        /// A `POST` of nothing in particular.
        pub(in crate::intake) fn posted(path: &str, from: IpAddr) -> Self {
            Self {
                method: http::Method::POST,
                path: path.to_owned(),
                query: None,
                headers: http::HeaderMap::new(),
                peer: from,
                client_address: from,
                certificate: PresentedCertificate::None,
                request_id: "r".to_owned(),
                secure: true,
                version: http::Version::HTTP_11,
                tls: None,
            }
        }
    }
}
