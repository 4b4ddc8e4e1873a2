//! One letter that is drawn with several characters, and several letters that are one character.

/// Squares with letters in them, which Unicode takes for pictures.
const SQUARED: [(char, &str); 11] = [
    ('🆎', "AB"),
    ('🆑', "CL"),
    ('🆒', "COOL"),
    ('🆓', "FREE"),
    ('🆔', "ID"),
    ('🆕', "NEW"),
    ('🆖', "NG"),
    ('🆗', "OK"),
    ('🆘', "SOS"),
    ('🆙', "UP"),
    ('🆚', "VS"),
];

/// Signs of ASCII that are put together to a letter, the longer before what they begin with.
const ASSEMBLED: [(&str, &str); 16] = [
    ("\\/\\/", "w"),
    ("/\\/\\", "m"),
    ("|\\/|", "m"),
    ("|\\|", "n"),
    ("/\\/", "n"),
    ("|_|", "u"),
    ("(_)", "u"),
    ("|-|", "h"),
    ("|)", "d"),
    ("[)", "d"),
    ("|<", "k"),
    ("|_", "l"),
    ("/\\", "a"),
    ("\\/", "v"),
    ("()", "o"),
    ("[]", "o"),
];

/// What a small `c` stands before, when both look like a `d`.
const STROKES: [char; 4] = ['l', 'I', '1', '|'];

/// The letters in a square.
pub(super) fn squared(character: char) -> Option<&'static str> {
    SQUARED.iter().find(|(square, _)| *square == character).map(|(_, letters)| *letters)
}

/// The text with letters for the signs that are put together to them; nothing where there are none.
pub(super) fn assembled(text: &str) -> Option<String> {
    let has_some = text.contains(['\\', '|', '(', '[']) && ASSEMBLED.iter().any(|(signs, _)| text.contains(signs));
    has_some.then(|| ASSEMBLED.iter().fold(text.to_owned(), |text, (signs, letter)| text.replace(signs, letter)))
}

/// The text with a `d` for each small `cl`, and the one that has `cl` where a word begins with either: "Claucle" and "daude" are "Claude".
/// Capitals look otherwise: "Clover" is not "Dover".
pub(super) fn with_d_for_cl(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let (mut everywhere, mut inside) = (String::with_capacity(text.len()), String::with_capacity(text.len() + 8));
    let mut begins = true;
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        let is_pair = character == 'c' && characters.get(at + 1).is_some_and(|next| STROKES.contains(next));
        let is_either = is_pair || character == 'd';
        everywhere.push(if is_pair { 'd' } else { character });
        inside.push_str(if is_either && begins { "cl" } else { "" });
        if !(is_either && begins) {
            inside.push(if is_pair { 'd' } else { character });
        }
        begins = !character.is_alphanumeric();
        at += if is_pair { 2 } else { 1 };
    }
    let mut others = vec![everywhere, inside];
    others.dedup();
    others.retain(|other| other != text);
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_that_are_put_together_are_letters() {
        assert_eq!(assembled("Cl/\\ude"), Some("Claude".to_owned()));
        assert_eq!(assembled("C|_/\\|_||)E"), Some("ClaudE".to_owned()));
        assert_eq!(assembled("\\/\\/arp"), Some("warp".to_owned()));
        for text in ["Orders (staging)", "A/B Testing", "Orders | Invoices", "C:\\Tools"] {
            assert_eq!(assembled(text), None, "{text}");
        }
    }

    #[test]
    fn a_small_c_and_a_stroke_are_a_d() {
        assert_eq!(with_d_for_cl("Claucle"), ["Claude"]);
        assert_eq!(with_d_for_cl("cliscorcI"), ["discord", "cliscord"]);
        assert_eq!(with_d_for_cl("daude"), ["claude"]);
        for text in ["Clover", "Claude", "CLAUDE", "Orders", "Music"] {
            assert_eq!(with_d_for_cl(text), [""; 0], "{text}");
        }
    }
}
