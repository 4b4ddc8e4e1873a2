//! What a change asks for that the client does not have: the difference that is recorded, and that may be refused. Pure.

use std::fmt;

use serde_json::{Map, Value};

use crate::anomaly::observation::ChangeSeen;
use crate::authorization_server::{Asked, Registrar};
use crate::intake::recorded;
use crate::policy::Judged;
use crate::policy::clearance::ScopeDecision;
use crate::registrant::software_statement::vouched_for;
use crate::registration::excerpt::{AtLength, Excerpt};
use crate::registration::json::text_of;
use crate::registration::members;
use crate::registration::software_statement::MEMBER;
use crate::registration::{RedirectUri, ScopeSet};
use crate::store::{ClientRecord, RegistrantRecord};

/// The members that widen what somebody could do who has taken the client over, or what it gives up that would be in their way.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    redirect_uris: Vec<String>,
    scopes: Vec<String>,
    further: Vec<(&'static str, Vec<String>)>,
    credentials: Vec<&'static str>,
    endpoints: Vec<&'static str>,
    given_up: Vec<&'static str>,
    software: Vec<String>,
}

/// Lists besides the redirect URIs of which every further entry is more.
const LISTS: [&str; 4] = ["grant_types", "response_types", "post_logout_redirect_uris", "authorization_details_types"];

/// What a client proves itself by: keys, where they are, the method, the names in its certificate.
const CREDENTIALS: [&str; 9] = [
    "jwks",
    "jwks_uri",
    "signed_jwks_uri",
    "token_endpoint_auth_method",
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
];

/// Where the server tells the client of its users.
const ENDPOINTS: [&str; 3] =
    ["backchannel_logout_uri", "frontchannel_logout_uri", "backchannel_client_notification_endpoint"];

/// What keeps what was stolen from being used.
const PROTECTIONS: [&str; 6] = [
    "dpop_bound_access_tokens",
    "tls_client_certificate_bound_access_tokens",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
    "request_object_signing_alg",
    "backchannel_authentication_request_signing_alg",
];

/// What `asked` has and `client` has not: of what would be sent to the server, in the terms in which the client is told what it has.
pub fn of(registrar: &dyn Registrar, client: &ClientRecord, asked: &dyn Judged) -> Difference {
    let sent = registrar.outgoing(asked);
    // Where it may be sent after a logout is not on record in its own terms, and is compared in the server's.
    let recorded = Asked::recorded(&client.redirect_uris, &client.scope_granted);
    let terms = Asked { post_logout_redirect_uris: Some(Vec::new()), ..recorded };
    let has = registrar.in_client_terms(&terms, client.metadata.clone());
    let uris = recorded::redirect_uris(asked).into_iter();
    let granted = ScopeSet::recorded(&client.scope_granted);
    let scopes = asked.scopes().granted.iter().filter(|scope| !granted.iter().any(|known| known == *scope));
    let differs = |member: &&'static str| {
        let value = sent.get(*member).filter(|value| !value.is_null());
        value.is_some_and(|value| {
            let registered = members::registered(&has, member).unwrap_or_default();
            // Servers change one way to send a secret for another by themselves (Keycloak: basic for post).
            *value != registered && !(sends_a_secret(value) && sends_a_secret(&registered))
        })
    };
    // What a change leaves out is taken away as well; an algorithm that takes another's place signs no less.
    let is_given_up = |member: &&'static str| gives_up(has.get(*member), sent.get(*member));
    let further = LISTS.into_iter().filter_map(|member| {
        let known = members::registered(&has, member).unwrap_or_default();
        let is_new = |value: &&Value| !known.as_array().is_some_and(|known| known.contains(value));
        let new = sent.get(member)?.as_array()?.iter().filter(is_new);
        let new: Vec<String> = new.filter_map(|value| value.as_str().map(str::to_owned)).collect();
        (!new.is_empty()).then_some((member, new))
    });
    Difference {
        redirect_uris: uris.filter(|uri| !client.redirect_uris.contains(uri)).collect(),
        scopes: scopes.map(|scope| scope.as_str().to_owned()).collect(),
        further: further.collect(),
        credentials: CREDENTIALS.into_iter().filter(differs).collect(),
        endpoints: ENDPOINTS.into_iter().filter(differs).collect(),
        given_up: PROTECTIONS.into_iter().filter(is_given_up).collect(),
        software: other_software(client, asked.metadata()),
    }
}

