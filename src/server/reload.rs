//! Reads the configuration again at SIGHUP, or when it or a file that it names has changed, and puts it in force as a whole or not at all.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::compose::{self, KeptOnReload};
use super::start::admin_in_force;
use super::{Gateway, StartError, alert_routing, audit};
use crate::admin::Reload;
use crate::audit::{Actor, Event, Kind, Subject};
use crate::config::{self, Config, Fingerprint, Fingerprints};
use crate::sealing::Keys;
use crate::telemetry;
use crate::telemetry::metrics::ReloadResult;

/// How often the files are looked at. Looking works on every file system, and for files that are replaced by a changed link,
/// as Kubernetes does.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// After how many looks a configuration that was refused is read again though it has not changed.
const LOOKS_BEFORE_A_RETRY: u32 = 5;

impl Gateway {
    pub(super) async fn reload_when_needed(mut self) {
        let mut reasons = match Reasons::watching(&self.config) {
            Ok(reasons) => reasons,
            Err(error) => return tracing::error!(%error, "the configuration will not be reloaded"),
        };
        let started_with = read_once(&self.config);
        let mut last_problem: Option<String> = None;
        loop {
            let reason = reasons.next(last_problem.is_some()).await;
            let (recorder, key) = (self.intake.tools().audit.clone(), self.intake.current_key());
            let reloaded;
            // Beside the threads that serve: files are read, and many patterns may have to be compiled.
            (self, reloaded) = match tokio::task::spawn_blocking(move || (self.reload(), self)).await {
                Ok((reloaded, gateway)) => (gateway, reloaded),
                Err(died) => {
                    if let Ok(panic) = died.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                    return;
                }
            };
            match reloaded {
                Ok(()) => {
                    let loaded = audit::configuration(Kind::ConfigurationLoaded, Some(self.config.digest));
                    audit::tell(&recorder, loaded, self.clock.now()).await;
                    let current = self.intake.current_key();
                    if current != key {
                        let rotated = Event::new(Kind::KeyRotated, Actor::Gateway).about(Subject::Key(current));
                        audit::tell(&recorder, rotated, self.clock.now()).await;
                    }
                    if !self.intake.keys().has(&key) {
                        tracing::error!(
                            key,
                            file = %self.config.settings.store.encryption_key_file.0.display(),
                            "store.encryption_key_file: the key that was in use is no longer in it, and what was encrypted with it cannot be read: add it again"
                        );
                    }
                    reasons.watch(&self.config);
                    telemetry::metrics().reloaded(ReloadResult::Applied);
                    self.health.reloaded(Reload::Applied);
                    tracing::info!(file = %self.config.file.display(), "configuration reloaded");
                    let now = read_once(&self.config);
                    let waiting: Vec<&str> =
                        now.iter().filter(|part| !started_with.contains(part)).map(|(name, _)| *name).collect();
                    if !waiting.is_empty() {
                        let parts = waiting.join(", ");
                        tracing::warn!(
                            parts,
                            "changed, and read at a start alone: the gateway goes on with what it started with until it is restarted"
                        );
                    }
                    last_problem = None;
                }
                Err((problem, _)) if reason == Reason::Retry && last_problem.as_ref() == Some(&problem) => {}
                Err((problem, digest)) => {
                    let refused = audit::configuration(Kind::ConfigurationRefused, digest);
                    audit::tell(&recorder, refused, self.clock.now()).await;
                    telemetry::metrics().reloaded(ReloadResult::Refused);
                    self.health.reloaded(Reload::Refused);
                    tracing::error!(problem, "configuration NOT reloaded: the old one stays in force");
                    last_problem = Some(problem);
                }
            }
        }
    }

    /// Otherwise why not, and the SHA-256 of what was refused, where it could be read.
    fn reload(&mut self) -> Result<(), (String, Option<[u8; 32]>)> {
        let config = config::load(&self.config.file).and_then(Config::to_be_served);
        let config = config.map_err(|problems| (problems.to_string(), problems.digest))?;
        let digest = config.digest;
        self.put_in_force(config).map_err(|problem| (problem, Some(digest)))
    }

    /// Everything is made and checked before anything is put in force.
    fn put_in_force(&mut self, config: Config) -> Result<(), String> {
        // Made at a start alone: a misspelt name would put a new key in force, which opens nothing.
        let file = &config.settings.store.encryption_key_file.0;
        Keys::read(file).map_err(|error| StartError::Keys { file: file.clone(), error }.to_string())?;
        let settings = &config.settings.throttle;
        let files = compose::throttle_files(settings).map_err(|error| error.to_string())?;
        let throttle = self.intake.throttle_reloaded(settings, files).map_err(|error| error.to_string())?;
        let (closed_paths, advertised_endpoints) = (&self.closed_paths, &self.advertised_endpoints);
        let kept = KeptOnReload { clock: &self.clock, closed_paths, advertised_endpoints, throttle };
        let parts = compose::parts(&config, kept).map_err(|error| error.to_string())?;
        let admin = admin_in_force(&config).map_err(|error| error.to_string())?;
        let routing = alert_routing(&config).map_err(|error| error.to_string())?;
        self.proxy.reload(parts.proxy).map_err(|problems| StartError::Proxy(problems).to_string())?;
        self.intake.replace(parts.rulebook);
        self.admin_in_force.store(Arc::new(admin));
        self.admin_door.open_to(&config.settings.admin);
        self.alerts.replace(routing);
        self.config = config;
        Ok(())
    }
}

