//! All that is due for one receiver, sent: what came of each delivery is written down in the turn in which it was taken.

use std::sync::Arc;
use std::time::Duration;

use super::random;
use crate::alert::failure::Failure;
use crate::alert::message::Message;
use crate::alert::receiver::Receiver;
use crate::alert::{alertmanager, backoff, given_up};
use crate::audit::Recorder;
use crate::clock::Clock;
use crate::randomness::Randomness;
use crate::store::{AuditEntry, Delivery, Fate, Settled, Store, StoreError, Turn};
use crate::telemetry::metrics;
use crate::telemetry::metrics::AlertOutcome;

/// One piece of work for one receiver: all that is due for it.
pub(super) struct Work {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) audit: Recorder,
    pub(super) receiver: Arc<Receiver>,
    pub(super) randomness: Randomness,
    /// Longer than anything that is sent takes.
    pub(super) lasts: Duration,
}

impl Work {
    /// Delivers what is due, piece by piece, until nothing is or the receiver is away.
    pub(super) async fn carry_out(self) -> Worked {
        let result = self.deliver_all().await;
        Worked { receiver: self.receiver.name().to_owned(), result }
    }

    async fn deliver_all(&self) -> Result<Done, Failure> {
        let name = self.receiver.name();
        let mut done = Done::NotTried;
        loop {
            let turn = Turn { holder: format!("{:016x}", random(self.randomness)), lasts: self.lasts };
            let now = self.clock.now();
            let taken = self.store.take_deliveries(name, &turn, self.receiver.at_once(), now).await;
            let taken = match taken {
                Ok(Some(taken)) if !taken.is_empty() => taken,
                Ok(_) => return Ok(done),
                Err(error) => return Ok(Done::Unread(error)),
            };
            let result = self.send(&taken).await;
            let settled: Vec<_> = taken.iter().map(|delivery| self.settled(delivery, result.as_ref().err())).collect();
            let entries = self.given_up(&settled, result.as_ref().err());
            if let Err(error) = self.store.settle_deliveries(name, &turn.holder, settled, entries).await {
                // It is sent again, under the same name, when the turn is over.
                tracing::warn!(receiver = name, %error, "what was told cannot be written down");
                return result.map(|()| Done::Reached);
            }
            match result {
                // The receiver is there: the others may go.
                Ok(()) | Err(Failure::Refused(_)) => done = Done::Reached,
                Err(down) => return Err(down),
            }
        }
    }

    async fn send(&self, taken: &[Delivery]) -> Result<(), Failure> {
        let message = |delivery: &Delivery| {
            let notices = delivery.notices.iter().filter_map(|text| match serde_json::from_str(text) {
                Ok(notice) => Some(notice),
                Err(error) => {
                    tracing::error!(%error, "a notice that another version wrote cannot be read, and is left out");
                    None
                }
            });
            Message { id: delivery.id.clone(), notices: notices.collect(), more: delivery.more }
        };
        let mut messages: Vec<Message> = taken.iter().map(message).collect();
        messages.retain(|message| !message.notices.is_empty());
        if messages.is_empty() {
            return Ok(());
        }
        self.receiver.send(&messages, self.clock.now()).await
    }

    /// What is recorded of deliveries that failed and are done with.
    fn given_up(&self, settled: &[Settled], failure: Option<&Failure>) -> Vec<AuditEntry> {
        let given_up = settled.iter().filter(|settled| settled.fate == Fate::Done).count() as u64;
        let Some(failure) = failure.filter(|_| given_up > 0) else { return Vec::new() };
        let event = || given_up::event(self.receiver.name(), failure.into(), given_up);
        self.audit.entry(event, self.clock.now()).unwrap_or_else(|error| {
            tracing::error!(%error, "an event cannot be recorded");
            Vec::new()
        })
    }

    fn settled(&self, delivery: &Delivery, failure: Option<&Failure>) -> Settled {
        let (name, now) = (self.receiver.name(), self.clock.now());
        let told = |outcome| metrics().alert_deliveries(name, outcome, 1);
        let fate = match failure {
            None => {
                told(AlertOutcome::Delivered);
                match delivery.lasting_until {
                    Some(until) if now < until => Fate::Again(now.after(alertmanager::AGAIN_AFTER)),
                    _ => Fate::Done,
                }
            }
            Some(failure) => {
                let (kept, next_at) = match failure {
                    Failure::Refused(_) => {
                        let pause = backoff::of_refused(delivery.attempts.saturating_add(1), random(self.randomness));
                        (backoff::KEPT_REFUSED, now.after(pause))
                    }
                    // The receiver as a whole is left alone for a while.
                    Failure::Down { .. } => (backoff::KEPT, now),
                };
                // As long as it lasts nothing is given up: it may have been told ten thousand times.
                let began = delivery.lasting_until.unwrap_or(delivery.created_at).max(delivery.created_at);
                if now.since(began) > kept {
                    told(AlertOutcome::GivenUp);
                    tracing::error!(receiver = name, id = delivery.id, %failure, "given up: a receiver of alerts was not told");
                    Fate::Done
                } else {
                    told(AlertOutcome::Failed);
                    if matches!(failure, Failure::Refused(_)) {
                        tracing::warn!(receiver = name, id = delivery.id, %failure, "a receiver of alerts refuses a message");
                    }
                    Fate::Failed { next_at, error: failure.to_string().chars().take(500).collect() }
                }
            }
        };
        Settled { id: delivery.id.clone(), version: delivery.version, fate }
    }
}

/// What came of one look at a receiver.
pub(super) struct Worked {
    pub(super) receiver: String,
    pub(super) result: Result<Done, Failure>,
}

/// Nothing more is to be done now.
pub(super) enum Done {
    /// It was reached.
    Reached,
    /// It was not tried: another process is at it, nothing was due.
    NotTried,
    /// What is due cannot be read, or no turn be taken at it.
    Unread(StoreError),
}
