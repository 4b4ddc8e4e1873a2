//! Columns of JSON: how values are written into them, and read out of them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::any::AnyRow;

/// A value as it is stored.
pub(super) fn written(value: &impl Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// What stands in a column.
pub(super) fn read<T: DeserializeOwned>(row: &AnyRow, column: usize) -> Result<T, sqlx::Error> {
    serde_json::from_str(row.try_get(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// What stands in a column that may be empty.
pub(super) fn read_if_there<T: DeserializeOwned>(row: &AnyRow, column: usize) -> Result<Option<T>, sqlx::Error> {
    let text = row.try_get::<Option<&str>, _>(column)?;
    text.map(serde_json::from_str).transpose().map_err(|error| sqlx::Error::Decode(error.into()))
}
