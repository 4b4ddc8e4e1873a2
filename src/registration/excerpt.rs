//! How a text from a request is shown in a sentence: quoted, escaped, shortened. Nothing from outside goes into a message otherwise.

use std::fmt::{self, Display, Formatter, Write};

/// The most that is shown of a text, in bytes after escaping, quotes and dots apart.
const SHOWN: usize = 80;
/// The same of a text that somebody decides by.
pub const SHOWN_AT_LENGTH: usize = 1000;

/// A text from a request, to be written into a sentence with [`Display`]: in double quotes, at most 80 bytes of it,
/// control characters, invisible and bidirectional characters, quotes and backslashes escaped as Rust does.
#[derive(Debug, Clone, Copy)]
pub struct Excerpt<'a>(pub &'a str);

impl Display for Excerpt<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_shortened(f, self.0, SHOWN)
    }
}

/// The same with more of the text: what somebody decides by must not be hidden behind what stands before it.
#[derive(Debug, Clone, Copy)]
pub struct AtLength<'a>(pub &'a str);

impl Display for AtLength<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_shortened(f, self.0, SHOWN_AT_LENGTH)
    }
}

/// Writes `text` as [`Excerpt`] does, with another limit.
pub(super) fn write_shortened(f: &mut impl Write, text: &str, limit: usize) -> fmt::Result {
    f.write_char('"')?;
    let mut written = 0;
    for character in text.chars() {
        // An apostrophe is the one character that `escape_debug` escapes without need inside double quotes.
        let is_shown = matches!(character, ' '..='~') && !matches!(character, '"' | '\\');
        written += if is_shown { 1 } else { character.escape_debug().map(char::len_utf8).sum() };
        if written > limit {
            return f.write_str("\"...");
        }
        if is_shown {
            f.write_char(character)?;
        } else {
            write!(f, "{}", character.escape_debug())?;
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_an_ordinary_text_in_quotes() {
        assert_eq!(Excerpt("it's evil.example").to_string(), r#""it's evil.example""#);
    }

    #[test]
    fn escapes_what_could_mislead_a_reader_of_a_log() {
        assert_eq!(Excerpt("a\"b\\c\n\u{202e}\u{200b}").to_string(), r#""a\"b\\c\n\u{202e}\u{200b}""#);
    }

    #[test]
    fn shortens_by_what_is_written_not_by_what_was_given() {
        assert_eq!(Excerpt(&"x".repeat(81)).to_string(), format!("\"{}\"...", "x".repeat(80)));
        assert!(Excerpt(&"\u{202e}".repeat(2000)).to_string().len() < 90);
    }
}
