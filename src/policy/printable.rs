//! Whether a text shown to people shows what it holds: no control, bidirectional, invisible, unassigned or private-use characters, and
//! nothing that a page would read as markup.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::markup;
use crate::registration::strict_uri::is_bidirectional_control;
use crate::registration::unseen::{is_blank, is_variation_selector};

/// The most combining marks in a row; more is a text that runs over its neighbours.
const MOST_MARKS: usize = 5;

/// The most that no single character has together with its letter, where letters are written with few: Latin, Greek, Cyrillic.
const MOST_WESTERN_MARKS: usize = 2;

/// What a decoder writes where it finds no character.
const REPLACEMENT: char = '\u{fffd}';

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
    if text.starts_with(is_combining_mark) && !text.starts_with(is_variation_selector) {
        return Some("begins with a mark that belongs on a letter".to_owned());
    }
    if text.contains(REPLACEMENT) && text.chars().all(|character| character == REPLACEMENT || character.is_whitespace())
    {
        return Some("holds nothing but what somebody could not decode (U+FFFD)".to_owned());
    }
    let mut before = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let after = characters.clone().next();
        if let Some(what) = problem_of(character, before, after) {
            return Some(format!("holds {what} (U+{:04X})", u32::from(character)));
        }
        before = Some(character);
        if character == '\u{1f3f4}' {
            let tags = characters.as_str();
            let behind = |flag: &str| flag.strip_prefix(character).and_then(|flag| tags.strip_prefix(flag));
            characters = FLAGS.into_iter().find_map(behind).unwrap_or(tags).chars();
        }
    }
    markup::problem(text).map(str::to_owned).or_else(|| problem_of_marks(text))
}

/// What is wrong with the marks on the letters: so many, or such, that nobody reads the letters (UTS 39 §5.4).
fn problem_of_marks(text: &str) -> Option<String> {
    let is_mark = |character: char| is_combining_mark(character) && !is_variation_selector(character);
    let mut overlaid = 0;
    let mut rest = text;
    while let Some(base) = rest.chars().next() {
        let behind = &rest[base.len_utf8()..];
        let (marks, after) = behind.split_at(behind.find(|c| !is_mark(c)).unwrap_or(behind.len()));
        let cluster = &rest[..rest.len() - after.len()];
        rest = after;
        if marks.is_empty() {
            continue;
        }
        // The base itself may be a mark, at the beginning of a text.
        let count = marks.chars().count() + usize::from(is_mark(base));
        if count > MOST_MARKS {
            return Some(format!("holds more than {MOST_MARKS} combining marks in a row"));
        }
        let decomposed: Vec<char> = cluster.nfd().skip(1).filter(|c| is_mark(*c)).collect();
        let is_western = is_western(base) || marks.chars().all(is_general_mark);
        // Vietnamese and the Greek of antiquity have letters with two and three, each of which is one character as well.
        if is_western && decomposed.len() > MOST_WESTERN_MARKS && cluster.nfc().nth(1).is_some() {
            return Some(format!("holds more than {MOST_WESTERN_MARKS} combining marks on a letter"));
        }
        let is_again = |(at, mark): (usize, &char)| is_general_mark(*mark) && decomposed[..at].contains(mark);
        if decomposed.iter().enumerate().any(is_again) {
            return Some("holds a combining mark twice on one letter".to_owned());
        }
        overlaid += usize::from(base.is_alphabetic() && marks.contains(is_overlay));
        if overlaid > 1 {
            return Some("holds letters that are struck through".to_owned());
        }
    }
    None
}

/// A letter of Latin, Greek or Cyrillic, or what else stands among these in Unicode: digits, punctuation.
fn is_western(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{1d00}'..='\u{1dbf}' | '\u{1e00}'..='\u{20cf}'
            | '\u{2c60}'..='\u{2c7f}' | '\u{a640}'..='\u{a69f}' | '\u{a720}'..='\u{a7ff}' | '\u{ab30}'..='\u{ab6f}'
    )
}

/// A mark of no script: those of Hebrew, Arabic or Thai are theirs.
fn is_general_mark(character: char) -> bool {
    matches!(
        character,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
    )
}

/// Strikes through or encloses what it is on; not as the frame of a key does (U+20E3).
fn is_overlay(character: char) -> bool {
    matches!(
        character,
        '\u{334}'..='\u{338}' | '\u{488}' | '\u{489}' | '\u{20d2}' | '\u{20d3}' | '\u{20d8}'..='\u{20da}'
            | '\u{20dd}'..='\u{20e0}' | '\u{20e2}' | '\u{20e4}'..='\u{20e6}' | '\u{20ea}' | '\u{20eb}'
    )
}

