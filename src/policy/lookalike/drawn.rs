//! Letters and signs that are drawn like a Latin letter, beside those that TR 39 says: what generators of look-alike domains and of
//! fancy text write. Real languages use most of them, so one alone says nothing: only a name that reads as another from end to end counts.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Each Latin letter, and what is written for it: in small letters where a script has them, and in capitals where these look otherwise.
/// Some are what TR 39 makes of others: `ꞓ` of all that look like an epsilon, `ʙ` of the Cyrillic ve.
const DRAWN_LIKE: [(char, &str); 26] = [
    ('a', "λʌΔдⱥɐɒᴧⲁ∆△▲∀₳ᗩᚪค卂ꮧꍏꋬꁲ"),
    ('b', "ßвʙьъƅбƀɮҕⴆ฿๒乃ꌃꃳ"),
    ('c', "ƈȼɕʗςҁᑕ匚ᄃⅽ⊂₵ፈᚳꉓꉔꏳ"),
    ('d', "ðδժԃ∂๔ꮄꀸ꒯ꀷ"),
    ('e', "εєɛꞓəǝɘɜɞэɇҽꬲⲉΣξ∈∃乇ꍟꏂꑀ"),
    ('f', "ғϝ₣千ꎇꊰꊯ"),
    ('g', "ցԍوꮆ₲ꁅꍌ"),
    ('h', "нʜⱨԋђ卄艹ꃅꁝ"),
    ('i', "丨เꀤ꒐"),
    ('j', "ʝフנꮰꀭ꒻꒑"),
    ('k', "ĸкҡҝӄⱪꝁꀘꈵ"),
    ('l', "ⱡʅ£լᄂㄴㄥし⌊ᛚꮭ꒒"),
    ('m', "мʍϻ₥๓爪ꂵꃔ"),
    ('n', "ипπꞑոꞥ₦∩ภ几ꮑꈤꋊ"),
    ('o', "φфҩ¤◯○●◎⊙⊘⊖⦿⭕☉⚪⚫ʘ๏口ㄖꭷꂦꄲꊿ"),
    ('p', "ᵽҏꭾק₱卩ꉣ"),
    ('q', "ᑫɋꝗϙꆰ"),
    ('r', "яᴙГɽɾʁɹ尺®ꋪꌅ"),
    ('s', "ƨֆꞩᔕ§₴丂ㄎรꌗꇙ"),
    ('t', "тᴛτΓȶէ+†‡✝┬イꮦ꓄"),
    ('u', "ʉμմцџʊᥙย凵ㄩ⊔∪ᚢꮼꀎ꒤ꌈ"),
    ('v', "ⱱⱴᶌשꮙ√∨ꃴ꒦"),
    ('w', "ωшщѡⱳ山ฬꅏꅐ"),
    ('x', "χжӽӿҳץጀ乂×✕✖ꊼꉧ"),
    ('y', "ψчվאꌩꌦꐔ"),
    ('z', "乙ፚʑꁴꑒ"),
];

/// What is written for two letters: the other one.
const OR_LIKE: [(char, char); 9] =
    [('ƚ', 't'), ('ք', 'p'), ('ə', 'a'), ('ʋ', 'v'), ('Γ', 'r'), ('Д', 'd'), ('д', 'd'), ('£', 'e'), ('μ', 'm')];

static LATIN: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let pairs = |(latin, drawn): &(char, &'static str)| {
        let latin = *latin;
        drawn.chars().map(move |character| (character, latin))
    };
    DRAWN_LIKE.iter().flat_map(pairs).collect()
});

/// The Latin letter that this one, or this sign, is drawn like.
pub(super) fn latin(character: char) -> Option<char> {
    if character.is_ascii() && character != '+' {
        return None;
    }
    LATIN.get(&character).copied()
}

/// As [`latin`], for letters of scripts that have capitals: capitals become capitals, so that words still part where case changes.
pub(super) fn latin_in_its_case(character: char) -> Option<char> {
    if character.is_lowercase() {
        latin(character)
    } else if character.is_uppercase() {
        let small = || character.to_lowercase().next().and_then(latin);
        latin(character).or_else(small).map(|letter| letter.to_ascii_uppercase())
    } else {
        None
    }
}

/// The text with the other letter for what is written for two; nothing where it has none of these.
pub(super) fn otherwise(text: &str) -> Option<String> {
    let other = |character: char| OR_LIKE.iter().find(|(drawn, _)| *drawn == character).map(|(_, latin)| *latin);
    let has_one = text.chars().any(|character| !character.is_ascii() && other(character).is_some());
    has_one.then(|| text.chars().map(|character| other(character).unwrap_or(character)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_like_two_letters() {
        let written: usize = DRAWN_LIKE.iter().map(|(_, drawn)| drawn.chars().count()).sum();
        assert_eq!(LATIN.len(), written);
        assert!(DRAWN_LIKE.iter().map(|(latin, _)| *latin).eq('a'..='z'));
    }

    #[test]
    fn what_is_written_for_two_letters_is_read_as_either() {
        assert_eq!(otherwise("ƈԋαƚ"), Some("ƈԋαt".to_owned()));
        assert_eq!(otherwise("ƈԋα"), None);
        assert_eq!((latin('£'), otherwise("£")), (Some('l'), Some("e".to_owned())));
    }

    #[test]
    fn a_capital_is_drawn_like_a_capital() {
        for (character, letter) in [('Λ', 'A'), ('λ', 'a'), ('Δ', 'A'), ('δ', 'd'), ('Σ', 'E'), ('я', 'r'), ('Я', 'R')]
        {
            assert_eq!(latin_in_its_case(character), Some(letter), "{character}");
        }
        assert_eq!(latin_in_its_case('山'), None, "a script without capitals");
    }
}
