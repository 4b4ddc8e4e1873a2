//! `audit tail`: the last records, the newest last; `--follow` goes on with what is recorded from now on.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use clap::Args;

use super::super::{ConfigFile, Failure, Format, readable_store, table};
use super::PAGE;
use crate::audit::line::record_line;
use crate::audit::{Actor, Event, Subject};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::server::longest_turn;
use crate::store::sql::SqlStore;
use crate::store::{AuditFilter, AuditLog as _, AuditRecord, WriterId};

/// How often to look for new records.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A record may be at least this much older than one that was written before it: clocks of replicas differ. Some wait for the end of a turn at
/// their client, too, and a turn can be longer.
const LATE: Duration = Duration::from_secs(60);

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
    let config = arguments.file.load()?;
    let store = readable_store(&config).await?;
    let written = Written { out, format, heading: Heading::Due };
    let told = tell(&store, arguments, LATE.max(longest_turn(&config)), written).await;
    store.close().await;
    told
}

async fn tell(
    store: &SqlStore,
    arguments: &Arguments,
    late: Duration,
    mut written: Written<'_>,
) -> Result<(), Failure> {
    let mut records = store.records(&AuditFilter::default(), None, arguments.lines).await.map_err(Failure::of)?;
    records.reverse();
    written.add(&records)?;
    if !arguments.follow {
        return Ok(());
    }
    let newest = records.last().map(|last| last.at);
    let mut told = Told { late, newest, places: HashMap::new() };
    let mut newer = told.newer(store).await?;
    // What stands before the last one was told, or is not asked for.
    let place = |record: &AuditRecord| (record.at, record.writer.clone(), record.sequence);
    newer.retain(|record| records.last().is_none_or(|last| place(record) > place(last)));
    loop {
        written.add(&newer)?;
        tokio::time::sleep(LOOK_EVERY).await;
        newer = told.newer(store).await?;
    }
}

/// How far each chain was told: only within a chain is what was written later behind what was written before.
struct Told {
    /// How much older than the newest one a record may be that was written since.
    late: Duration,
    places: HashMap<WriterId, u64>,
    newest: Option<Timestamp>,
}

impl Told {
    /// What was written since the last call, in the order of its moments.
    async fn newer(&mut self, store: &SqlStore) -> Result<Vec<AuditRecord>, Failure> {
        // A clock that is far ahead would have us look past what all others write.
        let newest = self.newest.map(|newest| newest.min(SystemClock.now()));
        let filter = AuditFilter { since: newest.map(|newest| newest.before(self.late)), ..AuditFilter::default() };
        let (mut newer, mut after) = (Vec::new(), None);
        loop {
            let page = store.records(&filter, after.as_ref(), PAGE).await.map_err(Failure::of)?;
            let Some(last) = page.last() else { break };
            after = Some(last.cursor());
            let is_new =
                |record: &AuditRecord| self.places.get(&record.writer).is_none_or(|place| *place < record.sequence);
            newer.extend(page.into_iter().filter(is_new));
        }
        newer.reverse();
        for record in &newer {
            let place = self.places.entry(record.writer.clone()).or_default();
            *place = (*place).max(record.sequence);
            self.newest = self.newest.max(Some(record.at));
        }
        Ok(newer)
    }
}

/// The head of the table: once, before the first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heading {
    Due,
    Written,
}

/// The records that were written so far, and how.
struct Written<'w> {
    out: &'w mut dyn Write,
    format: Format,
    heading: Heading,
}

impl Written<'_> {
    fn add(&mut self, records: &[AuditRecord]) -> Result<(), Failure> {
        let out = &mut *self.out;
        match self.format {
            Format::Json => {
                for record in records {
                    writeln!(out, "{}", record_line(record).map_err(Failure::of)?)?;
                }
            }
            Format::Text if records.is_empty() => {}
            Format::Text => {
                let head = ["AT", "EVENT", "ACTOR", "SUBJECT", "PROFILE", "REASON", "RECORD"];
                match std::mem::replace(&mut self.heading, Heading::Written) {
                    Heading::Due => table::write(out, head, records.iter().map(row))?,
                    Heading::Written => table::write_more(out, head, records.iter().map(row))?,
                }
            }
        }
        Ok(out.flush()?)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::AuditEntry;
    use crate::store::settings::{StoreSettings, StoreUrl};

    fn entries(moments: impl IntoIterator<Item = i64>) -> Vec<AuditEntry> {
        let entry = |at| AuditEntry { at: Timestamp::from_unix_millis(at), event: "{}".to_owned(), told: Vec::new() };
        moments.into_iter().map(entry).collect()
    }

    #[tokio::test]
    async fn whatever_another_process_writes_is_told_once_however_it_is_dated_and_however_much_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(directory.path().join("gateway.db"));
        let settings = StoreSettings { url, ..StoreSettings::default() };
        let (one, other) = (SqlStore::open(&settings).await.unwrap(), SqlStore::open(&settings).await.unwrap());
        one.open_chain(WriterId("one".to_owned()), None).await.unwrap();
        other.open_chain(WriterId("other".to_owned()), None).await.unwrap();
        let mut told = Told { late: LATE, newest: None, places: HashMap::new() };
        let mut count = async || told.newer(&one).await.unwrap_or_else(|_| panic!("the store is there")).len();

        one.append(entries([100_000])).await.unwrap();
        assert_eq!(count().await, 1);
        // At the same moment, and at an earlier one.
        other.append(entries([100_000, 90_000])).await.unwrap();
        assert_eq!(count().await, 2);
        let many = i64::from(PAGE) + 1;
        other.append(entries(100_000..100_000 + many)).await.unwrap();
        assert_eq!(i64::try_from(count().await), Ok(many));
        assert_eq!(count().await, 0);
        one.close().await;
        other.close().await;
    }
}
