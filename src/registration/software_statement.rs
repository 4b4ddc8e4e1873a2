//! Software statements (RFC 7591 §2.3): which of their claims are client metadata, and how these take precedence over what the
//! request says beside them (§3.1.1). Whether a statement is genuine was settled before: nothing here verifies anything.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ClientMetadata;
use super::members::{self, MemberKind};
use super::metadata::Text;
use super::redirect_uri::{RedirectUri, RedirectUriKind};

/// The member that holds a statement, in the request and in the answer.
pub const MEMBER: &str = "software_statement";

/// The statement among these members.
pub fn of(members: &Map<String, Value>) -> Option<String> {
    members.get(MEMBER).and_then(Value::as_str).map(str::to_owned)
}

/// Ways to say the same thing: a statement that names the client's keys one way leaves no room for the request's other ways.
const KEY_MEMBERS: [&str; 3] = ["jwks", "jwks_uri", "signed_jwks_uri"];

/// What a directory calls members of client metadata, by the member: `client_name` → `software_client_name`.
pub type ClaimNames = BTreeMap<String, String>;

/// A statement that was verified, in the terms of client metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftwareStatement {
    /// The statement exactly as it was presented: the answer holds it unmodified (RFC 7591 §3.2.1).
    pub text: String,
    /// `iss`: who vouches for the software.
    pub issuer: String,
    /// `software_id`, where the statement names one.
    pub software_id: Option<String>,
    /// The claims that are client metadata, under the names RFC 7591 and OpenID Connect have for them.
    pub members: Map<String, Value>,
}

/// What is left of a statement once its claims are in the metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppliedStatement {
    /// The statement exactly as it was presented.
    pub text: String,
    /// `iss`.
    pub issuer: String,
    /// The redirect URIs it names; the request may name fewer of them, and no others.
    pub redirect_uris: Option<Vec<String>>,
    /// What it changed in the request, each with the member's place.
    pub changes: Vec<Text>,
}

/// Whether a statement can say something about the member: one a server assigns is nobody's to state, and a statement holds no other.
pub fn is_stateable(member: &str) -> bool {
    member != MEMBER && members::find(member).is_some_and(|(_, kind)| kind != MemberKind::ServerAssigned)
}

/// The claims that are client metadata, by their member. A member that `names` gives another claim is read from that claim alone.
/// Directories write one text where a list belongs, lists where RFC 7591 has one text, and numbers for versions: these are put right.
pub fn members_of(claims: &Map<String, Value>, names: &ClaimNames) -> Map<String, Value> {
    let mut members = Map::new();
    for (claim, value) in claims {
        if value.is_null() || value.as_str() == Some("") {
            continue;
        }
        let (base, tag) = split_tag(claim);
        let renamed = names.iter().filter(|(_, named)| named.as_str() == base).map(|(member, _)| member.as_str());
        let same = std::iter::once(base).filter(|base| !names.contains_key(*base));
        for member in renamed.chain(same).filter(|member| is_stateable(member)) {
            members.insert(format!("{member}{tag}"), put_right(member, value));
        }
    }
    members
}

/// `client_name#ja-JP` is `client_name` and `#ja-JP`.
fn split_tag(name: &str) -> (&str, &str) {
    name.split_at(name.find('#').unwrap_or(name.len()))
}

fn put_right(member: &str, value: &Value) -> Value {
    let kind = members::find(member).map(|(_, kind)| kind);
    let is_list = matches!(kind, Some(MemberKind::Texts | MemberKind::Urls))
        || ["redirect_uris", "post_logout_redirect_uris", "grant_types", "response_types", "contacts"]
            .contains(&member);
    match value {
        Value::String(_) if is_list => Value::Array(vec![value.clone()]),
        Value::Array(scopes) if member == "scope" && scopes.iter().all(Value::is_string) => {
            scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ").into()
        }
        Value::Number(number) if ["software_id", "software_version"].contains(&member) => number.to_string().into(),
        _ => value.clone(),
    }
}

