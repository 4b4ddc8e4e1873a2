//! The audit log of this process: begun before anything is served, ended after everything else.

use std::sync::Arc;

use super::StartError;
use crate::audit::recorder::Beginning;
use crate::audit::{Actor, Audience, AuditSettings, Event, Keeper, Kind, Nobody, Recorder, SigningKeys, Subject};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::randomness;
use crate::store::{RecordHash, Store, WriterId};

/// The keys that sign heads; none where none are configured.
pub fn signing_keys(settings: &AuditSettings) -> Result<Option<Arc<SigningKeys>>, StartError> {
    let Some(file) = &settings.signing_key_file else { return Ok(None) };
    let read = SigningKeys::read(file).map(Arc::new).map(Some);
    read.map_err(|error| StartError::AuditKey { file: file.clone(), error })
}

/// What the chain of a process begins with that was started by this command.
pub fn beginning(settings: &AuditSettings, command: &'static str, now: Timestamp) -> Result<Beginning, StartError> {
    let writer = WriterId(randomness::name(randomness::of_the_system));
    Ok(Beginning { writer, keys: signing_keys(settings)?, command, audience: Arc::new(Nobody), now })
}

/// Begins the chain of the gateway, with the configuration it was started with; the audience is told of what happens.
pub(super) async fn begin(
    config: &Config,
    store: Arc<dyn Store>,
    clock: &dyn Clock,
    audience: Arc<dyn Audience>,
) -> Result<(Recorder, Keeper), StartError> {
    let settings = &config.settings.audit;
    let now = clock.now();
    let beginning = Beginning { audience, ..beginning(settings, "serve", now)? };
    if beginning.keys.is_none() {
        tracing::warn!(
            "the audit log is not signed: who can write to the store can write another one; \
             set audit.signing_key_file, and make it with `dcr-gateway keys audit`"
        );
    }
    let (recorder, keeper) = Recorder::begin(store, settings, beginning).await?;
    recorder.record(configuration(Kind::ConfigurationLoaded, Some(config.digest)), now).await?;
    Ok((recorder, keeper))
}

/// What became of a configuration, named by the SHA-256 of its file as it was read: the file may hold another one by now.
pub(super) fn configuration(kind: Kind, digest: Option<[u8; 32]>) -> Event {
    let event = Event::new(kind, Actor::Gateway);
    match digest {
        Some(digest) => event.about(Subject::Configuration(RecordHash(digest).to_string())),
        None => event,
    }
}

/// What a reload came to. The gateway goes on as it is, whether or not it could be recorded.
pub(super) async fn tell(recorder: &Recorder, event: Event, now: Timestamp) {
    if let Err(error) = recorder.record(event, now).await {
        tracing::error!(%error, "an event is not on the audit log");
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::clock::SystemClock;
    use crate::config;
    use crate::store::memory::MemoryStore;
    use crate::store::{AuditFilter, AuditLog as _};

    #[tokio::test]
    async fn the_record_names_the_configuration_that_was_read_whatever_the_file_holds_by_now() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gateway.yaml");
        let text = include_str!("../../tests/config/good/least.yaml");
        std::fs::write(&file, text).unwrap();
        let config = config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        std::fs::write(&file, "profiles: nonsense").unwrap();
        let store = Arc::new(MemoryStore::default());
        begin(&config, store.clone(), &SystemClock, Arc::new(Nobody)).await.unwrap();
        let records = store.records(&AuditFilter::default(), None, 10).await.unwrap();
        let loaded = RecordHash(Sha256::digest(text).into()).to_string();
        assert!(records.iter().any(|record| record.event.contains(&loaded)), "{records:?}");

        let refused = config::load(&file).unwrap_err().digest;
        assert_eq!(refused, Some(Sha256::digest("profiles: nonsense").into()));
    }
}
