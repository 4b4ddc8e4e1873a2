//! Strict JSON: UTF-8, one object, no duplicate member at any depth, no lone surrogate, at most 32 levels.
//! What two parsers could read differently is refused (RFC 8259 §4, RFC 7493), so that what is judged is what is sent; of a request's
//! numbers only those in members that somebody reads.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

use super::excerpt::write_shortened;
use super::members;

/// How deep objects and arrays may be nested, the outermost object counted.
pub const MAX_DEPTH: usize = 32;

/// The most that an error shows of a member's name, in bytes.
const NAME_SHOWN: usize = 40;

/// Beyond this a floating-point number no longer tells neighbouring integers apart (RFC 7493 §2.2).
pub const EXACT: f64 = 9_007_199_254_740_992.0;

/// Why a body is not the JSON we read. `Display` is a stable sentence for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem} (line {line}, column {column})", self.what())]
pub struct JsonError {
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes, from 1; 0 when the line before has just ended.
    pub column: usize,
    /// What is wrong, without its position.
    pub problem: String,
}

/// Said of what is JSON and none.
const NO_OBJECT: &str = "it must be an object";

impl JsonError {
    fn what(&self) -> &'static str {
        if self.problem == NO_OBJECT { "the body is JSON, and no object" } else { "the body is not valid JSON" }
    }
}

/// The text that a member holds; none: it holds another value, or is not there.
pub fn text_of<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    members.get(name).and_then(Value::as_str)
}

/// The texts in the list that a member holds.
pub fn texts_of<'m>(members: &'m Map<String, Value>, name: &str) -> impl Iterator<Item = &'m str> + use<'m> {
    members.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Reads one JSON object.
///
/// # Errors
/// Anything but one object in UTF-8 without byte order mark, with each member once, at most [`MAX_DEPTH`] levels deep.
pub fn parse(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    read(text(bytes)?, Numbers::Exact)
}

/// As [`parse`], for the body of a registration and the answer to one: members that no specification knows go nowhere (RFC 7591 §2), or are
/// a server's own, and may hold numbers that readers round. One that no double holds is refused there, too.
///
/// # Errors
/// Those of [`parse`].
pub fn parse_lenient(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    read(text(bytes)?, Numbers::AllInUnknownMembers)
}

/// The text that the bytes are.
fn text(bytes: &[u8]) -> Result<&str, JsonError> {
    // The octets of JSON in UTF-16 or UTF-32, where no byte order mark tells (RFC 4627 §3).
    if let Some(zero) = bytes.iter().take(4).position(|byte| *byte == 0) {
        return Err(at(bytes, zero, "it is not UTF-8"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| at(bytes, error.valid_up_to(), "it is not UTF-8"))?;
    if text.starts_with('\u{feff}') {
        return Err(at(bytes, 0, "it begins with a byte order mark"));
    }
    if text.trim_ascii().is_empty() {
        return Err(at(bytes, bytes.len(), "it is empty"));
    }
    Ok(text)
}

fn read(text: &str, numbers: Numbers) -> Result<Map<String, Value>, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let object = deserializer.deserialize_any(ObjectVisitor { depth: 1, numbers }).map_err(JsonError::from)?;
    deserializer.end().map_err(JsonError::from)?;
    Ok(object)
}

/// An error at a byte offset.
fn at(bytes: &[u8], offset: usize, problem: &str) -> JsonError {
    let before = &bytes[..offset];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    JsonError {
        line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
        column: 1 + offset - line_start,
        problem: problem.to_owned(),
    }
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let message = message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message);
        let problem = match error.classify() {
            Category::Eof => "it ends too early".to_owned(),
            // Half of a pair without the other, whichever half comes first.
            _ if message.ends_with("hex escape") => "a text holds a lone surrogate".to_owned(),
            // serde_json's own sentences about syntax are fixed texts; the others are ours. None echoes the input beyond a name.
            Category::Syntax | Category::Data | Category::Io => message.to_owned(),
        };
        Self { line, column, problem }
    }
}

