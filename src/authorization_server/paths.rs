//! Which path is what: registration, management, discovery, protected, or somebody else's. Pure; exact, never normalising:
//! a path is compared as it was written, and what another server might read as a protected path is called misspelt.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::client_endpoints::{ClientEndpoint, ClientEndpoints};
use super::settings::Kind;
use super::spelling::{fold, fold_otherwise, is_client_id_segment, is_plain};

/// What a request target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The registration endpoint.
    Registration,
    /// A client's management endpoint (RFC 7592) below the registration endpoint.
    Management {
        /// The last path segment, as written.
        client_id: String,
    },
    /// A discovery document of the configured issuer.
    Discovery(DiscoveryForm),
    /// A registration path of the server that the gateway does not offer (another provider or realm): refused.
    NotOffered,
    /// Another spelling of a protected path (`//`, dot segments, percent-encoding, case, `;`, backslash, trailing slash, dot, `*`,
    /// `.json`, `::$DATA`): refused with 400.
    Misspelt,
    /// An endpoint at which clients say who they are: forwarded, unless the record has taken the client out of use.
    Client(ClientEndpoint),
    /// Anything else.
    Other,
}

impl Route {
    /// The endpoint, where it is one at which clients say who they are.
    pub const fn client_endpoint(&self) -> Option<ClientEndpoint> {
        match self {
            Self::Client(endpoint) => Some(*endpoint),
            _ => None,
        }
    }
}

/// The four places where an issuer with a path may publish its metadata (RFC 8414 §3.1, OpenID Connect Discovery §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiscoveryForm {
    /// `/.well-known/oauth-authorization-server<issuer path>`.
    OAuthInserted,
    /// `<issuer path>/.well-known/oauth-authorization-server`.
    OAuthAppended,
    /// `/.well-known/openid-configuration<issuer path>`.
    OpenIdInserted,
    /// `<issuer path>/.well-known/openid-configuration`.
    OpenIdAppended,
}

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// Whether some issuer may publish its metadata at this path: another one, or ours, at a server that only checks how the path begins.
pub fn names_metadata(path: &str) -> bool {
    [OAUTH, OPENID].into_iter().any(|well_known| is_below(path, well_known) || path.ends_with(well_known))
}

impl DiscoveryForm {
    /// All four, in the order in which servers are likely to have them.
    pub const ALL: [Self; 4] = [Self::OpenIdAppended, Self::OAuthInserted, Self::OAuthAppended, Self::OpenIdInserted];

    /// Whether it is OpenID Connect Discovery's document rather than RFC 8414's.
    pub const fn is_openid(self) -> bool {
        matches!(self, Self::OpenIdInserted | Self::OpenIdAppended)
    }

    /// Its path for an issuer with this path (empty when it has none).
    pub fn path(self, issuer_path: &str) -> String {
        match self {
            Self::OAuthInserted => format!("{OAUTH}{issuer_path}"),
            Self::OAuthAppended => format!("{issuer_path}{OAUTH}"),
            Self::OpenIdInserted => format!("{OPENID}{issuer_path}"),
            Self::OpenIdAppended => format!("{issuer_path}{OPENID}"),
        }
    }
}

/// Registration endpoints that the server advertised in its metadata although the configuration names another one: ways round
/// the gateway, closed until it restarts. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct ClosedPaths(Arc<ArcSwap<BTreeSet<String>>>);

impl ClosedPaths {
    /// Closes a path in every spelling; false when it was closed already.
    pub fn close(&self, path: &str) -> bool {
        let folded = fold(path);
        if self.0.load().contains(&folded) {
            return false;
        }
        self.0.rcu(|closed| closed.iter().cloned().chain([folded.clone()]).collect::<BTreeSet<_>>());
        true
    }

    /// The paths that were closed, in the form in which spellings are compared.
    pub fn all(&self) -> Vec<String> {
        self.0.load().iter().cloned().collect()
    }

    /// Whether it is closed, or below what is: the URIs of the server's own clients (RFC 7592) are.
    fn contain(&self, folded: &str) -> bool {
        // The root is the empty path here; everything is below it.
        let is_it = |closed: &String| if closed.is_empty() { folded.is_empty() } else { is_below(folded, closed) };
        self.0.load().iter().any(is_it)
    }
}

