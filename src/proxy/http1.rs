//! HTTP/1.x on one connection: every request head is read here, whole, within one deadline and one size, and only then given to Pingora,
//! whose own reading has a time limit per read only and a fixed size of 1 MiB.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pingora::apps::HttpServerApp as _;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::chunks::ChunkScanner;
use super::connection::Connection;
use super::fence::{Fence, Left};
use super::framing::{BodyLength, HeadProgress, check_head, find_head_end};
use super::listener::Serving;
use super::{answer, identity, observed};
use crate::intake::handler::ProtocolRefusal;

/// What came of waiting for a request.
enum Arrival {
    /// A whole head, what came with it, and how long its body is.
    Head(BytesMut, HeadEnd),
    /// Nothing, or not enough, or nobody is there any more: close without a word.
    Nothing,
    /// To be answered, then closed.
    Refused(ProtocolRefusal),
}

/// Serves requests until one side closes.
pub(super) async fn serve(serving: &Serving, mut stream: Stream, connection: Arc<Connection>, fence: &Fence) {
    let mut is_first = true;
    loop {
        let arrival = await_head(serving, &mut stream, &connection, is_first).await;
        is_first = false;
        let (mut head, end) = match arrival {
            Arrival::Head(head, end) => (head, end),
            Arrival::Nothing => return stream.shutdown().await,
            Arrival::Refused(refusal) => {
                let unread = identity::unread_head(&connection);
                tracing::debug!(peer = %connection.peer, ?refusal, "request head refused");
                let observed = observed::begin_unread(&unread);
                let answer = serving.handler.refuse(&unread, refusal);
                answer::send_unread(&mut stream, &answer, &unread).await;
                return observed.finish(Some(answer.status), None);
            }
        };
        match end.body {
            BodyLength::Exactly(length) => {
                let here = usize::try_from(length).unwrap_or(usize::MAX).min(head.len() - end.bytes);
                let early = head.split_off(end.bytes + here);
                fence.close(Left::Bytes(length - here as u64), &early);
            }
            BodyLength::Chunked => {
                let early = head.split_off(end.bytes);
                fence.close(Left::Chunks(ChunkScanner::default()), &early);
            }
            BodyLength::Unknown => fence.close(Left::All, &[]),
        }
        let mut session = ServerSession::new_http1(stream);
        session.set_pipelined_prefix(head);
        match serving.app.process_new_http(session, &serving.draining).await {
            Some(reusable) => stream = reusable.consume().0,
            None => return,
        }
        fence.open();
    }
}

/// Waits for a request and reads its head. An open connection may idle for the idle deadline; from the first byte on, and on a new
/// connection from the beginning, the head deadline counts for all of the head.
async fn await_head(serving: &Serving, stream: &mut Stream, connection: &Connection, is_first: bool) -> Arrival {
    let generation = connection.listener.load_full();
    let settings = &generation.settings;
    let head_deadline = settings.deadlines.request_head.0;
    let first_deadline = if is_first { head_deadline } else { settings.deadlines.idle.0 };
    let mut bytes = BytesMut::with_capacity(2048);
    let first = tokio::select! {
        biased;
        first = timeout(first_deadline, stream.read_buf(&mut bytes)) => first,
        () = serving.idle_connections_close() => return Arrival::Nothing,
    };
    if !matches!(first, Ok(Ok(1..))) {
        return Arrival::Nothing;
    }
    match timeout(head_deadline, read_rest(stream, &mut bytes, settings.max_head_bytes)).await {
        Ok(Ok(Some(end))) => Arrival::Head(bytes, end),
        Ok(Ok(None)) => Arrival::Nothing,
        Ok(Err(refusal)) => Arrival::Refused(refusal),
        Err(_) => Arrival::Refused(ProtocolRefusal::HeadTimedOut),
    }
}

/// Where a head ends, and what follows it.
struct HeadEnd {
    bytes: usize,
    body: BodyLength,
}

/// Reads until the head is whole and judges it. `None`: the client went away.
async fn read_rest(
    stream: &mut Stream,
    bytes: &mut BytesMut,
    limit: usize,
) -> Result<Option<HeadEnd>, ProtocolRefusal> {
    let mut seen = 0;
    loop {
        // RFC 9112 §2.2: empty lines before the request line are skipped.
        while seen == 0 && bytes.starts_with(b"\r\n") {
            let _ = bytes.split_to(2);
        }
        match find_head_end(bytes, seen)? {
            HeadProgress::Complete(end) if end > limit => return Err(ProtocolRefusal::HeadTooLarge),
            HeadProgress::Complete(end) => {
                return check_head(&bytes[..end]).map(|body| Some(HeadEnd { bytes: end, body }));
            }
            HeadProgress::Partial if bytes.len() > limit => return Err(ProtocolRefusal::HeadTooLarge),
            // The last byte is seen again should it be the carriage return of an empty first line.
            HeadProgress::Partial => seen = if bytes.len() < 2 { 0 } else { bytes.len() },
        }
        match stream.read_buf(bytes).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Ok(None),
        }
    }
}

/// How long a client may take to read one write of ours.
pub(super) const WRITE_DEADLINE: Duration = Duration::from_secs(60);
