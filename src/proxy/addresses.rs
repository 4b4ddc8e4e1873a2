//! Where the authorization server's name points to. Looked up in the background; a request waits for it only when nothing is known yet.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// After this long a name is looked up again.
const FRESH_FOR: Duration = Duration::from_secs(30);
/// The same once an address could not be reached: the server may have moved. Not at every attempt, for a server that is down for long.
const FRESH_FOR_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// After a look-up that failed nobody looks for this long: while no name server answers there is one in this time, and not one for each request.
const REST: Duration = Duration::from_secs(1);
/// A look-up is given up after this long, as connecting is.
const LOOK_UP_DEADLINE: Duration = Duration::from_secs(5);

/// Who knows what a name stands for.
#[async_trait]
pub(super) trait Resolve: Send + Sync {
    /// All addresses of the host, each with the port.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// As the system does it: its hosts file, its name servers.
struct System;

#[async_trait]
impl Resolve for System {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// The addresses of one host and port.
pub(super) struct Addresses {
    host: String,
    port: u16,
    resolver: Arc<dyn Resolve>,
    known: ArcSwapOption<Known>,
    /// Held while the name is looked up: by one at a time.
    looking: Arc<Mutex<()>>,
    /// The last look-up, where it failed.
    failed: ArcSwapOption<Failed>,
    /// Which of the known addresses is used: another one after one could not be reached.
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Known {
    addresses: Vec<SocketAddr>,
    /// `None` for an address that was written as one.
    looked_up: Option<Instant>,
}

#[derive(Debug)]
struct Failed {
    at: Instant,
    reason: String,
}

impl Known {
    /// Never true of an address that was written as one.
    fn is_older_than(&self, age: Duration) -> bool {
        self.looked_up.is_some_and(|at| at.elapsed() > age)
    }
}

impl Addresses {
    /// Nothing is looked up yet.
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self::known_to(Arc::new(System), host, port)
    }

    fn known_to(resolver: Arc<dyn Resolve>, host: &str, port: u16) -> Self {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let known = literal.map(|ip| Arc::new(Known { addresses: vec![SocketAddr::new(ip, port)], looked_up: None }));
        Self {
            host: host.to_owned(),
            port,
            resolver,
            known: ArcSwapOption::new(known),
            looking: Arc::default(),
            failed: ArcSwapOption::empty(),
            turn: AtomicUsize::new(0),
        }
    }

    /// An address to connect to.
    pub(super) async fn pick(self: &Arc<Self>) -> Result<SocketAddr, String> {
        let known = match self.known.load_full() {
            Some(known) => {
                if known.is_older_than(FRESH_FOR) {
                    self.refresh_in_background();
                }
                known
            }
            None => self.first_known().await?,
        };
        let turn = self.turn.load(Ordering::Relaxed);
        Ok(known.addresses[turn % known.addresses.len()])
    }

