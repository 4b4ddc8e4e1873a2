//! What the record says of clients that use the server: those that were taken out of use are refused at its endpoints, whatever the
//! server itself may do about them. Asked on every request there, so what was heard is kept for a moment, in bounded memory.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;

use super::handler::{Head, UnverifiedClients};
use super::reason::Reason;
use super::refusal::Refusal;
use super::{Tools, unavailable};
use super::{audited, out_of_use};
use crate::authorization_server::client_endpoints::{ClientEndpoint, WhenRecordUnavailable};
use crate::authorization_server::document_client;
use crate::clock::Timestamp;
use crate::jose;
use crate::lifecycle::{AtTheServer, State};
use crate::registration::members::LONGEST_CLIENT_ID;
use crate::store::{ClientRecord, StoreError};
use crate::telemetry::{self, InSpan as _, span};

/// How long what was heard is good: another replica's change is heard of after that.
const GOOD_FOR: Duration = Duration::from_secs(2);

/// How long a request waits for the store, which may be slow to say that it is down.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many clients are remembered.
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// What the record says of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It did not come through the gateway: the server's business.
    Unknown,
    /// It may be used.
    InUse {
        /// When it was registered.
        created_at: Timestamp,
        /// When it was used last, by the record; none: never.
        last_used_at: Option<Timestamp>,
    },
    /// It was suspended, rejected or removed, or waits for an approval before it may be used.
    OutOfUse(State),
}

impl Standing {
    fn of(client: Option<&ClientRecord>) -> Self {
        match client {
            None => Self::Unknown,
            Some(client) if client.lifecycle.at_the_server() == AtTheServer::Enabled => {
                Self::InUse { created_at: client.created_at, last_used_at: client.last_used_at }
            }
            Some(client) => Self::OutOfUse(client.lifecycle.state()),
        }
    }
}

/// What was heard lately.
#[derive(Debug)]
pub(super) struct Standings(Mutex<Heard>);

#[derive(Debug)]
struct Heard {
    clients: LruCache<String, (Standing, Timestamp)>,
    /// How often something was changed here: what was asked before that may be stale when it is answered.
    changes: u64,
}

impl Default for Standings {
    fn default() -> Self {
        Self(Mutex::new(Heard { clients: LruCache::new(MOST), changes: 0 }))
    }
}

impl Standings {
    /// This process changed the client: what was heard of it no longer holds.
    pub(super) fn forget(&self, client_id: &str) {
        let mut heard = self.heard();
        heard.clients.pop(client_id);
        heard.changes = heard.changes.wrapping_add(1);
    }

