//! What a client is answered about its registration: what there is, that there is nothing any more, or why nothing was done.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};

use crate::authorization_server::ManageError;
use crate::intake::handler::Answer;
use crate::intake::reason::Reason;
use crate::intake::refusal::Refusal;

pub(super) fn refusal(error: ManageError) -> Refusal {
    let reason = match &error {
        ManageError::Gone(_) => Reason::ManagementTokenUnknown,
        ManageError::NotOffered(_) => Reason::ManagementNotOffered,
        ManageError::Refused { .. } => Reason::ServerRefused,
        ManageError::PolicyRefused(_) => Reason::ServerPolicyRefused,
        ManageError::Unreachable(_) => Reason::ServerUnreachable,
        ManageError::TimedOut => Reason::ServerTimedOut,
        ManageError::Broken(_) => Reason::ServerBroken,
        ManageError::RateLimited { .. } => Reason::ServerRateLimited,
    };
    let refusal = Refusal::from(reason).caused_by(&error);
    match error {
        ManageError::Refused { code, description: Some(description) } => refusal.coded(code).described(description),
        ManageError::Refused { code, description: None } => refusal.coded(code),
        ManageError::RateLimited { retry_after: Some(wait) } => refusal.retry_after(wait),
        _ => refusal,
    }
}

pub(super) fn deleted() -> Answer {
    let mut answer = Answer::empty(StatusCode::NO_CONTENT);
    answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

pub(super) fn json(metadata: &Map<String, Value>) -> Result<Answer, Refusal> {
    let body = serde_json::to_vec(metadata).map_err(|error| Refusal::from(Reason::Internal).caused_by(error))?;
    let mut answer = Answer::empty(StatusCode::OK);
    answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.body = Bytes::from(body);
    Ok(answer)
}
