//! The initial access token of a request: read, verified, and what is answered when it is not good.

use super::Tools;
use super::handler::Head;
use super::reason::Reason;
use super::refusal::Refusal;
use super::unavailable;
use crate::registrant::initial_access_token::{
    self, AuthorizationHeader, NotVerified, TokenRefusal, VerifiedToken, Verifiers,
};

/// The verified token that the request presents; none where it presents none. What is presented and not good is 401, never ignored. `named` becomes
/// the name of one of ours that is not good any more.
pub async fn identify(
    verifiers: &Verifiers,
    tools: &Tools,
    head: &Head,
    named: &mut Option<String>,
) -> Result<Option<VerifiedToken>, Refusal> {
    let text = match initial_access_token::bearer(&head.headers) {
        AuthorizationHeader::None => return Ok(None),
        AuthorizationHeader::OtherScheme | AuthorizationHeader::Malformed => return Err(Reason::TokenMalformed.into()),
        AuthorizationHeader::Token(text) => text,
    };
    match verifiers.verify(tools.store.as_ref(), &text, tools.clock.now()).await {
        Ok(token) => Ok(Some(token)),
        Err(NotVerified::Refused(not_good)) => Err(refusal(not_good)),
        Err(NotVerified::Unusable(id, not_good)) => {
            *named = Some(id.0);
            Err(refusal(not_good))
        }
        Err(NotVerified::Store(error)) => Err(unavailable(error)),
        Err(unknown @ (NotVerified::Keys(_) | NotVerified::Introspection(_))) => {
            Err(Refusal::from(Reason::TokenUnverifiable).caused_by(unknown))
        }
    }
}

/// The answer to a token that is not good; what exactly is wrong with it is for the log.
pub fn refusal(not_good: TokenRefusal) -> Refusal {
    use TokenRefusal as T;
    let reason = match not_good {
        T::Malformed | T::Unknown => Reason::TokenUnknown,
        past if past.is_past_its_time() => Reason::TokenExpired,
        other if other.is_for_something_else() => Reason::TokenForSomethingElse,
        T::Spent => Reason::TokenSpent,
        T::Revoked => Reason::TokenRevoked,
        T::NotSigned(_) | T::Claims(_) | T::Inactive | T::BoundOtherwise | T::Expired | T::WithoutScope => {
            Reason::TokenInvalid
        }
        T::WithoutId => Reason::TokenWithoutId,
        T::CertificateUnmet => Reason::TokenCertificateUnmet,
    };
    Refusal::from(reason).caused_by(not_good)
}
