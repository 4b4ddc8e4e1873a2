//! What is kept of the members of a request: everything that rules look at, and nothing that is, or may be, secret. Pure.

use serde_json::{Map, Value};

use crate::registration::key::{holds_nothing, is_public};
use crate::registration::members::{MemberKind, kind};
use crate::registration::software_statement::MEMBER;
use crate::secret::without_user;

/// Stands where something was, so that a rule which looks for it still finds it.
pub(in crate::intake) const NOT_KEPT: &str = "(not kept)";

/// Larger requests are not kept, in bytes of names and texts.
const LARGEST: usize = 16 * 1024;

/// The members; none where they are too large.
pub(super) fn kept(members: &Map<String, Value>) -> Option<Map<String, Value>> {
    let weight = members.iter().map(|(name, value)| name.len() + weight(value)).sum::<usize>();
    (weight <= LARGEST).then(|| members.iter().map(|(name, value)| (name.clone(), of_member(name, value))).collect())
}

fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(entries) => entries.iter().map(weight).sum::<usize>() + 2,
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + weight(value)).sum::<usize>() + 2,
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

fn of_member(name: &str, value: &Value) -> Value {
    if value.is_null() || value.as_str() == Some("") {
        return value.clone();
    }
    match kind(name) {
        // A statement can be presented again; what a server assigns may be a secret; what nobody defines may be anything.
        _ if name == MEMBER => NOT_KEPT.into(),
        None | Some(MemberKind::ServerAssigned) => NOT_KEPT.into(),
        Some(_) if name == "jwks" => of_jwks(value),
        Some(_) => without_passwords(value),
    }
}

/// The public members of each key, all else by its name alone: programs have names of their own for private parts (`D`, `pem`).
fn of_jwks(value: &Value) -> Value {
    let of_key =
        |key: &Value| members_of(key, |name, value| if is_public(name) { of_texts(value) } else { not_kept(value) });
    members_of(value, |name, value| match value {
        Value::Array(keys) if name == "keys" => keys.iter().map(of_key).collect(),
        other => not_kept(other),
    })
}

fn members_of(value: &Value, of_member: impl Fn(&str, &Value) -> Value) -> Value {
    let Value::Object(members) = value else { return not_kept(value) };
    Value::Object(members.iter().map(|(name, value)| (name.clone(), of_member(name, value))).collect())
}

/// A public member is a text, or a list of some.
fn of_texts(value: &Value) -> Value {
    match value {
        Value::Array(entries) => entries.iter().map(of_texts).collect(),
        Value::Object(_) => not_kept(value),
        other => other.clone(),
    }
}

/// Nothing of the value but its type, which rules look at, and that it holds nothing.
fn not_kept(value: &Value) -> Value {
    match value {
        nothing if holds_nothing(nothing) => nothing.clone(),
        Value::Array(_) => [Value::from(NOT_KEPT)].into_iter().collect(),
        Value::Object(_) => Value::Object(Map::from_iter([(NOT_KEPT.to_owned(), Value::Null)])),
        _ => NOT_KEPT.into(),
    }
}

/// The user and the password of a URL are no rule's to tell apart: that there are some is what is wrong.
fn without_passwords(value: &Value) -> Value {
    match value {
        Value::String(text) => without_user(text, "not-kept").map_or_else(|| value.clone(), Value::from),
        Value::Array(entries) => Value::Array(entries.iter().map(without_passwords).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), without_passwords(value))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_or_may_be_secret_is_not_kept_and_what_rules_look_at_is() {
        let asked = json!({
            "client_name": "Orders", "client_name#de": "Auftr\u{e4}ge",
            "redirect_uris": ["https://app.example.com/cb", "https://ada:hunter2@app.example.com/cb", "https://s@h/cb"],
            "client_uri": "https://hunter2@app.example.com", "tos_uri": "https://@app.example.com", "contacts": ["ada@example.com"],
            "client_secret": "hunter2", "registration_access_token": "hunter2", "client_id": null,
            "software_statement": "ey.hunter2.sig", "password": "hunter2", "x": {"y": "hunter2"},
            "jwks": {"keys": [{
                "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "1", "key_ops": ["verify"], "qi": "", "use": {"d": "hunter2"},
                "d": "hunter2", "oth": [{"r": "hunter2"}], "D": "hunter2", "dP": "hunter2", " d": "hunter2", "privateExponent": "hunter2",
            }, "hunter2"], "pem": "hunter2"},
        });
        let kept = Value::Object(kept(asked.as_object().unwrap()).unwrap());
        assert!(!kept.to_string().contains("hunter2"), "{kept}");
        assert_eq!(
            kept,
            json!({
                "client_name": "Orders", "client_name#de": "Auftr\u{e4}ge",
                "redirect_uris": ["https://app.example.com/cb", "https://not-kept@app.example.com/cb", "https://not-kept@h/cb"],
                "client_uri": "https://not-kept@app.example.com", "tos_uri": "https://not-kept@app.example.com", "contacts": ["ada@example.com"],
                "client_secret": NOT_KEPT, "registration_access_token": NOT_KEPT, "client_id": null,
                "software_statement": NOT_KEPT, "password": NOT_KEPT, "x": NOT_KEPT,
                "jwks": {"keys": [{
                    "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "1", "key_ops": ["verify"], "qi": "", "use": {NOT_KEPT: null},
                    "d": NOT_KEPT, "oth": [NOT_KEPT], "D": NOT_KEPT, "dP": NOT_KEPT, " d": NOT_KEPT, "privateExponent": NOT_KEPT,
                }, NOT_KEPT], "pem": NOT_KEPT},
            })
        );
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let large = json!({ "contacts": vec!["ops@example.com"; 2_000] });
        assert_eq!(kept(large.as_object().unwrap()), None);
    }
}
