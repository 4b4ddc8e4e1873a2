//! Many rows in one statement: what a group of changes costs is statements, not rows.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::error::BoxDynError;
use sqlx::query::Query;
use sqlx::{AnyConnection, Arguments as _, AssertSqlSafe, Column as _, Database as _, Executor as _, Row as _, Sqlite};

/// How many numbers of rows there are: powers of two. A connection remembers a hundred statements, and each number makes one.
const SIZES: usize = 6;
/// The most rows of one statement.
const LARGEST_PART: usize = 1 << (SIZES - 1);

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

impl Value {
    /// NULL, of the same type.
    const fn nothing(&self) -> Self {
        match self {
            Self::Text(_) => Self::Text(None),
            Self::Number(_) => Self::Number(None),
            Self::Octets(_) => Self::Octets(None),
        }
    }

    fn add_to(self, arguments: &mut AnyArguments) -> Result<(), BoxDynError> {
        match self {
            Self::Text(text) => arguments.add(text),
            Self::Number(number) => arguments.add(number),
            Self::Octets(octets) => arguments.add(octets),
        }
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

/// A statement with many rows: `head`, the rows as `($1, $2), ($3, $4)`, and `tail`. Rows of nothing but NULL may come behind those that
/// are given: the statement is to leave out what has no first value.
pub(super) struct Rows<const WIDTH: usize> {
    /// The name of the first column of what it finds, as no other statement has it.
    finds: &'static str,
    head: &'static [&'static str],
    tail: &'static str,
    /// By how places are written, and by the number of rows.
    texts: [[OnceLock<Arc<str>>; SIZES]; 2],
}

impl<const WIDTH: usize> Rows<WIDTH> {
    /// One that finds nothing.
    pub(super) const fn between(head: &'static [&'static str], tail: &'static str) -> Self {
        Self::finding("", head, tail)
    }

    pub(super) const fn finding(finds: &'static str, head: &'static [&'static str], tail: &'static str) -> Self {
        Self { finds, head, tail, texts: [const { [const { OnceLock::new() }; SIZES] }; 2] }
    }

    /// What it finds.
    pub(super) async fn fetch(
        &'static self,
        connection: &mut AnyConnection,
        rows: Vec<[Value; WIDTH]>,
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        let mut batch = Batch::default();
        batch.add(self, rows);
        Ok(batch.run(connection).await?.of(self))
    }

    pub(super) async fn execute(
        &'static self,
        connection: &mut AnyConnection,
        rows: Vec<[Value; WIDTH]>,
    ) -> Result<(), sqlx::Error> {
        let mut batch = Batch::default();
        batch.add(self, rows);
        batch.run(connection).await.map(drop)
    }
}

trait Text: Sync {
    /// For so many rows, a power of two.
    fn text(&self, number: usize, places: Places) -> Arc<str>;
}

impl<const WIDTH: usize> Text for Rows<WIDTH> {
    fn text(&self, number: usize, places: Places) -> Arc<str> {
        let text = || format!("{} {} {}", self.head.concat(), places.of(number, WIDTH), self.tail).into();
        self.texts[places as usize][number.ilog2() as usize].get_or_init(text).clone()
    }
}

/// Statements that are run one after the other, whatever those before them find. SQLite, which works in a thread of its own, is
/// handed them all at once: to pass one there and its end back costs more than most of them.
#[derive(Default)]
pub(super) struct Batch {
    begin: Option<&'static str>,
    parts: Vec<Part>,
    commits: bool,
}

struct Part {
    statement: &'static dyn Text,
    finds: &'static str,
    width: usize,
    /// Row by row.
    values: Vec<Value>,
}

impl Batch {
    /// The first of a transaction, which begins so.
    pub(super) fn beginning(begin: &'static str) -> Self {
        Self { begin: Some(begin), ..Self::default() }
    }

    /// With the last of them the transaction is committed.
    pub(super) fn committing(self) -> Self {
        Self { commits: true, ..self }
    }

