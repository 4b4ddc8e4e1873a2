//! Parsers of JSON that have nothing in common with the gateway's: what the authorization server is written in, reads as one of them does.

use serde_json::{Number, Value};
use simd_json::prelude::*;
use tinyjson::JsonValue;

/// Panics unless every parser reads from `text` what is in `meant`. `other_languages` asks those of Python, JavaScript and Go as well.
pub fn all_read(text: &[u8], meant: &Value) {
    let shown = || String::from_utf8_lossy(text).into_owned();
    let plain: Value = serde_json::from_slice(text).unwrap_or_else(|error| panic!("serde_json: {error}: {}", shown()));
    assert!(same(&plain, meant), "serde_json reads {plain} from {}", shown());
    let mut own = text.to_vec();
    let read = simd_json::to_borrowed_value(&mut own).unwrap_or_else(|error| panic!("simd-json: {error}: {}", shown()));
    assert!(simd_reads(&read, meant), "simd-json reads {read} from {}", shown());
    let read: JsonValue = shown().parse().unwrap_or_else(|error| panic!("tinyjson: {error}: {}", shown()));
    assert!(tiny_reads(&read, meant), "tinyjson reads {read:?} from {}", shown());
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => same_number(one.as_f64(), other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

fn simd_reads(read: &simd_json::BorrowedValue<'_>, meant: &Value) -> bool {
    match meant {
        Value::Null => read.is_null(),
        Value::Bool(meant) => read.as_bool() == Some(*meant),
        Value::Number(meant) => same_number(read.cast_f64(), meant),
        Value::String(meant) => read.as_str() == Some(meant),
        Value::Array(meant) => read.as_array().is_some_and(|read| {
            read.len() == meant.len() && read.iter().zip(meant).all(|(read, meant)| simd_reads(read, meant))
        }),
        Value::Object(meant) => read.as_object().is_some_and(|read| {
            let is_read =
                |(name, meant): (&String, &Value)| read.get(name.as_str()).is_some_and(|read| simd_reads(read, meant));
            read.len() == meant.len() && meant.iter().all(is_read)
        }),
    }
}

fn tiny_reads(read: &JsonValue, meant: &Value) -> bool {
    match (read, meant) {
        (JsonValue::Null, Value::Null) => true,
        (JsonValue::Boolean(read), Value::Bool(meant)) => read == meant,
        (JsonValue::Number(read), Value::Number(meant)) => same_number(Some(*read), meant),
        (JsonValue::String(read), Value::String(meant)) => read == meant,
        (JsonValue::Array(read), Value::Array(meant)) => {
            read.len() == meant.len() && read.iter().zip(meant).all(|(read, meant)| tiny_reads(read, meant))
        }
        (JsonValue::Object(read), Value::Object(meant)) => {
            read.len() == meant.len()
                && meant.iter().all(|(name, meant)| read.get(name).is_some_and(|read| tiny_reads(read, meant)))
        }
        _ => false,
    }
}

/// Equal, or nearly so where it was written as a fraction or with an exponent: the last bits of these are rounded by each parser as it likes, so that one
/// may read a whole number where another does not. None of them reaches a server (`decision` holds that); integers, which do, are equal or far apart.
fn same_number(read: Option<f64>, meant: &Number) -> bool {
    let (Some(read), Some(value)) = (read, meant.as_f64()) else { return false };
    read == value || (meant.is_f64() && (read - value).abs() <= value.abs() * 1e-14 + f64::MIN_POSITIVE)
}
