//! What a client is answered about its registration: what there is, that there is nothing any more, or why nothing was done.

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Map, Value};

use crate::authorization_server::ManageError;
use crate::intake::form::json_answer;
use crate::intake::handler::Answer;
use crate::intake::reason::Reason;
use crate::intake::refusal::Refusal;

/// Each of these calls is idempotent (RFC 9110 §9.2.2), and a token that was lost on the way is looked for when the next one comes.
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
        ManageError::Unavailable { .. } => Reason::ServerUnavailable,
    };
    let refusal = Refusal::from(reason).caused_by(&error).may_be_repeated();
    match error {
        ManageError::Refused { code, description: Some(description) } => refusal.coded(code).described(description),
        ManageError::Refused { code, description: None } => refusal.coded(code),
        ManageError::RateLimited { retry_after: Some(wait) } | ManageError::Unavailable { retry_after: Some(wait) } => {
            refusal.retry_after(wait)
        }
        _ => refusal,
    }
}

pub(super) fn deleted() -> Answer {
    let mut answer = Answer::empty(StatusCode::NO_CONTENT);
    answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

pub(super) fn json(metadata: &Map<String, Value>) -> Result<Answer, Refusal> {
    let mut answer = json_answer(StatusCode::OK, metadata)?;
    answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}
