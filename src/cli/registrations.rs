//! `registrations list|show|resolve`: the record of registrations, at the running gateway.

use std::io::Write;

use clap::{Args, Subcommand};

use super::clients::who;
use super::running::{Listed, PageArguments, hosts, write_one};
use super::{ConfigFile, Failure, Format, block_on, json_text};
use crate::admin::api::{Registration, RegistrationList, Resolve};
use crate::admin::client::target;
use crate::store::OutcomeName;

const PATH: &str = "/v1/registrations";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the registrations, newest first.
    List(ListArguments),
    /// Show one registration.
    Show(Named),
    /// Write down what became of a registration whose outcome is unknown, as you found out at the authorization server.
    Resolve(ResolveArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only those that ended so: registered, repeated, `not_registered`, unknown.
    #[arg(long)]
    outcome: Option<OutcomeName>,
    /// Only those of this profile.
    #[arg(long)]
    profile: Option<String>,
    /// Only those that led to this client.
    #[arg(long, value_name = "CLIENT", allow_hyphen_values = true)]
    client: Option<String>,
    #[command(flatten)]
    page: PageArguments,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its id, as `registrations list` shows it.
    id: String,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct ResolveArguments {
    #[command(flatten)]
    registration: Named,
    #[command(flatten)]
    found: Found,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Found {
    /// The server has the client, under this `client_id`.
    #[arg(long, value_name = "CLIENT", allow_hyphen_values = true)]
    registered: Option<String>,
    /// The server has no such client: the token's use and the quotas are given back.
    #[arg(long)]
    not_registered: bool,
}

pub(super) fn run(command: &Command, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    block_on(async {
        match command {
            Command::List(arguments) => list(arguments, format, out).await,
            Command::Show(named) => {
                let gateway = named.file.running()?;
                show(&gateway.get::<Registration>(&target(PATH, &named.id, "")).await?.body, format, out)
            }
            Command::Resolve(arguments) => resolve(arguments, format, out).await,
        }
    })
}

async fn list(arguments: &ListArguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let gateway = arguments.file.running()?;
    let filter = vec![
        ("outcome", arguments.outcome.map(|outcome| outcome.as_str().to_owned())),
        ("profile", arguments.profile.clone()),
        ("client_id", arguments.client.clone()),
    ];
    let taken = |page: RegistrationList| (page.registrations, page.next);
    let (registrations, next) = arguments.page.read(&gateway, PATH, filter, taken).await?;
    let row = |registration: &Registration| {
        [
            registration.at.clone(),
            outcome(registration).to_owned(),
            registration.id.clone(),
            registration.client_id.clone().or_else(|| registration.reason.clone()).unwrap_or_default(),
            registration.client_name.clone().unwrap_or_default(),
            registration.profile.clone(),
            hosts(&registration.redirect_uris),
            who(&registration.registrant),
        ]
    };
    let head = ["ASKED", "OUTCOME", "REGISTRATION", "CLIENT OR REASON", "NAME", "PROFILE", "HOSTS", "WHO"];
    Listed { name: "registrations", entries: &registrations, next: next.as_deref() }.write(out, format, head, row)
}

async fn resolve(arguments: &ResolveArguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let Named { id, file } = &arguments.registration;
    let gateway = file.running()?;
    let found = match &arguments.found.registered {
        Some(client_id) => Resolve::Registered { client_id: client_id.clone() },
        None => Resolve::NotRegistered,
    };
    let resolved = gateway.post::<Registration>(&target(PATH, id, "/resolve"), &found, None).await?.body;
    match format {
        Format::Json => writeln!(out, "{}", json_text(&resolved))?,
        Format::Text => writeln!(out, "{} is {}", resolved.id, outcome(&resolved))?,
    }
    Ok(())
}

fn outcome(registration: &Registration) -> &'static str {
    registration.outcome.map_or("under way", OutcomeName::as_str)
}

fn show(registration: &Registration, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let parts = [
        ("registration", Some(registration.id.clone())),
        ("outcome", Some(outcome(registration).to_owned())),
        ("client", registration.client_id.clone()),
        ("reason", registration.reason.clone()),
        ("name", registration.client_name.clone()),
        ("profile", Some(registration.profile.clone())),
        ("redirect URIs", Some(registration.redirect_uris.join(" "))),
        ("scope", Some(registration.scopes.granted.clone())),
        ("withheld", Some(registration.scopes.withheld.clone())),
        ("asked", Some(registration.at.clone())),
        ("ended", registration.finished_at.clone()),
        ("resolved by", registration.resolved_by.clone()),
        ("who", Some(who(&registration.registrant))),
        ("address", Some(registration.registrant.address.clone())),
        ("token", registration.token.clone()),
        ("let through", Some(registration.let_through.join(" "))),
    ];
    write_one(out, format, registration, parts)
}
