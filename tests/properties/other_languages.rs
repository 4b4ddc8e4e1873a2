//! What is sent to the authorization server, read by the parsers of the languages that servers are written in.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::held::decision::sent;
use crate::inputs;

/// What a value means, without JSON: texts and names in hexadecimal, members sorted by it.
fn meaning(value: &Value) -> String {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    match value {
        Value::Null => "n".to_owned(),
        Value::Bool(true) => "t".to_owned(),
        Value::Bool(false) => "f".to_owned(),
        Value::Number(number) => format!("d{number}"),
        Value::String(text) => format!("s{}", hex(text)),
        Value::Array(entries) => format!("[{}]", entries.iter().map(meaning).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.iter().map(|(name, value)| format!("{}:{}", hex(name), meaning(value))).collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// Bodies that are sent for real clients and for made-up ones, each with what was judged.
fn bodies() -> String {
    let mut runner = TestRunner::deterministic();
    let made_up = inputs::registration();
    let made_up = (0..600).map(|_| made_up.new_tree(&mut runner).unwrap().current());
    let real = inputs::real_clients().into_iter().map(|body| [&[12], body.as_bytes()].concat());
    let sent: Vec<_> = made_up.chain(real).filter_map(|input| sent(&input)).collect();
    assert!(sent.len() >= 100, "only {} are admitted", sent.len());
    sent.iter().map(|value| format!("{value}\t{}\n", meaning(value))).collect()
}

/// Where the language is not installed there is nothing to see, unless `DCR_TEST_READERS=required`.
fn reads_alike(command: &[&str], script: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/properties/readers").join(script);
    let child =
        Command::new(command[0]).args(&command[1..]).arg(script).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if std::env::var_os("DCR_TEST_READERS").is_none() => {
            return eprintln!("skipped: {}: {error}", command[0]);
        }
        Err(error) => panic!("DCR_TEST_READERS=required, and {}: {error}", command[0]),
    };
    let mut input = child.stdin.take().unwrap();
    // A reader that ends early says why on its standard error.
    let written = input.write_all(bodies().as_bytes());
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    written.unwrap();
}

#[test]
fn python_reads_what_was_judged() {
    reads_alike(&["python3"], "read.py");
}

#[test]
fn javascript_reads_what_was_judged() {
    reads_alike(&["node"], "read.mjs");
}

#[test]
fn go_reads_what_was_judged() {
    reads_alike(&["go", "run"], "read.go");
}
