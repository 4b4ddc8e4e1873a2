//! Letters and signs that are drawn like a Latin letter, beside those that TR 39 says: what generators of look-alike domains and of
//! fancy text write. Real languages use most of them, so one alone says nothing: only a name that reads as another from end to end counts.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::characters::{is_small_cherokee, letter_in_tr39};

/// Each Latin letter, and what is written for it: in small letters where a script has them, and in capitals where these look otherwise.
/// Some are what TR 39 makes of others: `ꞓ` of all that look like an epsilon, `ʙ` of the Cyrillic ve.
const DRAWN_LIKE: [(char, &str); 26] = [
    ('a', "λʌΔдⱥɐɒᴧⲁ∆△▲∀₳ᗩᚪคล卂ꮧꍏꋬꁲᚨ"),
    ('b', "ßвʙьъƅбƀɮҕⴆც฿๒乃ꌃꃳᛒ"),
    ('c', "ƈȼɕʗςҁᑕ匚ᄃⅽ⊂₵ፈᚳꉓꉔꏳ𐔜"),
    ('d', "ꝺðδժԃ∂๔ꮄꀸ꒯ꀷᛞᛑ"),
    ('e', "⋲εєɛꞓəǝɘɜɞэɇҽꬲⲉΣξ∈∃乇ꍟꏂꑀ"),
    ('f', "ғϝ₣千ꎇꊰꊯᚠ"),
    ('g', "ցԍوꮆ₲ꁅꍌ"),
    ('h', "нʜⱨԋђ卄艹ꃅꁝᚺᚻ"),
    ('i', "丨เꀤ꒐ᛁ"),
    ('j', "ʝフנꮰꀭ꒻꒑ᛃ"),
    ('k', "ĸкҡҝӄⱪꝁꀘꈵᚴᛕ"),
    ('l', "ⱡʅ£լᄂㄴㄥし⌊ᛚꮭ꒒¦⎸▏⏐"),
    ('m', "мʍϻ₥๓爪ꂵꃔᛗ"),
    ('n', "ипπꞑոꞥ₦∩ภ几ꮑꈤꋊᚾ"),
    ('o', "φфҩ¤◯○●◎⊙⊘⊖⦿⭕☉⚪⚫ʘ๏口ㄖꭷꂦꄲꊿᛟᚩ"),
    ('p', "ᵽҏꭾק₱卩ꉣᛈ℘"),
    ('q', "ᑫɋꝗϙꆰᛩ"),
    ('r', "яᴙГɽɾʁɹ尺®ꋪꌅᚱཞ"),
    ('s', "ƨֆꞩᔕ§₴丂ㄎรꌗꇙᛊᛋ"),
    ('t', "тᴛτΓȶէՇ+†‡✝┬イꮦꮖ꓄ᛏ"),
    ('u', "ʉμմцџʊᥙย凵ㄩ⊔∪ᚢꮼꀎ꒤ꌈ"),
    ('v', "ⱱⱴᶌשꮙ√∨ꃴ꒦ᚡ"),
    ('w', "ωшщѡⱳ山ฬꅏꅐᚹ"),
    ('x', "χжӽӿҳץጀ乂×✕✖ꊼꉧᛪ"),
    ('y', "ψчվאꌩꌦꐔᚤᚣ"),
    ('z', "乙ፚʑꁴꑒᛉ"),
];

/// Latin letters that are one of the alphabet with a hook, a stroke, a tail or a belt, or that letter in another hand (insular, long, script),
/// beside those that TR 39 and compatibility forms make that letter of. Capitals are read as their small letters.
const DRESSED: [(char, &str); 23] = [
    ('a', "ᶏ"),
    ('b', "ᴃᴯᵬᶀꞗ"),
    ('c', "ꞔ𝼏𝼝"),
    ('d', "ȡᵭᶁᶑꟈ𝼥"),
    ('e', "ɝʚᶒᶓᶔⱸꬳꬴ"),
    ('f', "ᶂꝼ"),
    ('g', "ʛᵹꞡꟑꬶ"),
    ('h', "ɧⱶꜧꞕ"),
    ('i', "ᶖ𝼚"),
    ('k', "ᶄꝃꝅꞣ"),
    ('l', "ȴɬᴌᶅꝇꝉꞎꬷꬸꬹ𝼄𝼑𝼓𝼦"),
    ('m', "ɱᶆꬺ"),
    ('n', "ȵᶇꬻꬼ𝼧"),
    ('o', "ɔᴐᴓᶗⱺꝍꬿ𝼛"),
    ('p', "ᵱᶈꝑꝓꝕ"),
    ('q', "ꝙ"),
    ('r', "ᶉꞃꞧꭅꭆꭉꭋꭌ𝼖𝼨"),
    ('s', "ſȿᶊẜẝꞅꟊꟍ𝼞𝼩"),
    ('t', "ʈⱦꞇ𝼉𝼪"),
    ('u', "ᴝᶙꞹꭏ"),
    ('v', "ỽꝟ"),
    ('x', "ᶍꭖꭗꭘꭙ"),
    ('z', "ɀᶎꝣ"),
];

