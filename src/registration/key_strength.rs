//! RSA moduli whose factors anybody finds: one of them is small, both are close together, or they were made as those of ROCA were. What a
//! certificate authority looks at as well (NIST SP 800-89 §5.3.3, CA/Browser Forum BR §6.1.1.3).

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use x509_parser::num_bigint::BigUint;

use super::key::{JsonWebKey, KeyKind};

/// The usual exponent, which the primes of ROCA are powers of (CVE-2017-15361).
const EXPONENT: u32 = 65_537;

/// Up to this prime the moduli of ROCA are told from others: one in 2²⁷ of those is taken for one.
const LAST_OF_ROCA: u32 = 167;

/// How often the factors are looked for one step further apart (Fermat).
const STEPS: u32 = 100;

/// The odd primes that are looked for as factors, and their product.
static SMALL_PRIMES: LazyLock<(Vec<u32>, BigUint)> = LazyLock::new(|| {
    let is_prime = |number: &u32| (3..=*number).find(|factor| number.is_multiple_of(*factor)) == Some(*number);
    let primes: Vec<u32> = (3..752).step_by(2).filter(is_prime).chain([EXPONENT]).collect();
    let product = primes.iter().fold(BigUint::from(1_u32), |product, prime| product * prime);
    (primes, product)
});

impl JsonWebKey {
    /// How anybody takes its modulus apart, and is whoever has the private key: the end of a sentence that begins with the key. Not whether
    /// the modulus is even, which is a part of its kind.
    pub fn taken_apart(&self) -> Option<&'static str> {
        let KeyKind::Rsa { .. } = self.kind else { return None };
        let octets = URL_SAFE_NO_PAD.decode(self.public_members.get("n")?.as_str()?).ok()?;
        let modulus = BigUint::from_bytes_be(&octets);
        let (primes, product) = &*SMALL_PRIMES;
        let rest = &modulus % product;
        let residues: Vec<(u32, u32)> = primes.iter().map(|prime| (*prime, residue(&rest, *prime))).collect();
        if residues.iter().any(|(_, residue)| *residue == 0) {
            Some("a modulus that a small number divides")
        } else if residues.iter().all(|(prime, residue)| *prime > LAST_OF_ROCA || is_a_power(*residue, *prime)) {
            Some("a modulus of the kind that ROCA takes apart (CVE-2017-15361)")
        } else if are_factors_close(&modulus) {
            Some("a modulus whose factors are close together")
        } else {
            None
        }
    }
}

fn residue(number: &BigUint, modulus: u32) -> u32 {
    u32::try_from(number % modulus).unwrap_or_default()
}

/// Whether the residue is one of a power of 65537.
fn is_a_power(residue: u32, prime: u32) -> bool {
    let next = |power: &u32| Some(power * (EXPONENT % prime) % prime).filter(|power| *power != 1);
    std::iter::successors(Some(1), next).any(|power| power == residue)
}

/// Whether the modulus is a square, or `(a + b)(a - b)` for an `a` that is hardly larger than its root.
fn are_factors_close(modulus: &BigUint) -> bool {
    let mut middle = modulus.sqrt();
    if &middle * &middle < *modulus {
        middle += 1_u32;
    }
    let mut difference = &middle * &middle - modulus;
    for _ in 0..STEPS {
        if is_square(&difference) {
            return true;
        }
        difference += &middle * 2_u32 + 1_u32;
        middle += 1_u32;
    }
    false
}

fn is_square(number: &BigUint) -> bool {
    // Hardly any number that is none passes for one by all of these, and a root costs more.
    let rest = residue(number, 64 * 63 * 65 * 11);
    let may_be =
        [64, 63, 65, 11].into_iter().all(|modulus| (0..modulus).any(|root| root * root % modulus == rest % modulus));
    may_be && {
        let root = number.sqrt();
        &root * &root == *number
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken_apart(modulus: &BigUint) -> Option<&'static str> {
        let n = URL_SAFE_NO_PAD.encode(modulus.to_bytes_be());
        JsonWebKey::parse(&json!({"kty": "RSA", "n": n, "e": "AQAB"}), "key").unwrap().taken_apart()
    }

    /// 2⁵²¹-1 and 2⁶⁰⁷-1 are primes, and so are 2^1279-1 and 2^2203-1.
    fn mersenne(exponent: u32) -> BigUint {
        (BigUint::from(1_u32) << exponent) - 1_u32
    }

    #[test]
    fn a_product_of_two_large_primes_apart_is_a_key() {
        assert_eq!(taken_apart(&(mersenne(1279) * mersenne(2203))), None);
        assert_eq!(taken_apart(&(mersenne(521) * mersenne(607))), None);
    }

    #[test]
    fn a_small_factor_is_found() {
        let large = mersenne(2203);
        for factor in [3_u32, 101, 751, 65_537] {
            let found = taken_apart(&(&large * factor));
            assert!(found.is_some_and(|how| how.contains("small number")), "{factor}: {found:?}");
        }
        assert_eq!(taken_apart(&(large * 757_u32)), None, "one that is not so small");
        assert!(taken_apart(&mersenne(2048)).is_some());
    }

    #[test]
    fn factors_that_are_close_together_are_found() {
        let prime = mersenne(1279);
        for distance in [0_u32, 2, 1_000_000] {
            let found = taken_apart(&(&prime * (&prime + distance)));
            assert!(found.is_some_and(|how| how.contains("small number") || how.contains("close")), "{found:?}");
        }
    }

    #[test]
    fn factors_that_are_powers_of_the_exponent_by_the_small_primes_are_found() {
        let product =
            (3..=LAST_OF_ROCA).filter(|n| SMALL_PRIMES.0.contains(n)).fold(BigUint::from(1_u32), |p, n| p * n);
        let factor = |times: u32, power: u32| {
            &product * (BigUint::from(times) << 700_u32) + BigUint::from(EXPONENT).modpow(&power.into(), &product)
        };
        let found = (1..40).filter_map(|times| taken_apart(&(factor(times, 17) * factor(times + 40, 23))));
        assert!(found.filter(|how| how.contains("ROCA")).count() > 5);
    }
}
