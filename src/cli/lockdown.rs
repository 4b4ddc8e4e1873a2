//! `lockdown on|off|show`: registration as a whole, closed and opened again, at the running gateway.

use std::io::Write;

use clap::{Args, Subcommand};

use super::bans;
use super::running::OrderArguments;
use super::{ConfigFile, Failure, Format, block_on, json_text};
use crate::admin::api::{Lockdown, NewLockdown};
use crate::admin::client::query;
use crate::duration::DurationText;

const PATH: &str = "/v1/lockdown";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lock registration down, in all replicas: nobody registers, no client changes; everything else goes on.
    On(OnArguments),
    /// Open registration again.
    Off(OrderArguments),
    /// Show whether registration is locked down.
    Show(ConfigFile),
}

#[derive(Debug, Args)]
pub(super) struct OnArguments {
    /// How long: 30m, 1h, 7d. Once more prolongs it.
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    r#for: DurationText,
    #[command(flatten)]
    order: OrderArguments,
}

pub(super) fn run(command: &Command, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let lockdown = block_on(async {
        Ok(match command {
            Command::On(arguments) => {
                let OrderArguments { comment, file } = &arguments.order;
                let wanted = NewLockdown { r#for: Some(arguments.r#for), comment: comment.clone() };
                file.running()?.put::<Lockdown>(PATH, &wanted).await?.body
            }
            Command::Off(OrderArguments { comment, file }) => {
                let path = query(PATH, &[("comment", comment.clone())]);
                file.running()?.delete::<Lockdown>(&path, None).await?.body
            }
            Command::Show(file) => file.running()?.get::<Lockdown>(PATH).await?.body,
        })
    })?;
    match (&lockdown.response, format) {
        (_, Format::Json) => Ok(writeln!(out, "{}", json_text(&lockdown))?),
        (None, Format::Text) => Ok(writeln!(out, "registration is open")?),
        (Some(response), Format::Text) => {
            writeln!(out, "registration is locked down")?;
            bans::show(response, format, out)
        }
    }
}
