//! How long to wait before a receiver is tried again. Pure.

use std::time::Duration;

/// The pause after the first failure; it doubles with each one, up to the longest.
const FIRST: Duration = Duration::from_secs(1);
/// A receiver that is back is found within this time.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// What a receiver refuses by itself need not be tried so often.
const LONGEST_REFUSED: Duration = Duration::from_secs(60 * 60);

/// What waits for a receiver longer than this is given up when it fails again.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// A delivery that the receiver itself refuses is given up after a day.
pub const KEPT_REFUSED: Duration = Duration::from_secs(24 * 60 * 60);

/// The pause of a receiver that cannot be reached, after so many failures in a row.
pub fn of_receiver(failures: u32, random: u64) -> Duration {
    jittered(doubled(failures).min(LONGEST), random)
}

/// The pause of one delivery that the receiver refuses, after so many attempts.
pub fn of_refused(attempts: u32, random: u64) -> Duration {
    jittered(doubled(attempts).min(LONGEST_REFUSED), random)
}

fn doubled(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.saturating_sub(1).min(20))
}

/// Between half of it and all of it, so that replicas and deliveries do not come together.
fn jittered(pause: Duration, random: u64) -> Duration {
    let half = pause / 2;
    let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(if millis == 0 { 0 } else { random % (millis + 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_the_longest_and_is_never_less_than_half() {
        for random in [0, 1, 499, u64::MAX] {
            for (failures, whole) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (u32::MAX, 300)] {
                let pause = of_receiver(failures, random);
                let whole = Duration::from_secs(whole);
                assert!(pause >= whole / 2 && pause <= whole, "{failures} {random}: {pause:?}");
            }
        }
        assert_eq!(of_receiver(3, 2000), Duration::from_secs(4));
        assert!(of_refused(40, 0) == Duration::from_secs(1800));
    }
}
