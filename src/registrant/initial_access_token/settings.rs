//! The `initial_access_tokens` section: which tokens let a client register, and who vouches for them.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::DurationText;
use crate::fetch::Target;
use crate::jose::Algorithm;
use crate::setting_problem::SettingProblem;

/// The `initial_access_tokens` section.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InitialAccessTokenSettings {
    /// Tokens made by `dcr-gateway tokens create`: opaque, kept as hashes in the store.
    pub issued: IssuedTokenSettings,
    /// Issuers of signed tokens (JWT). Each token is good for one registration.
    pub jwt: Vec<JwtIssuerSettings>,
    /// The endpoint that knows about all other tokens (RFC 7662). Default: none, they are refused.
    pub introspection: Option<IntrospectionSettings>,
}

/// Limits for the tokens the gateway makes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IssuedTokenSettings {
    /// The longest time a token may be valid. Default: `24h`.
    pub max_lifetime: DurationText,
}

impl Default for IssuedTokenSettings {
    fn default() -> Self {
        Self { max_lifetime: DurationText(Duration::from_secs(24 * 60 * 60)) }
    }
}

/// An issuer of signed tokens.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtIssuerSettings {
    /// `iss` of its tokens, exactly.
    pub issuer: String,
    /// Where it publishes its keys: https, or http on this machine. Either this or `jwks_file`.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// A file with its keys. Either this or `jwks_url`.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// What `aud` must name: tokens that were made for something else are refused.
    pub audience: String,
    /// What `scope` must hold: not every token of the issuer's lets somebody register.
    pub required_scope: String,
    /// The signature algorithms it uses.
    #[serde(default = "usual_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// How long ago a token may have been issued (`iat`), whatever its `exp` says.
    #[serde(default = "default_max_age")]
    pub max_age: DurationText,
    /// The profile its tokens are for. Default: the first that takes tokens and fits.
    #[serde(default)]
    pub profile: Option<String>,
}

/// The endpoint that is asked about tokens.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntrospectionSettings {
    /// Its URL: https, or http on this machine.
    pub endpoint: String,
    /// The gateway's own client there.
    pub client_id: String,
    /// The file with its secret.
    pub client_secret_file: PathBuf,
    /// What `aud` must name.
    pub audience: String,
    /// What `scope` must hold.
    pub required_scope: String,
    /// The profile its tokens are for. Default: the first that takes tokens and fits.
    #[serde(default)]
    pub profile: Option<String>,
}

impl InitialAccessTokenSettings {
    /// Everything that is wrong, but for files and the names of profiles.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        for (index, issuer) in self.jwt.iter().enumerate() {
            let place = |key: &str| format!("jwt[{index}].{key}");
            if let Some(first) = self.jwt[..index].iter().position(|earlier| earlier.issuer == issuer.issuer) {
                let reason = format!("is the issuer of jwt[{first}] already");
                problems.push(SettingProblem::new(place("issuer"), reason, "write each issuer once"));
            }
            let own = issuer.problems().into_iter();
            problems.extend(own.map(|(key, reason, hint)| SettingProblem::new(place(key), reason, hint)));
        }
        if let Some(introspection) = &self.introspection {
            let place = |key: &str| format!("introspection.{key}");
            let own = introspection.problems().into_iter();
            problems.extend(own.map(|(key, reason, hint)| SettingProblem::new(place(key), reason, hint)));
        }
        problems
    }

    /// The profiles that are named, and where.
    pub fn profiles(&self) -> impl Iterator<Item = (String, &str)> {
        let of_issuers = self
            .jwt
            .iter()
            .enumerate()
            .filter_map(|(index, issuer)| Some((format!("jwt[{index}].profile"), issuer.profile.as_deref()?)));
        let of_introspection = self
            .introspection
            .iter()
            .filter_map(|introspection| Some(("introspection.profile".to_owned(), introspection.profile.as_deref()?)));
        of_issuers.chain(of_introspection)
    }
}

type Found = (&'static str, String, &'static str);

impl JwtIssuerSettings {
    fn problems(&self) -> Vec<Found> {
        let mut found = meant_for(&self.audience, &self.required_scope);
        if self.issuer.is_empty() {
            found.push(("issuer", "is empty".to_owned(), "write the iss of its tokens"));
        }
        match (&self.jwks_url, &self.jwks_file) {
            (None, None) => {
                found.push(("jwks_url", "is missing, and so is jwks_file".to_owned(), "write one of the two"));
            }
            (Some(_), Some(_)) => {
                found.push(("jwks_file", "stands beside jwks_url".to_owned(), "write one of the two"));
            }
            (Some(url), None) => found.extend(Target::configured(url).err().map(|reason| ("jwks_url", reason, ""))),
            (None, Some(_)) => {}
        }
        if self.algorithms.is_empty() {
            found.push(("algorithms", "the list is empty".to_owned(), "leave it out, or name what the issuer uses"));
        }
        if self.max_age.0.is_zero() {
            found.push(("max_age", "every token is older".to_owned(), "write 1m or more"));
        }
        found
    }
}

