//! Why a call to Cognito's API failed, and what that means: whether AWS surely did nothing, or may have done it. Pure.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cognitoidentityprovider::config::http::HttpResponse;
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use hyper_util::client::legacy;

use crate::authorization_server::{AdministrationError, ManageError, RegisterError};
use crate::registration::ErrorCode;

/// What is told to come again after when AWS names no time: its rates are counted by the second.
const SOON: Duration = Duration::from_secs(1);

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// Not a byte was sent.
    #[error("Cognito's API could not be reached: {0}")]
    Unreachable(String),
    /// No whole answer came.
    #[error("Cognito's API did not answer in time")]
    TimedOut,
    /// An internal error of AWS, or an answer that is none.
    #[error("Cognito's API answered nonsense: {0}")]
    Broken(String),
    /// AWS does not take the credential, or there is none.
    #[error("the AWS credential was refused or could not be got: {0}")]
    Credential(String),
    /// AWS refused what was asked for.
    #[error("Cognito refused: {0}")]
    Refused(String),
    /// The pool has as many app clients as AWS lets it have.
    #[error("the user pool has no room for another app client: {0}")]
    Full(String),
    /// The client, or the pool, is not there.
    #[error("Cognito does not know it: {0}")]
    NotFound(String),
    /// Too many calls, by AWS's count or by ours.
    #[error("Cognito's request rate is used up")]
    Throttled(Duration),
    /// The configuration asks for what this pool cannot do.
    #[error("the user pool cannot do this: {0}")]
    Misdirected(String),
}

impl Failure {
    /// What became of a call. AWS's own words go into the log, never to a client.
    pub(super) fn of<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> Self {
        match error {
            SdkError::ConstructionFailure(_) => Self::Refused(chain(error)),
            SdkError::TimeoutError(_) => Self::TimedOut,
            SdkError::DispatchFailure(failure) => {
                if find::<CredentialsError>(error).is_some() {
                    Self::Credential(chain(error))
                } else if find::<legacy::Error>(error).is_some_and(legacy::Error::is_connect) {
                    Self::Unreachable(chain(error))
                } else if failure.is_timeout() {
                    Self::TimedOut
                } else {
                    Self::Broken(chain(error))
                }
            }
            SdkError::ServiceError(refusal) => {
                let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
                Self::of_code(code, message, refusal.raw().status().as_u16())
            }
            SdkError::ResponseError(refusal) => Self::of_code("", &chain(error), refusal.raw().status().as_u16()),
            _ => Self::Broken(chain(error)),
        }
    }

    /// The same of a call that only looked, before anything was to be changed: whatever became of it, surely nothing was done.
    pub(super) fn before_anything(self) -> Self {
        match self {
            Self::TimedOut | Self::Broken(_) => Self::Unreachable(self.to_string()),
            failure => failure,
        }
    }

    /// By the code of the service; of a code that nobody documented only the status counts.
    pub(super) fn of_code(code: &str, message: &str, status: u16) -> Self {
        let said = if code.is_empty() { format!("{status}: {message}") } else { format!("{code}: {message}") };
        let said = said.chars().take(300).collect::<String>().escape_debug().to_string();
        match code {
            "TooManyRequestsException" | "ThrottlingException" | "Throttling" | "RequestLimitExceeded"
            // Somebody changes the same client at this moment: nothing was done for us.
            | "ConcurrentModificationException" => Self::Throttled(SOON),
            "LimitExceededException" => Self::Full(said),
            "ResourceNotFoundException" if message.starts_with("User pool ") && !message.starts_with("User pool client") => {
                Self::Misdirected(said)
            }
            "ResourceNotFoundException" => Self::NotFound(said),
            "InvalidParameterException" | "InvalidOAuthFlowException" | "ScopeDoesNotExistException"
            | "SerializationException" | "ValidationException" => Self::Refused(said),
            "OperationNotEnabledException" | "FeatureUnavailableInTierException" | "UnknownOperationException" => {
                Self::Misdirected(said)
            }
            "NotAuthorizedException" | "AccessDeniedException" | "AccessDenied" | "UnrecognizedClientException"
            | "InvalidClientTokenId" | "InvalidSignatureException" | "SignatureDoesNotMatch"
            | "IncompleteSignature" | "MissingAuthenticationToken" | "MissingAuthenticationTokenException"
            | "ExpiredTokenException" | "ExpiredToken" | "OptInRequired" => Self::Credential(said),
            _ => match status {
                401 | 403 => Self::Credential(said),
                429 => Self::Throttled(SOON),
                400..=499 => Self::Misdirected(said),
                _ => Self::Broken(said),
            },
        }
    }
}