impl SoftwareStatement {
    /// Reads the request with the statement's claims put over it. Redirect URIs alone may be fewer than the statement's: a request
    /// that names some keeps them, a rule sees that they are among the statement's.
    pub fn apply(&self, requested: Map<String, Value>) -> ClientMetadata {
        let mut merged = Map::new();
        let mut changes = Vec::new();
        let mut change =
            |place: &str, change: &str| changes.push(Text { place: place.to_owned(), text: change.to_owned() });
        for (name, value) in requested {
            let is_absent = value.is_null() || value.as_str() == Some("");
            if name == MEMBER || is_absent {
                continue;
            }
            if name == "redirect_uris" && !is_empty(&value) || !self.says_something_about(&name) {
                merged.insert(name, value);
            } else if !self.members.contains_key(&name) {
                change(&name, "is left out, the software statement says it another way");
            } else if self.members.get(&name) != Some(&value) {
                change(&name, "the software statement's value is taken, not the request's");
            } else {
                merged.insert(name, value);
            }
        }
        for (name, value) in &self.members {
            if !merged.contains_key(name) {
                merged.insert(name.clone(), value.clone());
                if !changed(&changes, name) {
                    changes.push(Text { place: name.clone(), text: "is taken from the software statement".to_owned() });
                }
            }
        }
        let mut metadata = ClientMetadata::from_json(merged);
        metadata.software_statement = Some(AppliedStatement {
            text: self.text.clone(),
            issuer: self.issuer.clone(),
            redirect_uris: self.redirect_uris(),
            changes,
        });
        metadata
    }

    /// A name in another language is the same member: a statement that says the name says it in every language.
    fn says_something_about(&self, name: &str) -> bool {
        let (base, _) = split_tag(name);
        let same = |stated: &str| stated == base || KEY_MEMBERS.contains(&stated) && KEY_MEMBERS.contains(&base);
        self.members.keys().any(|stated| same(split_tag(stated).0))
    }