/// What is written for several letters: the others. Of a letter made of two, which TR 39 reads as these, either one.
const OR_LIKE: [(char, &str); 35] = [
    ('ᶌ', "y"),
    ('ƚ', "t"),
    ('ɬ', "t"),
    ('ſ', "f"),
    ('ẛ', "f"),
    ('ẜ', "f"),
    ('ẝ', "f"),
    ('Ꞓ', "C"),
    ('ꞓ', "c"),
    ('ք', "p"),
    ('ə', "a"),
    ('ʋ', "v"),
    ('Ʋ', "V"),
    ('ᶹ', "v"),
    ('א', "x"),
    ('ץ', "y"),
    ('Γ', "r"),
    ('Д', "d"),
    ('д', "d"),
    ('£', "e"),
    ('€', "c"),
    ('μ', "m"),
    ('ᚲ', "c"),
    ('ᚷ', "g"),
    ('ᛖ', "e"),
    ('æ', "ae"),
    ('Æ', "AE"),
    ('œ', "oe"),
    ('Œ', "OE"),
    ('ꜳ', "a"),
    ('Ꜳ', "A"),
    ('ꝏ', "o"),
    ('Ꝏ', "O"),
    ('ĳ', "y"),
    ('ȸ', "d"),
];

/// The most other letters that one is written for.
const MOST_OTHERS: usize = 2;

static LATIN: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let pairs = |(latin, drawn): &(char, &'static str)| {
        let latin = *latin;
        drawn.chars().map(move |character| (character, latin))
    };
    DRAWN_LIKE.iter().chain(&DRESSED).flat_map(pairs).collect()
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
        let as_capital = || letter_in_tr39(character).filter(|_| is_small_cherokee(character));
        latin(character).or_else(as_capital).map(|letter| letter.to_ascii_lowercase())
    } else if character.is_uppercase() {
        // A capital like one of ASCII is that one, whatever its small letter is like: Μ is M, and μ is u.
        let small = || character.to_lowercase().next().and_then(latin);
        let found = latin(character).or_else(|| letter_in_tr39(character)).or_else(small);
        found.map(|letter| letter.to_ascii_uppercase())
    } else {
        None
    }
}

/// The text with another letter for what is written for several, once for each way; nothing where it has none of these.
pub(super) fn otherwise(text: &str) -> impl Iterator<Item = String> {
    let others = |character: char| OR_LIKE.iter().find(|(drawn, _)| *drawn == character).map(|(_, letters)| *letters);
    let way = |number: usize| {
        let has_one = |character: char| others(character).is_some_and(|letters| letters.chars().count() > number);
        let other = |character: char| {
            let letters = others(character).unwrap_or_default();
            letters.chars().take(number + 1).last().unwrap_or(character)
        };
        text.chars().any(has_one).then(|| text.chars().map(other).collect())
    };
    let most = if text.is_ascii() { 0 } else { MOST_OTHERS };
    (0..most).filter_map(way).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capital_is_what_it_looks_like_and_not_what_its_small_letter_does() {
        for (character, letter) in
            [('\u{39c}', 'M'), ('\u{3bc}', 'u'), ('\u{41d}', 'H'), ('\u{423}', 'Y'), ('\u{3a9}', 'W')]
        {
            assert_eq!(latin_in_its_case(character), Some(letter), "{character}");
        }
    }

    #[test]
    fn nothing_is_drawn_like_two_letters() {
        let written: usize = DRAWN_LIKE.iter().chain(&DRESSED).map(|(_, drawn)| drawn.chars().count()).sum();
        assert_eq!(LATIN.len(), written);
        assert!(DRAWN_LIKE.iter().map(|(latin, _)| *latin).eq('a'..='z'));
    }

    #[test]
    fn a_letter_in_another_dress_is_read_as_it_in_either_case() {
        for (letter, dressed) in DRESSED {
            for small in dressed.chars() {
                let read = |character: char| super::super::reading(&format!("k{character}k"));
                let plain = super::super::reading(&format!("k{letter}k"));
                assert_eq!(read(small), plain, "{small}");
                let capital = small.to_uppercase().next().unwrap();
                // The capital of a long s is an S.
                assert!(capital.is_ascii() || read(capital) == plain, "{capital}");
            }
        }
    }

    #[test]
    fn what_is_written_for_several_letters_is_read_as_each() {
        let otherwise = |text| otherwise(text).collect::<Vec<_>>();
        assert_eq!(otherwise("ƈԋαƚ"), ["ƈԋαt"]);
        assert_eq!(otherwise("ƈԋα"), [""; 0]);
        assert_eq!((latin('£'), otherwise("£")), (Some('l'), vec!["e".to_owned()]));
        assert_eq!(otherwise("Clæuðæƚ"), ["Clauðat", "Cleuðet"]);
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
