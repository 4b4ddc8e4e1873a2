//! Whether one name reads as another: Unicode's confusable skeletons (TR 39), with case, accents, spacing and digits-for-letters taken
//! away. A name holds another when a run of its words, joined, reads as it: "Official Claude" holds "Claude", "Claudette" does not.

use std::collections::HashSet;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::skeleton;

/// The most bytes of a run of words that is compared; a protected name is shorter.
const LONGEST_RUN: usize = 96;

/// What is written onto a name without a space to look official: "claudeai", "myclaude".
const BEFORE: [&str; 7] = ["get", "my", "official", "real", "team", "the", "try"];
const BEHIND: [&str; 18] = [
    "ai",
    "app",
    "bot",
    "client",
    "cloud",
    "code",
    "com",
    "connector",
    "desktop",
    "inc",
    "labs",
    "login",
    "mcp",
    "official",
    "plugin",
    "pro",
    "support",
    "web",
];

/// The longest of both.
const LONGEST_DRESSING: usize = 9;

/// The same in the form in which look-alikes are equal.
static BEFORE_AS_READ: LazyLock<Vec<String>> =
    LazyLock::new(|| BEFORE.iter().map(|word| join(&letters(word))).collect());
static BEHIND_AS_READ: LazyLock<Vec<String>> =
    LazyLock::new(|| BEHIND.iter().map(|word| join(&letters(word))).collect());

/// A protected name in the form in which look-alikes are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lookalike(String);

/// Everything a text can be read as: each run of its words, joined, in the form in which look-alikes are equal.
#[derive(Debug)]
pub(super) struct Readings(HashSet<String>);

/// How characters like `|` and `$` are read: as what separates words, or as the letters they look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbols {
    Separate,
    AreLetters,
}

/// The whole of `name` in the form in which look-alikes are equal, its spaces and punctuation removed.
pub fn reading(name: &str) -> String {
    Lookalike::of(name).0
}

/// Everything `name` can be read as, each run of its words in the form in which look-alikes are equal.
pub fn readings(name: &str) -> HashSet<String> {
    Readings::of(name, LONGEST_RUN).0
}

impl Lookalike {
    /// The most letters and digits a protected name may have.
    pub(super) const LONGEST: usize = 64;

    /// The whole of `name`, its spaces and punctuation removed.
    pub(super) fn of(name: &str) -> Self {
        Self(join(&words(&clean(name), Symbols::Separate).concat()))
    }

    /// How many letters and digits it has.
    pub(super) fn len(&self) -> usize {
        self.0.chars().count()
    }

    /// The longest run of words that can read as it: what is written onto a name comes beside, and `join` makes one byte of two.
    pub(super) fn longest_run(&self) -> usize {
        2 * (self.0.len() + LONGEST_DRESSING)
    }

    /// Whether the text reads as this name, or holds it as a word or as a run of words.
    pub(super) fn is_in(&self, readings: &Readings) -> bool {
        readings.0.contains(&self.0)
    }
}

impl Readings {
    /// The readings of `text`, of runs of at most so many bytes: a name of many short words has thousands of longer ones.
    pub(super) fn of(text: &str, longest_run: usize) -> Self {
        let text = clean(text);
        let mut runs = HashSet::new();
        let has_symbols = text.chars().any(|character| letter_of(character).is_some());
        let ways: &[Symbols] =
            if has_symbols { &[Symbols::Separate, Symbols::AreLetters] } else { &[Symbols::Separate] };
        for &symbols in ways {
            let words = words(&text, symbols);
            for start in 0..words.len() {
                let mut run = String::new();
                for word in &words[start..] {
                    run.push_str(word);
                    if run.len() > longest_run.min(LONGEST_RUN) {
                        break;
                    }
                    runs.insert(join(&run));
                }
            }
        }
        let bare: Vec<String> = runs.iter().flat_map(|run| undressed(run)).collect();
        runs.extend(bare);
        Self(runs)
    }
}

