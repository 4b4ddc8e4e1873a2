//! Delivers what waits in the store: one receiver at a time in all processes, each receiver on its own, so that one that is away holds up no
//! other. What it does not have yet is tried again, with longer and longer pauses, until it has it; after a kill, too.

mod work;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use self::work::{Done, Work, Worked};
use super::failure::Failure;
use super::routing::Alerts;
use super::{backoff, smtp};
use crate::audit::Recorder;
use crate::clock::{Clock, Timestamp, every};
use crate::randomness::{self, Randomness};
use crate::store::{Backlog, Store};
use crate::telemetry::metrics;

/// How often to look for what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often what waits is counted, and brought within its bound.
const COUNT_EVERY: Duration = Duration::from_secs(15);

/// Delivers what waits for receivers.
pub struct Deliverer {
    /// Where it waits.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where what was given up is recorded.
    pub audit: Recorder,
    /// The receivers in force.
    pub alerts: Arc<Alerts>,
    /// For names and pauses.
    pub randomness: Randomness,
}

/// Until when a receiver is left alone, after how many failures in a row.
#[derive(Debug, Clone, Copy)]
struct Pause {
    failures: u32,
    until: Timestamp,
}

/// Who cannot be told, and what was said of that.
#[derive(Default)]
struct Pauses {
    of_receivers: HashMap<String, Pause>,
    /// For whom nothing can be read of what waits: said once.
    unread: HashSet<String>,
}

/// What is to be done next.
enum Due {
    Look,
    Count,
    Note(Result<Worked, JoinError>),
}

impl Deliverer {
    /// Keeps at it until `stopped` is true.
    pub async fn run(self, mut stopped: watch::Receiver<bool>) {
        let shown = Arc::new(RwLock::new(Vec::<Backlog>::new()));
        let read = shown.clone();
        metrics().observe_alert_backlog(move || {
            let backlog = read.read().unwrap_or_else(PoisonError::into_inner);
            backlog.iter().map(|waiting| (waiting.receiver.clone(), waiting.count)).collect()
        });
        let (mut looks, mut counts) = (every(LOOK_EVERY), every(COUNT_EVERY));
        let mut at_work = JoinSet::new();
        let (mut busy, mut pauses) = (HashSet::new(), Pauses::default());
        loop {
            let due = tokio::select! {
                _ = looks.tick() => Due::Look,
                _ = counts.tick() => Due::Count,
                Some(worked) = at_work.join_next() => Due::Note(worked),
                _ = stopped.wait_for(|stopped| *stopped) => break,
            };
            match due {
                Due::Look if self.alerts.is_nobody() => {}
                Due::Look => self.begin(&mut at_work, &mut busy, &pauses.of_receivers).await,
                Due::Count => {
                    let backlog = self.bound_backlog().await;
                    *shown.write().unwrap_or_else(PoisonError::into_inner) = backlog;
                }
                Due::Note(Ok(worked)) => {
                    busy.remove(&worked.receiver);
                    self.note(worked, &mut pauses);
                }
                Due::Note(Err(error)) => {
                    tracing::error!(%error, "a delivery broke off");
                    busy.clear();
                }
            }
        }
        // What is being sent is sent; the rest waits for the next start, or another replica.
        while at_work.join_next().await.is_some() {}
    }

    /// Begins to work for every receiver that something is due for and that is not left alone.
    async fn begin(&self, at_work: &mut JoinSet<Worked>, busy: &mut HashSet<String>, pauses: &HashMap<String, Pause>) {
        let now = self.clock.now();
        let due = match self.store.receivers_due(now).await {
            Ok(due) => due,
            Err(error) => return tracing::debug!(%error, "what is to be told is not known"),
        };
        let routing = self.alerts.routing();
        for receiver in &routing.receivers {
            let name = receiver.name();
            let is_left_alone = pauses.get(name).is_some_and(|pause| now < pause.until);
            if is_left_alone || !due.iter().any(|due| due == name) || !busy.insert(name.to_owned()) {
                continue;
            }
            let work = Work {
                store: self.store.clone(),
                clock: self.clock.clone(),
                audit: self.audit.clone(),
                receiver: receiver.clone(),
                randomness: self.randomness,
                lasts: (routing.longest_fetch + smtp::WHOLE) * 2,
            };
            at_work.spawn(work.carry_out());
        }
    }

