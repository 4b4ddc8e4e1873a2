//! Many rows in one statement: what a group of changes costs is statements, not rows.

use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{AnyConnection, AssertSqlSafe};

/// The most rows of one statement; a power of two. SQLite looks for the name of each parameter among all of them: more would be slower.
const LARGEST_PART: usize = 16;

/// A value that a statement is given.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
    Octets(Option<Vec<u8>>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<[u8; 32]> for Value {
    fn from(octets: [u8; 32]) -> Self {
        Self::Octets(Some(octets.to_vec()))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(octets: Option<Vec<u8>>) -> Self {
        Self::Octets(octets)
    }
}

/// The statement with its values.
pub(super) fn query(text: String, values: impl IntoIterator<Item = Value>) -> Query<'static, Any, AnyArguments> {
    values.into_iter().fold(sqlx::query(AssertSqlSafe(text)), |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Number(number) => query.bind(number),
        Value::Octets(octets) => query.bind(octets),
    })
}

/// Runs `head`, the rows as `($1, $2), ($3, $4)`, and `tail`; returns what it found. Few numbers of rows exist (powers of two),
/// so the database knows each of the texts after a while.
pub(super) async fn with_rows<const WIDTH: usize>(
    connection: &mut AnyConnection,
    (head, tail): (&str, &str),
    mut rows: Vec<[Value; WIDTH]>,
) -> Result<Vec<AnyRow>, sqlx::Error> {
    let mut found = Vec::new();
    while !rows.is_empty() {
        let rest = rows.split_off(1 << rows.len().min(LARGEST_PART).ilog2());
        let text = format!("{head} {} {tail}", places(rows.len(), WIDTH));
        found.extend(query(text, rows.into_iter().flatten()).fetch_all(&mut *connection).await?);
        rows = rest;
    }
    Ok(found)
}

fn places(rows: usize, width: usize) -> String {
    let row =
        |row: usize| (1..=width).map(|column| format!("${}", row * width + column)).collect::<Vec<_>>().join(", ");
    (0..rows).map(|number| format!("({})", row(number))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_through() {
        assert_eq!(places(3, 2), "($1, $2), ($3, $4), ($5, $6)");
        assert_eq!(places(1, 1), "($1)");
    }
}
