//! The use of clients: the statements.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AnyConnection, Row as _};

use super::SqlStore;
use super::change::{Applied, Done, Other};
use super::client_row::{RECORD, TABLES, record};
use super::rows::{Rows, Value, query};
use crate::clock::Timestamp;
use crate::store::{ClientRecord, StoreError, Unused, Uses, Watch};

#[async_trait]
impl Uses for SqlStore {
    async fn watch_uses(&self, now: Timestamp) -> Result<Watch, StoreError> {
        if let Some(watch) = self.watch().await? {
            return Ok(watch);
        }
        self.write(Other::WatchUses { from: Some(now) }).await?;
        self.watch().await?.ok_or_else(|| StoreError("uses are not watched although they are to be".into()))
    }

    async fn stop_watching_uses(&self) -> Result<(), StoreError> {
        match self.watch().await? {
            Some(_) => self.write(Other::WatchUses { from: None }).await.map(drop),
            None => Ok(()),
        }
    }

    async fn unused(&self, unused: &Unused) -> Result<Vec<ClientRecord>, StoreError> {
        let Unused { profile, client_id, since, until, only_manageable, limit } = unused;
        let manageable = if *only_manageable { "AND c.server_access IS NOT NULL AND c.unmanageable = 0 " } else { "" };
        let of_one = if client_id.is_some() { "AND c.client_id = $5 " } else { "" };
        let text = format!(
            "SELECT {RECORD} FROM {TABLES} WHERE c.profile = $1 AND c.state = 'active' AND c.last_used_at IS NULL \
             AND c.created_at >= $2 AND c.created_at <= $3 {manageable}{of_one}AND NOT EXISTS (SELECT 1 FROM registrations o \
             WHERE o.client_id = c.client_id AND o.at > $3) ORDER BY c.created_at, c.client_id LIMIT $4"
        );
        let mut values: Vec<Value> = vec![
            profile.as_str().into(),
            since.unix_millis().into(),
            until.unix_millis().into(),
            i64::from(*limit).into(),
        ];
        values.extend(client_id.as_deref().map(Value::from));
        let select = query(text, values);
        self.read(async |reader| select.fetch_all(reader).await?.iter().map(record).collect()).await
    }

    async fn begin_reading(&self, pause: Duration, now: Timestamp) -> Result<bool, StoreError> {
        Ok(matches!(self.write(Other::BeginReading(pause, now)).await?, Done::Found(true)))
    }

    async fn end_reading(&self, read_to: Timestamp) -> Result<(), StoreError> {
        self.write(Other::EndReading(read_to)).await.map(drop)
    }

    async fn read_to(&self) -> Result<Option<Timestamp>, StoreError> {
        let select = sqlx::query("SELECT read_to FROM use_reading WHERE id = 1");
        self.read(async |reader| {
            let Some(row) = select.fetch_optional(reader).await? else { return Ok(None) };
            Ok(row.try_get::<Option<i64>, _>(0)?.map(Timestamp::from_unix_millis))
        })
        .await
    }
}

impl SqlStore {
    async fn watch(&self) -> Result<Option<Watch>, StoreError> {
        let select = sqlx::query("SELECT since, last_use FROM use_watch WHERE id = 1");
        self.read(async |reader| {
            let Some(row) = select.fetch_optional(reader).await? else { return Ok(None) };
            let last_use = row.try_get::<Option<i64>, _>(1)?.map(Timestamp::from_unix_millis);
            Ok(Some(Watch { since: Timestamp::from_unix_millis(row.try_get(0)?), last_use }))
        })
        .await
    }
}

/// The latest moment stays, whichever of several replicas writes last.
pub(super) async fn note_uses(connection: &mut AnyConnection, uses: &[(String, Timestamp)]) -> Applied {
    let rows = uses.iter().map(|(client_id, at)| [client_id.as_str().into(), at.unix_millis().into()]).collect();
    USED.execute(connection, rows).await?;
    if let Some(latest) = uses.iter().map(|(_, at)| at.unix_millis()).max() {
        let update = "UPDATE use_watch SET last_use = $1 WHERE id = 1 AND (last_use IS NULL OR last_use < $1)";
        sqlx::query(update).bind(latest).execute(connection).await?;
    }
    Ok(Ok(Done::Written))
}

static USED: Rows<2> = Rows::between(
    &["UPDATE clients SET last_used_at = v.column2 FROM (VALUES"],
    ") v WHERE client_id = v.column1 AND (last_used_at IS NULL OR last_used_at < v.column2)",
);

/// Of several replicas the first one's moment stays.
pub(super) async fn watch_uses(connection: &mut AnyConnection, from: Option<Timestamp>) -> Applied {
    let change = match from {
        Some(now) => sqlx::query("INSERT INTO use_watch (id, since) VALUES (1, $1) ON CONFLICT (id) DO NOTHING")
            .bind(now.unix_millis()),
        None => sqlx::query("DELETE FROM use_watch WHERE id = 1"),
    };
    change.execute(connection).await?;
    Ok(Ok(Done::Written))
}

/// A clock that was set back must not keep everybody from reading.
pub(super) async fn begin_reading(connection: &mut AnyConnection, pause: Duration, now: Timestamp) -> Applied {
    let change = sqlx::query(
        "INSERT INTO use_reading (id, begun_at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET begun_at = excluded.begun_at \
         WHERE use_reading.begun_at <= $2 OR use_reading.begun_at > excluded.begun_at",
    );
    let change = change.bind(now.unix_millis()).bind(now.before(pause).unix_millis());
    Ok(Ok(Done::Found(change.execute(connection).await?.rows_affected() > 0)))
}

/// The latest moment stays, whichever of several replicas writes last.
pub(super) async fn end_reading(connection: &mut AnyConnection, read_to: Timestamp) -> Applied {
    let change = "UPDATE use_reading SET read_to = $1 WHERE id = 1 AND (read_to IS NULL OR read_to < $1)";
    sqlx::query(change).bind(read_to.unix_millis()).execute(connection).await?;
    Ok(Ok(Done::Written))
}
