//! Which clients were seen to be used: gathered here, so that the record is written to at most once a minute for each, many in one
//! statement, and never in a request's way. A process that is killed loses what it gathered since: a minute at most.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Intake;
use super::standing::InUse;
use crate::clock::{Timestamp, every};

/// How often what is due is written.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// No client's use is written more often.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// How many clients are remembered; the uses of more, in one minute, are lost.
const MOST: usize = 100_000;

/// Which uses are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those of clients of which nothing was written for a minute.
    Due,
    /// All that are left.
    All,
}

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct GatheredUses(Mutex<Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    clients: HashMap<String, Use>,
    /// Since when uses are watched, as far as that was heard.
    watched_since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Use {
    at: Timestamp,
    is_written: bool,
    /// When something was last written of it.
    written_at: Option<Timestamp>,
}

impl GatheredUses {
    /// The server gave tokens to a client.
    pub(super) fn note(&self, client_id: &str, now: Timestamp) {
        let uses = &mut self.gathered().clients;
        if let Some(known) = uses.get_mut(client_id) {
            *known = Use { at: now, is_written: false, ..*known };
        } else if uses.len() < MOST {
            uses.insert(client_id.to_owned(), Use { at: now, is_written: false, written_at: None });
        }
    }

    /// Since when uses are watched; none: they are not.
    pub(super) fn watched(&self, since: Option<Timestamp>) {
        self.gathered().watched_since = since;
    }

    /// Since when the client was not used before this moment: its last use, here or by the record. One that was never seen to be used
    /// was idle since it was registered, or since that is watched; nothing where that is not known.
    pub(super) fn idle_since(&self, client: &InUse) -> Option<Timestamp> {
        let gathered = self.gathered();
        let here = gathered.clients.get(&client.client_id).map(|known| known.at);
        let never = || gathered.watched_since.map(|since| since.max(client.created_at));
        here.max(client.last_used_at).or_else(never)
    }

    /// What is to be written now; what was written longer ago than it matters is forgotten.
    fn due(&self, now: Timestamp, which: Which) -> Vec<(String, Timestamp)> {
        let is_recent = |at: Timestamp| at.lasts(WRITTEN_EVERY, now);
        let mut due = Vec::new();
        self.gathered().clients.retain(|client_id, known| {
            if known.is_written {
                return known.written_at.is_some_and(is_recent);
            }
            if which == Which::All || !known.written_at.is_some_and(is_recent) {
                due.push((client_id.clone(), known.at));
                *known = Use { is_written: true, written_at: Some(now), ..*known };
            }
            true
        });
        due
    }

    /// It was not written after all.
    fn put_back(&self, uses: Vec<(String, Timestamp)>) {
        let known = &mut self.gathered().clients;
        for (client_id, at) in uses {
            let again = Use { at, is_written: false, written_at: None };
            let kept = known.entry(client_id).or_insert(again);
            *kept = Use { at: kept.at.max(at), is_written: false, written_at: None };
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intake {
    /// Writes down which clients were used, until `ended` is true, and then what is left.
    pub async fn keep_uses(&self, mut ended: watch::Receiver<bool>) {
        let mut looks = every(LOOK_EVERY);
        loop {
            let which = tokio::select! {
                _ = looks.tick() => Which::Due,
                _ = ended.wait_for(|ended| *ended) => Which::All,
            };
            self.write_uses(which).await;
            if which == Which::All {
                return;
            }
        }
    }

    pub(super) async fn write_uses(&self, which: Which) {
        let due = self.tools.uses.due(self.tools.clock.now(), which);
        if due.is_empty() {
            return;
        }
        if let Err(error) = self.tools.store.note_uses(&due).await {
            tracing::warn!(%error, clients = due.len(), "which clients were used could not be written, and will be later");
            self.tools.uses.put_back(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    fn due(uses: &GatheredUses, seconds: i64) -> Vec<(String, Timestamp)> {
        uses.due(at(seconds), Which::Due)
    }

    #[test]
    fn the_first_use_is_due_at_once_and_the_next_a_minute_later() {
        let uses = GatheredUses::default();
        uses.note("c", at(1));
        assert_eq!(due(&uses, 2), [("c".to_owned(), at(1))]);
        assert!(due(&uses, 3).is_empty());
        uses.note("c", at(4));
        uses.note("c", at(9));
        assert!(due(&uses, 61).is_empty());
        assert_eq!(due(&uses, 62), [("c".to_owned(), at(9))]);
    }

    #[test]
    fn what_was_written_by_a_clock_that_was_set_back_since_keeps_no_use_from_the_record() {
        let uses = GatheredUses::default();
        uses.note("c", at(86_400));
        assert_eq!(due(&uses, 86_401).len(), 1);
        uses.note("c", at(7));
        assert_eq!(due(&uses, 8), [("c".to_owned(), at(7))]);
    }

    #[test]
    fn at_the_end_nothing_is_kept_back() {
        let uses = GatheredUses::default();
        uses.note("c", at(1));
        due(&uses, 2);
        uses.note("c", at(3));
        assert_eq!(uses.due(at(4), Which::All), [("c".to_owned(), at(3))]);
    }

    #[test]
    fn what_could_not_be_written_is_due_again() {
        let uses = GatheredUses::default();
        uses.note("c", at(1));
        let lost = due(&uses, 2);
        uses.note("c", at(3));
        uses.put_back(lost);
        assert_eq!(due(&uses, 4), [("c".to_owned(), at(3))]);
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let uses = GatheredUses::default();
        (0..MOST + 5).for_each(|n| uses.note(&n.to_string(), at(1)));
        assert_eq!(due(&uses, 2).len(), MOST);
        due(&uses, 100);
        assert!(uses.gathered().clients.is_empty());
    }

    #[test]
    fn a_client_is_idle_since_its_last_use_wherever_that_was_seen() {
        let uses = GatheredUses::default();
        let client = |last_used_at| InUse { client_id: "c".to_owned(), created_at: at(10), last_used_at };
        assert_eq!(uses.idle_since(&client(Some(at(20)))), Some(at(20)));
        uses.note("c", at(30));
        assert_eq!(uses.idle_since(&client(Some(at(20)))), Some(at(30)));
        assert_eq!(uses.idle_since(&client(Some(at(40)))), Some(at(40)), "another replica saw it later");
    }

    #[test]
    fn one_that_was_never_used_is_idle_since_somebody_would_have_seen_it() {
        let uses = GatheredUses::default();
        let client = InUse { client_id: "c".to_owned(), created_at: at(10), last_used_at: None };
        assert_eq!(uses.idle_since(&client), None, "it may have been used every day");
        uses.watched(Some(at(5)));
        assert_eq!(uses.idle_since(&client), Some(at(10)));
        uses.watched(Some(at(50)));
        assert_eq!(uses.idle_since(&client), Some(at(50)));
        uses.watched(None);
        assert_eq!(uses.idle_since(&client), None);
    }
}
