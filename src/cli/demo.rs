//! `demo`: the gateway and all it needs, in one process.

use std::path::PathBuf;

use super::{Failure, Format, json_text};
use crate::demo;

/// Where the demo runs.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where certificates, configuration and store are written.
    #[arg(long, default_value = "data/demo")]
    directory: PathBuf,
    /// The port on the loopback address; 0 takes a free one.
    #[arg(long, default_value_t = 8443)]
    port: u16,
}

pub(super) fn run(arguments: Arguments, format: Format) -> Result<(), Failure> {
    let options = demo::Options { directory: arguments.directory, port: arguments.port };
    let say = |prepared: &demo::Prepared| match format {
        Format::Text => println!("{}", prepared.text()),
        Format::Json => println!("{}", json_text(&prepared.json())),
    };
    demo::run(&options, say).map_err(Failure::of)
}
