//! Whether one name reads as another, whatever its `characters` and its spacing. A name holds another when a run of its words, joined,
//! reads as it: "Official Claude" holds "Claude", "Claudette" does not.

mod characters;

use std::collections::HashSet;
use std::sync::LazyLock;

use self::characters::{clean, joined, letter_of, letters, push_letters};

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

/// The same in the form in which look-alikes are equal.
static BEFORE_AS_READ: LazyLock<Vec<String>> = LazyLock::new(|| BEFORE.map(letters).into());
static BEHIND_AS_READ: LazyLock<Vec<String>> = LazyLock::new(|| BEHIND.map(letters).into());

/// A protected name in the form in which look-alikes are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lookalike(String);

/// Everything a text can be read as: each run of its words, joined, in the form in which look-alikes are equal.
#[derive(Debug)]
pub(super) struct Readings(Vec<Letters>);

/// The letters of a text's words, one word after the other without anything between: a run of words is a part of it.
#[derive(Debug, Default)]
struct Letters {
    text: String,
    /// Where the words begin, and where the last one ends.
    bounds: Vec<usize>,
    /// Where a word begins with one that is written before names, and that one ends.
    dressed: Vec<usize>,
}

/// How characters like `|` and `$` are read: as what separates words, or as the letters they look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbols {
    Separate,
    AreLetters,
}

/// The whole of `name`, its spaces and punctuation removed, two letters that look like one written as that one.
pub fn reading(name: &str) -> String {
    joined(&Lookalike::of(name).0)
}

/// Everything `name` can be read as, each run of its words written as [`reading`] writes it.
pub fn readings(name: &str) -> HashSet<String> {
    let readings = Readings::of(name);
    let runs = readings.0.iter().flat_map(Letters::runs);
    runs.flat_map(|run| std::iter::once(run).chain(undressed(run))).map(joined).collect()
}

impl Lookalike {
    /// The most letters and digits a protected name may have.
    pub(super) const LONGEST: usize = 64;

    /// The whole of `name`, its spaces and punctuation removed.
    pub(super) fn of(name: &str) -> Self {
        Self(Letters::of(&clean(name), Symbols::Separate).text)
    }

    /// How many letters and digits it has.
    pub(super) fn len(&self) -> usize {
        joined(&self.0).chars().count()
    }

    /// Whether the text reads as this name, or holds it as a word or as a run of words.
    pub(super) fn is_in(&self, readings: &Readings) -> bool {
        readings.0.iter().any(|letters| letters.hold(&self.0))
    }
}

impl Readings {
    /// The readings of `text`.
    pub(super) fn of(text: &str) -> Self {
        let text = clean(text);
        let mut ways = vec![Letters::of(&text, Symbols::Separate)];
        if text.chars().any(|character| letter_of(character).is_some()) {
            ways.push(Letters::of(&text, Symbols::AreLetters));
        }
        Self(ways)
    }
}

impl Letters {
    /// Words are runs of letters and digits, parted also where case or kind changes (`ClaudeCode`, `GPTTools`, `Claude4`).
    fn of(text: &str, symbols: Symbols) -> Self {
        let mut letters = Self { text: String::with_capacity(text.len() + 8), ..Self::default() };
        let mut word = String::with_capacity(text.len());
        let mut before = None;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let symbol = if symbols == Symbols::AreLetters { letter_of(character) } else { None };
            if symbol.is_none() && !character.is_alphanumeric() {
                letters.end(&mut word);
                before = None;
                continue;
            }
            if before.is_some_and(|before| parts(before, character, characters.peek())) {
                letters.end(&mut word);
            }
            word.push(symbol.unwrap_or(character));
            before = Some(character);
        }
        letters.end(&mut word);
        letters.bounds.push(letters.text.len());
        let written_before = |start: &usize| {
            let (start, rest) = (*start, &letters.text[*start..]);
            BEFORE_AS_READ.iter().filter(|word| rest.starts_with(*word)).map(move |word| start + word.len())
        };
        letters.dressed = letters.bounds.iter().flat_map(written_before).collect();
        letters
    }

    /// The word is whole.
    fn end(&mut self, word: &mut String) {
        if !word.is_empty() {
            self.bounds.push(self.text.len());
            push_letters(&mut self.text, word);
            word.clear();
        }
    }

    /// Whether a run of words reads as `name`, be it without one word that is written onto names.
    fn hold(&self, name: &str) -> bool {
        let end = |start: &usize| self.text[*start..].starts_with(name).then_some(start + name.len());
        let is_bound = |end: usize| self.bounds.contains(&end);
        let is_dressed = |end: usize| {
            let behind = &self.text[end..];
            BEHIND_AS_READ.iter().any(|word| behind.starts_with(word) && is_bound(end + word.len()))
        };
        self.bounds.iter().filter_map(end).any(|end| is_bound(end) || is_dressed(end))
            || self.dressed.iter().filter_map(end).any(is_bound)
    }

    /// Every run of words, up to a length.
    fn runs(&self) -> impl Iterator<Item = &str> {
        let from = move |index: usize| {
            let (start, ends) = (self.bounds[index], &self.bounds[index + 1..]);
            ends.iter().map(move |end| &self.text[start..*end]).take_while(|run| run.len() <= LONGEST_RUN)
        };
        (0..self.bounds.len()).flat_map(from)
    }
}

/// The run without each word that is written onto names.
fn undressed(run: &str) -> impl Iterator<Item = &str> {
    let before = BEFORE_AS_READ.iter().filter_map(|word| run.strip_prefix(word.as_str()));
    let behind = BEHIND_AS_READ.iter().filter_map(|word| run.strip_suffix(word.as_str()));
    before.chain(behind).filter(|rest| !rest.is_empty())
}

/// Whether a new word begins with `here`, inside a run of letters and digits.
fn parts(before: char, here: char, next: Option<&char>) -> bool {
    (before.is_lowercase() && here.is_uppercase())
        || (before.is_uppercase() && here.is_uppercase() && next.is_some_and(|next| next.is_lowercase()))
        || before.is_numeric() != here.is_numeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_onto_a_name_is_taken_off() {
        for protected in ["Claude", "mmm", "wwwwww", "rnrnrn"] {
            for name in [format!("{protected}connector"), format!("x {protected} y"), protected.replace('w', "vv")] {
                assert!(holds(&name, protected), "{name}");
            }
        }
    }

    fn holds(name: &str, protected: &str) -> bool {
        let holds = Lookalike::of(protected).is_in(&Readings::of(name));
        assert_eq!(holds, readings(name).contains(&reading(protected)), "{name}, {protected}");
        holds
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
