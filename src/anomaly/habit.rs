//! What is usual for one source, in twelve octets: the mean count per window, and how clumpy the counts are, both exponentially
//! weighted (EWMA) so that old habits fade. A window that is far off teaches little, or an attack would become a habit.

use super::surprise;

/// How much the latest window weighs once there are many.
const WEIGHT: f32 = 0.06;

/// A window teaches at most this many standard deviations over the mean, and one.
const MOST_DEVIATIONS: f32 = 3.0;

/// Mean, dispersion (variance by mean), and how many windows were learned.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Habit {
    mean: f32,
    dispersion: f32,
    windows: u32,
}

impl Habit {
    /// What is expected of those of whom nothing is known, as if `windows` had been learned.
    pub(super) fn presumed(mean: f32, windows: u32) -> Self {
        Self { mean, dispersion: 1.0, windows }
    }

    /// A window has ended with this count.
    pub(super) fn learn(&mut self, count: u32) {
        let count = count as f32;
        let most = self.mean + MOST_DEVIATIONS * (self.mean.max(1.0) * self.dispersion.max(1.0)).sqrt() + 1.0;
        let count = if self.windows < 3 { count } else { count.min(most) };
        self.windows = self.windows.saturating_add(1);
        let weight = WEIGHT.max(1.0 / self.windows as f32);
        let off = count - self.mean;
        if self.windows > 1 {
            let clumpy = off * off / self.mean.max(0.5);
            self.dispersion += weight * (clumpy - self.dispersion);
        }
        self.mean += weight * off;
    }

    /// So many windows have ended with nothing.
    pub(super) fn learn_nothing(&mut self, windows: u32) {
        // Past a hundred the mean is as good as zero.
        for _ in 0..windows.min(100) {
            self.learn(0);
        }
        self.windows = self.windows.saturating_add(windows.saturating_sub(100));
    }

    /// The usual count.
    pub(super) fn mean(&self) -> f64 {
        f64::from(self.mean)
    }

    /// How many windows it was learned from.
    pub(super) fn windows(&self) -> u32 {
        self.windows
    }

    /// How clumpy the counts are: 1 where events are independent of each other.
    pub(super) fn dispersion(&self) -> f64 {
        f64::from(self.dispersion.max(1.0))
    }

    /// How improbable at least this count is, in powers of ten; `least` is the lowest mean that is believed.
    pub(super) fn surprise(&self, count: u32, least: f64) -> f64 {
        surprise::of_many(f64::from(count), self.mean().max(least), self.dispersion())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_habit_is_learned_and_fades() {
        let mut habit = Habit::default();
        for count in [9, 11, 10, 12, 8].repeat(10) {
            habit.learn(count);
        }
        assert!((habit.mean() - 10.0).abs() < 1.0 && habit.dispersion() < 1.1, "{habit:?}");
        habit.learn_nothing(200);
        assert!(habit.mean() < 0.1 && habit.windows() == 250, "{habit:?}");
    }

    #[test]
    fn one_flood_does_not_become_a_habit() {
        let mut habit = Habit::default();
        for _ in 0..50 {
            habit.learn(10);
        }
        habit.learn(100_000);
        assert!(habit.mean() < 12.0 && habit.surprise(60, 1.0) > 6.0, "{habit:?}");
    }

    #[test]
    fn clumpy_counts_are_known_as_clumpy() {
        let mut habit = Habit::default();
        for count in [0, 0, 0, 20].repeat(20) {
            habit.learn(count);
        }
        assert!(habit.dispersion() > 5.0, "{habit:?}");
        assert!(habit.surprise(30, 1.0) < 4.0, "{habit:?}");
    }
}