    pub(super) fn add<const WIDTH: usize>(&mut self, statement: &'static Rows<WIDTH>, mut rows: Vec<[Value; WIDTH]>) {
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(LARGEST_PART));
            let values = rows.into_iter().flatten().collect();
            self.parts.push(Part { statement, finds: statement.finds, width: WIDTH, values });
            rows = rest;
        }
    }

    pub(super) async fn run(self, connection: &mut AnyConnection) -> Result<Found, sqlx::Error> {
        let is_sqlite = connection.backend_name() == Sqlite::NAME;
        if is_sqlite { self.run_at_once(connection).await } else { self.run_in_turn(connection).await }
    }

    async fn run_at_once(self, connection: &mut AnyConnection) -> Result<Found, sqlx::Error> {
        let mut text = String::new();
        let mut arguments = AnyArguments::default();
        // As many of each, so that there are few texts.
        let number = self.parts.iter().map(Part::number).max().unwrap_or(1);
        if let Some(begin) = self.begin {
            text.push_str(begin);
            text.push_str("; ");
        }
        for part in self.parts {
            text.push_str(&part.statement.text(number, Places::Nameless));
            text.push_str("; ");
            part.add_to(&mut arguments, number)?;
        }
        if self.commits {
            text.push_str(COMMIT);
        }
        let mut found = Found::default();
        if !text.is_empty() {
            for row in sqlx::query_with(AssertSqlSafe(text), arguments).fetch_all(connection).await? {
                found.0.entry(row.column(0).name().to_owned()).or_default().push(row);
            }
        }
        Ok(found)
    }

    async fn run_in_turn(self, connection: &mut AnyConnection) -> Result<Found, sqlx::Error> {
        if let Some(begin) = self.begin {
            connection.execute(begin).await?;
        }
        let mut found = Found::default();
        for part in self.parts {
            let (number, finds) = (part.number(), part.finds);
            let text = part.statement.text(number, Places::Numbered);
            let mut arguments = AnyArguments::default();
            part.add_to(&mut arguments, number)?;
            let rows = sqlx::query_with(AssertSqlSafe(text), arguments).fetch_all(&mut *connection).await?;
            if !rows.is_empty() {
                found.0.entry(finds.to_owned()).or_default().extend(rows);
            }
        }
        if self.commits {
            connection.execute(COMMIT).await?;
        }
        Ok(found)
    }
}

const COMMIT: &str = "COMMIT";

impl Part {
    /// How many rows the statement has for it.
    fn number(&self) -> usize {
        (self.values.len() / self.width).next_power_of_two()
    }

    /// Its values, and NULL for the rows that are missing.
    fn add_to(self, arguments: &mut AnyArguments, number: usize) -> Result<(), sqlx::Error> {
        let Self { width, values, .. } = self;
        arguments.reserve(number * width, 0);
        let missing = number * width - values.len();
        let nothing: Vec<Value> = values.iter().take(width).map(Value::nothing).collect();
        for value in values.into_iter().chain(nothing.into_iter().cycle().take(missing)) {
            value.add_to(arguments).map_err(sqlx::Error::Encode)?;
        }
        Ok(())
    }
}

/// What the statements of a batch found.
#[derive(Default)]
pub(super) struct Found(HashMap<String, Vec<AnyRow>>);

impl Found {
    /// What this one did.
    pub(super) fn of<const WIDTH: usize>(&mut self, statement: &Rows<WIDTH>) -> Vec<AnyRow> {
        self.0.remove(statement.finds).unwrap_or_default()
    }
}

/// How the places of values are written.
#[derive(Debug, Clone, Copy)]
enum Places {
    /// For SQLite: it looks for the name of each among all of them, which takes longer than to run the statement.
    Nameless,
    Numbered,
}

impl Places {
    fn of(self, rows: usize, width: usize) -> String {
        let place = |number: usize| match self {
            Self::Nameless => "?".to_owned(),
            Self::Numbered => format!("${number}"),
        };
        let row = |row: usize| (1..=width).map(|column| place(row * width + column)).collect::<Vec<_>>().join(", ");
        (0..rows).map(|number| format!("({})", row(number))).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_through_where_they_have_names() {
        assert_eq!(Places::Numbered.of(3, 2), "($1, $2), ($3, $4), ($5, $6)");
        assert_eq!(Places::Numbered.of(1, 1), "($1)");
        assert_eq!(Places::Nameless.of(2, 2), "(?, ?), (?, ?)");
    }
}
