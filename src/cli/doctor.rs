//! `doctor`: looks at the authorization server and says what is still open. Needs no running gateway, and changes nothing.

use std::io::Write;

use clap::Args;
use serde_json::json;

use super::{ConfigFile, Failure, Format, block_on, json_text, printable};
use crate::authorization_server::doctor::{Diagnosis, Severity};
use crate::authorization_server::settings::Kind;
use crate::server;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Another place at which the server must not answer, like http://keycloak.example:8080; may be given several times.
    #[arg(long, value_name = "URL")]
    not_at: Vec<String>,
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(arguments: &Arguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let config = arguments.file.load()?;
    if config.settings.authorization_server.kind == Kind::Cognito {
        let reason = "a user pool has no registration endpoint that could be open; what the gateway may do there is in docs/cognito.md";
        return Err(Failure::Failed(reason.to_owned()));
    }
    let examination = server::examination(&config, &arguments.not_at).map_err(Failure::of)?;
    let found = block_on(async { Ok(examination.examine().await) })?;
    match format {
        Format::Json => writeln!(out, "{}", json_text(&json!({ "found": found })))?,
        Format::Text => write_text(&found, out)?,
    }
    match found.iter().filter(|diagnosis| diagnosis.severity == Severity::Problem).count() {
        0 => Ok(()),
        1 => Err(Failure::Failed("there is 1 problem".to_owned())),
        count => Err(Failure::Failed(format!("there are {count} problems"))),
    }
}

fn write_text(found: &[Diagnosis], out: &mut dyn Write) -> Result<(), Failure> {
    if found.is_empty() {
        writeln!(out, "Nothing was found.")?;
    }
    for Diagnosis { name, severity, what, why, remedy } in found {
        let severity = match severity {
            Severity::Problem => "problem",
            Severity::Note => "note",
        };
        // What the server says of itself stands in it.
        let what = printable(what);
        writeln!(out, "{severity} {name}: {what}\n  why: {why}\n  do:  {remedy}")?;
    }
    Ok(())
}
