//! Chance out of a seed (SplitMix64): the same seed makes up the same weeks everywhere.

use std::net::{IpAddr, Ipv4Addr};

pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x9E37_79B9)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: i64) -> i64 {
        (self.next() % bound.unsigned_abs()) as i64
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn chance(&mut self, of_one: f64) -> bool {
        self.unit() < of_one
    }

    /// Moments of independent events in `[from, to)`, `per_hour` of them on average.
    pub fn moments(&mut self, (from, to): (i64, i64), per_hour: f64) -> Vec<i64> {
        let mut moments = Vec::new();
        let mut at = from as f64;
        loop {
            // Nothing ever happens at a rate of zero: the first moment is never.
            at += -self.unit().max(1e-12).ln() / per_hour * 3_600_000.0;
            if at >= to as f64 {
                return moments;
            }
            moments.push(at as i64);
        }
    }

    /// Somewhere on the Internet, in one of so many networks that begin with `first`.
    pub fn address(&mut self, first: u8, networks: i64) -> IpAddr {
        let network = self.below(networks);
        let host = self.below(250) as u8 + 1;
        IpAddr::V4(Ipv4Addr::new(first, (network / 250) as u8, (network % 250) as u8, host))
    }
}