    /// What is known of the client at this moment.
    async fn of(&self, tools: &Tools, client_id: &str) -> Result<Standing, StoreError> {
        let asked_at = tools.clock.now();
        let (known, changes) = {
            let mut heard = self.heard();
            (heard.clients.get(client_id).copied(), heard.changes)
        };
        // A clock that was set back must not make it last.
        let is_good = |at: Timestamp| asked_at >= at && asked_at.since(at) < GOOD_FOR;
        if let Some((standing, _)) = known.filter(|(_, at)| is_good(*at)) {
            return Ok(standing);
        }
        let client = tools.store.client(client_id).in_span(span::store_span("client"));
        let client = tokio::time::timeout(PATIENCE, client).await;
        match client.unwrap_or_else(|_| Err(StoreError("it did not answer in time".into()))) {
            Ok(client) => {
                let standing = Standing::of(client.as_ref());
                let mut heard = self.heard();
                if heard.changes == changes {
                    heard.clients.put(client_id.to_owned(), (standing, asked_at));
                }
                Ok(standing)
            }
            // What was last heard of it holds, however long ago.
            Err(error) => known.map(|(standing, _)| standing).ok_or(error),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the metrics who is refused where.
pub(super) fn begin_counting() {
    for endpoint in ClientEndpoint::ALL {
        for state in State::ALL.into_iter().filter(|state| *state != State::Active) {
            telemetry::metrics().refuses_clients(endpoint.as_str(), state.as_str());
        }
    }
}

impl Tools {
    /// Whether all clients that a request names may be used.
    pub(super) async fn judge_clients(
        &self,
        head: &Head,
        clients: &UnverifiedClients,
        endpoint: ClientEndpoint,
        when_unavailable: WhenRecordUnavailable,
    ) -> Result<(), Refusal> {
        let names = if clients.is_unclear { Err(Reason::ClientUnclear.into()) } else { names(clients) };
        let names = names.inspect_err(|refusal| audited::forwarded_refused(self, head, refusal, None))?;
        for name in &names {
            match self.standings.of(self, name).await {
                Ok(Standing::Unknown | Standing::InUse { .. }) => {}
                Ok(Standing::OutOfUse(state)) => {
                    let request_id = &head.request_id;
                    tracing::info!(request_id, client_id = name, %state, "a client that is out of use was refused");
                    telemetry::metrics().client_refused(endpoint.as_str(), state.as_str());
                    let refusal = out_of_use::refusal(clients, endpoint);
                    audited::forwarded_refused(self, head, &refusal, Some(name));
                    return Err(refusal);
                }
                Err(error) => match when_unavailable {
                    WhenRecordUnavailable::Forward => {
                        tracing::warn!(%error, "a client's request was forwarded unjudged");
                    }
                    WhenRecordUnavailable::Refuse => return Err(unavailable(error).described(UNAVAILABLE)),
                },
            }
        }
        Ok(())
    }
}

/// Whether an assertion names its client by a URL: `client_id` may be left out beside it (RFC 7523 §3). The subject is the client; an
/// issuer beside another one is whoever vouches for it, and may well be a URL.
pub(super) fn asserts_a_document(clients: &UnverifiedClients) -> bool {
    let mut asserted = clients.assertions.iter().filter_map(|assertion| unverified_issuer_and_subject(assertion).ok());
    asserted.any(|names| names.last().is_some_and(|name| document_client::is_url(name)))
}

/// A client that the record has and that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InUse {
    /// Its id.
    pub(super) client_id: String,
    /// When it was registered.
    pub(super) created_at: Timestamp,
    /// When it was used last, by the record; none: never.
    pub(super) last_used_at: Option<Timestamp>,
}

/// The client that a request names and that the record has, as far as that was heard when it was judged. Where there are several,
/// nobody can say which one it was.
pub(super) fn in_use(tools: &Tools, clients: &UnverifiedClients) -> Option<InUse> {
    let heard = tools.standings.heard();
    let mut known = distinct_names(clients).into_iter().filter_map(|client_id| match heard.clients.peek(&client_id) {
        Some((Standing::InUse { created_at, last_used_at }, _)) => {
            Some(InUse { client_id, created_at: *created_at, last_used_at: *last_used_at })
        }
        _ => None,
    });
    known.next().filter(|_| known.next().is_none())
}

/// The only name that a request gives its client.
pub(super) fn only_name(clients: &UnverifiedClients) -> Option<String> {
    let mut names = distinct_names(clients).into_iter();
    names.next().filter(|_| names.next().is_none())
}

fn distinct_names(clients: &UnverifiedClients) -> BTreeSet<String> {
    names(clients).unwrap_or_default().into_iter().collect()
}

fn names(clients: &UnverifiedClients) -> Result<Vec<String>, Refusal> {
    let mut names = clients.ids.clone();
    for assertion in &clients.assertions {
        names.extend(unverified_issuer_and_subject(assertion)?);
    }
    Ok(names)
}

const UNAVAILABLE: &str = "whether the client may be used cannot be said at the moment";

/// Both have to be the client (RFC 7523 §3); servers look at one of them.
fn unverified_issuer_and_subject(assertion: &str) -> Result<Vec<String>, Refusal> {
    // Encrypted (RFC 7516 §7.1): only the server can read it.
    if assertion.split('.').count() == 5 {
        return Ok(Vec::new());
    }
    let claims = jose::unverified_claims(assertion);
    let mut claims = claims.map_err(|error| Refusal::from(Reason::ClientUnclear).caused_by(error))?;
    let texts = ["iss", "sub"].into_iter().filter_map(|name| Some(claims.remove(name)?.as_str()?.to_owned()));
    let texts: Vec<_> = texts.collect();
    // What was heard of each name is kept: none is longer than a client's.
    if texts.iter().any(|text| text.len() > LONGEST_CLIENT_ID) {
        return Err(Refusal::from(Reason::ClientUnclear).caused_by("longer than any client_id"));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::clock::Clock as _;
    use crate::clock::by_hand::SetClock;
    use crate::lifecycle::{Action, Lifecycle};
    use crate::store::memory::MemoryStore;
    use crate::store::{
        Beginning, Clients as _, HandingOut, IfKnown, Intent, NewClient, Outcome, Quotas, RegistrantRecord,
        RegistrationId, Registrations as _,
    };

    struct World {
        tools: Tools,
        store: Arc<MemoryStore>,
        clock: Arc<SetClock>,
    }

    async fn world() -> World {
        let (store, clock) = (Arc::new(MemoryStore::default()), Arc::new(SetClock::default()));
        let tools = Tools::new(store.clone(), clock.clone(), |octets| octets.fill(7));
        let registration = RegistrationId("r1".to_owned());
        store.begin(beginning(registration.clone()), HandingOut::unrecorded()).await.unwrap();
        let client = NewClient {
            client_id: "c1".to_owned(),
            lifecycle: Lifecycle::Active,
            metadata: serde_json::Map::new(),
            access_token: None,
            server_access: None,
            is_confirmed: true,
            if_known: IfKnown::Update,
        };
        let outcome = Outcome::Registered(Box::new(client));
        store.finish(&registration, outcome, Vec::new(), clock.now()).await.unwrap();
        World { tools, store, clock }
    }

    fn beginning(id: RegistrationId) -> Beginning {
        let registrant = RegistrantRecord {
            key: "address:::1".to_owned(),
            address: "::1".parse().unwrap(),
            certificate_thumbprint: None,
            certificate_subject: None,
            token_label: None,
            statement_issuer: None,
            software_id: None,
        };
        let intent = Intent {
            id,
            at: Timestamp::from_unix_millis(0),
            profile: "everybody".to_owned(),
            policy_version: String::new(),
            registrant,
            token: None,
            client_name: None,
            redirect_uris: Vec::new(),
            scope_requested: None,
            scope_granted: String::new(),
            scope_withheld: String::new(),
            digest: None,
            let_through: Vec::new(),
        };
        Beginning { intent, quotas: Quotas::default(), under_way: Duration::from_secs(1) }
    }

    impl World {
        /// As another process does it.
        async fn suspend(&self) {
            let turn = crate::store::Turn { holder: "h".to_owned(), lasts: Duration::from_secs(1) };
            let taken = self.store.take_turn("c1", &turn, self.clock.now()).await.unwrap();
            let crate::store::TurnTaken::Taken { mut client, .. } = taken else { panic!("{taken:?}") };
            let by = Action { at: self.clock.now(), actor: "ada".to_owned(), comment: None };
            client.lifecycle = client.lifecycle.suspend(by).unwrap();
            assert!(self.store.end_turn(crate::store::TurnEnd::of(&client, "h"), self.clock.now()).await.unwrap());
        }

        async fn judged(&self, clients: &UnverifiedClients) -> Option<Reason> {
            let endpoint = ClientEndpoint::Token;
            let head = Head::posted("/token", [192, 0, 2, 1].into());
            let judged = self.tools.judge_clients(&head, clients, endpoint, WhenRecordUnavailable::Forward).await;
            judged.err().map(|r| r.reason())
        }
    }

    fn named(id: &str) -> UnverifiedClients {
        UnverifiedClients { ids: vec![id.to_owned()], ..UnverifiedClients::default() }
    }

    #[tokio::test]
    async fn what_another_process_did_is_known_after_two_seconds_and_what_this_one_did_at_once() {
        let world = world().await;
        assert_eq!(world.judged(&named("c1")).await, None);
        world.suspend().await;
        world.clock.set(Timestamp::from_unix_millis(1_999));
        assert_eq!(world.judged(&named("c1")).await, None);
        world.clock.set(Timestamp::from_unix_millis(2_000));
        assert_eq!(world.judged(&named("c1")).await, Some(Reason::ClientOutOfUse));
        world.tools.standings.forget("c1");
        assert_eq!(world.judged(&named("c1")).await, Some(Reason::ClientOutOfUse));
        assert_eq!(world.judged(&named("nobody's")).await, None);
    }

    #[tokio::test]
    async fn what_this_process_did_is_known_at_once() {
        let world = world().await;
        assert_eq!(world.judged(&named("c1")).await, None);
        world.suspend().await;
        world.tools.standings.forget("c1");
        assert_eq!(world.judged(&named("c1")).await, Some(Reason::ClientOutOfUse));
    }

    #[tokio::test]
    async fn one_of_several_names_that_is_out_of_use_is_enough() {
        let world = world().await;
        world.suspend().await;
        let assertion = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(r#"{"iss":"other","sub":"c1"}"#));
        for clients in [
            UnverifiedClients { ids: vec!["a".to_owned(), "c1".to_owned()], ..named("") },
            UnverifiedClients { assertions: vec![assertion], ..named("a") },
        ] {
            assert_eq!(world.judged(&clients).await, Some(Reason::ClientOutOfUse), "{clients:?}");
        }
    }

    #[test]
    fn a_client_that_only_an_assertion_names_is_a_document_where_that_is_a_url() {
        let asserted = |claims: &str| {
            let assertion = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
            asserts_a_document(&UnverifiedClients { assertions: vec![assertion], ..UnverifiedClients::default() })
        };
        assert!(asserted(r#"{"iss":"https://evil.example/c","sub":"https://evil.example/c"}"#));
        assert!(asserted(r#"{"iss":"c1","sub":"ht\ntps://evil.example/c"}"#));
        assert!(asserted(r#"{"iss":"https://evil.example/c"}"#));
        assert!(!asserted(r#"{"iss":"c1","sub":"c1","aud":"https://sso.example.com/token"}"#));
        assert!(!asserted(r#"{"iss":"https://ci.example","sub":"repo:acme/app"}"#));
    }

    #[tokio::test]
    async fn a_request_that_can_be_read_in_several_ways_is_refused() {
        let world = world().await;
        let long = format!(r#"{{"sub":"{}"}}"#, "c".repeat(LONGEST_CLIENT_ID + 1));
        let longer_than_a_client = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(long));
        let twice = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(r#"{"sub":"c2","sub":"c1"}"#));
        for clients in [
            UnverifiedClients { is_unclear: true, ..named("c1") },
            UnverifiedClients { assertions: vec!["nonsense".to_owned()], ..named("c1") },
            UnverifiedClients { assertions: vec![longer_than_a_client], ..named("c1") },
            UnverifiedClients { assertions: vec![twice], ..named("c1") },
        ] {
            assert_eq!(world.judged(&clients).await, Some(Reason::ClientUnclear), "{clients:?}");
        }
        let encrypted = UnverifiedClients { assertions: vec!["a.b.c.d.e".to_owned()], ..named("c1") };
        assert_eq!(world.judged(&encrypted).await, None, "only the server can read it");
    }
}
