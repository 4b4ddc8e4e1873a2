//! How people sign in to the console: the `admin.sign_in` section.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::admin::role::Role;
use crate::duration::DurationText;
use crate::fetch::Target;

/// The bounds of a session: a working day and some more.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The `admin.sign_in` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignInSettings {
    /// How long somebody who signed in to the console stays so, from `1m` to `24h`. A session ends sooner when what it was begun with is
    /// taken out of the configuration. Default: `8h`.
    pub session: DurationText,
    /// Signing in at an OpenID Provider, such as the authorization server itself. Default: with a token of `admin.tokens` alone.
    pub openid: Option<OpenIdSettings>,
}

/// An OpenID Provider whose users may sign in, by the code flow with PKCE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenIdSettings {
    /// The provider: https, or http on loopback; its metadata is fetched from below it, as OpenID Connect Discovery says.
    pub issuer: String,
    /// The console's client there. Its redirect URI is `console_url` with `/console/callback`.
    pub client_id: String,
    /// A file with the client's secret. Default: the client is a public one.
    pub client_secret_file: Option<PathBuf>,
    /// Where browsers reach the console, without a path: `https://gateway-admin.example.com`.
    pub console_url: String,
    /// Where the ID token has the person's roles, member by member: `[realm_access, roles]`. A text, or a list of texts. Default: `[roles]`.
    #[serde(default = "roles_claim")]
    pub roles_claim: Vec<String>,
    /// Which of them is which role here; whoever has none of them is nobody here, whoever has several has the highest.
    pub roles: BTreeMap<String, Role>,
    /// The member with the name that records and logs show. It must be the person's alone and not theirs to change. Default: `preferred_username`.
    #[serde(default = "name_claim")]
    pub name_claim: String,
}

fn roles_claim() -> Vec<String> {
    vec!["roles".to_owned()]
}

fn name_claim() -> String {
    "preferred_username".to_owned()
}

impl Default for SignInSettings {
    fn default() -> Self {
        Self { session: DurationText(Duration::from_secs(8 * 3600)), openid: None }
    }
}

impl SignInSettings {
    /// What is wrong: the key below `admin`, what, and what to write instead.
    pub(in crate::admin) fn problems(&self) -> Vec<(&'static str, String, &'static str)> {
        let mut problems = Vec::new();
        if !(SHORTEST..=LONGEST).contains(&self.session.0) {
            let reason = "a session is as long as somebody's work at the console".to_owned();
            problems.push(("sign_in.session", reason, "write 1m to 24h"));
        }
        problems.extend(self.openid.iter().flat_map(OpenIdSettings::problems));
        problems
    }
}

/// What is wrong with where browsers reach the console: it is scheme, host and port.
pub(in crate::admin) fn origin_problem(url: &str) -> Option<String> {
    match Target::configured(url) {
        Err(reason) => Some(format!("{url} {reason}")),
        Ok(target) if target.url().origin().ascii_serialization() != url => {
            Some(format!("{url} is more than an origin"))
        }
        Ok(_) => None,
    }
}

impl OpenIdSettings {
    fn problems(&self) -> Vec<(&'static str, String, &'static str)> {
        let mut problems = Vec::new();
        let mut report = |place, reason, hint| problems.push((place, reason, hint));
        match Target::configured(&self.issuer) {
            Err(reason) => report("sign_in.openid.issuer", format!("{} {reason}", self.issuer), "as in its metadata"),
            Ok(target) if target.url().query().is_some() => {
                report("sign_in.openid.issuer", "an issuer has no query".to_owned(), "as in its metadata");
            }
            Ok(_) => {}
        }
        let hint = "write scheme, host and port: https://gateway-admin.example.com";
        if let Some(reason) = origin_problem(&self.console_url) {
            report("sign_in.openid.console_url", reason, hint);
        }
        if self.roles.is_empty() {
            let reason = "nobody could sign in: no role of the provider's is one here".to_owned();
            report("sign_in.openid.roles", reason, "write the provider's name and viewer, approver or administrator");
        }
        if self.roles_claim.is_empty() {
            let reason = "there is no member to look for roles in".to_owned();
            report("sign_in.openid.roles_claim", reason, "write [roles], or [realm_access, roles]");
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(yaml: &str) -> Vec<&'static str> {
        let settings: SignInSettings = serde_yaml::from_str(yaml).unwrap();
        settings.problems().into_iter().map(|(place, ..)| place).collect()
    }

    #[test]
    fn a_session_is_neither_a_moment_nor_for_ever() {
        assert_eq!(places("{}"), [""; 0]);
        assert_eq!(places("session: 1m"), [""; 0]);
        assert_eq!(places("session: 59s"), ["sign_in.session"]);
        assert_eq!(places("session: 25h"), ["sign_in.session"]);
    }

    #[test]
    fn a_provider_is_asked_by_https_and_somebody_has_a_role() {
        let openid = |issuer: &str, console: &str, roles: &str| {
            places(&format!(
                "openid: {{ issuer: \"{issuer}\", client_id: c, console_url: \"{console}\", roles: {roles} }}"
            ))
        };
        let (issuer, console, roles) =
            ("https://sso.example/realms/acme", "https://admin.example", "{ ops: approver }");
        assert_eq!(openid(issuer, console, roles), [""; 0]);
        assert_eq!(openid("http://127.0.0.1:8080/realms/acme", "http://127.0.0.1:9443", roles), [""; 0]);
        assert_eq!(openid("http://sso.example", console, roles), ["sign_in.openid.issuer"]);
        assert_eq!(openid("https://sso.example/?a=b", console, roles), ["sign_in.openid.issuer"]);
        for bad in ["http://admin.example", "https://admin.example/", "https://admin.example/console", "admin"] {
            assert_eq!(openid(issuer, bad, roles), ["sign_in.openid.console_url"], "{bad}");
        }
        assert_eq!(openid(issuer, console, "{}"), ["sign_in.openid.roles"]);
    }
}
