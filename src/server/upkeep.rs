//! What is done beside the requests. Registrations that were begun and never finished (their process died, or the store was away
//! when the outcome was known) become `unknown` once it is certain that nobody will finish them, and are reported. Clients are
//! counted for the metrics, what was decided about them is brought to the server, and what no longer matters is forgotten.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use lru::LruCache;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Interval;

use crate::alert::Alerts;
use crate::anomaly::{Watcher, hash_of, record};
use crate::audit::{Actor, Event, Kind, Subject};
use crate::clock::{Clock, Timestamp, every};
use crate::intake::{Intake, NotExpired};
use crate::lifecycle::State;
use crate::randomness;
use crate::store::{FindingRecord, NOT_RECORDED, Recording, RegistrationId, Store, StoreError, Telling};
use crate::telemetry;
use crate::telemetry::metrics::ClientCount;

/// How often to look for registrations that other processes left unfinished, and for our own that could not be written.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How often to look for clients of which the server does not have yet what was decided, or that nobody approved in time.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// How often to look for responses that others imposed or lifted.
const RESPOND_EVERY: Duration = Duration::from_secs(1);

/// The most findings that wait for the store.
const MOST_UNKEPT: usize = 1_000;

/// Of how many subjects the name of the last finding is remembered.
const MOST_NAMES: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// After how long to offer the store again a finding that it did not take.
const KEEP_AGAIN: Duration = Duration::from_secs(1);

/// How often to look for clients that nobody used for too long.
const EXPIRE_EVERY: Duration = Duration::from_secs(10 * 60);

/// How often the store forgets what no longer matters.
const TIDY_EVERY: Duration = Duration::from_secs(60 * 60);

/// Before anything is served: what the store knows to be a dead process's, however young it is.
pub(super) async fn tell_at_start(store: &dyn Store, clock: &dyn Clock, intake: &Intake) {
    let now = clock.now();
    tell(store.begin_to_serve(recording(intake, now), now).await);
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
                tell(store.find_unfinished(intake.longest_turn(), recording(intake, now), now).await);
                match store.count_clients().await {
                    Ok(counts) => counted.store(Arc::new(client_counts(intake.profiles(), counts))),
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

/// A finding, and what is told of it.
type Found = (FindingRecord, Vec<Telling>);

/// What follows a finding: who responds to it, and who tells of it.
pub(super) struct Consequences<'c> {
    pub(super) intake: Arc<Intake>,
    pub(super) alerts: &'c Alerts,
}

/// From now on: the detectors look at what they are told, what they find is kept, who wants to know is told, and what the operator's rules
/// say is done about it.
pub(super) async fn watch(
    watcher: Watcher,
    store: &dyn Store,
    consequences: Consequences<'_>,
    stopped: watch::Receiver<bool>,
) {
    // Beside each other: the detectors look on while the store is away.
    let (found, to_keep) = mpsc::channel(MOST_UNKEPT);
    tokio::join!(look(watcher, found, consequences, stopped.clone()), keep_findings(store, to_keep, stopped));
}

async fn look(
    mut watcher: Watcher,
    found: mpsc::Sender<Found>,
    consequences: Consequences<'_>,
    mut stopped: watch::Receiver<bool>,
) {
    let Consequences { intake, alerts } = consequences;
    // Beside the looking: a suspension may wait for the authorization server.
    let mut responding = JoinSet::new();
    // Of another client that leads to what was found already there is no finding of its own.
    let mut names = LruCache::new(MOST_NAMES);
    loop {
        let findings = tokio::select! {
            findings = watcher.next() => findings,
            Some(ended) = responding.join_next() => {
                tell_if_broken_off(ended);
                continue;
            }
            _ = stopped.wait_for(|stopped| *stopped) => None,
        };
        let Some(findings) = findings else { break };
        for finding in findings {
            let about = hash_of(&(finding.detector, &finding.subject));
            let known = names.get(&about).filter(|_| finding.is_of_another_client).cloned();
            let is_kept = known.is_some();
            let name = known.unwrap_or_else(|| randomness::name(randomness::of_the_system));
            if !is_kept {
                names.put(about, name.clone());
                let record = record::of(name.clone(), &finding);
                if found.try_send((record, alerts.of_finding(&finding))).is_err() {
                    tracing::error!(finding = name, "a finding is not kept: too many wait for the store");
                }
            }
            let intake = intake.clone();
            responding.spawn(async move { intake.respond(&finding, &name).await });
        }
    }
    while let Some(ended) = responding.join_next().await {
        tell_if_broken_off(ended);
    }
}

fn tell_if_broken_off(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "what a finding calls for broke off: it holds here alone, and is tried again");
    }
}

