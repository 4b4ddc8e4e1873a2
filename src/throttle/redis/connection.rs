//! One connection to Redis, kept by a task of its own: attempts take it when it is there and never make one. Each change is told once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::probe;

/// For connecting, TLS, the password and the first probe.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// How often a connection is probed, so that its loss is known before somebody needs it.
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// The first pause between tries to connect; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What is known about Redis.
#[derive(Clone)]
pub(super) enum State {
    /// The first try is under way.
    Connecting,
    /// It counts.
    Connected(Connection),
    /// It does not; a new connection is being tried.
    Lost,
}

/// A connection, shared by all attempts.
#[derive(Clone)]
pub(super) struct Connection {
    /// Tells it from those before and after it.
    number: u64,
    /// Where commands go.
    pub line: MultiplexedConnection,
}

/// Keeps the connection as long as it lives.
pub(super) struct Keeper {
    pub known: Arc<Known>,
    task: JoinHandle<()>,
}

/// What the task and the attempts know together.
pub(super) struct Known {
    pub state: watch::Sender<State>,
    /// Redis' address, without a password.
    server: String,
}

impl Keeper {
    pub fn start(client: Client, server: String) -> Self {
        let known = Arc::new(Known { state: watch::Sender::new(State::Connecting), server });
        let task = tokio::spawn(keep(client, known.clone()));
        Self { known, task }
    }

    pub fn state(&self) -> watch::Ref<'_, State> {
        self.known.state.borrow()
    }

    /// The connection; waits for the first one only.
    pub async fn connection(&self) -> Result<Connection, String> {
        let mut state = self.known.state.subscribe();
        match state.wait_for(|state| !matches!(state, State::Connecting)).await.as_deref() {
            Ok(State::Connected(connection)) => Ok(connection.clone()),
            _ => Err("there is no connection".to_owned()),
        }
    }

    /// The connection is of no use any more.
    pub fn lost(&self, connection: &Connection, cause: &str) {
        self.known.lost(Some(connection), cause);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("server", &self.known.server).finish_non_exhaustive()
    }
}

impl Known {
    /// Of many that fail together the first tells it; what is said about an earlier connection, or no new one, changes nothing.
    fn lost(&self, connection: Option<&Connection>, cause: &str) {
        let is_news = self.state.send_if_modified(|state| {
            let is_this = match (&*state, connection) {
                (State::Connecting, None) => true,
                (State::Connected(current), Some(lost)) => current.number == lost.number,
                _ => false,
            };
            if is_this {
                *state = State::Lost;
            }
            is_this
        });
        if is_news {
            tracing::error!(
                server = self.server,
                cause,
                "Redis does not count attempts: throttle.when_unavailable holds"
            );
        }
    }

    fn connected(&self, connection: Connection) {
        tracing::info!(server = self.server, "Redis counts attempts");
        self.state.send_replace(State::Connected(connection));
    }
}

async fn keep(client: Client, known: Arc<Known>) {
    let mut pause = Duration::ZERO;
    for number in 0.. {
        match connect(&client, number).await {
            Ok(connection) => {
                let began = Instant::now();
                known.connected(connection.clone());
                until_lost(connection, &known).await;
                if began.elapsed() > LONGEST_PAUSE {
                    pause = Duration::ZERO;
                }
            }
            Err(cause) => known.lost(None, &cause),
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
    }
}

async fn connect(client: &Client, number: u64) -> Result<Connection, String> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connecting = async {
        let line = client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut connection = Connection { number, line };
        probe(&mut connection).await?;
        Ok::<_, RedisError>(connection)
    };
    within(CONNECT_WITHIN, connecting).await
}

/// Returns when somebody found the connection lost, or a probe did.
async fn until_lost(mut connection: Connection, known: &Known) {
    let mut state = known.state.subscribe();
    loop {
        tokio::select! {
            () = async { drop(state.wait_for(|state| !matches!(state, State::Connected(_))).await) } => return,
            () = tokio::time::sleep(PROBE_EVERY) => {
                if let Err(cause) = within(CONNECT_WITHIN, probe(&mut connection)).await {
                    return known.lost(Some(&connection), &cause);
                }
            }
        }
    }
}

async fn within<T>(time: Duration, call: impl Future<Output = Result<T, RedisError>>) -> Result<T, String> {
    match tokio::time::timeout(time, call).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} ms", time.as_millis())),
    }
}
