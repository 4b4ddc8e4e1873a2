//! Lists: conditions and pages put together from fixed texts, so that each list can use the index made for it.

use sqlx::Executor;
use sqlx::any::{Any, AnyRow};

use super::rows::{Value, query};
use crate::clock::Timestamp;
use crate::store::{LARGEST_PAGE, Page};

/// A query in the making. Only values are ever a caller's, and they are bound.
pub(super) struct List {
    text: String,
    values: Vec<Value>,
    end: String,
}

impl List {
    pub(super) fn of(table: &'static str, columns: &'static str) -> Self {
        Self { text: format!("SELECT {columns} FROM {table} WHERE 1 = 1"), values: Vec::new(), end: String::new() }
    }

    /// Only those with this value in the column; all where there is none.
    pub(super) fn with(mut self, column: &'static str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            let place = self.bind(value.into());
            self.text.push_str(&format!(" AND {column} = {place}"));
        }
        self
    }

    /// Only those without a value in the column.
    pub(super) fn without(mut self, column: &'static str) -> Self {
        self.text.push_str(&format!(" AND {column} IS NULL"));
        self
    }

    /// Only those from that moment on; all where there is none.
    pub(super) fn since(mut self, column: &'static str, moment: Option<Timestamp>) -> Self {
        if let Some(moment) = moment {
            let place = self.bind(moment.unix_millis().into());
            self.text.push_str(&format!(" AND {column} >= {place}"));
        }
        self
    }

    /// Newest first by these columns (a moment, a name), from where the page begins.
    pub(super) fn page(mut self, at: &'static str, id: &'static str, page: &Page) -> Self {
        if let Some(after) = &page.after {
            let moment = self.bind(after.at.unix_millis().into());
            let name = self.bind(after.id.clone().into());
            self.text.push_str(&format!(" AND ({at}, {id}) < ({moment}, {name})"));
        }
        self.end = format!(" ORDER BY {at} DESC, {id} DESC LIMIT {}", page.limit.min(LARGEST_PAGE));
        self
    }

    pub(super) async fn all<'e>(self, executor: impl Executor<'e, Database = Any>) -> Result<Vec<AnyRow>, sqlx::Error> {
        query(self.text + &self.end, self.values).fetch_all(executor).await
    }

    pub(super) async fn one<'e>(
        self,
        executor: impl Executor<'e, Database = Any>,
    ) -> Result<Option<AnyRow>, sqlx::Error> {
        Ok(self.all(executor).await?.pop())
    }

    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }
}
