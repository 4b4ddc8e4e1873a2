//! The URL of a Redis, as the operator writes it. What is shown of it never holds a user name or a password.

use std::str::FromStr;

use redis::IntoConnectionInfo as _;
use url::Url;

use crate::secret::Secret;

/// `redis://` or `rediss://` (TLS), a host, and perhaps a user, a password, a port (6379) and the number of a database (0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisUrl {
    whole: Secret,
    shown: String,
    has_password: bool,
}

impl RedisUrl {
    /// All of it, for the one place that connects.
    pub(super) fn whole(&self) -> &Secret {
        &self.whole
    }

    /// Whether it holds a password.
    pub fn has_password(&self) -> bool {
        self.has_password
    }

    /// Whether the connection is TLS.
    pub fn is_tls(&self) -> bool {
        self.shown.starts_with("rediss:")
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    /// What is wrong is told without the text: there may be a password in it.
    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
        if !matches!(url.scheme(), "redis" | "rediss") {
            return Err(format!("must be redis or rediss, not {}", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("names no host: write something like redis://redis:6379/0".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must end with the number of the database: it has a query or a fragment".to_owned());
        }
        let database = url.path().trim_start_matches('/');
        if !database.is_empty() && database.parse::<u16>().is_err() {
            return Err(format!("ends in {database:?}, which is not the number of a database"));
        }
        if text.into_connection_info().is_err() {
            return Err("cannot be read: a password in it must be percent-encoded".to_owned());
        }
        let has_password = url.password().is_some();
        let mut shown = url;
        // A URL with a host can always lose its user.
        if shown.set_username("").is_err() || shown.set_password(None).is_err() {
            return Err("cannot be read".to_owned());
        }
        Ok(Self { whole: Secret::new(text), shown: shown.into(), has_password })
    }
}

/// Without user and password.
impl std::fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_an_operator_writes() {
        for (text, is_tls, has_password) in [
            ("redis://redis", false, false),
            ("redis://127.0.0.1:6379/0", false, false),
            ("redis://[::1]:6380/15", false, false),
            ("rediss://:hunter2@redis.example:6379", true, true),
            ("rediss://gateway:p%40ss@redis.example/3", true, true),
        ] {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!((url.is_tls(), url.has_password()), (is_tls, has_password), "{text}");
        }
    }

    #[test]
    fn shows_neither_user_nor_password() {
        let url: RedisUrl = "rediss://gateway:hunter2@redis.example:6380/3".parse().unwrap();
        assert_eq!(url.to_string(), "rediss://redis.example:6380/3");
        assert!(!format!("{url:?}").contains("hunter2"), "{url:?}");
        for text in ["rediss://:hunter2@", "redis://:hunter2@a/x?y", "redis://:hunter2@a:99999", "https://:hunter2@a"] {
            let problem = text.parse::<RedisUrl>().unwrap_err();
            assert!(!problem.contains("hunter2"), "{text}: {problem}");
        }
    }

    #[test]
    fn refuses_what_is_no_redis() {
        for text in [
            "",
            "redis",
            "redis:",
            "redis://",
            "http://redis",
            "redis+unix:///run/redis.sock",
            "redis://redis/acme",
            "redis://redis/0/1",
            "redis://redis/70000",
            "redis://redis/0?protocol=resp3",
            "redis://redis/0#a",
            "rediss://redis/#insecure",
        ] {
            assert!(text.parse::<RedisUrl>().is_err(), "{text}");
        }
    }
}
