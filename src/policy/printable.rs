//! Whether a text shown to people shows what it holds: no control, bidirectional, invisible, unassigned or private-use characters, and
//! nothing that a page would read as markup.

use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::unseen::{is_blank, is_variation_selector};
use crate::registration::strict_uri::is_bidirectional_control;

/// The most combining marks in a row; more is a text that runs over its neighbours.
const MOST_MARKS: usize = 5;

/// The canonical combining class of the signs that take a consonant's vowel away (Unicode §4.3).
const VIRAMA: u8 = 9;

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
        if character == '&' && is_reference(characters.as_str()) {
            return Some("holds markup (&#)".to_owned());
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

/// Whether what follows `&` is a character by its number in HTML: a page that forgets to escape shows another name.
fn is_reference(rest: &str) -> bool {
    let number = rest.strip_prefix('#').map(|rest| rest.strip_prefix(['x', 'X']).unwrap_or(rest));
    number.is_some_and(|number| number.starts_with(|digit: char| digit.is_ascii_hexdigit()))
}

fn problem_of(character: char, before: Option<char>, after: Option<char>) -> Option<&'static str> {
    match character {
        // Persian and many Indic words need the non-joiner, many emoji the joiner: between two characters of such a kind they stay.
        '\u{200c}' | '\u{200d}' if joins(before) && (joins(after) || character == '\u{200d}') => return None,
        // Shows the sign before it instead of joining two consonants, at the end of a word as well (RFC 5892 §A.1).
        '\u{200c}' if before.is_some_and(|c| canonical_combining_class(c) == VIRAMA) => return None,
        // Where a line may be broken, in scripts that write no spaces between words.
        '\u{200b}' if before.is_some_and(is_unspaced) && after.is_some_and(is_unspaced) => return None,
        // Mongolian sets its last vowel off from the word, and chooses among a letter's forms.
        '\u{180e}' if before.is_some_and(is_mongolian) && after.is_some_and(is_mongolian_letter) => return None,
        '\u{180b}'..='\u{180d}' | '\u{180f}' if before.is_some_and(is_mongolian_letter) => return None,
        // Of an ideograph one chooses the form that a family or a town writes (Unicode TR 37).
        '\u{fe00}'..='\u{fe0d}' | '\u{e0100}'..='\u{e01ef}' if before.is_some_and(is_ideograph) => return None,
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

/// A letter or a mark of Thai, Lao, Myanmar or Khmer.
fn is_unspaced(character: char) -> bool {
    let is_of_them = matches!(
        character,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{a9e0}'..='\u{a9ff}' | '\u{aa60}'..='\u{aa7f}'
    );
    is_of_them && (character.is_alphabetic() || is_combining_mark(character))
}

fn is_mongolian_letter(character: char) -> bool {
    matches!(character, '\u{1820}'..='\u{18aa}')
}

/// A letter of Mongolian, or what chose its form.
fn is_mongolian(character: char) -> bool {
    is_mongolian_letter(character) || matches!(character, '\u{180b}'..='\u{180d}' | '\u{180f}')
}

/// A Han character, those for compatibility and the zero (〇) among them; unassigned ones are refused for themselves.
fn is_ideograph(character: char) -> bool {
    matches!(
        character,
        '\u{3006}' | '\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}'
    )
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
            "R&D &# Co",
            "Tom &amp; Jerry",
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
    fn what_a_script_needs_to_be_written_stays() {
        for text in [
            "葛\u{e0100}飾アプリ",
            "辻\u{e0101}",
            "渡邉\u{e010f} 商店",
            "\u{fa11}\u{e0100}",
            "\u{2000b}\u{e01ef}",
            "刃\u{fe00}",
            "ᠨ\u{180b}ᠠ",
            "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ",
            "ᠨ\u{180b}\u{180e}ᠠ",
            "ᠭᠠᠵᠠᠷ\u{180e}ᠠ\u{180f}",
            "ക്\u{200c}",
            "श्रीमान्\u{200c} जी",
            "வணக்கம்\u{200c}",
            "สวัสดี\u{200b}ครับ",
            "ភាសា\u{200b}ខ្មែរ",
            "ພາສາ\u{200b}ລາວ",
            "မြန်မာ\u{200b}စာ",
        ] {
            assert_eq!(problem(text), None, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn what_a_script_needs_hides_nothing_elsewhere() {
        for text in [
            "a\u{e0100}",
            "\u{e0100}葛",
            "葛\u{e0100}\u{e0101}",
            "葛\u{e01f0}",
            "葛\u{fe00}\u{e0100}",
            "ア\u{e0100}",
            "∩\u{fe00}",
            "a\u{fe00}",
            "a\u{180b}",
            "葛\u{180b}",
            "ᠨ\u{180b}\u{180c}",
            "ᠨ\u{180e}",
            "ᠨ\u{180e}\u{180e}ᠠ",
            "ᠨ\u{180e}a",
            "a\u{180e}b",
            "ᠨ\u{e0100}",
            "می\u{200c}",
            "a\u{200c}",
            "ก\u{200b}",
            "\u{200b}ก",
            "ก\u{200b}a",
            "ก\u{200b}\u{200b}ข",
            "葛\u{200b}飾",
            "ក\u{17b4}\u{200b}ខ",
        ] {
            assert!(problem(text).is_some(), "{}", text.escape_unicode());
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
            "Cl&#97;ude",
            "&#X43;laude",
            "<?xml",
            "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
        ] {
            assert!(problem(text).is_some(), "{}", text.escape_unicode());
        }
    }
}
