//! How the parts of a configuration fit together. Closed by default: what would leave a door open that nobody asked for is an error.

mod alerts;
mod anomalies;
mod approvals;
mod clean_up;
mod cognito;
mod empty;
pub(super) mod enforcement;
mod listeners;
mod responses;
mod statements;
mod tokens;

use std::collections::HashMap;

use super::Findings;
use super::node::Node;
use super::place::Place;
use super::reader::{Required, read};
use super::settings::GatewaySettings;
use super::urls;
use crate::authorization_server::paths::{PathProblem, PathTable};
use crate::authorization_server::settings::{CredentialSettings, Kind, OtherPaths};
use crate::policy::settings::Requirement;
use crate::policy::{Profile, ProfileSettings};
use crate::proxy::settings::{ClientCertificateRequest, ListenerSettings};
use crate::setting_problem::SettingProblem;

/// The entries of the lists, each read alone: one that is broken hides nothing that is wrong with the others.
pub(super) struct Parts {
    pub listeners: Vec<(Place, ListenerSettings)>,
    pub profiles: Vec<ProfilePart>,
}

/// One profile.
pub(super) struct ProfilePart {
    pub place: Place,
    pub settings: ProfileSettings,
    /// Compiled, when nothing is wrong with it.
    pub profile: Option<Profile>,
}

/// What the checks made of the settings.
pub(super) struct Meant {
    pub public_url: String,
    pub mtls_url: Option<String>,
    pub issuer_path: String,
    pub paths: PathTable,
}

impl Parts {
    pub fn read(tree: &Node, required: &Required) -> Self {
        let listeners = entries(tree, "listeners");
        let profiles = entries(tree, "profiles");
        Self {
            listeners: listeners
                .filter_map(|(place, node)| Some((place.clone(), read(node, &place, required).0?)))
                .collect(),
            profiles: profiles
                .filter_map(|(place, node)| {
                    let settings = read(node, &place, required).0?;
                    Some(ProfilePart { place, settings, profile: None })
                })
                .collect(),
        }
    }
}

fn entries<'t>(tree: &'t Node, list: &'static str) -> impl Iterator<Item = (Place, &'t Node)> {
    let entries = match tree.member(list) {
        Some(Node::List(entries)) => entries.as_slice(),
        _ => &[],
    };
    entries.iter().enumerate().map(move |(index, node)| (Place::root().key(list).index(index), node))
}

/// What can be wrong with one listener or one profile alone. Compiles the profiles.
pub(super) fn check_parts(parts: &mut Parts, tree: &Node, findings: &mut Findings<'_>) {
    empty::check(tree, findings);
    for (place, listener) in &parts.listeners {
        listeners::check(listener, place, tree, findings);
    }
    for part in &mut parts.profiles {
        match Profile::compile(&part.settings) {
            Ok(profile) => part.profile = Some(profile),
            Err(problems) => findings.add_all(tree, &part.place, problems),
        }
    }
}

/// How all of it fits together; nothing comes back when a URL or a path cannot be read.
pub(super) fn check_whole(
    settings: &GatewaySettings,
    parts: &Parts,
    tree: &Node,
    findings: &mut Findings<'_>,
) -> Option<Meant> {
    let mut whole = Whole { settings, parts, tree, findings };
    whole.check_lists();
    whole.check_certificates();
    whole.check_tokens();
    statements::check(settings, parts, tree, whole.findings);
    approvals::check(settings, parts, tree, whole.findings);
    responses::check(settings, parts, tree, whole.findings);
    enforcement::check(settings, parts, tree, whole.findings);
    whole.check_clean_up();
    whole.check_unreachable_profiles();
    whole.check_throttle();
    whole.check_telemetry();
    whole.check_audit();
    whole.check_admin();
    whole.check_alerts();
    whole.check_anomalies();
    whole.check_algorithms();
    let meant = whole.check_urls();
    // Something to think of; beside errors it would be in the way.
    if !whole.findings.has_errors() {
        whole.check_open_profiles();
    }
    meant
}

