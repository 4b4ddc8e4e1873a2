//! A real `redis-server` for a test, and our throttle before it.

#[path = "../../../../tests/servers/redis.rs"]
mod process;

use super::connected;
use crate::throttle::redis::{RedisServer, RedisThrottle, client};

pub use process::{Server, Started};

impl Server {
    pub fn address(&self) -> RedisServer {
        RedisServer { url: format!("redis://127.0.0.1:{}", self.port).parse().unwrap(), password: None, trust: None }
    }

    /// Its throttle, connected. It has patience: what is tested is the counting, and the machine may be busy.
    pub async fn throttle(&self) -> RedisThrottle {
        connected(self.address()).await
    }

    pub async fn line(&self) -> redis::aio::MultiplexedConnection {
        client(&self.address()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }
}
