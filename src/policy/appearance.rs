//! How a text of a client's appears to people who have to judge it: which characters are not what they look like, and whether two names
//! read alike. Says what is there; whether that is allowed is for the rules.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::skeleton;

use super::lookalike::Lookalike;
use crate::registration::strict_uri::is_bidirectional_control;
use crate::registration::unseen::{is_blank, is_variation_selector};

/// What a character is to the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appearance {
    /// ASCII.
    Plain,
    /// Outside ASCII, and looks like nothing in it.
    Foreign,
    /// Outside ASCII, and looks like a letter, a digit or a sign in it.
    Confusable,
    /// Turns the direction of what stands around it.
    Bidirectional,
    /// Cannot be seen.
    Invisible,
}

/// Characters in a row that appear alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The characters.
    pub text: String,
    /// What they are to the eye.
    pub appearance: Appearance,
}

/// The text in runs, in its own order, nothing left out.
pub fn appearances(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for character in text.chars() {
        let appearance = appearance(character);
        match runs.last_mut() {
            Some(last) if last.appearance == appearance => last.text.push(character),
            _ => runs.push(Run { text: character.to_string(), appearance }),
        }
    }
    runs
}

/// Whether two names are the same to a quick reader.
pub fn read_alike(one: &str, other: &str) -> bool {
    let one = Lookalike::of(one);
    one.len() > 0 && one == Lookalike::of(other)
}

fn appearance(character: char) -> Appearance {
    if is_bidirectional_control(character) {
        return Appearance::Bidirectional;
    }
    if is_blank(character) || is_variation_selector(character) {
        return Appearance::Invisible;
    }
    match character.general_category() {
        GeneralCategory::Control
        | GeneralCategory::Format
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator
        | GeneralCategory::PrivateUse
        | GeneralCategory::Unassigned => Appearance::Invisible,
        _ if character.is_ascii() => Appearance::Plain,
        _ if looks_like_ascii(character) => Appearance::Confusable,
        _ => Appearance::Foreign,
    }
}

fn looks_like_ascii(character: char) -> bool {
    let mut buffer = [0; 4];
    let alone: &str = character.encode_utf8(&mut buffer);
    skeleton(alone).all(|c| c.is_ascii()) || alone.nfkc().all(|c| c.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_is_shown_as_what_it_is() {
        use Appearance::{Bidirectional, Confusable, Foreign, Invisible, Plain};
        for (text, expected) in [
            ("Orders", &[("Orders", Plain)][..]),
            ("Clаude", &[("Cl", Plain), ("а", Confusable), ("ude", Plain)]),
            ("Ｃｌ", &[("Ｃｌ", Confusable)]),
            ("Öl 注文", &[("Ö", Foreign), ("l ", Plain), ("注文", Foreign)]),
            ("a\u{202e}b", &[("a", Plain), ("\u{202e}", Bidirectional), ("b", Plain)]),
            ("a\u{200b}\u{ad}", &[("a", Plain), ("\u{200b}\u{ad}", Invisible)]),
            ("a\nb", &[("a", Plain), ("\n", Invisible), ("b", Plain)]),
            ("", &[]),
        ] {
            let runs = appearances(text);
            let runs: Vec<(&str, Appearance)> = runs.iter().map(|run| (run.text.as_str(), run.appearance)).collect();
            assert_eq!(runs, expected, "{text:?}");
        }
    }

    #[test]
    fn names_read_alike_whatever_they_are_written_with() {
        for (one, other) in [("Orders", "0rders"), ("Orders App", "orders-app"), ("Clаude", "Claude")] {
            assert!(read_alike(one, other), "{one} {other}");
        }
        for (one, other) in [("Orders", "Order"), ("", ""), ("!", "?"), ("注文", "註文")] {
            assert!(!read_alike(one, other), "{one} {other}");
        }
    }
}
