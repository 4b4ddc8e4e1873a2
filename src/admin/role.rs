//! What operators may do.

use serde::{Deserialize, Serialize};

/// What an operator may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Approves, rejects, elevates, suspends and resumes clients; bans, and locks registration down.
    Approver,
    /// Deletes and imports clients, makes and revokes tokens, resolves registrations.
    Administrator,
}

impl Role {
    /// As it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
            Self::Administrator => "administrator",
        }
    }
}
