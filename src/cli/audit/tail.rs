//! `audit tail`: the last records, the newest last; `--follow` goes on with what is recorded from now on.

use std::io::Write;
use std::time::Duration;

use clap::Args;

use super::super::{ConfigFile, Failure, Format, existing_store, table};
use super::PAGE;
use crate::audit::line::record_line;
use crate::audit::{Actor, Event, Subject};
use crate::store::sql::SqlStore;
use crate::store::{AuditFilter, AuditLog as _, AuditRecord};

/// How often to look for new records.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// How many.
    #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    lines: u32,
    /// Go on with what is recorded from now on.
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) async fn run(arguments: &Arguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let store = existing_store(&arguments.file.load()?).await?;
    let told = tell(&store, arguments, format, out).await;
    store.close().await;
    told
}

async fn tell(store: &SqlStore, arguments: &Arguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let mut records = store.records(&AuditFilter::default(), None, arguments.lines).await.map_err(Failure::of)?;
    records.reverse();
    write(out, format, &records)?;
    let mut last = records.pop();
    if !arguments.follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let filter = AuditFilter { since: last.as_ref().map(|last| last.at), ..AuditFilter::default() };
        let mut newer = store.records(&filter, None, PAGE).await.map_err(Failure::of)?;
        if let Some(last) = &last {
            let place = |record: &AuditRecord| (record.at, record.writer.clone(), record.sequence);
            newer.retain(|record| place(record) > place(last));
        }
        newer.reverse();
        write(out, format, &newer)?;
        last = newer.pop().or(last);
    }
}

fn write(out: &mut dyn Write, format: Format, records: &[AuditRecord]) -> Result<(), Failure> {
    match format {
        Format::Json => {
            for record in records {
                writeln!(out, "{}", record_line(record).map_err(Failure::of)?)?;
            }
        }
        Format::Text if records.is_empty() => {}
        Format::Text => {
            let head = ["AT", "EVENT", "ACTOR", "SUBJECT", "PROFILE", "REASON", "RECORD"];
            table::write(out, head, records.iter().map(row))?;
        }
    }
    Ok(out.flush()?)
}

fn row(record: &AuditRecord) -> [String; 7] {
    let (at, place) = (record.at.to_string(), format!("{}.{}", record.writer.0, record.sequence));
    let Ok(event) = serde_json::from_str::<Event>(&record.event) else {
        return [at, "unreadable".to_owned(), String::new(), String::new(), String::new(), String::new(), place];
    };
    let reason = match event.count {
        Some(count) => format!("{} ({count} times)", event.reason.unwrap_or_default()),
        None => event.reason.unwrap_or_default(),
    };
    let profile = event.profile.unwrap_or_default();
    [at, event.event.as_str().to_owned(), who(&event.actor), what(event.subject.as_ref()), profile, reason, place]
}

fn who(actor: &Actor) -> String {
    match actor {
        Actor::Registrant { address, token: Some(token), .. } => format!("{address} token {token}"),
        Actor::Registrant { address, .. } => address.to_string(),
        Actor::Client { address } => format!("{address} (client)"),
        Actor::Operator { name } => name.clone(),
        Actor::Gateway => "gateway".to_owned(),
    }
}

fn what(subject: Option<&Subject>) -> String {
    match subject {
        None => String::new(),
        Some(Subject::Client(id) | Subject::Registration(id) | Subject::Api(id)) => id.clone(),
        Some(Subject::Token(id)) => format!("token {id}"),
        Some(Subject::Response(id)) => format!("response {id}"),
        Some(Subject::Receiver(id)) => format!("receiver {id}"),
        Some(Subject::Key(id)) => format!("key {id}"),
        Some(Subject::Configuration(id) | Subject::Process(id)) => id.chars().take(16).collect(),
    }
}
