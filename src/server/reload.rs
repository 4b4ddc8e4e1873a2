//! Reads the configuration again at SIGHUP, or when it or a file that it names has changed, and puts it in force as a whole or not at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::compose::{self, KeptOnReload};
use super::start::admin_in_force;
use super::{Gateway, StartError, alert_routing, audit};
use crate::admin::Reload;
use crate::audit::{Actor, Event, Kind, Subject};
use crate::config::{self, Config, Fingerprint, Fingerprints};
use crate::telemetry;
use crate::telemetry::metrics::ReloadResult;

/// How often the files are looked at. Looking works on every file system, and for files that are replaced by a changed link,
/// as Kubernetes does.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Gateway {
    pub(super) async fn reload_when_needed(mut self) {
        let mut reasons = match Reasons::watching(&self.config) {
            Ok(reasons) => reasons,
            Err(error) => return tracing::error!(%error, "the configuration will not be reloaded"),
        };
        loop {
            reasons.next().await;
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
                    let loaded = audit::configuration(Kind::ConfigurationLoaded, &self.config.file);
                    audit::tell(&recorder, loaded, self.clock.now()).await;
                    let current = self.intake.current_key();
                    if current != key {
                        let rotated = Event::new(Kind::KeyRotated, Actor::Gateway).about(Subject::Key(current));
                        audit::tell(&recorder, rotated, self.clock.now()).await;
                    }
                    reasons.watch(&self.config);
                    telemetry::metrics().reloaded(ReloadResult::Applied);
                    self.health.reloaded(Reload::Applied);
                    tracing::info!(file = %self.config.file.display(), "configuration reloaded");
                }
                Err(problem) => {
                    let refused = audit::configuration(Kind::ConfigurationRefused, &self.config.file);
                    audit::tell(&recorder, refused, self.clock.now()).await;
                    telemetry::metrics().reloaded(ReloadResult::Refused);
                    self.health.reloaded(Reload::Refused);
                    tracing::error!(problem, "configuration NOT reloaded: the old one stays in force");
                }
            }
        }
    }

    /// Everything is made and checked before anything is put in force.
    fn reload(&mut self) -> Result<(), String> {
        let config = config::load(&self.config.file).map_err(|problems| problems.to_string())?;
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
        self.alerts.replace(routing);
        self.config = config;
        Ok(())
    }
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

    /// Returns when there is a reason.
    async fn next(&mut self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            let is_asked = tokio::select! {
                _ = self.hangup.recv() => true,
                _ = looks.tick() => false,
            };
            // Either way, or what is refused would be refused again for the same change.
            if self.look() || is_asked {
                return;
            }
        }
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
