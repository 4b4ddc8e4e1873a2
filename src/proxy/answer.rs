//! Writes an answer of the handler to a client, and sees to it that the client can read it before the connection closes.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::clock::{Clock as _, SystemClock};
use crate::intake::handler::{Answer, Head};

/// Names the request in every answer of the gateway.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A client that sends everything before it reads would get a reset instead of the answer when we close with bytes unread
/// (measured: 23 of 30). So they are read and thrown away, this many and this long at most.
/// HTTP/2 has a reset that says "the answer is whole, stop sending" (RFC 9113 §8.1), which ends a stream that goes on after that; curl 7.88 takes it
/// for a failure when it comes while it sends, and loses the answer.
const LINGER_BYTES: usize = 32 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Sends `answer`. The body of the request may be unread: [`linger`] comes last.
pub(super) async fn send(session: &mut ServerSession, answer: Answer, head: &Head) -> Result<()> {
    let header = response_header(&answer, head)?;
    let body = if head.method == http::Method::HEAD { Bytes::new() } else { answer.body };
    session.write_response_header(Box::new(header)).await?;
    session.write_response_body(body, true).await
}

/// After a whole answer: what the client still sends is thrown away, within bounds. More than that costs the connection, or the stream in HTTP/2.
pub(super) async fn linger(session: &mut ServerSession) {
    if session.is_body_done() {
        return;
    }
    let _ = tokio::time::timeout(LINGER_TIME, async {
        // The end of a forwarded answer may still wait to be written.
        session.finish_body().await?;
        let mut thrown_away = 0;
        while let Some(bytes) = session.read_request_body().await? {
            thrown_away += bytes.len();
            if thrown_away > LINGER_BYTES {
                break;
            }
        }
        Result::<()>::Ok(())
    })
    .await;
}

fn response_header(answer: &Answer, head: &Head) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build_no_case(answer.status, Some(answer.headers.len() + 4))?;
    for (name, value) in &answer.headers {
        if !matches!(*name, CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION | DATE) {
            header.append_header(name.clone(), value.clone())?;
        }
    }
    if answer.status != http::StatusCode::NO_CONTENT {
        header.insert_header(CONTENT_LENGTH, answer.body.len())?;
    }
    header.insert_header(REQUEST_ID, head.request_id.as_str())?;
    Ok(header)
}

/// Sends `answer` where there is no session, because the head could not be read, and closes.
pub(super) async fn send_unread<S>(stream: &mut S, answer: &Answer, head: &Head)
where
    S: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let text = serialize(answer, head);
    let _ = tokio::time::timeout(LINGER_TIME, async {
        stream.write_all(&text).await?;
        stream.flush().await?;
        stream.shutdown().await?;
        let mut buffer = [0_u8; 8192];
        let mut thrown_away = 0;
        while thrown_away <= LINGER_BYTES {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => thrown_away += read,
            }
        }
        std::io::Result::Ok(())
    })
    .await;
}

fn serialize(answer: &Answer, head: &Head) -> Vec<u8> {
    let reason = answer.status.canonical_reason().unwrap_or("");
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", answer.status.as_u16()).into_bytes();
    let own = [
        (CONTENT_LENGTH, answer.body.len().to_string()),
        (CONNECTION, "close".to_owned()),
        (DATE, http_date()),
        (REQUEST_ID, head.request_id.clone()),
    ];
    for (name, value) in &answer.headers {
        if !own.iter().any(|(own, _)| own == name) {
            write_line(&mut text, name.as_str(), value.as_bytes());
        }
    }
    for (name, value) in &own {
        write_line(&mut text, name.as_str(), value.as_bytes());
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(&answer.body);
    text
}

fn write_line(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

/// The present time as RFC 9110 §5.6.7 writes it.
fn http_date() -> String {
    let seconds = u64::try_from(SystemClock.now().unix_seconds()).unwrap_or_default();
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}
