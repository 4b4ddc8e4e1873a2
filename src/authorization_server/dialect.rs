//! What each kind of server must be told differently, and how its answer is put back into the client's own terms. Pure.

use serde_json::{Map, Value};

use super::access::ClientUris;
use super::cognito;
use super::keycloak_members;
use super::settings::{AuthorizationServerSettings, Kind, LoopbackPorts, SoftwareStatementsSent};
use super::{Asked, Recorded};
use crate::policy::Judged;
use crate::registration::software_statement;
use crate::registration::{RedirectUri, Scope, ScopeSet};
use crate::secret::Secret;

/// What only the server assigns (RFC 7592 §2.2).
const ASSIGNED: [&str; 6] = [
    "client_id",
    "client_id_issued_at",
    "client_secret",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
];

/// How to speak to one kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The members the server accepts; none: all.
    members: Option<&'static [&'static str]>,
    /// Whether loopback redirect URIs, of login and of logout, go without their port, because only then the server accepts any port
    /// (RFC 8252 §7.3).
    loopback_ports: LoopbackPorts,
    /// Whether the software statement is sent, besides what it says.
    software_statements: SoftwareStatementsSent,
    /// Whether `scope` is always sent, and `openid` never in it: Keycloak grants every scope of the realm to a client that
    /// names none, and refuses the whole request for `openid`, which it always allows.
    scope_always_without_openid: bool,
    /// Whether an update holds the client's secret: RFC 7592 §2.2 lets it, and Keycloak does not look at it.
    secret_in_updates: bool,
    /// Whether an update must say of a member that it is empty, because what is omitted stays.
    empties_in_updates: bool,
    /// Whether an answer shows response types that nobody asked for.
    adds_response_types: bool,
    /// The members that it takes and never tells again.
    never_told: &'static [&'static str],
    /// Whether clients are managed below the registration endpoint and nowhere else.
    managed_below_registration: bool,
}

impl Dialect {
    /// The dialect of the configured kind.
    pub fn of(settings: &AuthorizationServerSettings) -> Self {
        match settings.kind {
            Kind::Rfc7591 => Self {
                members: None,
                loopback_ports: settings.loopback_ports.unwrap_or(LoopbackPorts::Keep),
                software_statements: settings.software_statements,
                scope_always_without_openid: false,
                secret_in_updates: true,
                empties_in_updates: false,
                adds_response_types: false,
                never_told: &[],
                managed_below_registration: false,
            },
            Kind::Keycloak => Self {
                members: Some(keycloak_members::MEMBERS),
                loopback_ports: settings.loopback_ports.unwrap_or(LoopbackPorts::Omit),
                software_statements: SoftwareStatementsSent::Omit,
                scope_always_without_openid: true,
                secret_in_updates: false,
                empties_in_updates: true,
                adds_response_types: true,
                never_told: keycloak_members::NEVER_TOLD,
                managed_below_registration: true,
            },
            // Compares exactly, ports included.
            Kind::Cognito => Self {
                members: Some(cognito::MEMBERS),
                loopback_ports: LoopbackPorts::Keep,
                software_statements: SoftwareStatementsSent::Omit,
                scope_always_without_openid: false,
                secret_in_updates: false,
                empties_in_updates: false,
                adds_response_types: false,
                never_told: &[],
                managed_below_registration: true,
            },
        }
    }

    /// The request body for the server, from what was judged alone.
    pub fn outgoing(self, judged: &dyn Judged) -> Map<String, Value> {
        let mut members = self.understood(judged.metadata().clone());
        let lists = [
            ("redirect_uris", judged.redirect_uris()),
            ("post_logout_redirect_uris", judged.post_logout_redirect_uris()),
        ];
        for (member, judged) in lists {
            if let Some(Value::Array(uris)) = members.get_mut(member) {
                *uris = self.all_written(judged, uris);
            }
        }
        if self.scope_always_without_openid {
            members.insert("scope".to_owned(), self.sent_scope(&judged.scopes().granted));
        }
        members
    }

    /// The members of a client in the record, with its scopes, as a registration would send them.
    pub fn restated(self, recorded: Recorded<'_>) -> Map<String, Value> {
        let mut members = recorded.metadata.clone();
        members.retain(|name, _| !ASSIGNED.contains(&name.as_str()));
        let mut members = self.understood(members);
        members.insert("scope".to_owned(), self.sent_scope(recorded.scopes));
        members
    }

