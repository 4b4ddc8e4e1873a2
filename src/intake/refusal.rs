//! A refusal and its answer: RFC 7591 / RFC 6750 JSON, but for the page that `out_of_use` shows to a browser, with nothing in it that a client must not see.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use serde::Serialize;
use tokio::task::JoinError;

use super::handler::{Answer, ProtocolRefusal};
use super::reason::Reason;
use crate::policy::Violation;
use crate::registrant::software_statement::StatementRefusal;
use crate::registration::ErrorCode;
use crate::store::{QuotaName, QuotaReached};
use crate::throttle::limit::Limit;
use crate::throttle::{TooEarly, headers};

/// How long a client is asked to wait where nobody knows better.
const RETRY_LATER: Duration = Duration::from_secs(5);

/// Why a request ends here, and what is said about it: a stable sentence for the client, the cause for the log.
#[derive(Debug)]
pub struct Refusal(Box<Details>);

/// Boxed, so that a result which may be a refusal stays small.
#[derive(Debug)]
struct Details {
    reason: Reason,
    description: Option<String>,
    code: Option<ErrorCode>,
    violations: Vec<Violation>,
    headers: HeaderMap,
    cause: Option<String>,
    response: Option<Arc<str>>,
}

/// A number of clients, in words.
fn clients(count: u64) -> String {
    if count == 1 { "1 client".to_owned() } else { format!("{count} clients") }
}

#[derive(Serialize)]
struct Body<'a> {
    error: ErrorCode,
    error_description: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    violations: &'a [Violation],
    request_id: &'a str,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        let (description, code, cause, response) = (None, None, None, None);
        let (violations, headers) = (Vec::new(), HeaderMap::new());
        Self(Box::new(Details { reason, description, code, violations, headers, cause, response }))
    }
}

impl From<JoinError> for Refusal {
    fn from(error: JoinError) -> Self {
        Self::from(Reason::Internal).caused_by(error)
    }
}

impl Refusal {
    /// A refusal by the rules, with all that they found.
    pub fn violated(violations: Vec<Violation>) -> Self {
        let mut refusal = Self::from(Reason::RulesViolated);
        refusal.0.code = violations.first().map(|violation| violation.code);
        refusal.0.description = match violations.as_slice() {
            [only] => Some(only.message.clone()),
            [first, more @ ..] => Some(format!("{} (and {} more, see violations)", first.message, more.len())),
            [] => None,
        };
        refusal.0.violations = violations;
        refusal
    }

    /// A refusal of the software statement, or for want of one.
    pub fn statement(refusal: StatementRefusal) -> Self {
        use crate::jose::ClaimProblem as Problem;
        use StatementRefusal as Statement;
        let reason = match &refusal {
            Statement::Missing => Reason::StatementRequired,
            Statement::Claims(Problem::Expired | Problem::NotYetValid | Problem::TooOld) => Reason::StatementExpired,
            Statement::NotAString
            | Statement::Invalid(_)
            | Statement::Claims(_)
            | Statement::OtherKind
            | Statement::AudienceUnknown
            | Statement::SoftwareId => Reason::StatementInvalid,
            Statement::CertificateMissing | Statement::CertificateOther(_) => Reason::StatementBindingUnmet,
            Statement::IssuerUntrusted(_) => Reason::StatementIssuerUntrusted,
            Statement::Blocked => Reason::StatementBlocked,
            Statement::KeysUnavailable(_) => Reason::StatementKeysUnavailable,
        };
        let cause = match &refusal {
            Statement::KeysUnavailable(unavailable) => Some(unavailable.to_string()),
            _ => None,
        };
        let mut told = Self::from(reason).described(refusal.to_string());
        told.0.cause = cause;
        told
    }

    /// A refusal for coming too often.
    pub fn throttled(limit: &Limit, too_early: TooEarly) -> Self {
        let mut refusal = Self::from(Reason::Throttled);
        headers::refused(limit, too_early, &mut refusal.0.headers);
        refusal.described(format!("too many registration attempts (limit {:?})", limit.name()))
    }

    /// A refusal for a quota that is used up.
    pub fn quota(profile: &str, reached: QuotaReached) -> Self {
        let QuotaReached { quota, count, retry_after } = reached;
        let sentence = match quota {
            QuotaName::Registrations => format!("this registrant has registered {} in this period", clients(count)),
            QuotaName::LiveClients => {
                format!("this registrant has {}, which is as many as it may have", clients(count))
            }
            QuotaName::TotalRegistrations => {
                format!("{} registered under this profile in this period, as many as may be", clients(count))
            }
            QuotaName::TotalLiveClients => {
                format!("this profile has {}, which is as many as there may be", clients(count))
            }
        };
        let mut refusal =
            Self::from(Reason::QuotaReached).described(format!("{sentence} (quota of profile {profile:?})"));
        headers::quota_used_up(&format!("{profile}:{}", quota.as_str()), count, retry_after, &mut refusal.0.headers);
        refusal
    }

    /// Says it more exactly than the reason's own sentence.
    #[must_use]
    pub fn described(mut self, description: impl Into<String>) -> Self {
        self.0.description = Some(description.into());
        self
    }

