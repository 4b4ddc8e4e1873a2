//! Whether one name reads as another, whatever its `characters` and its spacing. A name holds another when a run of its words, joined,
//! reads as it: "Official Claude" holds "Claude", "Claudette" does not.

mod characters;
mod drawn;
mod pieces;
mod turned;
mod words;

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use characters::{clean, joined, letter_in_tr39, letter_of, push_letters};
use drawn::otherwise;
use pieces::{assembled, at_a_glance};
use turned::turned;
use words::{BEFORE, BEHIND};

/// The most bytes of a run of words that is compared; a protected name is shorter.
const LONGEST_RUN: usize = 96;

/// The most words, at each end, that are taken off a name they are written onto without a space.
const MOST_WRITTEN_ON: usize = 3;

/// The fewest letters of a protected name that is looked for under words written onto it, or in what only looks like its letters with good
/// will: "port" would be found in "newport".
const SHORTEST_DRESSED: usize = 5;

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
    /// Whether it takes good will to read the text so: then it reads as no short name ("clash" as "dash").
    is_far_fetched: bool,
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

/// Its letters and digits, without accents.
fn unaccented(text: &str) -> impl Iterator<Item = char> {
    text.nfd().filter(|character| character.is_alphanumeric() && !is_combining_mark(*character))
}

/// Whether `text` holds `name` letter by letter, in whatever case, with or without accents, and with whatever between the letters.
pub(super) fn spells(text: &str, name: &str) -> bool {
    let letters = |text| unaccented(text).flat_map(char::to_lowercase).collect::<String>();
    letters(text).contains(&letters(name))
}

/// Whether only letters of ASCII and accents stand in it: it is no disguise, though it may be mistaken (`OpenAL` for `OpenAI`).
pub(super) fn is_undisguised(text: &str) -> bool {
    unaccented(text).all(|character| character.is_ascii_alphabetic())
}

/// A word in which letters of Greek, Cyrillic or another such script stand among those of ASCII, each in the place of one that looks the same:
/// `Gооgle`. No language writes so; where one of them looks like itself (`Xерокс`, `Δv`), it is a word of two scripts, and ordinary.
pub(super) fn disguised_word(text: &str) -> Option<&str> {
    let mut words = text.split(|character: char| !character.is_alphanumeric() && !is_combining_mark(character));
    words.find(|word| {
        let is_other = |character: &char| OTHER_ALPHABETS.iter().any(|letters| letters.contains(character));
        let mut others = word.chars().filter(is_other).peekable();
        word.contains(|character: char| character.is_ascii_alphabetic())
            && others.peek().is_some()
            && others.all(|character| letter_in_tr39(character).is_some())
    })
}

/// Greek and Coptic, Cyrillic, Armenian, Cherokee, Lisu: alphabets that have letters of ASCII's shapes.
const OTHER_ALPHABETS: [std::ops::RangeInclusive<char>; 6] = [
    '\u{370}'..='\u{3ff}',
    '\u{400}'..='\u{52f}',
    '\u{530}'..='\u{58f}',
    '\u{13a0}'..='\u{13ff}',
    '\u{ab70}'..='\u{abbf}',
    '\u{a4d0}'..='\u{a4ff}',
];

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

    /// Whether the text reads as this name, or holds it as a word or as a run of words; also with other names written onto it
    /// ("openaichatgpt").
    pub(super) fn is_in(&self, readings: &Readings, others: &[Self]) -> bool {
        readings.0.iter().any(|letters| letters.hold(&self.0, others))
    }

    /// As [`Lookalike::is_in`], but not where it takes good will to read the text so.
    pub(super) fn is_plainly_in(&self, readings: &Readings, others: &[Self]) -> bool {
        readings.0.iter().any(|letters| !letters.is_far_fetched && letters.hold(&self.0, others))
    }
}

impl Readings {
    /// The readings of `text`.
    pub(super) fn of(text: &str) -> Self {
        let mut ways = Self(Vec::with_capacity(1));
        ways.add(text);
        for text in otherwise(text).chain(turned(text)).chain(assembled(text)) {
            ways.add(&text);
        }
        for text in at_a_glance(&clean(text)) {
            ways.0.push(Letters { is_far_fetched: true, ..Letters::of(&text, Symbols::Separate) });
        }
        ways
    }

