//! Strict JSON: what is accepted means one thing to every parser; what is refused is refused for a reason, at a place in the input.

use std::fmt;

use dcr_gateway::registration::json::{self, JsonError, MAX_DEPTH};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::json_readers;

/// Whole numbers up to here have one reading (RFC 7493 §2.2).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The property, for a body of any bytes.
pub fn holds(body: &[u8]) -> bool {
    let read = json::parse(body);
    let is_accepted = read.is_ok();
    match read {
        Ok(object) => accepted(body, object),
        Err(error) => refused(body, &error),
    }
    is_accepted
}

fn accepted(body: &[u8], object: Map<String, Value>) {
    assert_eq!(json::parse_lenient(body).as_ref(), Ok(&object), "a request is read otherwise");
    let seen: Seen = serde_json::from_slice(body).expect("what is strict is JSON");
    let value = Value::Object(object);
    assert_eq!(seen.members, members(&value), "a member stands there twice: {value}");
    assert!(seen.depth <= MAX_DEPTH, "{} levels", seen.depth);
    assert!(!seen.is_inexact, "a number is rounded: {value}");
    if !has_large_integers(&value) {
        json_readers::all_read(body, &value);
    }
    let written = serde_json::to_vec(&value).expect("JSON is written");
    assert_eq!(json::parse(&written).map(|again| members(&Value::Object(again))), Ok(members(&value)), "{value}");
}

fn refused(body: &[u8], error: &JsonError) {
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    let line =
        lines.get(error.line.wrapping_sub(1)).unwrap_or_else(|| panic!("{error}: there are {} lines", lines.len()));
    assert!(error.column <= line.len() + 1, "{error}: the line has {} bytes", line.len());
    let sentence = error.to_string();
    assert!(sentence.len() < 300 && !sentence.contains(char::is_control), "{sentence:?}");
    // Only for what the module says, never for what JSON allows.
    if let (Ok(seen), Ok(value)) = (serde_json::from_slice::<Seen>(body), serde_json::from_slice::<Value>(body)) {
        let is_sound = value.is_object()
            && seen.members == members(&value)
            && seen.depth <= MAX_DEPTH
            && !seen.is_inexact
            && std::str::from_utf8(body).is_ok();
        assert!(!is_sound, "refused without a reason: {error}: {value}");
    }
}

/// Integers that a double does not hold are exact here and in Rust, Go, Java and Python, not in JavaScript. None reaches a server.
fn has_large_integers(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number.abs() >= EXACT),
        Value::Array(entries) => entries.iter().any(has_large_integers),
        Value::Object(members) => members.values().any(has_large_integers),
        _ => false,
    }
}

fn members(value: &Value) -> usize {
    match value {
        Value::Array(entries) => entries.iter().map(members).sum(),
        Value::Object(object) => object.len() + object.values().map(members).sum::<usize>(),
        _ => 0,
    }
}

/// What serde_json saw go by, with nothing thrown away: a member that stands there twice is counted twice.
#[derive(Default)]
struct Seen {
    members: usize,
    depth: usize,
    is_inexact: bool,
}

impl Seen {
    fn add(&mut self, inside: &Self) {
        self.members += inside.members;
        self.depth = self.depth.max(inside.depth + 1);
        self.is_inexact |= inside.is_inexact;
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Seeing)
    }
}

struct Seeing;

impl<'de> Visitor<'de> for Seeing {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let mut seen = Seen { depth: 1, ..Seen::default() };
        while let Some((_, inside)) = map.next_entry::<String, Seen>()? {
            seen.members += 1;
            seen.add(&inside);
        }
        Ok(seen)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Seen, A::Error> {
        let mut seen = Seen { depth: 1, ..Seen::default() };
        while let Some(inside) = list.next_element::<Seen>()? {
            seen.add(&inside);
        }
        Ok(seen)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Seen, E> {
        Ok(Seen { is_inexact: number.abs() >= EXACT, ..Seen::default() })
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::default())
    }
}
