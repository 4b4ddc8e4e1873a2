//! HTTP/2 as it is used against servers: resets, floods of small frames, bombs in the compression of headers, frames that break the rules.

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, Http2, LARGEST_FRAME, PADDED, PING,
    PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, field, frame, framed_as, integer, registration_fields,
    request_fields,
};
use crate::process::PATIENCE;
use crate::upstream::Mood;
use crate::world::{BAD, World, connect_from, orders};

/// The streams that one connection may have open (`src/proxy/http2.rs`).
const STREAMS: usize = 64;

/// A request to register on a stream, whole.
fn registration(world: &World, stream: u32) -> Vec<u8> {
    let body = orders().to_string();
    let head = frame(HEADERS, END_HEADERS, stream, &registration_fields(&world.token, body.len()));
    [head, frame(DATA, END_STREAM, stream, body.as_bytes())].concat()
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// The numbers of a client's streams.
fn streams() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

/// CVE-2023-44487, the patient form: requests are reset when the server is at work on them, and their places taken by others.
#[tokio::test(flavor = "multi_thread")]
async fn resets_put_no_more_requests_on_the_way_than_one_connection_may_have_open() {
    let world = World::tls(json!({})).await;
    let (let_go, held) = watch::channel(false);
    world.upstream.set(Mood::Held(held));
    let memory = world.memory();
    let mut attacker = Http2::open(&world).await;
    let mut numbers = streams();
    for round in 1..=20 {
        let opened: Vec<u32> = numbers.by_ref().take(STREAMS).collect();
        let requests: Vec<u8> = opened.iter().flat_map(|stream| registration(&world, *stream)).collect();
        let resets: Vec<u8> = opened.iter().flat_map(|stream| reset(*stream)).collect();
        if !attacker.send(&requests).await {
            break;
        }
        tokio::select! {
            () = attacker.closed() => break,
            () = world.upstream.until_arrived(round * STREAMS) => {}
            // Some of them are waiting, as they should.
            () = tokio::time::sleep(std::time::Duration::from_millis(500)), if round > 1 => {}
        }
        if !attacker.send(&resets).await {
            break;
        }
    }
    let on_the_way = world.upstream.take().len();
    assert!(on_the_way <= STREAMS, "{on_the_way} requests are on the way for one connection");
    assert!(on_the_way > 0, "none arrived: this was no attack");
    timeout(PATIENCE, attacker.closed()).await.expect("the connection is closed");
    assert_eq!(attacker.heard().goaway, Some(ENHANCE_YOUR_CALM), "{:?}", attacker.heard());
    let_go.send(true).unwrap();
    world.upstream.set(Mood::Well);
    world.a_good_client_registers().await;
    memory.grew_less_than(32, "resets of requests that are on the way");
}

/// The same, as it was first seen: a reset right behind each request.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_and_resets_ends_the_connection() {
    let world = World::tls(json!({})).await;
    let memory = world.memory();
    for _ in 0..20 {
        let mut attacker = Http2::open(&world).await;
        for stream in streams().take(2000) {
            if !attacker.send(&[registration(&world, stream), reset(stream)].concat()).await {
                break;
            }
        }
        timeout(PATIENCE, attacker.closed()).await.expect("the connection is closed");
        assert_eq!(attacker.heard().goaway, Some(ENHANCE_YOUR_CALM), "{:?}", attacker.heard());
    }
    world.a_good_client_registers().await;
    memory.grew_less_than(32, "a flood of requests and resets");
}

