//! HTTP/2 written frame by frame (RFC 9113 §4, §6), right and wrong ones; header fields as RFC 7541 §6 has them, without compression.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::world::{BAD, Stream, World, connect_from};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

/// `ENHANCE_YOUR_CALM` (RFC 9113 §7): the peer behaves like somebody who wants to do harm.
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// The largest frame that a peer takes without having said otherwise.
pub const LARGEST_FRAME: usize = 16 * 1024;

/// How long one write may wait: a gateway that reads no further has ended the attack by that.
const UNREAD_FOR: Duration = Duration::from_secs(5);

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    framed_as(payload.len(), (kind, flags, stream), payload)
}

/// A frame that says another length than it has.
pub fn framed_as(length: usize, (kind, flags, stream): (u8, u8, u32), payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// An integer with a prefix of so many bits (RFC 7541 §5.1), under what stands in the bits above.
pub fn integer(above: u8, bits: u8, mut value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    if value < most {
        return vec![above | u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![above | u8::try_from(most).unwrap()];
    value -= most;
    while value >= 128 {
        bytes.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// A field that the decoder is told to forget (`first` 0x00) or to keep (`first` 0x40).
pub fn field(first: u8, name: &str, value: &str) -> Vec<u8> {
    let (name, value) = (name.as_bytes(), value.as_bytes());
    [vec![first], integer(0, 7, name.len()), name.to_vec(), integer(0, 7, value.len()), value.to_vec()].concat()
}

/// The fields of a request to register.
pub fn registration_fields(token: &str, length: usize) -> Vec<u8> {
    let (authorization, length) = (format!("Bearer {token}"), length.to_string());
    let more = [
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
        ("content-length", length.as_str()),
    ];
    let more: Vec<u8> = more.into_iter().flat_map(|(name, value)| field(0, name, value)).collect();
    [request_fields("POST", "/register"), more].concat()
}

/// The fields that every request has.
pub fn request_fields(method: &str, path: &str) -> Vec<u8> {
    [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
        .into_iter()
        .flat_map(|(name, value)| field(0, name, value))
        .collect()
}

/// What the gateway has sent on a connection.
#[derive(Debug, Default, Clone)]
pub struct Heard {
    /// How many frames of each kind.
    pub frames: BTreeMap<u8, usize>,
    /// The error code of its `GOAWAY`.
    pub goaway: Option<u32>,
    /// The error codes of its `RST_STREAM`, by stream.
    pub resets: BTreeMap<u32, u32>,
}

/// The reading side of a connection that nobody reads, or what was heard on it and whether it is closed.
type Listening = (Option<ReadHalf<Box<dyn Stream>>>, Arc<Mutex<Heard>>, watch::Receiver<bool>);

/// A connection of an attacker's. Everything the gateway sends is read, unless it is a deaf one.
pub struct Http2 {
    write: WriteHalf<Box<dyn Stream>>,
    /// Kept by a deaf one: dropped, it would close.
    _unread: Option<ReadHalf<Box<dyn Stream>>>,
    heard: Arc<Mutex<Heard>>,
    closed: watch::Receiver<bool>,
}

impl Http2 {
    /// Preface and settings are sent.
    pub async fn open(world: &World) -> Self {
        Self::open_and(world, Self::hearing).await
    }

    /// One that never reads.
    pub async fn open_deaf(world: &World) -> Self {
        Self::open_and(world, |read| {
            let (_, closed) = watch::channel(false);
            (Some(read), Arc::default(), closed)
        })
        .await
    }

    async fn open_and(world: &World, listen: impl FnOnce(ReadHalf<Box<dyn Stream>>) -> Listening) -> Self {
        let tcp = connect_from(BAD, world.gateway.address).await.unwrap();
        let stream: Box<dyn Stream> = Box::new(world.shake_hands(tcp, b"h2").await.unwrap());
        let (read, write) = split(stream);
        let (_unread, heard, closed) = listen(read);
        let mut connection = Self { write, _unread, heard, closed };
        let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat();
        assert!(connection.send(&preface).await);
        connection
    }

    fn hearing(mut read: ReadHalf<Box<dyn Stream>>) -> Listening {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (close, closed) = watch::channel(false);
        let keep = heard.clone();
        tokio::spawn(async move {
            while let Some((kind, stream, payload)) = read_frame(&mut read).await {
                let mut heard = keep.lock().unwrap();
                *heard.frames.entry(kind).or_default() += 1;
                let number = |at: usize| Some(u32::from_be_bytes(payload.get(at..at + 4)?.try_into().ok()?));
                match (kind, number(0), number(4)) {
                    (GOAWAY, _, Some(code)) => heard.goaway = Some(code),
                    (RST_STREAM, Some(code), _) => drop(heard.resets.insert(stream, code)),
                    _ => {}
                }
            }
            let _ = close.send(true);
        });
        (None, heard, closed)
    }

    /// Writes; false when the gateway has closed, or has not read for long.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let writing = async {
            self.write.write_all(bytes).await?;
            self.write.flush().await
        };
        matches!(timeout(UNREAD_FOR, writing).await, Ok(Ok(())))
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }

    /// Whether the gateway has closed.
    pub fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Returns once the gateway has closed.
    pub async fn closed(&self) {
        let _ = self.closed.clone().wait_for(|closed| *closed).await;
    }
}

/// The next frame; none at the end.
async fn read_frame(read: &mut ReadHalf<Box<dyn Stream>>) -> Option<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    read.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).ok()?];
    read.read_exact(&mut payload).await.ok()?;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & (u32::MAX >> 1);
    Some((head[3], stream, payload))
}
