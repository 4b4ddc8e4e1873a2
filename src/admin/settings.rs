//! Where operators reach the gateway, and who they are: the `admin` section.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use super::console::settings::{OpenIdSettings, SignInSettings};
use super::role::Role;
use crate::anomaly::DetectorName;
use crate::hexadecimal;
use crate::lifecycle::{CLIENT, GATEWAY};
use crate::secret::Secret;
use crate::setting_problem::SettingProblem;

/// The `admin` section.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSettings {
    /// The path of the Unix socket for the API and the command line on this machine; the kernel tells who connects, so no token is
    /// needed. `off`: there is none. Takes effect at a start. Default: `data/admin.sock`.
    pub socket: AdminSocket,
    /// Who is who on the socket. Root and the gateway's own user are administrators under their own names unless they stand here;
    /// nobody else may connect. Where others stand here, the socket can be opened by everybody, and the kernel's word decides.
    pub actors: Vec<ActorSettings>,
    /// Address for `/metrics`, `/livez` and `/readyz`, without a password; and for the API and the console, where there are `tokens` or
    /// `sign_in.openid`. Plain HTTP unless there is `tls`: keep it on a loopback or an internal address. Without it they are not served.
    /// Takes effect at a start.
    #[schemars(with = "Option<String>")]
    pub listen: Option<SocketAddr>,
    /// Where browsers reach the console, without a path: `https://gateway-admin.example.com`. Alerts lead there. Default: `sign_in.openid.console_url`.
    pub console_url: Option<String>,
    /// TLS for `listen`; needed for `tokens` on an address that is not loopback.
    pub tls: Option<AdminTlsSettings>,
    /// Who may use the API at `listen`, by a bearer token. Default: nobody, the API is served on the socket alone.
    pub tokens: Vec<AdminTokenSettings>,
    /// How people sign in to the console, the page at `listen` below `/console/`. With a token of `tokens` they can always.
    pub sign_in: SignInSettings,
}

/// Somebody on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActorSettings {
    /// The user id, as the kernel knows it.
    pub uid: u32,
    /// The name in records and logs.
    pub name: String,
    /// What this operator may do: `viewer` reads; `approver` approves, rejects, elevates, suspends and resumes clients, bans and locks down, too; `administrator` may do everything.
    pub role: Role,
}

/// Somebody with a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminTokenSettings {
    /// The name in records and logs.
    pub name: String,
    /// What this operator may do: `viewer` reads; `approver` approves, rejects, elevates, suspends and resumes clients, bans and locks down, too; `administrator` may do everything.
    pub role: Role,
    /// The SHA-256 of the token in hexadecimal. The token must be random: `openssl rand -hex 32` makes one.
    #[schemars(with = "String", regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    pub sha256: TokenDigest,
}

/// TLS of the admin listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminTlsSettings {
    /// PEM file with the certificate, then its intermediates.
    pub certificate: PathBuf,
    /// PEM file with its key.
    pub private_key: PathBuf,
}

/// A socket, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub struct AdminSocket(pub Option<PathBuf>);

impl Default for AdminSocket {
    fn default() -> Self {
        Self(Some(PathBuf::from("data/admin.sock")))
    }
}

impl From<String> for AdminSocket {
    fn from(text: String) -> Self {
        Self((text != "off").then(|| PathBuf::from(text)))
    }
}

impl From<AdminSocket> for String {
    fn from(socket: AdminSocket) -> Self {
        socket.0.map_or_else(|| "off".to_owned(), |path| path.display().to_string())
    }
}

/// The SHA-256 of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    /// The digest of a token.
    pub fn of(token: &Secret) -> Self {
        Self(Sha256::digest(token.expose().as_bytes()).into())
    }
}

impl TryFrom<String> for TokenDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let problem = || "is no SHA-256: write 64 hexadecimal digits, as `sha256sum` prints them".to_owned();
        hexadecimal::octets(&text).map(Self).ok_or_else(problem)
    }
}

impl From<TokenDigest> for String {
    fn from(digest: TokenDigest) -> Self {
        hexadecimal::written(&digest.0)
    }
}