/// The parts that are read at a start and never again, as they are written.
fn read_once(config: &Config) -> Vec<(&'static str, Value)> {
    let written = serde_json::to_value(&config.settings).unwrap_or_default();
    let mut thresholds = written["anomalies"].clone();
    if let Value::Object(thresholds) = &mut thresholds {
        // What is done about findings is read again.
        thresholds.retain(|key, _| !["responses", "known_networks"].contains(&key.as_str()));
    }
    let mut store = written["store"].clone();
    if let Value::Object(store) = &mut store {
        store.remove("encryption_key_file");
    }
    let connections = config.settings.listeners.iter().map(|listener| Value::from(listener.max_connections)).collect();
    let whole = ["audit", "telemetry", "replay"].map(|section| (section, written[section].clone()));
    let addresses =
        [("admin.socket", written["admin"]["socket"].clone()), ("admin.listen", written["admin"]["listen"].clone())];
    whole
        .into_iter()
        .chain(addresses)
        .chain([("store", store), ("anomalies", thresholds), ("listeners[].max_connections", connections)])
        .chain([("throttle.sources", written["throttle"]["sources"].clone())])
        .collect()
}

/// Why the configuration is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// A file was changed, or somebody asks for it.
    Change,
    /// It was refused: what it needs and nobody watches, as a file that was not there, may be there now.
    Retry,
}

/// Waits for reasons to reload.
struct Reasons {
    hangup: Signal,
    /// What was read last: before it was read, so that what changes while it is read is a change.
    seen: Fingerprints,
}

impl Reasons {
    /// Watches what `config` was read from.
    fn watching(config: &Config) -> std::io::Result<Self> {
        Ok(Self { hangup: signal(SignalKind::hangup())?, seen: seen(config) })
    }

    /// Watches what `config` was read from instead.
    fn watch(&mut self, config: &Config) {
        self.seen = seen(config);
    }

    /// Returns when there is a reason; where the last reading was `refused`, after a while without a change, too.
    async fn next(&mut self, refused: bool) -> Reason {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        for look in 0_u32.. {
            let is_asked = tokio::select! {
                _ = self.hangup.recv() => true,
                _ = looks.tick() => false,
            };
            // Either way, or what is refused would be refused again for the same change.
            if self.look() || is_asked {
                break;
            }
            if refused && look >= LOOKS_BEFORE_A_RETRY {
                return Reason::Retry;
            }
        }
        Reason::Change
    }

    /// Whether something has changed since the last look.
    fn look(&mut self) -> bool {
        let now = self.seen.keys().map(|file| (file.clone(), Fingerprint::of(file))).collect();
        let before = std::mem::replace(&mut self.seen, now);
        before != self.seen
    }
}

/// What the configuration was read from.
fn seen(config: &Config) -> Fingerprints {
    let (mut seen, keys) = (config.seen.clone(), &config.settings.store.encryption_key_file.0);
    if seen.get(keys) == Some(&Fingerprint::NONE) {
        // The gateway has made the file since.
        seen.insert(keys.clone(), Fingerprint::of(keys));
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_sources_the_throttle_remembers_waits_for_a_restart() {
        let text = include_str!("../../tests/config/good/least.yaml");
        let read = |text: &str| config::from_text(text, "gateway.yaml".as_ref(), &|_| None);
        let with = |throttle| read_once(&read(&format!("{text}throttle: {{ {throttle} }}\n")).unwrap());
        assert_ne!(with("sources: 7"), with("sources: 8"));
        assert_eq!(with("total: { rate: 7/s, burst: 7 }"), with("total: { rate: 8/s, burst: 8 }"));
    }

    #[tokio::test]
    async fn what_changed_since_it_was_read_is_a_reason_and_is_one_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gateway.yaml");
        let text = include_str!("../../tests/config/good/least.yaml");
        std::fs::write(&file, text).unwrap();
        let config = config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(!Reasons::watching(&config).unwrap().look());
        std::fs::write(&file, format!("{text}# while the store was brought up to date\n")).unwrap();
        let mut reasons = Reasons::watching(&config).unwrap();
        assert!(reasons.look());
        assert!(!reasons.look());
    }

    #[tokio::test]
    async fn keys_that_the_gateway_made_itself_are_no_reason() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gateway.yaml");
        std::fs::write(&file, include_str!("../../tests/config/good/least.yaml")).unwrap();
        let config = config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        let keys = &config.settings.store.encryption_key_file.0;
        std::fs::create_dir_all(keys.parent().unwrap()).unwrap();
        std::fs::write(keys, "made").unwrap();
        let mut reasons = Reasons::watching(&config).unwrap();
        assert!(!reasons.look());
        std::fs::write(keys, "another").unwrap();
        assert!(reasons.look());
    }
}
