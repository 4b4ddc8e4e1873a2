//! Enters what receivers of alerts are told: gathered with what belongs to it, in the place of what lasts, or not at all where they know it.

use sqlx::{AnyConnection, Row as _};

use crate::clock::Timestamp;
use crate::store::{Form, Interest, MOST_NOTICES, Occasion, TOLD_KEPT, Telling};

/// Enters what receivers are told.
pub(super) async fn tell(connection: &mut AnyConnection, told: &[Telling]) -> Result<(), sqlx::Error> {
    for telling in told {
        match &telling.form {
            Form::Gathered { group, .. } => gather(connection, telling, group).await?,
            Form::Lasting { until } => replace(connection, telling, *until).await?,
        }
    }
    Ok(())
}

/// Adds it to the delivery that its group is gathered in, or begins one.
async fn gather(connection: &mut AnyConnection, telling: &Telling, group: &str) -> Result<(), sqlx::Error> {
    if !is_news(connection, telling).await? {
        return Ok(());
    }
    let open = sqlx::query("SELECT id FROM alert_deliveries WHERE receiver = $1 AND name = $2 AND closed = 0")
        .bind(telling.receiver.clone())
        .bind(group.to_owned());
    let id: String = match open.fetch_optional(&mut *connection).await? {
        Some(row) => row.try_get(0)?,
        None => {
            begin(connection, telling).await?;
            telling.delivery.clone()
        }
    };
    let count = sqlx::query("SELECT COUNT(*) FROM alert_notices WHERE delivery = $1").bind(id.clone());
    let count: i64 = count.fetch_one(&mut *connection).await?.try_get(0)?;
    if count < i64::from(MOST_NOTICES) {
        return add(connection, &id, count, &telling.notice).await;
    }
    let more = sqlx::query("UPDATE alert_deliveries SET more = more + 1 WHERE id = $1").bind(id);
    more.execute(connection).await.map(drop)
}

/// Whether the receiver was not told of it lately; what it was told is remembered.
async fn is_news(connection: &mut AnyConnection, telling: &Telling) -> Result<bool, sqlx::Error> {
    let (receiver, key) = (telling.receiver.clone(), telling.key.clone());
    match telling.occasion {
        Occasion::Begins { quiet_until } | Occasion::Changes { quiet_until } => {
            let is_change = matches!(telling.occasion, Occasion::Changes { .. });
            let quiet_at = if is_change { i64::MAX } else { telling.at.unix_millis() };
            let query = sqlx::query(
                "INSERT INTO alert_told (receiver, key, quiet_until) VALUES ($1, $2, $3) \
                 ON CONFLICT (receiver, key) DO UPDATE SET quiet_until = excluded.quiet_until \
                 WHERE alert_told.quiet_until <= $4",
            );
            let query = query.bind(receiver).bind(key).bind(quiet_until.unix_millis()).bind(quiet_at);
            Ok(query.execute(connection).await?.rows_affected() > 0)
        }
        Occasion::Ends(interest) => {
            let query = sqlx::query("DELETE FROM alert_told WHERE receiver = $1 AND key = $2");
            let was_told = query.bind(receiver).bind(key).execute(connection).await?.rows_affected() > 0;
            Ok(was_told || interest == Interest::All)
        }
    }
}

/// Takes the place of what was told under the key, or begins; an end of what is not there interests nobody.
async fn replace(connection: &mut AnyConnection, telling: &Telling, until: Timestamp) -> Result<(), sqlx::Error> {
    let update = sqlx::query(
        "UPDATE alert_deliveries SET version = version + 1, due_at = $1, lasting_until = $2, attempts = 0 \
         WHERE receiver = $3 AND name = $4 AND closed = 0 RETURNING id",
    )
    .bind(telling.at.unix_millis())
    .bind(until.unix_millis())
    .bind(telling.receiver.clone())
    .bind(telling.key.clone());
    let id: String = match (update.fetch_optional(&mut *connection).await?, telling.occasion) {
        (Some(row), _) => row.try_get(0)?,
        (None, Occasion::Ends(_)) => return Ok(()),
        (None, Occasion::Begins { .. } | Occasion::Changes { .. }) => {
            begin(connection, telling).await?;
            telling.delivery.clone()
        }
    };
    let forget = sqlx::query("DELETE FROM alert_notices WHERE delivery = $1").bind(id.clone());
    forget.execute(&mut *connection).await?;
    add(connection, &id, 0, &telling.notice).await
}

async fn begin(connection: &mut AnyConnection, telling: &Telling) -> Result<(), sqlx::Error> {
    let (name, due, lasting) = match &telling.form {
        Form::Gathered { group, until } => (group, *until, None),
        Form::Lasting { until } => (&telling.key, telling.at, Some(*until)),
    };
    let insert = sqlx::query(
        "INSERT INTO alert_deliveries (id, receiver, name, created_at, due_at, lasting_until) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(telling.delivery.clone())
    .bind(telling.receiver.clone())
    .bind(name.to_owned())
    .bind(telling.at.unix_millis())
    .bind(due.unix_millis())
    .bind(lasting.map(Timestamp::unix_millis));
    insert.execute(connection).await.map(drop)
}

async fn add(connection: &mut AnyConnection, id: &str, place: i64, notice: &str) -> Result<(), sqlx::Error> {
    let insert = sqlx::query("INSERT INTO alert_notices (delivery, place, notice) VALUES ($1, $2, $3)");
    insert.bind(id.to_owned()).bind(place).bind(notice.to_owned()).execute(connection).await.map(drop)
}

/// What may be told again for so long that its end interests nobody.
pub(super) async fn forget_told(connection: &mut AnyConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    let long_ago = now.before(TOLD_KEPT).unix_millis();
    let forget = sqlx::query("DELETE FROM alert_told WHERE quiet_until <= $1").bind(long_ago);
    forget.execute(connection).await.map(drop)
}