/// The protected paths of one authorization server.
#[derive(Debug, Clone)]
pub struct PathTable {
    kind: Kind,
    registration: String,
    discovery: Vec<(String, DiscoveryForm)>,
    closed: ClosedPaths,
    clients: ClientEndpoints,
    /// The same as `registration`, and as `discovery`, in the form in which spellings are compared.
    folded_registration: String,
    folded: Vec<String>,
}

/// Why there is no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// The registration path is not written the way requests must write it.
    #[error(
        "the registration path {0:?} must begin with one slash, not end with one, and have no empty, dot or percent-encoded segment"
    )]
    Registration(String),
    /// The path of the issuer is not written the way requests must write it.
    #[error("the path {0:?} of the issuer must have no empty, dot or percent-encoded segment")]
    Issuer(String),
}

impl PathTable {
    /// The table of a server of this kind. `issuer_path` is the path of the issuer identifier, empty or `/` when it has none.
    pub fn new(kind: Kind, issuer_path: &str, registration_path: &str) -> Result<Self, PathProblem> {
        let issuer_path = issuer_path.strip_suffix('/').unwrap_or(issuer_path);
        if !(issuer_path.is_empty() || is_plain(issuer_path)) {
            return Err(PathProblem::Issuer(issuer_path.to_owned()));
        }
        if !is_plain(registration_path) {
            return Err(PathProblem::Registration(registration_path.to_owned()));
        }
        let discovery: Vec<_> = DiscoveryForm::ALL.into_iter().map(|form| (form.path(issuer_path), form)).collect();
        let folded = discovery.iter().map(|(path, _)| fold(path)).collect();
        let (registration, folded_registration) = (registration_path.to_owned(), fold(registration_path));
        let (closed, clients) = (ClosedPaths::default(), ClientEndpoints::default());
        Ok(Self { kind, registration, discovery, folded_registration, folded, closed, clients })
    }

    /// The same table, and whatever is or will be closed.
    #[must_use]
    pub fn with_closed(self, closed: ClosedPaths) -> Self {
        Self { closed, ..self }
    }

    /// The same table, with the endpoints at which clients say who they are.
    #[must_use]
    pub fn with_clients(self, clients: ClientEndpoints) -> Self {
        Self { clients, ..self }
    }

    /// The registration endpoint's path.
    pub fn registration_path(&self) -> &str {
        &self.registration
    }

    /// What `path` is, as it stands in the request line, without the query.
    pub fn classify(&self, path: &str) -> Route {
        if path == self.registration {
            return Route::Registration;
        }
        if let Some((_, form)) = self.discovery.iter().find(|(known, _)| known == path) {
            return Route::Discovery(*form);
        }
        let below = path.strip_prefix(&self.registration).and_then(|rest| rest.strip_prefix('/'));
        if let Some(client_id) = below.filter(|segment| is_client_id_segment(segment)) {
            return Route::Management { client_id: client_id.to_owned() };
        }
        let folded = fold(path);
        if self.closed.contain(&folded) {
            return Route::NotOffered;
        }
        if !self.is_protected(&folded) {
            return match self.clients.at(&folded) {
                Some(endpoint) => Route::Client(endpoint),
                None if self.is_in_doubt(path) => Route::Misspelt,
                None => Route::Other,
            };
        }
        // Written plainly it is a path of its own; any other spelling is somebody trying.
        let is_the_endpoint = folded == self.folded_registration;
        if !is_the_endpoint && is_plain(path) && path.to_ascii_lowercase() == folded && self.keeps_case(path) {
            Route::NotOffered
        } else {
            Route::Misspelt
        }
    }

    /// Whether it is the path of somebody else, or is read as one that is protected, a client's or closed, as the server takes its dots.
    fn is_in_doubt(&self, path: &str) -> bool {
        let is_known =
            |read: &String| self.is_protected(read) || self.clients.at(read).is_some() || self.closed.contain(read);
        fold_otherwise(path).is_some_and(|readings| readings.iter().any(is_known))
    }

    fn is_protected(&self, folded: &str) -> bool {
        is_below(folded, &self.folded_registration)
            || self.folded.iter().any(|known| known == folded)
            || match self.kind {
                Kind::Keycloak => names_keycloak_registration(folded),
                Kind::Cognito => is_below(folded, COGNITO_REGISTRATION),
                Kind::Rfc7591 => false,
            }
    }

