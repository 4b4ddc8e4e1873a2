//! `clients list|show|approve|reject|elevate|suspend|resume|delete|expire`: the record of clients, at the running gateway.

use std::io::Write;

use clap::{Args, Subcommand};
use http::HeaderValue;
use serde_json::json;

use super::explain::named;
use super::running::{Listed, PageArguments, hosts, write_one};
use super::{ConfigFile, Failure, Format, block_on, json_text, printable, table};
use crate::admin::api::{
    Acted, Client, ClientList, Comment, ExpiredClients, Granting, Registrant, Unsettled, UnusedClient, UnusedClients,
};
use crate::admin::client::{AdminClient, Answered, AskError, query, target};
use crate::intake::import::IMPORTED;
use crate::lifecycle::State;

const PATH: &str = "/v1/clients";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the clients, newest first.
    List(ListArguments),
    /// Show one client with all that was registered.
    Show(Named),
    /// Approve a pending client: it gets the scopes that are withheld from it. Or make the change that an active one asked for.
    Approve(Granted),
    /// Reject a pending client: it is removed, and the same request is refused. Or refuse the change that an active one asked for.
    Reject(Changed),
    /// Grant an active client more scopes.
    Elevate(Granted),
    /// Suspend a client: it cannot be used, managed or handed out again until it is resumed.
    Suspend(Changed),
    /// Give back what a suspension took.
    Resume(Changed),
    /// Delete a client at the authorization server, for good; the record stays. Of a rejected one: lift the rejection, so that the same may register afresh.
    Delete(Deleted),
    /// Remove the clients that nobody used for longer than their profile says, now rather than at the next look.
    Expire(Expire),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only those in this state: pending, active, suspended, rejected, expired, deleted.
    #[arg(long)]
    state: Option<State>,
    /// Only those of this profile.
    #[arg(long)]
    profile: Option<String>,
    #[command(flatten)]
    page: PageArguments,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its `client_id`; the server may have begun it with a hyphen.
    #[arg(allow_hyphen_values = true)]
    client_id: String,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Changed {
    #[command(flatten)]
    client: Named,
    /// Why, for those who come after.
    #[arg(long)]
    comment: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Granted {
    #[command(flatten)]
    changed: Changed,
    /// These scopes only, separated by spaces; otherwise all that is withheld.
    #[arg(long)]
    scopes: Option<String>,
    /// The version that you looked at, as `clients show` and `clients list` show it: if the client changed since, nothing is done.
    #[arg(long, value_name = "N")]
    version: Option<i64>,
}

#[derive(Debug, Args)]
pub(super) struct Deleted {
    #[command(flatten)]
    changed: Changed,
    /// The authorization server no longer has it, because somebody deleted it there: end its record where the gateway cannot delete it itself.
    #[arg(long)]
    gone: bool,
}

#[derive(Debug, Args)]
pub(super) struct Expire {
    /// Only show which, and since when.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(command: &Command, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    block_on(async {
        match command {
            Command::List(arguments) => list(arguments, format, out).await,
            Command::Show(named) => {
                let gateway = named.file.running()?;
                show(&gateway.get::<Client>(&target(PATH, &named.client_id, "")).await?.body, format, out)
            }
            Command::Approve(granted) => grant(granted, "/approve", format, out).await,
            Command::Reject(changed) => change(changed, "/reject", format, out).await,
            Command::Elevate(granted) => grant(granted, "/elevate", format, out).await,
            Command::Suspend(changed) => change(changed, "/suspend", format, out).await,
            Command::Resume(changed) => change(changed, "/resume", format, out).await,
            Command::Delete(deleted) => delete(deleted, format, out).await,
            Command::Expire(arguments) => expire(arguments, format, out).await,
        }
    })
}

async fn list(arguments: &ListArguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let gateway = arguments.file.running()?;
    let state = arguments.state.map(|state| state.to_string());
    let filter = vec![("state", state), ("profile", arguments.profile.clone())];
    let taken = |page: ClientList| (page.clients, page.next);
    let (clients, next) = arguments.page.read(&gateway, PATH, filter, taken).await?;
    // One that is configured no longer may have clients all the same.
    if clients.is_empty()
        && let Some(name) = &arguments.profile
        && let Ok(config) = arguments.file.load()
        && let Err(unknown) = named(&config, name)
    {
        eprintln!("{unknown}");
    }
    let listed = Listed { name: "clients", entries: &clients, next: next.as_deref() };
    if arguments.state == Some(State::Pending) {
        let head = ["REGISTERED", "UNTIL", "CLIENT", "VERSION", "NAME", "PROFILE", "HOSTS", "WHO", "HAS", "ASKS FOR"];
        return listed.write(out, format, head, pending);
    }
    let row = |client: &Client| {
        [
            client.created_at.clone(),
            client.state.to_string(),
            client.client_id.clone(),
            client.client_name.clone().unwrap_or_default(),
            client.profile.clone(),
            hosts(&client.redirect_uris),
            who(&client.registrant),
            client.asks_for.join("; "),
        ]
    };
    let head = ["REGISTERED", "STATE", "CLIENT", "NAME", "PROFILE", "HOSTS", "WHO", "ASKS FOR"];
    listed.write(out, format, head, row)
}

