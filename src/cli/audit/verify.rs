//! `audit verify`: whether the record is what it was. Of the store, or of an export, with the heads and keys that the caller has.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use super::super::{ConfigFile, Failure, Format, json_text, readable_store};
use super::reading;
use crate::audit::PublicKeys;
use crate::audit::line::Line;
use crate::audit::verify::{ChainReport, Extent, Report, Verifier};
use crate::config::Config;
use crate::server::signing_keys;
use crate::store::{AuditLog as _, RecordHash, SignedHead, WriterId};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// A head that you have from outside: the JSON line of an export, or CHAIN.NUMBER.HASH. May be repeated.
    #[arg(long, value_name = "HEAD")]
    head: Vec<StatedHead>,
    /// Verify this export and not the store; several in the order in which they were written.
    #[arg(long, value_name = "EXPORT")]
    file: Vec<PathBuf>,
    /// The export is a part, and may begin and end anywhere.
    #[arg(long, requires = "file")]
    part: bool,
    /// A key that may have signed, in base64, as `keys audit` prints it; with one of these no configuration is read for an export.
    #[arg(long, value_name = "KEY")]
    public_key: Vec<String>,
    #[command(flatten)]
    config: ConfigFile,
}

/// A head as somebody has it.
#[derive(Debug, Clone)]
enum StatedHead {
    Signed(Box<SignedHead>),
    Trusted(WriterId, u64, RecordHash),
}

impl FromStr for StatedHead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(Line::Head(head)) = Line::read(text.trim()) {
            return Ok(Self::Signed(Box::new(head)));
        }
        // As the `data` of an alert.
        if let Ok(head) = serde_json::from_str(text) {
            return Ok(Self::Signed(Box::new(head)));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [writer, sequence, hash] = parts.as_slice() else {
            return Err("write the JSON line of a head, or CHAIN.NUMBER.HASH".to_owned());
        };
        let sequence = sequence.parse().map_err(|_| format!("{sequence:?} is no number of a record"))?;
        Ok(Self::Trusted(WriterId((*writer).to_owned()), sequence, hash.parse()?))
    }
}

pub(super) async fn run(arguments: &Arguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let report = if arguments.file.is_empty() {
        let config = arguments.config.load()?;
        of_store(&config, verifier(arguments, Some(&config))?).await?
    } else {
        let needs_config = arguments.public_key.is_empty() && arguments.config.config.exists();
        let config = needs_config.then(|| arguments.config.load()).transpose()?;
        of_files(&arguments.file, verifier(arguments, config.as_ref())?)?
    };
    match format {
        Format::Json => writeln!(out, "{}", json_text(&report))?,
        Format::Text => write(out, &report)?,
    }
    out.flush()?;
    if report.chains.is_empty() {
        return Err(Failure::Failed("there is no record: a gateway that ever ran has left some".to_owned()));
    }
    if report.is_sound() {
        return Ok(());
    }
    let (count, faults) = (report.faults, if report.faults == 1 { "fault" } else { "faults" });
    Err(Failure::Failed(format!("the record is not what it was: {count} {faults}")))
}

fn verifier(arguments: &Arguments, config: Option<&Config>) -> Result<Verifier, Failure> {
    let keys = config.map(|config| signing_keys(&config.settings.audit)).transpose().map_err(Failure::of)?.flatten();
    let mut keys: PublicKeys = keys.map(|keys| keys.known().clone()).unwrap_or_default();
    for key in &arguments.public_key {
        if !keys.add(key) {
            return Err(Failure::Failed(format!("{key:?} is no public key: write what `keys audit` printed")));
        }
    }
    let mut verifier = Verifier::new(keys, if arguments.part { Extent::Part } else { Extent::Whole });
    if let Some(Config { settings, .. }) = config {
        // An export may be from before there was a key.
        let are_signed = settings.audit.signing_key_file.is_some() && arguments.file.is_empty();
        verifier = verifier.signed_every(settings.audit.sign_every.0, are_signed);
    }
    for head in &arguments.head {
        match head {
            StatedHead::Signed(head) => verifier.head(head),
            StatedHead::Trusted(writer, sequence, hash) => verifier.trusted_head(writer, *sequence, *hash),
        }
    }
    Ok(verifier)
}