struct Whole<'w, 't> {
    settings: &'w GatewaySettings,
    parts: &'w Parts,
    tree: &'w Node,
    findings: &'w mut Findings<'t>,
}

impl Whole<'_, '_> {
    fn add(&mut self, place: &Place, reason: impl Into<String>, hint: impl Into<String>) {
        self.findings.add(self.tree, place, reason, hint);
    }

    fn add_all(&mut self, place: &Place, problems: Vec<SettingProblem>) {
        self.findings.add_all(self.tree, place, problems);
    }

    fn warn(&mut self, place: &Place, reason: impl Into<String>, hint: impl Into<String>) {
        self.findings.warn(self.tree, place, reason, hint);
    }

    fn check_lists(&mut self) {
        for (list, is_empty) in
            [("listeners", self.settings.listeners.is_empty()), ("profiles", self.settings.profiles.is_empty())]
        {
            if is_empty {
                self.add(&Place::root().key(list), "the list is empty", "write at least one entry");
            }
        }
        let mut addresses = HashMap::new();
        for (place, listener) in &self.parts.listeners {
            let first = addresses.entry(listener.address).or_insert(place);
            if *first != place && listener.address.port() != 0 {
                let reason = format!("{} is the address of {first} already", listener.address);
                self.add(&place.key("address"), reason, "a port can be listened on once");
            }
        }
        let mut names = HashMap::new();
        for part in &self.parts.profiles {
            let first = names.entry(part.settings.name.as_str()).or_insert(&part.place);
            if *first != &part.place {
                let reason = format!("{:?} is the name of {first} already", part.settings.name);
                self.add(&part.place.key("name"), reason, "a token, a limit and a log line name one profile");
            }
        }
    }

    fn check_certificates(&mut self) {
        let asks = |listener: &ListenerSettings| {
            listener.tls.as_ref().map_or(ClientCertificateRequest::Off, |tls| tls.client_certificates.request)
        };
        if !self.settings.listeners.iter().any(ListenerSettings::learns_certificates) {
            for part in &self.parts.profiles {
                let wanted = match (&part.settings.matches.client_certificate, part.settings.client_certificate) {
                    (Some(_), _) => part.place.below("match.client_certificate"),
                    (None, Some(Requirement::Required | Requirement::Optional)) => part.place.key("client_certificate"),
                    (None, Some(Requirement::Off) | None) => continue,
                };
                self.add(
                    &wanted,
                    "no listener asks for client certificates",
                    "set tls.client_certificates.request (or client_certificate_header) on a listener",
                );
            }
        }
        // Where no listener is without, browsers on their way to the login page are asked as well.
        let all_ask = |wanted: &[ClientCertificateRequest]| {
            self.settings.listeners.iter().all(|listener| wanted.contains(&asks(listener)))
        };
        if self.settings.listeners.is_empty() || self.settings.authorization_server.other_paths != OtherPaths::Forward {
            return;
        }
        let place = Place::root().key("listeners").index(0).below("tls.client_certificates.request");
        let hint = "ask on a listener of its own, and set mtls_url to its URL";
        if all_ask(&[ClientCertificateRequest::Required]) {
            self.add(&place, "every listener requires a client certificate: nobody could reach the login page", hint);
        } else if all_ask(&[ClientCertificateRequest::Optional, ClientCertificateRequest::Required]) {
            self.warn(&place, "every listener asks for a client certificate: browsers will ask people for one", hint);
        }
    }

