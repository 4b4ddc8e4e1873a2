//! What is wrong with a configuration: each with place, value, reason and hint; all of them at once.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// Whether the gateway can run with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and it may not be what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether the gateway can run with it.
    pub severity: Severity,
    /// The path of keys to it: `profiles[1].redirect_uris.https[0].path`; empty for the whole file.
    pub place: String,
    /// Its line in the file, from 1.
    pub line: Option<usize>,
    /// Its column in the line, from 1.
    pub column: Option<usize>,
    /// The value as it is written in the file, where it is one text or number; never what a variable holds.
    pub value: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// What to write instead; empty when the reason says it all.
    pub hint: String,
}

/// Everything that is wrong with one file, in the order of the file. Its `Display` is for people, its `Serialize` for `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// The file.
    pub file: PathBuf,
    /// At least one, in the order of the file.
    pub problems: Vec<Problem>,
    /// Some checks need what could not be read: they will be made when that is mended.
    pub incomplete: bool,
    /// SHA-256 of the file as it was read; none: it could not be.
    #[serde(skip)]
    pub digest: Option<[u8; 32]>,
}

impl std::error::Error for Problems {}

impl Problems {
    /// Whether nothing is wrong but that whoever reads the configuration may not read a file that it names.
    pub fn are_of_access(&self) -> bool {
        let mut errors = self.problems.iter().filter(|problem| problem.severity == Severity::Error);
        errors.all(|problem| problem.reason.contains("Permission denied"))
    }
}

impl Problem {
    /// Writes the problem for people, with the name of its file.
    pub fn write(&self, file: &std::path::Path, f: &mut impl fmt::Write) -> fmt::Result {
        write!(f, "{}", file.display())?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(match self.severity {
            Severity::Error => ": error: ",
            Severity::Warning => ": warning: ",
        })?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.reason)?;
        if let Some(value) = self.value.as_ref().filter(|value| !self.reason.contains(value.as_str())) {
            write!(f, " (it is {value:?})")?;
        }
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            problem.write(&self.file, f)?;
            f.write_str("\n")?;
        }
        let errors = self.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        write!(f, "{errors} {} in {}", if errors == 1 { "error" } else { "errors" }, self.file.display())?;
        if self.incomplete {
            f.write_str("; checks of how the parts fit together follow when these are mended")?;
        }
        Ok(())
    }
}
