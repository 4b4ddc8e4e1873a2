//! The configuration: the YAML file as written ([`GatewaySettings`]), and as it is meant ([`Config`]): checked, paths resolved,
//! profiles compiled. All problems are told at once. Only `server` and `cli` read it.

mod certificates;
mod checks;
mod files;
mod fingerprint;
mod hints;
mod node;
mod place;
mod problem;
mod reader;
mod schema;
mod settings;
mod urls;

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

pub use fingerprint::{Fingerprint, Fingerprints};
pub use node::Environment;
pub use problem::{Problem, Problems, Severity};
pub use schema::schema;
pub use settings::GatewaySettings;

use crate::authorization_server::paths::PathTable;
use crate::clock::Timestamp;
use crate::policy::{Profile, ProfileSettings};
use crate::registration::host::Host;
use crate::setting_problem::SettingProblem;

use certificates::Ending;
use node::Node;
use place::Place;
use reader::{Finding, read};

/// The configuration as it is meant: everything in it was checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from.
    pub file: PathBuf,
    /// As written; variables are replaced, and all paths resolved against the directory of the file.
    pub settings: GatewaySettings,
    /// What clients see: scheme, host and port, no slash at the end.
    pub public_url: String,
    /// The host for client certificates, in the same form.
    pub mtls_url: Option<String>,
    /// The path of the issuer identifier, empty when it has none.
    pub issuer_path: String,
    /// Which paths are the gateway's; the registration path among them.
    pub paths: PathTable,
    /// The profiles, in the order of the file.
    pub profiles: Vec<Profile>,
    /// What may not be what was meant.
    pub warnings: Vec<Problem>,
    /// What `serve` cannot do without, and a command can still make.
    needed_to_serve: Vec<Problem>,
    /// What ends some day.
    endings: Vec<Ending>,
    /// SHA-256 of the file as it was read.
    pub digest: [u8; 32],
    /// What it was [loaded](load) from: the file, those that it names and the encryption keys, each as it was before it was read.
    pub seen: Fingerprints,
}

impl Config {
    /// The same, where nothing is missing that it takes to serve.
    ///
    /// # Errors
    /// What is missing.
    pub fn to_be_served(self) -> Result<Self, Problems> {
        if self.needed_to_serve.is_empty() {
            return Ok(self);
        }
        let mut problems = self.warnings;
        problems.extend(self.needed_to_serve);
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(Problems { file: self.file, problems, incomplete: false, digest: Some(self.digest) })
    }

    /// The same, with warnings of certificates and revocation lists that have ended, or will soon.
    #[must_use]
    pub fn warned_of_ends(mut self, now: Timestamp) -> Self {
        self.warnings.extend(certificates::warnings(&self.endings, now));
        self.warnings.sort_by_key(|problem| (problem.line, problem.column));
        self
    }

    /// The profile that these settings describe, in front of its authorization server; nothing when they describe none.
    pub fn profile_of(&self, settings: &ProfileSettings) -> Option<Profile> {
        let server = urls::hosts(&[&self.public_url, &self.settings.authorization_server.issuer]);
        Some(Profile::compile(settings).ok()?.in_front_of(server))
    }
}

/// Loads the file, with the variables of this process.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(file: &Path) -> Result<Config, Problems> {
    let as_it_was = Fingerprint::of(file);
    let text = std::fs::read_to_string(file).map_err(|error| {
        let problem = Problem {
            severity: Severity::Error,
            place: String::new(),
            line: None,
            column: None,
            value: None,
            reason: format!("the file cannot be read: {error}"),
            hint: hints::for_unreadable_file(&error).to_owned(),
        };
        Problems { file: file.to_owned(), problems: vec![problem], incomplete: false, digest: None }
    })?;
    let mut config = from_text(&text, file, &|name| std::env::var(name).ok())?;
    config.seen.insert(file.to_owned(), as_it_was);
    Ok(config)
}

/// As [`load`], from a text that is, or could be, in `file`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn from_text(text: &str, file: &Path, environment: Environment<'_>) -> Result<Config, Problems> {
    let digest = Sha256::digest(text).into();
    // YAML may begin with a byte order mark (YAML 1.2 §5.2), which the parser does not know.
    let text = text.trim_start_matches('\u{feff}');
    let mut findings = Findings { text, digest, problems: Vec::new(), needed: Vec::new(), taken_out: Vec::new() };
    let value = match serde_yaml::from_str(text) {
        Ok(value) => value,
        Err(error) => return Err(findings.not_yaml(&error).into_problems(file)),
    };
    let mut in_tree = Vec::new();
    let tree = Node::of(value, &Place::root(), environment, &mut in_tree);
    for problem in in_tree {
        findings.add(&tree, &problem.place, problem.reason, problem.hint);
    }
    let required = schema::required();
    let (settings, found) = read::<GatewaySettings>(&tree, &Place::root(), &required);
    for finding in found {
        findings.add_finding(&tree, &finding);
    }
    let is_understood = !findings.has_errors();
    let mut parts = checks::Parts::read(&tree, &required);
    if let Some(settings) = &settings {
        checks::enforcement::inherit(settings, &mut parts);
    }
    checks::check_parts(&mut parts, &tree, &mut findings);
    let Some(mut settings) = settings.filter(|_| is_understood) else {
        return Err(findings.into_first_problems(file));
    };
    files::resolve_paths(&mut settings, file.parent().unwrap_or(Path::new("")));
    let seen = files::seen(&settings);
    files::check(&settings, &tree, &mut findings);
    let endings = certificates::check(&settings, &tree, &mut findings);
    let meant = checks::check_whole(&settings, &parts, &tree, &mut findings);
    match meant.filter(|_| !findings.has_errors()) {
        None => Err(findings.into_problems(file)),
        Some(meant) => Ok(Config {
            file: file.to_owned(),
            profiles: profiles(parts, &urls::hosts(&[&meant.public_url, &settings.authorization_server.issuer])),
            settings,
            public_url: meant.public_url,
            mtls_url: meant.mtls_url,
            issuer_path: meant.issuer_path,
            paths: meant.paths,
            needed_to_serve: std::mem::take(&mut findings.needed),
            endings,
            warnings: findings.into_problems(file).problems,
            digest,
            seen,
        }),
    }
}