/// Frames that are allowed, or nearly, in numbers that mean harm: none may cost memory, whether the connection is ended or goes on.
#[tokio::test(flavor = "multi_thread")]
async fn floods_of_small_frames_cost_no_memory_and_nobody_else_notices() {
    let world = World::tls(json!({})).await;
    world.a_good_client_registers().await;
    let memory = world.memory();
    let open = frame(HEADERS, END_HEADERS, 1, &registration_fields(&world.token, 100));
    let half_open = frame(HEADERS, 0, 1, &request_fields("POST", "/register"));
    let settings: Vec<u8> =
        (1_u16..=6).flat_map(|id| [id.to_be_bytes().to_vec(), vec![0, 0, 0x40, 0]].concat()).collect();
    let unknown_settings = vec![0xfe; 6 * 100];
    let fields = field(0, "x-more", &"a".repeat(LARGEST_FRAME - 100));
    let window = [0, 4, 0, 0, 0x7f, 0xff].repeat(100);
    for (attack, before, flood) in [
        ("empty settings", vec![], frame(SETTINGS, 0, 0, &[])),
        ("settings", vec![], frame(SETTINGS, 0, 0, &settings)),
        ("settings that nobody knows", vec![], frame(SETTINGS, 0, 0, &unknown_settings)),
        ("settings that move the window", vec![], frame(SETTINGS, 0, 0, &window)),
        ("pings", vec![], frame(PING, 0, 0, b"01234567")),
        ("answers to pings never sent", vec![], frame(PING, 1, 0, b"01234567")),
        ("empty data", open.clone(), frame(DATA, 0, 1, &[])),
        ("data that is all padding", open.clone(), frame(DATA, PADDED, 1, &[255].repeat(256))),
        ("single octets of data", open.clone(), frame(DATA, 0, 1, b"{")),
        ("empty continuations", half_open.clone(), frame(CONTINUATION, 0, 1, &[])),
        ("continuations without end", half_open, frame(CONTINUATION, 0, 1, &fields)),
        ("priorities of streams that are not open", vec![], frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 16])),
        ("resets of streams that are not open", vec![], reset(1)),
        ("windows", vec![], frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        ("frames of a kind that nobody knows", vec![], frame(0xbb, 0, 0, &[0; 64])),
    ] {
        let mut attacker = Http2::open(&world).await;
        let many = flood.repeat((256 * 1024 / flood.len()).max(1));
        let mut is_open = attacker.send(&before).await;
        // Two MiB of them, or as many as it takes.
        for round in 0..8 {
            is_open = is_open && attacker.send(&many).await;
            if round == 1 {
                world.a_good_client_registers().await;
            }
        }
        println!("{attack}: {}", if is_open && !attacker.is_closed() { "taken" } else { "ended the connection" });
        memory.grew_less_than(32, attack);
    }
    world.a_good_client_registers().await;
}

/// Frames that must be answered, from a client that reads no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_and_never_listens_is_dropped() {
    let world = World::tls(json!({ "deadlines": { "idle": "1s" } })).await;
    let memory = world.memory();
    let mut deaf = Vec::new();
    for flood in [frame(PING, 0, 0, b"01234567"), frame(SETTINGS, 0, 0, &[])] {
        let mut attacker = Http2::open_deaf(&world).await;
        let many = flood.repeat(64 * 1024 / flood.len());
        // Until the gateway has closed, or reads no more, which it does only for so long.
        while attacker.send(&many).await {}
        deaf.push(attacker);
    }
    world.is_alone().await;
    world.a_good_client_registers().await;
    memory.grew_less_than(32, "frames that must be answered, never read");
}

const SIZES: &str = "a table that changes its size again and again";

