//! The record of responses: the statements.

use async_trait::async_trait;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::SqlStore;
use super::change::{Applied, Done, Other, What};
use super::list::List;
use crate::clock::Timestamp;
use crate::store::{
    Ending, Imposed, Page, RESPONSES_KEPT, Recording, ResponseFilter, ResponseRecord, Responses, ResponsesInForce,
    StoreError,
};

const COLUMNS: &str =
    "id, action, subject, factor, dry_run, author, finding, reason, created_at, expires_at, ended_at, ended_by";

/// A change of the record.
#[derive(Debug)]
pub(super) enum ResponseChange {
    Impose(ResponseRecord),
    End { id: String, ending: Ending },
}

impl From<ResponseChange> for What {
    fn from(change: ResponseChange) -> Self {
        Self::Other(Other::Response(Box::new(change)))
    }
}

#[async_trait]
impl Responses for SqlStore {
    async fn impose(&self, response: ResponseRecord, record: Recording<Imposed>) -> Result<Imposed, StoreError> {
        match self.change(ResponseChange::Impose(response), record.of_part(Done::imposed)).await? {
            Done::Imposed(imposed) => Ok(*imposed),
            other => Err(other.unexpected()),
        }
    }

    async fn end_response(
        &self,
        id: &str,
        ending: Ending,
        record: Recording<ResponseRecord>,
    ) -> Result<Option<ResponseRecord>, StoreError> {
        let change = ResponseChange::End { id: id.to_owned(), ending };
        match self.change(change, record.of_part(Done::ended)).await? {
            Done::Ended(ended) => Ok(ended.map(|ended| *ended)),
            other => Err(other.unexpected()),
        }
    }

    async fn response(&self, id: &str) -> Result<Option<ResponseRecord>, StoreError> {
        let list = List::of("responses", COLUMNS).with("id", Some(id));
        self.read(async |reader| list.one(reader).await?.as_ref().map(record).transpose()).await
    }

    async fn responses(&self, filter: ResponseFilter, page: &Page) -> Result<Vec<ResponseRecord>, StoreError> {
        let list = List::of("responses", COLUMNS);
        let list = if filter.only_in_force { list.without("ended_at") } else { list };
        let list = list.page("created_at", "id", page);
        self.read(async |reader| list.all(reader).await?.iter().map(record).collect()).await
    }

    async fn responses_in_force(&self, known: Option<i64>) -> Result<Option<ResponsesInForce>, StoreError> {
        let version = sqlx::query("SELECT count FROM response_changes WHERE id = 1");
        let text = format!("SELECT {COLUMNS} FROM responses WHERE ended_at IS NULL ORDER BY created_at DESC, id DESC");
        self.read(async |reader| {
            let version: i64 = version.fetch_one(&mut *reader).await?.try_get(0)?;
            if known == Some(version) {
                return Ok(None);
            }
            // What changes between the two is read twice: the version is the older one.
            let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(reader).await?;
            let responses = rows.iter().map(record).collect::<Result<_, _>>()?;
            Ok(Some(ResponsesInForce { version, responses }))
        })
        .await
    }
}

pub(super) async fn change(connection: &mut AnyConnection, change: &ResponseChange) -> Applied {
    let done = match change {
        ResponseChange::Impose(response) => Done::Imposed(Box::new(impose(connection, response).await?)),
        ResponseChange::End { id, ending } => Done::Ended(end(connection, id, ending).await?.map(Box::new)),
    };
    let is_changed = match &done {
        Done::Imposed(imposed) => !matches!(**imposed, Imposed::Stands(_)),
        done => done.ended().is_some(),
    };
    if is_changed {
        sqlx::query("UPDATE response_changes SET count = count + 1 WHERE id = 1").execute(connection).await?;
    }
    Ok(Ok(done))
}

async fn impose(connection: &mut AnyConnection, response: &ResponseRecord) -> Result<Imposed, sqlx::Error> {
    let known = List::of("responses", COLUMNS)
        .with("action", Some(response.action.as_str()))
        .with("subject", Some(response.subject.as_str()))
        .with("dry_run", Some(i64::from(response.dry_run)))
        .without("ended_at");
    let Some(known) = known.one(&mut *connection).await? else {
        return enter(connection, response).await.map(|()| Imposed::New);
    };
    let known = record(&known)?;
    let Some(prolonged) = known.prolonged_by(response) else { return Ok(Imposed::Stands(known)) };
    sqlx::query("UPDATE responses SET expires_at = $1, factor = $2 WHERE id = $3")
        .bind(prolonged.expires_at.unix_millis())
        .bind(i64::from(prolonged.factor))
        .bind(prolonged.id.as_str())
        .execute(connection)
        .await?;
    Ok(Imposed::Prolonged(prolonged))
}

async fn enter(connection: &mut AnyConnection, response: &ResponseRecord) -> Result<(), sqlx::Error> {
    let ended = response.ended.as_ref();
    let text = format!("INSERT INTO responses ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)");
    sqlx::query(AssertSqlSafe(text))
        .bind(response.id.as_str())
        .bind(response.action.as_str())
        .bind(response.subject.as_str())
        .bind(i64::from(response.factor))
        .bind(i64::from(response.dry_run))
        .bind(response.author.as_str())
        .bind(response.finding.as_deref())
        .bind(response.reason.as_deref())
        .bind(response.created_at.unix_millis())
        .bind(response.expires_at.unix_millis())
        .bind(ended.map(|ended| ended.at.unix_millis()))
        .bind(ended.and_then(|ended| ended.by.as_deref()))
        .execute(connection)
        .await
        .map(drop)
}

async fn end(connection: &mut AnyConnection, id: &str, ending: &Ending) -> Result<Option<ResponseRecord>, sqlx::Error> {
    let known = List::of("responses", COLUMNS).with("id", Some(id)).one(&mut *connection).await?;
    let known = known.as_ref().map(record).transpose()?.filter(|known| known.can_end(ending));
    let Some(known) = known else { return Ok(None) };
    sqlx::query("UPDATE responses SET ended_at = $1, ended_by = $2 WHERE id = $3")
        .bind(ending.at.unix_millis())
        .bind(ending.by.as_deref())
        .bind(id)
        .execute(connection)
        .await?;
    Ok(Some(ResponseRecord { ended: Some(ending.clone()), ..known }))
}

pub(super) async fn forget_old(connection: &mut AnyConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    let ended_before = now.before(RESPONSES_KEPT).unix_millis();
    let query = sqlx::query("DELETE FROM responses WHERE ended_at < $1").bind(ended_before);
    query.execute(connection).await.map(drop)
}

fn record(row: &AnyRow) -> Result<ResponseRecord, sqlx::Error> {
    let decode = |reason: String| sqlx::Error::Decode(reason.into());
    let moment = |column: usize| row.try_get(column).map(Timestamp::from_unix_millis);
    let ended_at: Option<i64> = row.try_get(10)?;
    let by: Option<String> = row.try_get(11)?;
    Ok(ResponseRecord {
        id: row.try_get(0)?,
        action: row.try_get::<String, _>(1)?.parse().map_err(decode)?,
        subject: row.try_get(2)?,
        factor: u32::try_from(row.try_get::<i64, _>(3)?).map_err(|error| sqlx::Error::Decode(error.into()))?,
        dry_run: row.try_get::<i64, _>(4)? != 0,
        author: row.try_get(5)?,
        finding: row.try_get(6)?,
        reason: row.try_get(7)?,
        created_at: moment(8)?,
        expires_at: moment(9)?,
        ended: ended_at.map(|at| Ending { at: Timestamp::from_unix_millis(at), by }),
    })
}