fn problem_of(character: char, before: Option<char>, after: Option<char>) -> Option<&'static str> {
    match character {
        // Persian and many Indic words need the non-joiner, many emoji the joiner: between two characters of such a kind they stay.
        '\u{200c}' | '\u{200d}' if joins(before) && joins(after) => return None,
        // Shows half a consonant, or a letter as if another followed, at the end of a word as well.
        '\u{200d}' if before.is_some_and(|c| is_combining_mark(c) || is_cursive(c) || is_mongolian(c)) => return None,
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
        '\u{fe0e}' | '\u{fe0f}' if before.is_some_and(has_two_forms) => return None,
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

/// Whether a character is a sign that can be an emoji, or is one.
fn has_two_forms(character: char) -> bool {
    let is_sign = matches!(character.general_category(), GeneralCategory::OtherSymbol | GeneralCategory::MathSymbol);
    let is_other = matches!(
        character,
        '0'..='9' | '#' | '*' | '\u{203c}' | '\u{2049}' | '\u{2139}' | '\u{3030}' | '\u{303d}' | '\u{1f3fb}'..='\u{1f3ff}'
    );
    is_sign || is_other
}

/// Whether a joiner beside this character has a meaning: letters and marks of scripts that join, and emoji. Not Latin, Greek, Cyrillic, and not
/// what is written in squares.
fn joins(character: Option<char>) -> bool {
    character.is_some_and(|c| u32::from(c) >= 0x0590 && !is_square(c) && !matches!(c, '\u{200c}' | '\u{200d}'))
}

/// A letter of Arabic, Syriac or N'Ko, which take their shape from their neighbours.
fn is_cursive(character: char) -> bool {
    matches!(character, '\u{600}'..='\u{7ff}' | '\u{860}'..='\u{8ff}')
}

/// Han, kana and hangul, and what is as wide as they are.
fn is_square(character: char) -> bool {
    is_ideograph(character)
        || matches!(
            character,
            '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{302f}' | '\u{3031}'..='\u{33ff}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}'
                | '\u{ff00}'..='\u{ffef}'
        )
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
            "ه\u{200d}.ق",
            "क्\u{200d}ष",
            "👩\u{200d}💻 Dev Tools",
            "❤\u{fe0f} App",
            "1\u{fe0f}\u{20e3}",
            "1\u{fe0f}\u{20e3} 2\u{fe0f}\u{20e3} #\u{20e3}",
            "\u{2139}\u{fe0f} Info",
            "Acme\u{2122}\u{fe0f} \u{a9}\u{fe0e}",
            "☝🏽\u{fe0f}",
            "👁\u{fe0f}\u{200d}🗨\u{fe0f}",
            "Go →\u{fe0e}",
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
    fn letters_carry_the_marks_that_languages_write() {
        for text in [
            "Vie\u{323}\u{302}t Nam",
            "Vi\u{1ec7}t",
            "Trươ\u{300}ng Thi\u{323}",
            "\u{3b1}\u{314}\u{342}\u{345}",
            "\u{1f87}",
            "i\u{307}\u{301}",
            "e\u{328}\u{301}",
            "\u{5e9}\u{5c1}\u{5b8}\u{5bc}",
            "مُحَمَّدٌ",
            "किन्त्रिं",
            "ที่นี่",
            "x\u{338}",
            "a ≠ b, a =\u{338} b, c =\u{338} d",
            "и\u{306}од",
            "한\u{301}글",
            "か\u{3099}",
            "u\u{308}\u{304}",
            "Caf\u{fffd}",
        ] {
            assert_eq!(problem(text), None, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn marks_that_hide_their_letters_are_refused() {
        for text in [
            "Z\u{337}\u{31e}\u{34c}a\u{334}\u{354}\u{35d}l\u{338}\u{330}\u{313}go",
            "Z\u{31e}\u{34c}\u{330}algo",
            "Орд\u{31e}\u{34c}\u{330}ерс",
            "ệ\u{34c}\u{330}",
            "a\u{e48}\u{e48}\u{e48}",
            "葛\u{31e}\u{34c}\u{330}",
            "e\u{301}\u{301}",
            "e\u{301}\u{323}\u{301}",
            "é\u{301}",
            "Orders\u{489}\u{489}\u{489}\u{489}\u{489}",
            "H\u{335}e\u{335}l\u{335}l\u{335}o\u{335}",
            "O\u{20dd}r\u{20dd}ders",
            "Or\u{488}d\u{336}ers",
            "\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
        ] {
            assert!(problem(text).is_some(), "{}", text.escape_unicode());
        }
    }

    #[test]
    fn a_form_is_chosen_of_signs_alone() {
        for text in [
            "\u{fe0f}\u{fe0f}\u{fe0f}",
            "\u{fe0f}Orders",
            "Ord\u{fe0f}ers",
            "Ord\u{fe0e}ers",
            "Orders\u{fe0f}",
            "葛\u{fe0f}",
            "❤\u{fe0f}\u{fe0f}",
            "a \u{fe0f}",
        ] {
            assert!(problem(text).is_some(), "{}", text.escape_unicode());
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
            "\u{301}",
            "\u{301}Orders",
            "\u{fffd}",
            "\u{fffd} \u{fffd}",
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