fn profiles(parts: checks::Parts, server: &[Host]) -> Vec<Profile> {
    let compiled = parts.profiles.into_iter().filter_map(|part| part.profile);
    compiled.map(|profile| profile.in_front_of(server.to_vec())).collect()
}

/// Where the checks set down what they find.
struct Findings<'t> {
    text: &'t str,
    /// SHA-256 of the file.
    digest: [u8; 32],
    problems: Vec<Problem>,
    /// Errors for who serves, and for nobody else.
    needed: Vec<Problem>,
    /// Where values stood that could not be read: what is checked later is without them.
    taken_out: Vec<String>,
}

impl Findings<'_> {
    /// An error at `place`.
    fn add(&mut self, tree: &Node, place: &Place, reason: impl Into<String>, hint: impl Into<String>) {
        let problem = self.problem(tree, place, reason.into(), hint.into());
        self.put(tree, place, problem);
    }

    /// What a section at `place` found wrong with itself.
    fn add_all(&mut self, tree: &Node, place: &Place, problems: Vec<SettingProblem>) {
        for problem in problems {
            self.add(tree, &place.below(&problem.place), problem.reason, problem.hint);
        }
    }

    /// A warning at `place`.
    fn warn(&mut self, tree: &Node, place: &Place, reason: impl Into<String>, hint: impl Into<String>) {
        let warning = self.warning(tree, place, reason, hint);
        self.put(tree, place, warning);
    }

    /// An error for who serves at `place`: a command can still make what is missing.
    fn need(&mut self, tree: &Node, place: &Place, reason: impl Into<String>, hint: impl Into<String>) {
        let problem = self.problem(tree, place, reason.into(), hint.into());
        self.needed.push(problem);
    }

    /// A warning at `place` that is not set down.
    fn warning(&self, tree: &Node, place: &Place, reason: impl Into<String>, hint: impl Into<String>) -> Problem {
        let severity = Severity::Warning;
        Problem { severity, ..self.problem(tree, place, reason.into(), hint.into()) }
    }

    fn put(&mut self, tree: &Node, place: &Place, problem: Problem) {
        // What is wrong with a list because a bad entry was taken out of it is not wrong with what is written.
        let entry = format!("{place}[");
        let is_list = || matches!(place.find(tree), Some(Node::List(_)));
        if self.taken_out.iter().any(|taken_out| taken_out.starts_with(&entry)) && is_list() {
            return;
        }
        self.problems.push(problem);
    }

    fn problem(&self, tree: &Node, place: &Place, reason: String, hint: String) -> Problem {
        let (line, column) = place.locate(self.text).unzip();
        // Where a digest is wanted, somebody may have written what it is of; the URL of a receiver may be its secret.
        let is_public = ![".sha256", ".webhook", ".alertmanager"].iter().any(|key| place.to_string().ends_with(key));
        let value = place.find(tree).and_then(Node::written).filter(|_| is_public);
        Problem { severity: Severity::Error, place: place.to_string(), line, column, value, reason, hint }
    }

    fn add_finding(&mut self, tree: &Node, finding: &Finding) {
        let place = finding.place();
        // Of a variable that is not set nothing more can be said.
        if self.is_told(place) {
            return;
        }
        match finding {
            Finding::Unknown { known, .. } => {
                self.add(tree, place, "there is no such key", hints::for_unknown_key(place, known));
                // What stands under a key that nobody knows is no one's value.
                if let Some(problem) = self.problems.last_mut() {
                    problem.value = None;
                }
            }
            Finding::Missing { .. } => self.add(tree, place, "is missing", "it has no default: write it"),
            Finding::Bad { reason, .. } => {
                self.add(tree, place, reason.clone(), hints::for_bad_value(reason));
                self.taken_out.push(place.to_string());
            }
        }
    }

    fn not_yaml(mut self, error: &serde_yaml::Error) -> Self {
        let (line, column) = error.location().map(|at| (at.line(), at.column())).unzip();
        let (reason, hint) = hints::for_yaml(&error.to_string());
        let place = String::new();
        self.problems.push(Problem { severity: Severity::Error, place, line, column, value: None, reason, hint });
        self
    }

    /// Whether something is wrong at exactly this place.
    fn is_told(&self, place: &Place) -> bool {
        let place = place.to_string();
        self.problems.iter().any(|known| known.place == place)
    }

    /// Whether there is an error at exactly this place.
    fn is_wrong(&self, place: &Place) -> bool {
        let place = place.to_string();
        self.problems.iter().any(|known| known.place == place && known.severity == Severity::Error)
    }

    fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    fn into_problems(mut self, file: &Path) -> Problems {
        self.problems.append(&mut self.needed);
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        Problems { file: file.to_owned(), problems: self.problems, incomplete: false, digest: Some(self.digest) }
    }

    /// Where more may come to light once these are mended.
    fn into_first_problems(self, file: &Path) -> Problems {
        Problems { incomplete: true, ..self.into_problems(file) }
    }
}
