//! What is done beside the requests. Registrations that were begun and never finished (their process died, or the store was away
//! when the outcome was known) become `unknown` once it is certain that nobody will finish them, and are told of. Clients are
//! counted for the metrics, what was decided about them is brought to the server, and what no longer matters is forgotten.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

use super::audit;
use crate::alert::Alerts;
use crate::anomaly::{Watcher, record};
use crate::audit::{Actor, Event, Kind, Subject};
use crate::clock::{Clock, Timestamp};
use crate::intake::{Intake, NotExpired};
use crate::lifecycle::State;
use crate::store::{PROCESS_DIED, RegistrationId, Store, StoreError};
use crate::telemetry;
use crate::telemetry::metrics::ClientCount;

/// How often is looked for those of other processes, and for our own that could not be written.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How often is looked for clients that the server must be brought to, or that nobody approved in time.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// How often is looked for clients that nobody used for too long.
const EXPIRE_EVERY: Duration = Duration::from_secs(10 * 60);

/// How often the store forgets what no longer matters.
const TIDY_EVERY: Duration = Duration::from_secs(60 * 60);

/// Before anything is served: what the store knows to be a dead process's, however young it is.
pub(super) async fn tell_at_start(store: &dyn Store, clock: &dyn Clock, intake: &Intake) {
    let now = clock.now();
    tell(store.begin_to_serve(now).await, intake, now).await;
}

/// From now on: what is older than a registration can last, whosever it was.
pub(super) async fn keep_up(store: &dyn Store, clock: &dyn Clock, intake: &Intake, mut stopped: watch::Receiver<bool>) {
    let counted = Arc::new(ArcSwap::from_pointee(Vec::new()));
    let shown = counted.clone();
    telemetry::metrics().observe_clients(move || shown.load_full());
    let (mut looks, mut tidying) = (every(LOOK_EVERY), every(TIDY_EVERY));
    loop {
        let due = tokio::select! {
            _ = looks.tick() => Due::Look,
            _ = tidying.tick() => Due::Tidy,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        match due {
            Due::Look => {
                let now = clock.now();
                tell(store.find_unfinished(intake.longest_turn(), now).await, intake, now).await;
                match store.count_clients().await {
                    Ok(counts) => counted.store(Arc::new(counts.into_iter().map(client_count).collect())),
                    Err(error) => tracing::warn!(%error, "clients cannot be counted"),
                }
            }
            Due::Tidy => {
                if let Err(error) = store.tidy(clock.now()).await {
                    tracing::warn!(%error, "the store cannot be tidied");
                }
            }
        }
    }
}

/// From now on: the detectors look at what they are told; what they find is kept, and who wants to know is told.
pub(super) async fn watch(
    mut watcher: Watcher,
    store: &dyn Store,
    alerts: &Alerts,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let found = tokio::select! {
            found = watcher.next() => found,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let Some(findings) = found else { return };
        for finding in &findings {
            let mut name = [0; 16];
            super::randomness(&mut name);
            let record = record::of(RegistrationId::from_random(name).0, finding);
            if let Err(error) = store.enter_finding_and_tell(record, alerts.of_finding(finding)).await {
                tracing::warn!(%error, "a finding cannot be kept");
            }
        }
    }
}

/// Brings the server to what was decided while it could not be reached, whichever replica it was decided by.
pub(super) async fn settle(intake: &Intake, mut stopped: watch::Receiver<bool>) {
    let mut ticks = every(SETTLE_EVERY);
    let mut failed = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        let looked = intake.settle_due().await;
        if let Err(error) = &looked
            && !failed
        {
            tracing::warn!(%error, "clients that are due cannot be looked for");
        }
        failed = looked.is_err();
    }
}

/// Removes clients that nobody used for too long, where profiles say so; any replica may be the one.
pub(super) async fn expire(intake: &Intake, mut stopped: watch::Receiver<bool>) {
    let mut ticks = every(EXPIRE_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        match intake.expire_unused().await {
            Ok(_) | Err(NotExpired::NotWatched | NotExpired::NoUseSeen) => {}
            Err(NotExpired::Store(error)) => tracing::warn!(%error, "clients that nobody uses cannot be looked for"),
        }
    }
}

enum Due {
    Look,
    Tidy,
}

fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn client_count((profile, state, count): (String, State, u64)) -> ClientCount {
    ClientCount { profile, lifecycle: state.as_str(), count }
}

async fn tell(found: Result<Vec<RegistrationId>, StoreError>, intake: &Intake, now: Timestamp) {
    match found {
        Ok(unfinished) => {
            for id in unfinished {
                tracing::error!(registration = id.0, "begun and never finished: whether the client exists is unknown");
                let subject = Subject::Registration(id.0);
                let event = Event::new(Kind::RegistrationUnknown, Actor::Gateway).about(subject).because(PROCESS_DIED);
                audit::tell(&intake.tools().audit, event, now).await;
            }
        }
        Err(error) => tracing::error!(%error, "cannot look for unfinished registrations"),
    }
}