    /// `failed` could not be reached: the next one has its turn, unless somebody else has already seen to it. Where the server is now is looked up.
    pub(super) fn try_another(self: &Arc<Self>, failed: SocketAddr) {
        let Some(known) = self.known.load_full() else { return };
        if known.is_older_than(FRESH_FOR_AFTER_FAILURE) {
            self.refresh_in_background();
        }
        let turn = self.turn.load(Ordering::Relaxed);
        if known.addresses[turn % known.addresses.len()] == failed {
            let _ = self.turn.compare_exchange(turn, turn.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// How many addresses there are to try, as far as is known.
    pub(super) fn count(&self) -> usize {
        self.known.load().as_ref().map_or(1, |known| known.addresses.len())
    }

    /// While nothing is known, all wait for one look-up, which goes on whoever of them goes away.
    async fn first_known(self: &Arc<Self>) -> Result<Arc<Known>, String> {
        let turn = self.looking.clone().lock_owned().await;
        if let Some(known) = self.known.load_full() {
            return Ok(known);
        }
        if let Some(reason) = self.failed_lately() {
            return Err(reason);
        }
        let looked_up = tokio::spawn(self.clone().look_up(turn)).await;
        looked_up.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn failed_lately(&self) -> Option<String> {
        let failed = self.failed.load();
        failed.as_ref().filter(|failed| failed.at.elapsed() < REST).map(|failed| failed.reason.clone())
    }

    async fn look_up(self: Arc<Self>, _turn: OwnedMutexGuard<()>) -> Result<Arc<Known>, String> {
        let found = self.find().await.map(|addresses| Arc::new(Known { addresses, looked_up: Some(Instant::now()) }));
        match &found {
            Ok(known) => self.known.store(Some(known.clone())),
            Err(reason) => {
                let reason = reason.clone();
                self.failed.store(Some(Arc::new(Failed { at: Instant::now(), reason })));
            }
        }
        found
    }

    async fn find(&self) -> Result<Vec<SocketAddr>, String> {
        let found = tokio::time::timeout(LOOK_UP_DEADLINE, self.resolver.resolve(&self.host, self.port)).await;
        match found {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(format!("the name {:?} has no address", self.host)),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(format!("the name {:?} cannot be looked up: {error}", self.host)),
            Err(_) => Err(format!("the name {:?} cannot be looked up within {LOOK_UP_DEADLINE:?}", self.host)),
        }
    }

    fn refresh_in_background(self: &Arc<Self>) {
        if self.failed_lately().is_some() {
            return;
        }
        let Ok(turn) = self.looking.clone().try_lock_owned() else { return };
        let addresses = self.clone();
        tokio::spawn(async move {
            if let Err(error) = addresses.look_up(turn).await {
                tracing::warn!(%error, "still using the addresses of the last look-up");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::watch;

    use super::*;

    impl Addresses {
        /// As if the name had just been looked up, for good.
        pub(in crate::proxy) fn learn(&self, addresses: Vec<SocketAddr>) {
            self.known.store(Some(Arc::new(Known { addresses, looked_up: None })));
        }

        /// As if so much time had passed.
        fn age(&self, by: Duration) {
            if let Some(known) = self.known.load_full() {
                let looked_up = known.looked_up.and_then(|at| at.checked_sub(by));
                self.known.store(Some(Arc::new(Known { addresses: known.addresses.clone(), looked_up })));
            }
            if let Some(failed) = self.failed.load_full() {
                let at = failed.at.checked_sub(by).unwrap();
                self.failed.store(Some(Arc::new(Failed { at, reason: failed.reason.clone() })));
            }
        }
    }

    /// A name server that says what it is told to, and counts.
    struct Zone {
        says: Mutex<Option<Vec<SocketAddr>>>,
        asked: watch::Sender<usize>,
    }

    #[async_trait]
    impl Resolve for Zone {
        async fn resolve(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
            let says = self.says.lock().unwrap().clone();
            self.asked.send_modify(|asked| *asked += 1);
            says.ok_or_else(|| io::Error::other("no name server answers"))
        }
    }

    impl Zone {
        fn saying(addresses: &[SocketAddr]) -> Arc<Self> {
            let says = Mutex::new(Some(addresses.to_vec()));
            Arc::new(Self { says, asked: watch::Sender::new(0) })
        }

        fn say(&self, addresses: Option<Vec<SocketAddr>>) {
            *self.says.lock().unwrap() = addresses;
        }

        fn asked(&self) -> usize {
            *self.asked.borrow()
        }
    }

    const NAME: &str = "moves.example";

    fn two() -> [SocketAddr; 2] {
        ["192.0.2.1:80", "192.0.2.2:80"].map(|text| text.parse().unwrap())
    }

    /// Until the look-up in the background has ended.
    async fn refreshed(addresses: &Addresses) {
        drop(addresses.looking.lock().await);
    }

    #[tokio::test]
    async fn an_address_written_as_one_is_never_looked_up() {
        for (host, expected) in [("127.0.0.1", "127.0.0.1:80"), ("[::1]", "[::1]:80")] {
            let zone = Zone::saying(&[]);
            let addresses = Arc::new(Addresses::known_to(zone.clone(), host, 80));
            let expected: SocketAddr = expected.parse().unwrap();
            assert_eq!(addresses.pick().await, Ok(expected));
            addresses.try_another(expected);
            refreshed(&addresses).await;
            assert_eq!((addresses.pick().await, zone.asked()), (Ok(expected), 0));
        }
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_reached_is_passed_over_once() {
        let addresses = Arc::new(Addresses::new("two.example", 80));
        let [first, second] = two();
        addresses.learn(vec![first, second]);
        addresses.try_another(first);
        addresses.try_another(first);
        assert_eq!(addresses.pick().await, Ok(second));
        addresses.try_another(second);
        assert_eq!(addresses.pick().await, Ok(first));
    }

    #[tokio::test]
    async fn a_name_that_changes_is_followed_within_its_time_and_nobody_waits_for_it() {
        let [old, new] = two();
        let zone = Zone::saying(&[old]);
        let addresses = Arc::new(Addresses::known_to(zone.clone(), NAME, 80));
        assert_eq!(addresses.pick().await, Ok(old));
        zone.say(Some(vec![new]));
        addresses.age(FRESH_FOR / 2);
        assert_eq!((addresses.pick().await, zone.asked()), (Ok(old), 1));
        addresses.age(FRESH_FOR);
        assert_eq!(addresses.pick().await, Ok(old), "what is known is used at once");
        refreshed(&addresses).await;
        assert_eq!((addresses.pick().await, zone.asked()), (Ok(new), 2));
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_is_looked_up_at_once_but_not_at_every_attempt() {
        let [old, new] = two();
        let zone = Zone::saying(&[old]);
        let addresses = Arc::new(Addresses::known_to(zone.clone(), NAME, 80));
        assert_eq!(addresses.pick().await, Ok(old));
        zone.say(Some(vec![new]));
        for _ in 0..100 {
            addresses.try_another(old);
            refreshed(&addresses).await;
        }
        assert_eq!(zone.asked(), 1, "it was looked up a moment ago");
        addresses.age(FRESH_FOR_AFTER_FAILURE);
        addresses.try_another(old);
        refreshed(&addresses).await;
        assert_eq!((addresses.pick().await, zone.asked()), (Ok(new), 2));
    }

    #[tokio::test]
    async fn what_is_known_stays_while_no_name_server_answers() {
        let [old, new] = two();
        let zone = Zone::saying(&[old]);
        let addresses = Arc::new(Addresses::known_to(zone.clone(), NAME, 80));
        assert_eq!(addresses.pick().await, Ok(old));
        for (looked, silent) in [None, Some(Vec::new())].into_iter().enumerate() {
            zone.say(silent);
            addresses.age(FRESH_FOR * 2);
            for _ in 0..100 {
                assert_eq!(addresses.pick().await, Ok(old));
                refreshed(&addresses).await;
            }
            assert_eq!(zone.asked(), looked + 2, "not once for each request");
        }
        zone.say(Some(vec![new]));
        addresses.age(REST);
        assert_eq!(addresses.pick().await, Ok(old));
        refreshed(&addresses).await;
        assert_eq!(addresses.pick().await, Ok(new), "it recovers by itself");
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_an_error_until_somebody_does() {
        let [first, _] = two();
        let zone = Zone::saying(&[]);
        let addresses = Arc::new(Addresses::known_to(zone.clone(), NAME, 80));
        for _ in 0..100 {
            let reason = addresses.pick().await.unwrap_err();
            assert!(reason.contains(NAME), "{reason}");
        }
        assert_eq!(zone.asked(), 1, "not once for each request");
        zone.say(Some(vec![first]));
        addresses.age(REST);
        assert_eq!(addresses.pick().await, Ok(first));
    }

    /// A name server that is asked, and does not answer.
    #[derive(Default)]
    struct Silent(AtomicUsize);

    #[async_trait]
    impl Resolve for Silent {
        async fn resolve(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_wait_for_one_look_up_and_not_for_ever() {
        let silent = Arc::new(Silent::default());
        let addresses = Arc::new(Addresses::known_to(silent.clone(), NAME, 80));
        // Whoever came first goes away.
        let gone = tokio::time::timeout(LOOK_UP_DEADLINE / 2, addresses.pick()).await;
        assert!(gone.is_err());
        let (one, other) = tokio::join!(addresses.pick(), addresses.pick());
        for reason in [one.unwrap_err(), other.unwrap_err()] {
            assert!(reason.contains("within 5s"), "{reason}");
        }
        assert_eq!(silent.0.load(Ordering::Relaxed), 1);
    }
}