    /// Of these members those that the server accepts.
    fn understood(self, mut members: Map<String, Value>) -> Map<String, Value> {
        if let Some(known) = self.members {
            members.retain(|name, _| known.contains(&name.as_str()));
        }
        if self.software_statements == SoftwareStatementsSent::Omit {
            members.remove(software_statement::MEMBER);
        }
        members
    }

    /// These scopes as the server is told them.
    fn sent_scope(self, scopes: &ScopeSet) -> Value {
        let is_sent = |scope: &&Scope| !self.scope_always_without_openid || !is_openid(scope);
        scopes.iter().filter(is_sent).cloned().collect::<ScopeSet>().to_string().into()
    }

    /// The body of an update (RFC 7592 §2.2) to the members of [`Self::outgoing`], and which client. Never what only the server assigns.
    pub fn update(
        self,
        outgoing: &Map<String, Value>,
        client_id: &str,
        client_secret: Option<&Secret>,
    ) -> Map<String, Value> {
        let mut members = outgoing.clone();
        members.insert("client_id".to_owned(), client_id.into());
        if let Some(secret) = client_secret.filter(|_| self.secret_in_updates) {
            members.insert("client_secret".to_owned(), secret.expose().into());
        }
        if self.empties_in_updates {
            keycloak_members::empty_what_is_omitted(&mut members);
        }
        members
    }

    /// The members that the server takes and never tells again: they stay as they were registered.
    pub const fn never_told(self) -> &'static [&'static str] {
        self.never_told
    }

    /// Which URIs of management are believed.
    pub fn client_uris(self, registration_path: &str) -> ClientUris<'_> {
        ClientUris { registration_path, below_it_only: self.managed_below_registration }
    }

    /// Puts the server's members back into the client's terms: the redirect URIs it asked for, its scopes.
    pub fn incoming(self, asked: &Asked, answered: &mut Map<String, Value>) {
        // Who named none is told of some all the same: Keycloak takes those of the login.
        let post_logout = asked.post_logout_redirect_uris.as_ref().unwrap_or(&asked.redirect_uris);
        for (member, asked) in [("redirect_uris", &asked.redirect_uris), ("post_logout_redirect_uris", post_logout)] {
            if let Some(Value::Array(uris)) = answered.get_mut(member) {
                *uris = self.as_asked(asked, uris);
            }
        }
        if self.adds_response_types {
            keycloak_members::drop_what_it_adds(answered);
        }
        // RFC 7591 §3.2.1: unmodified, whatever the server did with it.
        if let Some(statement) = &asked.software_statement {
            answered.insert(software_statement::MEMBER.to_owned(), statement.as_str().into());
        }
        if !self.scope_always_without_openid {
            return;
        }
        let answered_scope = answered.get("scope").and_then(Value::as_str).unwrap_or_default();
        if let Ok(answered_scope) = ScopeSet::parse(answered_scope) {
            let is_there = |scope: &&Scope| is_openid(scope) || answered_scope.iter().any(|there| there == *scope);
            // In the order they were asked for, then what the server adds.
            let asked = asked.granted.iter().filter(is_there);
            let scope: ScopeSet = asked.chain(answered_scope.iter()).cloned().collect();
            answered.insert("scope".to_owned(), scope.to_string().into());
        }
    }

    /// How the server is told redirect URIs, each once. What is let through and is none stays as it is.
    fn all_written(self, uris: &[RedirectUri], asked: &[Value]) -> Vec<Value> {
        let mut written: Vec<Value> = Vec::with_capacity(asked.len());
        for value in asked {
            let uri = uris.iter().find(|uri| Some(uri.as_str()) == value.as_str());
            let value = uri.map_or_else(|| value.clone(), |uri| self.written(uri).into());
            if !written.contains(&value) {
                written.push(value);
            }
        }
        written
    }

    /// How the server is told a redirect URI.
    fn written(self, uri: &RedirectUri) -> String {
        match self.loopback_ports {
            LoopbackPorts::Omit => uri.without_port().as_str().to_owned(),
            LoopbackPorts::Keep => uri.as_str().to_owned(),
        }
    }

    /// The URIs of an answer, each replaced by all those asked for that it stands for.
    fn as_asked(self, asked: &[RedirectUri], answered: &[Value]) -> Vec<Value> {
        let mut uris: Vec<Value> = Vec::with_capacity(asked.len());
        for value in answered {
            let mut meant = asked.iter().filter(|uri| Some(self.written(uri).as_str()) == value.as_str()).peekable();
            if meant.peek().is_none() {
                uris.push(value.clone());
            }
            uris.extend(meant.map(|uri| Value::from(uri.as_str())));
        }
        uris
    }
}

