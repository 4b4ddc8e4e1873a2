//! Which user pool, and how much of it the gateway may take.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration::DurationText;
use crate::setting_problem::SettingProblem;

/// The `cognito` section of `authorization_server`. The credential is found as by every AWS SDK: environment, profile, web identity, container, instance.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CognitoSettings {
    /// The user pool, like `eu-central-1_Ab1Cd2Ef3`. What stands before the underscore is the region.
    pub user_pool_id: String,
    /// Where Cognito's API is: a VPC endpoint, or an emulator. Default: the region's own.
    #[serde(default)]
    pub endpoint_url: Option<String>,
    /// With whom the users of registered clients may sign in (`SupportedIdentityProviders`). Default: `[COGNITO]`, the pool's own users.
    #[serde(default = "default_identity_providers")]
    pub identity_providers: Vec<String>,
    /// Which token endpoint the metadata names. Default: direct.
    #[serde(default)]
    pub token_endpoint: TokenEndpointRoute,
    /// Calls of each operation in a second. AWS lets each be called 5 times for one pool, and all that create, change or delete app
    /// clients 15 times for the account; several gateways share that. Default 5.
    #[serde(default = "default_requests_per_second")]
    pub requests_per_second: NonZeroU32,
    /// How many app clients the pool may have: AWS's quota, 1000 unless it was raised. The profiles' `limits.total.live_clients` must stay below it. Default 1000.
    #[serde(default = "default_app_clients")]
    pub app_clients: NonZeroU32,
    /// How long access tokens of registered clients are good, 5m to 24h. Default: Cognito's, 1h.
    #[serde(default)]
    pub access_token_lifetime: Option<DurationText>,
    /// How long ID tokens are good, 5m to 24h. Default: Cognito's, 1h.
    #[serde(default)]
    pub id_token_lifetime: Option<DurationText>,
    /// How long refresh tokens are good, 1h to 3650d. Default: Cognito's, 30d.
    #[serde(default)]
    pub refresh_token_lifetime: Option<DurationText>,
}

/// How clients get to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenEndpointRoute {
    /// At the pool's domain.
    #[default]
    Direct,
    /// Through the gateway, which forwards it: what it refuses is refused there too. Needs `other_paths: forward`.
    Forwarded,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl CognitoSettings {
    /// The region; empty where the pool's name has none.
    pub fn region(&self) -> &str {
        self.user_pool_id.split_once('_').map_or("", |(region, _)| region)
    }

    /// The issuer that Cognito writes into its tokens, whatever the gateway's metadata say.
    pub fn token_issuer(&self) -> String {
        let region = self.region();
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://cognito-idp.{region}.{domain}/{}", self.user_pool_id)
    }

    /// What is wrong with the section taken alone.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut add = |key, reason, hint| problems.push(SettingProblem::new(key, reason, hint));
        let is_pool_id = self.user_pool_id.len() <= 55
            && self.user_pool_id.split_once('_').is_some_and(|(region, name)| {
                !region.is_empty()
                    && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                    && !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        if !is_pool_id {
            add("user_pool_id", "is not the ID of a user pool", "write it like eu-central-1_Ab1Cd2Ef3");
        }
        if self.identity_providers.is_empty() {
            add(
                "identity_providers",
                "nobody could sign in",
                "leave it out, or name COGNITO or a provider of the pool",
            );
        }
        let minutes = |count: u64| Duration::from_secs(60 * count);
        for (key, lifetime) in
            [("access_token_lifetime", self.access_token_lifetime), ("id_token_lifetime", self.id_token_lifetime)]
        {
            if lifetime.is_some_and(|lifetime| !(minutes(5)..=DAY).contains(&lifetime.0)) {
                add(key, "is not within what AWS takes", "write 5m to 24h");
            }
        }
        if self.refresh_token_lifetime.is_some_and(|lifetime| !(minutes(60)..=DAY * 3650).contains(&lifetime.0)) {
            add("refresh_token_lifetime", "is not within what AWS takes", "write 1h to 3650d");
        }
        problems
    }
}

fn default_identity_providers() -> Vec<String> {
    vec!["COGNITO".to_owned()]
}

const fn default_requests_per_second() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(4)
}

const fn default_app_clients() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(999)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(yaml: &str) -> CognitoSettings {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn the_pool_names_its_region_and_the_issuer_of_its_tokens() {
        let pool = settings("user_pool_id: eu-central-1_Ab1Cd2Ef3");
        assert_eq!(pool.region(), "eu-central-1");
        assert_eq!(pool.token_issuer(), "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab1Cd2Ef3");
        let china = settings("user_pool_id: cn-north-1_x").token_issuer();
        assert_eq!(china, "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_x");
        assert!(pool.problems().is_empty());
    }

    #[test]
    fn what_aws_would_refuse_is_found_in_the_configuration() {
        for (yaml, key) in [
            ("user_pool_id: acme", "user_pool_id"),
            ("user_pool_id: eu-central-1_a/b", "user_pool_id"),
            ("{user_pool_id: a_b, identity_providers: []}", "identity_providers"),
            ("{user_pool_id: a_b, access_token_lifetime: 1m}", "access_token_lifetime"),
            ("{user_pool_id: a_b, id_token_lifetime: 25h}", "id_token_lifetime"),
            ("{user_pool_id: a_b, refresh_token_lifetime: 59m}", "refresh_token_lifetime"),
        ] {
            let problems = settings(yaml).problems();
            assert_eq!(problems.iter().map(|problem| problem.place.as_str()).collect::<Vec<_>>(), [key], "{yaml}");
        }
    }
}
