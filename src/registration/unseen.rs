//! Characters that a reader does not see, beside those that Unicode's general category tells.

/// Takes room, or none, and shows nothing: fillers and joiners that count as letters, marks or signs.
pub(crate) fn is_blank(character: char) -> bool {
    matches!(
        character,
        '\u{034f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{fffc}'
            | '\u{16fe4}'
            | '\u{1d159}'
    )
}

/// Chooses a form of the character before it.
pub(crate) fn is_variation_selector(character: char) -> bool {
    matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{180b}'..='\u{180f}' | '\u{e0100}'..='\u{e01ef}')
}
