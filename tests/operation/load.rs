//! Clients that ask on and on: over one connection each, or over a new one each time; pages, registrations, and registrations that are refused.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::{Answer, Post, exchange_on};
use crate::process::PATIENCE;

/// A gateway that goes down closes connections that have had no request for half a second.
const MAY_BE_CLOSED: Duration = Duration::from_millis(300);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// What is forwarded.
    Page,
    /// What goes through the store.
    Registration,
    /// What is judged and goes nowhere.
    Refusal,
}

impl Ask {
    fn request(self) -> Vec<u8> {
        let of = |uri: &str| {
            let body = json!({"client_name": "Orders", "redirect_uris": [uri]}).to_string();
            Post { body: body.as_bytes(), ..Post::default() }.bytes()
        };
        match self {
            Self::Page => b"GET /authorize HTTP/1.1\r\nHost: sso.example.com\r\n\r\n".to_vec(),
            Self::Registration => of("https://app.example.com/callback"),
            Self::Refusal => of("https://evil.example/callback"),
        }
    }

    const fn status(self) -> u16 {
        match self {
            Self::Page => 200,
            Self::Registration => 201,
            Self::Refusal => 400,
        }
    }
}

/// How a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connecting {
    /// Once, and again only after the gateway has said `Connection: close`.
    Keeps,
    /// For each request.
    Anew,
}

/// What has become of all requests.
#[derive(Default)]
pub struct Tally {
    answered: watch::Sender<usize>,
    /// Connections that nobody took.
    pub refused: AtomicUsize,
    /// Connections that were closed by the gateway's word, and made anew.
    pub closed: AtomicUsize,
    /// Requests on a connection that had answered before, and did not answer this one.
    lost: Mutex<Vec<String>>,
    /// Connections that ended without a single octet.
    pub silent: AtomicUsize,
    /// Answers with another status than they should have.
    wrong: Mutex<Vec<String>>,
    /// The clients that were told.
    clients: Mutex<HashSet<String>>,
}

impl Tally {
    pub fn answered(&self) -> usize {
        *self.answered.borrow()
    }

    pub fn clients(&self) -> HashSet<String> {
        self.clients.lock().unwrap().clone()
    }

    /// No request was lost or answered wrongly.
    #[track_caller]
    pub fn is_whole(&self) {
        assert_eq!(*self.lost.lock().unwrap(), [""; 0], "lost");
        assert_eq!(*self.wrong.lock().unwrap(), [""; 0], "answered wrongly");
    }

    fn hear(&self, ask: Ask, answer: &Answer) {
        if answer.status == ask.status() {
            self.clients.lock().unwrap().extend(answer.client_id());
        } else {
            self.wrong.lock().unwrap().push(format!("{ask:?}: {answer:?}"));
        }
        self.answered.send_modify(|answered| *answered += 1);
    }
}

/// Clients at work.
pub struct Load {
    pub tally: Arc<Tally>,
    ends: Arc<AtomicBool>,
    workers: JoinSet<()>,
    pause: Duration,
}

impl Load {
    /// Nobody yet. Each client rests so long between two requests.
    pub fn pausing(pause: Duration) -> Self {
        Self { tally: Arc::default(), ends: Arc::default(), workers: JoinSet::new(), pause }
    }

    /// So many more clients of a kind.
    pub fn add(&mut self, count: usize, (ask, connecting): (Ask, Connecting), gateway: SocketAddr) {
        for _ in 0..count {
            let (tally, ends, pause) = (self.tally.clone(), self.ends.clone(), self.pause);
            self.workers.spawn(work(gateway, (ask, connecting), (tally, ends, pause)));
        }
    }

    /// Some of every kind, as fast as they can.
    pub fn of_all_kinds(gateway: SocketAddr) -> Self {
        let mut load = Self::pausing(Duration::ZERO);
        for connecting in [Connecting::Keeps, Connecting::Anew] {
            for ask in [Ask::Page, Ask::Registration, Ask::Refusal] {
                load.add(2, (ask, connecting), gateway);
            }
        }
        load
    }

    /// Returns once so many more were answered.
    pub async fn until_more(&self, more: usize) {
        let wanted = self.tally.answered() + more;
        let mut answered = self.tally.answered.subscribe();
        let waited = tokio::time::timeout(PATIENCE, answered.wait_for(|count| *count >= wanted)).await;
        assert!(waited.is_ok(), "{} of {wanted} answered", self.tally.answered());
    }

    /// Whether every client still asks.
    pub fn goes_on(&mut self) -> bool {
        self.workers.try_join_next().is_none()
    }

    /// Until all clients have stopped: because they were refused, or by themselves after their last answer.
    pub async fn end(self) -> Arc<Tally> {
        self.ends.store(true, Ordering::Release);
        self.refused().await
    }

    /// Until all clients were refused.
    pub async fn refused(mut self) -> Arc<Tally> {
        let all = async {
            while let Some(ended) = self.workers.join_next().await {
                ended.unwrap();
            }
        };
        assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "clients are still served");
        self.tally
    }
}

async fn work(
    gateway: SocketAddr,
    (ask, connecting): (Ask, Connecting),
    (tally, ends, pause): (Arc<Tally>, Arc<AtomicBool>, Duration),
) {
    let request = ask.request();
    let mut kept: Option<(TcpStream, Instant)> = None;
    while !ends.load(Ordering::Acquire) {
        let idle = kept.as_ref().map(|(_, since)| since.elapsed());
        let mut stream = match kept.take() {
            Some((stream, _)) => stream,
            None => match TcpStream::connect(gateway).await {
                Ok(stream) => stream,
                Err(_) => {
                    tally.refused.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            },
        };
        match exchange_on(&mut stream, PATIENCE, &request).await.expect("an answer or an end, in time") {
            Some(answer) => {
                tally.hear(ask, &answer);
                let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                if closes {
                    tally.closed.fetch_add(1, Ordering::Relaxed);
                } else if connecting == Connecting::Keeps {
                    kept = Some((stream, Instant::now()));
                }
            }
            // A busy machine kept this client from asking for so long that its connection may have been closed as idle.
            None if idle.is_some_and(|idle| idle > MAY_BE_CLOSED && pause.is_zero()) => {
                tally.closed.fetch_add(1, Ordering::Relaxed);
            }
            None if idle.is_some() => tally.lost.lock().unwrap().push(format!("{ask:?}")),
            None => {
                tally.silent.fetch_add(1, Ordering::Relaxed);
            }
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}
