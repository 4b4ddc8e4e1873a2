//! The configuration: whatever stands in the file, it loads, or everything that is wrong is said, with places, and no secret with it.

use std::path::Path;

use dcr_gateway::config::{self, Problem, Severity};

/// What the variable `SECRET` holds.
pub const SECRET: &str = "hunter2-is-secret";

/// The property, for any text.
pub fn holds(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    // Devices that never end are not for reading, whoever names them.
    if text.contains(SECRET) || text.contains("/dev") || text.contains("/proc") {
        return false;
    }
    let environment = |name: &str| (name == "SECRET").then(|| SECRET.to_owned());
    // No file of this machine lies below it.
    let file = Path::new("/nonexistent/dcr-gateway/config.yaml");
    match config::from_text(&text, file, &environment) {
        Ok(config) => {
            assert!(!config.profiles.is_empty() && !config.settings.listeners.is_empty(), "nobody could register");
            assert!(config.public_url.starts_with("http"), "{}", config.public_url);
            config.warnings.iter().for_each(|problem| is_told_well(problem, &text));
            assert!(config.warnings.iter().all(|problem| problem.severity == Severity::Warning));
            true
        }
        Err(problems) => {
            assert!(problems.problems.iter().any(|problem| problem.severity == Severity::Error), "{problems:?}");
            problems.problems.iter().for_each(|problem| is_told_well(problem, &text));
            let told = format!("{problems}{}", serde_json::to_string(&problems).expect("problems are written"));
            assert!(!told.contains(SECRET), "a secret is told: {told}");
            false
        }
    }
}

fn is_told_well(problem: &Problem, text: &str) {
    assert!(!problem.reason.is_empty(), "{problem:?}");
    // What ends a line in YAML 1.1 (§4.2); editors know fewer.
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
    assert!(problem.line.is_none_or(|line| (1..=lines + 1).contains(&line)), "{problem:?}: there are {lines} lines");
    assert!(
        problem.column.is_none_or(|column| column >= 1) && problem.line.is_some() == problem.column.is_some(),
        "{problem:?}"
    );
    // What is missing at the top is missing in the whole file.
    let is_of_the_whole = problem.place.is_empty() || !problem.place.contains(['.', '[']);
    assert!(is_of_the_whole || problem.line.is_some(), "a place that is nowhere in the file: {problem:?}");
}
