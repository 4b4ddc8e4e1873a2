//! `serve`: runs the gateway until it is told to stop.

use super::Failure;
use crate::config::Config;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    crate::server::serve(config).map_err(Failure::of)
}
