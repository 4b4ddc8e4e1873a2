//! What Keycloak's registration endpoint makes of the members of a request, as far as it is not what RFC 7591 and RFC 7592 say. Pure.

use serde_json::{Map, Value};

/// The members Keycloak's `OIDCClientRepresentation` knows (read back from 26.7.4); it answers 400 to any other.
pub(super) const MEMBERS: &[&str] = &[
    "application_type",
    "authorization_encrypted_response_alg",
    "authorization_encrypted_response_enc",
    "authorization_signed_response_alg",
    "backchannel_authentication_request_signing_alg",
    "backchannel_client_notification_endpoint",
    "backchannel_logout_session_required",
    "backchannel_logout_uri",
    "backchannel_token_delivery_mode",
    "client_name",
    "client_uri",
    "contacts",
    "default_acr_values",
    "default_max_age",
    "dpop_bound_access_tokens",
    "frontchannel_logout_session_required",
    "frontchannel_logout_uri",
    "grant_types",
    "id_token_encrypted_response_alg",
    "id_token_encrypted_response_enc",
    "id_token_signed_response_alg",
    "initiate_login_uri",
    "jwks",
    "jwks_uri",
    "logo_uri",
    "policy_uri",
    "post_logout_redirect_uris",
    "redirect_uris",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
    "request_object_signing_alg",
    "request_uris",
    "require_auth_time",
    "require_pushed_authorization_requests",
    "response_types",
    "scope",
    "sector_identifier_uri",
    "software_id",
    "software_version",
    "subject_type",
    "tls_client_auth_subject_dn",
    "tls_client_certificate_bound_access_tokens",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "tos_uri",
    "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc",
    "userinfo_signed_response_alg",
];

/// The members that it takes and names in no answer (read back from 26.7.4). It keeps no response types either: what it answers are all those
/// that the flows of a client make possible.
pub(super) const NEVER_TOLD: &[&str] = &[
    "application_type",
    "contacts",
    "default_max_age",
    "initiate_login_uri",
    "logo_uri",
    "policy_uri",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
    "require_auth_time",
    "response_types",
    "software_id",
    "software_version",
    "tos_uri",
];

/// Takes out of an answer the response type `none`, which Keycloak adds. It is left where nothing that was sent is among what the server derives,
/// and a client that sends its registration back (RFC 7592 §2.2) would ask for what it never chose.
pub(super) fn drop_what_it_adds(answered: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = answered.get_mut("response_types")
        && types.len() > 1
    {
        types.retain(|it| it != "none");
    }
}

/// How a member is told to be without a value.
#[derive(Debug, Clone, Copy)]
enum Empty {
    Text,
    List,
    False,
    /// A word for it.
    Word(&'static str),
}

/// The members that an update leaves as they were when it does not name them (read back from 26.7.4), although RFC 7592 §2.2 says
/// that they are deleted: a logo, keys or redirect URIs that the client took back would stay in force.
const KEPT_WHEN_OMITTED: &[(&str, Empty)] = &[
    ("backchannel_authentication_request_signing_alg", Empty::Text),
    ("backchannel_client_notification_endpoint", Empty::Text),
    ("backchannel_token_delivery_mode", Empty::Text),
    ("client_name", Empty::Text),
    ("client_uri", Empty::Text),
    ("default_acr_values", Empty::List),
    ("dpop_bound_access_tokens", Empty::False),
    ("id_token_encrypted_response_alg", Empty::Text),
    ("id_token_encrypted_response_enc", Empty::Text),
    ("logo_uri", Empty::Text),
    ("policy_uri", Empty::Text),
    // Empty they are those of the login, as of a registration without them.
    ("post_logout_redirect_uris", Empty::List),
    ("redirect_uris", Empty::List),
    ("request_object_signing_alg", Empty::Text),
    ("request_uris", Empty::List),
    ("require_pushed_authorization_requests", Empty::False),
    ("subject_type", Empty::Word("public")),
    ("tls_client_auth_subject_dn", Empty::Text),
    ("tls_client_certificate_bound_access_tokens", Empty::False),
    ("tos_uri", Empty::Text),
    ("userinfo_encrypted_response_alg", Empty::Text),
    ("userinfo_encrypted_response_enc", Empty::Text),
    ("userinfo_signed_response_alg", Empty::Text),
];

/// Makes an update take away what it does not name.
pub(super) fn empty_what_is_omitted(members: &mut Map<String, Value>) {
    // It refuses both together; an empty `jwks_uri` takes the keys of `jwks` out of use as well.
    if !members.contains_key("jwks") {
        members.entry("jwks_uri").or_insert_with(|| "".into());
    }
    for (name, empty) in KEPT_WHEN_OMITTED {
        members.entry(*name).or_insert_with(|| match empty {
            Empty::Text => "".into(),
            Empty::List => Value::Array(Vec::new()),
            Empty::False => false.into(),
            Empty::Word(word) => (*word).into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn emptied(members: Value) -> Map<String, Value> {
        let Value::Object(mut members) = members else { panic!("an object") };
        empty_what_is_omitted(&mut members);
        members
    }

    #[test]
    fn every_member_that_is_emptied_or_never_told_is_one_that_keycloak_knows() {
        for name in KEPT_WHEN_OMITTED.iter().map(|(name, _)| name).chain(NEVER_TOLD) {
            assert!(MEMBERS.contains(name), "{name}");
        }
    }

    #[test]
    fn what_is_named_stays_as_it_is() {
        let members =
            emptied(json!({"client_name": "Tool", "jwks_uri": "https://a.example/k", "subject_type": "pairwise"}));
        assert_eq!(members["client_name"], "Tool");
        assert_eq!(members["jwks_uri"], "https://a.example/k");
        assert_eq!(members["subject_type"], "pairwise");
        assert_eq!(members["logo_uri"], "");
        assert_eq!(members["redirect_uris"], json!([]));
    }

    #[test]
    fn keys_are_taken_away_by_their_uri_and_never_beside_new_ones() {
        assert_eq!(emptied(json!({}))["jwks_uri"], "");
        assert!(!emptied(json!({"jwks": {"keys": []}})).contains_key("jwks_uri"));
    }
}
