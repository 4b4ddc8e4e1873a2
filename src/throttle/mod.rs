//! How often: limits by address, token, certificate and in total; in bounded memory whatever the number of sources, or in a Redis
//! that several gateways share.

pub mod headers;
pub mod limit;
pub mod memory;
pub mod redis;
pub mod settings;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::limit::{Limit, NoLimit};
use self::memory::MemoryThrottle;
use self::redis::{NoRedis, RedisServer, RedisThrottle};
use self::settings::{Backend, ThrottleSettings, WhenUnavailable};
use crate::secret::Secret;
use crate::subscriber;

/// Whose attempts are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Everybody.
    Total,
    /// An IPv4 address, or an IPv6 network of 64 bits (made by [`Source::address`]).
    Address(IpAddr),
    /// Holders of one initial access token, within one profile.
    Token(String),
    /// Holders of one client certificate (its thumbprint).
    Certificate(String),
    /// Installations of one software (made by [`Source::software`]).
    Software(String),
}

impl Source {
    /// The source for a software: its name is its issuer's to give.
    pub fn software(issuer: &str, software_id: &str) -> Self {
        Self::Software(format!("{software_id} {issuer}"))
    }

    /// The source for an address: IPv6 counts by /64, an IPv4-mapped address as IPv4.
    pub fn address(address: IpAddr) -> Self {
        Self::Address(subscriber::of(address))
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Total => f.write_str("total"),
            Self::Address(address) => write!(f, "address:{address}"),
            Self::Token(token) => write!(f, "token:{token}"),
            Self::Certificate(thumbprint) => write!(f, "certificate:{thumbprint}"),
            Self::Software(software) => write!(f, "software:{software}"),
        }
    }
}

/// A permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Attempts left in the burst.
    pub remaining: u32,
}

/// The attempt came too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooEarly {
    /// When the next attempt can pass.
    pub retry_after: Duration,
}

/// A source, and the limit that its attempt is counted against.
pub type Attempt<'a> = (Source, &'a Limit);

/// Why an attempt may not pass.
#[derive(Debug, Clone, Copy)]
pub enum Denied<'a> {
    /// A limit is reached.
    TooEarly(LimitReached<'a>),
    /// It cannot be counted, and `when_unavailable` says that it is refused then.
    Uncounted,
}

/// One of the limits is reached.
#[derive(Debug, Clone, Copy)]
pub struct LimitReached<'a> {
    /// Which, for the fields of the answer ([`headers::refused`]).
    pub limit: &'a Limit,
    /// How long to wait.
    pub too_early: TooEarly,
}

/// What a [`Throttle`] cannot be made from.
#[derive(Debug, thiserror::Error)]
pub enum NoThrottle {
    /// A ceiling.
    #[error(transparent)]
    Limit(#[from] NoLimit),
    /// The Redis.
    #[error(transparent)]
    Redis(#[from] NoRedis),
}

/// What the files of the settings hold.
#[derive(Debug, Default)]
pub struct ThrottleFiles {
    /// Of `password_file`.
    pub password: Option<Secret>,
    /// Of `trust`.
    pub trust: Option<Vec<u8>>,
}

/// The throttle of the gateway: where attempts are counted, and the ceilings that hold for everybody.
#[derive(Debug)]
pub struct Throttle {
    counts: Counts,
    /// Attempts that Redis could not count, since the start.
    uncounted: Arc<AtomicU64>,
    per_address: Limit,
    total: Limit,
}

#[derive(Debug)]
enum Counts {
    Memory(Arc<MemoryThrottle>),
    Redis(Arc<RedisThrottle>, Otherwise),
}

/// What becomes of attempts that Redis cannot count.
#[derive(Debug)]
enum Otherwise {
    Refuse,
    Local(Arc<MemoryThrottle>),
    Allow,
}

/// How the throttle is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether attempts are counted where the settings say.
    pub is_reachable: bool,
    /// Attempts that Redis could not count.
    pub uncounted: u64,
    /// Sources that were forgotten for want of room while they still owed time ([`MemoryThrottle::forgotten`]).
    pub forgotten: u64,
}

impl Throttle {
    /// Makes the throttle its settings ask for. Within a Tokio runtime: a Redis is connected to in a task of its own.
    ///
    /// # Errors
    /// A ceiling that is none, or CAs that cannot be read.
    pub fn new(settings: &ThrottleSettings, files: ThrottleFiles) -> Result<Self, NoThrottle> {
        Self::make(settings, files, None)
    }

    /// The same counts under other ceilings: a reload forgets nobody. The number of sources stays as it was; another backend, or
    /// another password for it, is taken up.
    ///
    /// # Errors
    /// As [`Throttle::new`].
    pub fn reloaded(&self, settings: &ThrottleSettings, files: ThrottleFiles) -> Result<Self, NoThrottle> {
        Self::make(settings, files, Some(self))
    }

