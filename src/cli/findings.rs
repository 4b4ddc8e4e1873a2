//! `findings list`: what detectors of anomalies found, at the running gateway.

use std::io::Write;

use clap::{Args, Subcommand};

use super::running::{Listed, PageArguments};
use super::{ConfigFile, Failure, Format, block_on};
use crate::admin::api::{Finding, FindingList};
use crate::anomaly::DetectorName;

const PATH: &str = "/v1/findings";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the findings, newest first.
    List(ListArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only those of this detector: `token_guessing`, `probing`, … (docs/anomalies.md).
    #[arg(long)]
    detector: Option<DetectorName>,
    #[command(flatten)]
    page: PageArguments,
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(command: &Command, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let Command::List(arguments) = command;
    block_on(list(arguments, format, out))
}

async fn list(arguments: &ListArguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let gateway = arguments.file.running()?;
    let filter = vec![("detector", arguments.detector.map(|detector| detector.as_str().to_owned()))];
    let taken = |page: FindingList| (page.findings, page.next);
    let (findings, next) = arguments.page.read(&gateway, PATH, filter, taken).await?;
    let row = |finding: &Finding| {
        let subject = format!("{} {}", finding.subject.kind, finding.subject.name);
        [
            finding.at.clone(),
            finding.detector.clone(),
            format!("{:.2}", finding.score),
            subject.trim_end().to_owned(),
            finding.sentence.clone(),
        ]
    };
    let head = ["FOUND", "DETECTOR", "SCORE", "ABOUT", "WHAT HAPPENED"];
    Listed { name: "findings", entries: &findings, next: next.as_deref() }.write(out, format, head, row)
}