/// What an approver wants to know of a client that waits.
fn pending(client: &Client) -> [String; 10] {
    [
        client.created_at.clone(),
        client.pending_until.clone().unwrap_or_default(),
        client.client_id.clone(),
        client.version.to_string(),
        client.client_name.clone().unwrap_or_default(),
        client.profile.clone(),
        hosts(&client.redirect_uris),
        who(&client.registrant),
        client.scopes.granted.clone(),
        client.asks_for.join("; "),
    ]
}

async fn grant(granted: &Granted, rest: &str, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let Granted { changed: Changed { client: Named { client_id, file }, comment }, scopes, version } = granted;
    let body = Granting { scopes: scopes.clone(), comment: comment.clone() };
    let gateway = file.running()?;
    let path = target(PATH, client_id, "");
    let Answered { body: before, etag } = gateway.get::<Client>(&path).await?;
    let looked_at = version.map(|version| HeaderValue::from_str(&format!("\"{version}\""))).transpose();
    let looked_at = looked_at.map_err(|error| Failure::Failed(error.to_string()))?;
    let client: Client = gateway.post(&format!("{path}{rest}"), &body, looked_at.or(etag)).await?.body;
    say(&client, format, out)?;
    if format == Format::Text && client.first_approval.is_none() {
        say_what_it_got(&before, &client, out)?;
    }
    Ok(())
}

/// What an approval has given the client, besides the state that it is in.
fn say_what_it_got(before: &Client, client: &Client, out: &mut dyn Write) -> Result<(), Failure> {
    let had: Vec<&str> = before.scopes.granted.split(' ').collect();
    let got: Vec<&str> = client.scopes.granted.split(' ').filter(|scope| !had.contains(scope)).collect();
    if !got.is_empty() {
        writeln!(out, "granted: {}", printable(&got.join(" ")))?;
    }
    // The scopes are told as they were granted, not as they were asked for.
    let changed = before.asks_for.iter().filter(|_| before.asked.is_some());
    for change in changed.filter(|change| !change.starts_with("scope ")) {
        writeln!(out, "changed: {}", printable(change))?;
    }
    Ok(())
}

/// `rest` is what comes after the client in the path.
async fn change(changed: &Changed, rest: &str, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let Changed { client, comment } = changed;
    let body = Comment { comment: comment.clone() };
    let post = async |gateway: AdminClient, path, etag| gateway.post(&format!("{path}{rest}"), &body, etag).await;
    say(&as_it_stands(client, post).await?, format, out)
}

async fn delete(deleted: &Deleted, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let Deleted { changed: Changed { client, comment }, gone } = deleted;
    let said = [("comment", comment.clone()), ("gone", gone.then(|| gone.to_string()))];
    let delete = async |gateway: AdminClient, path: String, etag| gateway.delete(&query(&path, &said), etag).await;
    say(&as_it_stands(client, delete).await?, format, out)
}

/// Makes the change, given the gateway, the client's path and its version, unless somebody else makes one meanwhile.
async fn as_it_stands(
    Named { client_id, file }: &Named,
    change: impl AsyncFnOnce(AdminClient, String, Option<HeaderValue>) -> Result<Answered<Client>, AskError>,
) -> Result<Client, Failure> {
    let gateway = file.running()?;
    let path = target(PATH, client_id, "");
    let Answered { etag, .. } = gateway.get::<Client>(&path).await?;
    Ok(change(gateway, path, etag).await?.body)
}

/// What became of the client.
fn say(client: &Client, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    if format == Format::Json {
        return Ok(writeln!(out, "{}", json_text(client))?);
    }
    writeln!(out, "{} is {}", client.client_id, client.state)?;
    if let Some(first) = &client.first_approval {
        writeln!(out, "{} approved it: somebody else must, too", first.actor)?;
    }
    if let Some(unsettled) = unsettled(client) {
        writeln!(out, "the authorization server does not have it yet: {unsettled}")?;
    }
    Ok(())
}

/// Why the server does not have what was decided, and when it is tried again.
fn unsettled(client: &Client) -> Option<String> {
    let Unsettled { last_error, next_at, .. } = client.unsettled.as_ref()?;
    Some(format!("{}; it is tried again from {next_at} on", last_error.as_deref().unwrap_or("it was not tried yet")))
}

fn acted(by: &Acted) -> String {
    let scopes = by.scopes.as_deref().map(|scopes| format!(": {scopes}")).unwrap_or_default();
    let comment = by.comment.as_deref().map(|comment| format!(" ({comment})")).unwrap_or_default();
    format!("by {}, {}{scopes}{comment}", by.actor, by.at)
}

