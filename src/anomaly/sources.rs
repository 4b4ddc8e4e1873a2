//! A bounded memory of sources: past its capacity the one that was not seen for longest is forgotten. Names are kept as hashes,
//! so that one entry takes the same room whatever an attacker writes.

use std::hash::{BuildHasher as _, DefaultHasher, Hash, Hasher, RandomState};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::LazyLock;

use lru::LruCache;

/// What is remembered of each source.
pub(super) struct Sources<V>(LruCache<u64, V>);

impl<V> Sources<V> {
    /// Remembers at most so many.
    pub(super) fn new(most: NonZeroU32) -> Self {
        let most = NonZeroUsize::try_from(most).unwrap_or(NonZeroUsize::MIN);
        // Takes room as it fills; `LruCache::new` would take all of it now.
        let mut sources = LruCache::unbounded();
        sources.resize(most);
        Self(sources)
    }

    /// What is remembered of this one, made now where nothing is.
    pub(super) fn of(&mut self, key: u64, make: impl FnOnce() -> V) -> &mut V {
        self.0.get_or_insert_mut(key, make)
    }

    /// What is remembered of this one.
    pub(super) fn find(&mut self, key: u64) -> Option<&mut V> {
        self.0.get_mut(&key)
    }

    /// Forgets this one, and returns what was remembered of it.
    pub(super) fn forget(&mut self, key: u64) -> Option<V> {
        self.0.pop(&key)
    }

    /// Remembers this of it.
    pub(super) fn put(&mut self, key: u64, value: V) {
        self.0.push(key, value);
    }
}

/// What somebody presented, as detectors are told of it: the same for the same thing, in one process. Nobody outside can say what it
/// will be, and so choose guesses that count as one (`distinct`).
pub fn hash_of(thing: &(impl Hash + ?Sized)) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one(thing)
}

/// The same for the same thing, always: detectors find the same in the same observations. Never written anywhere.
pub(super) fn hash(thing: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_that_was_not_seen_for_longest_is_forgotten() {
        let mut sources = Sources::new(NonZeroU32::new(2).unwrap());
        for key in [1, 2, 1, 3] {
            *sources.of(key, || 0) += 1;
        }
        assert_eq!(sources.find(1), Some(&mut 2));
        assert_eq!(sources.find(2), None);
        assert_eq!(sources.find(3), Some(&mut 1));
    }

    #[test]
    fn what_is_presented_has_a_hash_that_nobody_can_foresee() {
        assert_eq!(hash_of(b"Bearer a"), hash_of(b"Bearer a"));
        assert_ne!(hash_of(b"Bearer a"), hash(b"Bearer a"));
    }
}