    /// Says once that a receiver is away, and that it is back.
    fn note(&self, Worked { receiver, result }: Worked, pauses: &mut Pauses) {
        let Pauses { of_receivers: pauses, unread } = pauses;
        let was_unread = match &result {
            Ok(Done::Unread(_)) => !unread.insert(receiver.clone()),
            _ => unread.remove(&receiver),
        };
        match result {
            Ok(Done::NotTried) => {}
            Ok(Done::Unread(error)) if was_unread => {
                tracing::debug!(receiver, %error, "what is to be told still cannot be read");
            }
            Ok(Done::Unread(error)) => {
                tracing::warn!(receiver, %error, "what is to be told cannot be read: it is tried each second");
            }
            Ok(Done::Reached) => {
                if pauses.remove(&receiver).is_some() {
                    tracing::info!(receiver, "a receiver of alerts is back: it gets what it missed");
                }
            }
            Err(failure) => {
                let failures = pauses.get(&receiver).map_or(0, |pause| pause.failures).saturating_add(1);
                if failures == 1 {
                    tracing::warn!(receiver, %failure, "a receiver of alerts cannot be told: what it misses waits for it");
                } else {
                    tracing::debug!(receiver, %failure, failures, "a receiver of alerts still cannot be told");
                }
                let asked = match failure {
                    Failure::Down { retry_after, .. } => retry_after.unwrap_or_default(),
                    Failure::Refused(_) => Duration::ZERO,
                };
                let pause = backoff::of_receiver(failures, random(self.randomness)).max(asked);
                pauses.insert(receiver, Pause { failures, until: self.clock.now().after(pause) });
            }
        }
    }
}

