//! Reads the configuration again at SIGHUP, or when it or a file that it names has changed, and puts it in force as a whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::compose::{self, KeptOnReload};
use super::start::admin_in_force;
use super::{Gateway, StartError, alert_routing, audit};
use crate::admin::Reload;
use crate::audit::{Actor, Event, Kind, Subject};
use crate::config::{self, Config};
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
            match self.reload() {
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
    files: Vec<PathBuf>,
    seen: Vec<Fingerprint>,
}

/// What changes when a file does; none: it cannot be read.
type Fingerprint = Option<(SystemTime, u64)>;

impl Reasons {
    /// Watches what `config` names.
    fn watching(config: &Config) -> std::io::Result<Self> {
        let files = files_of(config);
        Ok(Self { hangup: signal(SignalKind::hangup())?, seen: fingerprints(&files), files })
    }

    /// Watches what `config` names instead.
    fn watch(&mut self, config: &Config) {
        self.files = files_of(config);
        self.seen = fingerprints(&self.files);
    }

    /// Returns when there is a reason.
    async fn next(&mut self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = self.hangup.recv() => break,
                _ = looks.tick() => {
                    let now = fingerprints(&self.files);
                    if now != self.seen {
                        self.seen = now;
                        break;
                    }
                }
            }
        }
    }
}

fn fingerprints(files: &[PathBuf]) -> Vec<Fingerprint> {
    files.iter().map(|file| fingerprint(file)).collect()
}

fn fingerprint(file: &Path) -> Fingerprint {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The configuration, every file that it names, and the encryption keys, which the gateway may make itself.
fn files_of(config: &Config) -> Vec<PathBuf> {
    let mut files = config.files();
    files.extend([config.file.clone(), config.settings.store.encryption_key_file.0.clone()]);
    files
}
