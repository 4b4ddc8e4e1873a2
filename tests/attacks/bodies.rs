//! Bodies that mean to be more than they look: compressed, huge, deep, wide, and repeated until somebody runs out of memory.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::client::Post;
use crate::process::PATIENCE;
use crate::world::{BAD, World, connect_from};

/// How often each is sent.
const TIMES: usize = 50;

/// The head of a registration, its end left out.
fn head(world: &World, more: &str) -> Vec<u8> {
    let head = Post { token: Some(&world.token), headers: more.to_owned(), ..Post::default() }.bytes();
    let head = String::from_utf8(head).unwrap();
    head.split_once("Content-Length").unwrap().0.as_bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cost_more_than_they_look_are_refused() {
    let world = World::plain(json!({})).await;
    world.a_good_client_registers().await;
    let memory = world.memory();
    let nested = |open: &str, close: &str, depth| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let list = |element: &str, times: usize| format!("[{}{element}]", format!("{element},").repeat(times - 1));
    let members = |times: usize| {
        let members: Vec<String> = (0..times).map(|number| format!("\"m{number}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    let uris = |element: &str, times| format!("{{\"redirect_uris\":{}}}", list(element, times));
    let with = |member: &str| format!("{{\"redirect_uris\":[\"https://app.example.com/callback\"],{member}}}");
    for (what, body, status) in [
        ("thirty thousand arrays in each other", nested("[", "]", 30_000), 400),
        ("ten thousand objects in each other", nested("{\"a\":", "}", 10_000), 400),
        ("arrays that never close", "[".repeat(60_000), 400),
        ("a depth of thirty-three behind a name", with(&format!("\"a\":{}", nested("[", "]", 33))), 400),
        ("thirty thousand elements", list("0", 30_000), 400),
        ("five thousand members", members(5000), 400),
        ("four thousand redirect URIs", uris("\"https://a\"", 4000), 400),
        ("a number of sixty thousand digits", with(&format!("\"a\":{}", "9".repeat(60_000))), 400),
        ("a number with a huge exponent", with(&format!("\"client_name\":1e{}", "9".repeat(1000))), 400),
        (
            "sixty thousand combining characters",
            with(&format!("\"client_name\":\"a{}\"", "\u{301}".repeat(30_000))),
            400,
        ),
        ("ten thousand escapes", with(&format!("\"client_name\":\"{}\"", "\\u0041".repeat(10_000))), 400),
        (
            "a redirect URI of sixty thousand characters",
            uris(&format!("\"https://app.example.com/{}\"", "a".repeat(60_000)), 1),
            400,
        ),
        ("a host of thirty thousand labels", uris(&format!("\"https://{}com\"", "a.".repeat(30_000)), 1), 400),
        (
            "a scope of thirty thousand values, none of which is granted",
            with(&format!("\"scope\":\"{}\"", "a ".repeat(30_000).trim_end())),
            201,
        ),
        (
            "twelve hundred keys",
            with(&format!("\"jwks\":{{\"keys\":{}}}", list("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", 1200))),
            400,
        ),
        ("more octets than are read", format!("{{\"a\":\"{}\"}}", "a".repeat(70_000)), 413),
    ] {
        let request = Post { token: Some(&world.token), body: body.as_bytes(), ..Post::default() }.bytes();
        for _ in 0..TIMES {
            let answer = world.ask(BAD, &request).await.unwrap_or_else(|| panic!("{what}: no answer"));
            assert_eq!(answer.status, status, "{what}: {answer:?}");
            assert!(
                answer.body.len() < 16 * 1024,
                "{what}: the answer is as large as the question: {}",
                answer.body.len()
            );
        }
        memory.grew_less_than(24, what);
    }
    world.a_good_client_registers().await;
}

/// Nothing is ever decompressed, so nothing grows by it.
#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_refused_unread() {
    let world = World::plain(json!({})).await;
    let memory = world.memory();
    // The beginning of a gzip member; what would follow does not matter to anybody who does not inflate it.
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0; 60_000]].concat();
    for coding in [
        "gzip",
        "deflate",
        "br",
        "zstd",
        "gzip, gzip, gzip",
        "x-gzip",
        "GZIP",
        "identity, gzip",
        "identity\r\nContent-Encoding: gzip",
    ] {
        let headers = format!("Content-Encoding: {coding}\r\n");
        let request = Post { token: Some(&world.token), headers, body: &gzip }.bytes();
        let answer = world.ask(BAD, &request).await.expect("an answer");
        assert_eq!(answer.status, 415, "{coding}: {answer:?}");
    }
    assert!(world.upstream.take().is_empty());
    world.a_good_client_registers().await;
    memory.grew_less_than(16, "compressed bodies");
}

/// A length that is announced is believed, and refused before a byte of it was read.
#[tokio::test(flavor = "multi_thread")]
async fn huge_bodies_are_refused_by_their_announcement_or_as_soon_as_they_are_too_large() {
    let world = World::plain(json!({})).await;
    let memory = world.memory();
    for length in ["65537", "1073741824", "999999999999999999"] {
        let request = [&head(&world, "")[..], format!("Content-Length: {length}\r\n\r\n").as_bytes()].concat();
        let answer = world.ask(BAD, &request).await.expect("an answer, though no body comes");
        assert_eq!(answer.status, 413, "{length}: {answer:?}");
    }
    // It waits to be asked for its body, and is not.
    let request = [&head(&world, "Expect: 100-continue\r\n")[..], b"Content-Length: 1000000\r\n\r\n"].concat();
    let answer = world.ask(BAD, &request).await.expect("an answer");
    assert_eq!(answer.status, 413, "{answer:?}");
    for _ in 0..20 {
        let mut stream = connect_from(BAD, world.gateway.address).await.unwrap();
        stream.write_all(&[&head(&world, "")[..], b"Transfer-Encoding: chunked\r\n\r\n"].concat()).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let sending = tokio::spawn(async move {
            let chunk = [&b"4000\r\n"[..], &[b' '; 0x4000], b"\r\n"].concat();
            // 64 MiB, were they taken.
            for _ in 0..4096 {
                if write.write_all(&chunk).await.is_err() {
                    return;
                }
            }
        });
        let mut beginning = [0; 12];
        timeout(PATIENCE, read.read_exact(&mut beginning)).await.expect("in time").unwrap();
        assert_eq!(&beginning, b"HTTP/1.1 413");
        sending.abort();
    }
    world.a_good_client_registers().await;
    memory.grew_less_than(16, "huge bodies");
}

/// Bodies of others' paths stream: their size is the server's business, the gateway's memory is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_forwarded_body_goes_through_in_pieces() {
    let world = World::plain(json!({})).await;
    let memory = world.memory();
    let size = 64 << 20;
    let head = format!("POST /upload HTTP/1.1\r\nHost: sso.example.com\r\nContent-Length: {size}\r\n\r\n");
    let answer = world.ask(BAD, &[head.as_bytes(), &vec![b'a'; size]].concat()).await.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(world.upstream.take().first().map(|request| request.body.len()), Some(size));
    memory.grew_less_than(16, "a large forwarded body");
}
