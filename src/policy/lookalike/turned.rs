//! Names that are written upside down or in a mirror: read from their end, each letter turned. What generators of such text write, and the
//! letters of ASCII that become others (`n`, `p`). Only letters that are drawn turned make a text such a one: `pod` is not `pod` turned.

/// Each letter, and what it is upside down. Those that stay what they are (`o`, `s`, `x`, `H`) are left out.
const UPSIDE_DOWN: [(char, &str); 42] = [
    ('a', "ɐ"),
    ('b', "q"),
    ('c', "ɔ"),
    ('d', "p"),
    ('e', "ǝ"),
    ('f', "ɟ"),
    ('g', "ƃᵷɓ"),
    ('h', "ɥ"),
    ('i', "ᴉı"),
    ('j', "ɾſ"),
    ('k', "ʞ"),
    ('l', "ꞁʃן"),
    ('m', "ɯw"),
    ('n', "u"),
    ('p', "d"),
    ('q', "b"),
    ('r', "ɹ"),
    ('t', "ʇ"),
    ('u', "n"),
    ('v', "ʌ"),
    ('w', "ʍm"),
    ('y', "ʎ"),
    ('A', "Ɐ∀"),
    ('B', "ᗺꓭ𐐒"),
    ('C', "Ɔꓛ"),
    ('D', "ᗡꓷ◖"),
    ('E', "Ǝꓱ"),
    ('F', "Ⅎꓞ"),
    ('G', "⅁ꓨפ"),
    ('J', "ꓩ"),
    ('K', "Ʞꓘ⋊"),
    ('L', "Ꞁꓶ˥⅂"),
    ('M', "W"),
    ('P', "Ԁꓒ"),
    ('R', "ꓤᴚ"),
    ('T', "Ʇꓕ⊥┴"),
    ('U', "ꓵ∩Ո"),
    ('V', "ꓥΛᴧ"),
    ('W', "M"),
    ('Y', "⅄"),
    ('6', "9"),
    ('9', "6"),
];

/// Each letter, and what it is in a mirror.
const MIRRORED: [(char, &str); 28] = [
    ('a', "ɒ"),
    ('b', "d"),
    ('c', "ɔ"),
    ('d', "b"),
    ('e', "ɘ"),
    ('f', "ʇ"),
    ('g', "ǫ"),
    ('h', "ʜ"),
    ('j', "ꞁ"),
    ('k', "ʞ"),
    ('n', "ᴎи"),
    ('p', "q"),
    ('q', "p"),
    ('r', "ɿ"),
    ('s', "ƨ"),
    ('t', "ƚ"),
    ('u', "υ"),
    ('y', "ʏγ"),
    ('z', "ƹ"),
    ('B', "ᙠ"),
    ('C', "Ɔ"),
    ('D', "ᗡ"),
    ('E', "Ǝ"),
    ('L', "⅃"),
    ('N', "И"),
    ('P', "ꟼ"),
    ('R', "Я"),
    ('S', "Ƨ"),
];

/// What the text says upside down, and in a mirror, where it has letters that are drawn so.
pub(super) fn turned(text: &str) -> impl Iterator<Item = String> {
    let tables: [&[(char, &str)]; 2] = [&UPSIDE_DOWN, &MIRRORED];
    tables.into_iter().filter(|_| !text.is_ascii()).filter_map(|table| read_from_the_end(text, table))
}

fn read_from_the_end(text: &str, table: &[(char, &str)]) -> Option<String> {
    let letter = |character: char| table.iter().find(|(_, drawn)| drawn.contains(character)).map(|(letter, _)| *letter);
    let is_turned = text.chars().any(|character| !character.is_ascii() && letter(character).is_some());
    is_turned.then(|| text.chars().rev().map(|character| letter(character).unwrap_or(character)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        turned(text).collect()
    }

    #[test]
    fn a_turned_text_is_read_from_its_end() {
        assert_eq!(read("ǝpnɐlƆ"), ["Claude", "Clɐnqǝ"]);
        assert_eq!(read("ɘbuɒlƆ"), ["Clɒnqɘ", "Claude"]);
    }

    #[test]
    fn letters_that_are_others_when_they_are_turned_make_no_turned_text() {
        for text in ["pod", "dnq", "WOW 69", "Müller", "注文"] {
            assert_eq!(read(text), [""; 0], "{text}");
        }
    }
}
