//! What is sent to a receiver, and what every kind of receiver can do with it.

use async_trait::async_trait;

use super::failure::Failure;
use super::notice::Notice;
use crate::clock::Timestamp;
use crate::fetch::FetchClient;

/// What is sent at once.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its name, the same at each attempt.
    pub id: String,
    /// What is told, the oldest first.
    pub notices: Vec<Notice>,
    /// How many more there were.
    pub more: u32,
}

/// How a receiver is reached.
#[async_trait]
pub(super) trait Sender: Send + Sync {
    /// Sends it; returns when the receiver has it.
    async fn send(&self, messages: &[Message], now: Timestamp) -> Result<(), Failure>;
}

/// What all receivers are reached with.
pub struct Reach {
    /// How URLs are fetched.
    pub client: FetchClient,
    /// CAs that are trusted besides the system's, in DER.
    pub trust: Vec<Vec<u8>>,
    /// The gateway, as clients know it: tells which one it is that speaks.
    pub gateway: String,
}
