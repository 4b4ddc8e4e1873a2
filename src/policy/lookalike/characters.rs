//! Which letters a text is read as, whatever characters it is written with: Unicode's confusable skeletons (TR 39), with case, accents
//! and digits-for-letters taken away. Knows nothing of words and names.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::skeleton;

/// Look-alikes of ASCII letters made these, compatibility forms made plain, accents and invisible characters taken out,
/// enclosed letters opened.
pub(super) fn clean(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let decomposed: String = text.nfd().filter(|c| shows(*c)).map(open).collect();
    let mut cleaned = String::with_capacity(decomposed.len());
    let mut buffer = [0; 4];
    for character in decomposed.chars() {
        let alone: &str = character.encode_utf8(&mut buffer);
        let start = cleaned.len();
        if !character.is_ascii() {
            // Before the compatibility forms: these turn a lunate sigma, which looks like C, into a sigma, which does not.
            cleaned.extend(skeleton(alone));
            if cleaned[start..].bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                continue;
            }
            cleaned.truncate(start);
        }
        cleaned.extend(alone.nfkd().filter(|c| shows(*c)));
    }
    cleaned
}

/// Whether the character is there for the eye, by itself.
fn shows(character: char) -> bool {
    let invisible = matches!(character, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}');
    !invisible && !is_combining_mark(character) && character.general_category() != GeneralCategory::Format
}

/// Small capitals, A to Z: Unicode calls them letters of their own, and TR 39 not all of them confusable. There is none for X.
const SMALL_CAPITALS: &str = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ";

/// The letter in a negative circle or square, of a flag, or in small capitals; NFKD opens the others.
fn open(character: char) -> char {
    let number = match u32::from(character) {
        code @ 0x1F150..=0x1F169 => code - 0x1F150,
        code @ 0x1F170..=0x1F189 => code - 0x1F170,
        code @ 0x1F1E6..=0x1F1FF => code - 0x1F1E6,
        0..=0x7F => return character,
        _ => match SMALL_CAPITALS.chars().zip(0..).find(|(small, _)| *small == character) {
            Some((_, number)) => number,
            None => return character,
        },
    };
    char::from_u32(u32::from('a') + number).unwrap_or(character)
}

/// The letter that a symbol is used for.
pub(super) fn letter_of(symbol: char) -> Option<char> {
    match symbol {
        '|' | '!' | '¡' | 'ǀ' => Some('l'),
        '@' => Some('a'),
        '$' => Some('s'),
        '€' => Some('e'),
        '(' | '¢' | '©' => Some('c'),
        _ => None,
    }
}

/// A word's letters: its skeleton, lower-cased, digits and look-alikes that case has changed made letters, and a letter that looks like
/// two written as these.
pub(super) fn push_letters(letters: &mut String, word: &str) {
    if word.is_ascii() {
        // The skeleton of a letter or digit of ASCII is itself, or what becomes of it below.
        word.chars().for_each(|character| push_letter(letters, character.to_ascii_lowercase()));
    } else {
        let skeleton = skeleton(word).filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
        skeleton.for_each(|character| push_letter(letters, character));
    }
}

fn push_letter(letters: &mut String, lower_case: char) {
    match lower_case {
        'm' => letters.push_str("rn"),
        'w' => letters.push_str("vv"),
        'i' | '1' | 'ı' => letters.push('l'),
        '0' => letters.push('o'),
        '3' => letters.push('e'),
        '4' => letters.push('a'),
        '5' => letters.push('s'),
        '7' => letters.push('t'),
        other => letters.push(other),
    }
}

/// The letters of one word.
pub(super) fn letters(word: &str) -> String {
    let mut letters = String::new();
    push_letters(&mut letters, word);
    letters
}

/// Two letters that look like one, written as that one.
pub(super) fn joined(letters: &str) -> String {
    letters.replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_ascii_are_what_unicode_makes_of_them() {
        for character in ('0'..='9').chain('A'..='Z').chain('a'..='z') {
            for word in [character.to_string(), format!("r{character}n"), format!("{character}{character}m")] {
                assert_eq!(letters(&word), letters(&format!("{word}é")).strip_suffix('e').unwrap(), "{word}");
            }
        }
    }

    #[test]
    fn cleaning_leaves_ascii_as_it_is() {
        let ascii: String = (0..=0x7f).map(char::from).collect();
        let cleaned = clean(&format!("{ascii}\u{e9}"));
        assert_eq!(cleaned, format!("{}e", clean(&ascii)));
    }
}