    fn make(settings: &ThrottleSettings, files: ThrottleFiles, before: Option<&Self>) -> Result<Self, NoThrottle> {
        let (per_address, total) = (settings.per_address.limit("address")?, settings.total.limit("total")?);
        let memory = || {
            let kept = before.and_then(|before| before.counts.memory()).cloned();
            kept.unwrap_or_else(|| Arc::new(MemoryThrottle::new(settings.sources)))
        };
        let counts = match &settings.backend {
            Backend::Memory => Counts::Memory(memory()),
            Backend::Redis(url) => {
                let server = RedisServer { url: url.clone(), password: files.password, trust: files.trust };
                let shared = match before.map(|before| &before.counts) {
                    Some(Counts::Redis(shared, _)) if *shared.server() == server => shared.clone(),
                    _ => Arc::new(RedisThrottle::new(server)?),
                };
                let otherwise = match settings.when_unavailable {
                    WhenUnavailable::Refuse => Otherwise::Refuse,
                    WhenUnavailable::Local => Otherwise::Local(memory()),
                    WhenUnavailable::Allow => Otherwise::Allow,
                };
                Counts::Redis(shared, otherwise)
            }
        };
        let uncounted = before.map(|before| before.uncounted.clone()).unwrap_or_default();
        Ok(Self { counts, uncounted, per_address, total })
    }

    /// Counts an attempt of the source against a limit, of a profile for example.
    ///
    /// # Errors
    /// It may not pass.
    pub async fn attempt<'a>(&self, source: Source, limit: &'a Limit) -> Result<Allowance, Denied<'a>> {
        self.count(&[(source, limit)]).await
    }

    /// Counts an attempt from the address against the ceilings: its own first, so that one address that floods does not use up
    /// what is everybody's.
    ///
    /// # Errors
    /// It may not pass.
    pub async fn attempt_from(&self, address: IpAddr) -> Result<(), Denied<'_>> {
        let attempts = [(Source::address(address), &self.per_address), (Source::Total, &self.total)];
        self.count(&attempts).await.map(drop)
    }

    async fn count<'a>(&self, attempts: &[Attempt<'a>]) -> Result<Allowance, Denied<'a>> {
        let (shared, otherwise) = match &self.counts {
            Counts::Memory(memory) => return memory.count(attempts).map_err(Denied::TooEarly),
            Counts::Redis(shared, otherwise) => (shared, otherwise),
        };
        if let Ok(verdict) = shared.count(attempts).await {
            return verdict.map_err(Denied::TooEarly);
        }
        self.uncounted.fetch_add(1, Ordering::Relaxed);
        match otherwise {
            Otherwise::Refuse => Err(Denied::Uncounted),
            Otherwise::Local(memory) => memory.count(attempts).map_err(Denied::TooEarly),
            Otherwise::Allow => Ok(Allowance { remaining: 0 }),
        }
    }

    /// How it is doing.
    pub fn standing(&self) -> Standing {
        let is_reachable = match &self.counts {
            Counts::Memory(_) => true,
            Counts::Redis(shared, _) => shared.is_reachable(),
        };
        let forgotten = self.counts.memory().map_or(0, |memory| memory.forgotten());
        Standing { is_reachable, uncounted: self.uncounted.load(Ordering::Relaxed), forgotten }
    }
}

impl Counts {
    fn memory(&self) -> Option<&Arc<MemoryThrottle>> {
        match self {
            Self::Memory(memory) | Self::Redis(_, Otherwise::Local(memory)) => Some(memory),
            Self::Redis(_, Otherwise::Refuse | Otherwise::Allow) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached<'a>(denied: Result<(), Denied<'a>>) -> &'a str {
        match denied {
            Err(Denied::TooEarly(reached)) => reached.limit.name(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn an_address_that_floods_does_not_use_up_what_is_everybodys() {
        let settings = "{ per_address: { rate: 1/h, burst: 2 }, total: { rate: 1/h, burst: 5 } }";
        let throttle = Throttle::new(&serde_yaml::from_str(settings).unwrap(), ThrottleFiles::default()).unwrap();
        let from = |text: &str| throttle.attempt_from(text.parse().unwrap());
        for _ in 0..2 {
            assert!(from("192.0.2.1").await.is_ok());
        }
        for _ in 0..10 {
            assert_eq!(reached(from("192.0.2.1").await), "address");
        }
        for other in ["192.0.2.2", "192.0.2.3", "2001:db8::1"] {
            assert!(from(other).await.is_ok());
        }
        assert_eq!(reached(from("192.0.2.4").await), "total");
    }
}
