//! What the detectors of anomalies are told of a request: beside it, never in its way, and nothing that is secret.

use http::StatusCode;
use http::header::AUTHORIZATION;

use super::handler::{Head, UnverifiedClients};
use super::reason::Reason;
use super::{Tools, standing};
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
    /// A client was handed out again that was there before.
    pub(super) repeated: bool,
}

impl Sighting {
    /// Who asks, by what its attempts are counted under.
    pub(super) fn note_registrant(&mut self, registrant: &Registrant, counted_under: String) {
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
            repeated: self.repeated,
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

/// A request to the token endpoint, before its use is noted. The client is known when the server has given it something: until then it
/// is a name that anybody can write.
pub(super) fn token_request(tools: &Tools, clients: &UnverifiedClients, status: StatusCode) -> TokenRequestSeen {
    let mut seen = TokenRequestSeen { client: None, status: status.as_u16(), idle_since: None };
    if status.is_success() {
        let known = standing::in_use(tools, clients);
        seen.idle_since = known.as_ref().and_then(|client| tools.uses.idle_since(client));
        seen.client = known.map(|client| client.client_id).or_else(|| standing::only_name(clients));
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::anomaly::{AnomalySettings, DetectorName, Watcher, watch};
    use crate::clock::by_hand::SetClock;
    use crate::clock::{Clock as _, SystemClock};
    use crate::store::memory::MemoryStore;

    /// A token endpoint that is watched, at a time of its own.
    struct World {
        tools: Tools,
        clock: Arc<SetClock>,
        watcher: Watcher,
    }

    fn world() -> World {
        let settings: AnomalySettings = serde_yaml::from_str("learning: 0ms").unwrap();
        let ((watch, watcher), clock) = (watch::open(&settings), Arc::new(SetClock::default()));
        let tools = Tools::new(Arc::new(MemoryStore::default()), clock.clone(), |octets| octets.fill(7));
        World { tools: tools.watched_by(watch), clock, watcher }
    }

    impl World {
        fn answered(&self, status: StatusCode, times: usize) {
            let head = Head::posted("/token", [203, 0, 113, 9].into());
            let clients = UnverifiedClients { ids: vec!["c".to_owned()], ..UnverifiedClients::default() };
            for _ in 0..times {
                tell(&self.tools, &head, Seen::TokenRequest(token_request(&self.tools, &clients, status)));
            }
        }

        /// From now on it is another quarter of an hour.
        fn quarter_passes(&self) {
            self.clock.set(self.clock.now().after(Duration::from_secs(15 * 60)));
        }

        async fn found(&mut self) -> DetectorName {
            self.watcher.next().await.expect("a finding")[0].detector
        }
    }

    #[tokio::test]
    async fn the_answers_of_hours_are_told_to_those_who_compare_with_them() {
        let mut world = world();
        for _ in 0..40 {
            world.quarter_passes();
            world.answered(StatusCode::OK, 5);
        }
        world.quarter_passes();
        world.answered(StatusCode::BAD_REQUEST, 60);
        assert_eq!(world.found().await, DetectorName::TokenErrors);
        world.quarter_passes();
        world.answered(StatusCode::OK, 200);
        assert_eq!(world.found().await, DetectorName::TokenRequestRates);
    }

    #[test]
    fn only_a_client_that_was_given_something_is_known() {
        let clients = |ids: &[&str]| UnverifiedClients {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..UnverifiedClients::default()
        };
        let tools = Tools::new(Arc::new(MemoryStore::default()), Arc::new(SystemClock), |octets| octets.fill(7));
        let client = |ids: &[&str], status| token_request(&tools, &clients(ids), status).client;
        assert_eq!(client(&["a", "a"], StatusCode::OK).as_deref(), Some("a"));
        assert_eq!(client(&["a"], StatusCode::UNAUTHORIZED), None);
        assert_eq!(client(&["a", "b"], StatusCode::OK), None);
        assert_eq!(client(&[], StatusCode::OK), None);
    }
}
