//! Finishes registrations, all of a group together: their outcomes, the clients that came of them, what is given back.

use std::collections::{HashMap, HashSet};

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::change::Done;
use super::clients::There;
use super::quotas::{self, Counted};
use super::registrations::token_use;
use super::rows::{Batch, Found, Rows, Value};
use super::{clients, tokens};
use crate::clock::Timestamp;
use crate::store::quota::Window;
use crate::store::registration::Finished;
use crate::store::{NewClient, Outcome, OutcomeName, RegistrationId, StoreError, TokenUse};

/// What is to be written about one registration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finishing<'a> {
    pub(super) id: &'a RegistrationId,
    pub(super) outcome: &'a Outcome,
    /// The operator who found it out.
    pub(super) by: Option<&'a str>,
    pub(super) now: Timestamp,
}

impl<'a> Finishing<'a> {
    /// The client that comes of it.
    fn entering(&self) -> Option<Entering<'a>> {
        match self.outcome {
            Outcome::Registered(client) => Some(Entering { registration: self.id, client, now: self.now }),
            Outcome::NotRegistered { .. } | Outcome::Unknown { .. } => None,
        }
    }
}

/// A client that is to enter the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entering<'a> {
    pub(super) registration: &'a RegistrationId,
    pub(super) client: &'a NewClient,
    pub(super) now: Timestamp,
}