/// Writes findings in their order; what the store does not take waits until it does, or the process ends.
async fn keep_findings(store: &dyn Store, mut found: mpsc::Receiver<Found>, mut stopped: watch::Receiver<bool>) {
    let (mut failing, mut lost) = (false, 0);
    while let Some((finding, told)) = found.recv().await {
        while let Err(error) = store.enter_finding(finding.clone(), told.clone()).await {
            if !std::mem::replace(&mut failing, true) {
                tracing::warn!(%error, "findings wait for the store");
            }
            tokio::select! {
                () = tokio::time::sleep(KEEP_AGAIN) => continue,
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
            lost += 1;
            break;
        }
        failing = false;
    }
    if lost > 0 {
        tracing::error!(findings = lost, "findings that the store did not take are lost with this process");
    }
}

/// Brings the server to what was decided while it could not be reached, whichever replica it was decided by.
pub(super) async fn settle(intake: &Intake, mut stopped: watch::Receiver<bool>) {
    let mut ticks = every(SETTLE_EVERY);
    let mut failed = false;
    while goes_on(&mut ticks, &mut stopped).await {
        let looked = tokio::select! {
            looked = intake.settle_due() => looked,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        if let Err(error) = &looked
            && !failed
        {
            tracing::warn!(%error, "clients that are due cannot be looked for");
        }
        failed = looked.is_err();
    }
}

/// The responses that are in force at the start. What has had its time is ended later: the start does not wait for the authorization server.
pub(super) async fn read_responses(intake: &Intake) {
    if let Err(error) = intake.read_responses().await {
        tracing::warn!(%error, "the responses in force cannot be read: none is heeded until they are");
    }
}

/// From now on: responses of all replicas are heeded within a second, and end when their time is over; what the store could not take is written
/// when it can.
pub(super) async fn keep_responses(intake: &Intake, stopped: watch::Receiver<bool>) {
    // Beside each other: a suspension, and its end, may wait for the authorization server.
    tokio::join!(
        heed_responses(intake, stopped.clone()),
        end_responses(intake, stopped.clone()),
        write_responses(intake, stopped)
    );
}

async fn write_responses(intake: &Intake, mut stopped: watch::Receiver<bool>) {
    let mut ticks = every(RESPOND_EVERY);
    while goes_on(&mut ticks, &mut stopped).await {
        intake.write_responses().await;
    }
    let waiting = intake.write_responses().await;
    if waiting > 0 {
        tracing::error!(waiting, "responses that the store could not take end with this process");
    }
}

async fn heed_responses(intake: &Intake, mut stopped: watch::Receiver<bool>) {
    let mut ticks = every(RESPOND_EVERY);
    let mut failed = false;
    while goes_on(&mut ticks, &mut stopped).await {
        let read = intake.read_responses().await;
        if let Err(error) = &read
            && !failed
        {
            tracing::warn!(%error, "responses cannot be read: those that are known hold until their end");
        }
        failed = read.is_err();
    }
}

async fn end_responses(intake: &Intake, mut stopped: watch::Receiver<bool>) {
    let mut ticks = every(RESPOND_EVERY);
    let mut failed = false;
    while goes_on(&mut ticks, &mut stopped).await {
        let ended = intake.end_responses().await;
        if let Err(error) = &ended
            && !failed
        {
            tracing::warn!(%error, "responses that are over cannot be ended");
        }
        failed = ended.is_err();
    }
}

/// Removes clients that nobody used for too long, where profiles say so; any replica may be the one.
pub(super) async fn expire(intake: &Intake, mut stopped: watch::Receiver<bool>) {
    let mut ticks = every(EXPIRE_EVERY);
    while goes_on(&mut ticks, &mut stopped).await {
        let expired = tokio::select! {
            expired = intake.expire_unused() => expired,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        match expired {
            Ok(_) | Err(NotExpired::NotWatched | NotExpired::NoUseSeen | NotExpired::EventsBehind) => {}
            Err(NotExpired::Store(error)) => tracing::warn!(%error, "clients that nobody uses cannot be looked for"),
        }
    }
}

/// Reads what the authorization server recorded of its clients' uses, as often as the configuration says; one replica at a time.
pub(super) async fn read_uses(intake: &Intake, mut stopped: watch::Receiver<bool>) {
    let mut failed = false;
    loop {
        let read = intake.read_server_uses().await;
        match &read {
            Err(error) if !failed => tracing::warn!(%error, "which clients were used is not read from the server"),
            Ok(_) if failed => tracing::info!("which clients were used is read from the server again"),
            _ => {}
        }
        failed = read.is_err();
        // A reload may have switched it on.
        let pause = intake.reads_events_every().unwrap_or(LOOK_EVERY);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

enum Due {
    Look,
    Tidy,
}

/// Waits for the next tick; false: it is over.
async fn goes_on(ticks: &mut Interval, stopped: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        _ = ticks.tick() => true,
        _ = stopped.wait_for(|stopped| *stopped) => false,
    }
}

/// Every profile in force, and every one that clients are left of, with all states: a number that goes away is not a zero.
fn client_counts(mut profiles: BTreeSet<String>, counts: Vec<(String, State, u64)>) -> Vec<ClientCount> {
    profiles.extend(counts.iter().map(|(profile, ..)| profile.clone()));
    let of = |profile: &str, state| {
        let counted = counts.iter().find(|(known, at, _)| known == profile && *at == state);
        counted.map_or(0, |(.., count)| *count)
    };
    let all = profiles.iter().flat_map(|profile| State::ALL.map(|state| (profile, state)));
    let count = |(profile, state): (&String, State)| ClientCount {
        profile: profile.clone(),
        lifecycle: state.as_str(),
        count: of(profile, state),
    };
    all.map(count).collect()
}

/// What is recorded of registrations that nobody will finish.
fn recording(intake: &Intake, now: Timestamp) -> Recording<Vec<RegistrationId>> {
    let event = |id: &RegistrationId| {
        let subject = Subject::Registration(id.0.clone());
        Event::new(Kind::RegistrationUnknown, Actor::Gateway).about(subject).because(NOT_RECORDED)
    };
    intake.tools().audit.recording(move |found: &Vec<_>| found.iter().map(event).collect(), now)
}

fn tell(found: Result<Vec<RegistrationId>, StoreError>) {
    match found {
        Ok(unfinished) => {
            for id in unfinished {
                tracing::error!(registration = id.0, "begun and never finished: whether the client exists is unknown");
            }
        }
        Err(error) => tracing::error!(%error, "cannot look for unfinished registrations"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_counted_in_every_state() {
        let counts = client_counts(["mcp".to_owned()].into(), vec![("gone".to_owned(), State::Active, 7)]);
        assert_eq!(counts.len(), 2 * State::ALL.len());
        let count = |profile: &str, lifecycle: &'static str, count| {
            counts.contains(&ClientCount { profile: profile.to_owned(), lifecycle, count })
        };
        assert!(count("gone", "active", 7) && count("gone", "pending", 0) && count("mcp", "active", 0), "{counts:?}");
    }
}