/// Which numbers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// Those that every reader reads alike.
    Exact,
    /// All of them in members of the outermost object that no specification knows, exact ones in all others.
    AllInUnknownMembers,
    /// All of them.
    All,
}

impl Numbers {
    /// In the member of this name.
    fn within(self, name: &str) -> Self {
        match self {
            Self::AllInUnknownMembers if members::kind(name).is_none() => Self::All,
            Self::AllInUnknownMembers => Self::Exact,
            numbers => numbers,
        }
    }
}

/// Reads the members of one object; anything else is an error, which makes it the visitor for the whole body too.
struct ObjectVisitor {
    depth: usize,
    numbers: Numbers,
}

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(de::Error::custom(duplicate(&name)));
            }
            let value = access.next_value_seed(ValueSeed { depth: self.depth, numbers: self.numbers.within(&name) })?;
            object.insert(name, value);
        }
        Ok(object)
    }

    // Without these serde would echo the value.
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(E::custom(NO_OBJECT))
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(E::custom(NO_OBJECT))
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(E::custom(NO_OBJECT))
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(E::custom(NO_OBJECT))
    }
    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom(NO_OBJECT))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Err(E::custom(NO_OBJECT))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(de::Error::custom(NO_OBJECT))
    }
}

fn duplicate(name: &str) -> String {
    let mut sentence = String::from("the member ");
    // Writing to a String does not fail.
    let _ = write_shortened(&mut sentence, name, NAME_SHOWN);
    sentence.push_str(" stands there twice");
    sentence
}

/// Reads any value inside a container that is `depth` levels deep.
#[derive(Clone, Copy)]
struct ValueSeed {
    depth: usize,
    numbers: Numbers,
}

