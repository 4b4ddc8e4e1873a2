//! What runs beside the requests, part by part. One that breaks off takes no other with it; but what it did is done no more, so the log and
//! `/readyz` say so.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::admin::Health;

/// Parts at work, each under a name. All are stopped where this is dropped.
pub(super) struct Beside {
    parts: JoinSet<()>,
    names: HashMap<Id, &'static str>,
    health: Arc<Health>,
}

impl Beside {
    /// Nothing runs yet.
    pub(super) fn nothing(health: &Arc<Health>) -> Self {
        Self { parts: JoinSet::new(), names: HashMap::new(), health: health.clone() }
    }

    /// From now on this runs, too.
    pub(super) fn begin(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let handle = self.parts.spawn(part);
        self.names.insert(handle.id(), name);
        handle
    }

    /// Tells of each part that breaks off, for as long as it is asked.
    pub(super) async fn watch(&mut self) -> Infallible {
        self.all_ended().await;
        std::future::pending().await
    }

    /// Waits until all have ended, for so long at most.
    pub(super) async fn end(mut self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.all_ended()).await;
    }

    async fn all_ended(&mut self) {
        while let Some(ended) = self.parts.join_next_with_id().await {
            if let Err(error) = ended {
                self.tell(&error);
            }
        }
    }

    fn tell(&self, error: &JoinError) {
        // The others were stopped.
        if error.is_panic() {
            let part = self.names.get(&error.id());
            self.health.broke_off();
            tracing::error!(%error, part, "a part of the gateway broke off: what it did is done again from the next start on");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_breaks_off_is_told_of_and_stops_no_other() {
        let health = Arc::default();
        let mut beside = Beside::nothing(&health);
        let (go_on, mut goes_on) = tokio::sync::watch::channel(false);
        beside.begin("whole", async move { drop(goes_on.wait_for(|goes_on| *goes_on).await) });
        beside.begin("stopped", std::future::pending()).abort();
        assert!(tokio::time::timeout(Duration::from_millis(50), beside.watch()).await.is_err());
        assert!(health.is_whole());

        beside.begin("broken", async { panic!("on purpose") });
        assert!(tokio::time::timeout(Duration::from_millis(50), beside.watch()).await.is_err());
        assert!(!health.is_whole());
        assert!(go_on.send(true).is_ok(), "the other one waits still");
        beside.end(Duration::from_secs(30)).await;
    }
}
