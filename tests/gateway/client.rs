//! A client that writes its requests byte by byte and reads what comes.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::process::PATIENCE;

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header that stands there once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.head.lines().skip(1).filter_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        let first = found.next();
        assert!(found.next().is_none(), "{name} twice in {}", self.head);
        first
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The client that was registered.
    pub fn client_id(&self) -> Option<String> {
        (self.status == 201).then(|| self.json()["client_id"].as_str().unwrap_or_default().to_owned())
    }

    /// The rules that were violated.
    pub fn rules(&self) -> Vec<String> {
        let violations = self.json()["violations"].as_array().cloned().unwrap_or_default();
        violations.iter().map(|violation| violation["rule"].as_str().unwrap().to_owned()).collect()
    }
}

/// A registration as a client sends it.
#[derive(Debug, Clone, Default)]
pub struct Post<'a> {
    pub token: Option<&'a str>,
    /// More header lines, each with its end.
    pub headers: String,
    pub body: &'a [u8],
}

impl Post<'_> {
    /// The bytes of the request.
    pub fn bytes(&self) -> Vec<u8> {
        let authorization = self.token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let (headers, length) = (&self.headers, self.body.len());
        let has_type = headers.to_ascii_lowercase().contains("content-type:");
        let media_type = if has_type { "" } else { "Content-Type: application/json\r\n" };
        let head = format!(
            "POST /register HTTP/1.1\r\nHost: sso.example.com\r\n{media_type}{authorization}{headers}Content-Length: {length}\r\n\r\n"
        );
        [head.as_bytes(), self.body].concat()
    }
}

/// Sends a registration on a fresh connection.
pub async fn register(gateway: SocketAddr, token: Option<&str>, body: &Value) -> Answer {
    let body = body.to_string();
    exchange(gateway, &Post { token, body: body.as_bytes(), ..Post::default() }.bytes()).await.expect("an answer")
}

/// Fetches a page.
pub async fn get(address: SocketAddr, path: &str) -> Answer {
    exchange(address, format!("GET {path} HTTP/1.1\r\nHost: sso.example.com\r\n\r\n").as_bytes())
        .await
        .expect("an answer")
}

/// Sends bytes on a fresh connection and reads one answer; none when the other side closes without one.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    exchange_within(PATIENCE, address, request).await.expect("an answer or an end, in time")
}

/// The same; an error when neither an answer nor an end comes in time.
pub async fn exchange_within(
    patience: Duration,
    address: SocketAddr,
    request: &[u8],
) -> Result<Option<Answer>, Elapsed> {
    exchange_on(TcpStream::connect(address).await.unwrap(), patience, request).await
}

/// The same, on a connection to whatever speaks HTTP at its other end.
pub async fn exchange_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    patience: Duration,
    request: &[u8],
) -> Result<Option<Answer>, Elapsed> {
    // A refusal may come, and the connection close, before all was written.
    let _ = stream.write_all(request).await;
    timeout(patience, read_answer(&mut stream, request.starts_with(b"HEAD "))).await
}

/// The same; none also when nobody is there, or the connection breaks.
pub async fn try_exchange(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request).await.ok()?;
    timeout(PATIENCE, read_answer(&mut stream, false)).await.expect("an answer or an end, in time")
}

async fn read_answer(stream: &mut (impl AsyncRead + Unpin), is_head_alone: bool) -> Option<Answer> {
    let mut bytes = Vec::new();
    loop {
        if let Some(answer) = parse(&bytes, is_head_alone) {
            return Some(answer);
        }
        let mut buffer = [0; 16 * 1024];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn parse(bytes: &[u8], is_head_alone: bool) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    if status == 100 {
        return parse(body.as_bytes(), is_head_alone);
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.split("content-length:").nth(1).and_then(|rest| rest.split("\r\n").next()?.trim().parse().ok());
    let length: usize = if is_head_alone { 0 } else { length.unwrap_or(0) };
    let body = body.get(..length)?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
