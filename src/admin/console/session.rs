//! Who is signed in. A session is in its cookie and nowhere else, so it holds in every replica; it is over when it has expired, or when
//! what it was begun with is no longer in the configuration.

use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use super::same_origin;
use super::sealed_cookie::{self, SESSION};
use crate::admin::AdminInForce;
use crate::admin::api::Api;
use crate::admin::caller::{Arrival, Caller};
use crate::admin::problem::{Kind, Problem};
use crate::admin::settings::TokenDigest;
use crate::clock::Timestamp;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    by: By,
    /// From this moment on it is over; milliseconds since 1970.
    until: i64,
}

/// What a session stands and falls with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    /// One of `admin.tokens`.
    Token(TokenDigest),
    /// The word of the provider in `admin.sign_in.openid`. What its roles are here is looked up each time.
    OpenId { issuer: String, name: String, roles: Vec<String> },
}

impl Session {
    pub(super) fn new(by: By, until: Timestamp) -> Self {
        Self { by, until: until.unix_millis() }
    }

    pub(super) const fn until(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.until)
    }

    /// The operator whose session it is, by the configuration in force.
    fn caller(&self, in_force: &AdminInForce, now: Timestamp) -> Option<Caller> {
        if now >= self.until() {
            return None;
        }
        match &self.by {
            By::Token(digest) => in_force.operators.with_token(&digest.0),
            By::OpenId { issuer, name, roles } => {
                let provider = in_force.provider.as_ref().filter(|provider| provider.settings.issuer == *issuer)?;
                provider.caller(name, roles)
            }
        }
    }
}

/// The session that the request brings, and whose it is.
pub(super) fn signed_in(api: &Api, headers: &HeaderMap) -> Option<(Session, Caller)> {
    let session: Session = sealed_cookie::get(api, &SESSION, headers)?;
    let caller = session.caller(&api.in_force.load(), api.intake.tools().clock.now())?;
    Some((session, caller))
}

/// Who asks, where a request to the API comes with a session and without a token of its own; `None`: it does not.
pub(in crate::admin) fn identify(
    api: &Api,
    arrival: Arrival,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Result<Caller, Problem>> {
    let is_of_a_page = arrival == Arrival::Network && !headers.contains_key(http::header::AUTHORIZATION);
    if !is_of_a_page || sealed_cookie::presented(&SESSION, headers).is_none() {
        return None;
    }
    let Some((_, caller)) = signed_in(api, headers) else {
        return Some(Err(Problem::new(Kind::Unauthenticated, "the session is over: sign in again")));
    };
    let checked = same_origin::check(method, headers);
    Some(checked.map(|()| caller).map_err(|error| Problem::new(Kind::Forbidden, error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::AdminSettings;
    use crate::fetch::FetchClient;
    use crate::fetch::settings::FetchSettings;
    use crate::registrant::initial_access_token::IssuedTokenSettings;

    fn name(session: &Session, yaml: &str, millis: i64) -> Option<String> {
        let settings: AdminSettings = serde_yaml::from_str(yaml).unwrap();
        let client = FetchClient::new(&FetchSettings::default()).unwrap();
        let in_force = AdminInForce::new(&settings, &[], &IssuedTokenSettings::default(), Some(client)).unwrap();
        session.caller(&in_force, Timestamp::from_unix_millis(millis)).map(|caller| caller.name)
    }

    const UNTIL: Timestamp = Timestamp::from_unix_millis(1_000);

    #[test]
    fn a_session_ends_with_its_time_and_with_its_token() {
        let digest = TokenDigest([7; 32]);
        let known = format!("tokens: [{{ name: ada, role: approver, sha256: {} }}]", String::from(digest));
        let session = Session::new(By::Token(digest), UNTIL);
        assert_eq!(name(&session, &known, 999).as_deref(), Some("ada"));
        assert_eq!(name(&session, &known, 1_000), None);
        assert_eq!(name(&session, "{}", 999), None);
        assert_eq!(name(&session, &known.replace("07", "08"), 999), None);
    }

    #[test]
    fn a_session_ends_with_the_provider_and_the_role_it_was_begun_with() {
        let known = "sign_in: { openid: { issuer: https://sso.example, client_id: c, console_url: https://a.example, \
                     roles: { ops: approver } } }";
        let by = By::OpenId { issuer: "https://sso.example".into(), name: "ada".into(), roles: vec!["ops".into()] };
        let session = Session::new(by, UNTIL);
        assert_eq!(name(&session, known, 999).as_deref(), Some("ada"));
        assert_eq!(name(&session, known, 1_000), None);
        assert_eq!(name(&session, "{}", 999), None);
        assert_eq!(name(&session, &known.replace("ops", "others"), 999), None);
        assert_eq!(name(&session, &known.replace("sso.example", "sso.other"), 999), None);
    }
}
