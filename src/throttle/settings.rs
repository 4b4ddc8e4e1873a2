//! The `throttle` section: the ceilings that hold before anything is known about a registrant. Profiles have limits of their own.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::limit::{Limit, NoLimit};
use super::redis::url::RedisUrl;
use crate::policy::settings::Rate;
use crate::setting_problem::SettingProblem;
use crate::text_form;

/// The `throttle` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ThrottleSettings {
    /// Where attempts are counted: `memory`, in this process, or a Redis that several gateways share, `redis://host:6379/0` or, over TLS,
    /// `rediss://host:6379/0`; a user and a password may stand in it, percent-encoded. Default: `memory`.
    #[schemars(with = "String", regex(pattern = r"^(memory|rediss?://.+)$"))]
    pub backend: Backend,
    /// The file with the password for Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// PEM file of the CAs that sign Redis' certificate, for `rediss` with a private CA. Default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<PathBuf>,
    /// What becomes of attempts while Redis cannot count them (within 100 ms): `refuse` answers 503, `local` counts in this process, every
    /// replica for itself, `allow` lets all of them pass. Default: refuse.
    pub when_unavailable: WhenUnavailable,
    /// The ceiling of one address (IPv6: of one /64). Generous, because many people may be behind one address: it is there
    /// against floods. Default: 500/s, burst 2000.
    pub per_address: Ceiling,
    /// The ceiling of all attempts together. Default: 5000/s, burst 10000.
    pub total: Ceiling,
    /// How many addresses are remembered at once, about 100 octets each; past that, the one not seen for longest is forgotten.
    /// As many tokens and certificates are remembered beside them. Takes effect at a start. Default: 100000.
    pub sources: NonZeroU32,
}

/// Where attempts are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Backend {
    /// In this process: every replica counts for itself.
    #[default]
    Memory,
    /// In Redis: all gateways that name the same one count together.
    Redis(RedisUrl),
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(Self::Memory),
            url if url.contains("://") => url.parse().map(Self::Redis),
            _ => Err(format!("{text:?} is neither memory nor a URL like redis://redis:6379/0")),
        }
    }
}

impl<'de> Deserialize<'de> for Backend {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_form::deserialize(deserializer, "memory or a URL like redis://redis:6379/0")
    }
}

/// Without user and password.
impl Serialize for Backend {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Memory => serializer.serialize_str("memory"),
            Self::Redis(url) => serializer.collect_str(url),
        }
    }
}

/// What becomes of attempts that Redis cannot count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnavailable {
    /// They are refused.
    #[default]
    Refuse,
    /// They are counted in this process.
    Local,
    /// They pass uncounted.
    Allow,
}

impl ThrottleSettings {
    /// Everything that does not fit together: one that is written for another backend was meant to have an effect.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut report = |key, reason, hint| problems.push(SettingProblem::new(key, reason, hint));
        let url = match &self.backend {
            Backend::Memory => None,
            Backend::Redis(url) => Some(url),
        };
        if self.password_file.is_some() {
            match url {
                None => report("password_file", "the backend memory has no password", "take it out, or name a Redis"),
                Some(url) if url.has_password() => {
                    report("password_file", "the URL of the backend has a password already", "take one of them out");
                }
                Some(_) => {}
            }
        }
        if self.trust.is_some() && !url.is_some_and(RedisUrl::is_tls) {
            report("trust", "there is no TLS to the backend", "write rediss:// for a Redis behind TLS, or take it out");
        }
        problems
    }
}

/// How many attempts at once, and how fast they come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// How many attempts in how long, in the long run: `500/s`, `600/m`, `1000/h`.
    pub rate: Rate,
    /// How many attempts may come at once.
    pub burst: NonZeroU32,
}

impl Ceiling {
    /// The limit it stands for.
    pub fn limit(self, name: &str) -> Result<Limit, NoLimit> {
        Limit::new(name, self.rate, self.burst)
    }
}

const PER_ADDRESS_BURST: NonZeroU32 = NonZeroU32::new(2_000).unwrap();
const TOTAL_BURST: NonZeroU32 = NonZeroU32::new(10_000).unwrap();
const SOURCES: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            backend: Backend::Memory,
            password_file: None,
            trust: None,
            when_unavailable: WhenUnavailable::Refuse,
            per_address: Ceiling { rate: Rate::per_second(PER_ADDRESS_RATE), burst: PER_ADDRESS_BURST },
            total: Ceiling { rate: Rate::per_second(TOTAL_RATE), burst: TOTAL_BURST },
            sources: SOURCES,
        }
    }
}

const PER_ADDRESS_RATE: NonZeroU32 = NonZeroU32::new(500).unwrap();
const TOTAL_RATE: NonZeroU32 = NonZeroU32::new(5_000).unwrap();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_limits() {
        let settings: ThrottleSettings = serde_yaml::from_str("{}").unwrap();
        assert_eq!(settings, ThrottleSettings::default());
        settings.per_address.limit("address").unwrap();
        settings.total.limit("total").unwrap();
    }

    #[test]
    fn reads_what_the_reference_says() {
        let text = "{ backend: memory, when_unavailable: refuse, per_address: { rate: 500/s, burst: 2000 }, total: { rate: 5000/s, burst: 10000 }, sources: 100000 }";
        assert_eq!(serde_yaml::from_str::<ThrottleSettings>(text).unwrap(), ThrottleSettings::default());
    }

    #[test]
    fn refuses_what_is_no_ceiling() {
        for text in [
            "backend: redis",
            "backend: redis://",
            "when_unavailable: open",
            "sources: 0",
            "per_address: { rate: 500/s }",
            "per_address: { rate: 500/s, burst: 0 }",
            "total: { rate: 0/s, burst: 1 }",
            "per_ip: {}",
        ] {
            assert!(serde_yaml::from_str::<ThrottleSettings>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn says_what_does_not_fit_together() {
        for (text, keys) in [
            ("{ backend: 'redis://redis', password_file: a }", &[][..]),
            ("{ backend: 'rediss://redis', password_file: a, trust: b }", &[]),
            ("{ backend: memory, when_unavailable: local }", &[]),
            ("{ backend: memory, password_file: a, trust: b }", &["password_file", "trust"]),
            ("{ backend: 'redis://:pw@redis', password_file: a }", &["password_file"]),
            ("{ backend: 'redis://redis', trust: b }", &["trust"]),
        ] {
            let settings: ThrottleSettings = serde_yaml::from_str(text).unwrap();
            let found: Vec<_> = settings.problems().into_iter().map(|problem| problem.place).collect();
            assert_eq!(found, keys, "{text}");
        }
    }
}
