//! What a file looked like before it was read: whoever looks again knows whether it is another one since.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(Option<(SystemTime, u64)>);

/// Files, and what each looked like.
pub type Fingerprints = BTreeMap<PathBuf, Fingerprint>;

impl Fingerprint {
    /// The file cannot be read, most likely because there is none.
    pub const NONE: Self = Self(None);

    /// As the file is now.
    pub fn of(file: &Path) -> Self {
        let look = || {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Self(look())
    }
}