async fn of_store(config: &Config, mut verifier: Verifier) -> Result<Report, Failure> {
    let store = readable_store(config).await?;
    let read = async {
        for listed in store.chains().await.map_err(Failure::of)? {
            let (chain, mut records) = reading::begin(&store, listed).await?;
            chain.heads.iter().for_each(|head| verifier.head(head));
            chain.cut.iter().for_each(|cut| verifier.cut(cut));
            while let Some(last) = records.last().map(|last| last.sequence) {
                records.iter().for_each(|record| verifier.record(record));
                records = reading::after(&store, &chain, last).await?;
            }
        }
        Ok(verifier.finish())
    };
    let report = read.await;
    store.close().await;
    report
}

/// Twice: what vouches for the records first, wherever it stands.
fn of_files(files: &[PathBuf], mut verifier: Verifier) -> Result<Report, Failure> {
    for file in files {
        each_line(file, |line| match line {
            Line::Head(head) => verifier.head(&head),
            Line::Cut(cut) => verifier.cut(&cut),
            Line::Record(_) => {}
        })?;
    }
    for file in files {
        each_line(file, |line| {
            if let Line::Record(record) = line {
                verifier.record(&record);
            }
        })?;
    }
    Ok(verifier.finish())
}

fn each_line(file: &Path, mut take: impl FnMut(Line)) -> Result<(), Failure> {
    let failed = |problem: String| Failure::Failed(format!("{}: {problem}", file.display()));
    let lines = BufReader::new(File::open(file).map_err(|error| failed(error.to_string()))?).lines();
    for (number, line) in lines.enumerate() {
        let line = line.map_err(|error| failed(error.to_string()))?;
        let read = Line::read(&line);
        let read = read.map_err(|error| failed(format!("line {} is none of an export: {error}", number + 1)))?;
        take(read);
    }
    Ok(())
}

fn write(out: &mut dyn Write, report: &Report) -> Result<(), Failure> {
    for chain in &report.chains {
        writeln!(out, "{}", sentence(chain))?;
    }
    for finding in &report.findings {
        writeln!(out, "FAULT: {finding}")?;
    }
    let more = report.faults.saturating_sub(report.findings.len() as u64);
    if more > 0 {
        writeln!(out, "FAULT: and {more} more")?;
    }
    if report.unchecked_signatures > 0 {
        writeln!(out, "{} signatures were not checked: there is no key (--public-key)", report.unchecked_signatures)?;
    }
    if report.is_sound() && !report.chains.is_empty() {
        writeln!(out, "sound: every record has its hash, and follows the one before it")?;
    }
    Ok(())
}

fn sentence(chain: &ChainReport) -> String {
    let ChainReport { writer, records, first, last, cut, signed_up_to } = chain;
    let mut sentence = format!("chain {}: {records} records", writer.0);
    if let (Some(first), Some(last)) = (first, last) {
        sentence.push_str(&format!(", {first} to {last}"));
    }
    if let Some(cut) = cut {
        sentence.push_str(&format!(", cut at {cut}"));
    }
    match (signed_up_to, last) {
        (Some(signed), Some(last)) if signed == last => sentence.push_str(", signed"),
        (Some(signed), _) => sentence.push_str(&format!(", signed up to {signed}")),
        (None, _) => sentence.push_str(", not signed: nobody vouches for it (yet)"),
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_a_line_or_three_parts() {
        let hash = "ab".repeat(32);
        assert!(matches!(format!("w.7.{hash}").parse(), Ok(StatedHead::Trusted(_, 7, _))));
        let line = format!(
            "{{\"head\":{{\"writer\":\"w\",\"sequence\":7,\"hash\":\"{hash}\",\"at\":1,\"key\":null,\"signature\":null}}}}"
        );
        assert!(matches!(line.parse(), Ok(StatedHead::Signed(_))));
        let alone = line.trim_start_matches("{\"head\":").trim_end_matches('}').to_owned() + "}";
        assert!(matches!(alone.parse(), Ok(StatedHead::Signed(_))), "{alone}");
        for text in ["", "w.7", "w.x.ab", &format!("w.7.{hash}0")] {
            assert!(text.parse::<StatedHead>().is_err(), "{text}");
        }
    }
}
