//! Initial access tokens: the statements.

use async_trait::async_trait;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use subtle::ConstantTimeEq as _;

use super::SqlStore;
use super::change::{Applied, Done, Other};
use super::list::List;
use crate::clock::Timestamp;
use crate::store::token::SPENT_KEPT;
use crate::store::{
    AuditEntry, InitialAccessTokens, IssuedToken, Page, Recording, StoreError, TokenHash, TokenId, TokenUnusable,
    TokenUse,
};

#[async_trait]
impl InitialAccessTokens for SqlStore {
    async fn create(&self, token: IssuedToken, hash: TokenHash, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        let record = Recording::these(entries).of_part(Done::anything);
        self.change(Other::CreateToken { token, hash }, record).await.map(drop)
    }

    async fn find(&self, hash: TokenHash) -> Result<Option<IssuedToken>, StoreError> {
        let list = List::of("initial_access_tokens", RECORD).with("hash", Some(hash.0));
        let read = async |reader: &mut AnyConnection| {
            let Some(row) = list.one(reader).await? else { return Ok(None) };
            // The index compared octet by octet; what it learnt is about a hash, and this makes the last word constant in time.
            let is_it = bool::from(row.try_get::<Vec<u8>, _>(9)?.ct_eq(&hash.0));
            if is_it { token(&row).map(Some) } else { Ok(None) }
        };
        self.read(read).await
    }

    async fn token(&self, id: &TokenId) -> Result<Option<IssuedToken>, StoreError> {
        let list = List::of("initial_access_tokens", RECORD).with("id", Some(id.0.as_str()));
        self.read(async |reader| list.one(reader).await?.as_ref().map(token).transpose()).await
    }

    async fn list(&self, page: &Page) -> Result<Vec<IssuedToken>, StoreError> {
        let list = List::of("initial_access_tokens", RECORD).page("created_at", "id", page);
        self.read(async |reader| list.all(reader).await?.iter().map(token).collect()).await
    }

    async fn revoke(&self, id: &TokenId, entries: Vec<AuditEntry>, now: Timestamp) -> Result<bool, StoreError> {
        let record = Recording::these(entries).of_part(Done::anything);
        let done = self.change(Other::RevokeToken { id: id.clone(), now }, record).await?;
        Ok(matches!(done, Done::Found(true)))
    }
}

pub(super) async fn create(connection: &mut AnyConnection, token: &IssuedToken, hash: TokenHash) -> Applied {
    let query = sqlx::query(
        "INSERT INTO initial_access_tokens \
         (id, hash, profile, label, certificate_thumbprint, created_at, expires_at, max_uses, used, revoked_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(token.id.0.clone())
    .bind(hash.0.to_vec())
    .bind(token.profile.clone())
    .bind(token.label.clone())
    .bind(token.certificate_thumbprint.clone())
    .bind(token.created_at.unix_millis())
    .bind(token.expires_at.unix_millis())
    .bind(i64::from(token.max_uses))
    .bind(i64::from(token.used))
    .bind(token.revoked_at.map(Timestamp::unix_millis));
    query.execute(connection).await?;
    Ok(Ok(Done::Written))
}

pub(super) async fn revoke(connection: &mut AnyConnection, id: &TokenId, now: Timestamp) -> Applied {
    let query = sqlx::query("UPDATE initial_access_tokens SET revoked_at = coalesce(revoked_at, $1) WHERE id = $2")
        .bind(now.unix_millis())
        .bind(id.0.clone());
    Ok(Ok(Done::Found(query.execute(connection).await?.rows_affected() > 0)))
}

/// Why the use cannot be reserved at `at`; `None`: it can. An issued token that is not there is an error.
pub(super) async fn check(
    connection: &mut AnyConnection,
    reserved: &TokenUse,
    at: Timestamp,
) -> Result<Result<Option<TokenUnusable>, StoreError>, sqlx::Error> {
    match reserved {
        TokenUse::Issued(id) => {
            let list = List::of("initial_access_tokens", RECORD).with("id", Some(id.0.as_str()));
            let Some(row) = list.one(connection).await? else {
                return Ok(Err(StoreError(format!("there is no token {}", id.0).into())));
            };
            Ok(Ok(token(&row)?.check(at).err()))
        }
        TokenUse::Once { issuer, id, until } if at < *until => {
            let query = sqlx::query("SELECT until FROM spent_tokens WHERE issuer = $1 AND id = $2")
                .bind(issuer.clone())
                .bind(id.clone());
            Ok(Ok(query.fetch_optional(connection).await?.map(|_| TokenUnusable::Spent)))
        }
        TokenUse::Once { .. } => Ok(Ok(Some(TokenUnusable::Expired))),
    }
}

/// Reserves a use that [`check`] found to be there, in the same transaction.
pub(super) async fn reserve(connection: &mut AnyConnection, reserved: &TokenUse) -> Result<(), sqlx::Error> {
    let query = match reserved {
        TokenUse::Issued(id) => {
            sqlx::query("UPDATE initial_access_tokens SET used = used + 1 WHERE id = $1").bind(id.0.clone())
        }
        TokenUse::Once { issuer, id, until } => {
            sqlx::query("INSERT INTO spent_tokens (issuer, id, until) VALUES ($1, $2, $3)")
                .bind(issuer.clone())
                .bind(id.clone())
                .bind(until.unix_millis())
        }
    };
    query.execute(connection).await.map(drop)
}

/// Gives the use back.
pub(super) async fn give_back(connection: &mut AnyConnection, reserved: &TokenUse) -> Result<(), sqlx::Error> {
    let query = match reserved {
        TokenUse::Issued(id) => {
            sqlx::query("UPDATE initial_access_tokens SET used = used - 1 WHERE used > 0 AND id = $1")
                .bind(id.0.clone())
        }
        TokenUse::Once { issuer, id, .. } => {
            sqlx::query("DELETE FROM spent_tokens WHERE issuer = $1 AND id = $2").bind(issuer.clone()).bind(id.clone())
        }
    };
    query.execute(connection).await.map(drop)
}

/// A token that has ended, by anybody's clock, is refused for that: nobody needs to know whether it was used.
pub(super) async fn forget_spent(connection: &mut AnyConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    let ended = now.before(SPENT_KEPT).unix_millis();
    let query = sqlx::query("DELETE FROM spent_tokens WHERE until <= $1").bind(ended);
    query.execute(connection).await.map(drop)
}

const RECORD: &str =
    "id, profile, label, certificate_thumbprint, created_at, expires_at, max_uses, used, revoked_at, hash";

/// A token out of the columns of [`RECORD`].
fn token(row: &AnyRow) -> Result<IssuedToken, sqlx::Error> {
    let count =
        |column| u32::try_from(row.try_get::<i64, _>(column)?).map_err(|error| sqlx::Error::Decode(error.into()));
    Ok(IssuedToken {
        id: TokenId(row.try_get(0)?),
        profile: row.try_get(1)?,
        label: row.try_get(2)?,
        certificate_thumbprint: row.try_get(3)?,
        created_at: Timestamp::from_unix_millis(row.try_get(4)?),
        expires_at: Timestamp::from_unix_millis(row.try_get(5)?),
        max_uses: count(6)?,
        used: count(7)?,
        revoked_at: row.try_get::<Option<i64>, _>(8)?.map(Timestamp::from_unix_millis),
    })
}
