//! Counting in this process: governor's arithmetic over a bounded store of our own. The source that is not seen for longest is forgotten when
//! the table is full, and has a whole burst again. To aim at one, somebody needs as many other addresses as are remembered and an attempt from
//! each; all count in the total, which is never forgotten (another table), so that takes `sources` divided by the total rate: by then the source
//! has its burst back at any ordinary rate. Which shard it is in depends on a random key.

use std::hash::{BuildHasher as _, RandomState};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use governor::RateLimiter;
use governor::clock::{Clock, DefaultClock, Reference as _};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use lru::LruCache;

use super::limit::Limit;
use super::{Allowance, Attempt, LimitReached, Source, TooEarly};

/// Enough that threads seldom wait for each other.
const SHARDS: usize = 16;

/// The throttle of one process. Bounded memory, whatever the number of sources.
#[derive(Debug)]
pub struct MemoryThrottle<C: Clock = DefaultClock> {
    clock: C,
    origin: C::Instant,
    hashers: [RandomState; 2],
    /// Anybody can come from an address.
    addresses: Table,
    /// What configuration and verified credentials name: no flood of addresses makes the table forget these.
    credentials: Table,
}

impl MemoryThrottle {
    /// Remembers at most so many addresses, and as many credentials.
    pub fn new(sources: NonZeroU32) -> Self {
        Self::with_clock(sources, DefaultClock::default())
    }
}

impl<C: Clock> MemoryThrottle<C> {
    /// With a clock of governor's, for tests.
    pub fn with_clock(sources: NonZeroU32, clock: C) -> Self {
        let origin = clock.now();
        let hashers = [RandomState::new(), RandomState::new()];
        Self { clock, origin, hashers, addresses: Table::new(sources), credentials: Table::new(sources) }
    }

    /// Counts an attempt of the source against the limit, if it may pass. One that may not is not counted.
    ///
    /// # Errors
    /// It may not pass, and when the next one may.
    pub fn attempt(&self, source: &Source, limit: &Limit) -> Result<Allowance, TooEarly> {
        let table = match source {
            Source::Address(_) => &self.addresses,
            Source::Total | Source::Token(_) | Source::Certificate(_) | Source::Software(_) => &self.credentials,
        };
        let now = self.clock.now();
        // A limiter is two numbers, so it is made for this one question; what lasts is in the table, told in time since `origin`.
        let state = View { table, since_origin: now.duration_since(self.origin).as_u64() };
        let limiter = RateLimiter::<u128, _, _, StateInformationMiddleware>::new(limit.quota(), state, Moment(now));
        match limiter.check_key(&self.key(source, limit)) {
            Ok(snapshot) => Ok(Allowance { remaining: snapshot.remaining_burst_capacity() }),
            Err(not_until) => Err(TooEarly { retry_after: not_until.wait_time_from(now) }),
        }
    }

    /// Counts the attempts in their order until one may not pass: that one and those after it are not counted. Told is what the
    /// last one that was looked at came to; without any, nothing is left.
    ///
    /// # Errors
    /// The first limit that was reached. What was counted before it stays counted.
    pub fn count<'a>(&self, attempts: &[Attempt<'a>]) -> Result<Allowance, LimitReached<'a>> {
        attempts.iter().try_fold(Allowance { remaining: 0 }, |_, (source, limit)| {
            self.attempt(source, limit).map_err(|too_early| LimitReached { limit, too_early })
        })
    }

    /// How many sources were forgotten for want of room while they still owed time: above zero, limits are being evaded or
    /// `sources` is too small.
    pub fn forgotten(&self) -> u64 {
        self.addresses.forgotten.load(Ordering::Relaxed) + self.credentials.forgotten.load(Ordering::Relaxed)
    }

    /// 128 bits under two random keys: of one size whatever the source, nothing to allocate, and nobody can find two sources
    /// with one key.
    fn key(&self, source: &Source, limit: &Limit) -> u128 {
        let [high, low] = self.hashers.each_ref().map(|hasher| hasher.hash_one((limit.name(), source)));
        u128::from(high) << 64 | u128::from(low)
    }
}

/// A clock that stands still for the length of one question.
#[derive(Debug, Clone, Copy)]
struct Moment<I>(I);

impl<I: governor::clock::Reference> Clock for Moment<I> {
    type Instant = I;

    fn now(&self) -> I {
        self.0
    }
}

/// The theoretical arrival times of many sources, in nanoseconds since the throttle's origin.
#[derive(Debug)]
struct Table {
    shards: Box<[Mutex<LruCache<u128, u64>>]>,
    forgotten: AtomicU64,
}

impl Table {
    fn new(sources: NonZeroU32) -> Self {
        let sources = usize::try_from(sources.get()).unwrap_or(usize::MAX);
        let capacity = NonZeroUsize::new(sources.div_ceil(SHARDS)).unwrap_or(NonZeroUsize::MIN);
        // Takes room as it fills; `LruCache::new` would take all of it now.
        let shard = |_| {
            let mut shard = LruCache::unbounded();
            shard.resize(capacity);
            Mutex::new(shard)
        };
        let shards = (0..SHARDS).map(shard).collect();
        Self { shards, forgotten: AtomicU64::new(0) }
    }

    fn shard(&self, key: u128) -> &Mutex<LruCache<u128, u64>> {
        // The key is random in every bit.
        &self.shards[usize::try_from(key % SHARDS as u128).unwrap_or(0)]
    }
}