    /// A token that was presented belongs to one profile and chooses it; so only a profile without tokens can be out of reach.
    fn check_unreachable_profiles(&mut self) {
        for (position, part) in self.parts.profiles.iter().enumerate() {
            let Some(profile) = &part.profile else { continue };
            let takes_tokens = profile.initial_access_token() != Requirement::Off
                && part.settings.matches.initial_access_token != Some(false);
            if takes_tokens {
                continue;
            }
            let hides = |earlier: &&ProfilePart| {
                fits_everybody(&earlier.settings) || same_match(&earlier.settings, &part.settings)
            };
            if let Some(earlier) = self.parts.profiles[..position].iter().find(hides) {
                let reason = format!(
                    "the profile is never chosen: {} ({:?}) comes first and fits all that it fits",
                    earlier.place, earlier.settings.name
                );
                self.warn(
                    &part.place.key("match"),
                    reason,
                    "put it before, or make the conditions of the earlier one narrower",
                );
            }
        }
    }

    /// One that asks for nothing who registers and does not count either.
    fn check_open_profiles(&mut self) {
        if matches!(self.settings.authorization_server.credential, CredentialSettings::Forward) {
            // Whoever registers has a credential of the server's.
            return;
        }
        let open = self.parts.profiles.iter().filter(|part| {
            let required = |profile: &Profile| {
                [profile.initial_access_token(), profile.client_certificate(), profile.software_statement()]
                    .contains(&Requirement::Required)
            };
            let asks = part.profile.as_ref().is_none_or(required);
            !asks && part.settings.limits.is_none() && fits_everybody(&part.settings)
        });
        let places: Vec<Place> = open.map(|part| part.place.key("limits")).collect();
        for place in places {
            let reason = "is not there, and the profile is open to anybody: one address may register as many clients as the throttle lets through";
            self.warn(&place, reason, "give it a rate, and quotas: registrations and live_clients");
        }
    }

    /// A warning: others may be registered any day.
    fn check_algorithms(&mut self) {
        for part in &self.parts.profiles {
            let Some(algorithms) = &part.settings.algorithms else { continue };
            for (below, name, known) in algorithms.unknown() {
                let is_near = |known: &&&str| strsim::damerau_levenshtein(name, known) == 1;
                let hint = known.iter().find(is_near).map(|near| format!("did you mean {near}?")).unwrap_or_default();
                let place = part.place.key("algorithms").below(&below);
                self.warn(&place, format!("{name:?} is no algorithm that is known here"), hint);
            }
        }
    }

    fn check_throttle(&mut self) {
        self.add_all(&Place::root().key("throttle"), self.settings.throttle.problems());
        self.add_all(&Place::root().key("cors"), self.settings.cors.problems());
    }

    fn check_telemetry(&mut self) {
        self.add_all(&Place::root().key("telemetry"), self.settings.telemetry.problems());
    }

    fn check_audit(&mut self) {
        let sends = self.settings.telemetry.otlp.is_some();
        self.add_all(&Place::root().key("audit"), self.settings.audit.problems(sends));
    }

    fn check_admin(&mut self) {
        self.add_all(&Place::root().key("admin"), self.settings.admin.problems());
        let Some(admin) = self.settings.admin.listen else { return };
        let place = Place::root().below("admin.listen");
        let taken = self.parts.listeners.iter().find(|(_, listener)| listener.address == admin && admin.port() != 0);
        if let Some((listener, _)) = taken {
            self.add(&place, format!("{admin} is the address of {listener} already"), "a port can be listened on once");
        }
    }

