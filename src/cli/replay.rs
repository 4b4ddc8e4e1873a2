//! `replay`: recorded requests judged by another configuration, and what would change, client by client. Changes and sends nothing.

mod comparison;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::running::{PageArguments, gateway};
use super::{ConfigFile, Failure, Format, block_on, json_text, printable};
use crate::admin::api::{KeptRequest, KeptRequestList};
use crate::admin::client::AdminClient;
use crate::config::{Config, load};
use crate::duration::DurationText;
use crate::intake::replay::Judges;
use crate::server::software_statements;

use comparison::{Change, Compared, Difference, Effect, compare};

/// So many requests of one client are named.
const MOST_NAMED: usize = 5;

const WEEK: DurationText = DurationText(Duration::from_secs(7 * 24 * 60 * 60));

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Requests of the time since then: 7d, 12h.
    #[arg(long, default_value_t = WEEK)]
    since: DurationText,
    /// The configuration of the running gateway, which has the requests, where it is not the one that is tried.
    #[arg(long, value_name = "FILE")]
    running: Option<PathBuf>,
    /// The configuration that is tried.
    #[command(flatten)]
    tried: ConfigFile,
}

/// The requests of one client for which the same would change.
#[derive(Debug, Serialize)]
struct Changed {
    name: Option<String>,
    redirect_uris: Vec<String>,
    change: Change,
    from: Effect,
    to: Effect,
    /// Why: the sentences of the rules.
    because: Vec<String>,
    count: usize,
    first: String,
    last: String,
    /// The newest of them, for `explain`.
    requests: Vec<String>,
    clients: Vec<String>,
}

/// How many.
#[derive(Debug, Default, Serialize)]
struct Summary {
    requests: usize,
    refused: usize,
    admitted: usize,
    let_through: usize,
    otherwise: usize,
    as_before: usize,
    undecided: usize,
}

/// Whose requests are told of together, and what would change for them.
type Key = (Option<String>, Vec<String>, Effect, Effect);

pub(super) fn run(arguments: &Arguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let tried = arguments.tried.load()?;
    let requests = block_on(async {
        let gateway = of_the_running(arguments.running.as_ref(), &tried)?;
        read(&gateway, arguments.since).await
    })?;
    let statements = software_statements(&tried).map_err(Failure::of)?;
    let kind = tried.settings.authorization_server.kind;
    let judges = Judges { profiles: &tried.profiles, kind, statements: &statements };
    let (summary, changed) = compare_all(&requests, &judges);
    match format {
        Format::Json => {
            let answer = json!({ "since": arguments.since, "summary": summary, "changes": changed });
            writeln!(out, "{}", json_text(&answer))?;
        }
        Format::Text => write_text(out, &changed, &summary, arguments.since)?,
    }
    if changed.is_empty() { Ok(()) } else { Err(Failure::Different) }
}

/// What would change, the same of one client together; what is refused first, and then what concerns most requests.
fn compare_all(requests: &[KeptRequest], judges: &Judges<'_>) -> (Summary, Vec<Changed>) {
    let mut summary = Summary { requests: requests.len(), ..Summary::default() };
    let mut changed: BTreeMap<Key, Changed> = BTreeMap::new();
    for kept in requests {
        match compare(&kept.request, judges) {
            Compared::AsBefore => summary.as_before += 1,
            Compared::Undecided => summary.undecided += 1,
            Compared::Changed(difference) => {
                let Difference { change, from, to, because } = *difference;
                match change {
                    Change::Refused => summary.refused += 1,
                    Change::Admitted => summary.admitted += 1,
                    Change::LetThrough => summary.let_through += 1,
                    Change::Otherwise => summary.otherwise += 1,
                }
                let (name, redirect_uris) = comparison::client(&kept.request.metadata);
                let key = (name.clone(), redirect_uris.clone(), from.clone(), to.clone());
                let entry = changed.entry(key).or_insert_with(|| Changed {
                    name,
                    redirect_uris,
                    change,
                    from,
                    to,
                    because,
                    count: 0,
                    first: kept.at.clone(),
                    last: kept.at.clone(),
                    requests: Vec::new(),
                    clients: Vec::new(),
                });
                entry.add(kept);
            }
        }
    }
    let mut changed: Vec<Changed> = changed.into_values().collect();
    changed.sort_by_key(|entry| (entry.change, std::cmp::Reverse(entry.count)));
    (summary, changed)
}

/// The gateway that has the records.
pub(super) fn of_the_running(running: Option<&PathBuf>, tried: &Config) -> Result<AdminClient, Failure> {
    match running {
        Some(file) => gateway(&load(file)?),
        None => gateway(tried),
    }
}

async fn read(gateway: &AdminClient, since: DurationText) -> Result<Vec<KeptRequest>, Failure> {
    let filter = vec![("since", Some(since.to_string()))];
    let taken = |page: KeptRequestList| (page.requests, page.next);
    Ok(PageArguments::ALL.read(gateway, "/v1/requests", filter, taken).await?.0)
}

impl Changed {
    /// The newest come first.
    fn add(&mut self, kept: &KeptRequest) {
        self.count += 1;
        self.first.clone_from(&kept.at);
        let name = |names: &mut Vec<String>, id: &str| {
            if names.len() < MOST_NAMED && !names.iter().any(|known| known == id) {
                names.push(id.to_owned());
            }
        };
        name(&mut self.requests, &kept.id);
        if let Some(client_id) = &kept.request.client_id {
            name(&mut self.clients, client_id);
        }
    }
}

fn write_text(out: &mut dyn Write, changed: &[Changed], summary: &Summary, since: DurationText) -> Result<(), Failure> {
    for entry in changed {
        let name = entry.name.as_deref().map_or_else(|| "(no name)".to_owned(), printable);
        let uris = printable(&entry.redirect_uris.join(" "));
        writeln!(out, "{name}  {uris}")?;
        writeln!(
            out,
            "  {}: {} -> {}",
            entry.change.sentence(),
            printable(&entry.from.to_string()),
            printable(&entry.to.to_string())
        )?;
        for sentence in &entry.because {
            writeln!(out, "    {}", printable(sentence))?;
        }
        let many = if entry.count == 1 { "request" } else { "requests" };
        writeln!(out, "  {} {many}, last {}: {}", entry.count, entry.last, entry.requests.join(" "))?;
        if !entry.clients.is_empty() {
            writeln!(out, "  clients: {}", entry.clients.join(" "))?;
        }
        writeln!(out)?;
    }
    let Summary { requests, refused, admitted, let_through, otherwise, as_before, undecided } = summary;
    writeln!(
        out,
        "{requests} requests of the last {since}: {refused} would be refused, {admitted} would be admitted, {let_through} would be let \
         through, {otherwise} would be admitted otherwise, {as_before} as before, {undecided} cannot be told."
    )?;
    Ok(())
}