/// The run without each word that is written onto names.
fn undressed(run: &str) -> impl Iterator<Item = String> {
    let before = BEFORE_AS_READ.iter().filter_map(|word| run.strip_prefix(word.as_str()));
    let behind = BEHIND_AS_READ.iter().filter_map(|word| run.strip_suffix(word.as_str()));
    before.chain(behind).filter(|rest| !rest.is_empty()).map(str::to_owned)
}

/// Look-alikes of ASCII letters made these, compatibility forms made plain, accents and invisible characters taken out,
/// enclosed letters opened.
fn clean(text: &str) -> String {
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

/// The letters of each word. Words are runs of letters and digits, parted also where case or kind changes (`ClaudeCode`, `GPTTools`, `Claude4`).
fn words(text: &str, symbols: Symbols) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let is_letter = |index: usize| {
        characters
            .get(index)
            .is_some_and(|c| c.is_alphanumeric() || (symbols == Symbols::AreLetters && letter_of(*c).is_some()))
    };
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for (index, &character) in characters.iter().enumerate() {
        if !is_letter(index) {
            open = false;
            continue;
        }
        let parted = index == 0 || parts(&characters, index);
        let character =
            if symbols == Symbols::AreLetters { letter_of(character).unwrap_or(character) } else { character };
        match words.last_mut() {
            Some(word) if open && !parted => word.push(character),
            _ => words.push(character.to_string()),
        }
        open = true;
    }
    words.iter().map(|word| letters(word)).collect()
}

/// Whether a new word begins at `index`, inside a run of letters and digits.
fn parts(characters: &[char], index: usize) -> bool {
    let (before, here) = (characters[index - 1], characters[index]);
    let lower_next = characters.get(index + 1).is_some_and(|next| next.is_lowercase());
    (before.is_lowercase() && here.is_uppercase())
        || (before.is_uppercase() && here.is_uppercase() && lower_next)
        || before.is_numeric() != here.is_numeric()
}

/// The letter that a symbol is used for.
fn letter_of(symbol: char) -> Option<char> {
    match symbol {
        '|' | '!' | '¡' | 'ǀ' => Some('l'),
        '@' => Some('a'),
        '$' => Some('s'),
        '€' => Some('e'),
        '(' | '¢' | '©' => Some('c'),
        _ => None,
    }
}

/// A word's letters: its skeleton, lower-cased, digits and look-alikes that case has changed made letters.
fn letters(word: &str) -> String {
    if word.is_ascii() { letters_of_ascii(word) } else { letters_of_any(word) }
}

fn letters_of_any(word: &str) -> String {
    let skeleton = skeleton(word).filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    skeleton
        .map(|c| match c {
            'i' | '1' | 'ı' => 'l',
            '0' => 'o',
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            '7' => 't',
            other => other,
        })
        .collect()
}

/// The same for a word in ASCII, of letters and digits: nearly all are, and the skeleton is dear.
fn letters_of_ascii(word: &str) -> String {
    let mut letters = String::with_capacity(word.len() + 4);
    for character in word.chars() {
        match character {
            'm' => letters.push_str("rn"),
            'I' | 'i' | '1' => letters.push('l'),
            '0' => letters.push('o'),
            '3' => letters.push('e'),
            '4' => letters.push('a'),
            '5' => letters.push('s'),
            '7' => letters.push('t'),
            other => letters.push(other.to_ascii_lowercase()),
        }
    }
    letters
}