fn random(randomness: Randomness) -> u64 {
    u64::from_le_bytes(randomness::octets(randomness))
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::alert::message::Reach;
    use crate::alert::notice::{Notice, Topic};
    use crate::alert::receiver::{Receiver, Secrets};
    use crate::alert::routing::{Links, Routing};
    use crate::audit::recorder::Beginning;
    use crate::audit::{AuditSettings, Event, Kind, Nobody, Subject};
    use crate::clock::by_hand::SetClock;
    use crate::fetch::FetchClient;
    use crate::fetch::settings::FetchSettings;
    use crate::secret::Secret;
    use crate::store::memory::MemoryStore;
    use crate::store::{AuditFilter, Form, Occasion, Telling, WriterId};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    /// A receiver that answers everything so.
    pub(in crate::alert) async fn answering(status: &'static str) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut request = Vec::new();
                // The head, and a body that ends with a brace.
                while !request.ends_with(b"}") && connection.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = connection.write_all(answer.as_bytes()).await;
            }
        });
        address
    }

    pub(in crate::alert) async fn deliverer(receiver: std::net::SocketAddr) -> Deliverer {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let yaml = format!("{{ name: hook, webhook: 'http://{receiver}/', plain_http: allow, secret_file: s }}");
        let secrets = Secrets { signing: Some(Secret::new("a".repeat(24))), ..Secrets::default() };
        let reach = Reach {
            client: FetchClient::new(&FetchSettings::default()).unwrap(),
            trust: Vec::new(),
            gateway: "https://sso.example.com".to_owned(),
        };
        let receivers = vec![Arc::new(Receiver::new(&serde_yaml::from_str(&yaml).unwrap(), secrets, &reach).unwrap())];
        let longest_fetch = Duration::from_secs(9);
        let routing = Routing { receivers, silences: Vec::new(), links: Links::default(), longest_fetch };
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let beginning = Beginning {
            writer: WriterId("w".to_owned()),
            keys: None,
            command: "serve",
            audience: Arc::new(Nobody),
            now: NOW,
        };
        let begun = Recorder::begin(store.clone(), &AuditSettings::default(), beginning).await;
        let randomness: Randomness = |octets| octets.fill(7);
        Deliverer {
            store,
            clock: Arc::new(SetClock::at(NOW)),
            audit: begun.unwrap().0,
            alerts: Arc::new(Alerts::new(routing, randomness)),
            randomness,
        }
    }

    /// Something that waits for a receiver for so long.
    pub(in crate::alert) async fn waiting(deliverer: &Deliverer, receiver: &str, age: Duration) {
        let at = NOW.before(age);
        told(deliverer, receiver, at, Form::Gathered { group: "health".to_owned(), until: at }).await;
    }

    /// Something that a receiver is to be told since then.
    pub(in crate::alert) async fn told(deliverer: &Deliverer, receiver: &str, at: Timestamp, form: Form) {
        let notice = Notice::new(Topic::Health, "test", "test", at);
        let told = Telling {
            receiver: receiver.to_owned(),
            delivery: "one".to_owned(),
            key: "test".to_owned(),
            form,
            occasion: Occasion::Begins { quiet_until: at },
            at,
            notice: serde_json::to_string(&notice).unwrap(),
        };
        deliverer.store.tell(vec![told]).await.unwrap();
    }

    /// One look at all that is due.
    async fn look(deliverer: &Deliverer) {
        let mut at_work = JoinSet::new();
        deliverer.begin(&mut at_work, &mut HashSet::new(), &HashMap::new()).await;
        assert_eq!(at_work.len(), 1);
        at_work.join_all().await;
    }

    pub(in crate::alert) async fn given_up(
        deliverer: &Deliverer,
    ) -> Vec<(Option<Subject>, Option<String>, Option<u64>)> {
        let records = deliverer.store.records(&AuditFilter::default(), None, 99).await.unwrap();
        let events = records.iter().map(|record| serde_json::from_str::<Event>(&record.event).unwrap());
        let given_up = events.filter(|event| event.event == Kind::AlertGivenUp);
        given_up.map(|event| (event.subject, event.reason, event.count)).collect()
    }

    #[tokio::test]
    async fn what_is_given_up_is_on_the_audit_log_and_what_is_tried_again_is_not() {
        for (status, kept, reason) in
            [("400 Bad Request", DAY, "refused_by_the_receiver"), ("503 Service Unavailable", DAY * 7, "unreachable")]
        {
            let deliverer = deliverer(answering(status).await).await;
            waiting(&deliverer, "hook", kept).await;
            look(&deliverer).await;
            assert_eq!(given_up(&deliverer).await, [], "{status}");
            assert_eq!(deliverer.store.backlog().await.unwrap().len(), 1, "{status}");

            let deliverer = self::deliverer(answering(status).await).await;
            waiting(&deliverer, "hook", kept + Duration::from_secs(1)).await;
            look(&deliverer).await;
            let receiver = Some(Subject::Receiver("hook".to_owned()));
            assert_eq!(given_up(&deliverer).await, [(receiver, Some(reason.to_owned()), Some(1))], "{status}");
            assert_eq!(deliverer.store.backlog().await.unwrap(), [], "{status}");
        }
    }

    #[tokio::test]
    async fn what_lasts_is_given_up_by_when_it_was_over_however_long_it_lasts() {
        for (status, kept) in [("400 Bad Request", DAY), ("503 Service Unavailable", DAY * 7)] {
            let second = Duration::from_secs(1);
            for (until, left) in [(NOW.after(DAY), 1), (NOW.before(kept), 1), (NOW.before(kept + second), 0)] {
                let deliverer = deliverer(answering(status).await).await;
                told(&deliverer, "hook", NOW.before(DAY * 20), Form::Lasting { until }).await;
                look(&deliverer).await;
                assert_eq!(deliverer.store.backlog().await.unwrap().len(), left, "{status} {until}");
                assert_eq!(given_up(&deliverer).await.len(), 1 - left, "{status} {until}");
            }
        }
    }
}