    /// Answers with another code than the reason's own.
    #[must_use]
    pub fn coded(mut self, code: ErrorCode) -> Self {
        self.0.code = Some(code);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Asks the client to come back after `wait`.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(headers::whole_seconds(wait)))
    }

    /// To ask the same again does no harm. Where it is the server that failed, the client is told when: of what changes something nobody knows what
    /// became, and a token may be spent.
    #[must_use]
    pub fn may_be_repeated(self) -> Self {
        let status = self.reason().explained().status;
        let has_failed_there = matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
        if has_failed_there { self.retry_after(RETRY_LATER) } else { self }
    }

    /// It is a response's doing.
    #[must_use]
    pub fn by_response(mut self, id: Arc<str>) -> Self {
        self.0.response = Some(id);
        self
    }

    /// The response whose doing it is, by its name.
    pub fn response(&self) -> Option<&str> {
        self.0.response.as_deref()
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The rules that were violated.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// The cause, for the log alone.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The answer to the client.
    pub fn answer(self, request_id: &str) -> Answer {
        let Details { reason, description, code, violations, mut headers, .. } = *self.0;
        let explained = reason.explained();
        let body = Body {
            error: code.unwrap_or(explained.code),
            error_description: description.as_deref().unwrap_or(explained.sentence),
            violations: &violations,
            request_id,
        };
        // Nothing in it can fail to be written.
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = challenge(reason) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        // Not a 502 or a 504, unless the request may be repeated.
        if explained.status == StatusCode::SERVICE_UNAVAILABLE && !headers.contains_key(RETRY_AFTER) {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_LATER.as_secs()));
        }
        Answer { status: explained.status, headers, body: Bytes::from(bytes) }
    }
}

/// RFC 6750 §3: every 401 carries a challenge; one that presented nothing is told no error code (§3.1). At the token endpoint RFC 6749
/// §5.2 decides: whoever answers there says it.
fn challenge(reason: Reason) -> Option<&'static str> {
    let explained = reason.explained();
    match reason {
        _ if explained.status != StatusCode::UNAUTHORIZED => None,
        Reason::ClientOutOfUse => None,
        Reason::TokenRequired | Reason::ManagementTokenRequired => Some(r#"Bearer realm="registration""#),
        _ if explained.code == ErrorCode::InvalidToken => Some(r#"Bearer realm="registration", error="invalid_token""#),
        _ => Some(r#"Bearer realm="registration""#),
    }
}

impl From<ProtocolRefusal> for Reason {
    fn from(refusal: ProtocolRefusal) -> Self {
        match refusal {
            ProtocolRefusal::Framing(_) => Self::FramingAmbiguous,
            ProtocolRefusal::Host => Self::HostInvalid,
            ProtocolRefusal::Target => Self::TargetInvalid,
            ProtocolRefusal::Misspelt => Self::PathMisspelt,
            ProtocolRefusal::NotOffered => Self::PathNotOffered,
            ProtocolRefusal::NotFound => Self::PathUnknown,
            ProtocolRefusal::MethodNotAllowed => Self::MethodNotAllowed,
            ProtocolRefusal::MethodUnknown => Self::MethodUnknown,
            ProtocolRefusal::HeadTooLarge => Self::HeadTooLarge,
            ProtocolRefusal::HeadTimedOut => Self::HeadTimedOut,
            ProtocolRefusal::BodyTimedOut => Self::BodyTimedOut,
            ProtocolRefusal::Certificate => Self::CertificateRefused,
            ProtocolRefusal::ClientIdMetadataDocument => Self::ClientIdMetadataDocument,
            ProtocolRefusal::Crowded => Self::ForwardingCrowded,
            ProtocolRefusal::Loop => Self::ForwardingLoop,
            ProtocolRefusal::UpstreamUnreachable => Self::ServerUnreachable,
            ProtocolRefusal::UpstreamTimedOut => Self::ServerTimedOut,
            ProtocolRefusal::UpstreamBroken => Self::ServerBroken,
            ProtocolRefusal::Internal => Self::Internal,
        }
    }
}

impl From<ProtocolRefusal> for Refusal {
    fn from(refusal: ProtocolRefusal) -> Self {
        let told = Self::from(Reason::from(refusal));
        match refusal {
            ProtocolRefusal::Framing(problem) => told.described(problem),
            ProtocolRefusal::MethodNotAllowed => {
                told.header(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
            }
            _ => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_when_to_come_back_where_asking_again_does_no_harm() {
        for reason in [Reason::ServerBroken, Reason::ServerTimedOut] {
            let told = |refusal: Refusal| refusal.answer("r-1").headers.contains_key(RETRY_AFTER);
            assert!(!told(reason.into()), "{reason:?}: whether a client was registered is not known");
            assert!(told(Refusal::from(reason).may_be_repeated()), "{reason:?}");
        }
        let refused = Refusal::from(Reason::ServerRefused).may_be_repeated().answer("r-1");
        assert!(!refused.headers.contains_key(RETRY_AFTER), "it would be refused again");
    }

    #[test]
    fn every_401_about_a_token_of_ours_carries_a_challenge_and_nothing_else_does() {
        for reason in Reason::ALL {
            let answer = Refusal::from(reason).answer("r-1");
            let challenge = answer.headers.get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap());
            let is_ours = reason != Reason::ClientOutOfUse;
            assert_eq!(challenge.is_some(), is_ours && answer.status == StatusCode::UNAUTHORIZED, "{reason:?}");
            let is_about_a_token =
                !matches!(reason, Reason::TokenRequired | Reason::ManagementTokenRequired | Reason::CertificateRefused);
            let names_the_error = challenge.map(|challenge| challenge.contains(r#"error="invalid_token""#));
            assert_eq!(names_the_error, challenge.map(|_| is_about_a_token), "{reason:?}");
        }
    }
}
