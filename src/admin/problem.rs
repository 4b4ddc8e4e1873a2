//! What the API answers when it does not do what it was asked: problem documents (RFC 9457). Operators may read causes at the
//! authorization server; what the store says goes to the log alone.

use std::borrow::Cow;

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::{Deserialize, Serialize};

use crate::intake::not_done::NotDone;
use crate::store::StoreError;

/// The kinds of problem: one closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    RequestInvalid,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    VersionIsAnother,
    BodyTooLarge,
    MediaTypeUnsupported,
    VersionMissing,
    Internal,
    ServerFailed,
    StoreUnavailable,
    Busy,
}

impl Kind {
    /// Its name, the end of `type`.
    pub(super) const fn name(self) -> &'static str {
        self.explained().0
    }

    /// The status of the answer.
    pub(super) const fn status(self) -> StatusCode {
        self.explained().1
    }

    const fn explained(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::RequestInvalid => ("request-invalid", S::BAD_REQUEST, "The request cannot be read"),
            Self::Unauthenticated => ("unauthenticated", S::UNAUTHORIZED, "Who asks is not known"),
            Self::Forbidden => ("forbidden", S::FORBIDDEN, "This operator may not do this"),
            Self::NotFound => ("not-found", S::NOT_FOUND, "There is no such thing"),
            Self::MethodNotAllowed => ("method-not-allowed", S::METHOD_NOT_ALLOWED, "This cannot be done to it"),
            Self::Conflict => ("conflict", S::CONFLICT, "Its state does not allow this"),
            Self::VersionIsAnother => {
                ("version-is-another", S::PRECONDITION_FAILED, "It was changed since it was looked at")
            }
            Self::BodyTooLarge => ("body-too-large", S::PAYLOAD_TOO_LARGE, "The request is too large"),
            Self::MediaTypeUnsupported => {
                ("media-type-unsupported", S::UNSUPPORTED_MEDIA_TYPE, "The request is not JSON")
            }
            Self::VersionMissing => ("version-missing", S::PRECONDITION_REQUIRED, "The version it is for is missing"),
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "The gateway failed"),
            Self::ServerFailed => ("server-failed", S::BAD_GATEWAY, "The authorization server did not do its part"),
            Self::StoreUnavailable => ("store-unavailable", S::SERVICE_UNAVAILABLE, "The store failed"),
            Self::Busy => ("busy", S::SERVICE_UNAVAILABLE, "Somebody else is at work on it"),
        }
    }
}

/// A problem.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    detail: Cow<'static, str>,
}

/// As it is sent, with the media type `application/problem+json`.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemDocument {
    /// `urn:dcr-gateway:problem:` and the name of the kind: stable.
    pub r#type: String,
    /// The kind as a sentence.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let document = ProblemDocument {
            r#type: format!("urn:dcr-gateway:problem:{}", self.kind.name()),
            title: self.kind.explained().2.to_owned(),
            status: status.as_u16(),
            detail: self.detail.into_owned(),
        };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.kind {
            Kind::Unauthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"dcr-gateway\""));
            }
            Kind::Busy | Kind::StoreUnavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the admin API failed");
        Self::new(Kind::StoreUnavailable, "the store failed: the gateway's log has the cause")
    }
}

impl From<NotDone> for Problem {
    fn from(not_done: NotDone) -> Self {
        let kind = match &not_done {
            NotDone::ClientUnknown(_)
            | NotDone::RegistrationUnknown(_)
            | NotDone::ResponseUnknown(_)
            | NotDone::ProfileUnknown(_) => Kind::NotFound,
            NotDone::ChangedMeanwhile(_) => Kind::VersionIsAnother,
            NotDone::KnownNetwork(_)
            | NotDone::ResponseOver(_)
            | NotDone::NotPossible(_)
            | NotDone::NothingToApprove
            | NotDone::NotYetApproved
            | NotDone::ScopesImpossible(_)
            | NotDone::NoSecond(_)
            | NotDone::NoLongerAdmitted(_)
            | NotDone::ProfileGone(_)
            | NotDone::NoListing
            | NotDone::Gone
            | NotDone::NotOffered
            | NotDone::Unmanageable
            | NotDone::OutcomeNotUnknown(_)
            | NotDone::ClientOfAnother(_)
            | NotDone::OtherClient => Kind::Conflict,
            NotDone::Busy => Kind::Busy,
            NotDone::Server(_) | NotDone::ServerUnclear(_) => {
                tracing::warn!(cause = %not_done, "the authorization server did not do what an operator asked for");
                Kind::ServerFailed
            }
            NotDone::Store(cause) => {
                tracing::error!(cause, "the admin API failed");
                return Self::new(Kind::StoreUnavailable, "the store failed: the gateway's log has the cause");
            }
            NotDone::Internal(cause) => {
                tracing::error!(cause, "the admin API failed");
                return Self::new(Kind::Internal, "the gateway's log has the cause");
            }
        };
        Self::new(kind, not_done.to_string())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        of_body(rejection.status(), rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        of_body(rejection.status(), rejection.body_text())
    }
}

fn of_body(status: StatusCode, detail: String) -> Problem {
    let kind = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Kind::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::MediaTypeUnsupported,
        _ => Kind::RequestInvalid,
    };
    Problem::new(kind, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Kind; 14] = [
        Kind::RequestInvalid,
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::MethodNotAllowed,
        Kind::Conflict,
        Kind::VersionIsAnother,
        Kind::BodyTooLarge,
        Kind::MediaTypeUnsupported,
        Kind::VersionMissing,
        Kind::Internal,
        Kind::ServerFailed,
        Kind::StoreUnavailable,
        Kind::Busy,
    ];

    #[test]
    fn each_kind_stands_in_the_document() {
        let document = include_str!("../../docs/administration.md");
        for kind in ALL {
            let row = format!("| {} | `{}` |", kind.status().as_u16(), kind.name());
            assert!(document.contains(&row), "docs/administration.md has no {row}");
        }
    }

    #[test]
    fn the_cause_of_a_failing_store_is_not_shown() {
        let problem = Problem::from(StoreError("/var/lib/gateway.db: disk full".into()));
        assert_eq!(problem.into_response().status(), 503);
        let problem = Problem::from(NotDone::Store("/var/lib/gateway.db".to_owned()));
        assert!(!problem.detail.contains("gateway.db"), "{problem:?}");
    }
}
