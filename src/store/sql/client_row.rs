//! A client as it stands in a row.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{json_column, registrations};
use crate::clock::Timestamp;
use crate::store::{ClientRecord, MetadataDigest, RegistrationId, Sealed, TokenHash, Unsettled};

/// The columns of a client with its registrant's, in the order in which [`record`] reads them.
pub(super) const RECORD: &str = "c.client_id, c.registration, c.profile, c.created_at, c.updated_at, c.version, c.lifecycle, \
    c.client_name, c.redirect_uris, c.scope_requested, c.scope_granted, c.scope_withheld, c.scope_approved, c.metadata, \
    c.digest, c.access_token, c.server_access, c.unmanageable, c.confirmed_at, c.last_used_at, r.registrant, r.address, \
    r.certificate_thumbprint, r.certificate_subject, r.token_label, r.statement_issuer, r.software_id, c.unsettled_since, c.settle_at, \
    c.settle_attempts, c.settle_error, c.members_behind, c.approved, c.first_approval, c.asked, c.let_through";
pub(super) const TABLES: &str = "clients c JOIN registrations r ON r.id = c.registration";

/// A client out of the columns of [`RECORD`].
pub(super) fn record(row: &AnyRow) -> Result<ClientRecord, sqlx::Error> {
    let moment = |column| Ok::<_, sqlx::Error>(Timestamp::from_unix_millis(row.try_get(column)?));
    Ok(ClientRecord {
        client_id: row.try_get(0)?,
        registration: RegistrationId(row.try_get(1)?),
        profile: row.try_get(2)?,
        created_at: moment(3)?,
        updated_at: moment(4)?,
        version: row.try_get(5)?,
        lifecycle: json_column::read(row, 6)?,
        client_name: row.try_get(7)?,
        redirect_uris: json_column::read(row, 8)?,
        scope_requested: row.try_get(9)?,
        scope_granted: row.try_get(10)?,
        scope_withheld: row.try_get(11)?,
        scope_approved: row.try_get(12)?,
        metadata: json_column::read(row, 13)?,
        digest: digest(row, 14)?,
        access_token: octets(row, 15)?.map(TokenHash),
        server_access: row.try_get::<Option<Vec<u8>>, _>(16)?.map(Sealed),
        unmanageable: row.try_get::<i64, _>(17)? != 0,
        confirmed_at: moment(18)?,
        last_used_at: row.try_get::<Option<i64>, _>(19)?.map(Timestamp::from_unix_millis),
        registrant: registrations::registrant(row, 20)?,
        unsettled: unsettled(row)?,
        members_behind: row.try_get::<i64, _>(31)? != 0,
        approved: json_column::read_if_there(row, 32)?,
        first_approval: json_column::read_if_there(row, 33)?,
        asked: json_column::read_if_there(row, 34)?,
        let_through: let_through(row, 35)?,
    })
}

fn unsettled(row: &AnyRow) -> Result<Option<Unsettled>, sqlx::Error> {
    let moment = |column| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_unix_millis));
    let (Some(since), Some(next_at)) = (moment(27)?, moment(28)?) else { return Ok(None) };
    let attempts = u32::try_from(row.try_get::<i64, _>(29)?).unwrap_or(u32::MAX);
    Ok(Some(Unsettled { since, next_at, attempts, last_error: row.try_get(30)? }))
}

/// The names of rules, as they are stored: nothing where there are none.
pub(super) fn let_through(row: &AnyRow, column: usize) -> Result<Vec<String>, sqlx::Error> {
    Ok(json_column::read_if_there(row, column)?.unwrap_or_default())
}

/// As [`let_through`] reads it.
pub(super) fn stored(let_through: &[String]) -> Result<Option<String>, sqlx::Error> {
    (!let_through.is_empty()).then(|| json_column::written(&let_through)).transpose()
}

pub(super) fn digest(row: &AnyRow, column: usize) -> Result<Option<MetadataDigest>, sqlx::Error> {
    Ok(octets(row, column)?.map(MetadataDigest))
}

fn octets(row: &AnyRow, column: usize) -> Result<Option<[u8; 32]>, sqlx::Error> {
    let octets = row.try_get::<Option<Vec<u8>>, _>(column)?.map(<[u8; 32]>::try_from).transpose();
    octets.map_err(|_| sqlx::Error::Decode("not 32 octets".into()))
}
