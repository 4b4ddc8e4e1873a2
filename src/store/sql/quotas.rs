//! How much of each quota is used: one row for each count, changed in the transaction that changes what it counts.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::rows::{Batch, Found, Rows};
use crate::clock::Timestamp;
use crate::store::quota::{Used, Window};

/// A registration that began in a period may give back what it counted, and clocks of replicas differ.
const KEEP_ENDED: Duration = Duration::from_secs(24 * 60 * 60);

/// What one registration is counted as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted<'a> {
    pub(super) profile: &'a str,
    pub(super) registrant: &'a str,
    /// The periods of the registrant and of the profile.
    pub(super) windows: (Option<Window>, Option<Window>),
}

/// The profile as a whole has its rows under this name.
const EVERYBODY: &str = "";

impl<'a> Counted<'a> {
    /// Every row, by its registrant and window: of the registrant and of everybody, in the period and for all time.
    fn rows(self) -> impl Iterator<Item = (&'a str, Window)> {
        let of_registrant = [self.windows.0, Some(Window::ALL_TIME)].into_iter().flatten();
        let of_everybody = [self.windows.1, Some(Window::ALL_TIME)].into_iter().flatten();
        of_registrant.map(move |window| (self.registrant, window)).chain(of_everybody.map(|window| (EVERYBODY, window)))
    }

    fn keys(self) -> impl Iterator<Item = Key> {
        self.rows().map(move |(registrant, window)| (self.profile.to_owned(), registrant.to_owned(), window))
    }

    /// One less of each: nothing was registered.
    pub(super) async fn give_back(self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        for (registrant, window) in self.rows() {
            let query = sqlx::query(
                "UPDATE quota_usage SET used = used - 1 \
                 WHERE used > 0 AND profile = $1 AND registrant = $2 AND length = $3 AND start = $4",
            )
            .bind(self.profile.to_owned())
            .bind(registrant.to_owned())
            .bind(window.length)
            .bind(window.start);
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// A row: profile, registrant, window.
type Key = (String, String, Window);

/// How much is used, for a group of registrations that are judged one after the other.
pub(super) struct Counts {
    used: HashMap<Key, u64>,
    /// What the group adds.
    more: HashMap<Key, i64>,
}

impl Counts {
    /// Asks what these are counted against. What nothing limits need not be among them.
    pub(super) fn ask<'a>(batch: &mut Batch, counted: impl Iterator<Item = Counted<'a>>) {
        let keys: HashSet<Key> = counted.flat_map(Counted::keys).collect();
        let values = keys.into_iter().map(|(profile, registrant, Window { length, start })| {
            [profile.into(), registrant.into(), length.into(), start.into()]
        });
        batch.add(&READ, values.collect());
    }

    /// What was asked.
    pub(super) fn read(found: &mut Found) -> Result<Self, sqlx::Error> {
        let used = |row: &AnyRow| {
            let window = Window { length: row.try_get(2)?, start: row.try_get(3)? };
            let used = u64::try_from(row.try_get::<i64, _>(4)?).unwrap_or(0);
            Ok(((row.try_get(0)?, row.try_get(1)?, window), used))
        };
        let used = found.of(&READ).iter().map(used).collect::<Result<_, sqlx::Error>>()?;
        Ok(Self { used, more: HashMap::new() })
    }

    pub(super) fn used(&self, counted: Counted<'_>) -> Used {
        let mut used = Used::default();
        for key in counted.keys() {
            let count = match (key.1 == EVERYBODY, key.2 == Window::ALL_TIME) {
                (false, false) => &mut used.registrations,
                (false, true) => &mut used.live_clients,
                (true, false) => &mut used.total_registrations,
                (true, true) => &mut used.total_live_clients,
            };
            *count = self.used.get(&key).copied().unwrap_or(0);
        }
        used
    }

    /// One more of each.
    pub(super) fn count(&mut self, counted: Counted<'_>) {
        for key in counted.keys() {
            *self.used.entry(key.clone()).or_default() += 1;
            *self.more.entry(key).or_default() += 1;
        }
    }

    pub(super) fn write(self, batch: &mut Batch) {
        let values = self.more.into_iter().map(|((profile, registrant, Window { length, start }), more)| {
            [profile.into(), registrant.into(), length.into(), start.into(), more.into()]
        });
        batch.add(&ADD, values.collect());
    }
}

static READ: Rows<4> = Rows::finding(
    "counted",
    &["SELECT q.profile AS counted, q.registrant, q.length, q.start, q.used FROM (VALUES"],
    ") AS v CROSS JOIN quota_usage q WHERE q.profile = v.column1 AND q.registrant = v.column2 \
     AND q.length = v.column3 AND q.start = v.column4",
);
static ADD: Rows<5> = Rows::between(
    &["INSERT INTO quota_usage (profile, registrant, length, start, used) SELECT * FROM (VALUES"],
    ") AS v WHERE v.column1 IS NOT NULL \
     ON CONFLICT (profile, registrant, length, start) DO UPDATE SET used = quota_usage.used + excluded.used",
);

/// One live client less.
pub(super) async fn client_left(
    connection: &mut AnyConnection,
    profile: &str,
    registrant: &str,
) -> Result<(), sqlx::Error> {
    Counted { profile, registrant, windows: (None, None) }.give_back(connection).await
}

/// Periods that are long over, and registrants that have no client any more.
pub(super) async fn forget_ended(connection: &mut AnyConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    let kept_since = now.before(KEEP_ENDED).unix_millis();
    // The first of the conditions is for the index.
    let ended = "DELETE FROM quota_usage WHERE length > 0 AND start < $1 AND start + length < $1";
    sqlx::query(ended).bind(kept_since).execute(&mut *connection).await?;
    sqlx::query("DELETE FROM quota_usage WHERE length = 0 AND used = 0").execute(connection).await.map(drop)
}
