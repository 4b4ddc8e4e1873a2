//! The clients that the server has, whoever registered them: what `import` looks at, and what the server itself recorded of their
//! uses. Only what is read; nothing here changes a client. Pure.

use std::time::Duration;

use serde_json::{Map, Value};

use super::ServerAccess;
use crate::clock::Timestamp;

/// A client as the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingClient {
    /// Its `client_id`.
    pub client_id: String,
    /// Its members by the names of RFC 7591, in the server's terms, without the `client_id`; never a secret.
    pub metadata: Map<String, Value>,
    /// When it was made, where the server tells.
    pub created_at: Option<Timestamp>,
    /// Whether it may be used.
    pub is_enabled: bool,
    /// How it came there, as far as the server's description tells.
    pub origin: Origin,
    /// What the gateway manages it with; none: only the server's administration does.
    pub access: Option<ServerAccess>,
}

/// How a client came to the server. No server keeps a mark of it: this is inferred (`docs/import.md` says from what).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It looks as if it was registered dynamically.
    Registration,
    /// It looks as if somebody made it by hand.
    ByHand,
    /// The server made it for itself, or it is the gateway's own: it is never taken into the record.
    Server,
    /// Nothing tells.
    Unknown,
}

impl Origin {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::ByHand => "by_hand",
            Self::Server => "server",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it may be what `import` is for, without being named.
    pub const fn may_be_registered(self) -> bool {
        matches!(self, Self::Registration | Self::Unknown)
    }
}

/// A page of the server's clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingPage {
    /// In the server's order.
    pub clients: Vec<ExistingClient>,
    /// The place of the next page, in the server's own words; none: this was the last.
    pub next: Option<String>,
}

/// What the server recorded of the uses of its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedUses {
    /// Each client once, with its last use in what was read.
    pub uses: Vec<(String, Timestamp)>,
    /// Up to here everything was read.
    pub read_to: Timestamp,
    /// There is more behind it, for the next time.
    pub has_more: bool,
    /// What is older than this the server has forgotten; none: it keeps everything.
    pub kept_for: Option<Duration>,
}
