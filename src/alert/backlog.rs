//! What waits for receivers is counted and bounded: of too much for one the oldest are given up, and what is for nobody is dropped.

use std::time::Duration;

use super::Deliverer;
use super::given_up::{self, Why};
use crate::store::{Backlog, Recording, StoreError};
use crate::telemetry::metrics;
use crate::telemetry::metrics::AlertOutcome;

/// The most deliveries that wait for one receiver; beyond it the oldest are given up.
const MOST_WAITING: u32 = 10_000;
/// What waits for receivers that are not in the configuration is dropped after this time: another replica may have them still, or already.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 60);

impl Deliverer {
    /// Brings what waits within its bound, drops what is for nobody, and counts the rest.
    pub(super) async fn bound_backlog(&self) -> Vec<Backlog> {
        let routing = self.alerts.routing();
        let known: Vec<String> = routing.receivers.iter().map(|receiver| receiver.name().to_owned()).collect();
        let counted = async {
            let mut backlog = self.store.backlog().await?;
            let before = self.clock.now().before(FORGOTTEN_AFTER);
            let waits_for = backlog.iter().map(|waiting| waiting.receiver.clone());
            // What lasts and was told does not wait; for a receiver that nobody has any more it is due all the same.
            let mut of_some = waits_for.chain(self.store.receivers_due(before).await?);
            if of_some.any(|receiver| !known.contains(&receiver)) {
                let record = self.recording(Why::NotConfigured);
                for Backlog { receiver, count } in self.store.forget_receivers(&known, before, record).await? {
                    tracing::warn!(
                        receiver,
                        count,
                        "dropped: what waited for a receiver that is not in the configuration"
                    );
                }
            }
            backlog.retain(|waiting| known.contains(&waiting.receiver));
            for waiting in &mut backlog {
                if waiting.count > u64::from(MOST_WAITING) {
                    let record = self.recording(Why::TooMuchWaits);
                    let count = self.store.give_up_oldest(&waiting.receiver, MOST_WAITING, record).await?;
                    waiting.count = waiting.count.saturating_sub(count);
                    metrics().alert_deliveries(&waiting.receiver, AlertOutcome::GivenUp, count);
                    tracing::error!(
                        receiver = waiting.receiver,
                        count,
                        "given up: too much waits for this receiver of alerts"
                    );
                }
            }
            // Whoever waits for nothing is shown, too: a number that is not there raises no alert.
            let waits = |name: &String| backlog.iter().any(|waiting| waiting.receiver == *name);
            let idle: Vec<String> = known.iter().filter(|name| !waits(name)).cloned().collect();
            backlog.extend(idle.into_iter().map(|receiver| Backlog { receiver, count: 0 }));
            Ok::<_, StoreError>(backlog)
        };
        counted.await.unwrap_or_else(|error| {
            tracing::debug!(%error, "what waits for receivers of alerts cannot be counted");
            Vec::new()
        })
    }

    fn recording(&self, why: Why) -> Recording<Vec<Backlog>> {
        let event = move |gone: &Backlog| given_up::event(&gone.receiver, why, gone.count);
        self.audit.recording(move |gone: &Vec<Backlog>| gone.iter().map(event).collect(), self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::delivery::tests::{answering, deliverer, given_up, told, waiting};
    use crate::audit::Subject;
    use crate::store::{Fate, Form, Settled, Turn};

    #[tokio::test]
    async fn what_waits_for_a_receiver_that_was_taken_out_is_on_the_audit_log_when_it_is_dropped() {
        let deliverer = deliverer(answering("204 No Content").await).await;
        waiting(&deliverer, "gone", FORGOTTEN_AFTER).await;
        deliverer.bound_backlog().await;
        assert_eq!(given_up(&deliverer).await, [], "another replica may have it still");
        waiting(&deliverer, "long gone", FORGOTTEN_AFTER + Duration::from_secs(1)).await;
        deliverer.bound_backlog().await;
        let receiver = Some(Subject::Receiver("long gone".to_owned()));
        assert_eq!(given_up(&deliverer).await, [(receiver, Some("not_configured".to_owned()), Some(1))]);
    }

    #[tokio::test]
    async fn what_lasts_for_a_receiver_that_was_taken_out_is_dropped_when_nobody_has_told_it_for_an_hour() {
        let deliverer = deliverer(answering("204 No Content").await).await;
        let (now, second) = (deliverer.clock.now(), Duration::from_secs(1));
        let (long_ago, until) = (now.before(FORGOTTEN_AFTER * 9), now.after(FORGOTTEN_AFTER));
        told(&deliverer, "gone", long_ago, Form::Lasting { until }).await;
        let tell_again_at = async |moment| {
            let turn = Turn { holder: "another replica".to_owned(), lasts: second };
            let taken = deliverer.store.take_deliveries("gone", &turn, 9, now).await.unwrap().unwrap();
            let again = |id: String| Settled { id, version: 0, fate: Fate::Again(moment) };
            let settled = taken.into_iter().map(|delivery| again(delivery.id)).collect();
            deliverer.store.settle_deliveries("gone", &turn.holder, settled, Vec::new()).await.unwrap();
        };
        tell_again_at(now.before(FORGOTTEN_AFTER)).await;
        deliverer.bound_backlog().await;
        assert_eq!(given_up(&deliverer).await, [], "another replica may tell it still");
        tell_again_at(now.before(FORGOTTEN_AFTER + second)).await;
        deliverer.bound_backlog().await;
        let receiver = Some(Subject::Receiver("gone".to_owned()));
        assert_eq!(given_up(&deliverer).await, [(receiver, Some("not_configured".to_owned()), Some(1))]);
        assert_eq!(deliverer.store.receivers_due(until).await.unwrap(), [""; 0]);
    }
}
