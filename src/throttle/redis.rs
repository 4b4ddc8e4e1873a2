//! Counting in Redis, for several gateways together: all counts of one attempt in one script call, by Redis' own clock, so that
//! replicas agree. Never waits long: what Redis does not count in time is not counted by it, and the settings say what then.

mod connection;
#[cfg(test)]
mod tests;
pub mod url;

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::{RedisError, Script};
use sha2::{Digest as _, Sha256};

use self::connection::{Connection, Keeper, State};
use self::url::RedisUrl;
use super::limit::Limit;
use super::{Allowance, Attempt, LimitReached, Source, TooEarly};
use crate::secret::Secret;

/// An attempt waits no longer for Redis, connecting included.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/gcra.lua")));

/// Where Redis is, and how the gateway is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// Its address.
    pub url: RedisUrl,
    /// The password, when it is not in the URL.
    pub password: Option<Secret>,
    /// The CAs, in PEM, when they are not the system's.
    pub trust: Option<Vec<u8>>,
}

/// A Redis that cannot be one: no connection is tried.
#[derive(Debug, thiserror::Error)]
#[error("throttle.backend {url}: {problem}")]
pub struct NoRedis {
    url: RedisUrl,
    problem: RedisError,
}

/// Redis did not count the attempts: it is away, too slow, or refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// The throttle that gateways share. Each limit of a source is one short key that goes when the whole burst is there again.
#[derive(Debug)]
pub struct RedisThrottle {
    server: RedisServer,
    keeper: Keeper,
    answer_within: Duration,
}

impl RedisThrottle {
    /// Begins to connect, in a task of its own: call it within a Tokio runtime.
    ///
    /// # Errors
    /// The CAs cannot be read.
    pub fn new(server: RedisServer) -> Result<Self, NoRedis> {
        let client = client(&server).map_err(|problem| NoRedis { url: server.url.clone(), problem })?;
        let keeper = Keeper::start(client, server.url.to_string());
        Ok(Self { server, keeper, answer_within: ANSWER_WITHIN })
    }

    /// The Redis it counts in.
    pub fn server(&self) -> &RedisServer {
        &self.server
    }

    /// Whether it counts, as far as is known; before the first connection it does not.
    pub fn is_reachable(&self) -> bool {
        matches!(*self.keeper.state(), State::Connected(_))
    }

    /// Counts the attempts in their order until one may not pass: that one and those after it are not counted. Told is what the
    /// last one that was looked at came to.
    ///
    /// # Errors
    /// Redis did not answer within 100 ms, or refused. Whether it counted is not known then.
    pub async fn count<'a>(
        &self,
        attempts: &[Attempt<'a>],
    ) -> Result<Result<Allowance, LimitReached<'a>>, Unavailable> {
        let Some((_, last)) = attempts.last() else { return Err(Unavailable) };
        let answer = self.ask(attempts).await?;
        let reached = attempts.get(answer.looked_at.saturating_sub(1)).map_or(*last, |(_, limit)| limit);
        Ok(answer.verdict(reached))
    }

    async fn ask(&self, attempts: &[Attempt<'_>]) -> Result<Answer, Unavailable> {
        let mut asked = None;
        let asking = async {
            let connection = asked.insert(self.keeper.connection().await?);
            call(connection, attempts).await.map_err(|error| error.to_string())
        };
        let cause = match tokio::time::timeout(self.answer_within, asking).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(cause)) => cause,
            Err(_) => format!("no answer within {} ms", self.answer_within.as_millis()),
        };
        // Answers on a connection come in order, so that behind a late one all are late.
        if let Some(connection) = asked {
            self.keeper.lost(&connection, &cause);
        }
        Err(Unavailable)
    }
}

/// What the script answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answer {
    /// How many attempts were looked at; the last of them is told about.
    looked_at: usize,
    has_passed: bool,
    /// The theoretical arrival time, since 1970.
    arrival: Duration,
    /// Redis' clock, since 1970.
    now: Duration,
}

impl Answer {
    /// As governor's `StateSnapshot` and `NotUntil` tell it.
    fn verdict(self, limit: &Limit) -> Result<Allowance, LimitReached<'_>> {
        let owed = self.arrival.saturating_sub(self.now);
        if self.has_passed {
            let whole = limit.interval().saturating_mul(limit.burst().get());
            let left = whole.saturating_sub(owed).as_nanos() / limit.interval().as_nanos().max(1);
            Ok(Allowance { remaining: u32::try_from(left).unwrap_or(u32::MAX) })
        } else {
            let too_early = TooEarly { retry_after: owed.saturating_sub(limit.tolerance()) };
            Err(LimitReached { limit, too_early })
        }
    }
}

fn client(server: &RedisServer) -> Result<redis::Client, RedisError> {
    use redis::IntoConnectionInfo as _;
    let mut info = server.url.whole().expose().into_connection_info()?;
    if let Some(password) = &server.password {
        let settings = info.redis_settings().clone().set_password(password.expose());
        info = info.set_redis_settings(settings);
    }
    match &server.trust {
        Some(trust) => {
            let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(trust.clone()) };
            redis::Client::build_with_tls(info, certificates)
        }
        None => redis::Client::open(info),
    }
}

async fn call(connection: &mut Connection, attempts: &[Attempt<'_>]) -> Result<Answer, RedisError> {
    let mut invocation = SCRIPT.prepare_invoke();
    for (source, limit) in attempts {
        invocation.key(key(source, limit));
        for duration in [limit.interval(), limit.tolerance()] {
            invocation.arg(duration.as_secs()).arg(duration.subsec_nanos());
        }
    }
    read(invocation.invoke_async(&mut connection.line).await?)
}

/// A real count of a key that nobody else uses, and that goes at once: Redis answers, runs the script and lets it write.
async fn probe(connection: &mut Connection) -> Result<(), RedisError> {
    let mut invocation = SCRIPT.prepare_invoke();
    invocation.key("dcr:probe").arg(0).arg(1).arg(0).arg(0);
    read(invocation.invoke_async(&mut connection.line).await?).map(drop)
}

fn read(answer: [u64; 6]) -> Result<Answer, RedisError> {
    let [looked_at, has_passed, arrival_s, arrival_n, now_s, now_n] = answer;
    let time = |s, n| u32::try_from(n).map(|n| Duration::from_secs(s).saturating_add(Duration::from_nanos(n.into())));
    let strange = |_| RedisError::from((redis::ErrorKind::UnexpectedReturnType, "the script's answer is not one"));
    Ok(Answer {
        looked_at: usize::try_from(looked_at).map_err(strange)?,
        has_passed: has_passed == 1,
        arrival: time(arrival_s, arrival_n).map_err(strange)?,
        now: time(now_s, now_n).map_err(strange)?,
    })
}

/// The same in every replica, short whatever the source: 128 bits of SHA-256 over the limit's name and the source, each
/// after its length, so that no two run into each other.
fn key(source: &Source, limit: &Limit) -> String {
    let text;
    let (kind, who): (&[u8], &[u8]) = match source {
        Source::Total => (b"total", b""),
        Source::Address(address) => {
            text = address.to_string();
            (b"address", text.as_bytes())
        }
        Source::Token(id) => (b"token", id.as_bytes()),
        Source::Certificate(thumbprint) => (b"certificate", thumbprint.as_bytes()),
        Source::Software(software) => (b"software", software.as_bytes()),
    };
    let mut hash = Sha256::new();
    for part in [limit.name().as_bytes(), kind, who] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("dcr:{}", URL_SAFE_NO_PAD.encode(&hash.finalize()[..16]))
}
