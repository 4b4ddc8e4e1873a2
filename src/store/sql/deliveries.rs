//! What receivers of alerts are to be told: the statements. What is told of a change enters in the change's transaction.

use async_trait::async_trait;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::change::{Applied, Done, Other, What};
use super::{SqlStore, told};
use crate::clock::Timestamp;

use crate::store::{AuditEntry, Backlog, Deliveries, Delivery, Fate, Recording, Settled, StoreError, Telling, Turn};

/// A change to what waits.
#[derive(Debug)]
pub(super) enum DeliveryChange {
    Tell(Vec<Telling>),
    Take { receiver: String, turn: Turn, limit: u32, now: Timestamp },
    Settle { receiver: String, holder: String, settled: Vec<Settled> },
    GiveUpOldest { receiver: String, keep: u32 },
    Forget { known: Vec<String>, before: Timestamp },
}

impl From<DeliveryChange> for What {
    fn from(change: DeliveryChange) -> Self {
        Self::Other(Other::Deliveries(change))
    }
}

#[async_trait]
impl Deliveries for SqlStore {
    async fn tell(&self, told: Vec<Telling>) -> Result<(), StoreError> {
        if told.is_empty() {
            return Ok(());
        }
        self.write(DeliveryChange::Tell(told)).await.map(drop)
    }

    async fn receivers_due(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query("SELECT DISTINCT receiver FROM alert_deliveries WHERE due_at <= $1 ORDER BY receiver");
        let query = query.bind(now.unix_millis());
        self.read(async |reader| query.fetch_all(reader).await?.iter().map(|row| row.try_get(0)).collect()).await
    }

