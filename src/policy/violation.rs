//! What a rule found wrong: one sentence a client developer can act on. Values in it are shortened and escaped.

use std::fmt;

use serde::Serialize;

use super::rule::RuleName;
use crate::registration::ErrorCode;

/// The most bytes a message has.
const LONGEST_MESSAGE: usize = 512;

/// The most bytes a place has: language tags and indices of a hostile request are shortened too.
const LONGEST_PLACE: usize = 96;

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The rule that found it.
    pub rule: RuleName,
    /// Where: `redirect_uris[1]`.
    pub place: String,
    /// What is wrong, a whole sentence that begins with the place:
    /// `redirect_uris[1]: host "evil.example" is not allowed by profile "partners"`. Never longer than 512 bytes; never holds control characters.
    pub message: String,
    /// The code RFC 7591 §3.2.2 has for it.
    pub code: ErrorCode,
}

impl Violation {
    /// A violation at `place`; `problem` is the sentence after the place. Values in it come through [`Excerpt`](crate::registration::excerpt::Excerpt).
    pub fn new(rule: RuleName, place: &str, code: ErrorCode, problem: impl fmt::Display) -> Self {
        let place = plain(place.to_owned(), LONGEST_PLACE);
        let message = plain(format!("{place}: {problem}"), LONGEST_MESSAGE);
        Self { rule, place, message, code }
    }
}

/// `text` without control characters, at most `longest` bytes of it.
fn plain(text: String, longest: usize) -> String {
    if text.len() < longest - '…'.len_utf8() && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text;
    }
    let mut kept = String::with_capacity(text.len().min(longest));
    for character in text.chars() {
        let character = if character.is_control() { '\u{fffd}' } else { character };
        if kept.len() + character.len_utf8() > longest - '…'.len_utf8() {
            kept.push('…');
            break;
        }
        kept.push(character);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_bounded_and_holds_no_control_character() {
        let place = format!("client_name#\u{7}{}", "é".repeat(600));
        let violation = Violation::new(RuleName::ClientName, &place, ErrorCode::InvalidClientMetadata, "é".repeat(600));
        assert!(violation.message.len() <= 512 && violation.place.len() <= 96);
        assert!(!violation.message.contains(char::is_control));
        assert!(violation.message.starts_with(&format!("{}: ", violation.place)));
    }
}
