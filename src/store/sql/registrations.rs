//! The record of registrations: the statements. When they run together is [`super::writer`]'s.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::change::{Applied, Done, Other, What};
use super::import::Importing;
use super::list::List;
use super::{SqlStore, client_row, json_column};
use crate::clock::Timestamp;
use crate::store::{
    AuditEntry, Beginning, Begun, FoundOut, HandingOut, Import, Intent, NOT_RECORDED, Outcome, Page, Recording,
    RegistrantRecord, RegistrationFilter, RegistrationId, RegistrationRecord, Registrations, StoreError, TokenId,
    TokenUse,
};

#[async_trait]
impl Registrations for SqlStore {
    async fn begin(&self, beginning: Beginning, handing_out: HandingOut) -> Result<Begun, StoreError> {
        let record = handing_out.recording.clone().of_part(Done::repeated);
        match self.change(What::Begin(Box::new((beginning, handing_out))), record).await? {
            Done::Begun(begun) => Ok(begun),
            other => Err(other.unexpected()),
        }
    }

    async fn finish(
        &self,
        id: &RegistrationId,
        outcome: Outcome,
        entries: Vec<AuditEntry>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let record = Recording::these(entries).of_part(Done::anything);
        self.change(What::Finish { id: id.clone(), outcome, by: None, now }, record).await.map(drop)
    }

    async fn resolve(
        &self,
        id: &RegistrationId,
        FoundOut { outcome, by }: FoundOut<'_>,
        entries: Vec<AuditEntry>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let record = Recording::these(entries).of_part(Done::anything);
        let by = Some(by.to_owned());
        self.change(What::Finish { id: id.clone(), outcome, by, now }, record).await.map(drop)
    }

    async fn import(&self, import: Import) -> Result<bool, StoreError> {
        let beginning = import.beginning();
        let Import { client, by, entries, .. } = import;
        let record = Recording::these(entries).of_part(Done::anything);
        let importing = Importing { beginning, outcome: Outcome::Registered(Box::new(client)), by };
        Ok(matches!(self.change(What::Import(Box::new(importing)), record).await?, Done::Found(true)))
    }

    async fn find_unfinished(
        &self,
        age: Duration,
        record: Recording<Vec<RegistrationId>>,
        now: Timestamp,
    ) -> Result<Vec<RegistrationId>, StoreError> {
        match self.change(Other::FindUnfinished { age, now }, record.of_part(Done::unfinished)).await? {
            Done::Unfinished(found) => Ok(found),
            other => Err(other.unexpected()),
        }
    }

    async fn registration(&self, id: &RegistrationId) -> Result<Option<RegistrationRecord>, StoreError> {
        let list = List::of("registrations", RECORD).with("id", Some(id.0.as_str()));
        self.read(async |reader| list.one(reader).await?.as_ref().map(record).transpose()).await
    }

    async fn registrations(
        &self,
        filter: &RegistrationFilter,
        page: &Page,
    ) -> Result<Vec<RegistrationRecord>, StoreError> {
        let list = List::of("registrations", RECORD)
            .with("outcome", filter.outcome.map(|outcome| outcome.as_str()))
            .with("profile", filter.profile.as_deref())
            .with("client_id", filter.client_id.as_deref())
            .page("at", "id", page);
        self.read(async |reader| list.all(reader).await?.iter().map(record).collect()).await
    }
}

pub(super) async fn find_unfinished(connection: &mut AnyConnection, age: Duration, now: Timestamp) -> Applied {
    let query = sqlx::query(
        "UPDATE registrations SET outcome = 'unknown', reason = $1, finished_at = $2 \
         WHERE finished_at IS NULL AND (at <= $3 OR at > $4) RETURNING at, id",
    )
    .bind(NOT_RECORDED)
    .bind(now.unix_millis())
    .bind(now.before(age).unix_millis())
    .bind(now.after(age).unix_millis());
    let rows = query.fetch_all(connection).await?;
    let mut found = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<Vec<(i64, String)>, sqlx::Error>>()?;
    found.sort();
    Ok(Ok(Done::Unfinished(found.into_iter().map(|(_, id)| RegistrationId(id)).collect())))
}

const RECORD: &str = "id, at, profile, policy_version, registrant, address, certificate_thumbprint, certificate_subject, \
    token_label, statement_issuer, software_id, token, token_issuer, token_until, client_name, redirect_uris, \
    scope_requested, scope_granted, scope_withheld, digest, outcome, client_id, reason, finished_at, resolved_by, let_through";

/// A registration out of the columns of [`RECORD`].
fn record(row: &AnyRow) -> Result<RegistrationRecord, sqlx::Error> {
    let outcome = row.try_get::<Option<&str>, _>(20)?.map(str::parse).transpose();
    let intent = Intent {
        id: RegistrationId(row.try_get(0)?),
        at: Timestamp::from_unix_millis(row.try_get(1)?),
        profile: row.try_get(2)?,
        policy_version: row.try_get(3)?,
        registrant: registrant(row, 4)?,
        token: token_use(row, 11)?,
        client_name: row.try_get(14)?,
        redirect_uris: json_column::read(row, 15)?,
        scope_requested: row.try_get(16)?,
        scope_granted: row.try_get(17)?,
        scope_withheld: row.try_get(18)?,
        digest: client_row::digest(row, 19)?,
        let_through: client_row::let_through(row, 25)?,
    };
    Ok(RegistrationRecord {
        intent,
        outcome: outcome.map_err(|text: String| sqlx::Error::Decode(text.into()))?,
        client_id: row.try_get(21)?,
        reason: row.try_get(22)?,
        finished_at: row.try_get::<Option<i64>, _>(23)?.map(Timestamp::from_unix_millis),
        resolved_by: row.try_get(24)?,
    })
}

/// Who asked, out of the seven columns from `first` on that begin with `registrant`.
pub(super) fn registrant(row: &AnyRow, first: usize) -> Result<RegistrantRecord, sqlx::Error> {
    let address = row.try_get::<&str, _>(first + 1)?.parse();
    Ok(RegistrantRecord {
        key: row.try_get(first)?,
        address: address.map_err(|error: std::net::AddrParseError| sqlx::Error::Decode(error.into()))?,
        certificate_thumbprint: row.try_get(first + 2)?,
        certificate_subject: row.try_get(first + 3)?,
        token_label: row.try_get(first + 4)?,
        statement_issuer: row.try_get(first + 5)?,
        software_id: row.try_get(first + 6)?,
    })
}

/// The reserved use, out of the columns `token, token_issuer, token_until`.
pub(super) fn token_use(row: &AnyRow, first: usize) -> Result<Option<TokenUse>, sqlx::Error> {
    let Some(id) = row.try_get::<Option<String>, _>(first)? else { return Ok(None) };
    Ok(Some(match (row.try_get(first + 1)?, row.try_get::<Option<i64>, _>(first + 2)?) {
        (Some(issuer), Some(until)) => TokenUse::Once { issuer, id, until: Timestamp::from_unix_millis(until) },
        _ => TokenUse::Issued(TokenId(id)),
    }))
}