/// Whether a protection is gone, or weaker: what only the private key signed, everybody signs who read the secret.
fn gives_up(has: Option<&Value>, sent: Option<&Value>) -> bool {
    let is_by_secret = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|text| text.starts_with("HS"));
    is_on(has) && (!is_on(sent) || (is_by_secret(sent) && !is_by_secret(has)))
}

/// Whether a protection is in force with this value.
fn is_on(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(is_on)) => *is_on,
        Some(Value::String(algorithm)) => !matches!(algorithm.as_str(), "" | "any" | "none"),
        _ => false,
    }
}

/// What of its software is another than the client's, where somebody vouches for both. Both statements were verified when they were heard.
fn other_software(client: &ClientRecord, asked: &Map<String, Value>) -> Vec<String> {
    let registered = || {
        let RegistrantRecord { statement_issuer, software_id, .. } = &client.registrant;
        Some((statement_issuer.clone()?, software_id.clone()))
    };
    let (Some(asked), Some(has)) = (vouched_for(asked), vouched_for(&client.metadata).or_else(registered)) else {
        return Vec::new();
    };
    let issuer = (asked.0 != has.0).then(|| format!("software_statement issuer {}", Excerpt(&asked.0)));
    let software_id = asked.1.as_deref().unwrap_or_default();
    let software = (asked.1 != has.1).then(|| format!("software_id {}", Excerpt(software_id)));
    issuer.into_iter().chain(software).collect()
}

fn sends_a_secret(method: &Value) -> bool {
    matches!(method.as_str(), Some("client_secret_basic" | "client_secret_post"))
}

/// The members that wait for an approval, with all the scopes that an approval can grant of those that were asked for.
pub fn asked(judged: &dyn Judged) -> Map<String, Value> {
    let mut members = judged.metadata().clone();
    // The one that the client has stays: what it says was put over the request.
    members.remove(MEMBER);
    let ScopeDecision { requested, granted, withheld, .. } = judged.scopes();
    if let Some(requested) = requested {
        let can_be_had = requested.iter().filter(|scope| granted.contains(scope) || withheld.contains(scope));
        members.insert("scope".to_owned(), can_be_had.cloned().collect::<ScopeSet>().to_string().into());
    }
    members
}

impl Difference {
    /// What the detectors of anomalies are told where it is made.
    pub fn seen(&self, client: &ClientRecord, asked: &dyn Judged) -> ChangeSeen {
        let hosts = |uris: &[String]| {
            let parsed = uris.iter().filter_map(|uri| RedirectUri::parse(uri).ok());
            parsed.map(|uri| uri.host_or_scheme()).collect()
        };
        ChangeSeen {
            client: client.client_id.clone(),
            hosts_before: hosts(&client.redirect_uris),
            new_redirect_hosts: hosts(&self.redirect_uris),
            redirect_hosts: asked.redirect_uris().iter().map(RedirectUri::host_or_scheme).collect(),
            new_name: text_of(asked.metadata(), "client_name")
                .filter(|name| client.client_name.as_deref() != Some(name))
                .map(str::to_owned),
            new_redirect_uris: u32::try_from(self.redirect_uris.len()).unwrap_or(u32::MAX),
            new_scopes: self.scopes.clone(),
            other_keys: self.credentials.iter().any(|member| *member != "token_endpoint_auth_method"),
            registered_from: Some(client.registrant.address),
        }
    }

    /// The same where it waits for an approval, which grants more: the scopes that are withheld now, and those that were withheld before.
    /// What was withheld before waits as it is: it is no reason for the rest to wait.
    #[must_use]
    pub fn by_approval(mut self, client: &ClientRecord, asked: &dyn Judged) -> Self {
        let granted = ScopeSet::recorded(&client.scope_granted);
        let withheld = asked.scopes().withheld.without(&granted);
        let known = ScopeSet::recorded(&client.scope_withheld);
        if !self.is_empty() || !withheld.without(&known).is_empty() {
            let all = withheld.union(&known).without(&granted);
            let more = all.iter().map(|scope| scope.as_str().to_owned());
            let more: Vec<String> = more.filter(|scope| !self.scopes.contains(scope)).collect();
            self.scopes.extend(more);
        }
        self
    }

