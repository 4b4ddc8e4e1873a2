//! Words that must not stand somewhere.

use std::ops::Range;

use crate::source::Source;

/// Modules whose every answer follows from their arguments.
const PURE: [&str; 4] = ["registration", "policy", "jose", "anomaly/detectors"];

/// Whoever names one of these waits, or asks the world.
const IMPURE: [&str; 14] = [
    "async",
    "await",
    "tokio",
    "getrandom",
    "rand",
    "SystemTime",
    "Instant",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "UnixStream",
    "println",
    "eprintln",
];

/// Modules of the standard library that are nothing but the world.
const WORLDLY: [&str; 5] = ["env", "fs", "io", "process", "thread"];

/// Macros that end the thread.
const PANICKING: [&str; 4] = ["panic", "todo", "unimplemented", "unreachable"];

/// Where a panic is right, and why.
const MAY_PANIC: [(&str, &str); 2] = [
    ("randomness.rs", "a system without randomness cannot make names that nobody can guess, and must not serve"),
    ("proxy/wire.rs", "200 is a status, and Pingora takes it as a number only"),
];

/// Pingora's name anywhere but where the network is.
pub fn pingora_elsewhere(source: &Source) -> Vec<String> {
    if ["proxy/", "server/", "server.rs"].iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let named = source.tokens.iter().filter(|token| token.text.starts_with("pingora"));
    named.map(|token| format!("{}: only `proxy` and `server` name Pingora", source.at(token.line))).collect()
}

/// Waiting, input and output, the clock and randomness in what is pure.
pub fn impurities(source: &Source) -> Vec<String> {
    if !PURE.iter().any(|module| source.path.strip_prefix(module).is_some_and(|rest| rest.starts_with('/'))) {
        return Vec::new();
    }
    let impure = source.tokens.iter().filter(|token| IMPURE.contains(&token.text.as_str()));
    let of_std = source.names_below("std").into_iter().filter(|token| WORLDLY.contains(&token.text.as_str()));
    impure.chain(of_std).map(|token| format!("{}: `{}` is not pure", source.at(token.line), token.text)).collect()
}

/// `unwrap`, `expect` and the macros that panic. A constant that cannot be made does not compile.
pub fn panics(source: &Source) -> Vec<String> {
    if MAY_PANIC.iter().any(|(path, _)| *path == source.path) {
        return Vec::new();
    }
    let constants = constants(source);
    let panics = |index: &usize| {
        let word = source.word(index + 1);
        let is_method = source.stands_at(*index, &format!(". {word} (")) && matches!(word, "unwrap" | "expect");
        let is_macro = PANICKING.contains(&source.word(*index)) && source.word(index + 1) == "!";
        (is_method || is_macro) && !constants.iter().any(|constant| constant.contains(index))
    };
    let places = (0..source.tokens.len()).filter(panics);
    places.map(|index| format!("{}: panics", source.at(source.tokens[index].line))).collect()
}

/// From each `const NAME:` to its semicolon.
fn constants(source: &Source) -> Vec<Range<usize>> {
    let starts =
        (0..source.tokens.len()).filter(|index| source.word(*index) == "const" && source.word(index + 2) == ":");
    let ends = |start: &usize| (*start..source.tokens.len()).find(|index| source.word(*index) == ";");
    starts.filter_map(|start| Some(start..ends(&start)?)).collect()
}

#[test]
fn pingora_is_found_outside_the_proxy() {
    let text = "use pingora::http::RequestHeader;";
    assert_eq!(pingora_elsewhere(&Source::parse("intake/form.rs", text)).len(), 1);
    assert_eq!(pingora_elsewhere(&Source::parse("intake/form.rs", "use pingora_core::Error;")).len(), 1);
    assert_eq!(pingora_elsewhere(&Source::parse("proxy/call.rs", text)), [""; 0]);
    assert_eq!(pingora_elsewhere(&Source::parse("intake/form.rs", "// pingora's\nfn f() {}")), [""; 0]);
}

#[test]
fn whatever_is_impure_is_found() {
    for text in [
        "async fn f() {}",
        "fn f() -> std::time::SystemTime { todo() }",
        "use std::time::Instant;",
        "use std::{fmt, fs};",
        "use std::net::{IpAddr, TcpStream};",
        "fn f() { std::env::var(\"A\"); }",
        "fn f() { getrandom::fill(&mut []); }",
        "use tokio::sync::Mutex;",
        "fn f() { println!(\"seen\"); }",
    ] {
        assert_eq!(impurities(&Source::parse("policy/judge.rs", text)).len(), 1, "{text}");
        assert_eq!(impurities(&Source::parse("store/mod.rs", text)), [""; 0], "{text}");
    }
    let pure = "use std::{fmt, net::IpAddr, time::Duration}; #[cfg(test)] mod tests { use std::fs; }";
    assert_eq!(impurities(&Source::parse("policy/judge.rs", pure)), [""; 0]);
}

#[test]
fn whatever_panics_is_found() {
    for text in [
        "fn f() { g().unwrap(); }",
        "fn f() { g().expect(\"never\"); }",
        "fn f() { panic!(); }",
        "fn f() { todo!() }",
        "fn f() { unreachable!(\"{}\", 1) }",
        "fn f() { m!(g().unwrap()); }",
        "const A: u8 = 1; fn f() { g().unwrap(); }",
    ] {
        assert_eq!(panics(&Source::parse("cli/mod.rs", text)).len(), 1, "{text}");
    }
    let calm = "const A: B = B::new(1).unwrap(); fn f() { g().unwrap_or(1); expect(2); } #[cfg(test)] mod tests { fn t() { g().unwrap(); } }";
    assert_eq!(panics(&Source::parse("cli/mod.rs", calm)), [""; 0]);
}

#[test]
fn who_may_panic_still_does() {
    for (path, _) in MAY_PANIC {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path);
        let source = Source::parse("elsewhere.rs", &std::fs::read_to_string(file).unwrap());
        assert!(!panics(&source).is_empty(), "src/{path} has no need to be in the list any more");
    }
}