/// A few octets that stand for many: an entry of the dynamic table, named again and again (CVE-2016-6581).
#[tokio::test(flavor = "multi_thread")]
async fn bombs_in_compressed_headers_are_refused_before_they_are_whole() {
    let world = World::tls(json!({})).await;
    world.a_good_client_registers().await;
    world.upstream.take();
    let memory = world.memory();
    let large = field(0x40, "x-bomb", &"a".repeat(3900));
    let once_more = integer(0x80, 7, 62);
    let named = |times: usize| [request_fields("GET", "/"), large.clone(), once_more.repeat(times)].concat();
    let cookies: Vec<u8> = field(0, "cookie", "a").repeat(1500);
    let sizes = integer(0x20, 5, 4096).repeat(4000);
    for (attack, block) in [
        ("one entry four thousand times", named(4000)),
        ("one entry twelve thousand times", named(12_000)),
        ("very many cookies", [request_fields("GET", "/"), cookies].concat()),
        (SIZES, [sizes, request_fields("GET", "/")].concat()),
        ("a table larger than it may be", [integer(0x20, 5, 1 << 30), request_fields("GET", "/")].concat()),
        ("an integer without end", [request_fields("GET", "/"), vec![0x7f], vec![0xff; 64]].concat()),
        ("an entry that is not there", [request_fields("GET", "/"), integer(0x80, 7, 5000)].concat()),
    ] {
        assert!(block.len() < LARGEST_FRAME, "{attack}");
        for _ in 0..5 {
            let mut attacker = Http2::open(&world).await;
            let bombs: Vec<u8> = streams()
                .take(STREAMS)
                .flat_map(|stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &block))
                .collect();
            attacker.send(&bombs).await;
            // Each is answered, or its stream reset, or the connection closed.
            let answered = async {
                loop {
                    let heard = attacker.heard();
                    let answers = heard.frames.get(&HEADERS).copied().unwrap_or(0) + heard.resets.len();
                    if answers >= STREAMS || heard.goaway.is_some() || attacker.is_closed() {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            };
            timeout(PATIENCE, answered).await.unwrap_or_else(|_| panic!("{attack}: {:?}", attacker.heard()));
        }
        // A size may be told as often as somebody likes (RFC 7541 §4.2): what follows is a request.
        let received = world.upstream.take();
        assert!(received.is_empty() || attack == SIZES, "{attack}: {received:?}");
        memory.grew_less_than(32, attack);
    }
    world.a_good_client_registers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_break_the_rules_end_their_connection_and_nothing_else() {
    let world = World::tls(json!({ "deadlines": { "idle": "2s", "request_head": "2s" } })).await;
    let open = frame(HEADERS, END_HEADERS, 1, &registration_fields(&world.token, 100));
    let memory = world.memory();
    for (what, bytes) in [
        ("a frame larger than allowed", framed_as(LARGEST_FRAME + 1, (DATA, 0, 1), &[0; 100])),
        ("a frame of sixteen megabytes", framed_as((1 << 24) - 1, (HEADERS, 0, 1), &[0; 100])),
        ("settings of five octets", frame(SETTINGS, 0, 0, &[0; 5])),
        ("settings on a stream", frame(SETTINGS, 0, 1, &[])),
        ("settings that acknowledge with content", frame(SETTINGS, 1, 0, &[0; 6])),
        ("a window that is too large", frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff])),
        ("a ping of seven octets", frame(PING, 0, 0, b"0123456")),
        ("a ping on a stream", frame(PING, 0, 3, b"01234567")),
        ("data on no stream", frame(DATA, 0, 0, b"{}")),
        ("data on a stream that is not open", frame(DATA, 0, 5, b"{}")),
        ("headers on no stream", frame(HEADERS, END_HEADERS, 0, &request_fields("GET", "/"))),
        ("headers on a server's stream", frame(HEADERS, END_HEADERS, 2, &request_fields("GET", "/"))),
        ("a push promise", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &[])),
        (
            "something between headers and their end",
            [frame(HEADERS, 0, 1, &request_fields("GET", "/")), frame(PING, 0, 0, b"01234567")].concat(),
        ),
        ("more padding than frame", [open.clone(), frame(DATA, PADDED, 1, &[200, 0, 0])].concat()),
        ("a window that overflows", frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes())),
        ("a window that does not grow", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a reset of no stream", reset(0)),
        ("HTTP/1.1 after all", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
    ] {
        let mut attacker = Http2::open(&world).await;
        attacker.send(&bytes).await;
        timeout(PATIENCE, attacker.closed()).await.unwrap_or_else(|_| panic!("{what}: {:?}", attacker.heard()));
    }
    assert!(world.upstream.take().is_empty(), "none of it was a request");
    world.a_good_client_registers().await;
    memory.grew_less_than(16, "frames that break the rules");
}

