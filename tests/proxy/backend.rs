//! Authorization servers behind the gateway: one that tells what it saw, and ones that misbehave by script.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Answers every request with what it saw; `/download/<n>` with n bytes.
pub async fn mirror() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(reflect);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

async fn reflect(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(bytes) = parts.uri.path().strip_prefix("/download/") {
        let bytes: usize = bytes.parse().unwrap();
        return Response::new(Body::from(vec![b'd'; bytes]));
    }
    let received = axum::body::to_bytes(body, usize::MAX).await;
    let headers: Vec<Value> = parts
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let seen = json!({
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": headers,
        "body_bytes": received.as_ref().map(|body| body.len()).ok(),
        "body": received.ok().filter(|body| body.len() < 1000).map(|body| String::from_utf8_lossy(&body).into_owned()),
    });
    axum::Json(seen).into_response()
}

/// The values of a header in what a mirror saw.
pub fn header_values(seen: &Value, name: &str) -> Vec<String> {
    let headers = seen["headers"].as_array().unwrap();
    headers
        .iter()
        .filter(|header| header[0].as_str() == Some(name))
        .map(|header| header[1].as_str().unwrap().to_owned())
        .collect()
}

/// A server that reads a request's head, writes `answer` as it stands, and closes or keeps the connection.
pub struct Scripted {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    pub requests: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    Close,
    Keep,
    /// Says nothing at all, not even the answer.
    Silence,
}

pub async fn scripted(answer: impl Into<Vec<u8>>, afterwards: Afterwards) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let requests = Arc::new(AtomicUsize::new(0));
    let answer = Arc::new(answer.into());
    let (counted_connections, counted_requests) = (connections.clone(), requests.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted_connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(play(stream, answer.clone(), afterwards, counted_requests.clone()));
        }
    });
    Scripted { address, connections, requests }
}

async fn play(mut stream: TcpStream, answer: Arc<Vec<u8>>, afterwards: Afterwards, requests: Arc<AtomicUsize>) {
    loop {
        if read_request(&mut stream).await.is_none() {
            return;
        }
        requests.fetch_add(1, Ordering::SeqCst);
        if afterwards == Afterwards::Silence {
            std::future::pending::<()>().await;
        }
        if stream.write_all(&answer).await.is_err() || afterwards == Afterwards::Close {
            return;
        }
    }
}

/// A server that answers 413 without reading the body, and closes.
pub async fn hasty() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(async || (http::StatusCode::PAYLOAD_TOO_LARGE, "too large"));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// A head, and as much body as `Content-Length` says.
pub async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok())
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some(bytes);
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// A server that accepts `Upgrade: websocket` and then sends back whatever comes.
pub async fn echo_after_upgrade() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Some(request) = read_request(&mut stream).await else { return };
                let request = String::from_utf8_lossy(&request).to_ascii_lowercase();
                if !request.contains("upgrade: websocket") {
                    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
                    return;
                }
                let accepted = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
                if stream.write_all(accepted).await.is_err() {
                    return;
                }
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
