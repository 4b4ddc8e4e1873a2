//! `alerts test`: sends every receiver a notice that says that it is a test, and tells what came of it. Needs no running gateway.

use std::io::Write;
use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{ConfigFile, Failure, Format, block_on, json_text, table};
use crate::clock::{Clock as _, SystemClock};
use crate::randomness;
use crate::server;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send every receiver a test, at once and past all silences, and say what each answered.
    Test(TestArguments),
}

#[derive(Debug, Args)]
pub(super) struct TestArguments {
    /// Only this receiver, by its name; may be given several times.
    #[arg(long, value_name = "NAME")]
    receiver: Vec<String>,
    #[command(flatten)]
    file: ConfigFile,
}

/// What a receiver answered.
struct Tried {
    receiver: String,
    /// None: it has the test.
    failure: Option<String>,
    millis: u128,
}

pub(super) fn run(command: &Command, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let Command::Test(arguments) = command;
    let config = arguments.file.load()?;
    let mut receivers = server::alert_routing(&config).map_err(Failure::of)?.receivers;
    if let Some(unknown) =
        arguments.receiver.iter().find(|name| receivers.iter().all(|receiver| receiver.name() != name.as_str()))
    {
        return Err(Failure::Failed(format!("alerts has no receiver {unknown:?}")));
    }
    if !arguments.receiver.is_empty() {
        receivers.retain(|receiver| arguments.receiver.iter().any(|name| name == receiver.name()));
    }
    if receivers.is_empty() {
        return Err(Failure::Failed("the configuration has no alerts: nobody could be told".to_owned()));
    }
    let tried = block_on(async {
        let mut tried = Vec::new();
        for receiver in &receivers {
            let began = Instant::now();
            let result = receiver.test(randomness::name(randomness::of_the_system), SystemClock.now()).await;
            tried.push(Tried {
                receiver: receiver.name().to_owned(),
                failure: result.err().map(|failure| failure.to_string()),
                millis: began.elapsed().as_millis(),
            });
        }
        Ok(tried)
    })?;
    write(&tried, format, out)?;
    match tried.iter().filter(|tried| tried.failure.is_some()).count() {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} of {} receivers cannot be told", tried.len()))),
    }
}

fn write(tried: &[Tried], format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    if format == Format::Json {
        let all = tried.iter().map(|tried| {
            json!({ "receiver": tried.receiver, "delivered": tried.failure.is_none(), "failure": tried.failure })
        });
        return Ok(writeln!(out, "{}", json_text(&json!({ "tried": all.collect::<Vec<_>>() })))?);
    }
    let row = |tried: &Tried| {
        let answer = tried.failure.clone().unwrap_or_else(|| "has it".to_owned());
        [tried.receiver.clone(), format!("{} ms", tried.millis), answer]
    };
    Ok(table::write(out, ["RECEIVER", "TOOK", "WHAT IT ANSWERED"], tried.iter().map(row))?)
}
