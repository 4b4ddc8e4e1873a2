//! How many forwarded requests are on the way, in all and of each address: what a client does not read is held in memory, up to three quarters
//! of a MiB for each. A request counts until the last piece of its answer has left that memory, which over HTTP/2 is later than its end.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::crowding::{Crowding, Room};

/// How many there may be at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardingLimits {
    /// Of all clients (`authorization_server.max_forwarded_requests`).
    pub in_all: usize,
    /// Of one address (`authorization_server.max_forwarded_requests_per_address`).
    pub per_address: usize,
}

/// The forwarded requests that are on the way. Kept over a reload.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    all: Arc<AtomicUsize>,
    crowding: Arc<Crowding>,
}

/// One of them; it is on the way until the last copy of this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    all: Arc<AtomicUsize>,
    _room: Option<Room>,
}

impl InFlight {
    /// A place for one more, of a client there. `None`: there are as many as there may be. Without an address only those of all clients are counted.
    pub(super) fn enter(&self, client: Option<IpAddr>, limits: ForwardingLimits) -> Option<Arc<Place>> {
        let one_more = |count: usize| (count < limits.in_all).then_some(count + 1);
        self.all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        // From here on dropping it takes it back.
        let mut place = Place { all: self.all.clone(), _room: None };
        if let Some(client) = client {
            place._room = Some(self.crowding.enter(client, limits.per_address)?);
        }
        Some(Arc::new(place))
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Place {
    /// The same bytes; the place is taken as long as they are in memory.
    pub(super) fn keep(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        struct Kept(Bytes, #[allow(dead_code, reason = "what it is for is being dropped")] Arc<Place>);
        impl AsRef<[u8]> for Kept {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        if bytes.is_empty() { bytes } else { Bytes::from_owner(Kept(bytes, self.clone())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ForwardingLimits = ForwardingLimits { in_all: 3, per_address: 2 };

    fn client(last: u8) -> Option<IpAddr> {
        Some([192, 0, 2, last].into())
    }

    #[test]
    fn an_address_has_as_many_as_it_may_and_all_together_too() {
        let all = InFlight::default();
        let first = all.enter(client(1), LIMITS).unwrap();
        let _second = all.enter(client(1), LIMITS).unwrap();
        assert!(all.enter(client(1), LIMITS).is_none());
        assert_eq!(all.count(), 2, "who is refused takes no place");
        let _third = all.enter(client(2), LIMITS).unwrap();
        assert!(all.enter(client(3), LIMITS).is_none());
        drop(first);
        assert!(all.enter(client(3), LIMITS).is_some());
        assert_eq!(all.count(), 2);
    }

    #[test]
    fn who_stands_for_many_is_counted_in_all_only() {
        let all = InFlight::default();
        let places: Vec<_> = (0..4).filter_map(|_| all.enter(None, LIMITS)).collect();
        assert_eq!(places.len(), 3);
    }

    #[test]
    fn a_place_is_taken_until_the_last_piece_of_the_answer_is_gone() {
        let all = InFlight::default();
        let place = all.enter(client(1), LIMITS).unwrap();
        let mut piece = place.keep(Bytes::from_static(b"an answer"));
        let rest = piece.split_off(3);
        assert_eq!((&piece[..], &rest[..]), (&b"an "[..], &b"answer"[..]));
        drop((place, piece));
        assert_eq!(all.count(), 1);
        drop(rest);
        assert_eq!(all.count(), 0);
    }
}
