//! Clients that take their time: with the handshake, the head, the body, and with reading what they asked for. Many at once, and the
//! good client beside them.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::frames::{END_HEADERS, END_STREAM, HEADERS, Http2, SETTINGS, WINDOW_UPDATE, frame, request_fields};
use crate::measured;
use crate::process::PATIENCE;
use crate::upstream::{Mood, http};
use crate::world::{BAD, GOOD, Setting, World, connect_from};

/// How many come at once.
const CROWD: usize = 400;

/// Deadlines that a test can wait for, and that the good client keeps easily on a busy machine.
fn deadlines() -> serde_json::Value {
    json!({ "deadlines": { "tls_handshake": "3s", "request_head": "3s", "body": "3s", "idle": "3s" } })
}

/// Writes one octet after the other until the other side closes; what it said.
async fn drip(stream: TcpStream, octets: Vec<u8>) -> String {
    let (mut read, mut write) = stream.into_split();
    let dripping = tokio::spawn(async move {
        let mut tick = interval(Duration::from_millis(100));
        for octet in octets.iter().cycle() {
            tick.tick().await;
            if write.write_all(&[*octet]).await.is_err() {
                break;
            }
        }
    });
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, read.read_to_end(&mut said)).await.expect("closed in time");
    dripping.abort();
    String::from_utf8_lossy(&said).into_owned()
}

/// Many connections that begin with `first` and go on with `octets`, one at a time; what each was told at last.
async fn crowd(world: &World, first: &[u8], octets: &[u8]) -> Vec<String> {
    let mut all = JoinSet::new();
    for _ in 0..CROWD {
        let mut stream = connect_from(BAD, world.gateway.address).await.unwrap();
        stream.write_all(first).await.unwrap();
        all.spawn(drip(stream, octets.to_vec()));
    }
    world.a_good_client_registers().await;
    all.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_end_are_cut_off() {
    let world = World::tls(deadlines()).await;
    let memory = world.memory();
    // The head of a record that says it holds 16 KiB of a handshake.
    let told = crowd(&world, &[0x16, 0x03, 0x01, 0x40, 0x00, 0x01, 0x00, 0x3f, 0xfc], &[3]).await;
    assert_eq!(told.len(), CROWD);
    assert!(told.iter().all(|said| !said.contains("HTTP")), "{told:?}");
    world.a_good_client_registers().await;
    memory.grew_less_than(48, "slow handshakes");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_never_end_are_answered_408() {
    let world = World::plain(deadlines()).await;
    let memory = world.memory();
    let told = crowd(&world, b"POST /register HTTP/1.1\r\nHost: a\r\nX: ", b"a").await;
    assert!(told.iter().all(|said| said.starts_with("HTTP/1.1 408")), "{:?}", told[0]);
    world.a_good_client_registers().await;
    memory.grew_less_than(32, "slow heads");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_end_are_answered_408() {
    let world = World::plain(deadlines()).await;
    let memory = world.memory();
    let registration = String::from_utf8(world.registration()).unwrap();
    let (head, _) = registration.split_once("Content-Length").unwrap();
    for length in ["Content-Length: 60000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\nea60\r\n{"] {
        let told = crowd(&world, format!("{head}{length}").as_bytes(), b" ").await;
        assert!(told.iter().all(|said| said.starts_with("HTTP/1.1 408")), "{length}: {:?}", told[0]);
    }
    world.a_good_client_registers().await;
    // The announced lengths alone would be 24 MiB more.
    memory.grew_less_than(40, "slow bodies");
}

/// Chunks of one octet each, as fast as they go: the size of the framing counts, not only that of the body.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_the_smallest_chunks_costs_no_more_than_its_size() {
    let world = World::plain(json!({ "deadlines": { "body": "20s" } })).await;
    let memory = world.memory();
    let registration = String::from_utf8(world.registration()).unwrap();
    let (head, body) = registration.split_once("Content-Length").unwrap();
    let body = body.split_once("\r\n\r\n").unwrap().1;
    let chunked: String = body.chars().map(|octet| format!("1\r\n{octet}\r\n")).collect();
    let whole = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunked}0\r\n\r\n");
    assert_eq!(world.ask(BAD, whole.as_bytes()).await.unwrap().status, 201);
    let endless = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", "1\r\n \r\n".repeat(70_000));
    assert_eq!(world.ask(BAD, endless.as_bytes()).await.unwrap().status, 413);
    let long_size = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", "0".repeat(1 << 20));
    let answer = world.ask(BAD, long_size.as_bytes()).await;
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 400 || answer.status == 413), "{answer:?}");
    let long_extension = format!("{head}Transfer-Encoding: chunked\r\n\r\n1;{}", "a".repeat(1 << 20));
    let answer = world.ask(BAD, long_extension.as_bytes()).await;
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 400 || answer.status == 413), "{answer:?}");
    world.a_good_client_registers().await;
    memory.grew_less_than(16, "small chunks");
}

/// A page larger than what the system's own queues hold on its way.
fn page() -> Vec<u8> {
    http("200 OK", "text/html", "a".repeat(8 << 20))
}

