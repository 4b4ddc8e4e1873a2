//! The words in which people are told, in a chat and by mail; a webhook has the title.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use super::message::Message;
use super::notice::{Notice, Status};

/// So many notices stand in a text; the others are counted.
pub(super) const SHOWN: usize = 10;

/// The sentence, with what says how it is meant.
pub(super) fn said(notice: &Notice) -> String {
    let how = match notice.status {
        Status::Firing => notice.severity.as_str(),
        Status::Resolved => "over",
    };
    plain(&format!("[{how}] {}", notice.sentence))
}

/// How many are not shown.
pub(super) fn others(message: &Message) -> Option<String> {
    let others = message.notices.len().saturating_sub(SHOWN) as u64 + u64::from(message.more);
    (others > 0).then(|| format!("… and {others} more"))
}

/// The text without what would show otherwise than it is, or end a line: control, bidirectional and invisible characters.
pub fn plain(text: &str) -> String {
    let shows = |c: char| {
        !matches!(
            c.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
        )
    };
    text.chars().map(|c| if shows(c) { c } else { '\u{fffd}' }).collect()
}

/// The title of several together.
pub(super) fn title(notices: &[Notice], more: u32) -> String {
    let count = notices.len() as u64 + u64::from(more);
    match notices {
        [only] if more == 0 => only.title.clone(),
        [first, rest @ ..] if rest.iter().all(|notice| notice.name == first.name) => {
            format!("{count} times: {}", first.title)
        }
        [first, ..] => format!("{count} notices, the first: {}", first.title),
        [] => "Nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notice::Topic;
    use crate::clock::Timestamp;

    #[test]
    fn several_are_named_by_their_number() {
        let notice = |name: &str| {
            Notice::new(Topic::Pending, name, name, Timestamp::from_unix_millis(0)).saying(format!("it is {name}"), "")
        };
        assert_eq!(title(&[notice("a")], 0), "it is a");
        assert_eq!(title(&[notice("a"), notice("a")], 3), "5 times: it is a");
        assert_eq!(title(&[notice("a"), notice("b")], 0), "2 notices, the first: it is a");
    }
}
