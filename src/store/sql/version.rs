//! Which release has made the tables of a store: a command is for those of its own.

use std::cmp::Ordering;

use sqlx::AnyConnection;
use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

use super::connect::Database;

/// The last migration that was made; none: there are no tables.
pub(super) async fn version(connection: &mut AnyConnection) -> Result<Option<i64>, sqlx::Error> {
    let made = sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations ORDER BY version DESC LIMIT 1");
    match made.fetch_optional(connection).await {
        // Of both databases: the table is not there. What else is wrong is.
        Err(sqlx::Error::Database(error)) if is_no_table(error.as_ref()) => Ok(None),
        made => made,
    }
}

fn is_no_table(error: &dyn DatabaseError) -> bool {
    error.message().starts_with("no such table") || error.code().is_some_and(|code| code == "42P01")
}

/// A command is of one release: what another one's tables hold, it might read wrongly, and to change them is for who begins to serve.
pub(super) fn is_of_this_release(database: Database, version: i64) -> Result<(), sqlx::Error> {
    let newest = database.migrations().iter().map(|migration| migration.version).max().unwrap_or_default();
    match version.cmp(&newest) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(sqlx::Error::Migrate(Box::new(MigrateError::VersionMissing(version)))),
        Ordering::Less => Err(Unfit::Older { version, newest }.into()),
    }
}

/// Why a command does nothing with a store.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("there is no store yet: `serve` makes it")]
    New,
    #[error(
        "it is of an older release of dcr-gateway (its migration {version}, this one's is {newest}), and a command changes no tables: \
         take that release's executable, or start this one's `serve` once, after a backup"
    )]
    Older { version: i64, newest: i64 },
}

impl From<Unfit> for sqlx::Error {
    fn from(unfit: Unfit) -> Self {
        Self::Configuration(unfit.into())
    }
}
