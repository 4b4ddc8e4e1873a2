//! The record of requests: the statements.

use async_trait::async_trait;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::change::{Applied, Done, Other};
use super::list::List;
use super::rows::{Rows, Value};
use super::{SqlStore, json_column};
use crate::clock::Timestamp;
use crate::store::{Page, RequestRecord, Requests, RequestsKept, StoreError};

const COLUMNS: &str = "id, at, request";

#[async_trait]
impl Requests for SqlStore {
    async fn keep_requests(&self, requests: Vec<RequestRecord>) -> Result<(), StoreError> {
        self.write(Other::KeepRequests(requests)).await.map(drop)
    }

    async fn requests(&self, since: Option<Timestamp>, page: &Page) -> Result<Vec<RequestRecord>, StoreError> {
        let list = List::of("recorded_requests", COLUMNS).since("at", since).page("at", "id", page);
        self.read(async |reader| list.all(reader).await?.iter().map(record).collect()).await
    }

    async fn request(&self, id: &str) -> Result<Option<RequestRecord>, StoreError> {
        let by = |column| List::of("recorded_requests", COLUMNS).with(column, Some(id));
        self.read(async |reader| {
            let found = match by("id").one(&mut *reader).await? {
                None => by("registration").one(reader).await?,
                found => found,
            };
            found.as_ref().map(record).transpose()
        })
        .await
    }

    async fn forget_requests(&self, kept: RequestsKept) -> Result<(), StoreError> {
        self.write(Other::ForgetRequests(kept)).await.map(drop)
    }
}

pub(super) async fn keep(connection: &mut AnyConnection, requests: &[RequestRecord]) -> Applied {
    INSERT.execute(connection, requests.iter().map(row).collect::<Result<_, _>>()?).await?;
    Ok(Ok(Done::Written))
}

static INSERT: Rows<5> = Rows::between(
    &["INSERT INTO recorded_requests (id, at, registration, refused, request) SELECT * FROM (VALUES"],
    ") AS v WHERE v.column1 IS NOT NULL",
);

fn row(record: &RequestRecord) -> Result<[Value; 5], sqlx::Error> {
    let request = json_column::written(&record.request)?;
    Ok([
        record.id.clone().into(),
        record.at.unix_millis().into(),
        record.request.registration.clone().into(),
        i64::from(record.request.is_refused()).into(),
        request.into(),
    ])
}

pub(super) async fn forget(connection: &mut AnyConnection, kept: &RequestsKept) -> Applied {
    let query = sqlx::query("DELETE FROM recorded_requests WHERE at < $1").bind(kept.since.unix_millis());
    query.execute(&mut *connection).await?;
    let too_many = "DELETE FROM recorded_requests WHERE refused = 1 AND (at, id) <= \
        (SELECT at, id FROM recorded_requests WHERE refused = 1 ORDER BY at DESC, id DESC LIMIT 1 OFFSET $1)";
    sqlx::query(too_many).bind(i64::from(kept.most_refused)).execute(&mut *connection).await?;
    let too_many = "DELETE FROM recorded_requests WHERE (at, id) <= \
        (SELECT at, id FROM recorded_requests ORDER BY at DESC, id DESC LIMIT 1 OFFSET $1)";
    sqlx::query(too_many).bind(i64::from(kept.most)).execute(connection).await?;
    Ok(Ok(Done::Written))
}

fn record(row: &AnyRow) -> Result<RequestRecord, sqlx::Error> {
    let request = json_column::read(row, 2)?;
    Ok(RequestRecord { id: row.try_get(0)?, at: Timestamp::from_unix_millis(row.try_get(1)?), request })
}