impl From<Failure> for RegisterError {
    fn from(failure: Failure) -> Self {
        let said = failure.to_string();
        match failure {
            Failure::Unreachable(_) => Self::Unreachable(said),
            Failure::TimedOut => Self::TimedOut,
            Failure::Broken(_) => Self::Broken(said),
            Failure::Credential(_) => Self::Credential(said),
            Failure::Refused(_) => {
                tracing::warn!(cause = said, "Cognito refused a registration");
                Self::Refused { code: ErrorCode::InvalidClientMetadata, description: None }
            }
            Failure::Full(_) => Self::PolicyRefused(said),
            Failure::NotFound(_) | Failure::Misdirected(_) => Self::Misdirected(said),
            Failure::Throttled(wait) => Self::RateLimited { retry_after: Some(wait) },
        }
    }
}

impl From<Failure> for ManageError {
    fn from(failure: Failure) -> Self {
        let said = failure.to_string();
        match failure {
            Failure::Unreachable(_) | Failure::Credential(_) => Self::Unreachable(said),
            Failure::TimedOut => Self::TimedOut,
            Failure::Broken(_) => Self::Broken(said),
            Failure::Refused(_) => {
                tracing::warn!(cause = said, "Cognito refused a change");
                Self::Refused { code: ErrorCode::InvalidClientMetadata, description: None }
            }
            Failure::Full(_) => Self::PolicyRefused(said),
            Failure::NotFound(_) => Self::Gone(said),
            Failure::Misdirected(_) => Self::NotOffered(said),
            Failure::Throttled(wait) => Self::RateLimited { retry_after: Some(wait) },
        }
    }
}

impl From<Failure> for AdministrationError {
    fn from(failure: Failure) -> Self {
        let said = failure.to_string();
        match failure {
            Failure::Unreachable(_) => Self::Unreachable(said),
            Failure::TimedOut => Self::TimedOut,
            Failure::Broken(_) => Self::Broken(said),
            Failure::Credential(_) => Self::Credential(said),
            Failure::NotFound(_) => Self::NotFound,
            Failure::Refused(_) | Failure::Full(_) | Failure::Misdirected(_) | Failure::Throttled(_) => {
                Self::Refused(said)
            }
        }
    }
}

/// An error with its causes, for the log.
fn chain(error: &(dyn Error + 'static)) -> String {
    let said: Vec<String> = causes(error).map(ToString::to_string).collect();
    said.join(": ").chars().take(300).collect()
}

fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// The error itself, then what is behind it.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn Error + 'static)| {
        let error: &'e (dyn Error + 'static) = *error;
        error.source()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_surely_refused_is_never_unknown() {
        for (code, status) in [
            ("TooManyRequestsException", 400),
            ("LimitExceededException", 400),
            ("InvalidParameterException", 400),
            ("InvalidOAuthFlowException", 400),
            ("ScopeDoesNotExistException", 400),
            ("NotAuthorizedException", 400),
            ("AccessDeniedException", 400),
            ("ResourceNotFoundException", 400),
            ("FeatureUnavailableInTierException", 400),
            ("SomethingNewException", 400),
            ("", 403),
            ("", 429),
        ] {
            let error = RegisterError::from(Failure::of_code(code, "m", status));
            assert!(error.surely_nothing_registered(), "{code} {status}: {error}");
        }
    }

    #[test]
    fn an_internal_error_of_aws_leaves_the_outcome_unknown() {
        for (code, status) in [("InternalErrorException", 500), ("", 502), ("ServiceUnavailable", 503)] {
            let failure = Failure::of_code(code, "m", status);
            assert!(!RegisterError::from(failure.clone()).surely_nothing_registered(), "{code}");
            assert!(!ManageError::from(failure).surely_nothing_changed(), "{code}");
        }
    }

    #[test]
    fn a_pool_that_is_not_there_does_not_make_its_clients_gone() {
        let of = |message| ManageError::from(Failure::of_code("ResourceNotFoundException", message, 400));
        assert!(matches!(of("User pool eu-central-1_x does not exist."), ManageError::NotOffered(_)));
        assert!(matches!(of("User pool client abc does not exist."), ManageError::Gone(_)));
    }

    #[test]
    fn a_rate_that_is_used_up_says_when_to_come_again() {
        let throttled = Failure::of_code("TooManyRequestsException", "Rate exceeded", 400);
        assert!(matches!(
            RegisterError::from(throttled),
            RegisterError::RateLimited { retry_after: Some(wait) } if wait == SOON
        ));
    }

    #[test]
    fn what_aws_said_cannot_break_the_log() {
        let Failure::Refused(said) = Failure::of_code("InvalidParameterException", "a\nb", 400) else { panic!() };
        assert_eq!(said, "InvalidParameterException: a\\nb");
    }
}