    fn check_urls(&mut self) -> Option<Meant> {
        let root = Place::root();
        let public = self.read(&root.key("public_url"), urls::public_origin(&self.settings.public_url));
        let mtls_place = root.key("mtls_url");
        let mtls = self.settings.mtls_url.as_ref().map(|url| self.read(&mtls_place, urls::public_origin(url)));
        if let (Some((public, _)), Some(Some((mtls, _)))) = (&public, &mtls)
            && public == mtls
        {
            self.add(
                &mtls_place,
                "is the same as public_url",
                "leave it out, or name the listener for client certificates",
            );
        }
        let server = &self.settings.authorization_server;
        let place = root.key("authorization_server");
        if let Some(url) = self.read(&place.key("url"), urls::server_origin(&server.url))
            && let Some((listener, _)) =
                self.parts.listeners.iter().find(|(_, listener)| listeners::is_at(listener, &url))
        {
            let reason = format!("leads to {listener}: the gateway would ask itself");
            self.add(&place.key("url"), reason, "write where the authorization server itself listens");
        }
        if server.timeout.0.is_zero() {
            self.add(&place.key("timeout"), "no server could be that fast", "write 1s or more");
        }
        if let Some(key) = server.forwards_nothing() {
            self.add(&place.key(key), "nothing could be forwarded", "write a number above 0, or other_paths: refuse");
        }
        for (list, index) in server.client_endpoints.problems() {
            let place = place.key("client_endpoints").key(list).index(index);
            self.add(&place, "is not a path", "begin it with a slash, and leave the query out");
        }
        for (key, client) in server.client_credentials() {
            if client.token_path.as_ref().is_some_and(|path| !path.starts_with('/')) {
                let place = place.key(key).below("client_credentials.token_path");
                self.add(&place, "is not a path", "begin it with a slash");
            }
        }
        let issuer = self.read(&place.key("issuer"), urls::issuer(&server.issuer));
        if let (Some(issuer), Some((_, public)), Kind::Keycloak) = (&issuer, &public, server.kind)
            && issuer.host() != public.host()
        {
            let reason = "is not on the host of public_url: clients compare the issuer with the URL they found it at (RFC 8414 §3.3)";
            self.warn(&place.key("issuer"), reason, "put the gateway on the server's own host name");
        }
        cognito::check(self.settings, self.parts, self.tree, self.findings);
        let issuer_path = issuer?.path().trim_end_matches('/').to_owned();
        let paths = self.path_table(&issuer_path)?;
        let mtls_url = match mtls {
            Some(mtls) => Some(mtls?.0),
            None => None,
        };
        Some(Meant { public_url: public?.0, mtls_url, issuer_path, paths })
    }

    fn path_table(&mut self, issuer_path: &str) -> Option<PathTable> {
        let server = &self.settings.authorization_server;
        let place = Place::root().key("authorization_server");
        let registration_path = match (&server.registration_path, server.kind) {
            (Some(path), _) => path.clone(),
            (None, Kind::Keycloak) => format!("{issuer_path}/clients-registrations/openid-connect"),
            (None, Kind::Cognito) => "/register".to_owned(),
            (None, Kind::Rfc7591) => {
                let hint = "write the path of the server's registration endpoint, like /register";
                self.add(&place.key("registration_path"), "is missing: kind rfc7591 has no default for it", hint);
                return None;
            }
        };
        if let Some((reason, hint)) = server.events_problem() {
            self.add(&place.key("last_use_from_events"), reason, hint);
        }
        if let Some((reason, hint)) = server.administration_problem(&registration_path) {
            self.add(&place.key("administration"), reason, hint);
        }
        match PathTable::new(server.kind, issuer_path, &registration_path) {
            Ok(table) => Some(table),
            Err(problem) => {
                let key = match problem {
                    PathProblem::Registration(_) => "registration_path",
                    PathProblem::Issuer(_) => "issuer",
                };
                self.add(&place.key(key), problem.to_string(), "");
                None
            }
        }
    }

    fn read<T>(&mut self, place: &Place, read: Result<T, String>) -> Option<T> {
        read.map_err(|reason| self.add(place, reason, "")).ok()
    }
}

/// Whether everybody who presents no token fits.
fn fits_everybody(profile: &ProfileSettings) -> bool {
    let conditions = &profile.matches;
    conditions.client_certificate.is_none()
        && conditions.networks.is_none()
        && conditions.initial_access_token != Some(true)
}

fn same_match(one: &ProfileSettings, other: &ProfileSettings) -> bool {
    let written = |profile: &ProfileSettings| serde_json::to_value(&profile.matches).ok();
    written(one) == written(other)
}
