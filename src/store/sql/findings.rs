//! The record of findings: the statements.

use async_trait::async_trait;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::change::{Applied, Done, Other};
use super::list::List;
use super::{SqlStore, told};
use crate::clock::Timestamp;
use crate::store::{FINDINGS_KEPT, FindingFilter, FindingRecord, Findings, Page, StoreError, Telling};

const COLUMNS: &str = "id, at, detector, mode, subject_kind, subject, score, evidence, sentence, request_id";

#[async_trait]
impl Findings for SqlStore {
    async fn enter_finding(&self, finding: FindingRecord, told: Vec<Telling>) -> Result<(), StoreError> {
        self.write(Other::EnterFinding(Box::new(finding), told)).await.map(drop)
    }

    async fn findings(&self, filter: &FindingFilter, page: &Page) -> Result<Vec<FindingRecord>, StoreError> {
        let list = List::of("findings", COLUMNS).with("detector", filter.detector.as_deref()).page("at", "id", page);
        self.read(async |reader| list.all(reader).await?.iter().map(record).collect()).await
    }
}

pub(super) async fn enter(connection: &mut AnyConnection, finding: &FindingRecord, told: &[Telling]) -> Applied {
    let text = format!(
        "INSERT INTO findings ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (at, id) DO NOTHING"
    );
    let entered = sqlx::query(AssertSqlSafe(text))
        .bind(finding.id.as_str())
        .bind(finding.at.unix_millis())
        .bind(finding.detector.as_str())
        .bind(finding.mode.as_str())
        .bind(finding.subject_kind.as_str())
        .bind(finding.subject.as_str())
        .bind(i64::from(finding.score))
        .bind(finding.evidence.as_str())
        .bind(finding.sentence.as_str())
        .bind(finding.request_id.as_deref())
        .execute(&mut *connection)
        .await?;
    if entered.rows_affected() > 0 {
        told::tell(connection, told).await?;
    }
    Ok(Ok(Done::Written))
}

pub(super) async fn forget_old(connection: &mut AnyConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    let query = sqlx::query("DELETE FROM findings WHERE at < $1").bind(now.before(FINDINGS_KEPT).unix_millis());
    query.execute(connection).await.map(drop)
}

fn record(row: &AnyRow) -> Result<FindingRecord, sqlx::Error> {
    Ok(FindingRecord {
        id: row.try_get(0)?,
        at: Timestamp::from_unix_millis(row.try_get(1)?),
        detector: row.try_get(2)?,
        mode: row.try_get(3)?,
        subject_kind: row.try_get(4)?,
        subject: row.try_get(5)?,
        score: u8::try_from(row.try_get::<i64, _>(6)?).map_err(|error| sqlx::Error::Decode(error.into()))?,
        evidence: row.try_get(7)?,
        sentence: row.try_get(8)?,
        request_id: row.try_get(9)?,
    })
}
