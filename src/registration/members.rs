//! The list of members a registration request can have: what each is, by the specification that defines it, and what it is where it is not named.

use serde_json::{Map, Value};

/// What the value of a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// Has a field of its own in [`super::ClientMetadata`].
    Own,
    /// A text in any language: `client_name`, `client_name#ja-JP`.
    LocalizedText,
    /// A URL of the web, in any language.
    LocalizedUrl,
    /// A URL of the web.
    Url,
    /// An array of URLs of the web.
    Urls,
    /// A text no rule of its own looks at.
    Text,
    /// An array of such texts.
    Texts,
    /// `true` or `false`.
    Flag,
    /// A number of seconds.
    Seconds,
    /// Only a server assigns it (RFC 7591 §3.2.1, RFC 7592 §3).
    ServerAssigned,
}

/// The longest `client_id`, in octets: a longer one fits neither a URI nor a form, and the record has none.
pub const LONGEST_CLIENT_ID: usize = 2048;

/// Whether a client can be called so. RFC 6749 A.1 has printable ASCII only; what servers say beyond that is taken, as long as it can be shown and sent.
pub fn is_client_id(text: &str) -> bool {
    (1..=LONGEST_CLIENT_ID).contains(&text.len()) && !text.contains(char::is_control)
}

/// Every member, by the specification that defines it.
const MEMBERS: [(&str, MemberKind); 71] = {
    use MemberKind::{Flag, LocalizedText, LocalizedUrl, Own, Seconds, ServerAssigned, Text, Texts, Url, Urls};
    [
        // RFC 7591 §2.
        ("redirect_uris", Own),
        ("token_endpoint_auth_method", Own),
        ("grant_types", Own),
        ("response_types", Own),
        ("scope", Own),
        ("contacts", Own),
        ("jwks", Own),
        ("software_id", Own),
        ("software_version", Own),
        ("software_statement", Own),
        ("client_name", LocalizedText),
        ("client_uri", LocalizedUrl),
        ("logo_uri", LocalizedUrl),
        ("tos_uri", LocalizedUrl),
        ("policy_uri", LocalizedUrl),
        ("jwks_uri", Url),
        ("client_id", ServerAssigned),
        ("client_secret", ServerAssigned),
        ("client_id_issued_at", ServerAssigned),
        ("client_secret_expires_at", ServerAssigned),
        ("registration_access_token", ServerAssigned),
        ("registration_client_uri", ServerAssigned),
        // OpenID Connect Registration 1.0 §2.
        ("application_type", Own),
        ("sector_identifier_uri", Url),
        ("subject_type", Text),
        ("id_token_signed_response_alg", Text),
        ("id_token_encrypted_response_alg", Text),
        ("id_token_encrypted_response_enc", Text),
        ("userinfo_signed_response_alg", Text),
        ("userinfo_encrypted_response_alg", Text),
        ("userinfo_encrypted_response_enc", Text),
        ("request_object_signing_alg", Text),
        ("request_object_encryption_alg", Text),
        ("request_object_encryption_enc", Text),
        ("token_endpoint_auth_signing_alg", Text),
        ("default_max_age", Seconds),
        ("require_auth_time", Flag),
        ("default_acr_values", Texts),
        ("initiate_login_uri", Url),
        ("request_uris", Urls),
        // OpenID Connect RP-Initiated, Front-Channel and Back-Channel Logout 1.0.
        ("post_logout_redirect_uris", Own),
        ("frontchannel_logout_uri", Url),
        ("frontchannel_logout_session_required", Flag),
        ("backchannel_logout_uri", Url),
        ("backchannel_logout_session_required", Flag),
        // RFC 8705 §2.1.2, §3.4.
        ("tls_client_auth_subject_dn", Text),
        ("tls_client_auth_san_dns", Text),
        ("tls_client_auth_san_uri", Text),
        ("tls_client_auth_san_ip", Text),
        ("tls_client_auth_san_email", Text),
        ("tls_client_certificate_bound_access_tokens", Flag),
        // RFC 9101 §10.5, RFC 9126 §6, RFC 9396 §10, RFC 9449 §5.2.
        ("require_signed_request_object", Flag),
        ("require_pushed_authorization_requests", Flag),
        ("authorization_details_types", Texts),
        ("dpop_bound_access_tokens", Flag),
        // RFC 9701 §6.
        ("introspection_signed_response_alg", Text),
        ("introspection_encrypted_response_alg", Text),
        ("introspection_encrypted_response_enc", Text),
        // JWT Secured Authorization Response Mode (JARM) §3.
        ("authorization_signed_response_alg", Text),
        ("authorization_encrypted_response_alg", Text),
        ("authorization_encrypted_response_enc", Text),
        // OpenID Connect Client-Initiated Backchannel Authentication §4.
        ("backchannel_token_delivery_mode", Text),
        ("backchannel_client_notification_endpoint", Url),
        ("backchannel_authentication_request_signing_alg", Text),
        ("backchannel_user_code_parameter", Flag),
        // OpenID Federation 1.0 §5.1.2, §5.2.
        ("client_registration_types", Texts),
        ("organization_name", Text),
        ("signed_jwks_uri", Url),
        // Sent by libraries, defined in drafts and in the registry of their time.
        ("response_modes", Texts),
        ("use_mtls_endpoint_aliases", Flag),
        ("native_sso_supported", Flag),
    ]
};

