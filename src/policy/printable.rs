//! Whether a text shown to people shows what it holds: no control, bidirectional, invisible, unassigned or private-use characters, and
//! nothing that a page would read as markup.

use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::unseen::{is_blank, is_variation_selector};
use crate::registration::strict_uri::is_bidirectional_control;

/// The most combining marks in a row; more is a text that runs over its neighbours.
const MOST_MARKS: usize = 5;

/// The flags of England, Scotland and Wales: a black flag, letters that only programs see, and their end. These three are all there are
/// (Unicode TR 51, RGI_Emoji_Tag_Sequence); anywhere else such letters hide text.
const FLAGS: [&str; 3] = [
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// What is wrong with the first character that does not belong into a text for people.
pub(super) fn problem(text: &str) -> Option<String> {
    let mut marks = 0;
    let mut before = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let after = characters.clone().next();
        if let Some(what) = problem_of(character, before, after) {
            return Some(format!("holds {what} (U+{:04X})", u32::from(character)));
        }
        if character == '<' && after.is_some_and(|next| next.is_ascii_alphabetic() || "/!?".contains(next)) {
            return Some("holds markup (<)".to_owned());
        }
        marks = if is_combining_mark(character) { marks + 1 } else { 0 };
        if marks > MOST_MARKS {
            return Some(format!("holds more than {MOST_MARKS} combining marks in a row"));
        }
        before = Some(character);
        if character == '\u{1f3f4}' {
            let tags = characters.as_str();
            let behind = |flag: &str| flag.strip_prefix(character).and_then(|flag| tags.strip_prefix(flag));
            characters = FLAGS.into_iter().find_map(behind).unwrap_or(tags).chars();
        }
    }
    None
}

fn problem_of(character: char, before: Option<char>, after: Option<char>) -> Option<&'static str> {
    match character {
        // Persian and many Indic words need the non-joiner, many emoji the joiner: between two characters of such a kind they stay.
        '\u{200c}' | '\u{200d}' if joins(before) && (joins(after) || character == '\u{200d}') => return None,
        _ if is_bidirectional_control(character) => return Some("a bidirectional control"),
        _ if is_blank(character) => return Some("an invisible character"),
        // Selects the text or emoji form of the character before it.
        '\u{fe0e}' | '\u{fe0f}' => return None,
        _ if is_variation_selector(character) => return Some("a variation selector"),
        _ => {}
    }
    match character.general_category() {
        GeneralCategory::Control => Some("a control character"),
        GeneralCategory::Format => Some("an invisible character"),
        GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => Some("a line break"),
        GeneralCategory::PrivateUse => Some("a private-use character"),
        GeneralCategory::Unassigned | GeneralCategory::Surrogate => Some("an unassigned character"),
        _ => None,
    }
}

/// Whether a joiner beside this character has a meaning: letters and marks of scripts that join, and emoji. Not Latin, Greek, Cyrillic.
fn joins(character: Option<char>) -> bool {
    character.is_some_and(|c| u32::from(c) >= 0x0590)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_world_pass() {
        for text in [
            "Claude Code (github)",
            "Müller & Söhne — «Portal»",
            "日本語アプリ",
            "عميل القهوة",
            "לקוח",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "👩\u{200d}💻 Dev Tools",
            "❤\u{fe0f} App",
            "1\u{fe0f}\u{20e3}",
            "Việt Nam",
            "I <3 Orders",
            "a < b > c",
            "🇩🇪",
            "🏴 Pirates",
            "𝄞 Scores 𝅘𝅥𝅮",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "Cymru 🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f} 🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
        ] {
            assert_eq!(problem(text), None, "{text}");
        }
    }

    #[test]
    fn refuses_what_does_not_show() {
        for text in [
            "a\0b",
            "a\nb",
            "a\u{1b}[31m",
            "a\u{85}b",
            "a\u{202e}b",
            "a\u{2067}b",
            "a\u{200f}b",
            "a\u{200b}b",
            "Cl\u{200d}aude",
            "Cl\u{200c}aude",
            "a\u{feff}",
            "a\u{ad}b",
            "a\u{2028}b",
            "a\u{3164}b",
            "a\u{1d159}b",
            "\u{fffc}",
            "a\u{16fe4}b",
            "a\u{e000}",
            "a\u{e0041}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}",
            "🏴\u{e0065}\u{e0076}\u{e0069}\u{e006c}\u{e007f}",
            "a\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}\u{e0041}",
            "a\u{378}",
            "a\u{ffff}",
            "<script>alert(1)</script>",
            "a</b>",
            "a<!--",
            "<?xml",
            "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
        ] {
            assert!(problem(text).is_some(), "{}", text.escape_unicode());
        }
    }
}
