//! An authorization server that says yes: a 201 to everything, as cheaply as it can be said, with another `client_id` each time.

use std::net::SocketAddr;
use std::ops::Range;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The path of the redirect URI ends with a number of ten digits after this.
pub const BEFORE_THE_NUMBER: &str = "/callback/";

/// Where the number is in a request.
pub fn number_in(request: &[u8]) -> Option<Range<usize>> {
    let before = BEFORE_THE_NUMBER.as_bytes();
    let start = request.windows(before.len()).position(|bytes| bytes == before)? + before.len();
    Some(start..start + 10)
}

const REGISTERED: &str = r#"{"client_id":"6d1e3c0a-5f6b-4a43-9e0e-{number}","client_id_issued_at":1767225600,"client_name":"Claude Code (gate-probe)","redirect_uris":["http://localhost:3118/callback/{number}"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}"#;

/// Runs until the process ends.
pub async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let head = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n";
    let mut received = Vec::with_capacity(8192);
    loop {
        match message_length(&received) {
            Some(length) => {
                // Without one it is the gateway, which asks for the metadata of the server.
                let number = number_in(&received[..length]).map_or(&b"0"[..], |number| &received[number]);
                let body = REGISTERED.replace("{number}", std::str::from_utf8(number).expect("digits"));
                let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                received.drain(..length);
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            None => match stream.read_buf(&mut received).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            },
        }
    }
}

/// The length of the first whole message with a `Content-Length`, or without a body, in `bytes`.
pub fn message_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).expect("an ASCII head");
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().expect("a length"))
    });
    let whole = head + length.unwrap_or(0);
    (bytes.len() >= whole).then_some(whole)
}
