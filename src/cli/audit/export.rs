//! `audit export`: the record out of the store, as lines that `audit verify --file` reads, or as events of OCSF.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::super::{ConfigFile, Failure, readable_store};
use super::{ago, reading};
use crate::audit::line::{Line, record_line};
use crate::audit::ocsf;
use crate::clock::Timestamp;
use crate::duration::DurationText;
use crate::store::sql::SqlStore;
use crate::store::{AuditLog as _, Chain};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only what happened since so long: 7d, 12h. A part like that is verified with `--part`.
    #[arg(long, value_name = "DURATION")]
    since: Option<DurationText>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Form::Jsonl)]
    format: Form,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Records, heads and cuts, as they verify.
    Jsonl,
    /// Events of OCSF 1.8.0: Entity Management and Detection Finding.
    Ocsf,
}

pub(super) async fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let store = readable_store(&arguments.file.load()?).await?;
    let export = Export { store: &store, since: arguments.since.map(ago), form: arguments.format };
    let written = export.write(out).await;
    store.close().await;
    written
}

/// What of the record is written, and how.
struct Export<'e> {
    store: &'e SqlStore,
    /// Only what happened since then; none: all of it.
    since: Option<Timestamp>,
    form: Form,
}

impl Export<'_> {
    async fn write(&self, out: &mut dyn Write) -> Result<(), Failure> {
        for chain in self.store.chains().await.map_err(Failure::of)? {
            self.write_chain(chain, out).await?;
        }
        Ok(())
    }

    async fn write_chain(&self, listed: Chain, out: &mut dyn Write) -> Result<(), Failure> {
        let Self { store, since, form } = *self;
        let (chain, mut records) = reading::begin(store, listed).await?;
        // From the first one on that is young enough, without a gap, whatever the clock did.
        let mut has_begun = since.is_none();
        if has_begun && form == Form::Jsonl {
            write_line(out, chain.cut.clone().map(Line::Cut))?;
        }
        while let Some(last) = records.last().map(|last| last.sequence) {
            for record in &records {
                has_begun |= since.is_none_or(|since| record.at >= since);
                match form {
                    _ if !has_begun => {}
                    Form::Jsonl => writeln!(out, "{}", record_line(record).map_err(Failure::of)?)?,
                    Form::Ocsf => match ocsf::event(record) {
                        Ok(event) => writeln!(out, "{event}")?,
                        Err(error) => eprintln!("chain {}, record {}: {error}", record.writer.0, record.sequence),
                    },
                }
            }
            records = reading::after(store, &chain, last).await?;
        }
        if has_begun && form == Form::Jsonl {
            write_line(out, chain.heads.last().cloned().map(Line::Head))?;
        }
        Ok(())
    }
}

fn write_line(out: &mut dyn Write, line: Option<Line>) -> Result<(), Failure> {
    match line {
        Some(line) => Ok(writeln!(out, "{}", line.write().map_err(Failure::of)?)?),
        None => Ok(()),
    }
}
