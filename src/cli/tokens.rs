//! `tokens create|list|revoke`: initial access tokens. A gateway that runs here is asked first: its audit log has what was done, and exports
//! it, and named operators may ask it who may not open its store. Where none answers, it is done straight on the store.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::json;

use super::audit::{self, Done};
use super::running::{Asked, PageArguments};
use super::{ConfigFile, Failure, Format, block_on, existing_store, json_text, open_store, readable_store, table};
use crate::admin::api::{CreateToken, CreatedToken, Token, TokenList, check_profile};
use crate::admin::client::{AdminClient, AskError, target};
use crate::audit::{Kind, Subject};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::duration::DurationText;
use crate::randomness;
use crate::registrant::initial_access_token::{CertificateThumbprint, NewToken, TokenRandomness, issue};
use crate::store::{InitialAccessTokens as _, TokenId};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token. It is printed once and kept as a hash.
    Create(NewTokenArguments),
    /// List the tokens, newest first; never their text.
    List(ConfigFile),
    /// Revoke a token: from now on it is refused.
    Revoke(RevokeArguments),
}

#[derive(Debug, Args)]
pub(super) struct NewTokenArguments {
    /// The profile it is for.
    #[arg(long)]
    profile: String,
    /// How long it is valid: 30m, 1h, 7d.
    #[arg(long)]
    ttl: DurationText,
    /// How many registrations it is good for.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    uses: u32,
    /// What to call it in lists.
    #[arg(long)]
    label: Option<String>,
    /// The client certificate it is good together with, by its SHA-256: the digits of `openssl x509 -fingerprint -sha256`.
    #[arg(long, value_name = "HEX")]
    certificate_thumbprint: Option<CertificateThumbprint>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArguments {
    /// Its id, as `tokens list` shows it.
    id: String,
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(command: Command, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    block_on(async {
        match command {
            Command::Create(arguments) => create(arguments, format, out).await,
            Command::List(file) => list(&file, format, out).await,
            Command::Revoke(arguments) => revoke(&arguments, format, out).await,
        }
    })
}

async fn create(arguments: NewTokenArguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let wanted = CreateToken {
        profile: arguments.profile.clone(),
        lifetime: arguments.ttl,
        max_uses: Some(arguments.uses),
        label: arguments.label.clone(),
        certificate_thumbprint: arguments.certificate_thumbprint.as_ref().map(|digits| digits.as_str().to_owned()),
    };
    let ask = async |gateway: AdminClient| Ok(gateway.post("/v1/tokens", &wanted, None).await?.body);
    let asked = arguments.file.if_running(ask).await?;
    let CreatedToken { token, text } = match asked {
        Asked::Answered(created) => created,
        Asked::NotRunning(config) => make(&config, arguments).await?,
    };
    match format {
        Format::Json => {
            let mut shown = serde_json::to_value(token).map_err(Failure::of)?;
            shown["token"] = text.into();
            writeln!(out, "{}", json_text(&shown))?;
        }
        Format::Text => {
            writeln!(out, "{text}")?;
            let Token { id, profile, max_uses, expires_at, .. } = token;
            let uses = if max_uses == 1 { "use" } else { "uses" };
            eprintln!(
                "token {id} for profile {profile:?}: {max_uses} {uses}, until {expires_at}. It is not shown again."
            );
        }
    }
    Ok(())
}

/// Makes it in the store.
async fn make(config: &Config, arguments: NewTokenArguments) -> Result<CreatedToken, Failure> {
    check_profile(&config.profiles, &arguments.profile).map_err(Failure::Failed)?;
    let wanted = NewToken {
        profile: arguments.profile,
        label: arguments.label,
        lifetime: arguments.ttl.0,
        max_uses: arguments.uses,
        certificate_thumbprint: arguments.certificate_thumbprint,
    };
    let limits = &config.settings.initial_access_tokens.issued;
    let randomness = TokenRandomness::draw(randomness::of_the_system);
    let made = issue(wanted, limits, randomness, SystemClock.now()).map_err(Failure::of)?;
    let store = open_store(config).await?;
    let kept = async {
        let subject = Subject::Token(made.token.id.0.clone());
        let token = Some(made.token.clone());
        let done = Done { command: "tokens create", kind: Kind::TokenCreated, subject, token };
        let keep = async |entries| store.create(made.token.clone(), made.hash, entries).await;
        audit::change(config, &store, done, keep).await
    };
    let kept = kept.await;
    store.close().await;
    kept?;
    let token = Token::of(&made.token, SystemClock.now());
    Ok(CreatedToken { token, text: made.text.expose().to_owned() })
}

async fn list(file: &ConfigFile, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let tokens = match file.if_running(all_there).await? {
        Asked::Answered(tokens) => tokens,
        Asked::NotRunning(config) => {
            let store = readable_store(&config).await?;
            let tokens = store.all_tokens().await.map_err(Failure::of);
            store.close().await;
            let now = SystemClock.now();
            tokens?.iter().map(|token| Token::of(token, now)).collect()
        }
    };
    match format {
        Format::Json => writeln!(out, "{}", json_text(&tokens))?,
        Format::Text => {
            let row = |token: &Token| {
                [
                    token.id.clone(),
                    token.profile.clone(),
                    token.state.clone(),
                    format!("{}/{}", token.used, token.max_uses),
                    token.expires_at.clone(),
                    token.label.clone().unwrap_or_default(),
                ]
            };
            table::write(out, ["ID", "PROFILE", "STATE", "USED", "EXPIRES", "LABEL"], tokens.iter().map(row))?;
        }
    }
    Ok(())
}

/// Those of the gateway, page by page.
async fn all_there(gateway: AdminClient) -> Result<Vec<Token>, AskError> {
    let taken = |page: TokenList| (page.tokens, page.next);
    Ok(PageArguments::ALL.read(&gateway, "/v1/tokens", Vec::new(), taken).await?.0)
}

async fn revoke(arguments: &RevokeArguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let path = target("/v1/tokens", &arguments.id, "/revoke");
    let ask = async |gateway: AdminClient| gateway.post::<()>(&path, &json!({}), None).await.map(drop);
    let asked = arguments.file.if_running(ask).await?;
    if let Asked::NotRunning(config) = asked {
        mark_revoked(&config, TokenId(arguments.id.clone())).await?;
    }
    match format {
        Format::Json => writeln!(out, "{}", json_text(&json!({ "id": arguments.id, "state": "revoked" })))?,
        Format::Text => writeln!(out, "revoked {}", arguments.id)?,
    }
    Ok(())
}

/// Revokes it in the store.
async fn mark_revoked(config: &Config, id: TokenId) -> Result<(), Failure> {
    let store = existing_store(config).await?;
    let revoked = async {
        // A command that changes nothing leaves no chain behind.
        let Some(token) = store.token(&id).await.map_err(Failure::of)? else { return Ok(false) };
        let (kind, subject) = (Kind::TokenRevoked, Subject::Token(id.0.clone()));
        let done = Done { command: "tokens revoke", kind, subject, token: Some(token) };
        audit::change(config, &store, done, async |entries| store.revoke(&id, entries, SystemClock.now()).await).await
    };
    let revoked: Result<bool, Failure> = revoked.await;
    store.close().await;
    if revoked? { Ok(()) } else { Err(Failure::Failed(format!("there is no token {:?}", id.0))) }
}
