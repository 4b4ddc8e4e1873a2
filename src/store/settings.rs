//! Where the store is: the `store` section.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::secret::Secret;
use crate::text_form;

/// The `store` section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// `sqlite://` and a path: `sqlite://data/gateway.db` is below the directory of the configuration file, `sqlite:///var/lib/dcr-gateway/gateway.db`
    /// is absolute; directory and file are made when they are not there. Or `postgres://user@host:5432/database?sslmode=verify-full`, for several
    /// replicas. Default: `sqlite://data/gateway.db`.
    #[schemars(with = "String", regex(pattern = r"^(sqlite|postgres|postgresql)://.+$"))]
    pub url: StoreUrl,
    /// The file with the password for PostgreSQL; new connections are made with what it holds by then. Default: none, the password (if any) is in the URL.
    pub password_file: Option<PathBuf>,
    /// The file with the keys that what the gateway keeps secret in the store is encrypted with; made when it is not there
    /// and nothing is encrypted yet (SQLite only). Every replica needs the same. Default: `data/key`.
    pub encryption_key_file: KeyFile,
}

/// Where the encryption keys are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct KeyFile(pub PathBuf);

impl Default for KeyFile {
    fn default() -> Self {
        Self(PathBuf::from("data/key"))
    }
}

/// The place of the store, as a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresUrl),
}

/// The URL of a PostgreSQL database, perhaps with a password in it: it cannot be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresUrl(Secret);

/// How the connection to PostgreSQL can be protected.
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

impl PostgresUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let url = url::Url::parse(text).map_err(|error| format!("this is not the URL of a database: {error}"))?;
        if url.host_str().is_none_or(str::is_empty) && !text.contains("host=") {
            return Err("the URL names no host: write something like postgres://dcr@db.example/dcr".to_owned());
        }
        if url.path().len() < 2 {
            return Err("the URL names no database: write something like postgres://dcr@db.example/dcr".to_owned());
        }
        let mode = url.query_pairs().find(|(name, _)| matches!(name.as_ref(), "sslmode" | "ssl-mode"));
        if mode.is_some_and(|(_, mode)| !SSL_MODES.contains(&mode.to_ascii_lowercase().as_str())) {
            return Err(format!("sslmode is none of {}", SSL_MODES.join(", ")));
        }
        // It would be shown: what is hidden is a password where URLs have one.
        if url.query_pairs().any(|(name, _)| name == "password") {
            return Err("a password does not belong behind the `?`: write store.password_file".to_owned());
        }
        Ok(Self(Secret::new(text)))
    }

    /// The URL to connect to, with the password out of the file, if there is one.
    pub(super) fn with_password(&self, file: Option<&Path>) -> Result<Secret, String> {
        let Some(file) = file else { return Ok(self.0.clone()) };
        let password = Secret::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut url = url::Url::parse(self.0.expose()).map_err(|error| error.to_string())?;
        let set = url.set_password(Some(password.expose()));
        set.map_err(|()| "the URL takes no password".to_owned())?;
        Ok(Secret::new(url.as_str()))
    }
}

impl std::fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ok(mut url) = url::Url::parse(self.0.expose()) else { return Ok(()) };
        if url.password().is_some() && url.set_password(Some("***")).is_err() {
            return Ok(());
        }
        f.write_str(url.as_str())
    }
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self::Sqlite(PathBuf::from("data/gateway.db"))
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return PostgresUrl::parse(text).map(Self::Postgres);
        }
        // Not with the text: misspelt it may be, and hold a password all the same.
        let path = text.strip_prefix("sqlite://").ok_or(
            "this is not the URL of a store: write sqlite:// and a path, or postgres://user@host/database, in lower case",
        )?;
        if path.is_empty() || path.ends_with('/') {
            return Err(format!("{text:?} names no file: write something like sqlite://data/gateway.db"));
        }
        if path.contains(['?', '#', '%', '\0']) || path == ":memory:" {
            return Err(format!("{text:?}: after sqlite:// stands the path of a file and nothing else"));
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_form::deserialize(deserializer, "a URL like sqlite://data/gateway.db")
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_path_of_an_sqlite_file() {
        let sqlite = |path: &str| Ok(StoreUrl::Sqlite(PathBuf::from(path)));
        assert_eq!("sqlite://data/gateway.db".parse(), sqlite("data/gateway.db"));
        assert_eq!("sqlite:///var/lib/gateway.db".parse(), sqlite("/var/lib/gateway.db"));
        assert_eq!(serde_yaml::from_str::<StoreSettings>("{}").unwrap().url.to_string(), "sqlite://data/gateway.db");
    }

    #[test]
    fn says_what_it_cannot_use() {
        for text in [
            "",
            "data/gateway.db",
            "sqlite:",
            "sqlite://",
            "sqlite://data/",
            "sqlite://:memory:",
            "sqlite://a?mode=ro",
            "mysql://a",
        ] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
        for text in ["postgres://db", "postgres:///", "postgres://", "postgres://db/dcr?sslmode=verify"] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_among_the_parameters_is_refused() {
        for parameter in ["password=hunter2", "sslmode=require&pass%77ord=hunter2"] {
            let refused = format!("postgres://dcr@db.example/dcr?{parameter}").parse::<StoreUrl>().unwrap_err();
            assert!(refused.contains("password_file") && !refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        for misspelt in
            ["Postgres://dcr:hunter2@db/dcr", " postgres://dcr:hunter2@db/dcr", "postgres:/dcr:hunter2@db/dcr"]
        {
            let refused = misspelt.parse::<StoreUrl>().unwrap_err();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        let url: StoreUrl = "postgres://dcr:hunter2@db.example/dcr?sslmode=require".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://dcr:***@db.example/dcr?sslmode=require");
        assert!(!format!("{url:?}").contains("hunter2"));
        let StoreUrl::Postgres(url) = url else { panic!() };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cr/t\n").unwrap();
        let connected = url.with_password(Some(file.path())).unwrap();
        assert_eq!(connected.expose(), "postgres://dcr:s3cr%2Ft@db.example/dcr?sslmode=require");
    }
}
