//! Which redirect URIs a profile allows, as the operator writes it, and the parts of it that are compiled without a host.

use std::collections::HashMap;
use std::fmt;

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Pattern;
use crate::policy::settings::SettingProblem;
use crate::registration::redirect_uri::is_forbidden_scheme;

/// How many URIs a client may have when nothing is written, and at most.
const DEFAULT_MAX: u16 = 20;
const LARGEST_MAX: u16 = 100;

/// The most memory one compiled pattern takes, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// Which redirect URIs a client may have: those that are listed here, none besides. Every URI is exact and absolute; one with a fragment,
/// user information, a wildcard, a dot-segment or anything hidden by encoding is never allowed, nor is plain http to another machine, nor
/// one that leads the answer on: its query or path holds a URL of a host that is not listed here and not the authorization server's, one
/// that runs something, one of an app whose scheme is not listed where the next page is named (`?return_to=app://…`), or a parameter that
/// the server adds to its answer (`code`, `state`, `iss`, …).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedirectUriSettings {
    /// The hosts of https URIs. Default: none.
    #[serde(default)]
    pub https: Option<Vec<HttpsSettings>>,
    /// http URIs on `localhost`, 127.0.0.0/8 and `[::1]`, https ones on `localhost`, any port (RFC 8252 §7.3): `allow` or `refuse`. Default: refuse.
    #[serde(default)]
    pub loopback: Option<LoopbackSetting>,
    /// The schemes of installed apps (RFC 8252 §7.1): `com.example.app`, `cursor`; or one and a regular expression that is searched in what follows the
    /// colon, without the colon: `{scheme: cursor, rest: "^//callback$"}`. Default: none.
    #[serde(default)]
    pub private_use_schemes: Option<Vec<PrivateUseSchemeSettings>>,
    /// The most URIs a client may have, 1 to 100. Default: 20.
    #[serde(default)]
    pub max: Option<u16>,
    /// What happens to URIs that are not allowed: `refuse` refuses the registration; `drop` leaves them out as long as an allowed one
    /// remains, and the client sees in the answer which it got; what is no text is refused all the same. Default: refuse.
    #[serde(default)]
    pub on_violation: Option<OnViolation>,
}

/// One host, or the sub-domains of one.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpsSettings {
    /// This host exactly; also the only way to allow an IP address or a punycode name (`xn--…`).
    #[serde(default)]
    pub host: Option<String>,
    /// Every host below this name, not the name itself. Not a public suffix (`com`, `co.uk`, `github.io`), below which anybody has hosts.
    #[serde(default)]
    pub subdomains_of: Option<String>,
    /// A regular expression that is searched in the path; it is not anchored unless it begins with `^` and ends with `$`. The path of a
    /// URI without one is `/`. Default: any path.
    #[serde(default)]
    pub path: Option<String>,
    /// The ports, 443 meaning also that none is written. Default: 443 alone.
    #[serde(default)]
    pub ports: Option<Vec<u16>>,
    /// Whether a URI may have a query. `refuse` where the host's owner uses none: what a page makes of one is not its client's to choose.
    /// Default: `allow`.
    #[serde(default)]
    pub query: Option<QuerySetting>,
}

/// Whether a URI may have a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuerySetting {
    /// Any, but no response parameters and no URLs that lead elsewhere.
    Allow,
    /// None.
    Refuse,
}

/// Whether loopback URIs are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoopbackSetting {
    /// Any port, any path.
    Allow,
    /// None.
    Refuse,
}

/// What happens to URIs that are not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    /// The registration is refused, with every violation.
    Refuse,
    /// They are left out, as long as one is allowed.
    Drop,
}

/// A private-use scheme: its name alone, or with a pattern.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PrivateUseSchemeSettings {
    /// Anything after the scheme is allowed.
    Name(String),
    /// What follows the scheme has to fit.
    Pattern(SchemePattern),
}

/// A private-use scheme and what may follow it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemePattern {
    /// The scheme, without colon.
    pub scheme: String,
    /// A regular expression that is searched in what follows the colon (`//host/path?query`, `/path`), without the colon; not anchored unless written
    /// so: `^//callback$`. It holds for `post_logout_redirect_uris`, too.
    pub rest: String,
}