/// The longest path of a socket (`sun_path`, with its end).
const LONGEST_SOCKET: usize = 107;

/// Who acts by these names in the record is no operator; neither is a detector.
const TAKEN_NAMES: [&str; 2] = [CLIENT, GATEWAY];

impl AdminSettings {
    /// Where browsers reach the console, as far as it is known.
    pub fn console(&self) -> Option<&str> {
        let of_openid = self.sign_in.openid.as_ref().map(|openid| openid.console_url.as_str());
        self.console_url.as_deref().or(of_openid)
    }

    /// Whether anybody who is named may approve, or whoever signs in.
    pub fn names_an_approver(&self) -> bool {
        let actors = self.actors.iter().map(|actor| actor.role);
        let mut roles = actors.chain(self.tokens.iter().map(|token| token.role));
        self.sign_in.openid.is_some() || roles.any(|role| role >= Role::Approver)
    }

    /// Everything that is wrong with the settings, after paths are resolved.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut report = |place, reason, hint| problems.push(SettingProblem::new(place, reason, hint));
        if let Some(path) = self.socket.0.as_ref().filter(|path| path.as_os_str().len() > LONGEST_SOCKET) {
            let reason = format!("{} is too long for a socket: {LONGEST_SOCKET} octets at most", path.display());
            report("socket", reason, "write a shorter path, or off");
        }
        let (is_reached, has_tokens) = (self.listen.is_some(), !self.tokens.is_empty());
        let signs_in = self.sign_in.openid.is_some();
        let is_clear = self.tls.is_none() && self.listen.is_some_and(|address| !address.ip().is_loopback());
        let clear = "plain HTTP on an address that is not loopback";
        let contradictions = [
            (
                !is_reached && has_tokens,
                "tokens",
                "there is no address to present them at".to_owned(),
                "write listen beside them",
            ),
            (
                !is_reached && self.tls.is_some(),
                "tls",
                "there is no address to serve it at".to_owned(),
                "write listen beside it",
            ),
            (
                is_clear && has_tokens,
                "tokens",
                format!("{clear}: tokens would travel in clear"),
                "add tls, or listen on 127.0.0.1",
            ),
            (
                !is_reached && signs_in,
                "sign_in.openid",
                "there is no address to serve the console at".to_owned(),
                "write listen beside it",
            ),
            (
                is_clear && signs_in,
                "sign_in.openid",
                format!("{clear}: sessions would travel in clear"),
                "add tls, or listen on 127.0.0.1",
            ),
        ];
        for (_, place, reason, hint) in contradictions.into_iter().filter(|(is_wrong, ..)| *is_wrong) {
            report(place, reason, hint);
        }
        let names = |list, names: Vec<&String>| {
            let bad = names.into_iter().enumerate().filter(|(_, name)| !is_name(name));
            let hint = "write 1 to 64 printable characters; client, gateway and the names of detectors are taken";
            let told = bad.map(|(at, name)| {
                SettingProblem::new(format!("{list}[{at}].name"), format!("{name:?} is no name for an operator"), hint)
            });
            told.collect::<Vec<_>>()
        };
        let mut bad = names("actors", self.actors.iter().map(|actor| &actor.name).collect());
        bad.extend(names("tokens", self.tokens.iter().map(|token| &token.name).collect()));
        if let Some(uid) = twice(self.actors.iter().map(|actor| actor.uid)) {
            let reason = format!("user id {uid} stands there twice");
            bad.push(SettingProblem::new("actors", reason, "one user is one operator"));
        }
        if twice(self.tokens.iter().map(|token| token.sha256)).is_some() {
            let reason = "one token stands there twice".to_owned();
            bad.push(SettingProblem::new("tokens", reason, "give each operator a token of their own"));
        }
        problems.extend(bad);
        problems.extend(self.console_url.as_deref().and_then(|url| {
            let hint = "write scheme, host and port: https://gateway-admin.example.com";
            let reason = super::console::settings::origin_problem(url)?;
            Some(SettingProblem::new("console_url", reason, hint))
        }));
        let sign_in = self.sign_in.problems().into_iter();
        problems.extend(sign_in.map(|(place, reason, hint)| SettingProblem::new(place, reason, hint)));
        problems
    }
}

pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.chars().count())
        && !name.chars().any(char::is_control)
        && name.trim() == name
        && !TAKEN_NAMES.contains(&name)
        && name.parse::<DetectorName>().is_err()
}

fn twice<T: Copy + Eq + std::hash::Hash>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut seen = HashSet::new();
    values.into_iter().find(|value| !seen.insert(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: &str) -> Vec<(String, String)> {
        let settings: AdminSettings = serde_yaml::from_str(yaml).unwrap();
        settings.problems().into_iter().map(|problem| (problem.place, problem.reason)).collect()
    }

    fn places(yaml: &str) -> Vec<String> {
        problems(yaml).into_iter().map(|(place, _)| place).collect()
    }

    const TOKEN: &str = "tokens: [{ name: ci, role: viewer, sha256: 0000000000000000000000000000000000000000000000000000000000000001 }]";

    #[test]
    fn the_socket_is_there_unless_it_is_switched_off() {
        assert_eq!(AdminSettings::default().socket.0, Some(PathBuf::from("data/admin.sock")));
        assert_eq!(serde_yaml::from_str::<AdminSettings>("socket: off").unwrap().socket.0, None);
        assert_eq!(AdminSettings::default().problems(), []);
    }

    #[test]
    fn tokens_are_for_tls_or_loopback() {
        assert_eq!(places(TOKEN), ["tokens"]);
        assert_eq!(places(&format!("listen: 127.0.0.1:1\n{TOKEN}")), [""; 0]);
        assert_eq!(places(&format!("listen: 192.0.2.1:1\n{TOKEN}")), ["tokens"]);
        let tls = "tls: { certificate: c, private_key: k }";
        assert_eq!(places(&format!("listen: 192.0.2.1:1\n{tls}\n{TOKEN}")), [""; 0]);
        assert_eq!(places(tls), ["tls"]);
        let openid = "sign_in: { openid: { issuer: https://a.example, client_id: c, console_url: https://b.example, roles: { a: viewer } } }";
        assert_eq!(places(&format!("listen: 127.0.0.1:1\n{openid}")), [""; 0]);
        assert_eq!(places(&format!("listen: 192.0.2.1:1\n{openid}")), ["sign_in.openid"]);
        assert_eq!(places(&format!("listen: 192.0.2.1:1\n{tls}\n{openid}")), [""; 0]);
        assert_eq!(places(openid), ["sign_in.openid"]);
        assert_eq!(places(&format!("{TOKEN}\n{tls}\n{openid}")), ["tokens", "tls", "sign_in.openid"]);
        assert_eq!(places(&format!("listen: 192.0.2.1:1\n{TOKEN}\n{openid}")), ["tokens", "sign_in.openid"]);
    }

    #[test]
    fn every_operator_has_a_name_of_its_own_that_nobody_else_acts_by() {
        let actors = ["gateway", "ada", "lookalike_names", "client"].iter().enumerate();
        let actors: Vec<_> =
            actors.map(|(uid, name)| format!("{{ uid: {uid}, name: {name}, role: viewer }}")).collect();
        let wrong = ["actors[0].name", "actors[2].name", "actors[3].name"];
        assert_eq!(places(&format!("actors: [{}]", actors.join(", "))), wrong);
        assert_eq!(
            places("actors: [{ uid: 1, name: a, role: viewer }, { uid: 1, name: b, role: viewer }]"),
            ["actors"]
        );
        let entry = TOKEN.trim_start_matches("tokens: [").trim_end_matches(']');
        assert_eq!(places(&format!("listen: 127.0.0.1:1\ntokens: [{entry}, {entry}]")), ["tokens"]);
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_told() {
        assert_eq!(places(&format!("socket: /{}", "x".repeat(107))), ["socket"]);
    }

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        for text in ["", "00", "zz", &"0".repeat(63), &"é".repeat(32), &"+f".repeat(32)] {
            assert!(TokenDigest::try_from(text.to_owned()).is_err(), "{text}");
        }
        let digest = TokenDigest::try_from("AB".repeat(32)).unwrap();
        assert_eq!(String::from(digest), "ab".repeat(32));
    }
}
