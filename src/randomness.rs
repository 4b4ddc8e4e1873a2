//! Randomness as an argument: whoever needs some takes a [`Randomness`]; only the edge has the operating system's.

use crate::hexadecimal;

/// Fills octets with what nobody can guess.
pub type Randomness = fn(&mut [u8]);

/// The operating system's. A system without randomness must not serve.
#[allow(clippy::expect_used, reason = "nothing can be done without randomness")]
pub fn of_the_system(octets: &mut [u8]) {
    getrandom::fill(octets).expect("the system has randomness");
}

/// So many octets: a nonce, the text of a token.
pub fn octets<const N: usize>(randomness: Randomness) -> [u8; N] {
    let mut octets = [0; N];
    randomness(&mut octets);
    octets
}

/// A name that nobody can guess and nothing else has: 128 bits in 32 hexadecimal digits.
pub fn name(randomness: Randomness) -> String {
    hexadecimal::written(&octets::<16>(randomness))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_what_was_drawn() {
        assert_eq!(name(|octets| octets.fill(0x0a)), "0a".repeat(16));
        assert_ne!(name(of_the_system), name(of_the_system));
    }
}
