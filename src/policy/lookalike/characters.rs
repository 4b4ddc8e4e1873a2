//! Which letters a text is read as, whatever characters it is written with: Unicode's confusable skeletons (TR 39), with case, accents
//! and digits-for-letters taken away. Knows nothing of words and names.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::skeleton;

use super::drawn::{latin, latin_in_its_case};
use super::pieces::squared;

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
        if let Some(letters) = squared(character) {
            cleaned.push_str(letters);
            continue;
        }
        let alone: &str = character.encode_utf8(&mut buffer);
        let start = cleaned.len();
        // A sign may be read as a letter, and may be none: see `letter_of`.
        if !character.is_ascii() && character.is_alphanumeric() {
            // Before the compatibility forms: these turn a lunate sigma, which looks like C, into a sigma, which does not.
            cleaned.extend(skeleton(alone));
            if cleaned[start..].bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                continue;
            }
            cleaned.truncate(start);
        }
        // Raised letters become letters that are to be opened themselves: a raised small capital a small capital.
        cleaned.extend(alone.nfkd().filter(|c| shows(*c)).map(open));
    }
    cleaned
}

/// Whether the character is there for the eye, by itself.
fn shows(character: char) -> bool {
    let invisible = matches!(character, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}');
    // Marks of some scripts of India are drawn beside their letter, as an o is.
    let is_seen = !is_combining_mark(character) || letter_in_tr39(character).is_some();
    !invisible && is_seen && character.general_category() != GeneralCategory::Format
}

/// Small capitals, A to Z: Unicode calls them letters of their own, and TR 39 not all of them confusable. There is none for X.
const SMALL_CAPITALS: &str = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ";

/// The letter in a negative circle or square, of a flag, in small capitals, or of another script that has capitals and draws one like
/// it; NFKD opens the others.
fn open(character: char) -> char {
    let number = match u32::from(character) {
        code @ 0x1F150..=0x1F169 => code - 0x1F150,
        code @ 0x1F170..=0x1F189 => code - 0x1F170,
        code @ 0x1F1E6..=0x1F1FF => code - 0x1F1E6,
        0..=0x7F => return character,
        // The marks beside a name, which NFKD makes letters of it.
        0x2120 | 0x2122 => return ' ',
        // One that stands upright is a dash on its side by NFKD.
        0xfe31 => return '|',
        // An iota that stands below, and a hook: of these it makes marks.
        0x037a | 0x02db => return 'i',
        _ => match SMALL_CAPITALS.chars().zip(0..).find(|(small, _)| *small == character) {
            Some((_, number)) => number,
            None => return latin_in_its_case(character).unwrap_or(character),
        },
    };
    char::from_u32(u32::from('a') + number).unwrap_or(character)
}

/// The letter that a symbol is used for.
pub(super) fn letter_of(symbol: char) -> Option<char> {
    match symbol {
        '|' | '!' | '¡' | 'ǀ' => Some('l'),
        '@' | '^' => Some('a'),
        '$' => Some('s'),
        '€' => Some('e'),
        '(' | '[' | '{' | '¢' | '©' => Some('c'),
        _ if symbol.is_alphanumeric() => None,
        _ => latin(symbol).or_else(|| letter_in_tr39(symbol)),
    }
}

/// The letter of ASCII that TR 39 says the character looks like, as U for the union of sets.
pub(super) fn letter_in_tr39(character: char) -> Option<char> {
    if character.is_ascii() {
        return None;
    }
    // A small letter of Cherokee is its capital, drawn smaller.
    let character = if is_small_cherokee(character) { character.to_uppercase().next()? } else { character };
    let mut buffer = [0; 4];
    let mut skeleton = skeleton(character.encode_utf8(&mut buffer)).filter(|c| !is_combining_mark(*c));
    let letter = skeleton.next().filter(char::is_ascii_alphabetic)?;
    skeleton.next().is_none().then_some(letter)
}

pub(super) fn is_small_cherokee(character: char) -> bool {
    matches!(character, '\u{ab70}'..='\u{abbf}')
}

/// A word's letters: its skeleton, lower-cased, digits and look-alikes that case has changed made letters, and a letter that looks like
/// two written as these. The strokes and hooks that TR 39 writes as marks or apostrophes are left out.
pub(super) fn push_letters(letters: &mut String, word: &str) {
    if word.is_ascii() {
        // The skeleton of a letter or digit of ASCII is itself, or what becomes of it below.
        word.chars().for_each(|character| push_letter(letters, character.to_ascii_lowercase()));
    } else {
        let skeleton = skeleton(word).filter(|c| c.is_alphanumeric() && !is_combining_mark(*c));
        // Some only look like a letter of ASCII as small letters.
        let read = |c: char| latin(c).or_else(|| letter_in_tr39(c)).unwrap_or(c).to_ascii_lowercase();
        skeleton.flat_map(char::to_lowercase).for_each(|character| push_letter(letters, read(character)));
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
        '6' | '9' => letters.push('g'),
        '7' => letters.push('t'),
        '8' => letters.push('b'),
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
