//! The `fetch` section: what every fetch has in common.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration::DurationText;

/// How what others publish is fetched: key sets, answers about tokens. Receivers of alerts are told in the same way.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FetchSettings {
    /// PEM files of CAs that are trusted besides the system's. Default: none.
    pub trust: Vec<PathBuf>,
    /// For one whole fetch: resolving, connecting, sending, waiting, reading. Default: `5s`.
    pub timeout: DurationText,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self { trust: Vec::new(), timeout: DurationText(Duration::from_secs(5)) }
    }
}
