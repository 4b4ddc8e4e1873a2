//! What a section of the configuration finds wrong with itself. `config` tells it with its place in the file.

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// Where below the section: `log.level`, `redirect_uris.https[1].path`; empty for the section itself.
    pub place: String,
    /// What is wrong, with the value.
    pub reason: String,
    /// What to write instead; empty when the reason says it all.
    pub hint: String,
}

impl SettingProblem {
    /// A problem at `place`.
    pub fn new(place: impl Into<String>, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into(), hint: hint.into() }
    }
}
