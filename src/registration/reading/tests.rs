//! Requests as they are read, member by member.

use serde_json::json;

use super::*;
use crate::registration::json;

fn read(value: Value) -> ClientMetadata {
    ClientMetadata::from_json(json::parse(value.to_string().as_bytes()).unwrap())
}

fn malformed(value: Value) -> Vec<String> {
    read(value).malformed.into_iter().map(|malformed| format!("{}: {}", malformed.place, malformed.problem)).collect()
}

#[test]
fn a_whole_number_may_be_written_with_a_fraction_of_nothing() {
    for number in ["3600", "3600.0", "3.6e3"] {
        let body = format!("{{\"default_max_age\": {number}}}");
        let metadata = ClientMetadata::from_json(json::parse(body.as_bytes()).unwrap());
        assert_eq!(metadata.plain["default_max_age"].to_string(), "3600", "{number}");
    }
}

#[test]
fn reads_every_member_into_its_type() {
    let metadata = read(json!({
        "redirect_uris": ["https://app.example.com/cb", "com.example.app:/cb", "nonsense"],
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["authorization_code", "refresh_token", "authorization_code"],
        "response_types": ["code", "token id_token", "id_token token"],
        "application_type": "web",
        "client_name": "App", "client_name#de": "Anwendung",
        "client_uri": "https://app.example.com", "logo_uri#ja-JP": "https://app.example.com/logo",
        "jwks_uri": "https://app.example.com/jwks", "request_uris": ["https://app.example.com/r#x"],
        "scope": "openid profile", "contacts": ["a@example.com"], "software_id": "s", "software_version": "1",
        "software_statement": "a.b.c", "require_auth_time": true, "default_max_age": 3600,
        "default_acr_values": ["urn:acr"], "id_token_signed_response_alg": "ES256", "client_id": "x",
        "post_logout_redirect_uris": ["com.example.app:/bye"], "dpop_bound_access_tokens": false,
        "jwks": {"keys": []}, "something": {"else": 1}, "scope#de": "x",
    }));
    assert_eq!(metadata.malformed, []);
    let uris = metadata.redirect_uris.unwrap();
    assert_eq!(uris.iter().map(|uri| uri.parsed.is_ok()).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(metadata.post_logout_redirect_uris.unwrap().len(), 1);
    assert_eq!(metadata.token_endpoint_auth_method, Some(TokenEndpointAuthMethod::PrivateKeyJwt));
    assert_eq!(metadata.grant_types.unwrap(), [GrantType::AuthorizationCode, GrantType::RefreshToken]);
    assert_eq!(metadata.response_types.unwrap().len(), 2);
    assert_eq!(metadata.application_type, Some(ApplicationType::Web));
    let names: Vec<_> = metadata.client_names.iter().map(|name| (name.place.as_str(), name.text.as_str())).collect();
    assert_eq!(names, [("client_name", "App"), ("client_name#de", "Anwendung")]);
    let urls: Vec<_> = metadata.urls.iter().map(|url| (url.member, url.place.as_str(), url.parsed.is_ok())).collect();
    assert_eq!(
        urls,
        [
            ("client_uri", "client_uri", true),
            ("jwks_uri", "jwks_uri", true),
            ("logo_uri", "logo_uri#ja-JP", true),
            ("request_uris", "request_uris[0]", true),
        ]
    );
    assert_eq!(metadata.scope.unwrap().to_string(), "openid profile");
    assert_eq!(metadata.contacts, [Text { place: "contacts[0]".to_owned(), text: "a@example.com".to_owned() }]);
    assert_eq!((metadata.software_id.as_deref(), metadata.software_version.as_deref()), (Some("s"), Some("1")));
    assert_eq!(metadata.unverified_software_statement.as_deref(), Some("a.b.c"));
    assert_eq!(metadata.jwks, None, "a set without keys is none");
    assert_eq!(
        Value::Object(metadata.plain),
        json!({
            "require_auth_time": true, "default_max_age": 3600, "default_acr_values": ["urn:acr"],
            "id_token_signed_response_alg": "ES256", "dpop_bound_access_tokens": false,
        })
    );
    assert_eq!(metadata.server_assigned, ["client_id"]);
    assert_eq!(metadata.unknown, ["scope#de", "something"]);
}

#[test]
fn null_and_an_empty_text_mean_absent() {
    let metadata = read(json!({
        "redirect_uris": null, "client_name": "", "client_name#de": null, "client_uri": "", "scope": "", "jwks": null,
        "contacts": null, "client_id": "", "client_secret": null, "default_max_age": null, "logo_uri": null,
        "token_endpoint_auth_method": "", "grant_types": null, "unknown": null,
    }));
    assert_eq!(format!("{metadata:?}"), format!("{:?}", ClientMetadata::default()));
}

#[test]
fn an_empty_array_of_redirect_uris_is_one_that_was_asked_for() {
    let metadata = read(json!({"redirect_uris": [], "grant_types": []}));
    assert_eq!(metadata.redirect_uris.map(|uris| uris.len()), Some(0));
    assert_eq!(metadata.grant_types, Some(Vec::new()));
}

#[test]
fn a_member_with_a_locale_for_a_language_tag_is_none_that_is_known() {
    let names =
        ["client_name#", "client_name#*", "client_name#de-", "client_name#de_DE.UTF-8", "client_name#sr_RS@latin"];
    let names = names.into_iter().chain(["client_name#zh_Hans_CN", "logo_uri#de_DE"]);
    let mut members: Map<String, Value> = names.clone().map(|name| (name.to_owned(), json!("b"))).collect();
    members.insert("client_name".to_owned(), json!("a"));
    let metadata = read(Value::Object(members));
    assert_eq!(metadata.malformed, []);
    assert_eq!((metadata.client_names.len(), metadata.urls.len()), (1, 0));
    assert_eq!(metadata.unknown, names.collect::<Vec<_>>());
}

#[test]
fn says_which_member_is_not_of_its_type() {
    for (value, sentence) in [
        (json!({"redirect_uris": "https://a.example"}), "redirect_uris: must be an array of strings"),
        (json!({"grant_types": "authorization_code"}), "grant_types: must be an array of strings"),
        (json!({"grant_types": ["authorization_code", 7]}), "grant_types[1]: must be a string"),
        (json!({"grant_types": [""]}), "grant_types[0]: is empty"),
        (json!({"client_name": 7}), "client_name: must be a string"),
        (json!({"client_name": ["a"]}), "client_name: must be a string"),
        (json!({"client_name": "a\u{0}b"}), "client_name: contains a control character"),
        (json!({"software_id": "a\u{85}b"}), "software_id: contains a control character"),
        (json!({"contacts": ["a\r\nb"]}), "contacts[0]: contains a control character"),
        (json!({"client_uri": {}}), "client_uri: must be a string"),
        (json!({"request_uris": "https://a.example"}), "request_uris: must be an array of strings"),
        (json!({"scope": ["openid"]}), "scope: must be a string"),
        (json!({"scope": "a\"b"}), "scope: has a token with a character that no scope has (RFC 6749 §3.3)"),
        (json!({"scope": "a\nb"}), "scope: contains a control character"),
        (
            json!({"default_max_age": "3600"}),
            "default_max_age: must be a whole number of seconds, not negative and below 2^53",
        ),
        (
            json!({"default_max_age": 1_u64 << 53}),
            "default_max_age: must be a whole number of seconds, not negative and below 2^53",
        ),
        (
            json!({"default_max_age": 0.5}),
            "default_max_age: must be a whole number of seconds, not negative and below 2^53",
        ),
        (
            json!({"default_max_age": -1}),
            "default_max_age: must be a whole number of seconds, not negative and below 2^53",
        ),
        (json!({"require_auth_time": "true"}), "require_auth_time: must be true or false"),
        (json!({"jwks": {"keys": [{}]}}), "jwks.keys[0].kty: is missing"),
        (json!({"subject_type": 1}), "subject_type: must be a string"),
    ] {
        assert_eq!(malformed(value), [sentence]);
    }
    let twice = "client_name#de: stands there twice, language tags being the same in upper and lower case";
    assert_eq!(malformed(json!({"client_name#DE": "a", "client_name#de": "b"})), [twice]);
}

#[test]
fn the_code_is_the_one_rfc_7591_has_for_the_member() {
    let code = |value| read(value).malformed[0].code;
    assert_eq!(code(json!({"redirect_uris": 1})), ErrorCode::InvalidRedirectUri);
    assert_eq!(code(json!({"software_statement": 1})), ErrorCode::InvalidSoftwareStatement);
    assert_eq!(code(json!({"scope": 1})), ErrorCode::InvalidClientMetadata);
}

#[test]
fn an_entry_that_is_no_text_keeps_its_number() {
    let uris = read(json!({"redirect_uris": [null, "https://a.example"]})).redirect_uris.unwrap();
    assert_eq!(uris[0].parsed, Err(MalformedRedirectUri::NotAString));
    assert!(uris[1].parsed.is_ok());
}

#[test]
fn a_hostile_request_leaves_little_behind() {
    let name = "\u{202e}\u{7}".repeat(200);
    let mut members = Map::new();
    for n in 0..500 {
        members.insert(format!("{name}{n}"), json!(1));
        members.insert(format!("client_name#{name}{n}"), json!("x"));
    }
    members.insert("redirect_uris".to_owned(), json!(vec!["x"; 5000]));
    let metadata = ClientMetadata::from_json(members);
    assert_eq!(metadata.redirect_uris.unwrap().len(), 100);
    assert!(metadata.unknown.len() <= 64 && metadata.malformed.len() <= 64);
    let named = metadata.unknown.iter().chain(metadata.malformed.iter().map(|malformed| &malformed.place));
    for text in named {
        assert!(text.len() < 100 && !text.contains(char::is_control), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(name in "(client_name|redirect_uris|jwks|scope)?#?\\PC{0,8}", text in "\\PC{0,20}") {
        for value in [json!(text), json!([text]), json!({ "keys": [{ "kty": text }] }), json!({ text: 1 })] {
            let _ = ClientMetadata::from_json(Map::from_iter([(name.clone(), value)]));
        }
    }
}
