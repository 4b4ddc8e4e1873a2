//! How long and how many requests are kept: the `replay` section.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::DurationText;

/// The `replay` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReplaySettings {
    /// How long a request is kept; `0s`: none is. Default: 7d.
    pub keep: DurationText,
    /// How many are kept at most, about a kilobyte each; at most half of them refused ones. Default: 20000.
    pub maximum: u32,
}

impl Default for ReplaySettings {
    fn default() -> Self {
        Self { keep: DurationText(Duration::from_secs(7 * 24 * 60 * 60)), maximum: 20_000 }
    }
}

impl ReplaySettings {
    /// Whether anything is kept.
    pub const fn keeps_any(&self) -> bool {
        !self.keep.0.is_zero() && self.maximum > 0
    }
}