impl ValueSeed {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        // An integer beyond 64 bits arrives here, rounded: the next reader would see another number.
        match Number::from_f64(value) {
            Some(number) if value.abs() < EXACT || self.numbers == Numbers::All => Ok(Value::Number(number)),
            _ => Err(E::custom("a number is too large to be exact")),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(seed)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        ObjectVisitor { depth: deeper.depth, numbers: self.numbers }.visit_map(access).map(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(text.as_bytes()).expect_err(text).to_string()
    }

    fn nested(levels: usize) -> String {
        format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn reads_an_object_with_everything_json_has() {
        let object = parse(
            br#" {"a":[1,-2,2.5,true,null,"\ud83d\ude00\u00e9"],"b":{"a":{}},"$serde_json::private::Number":"1"} "#,
        )
        .unwrap();
        assert_eq!(
            Value::Object(object).to_string(),
            r#"{"$serde_json::private::Number":"1","a":[1,-2,2.5,true,null,"😀é"],"b":{"a":{}}}"#
        );
    }

    #[test]
    fn refuses_a_member_that_stands_there_twice_at_any_depth_and_in_any_spelling() {
        assert_eq!(
            problem("{\"scope\":\"a\",\n \"scope\":\"b\"}"),
            "the body is not valid JSON: the member \"scope\" stands there twice (line 2, column 8)"
        );
        for text in [r#"{"a":1,"\u0061":2}"#, r#"{"x":[{"a":1,"a":1}]}"#, r#"{"jwks":{"keys":[{"k":{"d":1,"d":2}}]}}"#]
        {
            assert!(problem(text).contains("stands there twice"), "{text}");
        }
    }

    #[test]
    fn says_where_and_what_when_the_syntax_is_wrong() {
        assert_eq!(
            problem("{\n  \"client_name\": \"x\",\n}"),
            "the body is not valid JSON: trailing comma (line 3, column 1)"
        );
        assert_eq!(problem("{\"a\":"), "the body is not valid JSON: it ends too early (line 1, column 5)");
        assert_eq!(problem(""), "the body is not valid JSON: it is empty (line 1, column 1)");
        assert!(problem("[]").starts_with("the body is JSON, and no object: it must be an object (line 1"));
        assert_eq!(problem("{} {}"), "the body is not valid JSON: trailing characters (line 1, column 4)");
    }

    #[test]
    fn refuses_what_only_some_parsers_read() {
        for text in [
            "'a'",
            "{'a':1}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "{\"a\":NaN}",
            "{\"a\":Infinity}",
            "{\"a\":1}//",
            "{\"a\":/**/1}",
            "{\"a\":\"\t\"}",
            "{\"a\":\"\\x41\"}",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "null",
            "1",
            "\"{}\"",
            "{\"a\":1e999}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\udc00\"}",
            "{\"\\ud800\":1}",
            "{\"a\":\"\\ud800\\u0041\"}",
            "{\"a\":123456789012345678901234567890}",
            "{\"a\":1}\0",
            "\u{a0}{}",
        ] {
            problem(text);
        }
    }

    #[test]
    fn a_member_that_nobody_reads_may_hold_a_number_that_readers_round() {
        for number in ["1e300", "18446744073709551616", "-1e16", "1111111111111111111111111"] {
            for body in
                [format!("{{\"x\":{number}}}"), format!("{{\"x\":[{{\"default_max_age\":{number}}},{number}]}}")]
            {
                assert!(parse_lenient(body.as_bytes()).is_ok(), "{body}");
                assert!(problem(&body).contains("number"), "{body}");
            }
            let body = format!("{{\"x\":{number},\n\"default_max_age\":{number}}}");
            let error = parse_lenient(body.as_bytes()).unwrap_err();
            assert_eq!((error.line, error.problem.as_str()), (2, "a number is too large to be exact"), "{body}");
        }
        assert!(parse_lenient(b"{\"x\":1e400}").is_err());
    }

    #[test]
    fn refuses_what_is_not_plain_utf8() {
        assert!(problem("\u{feff}{}").contains("byte order mark"));
        let error = parse(b"{\n\"a\":\"\xff\"}").unwrap_err();
        assert_eq!((error.line, error.column, error.problem.as_str()), (2, 6, "it is not UTF-8"));
        for bytes in [
            &b"{\"a\":\"\xed\xa0\x80\"}"[..],
            b"{\"a\":\"\xc0\xaf\"}",
            b"\xff\xfe{\0}\0",
            b"{\0\"\0a\0",
            b"\0{\0\"",
            b"\0\0\0{",
        ] {
            assert!(parse(bytes).unwrap_err().problem.contains("not UTF-8"));
        }
    }

    #[test]
    fn a_lone_surrogate_is_called_one() {
        for text in
            [r#""\ud800""#, r#""\udc00x""#, r#""\ud800x""#, r#""\ud800\u0041""#, r#""\ud800\n""#, r#""\ud83d\ud83d""#]
        {
            let sentence = problem(&format!("{{\"a\":{text}}}"));
            assert!(sentence.contains("a text holds a lone surrogate"), "{text} {sentence}");
        }
        assert!(problem(r#"{"a":"\u12"}"#).contains("invalid escape"));
        assert!(parse(br#"{"a":"\ud83d\ude00"}"#).is_ok());
    }

    #[test]
    fn refuses_more_than_32_levels() {
        assert!(parse(nested(32).as_bytes()).is_ok());
        assert!(problem(&nested(33)).contains("nested deeper than 32 levels"));
        assert!(problem(&format!("{{\"a\":{}", "[".repeat(60_000))).contains("nested deeper"));
    }

    #[test]
    fn an_error_neither_grows_with_the_input_nor_holds_control_characters() {
        let name = "\\u0000\\u202e at line 7 column 7".repeat(500);
        for text in [format!("{{\"{name}\":1,\"{name}\":2}}"), format!("\"{name}\""), format!("{{\"{name}\"x")] {
            let sentence = problem(&text);
            assert!(sentence.len() < 200 && !sentence.chars().any(char::is_control), "{sentence}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_reads_what_serde_json_reads(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            if let Ok(object) = parse(&bytes) {
                proptest::prop_assert_eq!(parse_lenient(&bytes), Ok(object.clone()));
                let plain: Value = serde_json::from_slice(&bytes).unwrap();
                proptest::prop_assert_eq!(Value::Object(object), plain);
            }
        }
    }
}
