//! One letter that is drawn with several characters, and several letters that are one character.

/// Squares with letters in them, which Unicode takes for pictures.
const SQUARED: [(char, &str); 13] = [
    ('🆊', "P"),
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
    ('🆥', "D"),
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

/// What the text can be taken for at a glance: with a letter for two that stand close, and with these for that letter where a word begins.
/// "Claucle" and "daude" are "Claude", "Arithropic" is "Anthropic". Capitals look otherwise: "Clover" is not "Dover".
pub(super) fn at_a_glance(text: &str) -> Vec<String> {
    let mut others = with_d_for_cl(text);
    others.push(text.replace("ri", "n").replace("nn", "m"));
    others.dedup();
    others.retain(|other| other != text);
    others
}

/// With a `d` for each small `cl`, and with `cl` where a word begins with either.
fn with_d_for_cl(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let (mut everywhere, mut inside) = (String::with_capacity(text.len()), String::with_capacity(text.len() + 8));
    let mut begins = true;
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        let is_pair = character == 'c' && characters.get(at + 1).is_some_and(|next| STROKES.contains(next));
        let letter = if is_pair { 'd' } else { character };
        everywhere.push(letter);
        match letter {
            'd' if begins => inside.push_str("cl"),
            _ => inside.push(letter),
        }
        begins = !character.is_alphanumeric();
        at += if is_pair { 2 } else { 1 };
    }
    vec![everywhere, inside]
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
    fn two_letters_that_stand_close_are_one() {
        assert_eq!(at_a_glance("Claucle"), ["Claude"]);
        assert_eq!(at_a_glance("cliscorcI"), ["discord", "cliscord"]);
        assert_eq!(at_a_glance("daude"), ["claude"]);
        assert_eq!(at_a_glance("Arithropic"), ["Anthropic"]);
        assert_eq!(at_a_glance("Gennini"), ["Gemini"]);
        for text in ["Clover", "Claude", "CLAUDE", "Orders", "Music"] {
            assert_eq!(at_a_glance(text), [""; 0], "{text}");
        }
    }
}