fn is_openid(scope: &Scope) -> bool {
    scope.as_str() == "openid"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::{Profile, judge};
    use crate::registration::{ClientMetadata, SoftwareStatement};

    /// What a client gets to register that presented a statement with a name.
    fn clearance() -> crate::policy::Clearance {
        let yaml = "{name: partners, match: {}, grant_types: [client_credentials], software_statement: required}";
        let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
        let statement = SoftwareStatement {
            text: "a.b.c".to_owned(),
            issuer: "https://directory.example".to_owned(),
            software_id: None,
            members: Map::from_iter([("client_name".to_owned(), json!("App"))]),
        };
        let requested = Map::from_iter([("grant_types".to_owned(), json!(["client_credentials"]))]);
        judge(&profile, &statement.apply(requested)).result.unwrap()
    }

    #[test]
    fn a_loopback_uri_for_logout_goes_without_its_port_and_comes_back_with_its_own() {
        let yaml = "{name: apps, match: {}, redirect_uris: {loopback: allow}}";
        let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
        let (login, logout) =
            (json!(["http://127.0.0.1:4711/cb"]), json!(["http://127.0.0.1/cb", "http://[::1]:9/bye"]));
        let requested = Map::from_iter([
            ("redirect_uris".to_owned(), login.clone()),
            ("post_logout_redirect_uris".to_owned(), logout.clone()),
            ("token_endpoint_auth_method".to_owned(), json!("none")),
        ]);
        let clearance = judge(&profile, &ClientMetadata::from_json(requested)).result.unwrap();
        let keycloak =
            Dialect::of(&serde_yaml::from_str("{kind: keycloak, issuer: 'https://a', url: 'https://a'}").unwrap());
        let mut members = keycloak.outgoing(&clearance);
        assert_eq!(members["post_logout_redirect_uris"], json!(["http://127.0.0.1/cb", "http://[::1]/bye"]));
        keycloak.incoming(&Asked::from(&clearance), &mut members);
        assert_eq!((&members["redirect_uris"], &members["post_logout_redirect_uris"]), (&login, &logout));
    }

    #[test]
    fn a_response_type_that_keycloak_adds_is_not_shown() {
        for (kind, answered, shown) in [
            ("keycloak", json!(["code", "none"]), json!(["code"])),
            ("keycloak", json!(["none"]), json!(["none"])),
            ("rfc7591", json!(["code", "none"]), json!(["code", "none"])),
        ] {
            let yaml = format!("{{kind: {kind}, issuer: 'https://a', url: 'https://a'}}");
            let dialect = Dialect::of(&serde_yaml::from_str(&yaml).unwrap());
            let mut members = Map::from_iter([("response_types".to_owned(), answered)]);
            dialect.incoming(&Asked::from(&clearance()), &mut members);
            assert_eq!(members["response_types"], shown, "{kind}");
        }
    }

    #[test]
    fn a_software_statement_is_sent_where_the_server_wants_it_and_answered_unmodified_always() {
        for (kind, wanted, is_sent) in [
            ("rfc7591", "omit", false),
            ("rfc7591", "send", true),
            ("keycloak", "omit", false),
            ("keycloak", "send", false),
        ] {
            let yaml =
                format!("{{kind: {kind}, issuer: 'https://a', url: 'https://a', software_statements: {wanted}}}");
            let dialect = Dialect::of(&serde_yaml::from_str(&yaml).unwrap());
            let sent = dialect.outgoing(&clearance());
            assert_eq!(sent.get("client_name"), Some(&json!("App")), "{yaml}");
            assert_eq!(sent.contains_key("software_statement"), is_sent, "{yaml}");
            let mut answered = Map::from_iter([("software_statement".to_owned(), json!("changed"))]);
            dialect.incoming(&Asked::from(&clearance()), &mut answered);
            assert_eq!(answered["software_statement"], "a.b.c", "{yaml}");
        }
    }
}