    /// It would be another software: who vouches for a client cannot be approved later.
    pub const fn is_of_other_software(&self) -> bool {
        !self.software.is_empty()
    }

    /// Nothing is asked for that was not there.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A value as it is where it is a URI or one word, and otherwise quoted: what was let through may be any text, also one that reads as
/// another part.
fn shown(value: &str) -> String {
    let is_word = |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte));
    if RedirectUri::parse(value).is_ok() || is_word(value) { value.to_owned() } else { AtLength(value).to_string() }
}

/// The long parts stand at the end, where a notice is cut: no long redirect URI hides a scope behind it.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes = (!self.scopes.is_empty()).then(|| format!("scope + {}", self.scopes.join(" ")));
        let mut parts = Vec::from_iter(scopes);
        let further = self.further.iter().map(|(member, values)| (*member, values));
        for (what, values) in std::iter::once(("redirect_uris", &self.redirect_uris)).chain(further) {
            if !values.is_empty() {
                let values: Vec<String> = values.iter().map(|value| shown(value)).collect();
                parts.push(format!("{what} + {}", values.join(" ")));
            }
        }
        let lists = [("other", &self.credentials), ("other", &self.endpoints), ("without", &self.given_up)];
        for (what, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            parts.push(format!("{what} {}", list.join(" ")));
        }
        if !self.software.is_empty() {
            parts.push(format!("other {}", self.software.join(" ")));
        }
        parts.sort_by_key(String::len);
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::store::client::by_hand::client;

    fn stated(claims: &Value) -> Map<String, Value> {
        let statement = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()));
        Map::from_iter([(MEMBER.to_owned(), statement.into())])
    }

    #[test]
    fn the_shortest_part_stands_first_and_what_was_let_through_is_no_part_of_its_own() {
        let difference = Difference {
            redirect_uris: vec!["https://app.example.com/cb".to_owned(), "x; scope + openid".to_owned()],
            scopes: vec!["orders".to_owned()],
            further: vec![("grant_types", vec!["refresh_token".to_owned()])],
            ..Difference::default()
        };
        assert_eq!(
            difference.to_string(),
            r#"scope + orders; grant_types + refresh_token; redirect_uris + https://app.example.com/cb "x; scope + openid""#
        );
    }

    #[test]
    fn a_request_is_signed_as_well_as_before_or_a_protection_is_given_up() {
        let gives_up = |has: Value, sent: Value| gives_up(Some(&has), Some(&sent));
        for (has, sent) in [("PS256", "HS256"), ("ES256", "none"), ("EdDSA", "any"), ("HS256", "")] {
            assert!(gives_up(has.into(), sent.into()), "{has} to {sent}");
        }
        for (has, sent) in [("PS256", "ES256"), ("HS256", "HS512"), ("HS256", "RS256"), ("none", "HS256"), ("any", "")]
        {
            assert!(!gives_up(has.into(), sent.into()), "{has} to {sent}");
        }
        assert!(PROTECTIONS.contains(&"backchannel_authentication_request_signing_alg"), "CIBA Core 1.0 §7.1.1");
    }

    #[test]
    fn a_client_that_would_become_other_software_asks_for_more() {
        let (issuer, other) = ("https://directory.example", "https://other.example");
        let mut client = client();
        let own = stated(&json!({"iss": issuer, "software_id": "s1"}));
        assert_eq!(other_software(&client, &own), Vec::<String>::new(), "nobody vouched for it");
        client.registrant.statement_issuer = Some(issuer.to_owned());
        client.registrant.software_id = Some("s1".to_owned());
        // By whom it was registered, and after a change by what that said.
        for metadata in [Map::new(), own.clone()] {
            client.metadata = metadata;
            assert_eq!(other_software(&client, &own), Vec::<String>::new());
            assert_eq!(other_software(&client, &Map::new()), Vec::<String>::new());
            let another = stated(&json!({"iss": issuer, "software_id": "s2"}));
            assert_eq!(other_software(&client, &another), [r#"software_id "s2""#]);
            let foreign = stated(&json!({"iss": other, "software_id": "s1"}));
            assert_eq!(other_software(&client, &foreign), [r#"software_statement issuer "https://other.example""#]);
        }
    }
}