    fn redirect_uris(&self) -> Option<Vec<String>> {
        let uris = self.members.get("redirect_uris")?.as_array()?;
        Some(uris.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}

fn changed(changes: &[Text], place: &str) -> bool {
    changes.iter().any(|change| change.place == place)
}

/// RFC 7591 has no meaning for an empty list of redirect URIs; it names none.
fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

impl AppliedStatement {
    /// Whether the statement names the URI: the same text, or the same loopback URI where the statement leaves the port open (RFC 8252 §7.3).
    pub fn names(&self, uri: &RedirectUri) -> bool {
        let Some(named) = &self.redirect_uris else { return true };
        let open = matches!(uri.kind(), RedirectUriKind::Loopback(_)).then(|| uri.without_port());
        let is = |text: &String| text == uri.as_str() || open.as_ref().is_some_and(|open| text == open.as_str());
        named.iter().any(is)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(members) => members,
            other => panic!("{other} is no object"),
        }
    }

    fn statement(members: Value) -> SoftwareStatement {
        SoftwareStatement {
            text: "a.b.c".to_owned(),
            issuer: "https://directory.example".to_owned(),
            software_id: None,
            members: object(members),
        }
    }

    fn told(metadata: &ClientMetadata) -> Vec<String> {
        let statement = metadata.software_statement.as_ref().unwrap();
        statement.changes.iter().map(|change| format!("{}: {}", change.place, change.text)).collect()
    }

    #[test]
    fn claims_that_are_client_metadata_are_taken_and_no_others() {
        let claims = object(json!({
            "iss": "https://directory.example", "sub": "s", "aud": "a", "exp": 1, "jti": "j",
            "client_name": "App", "client_name#de": "Anwendung", "software_id": "app", "scope": "openid",
            "client_id": "mine", "client_secret": "x", "software_statement": "x.y.z", "org_status": "Active",
            "logo_uri": null, "policy_uri": "",
        }));
        assert_eq!(
            Value::Object(members_of(&claims, &ClaimNames::new())),
            json!({"client_name": "App", "client_name#de": "Anwendung", "software_id": "app", "scope": "openid"})
        );
    }

    /// The claims of a UK Open Banking statement, and the mapping that `docs/software-statements.md` shows for them.
    #[test]
    fn a_directory_may_name_things_differently() {
        let names = [
            ("redirect_uris", "software_redirect_uris"),
            ("client_name", "software_client_name"),
            ("jwks_uri", "software_jwks_endpoint"),
            ("logo_uri", "software_logo_uri"),
            ("software_id", "sub"),
        ];
        let names = names.map(|(member, claim)| (member.to_owned(), claim.to_owned())).into();
        let claims = object(json!({
            "software_redirect_uris": "https://tpp.example/cb",
            "software_client_name": "TPP", "software_client_name#cy": "TPP Cymru", "client_name": "not this one",
            "software_jwks_endpoint": "https://keystore.example/tpp.jwks",
            "software_version": 1.1, "sub": "65d1f27c", "software_id": "nor this one",
            "software_roles": ["AISP", "PISP"], "scope": ["openid", "accounts"], "grant_types": "client_credentials",
        }));
        assert_eq!(
            Value::Object(members_of(&claims, &names)),
            json!({
                "redirect_uris": ["https://tpp.example/cb"], "client_name": "TPP", "client_name#cy": "TPP Cymru",
                "jwks_uri": "https://keystore.example/tpp.jwks", "software_version": "1.1", "software_id": "65d1f27c",
                "scope": "openid accounts", "grant_types": ["client_credentials"],
            })
        );
    }

    #[test]
    fn its_claims_take_precedence_over_the_plain_members() {
        let statement = statement(json!({
            "client_name": "Example Bank App", "scope": "openid accounts", "jwks_uri": "https://a.example/jwks",
            "grant_types": ["authorization_code"], "software_id": "app",
        }));
        let metadata = statement.apply(object(json!({
            "software_statement": "a.b.c", "client_name": "Evil", "client_name#de": "B\u{f6}se", "scope": "openid",
            "jwks": {"keys": []}, "grant_types": ["authorization_code"], "contacts": ["a@example.com"],
        })));
        let names: Vec<&str> = metadata.client_names.iter().map(|name| name.text.as_str()).collect();
        assert_eq!(names, ["Example Bank App"], "the other language is the request's own no longer");
        assert_eq!(metadata.scope.as_ref().unwrap().to_string(), "openid accounts");
        assert_eq!((metadata.jwks.is_some(), metadata.urls.len()), (false, 1));
        assert_eq!(metadata.contacts.len(), 1, "what the statement does not say is the request's to say");
        assert_eq!(metadata.software_id.as_deref(), Some("app"));
        assert_eq!(metadata.unverified_software_statement, None);
        assert_eq!(metadata.software_statement.as_ref().unwrap().text, "a.b.c");
        insta::assert_snapshot!(told(&metadata).join("\n"), @r#"
        client_name: the software statement's value is taken, not the request's
        client_name#de: is left out, the software statement says it another way
        jwks: is left out, the software statement says it another way
        scope: the software statement's value is taken, not the request's
        jwks_uri: is taken from the software statement
        software_id: is taken from the software statement
        "#);
    }

    #[test]
    fn a_request_without_redirect_uris_gets_those_of_the_statement() {
        let statement = statement(json!({"redirect_uris": ["https://a.example/1", "https://a.example/2"]}));
        for requested in [json!({}), json!({"redirect_uris": null}), json!({"redirect_uris": []})] {
            assert_eq!(statement.apply(object(requested)).redirect_uris.unwrap().len(), 2);
        }
    }

    #[test]
    fn a_request_may_name_some_of_its_redirect_uris() {
        let statement =
            statement(json!({"redirect_uris": ["https://a.example/1", "http://127.0.0.1/cb", "http://[::1]:8080/cb"]}));
        let metadata =
            statement.apply(object(json!({"redirect_uris": ["https://a.example/1", "https://evil.example/"]})));
        let applied = metadata.software_statement.unwrap();
        for (uri, is_named) in [
            ("https://a.example/1", true),
            ("http://127.0.0.1:49152/cb", true),
            ("http://[::1]:8080/cb", true),
            ("http://[::1]:8081/cb", false),
            ("http://127.0.0.1:49152/other", false),
            ("https://a.example:443/1", false),
            ("https://a.example/1/", false),
            ("https://evil.example/", false),
        ] {
            assert_eq!(applied.names(&RedirectUri::parse(uri).unwrap()), is_named, "{uri}");
        }
        assert_eq!(metadata.redirect_uris.unwrap().len(), 2, "which of them may stay is a rule's to say");
    }

    #[test]
    fn a_statement_that_names_no_redirect_uris_leaves_them_to_the_rules() {
        let metadata =
            statement(json!({"client_name": "App"})).apply(object(json!({"redirect_uris": ["https://a.example/1"]})));
        assert!(metadata.software_statement.unwrap().names(&RedirectUri::parse("https://a.example/1").unwrap()));
    }

    #[test]
    fn a_claim_of_the_wrong_type_is_malformed_like_any_other_member() {
        let metadata = statement(json!({"grant_types": 7})).apply(Map::new());
        assert_eq!(metadata.malformed[0].place, "grant_types");
    }
}