/// The member of that name, its own name borrowed for ever.
pub(super) fn find(name: &str) -> Option<(&'static str, MemberKind)> {
    MEMBERS.iter().find(|(known, _)| *known == name).copied()
}

/// What the value of the member is, a language tag taken off where it may have one; none: no specification defines it.
pub fn kind(name: &str) -> Option<MemberKind> {
    let known = match name.split_once('#') {
        None => find(name),
        Some((base, tag)) => find_localized(base).filter(|_| is_language_tag(tag)),
    };
    known.map(|(_, kind)| kind)
}

/// The texts where a language tag may follow the name (RFC 7591 §2.2).
pub(super) fn find_localized(name: &str) -> Option<(&'static str, MemberKind)> {
    find(name).filter(|(_, kind)| matches!(kind, MemberKind::LocalizedText | MemberKind::LocalizedUrl))
}

/// Whether a text has the shape of a language tag (RFC 5646 §2.1): subtags of one to eight letters and digits, the first of letters.
pub(super) fn is_language_tag(text: &str) -> bool {
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or_default();
    let shaped = |subtag: &str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric());
    text.len() <= 64 && shaped(first) && first.bytes().all(|byte| byte.is_ascii_alphabetic()) && subtags.all(shaped)
}

/// What is registered as a member, or RFC 7591 §2 takes it for where it is not named. An empty list is a value: none.
pub fn registered(members: &Map<String, Value>, name: &str) -> Option<Value> {
    let named = members.get(name).filter(|value| !value.is_null() && *value != "").cloned();
    named.or_else(|| match name {
        "token_endpoint_auth_method" => Some("client_secret_basic".into()),
        "grant_types" => Some(vec!["authorization_code"].into()),
        "response_types" => Some(vec!["code"].into()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_named_is_what_the_specification_says_and_an_empty_list_is_named() {
        let members = json!({"response_types": [], "grant_types": null, "token_endpoint_auth_method": "", "scope": ""});
        for (name, value) in [
            ("response_types", Some(json!([]))),
            ("grant_types", Some(json!(["authorization_code"]))),
            ("token_endpoint_auth_method", Some(json!("client_secret_basic"))),
            ("scope", None),
            ("contacts", None),
        ] {
            assert_eq!(registered(members.as_object().unwrap(), name), value, "{name}");
        }
    }

    #[test]
    fn no_member_is_listed_twice() {
        let mut names = MEMBERS.map(|(name, _)| name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn knows_the_shape_of_a_language_tag() {
        for tag in
            ["de", "ja-JP", "ja-Jpan-JP", "zh-Hant-TW", "sl-rozaj-biske-1994", "x-private", "i-klingon", "es-419"]
        {
            assert!(is_language_tag(tag), "{tag}");
        }
        for tag in ["", "-", "de-", "-de", "de_DE", "1a", "de--DE", "toolongsub", "d\u{e9}", "de JP", "de#DE"] {
            assert!(!is_language_tag(tag), "{tag}");
        }
    }
}
