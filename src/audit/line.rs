//! A record, a head or a cut as one line of an export: what streams write, what `audit export` writes, what `audit verify --file`
//! reads. The event stands in the line as it was hashed, so a line must not be formatted anew.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::store::{AuditRecord, RecordHash, SignedHead, WriterId};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A record.
    Record(AuditRecord),
    /// A head.
    Head(SignedHead),
    /// Where retention cut a chain.
    Cut(SignedHead),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordLine<'a> {
    #[serde(borrow)]
    writer: std::borrow::Cow<'a, str>,
    sequence: u64,
    at: Timestamp,
    previous: RecordHash,
    hash: RecordHash,
    #[serde(borrow)]
    event: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatementLine {
    Head(SignedHead),
    Cut(SignedHead),
}

impl Line {
    /// As it is written, without the line break.
    ///
    /// # Errors
    /// The event of a record is no JSON.
    pub fn write(&self) -> serde_json::Result<String> {
        match self {
            Self::Record(record) => record_line(record),
            Self::Head(head) => serde_json::to_string(&StatementLine::Head(head.clone())),
            Self::Cut(cut) => serde_json::to_string(&StatementLine::Cut(cut.clone())),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is none of the three.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        if text.starts_with("{\"head\"") || text.starts_with("{\"cut\"") {
            return Ok(match serde_json::from_str(text)? {
                StatementLine::Head(head) => Self::Head(head),
                StatementLine::Cut(cut) => Self::Cut(cut),
            });
        }
        let RecordLine { writer, sequence, at, previous, hash, event } = serde_json::from_str(text)?;
        let (writer, event) = (WriterId(writer.into_owned()), event.get().to_owned());
        Ok(Self::Record(AuditRecord { writer, sequence, at, previous, hash, event }))
    }
}

/// A record as a line, without the line break.
///
/// # Errors
/// Its event is no JSON.
pub fn record_line(record: &AuditRecord) -> serde_json::Result<String> {
    let AuditRecord { writer, sequence, at, previous, hash, event } = record;
    let event = serde_json::from_str::<&RawValue>(event)?;
    let writer = writer.0.as_str().into();
    let (sequence, at, previous, hash) = (*sequence, *at, *previous, *hash);
    serde_json::to_string(&RecordLine { writer, sequence, at, previous, hash, event })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Head;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let (writer, at, hash) = (WriterId("w".to_owned()), Timestamp::from_unix_millis(7), RecordHash([7; 32]));
        let event = r#"{"event":"process_started","actor":{"kind":"gateway"}}"#.to_owned();
        let head = Head { writer: writer.clone(), sequence: 3, hash, at };
        let signed = SignedHead { head, key: Some("k".to_owned()), signature: Some("s".to_owned()) };
        let record = AuditRecord { writer, sequence: 3, at, previous: hash, hash, event };
        for line in [Line::Record(record), Line::Head(signed.clone()), Line::Cut(signed)] {
            assert_eq!(Line::read(&line.write().unwrap()).unwrap(), line);
        }
        for text in ["", "{}", "{\"head\":{}}", "[]"] {
            assert!(Line::read(text).is_err(), "{text}");
        }
    }
}
