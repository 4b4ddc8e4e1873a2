//! `keys rotate|reseal|audit`: the key that secrets in the store are encrypted with, and the one that signs the audit log. Straight on
//! the key file and the store, each client in a turn of its own; `serve` may run at the same time.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;
use zeroize::Zeroizing;

use super::audit::{self, Done};
use super::running::gateway;
use super::{ConfigFile, Failure, Format, block_on, json_text, open_store};
use crate::admin::api::CurrentKey;
use crate::admin::client::AskError;
use crate::audit::{Kind, SigningKeys, Subject};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::intake::Tools;
use crate::intake::reseal::{Resealed, reseal};
use crate::randomness;
use crate::sealing::Keys;
use crate::server::longest_turn;
use crate::store::AuditLog as _;

/// How long a running gateway may take to read the key file.
const HEARD_WITHIN: Duration = Duration::from_secs(15);
const ASK_EVERY: Duration = Duration::from_millis(200);
/// What a gateway that cannot be asked is given for it: it looks at the file every two seconds.
const UNHEARD: Duration = Duration::from_secs(5);
/// How many of the clients that are left are named in text.
const NAMED: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put a new key at the head of the key file, and encrypt everything with it that is encrypted with an older one.
    Rotate(ConfigFile),
    /// Encrypt with the first key of the key file what is encrypted with another one.
    Reseal(ConfigFile),
    /// Put a new key at the head of `audit.signing_key_file`, and print its public key: keep that where heads are verified.
    Audit(ConfigFile),
}

pub(super) fn run(command: &Command, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    block_on(async {
        let (config, keys) = match command {
            Command::Audit(file) => return make_signing_key(&file.load()?, format, out).await,
            Command::Rotate(file) => {
                let config = file.load()?;
                let mut key = Zeroizing::new([0; 32]);
                randomness::of_the_system(&mut *key);
                let rotation =
                    Keys::rotate(key_file(&config), &key).map_err(|error| key_file_failed(&config, &error))?;
                // A key that is in force and on no record would be nobody's doing.
                rotated(&config, "keys rotate", &rotation.name()).await?;
                let keys = rotation.put_in_force().map_err(|error| key_file_failed(&config, &error))?;
                (config, keys)
            }
            Command::Reseal(file) => {
                let config = file.load()?;
                let keys = Keys::read(key_file(&config)).map_err(|error| key_file_failed(&config, &error))?;
                (config, keys)
            }
        };
        wait_until_heard(&config, &keys).await?;
        let resealed = reseal_all(&config, &keys).await?;
        match format {
            Format::Json => {
                writeln!(out, "{}", json_text(&json!({ "current": keys.current_name(), "clients": resealed })))?;
            }
            Format::Text => {
                let Resealed { changed, current, .. } = &resealed;
                writeln!(out, "key {}: {changed} clients sealed anew, {current} were already", keys.current_name())?;
            }
        }
        if resealed.left > 0 {
            let Resealed { left, left_clients, .. } = resealed;
            let (named, more) = left_clients.split_at(left_clients.len().min(NAMED));
            let more = if more.is_empty() { "" } else { ", …" };
            let named = named.join(", ");
            return Err(Failure::Failed(format!(
                "{left} clients are left ({named}{more}): keep the old keys, and try `keys reseal`"
            )));
        }
        Ok(())
    })
}

async fn make_signing_key(config: &Config, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let Some(file) = &config.settings.audit.signing_key_file else {
        return Err(Failure::Failed("the configuration names no audit.signing_key_file".to_owned()));
    };
    let mut key = Zeroizing::new([0; 32]);
    randomness::of_the_system(&mut *key);
    let failed = |error| Failure::Failed(format!("audit.signing_key_file {}: {error}", file.display()));
    let rotation = SigningKeys::rotate(file, &key).map_err(failed)?;
    let name = rotation.name();
    let is_first = !file.exists();
    if !is_first {
        // As above. The record is signed with the key that is in force until then.
        rotated(config, "keys audit", &name).await?;
    }
    let keys = rotation.put_in_force().map_err(failed)?;
    match format {
        Format::Json => {
            writeln!(out, "{}", json_text(&json!({ "key": keys.name(), "public_key": keys.public_key() })))?;
        }
        Format::Text => {
            writeln!(out, "{}", keys.public_key())?;
            eprintln!("key {} in {}: the gateway signs with it from its next start on", keys.name(), file.display());
        }
    }
    if is_first {
        // It signs the record of itself: no gateway has started with a file that is not there.
        let recorded = rotated(config, "keys audit", &name).await;
        recorded.map_err(|error| Failure::Failed(format!("the key was made; that could not be recorded: {error}")))?;
    }
    Ok(())
}

/// Records the change of a key.
async fn rotated(config: &Config, command: &'static str, name: &str) -> Result<(), Failure> {
    let store = open_store(config).await?;
    let subject = Subject::Key(name.to_owned());
    let done = Done { command, kind: Kind::KeyRotated, subject, token: None };
    let recorded = audit::change(config, &store, done, async |entries| store.append(entries).await).await;
    store.close().await;
    recorded
}

fn key_file(config: &Config) -> &std::path::Path {
    &config.settings.store.encryption_key_file.0
}

fn key_file_failed(config: &Config, error: &impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("store.encryption_key_file {}: {error}", key_file(config).display()))
}

/// A gateway that does not know the new key could not open what is sealed with it.
async fn wait_until_heard(config: &Config, keys: &Keys) -> Result<(), Failure> {
    let Ok(gateway) = gateway(config) else {
        eprintln!("admin.socket is off: a running gateway is given {} s to read the key file", UNHEARD.as_secs());
        tokio::time::sleep(UNHEARD).await;
        return Ok(());
    };
    let heard = async {
        loop {
            match gateway.get::<CurrentKey>("/v1/keys").await {
                Ok(answered) if answered.body.current == keys.current_name() => return Ok(()),
                Ok(_) => tokio::time::sleep(ASK_EVERY).await,
                Err(AskError::NotRunning(_)) => return Ok(()),
                Err(error) => return Err(Failure::from(error)),
            }
        }
    };
    tokio::time::timeout(HEARD_WITHIN, heard).await.unwrap_or_else(|_| {
        Err(Failure::Failed(
            "the running gateway has not read the key file (its log says why); then: dcr-gateway keys reseal"
                .to_owned(),
        ))
    })
}

async fn reseal_all(config: &Config, keys: &Keys) -> Result<Resealed, Failure> {
    let store = Arc::new(open_store(config).await?);
    let tools = Tools::new(store.clone(), Arc::new(SystemClock), randomness::of_the_system);
    let resealed = reseal(&tools, keys, longest_turn(config)).await.map_err(Failure::of);
    store.close().await;
    resealed
}
