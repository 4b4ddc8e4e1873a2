//! What a client would get by an approval that it does not have: what is withheld from it, and what of the change it asked for differs.
//! Pure.

use serde_json::Value;

use crate::registration::excerpt::{AtLength, SHOWN_AT_LENGTH};
use crate::registration::members::{self, MemberKind};
use crate::registration::{ScopeSet, json};
use crate::store::ClientRecord;

/// Members in which `asked` and what is registered are compared otherwise.
const COMPARED_APART: [&str; 4] = ["redirect_uris", "scope", "client_id", "software_statement"];

/// A text for each member: `redirect_uris + https://… - https://…`, `scope + orders`, `jwks_uri = "https://…"`.
pub(super) fn asks_for(client: &ClientRecord) -> Vec<String> {
    if !client.lifecycle.state().is_live() {
        return Vec::new();
    }
    let asked = client.asked.as_ref().filter(|_| !client.members_behind);
    let scope = asked.and_then(|asked| json::text_of(asked, "scope")).map(ScopeSet::recorded);
    let granted = ScopeSet::recorded(&client.scope_granted);
    let more = ScopeSet::recorded(&client.scope_withheld).union(scope.as_ref().unwrap_or(&granted)).without(&granted);
    let less = scope.map(|scope| granted.without(&scope)).unwrap_or_default();
    let words = |scopes: &ScopeSet| scopes.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut differs = Vec::from_iter(difference("scope", &words(&less), &words(&more)));
    let Some(asked) = asked else { return differs };
    let texts = |value: Option<&Value>| -> Option<Vec<String>> {
        value?.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
    };
    let uris = texts(asked.get("redirect_uris")).unwrap_or_default();
    differs.extend(compared("redirect_uris", &client.redirect_uris, &uris));
    let names = asked.keys().chain(client.metadata.keys().filter(|name| !asked.contains_key(*name)));
    for name in names.filter(|name| !COMPARED_APART.contains(&name.as_str())) {
        let has = members::registered(&client.metadata, name);
        let wants = asked.get(name).filter(|value| !is_nothing(value));
        let is_known = !matches!(members::kind(name), None | Some(MemberKind::ServerAssigned));
        let is_none = wants.is_none() && has.as_ref().is_none_or(is_nothing);
        if has.as_ref() == wants || is_none || !is_known {
            continue;
        }
        differs.extend(match (texts(has.as_ref()), texts(wants), wants) {
            (Some(has), Some(wants), _) => compared(name, &has, &wants),
            (_, _, Some(value)) => Some(format!("{name} = {}", shown(value))),
            (_, _, None) if asked.contains_key(name) || is_taken_away(name) => Some(format!("{name} is taken away")),
            (_, _, None) => None,
        });
    }
    differs
}

/// A text quoted, all else as JSON; no more than somebody reads.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => AtLength(text).to_string(),
        other => other.to_string().chars().take(SHOWN_AT_LENGTH).collect(),
    }
}

fn compared(name: &str, has: &[String], wants: &[String]) -> Option<String> {
    let without = |all: &[String], others: &[String]| {
        all.iter().filter(|text| !others.contains(text)).cloned().collect::<Vec<String>>()
    };
    difference(name, &without(has, wants), &without(wants, has))
}

fn difference(name: &str, less: &[String], more: &[String]) -> Option<String> {
    let signed =
        |sign: &'static str, texts: &[String]| (!texts.is_empty()).then(|| format!(" {sign} {}", texts.join(" ")));
    let both: String = signed("+", more).into_iter().chain(signed("-", less)).collect();
    (!both.is_empty()).then(|| format!("{name}{both}"))
}

/// A server answers with what it takes for granted, too.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// Whether it is gone when a change does not name it, rather than what the server itself puts in its place.
fn is_taken_away(name: &str) -> bool {
    !matches!(
        name,
        "token_endpoint_auth_method" | "grant_types" | "response_types" | "application_type" | "subject_type"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::clock::Timestamp;
    use crate::lifecycle::{Action, Lifecycle};
    use crate::store::client::by_hand;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn client() -> ClientRecord {
        ClientRecord {
            redirect_uris: vec!["https://a.example/cb".to_owned()],
            scope_granted: "openid profile".to_owned(),
            scope_withheld: "orders".to_owned(),
            metadata: object(json!({
                "redirect_uris": ["https://a.example/cb"], "grant_types": ["authorization_code"], "subject_type": "public",
                "jwks_uri": "https://a.example/keys", "dpop_bound_access_tokens": false, "client_id_issued_at": 7,
            })),
            ..by_hand::client()
        }
    }

    #[test]
    fn what_is_withheld_is_what_an_approval_gives() {
        assert_eq!(asks_for(&client()), ["scope + orders"]);
        let by = Action { at: Timestamp::from_unix_millis(0), actor: "ada".to_owned(), comment: None };
        assert_eq!(asks_for(&ClientRecord { lifecycle: Lifecycle::Deleted { by }, ..client() }), [""; 0]);
    }

    #[test]
    fn a_change_that_waits_is_told_by_what_differs() {
        let asked = object(json!({
            "redirect_uris": ["https://a.example/cb", "https://b.example/cb"], "scope": "openid refunds",
            "grant_types": ["authorization_code", "client_credentials"], "token_endpoint_auth_method": "none",
        }));
        let client = ClientRecord { asked: Some(asked), ..client() };
        assert_eq!(
            asks_for(&client),
            [
                "scope + orders refunds - profile",
                "redirect_uris + https://b.example/cb",
                "grant_types + client_credentials",
                "token_endpoint_auth_method = \"none\"",
                "jwks_uri is taken away",
            ]
        );
        let on_its_way = ClientRecord { members_behind: true, ..client };
        assert_eq!(asks_for(&on_its_way), ["scope + orders"], "it was approved");
    }

    #[test]
    fn a_list_that_is_registered_empty_is_empty_and_one_that_nobody_asks_for_is_not_shown() {
        let metadata = object(json!({"grant_types": ["client_credentials"], "response_types": [], "contacts": []}));
        let asked = object(json!({"grant_types": ["authorization_code"], "response_types": ["code"], "contacts": []}));
        let client = ClientRecord {
            redirect_uris: Vec::new(),
            scope_withheld: String::new(),
            metadata,
            asked: Some(asked),
            ..client()
        };
        assert_eq!(
            asks_for(&client),
            ["grant_types + authorization_code - client_credentials", "response_types + code"]
        );
    }
}