    async fn take_deliveries(
        &self,
        receiver: &str,
        turn: &Turn,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<Vec<Delivery>>, StoreError> {
        let change = DeliveryChange::Take { receiver: receiver.to_owned(), turn: turn.clone(), limit, now };
        match self.write(change).await? {
            Done::Taken(taken) => Ok(taken),
            other => Err(other.unexpected()),
        }
    }

    async fn settle_deliveries(
        &self,
        receiver: &str,
        holder: &str,
        settled: Vec<Settled>,
        entries: Vec<AuditEntry>,
    ) -> Result<(), StoreError> {
        let (receiver, holder) = (receiver.to_owned(), holder.to_owned());
        let record = Recording::these(entries).of_part(Done::anything);
        self.change(DeliveryChange::Settle { receiver, holder, settled }, record).await.map(drop)
    }

    async fn give_up_oldest(
        &self,
        receiver: &str,
        keep: u32,
        record: Recording<Vec<Backlog>>,
    ) -> Result<u64, StoreError> {
        let gone = self.gone(DeliveryChange::GiveUpOldest { receiver: receiver.to_owned(), keep }, record).await?;
        Ok(gone.iter().map(|gone| gone.count).sum())
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        // What lasts and was told waits for nothing.
        let query = sqlx::query(
            "SELECT receiver, COUNT(*) FROM alert_deliveries WHERE lasting_until IS NULL OR attempts > 0 \
             GROUP BY receiver ORDER BY receiver",
        );
        self.read(async |reader| query.fetch_all(reader).await?.iter().map(backlog).collect()).await
    }

    async fn forget_receivers(
        &self,
        known: &[String],
        before: Timestamp,
        record: Recording<Vec<Backlog>>,
    ) -> Result<Vec<Backlog>, StoreError> {
        self.gone(DeliveryChange::Forget { known: known.to_vec(), before }, record).await
    }
}

impl SqlStore {
    async fn gone(&self, change: DeliveryChange, record: Recording<Vec<Backlog>>) -> Result<Vec<Backlog>, StoreError> {
        match self.change(change, record.of_part(Done::gone)).await? {
            Done::Gone(gone) => Ok(gone),
            other => Err(other.unexpected()),
        }
    }
}

impl DeliveryChange {
    pub(super) async fn apply(&self, connection: &mut AnyConnection) -> Applied {
        Ok(Ok(match self {
            Self::Tell(told) => {
                told::tell(connection, told).await?;
                Done::Written
            }
            Self::Settle { receiver, holder, settled } => {
                settle(connection, settled).await?;
                end_turn(connection, receiver, holder).await?;
                Done::Written
            }
            Self::Take { receiver, turn, limit, now } => {
                let due = due(connection, receiver, *limit, *now).await?;
                let is_ours = due.is_empty() || take_turn(connection, receiver, turn, *now).await?;
                Done::Taken(if is_ours { Some(take(connection, due).await?) } else { None })
            }
            Self::GiveUpOldest { receiver, keep } => Done::Gone(give_up_oldest(connection, receiver, *keep).await?),
            Self::Forget { known, before } => Done::Gone(forget(connection, known, *before).await?),
        }))
    }
}

/// What is due for the receiver, without its notices.
async fn due(
    connection: &mut AnyConnection,
    receiver: &str,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Delivery>, sqlx::Error> {
    let due = sqlx::query(
        "SELECT id, version, created_at, attempts, lasting_until, more FROM alert_deliveries \
         WHERE receiver = $1 AND due_at <= $2 ORDER BY created_at, id LIMIT $3",
    )
    .bind(receiver.to_owned())
    .bind(now.unix_millis())
    .bind(i64::from(limit));
    due.fetch_all(connection).await?.iter().map(delivery).collect()
}

/// Whether nobody else has the turn at the receiver, who is the holder's now.
async fn take_turn(
    connection: &mut AnyConnection,
    receiver: &str,
    turn: &Turn,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let begin = sqlx::query(
        "INSERT INTO alert_turns (receiver, holder, until) VALUES ($1, $2, $3) ON CONFLICT (receiver) \
         DO UPDATE SET holder = excluded.holder, until = excluded.until \
         WHERE alert_turns.until <= $4 OR alert_turns.until > $5",
    )
    .bind(receiver.to_owned())
    .bind(turn.holder.clone())
    .bind(now.after(turn.lasts).unix_millis())
    .bind(now.unix_millis())
    .bind(turn.latest_end(now).unix_millis());
    Ok(begin.execute(connection).await?.rows_affected() > 0)
}

/// With their notices; to what does not last nothing is added any more.
async fn take(connection: &mut AnyConnection, due: Vec<Delivery>) -> Result<Vec<Delivery>, sqlx::Error> {
    let mut taken = Vec::with_capacity(due.len());
    for delivery in due {
        if delivery.lasting_until.is_none() {
            let close = sqlx::query("UPDATE alert_deliveries SET closed = 1 WHERE id = $1").bind(delivery.id.clone());
            close.execute(&mut *connection).await?;
        }
        let notices = sqlx::query("SELECT notice FROM alert_notices WHERE delivery = $1 ORDER BY place");
        let notices = notices.bind(delivery.id.clone()).fetch_all(&mut *connection).await?;
        let notices = notices.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        taken.push(Delivery { notices, ..delivery });
    }
    Ok(taken)
}

/// Out of the columns `id, version, created_at, attempts, lasting_until, more`.
fn delivery(row: &AnyRow) -> Result<Delivery, sqlx::Error> {
    let count = |column| Ok::<_, sqlx::Error>(u32::try_from(row.try_get::<i64, _>(column)?).unwrap_or(u32::MAX));
    Ok(Delivery {
        id: row.try_get(0)?,
        version: row.try_get(1)?,
        created_at: Timestamp::from_unix_millis(row.try_get(2)?),
        attempts: count(3)?,
        lasting_until: row.try_get::<Option<i64>, _>(4)?.map(Timestamp::from_unix_millis),
        notices: Vec::new(),
        more: count(5)?,
    })
}

async fn settle(connection: &mut AnyConnection, settled: &[Settled]) -> Result<(), sqlx::Error> {
    for Settled { id, version, fate } in settled {
        let change = match fate {
            Fate::Done => sqlx::query("DELETE FROM alert_deliveries WHERE id = $1 AND version = $2")
                .bind(id.clone())
                .bind(*version),
            Fate::Again(at) => sqlx::query(
                "UPDATE alert_deliveries SET due_at = $3, attempts = 0, last_error = NULL WHERE id = $1 AND version = $2",
            )
            .bind(id.clone())
            .bind(*version)
            .bind(at.unix_millis()),
            Fate::Failed { next_at, error } => sqlx::query(
                "UPDATE alert_deliveries SET due_at = $3, attempts = attempts + 1, last_error = $4 \
                 WHERE id = $1 AND version = $2",
            )
            .bind(id.clone())
            .bind(*version)
            .bind(next_at.unix_millis())
            .bind(error.clone()),
        };
        change.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn end_turn(connection: &mut AnyConnection, receiver: &str, holder: &str) -> Result<(), sqlx::Error> {
    let end = sqlx::query("DELETE FROM alert_turns WHERE receiver = $1 AND holder = $2");
    end.bind(receiver.to_owned()).bind(holder.to_owned()).execute(connection).await.map(drop)
}

/// Whoever had a turn is gone.
pub(super) async fn break_off_all_turns(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM alert_turns").execute(connection).await.map(drop)
}

async fn give_up_oldest(
    connection: &mut AnyConnection,
    receiver: &str,
    keep: u32,
) -> Result<Vec<Backlog>, sqlx::Error> {
    let give_up = sqlx::query(
        "DELETE FROM alert_deliveries WHERE receiver = $1 AND lasting_until IS NULL AND (created_at, id) <= \
         (SELECT created_at, id FROM alert_deliveries WHERE receiver = $1 AND lasting_until IS NULL \
         ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET $2)",
    )
    .bind(receiver.to_owned())
    .bind(i64::from(keep));
    let count = give_up.execute(connection).await?.rows_affected();
    Ok(if count > 0 { vec![Backlog { receiver: receiver.to_owned(), count }] } else { Vec::new() })
}

async fn forget(
    connection: &mut AnyConnection,
    known: &[String],
    before: Timestamp,
) -> Result<Vec<Backlog>, sqlx::Error> {
    // Receivers are few, what waits for them is not.
    let (mut gone, mut last) = (Vec::new(), String::new());
    let next = "SELECT receiver FROM alert_deliveries WHERE receiver > $1 ORDER BY receiver LIMIT 1";
    while let Some(row) = sqlx::query(next).bind(last).fetch_optional(&mut *connection).await? {
        last = row.try_get(0)?;
        if known.contains(&last) {
            continue;
        }
        let forget = sqlx::query(
            "DELETE FROM alert_deliveries WHERE receiver = $1 AND created_at < $2 \
             AND (lasting_until IS NULL OR due_at < $2)",
        );
        let forget = forget.bind(last.clone()).bind(before.unix_millis());
        let count = forget.execute(&mut *connection).await?.rows_affected();
        gone.extend((count > 0).then(|| Backlog { receiver: last.clone(), count }));
    }
    Ok(gone)
}

fn backlog(row: &AnyRow) -> Result<Backlog, sqlx::Error> {
    let count = u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or_default();
    Ok(Backlog { receiver: row.try_get(0)?, count })
}
