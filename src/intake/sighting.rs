//! What the detectors of anomalies are told of a request: beside it, never in its way, and nothing that is secret.

use http::StatusCode;
use http::header::AUTHORIZATION;

use super::Tools;
use super::handler::{Head, UnverifiedClients};
use super::reason::Reason;
use crate::anomaly::observation::{RegistrationSeen, TokenRequestSeen};
use crate::anomaly::{Observation, Seen, hash_of};
use crate::registrant::Registrant;
use crate::telemetry::{Decision, RegistrationEvent};

/// What was learned of a registration beside its event.
#[derive(Debug, Default)]
pub(super) struct Sighting {
    registrant: String,
    certificate: Option<String>,
    /// A hash of what was asked for.
    pub(super) asked: u64,
}

impl Sighting {
    /// Who asks, by what its attempts are counted under.
    pub(super) fn of(&mut self, registrant: &Registrant, counted_under: String) {
        self.registrant = counted_under;
        self.certificate = registrant.certificate.as_ref().map(|certificate| certificate.thumbprint.clone());
    }

    /// The registration was decided about.
    pub(super) fn tell(self, tools: &Tools, head: &Head, event: &RegistrationEvent) {
        let seen = RegistrationSeen {
            profile: event.profile.clone(),
            registrant: self.registrant,
            certificate: self.certificate,
            token: event.token_id.clone(),
            statement_issuer: event.statement_issuer.clone(),
            redirect_hosts: event.redirect_uri_hosts.clone(),
            client_name: event.client_name.clone(),
            admitted: event.decision != Decision::Refuse,
            reason: event.reason,
            violations: event.violations.clone(),
            asked: self.asked,
            client: event.client_id.clone(),
        };
        tell(tools, head, Seen::Registration(Box::new(seen)));
    }
}

/// Something happened in this request.
pub(super) fn tell(tools: &Tools, head: &Head, seen: Seen) {
    let (address, request_id) = (Some(head.client_address), Some(head.request_id.clone()));
    tools.watch.tell(Observation { at: tools.clock.now(), address, request_id, seen });
}

/// A request was refused: the detectors of guesses are told when it was for a credential that is not good.
pub(super) fn tell_refused(tools: &Tools, head: &Head, reason: Reason) {
    let is_bad = matches!(
        reason,
        Reason::TokenMalformed
            | Reason::TokenUnknown
            | Reason::TokenExpired
            | Reason::TokenSpent
            | Reason::TokenRevoked
            | Reason::TokenInvalid
            | Reason::TokenForSomethingElse
            | Reason::TokenCertificateUnmet
            | Reason::ManagementTokenUnknown
    );
    if is_bad {
        let presented = head.headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
        tell(tools, head, Seen::BadCredential { presented: hash_of(presented) });
    }
}

/// A request to the token endpoint. The client is known when the server has given it something: until then it is a name that anybody
/// can write.
pub(super) fn token_request(clients: &UnverifiedClients, status: StatusCode) -> TokenRequestSeen {
    let named = clients.ids.first().filter(|first| clients.ids.iter().all(|id| id == *first));
    let client = named.filter(|_| status.is_success()).cloned();
    TokenRequestSeen { client, status: status.as_u16(), idle_since: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_was_given_something_is_known() {
        let clients = |ids: &[&str]| UnverifiedClients {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..UnverifiedClients::default()
        };
        let client = |ids: &[&str], status| token_request(&clients(ids), status).client;
        assert_eq!(client(&["a", "a"], StatusCode::OK).as_deref(), Some("a"));
        assert_eq!(client(&["a"], StatusCode::UNAUTHORIZED), None);
        assert_eq!(client(&["a", "b"], StatusCode::OK), None);
        assert_eq!(client(&[], StatusCode::OK), None);
    }
}