// By hand, because an untagged enum would say of a mistake only that no variant fits.
impl<'de> Deserialize<'de> for PrivateUseSchemeSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrPattern;

        impl<'de> Visitor<'de> for NameOrPattern {
            type Value = PrivateUseSchemeSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a scheme, or a scheme and a pattern: {scheme: …, rest: …}")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(PrivateUseSchemeSettings::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                let pattern = SchemePattern::deserialize(MapAccessDeserializer::new(members))?;
                Ok(PrivateUseSchemeSettings::Pattern(pattern))
            }
        }

        deserializer.deserialize_any(NameOrPattern)
    }
}

impl RedirectUriSettings {
    /// The patterns of each scheme.
    pub(super) fn compile_private_use(&self, problems: &mut Vec<SettingProblem>) -> HashMap<String, Vec<Pattern>> {
        let mut schemes: HashMap<String, Vec<Pattern>> = HashMap::new();
        for (index, entry) in self.private_use_schemes.iter().flatten().enumerate() {
            let place = format!("redirect_uris.private_use_schemes[{index}]");
            let (scheme, pattern) = match entry {
                PrivateUseSchemeSettings::Name(scheme) => (scheme, None),
                PrivateUseSchemeSettings::Pattern(SchemePattern { scheme, rest }) => {
                    let place = format!("{place}.rest");
                    if rest.starts_with("^:") {
                        let reason = format!("{rest:?} fits no URI: what it is searched in begins behind the colon");
                        problems.push(SettingProblem::new(place, reason, "leave the colon out: ^//callback$"));
                        continue;
                    }
                    let Some(pattern) = compile_pattern(rest, &place, problems) else { continue };
                    (scheme, Some(pattern))
                }
            };
            let scheme = scheme.to_ascii_lowercase();
            match scheme_problem(&scheme) {
                None => schemes.entry(scheme).or_default().push(pattern),
                Some((reason, hint)) => {
                    problems.push(SettingProblem::new(place, format!("{scheme:?} {reason}"), hint));
                }
            }
        }
        schemes
    }

    /// The most URIs.
    pub(super) fn compile_max(&self, problems: &mut Vec<SettingProblem>) -> usize {
        let max = self.max.unwrap_or(DEFAULT_MAX);
        if !(1..=LARGEST_MAX).contains(&max) {
            problems.push(SettingProblem::new(
                "redirect_uris.max",
                format!("{max} is out of range"),
                "write 1 to 100; to allow no redirect URI, leave redirect_uris out",
            ));
        }
        usize::from(max)
    }
}

/// Why a scheme cannot be allowed, and what to write instead.
fn scheme_problem(scheme: &str) -> Option<(&'static str, &'static str)> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(allowed);
    match scheme {
        "https" => Some(("is not a private-use scheme", "list hosts under redirect_uris.https")),
        "http" => Some(("is not a private-use scheme", "write redirect_uris.loopback: allow for loopback URIs")),
        _ if is_forbidden_scheme(scheme) => {
            Some(("can never receive a redirect: it runs code, opens files or starts other programs", "take it out"))
        }
        _ if !is_scheme => Some(("is not a scheme", "write the part before the colon alone, like com.example.app")),
        _ => None,
    }
}

/// Compiles a pattern, or says why it is none.
pub(super) fn compile_pattern(text: &str, place: &str, problems: &mut Vec<SettingProblem>) -> Option<Regex> {
    match RegexBuilder::new(text).size_limit(PATTERN_SIZE).build() {
        Ok(pattern) => Some(pattern),
        Err(problem) => {
            let reason = match problem {
                regex::Error::CompiledTooBig(_) => "is too large when compiled".to_owned(),
                // The last line says what is wrong, those before it draw the place.
                other => {
                    let text = other.to_string();
                    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
                }
            };
            let hint = "write a regular expression as the regex crate reads it: no look-around, no back-references";
            problems.push(SettingProblem::new(place, format!("{text:?} is not a pattern: {reason}"), hint));
            None
        }
    }
}