/// The table as a limiter sees it whose time begins at `since_origin`.
struct View<'a> {
    table: &'a Table,
    since_origin: u64,
}

impl StateStore for View<'_> {
    type Key = u128;

    fn measure_and_replace<T, F, E>(&self, key: &u128, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // A panic inside would have left the table whole: nothing is half done in it.
        let mut shard = self.table.shard(*key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(arrival) = shard.get_mut(key) {
            // An arrival in the past means the whole burst is there: for the limiter the same as one right now.
            let (answer, next) = decide(Some(arrival.saturating_sub(self.since_origin).into()))?;
            *arrival = self.since_origin.saturating_add(next.as_u64());
            return Ok(answer);
        }
        let (answer, next) = decide(None)?;
        if let Some((_, arrival)) = shard.push(*key, self.since_origin.saturating_add(next.as_u64()))
            && arrival > self.since_origin
        {
            self.table.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn throttle(sources: u32) -> (MemoryThrottle<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (MemoryThrottle::with_clock(NonZeroU32::new(sources).unwrap(), clock.clone()), clock)
    }

    fn limit(name: &str, rate: &str, burst: u32) -> Limit {
        Limit::new(name, rate.parse().unwrap(), NonZeroU32::new(burst).unwrap()).unwrap()
    }

    fn address(number: u32) -> Source {
        Source::address(IpAddr::V4(Ipv4Addr::from(number)))
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (throttle, clock) = throttle(100);
        let limit = limit("test", "10/s", 5);
        let attempt = || throttle.attempt(&address(1), &limit);
        for remaining in (0..5).rev() {
            assert_eq!(attempt(), Ok(Allowance { remaining }));
        }
        assert_eq!(attempt(), Err(TooEarly { retry_after: Duration::from_millis(100) }));
        clock.advance(Duration::from_millis(40));
        assert_eq!(attempt(), Err(TooEarly { retry_after: Duration::from_millis(60) }));
        clock.advance(Duration::from_millis(60));
        assert_eq!(attempt(), Ok(Allowance { remaining: 0 }));
        assert!(attempt().is_err());
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(attempt(), Ok(Allowance { remaining: 4 }));
    }

    #[test]
    fn sources_and_limits_do_not_share_their_counts() {
        let (throttle, _clock) = throttle(100);
        let (one, other) = (limit("one", "1/day", 1), limit("other", "1/day", 1));
        let sources = [
            address(1),
            address(2),
            Source::Total,
            Source::Token("a".into()),
            Source::Token("b".into()),
            Source::Certificate("a".into()),
        ];
        for source in &sources {
            assert!(throttle.attempt(source, &one).is_ok(), "{source:?}");
            assert!(throttle.attempt(source, &other).is_ok(), "{source:?}");
        }
        for source in &sources {
            assert!(throttle.attempt(source, &one).is_err(), "{source:?}");
        }
    }

    #[test]
    fn a_limit_made_again_after_a_reload_goes_on_counting() {
        let (throttle, clock) = throttle(100);
        assert!(throttle.attempt(&address(1), &limit("test", "1/h", 1)).is_ok());
        clock.advance(Duration::from_secs(60));
        let too_early = throttle.attempt(&address(1), &limit("test", "1/h", 1));
        assert_eq!(too_early, Err(TooEarly { retry_after: Duration::from_secs(59 * 60) }));
    }

    #[test]
    fn memory_is_bounded_whatever_the_number_of_addresses() {
        let (throttle, _clock) = throttle(160);
        let limit = limit("test", "1/h", 1);
        for number in 0..10_000 {
            assert!(throttle.attempt(&address(number), &limit).is_ok());
        }
        let kept: usize = throttle.addresses.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert_eq!(kept, 160);
        assert_eq!(throttle.forgotten(), 10_000 - 160);
    }

    #[test]
    fn a_flood_of_addresses_makes_nobody_forget_a_credential_or_the_total() {
        let (throttle, _clock) = throttle(160);
        let limit = limit("test", "1/h", 1);
        let lasting = [Source::Total, Source::Token("a".into()), Source::Certificate("a".into())];
        for source in &lasting {
            assert!(throttle.attempt(source, &limit).is_ok());
        }
        for number in 0..10_000 {
            let _ = throttle.attempt(&address(number), &limit);
        }
        for source in &lasting {
            assert!(throttle.attempt(source, &limit).is_err(), "{source:?}");
        }
    }

    #[test]
    fn one_that_keeps_coming_is_not_forgotten() {
        let (throttle, _clock) = throttle(1_600);
        let limit = limit("test", "1/h", 1);
        assert!(throttle.attempt(&address(0), &limit).is_ok());
        for number in 1..5_000 {
            let _ = throttle.attempt(&address(number), &limit);
            assert!(throttle.attempt(&address(0), &limit).is_err(), "after {number}");
        }
    }

    #[test]
    fn threads_together_get_the_burst_and_no_more() {
        let (throttle, _clock) = throttle(100);
        let limit = limit("test", "1/h", 100);
        let passed: usize = std::thread::scope(|scope| {
            let count = || (0..100).filter(|_| throttle.attempt(&Source::Total, &limit).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 100);
    }

    #[test]
    fn an_ipv6_network_is_one_source_and_a_mapped_address_its_ipv4_one() {
        let source = |text: &str| Source::address(text.parse().unwrap());
        assert_eq!(source("2001:db8:1:2:3::4"), source("2001:db8:1:2:ffff::1"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
