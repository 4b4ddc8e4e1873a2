//! Which requests are kept when there are very many: each source has a share, and all together have one. Pure: arithmetic over given times.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Timestamp;

const WINDOW: Duration = Duration::from_secs(60);
/// Of one source in a window.
const OF_ONE: u32 = 20;
/// Of all sources in a window; of refused requests and of others so many each.
const OF_ALL: u32 = 1_000;

/// One window. It remembers no more sources than requests it takes.
#[derive(Debug, Default)]
pub(super) struct Sample {
    began: Option<Timestamp>,
    all: Taken,
    sources: HashMap<String, Taken>,
}

/// How many were taken. Whoever is refused often is kept when it is admitted: they are counted apart.
#[derive(Debug, Default)]
struct Taken {
    refused: u32,
    others: u32,
}

impl Taken {
    fn of(&mut self, is_refused: bool) -> &mut u32 {
        if is_refused { &mut self.refused } else { &mut self.others }
    }
}

impl Sample {
    /// Whether a request of this source may be kept, as long as it is not known whether it will be refused.
    pub(super) fn may_take(&mut self, source: &str, now: Timestamp) -> bool {
        [true, false].into_iter().any(|is_refused| self.has_room(source, is_refused, now))
    }

    /// Whether a request of this source, refused or not, is kept.
    pub(super) fn takes(&mut self, source: &str, is_refused: bool, now: Timestamp) -> bool {
        let is_taken = self.has_room(source, is_refused, now);
        if is_taken {
            *self.all.of(is_refused) += 1;
            *self.sources.entry(source.to_owned()).or_default().of(is_refused) += 1;
        }
        is_taken
    }

    fn has_room(&mut self, source: &str, is_refused: bool, now: Timestamp) -> bool {
        if !self.began.is_some_and(|began| began.lasts(WINDOW, now)) {
            *self = Self { began: Some(now), ..Self::default() };
        }
        let of_one = self.sources.get_mut(source).map_or(0, |taken| *taken.of(is_refused));
        *self.all.of(is_refused) < OF_ALL && of_one < OF_ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(sample: &mut Sample, source: &str, is_refused: bool, at: i64) -> u32 {
        let now = Timestamp::from_unix_millis(at);
        (0..5_000).map(|_| u32::from(sample.takes(source, is_refused, now))).sum()
    }

    #[test]
    fn one_source_has_its_share_and_no_more_until_the_window_is_over() {
        let mut sample = Sample::default();
        assert_eq!(taken(&mut sample, "a", true, 0), OF_ONE);
        assert_eq!(taken(&mut sample, "a", true, 59_999), 0);
        assert_eq!(taken(&mut sample, "b", true, 59_999), OF_ONE, "another has its own");
        assert!(sample.may_take("a", Timestamp::from_unix_millis(59_999)), "it may yet be admitted");
        assert_eq!(taken(&mut sample, "a", false, 59_999), OF_ONE, "what is admitted of it has one, too");
        assert!(!sample.may_take("a", Timestamp::from_unix_millis(59_999)));
        assert_eq!(taken(&mut sample, "a", true, 60_000), OF_ONE);
    }

    #[test]
    fn a_window_that_began_by_a_clock_that_was_set_back_since_is_over() {
        let mut sample = Sample::default();
        assert_eq!(taken(&mut sample, "a", true, 86_400_000), OF_ONE);
        assert_eq!(taken(&mut sample, "a", true, 86_399_000), 0, "requests overtake each other");
        assert_eq!(taken(&mut sample, "a", true, 0), OF_ONE);
    }

    #[test]
    fn refused_ones_from_everywhere_leave_room_for_what_is_admitted() {
        let mut sample = Sample::default();
        let refused: u32 = (0..5_000).map(|source| taken(&mut sample, &source.to_string(), true, 0)).sum();
        assert_eq!(refused, OF_ALL);
        assert!(sample.sources.len() <= OF_ALL as usize, "{}", sample.sources.len());
        assert_eq!(taken(&mut sample, "somebody", false, 1), OF_ONE);
    }
}