async fn expire(arguments: &Expire, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let gateway = arguments.file.running()?;
    let unused = gateway.get::<UnusedClients>("/v1/unused-clients").await?.body;
    if arguments.dry_run {
        if format == Format::Json {
            return Ok(writeln!(out, "{}", json_text(&unused))?);
        }
        say_what_is_watched(&unused);
        return if unused.clients.is_empty() { Ok(()) } else { list_unused(&unused, out) };
    }
    // Where nothing can expire the gateway says so itself.
    if format == Format::Text && unused.watched_since.is_some() && !unused.no_use_was_seen && !unused.events_are_behind
    {
        say_what_is_watched(&unused);
        list_unused(&unused, out)?;
    }
    let expired = gateway.post::<ExpiredClients>("/v1/unused-clients/expire", &json!({}), None).await?.body;
    match format {
        Format::Json => writeln!(out, "{}", json_text(&expired))?,
        Format::Text => writeln!(out, "{} expired", expired.expired.len())?,
    }
    Ok(())
}

fn say_what_is_watched(unused: &UnusedClients) {
    if unused.events_are_behind {
        let read_to = unused.events_read_to.as_deref().unwrap_or("never");
        eprintln!(
            "Nothing expires: the authorization server's events were last read {read_to}; the gateway's log says why."
        );
    }
    match &unused.watched_since {
        None => eprintln!("Nothing expires: the gateway does not see the uses of clients."),
        Some(since) if unused.no_use_was_seen => {
            eprintln!("Nothing expires: no client was seen to be used since {since}.");
        }
        Some(since) => eprintln!("Uses are watched since {since}; who was registered before does not expire."),
    }
}

fn list_unused(unused: &UnusedClients, out: &mut dyn Write) -> Result<(), Failure> {
    let row = |client: &UnusedClient| {
        [
            client.created_at.clone(),
            client.client_id.clone(),
            client.client_name.clone().unwrap_or_default(),
            client.profile.clone(),
            format!("not used within {}", client.expires_after),
        ]
    };
    table::write(out, ["REGISTERED", "CLIENT", "NAME", "PROFILE", "WHY"], unused.clients.iter().map(row))?;
    Ok(())
}

/// What is verified about who asked, and otherwise the address.
pub(super) fn who(registrant: &Registrant) -> String {
    if registrant.key == IMPORTED {
        return IMPORTED.to_owned();
    }
    let verified = [&registrant.token_label, &registrant.certificate_subject, &registrant.software_id];
    verified.into_iter().flatten().next().unwrap_or(&registrant.address).clone()
}

/// Which software it is, and who says so.
fn vouched_for(registrant: &Registrant) -> Option<String> {
    let issuer = registrant.statement_issuer.as_ref()?;
    let software = registrant.software_id.as_deref().unwrap_or("no software_id");
    Some(format!("{software}, by {issuer}"))
}

fn show(client: &Client, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let changed = client.changed_by.as_ref().zip(client.changed_at.as_ref()).map(|(by, at)| format!("by {by}, {at}"));
    let metadata = client.metadata.as_ref().and_then(|metadata| serde_json::to_string(metadata).ok());
    let parts = [
        ("client", Some(client.client_id.clone())),
        ("name", client.client_name.clone()),
        ("state", Some(client.state.to_string())),
        ("changed", changed),
        ("comment", client.comment.clone()),
        ("pending until", client.pending_until.clone()),
        ("pending for", client.pending_seconds_left.map(|left| format!("{left}s more, once it is resumed"))),
        ("not there yet", unsettled(client)),
        ("unmanageable", client.unmanageable.then(|| "the authorization server's token for it is lost".to_owned())),
        ("let through", Some(client.let_through.join(" "))),
        ("profile", Some(client.profile.clone())),
        ("redirect URIs", Some(client.redirect_uris.join(" "))),
        ("scope", Some(client.scopes.granted.clone())),
        ("withheld", Some(client.scopes.withheld.clone())),
        ("server added", Some(client.scopes.added.clone())),
        ("approved", client.approved.as_ref().map(acted)),
        ("first approval", client.first_approval.as_ref().map(acted)),
        ("asks for", Some(client.asks_for.join("; "))),
        ("asked for", client.asked.as_ref().and_then(|asked| serde_json::to_string(asked).ok())),
        ("registered", Some(client.created_at.clone())),
        ("registration", Some(client.registration.clone())),
        ("who", Some(who(&client.registrant))),
        ("token", client.registrant.token_label.clone()),
        ("certificate", client.registrant.certificate_subject.clone()),
        ("statement", vouched_for(&client.registrant)),
        ("address", Some(client.registrant.address.clone())),
        ("last used", client.last_used_at.clone()),
        ("seen there", client.confirmed_at.clone()),
        ("version", Some(client.version.to_string())),
        ("metadata", metadata),
    ];
    write_one(out, format, client, parts)
}
