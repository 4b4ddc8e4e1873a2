//! The load: kept-alive HTTP/1.1 connections that each send one request after another for a given time.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pingora::tls::TlsConnector;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::server::message_length;

/// What is sent, where to, and for how long.
pub struct Load {
    pub address: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
    pub request: Request,
    pub connections: usize,
    pub lasting: Duration,
}

/// A request that is another one each time: the same public client would be handed out again without asking the server.
#[derive(Clone)]
pub struct Request {
    pub bytes: Vec<u8>,
    /// Where in it the number is, of ten digits.
    pub number: Range<usize>,
}

/// Where the numbers are at.
static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Request {
    fn renumber(&mut self) {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.bytes[self.number.clone()].copy_from_slice(format!("{number:010}").as_bytes());
    }
}

/// What came of it.
#[derive(Default)]
pub struct Measured {
    lasted: Duration,
    /// Microseconds, sorted.
    latencies: Vec<u32>,
    /// Of the proxy.
    pub cpu: Duration,
}

impl Measured {
    /// Registrations per second.
    pub fn rate(&self) -> f64 {
        self.count() / self.lasted.as_secs_f64()
    }

    /// The proxy's processor time for one registration, in microseconds.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.count()
    }

    /// In milliseconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let index = (self.latencies.len() * percent / 100).min(self.latencies.len() - 1);
        f64::from(self.latencies[index]) / 1000.0
    }

    fn count(&self) -> f64 {
        f64::from(u32::try_from(self.latencies.len()).expect("not that many"))
    }
}

impl Load {
    /// Opens all connections, then measures. Any answer but 201 ends the run: there is nothing to compare then.
    pub async fn run(self) -> Measured {
        let mut streams = Vec::new();
        for _ in 0..self.connections {
            streams.push(connect(self.address, self.tls.clone()).await);
        }
        let began = Instant::now();
        let until = began + self.lasting;
        let sending = streams.into_iter().map(|stream| tokio::spawn(send_until(stream, self.request.clone(), until)));
        let sending: Vec<_> = sending.collect();
        let mut measured = Measured::default();
        for one in sending {
            measured.latencies.extend(one.await.expect("every answer is 201"));
        }
        measured.lasted = began.elapsed();
        measured.latencies.sort_unstable();
        measured
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Box<dyn Stream> {
    let tcp = TcpStream::connect(address).await.expect("a connection");
    tcp.set_nodelay(true).expect("a socket");
    match tls {
        None => Box::new(tcp),
        Some(config) => {
            let name = ServerName::try_from("localhost").expect("a name");
            Box::new(TlsConnector::from(config).connect(name, tcp).await.expect("a handshake"))
        }
    }
}

async fn send_until(mut stream: Box<dyn Stream>, mut request: Request, until: Instant) -> Vec<u32> {
    let mut latencies = Vec::with_capacity(8192);
    let mut received = Vec::with_capacity(8192);
    loop {
        let began = Instant::now();
        if began >= until {
            return latencies;
        }
        request.renumber();
        stream.write_all(&request.bytes).await.expect("a request sent");
        stream.flush().await.expect("a request sent");
        while message_length(&received).is_none() {
            let read = stream.read_buf(&mut received).await.expect("an answer");
            assert!(read > 0, "closed instead of an answer: {}", String::from_utf8_lossy(&received));
        }
        assert!(received.starts_with(b"HTTP/1.1 201 "), "{}", String::from_utf8_lossy(&received));
        received.clear();
        latencies.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
}