/// Field blocks that HTTP/1.1 could not hold, or would read as something else (RFC 9113 §8.2, §8.3, §10.3).
#[tokio::test(flavor = "multi_thread")]
async fn fields_that_would_be_something_else_in_http_1_reach_nobody() {
    let world = World::tls(json!({})).await;
    let request = |fields: &[(&str, &str)]| -> Vec<u8> {
        fields.iter().flat_map(|(name, value)| field(0, name, value)).collect()
    };
    let method = (":method", "GET");
    let (scheme, authority, path) = ((":scheme", "https"), (":authority", "localhost"), (":path", "/x"));
    let with = |more: &[(&str, &str)]| request(&[&[method, scheme, authority, path][..], more].concat());
    for (what, block) in [
        ("a line end in a value", with(&[("x", "a\r\nx-injected: b")])),
        ("a line feed in a value", with(&[("x", "a\nb")])),
        ("a null in a value", with(&[("x", "a\0b")])),
        ("a line end in a name", with(&[("x\r\ny", "b")])),
        ("a colon in a name", with(&[("x:y", "b")])),
        ("a space in a name", with(&[("x y", "b")])),
        ("an upper-case name", with(&[("X-Upper", "b")])),
        ("a name of no characters", with(&[("", "b")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("connection", with(&[("connection", "upgrade")])),
        ("upgrade", with(&[("upgrade", "websocket")])),
        ("te that is not trailers", with(&[("te", "gzip")])),
        ("a length that is not one", with(&[("content-length", "1x")])),
        ("two lengths", with(&[("content-length", "1"), ("content-length", "2")])),
        ("a length without the content", with(&[("content-length", "5")])),
        ("a line end in the path", request(&[method, scheme, authority, (":path", "/x HTTP/1.1\r\nx: y")])),
        ("a space in the path", request(&[method, scheme, authority, (":path", "/x y")])),
        ("no path", request(&[method, scheme, authority])),
        ("an empty path", request(&[method, scheme, authority, (":path", "")])),
        ("an absolute path", request(&[method, scheme, authority, (":path", "https://other/")])),
        ("a line end in the method", request(&[(":method", "GET / HTTP/1.1\r\n"), scheme, authority, path])),
        ("a method twice", request(&[method, method, scheme, authority, path])),
        ("a pseudo-header that is an answer's", with(&[(":status", "200")])),
        ("a pseudo-header that nobody knows", with(&[(":x", "y")])),
        ("a pseudo-header behind a header", request(&[method, scheme, authority, ("x", "y"), path])),
        ("no method", request(&[scheme, authority, path])),
        ("an authority with a user", request(&[method, scheme, (":authority", "a@localhost"), path])),
        ("an authority with a line end", request(&[method, scheme, (":authority", "a\r\nb: c"), path])),
        ("CONNECT", request(&[(":method", "CONNECT"), authority])),
        ("another host beside the authority", with(&[("host", "other.example")])),
    ] {
        let mut attacker = Http2::open(&world).await;
        attacker.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await;
        let answered = async {
            loop {
                let heard = attacker.heard();
                if heard.frames.contains_key(&HEADERS) || !heard.resets.is_empty() || attacker.is_closed() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, answered).await.unwrap_or_else(|_| panic!("{what}: {:?}", attacker.heard()));
        let received = world.upstream.take();
        let is_host = what == "another host beside the authority";
        for request in &received {
            assert!(is_host, "{what} reached the authorization server: {request:?}");
            assert!(!request.head.contains("other.example"), "{what}: {request:?}");
        }
    }
    world.a_good_client_registers().await;
}

/// The preface must come, whole.
#[tokio::test(flavor = "multi_thread")]
async fn prefaces_that_never_come_are_cut_off() {
    let world = World::tls(json!({ "deadlines": { "request_head": "1s" } })).await;
    let memory = world.memory();
    let mut silent = Vec::new();
    for _ in 0..200 {
        let tcp = connect_from(BAD, world.gateway.address).await.unwrap();
        silent.push(world.shake_hands(tcp, b"h2").await.unwrap());
    }
    world.a_good_client_registers().await;
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("closed in time");
    }
    memory.grew_less_than(32, "prefaces that never come");
}