/// Ends those that are open, each the first time that it is among them, and asks which of their clients are there already. Nearly all
/// are open, and end once: nothing is read before.
pub(super) fn end(batch: &mut Batch, finishing: &[Finishing<'_>]) {
    clients::ask(batch, finishing.iter().filter_map(|finishing| finishing.entering()));
    let mut seen = HashSet::new();
    let first = finishing.iter().copied().filter(|finishing| seen.insert(finishing.id));
    batch.add(&END, first.map(row).collect());
}

/// As [`end`] and [`finish`], for one by itself.
pub(super) async fn finish_one(
    connection: &mut AnyConnection,
    finishing: Finishing<'_>,
) -> Result<Option<Result<Done, StoreError>>, sqlx::Error> {
    let (mut first, mut writes) = (Batch::default(), Batch::default());
    end(&mut first, &[finishing]);
    let mut found = first.run(connection).await?;
    let mut results = finish(connection, &[finishing], &mut found, &mut writes).await?;
    writes.run(connection).await?;
    Ok(results.pop())
}

/// What each came to, in their order, after [`end`]. What is still to be written for them goes to `writes`.
pub(super) async fn finish(
    connection: &mut AnyConnection,
    finishing: &[Finishing<'_>],
    found: &mut Found,
    writes: &mut Batch,
) -> Result<Vec<Result<Done, StoreError>>, sqlx::Error> {
    let there = There::read(found)?;
    let mut ended =
        found.of(&END).iter().map(|row| row.try_get(0)).collect::<Result<HashSet<String>, sqlx::Error>>()?;
    let mut others: HashSet<&String> = finishing.iter().map(|finishing| &finishing.id.0).collect();
    let mut seen = HashSet::new();
    others.retain(|id| !ended.contains(*id));
    others.extend(finishing.iter().map(|finishing| &finishing.id.0).filter(|id| !seen.insert(*id)));
    let mut begun = read(connection, others).await?;
    let mut outcomes = HashMap::new();
    let (mut entering, mut not_registered) = (Vec::new(), Vec::new());
    let mut results = Vec::with_capacity(finishing.len());
    for finishing in finishing.iter().copied() {
        let Finishing { id, outcome, .. } = finishing;
        let settled = match begun.get_mut(&id.0) {
            _ if ended.remove(&id.0) => Ok(Settled::Now),
            Some(registration) => registration.settle(outcome).inspect(|settled| {
                // An unknown outcome may have become known in the same group: the last one stays.
                if matches!(settled, Settled::Now) {
                    outcomes.insert(&id.0, row(finishing));
                }
            }),
            None => Err(Finished::Never),
        };
        if let Ok(Settled::Now) = settled {
            match outcome {
                Outcome::Registered(_) => entering.extend(finishing.entering()),
                Outcome::NotRegistered { .. } => not_registered.push(&id.0),
                Outcome::Unknown { .. } => {}
            }
        }
        let done = |settled| match settled {
            Settled::Now => Done::Written,
            Settled::Before => Done::Found(false),
        };
        results.push(settled.map(done).map_err(|finished| finished.refuse(id)));
    }
    SETTLE.execute(connection, outcomes.into_values().collect()).await?;
    let not_live = clients::enter(connection, &entering, &there, writes).await?;
    let giving_back = not_live.iter().map(|id| &id.0).chain(not_registered.iter().copied());
    let begun = read(connection, giving_back.collect()).await?;
    for registration in not_live {
        if let Some(Begun { profile, registrant, .. }) = begun.get(&registration.0) {
            quotas::client_left(connection, profile, registrant).await?;
        }
    }
    for id in not_registered {
        if let Some(registration) = begun.get(id) {
            registration.give_back(connection).await?;
        }
    }
    Ok(results)
}

const SET: &str = "UPDATE registrations SET outcome = v.column2, client_id = v.column3, reason = v.column4, \
    finished_at = v.column5, resolved_by = v.column6 FROM (VALUES";
static END: Rows<6> = Rows::finding(
    "ended",
    &[SET],
    ") AS v WHERE registrations.id = v.column1 AND registrations.outcome IS NULL RETURNING registrations.id AS ended",
);
static SETTLE: Rows<6> = Rows::between(&[SET], ") AS v WHERE registrations.id = v.column1");

fn row(Finishing { id, outcome, by, now }: Finishing<'_>) -> [Value; 6] {
    [
        id.0.clone().into(),
        outcome.name().as_str().into(),
        outcome.client_id().map(str::to_owned).into(),
        outcome.reason().map(str::to_owned).into(),
        now.unix_millis().into(),
        by.map(str::to_owned).into(),
    ]
}

/// A registration that has begun, as far as its end needs it.
struct Begun {
    profile: String,
    registrant: String,
    token: Option<TokenUse>,
    windows: (Option<Window>, Option<Window>),
    outcome: Option<OutcomeName>,
    client_id: Option<String>,
    reason: Option<String>,
}

/// An outcome that can be.
enum Settled {
    /// It is to be written.
    Now,
    /// It is there.
    Before,
}

impl Begun {
    /// `unknown` may become known, but an `unknown` that is there stays the first one.
    fn settle(&mut self, outcome: &Outcome) -> Result<Settled, Finished> {
        let is_the_same =
            self.client_id.as_deref() == outcome.client_id() && self.reason.as_deref() == outcome.reason();
        match (self.outcome, outcome.name()) {
            (Some(OutcomeName::Unknown), OutcomeName::Unknown) => return Ok(Settled::Before),
            (None | Some(OutcomeName::Unknown), _) => {}
            (Some(known), name) if known == name && is_the_same => return Ok(Settled::Before),
            (Some(_), _) => return Err(Finished::Otherwise),
        }
        self.outcome = Some(outcome.name());
        self.client_id = outcome.client_id().map(str::to_owned);
        self.reason = outcome.reason().map(str::to_owned);
        Ok(Settled::Now)
    }

    async fn give_back(&self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        if let Some(reserved) = &self.token {
            tokens::give_back(connection, reserved).await?;
        }
        let Self { profile, registrant, windows, .. } = self;
        Counted { profile, registrant, windows: *windows }.give_back(connection).await
    }
}

async fn read(connection: &mut AnyConnection, ids: HashSet<&String>) -> Result<HashMap<String, Begun>, sqlx::Error> {
    let begun = |row: &AnyRow| {
        let outcome = row.try_get::<Option<&str>, _>(10)?.map(str::parse).transpose();
        let begun = Begun {
            profile: row.try_get(1)?,
            registrant: row.try_get(2)?,
            token: token_use(row, 3)?,
            windows: (window(row, 6)?, window(row, 8)?),
            outcome: outcome.map_err(|text: String| sqlx::Error::Decode(text.into()))?,
            client_id: row.try_get(11)?,
            reason: row.try_get(12)?,
        };
        Ok((row.try_get(0)?, begun))
    };
    READ.fetch(connection, ids.into_iter().map(|id| [id.clone().into()]).collect()).await?.iter().map(begun).collect()
}

static READ: Rows<1> = Rows::finding(
    "begun",
    &[
        "SELECT r.id AS begun, r.profile, r.registrant, r.token, r.token_issuer, r.token_until, r.period, r.period_start, \
       r.total_period, r.total_period_start, r.outcome, r.client_id, r.reason FROM (VALUES",
    ],
    ") AS v CROSS JOIN registrations r WHERE r.id = v.column1",
);

fn window(row: &AnyRow, first: usize) -> Result<Option<Window>, sqlx::Error> {
    Ok(match (row.try_get(first)?, row.try_get(first + 1)?) {
        (Some(length), Some(start)) => Some(Window { length, start }),
        _ => None,
    })
}
