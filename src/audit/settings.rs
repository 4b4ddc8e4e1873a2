//! What is recorded and where it goes: the `audit` section.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::duration::DurationText;
use crate::setting_problem::SettingProblem;
use crate::text_form;

/// The `audit` section. Everything is recorded in the store, always; these say who vouches for it and where else it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// The file with the key that heads are signed with; `dcr-gateway keys audit` makes it. Every replica can have the same. Default: none,
    /// the chain is not signed, and who can write to the store can write another one.
    pub signing_key_file: Option<PathBuf>,
    /// How often the head of the chain is signed and exported, when there is something new; also at the end. Default 60s.
    #[schemars(with = "String", regex(pattern = r"^[0-9]+(ms|s|m|h|d)$"))]
    pub sign_every: DurationText,
    /// Where records and heads go while they are written: `stdout`, `otlp` (to the collector of `telemetry.otlp`), or a file.
    /// Default: nowhere but the store.
    pub export: Vec<ExportSettings>,
    /// How long a record is kept. What is older is taken away every hour, from the beginning of a chain, and a signed statement of the
    /// place stays, so that the rest still verifies. Default 400d.
    #[schemars(with = "String", regex(pattern = r"^[0-9]+(ms|s|m|h|d)$"))]
    pub retention: DurationText,
    /// How many refusals are recorded one by one.
    pub refusals: RefusalSettings,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            signing_key_file: None,
            sign_every: DurationText(Duration::from_secs(60)),
            export: Vec::new(),
            retention: DurationText(Duration::from_secs(400 * 24 * 60 * 60)),
            refusals: RefusalSettings::default(),
        }
    }
}

/// The bounds of what refused callers can make the gateway write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RefusalSettings {
    /// So many different ones (by source, profile and reason) are recorded in a window, each once, and once more with its number when
    /// the window ends; the others are only counted, by reason. Default 1000.
    #[schemars(range(min = 1, max = 100_000))]
    pub written: u32,
    /// How long a window lasts. Default 60s.
    #[schemars(with = "String", regex(pattern = r"^[0-9]+(ms|s|m|h|d)$"))]
    pub window: DurationText,
}

impl Default for RefusalSettings {
    fn default() -> Self {
        Self { written: 1000, window: DurationText(Duration::from_secs(60)) }
    }
}

/// A place that records and heads go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportSettings {
    /// Standard output, a JSON object a line; the gateway's log is on standard error.
    Stdout,
    /// Log records to the collector of `telemetry.otlp`.
    Otlp,
    /// A file, a JSON object a line.
    File(FileSettings),
}

/// A file that records go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// Its path; it is made (mode 0600) when it is not there. Every replica needs its own.
    pub path: PathBuf,
    /// When it would become larger, it is renamed to `.1` (and `.1` to `.2`) and begun anew: `64MiB`. Default 64MiB.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = r"^[0-9]+(KiB|MiB|GiB)$"))]
    pub max_size: Size,
    /// How many renamed files are kept. Default 8.
    #[serde(default = "kept")]
    #[schemars(range(min = 1, max = 1000))]
    pub keep: u16,
}

const fn kept() -> u16 {
    8
}

/// A number of bytes: `64MiB`, `500KiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(into = "String")]
#[schemars(with = "String")]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl Default for Size {
    fn default() -> Self {
        Self(64 << 20)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || format!("{text:?} is not a size: write a whole number and KiB, MiB or GiB, like 64MiB");
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
            .filter(|(number, _)| number.bytes().all(|digit| digit.is_ascii_digit()))
            .ok_or_else(problem)?;
        let number: u64 = number.parse().map_err(|_| problem())?;
        number.checked_mul(*unit).filter(|size| *size > 0).map(Self).ok_or_else(problem)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_form::deserialize(deserializer, "a size like 64MiB")
    }
}

impl From<Size> for String {
    fn from(Size(size): Size) -> Self {
        let fits = UNITS.iter().find(|(_, unit)| size.is_multiple_of(*unit));
        fits.map_or_else(|| format!("{size}"), |(name, unit)| format!("{}{name}", size / unit))
    }
}

impl AuditSettings {
    /// Everything that is wrong with the settings. `sends` says whether there is a collector.
    pub fn problems(&self, sends: bool) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut report = |place: &str, reason, hint| problems.push(SettingProblem::new(place, reason, hint));
        if self.sign_every.0 < Duration::from_secs(1) {
            report("sign_every", "is shorter than a second", "write 60s, say");
        }
        if self.retention.0 < Duration::from_secs(24 * 60 * 60) {
            report("retention", "is shorter than a day", "write 400d, say");
        }
        if !(1..=100_000).contains(&self.refusals.written) {
            report("refusals.written", "is not a number from 1 to 100000", "leave it out for 1000");
        }
        if self.refusals.window.0 < Duration::from_secs(1) {
            report("refusals.window", "is shorter than a second", "write 60s, say");
        }
        if self.export.contains(&ExportSettings::Otlp) && !sends {
            report("export", "otlp: there is no telemetry.otlp to send to", "set telemetry.otlp, or leave otlp out");
        }
        let mut paths = Vec::new();
        for (index, export) in self.export.iter().enumerate() {
            let ExportSettings::File(file) = export else { continue };
            if paths.contains(&&file.path) {
                report(&format!("export[{index}].file.path"), "is named twice", "give each its own path");
            }
            paths.push(&file.path);
            if !(1..=1000).contains(&file.keep) {
                report(&format!("export[{index}].file.keep"), "is not a number from 1 to 1000", "leave it out for 8");
            }
            if file.path.is_dir() {
                report(&format!("export[{index}].file.path"), "is a directory", "name a file in it");
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for text in ["500KiB", "64MiB", "2GiB"] {
            assert_eq!(String::from(text.parse::<Size>().unwrap()), text);
        }
        for text in ["", "64", "MiB", "64MB", "-1MiB", "0KiB", "1.5GiB", "99999999999999GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_problem_is_reported() {
        let yaml = "sign_every: 1ms\nretention: 1h\nrefusals: { written: 0, window: 10ms }\n\
                    export: [otlp, !file { path: a }, !file { path: a, keep: 0 }]";
        let settings: AuditSettings = serde_yaml::from_str(yaml).unwrap();
        let places: Vec<_> = settings.problems(false).into_iter().map(|problem| problem.place).collect();
        let (path, keep) = ("export[2].file.path", "export[2].file.keep");
        let all = ["sign_every", "retention", "refusals.written", "refusals.window", "export", path, keep];
        assert_eq!(places, all);
        assert_eq!(AuditSettings::default().problems(false), []);
    }
}
