//! How many different things were seen, in 32 octets: linear counting (Whang, Vander-Zanden, Taylor 1990). Each thing sets one of
//! 256 bits by its hash, and from the share of bits that are still zero follows how many there were. Within a tenth up to some
//! hundred; past that it says less than there were, which is enough to know that they were many.

/// How many bits there are.
const BITS: u32 = 256;

/// More than so many are never counted: all bits set say 1597.
pub(super) const MOST_TOLD: u32 = 1500;

/// The bits of what was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Distinct([u64; BITS as usize / 64]);

impl Distinct {
    /// One more was seen, by its hash; whether its bit is new.
    pub(super) fn see(&mut self, hash: u64) -> bool {
        let bit = usize::try_from(hash % u64::from(BITS)).unwrap_or(0);
        let (word, mask) = (bit / 64, 1 << (bit % 64));
        let new = self.0[word] & mask == 0;
        self.0[word] |= mask;
        new
    }

    /// About how many different ones there were.
    pub(super) fn count(&self) -> u32 {
        let set: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        let zero = f64::from(BITS - set).max(0.5);
        let estimate = -f64::from(BITS) * (zero / f64::from(BITS)).ln();
        estimate.round() as u32
    }
}

/// What was seen in this window; another begins when its time is over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DistinctInWindow {
    window: i64,
    seen: Distinct,
}

impl DistinctInWindow {
    /// One more was seen in this window. The count of the window that ended by this, where one did, and how many were empty since.
    pub(super) fn see(&mut self, window: i64, hash: u64) -> Option<Ended> {
        let ended = (window > self.window && self.seen != Distinct::default()).then(|| Ended {
            count: self.seen.count(),
            empty_since: u32::try_from(window - self.window - 1).unwrap_or(u32::MAX),
        });
        if window > self.window {
            *self = Self { window, seen: Distinct::default() };
        }
        self.seen.see(hash);
        ended
    }

    /// About how many different ones there were in the latest window.
    pub(super) fn count(&self) -> u32 {
        self.seen.count()
    }
}

/// A window that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    /// What it held.
    pub(super) count: u32,
    /// How many windows after it held nothing.
    pub(super) empty_since: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::sources::hash;

    #[test]
    fn counts_within_a_tenth_and_a_half_up_to_three_hundred() {
        for many in [1, 2, 5, 10, 40, 100, 300] {
            let mut distinct = Distinct::default();
            for thing in 0..many {
                distinct.see(hash(&thing));
                distinct.see(hash(&thing));
            }
            let off = f64::from(distinct.count().abs_diff(many)) / f64::from(many);
            assert!(off <= 0.15, "{many} counted as {}", distinct.count());
        }
    }

    #[test]
    fn what_is_more_than_can_be_told_apart_counts_as_more_than_a_threshold_may_be() {
        let mut distinct = Distinct::default();
        (0..100_000).for_each(|thing| _ = distinct.see(hash(&thing)));
        assert!(distinct.count() > MOST_TOLD);
    }

    #[test]
    fn a_window_that_ends_tells_what_it_held_and_what_was_empty_since() {
        let mut window = DistinctInWindow::default();
        assert_eq!(window.see(7, hash(&"a")), None);
        assert_eq!(window.see(7, hash(&"b")), None);
        assert_eq!(window.see(10, hash(&"a")), Some(Ended { count: 2, empty_since: 2 }));
        assert_eq!(window.count(), 1);
    }
}
