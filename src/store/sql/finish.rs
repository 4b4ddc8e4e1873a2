//! Finishes registrations, all of a group together: their outcomes, the clients that came of them, what is given back.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::change::Done;
use super::quotas::{self, Counted};
use super::registrations::token_use;
use super::rows::{Value, with_rows};
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

/// A client that is to enter the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entering<'a> {
    pub(super) registration: &'a RegistrationId,
    pub(super) client: &'a NewClient,
    pub(super) now: Timestamp,
}

/// What each came to, in their order.
pub(super) async fn finish(
    connection: &mut AnyConnection,
    finishing: &[Finishing<'_>],
) -> Result<Vec<Result<Done, StoreError>>, sqlx::Error> {
    let mut begun = read(connection, finishing).await?;
    let mut outcomes = HashMap::new();
    let (mut entering, mut not_registered) = (Vec::new(), Vec::new());
    let mut results = Vec::with_capacity(finishing.len());
    for finishing in finishing.iter().copied() {
        let Finishing { id, outcome, now, .. } = finishing;
        let settled = match begun.get_mut(&id.0) {
            Some(registration) => registration.settle(outcome),
            None => Err(Finished::Never),
        };
        if let Ok(Settled::Now) = settled {
            // An unknown outcome may have become known in the same group: the last one stays.
            outcomes.insert(&id.0, row(finishing));
            match outcome {
                Outcome::Registered(client) => entering.push(Entering { registration: id, client, now }),
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
    with_rows(connection, UPDATE, outcomes.into_values().collect()).await?;
    for registration in clients::enter(connection, &entering).await? {
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

const UPDATE: (&str, &str) = (
    "UPDATE registrations SET outcome = v.column2, client_id = v.column3, reason = v.column4, finished_at = v.column5, \
     resolved_by = v.column6 \
     FROM (VALUES",
    ") AS v WHERE registrations.id = v.column1",
);

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

async fn read(
    connection: &mut AnyConnection,
    finishing: &[Finishing<'_>],
) -> Result<HashMap<String, Begun>, sqlx::Error> {
    let select = "SELECT r.id, r.profile, r.registrant, r.token, r.token_issuer, r.token_until, r.period, r.period_start, \
        r.total_period, r.total_period_start, r.outcome, r.client_id, r.reason FROM (VALUES";
    let from = ") AS v CROSS JOIN registrations r WHERE r.id = v.column1";
    let ids = finishing.iter().map(|finishing| [finishing.id.0.clone().into()]).collect();
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
    with_rows(connection, (select, from), ids).await?.iter().map(begun).collect()
}

fn window(row: &AnyRow, first: usize) -> Result<Option<Window>, sqlx::Error> {
    Ok(match (row.try_get(first)?, row.try_get(first + 1)?) {
        (Some(length), Some(start)) => Some(Window { length, start }),
        _ => None,
    })
}