impl IntrospectionSettings {
    fn problems(&self) -> Vec<Found> {
        let mut found = meant_for(&self.audience, &self.required_scope);
        found.extend(Target::configured(&self.endpoint).err().map(|reason| ("endpoint", reason, "")));
        found
    }
}

fn meant_for(audience: &str, scope: &str) -> Vec<Found> {
    let mut found = Vec::new();
    if audience.is_empty() {
        found.push((
            "audience",
            "is empty".to_owned(),
            "write what the tokens' aud names: without it any token would do",
        ));
    }
    // scope-token of RFC 6749 §3.3.
    let is_one =
        !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    if !is_one {
        found.push(("required_scope", "is not one scope".to_owned(), "write one word of the tokens' scope"));
    }
    found
}

fn usual_algorithms() -> Vec<Algorithm> {
    Algorithm::USUAL.to_vec()
}

const fn default_max_age() -> DurationText {
    DurationText(Duration::from_secs(3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: &str) -> Vec<String> {
        let settings: InitialAccessTokenSettings = serde_yaml::from_str(yaml).unwrap();
        settings.problems().into_iter().map(|problem| format!("{} {}", problem.place, problem.reason)).collect()
    }

    const GOOD: &str = "{ issuer: a, jwks_file: keys.json, audience: dcr, required_scope: dcr }";

    #[test]
    fn the_longest_lifetime_is_a_day_unless_configured() {
        let settings: InitialAccessTokenSettings = serde_yaml::from_str("{}").unwrap();
        assert_eq!(settings.issued.max_lifetime.0, Duration::from_secs(86_400));
        let settings: InitialAccessTokenSettings = serde_yaml::from_str("issued: { max_lifetime: 2h }").unwrap();
        assert_eq!(settings.issued.max_lifetime.0, Duration::from_secs(7_200));
        assert!(serde_yaml::from_str::<InitialAccessTokenSettings>("issued: { lifetime: 2h }").is_err());
    }

    #[test]
    fn usual_algorithms_and_an_hour_unless_configured() {
        let settings: JwtIssuerSettings = serde_yaml::from_str(GOOD).unwrap();
        assert_eq!(settings.algorithms, Algorithm::USUAL);
        assert_eq!(settings.max_age.to_string(), "1h");
        for (missing, rest) in [("audience", "required_scope: dcr"), ("required_scope", "audience: dcr")] {
            let yaml = format!("{{ issuer: a, jwks_file: keys.json, {rest} }}");
            let refused = serde_yaml::from_str::<JwtIssuerSettings>(&yaml).unwrap_err().to_string();
            assert!(refused.contains(missing), "{refused}");
        }
        for algorithm in ["none", "HS256"] {
            let yaml = GOOD.replace("audience", &format!("algorithms: [{algorithm}], audience"));
            assert!(serde_yaml::from_str::<JwtIssuerSettings>(&yaml).is_err(), "{algorithm}");
        }
    }

    #[test]
    fn each_mistake_is_told_at_its_place() {
        assert_eq!(problems(&format!("jwt: [{GOOD}]")), [""; 0]);
        for (entry, expected) in [
            ("issuer: '', jwks_file: k, audience: a, required_scope: s", "jwt[0].issuer is empty"),
            ("issuer: a, audience: a, required_scope: s", "jwt[0].jwks_url is missing, and so is jwks_file"),
            (
                "issuer: a, jwks_file: k, jwks_url: 'https://a', audience: a, required_scope: s",
                "jwt[0].jwks_file stands beside jwks_url",
            ),
            (
                "issuer: a, jwks_url: 'http://idp.example/', audience: a, required_scope: s",
                "jwt[0].jwks_url must be https: plain http is for loopback hosts only",
            ),
            ("issuer: a, jwks_file: k, audience: '', required_scope: s", "jwt[0].audience is empty"),
            ("issuer: a, jwks_file: k, audience: a, required_scope: 'a b'", "jwt[0].required_scope is not one scope"),
            (
                "issuer: a, jwks_file: k, audience: a, required_scope: s, algorithms: []",
                "jwt[0].algorithms the list is empty",
            ),
            (
                "issuer: a, jwks_file: k, audience: a, required_scope: s, max_age: 0s",
                "jwt[0].max_age every token is older",
            ),
        ] {
            assert_eq!(problems(&format!("jwt: [{{ {entry} }}]")), [expected]);
        }
        assert_eq!(problems(&format!("jwt: [{GOOD}, {GOOD}]")), ["jwt[1].issuer is the issuer of jwt[0] already"]);
        let introspection = "introspection: { endpoint: 'http://idp.example/', client_id: a, client_secret_file: s, audience: '', required_scope: '' }";
        assert_eq!(problems(introspection).len(), 3);
    }
}