    fn add(&mut self, text: &str) {
        let text = clean(text);
        self.0.push(Letters::of(&text, Symbols::Separate));
        if text.chars().any(|character| letter_of(character).is_some()) {
            self.0.push(Letters::of(&text, Symbols::AreLetters));
        }
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

    /// Whether a run of words reads as `name`, be it with words written onto it.
    fn hold(&self, name: &str, others: &[Lookalike]) -> bool {
        // Hardly any name holds a protected one, and looking for a few letters is cheap.
        if name.len() < self.shortest() || !self.text.contains(name) {
            return false;
        }
        let most = if name.len() < SHORTEST_DRESSED { 0 } else { MOST_WRITTEN_ON };
        let mut starts =
            (0..self.text.len()).filter(|start| self.text.as_bytes()[*start..].starts_with(name.as_bytes()));
        starts.any(|start| self.opens(start, others, most) && self.closes(start + name.len(), others, most))
    }

    /// The fewest letters of a name that is looked for in it.
    fn shortest(&self) -> usize {
        if self.is_far_fetched { SHORTEST_DRESSED } else { 1 }
    }

    fn is_bound(&self, place: usize) -> bool {
        self.bounds.binary_search(&place).is_ok()
    }

    /// Whether nothing stands between this place and the begin of a word but words that are written before names.
    fn opens(&self, place: usize, others: &[Lookalike], most: usize) -> bool {
        let ends = |word: &&str| self.text[..place].ends_with(*word);
        let words = || BEFORE.iter().chain(others.iter().map(|other| &other.0)).map(String::as_str);
        self.is_bound(place)
            || most > 0 && words().filter(ends).any(|word| self.opens(place - word.len(), others, most - 1))
    }

    /// Whether nothing stands between this place and the end of a word but words that are written behind names.
    fn closes(&self, place: usize, others: &[Lookalike], most: usize) -> bool {
        let begins = |word: &&str| self.text[place..].starts_with(*word);
        let words = || BEHIND.iter().chain(others.iter().map(|other| &other.0)).map(String::as_str);
        self.is_bound(place)
            || most > 0 && words().filter(begins).any(|word| self.closes(place + word.len(), others, most - 1))
    }

    /// Every run of words, up to a length.
    fn runs(&self) -> impl Iterator<Item = &str> {
        let from = move |index: usize| {
            let (start, ends) = (self.bounds[index], &self.bounds[index + 1..]);
            ends.iter().map(move |end| &self.text[start..*end]).take_while(|run| run.len() <= LONGEST_RUN)
        };
        (0..self.bounds.len()).flat_map(from).filter(|run| run.len() >= self.shortest())
    }
}

/// The run without the words that are written onto names.
fn undressed(run: &str) -> impl Iterator<Item = &str> {
    let before =
        bare(run, MOST_WRITTEN_ON, |run| BEFORE.iter().filter_map(|word| run.strip_prefix(word.as_str())).collect());
    let behind = |run| {
        bare(run, MOST_WRITTEN_ON, |run| BEHIND.iter().filter_map(|word| run.strip_suffix(word.as_str())).collect())
    };
    before.into_iter().flat_map(behind).filter(|rest| rest.len() >= SHORTEST_DRESSED)
}

/// The run, and what is left of it when up to so many words are taken off.
fn bare<'a>(run: &'a str, most: usize, without_a_word: impl Fn(&'a str) -> Vec<&'a str>) -> Vec<&'a str> {
    let mut rests = vec![run];
    let mut begun = 0;
    for _ in 0..most {
        let shorter: Vec<&str> = rests[begun..].iter().flat_map(|rest| without_a_word(rest)).collect();
        begun = rests.len();
        rests.extend(shorter);
    }
    rests
}

/// Whether a new word begins with `here`, inside a run of letters and digits.
fn parts(before: char, here: char, next: Option<&char>) -> bool {
    (before.is_lowercase() && here.is_uppercase())
        || (before.is_uppercase() && here.is_uppercase() && next.is_some_and(|next| next.is_lowercase()))
        || before.is_numeric() != here.is_numeric()
        || (before.is_alphabetic() && here.is_alphabetic() && has_case(before) != has_case(here))
}

/// Whether its script has capitals: where it changes, as in "日本Claude", a reader sees two words.
fn has_case(character: char) -> bool {
    character.is_lowercase() || character.is_uppercase()
}

#[cfg(test)]
mod tests;
