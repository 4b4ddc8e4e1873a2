//! The authorization server behind the gateway, on bare sockets: tells exactly what it received, answers as an RFC 7591 server
//! or with whatever it is told to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What no client may ever see: the server's own registration access token, and the name of its machine.
pub const SECRET: &str = "the-servers-own-registration-access-token";
pub const INSIDE: &str = "auth-7f9c.internal";

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub head: String,
    pub body: Vec<u8>,
}

impl Received {
    /// The path and the query.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// The body, read leniently: what it means to a server that has an ordinary parser.
    pub fn json(&self) -> Map<String, Value> {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Everything there is, for searching in it.
    pub fn text(&self) -> String {
        format!("{}{}", self.head, String::from_utf8_lossy(&self.body))
    }
}

/// How it answers.
#[derive(Debug, Clone)]
pub enum Mood {
    /// As RFC 7591 says.
    Well,
    /// With these bytes, then closes.
    Bytes(Vec<u8>),
    /// Not at all: reads and waits.
    Silent,
    /// As RFC 7591 says, once it is let.
    Held(watch::Receiver<bool>),
    /// As RFC 7591 says; metadata at this path alone, and this elsewhere below `/.well-known/`.
    MetadataAt(&'static str, Vec<u8>),
}

/// The server.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    mood: Arc<Mutex<Mood>>,
    /// How many clients it has.
    registered: Arc<AtomicUsize>,
    arrived: watch::Receiver<usize>,
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (arrive, arrived) = watch::channel(0);
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
            mood: Arc::new(Mutex::new(Mood::Well)),
            registered: Arc::default(),
            arrived,
        };
        let (serving, arrive) = (upstream.clone(), Arc::new(arrive));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream, arrive.clone()));
            }
        });
        upstream
    }

    pub fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// What arrived since the last call; the gateway's own questions for metadata apart.
    pub fn take(&self) -> Vec<Received> {
        let mut received = std::mem::take(&mut *self.received.lock().unwrap());
        received.retain(|request| !request.target().contains("/.well-known/"));
        received
    }

    /// Returns once a registration has arrived, and been read.
    pub async fn until_a_registration(&self) {
        self.until_arrived(1).await;
    }

    /// Returns once so many requests have arrived since the start, and been read.
    pub async fn until_arrived(&self, wanted: usize) {
        self.arrived.clone().wait_for(|count| *count >= wanted).await.unwrap();
    }

    async fn serve(self, mut stream: TcpStream, arrive: Arc<watch::Sender<usize>>) {
        let mut bytes = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut bytes).await {
            let is_discovery = request.target().contains("/.well-known/");
            let mood = self.mood.lock().unwrap().clone();
            let answer = match &mood {
                Mood::MetadataAt(path, elsewhere) if is_discovery && request.target() != *path => elsewhere.clone(),
                _ if is_discovery => discovery(),
                _ => answer(&request, &self.registered),
            };
            self.received.lock().unwrap().push(request);
            if !is_discovery {
                arrive.send_modify(|count| *count += 1);
            }
            match mood {
                _ if is_discovery => {}
                Mood::Well | Mood::MetadataAt(..) => {}
                Mood::Bytes(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    return;
                }
                Mood::Silent => std::future::pending().await,
                Mood::Held(mut held) => {
                    let _ = held.wait_for(|let_go| *let_go).await;
                }
            }
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

/// One answer with this status line and body.
pub fn http(status: &str, media_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

pub fn discovery() -> Vec<u8> {
    let metadata = json!({
        "issuer": "https://sso.example.com",
        "authorization_endpoint": "https://sso.example.com/authorize",
        "token_endpoint": "https://sso.example.com/token",
        "registration_endpoint": format!("http://{INSIDE}:9000/register"),
        "response_types_supported": ["code"],
    });
    http("200 OK", "application/json", metadata.to_string())
}

/// RFC 7591 §3.2.1, with all the bad habits of real servers: nulls, empty texts, a secret for public clients, inside names.
fn answer(request: &Received, registered: &AtomicUsize) -> Vec<u8> {
    if request.method() != "POST" || request.target() != "/register" {
        return http("200 OK", "text/plain", "forwarded");
    }
    let Ok(mut members) = serde_json::from_slice::<Map<String, Value>>(&request.body) else {
        return http("400 Bad Request", "application/json", r#"{"error":"invalid_client_metadata"}"#);
    };
    let client_id = format!("client-{}", registered.fetch_add(1, Ordering::SeqCst) + 1);
    for (member, value) in [
        ("client_id", json!(client_id)),
        ("client_id_issued_at", json!(1_760_000_000)),
        ("client_secret", json!("a-secret-for-the-client")),
        ("registration_access_token", json!(SECRET)),
        ("registration_client_uri", json!(format!("http://{INSIDE}:9000/register/{client_id}"))),
    ] {
        members.insert(member.to_owned(), value);
    }
    for member in ["contacts", "tos_uri", "policy_uri"] {
        members.entry(member).or_insert(Value::Null);
    }
    members.entry("client_uri").or_insert_with(|| json!(""));
    http("201 Created", "application/json", Value::Object(members).to_string())
}

/// The next request on the connection; what came after it stays in `bytes`.
pub async fn read_request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Received> {
    loop {
        if let Some(request) = parse(bytes) {
            return Some(request);
        }
        let mut buffer = [0; 16 * 1024];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn parse(bytes: &mut Vec<u8>) -> Option<Received> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let lower = head.to_ascii_lowercase();
    let (body, taken) = if lower.contains("\r\ntransfer-encoding: chunked") {
        unchunk(&bytes[end..])?
    } else {
        let length =
            lower.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let length = length.unwrap_or(0);
        (bytes.get(end..end + length)?.to_vec(), length)
    };
    bytes.drain(..end + taken);
    Some(Received { head, body })
}

fn unchunk(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line_end = at + bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..line_end]).ok()?, 16).ok()?;
        let data = line_end + 2;
        body.extend_from_slice(bytes.get(data..data + size)?);
        at = data + size + 2;
        if size == 0 {
            return (bytes.len() >= at).then_some((body, at));
        }
    }
}
