//! What Keycloak recorded of its clients' uses: the user events of a realm in which tokens were given out. Needs the role `view-events`,
//! and a realm that keeps events. Only reads.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde::Deserialize;

use super::{KeycloakAdministration, broken};
use crate::authorization_server::administration::AdministrationError;
use crate::authorization_server::existing::RecordedUses;
use crate::clock::Timestamp;

/// The events in which a client was given a token; by the first two every ordinary client shows itself.
pub const USES: [&str; 6] = [
    "CODE_TO_TOKEN",
    "CLIENT_LOGIN",
    "REFRESH_TOKEN",
    "TOKEN_EXCHANGE",
    "OAUTH2_DEVICE_CODE_TO_TOKEN",
    "AUTHREQID_TO_TOKEN",
];

/// Without these a client may be in use and leave no event behind.
const NEEDED: [&str; 2] = ["CODE_TO_TOKEN", "CLIENT_LOGIN"];

/// How many events are asked for at once, and how often in a row.
const PAGE: usize = 500;
const MOST_PAGES: usize = 40;

/// Events are on disk a moment after their time, and the clocks of Keycloak's nodes differ: so much is read again.
const OVERLAP: Duration = Duration::from_secs(60);

/// What the realm keeps.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventsKept {
    /// Whether it keeps events at all.
    #[serde(rename = "eventsEnabled", default)]
    pub is_on: bool,
    /// For so many seconds; 0: for ever.
    #[serde(rename = "eventsExpiration", default)]
    seconds: u64,
    /// Of these types.
    #[serde(rename = "enabledEventTypes", default)]
    types: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct FoundEvent {
    /// Milliseconds since the epoch.
    time: i64,
    #[serde(rename = "clientId")]
    client_id: Option<String>,
}

impl EventsKept {
    /// Types of events without which uses go unseen, that the realm does not keep.
    pub fn missing(&self) -> Vec<&'static str> {
        NEEDED.into_iter().filter(|needed| !self.keeps(needed)).collect()
    }

    /// Whether events of this type are kept.
    pub fn keeps(&self, kind: &str) -> bool {
        self.types.iter().any(|kept| kept == kind)
    }

    /// For how long; none: for ever.
    pub fn kept_for(&self) -> Option<Duration> {
        (self.seconds > 0).then(|| Duration::from_secs(self.seconds))
    }
}

impl KeycloakAdministration {
    /// Which events the realm keeps.
    ///
    /// # Errors
    /// [`AdministrationError::NotPermitted`]: the role `view-events` is missing.
    pub async fn events_kept(&self) -> Result<EventsKept, AdministrationError> {
        let response = self.call(Method::GET, &format!("{}/events/config", self.base.0), None).await?;
        serde_json::from_slice(response.body())
            .map_err(|error| broken(&format!("no configuration of the events: {error}")))
    }

    /// Reads from `since` on, the oldest first. `now` is the moment at which it is asked.
    pub(super) async fn uses_in_events(
        &self,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<RecordedUses, AdministrationError> {
        let kept = self.events_kept().await?;
        if !kept.is_on {
            return Err(refused("the realm keeps no events (Realm settings, Events, User events settings)".to_owned()));
        }
        if let Some(missing) = kept.missing().first() {
            return Err(refused(format!("the realm keeps no events of type {missing}")));
        }
        let from = since.before(OVERLAP);
        let mut uses = BTreeMap::new();
        let mut last = None;
        for page in 0..MOST_PAGES {
            let events = self.events(&query(from, page)).await?;
            for event in &events {
                let at = Timestamp::from_unix_millis(event.time);
                last = last.max(Some(at));
                if let Some(client_id) = &event.client_id {
                    let known = uses.entry(client_id.clone()).or_insert(at);
                    *known = at.max(*known);
                }
            }
            if events.len() < PAGE {
                let uses = uses.into_iter().collect();
                return Ok(RecordedUses { uses, read_to: now, has_more: false, kept_for: kept.kept_for() });
            }
        }
        Ok(RecordedUses {
            uses: uses.into_iter().collect(),
            read_to: read_to(from, last).min(now),
            has_more: true,
            kept_for: kept.kept_for(),
        })
    }

    pub(super) async fn last_use_in_events(&self, client_id: &str) -> Result<Option<Timestamp>, AdministrationError> {
        // The newest is the first, unless another order is asked for.
        let query = types().append_pair("client", client_id).append_pair("max", "1").finish();
        let events = self.events(&query).await?;
        Ok(events.first().map(|event| Timestamp::from_unix_millis(event.time)))
    }

    async fn events(&self, query: &str) -> Result<Vec<FoundEvent>, AdministrationError> {
        let uri = format!("{}/events?{query}", self.base.0);
        let response = self.call(Method::GET, &uri, None).await?;
        serde_json::from_slice(response.body()).map_err(|error| broken(&format!("no list of events: {error}")))
    }
}

/// Up to where it was read when there is more: the next reading begins at the last event that was read, however short the time they lie in.
fn read_to(from: Timestamp, last: Option<Timestamp>) -> Timestamp {
    // More than are read in one millisecond, and nothing would move: then one step is made all the same.
    let last = last.filter(|last| *last > from).unwrap_or_else(|| from.after(Duration::from_millis(1)));
    last.after(OVERLAP)
}

fn types() -> url::form_urlencoded::Serializer<'static, String> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(USES.map(|kind| ("type", kind)));
    query
}

fn query(from: Timestamp, page: usize) -> String {
    let mut query = types();
    query.append_pair("dateFrom", &from.unix_millis().max(0).to_string());
    // Of the newest first a page that is full would hide the older ones.
    query.append_pair("direction", "asc");
    query.append_pair("first", &(page * PAGE).to_string());
    query.append_pair("max", &PAGE.to_string());
    query.finish()
}

fn refused(reason: String) -> AdministrationError {
    AdministrationError::Refused(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_events_than_are_read_at_once_none_is_skipped_however_close_they_lie() {
        // The last of so many events is so many milliseconds behind where they are read from.
        for behind in [1, 20, 59_999, 60_000, 60_001, 3_600_000] {
            let from = Timestamp::from_unix_millis(1_700_000_000_000);
            let last = from.after(Duration::from_millis(behind));
            assert_eq!(read_to(from, Some(last)).before(OVERLAP), last, "{behind}");
        }
    }

    #[test]
    fn more_events_in_one_millisecond_than_are_read_at_once_are_passed_by() {
        let from = Timestamp::from_unix_millis(1_700_000_000_000);
        let next = from.after(Duration::from_millis(1));
        for last in [None, Some(from), Some(from.before(OVERLAP))] {
            assert_eq!(read_to(from, last).before(OVERLAP), next, "{last:?}");
        }
    }
}
