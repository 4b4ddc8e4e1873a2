//! A page of a list that is ordered newest first: where it begins, and how long it is.

use crate::clock::Timestamp;

/// The most entries of a page.
pub const LARGEST_PAGE: u32 = 500;

/// What part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Begins behind this entry; none: at the newest.
    pub after: Option<Cursor>,
    /// The most entries, at most [`LARGEST_PAGE`].
    pub limit: u32,
}

/// The place of an entry in a list: nothing that is added later moves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// When the entry was made.
    pub at: Timestamp,
    /// Its name, which orders entries of the same moment.
    pub id: String,
}

impl Page {
    /// The first page.
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// The part of a list of `(moment, name, entry)` that this page is.
    pub(super) fn of<'e, T: Clone + 'e>(&self, entries: impl Iterator<Item = (Timestamp, &'e str, &'e T)>) -> Vec<T> {
        let is_behind =
            |at: Timestamp, id: &str| self.after.as_ref().is_none_or(|after| (at, id) < (after.at, after.id.as_str()));
        let mut entries: Vec<_> = entries.filter(|(at, id, _)| is_behind(*at, id)).collect();
        entries.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)));
        let limit = usize::try_from(self.limit.min(LARGEST_PAGE)).unwrap_or_default();
        entries.into_iter().take(limit).map(|(_, _, entry)| entry.clone()).collect()
    }
}

impl std::fmt::Display for Cursor {
    /// For links and the command line: opaque, but not secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.at.unix_millis(), self.id)
    }
}

impl std::str::FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || format!("{text:?} is no cursor: take the one an earlier page ended with");
        let (at, id) = text.split_once('.').ok_or_else(problem)?;
        let at = at.parse().map(Timestamp::from_unix_millis).map_err(|_| problem())?;
        Ok(Self { at, id: id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_written_and_read_back() {
        let cursor = Cursor { at: Timestamp::from_unix_millis(7), id: "a.b".to_owned() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "7", "x.y"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
