//! Asks the running gateway, over its admin socket; pages of lists.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{ConfigFile, Failure, Format, json_text, printable, table};
use crate::admin::AdminSettings;
use crate::admin::api::MOST_LISTED;
use crate::admin::client::{AdminClient, AskError, query};
use crate::config::Config;
use crate::registration::redirect_uri::host_or_scheme;

/// What part of a list.
#[derive(Debug, Args)]
pub(super) struct PageArguments {
    /// How many, at most (200).
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Go on where an earlier list ended.
    #[arg(long)]
    cursor: Option<String>,
    /// All there are, however many.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// What an operator's order says beside itself.
#[derive(Debug, Args)]
pub(super) struct OrderArguments {
    /// Why, for those who come after.
    #[arg(long)]
    pub(super) comment: Option<String>,
    #[command(flatten)]
    pub(super) file: ConfigFile,
}

/// What became of a question to a gateway that may not run.
pub(super) enum Asked<T> {
    /// Its answer.
    Answered(T),
    /// None runs; the configuration.
    NotRunning(Box<Config>),
}

/// The gateway of this configuration.
pub(super) fn gateway(config: &Config) -> Result<AdminClient, Failure> {
    match &config.settings.admin.socket.0 {
        Some(socket) => Ok(AdminClient::at(socket)),
        None => Err(Failure::Failed("the gateway cannot be asked here: admin.socket is off".to_owned())),
    }
}

impl ConfigFile {
    /// The gateway of the configuration. Where that is broken, the one that goes on with what it had before is asked all the same: an
    /// incident does not wait for a file to be mended.
    pub(super) fn running(&self) -> Result<AdminClient, Failure> {
        match self.load() {
            Err(Failure::Configuration(problems)) => match self.socket_of_broken().filter(|socket| socket.exists()) {
                Some(socket) => {
                    let why = match problems.are_of_access() {
                        true => "this user may not read all files that the configuration names (the gateway can)",
                        false => "the configuration is wrong (`config check` says why)",
                    };
                    eprintln!("{why}: asking the gateway at {}", socket.display());
                    Ok(AdminClient::at(&socket))
                }
                None => Err(Failure::Configuration(problems)),
            },
            loaded => gateway(&loaded?),
        }
    }

    /// What the gateway answers that runs here, whatever this user can read of the configuration. Where none does, or `admin.socket` is off,
    /// the configuration, by which the command does it itself.
    pub(super) async fn if_running<T>(
        &self,
        ask: impl AsyncFnOnce(AdminClient) -> Result<T, AskError>,
    ) -> Result<Asked<T>, Failure> {
        let loaded = self.load();
        if loaded.as_ref().is_ok_and(|config| config.settings.admin.socket.0.is_none()) {
            return Ok(Asked::NotRunning(Box::new(loaded?)));
        }
        match ask(self.running()?).await {
            Ok(answer) => Ok(Asked::Answered(answer)),
            Err(AskError::NotRunning(_)) => Ok(Asked::NotRunning(Box::new(loaded?))),
            Err(error) => Err(error.into()),
        }
    }

    /// `admin.socket`, as far as it can be read.
    fn socket_of_broken(&self) -> Option<PathBuf> {
        let text = std::fs::read_to_string(&self.config).ok()?;
        let tree = match serde_yaml::from_str::<serde_yaml::Value>(&text) {
            Ok(tree) => tree,
            // It may name another than the default's, which may be another gateway's.
            Err(_) if text.contains("socket") => return None,
            Err(_) => serde_yaml::Value::Null,
        };
        let named = tree.get("admin").and_then(|admin| admin.get("socket")).and_then(serde_yaml::Value::as_str);
        let socket = named.map(PathBuf::from).or(AdminSettings::default().socket.0)?;
        Some(self.config.parent()?.join(socket))
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NotRunning(_) => Self::Failed(format!("{error}; start it: dcr-gateway serve")),
            error => Self::of(error),
        }
    }
}

impl PageArguments {
    /// All there are, from the first.
    pub(super) const ALL: Self = Self { limit: MOST_LISTED, cursor: None, all: true };

    /// Reads the pages; `taken` takes the entries out of one, with the cursor of the next.
    pub(super) async fn read<P: DeserializeOwned, T>(
        &self,
        gateway: &AdminClient,
        path: &str,
        filter: Vec<(&str, Option<String>)>,
        taken: fn(P) -> (Vec<T>, Option<String>),
    ) -> Result<(Vec<T>, Option<String>), AskError> {
        let (mut entries, mut cursor) = (Vec::new(), self.cursor.clone());
        let limit = if self.all { MOST_LISTED } else { self.limit };
        loop {
            let mut members = filter.clone();
            members.extend([("limit", Some(limit.to_string())), ("cursor", cursor)]);
            let (more, next) = taken(gateway.get::<P>(&query(path, &members)).await?.body);
            entries.extend(more);
            if !self.all || next.is_none() {
                return Ok((entries, next));
            }
            cursor = next;
        }
    }
}

/// What was read of a list.
pub(super) struct Listed<'l, T> {
    /// What the entries are called.
    pub(super) name: &'l str,
    pub(super) entries: &'l [T],
    /// Where the list goes on.
    pub(super) next: Option<&'l str>,
}

impl<T: Serialize> Listed<'_, T> {
    /// JSON for programs, otherwise a table, and how the list goes on.
    pub(super) fn write<const N: usize>(
        &self,
        out: &mut dyn Write,
        format: Format,
        head: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> Result<(), Failure> {
        let Self { name, entries, next } = *self;
        if format == Format::Json {
            return Ok(writeln!(out, "{}", json_text(&json!({ (name): entries, "next": next })))?);
        }
        table::write(out, head, entries.iter().map(row))?;
        if let Some(next) = next {
            eprintln!("There are more: --cursor {next}, or --all.");
        }
        Ok(())
    }
}

/// Writes one thing: JSON for programs, otherwise a line for each of its parts that says something.
pub(super) fn write_one<const N: usize>(
    out: &mut dyn Write,
    format: Format,
    shown: &impl Serialize,
    parts: [(&str, Option<String>); N],
) -> Result<(), Failure> {
    if format == Format::Json {
        return Ok(writeln!(out, "{}", json_text(shown))?);
    }
    let parts = parts.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    for (name, value) in parts {
        writeln!(out, "{name:<14}  {}", printable(&value))?;
    }
    Ok(())
}

/// The hosts of redirect URIs, each once; the scheme where there is none.
pub(super) fn hosts(redirect_uris: &[String]) -> String {
    let mut hosts: Vec<String> = Vec::new();
    for uri in redirect_uris {
        let host = host_or_scheme(uri).unwrap_or_else(|| uri.clone());
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_named_once_and_schemes_where_there_is_no_host() {
        let uris = ["https://a.example/x", "https://a.example/y", "http://127.0.0.1:80/", "com.example.app:/cb"];
        assert_eq!(hosts(&uris.map(str::to_owned)), "a.example 127.0.0.1 com.example.app:");
    }

    #[test]
    fn a_part_that_says_nothing_is_left_out_and_control_characters_are_never_written() {
        let mut out = Vec::new();
        let parts = [("name", Some("a\u{1b}b".to_owned())), ("empty", Some(String::new())), ("none", None)];
        write_one(&mut out, Format::Text, &(), parts).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "name            a\u{fffd}b\n");
    }
}
