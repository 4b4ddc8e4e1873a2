//! `audit tail|export|verify`: the record of what happened, straight on the store or on an export; no running gateway is needed.

mod export;
mod reading;
mod tail;
mod verify;

use std::io::Write;

use clap::Subcommand;

use super::{Failure, Format, block_on};
use crate::admin::user_name;
use crate::audit::recorder::{Alone, alone};
use crate::audit::{Actor, Event, Kind, Subject};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::config::Config;
use crate::duration::DurationText;
use crate::server::beginning;
use crate::store::{AuditEntry, IssuedToken, Store, StoreError};

/// So many records are read at once.
const PAGE: u32 = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what was recorded last.
    Tail(tail::Arguments),
    /// Write the record to standard output, chain by chain, a JSON object a line.
    Export(export::Arguments),
    /// Say whether the record is what it was, and where it is not.
    Verify(verify::Arguments),
}

pub(super) fn run(command: &Command, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    block_on(async {
        match command {
            Command::Tail(arguments) => tail::run(arguments, format, out).await,
            Command::Export(arguments) => export::run(arguments, out).await,
            Command::Verify(arguments) => verify::run(arguments, format, out).await,
        }
    })
}

/// The moment that lies so long ago.
fn ago(duration: DurationText) -> Timestamp {
    SystemClock.now().before(duration.0)
}

/// What a command does by itself: in a chain of its own, under the name of the user who ran it.
pub(super) struct Done {
    pub(super) command: &'static str,
    pub(super) kind: Kind,
    pub(super) subject: Subject,
    pub(super) token: Option<IssuedToken>,
}

/// Makes the change, which records the entries together with what it changes.
pub(super) async fn change<T>(
    config: &Config,
    store: &dyn Store,
    done: Done,
    change: impl AsyncFnOnce(Vec<AuditEntry>) -> Result<T, StoreError>,
) -> Result<T, Failure> {
    let Done { command, kind, subject, token } = done;
    let name = user_name(nix::unistd::geteuid());
    let event = Event::new(kind, Actor::Operator { name }).about(subject);
    let event = token.iter().fold(event, Event::of_token);
    let beginning = beginning(&config.settings.audit, command, SystemClock.now()).map_err(Failure::of)?;
    let made = alone(store, beginning, event, change).await;
    let Alone { came, head } = made.map_err(Failure::of)?;
    if let Err(error) = head {
        eprintln!("it is on the audit log, but the head of its chain is not: {error}");
    }
    Ok(came)
}
