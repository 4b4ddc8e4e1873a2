//! The error codes a client can be answered with: RFC 7591 §3.2.2, RFC 6750 §3.1, RFC 6749.

use serde::Serialize;

/// The value of `error` in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// RFC 7591 §3.2.2: the value of one or more redirection URIs is invalid.
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2: the value of one of the other members is invalid.
    InvalidClientMetadata,
    /// RFC 7591 §3.2.2: the software statement presented is invalid.
    InvalidSoftwareStatement,
    /// RFC 7591 §3.2.2: the software statement is not approved for use here.
    UnapprovedSoftwareStatement,
    /// RFC 6750 §3.1: malformed request.
    InvalidRequest,
    /// RFC 6750 §3.1: the initial access token is expired, revoked, spent or unknown.
    InvalidToken,
    /// RFC 6749 §4.1.2.1: policy denies the request.
    AccessDenied,
    /// RFC 6749 §5.2: the client is unknown here, or not one that may be used.
    InvalidClient,
    /// Too many requests (RFC 6585 §4); no OAuth code exists, this is the one most servers use.
    TooManyRequests,
    /// RFC 6749 §4.1.2.1: the server is overloaded or down.
    TemporarilyUnavailable,
    /// RFC 6749 §4.1.2.1: an unexpected condition.
    ServerError,
}

impl ErrorCode {
    /// The code as it is written in the answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::UnapprovedSoftwareStatement => "unapproved_software_statement",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::AccessDenied => "access_denied",
            Self::InvalidClient => "invalid_client",
            Self::TooManyRequests => "too_many_requests",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}
