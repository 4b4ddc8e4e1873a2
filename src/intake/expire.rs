//! Clients that nobody ever used are removed after a while, where their profile says so and where uses can be known. One that was used
//! never is by its age. Several replicas may look at once: each client is taken in its turn, and looked at again there.

use std::time::Duration;

use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::uses::Which;
use super::{Intake, Tools, server_uses, settle, turn, unavailable};
use crate::clock::Timestamp;
use crate::store::{ClientRecord, StoreError, Unused, Watch};
use crate::telemetry::{InSpan as _, span};

/// How many clients of a profile are removed in one go.
const AT_ONCE: u32 = 100;

/// The clients that were never used, and for too long.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Since when uses are watched; none: they cannot be known here, and nothing expires.
    pub watched_since: Option<Timestamp>,
    /// Not one use of any client was seen: whatever watches is likely not where clients go, so nothing expires by itself.
    pub no_use_was_seen: bool,
    /// Up to when the server's events were read; none: they are not, or never were yet.
    pub events_read_to: Option<Timestamp>,
    /// They are to be read and were not for too long: nothing expires by itself.
    pub events_are_behind: bool,
    /// Those that are due, of each profile at most a hundred, the oldest first; each with how long it may be unused.
    pub due: Vec<(ClientRecord, Duration)>,
}

/// Why nothing expired.
#[derive(Debug, thiserror::Error)]
pub enum NotExpired {
    /// The configuration does not let uses be known.
    #[error(
        "nothing expires: the gateway does not see the uses of clients (authorization_server.other_paths, client_endpoints)"
    )]
    NotWatched,
    /// Nobody used anything.
    #[error("nothing expires: no client was seen to be used yet, so uses may not come by here")]
    NoUseSeen,
    /// Uses may have been recorded that were not read.
    #[error("nothing expires: the authorization server's events were not read lately, the log says why")]
    EventsBehind,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Intake {
    /// Which clients would expire now.
    pub async fn unused_clients(&self) -> Result<Report, StoreError> {
        let rulebook = self.rulebook.load_full();
        report(&rulebook, &self.tools).await
    }

    /// Expires them; returns those that did.
    pub async fn expire_unused(&self) -> Result<Vec<ClientRecord>, NotExpired> {
        let rulebook = self.rulebook.load_full();
        // What this process has seen counts first.
        self.write_uses(Which::All).await;
        let report = report(&rulebook, &self.tools).await?;
        let Some(since) = report.watched_since else { return Err(NotExpired::NotWatched) };
        if report.no_use_was_seen {
            return Err(NotExpired::NoUseSeen);
        }
        if report.events_are_behind {
            return Err(NotExpired::EventsBehind);
        }
        let mut expired = Vec::new();
        for (client, after) in report.due {
            let client_id = client.client_id.clone();
            let (rulebook, tools) = (rulebook.clone(), self.tools.clone());
            let term = Term { watched_since: since, after };
            let expiring = async move { expire(&rulebook, &tools, &client, term).await };
            match self.tools.under_way.to_its_end(expiring).await {
                Ok(client) => expired.extend(client),
                Err(refusal) => tracing::warn!(
                    client_id,
                    cause = refusal.cause(),
                    "a client that was never used could not be looked at"
                ),
            }
        }
        Ok(expired)
    }
}

async fn report(rulebook: &Rulebook, tools: &Tools) -> Result<Report, StoreError> {
    if !rulebook.sees_uses {
        tools.uses.watched(None);
        tools.store.stop_watching_uses().await?;
        let (events_read_to, events_are_behind) = (None, false);
        let (watched_since, no_use_was_seen, due) = (None, true, Vec::new());
        return Ok(Report { watched_since, no_use_was_seen, events_read_to, events_are_behind, due });
    }
    let now = tools.clock.now();
    let events_read_to = match rulebook.reads_events_every {
        Some(_) => tools.store.read_to().await?,
        None => None,
    };
    let events_are_behind = server_uses::is_behind(rulebook, events_read_to, now);
    let Watch { since, last_use } = tools.store.watch_uses(now).await?;
    tools.uses.watched(Some(since));
    let mut due = Vec::new();
    for profile in &rulebook.profiles {
        let Some(after) = profile.expire_unused_after() else { continue };
        let unused = unused(rulebook, profile.name(), since, now.before(after));
        let found = tools.store.unused(&unused).in_span(span::store_span("unused")).await?;
        due.extend(found.into_iter().map(|client| (client, after)));
    }
    let (watched_since, no_use_was_seen) = (Some(since), last_use.is_none());
    Ok(Report { watched_since, no_use_was_seen, events_read_to, events_are_behind, due })
}

fn unused(rulebook: &Rulebook, profile: &str, since: Timestamp, until: Timestamp) -> Unused {
    // Those that can never be removed must not stand before those that can.
    let only_manageable = rulebook.administration.is_none();
    Unused { profile: profile.to_owned(), client_id: None, since, until, only_manageable, limit: AT_ONCE }
}

/// What makes a client one that nobody uses.
struct Term {
    /// Older ones may have been used before.
    watched_since: Timestamp,
    /// For so long since it was registered.
    after: Duration,
}

/// Expires one that was not used since uses are watched, and for too long.
async fn expire(
    rulebook: &Rulebook,
    tools: &Tools,
    client: &ClientRecord,
    term: Term,
) -> Result<Option<ClientRecord>, Refusal> {
    let client_id = client.client_id.as_str();
    let Some(held) = turn::take(rulebook, tools, client_id).await? else { return Ok(None) };
    let now = tools.clock.now();
    // Since it was found others may have taken their time: somebody was quicker, it was used at last, or handed out again.
    let of_its_profile = unused(rulebook, &client.profile, term.watched_since, now.before(term.after));
    let this = Unused { client_id: Some(client_id.to_owned()), ..of_its_profile };
    let found = tools.store.unused(&this).in_span(span::store_span("unused")).await;
    let is_unused = found.as_ref().is_ok_and(|found| !found.is_empty());
    let Some(expired) = held.client.lifecycle.clone().expire_unused(now).ok().filter(|_| is_unused) else {
        held.end_untried().await?;
        return found.map(|_| None).map_err(unavailable);
    };
    settle::record_expiry(held, expired, "never_used").await?;
    tracing::info!(client_id, profile = client.profile, registered_at = %client.created_at, "expired: it was never used");
    if let Err(refusal) = settle::settle(rulebook, tools, client_id).await {
        tracing::warn!(client_id, cause = refusal.cause(), "an expired client will be removed at the server later");
    }
    tools.store.client(client_id).await.map_err(unavailable)
}
