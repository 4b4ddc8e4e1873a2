//! Keeps to the request rates of AWS: who comes too early waits for a slot, and is told to come again when the wait would be long. Pure.

use std::time::{Duration, Instant};

/// The calls of one operation, evenly spread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queue {
    interval: Duration,
    /// When the next call may go out.
    next: Option<Instant>,
}

impl Queue {
    /// At most `per_second` calls a second.
    pub(super) fn new(per_second: std::num::NonZeroU32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.get(), next: None }
    }

    /// How long the caller has to wait for the slot that is its own now; an error says how long it would have been. Who gives up a
    /// slot leaves it unused: AWS's rates are never exceeded.
    pub(super) fn slot(&mut self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        let at = self.next.map_or(now, |next| next.max(now));
        let wait = at.duration_since(now);
        if wait > patience {
            return Err(wait);
        }
        self.next = Some(at + self.interval);
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(500);

    fn five() -> Queue {
        Queue::new(NonZeroU32::new(5).unwrap())
    }

    #[test]
    fn calls_are_spread_over_the_second() {
        let (mut queue, now) = (five(), Instant::now());
        let waits: Vec<u128> = (0..3).map(|_| queue.slot(now, PATIENCE).unwrap().as_millis()).collect();
        assert_eq!(waits, [0, 200, 400]);
    }

    #[test]
    fn who_would_wait_too_long_is_told_how_long_and_takes_no_slot() {
        let (mut queue, now) = (five(), Instant::now());
        for _ in 0..3 {
            queue.slot(now, PATIENCE).unwrap();
        }
        assert_eq!(queue.slot(now, PATIENCE), Err(Duration::from_millis(600)));
        assert_eq!(queue.slot(now, PATIENCE), Err(Duration::from_millis(600)), "the first refusal took no slot");
        assert_eq!(queue.slot(now + Duration::from_millis(200), PATIENCE), Ok(Duration::from_millis(400)));
    }

    #[test]
    fn a_pause_saves_nothing_up() {
        let (mut queue, now) = (five(), Instant::now());
        queue.slot(now, PATIENCE).unwrap();
        let later = now + Duration::from_secs(60);
        assert_eq!(queue.slot(later, PATIENCE), Ok(Duration::ZERO));
        assert_eq!(queue.slot(later, PATIENCE), Ok(Duration::from_millis(200)), "no burst after a pause");
    }
}
