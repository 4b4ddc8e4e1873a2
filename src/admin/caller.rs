//! Who asks.

use http::HeaderMap;
use nix::unistd::{Uid, User};
use subtle::ConstantTimeEq as _;

use super::problem::{Kind, Problem};
use super::role::Role;
use super::settings::{self, ActorSettings, AdminSettings, AdminTokenSettings, TokenDigest};
use crate::registrant::initial_access_token::{AuthorizationHeader, bearer};

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name in records and logs.
    pub name: String,
    /// What this operator may do.
    pub role: Role,
}

/// What a user of this machine is called in records and logs, where no setting says it. A name that no operator may have would be taken for another
/// actor's: then it is the number.
pub fn user_name(uid: Uid) -> String {
    named(uid, User::from_uid(uid).ok().flatten().map(|user| user.name))
}

fn named(uid: Uid, name: Option<String>) -> String {
    name.filter(|name| settings::is_name(name)).unwrap_or_else(|| format!("uid {uid}"))
}

/// How a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Over the Unix socket, from a process of this user.
    Socket { uid: u32 },
    /// Over TCP.
    Network,
}

/// Who may call.
#[derive(Debug)]
pub(super) struct Operators {
    actors: Vec<ActorSettings>,
    tokens: Vec<AdminTokenSettings>,
}

impl Operators {
    /// Root and the gateway's own user, unless they stand in the settings, and who else stands there.
    pub(super) fn of(settings: &AdminSettings) -> Self {
        let mut actors = settings.actors.clone();
        for uid in [Uid::from_raw(0), nix::unistd::geteuid()] {
            if actors.iter().all(|actor| actor.uid != uid.as_raw()) {
                let name = user_name(uid);
                actors.push(ActorSettings { uid: uid.as_raw(), name, role: Role::Administrator });
            }
        }
        Self { actors, tokens: settings.tokens.clone() }
    }

    /// Who asks.
    pub(super) fn identify(&self, arrival: Arrival, headers: &HeaderMap) -> Result<Caller, Problem> {
        match arrival {
            Arrival::Socket { uid } => {
                let actor = self.actors.iter().find(|actor| actor.uid == uid);
                let actor = actor.ok_or_else(|| {
                    Problem::new(Kind::Forbidden, format!("user id {uid} is none of the gateway's operators"))
                })?;
                Ok(Caller { name: actor.name.clone(), role: actor.role })
            }
            Arrival::Network => self.by_token(headers),
        }
    }

    fn by_token(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let AuthorizationHeader::Token(token) = bearer(headers) else {
            return Err(Problem::new(Kind::Unauthenticated, "present a token: Authorization: Bearer …"));
        };
        let unknown = || Problem::new(Kind::Unauthenticated, "the token is unknown");
        self.with_token(&TokenDigest::of(&token).0).ok_or_else(unknown)
    }

    /// The operator with the token of this digest. All of them are compared, so that the time tells nothing about which one was nearly right.
    pub(super) fn with_token(&self, digest: &[u8; 32]) -> Option<Caller> {
        let found = self
            .tokens
            .iter()
            .fold(None, |found, known| if bool::from(known.sha256.0.ct_eq(digest)) { Some(known) } else { found });
        found.map(|found| Caller { name: found.name.clone(), role: found.role })
    }

    /// Whether anybody has a token.
    pub(super) fn have_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn operators(yaml: &str) -> Operators {
        Operators::of(&serde_yaml::from_str(yaml).unwrap())
    }

    fn status(result: Result<Caller, Problem>) -> Result<(String, Role), u16> {
        result.map(|caller| (caller.name, caller.role)).map_err(|problem| problem.kind.status().as_u16())
    }

    #[test]
    fn on_the_socket_the_user_is_the_operator() {
        let own = nix::unistd::geteuid().as_raw();
        let operators = operators("actors: [{ uid: 4242, name: ada, role: approver }]");
        let who = |uid| status(operators.identify(Arrival::Socket { uid }, &HeaderMap::new()));
        assert_eq!(who(4242), Ok(("ada".to_owned(), Role::Approver)));
        assert_eq!(who(0).unwrap().1, Role::Administrator);
        assert_eq!(who(own).unwrap().1, Role::Administrator);
        assert_eq!(who(4243), Err(403));
    }

    #[test]
    fn a_user_with_a_name_that_no_operator_may_have_is_known_by_the_number() {
        let named = |name: &str| named(Uid::from_raw(998), Some(name.to_owned()));
        assert_eq!(named("dcr-gateway"), "dcr-gateway");
        for taken in ["gateway", "client", "lookalike_names", "", "a\nb"] {
            assert_eq!(named(taken), "uid 998", "{taken:?}");
        }
        assert_eq!(super::named(Uid::from_raw(998), None), "uid 998");
    }

    #[test]
    fn the_settings_name_root_otherwise() {
        let operators = operators("actors: [{ uid: 0, name: sudo, role: viewer }]");
        let who = status(operators.identify(Arrival::Socket { uid: 0 }, &HeaderMap::new()));
        assert_eq!(who, Ok(("sudo".to_owned(), Role::Viewer)));
    }

    #[test]
    fn on_the_network_the_token_is() {
        // SHA-256 of "s3cret".
        let digest = String::from(TokenDigest(Sha256::digest(b"s3cret").into()));
        let some = operators(&format!("tokens: [{{ name: ci, role: viewer, sha256: {digest} }}]"));
        let mut headers = HeaderMap::new();
        assert_eq!(status(some.identify(Arrival::Network, &headers)), Err(401));
        headers.insert(http::header::AUTHORIZATION, "Bearer s3cret".parse().unwrap());
        assert_eq!(status(some.identify(Arrival::Network, &headers)), Ok(("ci".to_owned(), Role::Viewer)));
        assert_eq!(status(operators("{}").identify(Arrival::Network, &headers)), Err(401));
        headers.insert(http::header::AUTHORIZATION, "Bearer other".parse().unwrap());
        assert_eq!(status(some.identify(Arrival::Network, &headers)), Err(401));
    }
}
