//! How many connections each client address has open at one listener, so that nobody takes all of them. Never more entries than connections.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::subscriber;

/// The open connections of every address.
#[derive(Debug, Default)]
pub(super) struct Crowding(Mutex<HashMap<IpAddr, usize>>);

/// The room that one open connection takes; free again when dropped.
#[derive(Debug)]
pub(super) struct Room {
    all: Arc<Crowding>,
    address: IpAddr,
}

impl Crowding {
    /// Room for one more connection from there. `None`: it has `most` already.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr, most: usize) -> Option<Room> {
        let address = subscriber::of(peer);
        let mut open = self.open();
        let count = open.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Room { all: self.clone(), address })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.all.open().entry(self.address) {
            match count.get() {
                0 | 1 => drop(count.remove()),
                _ => *count.get_mut() -= 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(crowding: &Arc<Crowding>, peer: &str) -> Option<Room> {
        crowding.enter(peer.parse().unwrap(), 2)
    }

    #[test]
    fn an_address_has_as_many_as_it_may_and_one_more_for_each_that_ends() {
        let crowding = Arc::default();
        let first = enter(&crowding, "192.0.2.1").unwrap();
        let _second = enter(&crowding, "192.0.2.1").unwrap();
        assert!(enter(&crowding, "192.0.2.1").is_none());
        assert!(enter(&crowding, "::ffff:192.0.2.1").is_none(), "the same one, mapped");
        let _other = enter(&crowding, "192.0.2.2").unwrap();
        drop(first);
        assert!(enter(&crowding, "192.0.2.1").is_some());
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one() {
        let crowding = Arc::default();
        let _rooms = [enter(&crowding, "2001:db8::1").unwrap(), enter(&crowding, "2001:db8::ffff:2").unwrap()];
        assert!(enter(&crowding, "2001:db8:0:0:1::").is_none());
        assert!(enter(&crowding, "2001:db8:0:1::").is_some());
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone() {
        let crowding: Arc<Crowding> = Arc::default();
        let rooms: Vec<Room> = (0..4).filter_map(|_| enter(&crowding, "192.0.2.1")).collect();
        assert_eq!(rooms.len(), 2);
        drop(rooms);
        assert!(crowding.open().is_empty());
    }
}
