//! `bans list|add|lift`: what is done about somebody, by a detector's finding or an operator's order, at the running gateway.

use std::io::Write;

use clap::{Args, Subcommand};

use super::running::{Listed, OrderArguments, PageArguments, write_one};
use super::{ConfigFile, Failure, Format, block_on};
use crate::admin::api::{NewBan, Response, ResponseList};
use crate::admin::client::{query, target};
use crate::duration::DurationText;

const PATH: &str = "/v1/bans";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what is in force, newest first: bans, tightened throttles, approvals, suspensions, a lockdown.
    List(ListArguments),
    /// Ban an address, a client certificate or an initial access token, in all replicas.
    Add(AddArguments),
    /// Lift a ban, or another response, and undo what it did.
    Lift(LiftArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Also those that ended within 90 days.
    #[arg(long)]
    ended: bool,
    #[command(flatten)]
    page: PageArguments,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    #[command(flatten)]
    whom: Whom,
    /// How long: 30m, 1h, 7d. The same again prolongs it.
    #[arg(long, value_name = "DURATION", default_value = "1d")]
    r#for: DurationText,
    #[command(flatten)]
    order: OrderArguments,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// An address (of IPv6 its /64), or a network like 192.0.2.0/24.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// The SHA-256 of a client certificate: the digits of `openssl x509 -fingerprint -sha256`.
    #[arg(long, value_name = "HEX")]
    certificate: Option<String>,
    /// An initial access token: its id or, where it alone has it, its label (`tokens list`); of another issuer's, the name in logs and findings.
    #[arg(long, value_name = "NAME")]
    token: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct LiftArguments {
    /// Its name, as `bans list` shows it.
    id: String,
    #[command(flatten)]
    order: OrderArguments,
}

pub(super) fn run(command: &Command, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    block_on(async {
        match command {
            Command::List(arguments) => list(arguments, format, out).await,
            Command::Add(arguments) => add(arguments, format, out).await,
            Command::Lift(arguments) => lift(arguments, format, out).await,
        }
    })
}

async fn list(arguments: &ListArguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let gateway = arguments.file.running()?;
    let which = if arguments.ended { "all" } else { "in_force" };
    let taken = |page: ResponseList| (page.bans, page.next);
    let filter = vec![("which", Some(which.to_owned()))];
    let (bans, next) = arguments.page.read(&gateway, PATH, filter, taken).await?;
    let row = |response: &Response| {
        [
            response.id.clone(),
            action(response),
            response.subject.clone(),
            response.state.replace('_', " "),
            response.expires_at.clone(),
            response.author.clone(),
            response.reason.clone().unwrap_or_default(),
        ]
    };
    let head = ["ID", "WHAT", "WHOM", "STATE", "UNTIL", "BY", "WHY"];
    Listed { name: "bans", entries: &bans, next: next.as_deref() }.write(out, format, head, row)
}

fn action(response: &Response) -> String {
    let action = response.action.as_str();
    if response.dry_run { format!("{action} (dry run)") } else { action.to_owned() }
}

async fn add(arguments: &AddArguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let OrderArguments { comment, file } = &arguments.order;
    let gateway = file.running()?;
    let Whom { address, certificate, token } = &arguments.whom;
    let wanted = NewBan {
        address: address.clone(),
        certificate: certificate.clone(),
        token: token.clone(),
        r#for: Some(arguments.r#for),
        comment: comment.clone(),
    };
    show(&gateway.post::<Response>(PATH, &wanted, None).await?.body, format, out)
}

async fn lift(arguments: &LiftArguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let OrderArguments { comment, file } = &arguments.order;
    let gateway = file.running()?;
    let path = query(&target(PATH, &arguments.id, ""), &[("comment", comment.clone())]);
    show(&gateway.delete::<Response>(&path, None).await?.body, format, out)
}

/// Shows one response.
pub(super) fn show(response: &Response, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let ended = response.ended_at.as_ref().map(|at| match &response.ended_by {
        Some(by) => format!("{at}, by {by}"),
        None => at.clone(),
    });
    let parts = [
        ("response", Some(response.id.clone())),
        ("what", Some(action(response))),
        ("whom", Some(response.subject.clone())),
        ("divided by", response.factor.map(|factor| factor.to_string())),
        ("state", Some(response.state.replace('_', " "))),
        ("until", Some(response.expires_at.clone())),
        ("ended", ended),
        ("by", Some(response.author.clone())),
        ("why", response.reason.clone()),
        ("finding", response.finding.clone()),
    ];
    write_one(out, format, response, parts)
}
