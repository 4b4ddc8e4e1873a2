//! The requests of `tests/peers/framing/requests.txt`: what the gateway makes of each stands in `docs/framing.md`, beside nginx and Envoy, whom
//! `tests/peers` starts; here the gateway's column is held without them. And requests one behind the other, in order.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::process::PATIENCE;
use crate::upstream::Received;
use crate::world::{BAD, World, connect_from};

const REQUESTS: &str = include_str!("../peers/framing/requests.txt");
const TABLE: &str = include_str!("../../docs/framing.md");

/// Every request by its name. How they are written is told in `tests/peers/driver/framing.py`.
fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let mut entries: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut is_between_groups = true;
    for line in REQUESTS.lines() {
        if line.starts_with("# ") {
            is_between_groups = true;
        } else if let Some(name) = line.strip_prefix("## ") {
            is_between_groups = false;
            entries.push((name, Vec::new()));
        } else if !is_between_groups && !line.starts_with("why: ") {
            entries.last_mut().unwrap().1.push(line);
        }
    }
    entries
        .into_iter()
        .map(|(name, mut lines)| {
            assert_eq!(lines.pop(), Some(""), "an empty line behind {name:?}");
            (name, octets(&lines))
        })
        .collect()
}

fn octets(lines: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        let is_joined = line.ends_with('\\') && !line.ends_with("\\\\");
        let line = if is_joined { &line[..line.len() - 1] } else { line };
        bytes.extend(unescaped(&repeated(line)));
        if !is_joined {
            bytes.extend(b"\r\n");
        }
    }
    bytes
}

/// `{text*N}` is the text N times.
fn repeated(line: &str) -> String {
    let Some((before, rest)) = line.split_once('{') else { return line.to_owned() };
    let Some((inside, after)) = rest.split_once('}') else { return line.to_owned() };
    let (text, times) = inside.rsplit_once('*').unwrap();
    format!("{before}{}{}", text.repeat(times.parse().unwrap()), repeated(after))
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let octet = match character {
            '\\' => match rest.next().unwrap() {
                'r' => b'\r',
                'n' => b'\n',
                't' => b'\t',
                '0' => 0,
                'x' => u8::from_str_radix(&rest.by_ref().take(2).collect::<String>(), 16).unwrap(),
                other => u8::try_from(other).unwrap(),
            },
            plain => u8::try_from(plain).unwrap(),
        };
        bytes.push(octet);
    }
    bytes
}

/// As the table has it.
fn shown(received: &Received) -> String {
    let body = if received.body.is_empty() { String::new() } else { format!(", {} octets", received.body.len()) };
    format!("{} {}{body}", received.method(), received.target())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_that_can_be_read_in_several_ways_becomes_what_the_table_says() {
    let world = World::plain(json!({})).await;
    let memory = world.memory();
    let requests = requests();
    assert!(requests.len() > 150, "{} requests", requests.len());
    let mut arrived = 0;
    for (name, bytes) in &requests {
        let row = TABLE.lines().find(|line| line.starts_with(&format!("| {name} | ")));
        let told = row.unwrap_or_else(|| panic!("docs/framing.md has no {name:?}")).split(" | ").nth(1).unwrap();
        let answer = world.ask(BAD, bytes).await.unwrap_or_else(|| panic!("{name}: no answer"));
        let is_refused = told.parse::<u16>().is_ok();
        arrived += if is_refused { 0 } else { told.split("; ").count() };
        timeout(PATIENCE, world.upstream.until_arrived(arrived)).await.unwrap_or_else(|_| panic!("{name}: {told}"));
        let received: Vec<String> = world.upstream.take().iter().map(shown).collect();
        let seen = if received.is_empty() { answer.status.to_string() } else { received.join("; ") };
        assert_eq!(seen, told, "{name}: {answer:?}");
        assert!(is_refused || answer.status == 200, "{name}: {answer:?}");
    }
    memory.grew_less_than(16, "requests that can be read in several ways");
}

/// What comes behind a request waits, in its order, however much there is of it.
#[tokio::test(flavor = "multi_thread")]
async fn very_many_requests_behind_one_another_are_answered_in_their_order() {
    let world = World::plain(json!({})).await;
    let memory = world.memory();
    let all: Vec<String> = (0..600)
        .map(|number| match number % 3 {
            0 => format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
            1 => format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
            _ => format!(
                "POST /{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            ),
        })
        .collect();
    let stream = connect_from(BAD, world.gateway.address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let written = all.concat();
    let writing = tokio::spawn(async move { write.write_all(written.as_bytes()).await.map(|()| write) });
    let mut answers = 0;
    let mut buffer = vec![0; 64 * 1024];
    let mut rest = String::new();
    while answers < all.len() {
        let count = timeout(PATIENCE, read.read(&mut buffer)).await.expect("in time").unwrap();
        assert_ne!(count, 0, "closed after {answers} answers: {rest}");
        rest.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        while let Some(end) = rest.find("forwarded") {
            let answer: String = rest.drain(..end + "forwarded".len()).collect();
            assert!(answer.starts_with("HTTP/1.1 200"), "the {answers}th: {answer}");
            answers += 1;
        }
    }
    let _open = writing.await.unwrap().unwrap();
    let received: Vec<String> = world.upstream.take().iter().map(shown).collect();
    let expected: Vec<String> = (0..600)
        .map(|number| if number % 3 == 0 { format!("GET /{number}") } else { format!("POST /{number}, 5 octets") })
        .collect();
    // They may go out on several connections, but one is answered before the next one is read.
    assert_eq!(received, expected);
    memory.grew_less_than(8, "requests behind one another");
}