    /// Whether the parts of `path` that protect it are written in the case in which the server has them.
    fn keeps_case(&self, path: &str) -> bool {
        match self.kind {
            Kind::Keycloak => names_keycloak_registration(path),
            Kind::Cognito => is_below(path, COGNITO_REGISTRATION) || is_below(path, &self.registration),
            Kind::Rfc7591 => is_below(path, &self.registration),
        }
    }
}

/// Where a user pool's domain registers clients itself.
const COGNITO_REGISTRATION: &str = "/oauth2/register";

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `…/realms/<any>/clients-registrations` and all below it, under whatever base path the server runs.
fn names_keycloak_registration(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    segments.windows(3).any(|three| three[0] == "realms" && three[2] == "clients-registrations")
}

#[cfg(test)]
mod tests {
    use super::super::client_endpoints::ClientEndpointSettings;
    use super::*;

    const REGISTRATION: &str = "/realms/acme/clients-registrations/openid-connect";

    fn keycloak() -> PathTable {
        PathTable::new(Kind::Keycloak, "/realms/acme", REGISTRATION).unwrap()
    }

    fn plain() -> PathTable {
        PathTable::new(Kind::Rfc7591, "", "/register").unwrap()
    }

    #[test]
    fn knows_the_registration_and_management_endpoints() {
        assert_eq!(keycloak().classify(REGISTRATION), Route::Registration);
        assert_eq!(
            keycloak().classify(&format!("{REGISTRATION}/a1-b2")),
            Route::Management { client_id: "a1-b2".to_owned() }
        );
        assert_eq!(plain().classify("/register/a%20b"), Route::Management { client_id: "a%20b".to_owned() });
    }

    #[test]
    fn a_closed_path_is_not_offered_in_any_spelling_nor_what_is_below_it() {
        let closed = ClosedPaths::default();
        let table = plain().with_closed(closed.clone());
        assert_eq!(table.classify("/connect/register"), Route::Other);
        assert!(closed.close("/connect/register"));
        assert!(!closed.close("/connect/register"));
        assert_eq!(table.classify("/connect/register"), Route::NotOffered);
        for path in ["/Connect//register/", "/connect/register/c-1", "/connect/%72egister/c-1"] {
            assert_eq!(table.classify(path), Route::NotOffered, "{path}");
        }
        closed.close("/");
        for path in ["/connect/registered", "/connect"] {
            assert_eq!(table.classify(path), Route::Other, "{path}");
        }
    }

    #[test]
    fn knows_the_four_places_of_discovery() {
        let table = keycloak();
        for (path, form) in [
            ("/.well-known/oauth-authorization-server/realms/acme", DiscoveryForm::OAuthInserted),
            ("/realms/acme/.well-known/oauth-authorization-server", DiscoveryForm::OAuthAppended),
            ("/.well-known/openid-configuration/realms/acme", DiscoveryForm::OpenIdInserted),
            ("/realms/acme/.well-known/openid-configuration", DiscoveryForm::OpenIdAppended),
        ] {
            assert_eq!(table.classify(path), Route::Discovery(form), "{path}");
        }
        assert_eq!(
            plain().classify("/.well-known/openid-configuration"),
            Route::Discovery(DiscoveryForm::OpenIdAppended)
        );
    }

    #[test]
    fn does_not_offer_other_providers_and_realms_of_keycloak() {
        for path in [
            "/realms/acme/clients-registrations/default",
            "/realms/acme/clients-registrations/install/abc",
            "/realms/acme/clients-registrations/saml2-entity-descriptor",
            "/realms/acme/clients-registrations",
            "/realms/master/clients-registrations/openid-connect",
            "/auth/realms/master/clients-registrations/default",
        ] {
            assert_eq!(keycloak().classify(path), Route::NotOffered, "{path}");
        }
        assert_eq!(keycloak().classify(&format!("{REGISTRATION}/a/b")), Route::NotOffered);
        assert_eq!(plain().classify("/register/a/b"), Route::NotOffered);
    }

    #[test]
    fn a_sign_is_no_digit_behind_a_percent_sign() {
        let route = plain().classify("/register/%252525+A..");
        assert_eq!(route, Route::Management { client_id: "%252525+A..".to_owned() });
    }

