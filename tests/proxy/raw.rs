//! Requests written byte by byte.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::PATIENCE;

/// An answer as it came.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends bytes on a fresh connection and reads one answer.
pub async fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> RawAnswer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    read_answer(&mut stream).await
}

/// Reads one answer by its `Content-Length`.
pub async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> RawAnswer {
    timeout(PATIENCE, async {
        let mut bytes = Vec::new();
        loop {
            if let Some(answer) = parsed(&bytes) {
                return answer;
            }
            let mut buffer = [0_u8; 16 * 1024];
            let read = stream.read(&mut buffer).await.expect("an answer, not a reset");
            assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&buffer[..read]);
        }
    })
    .await
    .expect("an answer in time")
}

fn parsed(bytes: &[u8]) -> Option<RawAnswer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let lower = head.to_ascii_lowercase();
    let length: usize =
        lower.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() >= length).then(|| RawAnswer { status, head: head.to_owned(), body: body[..length].to_owned() })
}

/// Waits until the other side has closed; true when not a byte came before.
pub async fn closes_silently(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut rest = Vec::new();
    let outcome = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("closed in time");
    outcome.is_err() || rest.is_empty()
}
