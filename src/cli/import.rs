//! `import`: the clients that the authorization server has from before the gateway was there, and taking them into the record.

use std::io::Write;

use clap::Args;
use serde_json::json;

use super::running::hosts;
use super::{ConfigFile, Failure, Format, block_on, json_text, table};
use crate::admin::api::{ExistingClient, ExistingClients, Import, ImportedClient, ImportedClients, ResultOfImport};
use crate::admin::client::{AdminClient, query};

const PATH: &str = "/v1/import";

/// How many are taken with one request.
const AT_ONCE: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Take these clients into the record; with `--all` every one that is listed and that it does not have.
    #[arg(long, value_name = "CLIENT", num_args = 0.., requires = "profile")]
    take: Option<Vec<String>>,
    /// With `--take`: all that are listed.
    #[arg(long, requires = "take")]
    all: bool,
    /// The profile by which they are judged from now on; in a list, what of each it would refuse.
    #[arg(long)]
    profile: Option<String>,
    /// Why, for those who come after.
    #[arg(long, requires = "take")]
    comment: Option<String>,
    /// List this client only, whatever it looks like; may be repeated.
    #[arg(long, value_name = "CLIENT", conflicts_with = "take", allow_hyphen_values = true)]
    client_id: Vec<String>,
    /// List those as well that look as if an operator had made them.
    #[arg(long)]
    every: bool,
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(arguments: &Arguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    block_on(async {
        let gateway = arguments.file.running()?;
        match &arguments.take {
            None => list(&gateway, arguments, format, out).await,
            Some(named) => {
                let client_ids = to_take(&gateway, arguments, named).await?;
                arguments.take(&gateway, &client_ids, format, out).await
            }
        }
    })
}

/// What was found, and how many others look as if they were nobody's business here.
struct Found {
    clients: Vec<ExistingClient>,
    left_out: usize,
}

async fn find(gateway: &AdminClient, arguments: &Arguments) -> Result<Found, Failure> {
    let profile = ("profile", arguments.profile.clone());
    let mut clients = Vec::new();
    for client_id in &arguments.client_id {
        let target = query(PATH, &[("client_id", Some(client_id.clone())), profile.clone()]);
        let mut found = gateway.get::<ExistingClients>(&target).await?.body.clients;
        if found.is_empty() {
            return Err(Failure::Failed(format!("the authorization server has no client {client_id:?}")));
        }
        clients.append(&mut found);
    }
    if !arguments.client_id.is_empty() {
        return Ok(Found { clients, left_out: 0 });
    }
    let mut cursor = None;
    loop {
        let target = query(PATH, &[profile.clone(), ("cursor", cursor)]);
        let ExistingClients { clients: mut more, next } = gateway.get(&target).await?.body;
        clients.append(&mut more);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    let before = clients.len();
    clients.retain(|client| arguments.every || client.origin.may_be_registered());
    let left_out = before - clients.len();
    Ok(Found { clients, left_out })
}

async fn list(
    gateway: &AdminClient,
    arguments: &Arguments,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Found { clients, left_out } = find(gateway, arguments).await?;
    if format == Format::Json {
        return Ok(writeln!(out, "{}", json_text(&json!({ "clients": clients, "left_out": left_out })))?);
    }
    let row = |client: &ExistingClient| {
        [
            client.client_id.clone(),
            client.client_name.clone().unwrap_or_default(),
            in_record(client),
            client.origin.as_str().to_owned(),
            client.created_at.clone().unwrap_or_else(|| "-".to_owned()),
            hosts(&client.redirect_uris),
            client.scope.clone(),
            client.violations.join("; "),
        ]
    };
    let head = ["CLIENT", "NAME", "RECORD", "ORIGIN", "MADE", "HOSTS", "SCOPE", "WOULD BE REFUSED"];
    table::write(out, head, clients.iter().map(row))?;
    if left_out > 0 {
        eprintln!("{left_out} others look as if an operator or the server had made them: --every shows them.");
    }
    if arguments.profile.is_none() {
        eprintln!("--profile NAME shows what its rules would refuse.");
    }
    Ok(())
}

fn in_record(client: &ExistingClient) -> String {
    match (client.state, client.enabled) {
        (Some(state), _) => state.to_string(),
        (None, true) => "-".to_owned(),
        (None, false) => "- (disabled)".to_owned(),
    }
}

/// Which are to be taken: those that are named, or all that are listed and that the record does not have.
async fn to_take(gateway: &AdminClient, arguments: &Arguments, named: &[String]) -> Result<Vec<String>, Failure> {
    match (named.is_empty(), arguments.all) {
        (false, false) => Ok(named.to_vec()),
        (true, true) => {
            let found = find(gateway, arguments).await?;
            let unknown = found.clients.into_iter().filter(|client| client.state.is_none());
            Ok(unknown.map(|client| client.client_id).collect())
        }
        (true, false) => Err(Failure::Failed("--take: name the clients, or write --all as well".to_owned())),
        (false, true) => Err(Failure::Failed("--take with names and --all contradict each other".to_owned())),
    }
}

impl Arguments {
    async fn take(
        &self,
        gateway: &AdminClient,
        client_ids: &[String],
        format: Format,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let mut results: Vec<ImportedClient> = Vec::with_capacity(client_ids.len());
        for part in client_ids.chunks(AT_ONCE) {
            let profile = self.profile.clone().unwrap_or_default();
            let import = Import { client_ids: part.to_vec(), profile, comment: self.comment.clone() };
            match gateway.post::<ImportedClients>(PATH, &import, None).await {
                Ok(answered) => results.extend(answered.body.clients),
                Err(error) if results.is_empty() => return Err(error.into()),
                // What was taken before it is said all the same.
                Err(error) => {
                    say(&results, format, out)?;
                    return Err(error.into());
                }
            }
            if results.iter().any(|client| client.result == ResultOfImport::Failed) {
                break;
            }
        }
        say(&results, format, out)?;
        let is_wrong = |client: &&ImportedClient| {
            matches!(client.result, ResultOfImport::Failed | ResultOfImport::NotThere | ResultOfImport::ServersOwn)
        };
        match results.iter().filter(is_wrong).count() {
            0 => Ok(()),
            count => Err(Failure::Failed(format!("{count} could not be taken into the record"))),
        }
    }
}

fn say(results: &[ImportedClient], format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    if format == Format::Json {
        return Ok(writeln!(out, "{}", json_text(&json!({ "clients": results })))?);
    }
    let row = |client: &ImportedClient| {
        let result = match client.result {
            ResultOfImport::Imported => "in the record now",
            ResultOfImport::Known => "in the record before",
            ResultOfImport::NotThere => "not at the authorization server",
            ResultOfImport::ServersOwn => "the authorization server's own, or the gateway's",
            ResultOfImport::Failed => "failed",
        };
        let notes = client.reason.iter().chain(&client.violations).cloned().collect::<Vec<_>>().join("; ");
        let state = client.state.map(|state| state.to_string()).unwrap_or_default();
        [client.client_id.clone(), result.to_owned(), state, notes]
    };
    table::write(out, ["CLIENT", "RESULT", "STATE", "ITS PROFILE WOULD REFUSE"], results.iter().map(row))?;
    Ok(())
}