/// Two letters that look like one. The skeleton writes `m` as `rn` but leaves `M`, so both are written as one here.
fn join(letters: &str) -> String {
    letters.replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_ascii_are_what_unicode_makes_of_them() {
        for character in ('0'..='9').chain('A'..='Z').chain('a'..='z') {
            for word in [character.to_string(), format!("r{character}n"), format!("{character}{character}m")] {
                assert_eq!(letters_of_ascii(&word), letters_of_any(&word), "{word}");
            }
        }
    }

    #[test]
    fn cleaning_leaves_ascii_as_it_is() {
        let ascii: String = (0..=0x7f).map(char::from).collect();
        let cleaned = clean(&format!("{ascii}\u{e9}"));
        assert_eq!(cleaned, format!("{}e", clean(&ascii)));
    }

    #[test]
    fn runs_are_long_enough_for_whatever_is_written_onto_a_name() {
        assert_eq!(BEFORE.iter().chain(&BEHIND).map(|word| word.len()).max(), Some(LONGEST_DRESSING));
        for protected in ["Claude", "mmm", "wwwwww", "rnrnrn"] {
            for name in [format!("{protected}connector"), format!("x {protected} y"), protected.replace('w', "vv")] {
                assert!(holds(&name, protected), "{name}");
            }
        }
    }

    /// Each of 32 languages may have such a name, and whoever asks need not be known.
    #[test]
    fn a_name_of_many_short_words_has_few_readings() {
        let readings = Readings::of(&"$1".repeat(64), Lookalike::of("Claude").longest_run());
        assert!(readings.0.len() <= 2000, "{}", readings.0.len());
    }

    fn holds(name: &str, protected: &str) -> bool {
        Lookalike::of(protected).is_in(&Readings::of(name, Lookalike::of(protected).longest_run()))
    }

    #[test]
    fn what_reads_as_the_name_is_found() {
        for name in [
            "Claude",
            "CLAUDE",
            "claude",
            "  Claude  ",
            "Claude Code",
            "Official Claude",
            "Claude's helper",
            "ClaudeCode",
            "MyClaude",
            "Claude4",
            "Claude-3.5",
            "C l a u d e",
            "C.l.a.u.d.e",
            "C_laude",
            "Clau de",
            "Cl4ude",
            "C1aude",
            "CIaude",
            "C|aude",
            "Cl@ude",
            "(laude",
            "Claude!",
            "Clаude",
            "Ϲlаudе",
            "Ｃｌａｕｄｅ",
            "𝒞𝓁𝒶𝓊𝒹ℯ",
            "Ⓒⓛⓐⓤⓓⓔ",
            "🅒🅛🅐🅤🅓🅔",
            "🇨🇱🇦🇺🇩🇪",
            "ᴄʟᴀᴜᴅᴇ",
            "ᶜˡᵃᵘᵈᵉ",
            "Cl\u{200b}aude",
            "Cl\u{ad}aude",
            "Cláude",
            "C\u{336}l\u{336}a\u{336}u\u{336}d\u{336}e\u{336}",
            "Claude🤖",
            "claudeai",
            "myclaude",
            "CLAUDEOFFICIAL",
            "cIaudeapp",
        ] {
            assert!(holds(name, "Claude"), "{name}");
        }
    }

    #[test]
    fn what_merely_shares_letters_is_not() {
        for name in [
            "Claudette",
            "Claudel",
            "Jean-Claudel",
            "Claudia",
            "Cloud",
            "Include",
            "Cursory Reader",
            "Precursor",
            "My MCP Client",
        ] {
            assert!(!holds(name, "Claude") && !holds(name, "Cursor"), "{name}");
        }
    }

    #[test]
    fn a_name_of_several_words_is_found_however_it_is_spaced() {
        for (name, protected) in [
            ("VSCode", "VS Code"),
            ("vs-code", "VS Code"),
            ("VS Code Insiders", "VS Code"),
            ("Chat GPT", "ChatGPT"),
            ("chatgpt helper", "ChatGPT"),
            ("GEMINI", "Gemini"),
            ("Gernini", "Gemini"),
            ("GEMlNI", "Gemini"),
            ("Lm studio", "LM Studio"),
        ] {
            assert!(holds(name, protected), "{name}");
        }
        assert!(!holds("My SQL Coder", "SQL Code"));
    }

    #[test]
    fn a_long_name_costs_little() {
        assert!(!holds(&"a B ".repeat(64), "Claude"));
    }
}
