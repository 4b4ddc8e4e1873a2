//! The fields of a line of text on standard error, as `tracing-subscriber` writes them where there are no colours: it would go through
//! styles and four layers of formatting for each.

use std::error::Error;
use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};

/// Writes `name=value`, values as `{:?}` shows them.
pub(super) struct PlainFields;

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_empty: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'w> {
    writer: Writer<'w>,
    is_empty: bool,
    result: fmt::Result,
}

impl<'w> Line<'w> {
    /// Whether the field has another form: the message, of which control characters are escaped, and what has a name of the library's.
    fn is_special(field: &Field) -> bool {
        field.name() == "message" || field.name().starts_with("r#") || field.name().starts_with("log.")
    }

    fn put(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'w>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.begin().and_then(|()| self.writer.write_str(field.name()));
            self.result = self.result.and_then(|()| self.writer.write_char('='));
            self.result = self.result.and_then(|()| value(&mut self.writer));
        }
    }

    /// The space before every field but the first.
    fn begin(&mut self) -> fmt::Result {
        if std::mem::take(&mut self.is_empty) { Ok(()) } else { self.writer.write_char(' ') }
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if !Self::is_special(field) {
            return self.put(field, |writer| write!(writer, "{value:?}"));
        }
        if field.name().starts_with("log.") || self.result.is_err() {
            return;
        }
        self.result = self.begin();
        DefaultVisitor::new(self.writer.by_ref(), true).record_debug(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if Self::is_special(field) {
            let is_message = field.name() == "message";
            return if is_message {
                self.record_debug(field, &format_args!("{value}"));
            } else {
                self.record_debug(field, &value);
            };
        }
        self.put(field, |writer| quoted(writer, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if self.result.is_ok() {
            self.result = self.begin();
            DefaultVisitor::new(self.writer.by_ref(), true).record_error(field, value);
        }
    }
}

/// As `{:?}` shows a text, which looks at every character by itself.
fn quoted(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    // All of it, without a branch for each.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        writer.write_char('"')?;
        writer.write_str(text)?;
        writer.write_char('"')
    } else {
        write!(writer, "{text:?}")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What every kind of field comes to.
    fn told(subscriber: impl tracing::Subscriber + Send + Sync + 'static) {
        tracing::subscriber::with_default(subscriber, || {
            let error = std::io::Error::other("no \u{1b}[31mroom");
            let nobody: Option<&str> = None;
            tracing::info!(
                plain = "a b",
                quoted = "a \"b\" \\ \u{1b}[31m é\n",
                empty = "",
                nobody,
                number = 7,
                negative = -7_i64,
                large = u128::MAX,
                real = 0.5,
                is = true,
                shown = %"x \"y\"",
                debugged = ?Some("x"),
                r#type = "t",
                error = &error as &dyn Error,
                "the \u{1b}[31mmessage {}",
                1
            );
            tracing::warn!(first = "without a message", second = 2);
            tracing::error!("a message alone");
        });
    }

    #[test]
    fn lines_are_those_of_the_library() {
        let (ours, theirs) = (Lines::default(), Lines::default());
        let layer =
            |lines: &Lines| tracing_subscriber::fmt::layer().with_writer(lines.clone()).with_ansi(false).without_time();
        told(tracing_subscriber::registry().with(layer(&ours).fmt_fields(PlainFields)));
        told(tracing_subscriber::registry().with(layer(&theirs)));
        let text = |lines: Lines| String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let theirs = text(theirs);
        assert!(theirs.contains("type=\"t\"") && theirs.lines().count() >= 3, "{theirs}");
        assert_eq!(text(ours), theirs);
    }
}
