//! The command line: one file per command. Data goes to standard output, everything said about it to standard error.
//! Exit codes: 0, 1 (it failed), 2 (the command was not understood), 78 (the configuration is wrong; sysexits' EX_CONFIG).

mod alerts;
mod audit;
mod bans;
mod clients;
mod config;
mod demo;
mod doctor;
mod explain;
mod findings;
mod import;
mod keys;
mod lockdown;
mod registrations;
mod replay;
mod running;
mod serve;
mod table;
mod tokens;

use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::alert::plain as printable;
use crate::config::{Config, Problems, load};
use crate::store::StoreError;
use crate::store::settings::StoreUrl;
use crate::store::sql::SqlStore;

/// Guards an authorization server's dynamic client registration (RFC 7591, RFC 7592).
#[derive(Debug, Parser)]
#[command(name = "dcr-gateway", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// Write JSON instead of text for people.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(ConfigFile),
    /// Try the gateway without anything else: certificates, a token, a small authorization server, all made on the spot.
    Demo(demo::Arguments),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Look at the authorization server, and say what is still open there. Changes nothing.
    Doctor(doctor::Arguments),
    /// Show what every rule makes of a registration request, and what would be sent to the authorization server.
    Explain(explain::Arguments),
    /// Judge recorded requests by another configuration, and say what would change, client by client. Exit code 1 when something would.
    Replay(replay::Arguments),
    /// Make, list and revoke initial access tokens.
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// See clients, approve, reject, elevate, suspend, resume and delete them, remove those nobody used, at the running gateway.
    #[command(subcommand)]
    Clients(clients::Command),
    /// See which clients the authorization server has from before the gateway was there, and take them into the record.
    Import(import::Arguments),
    /// See registrations, and resolve those whose outcome is unknown, at the running gateway.
    #[command(subcommand)]
    Registrations(registrations::Command),
    /// See what detectors of anomalies found, at the running gateway.
    #[command(subcommand)]
    Findings(findings::Command),
    /// See what is done about findings or was ordered, ban and lift, at the running gateway.
    #[command(subcommand)]
    Bans(bans::Command),
    /// Close registration as a whole, and open it again, at the running gateway.
    #[command(subcommand)]
    Lockdown(lockdown::Command),
    /// Try whether receivers of alerts can be told.
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// See, export and verify the record of what happened.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Change the key that secrets in the store are encrypted with; make the one that signs the audit log.
    #[command(subcommand)]
    Keys(keys::Command),
}

/// The configuration a command works with.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "config.yaml")]
    config: PathBuf,
}

impl ConfigFile {
    /// Loads it. Its warnings are for who checks it, and in the log of who serves it: to every other command they would be the same noise each time.
    fn load(&self) -> Result<Config, Failure> {
        Ok(load(&self.config)?)
    }
}

fn load_to_serve(file: &ConfigFile) -> Result<Config, Failure> {
    Ok(file.load()?.to_be_served()?)
}

fn say_warnings(config: &Config) {
    for warning in &config.warnings {
        let mut text = String::new();
        if warning.write(&config.file, &mut text).is_ok() {
            eprintln!("{text}");
        }
    }
}

/// How a command writes what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The configuration is wrong.
    #[error(transparent)]
    Configuration(#[from] Problems),
    /// The problems of the configuration were the answer, and are written already.
    #[error("the configuration is wrong")]
    ConfigurationShown,
    /// The log has it.
    #[error("the log says why")]
    Logged,
    /// Something would be different, and that was the answer.
    #[error("something would be different")]
    Different,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
    /// Nobody reads what is written, or it cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    fn of(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    const fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::ConfigurationShown => 78,
            Self::Logged | Self::Different | Self::Failed(_) | Self::Output(_) => 1,
        }
    }

    fn say(&self, format: Format) {
        match (self, format) {
            (Self::ConfigurationShown | Self::Logged | Self::Different, _) => {}
            (Self::Output(error), _) if error.kind() == io::ErrorKind::BrokenPipe => {}
            (Self::Configuration(problems), Format::Json) => eprintln!("{}", json_text(problems)),
            (Self::Failed(_) | Self::Output(_), Format::Json) => {
                eprintln!("{}", json_text(&serde_json::json!({ "error": self.to_string() })));
            }
            (Self::Configuration(problems), Format::Text) => eprintln!("{problems}"),
            (Self::Failed(_) | Self::Output(_), Format::Text) => eprintln!("dcr-gateway: {self}"),
        }
    }
}

