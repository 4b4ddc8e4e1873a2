//! After a call that was broken off: the server may have made a change that nobody wrote down. What it says now goes into the record. Pure.

use serde_json::{Map, Value};

use crate::policy::Profile;
use crate::registration::{Scope, ScopeSet, json};
use crate::store::ClientRecord;

/// Brings the client up to what the server says about it, in the client's own terms. A scope that neither the record nor the
/// profile grants is the server's own affair and becomes no part of what the client may keep. True: the record had it otherwise.
pub(super) fn reconcile(client: &mut ClientRecord, told: &Map<String, Value>, profile: &Profile) -> bool {
    let before = (client.client_name.clone(), client.redirect_uris.clone(), client.scope_granted.clone());
    take_over(client, told, profile);
    before != (client.client_name.clone(), client.redirect_uris.clone(), client.scope_granted.clone())
}

fn take_over(client: &mut ClientRecord, told: &Map<String, Value>, profile: &Profile) {
    client.client_name = json::text_of(told, "client_name").map(str::to_owned);
    if told.get("redirect_uris").is_some_and(Value::is_array) {
        client.redirect_uris = json::texts_of(told, "redirect_uris").map(str::to_owned).collect();
    }
    let told = json::text_of(told, "scope").and_then(|scope| ScopeSet::parse(scope).ok());
    let Some(told) = told else { return };
    let before = ScopeSet::recorded(&client.scope_granted);
    let is_granted = |scope: &&Scope| before.contains(scope) || profile.grants_at_once(scope);
    client.scope_granted = told.iter().filter(is_granted).cloned().collect::<ScopeSet>().to_string();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::client::by_hand::client;

    fn reconciled(told: &Value) -> ClientRecord {
        let yaml =
            "{ name: partners, match: {}, scopes: { initial: [openid], allowed: [profile], by_approval: [admin] } }";
        let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
        let mut client = client();
        assert!(reconcile(&mut client, told.as_object().unwrap(), &profile), "it is changed");
        assert!(!reconcile(&mut client, told.as_object().unwrap(), &profile), "once");
        client
    }

    #[test]
    fn what_the_server_says_is_what_the_client_has() {
        let told = json!({
            "client_name": "After", "redirect_uris": ["https://app.example.com/after"],
            "scope": "openid profile orders:write admin address",
        });
        let expected = ClientRecord {
            client_name: Some("After".to_owned()),
            redirect_uris: vec!["https://app.example.com/after".to_owned()],
            scope_granted: "openid profile orders:write".to_owned(),
            ..client()
        };
        assert_eq!(reconciled(&told), expected);
    }

    #[test]
    fn of_what_the_server_does_not_name_only_the_name_is_gone() {
        assert_eq!(reconciled(&json!({})), ClientRecord { client_name: None, ..client() });
    }
}
