//! Where the authorization server's name points to. Looked up in the background; a request waits for it only when nothing is known yet.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

/// After this long a name is looked up again.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// The addresses of one host and port.
#[derive(Debug)]
pub(super) struct Addresses {
    host: String,
    port: u16,
    known: ArcSwapOption<Known>,
    is_refreshing: AtomicBool,
    /// Which of the known addresses is used: another one after one could not be reached.
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Known {
    addresses: Vec<SocketAddr>,
    /// `None` for an address that was written as one.
    looked_up: Option<Instant>,
}

impl Addresses {
    /// Nothing is looked up yet.
    pub(super) fn new(host: &str, port: u16) -> Self {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let known = literal.map(|ip| Arc::new(Known { addresses: vec![SocketAddr::new(ip, port)], looked_up: None }));
        Self {
            host: host.to_owned(),
            port,
            known: ArcSwapOption::new(known),
            is_refreshing: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
        }
    }

    /// An address to connect to.
    pub(super) async fn pick(self: &Arc<Self>) -> Result<SocketAddr, String> {
        let known = match self.known.load_full() {
            Some(known) => {
                if known.looked_up.is_some_and(|at| at.elapsed() > FRESH_FOR) {
                    self.refresh_in_background();
                }
                known
            }
            None => self.look_up().await?,
        };
        let turn = self.turn.load(Ordering::Relaxed);
        Ok(known.addresses[turn % known.addresses.len()])
    }

    /// `failed` could not be reached: the next one has its turn, unless somebody else has already seen to it.
    pub(super) fn try_another(&self, failed: SocketAddr) {
        let Some(known) = self.known.load_full() else { return };
        let turn = self.turn.load(Ordering::Relaxed);
        if known.addresses[turn % known.addresses.len()] == failed {
            let _ = self.turn.compare_exchange(turn, turn.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// How many addresses there are to try, as far as is known.
    pub(super) fn count(&self) -> usize {
        self.known.load().as_ref().map_or(1, |known| known.addresses.len())
    }

    async fn look_up(&self) -> Result<Arc<Known>, String> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<SocketAddr> =
            found.map_err(|error| format!("the name {:?} cannot be looked up: {error}", self.host))?.collect();
        if addresses.is_empty() {
            return Err(format!("the name {:?} has no address", self.host));
        }
        let known = Arc::new(Known { addresses, looked_up: Some(Instant::now()) });
        self.known.store(Some(known.clone()));
        Ok(known)
    }

    fn refresh_in_background(self: &Arc<Self>) {
        if self.is_refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let addresses = self.clone();
        tokio::spawn(async move {
            if let Err(error) = addresses.look_up().await {
                tracing::warn!(%error, "still using the addresses of the last look-up");
            }
            addresses.is_refreshing.store(false, Ordering::Release);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Addresses {
        /// As if the name had just been looked up.
        pub(in crate::proxy) fn learn(&self, addresses: Vec<SocketAddr>) {
            self.known.store(Some(Arc::new(Known { addresses, looked_up: None })));
        }
    }

    #[tokio::test]
    async fn an_address_written_as_one_is_never_looked_up() {
        for (host, expected) in [("127.0.0.1", "127.0.0.1:80"), ("[::1]", "[::1]:80")] {
            let addresses = Arc::new(Addresses::new(host, 80));
            assert_eq!(addresses.pick().await, Ok(expected.parse().unwrap()));
        }
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_reached_is_passed_over_once() {
        let addresses = Arc::new(Addresses::new("two.example", 80));
        let [first, second] = ["192.0.2.1:80", "192.0.2.2:80"].map(|text| text.parse().unwrap());
        addresses.learn(vec![first, second]);
        addresses.try_another(first);
        addresses.try_another(first);
        assert_eq!(addresses.pick().await, Ok(second));
        addresses.try_another(second);
        assert_eq!(addresses.pick().await, Ok(first));
    }
}