/// Runs the command this process was started with.
pub fn run() -> ExitCode {
    let line = CommandLine::parse();
    let format = if line.json { Format::Json } else { Format::Text };
    let mut out = io::stdout();
    let result = match line.command {
        Command::Serve(file) => load_to_serve(&file).and_then(|config| serve::run(config, format)),
        Command::Demo(arguments) => demo::run(arguments, format),
        Command::Config(command) => config::run(&command, format, &mut out),
        Command::Doctor(arguments) => doctor::run(&arguments, format, &mut out),
        Command::Explain(arguments) => explain::run(&arguments, format, &mut out),
        Command::Replay(arguments) => replay::run(&arguments, format, &mut out),
        Command::Tokens(command) => tokens::run(command, format, &mut out),
        Command::Clients(command) => clients::run(&command, format, &mut out),
        Command::Import(arguments) => import::run(&arguments, format, &mut out),
        Command::Registrations(command) => registrations::run(&command, format, &mut out),
        Command::Alerts(command) => alerts::run(&command, format, &mut out),
        Command::Audit(command) => audit::run(&command, format, &mut out),
        Command::Bans(command) => bans::run(&command, format, &mut out),
        Command::Lockdown(command) => lockdown::run(&command, format, &mut out),
        Command::Findings(command) => findings::run(&command, format, &mut out),
        Command::Keys(command) => keys::run(&command, format, &mut out),
    };
    match result.and_then(|()| out.flush().map_err(Failure::from)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.say(format);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Runs one piece of work to its end.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// How long a command waits before it says what for.
const SILENCE: Duration = Duration::from_secs(2);

/// The store of this configuration, to change something in it; made where there is none.
async fn open_store(config: &Config) -> Result<SqlStore, Failure> {
    if look_for_store(&config.settings.store.url, Access::Change) == Some(io::ErrorKind::PermissionDenied) {
        return Err(not_allowed(&config.settings.store.url));
    }
    patiently(SqlStore::open_to_change(&config.settings.store)).await
}

/// The store of this configuration, to change something that is in it: nothing is made where there is none.
async fn existing_store(config: &Config) -> Result<SqlStore, Failure> {
    is_there(config, Access::Change)?;
    open_store(config).await
}

/// The store of this configuration, for what only looks at it: a copy that nobody may write to will do.
async fn readable_store(config: &Config) -> Result<SqlStore, Failure> {
    is_there(config, Access::Look)?;
    patiently(SqlStore::open_to_look(&config.settings.store)).await
}

fn is_there(config: &Config, access: Access) -> Result<(), Failure> {
    match (look_for_store(&config.settings.store.url, access), &config.settings.store.url) {
        (Some(io::ErrorKind::NotFound), StoreUrl::Sqlite(path)) => {
            Err(Failure::Failed(format!("there is no store at {}: `serve` makes it", path.display())))
        }
        (Some(io::ErrorKind::PermissionDenied), url) => Err(not_allowed(url)),
        _ => Ok(()),
    }
}

/// Says what it waits for when it takes long.
async fn patiently(opening: impl Future<Output = Result<SqlStore, StoreError>>) -> Result<SqlStore, Failure> {
    let mut opening = pin!(opening);
    let opened = tokio::select! {
        opened = &mut opening => opened,
        () = tokio::time::sleep(SILENCE) => {
            eprintln!("waiting for the store: another process may hold its lock");
            opening.await
        }
    };
    opened.map_err(Failure::of)
}

/// What a command wants of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Look,
    Change,
}

/// Why the file of an SQLite store cannot be opened: SQLite says only that it cannot, and a directory that is closed looks as if nothing were in it.
fn look_for_store(store: &StoreUrl, access: Access) -> Option<io::ErrorKind> {
    match store {
        StoreUrl::Sqlite(path) => std::fs::File::options()
            .read(true)
            .write(access == Access::Change)
            .open(path)
            .err()
            .map(|error| error.kind()),
        StoreUrl::Postgres(_) => None,
    }
}

fn not_allowed(store: &StoreUrl) -> Failure {
    Failure::Failed(format!("this user may not open the store at {store}: run it as the gateway's user"))
}

fn json_text(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
}

/// A file's bytes, or those of standard input for `-`; no more than one beyond `limit`.
fn read_input(file: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = limit as u64 + 1;
    let read = if file == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    let read = read.map(|_| bytes);
    read.map_err(|error| Failure::Failed(format!("{} cannot be read: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn a_store_that_is_not_there_is_told_from_one_that_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| StoreUrl::Sqlite(directory.path().join(name));
        std::fs::write(directory.path().join("there"), "").unwrap();
        assert_eq!(look_for_store(&at("there"), Access::Change), None);
        assert_eq!(look_for_store(&at("gone"), Access::Change), Some(io::ErrorKind::NotFound));
        // Root is not kept out of a directory; whoever is, is told so.
        std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        let closed = look_for_store(&at("there"), Access::Change);
        std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let expected = if nix::unistd::geteuid().is_root() { None } else { Some(io::ErrorKind::PermissionDenied) };
        assert_eq!(closed, expected);
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        CommandLine::command().debug_assert();
    }
}