    #[test]
    fn calls_every_other_spelling_of_a_protected_path_misspelt() {
        for path in [
            "//register",
            "/register/",
            "/register//",
            "/./register",
            "/x/../register",
            "/../register",
            "/%72egister",
            "/%2572egister",
            "/register%2f",
            "/register%00",
            "/register%3fx",
            "/register;x=1",
            "/;x/register",
            "/register/abc;x",
            "/register/a%2fb",
            "/REGISTER",
            "/Register",
            "\\register",
            "/x\\..\\register",
            "/.well-known//openid-configuration",
            "/.WELL-KNOWN/openid-configuration",
            "/.well-known/openid-configuration/",
            "/register%20",
            "/register.",
            "/register..",
            "/register%2e",
            "/register.json",
            "/register.JSON",
            "/register.xml",
            "/register*",
            "/register::$DATA",
            "/register.json/",
            "/%EF%BD%92egister",
            "/reg%C4%B1ster",
            "/register%E2%80%8B",
        ] {
            assert_eq!(plain().classify(path), Route::Misspelt, "{path}");
        }
        for path in [
            "/realms/acme/clients-registrations/openid-connect/",
            "/realms/acme/./clients-registrations/openid-connect",
            "/realms/acme/Clients-Registrations/openid-connect",
            "/realms/acme;a=b/clients-registrations/default",
            "/realms/x%2Facme/../clients-registrations/default",
            "/realms/acme/clients%2Dregistrations/openid-connect",
            "/Realms/acme/clients-registrations/default",
            "/realms/acme/clients-registrations/openid-connect.",
            "/realms/acme/clients-registrations/openid-connect.json",
            "/realms/acme/clients-registrations/openid-connect*",
        ] {
            assert_eq!(keycloak().classify(path), Route::Misspelt, "{path}");
        }
    }

    #[test]
    fn dots_that_a_server_may_take_off_lead_to_nothing_protected() {
        let settings = ClientEndpointSettings { token: vec!["/token".to_owned()], ..Default::default() };
        let table = plain().with_clients(ClientEndpoints::new(Kind::Rfc7591, "", &settings));
        for path in ["/token/...", "/token/x/..*", "/token/%2e%2e.", "/x/..*/register", "/.../register"] {
            assert_eq!(table.classify(path), Route::Misspelt, "{path}");
        }
        for path in ["/files/...", "/a/..*/b", "/x.../token.js", "/compare/v1...v2"] {
            assert_eq!(table.classify(path), Route::Other, "{path}");
        }
        assert_eq!(table.classify("/token/.../.."), Route::Client(ClientEndpoint::Token));
    }

    #[test]
    fn leaves_everything_else_alone() {
        for path in [
            "/",
            "",
            "/realms/acme",
            "/realms/acme/protocol/openid-connect/token",
            "/realms/other/.well-known/openid-configuration",
            "/realms/acme/clients-registration",
            "/resources/x1y2z/login/a.js",
            "/admin/realms/acme/roles/a%20b",
            "/favicon.ico",
        ] {
            assert_eq!(keycloak().classify(path), Route::Other, "{path}");
        }
        for path in [
            "/registered",
            "/register-me",
            "/register.html",
            "/register.js",
            "/registered.json",
            "/a/register",
            "/.well-known/jwks.json",
        ] {
            assert_eq!(plain().classify(path), Route::Other, "{path}");
        }
        let table = PathTable::new(Kind::Rfc7591, "", "/register.json").unwrap();
        assert_eq!(table.classify("/register.json"), Route::Registration);
        assert_eq!(table.classify("/Register.json"), Route::Misspelt);
    }

    #[test]
    fn knows_where_somebodys_metadata_may_be() {
        for path in
            ["/.well-known/oauth-authorization-server/mcp", "/realms/other/.well-known/openid-configuration", OPENID]
        {
            assert!(names_metadata(path), "{path}");
        }
        for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/openid-configurations", "/token"] {
            assert!(!names_metadata(path), "{path}");
        }
    }

    #[test]
    fn refuses_a_registration_path_that_nobody_could_spell() {
        for path in ["", "register", "/register/", "/a//b", "/a/../b", "/%61", "/a;b"] {
            assert!(PathTable::new(Kind::Rfc7591, "", path).is_err(), "{path}");
        }
        assert!(PathTable::new(Kind::Rfc7591, "/a//b", "/register").is_err());
    }
}