/// Whoever does not read what was asked for is waited for, at the price of what lies in between.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_are_not_kept_in_memory() {
    let world = World::plain(deadlines()).await;
    world.upstream.set(Mood::Bytes(page()));
    let memory = world.memory();
    let mut readers = Vec::new();
    for _ in 0..40 {
        let mut stream = connect_from(BAD, world.gateway.address).await.unwrap();
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: sso.example.com\r\n\r\n").await.unwrap();
        // The beginning has come, the rest stands in the queues.
        let mut beginning = [0; 1024];
        timeout(PATIENCE, stream.read_exact(&mut beginning)).await.expect("in time").unwrap();
        assert!(beginning.starts_with(b"HTTP/1.1 200"));
        readers.push(stream);
    }
    world.upstream.set(Mood::Well);
    world.a_good_client_registers().await;
    measured::rests(world.gateway.pid()).await;
    // 320 MiB were asked for; what Pingora reads ahead is less than a MiB for each.
    memory.grew_less_than(64, "slow readers");
    drop(readers);
    world.a_good_client_registers().await;
}

/// The same over HTTP/2, with windows that let everything be sent: as many as one connection may have open.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_are_not_kept_in_memory_over_http_2_either() {
    let world = World::tls(deadlines()).await;
    world.upstream.set(Mood::Bytes(page()));
    let memory = world.memory();
    let _attacker = deaf_reader(&world).await;
    timeout(PATIENCE, world.upstream.until_arrived(64)).await.expect("all arrive");
    world.upstream.set(Mood::Well);
    world.a_good_client_registers().await;
    measured::rests(world.gateway.pid()).await;
    // 512 MiB were asked for; for each there is what Pingora reads ahead, and what HTTP/2 keeps to be sent.
    memory.grew_less_than(64, "slow readers of HTTP/2");
}

/// A connection of HTTP/2 with windows that let everything be sent, and as many requests as it may have open; nobody reads the answers.
async fn deaf_reader(world: &World) -> Http2 {
    let mut attacker = Http2::open_deaf(world).await;
    let windows = [
        frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]),
        frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes()),
    ];
    assert!(attacker.send(&windows.concat()).await);
    ask_64_times(&mut attacker, 1).await;
    attacker
}

async fn ask_64_times(attacker: &mut Http2, first: u32) {
    let block = request_fields("GET", "/large");
    let streams = (first..).step_by(2).take(64);
    let requests = streams.flat_map(|stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
    assert!(attacker.send(&requests.collect::<Vec<u8>>()).await);
}

/// The same on as many connections as it takes: what one address has on the way has an end, and what is over it holds nothing.
#[tokio::test(flavor = "multi_thread")]
async fn no_address_has_more_answers_in_memory_than_it_may_have_requests_on_the_way() {
    let server = "  max_forwarded_requests: 48\n  max_forwarded_requests_per_address: 32\n";
    let world = World::start_tls(Setting { listener: deadlines(), server, ..Setting::default() }).await;
    world.upstream.set(Mood::Bytes(page()));
    let memory = world.memory();
    let mut attackers = Vec::new();
    for _ in 0..8 {
        attackers.push(deaf_reader(&world).await);
    }
    timeout(PATIENCE, world.upstream.until_arrived(32)).await.expect("as many arrive as may");
    measured::rests(world.gateway.pid()).await;
    assert_eq!(world.upstream.take().len(), 32, "512 were asked for");
    assert_eq!(world.metric("dcr_forwarded").await, 32);
    world.upstream.set(Mood::Well);
    let request = b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let refused = world.ask(BAD, request).await.expect("an answer");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:?}");
    assert_eq!(world.ask(GOOD, request).await.expect("an answer").status, 200, "whoever comes from elsewhere");
    world.a_good_client_registers().await;
    memory.grew_less_than(40, "slow readers of HTTP/2 on many connections");
    drop(attackers);
    world.is_alone().await;
    assert_eq!(world.metric("dcr_forwarded").await, 0);
    assert_eq!(world.ask(BAD, request).await.expect("an answer").status, 200);
}

/// What is answered whole, and waits to be read, is on the way too: the next requests of the same address are not let in on top of it.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_whole_count_until_they_have_left() {
    let server = "  max_forwarded_requests_per_address: 32\n";
    let world = World::start_tls(Setting { listener: deadlines(), server, ..Setting::default() }).await;
    // Less than what HTTP/2 keeps to be sent, so that Pingora is done with it.
    world.upstream.set(Mood::Bytes(http("200 OK", "text/html", "a".repeat(60 << 10))));
    let mut attacker = deaf_reader(&world).await;
    // The system's queues take the first of them, some MiB.
    for asked in 1..20 {
        measured::rests(world.gateway.pid()).await;
        if world.metric("dcr_forwarded").await == 32 {
            break;
        }
        ask_64_times(&mut attacker, 1 + asked * 128).await;
    }
    assert_eq!(world.metric("dcr_forwarded").await, 32);
    world.upstream.set(Mood::Well);
    let request = b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(world.ask(BAD, request).await.expect("an answer").status, 503);
    drop(attacker);
    world.is_alone().await;
    assert_eq!(world.ask(BAD, request).await.expect("an answer").status, 200);
}
